"""One-hot labels, equal weights, N factors (the features counted): for given logits Z the penalties cost

    (N/2) Λ^{1/N} Σ_i s_i^{2/N},   s the singular values of Z/√K,   Λ = λ_W^{N−1} λ_H,

whose rate falls with s from N = 3 on: fewer directions may be cheaper. Cross-entropy, two candidates besides zero:

    ETF: min_x log(1 + (K−1)e^{−x}) + (N/2)Λ^{1/N} (K−1)(x/√K)^{2/N};
    K-gon: min_t log Σ_l e^{t(cos 2πl/K − 1)} + N Λ^{1/N} (t√K/2)^{2/N}.

Squared error: each of K directions alone, min_s (1−s)²/(2K) + (N/2)Λ^{1/N}(s/√K)^{2/N}.

(Dang et al. 2023; low rank: Súkeník et al. 2024, Garrod and Keating 2025; re-derived here.)
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ufm.model.roots import bracketed_root

GRID = np.exp(np.linspace(np.log(1e-9), np.log(1e3), 600))  # sizes at which a branch is looked for


class DeepOptimum(NamedTuple):
    """The least of the candidates: its name (zero, etf, polygon, modes), scale (x, t or s) and objective."""

    branch: str
    scale: float
    objective: float


def root_of_product(factors: int, lambda_w: float, lambda_h: float) -> float:
    """Λ^{1/N}."""
    return float(np.exp(((factors - 1) * np.log(lambda_w) + np.log(lambda_h)) / factors))


def outer_minimum(fit: Callable, slope: Callable, cost: float, power: float) -> tuple[float, float] | None:
    """The local minimum furthest out of fit(x) + cost x^power, 0 < power ≤ 1, fit falling, or None.

    slope(x) = −fit'(x), so that it rises again where slope < cost power x^(power−1).
    """

    def rising(x):
        return np.log(cost * power) + (power - 1) * np.log(x) - np.log(np.maximum(slope(x), 1e-300))

    falls = np.flatnonzero(np.array([rising(x) for x in GRID]) < 0)
    if not falls.size or falls[-1] == len(GRID) - 1:
        return None
    x = bracketed_root(rising, float(GRID[falls[-1]]), float(GRID[falls[-1] + 1]))
    return x, float(fit(x) + cost * x**power)


def deep_cross_entropy(classes: int, factors: int, lambda_w: float, lambda_h: float) -> DeepOptimum:
    """The best of zero, ETF and K-gon."""
    K, power = classes, 2 / factors
    cost = factors / 2 * root_of_product(factors, lambda_w, lambda_h)
    cosines = np.cos(2 * np.pi * np.arange(K) / K)

    def wrong(x):
        return (K - 1) / (np.exp(np.minimum(x, 700.0)) + K - 1)

    def ring(t):
        masses = np.exp(t * (cosines - 1))
        return float(np.sum(masses * (1 - cosines)) / np.sum(masses))

    found = [DeepOptimum("zero", 0.0, float(np.log(K)))]
    etf = outer_minimum(
        lambda x: np.log1p((K - 1) * np.exp(-x)), wrong, cost * (K - 1) * K ** (-power / 2), power
    )
    found += [] if etf is None else [DeepOptimum("etf", *etf)]
    if K > 3:
        size = 2 * cost * (np.sqrt(K) / 2) ** power
        gon = outer_minimum(lambda t: np.log(np.sum(np.exp(t * (cosines - 1)))), ring, size, power)
        found += [] if gon is None else [DeepOptimum("polygon", *gon)]
    return min(found, key=lambda one: one.objective)


def deep_squared_error(classes: int, factors: int, lambda_w: float, lambda_h: float) -> DeepOptimum:
    """K equal directions, or none."""
    K, power = classes, 2 / factors
    cost = factors / 2 * root_of_product(factors, lambda_w, lambda_h) * K ** (-power / 2)
    alive = outer_minimum(lambda s: (1 - s) ** 2 / (2 * K), lambda s: np.maximum(1 - s, 0.0) / K, cost, power)
    if alive is None or alive[1] >= 1 / (2 * K):
        return DeepOptimum("zero", 0.0, 0.5)
    return DeepOptimum("modes", alive[0], K * alive[1])
