"""Theorems on norms, budgets, features that are never negative, contrastive losses and codes."""

import numpy as np
from jaxtyping import Float

import ufm.theory.theorems.assumptions as given
from ufm.theory.theorems.free.quadratic import ROOMY, SINGLE
from ufm.theory.theorems.joint import EPS
from ufm.theory.theorems.theorem import (
    Assumption,
    Finding,
    Setting,
    Theorem,
    VariantClaim,
    VariantOptimum,
)
from ufm.theory.theorems.variants.found import (
    PROVED,
    certified_finding,
    explicit_finding,
    kept_divergence,
)
from ufm.theory.variants.constrained import (
    code_distance,
    constrained_gap,
    contrastive_loss,
    gap_loss,
    orthogonal_simplices,
    rectified_gaps,
    rectified_objective,
)


def ahead(labels, x) -> Float[np.ndarray, "n K"]:
    """Predictions of labels e_k whose own logit is ahead of all others by x (K)."""
    K = labels.shape[1]
    wrong = np.exp(-np.logaddexp(x, np.log(K - 1)))[:, None]
    return labels @ np.where(np.eye(K, dtype=bool), 1 - (K - 1) * wrong, wrong)


def gap_finding(setting: Setting, optimum: VariantOptimum, x: float) -> Finding:
    """Every class is ahead by x: the loss, and the predictions."""
    K = setting.problem.classes
    p = ahead(setting.joint.atoms.labels, np.full(K, x))
    return certified_finding(optimum, gap_loss(K, x), kept_divergence(setting, optimum, p))


def _product(setting: Setting) -> float:
    one, other = setting.shaped.variant.numbers
    return one * other if setting.shaped.variant.kind == "norm-constrained" else float(np.sqrt(one * other))


def constrained_finding(setting: Setting, optimum: VariantOptimum, share=lambda K: 1.0) -> Finding:
    """The gap, times share(K)."""
    K = setting.problem.classes
    return gap_finding(setting, optimum, share(K) * constrained_gap(K, _product(setting)))


NORM_CONSTRAINED = Theorem(
    name="norm-constrained",
    title="Under norm constraints the optimum is a simplex, with a gap of R_W R_H K/(K−1)",
    statement=r"\|w_k\| \le R_W,\ \|h\| \le R_H: \quad x = \tfrac{K}{K-1}R_WR_H, \quad \min \mathbb{E}\,"
    r"\mathrm{CE} = \log(1 + (K-1)e^{-x}); \quad \text{unit norms and temperature } \tau: R_WR_H = 1/\tau",
    assumptions=(given.CROSS_ENTROPY, given.ONE_HOT, given.ROOM),
    claim=VariantClaim("norm-constrained", constrained_finding),
    quantity="the loss of the best blind point between its own bounds, and E KL(p_theory ‖ p) within their gap",
    source="re-derived here; Lu and Steinerberger 2020, Graf et al. 2021, Yaras et al. 2022 (arXiv:2209.09211)",
)

LAYER_PEELED = Theorem(
    name="layer-peeled",
    title="With budgets in place of penalties: a simplex with a gap of √(E_W E_H) K/(K−1)",
    statement=r"\tfrac1K\|W\|^2 \le E_W,\ \mathbb{E}\|h\|^2 \le E_H: \quad x = \tfrac{K}{K-1}\sqrt{E_WE_H}, \quad"
    r" \min \mathbb{E}\,\mathrm{CE} = \log(1 + (K-1)e^{-x})",
    assumptions=(given.CROSS_ENTROPY, given.ONE_HOT, given.ROOM),
    claim=VariantClaim("layer-peeled", constrained_finding),
    quantity="the loss of the best blind point between its own bounds, and E KL(p_theory ‖ p) within their gap",
    source="re-derived here; Fang et al. 2021",
)


# --- features that are never negative ------------------------------------------------------------


def rectified_finding(setting: Setting, optimum: VariantOptimum, change=lambda x: x) -> Finding:
    """z_k = x_k (e_k − 1/K): objective and predictions. change: what is claimed in place of x."""
    joint = setting.joint
    q = joint.atoms.weights @ joint.atoms.labels
    x = change(rectified_gaps(q, joint.lambda_w, joint.lambda_h))
    value = rectified_objective(q, x, joint.lambda_w, joint.lambda_h)
    return certified_finding(optimum, value, kept_divergence(setting, optimum, ahead(joint.atoms.labels, x)))


RELU_FEATURES = Theorem(
    name="relu-features",
    title="Features that are never negative are orthogonal; each class is alone",
    statement=r"h \ge 0: \quad h_k \perp h_l, \quad z_k = x_k(e_k - \tfrac1K), \quad"
    r" x_k = \log\!\big(\tfrac{\sqrt{K(K-1)q_k}}{c} - (K-1)\big)_+: \quad h_k = 0 \iff"
    r" \lambda_W\lambda_H \ge \tfrac{K-1}{K}q_k",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, SINGLE, ROOMY, given.NO_BIAS),
    claim=VariantClaim("relu-features", rectified_finding),
    quantity="the objective of the best blind point between its bounds, and E KL(p_theory ‖ p) within their gap",
    source="re-derived here; Dang et al. 2024 (arXiv:2401.02058)",
)


# --- pairs -------------------------------------------------------------------------------------


def contrastive_finding(setting: Setting, optimum: VariantOptimum, share=lambda K: 1.0) -> Finding:
    """The loss. share(K): of ρ² that is claimed to enter."""
    copies, radius = setting.shaped.variant.numbers
    K = setting.problem.classes
    return certified_finding(optimum, contrastive_loss(K, int(copies), radius * float(np.sqrt(share(K)))))


SUPCON = Theorem(
    name="supcon",
    title="Supervised contrastive features collapse onto a simplex",
    statement=r"\|h\| = \rho,\ n \ge 2 \text{ a class},\ N = nK: \quad \min\textstyle\sum_i\tfrac{-1}{n-1}"
    r"\sum_{p \in P(i)}"
    r"\log\tfrac{e^{h_i\cdot h_p}}{\sum_{a \ne i}e^{h_i\cdot h_a}} ="
    r" N\log\!\big(n - 1 + (N-n)e^{-K\rho^2/(K-1)}\big)",
    assumptions=(given.ROOM,),
    claim=VariantClaim("contrastive", contrastive_finding),
    quantity="the loss of the best blind point between its own bounds",
    source="re-derived here; Graf et al. 2021",
)


# --- codes -------------------------------------------------------------------------------------


def _coded(setting: Setting) -> str | None:
    K, d = setting.problem.classes, setting.dim
    if d >= K - 1 or d + 2 <= K <= 2 * d:
        return None
    return f"K = {K} > {2 * d} = 2d: no closed form is known"


CODED = Assumption(r"$d \ge K-1$ or $d+2 \le K \le 2d$", _coded)


def codes_finding(setting: Setting, optimum: VariantOptimum, share: float = 1.0) -> Finding:
    """−t at the claimed code with h = w, and that of the blind starts; t is claimed to be `share` of what it is."""
    K, d = setting.problem.classes, setting.dim
    W, t = orthogonal_simplices(K, d), share * code_distance(K, d)
    found = explicit_finding(optimum, -t, ([t], W, W), PROVED, 64 * EPS * K)
    return found._replace(predicted=t, numeric=-found.numeric)


SOFTMAX_CODES = Theorem(
    name="softmax-codes",
    title="Codes on the sphere: a simplex up to K = d + 1, cosines of zero up to K = 2d",
    statement=r"\tau \to 0: \quad \max_{\|w_k\| = 1}\min_k\mathrm{dist}(w_k, \mathrm{conv}\{w_j\}_{j \ne k}) ="
    r" \tfrac{K}{K-1}\ (K \le d+1), \quad 1\ (d+2 \le K \le 2d: \text{ simplices in orthogonal directions})",
    assumptions=(CODED,),
    claim=VariantClaim("softmax-codes", codes_finding),
    quantity="the margin of the best blind code, and of the claimed one; that none is larger is proved",
    source="re-derived here; Jiang et al. 2023 (arXiv:2310.05351)",
)

CONSTRAINED = (NORM_CONSTRAINED, LAYER_PEELED, RELU_FEATURES, SUPCON, SOFTMAX_CODES)
