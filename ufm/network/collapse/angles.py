"""Angles between class means, rows of W, samples and data from elsewhere."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

import ufm.rules.numbers as checked
from ufm.model.etf import unit_scale


class Moments(NamedTuple):
    """Mean and variance of some numbers, and their coefficient of variation std/|mean| (None for a mean of 0)."""

    mean: float
    variance: float
    variation: float | None


def moments(values: Float[np.ndarray, " n"], ddof: int = 0) -> Moments | None:
    """Mean and variance with n − ddof; None if a value is no number, or if there are too few."""
    if len(values) <= ddof or not np.isfinite(values).all():
        return None
    mean, variance = float(np.mean(values)), float(np.var(values, ddof=ddof))
    return Moments(mean, variance, None if mean == 0 else float(np.sqrt(variance)) / abs(mean))


def cosines(A: Float[np.ndarray, "K d"], B: Float[np.ndarray, "K d"]) -> Float[np.ndarray, " K"]:
    """cos(a_k, b_k) of each row; NaN where one of them vanishes."""
    return np.sum(units(A) * units(B), 1)


def units(V: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Rows of length 1; NaN for a row of zeros."""
    V = V / unit_scale(V) if V.any() else V
    norms = np.linalg.norm(V, axis=1, keepdims=True)
    return np.divide(V, norms, where=norms > 0, out=np.full_like(V, np.nan))


def uniform_duality(
    W: Float[np.ndarray, "K d"], centred: Float[np.ndarray, "K d"], dot: bool = False, ddof: int = 0
) -> Moments | None:
    """UNC3: how equal the cosines of w_k with μ_k − μ_G are, or (dot) their inner products; `centred` is M̊ᵀ.

    None if a row vanishes and a cosine is asked for. 0 variance is uniform duality, mean cosine 1 self-duality.
    Source: Wu, Papyan, NeurIPS 2024, section 3.6; `similarities` of github.com/rhubarbwu/neural-collapse, whose
    readme takes the variance of inner products with ddof = 1.
    """
    checked.flag("dot", dot)
    W = checked.array("W", W, ("K", "d"))
    centred = checked.array("centred", centred, W.shape)
    return moments(
        np.sum(W * centred, 1) if dot else cosines(W, centred), checked.integer("ddof", ddof, 0, 1)
    )


def cosine_margins(
    H: Float[np.ndarray, "N d"],
    label: Int[np.ndarray, " N"],
    W: Float[np.ndarray, "K d"],
    centre: Float[np.ndarray, " d"],
) -> Float[np.ndarray, " N"]:
    """cos(h − c, w_y − w̄) less the largest cosine with another row of W − w̄, of every sample; rising.

    At most K/(K−1), which is collapse; negative where an angle is closest to the row of another class. NaN, at the
    end, where h = c or a row vanishes. `centre`: c, the mean μ_G of samples in the source: compute_margin of
    nc/validate_NC.py in github.com/evanmarkou/Guiding-Neural-Collapse.
    """
    H, W = checked.array("H", H, ("N", "d")), checked.array("W", W, ("K", "d"))
    label = checked.class_numbers("label", checked.numbers("label", label, (len(H),)), len(W))
    found = units(H - checked.array("centre", centre, H.shape[1:])) @ units(W - W.mean(0)).T
    at = np.arange(len(H)), label
    own = found[at]
    found[at] = -np.inf
    return np.sort(own - found.max(1))


def ood_cosines(means: Float[np.ndarray, "K d"], ood: Float[np.ndarray, " d"]) -> Float[np.ndarray, " K"]:
    """|cos(μ_k, μ_OOD)| of every class; NaN where one vanishes. `ood`: the mean of the features of other data."""
    means = checked.array("means", means, ("K", "d"))
    ood = checked.array("ood", ood, means.shape[1:])
    return np.abs(cosines(means, np.broadcast_to(ood, means.shape)))


def ood_orthogonality(means: Float[np.ndarray, "K d"], ood: Float[np.ndarray, " d"]) -> float | None:
    """NC5: mean over classes of |cos(μ_k, μ_OOD)|, means about the origin; 0: orthogonal. None if one vanishes.

    Source: Ammar et al., ICLR 2024 (NECO, arXiv 2310.06823), as orthogonality_deviation of
    github.com/rhubarbwu/neural-collapse has it.
    """
    found = moments(ood_cosines(means, ood))
    return None if found is None else found.mean


def equinorm_difference(
    W: Float[np.ndarray, "K d"], centred: Float[np.ndarray, "K d"], ddof: int = 0
) -> float | None:
    """|cv(‖w_k‖) − cv(‖μ_k − μ_G‖)|, cv = std/mean with K − ddof; None if W or the centred means vanish.

    Source: compute_W_H_equinorm of nc/validate_NC.py in github.com/evanmarkou/Guiding-Neural-Collapse (ddof = 1).
    """
    W = checked.array("W", W, ("K", "d"))
    both = [
        moments(np.linalg.norm(V, axis=1), checked.integer("ddof", ddof, 0, 1))
        for V in (W, checked.array("centred", centred, W.shape))
    ]
    variations = [None if part is None else part.variation for part in both]
    if variations[0] is None or variations[1] is None:
        return None
    return abs(variations[0] - variations[1])
