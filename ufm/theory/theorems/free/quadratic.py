"""Theorems on one-hot labels under squared error, with class weights or a bias; and on polygons (d = 2)."""

import numpy as np
import scipy

import ufm.theory.theorems.assumptions as given
from ufm.model.atoms import JointProblem
from ufm.theory.geometry.quadratic import biased_logits, class_gains, regression_fit
from ufm.theory.polygon import polygon_escape, regular_polygon
from ufm.theory.theorems.joint import EPS, root_finding
from ufm.theory.theorems.theorem import Assumption, Finding, JointClaim, JointOptimum, Setting, Theorem


def _single(setting: Setting) -> str | None:
    law = setting.law
    if law.labels is not None or law.pairs != "same" or law.smoothing:
        return "the labels are not one-hot"
    return None


def _roomy(setting: Setting) -> str | None:
    K, d = setting.problem.classes, setting.dim
    return None if d >= K else f"dim = {d} < {K} = K"


def _some_bias(setting: Setting) -> str | None:
    return "the classifier has no bias" if setting.lambda_b is None else None


def _planar(setting: Setting) -> str | None:
    return None if setting.dim == 2 else f"dim = {setting.dim}, not 2"


SINGLE = Assumption(r"labels $e_k$", _single)
ROOMY = Assumption(r"$d \ge K$", _roomy)
SOME_BIAS = Assumption("a bias, free or penalised", _some_bias, ("bias", ("free", "penalised")))
PLANAR = Assumption(r"$d = 2$", _planar)


def fitted_finding(setting: Setting, optimum: JointOptimum, Z, predicted: float, numeric: float) -> Finding:
    """The claim that the logits are Z (n, K): ½E‖z − z*‖² is at most the gap."""
    divergence = float(0.5 * setting.joint.atoms.weights @ np.sum((optimum.Z - Z) ** 2, 1))
    return root_finding(predicted, numeric, divergence, optimum)


def _uneven(setting: Setting, optimum: JointOptimum) -> Finding:
    """W h_k = g_k/(g_k + λ_H) e_k; the numbers shown are the largest row norm."""
    joint = setting.joint
    q = joint.atoms.weights @ joint.atoms.labels
    gains = class_gains(q, joint.lambda_w, joint.lambda_h)
    Z = joint.atoms.labels * (gains / (gains + joint.lambda_h))
    numeric = float(np.linalg.norm(optimum.W, axis=1).max())
    return fitted_finding(setting, optimum, Z, float(np.sqrt(gains.max())), numeric)


SQUARED_UNEVEN = Theorem(
    name="squared-imbalanced",
    title="Under squared error without a bias every class lives and dies alone",
    statement=r"WW^\top = \mathrm{diag}(g_k), \quad g_k = (\sqrt{q_k\lambda_H/\lambda_W} - \lambda_H)_+, \quad"
    r" Wh_k = \tfrac{g_k}{g_k + \lambda_H}e_k: \quad w_k = 0 \iff q_k \le \lambda_W\lambda_H",
    assumptions=(given.PENALISED, given.SQUARED_ERROR, SINGLE, ROOMY, given.NO_BIAS),
    claim=JointClaim(_uneven),
    quantity="√(½E‖z_theory − z‖²) of the blind joint optimum; the numbers shown are the largest ‖w_k‖",
    source="re-derived here; Dang et al. 2023 (arXiv:2301.00437), Tirer and Bruna 2022",
)


def _biased(setting: Setting, optimum: JointOptimum) -> Finding:
    """z_k = s (e_k − 1/K) + t/K + b; the numbers shown are b."""
    joint, K = setting.joint, setting.problem.classes
    across, along, bias = biased_logits(K, joint.lambda_w, joint.lambda_h, float(joint.lambda_b or 0.0))
    Z = across * (joint.atoms.labels - 1 / K) + along / K + bias
    return fitted_finding(setting, optimum, Z, bias, float(np.mean(optimum.b)))


SQUARED_BIAS = Theorem(
    name="squared-bias",
    title="Under squared error a penalty on the bias turns the ETF towards a frame",
    statement=r"\lambda_b(1-\hat c) \le \hat c: \ Wh_k = (1-\hat c)_+(e_k - \tfrac1K),\ b ="
    r" \tfrac{1}{K(1+\lambda_b)}; \quad \text{else}\ Wh_k = (1-\hat c)(e_k - \tfrac1K) +"
    r" \tfrac{1-\hat c-\hat c/\lambda_b}{K},\ b = \tfrac{\hat c}{K\lambda_b}; \quad \hat c^2 = "
    r"K\lambda_W\lambda_H",
    assumptions=(given.PENALISED, given.SQUARED_ERROR, given.ONE_HOT, ROOMY, SOME_BIAS),
    claim=JointClaim(_biased),
    quantity="√(½E‖z_theory − z‖²) of the blind joint optimum; the numbers shown are b",
    source="re-derived here; Massion et al. 2026 (arXiv:2606.00344)",
)


def _real(setting: Setting) -> str | None:
    return "the targets are labels, not real numbers" if setting.targets is None else None


def _no_or_free(setting: Setting) -> str | None:
    return "the bias is penalised" if setting.lambda_b else None


def _fit(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    p, atoms = setting.problem, setting.joint.atoms
    return regression_fit(atoms.labels, atoms.weights, p.lambda_w, p.lambda_h, setting.lambda_b == 0)


def _rank(setting: Setting) -> str | None:
    if (
        setting.targets is None
        or setting.problem.lambda_w == 0
        or setting.lambda_b
        or setting.loss != "squared-error"
    ):
        return None  # other assumptions'
    rank = np.linalg.matrix_rank(_fit(setting)[0])
    return (
        None
        if setting.dim >= rank
        else f"dim = {setting.dim} < {rank} singular values of the targets above c"
    )


REAL = Assumption("real targets", _real)
NO_OR_FREE = Assumption("no bias, or a free one", _no_or_free, ("bias", ("none", "free")))
RANK = Assumption(r"$d \ge \mathrm{rank}(\Sigma^{1/2} - c)_+$", _rank)


def _regression(setting: Setting, optimum: JointOptimum) -> Finding:
    """The fitted values; the numbers shown are ‖W‖_F."""
    G, Z = _fit(setting)
    return fitted_finding(setting, optimum, Z, float(np.sqrt(np.trace(G))), float(np.linalg.norm(optimum.W)))


REGRESSION = Theorem(
    name="regression",
    title="Real targets: every direction of the targets is kept less c, or lost",
    statement=r"WW^\top = \sqrt{\tfrac{\lambda_H}{\lambda_W}}\,(\Sigma^{1/2} - cI)_+, \quad Wh_y = (I -"
    r" c\Sigma^{-1/2})_+(y - \bar y), \quad b = \bar y, \ \Sigma = \mathrm{cov}(y) \text{ (free bias)}, \ \Sigma ="
    r" \mathbb{E}yy^\top,\ \bar y = 0 \text{ (no bias)}",
    assumptions=(given.REAL_PENALISED, given.SQUARED_ERROR, REAL, NO_OR_FREE, RANK),
    claim=JointClaim(_regression),
    quantity="√(½E‖z_theory − z‖²) of the blind joint optimum; the numbers shown are ‖W‖_F",
    source="re-derived here, with rank drop; full rank: Andriopoulos et al. 2024",
)


def polygon_point(K: int, lambda_w: float, lambda_h: float) -> tuple[np.ndarray, np.ndarray]:
    """W (K, 2) and the features of the classes (K, 2) of the K-gon: balanced, λ_W ‖W‖² = λ_H E‖h‖²."""
    found = regular_polygon(K, lambda_w, lambda_h)
    angle = 2 * np.pi * np.arange(K) / K
    W = found.multiplier * np.stack([np.cos(angle), np.sin(angle)], 1)
    return W, W * np.sqrt(K * lambda_w / lambda_h)


def _ring_rounding(joint: JointProblem, logit: float) -> float:
    """Of a slope at the K-gon: residuals of size ĉ are differences of probabilities, known to some ε t of one."""
    share = min(float(np.sqrt(joint.classes * joint.product)), 1.0)
    return 64 * EPS * joint.classes * (1 + logit) / share


def _polygon(setting: Setting, optimum: JointOptimum) -> Finding:
    """Slopes at the K-gon over (√λ_W W, √λ_H h), in units of √L; its objective as the certificate evaluates it."""
    joint, K = setting.joint, setting.problem.classes
    W, classes = polygon_point(K, joint.lambda_w, joint.lambda_h)
    H = joint.atoms.labels @ classes
    objective, _ = optimum.suboptimality(W, H)
    found = regular_polygon(K, joint.lambda_w, joint.lambda_h)
    r = joint.atoms.labels - scipy.special.softmax(H @ W.T, 1)
    slope_w = joint.lambda_w * W - (r * joint.atoms.weights[:, None]).T @ H
    slope_h = np.sum((joint.lambda_h * H - r @ W) ** 2, 1)
    off = np.sqrt(np.sum(slope_w**2) / joint.lambda_w) + np.sqrt(
        joint.atoms.weights @ slope_h / joint.lambda_h
    )
    error = max(abs(objective / found.objective - 1), float(off) / np.sqrt(found.objective))
    rounding = _ring_rounding(joint, found.logit)
    return Finding(found.objective, objective, float(error), 64 * EPS * K, rounding, 1e-6)


POLYGON = Theorem(
    name="polygon",
    title="In the plane the regular K-gon is critical (optimality: numerical evidence)",
    statement=r"d = 2,\ \hat c < 1: \quad w_k = m(\cos\tfrac{2\pi k}{K}, \sin\tfrac{2\pi k}{K}), \quad 1 - "
    r"\textstyle\sum_l"
    r" p_l\cos\tfrac{2\pi l}{K} = \hat c, \quad p = \mathrm{softmax}(t\cos\tfrac{2\pi l}{K}), \quad m^2 ="
    r" t\sqrt{\tfrac{\lambda_H}{K\lambda_W}} \quad \text{is a critical point}; \quad \text{else } W = 0",
    assumptions=(
        given.PENALISED,
        given.CROSS_ENTROPY,
        given.ONE_HOT,
        given.THREE_CLASSES,
        PLANAR,
        given.NO_BIAS,
    ),
    claim=JointClaim(_polygon),
    quantity="slopes at the K-gon, and its objective beside the formula's; for d < K−1 no gap certifies optimality",
    source="re-derived here",
)


# --- the way out of a saddle ---------------------------------------------------------------------


def _four_classes(setting: Setting) -> str | None:
    K = setting.problem.classes
    return None if K >= 4 else f"K = {K}: two dimensions are enough for a simplex"


FOUR = Assumption(r"$K \ge 4$", _four_classes)


def escape_finding(setting: Setting, optimum: JointOptimum, change=lambda curvature: curvature) -> Finding:
    """Least eigenvalue of L'' in a free direction, written out at the K-gon. change: another claim.

    In a third dimension L'' is ‖dW‖²λ_W + λ_H E dh² − 2 E r·dW dh: [[I, −R/(√K c)], [·, I]] over √λ_W dW and
    √(λ_H/K) dh.
    """
    joint, K = setting.joint, setting.problem.classes
    found = polygon_escape(K, joint.lambda_w, joint.lambda_h)
    claimed = change(found.curvature)
    W, H = polygon_point(K, joint.lambda_w, joint.lambda_h)
    R = (np.eye(K) - scipy.special.softmax(H @ W.T, 1)).T / np.sqrt(K * joint.product)
    block = np.block([[np.eye(K), -R], [-R.T, np.eye(K)]])
    value = np.linalg.eigvalsh(block)
    unit = float(max(1.0, np.abs(value).max()))
    rounding = _ring_rounding(joint, regular_polygon(K, joint.lambda_w, joint.lambda_h).logit)
    error = abs(float(value[0]) - claimed) / unit
    return Finding(claimed, float(value[0]), error, 64 * EPS * K, rounding, 1e-6, unit=unit)


POLYGON_ESCAPE = Theorem(
    name="polygon-escape",
    title="One dimension more, and a polygon, while alive, is a strict saddle: the way out",
    statement=r"d \to 3: \quad dW = \alpha uv^\top,\ dh_k = \beta(u^\top r_k)v,\ v \perp W: \quad \text{over }"
    r" \sqrt{\lambda_W}\,dW,\ \sqrt{\tfrac{\lambda_H}{K}}\,dh_k: \ \lambda_{\min} = 1 - "
    r"\tfrac{\sqrt{\lambda_{\max}(M)}}{c} = 1 - \max_j\tfrac{1 -"
    r" \sum_lp_l\cos\frac{2\pi jl}{K}}{\hat c} < 0 \iff \hat c < 1,"
    r" \quad M = \mathbb{E}rr^\top",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, given.ONE_HOT, FOUR, PLANAR, given.NO_BIAS),
    claim=JointClaim(escape_finding),
    quantity="the least curvature in a direction that the K-gon leaves free, written out there",
    source="re-derived here",
)

QUADRATIC = (SQUARED_UNEVEN, SQUARED_BIAS, REGRESSION, POLYGON, POLYGON_ESCAPE)
