"""Two other losses, one-hot labels: focal, and ordered classes with one score.

focal, −(1−P)^γ log P, equal weights, along z = x (e_k − 1/K), P = e^x/(e^x + K − 1):

    L(x) = (1−P)^γ(−log P) + c (K−1) x/√K,   S(P) := (1−P)^γ[(1−P) − γP log P] = (K−1)c/√K where L' = 0.

S rises up to p* and falls beyond it, (1−p*)(2γ + 1 + γ log p*) = γ² p* log p*: for K ≤ 1/p* the optimum shrinks to
zero continuously, at S(1/K); for K > 1/p* it jumps there, later.

ordered classes, thresholds θ, weights q, scores z = w·h:

    min_z Σ q_k ℓ_k(z_k) + c s,   s = √(Σ q_k z_k²),   ℓ_k = −log(σ(θ_k − z) − σ(θ_{k−1} − z)),
    ℓ_k' = 1 − σ(θ_k − z) − σ(θ_{k−1} − z) = −c z_k/s;   zero iff Σ q_k ℓ_k'(0)² ≤ c².

(Zhou et al. 2022, Ma et al. 2025; re-derived here.)
"""

from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float

from ufm.model.roots import bracketed_root

LEAST = 1e-280  # a size of scores that counts as zero


def focal_loss(classes: int, gamma: float, gap: float) -> float:
    """(1−P)^γ(−log P) at the gap x."""
    ratio = (classes - 1) * np.exp(-gap)
    return float((ratio / (1 + ratio)) ** gamma * np.log1p(ratio))


def focal_slope(classes: int, gamma: float, gap: float) -> float:
    """S = −d/dx of that loss."""
    ratio = (classes - 1) * np.exp(-gap)
    wrong = ratio / (1 + ratio)
    return float(wrong**gamma * (wrong + gamma * np.log1p(ratio) / (1 + ratio)))


def steepest_log(gamma: float) -> float:
    """log p*, p* < 1/2, where S is largest; p* itself is below all floats for γ < 0.0014."""

    def falls(log_p):
        return -np.expm1(log_p) * (2 * gamma + 1 + gamma * log_p) - gamma**2 * np.exp(log_p) * log_p

    low = -(2 * gamma + 1) / gamma
    while falls(low) >= 0:
        low *= 2
    return bracketed_root(falls, low, float(np.log(0.5)))


class FocalOptimum(NamedTuple):
    """The gap x, 0 for zero, the objective there, and whether the optimum jumps to zero (K > 1/p*)."""

    gap: float
    objective: float
    jumps: bool


def focal_optimum(classes: int, gamma: float, lambda_w: float, lambda_h: float) -> FocalOptimum:
    """The least of L(x), x ≥ 0."""
    K, slope = classes, (classes - 1) * float(np.sqrt(lambda_w * lambda_h / classes))
    log_p = steepest_log(gamma)
    jumps = bool(log_p > -np.log(K))
    peak = float(np.log(K - 1) + log_p - np.log1p(-np.exp(log_p))) if jumps else 0.0
    zero = FocalOptimum(0.0, focal_loss(K, gamma, 0.0), jumps)
    if focal_slope(K, gamma, peak) <= slope:
        return zero
    high = peak + 1
    while focal_slope(K, gamma, high) > slope:
        high = 2 * high
    x = bracketed_root(lambda gap: focal_slope(K, gamma, gap) - slope, peak, high)
    found = FocalOptimum(x, focal_loss(K, gamma, x) + slope * x, jumps)
    return found if found.objective < zero.objective else zero


def focal_threshold(classes: int, gamma: float) -> float:
    """c at which the optimum becomes zero: √K S(1/K)/(K−1), or if it jumps, a larger one, of equal objectives."""
    log_p, scale = steepest_log(gamma), np.sqrt(classes) / (classes - 1)
    low = scale * focal_slope(classes, gamma, 0.0)
    if log_p <= -np.log(classes):
        return float(low)
    high = scale * focal_slope(classes, gamma, float(np.log(classes - 1) + log_p - np.log1p(-np.exp(log_p))))
    for _ in range(60):
        middle = (low + high) / 2
        alive = focal_optimum(classes, gamma, middle, middle).gap > 0
        low, high = (middle, high) if alive else (low, middle)
    return float(low)


class OrdinalOptimum(NamedTuple):
    """Scores of the classes (K), s, and the objective."""

    scores: Float[np.ndarray, " K"]
    size: float
    objective: float


def ordinal_slopes(scores, thresholds) -> Float[np.ndarray, " K"]:
    """ℓ_k'(z_k) = σ(z_k − θ_k) − σ(θ_{k−1} − z_k)."""
    low, high = _ends(thresholds)
    z = np.asarray(scores, float)
    return scipy.special.expit(z - high) - scipy.special.expit(low - z)


def ordinal_losses(scores, thresholds) -> Float[np.ndarray, " K"]:
    """ℓ_k(z_k), of σ(b) − σ(a) = σ(b) σ(−a)(1 − e^{a−b})."""
    low, high = _ends(thresholds)
    z = np.asarray(scores, float)
    return np.logaddexp(0.0, z - high) + np.logaddexp(0.0, low - z) - np.log(-np.expm1(low - high))


def _ends(thresholds):
    inner = np.asarray(thresholds, float)
    return np.concatenate([[-np.inf], inner]), np.concatenate([inner, [np.inf]])


def ordinal_optimum(weights, thresholds, lambda_w: float, lambda_h: float) -> OrdinalOptimum:
    """The one root s of Σ q_k z_k(s)² = s², z_k(s) where ℓ_k' = −c z_k/s."""
    q, c = np.asarray(weights, float), float(np.sqrt(lambda_w * lambda_h))
    zero = np.zeros(len(q))
    start = float(q @ ordinal_losses(zero, thresholds))
    none = OrdinalOptimum(zero, 0.0, start)
    if q @ ordinal_slopes(zero, thresholds) ** 2 <= c**2:
        return none

    def scores(size):
        return np.array([_score(k, thresholds, c / size) for k in range(len(q))])

    def excess(size):
        return float(q @ (scores(size) / size) ** 2) - 1

    high = start / c  # c s is at most what zero costs
    low = high
    while excess(low) <= 0:
        low /= 2
        if low < LEAST:
            return none
    s = bracketed_root(excess, low, max(high, 2 * low))
    z = scores(s)
    return OrdinalOptimum(z, s, float(q @ ordinal_losses(z, thresholds) + c * np.sqrt(q @ z**2)))


def _score(label: int, thresholds, pull: float) -> float:
    """z of ℓ_k'(z) + pull z = 0: |ℓ_k'| < 1."""
    low, high = (ends[label] for ends in _ends(thresholds))

    def slope(z):
        return float(scipy.special.expit(z - high) - scipy.special.expit(low - z) + pull * z)

    return bracketed_root(slope, -1 / pull, 1 / pull)
