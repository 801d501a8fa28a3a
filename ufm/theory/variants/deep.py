"""One-hot labels, equal weights, N factors (the features counted): for given logits Z the penalties cost

    (N/2) Λ^{1/N} Σ_i s_i^{2/N},   s the singular values of Z/√K,   Λ = λ_W^{N−1} λ_H,

whose rate falls with s from N = 3 on: fewer directions may be cheaper. Cross-entropy, candidates besides zero:

    ETF: min_x log(1 + (K−1)e^{−x}) + (N/2)Λ^{1/N} (K−1)(x/√K)^{2/N};
    K-gon: min_t log Σ_l e^{t(cos 2πl/K − 1)} + N Λ^{1/N} (t√K/2)^{2/N};
    line: one direction, Z = σ√K v uᵀ, where u and v change sign as the classes are turned round.

The line for K = 3 is L (1, 0, −1)ᵀ(1, 0, −1), σ = 2L/√3, the middle class at zero:

    min_L (2/3) log(1 + e^{−L} + e^{−2L}) + (log 3)/3 + (N/2)Λ^{1/N} σ^{2/N};

for K = 4 v ∝ (a, b, −b, −a) and u ∝ (a+b, a−b, b−a, −a−b), a = cos ψ/2, b = sin ψ/2, which is not v; with
x = m(a², ab, ab, b²), σ = √2 m and for each m the ψ that fits best

    min_m (1/2) Σ_i log(1 + e^{−2x_i}) + m b² + (N/2)Λ^{1/N} σ^{2/N}.

Squared error: each of K directions alone, min_s (1−s)²/(2K) + (N/2)Λ^{1/N}(s/√K)^{2/N}.

(Dang et al. 2023; low rank: Súkeník et al. 2024, Garrod and Keating 2025; re-derived here.)
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ufm.model.roots import bracketed_root

GRID = np.exp(np.linspace(np.log(1e-9), np.log(1e3), 600))  # sizes at which a branch is looked for


class DeepOptimum(NamedTuple):
    """The least of the candidates: its name (zero, etf, polygon, line, modes), scale (0, x, t, L or m, s),
    objective and the angle ψ of a line of four classes."""

    branch: str
    scale: float
    objective: float
    angle: float = 0.0


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
    """The best of zero, ETF, K-gon and, for three or four classes, the line."""
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
    found += _line(K, cost, power)
    return min(found, key=lambda one: one.objective)


def line_angle(m: float) -> float:
    """ψ of the line of four classes that fits best: (sin ψ)(2 + t₃ − t₁)/2 = (1 − t₂) cos ψ, t_i = tanh x_i."""

    def turn(angle):
        c, s = np.cos(angle), np.sin(angle)
        return s / 2 * (_rest(m * (1 + c) / 2) + 2 - _rest(m * (1 - c) / 2)) - c * _rest(m * s / 2)

    return bracketed_root(turn, 0.0, np.pi / 2)


def _rest(x: float) -> float:
    """1 − tanh x."""
    return float(2 / (np.exp(min(2 * x, 700.0)) + 1))


def line_fit(m: float) -> float:
    """Cross-entropy of the line of four classes."""
    angle = line_angle(m)
    a, b = np.cos(angle / 2), np.sin(angle / 2)
    own = np.log1p(np.exp(-2 * m * np.array([a * a, a * b, a * b, b * b])))
    return float(np.sum(own) / 2 + m * b * b)


def line_slope(m: float) -> float:
    """−d line_fit/dm, the angle at its best (whose share is zero)."""
    angle = line_angle(m)
    c, s = np.cos(angle), np.sin(angle)
    near = (1 + c) / 2 * _rest(m * (1 + c) / 2) + (1 - c) / 2 * _rest(m * (1 - c) / 2)
    return float((near + s * _rest(m * s / 2) - (1 - c)) / 2)


def _line(classes: int, cost: float, power: float) -> list[DeepOptimum]:
    """The line, if it has a local minimum; of two classes it is the simplex, which is best of two factors."""
    if power == 1:
        return []
    if classes == 3:
        three = outer_minimum(
            lambda L: (2 * np.log1p(np.exp(-L) + np.exp(-2 * L)) + np.log(3)) / 3,
            lambda L: 2 * (np.exp(-L) + 2 * np.exp(-2 * L)) / (3 * (1 + np.exp(-L) + np.exp(-2 * L))),
            cost * (2 / np.sqrt(3)) ** power,
            power,
        )
        return [] if three is None else [DeepOptimum("line", *three)]
    if classes != 4:
        return []
    four = outer_minimum(line_fit, line_slope, cost * 2 ** (power / 2), power)
    return [] if four is None else [DeepOptimum("line", *four, line_angle(four[0]))]


def deep_squared_error(classes: int, factors: int, lambda_w: float, lambda_h: float) -> DeepOptimum:
    """K equal directions, or none."""
    K, power = classes, 2 / factors
    cost = factors / 2 * root_of_product(factors, lambda_w, lambda_h) * K ** (-power / 2)
    alive = outer_minimum(lambda s: (1 - s) ** 2 / (2 * K), lambda s: np.maximum(1 - s, 0.0) / K, cost, power)
    if alive is None or alive[1] >= 1 / (2 * K):
        return DeepOptimum("zero", 0.0, 0.5)
    return DeepOptimum("modes", alive[0], K * alive[1])
