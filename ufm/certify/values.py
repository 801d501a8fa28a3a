"""Fitted values p of a candidate, and how far they may be from the optimum's: a bound on h says little of W h.

p = softmax(W h) for cross-entropy, W h + 1/K for squared error, p* at the optimum h*, δ = ‖h − h*‖, z = W h:

    ⟨∇ℓ(z) − ∇ℓ(z*), z − z*⟩ + λ_H δ² = ⟨∇f(h), h − h*⟩ ≤ ‖∇f(h)‖ δ.

The first term is ‖z − z*‖² for squared error, and KL(p‖p*) + KL(p*‖p) ≥ ‖p − p*‖₁² (Pinsker, twice) for
cross-entropy, where the entries of p − p* sum to zero, so that each is at most half of ‖p − p*‖₁:

    squared error  |p_k − p_k*| ≤ min(‖W‖₂ δ, √(‖∇f‖ δ)),
    cross-entropy  |p_k − p_k*| ≤ min(½ ‖W‖₂ δ, ½ √(‖∇f‖ δ), p_k (e^{√2 ‖W‖₂ δ} − 1)),

½ being the largest slope of softmax and √2 ‖W‖₂ δ the range of z − z* at most. For an ill-conditioned W the
second is the smaller one by orders of magnitude. Rounding: the computed p is within a factor e^{±w} of that of h,
w = 2 · error of the logits + (K + 16) ε, but for numbers below the smallest normal one, τ:

    |p_k − p_k*| ≤ τ + (p_k + τ) (e^{√2 ‖W‖₂ δ + w} − 1),   and w for √2 ‖W‖₂ δ + w beside the first two.

NumPy only.
"""

import numpy as np
from jaxtyping import Float

from ufm.model.problem import Problem
from ufm.model.rows import EPS

TINY = float(np.finfo(np.float64).tiny)


def fitted(problem: Problem, logits: Float[np.ndarray, "B K"]) -> Float[np.ndarray, "B K"]:
    """Probabilities (cross-entropy) or fitted values z + 1/K (squared error)."""
    if problem.loss == "squared-error":
        return logits + 1 / problem.classes
    shares = np.exp(logits - logits.max(1, keepdims=True))  # scipy.special is a tenth of a warm start
    return shares / shares.sum(1, keepdims=True)


def fitted_error(
    loss: str,
    p: Float[np.ndarray, "B K"],
    norm: Float[np.ndarray, " B"],
    distance: Float[np.ndarray, " B"],
    slope: Float[np.ndarray, " B"],
    size: float,
    rounding: float,
) -> Float[np.ndarray, "B K"]:
    """A bound on |p − p*|, infinite where nothing is known.

    norm: ‖h‖; distance, slope: the certificate's; size: ‖W‖₂; rounding: of logits, as a share of size · ‖h‖.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        moved, wrong = size * distance, rounding * size * norm
        # a root each: their product may underflow, or overflow, where its root does not
        bound = np.fmin(moved, np.sqrt(slope) * np.sqrt(distance))[:, None] + np.zeros_like(p)
        if loss == "cross-entropy":
            off = 2 * wrong + (p.shape[1] + 16) * EPS
            here, there = (np.expm1(part)[:, None] * (p + TINY) for part in (off, np.sqrt(2) * moved + off))
            bound = np.fmin(bound / 2 + here, there) + TINY
        else:
            bound = bound + wrong[:, None] + EPS * (1 + np.abs(p))
    return np.nan_to_num((1 + 1e-6) * bound, nan=np.inf, posinf=np.inf)
