"""Squared error ½‖z − y‖² on one-hot labels, free classifier, d ≥ K: optima mode by mode.

Bias-free, class weights q: each class is alone,

    W Wᵀ = diag(g_k),   g_k = (√(q_k λ_H/λ_W) − λ_H)₊,   W h_k = g_k/(g_k + λ_H) e_k.

With (λ_b/2)‖b‖², equal weights, ĉ = √(K λ_W λ_H): for λ_b(1−ĉ) ≤ ĉ a simplex ETF, W h_k = (1−ĉ)₊ (e_k − 1/K),
b = 1/(K(1+λ_b)); beyond it W h_k also has the part (1−ĉ−ĉ/λ_b)/K along 1, and b = ĉ/(K λ_b).
(Tirer and Bruna 2022, Dang et al. 2023; the transition: Massion et al. 2026; re-derived here.)
"""

import numpy as np
from jaxtyping import Float


def class_gains(weights, lambda_w: float, lambda_h: float) -> Float[np.ndarray, " K"]:
    """g_k of W Wᵀ = diag(g): 0 where q_k ≤ λ_W λ_H."""
    return np.maximum(np.sqrt(np.asarray(weights, float) * (lambda_h / lambda_w)) - lambda_h, 0.0)


def bias_transition(classes: int, lambda_w: float, lambda_h: float) -> float:
    """The λ_b up to which the optimum is a simplex ETF; infinite where ĉ ≥ 1 and W = 0."""
    share = float(np.sqrt(classes * lambda_w * lambda_h))
    return share / (1 - share) if share < 1 else float("inf")


def biased_logits(
    classes: int, lambda_w: float, lambda_h: float, lambda_b: float
) -> tuple[float, float, float]:
    """s, t, b of z_k = s (e_k − 1/K) + t/K + b: W h_k across and along 1, and the bias of each class."""
    share = float(np.sqrt(classes * lambda_w * lambda_h))
    across = max(1 - share, 0.0)
    if lambda_b <= bias_transition(classes, lambda_w, lambda_h):
        return across, 0.0, 1 / (classes * (1 + lambda_b))
    return across, 1 - share - share / lambda_b, share / (classes * lambda_b)


def regression_fit(
    targets: Float[np.ndarray, "n K"], weights, lambda_w: float, lambda_h: float, centred: bool
) -> tuple[Float[np.ndarray, "K K"], Float[np.ndarray, "n K"]]:
    """W Wᵀ and the fitted values of real targets y of these weights: Σ = cov y with a free bias (`centred`), E yyᵀ
    without.

        W Wᵀ = √(λ_H/λ_W) (Σ^{1/2} − c I)₊,      W h = (I − c Σ^{−1/2})₊ (y − ȳ),      b = ȳ (or 0).

    (Neural regression collapse: Andriopoulos et al. 2024, for full rank; with rank drop re-derived here.)
    """
    Y, q = np.asarray(targets, float), np.asarray(weights, float)
    mean = q @ Y if centred else np.zeros(Y.shape[1])
    rows = (Y - mean) * np.sqrt(q)[:, None]
    _, sizes, axes = np.linalg.svd(rows, full_matrices=False)
    c = float(np.sqrt(lambda_w * lambda_h))
    left = np.maximum(sizes - c, 0.0)
    G = np.sqrt(lambda_h / lambda_w) * (axes.T * left) @ axes
    share = left / np.where(sizes > 0, sizes, 1.0)
    return G, mean + (Y - mean) @ (axes.T * share) @ axes
