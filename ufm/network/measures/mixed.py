"""Two-hot labels y = λ e_i + (1−λ) e_j of a stream: found, binned by λ, and their optimum at sharpness a."""

from functools import partial

import jax
import numpy as np
from jaxtyping import Float, Int

import ufm.rules.numbers as checked
from ufm.network.read.label_rows import LabelBlock
from ufm.theory.features import TwoHotOptimum, two_hot_optimum
from ufm.theory.multiplier import require_float64


def two_hot(labels: LabelBlock) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(i, j, λ) of each row; a soft row with one or two non-zero entries counts too (i < j, λ = y_i).

    i = j = −1 where the label is not two-hot. λ of a same-class label is as given (1 for a soft row).
    """
    if labels.soft is None or not (labels.i < 0).any():
        return labels.i, labels.j, labels.lam
    Y = labels.soft
    positive = Y > 0
    few = positive.sum(1) <= 2
    first = positive.argmax(1)
    last = Y.shape[1] - 1 - positive[:, ::-1].argmax(1)
    lam = np.where(first == last, 1.0, Y[np.arange(len(Y)), first])
    seen = labels.i >= 0
    i, j = np.where(few, first, -1), np.where(few, last, -1)
    return np.where(seen, labels.i, i), np.where(seen, labels.j, j), np.where(seen, labels.lam, lam)


def lambda_edges(bins: int) -> Float[np.ndarray, " E"]:
    """Edges of `bins` equal bins of λ ∈ [0, 1]; a bin holds its lower edge, the last one both."""
    checked.integer("bins", bins, 1)
    return np.arange(bins + 1) / bins


def lambda_bin(lam: Float[np.ndarray, " n"], bins: int) -> Int[np.ndarray, " n"]:
    """The bin of each λ."""
    return np.minimum(np.searchsorted(lambda_edges(bins), lam, side="right") - 1, bins - 1)


def pair_optimum(lam: Float[np.ndarray, " n"], a: float, classes: int) -> TwoHotOptimum:
    """`two_hot_optimum` of n mixing weights as numpy arrays, padded so that a stream compiles once."""
    require_float64()
    n = len(lam)
    width = max(1024, 1 << max(n - 1, 0).bit_length())
    found = _optimum(np.pad(lam, (0, width - n), constant_values=0.5), a, classes)
    return TwoHotOptimum(*(np.asarray(part)[:n] for part in found))


def channel_prediction(
    lam: Float[np.ndarray, " n"], a: float, classes: int, m: float
) -> dict[str, np.ndarray]:
    """The optimum against an ETF of row norm m in the channel's coordinates, for mixing weights of two classes.

    across_a: (D/2) ((K−1)/(K m)) √(2K/(K−1)), along w_i − w_j. along_a over straight_a: (x_i + x_j)/x, along
    w_i + w_j against straight interpolation, x the same-class root. bend_a: ‖h − λ μ_i − (1−λ) μ_j‖/‖μ_i‖.
    """
    K = classes
    best = pair_optimum(lam, a, K)
    x = float(pair_optimum(np.ones(1), a, K).x_i[0])
    p, q = best.x_i - lam * x, best.x_j - (1 - lam) * x
    bend = np.sqrt(np.maximum(p * p + q * q - 2 * p * q / (K - 1), 0.0)) / x
    across = best.gap * ((K - 1) / (2 * K * m) * np.sqrt(2 * K / (K - 1)))
    straight = np.full(len(lam), x)
    return {"across_a": across, "along_a": best.x_i + best.x_j, "straight_a": straight, "bend_a": bend}


@partial(jax.jit, static_argnames="classes")
def _optimum(lam, a, classes):
    return two_hot_optimum(lam, a, classes)
