"""Gradient flow of the mean loss over W and the features of the classes, no penalty, from W Wᵀ = H Hᵀ = W Hᵀ = x Π:

    cross-entropy: dx/dt = 2x/(e^x + K − 1),   Ei(x) + (K−1) log x = 2t + const;
    squared error: dx/dt = 2x(1 − x)/K,        x = 1/(1 + (1/x₀ − 1) e^{−2t/K}).

The simplex stays one: the ray is invariant. Under cross-entropy x ~ log t. (Re-derived here.)
"""

import numpy as np
import scipy

from ufm.model.roots import bracketed_root


def ray_time(classes: int, start: float, end: float) -> float:
    """t that cross-entropy takes from the gap `start` to `end`."""
    return float(
        (scipy.special.expi(end) - scipy.special.expi(start) + (classes - 1) * np.log(end / start)) / 2
    )


def ray_gap(classes: int, start: float, time: float, loss: str) -> float:
    """x after a time."""
    if loss == "squared-error":
        return float(1 / (1 + (1 / start - 1) * np.exp(-2 * time / classes)))
    high = 2 * start + 1
    while ray_time(classes, start, high) < time:
        high *= 2
    return bracketed_root(lambda x: ray_time(classes, start, x) - time, start, high)
