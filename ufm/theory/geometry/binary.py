"""Binary cross-entropy, one class against the rest, on one-hot or smoothed labels: the joint optimum is elementary.

y_k = (1−ε) e_k + ε/K, classes as likely, ĉ = √(K λ_W λ_H), u the logit of the own class, v of others, x = u − v.

With a free bias, d ≥ K − 1, the probabilities are those of softmax (`onehot`), here of K separate questions:

    σ(v) = (ĉ+ε)/K,   σ(u) = 1 − (K−1)(ĉ+ε)/K,   W Wᵀ = x √(λ_H/(Kλ_W)) Π,   b = (u + (K−1)v)/K,

and σ = 1/K, W = 0 where ĉ + ε ≥ 1. Without a bias, d ≥ K, W Wᵀ = √(λ_H/(Kλ_W)) [x Π + s 11ᵀ/K], s = −(u + (K−1)v):

    frame   σ(v) = (2ĉ+ε)/K,  σ(u) = 1 − (K−1)ε/K − (K−2)ĉ/K      where that leaves s > 0, ĉ + ε < 1;
    etf     u = (K−1)x/K,  v = −x/K,  σ(u) − σ(v) = 1 − ε − ĉ      else, ĉ + ε < 1: s = 0;
    mean    u = v,  σ(v) = (1+ĉ)/K                                 1 − ε ≤ ĉ < K/2 − 1: the rows of W are all one;
    zero    u = v = 0                                              beyond.

(With a bias Li et al. 2025 prove the collapse; the constants, the equality with softmax and all without a bias are
new here; `proofs/bce.py`, `proofs/bce_no_bias.py`.)
"""

from typing import NamedTuple

import numpy as np
import scipy

from ufm.model.roots import bracketed_root
from ufm.theory.geometry.onehot import class_optimum

FRAME, SIMPLEX, MEAN, ZERO = "frame", "etf", "mean", "zero"


class BinaryOptimum(NamedTuple):
    """Logits u, v (bias included), the eigenvalues of W Wᵀ on 1⊥ and along 1, the bias, and the phase."""

    own: float
    other: float
    across: float
    along: float
    bias: float
    phase: str


def biased_optimum(classes: int, lambda_w: float, lambda_h: float, smoothing: float = 0.0) -> BinaryOptimum:
    """The joint optimum with a free bias."""
    K, wrong = classes, class_optimum(classes, lambda_w, lambda_h, smoothing).wrong
    zero = wrong == 1 / K
    other = float(scipy.special.logit(wrong))
    own = other if zero else float(np.log1p(-(K - 1) * wrong) - np.log((K - 1) * wrong))
    across = (own - other) * float(np.sqrt(lambda_h / (K * lambda_w)))
    return BinaryOptimum(own, other, across, 0.0, (own + (K - 1) * other) / K, ZERO if zero else SIMPLEX)


def unbiased_optimum(classes: int, lambda_w: float, lambda_h: float, smoothing: float = 0.0) -> BinaryOptimum:
    """The joint optimum without a bias, in its four phases."""
    K, share = classes, float(np.sqrt(classes * lambda_w * lambda_h))
    own, other, phase = _logits(K, share, smoothing)
    unit = float(np.sqrt(lambda_h / (K * lambda_w)))
    across = unit * (own - other) if phase in (FRAME, SIMPLEX) else 0.0
    along = -unit * (own + (K - 1) * other) if phase in (FRAME, MEAN) else 0.0
    return BinaryOptimum(own, other, across, along, 0.0, phase)


def _logits(K: int, share: float, epsilon: float) -> tuple[float, float, str]:
    """u, v and the phase, for ĉ = share."""
    if share + epsilon >= 1:
        if share >= K / 2 - 1:
            return 0.0, 0.0, ZERO
        both = float(scipy.special.logit((1 + share) / K))
        return both, both, MEAN
    missing = (K - 1) * epsilon / K + (K - 2) * share / K  # 1 − σ(u)
    if missing > 0:
        own, other = (
            -float(scipy.special.logit(missing)),
            float(scipy.special.logit((2 * share + epsilon) / K)),
        )
        if own + (K - 1) * other < 0:
            return own, other, FRAME

    def excess(x: float) -> float:  # of ĉ + ε over 1 − (σ(u) − σ(v)), which falls as x grows
        return float(share + epsilon - scipy.special.expit(-(K - 1) * x / K) - scipy.special.expit(-x / K))

    x = bracketed_root(excess, 0.0, K * float(np.log(2 / (share + epsilon))) + 1)
    return (K - 1) * x / K, -x / K, SIMPLEX
