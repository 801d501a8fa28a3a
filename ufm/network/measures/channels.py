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

import numpy as np
from jaxtyping import Float

import ufm.rules.numbers as checked
from ufm.model.etf import etf_multiplier
from ufm.network.measures.directions import (
    SUMS,
    Frame,
    directions,
    measures,
    pure_class,
    ratio,
)
from ufm.network.measures.mixed import lambda_bin, lambda_edges
from ufm.network.read.activations import Chunk
from ufm.network.resample import (
    Curve,
    Estimate,
    by_bin,
    check_bootstrap,
    curve,
    pieces,
    poisson_weights,
)
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
    centre = "mean" if centre == "class" and means is None else centre
    frame = Frame(W, W - W.mean(0), means, _origin(centre, chunks, W, means, mean), a, window)
    found = _Sums.empty(frame, bins, replicates)
    for chunk in chunks():
        for piece in pieces(chunk):
            _add(found, piece, frame, replicates, seed)
    if own and found.lever is not None and frame.means is not None and found.rows[1]:
        for chunk in chunks():
            for piece in pieces(chunk):
                _add_means(found, piece, found.lever, frame.means, centre, replicates, seed)
    return _result(found, frame, centre, replicates, level)


def _origin(centre: str, chunks, W, means, mean) -> Float[np.ndarray, " d"]:
    if centre == "class":
        return means.mean(0)
    if centre == "none":
        return np.zeros(W.shape[1])
    return weighted_mean(chunks()) if mean is None else checked.array("mean", mean, W.shape[1:])


def weighted_mean(chunks: Iterable[Chunk]) -> Float[np.ndarray, " d"]:
    """Σ weight · h / Σ weight over all rows of a stream."""
    total, mass = 0.0, 0.0
    for chunk in chunks:
        total, mass = total + chunk.weights @ chunk.H, mass + float(chunk.weights.sum())
    if mass == 0:
        raise InputError("the stream has no samples of positive weight")
    return np.asarray(total / mass)


@dataclass(eq=False)
class _Sums:
    """What a stream is reduced to: `table` (B, R+1, len(SUMS)), column 0 of R+1 the estimate; rows, skipped.

    lever (B, K, d): derivative of the sum `straight` by each class mean; mass (K): weights of the pure samples.
    shifts (2, B, R+1): how replicates of the class means move `along` and `straight`, to first order.
    """

    table: Float[np.ndarray, "B R1 S"]
    lever: Float[np.ndarray, "B K d"] | None
    mass: Float[np.ndarray, " K"]
    shifts: Float[np.ndarray, "2 B R1"]
    rows: tuple[int, int]
    skipped: int
    alike: int = 0

    @staticmethod
    def empty(frame: "Frame", bins: int, replicates: int) -> "_Sums":
        """Zeros."""
        lever = None if frame.means is None else np.zeros((bins, *frame.V.shape))
        table, shifts = np.zeros((bins, replicates + 1, len(SUMS))), np.zeros((2, bins, replicates + 1))
        return _Sums(table, lever, np.zeros(len(frame.V)), shifts, (0, 0), 0)


def _add(sums: _Sums, piece: Chunk, frame: Frame, replicates: int, seed: int) -> None:
    """Add one piece to the sums of its bins."""
    i, j, lam = piece.labels[:3]
    use = (i >= 0) & (piece.weights > 0)
    draws, drawn = poisson_weights(piece.start, len(i), replicates, seed), np.flatnonzero(use)
    i, j, lam, weights = i[use], j[use], lam[use], piece.weights[use]
    columns = measures(piece.H[use], i, j, lam, frame, piece.labels.delta)
    same, mixed = (columns[:, SUMS.index(name)] > 0 for name in ("pure", "different"))
    which = lambda_bin(lam, len(sums.table))
    weighted = columns * weights[:, None]
    for b, rows in by_bin(which):
        sums.table[b] += draws[drawn[rows]].T @ weighted[rows]
    sums.rows = (sums.rows[0] + int(same.sum()), sums.rows[1] + int(mixed.sum()))
    sums.skipped += len(use) - int(same.sum() + mixed.sum())
    sums.alike += int((~same & ~mixed).sum())
    if sums.lever is not None:
        sums.mass += np.bincount(pure_class(i, j, lam)[same], weights[same], len(sums.mass))
        _add_lever(sums.lever, i[mixed], j[mixed], lam[mixed], weights[mixed], which[mixed], frame)


def _add_lever(lever, i, j, lam, weights, which, frame: Frame) -> None:
    """Σ weight · (share of class k in the label) · u, by bin and class: one sum a pair, then its direction."""
    K = len(frame.V)
    cells, inverse = np.unique((which * K + i) * K + j, return_inverse=True)
    b, I, J = cells // K**2, cells // K % K, cells % K
    along = directions(I, J, frame.V)[1]
    for k, share in ((I, lam), (J, 1 - lam)):
        np.add.at(lever, (b, k), np.bincount(inverse, weights * share, len(cells))[:, None] * along)


def _add_means(
    sums: _Sums, piece: Chunk, lever, means: np.ndarray, centre: str, replicates: int, seed: int
) -> None:
    """Σ over pure samples of draw · ⟨h − μ_k, lever_k⟩/n_k, for each bin; centre "class" moves c too."""
    label = piece.labels.pure()
    use = (label >= 0) & (piece.weights > 0)
    draws, drawn = poisson_weights(piece.start, len(use), replicates, seed), np.flatnonzero(use)
    label, apart = label[use], piece.H[use] - means[label[use]]
    apart *= piece.weights[use, None]
    total = lever.sum(1)  # (B, d): what c is multiplied with
    common = total / len(means) if centre == "class" else np.zeros_like(total)
    for k, here in by_bin(label):
        pull = np.stack([-common, lever[:, k] - common])  # (2, B, d)
        sums.shifts += pull @ (apart[here].T @ draws[drawn[here]]) / sums.mass[k]


def _result(sums: _Sums, frame: Frame, centre, replicates, level) -> Channel:
    S = dict(zip(SUMS, np.moveaxis(sums.table, 2, 0)))  # each (B, R+1); column 0 is the estimate
    moved = sums.shifts - sums.shifts[:, :, :1]  # against the estimate, whatever class means were given
    S |= {"along": S["along"] + moved[0], "straight": S["straight"] + moved[1]}
    total = {name: part.sum(0, keepdims=True) for name, part in S.items()}  # (1, R+1): all bins as one
    K, m, known = len(frame.V), etf_multiplier(frame.V), frame.a is not None
    slope = Estimate(*map(float, curve(ratio(total["tx"], total["tt"])[0], level)))
    whole = {
        name: Estimate(*(float(part[0]) for part in found)) for name, found in _curves(total, level).items()
    }
    return Channel(
        edges=lambda_edges(len(sums.table)),
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
