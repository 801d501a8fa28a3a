"""Theorems on the curvature of the joint problem at its optimum: in G = W Wᵀ, and over W and all features."""

import numpy as np
import scipy

import ufm.theory.theorems.assumptions as given
from ufm.theory.geometry.hessian import collapse_spectrum
from ufm.theory.geometry.susceptibility import Susceptibility, pattern_susceptibility
from ufm.theory.multiplier import pattern_multiplier
from ufm.theory.theorems.free.exact import predicted_finding
from ufm.theory.theorems.free.onehot import class_predictions
from ufm.theory.theorems.joint import mean_divergence, predictions, root_finding
from ufm.theory.theorems.theorem import Assumption, Finding, JointClaim, JointOptimum, Setting, Theorem

ENOUGH = 1e-8  # relative rounding of eigenvalues of F'', whose residuals are differences of probabilities


def _alive(setting: Setting) -> str | None:
    if setting.problem.lambda_w == 0 or setting.joint.product < setting.joint.atoms.patterns.variance:
        return None
    return "λ_W λ_H is at or above its threshold: the optimum is zero"


ALIVE = Assumption(r"$\lambda_W\lambda_H < (\mathbb{E}\|y\|^2 - \frac1K)/(K-1)$", _alive)


def symmetric_basis(K: int) -> np.ndarray:
    """(K(K−1)/2, K, K) symmetric matrices with D 1 = 0, orthonormal for the trace."""
    basis = np.linalg.svd(np.eye(K) - 1 / K)[0][:, : K - 1]
    found = []
    for i in range(K - 1):
        for j in range(i + 1):
            D = np.outer(basis[:, i], basis[:, j])
            found.append((D + D.T) / (2 if i == j else np.sqrt(2)))
    return np.array(found)


def hessian(labels, weights, P, a: float, lambda_h: float, lambda_b: float | None = None) -> np.ndarray:
    """F'' over `symmetric_basis` from any predictions P: λ_H⁻² E[rᵀ D T D' r], T = S(I + aS)⁻¹ by solving.

    With a bias that of the best bias: less the Schur complement of E T + λ_b on Σ b = 0, whose mixed part is
    E T D r/λ_H.
    """
    K = labels.shape[1]
    basis = symmetric_basis(K)
    out, mixed, corner = (np.zeros((len(basis), len(basis))), np.zeros((len(basis), K)), np.zeros((K, K)))
    for y, p, weight in zip(labels, P, weights):
        S = np.diag(p) - np.outer(p, p)
        T = np.linalg.solve(np.eye(K) + a * S, S)
        T, moved = (T + T.T) / 2, basis @ (y - p)
        out += weight * moved @ T @ moved.T
        mixed += weight * moved @ T
        corner += weight * T
    if lambda_b is not None:
        flat = np.linalg.svd(np.eye(K) - 1 / K)[0][:, : K - 1]
        inner = flat.T @ corner @ flat + lambda_b * np.eye(K - 1)
        out -= mixed @ flat @ np.linalg.solve(inner, flat.T @ mixed.T)
    return out / lambda_h**2


def _claimed(setting: Setting) -> tuple[Susceptibility, np.ndarray]:
    joint = setting.joint
    a = pattern_multiplier(joint.atoms.patterns, joint.lambda_w, joint.lambda_h).sharpness
    found = pattern_susceptibility(joint.atoms.patterns, a, joint.lambda_h, joint.lambda_b)
    values = np.repeat(np.array(found.curvature, float), np.array(found.dimension, int))
    return found, np.sort(values)


def curvature_finding(setting: Setting, optimum: JointOptimum, change=lambda values: values) -> Finding:
    """The optimum predicts p_a(y), and F'' written out at p_a has h₁, h₂, h₃ as often as they count.

    The first is held against the gap, as in the theorem joint-etf; the second against rounding alone. The numbers
    shown are the largest eigenvalue, claimed and at the numerical predictions.
    """
    joint, atoms = setting.joint, setting.joint.atoms
    found, claimed = _claimed(setting)
    claimed, p = change(claimed), predictions(atoms.labels, found.sharpness)
    written, numeric = (
        np.linalg.eigvalsh(
            hessian(atoms.labels, atoms.weights, chances, found.sharpness, joint.lambda_h, joint.lambda_b)
        )
        for chances in (p, optimum.P)
    )
    divergence = mean_divergence(atoms.weights, p, optimum.Z)
    finding = root_finding(float(claimed[-1]), float(numeric[-1]), divergence, optimum)
    off = float(np.abs(written - claimed).max() / np.abs(written).max())
    return finding if off <= ENOUGH else finding._replace(error=off, exceeds=True)


SUSCEPTIBILITY = Theorem(
    name="susceptibility",
    title="The optimum answers its labels by three numbers: size, norms, angles",
    statement=r"F(G) = \min_{WW^\top = G}L,\ G = \lambda_Ha\Pi,\ r = y - p,\ S = \mathrm{diag}\,p - pp^\top: \quad"
    r" \langle D, F''D\rangle = \lambda_H^{-2}\,\mathbb{E}[r^\top DT_yDr], \ T_y = S(I + aS)^{-1}: \ "
    r" h_1 = \tfrac{\mathbb{E}e}{(K-1)\lambda_H^2},\ h_2 = \tfrac{\mathbb{E}[s - e/K]}{(K-1)(1-2/K)\lambda_H^2} - "
    r"\beta\ (K \ge 3), \ h_3\ (K \ge 4): \ h_1 + (K-1)(h_2 + \beta) + \tfrac{K(K-3)}{2}h_3 = "
    r"\tfrac{\mathbb{E}[\|r\|^2\mathrm{tr}T + "
    r"e]}{2\lambda_H^2}; \quad e = r^\top Tr,\ s = \textstyle\sum_kT_{kk}r_k^2; \quad \beta = 0, \text{ with a "
    r"bias } \tfrac{\mu^2}{(1-2/K)(t + \lambda_b)\lambda_H^2}, \ (K-1)\mu = \mathbb{E}\textstyle\sum_kT_{kk}r_k, "
    r"\ (K-1)t = \mathbb{E}\,\mathrm{tr}T",
    assumptions=(
        given.PENALISED,
        given.CROSS_ENTROPY,
        given.EXCHANGEABLE,
        given.ROOM,
        ALIVE,
    ),
    claim=JointClaim(curvature_finding),
    quantity="√E KL(p_theory ‖ p) of the blind joint optimum; the Hessian in G written out at p_theory; the numbers"
    " shown are its largest eigenvalue, claimed and at p",
    source="re-derived here; no earlier source known",
)


# --- the whole Hessian ---------------------------------------------------------------------------

MOST = 1200  # unknowns of a Hessian that is written out


def _few(setting: Setting) -> str | None:
    size = 2 * setting.problem.classes * setting.dim
    return None if size <= MOST else f"2Kd = {size} unknowns are too many to write a Hessian out"


FEW = Assumption(rf"$2Kd \le {MOST}$", _few)


def whole_hessian(setting: Setting, W, H) -> np.ndarray:
    """∂²L at W (K, d) and the features H (K, d) of the classes, in the coordinates √λ_W W and √(λ_H/K) H.

    L'' = (1/K) Σ_k [dz_kᵀ S_k dz_k − 2 r_kᵀ dW dh_k + λ_H ‖dh_k‖²] + λ_W ‖dW‖²,  dz_k = dW h_k + W dh_k.
    """
    joint, (K, d) = setting.joint, W.shape
    Y = joint.atoms.labels
    P = np.exp(scipy.special.log_softmax(H @ W.T, 1))
    dW = np.eye(K * d).reshape(K * d, K, d) / np.sqrt(joint.lambda_w)
    out = np.eye(2 * K * d)
    for k in range(K):
        dh = np.zeros((K * d, d))
        dh[k * d : (k + 1) * d] = np.eye(d) * np.sqrt(K / joint.lambda_h)
        move = np.concatenate([dW @ H[k], dh @ W.T])
        S = np.diag(P[k]) - np.outer(P[k], P[k])
        out += move @ S @ move.T / K
        cross = np.einsum("l,ald->ad", Y[k] - P[k], dW) @ dh.T / K
        out[: K * d, K * d :] -= cross
        out[K * d :, : K * d] -= cross.T
    return out


def spectrum_finding(setting: Setting, optimum: JointOptimum, change=lambda values: values) -> Finding:
    """The optimum is the closed form, and the Hessian written out there has the claimed spectrum, to rounding.

    The numbers shown are the largest eigenvalue, claimed and at the numerical optimum.
    """
    joint, K, d = setting.joint, setting.problem.classes, setting.dim
    smoothing = setting.law.smoothing
    best, own, p = class_predictions(setting, smoothing)
    values, counts = zip(*collapse_spectrum(K, d, joint.lambda_w, joint.lambda_h, smoothing))
    claimed = change(np.repeat(values, counts))
    basis = np.zeros((K, d))
    basis[:, : K - 1] = np.linalg.svd(np.eye(K) - 1 / K)[0][:, : K - 1]
    W = np.sqrt(best.gain) * basis
    H = (own @ W) * np.sqrt(K * joint.lambda_w / joint.lambda_h)
    written = np.linalg.eigvalsh(whole_hessian(setting, W, H))
    numeric = float(np.linalg.eigvalsh(whole_hessian(setting, optimum.W, optimum.H))[-1])
    finding = predicted_finding(setting, optimum, p, float(claimed[-1]), numeric)
    off = float(np.abs(written - claimed).max() / written[-1])
    return finding if off <= ENOUGH else finding._replace(error=off, exceeds=True)


COLLAPSE_HESSIAN = Theorem(
    name="collapse-hessian",
    title="At neural collapse angles are the slow modes, and slow down with K",
    statement=r"s = x(1 + \tfrac{\varepsilon}{\hat c}),\ e = d-K+1: \quad \nabla^2L \text{ over }"
    r" \sqrt{\lambda_W}\,W,\ \sqrt{\tfrac{\lambda_H}{K}}\,H \sim 0\ [\tfrac{(K-1)(K-2)}{2} + (K-1)e \text{ times}],"
    r" \ 1\ [d+e], \ 2\ [\tfrac{K(K-1)}{2} + (K-1)e], \ 2sP\ [1] \text{ (size)},"
    r" \ \tfrac{2s}{K}\ [\tfrac{K(K-3)}{2}, K \ge 3] \text{ (angles)},"
    r" \ 2 + \tfrac{2s}{K}\ [\tfrac{(K-1)(K-2)}{2}],"
    r" \ \text{norms and means (both }[K-1]; K = 2: \text{ the second entry alone): }"
    r" \begin{pmatrix}\frac{2s((K-2)P + 1/K)}{K-1} & b\\ b & 1 + \frac{s(P + (K-2)/K)}{K-1}\end{pmatrix},"
    r" \ b = \tfrac{\sqrt{2(K-2)}\,s(KP-1)}{K(K-1)}",
    assumptions=(
        given.PENALISED,
        given.CROSS_ENTROPY,
        given.SMOOTHED,
        given.ROOM,
        given.NO_BIAS,
        ALIVE,
        FEW,
    ),
    claim=JointClaim(spectrum_finding),
    quantity="√E KL(p_theory ‖ p) of the blind joint optimum; the Hessian written out at the closed form;"
    " the numbers shown are its largest eigenvalue, claimed and at the blind optimum",
    source="re-derived here; no earlier source known",
)

RESPONSES = (SUSCEPTIBILITY, COLLAPSE_HESSIAN)
