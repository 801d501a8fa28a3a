"""Mixup geometry of features with labels y = λ e_i + (1−λ) e_j, by λ-bin, with bootstrap intervals.

Rows v_k = w_k − w̄ of W centred (the mean row never acts on the softmax), c a named centre of the features:

    same class (i = j, or λ ∈ {0, 1})   alignment       ⟨h − c, v_i⟩ / (‖h − c‖ ‖v_i‖)
    different classes    outside         Σ ‖(h − c) outside span{v_i, v_j}‖² / Σ ‖h − c‖²
                         displacement    ⟨h, w_i − w_j⟩ / ‖w_i − w_j‖, against logit λ
                         amplification   Σ ⟨h − c, u⟩ / Σ ⟨λ μ_i + (1−λ) μ_j − c, u⟩, u along v_i + v_j
                         nonlinearity    ‖h − λ μ_i − (1−λ) μ_j‖ / ‖μ_i − c‖

averaged over the samples of a bin, where sums are written as the ratio of sums. Straight interpolation has
amplification 1 and, without scatter within the classes, nonlinearity 0; both exceed it in the channels of
cross-entropy (scatter adds to the nonlinearity). Predictions are the closed form (`ufm.theory.features`) for an
ETF of row norm m = ‖V‖_F/√K at sharpness a, at each sample's own λ.

A bootstrap replicate resamples rows (not the pairs, nor the batches that shared one λ). Class means are
resampled with them in the amplification, to first order; the nonlinearity takes them as given.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array

import ufm.rules.numbers as checked
from ufm.model.etf import etf_multiplier
from ufm.network.measures.directions import SUMS, Frame, measures, ratio
from ufm.network.measures.mixed import lambda_bin, lambda_edges
from ufm.network.read.activations import Chunk
from ufm.network.read.together import Measure, Rows, alone
from ufm.network.resample import Curve, Estimate, Replicated, by_bin, check_bootstrap, curve
from ufm.rules.errors import InputError

CENTRES = ("class", "mean", "none")


@dataclass(frozen=True, eq=False)
class Channel:
    """Mixup geometry by λ-bin; NaN where a bin has no samples or a measure is undefined.

    edges (E = B+1) of λ. same, different (B): weight of the samples of each kind (counts if unweighted).
    lam, logit (B): their mean λ and logit λ (different classes). overall: the same curves over all bins as one.
    predicted, predicted_overall: by the names of the curves, at the given a, or None. slope: of displacement on
    logit λ through the origin, over `window` ≤ λ ≤ 1 − `window` (outside it the limit does not hold
    uniformly); slope_predicted: the same regression on the prediction; slope_limit: √((K−1)/(2K))/m.
    skipped: rows that are not two-hot, have no weight, or mix two classes with the same row of W; alike: the last.
    rows: samples behind `same` and `different`, whatever their weights.
    """

    edges: Float[np.ndarray, " E"]
    same: Float[np.ndarray, " B"]
    different: Float[np.ndarray, " B"]
    lam: Float[np.ndarray, " B"]
    logit: Float[np.ndarray, " B"]
    alignment: Curve
    outside: Curve
    displacement: Curve
    amplification: Curve
    nonlinearity: Curve
    predicted: dict[str, np.ndarray] | None
    overall: dict[str, Estimate]
    predicted_overall: dict[str, float] | None
    slope: Estimate
    slope_predicted: float | None
    slope_limit: float
    window: float
    centre: str
    skipped: int
    alike: int
    rows: tuple[int, int]
    replicates: int
    level: float


def channel_geometry(
    chunks: Callable[[], Iterable[Chunk]],
    W: Float[np.ndarray, "K d"],
    means: Float[np.ndarray, "K d"] | None = None,
    a: float | None = None,
    *,
    centre: str = "class",
    mean: Float[np.ndarray, " d"] | None = None,
    own: bool = True,
    bins: int = 10,
    window: float = 0.05,
    replicates: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> Channel:
    """Mixup geometry of a stream, e.g. of `activations.chunks`; read up to three times.

    means: class means (`ClassStats.means`); without them amplification and nonlinearity are NaN. centre: c is the
    mean of the class means ("class", or that of all features without means), of all features ("mean", which moves
    with the frequencies of the classes) or 0 ("none"); mean: of all features, where it is known. own: the means are
    those of this stream's pure rows, and resampled with them. a: sharpness of the predictions. Intervals hold the
    central `level` of Poisson bootstrap replicates, which depend on the seed and on each sample's place in the
    stream, not on the chunks."""
    _check(centre, bins, window, a)
    check_bootstrap(replicates, level, seed)
    W = checked.array("W", W, ("K", "d"))
    means = None if means is None else checked.array("means", means, W.shape)
    if mean is None and (centre == "mean" or (means is None and centre == "class")):
        mean = weighted_mean(chunks())
    frame, centre = frame_of(W, means, centre, mean, a, window)
    return alone(geometry(frame, centre, own, bins, replicates, level, seed), chunks, W)


def geometry(
    frame: Frame, centre: str, own: bool, bins: int, replicates: int, level: float = 0.95, seed: int = 0
) -> Measure[Channel]:
    """`channel_geometry` as one measure of several, in a frame with the origin of that centre."""
    found = _Sums(frame, bins, replicates, seed)
    yield found.add
    if own and found.lever is not None and found.rows[1]:
        yield partial(found.add_means, centre=centre)
    return _result(found, centre, replicates, level)


def frame_of(W, means, centre: str, mean, a: float | None, window: float = 0.05) -> tuple[Frame, str]:
    """The frame, and its centre in fact: that of all features where there are no class means."""
    centre = "mean" if centre == "class" and means is None else centre
    if centre == "class":
        origin = means.mean(0)
    else:
        origin = np.zeros(W.shape[1]) if centre == "none" else checked.array("mean", mean, W.shape[1:])
    return Frame(W, means, origin, a, window), centre


def weighted_mean(chunks: Iterable[Chunk]) -> Float[np.ndarray, " d"]:
    """Σ weight · h / Σ weight over all rows of a stream."""
    total, mass = 0.0, 0.0
    for chunk in chunks:
        total, mass = total + chunk.weights @ chunk.H, mass + float(chunk.weights.sum())
    if mass == 0:
        raise InputError("the stream has no samples of positive weight")
    return np.asarray(total / mass)


class _Sums:
    """What a stream is reduced to: `table`, sums of SUMS by bin; numbers of rows, skipped and alike ones.

    lever (B, K, d): derivative of the sum `straight` by each class mean; mass (K): weights of the pure samples.
    shifts: how replicates of the class means move `along` and `straight`, by bin, to first order.
    """

    def __init__(self, frame: Frame, bins: int, replicates: int, seed: int):
        self.frame, self.bins, shape = frame, bins, frame.V.shape
        self.table = Replicated(len(SUMS), bins, replicates, seed)
        self.shifts = Replicated(2 * bins, 1, replicates, seed)
        self.lever = None if frame.means is None else np.zeros((bins, *shape))
        self.mass, self.rows, self.skipped, self.alike = np.zeros(shape[0]), (0, 0), 0, 0

    def add(self, rows: Rows) -> None:
        """The first reading."""
        use = np.flatnonzero((rows.labels.i >= 0) & rows.use)
        i, j, lam = (part[use] for part in rows.labels[:3])
        weights, which = rows.weights[use], lambda_bin(lam, self.bins)
        columns = measures(rows, use, self.frame)
        same, mixed = (columns[:, SUMS.index(name)] > 0 for name in ("pure", "different"))
        columns *= weights[:, None]
        self.table.add(rows.start, use, which, columns)
        self.rows = (self.rows[0] + int(same.sum()), self.rows[1] + int(mixed.sum()))
        self.skipped += len(rows) - int(same.sum() + mixed.sum())
        self.alike += int((~same & ~mixed).sum())
        if self.lever is not None:
            self.mass += np.bincount(rows.pure[use][same], weights[same], len(self.mass))
            parts = [part[mixed] for part in (i, j, lam, weights, which)]
            _add_lever(self.lever, self.frame, *parts)

    def add_means(self, rows: Rows, centre: str) -> None:
        """The second: ⟨h − μ_k, lever_k⟩/n_k of the pure samples, for each bin; centre "class" moves c too."""
        means, lever = self.frame.means, self.lever
        assert means is not None and lever is not None
        use = np.flatnonzero((rows.pure >= 0) & rows.use)
        label = rows.pure[use]
        apart = rows.H[use] - means[label]
        apart *= (rows.weights[use] / self.mass[label])[:, None]
        common = lever.sum(1) / len(means) if centre == "class" else np.zeros(lever[:, 0].shape)
        values = np.tile(-(apart @ common.T), 2)  # what c is multiplied with
        for k, here in by_bin(label):
            values[here, self.bins :] += apart[here] @ lever[:, k].T
        self.shifts.add(rows.start, use, np.zeros_like(use), values)


def _add_lever(lever, frame: Frame, i, j, lam, weights, which) -> None:
    """Σ weight · (share of class k in the label) · u, u = (v_i + v_j)/‖v_i + v_j‖, by bin and class: a product of
    V with numbers a pair, of the classes alone that are there."""
    K, d = frame.V.shape
    pull = weights * frame.inverse(i, j)
    cells, place = np.unique(np.r_[which * K + i, which * K + j], return_inverse=True)
    parts = np.tile(np.r_[pull * lam, pull * (1 - lam)], 2), (np.tile(place, 2), np.r_[i, j, j, i])
    lever.reshape(-1, d)[cells] += csr_array(parts, shape=(len(cells), K)) @ frame.V


def _result(sums: _Sums, centre: str, replicates: int, level: float) -> Channel:
    frame, shifts = sums.frame, sums.shifts.sums()[0].T.reshape(2, sums.bins, -1)
    S = dict(zip(SUMS, np.moveaxis(sums.table.sums(), 2, 0)))  # each (B, R+1); column 0 is the estimate
    moved = shifts - shifts[:, :, :1]  # against the estimate, whatever class means were given
    S |= {"along": S["along"] + moved[0], "straight": S["straight"] + moved[1]}
    total = {name: part.sum(0, keepdims=True) for name, part in S.items()}  # (1, R+1): all bins as one
    K, m, known = len(frame.V), etf_multiplier(frame.V), frame.a is not None
    slope = Estimate(*map(float, curve(ratio(total["tx"], total["tt"])[0], level)))
    whole = {
        name: Estimate(*(float(part[0]) for part in found)) for name, found in _curves(total, level).items()
    }
    return Channel(
        edges=lambda_edges(sums.bins),
        same=S["same"][:, 0],
        different=S["different"][:, 0],
        lam=ratio(S["lam"], S["different"])[:, 0],
        logit=ratio(S["logit"], S["different"])[:, 0],
        **_curves(S, level),
        predicted=_predictions(S, K) if known else None,
        overall=whole,
        predicted_overall={k: float(v[0]) for k, v in _predictions(total, K).items()} if known else None,
        slope=slope,
        slope_predicted=float(ratio(total["tx_a"], total["tt"])[0, 0]) if known else None,
        slope_limit=float(np.sqrt((K - 1) / (2 * K)) / m) if m > 0 else float("inf"),
        window=frame.window,
        centre=centre,
        skipped=sums.skipped,
        alike=sums.alike,
        rows=sums.rows,
        replicates=replicates,
        level=level,
    )


def _curves(S, level: float) -> dict[str, Curve]:
    ratios = {
        "alignment": ratio(S["cosine"], S["same"]),
        "outside": ratio(S["outside"], S["size"]),
        "displacement": ratio(S["across"], S["different"]),
        "amplification": ratio(S["along"], S["straight"]),
        "nonlinearity": ratio(S["bend"], S["paired"]),
    }
    return {name: curve(ratio, level) for name, ratio in ratios.items()}


def _predictions(S, K: int) -> dict[str, np.ndarray]:
    found = {
        "displacement": ratio(S["across_a"], S["different"])[:, 0],
        "nonlinearity": ratio(S["bend_a"], S["different"])[:, 0],
        "amplification": ratio(S["along_a"], S["straight_a"])[:, 0],
    }
    if K == 2:
        found["amplification"] = np.full(len(S["lam"]), np.nan)  # w_i + w_j = 0
    return found


def _check(centre: str, bins: int, window: float, a: float | None) -> None:
    checked.choice("centre", centre, CENTRES)
    checked.integer("bins", bins, 1)
    checked.real("window", window, "lie in [0, 0.5)", lambda share: 0 <= share < 0.5)
    if a is not None:
        checked.positive("a", a)
