"""One-hot and smoothed labels: the joint optimum is elementary.

y_k = (1−ε) e_k + ε/K, ĉ = √(K λ_W λ_H), d ≥ K − 1. Wrong classes have the probability p_o each, x is the logit gap:

    p_o = (ĉ + ε)/K,   x = log(1/p_o − K + 1),   W Wᵀ = g Π,   g = x √(λ_H/(K λ_W)),

and p = 1/K, W = 0 where ĉ + ε ≥ 1. The prediction is that of smoothing by ĉ + ε alone. (One-hot: Zhu et al. 2021;
smoothing: Zhou et al. 2022, Guo et al. 2024; re-derived here.)
"""

from typing import NamedTuple

import numpy as np

from ufm.theory.formulas import values


class ClassOptimum(NamedTuple):
    """Probability of each wrong class, gap of logits own − other, and the gain g of W Wᵀ = g Π."""

    wrong: float
    gap: float
    gain: float


def class_optimum(classes: int, lambda_w: float, lambda_h: float, smoothing: float = 0.0) -> ClassOptimum:
    """The joint optimum of labels smoothed by ε; smoothing = 0: one-hot."""
    share = float(values.wrong_share(classes, lambda_w, lambda_h, smoothing, np.sqrt))
    if share >= 1:
        return ClassOptimum(1 / classes, 0.0, 0.0)
    gap = float(values.class_gap(classes, share, np.log1p))
    return ClassOptimum(
        share / classes, gap, float(values.class_gain(gap, classes, lambda_w, lambda_h, np.sqrt))
    )


def taught_smoothing(classes: int, gap: float, temperature: float = 1.0) -> float:
    """ε of the labels softmax(z/T) of a teacher whose own class leads by `gap`: K/(e^{gap/T} + K − 1)."""
    return float(classes * np.exp(-np.logaddexp(gap / temperature, np.log(classes - 1))))
