"""Last-layer geometry of one network as numbers: pure functions of features, classifier and labels.

`Features` holds what one network gives: H of mixed inputs with i, j, λ, and H of the unmixed training inputs.
V = W − w̄ (the mean row never acts on the softmax), m = ‖V‖_F/√K, c the mean of the mixed features, and
μ_k the class means of the unmixed ones: the ends λ = 0, 1 of every path from class to class. Sizes are in units
of r, the mean of ‖h − c‖ over the unmixed features. Curves and fits are those of `ufm`.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ufm.model.etf import etf_deviation, etf_multiplier
from ufm.network.collapse.conventions import CONVENTIONS
from ufm.network.collapse.metrics import all_metrics
from ufm.network.collapse.statistics import class_statistics
from ufm.network.measures.calibration import mixed_calibration
from ufm.network.measures.channels import Channel, channel_geometry
from ufm.network.measures.fitting import fit_sharpness
from ufm.network.measures.mixed import channel_prediction
from ufm.network.read.activations import Activations, from_arrays

BINS = 20
MIDDLE = 0.1  # |λ − ½| below which a mixture counts as even
WINDOW = (
    0.05  # displacement is compared with logit λ for λ in [0.05, 0.95]: outside, the limit is not uniform
)
REPORTED = ("nc1", "nc1_ratio", "nc2_angles_rows", "nc2_norms_rows", "nc3_distance", "nc4_disagreement")


class Features(NamedTuple):
    """H (n, d) of mixed inputs with i, j, lam (n); pure (N, d) of unmixed inputs with classes y (N); W, b."""

    H: Float[np.ndarray, "n d"]
    i: Int[np.ndarray, " n"]
    j: Int[np.ndarray, " n"]
    lam: Float[np.ndarray, " n"]
    pure: Float[np.ndarray, "N d"]
    y: Int[np.ndarray, " N"]
    W: Float[np.ndarray, "K d"]
    b: Float[np.ndarray, " K"]

    @property
    def V(self) -> Float[np.ndarray, "K d"]:
        """W centred."""
        return self.W - self.W.mean(0)

    @property
    def centre(self) -> Float[np.ndarray, " d"]:
        """c."""
        return self.H.mean(0)

    @property
    def size(self) -> float:
        """r = mean ‖h − c‖ of unmixed features."""
        return float(np.linalg.norm(self.pure - self.centre, axis=1).mean())

    @property
    def means(self) -> Float[np.ndarray, "K d"]:
        """μ_k."""
        return np.stack([self.pure[self.y == k].mean(0) for k in range(len(self.W))])


def measure_geometry(found: Features, lambda_h: float | None = None) -> tuple[dict, dict]:
    """Numbers and curves (lists by λ-bin) of one network.

    Curves and what compares with them are those of the fitted a, or with λ_H of a = m² K/((K−1) λ_H), no fit.
    Fails with InputError where features are not finite.
    """
    mixed = from_arrays(H=found.H, W=found.V, i=found.i, j=found.j, lam=found.lam)
    shift = found.b - found.b.mean()
    fit = fit_sharpness(mixed.chunks, found.V, shift, lambda_h)
    a = fit.a if fit.a_known is None else fit.a_known
    channel = channel_geometry(
        mixed.chunks, found.V, found.means, a, centre="mean", bins=BINS, window=WINDOW, replicates=0
    )
    numbers = {
        "alignment": _mean(channel.alignment.value, channel.same),
        "alignment_in_span": alignment_in_span(found),
        "alignment_middle": _mean(channel.alignment.value, channel.same * _even(channel)),
        "outside": _mean(channel.outside.value, channel.different),
        "middle_ratio": middle_ratio(found),
        "amplification": _mean(channel.amplification.value, channel.different * _even(channel)),
        "nonlinearity": _mean(channel.nonlinearity.value, channel.different),
        "bend": bend(found),
        "bend_predicted": predicted_bend(found, a),
        **displacement_fit(channel),
        "slope": float(channel.slope.value),
        "slope_predicted": channel.slope_predicted,
        "slope_limit": channel.slope_limit,
        "r2": fit.r2,
        "r2_linear": fit.r2_linear,
        "r2_known": fit.r2_known,
        "a": fit.a,
        "a_known": fit.a_known,
        "a_identified": fit.a_identified,
        "multiplier": etf_multiplier(found.V),
        "etf_deviation": etf_deviation(found.V),
        **_collapse(found),
    }
    calibration, curve = calibration_curve(mixed, found, a)
    return numbers | calibration, curve | _displacement_curve(channel)


def middle_ratio(found: Features) -> float:
    """Middle-to-vertex ratio of different-class features at λ ≈ ½, as in the usual picture.

    ((K−1)/(2(K−2))) · mean ⟨h − c, v_i + v_j⟩ / (m r), over |λ − ½| < 0.1: in the plane of three classes of
    an ETF (averaged over the third), the distance of the edge's middle from the centre over that of a vertex.
    Straight interpolation of features aligned with an ETF: ½; the closed form: (x_i + x_j)/(2x). NaN for K = 2.
    """
    K, V = len(found.W), found.V
    use = (found.i != found.j) & (np.abs(found.lam - 0.5) < MIDDLE)
    scale = 2 * (K - 2) * etf_multiplier(V) * found.size
    if scale == 0 or not use.any():
        return float("nan")
    along = _dot(found.H[use] - found.centre, V[found.i[use]] + V[found.j[use]])
    return float((K - 1) * along.mean() / scale)


def alignment_in_span(found: Features) -> float:
    """Mean cosine of same-class mixtures with their row after projection onto the span of the rows of V.

    What the pictures and the logits show; `alignment` counts the part of a feature outside the span too.
    """
    same, V = found.i == found.j, found.V
    rows = np.linalg.svd(V, full_matrices=False)[2][: len(V) - 1]
    h, v = (found.H[same] - found.centre) @ rows.T, V[found.i[same]] @ rows.T
    size = np.linalg.norm(h, axis=1) * np.linalg.norm(v, axis=1)
    return float((_dot(h, v) / np.where(size > 0, size, 1.0)).mean()) if same.any() else float("nan")


def bend(found: Features) -> float:
    """Systematic non-linearity: how far the mean path leaves the straight line between class means, over r.

    h − λ μ_i − (1−λ) μ_j in coordinates along v_i + v_j and across (v_i − v_j), averaged over the samples
    of a λ-bin, so that the spread of single features cancels; the length of this mean, averaged over bins.
    0 for convex combinations of the class means, whatever their spread.
    """
    use = found.i != found.j
    i, j, lam = found.i[use], found.j[use], found.lam[use]
    means = found.means
    rest = found.H[use] - lam[:, None] * means[i] - (1 - lam)[:, None] * means[j]
    plane = np.stack([_dot(rest, side) for side in pair_directions(found.V, i, j)], 1)
    where = np.minimum((lam * BINS).astype(int), BINS - 1)
    sums = np.stack([np.bincount(where, part, BINS) for part in plane.T], 1)
    return float(np.linalg.norm(sums, axis=1).sum() / len(lam) / found.size)


def predicted_bend(found: Features, a: float) -> float:
    """`bend` of the closed form at sharpness a, at the same λ."""
    lam = found.lam[found.i != found.j]
    return float(channel_prediction(lam, a, len(found.W), 1.0)["bend_a"].mean())


def pair_directions(V: Float[np.ndarray, "K d"], i, j) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors along v_i + v_j and v_i − v_j, (n, d) each; zero where they vanish."""
    found = []
    for side in (V[i] + V[j], V[i] - V[j]):
        size = np.linalg.norm(side, axis=1, keepdims=True)
        found.append(side / np.where(size > 0, size, 1.0))
    return tuple(found)


def displacement_fit(channel: Channel) -> dict[str, float]:
    """How well three curves explain the mean displacement across the channel, bin by bin; R² about zero.

    finite: the closed form, nothing fitted but a (see `measure_geometry`), all λ. logit, straight: the best
    multiple of logit λ and of 2λ − 1, for bins inside [0.05, 0.95]: one free number each.
    """
    x, weight = channel.displacement.value, channel.different
    inside = (channel.edges[:-1] >= WINDOW) & (channel.edges[1:] <= 1 - WINDOW)
    rest = np.nansum(weight * (x - channel.predicted["displacement"]) ** 2)
    total = np.nansum(weight * x**2)
    return {
        "displacement_finite": float(1 - rest / total) if total > 0 else float("nan"),
        "displacement_logit": proportional(channel.logit[inside], x[inside], weight[inside]),
        "displacement_straight": proportional(2 * channel.lam[inside] - 1, x[inside], weight[inside]),
    }


def proportional(t, x, weight) -> float:
    """R² about zero of the best multiple of t: (Σ w t x)²/(Σ w t² Σ w x²); NaN (empty bins) is left out."""
    use = ~np.isnan(t * x)
    t, x, weight = t[use], x[use], weight[use]
    size = float(weight @ t**2) * float(weight @ x**2)
    return float(weight @ (t * x)) ** 2 / size if size > 0 else float("nan")


def calibration_curve(mixed: Activations, found: Features, a: float) -> tuple[dict, dict]:
    """Predictions on mixed inputs against the closed form at a.

    curve_deviation: mean over bins of |p_i observed − predicted|. label_deviation: of |p_i observed − λ|.
    curve_explained: 1 − Σ (p_i − predicted)²/Σ (p_i − λ)²: the share of the distance between predictions and
    labels that the closed form accounts for (p_i is the mean of a bin, weighted by its samples).
    """
    here = mixed_calibration(mixed.chunks, found.W, found.b, a, BINS)
    some = here.counts > 0
    weight, p = here.counts[some], here.first[some]
    away, deficit = p - here.predicted[0][some], p - here.lam[some]
    total = float(weight @ deficit**2)
    numbers = {
        "curve_deviation": here.deviation.value,
        "label_deviation": float(weight @ np.abs(deficit) / weight.sum()),
        "curve_explained": 1 - float(weight @ away**2) / total if total > 0 else float("nan"),
    }
    curve = {"lam": here.lam, "first": here.first, "first_predicted": here.predicted[0]}
    return numbers, {name: value.tolist() for name, value in curve.items()}


def _displacement_curve(channel: Channel) -> dict[str, list[float]]:
    curve = {
        "logit": channel.logit,
        "displacement": channel.displacement.value,
        "displacement_predicted": channel.predicted["displacement"],
        "along": channel.amplification.value,
        "along_predicted": channel.predicted["amplification"],
    }
    return {name: value.tolist() for name, value in curve.items()}


def _collapse(found: Features) -> dict[str, float | None]:
    """Neural-collapse metrics of the unmixed features, W centred."""
    pure = from_arrays(H=found.pure, W=found.V, b=found.b, y=found.y)
    stats = class_statistics(pure.pure_chunks, len(found.W), found.V, found.b)
    metrics = all_metrics(stats, found.V, found.b, CONVENTIONS["centred"])
    return {name: metrics[name] for name in REPORTED}


def _even(channel: Channel) -> np.ndarray:
    """1 for the bins that lie in |λ − ½| <= 0.1."""
    middle = (channel.edges[1:] + channel.edges[:-1]) / 2
    return (np.abs(middle - 0.5) < MIDDLE).astype(float)


def _mean(value, weight) -> float:
    """Weighted mean over bins, empty ones left out; NaN if all are."""
    use = ~np.isnan(value) & (weight > 0)
    return float(np.average(value[use], weights=weight[use])) if use.any() else float("nan")


def _dot(A, B) -> np.ndarray:
    return np.einsum("nd,nd->n", A, B)
