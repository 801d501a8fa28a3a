"""Theorems on products of factors, one-hot labels of equal weights, no bias."""

import numpy as np

import ufm.theory.theorems.assumptions as given
from ufm.theory.theorems.free.quadratic import ROOMY
from ufm.theory.theorems.joint import EPS
from ufm.theory.theorems.theorem import (
    Assumption,
    Finding,
    Setting,
    Theorem,
    VariantClaim,
    VariantOptimum,
)
from ufm.theory.theorems.variants.found import NUMERICAL, PROVED, explicit_finding
from ufm.theory.variants.deep import DeepOptimum, deep_cross_entropy, deep_squared_error, root_of_product


def _few(setting: Setting) -> str | None:
    K = setting.problem.classes
    return None if K <= 4 else f"K = {K} > 4: other polyhedra are lower than simplex, polygon and line"


# no variant has more factors than eight; ten have a lower line, which is not odd
FEW = Assumption(r"$K \le 4$, $N \le 8$", _few)


def line_frame(angle: float, scale: float, K: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The one direction: u, v (K, 1) and σ."""
    if K == 3:
        u = np.array([[1.0], [0.0], [-1.0]]) / np.sqrt(2)
        return u, u, np.array([2 * scale / np.sqrt(3)])
    a, b = np.cos(angle / 2), np.sin(angle / 2)
    v = np.array([[a], [b], [-b], [-a]]) / np.sqrt(2)
    u = np.array([[a + b], [a - b], [b - a], [-a - b]]) / 2
    return u, v, np.array([np.sqrt(2) * scale])


def frame(branch: str, scale: float, K: int) -> tuple[np.ndarray, np.ndarray]:
    """U (K, r) orthonormal and the singular values s (r) of Z/√K, for branches with Z = Zᵀ ⪰ 0."""
    if branch == "zero":
        return np.zeros((K, 1)), np.zeros(1)
    if branch == "modes":
        return np.eye(K), np.full(K, scale / np.sqrt(K))
    if branch == "etf":
        return np.linalg.svd(np.eye(K) - 1 / K)[0][:, : K - 1], np.full(K - 1, scale / np.sqrt(K))
    angle = 2 * np.pi * np.arange(K) / K
    return np.stack([np.cos(angle), np.sin(angle)], 1) * np.sqrt(2 / K), np.full(2, scale * np.sqrt(K) / 2)


def factors_of(setting: Setting, found: DeepOptimum) -> list[np.ndarray]:
    """W₁ (K, d), …, H (n, d): all penalties λ_W‖W_i‖², λ_H E‖h‖² of a direction are Λ^{1/N} s^{2/N}."""
    joint, N, d = setting.joint, int(setting.shaped.variant.numbers[0]), setting.dim
    if found.branch == "line":
        U, V, s = line_frame(found.angle, found.scale, joint.classes)
    else:
        U, s = frame(found.branch, found.scale, joint.classes)
        V = U
    share = root_of_product(N, joint.lambda_w, joint.lambda_h) * s ** (2 / N)
    middle = np.zeros((d, d))
    middle[np.arange(len(s)), np.arange(len(s))] = np.sqrt(share / joint.lambda_w)
    first, last = np.zeros((joint.classes, d)), np.zeros((joint.classes, d))
    first[:, : len(s)] = U * np.sqrt(share / joint.lambda_w)
    last[:, : len(s)] = V * np.sqrt(share / joint.lambda_h) * np.sqrt(joint.classes)
    return [first, *[middle] * (N - 2), joint.atoms.labels @ last]


def deep_finding(setting: Setting, optimum: VariantOptimum, change=lambda found: found) -> Finding:
    """The claimed factors are critical with the claimed objective; no start is lower. change: another claim."""
    joint, N = setting.joint, int(setting.shaped.variant.numbers[0])
    squared = joint.loss == "squared-error"
    form = deep_squared_error if squared else deep_cross_entropy
    found = change(form(joint.classes, N, joint.lambda_w, joint.lambda_h))
    rounding = 256 * EPS * N * (1 + found.scale)
    evidence = PROVED if squared else NUMERICAL
    return explicit_finding(optimum, found.objective, factors_of(setting, found), evidence, rounding)


DEEP_LINEAR_CE = Theorem(
    name="deep-linear-ce",
    title="Three factors or more: few directions may win (optimality: numerical evidence)",
    statement=r"\Lambda = \lambda_W^{N-1}\lambda_H,\ K \le 4,\ N \le 8: \quad \min L = \min\{\log K, \ \min_x"
    r" \log(1 + (K-1)e^{-x}) + \tfrac N2\Lambda^{1/N}(K-1)(\tfrac{x}{\sqrt K})^{2/N}, \ \min_t"
    r" \log\textstyle\sum_le^{t(\cos\frac{2\pi l}{K} - 1)} + N\Lambda^{1/N}(\tfrac{t\sqrt K}{2})^{2/N}, \ "
    r"\min_{\sigma,u,v} \tfrac1K\sum_k\log\sum_le^{\sigma\sqrt K\,v_k(u_l - u_k)} +"
    r" \tfrac N2\Lambda^{1/N}\sigma^{2/N}\},"
    r" \quad \|u\| = \|v\| = 1,\ u_{K+1-k} = -u_k,\ v_{K+1-k} = -v_k",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, given.ONE_HOT, FEW, given.ROOM, given.NO_BIAS),
    claim=VariantClaim("deep-linear", deep_finding),
    quantity="slopes and objective at the claimed factors, and the best of 24 blind starts: no certificate",
    source="re-derived here; Dang et al. 2023 (arXiv:2301.00437), Súkeník et al. 2024 (arXiv:2405.14468)",
)

DEEP_LINEAR_MSE = Theorem(
    name="deep-linear-mse",
    title="Under squared error every direction of a deep product is alone",
    statement=r"\min L = K\min\{\tfrac{1}{2K}, \ \min_s\tfrac{(1-s)^2}{2K} +"
    r" \tfrac N2\Lambda^{1/N}(\tfrac{s}{\sqrt K})^{2/N}\},"
    r" \quad Z = sI \ (\text{or } 0 \text{ where that is less; not unique where both are least}), \quad "
    r"\Lambda = \lambda_W^{N-1}\lambda_H",
    assumptions=(given.PENALISED, given.SQUARED_ERROR, given.ONE_HOT, ROOMY, given.NO_BIAS),
    claim=VariantClaim("deep-linear", deep_finding),
    quantity="slopes and objective at the claimed factors, and the best of 24 blind starts: that none is lower is"
    " proved, not certified",
    source="re-derived here; Dang et al. 2023 (arXiv:2301.00437)",
)

DEEP = (DEEP_LINEAR_CE, DEEP_LINEAR_MSE)
