"""Constraints in place of penalties, features that are never negative, losses on pairs, and codes on the sphere.

norms ‖w_k‖ ≤ R_W, ‖h‖ ≤ R_H: logit gap x = R_W R_H K/(K−1); budgets ‖W‖²/K ≤ E_W, E‖h‖² ≤ E_H: √(E_W E_H)
for R_W R_H.
h ≥ 0, d ≥ K, one-hot labels of any weights q: orthogonal features, z_k = x_k (e_k − 1/K),
x_k = log(√(K(K−1)q_k)/c − (K−1))₊. (Lu and Steinerberger 2020, Graf et al. 2021, Fang et al. 2021, Dang et al.
2024, Jiang et al. 2023; re-derived here.)
"""

import numpy as np
from jaxtyping import Float


def constrained_gap(classes: int, product: float) -> float:
    """x = R_W R_H K/(K−1) of norms R_W, R_H with this product."""
    return product * classes / (classes - 1)


def gap_loss(classes: int, gap: float) -> float:
    """log(1 + (K−1) e^{−x})."""
    return float(np.logaddexp(0.0, np.log(classes - 1) - gap))


def rectified_gaps(weights, lambda_w: float, lambda_h: float) -> Float[np.ndarray, " K"]:
    """x_k of features h ≥ 0; 0 for a class that is dead, λ_W λ_H ≥ (K−1) q_k/K."""
    q = np.asarray(weights, float)
    K, c = len(q), float(np.sqrt(lambda_w * lambda_h))
    return np.log1p(np.maximum(np.sqrt(K * (K - 1) * q) / c - K, 0.0))


def rectified_objective(weights, gaps, lambda_w: float, lambda_h: float) -> float:
    """Σ q_k log(1 + (K−1)e^{−x_k}) + c √((K−1)/K) Σ √q_k x_k."""
    q, x = np.asarray(weights, float), np.asarray(gaps, float)
    K = len(q)
    fit = q @ np.logaddexp(0.0, np.log(K - 1) - x)
    return float(fit + np.sqrt(lambda_w * lambda_h * (K - 1) / K) * (np.sqrt(q) @ x))


def contrastive_loss(classes: int, copies: int, radius: float) -> float:
    """N log(n − 1 + (N − n) e^{−Kρ²/(K−1)}), N = n K: each class one point, a simplex of norm ρ."""
    K, n = classes, copies
    far = np.log((K - 1) * n) - K * radius**2 / (K - 1)
    return float(K * n * np.logaddexp(np.log(n - 1) if n > 1 else -np.inf, far))


def code_distance(classes: int, dim: int) -> float:
    """The largest one-vs-rest distance of K unit vectors: K/(K−1) for d ≥ K−1, 1 for d+2 ≤ K ≤ 2d."""
    return classes / (classes - 1) if dim >= classes - 1 else 1.0


def orthogonal_simplices(classes: int, dim: int) -> Float[np.ndarray, "K d"]:
    """K unit vectors in K − d simplices, each in directions of its own (d+2 ≤ K ≤ 2d); one simplex for d ≥ K−1."""
    blocks = max(classes - dim, 1)
    sizes = [len(part) for part in np.array_split(np.arange(classes), blocks)]
    W, row, column = np.zeros((classes, dim)), 0, 0
    for n in sizes:
        basis = np.linalg.svd(np.eye(n) - 1 / n)[0][:, : n - 1]
        W[row : row + n, column : column + n - 1] = basis * np.sqrt(n / (n - 1))
        row, column = row + n, column + n - 1
    return W
