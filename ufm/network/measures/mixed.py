"""Labels y = (1−δ)(λ e_i + (1−λ) e_j) + δ/K: binned by λ, and their optimum at sharpness a."""

import numpy as np
from jaxtyping import Float, Int

import ufm.rules.numbers as checked
from ufm.network.measures.curve import curve_at
from ufm.theory.features import TwoHotOptimum


def lambda_edges(bins: int) -> Float[np.ndarray, " E"]:
    """Edges of `bins` equal bins of λ ∈ [0, 1]; a bin holds its lower edge, the last one both."""
    checked.integer("bins", bins, 1)
    return np.arange(bins + 1) / bins


def lambda_bin(lam: Float[np.ndarray, " n"], bins: int) -> Int[np.ndarray, " n"]:
    """The bin of each λ."""
    return np.minimum(np.searchsorted(lambda_edges(bins), lam, side="right") - 1, bins - 1)


def pair_optimum(lam: Float[np.ndarray, " n"], a: float, classes: int, delta: float = 0.0) -> TwoHotOptimum:
    """`two_hot_optimum` of n mixing weights as numpy arrays, from the curve of all of them.

    delta: δ of the smoothing; then x_i and x_j are measured from the other classes' logits, as without it.
    """
    return curve_at(a, classes, delta)(lam).best


def channel_prediction(
    lam: Float[np.ndarray, " n"], a: float, classes: int, m: float, delta: float = 0.0
) -> dict[str, np.ndarray]:
    """The optimum against an ETF of row norm m in the channel's coordinates, for mixing weights of two classes.

    across_a: (D/2) ((K−1)/(K m)) √(2K/(K−1)), along w_i − w_j. along_a over straight_a: (x_i + x_j)/x, along
    w_i + w_j against straight interpolation, x the same-class root. bend_a: ‖h − λ μ_i − (1−λ) μ_j‖/‖μ_i‖.
    """
    curve = curve_at(a, classes, delta)
    return in_channel(curve(lam).best, lam, curve.single, classes, m)


def in_channel(
    best: TwoHotOptimum, lam: Float[np.ndarray, " n"], x: float, classes: int, m: float
) -> dict[str, np.ndarray]:
    """`channel_prediction` of optima that are known."""
    K = classes
    p, q = best.x_i - lam * x, best.x_j - (1 - lam) * x
    bend = np.sqrt(np.maximum(p * p + q * q - 2 * p * q / (K - 1), 0.0)) / x
    across = best.gap * ((K - 1) / (2 * K * m) * np.sqrt(2 * K / (K - 1)))
    straight = np.full(len(lam), x)
    return {"across_a": across, "along_a": best.x_i + best.x_j, "straight_a": straight, "bend_a": bend}


def label_logit(lam: Float[np.ndarray, " n"], classes: int, delta: float = 0.0) -> Float[np.ndarray, " n"]:
    """log y_i − log y_j of the label: logit λ without smoothing."""
    floor = delta / classes
    return np.log((1 - delta) * lam + floor) - np.log((1 - delta) * (1 - lam) + floor)


def three_values(z, i, j) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
    """z at i, at j, and its mean elsewhere, about which it is spread so much, squared; z is used up."""
    place = np.arange(len(z))
    at_i, at_j = z[place, i], z[place, j]
    z[place, i] = z[place, j] = 0.0
    elsewhere = z.sum(1) / max(z.shape[1] - 2, 1)
    z -= elsewhere[:, None]
    z[place, i] = z[place, j] = 0.0
    return np.stack([at_i, at_j, elsewhere], 1), np.vecdot(z, z)
