"""Mixup geometry of features with labels y = λ e_i + (1−λ) e_j, by λ-bin, with bootstrap intervals.

Rows v_k = w_k − w̄ of W centred (the mean row never acts on the softmax), c a named centre of the features:

    same class (i = j, or λ ∈ {0, 1})   alignment       ⟨h − c, v_i⟩ / (‖h − c‖ ‖v_i‖)
    different classes    outside         Σ ‖(h − c) outside span{v_i, v_j}‖² / Σ ‖h − c‖²
                         displacement    ⟨h, w_i − w_j⟩ / ‖w_i − w_j‖, against logit λ
                         amplification   Σ ⟨h − c, u⟩ / Σ ⟨λ μ_i + (1−λ) μ_j − c, u⟩, u along v_i + v_j
                         nonlinearity    ‖h − λ μ_i − (1−λ) μ_j‖ / ‖μ_i − c‖

averaged over the samples of a bin, where sums are written as the ratio of sums. Straight interpolation has
amplification 1 and nonlinearity 0; both exceed it in the channels of cross-entropy. Predictions are the
closed form (`ufm.theory.features`) for an ETF of row norm m = ‖V‖_F/√K at sharpness a, at each sample's own λ.
A bootstrap replicate resamples rows (not the pairs, nor the batches that shared one λ).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ufm.activations import Chunk
from ufm.etf import etf_multiplier
from ufm.mixed import channel_prediction, lambda_bin, lambda_edges, two_hot
from ufm.resample import Curve, curve, pieces, poisson_weights

CENTRES = ("mean", "none")
RANK = 1e-12  # v_i + v_j this small against its rows has no direction (K = 2)
# weighted sums kept for each bin and replicate
SUMS = ("same", "cosine", "different", "lam", "logit", "across", "across_a", "size", "outside", "along")
SUMS += ("straight", "along_a", "straight_a", "paired", "bend", "bend_a", "tt", "tx", "tx_a")


@dataclass(frozen=True, eq=False)
class Channel:
    """Mixup geometry by λ-bin; NaN where a bin has no samples or a measure is undefined.

    edges (E = B+1) of λ. same, different (B): weight of the samples of each kind (counts if unweighted).
    lam, logit (B): their mean λ and logit λ (different classes). overall: the same curves over all bins as one.
    predicted, predicted_overall: by the names of the curves, at the given a, or None. slope: of displacement on
    logit λ through the origin, over `window` ≤ λ ≤ 1 − `window` (outside it the limit does not hold
    uniformly); slope_predicted: the same regression on the prediction; slope_limit: √((K−1)/(2K))/m.
    skipped: rows neither two-hot nor of positive weight.
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
    overall: dict[str, Curve]
    predicted_overall: dict[str, float] | None
    slope: Curve
    slope_predicted: float | None
    slope_limit: float
    window: float
    centre: str
    skipped: int
    replicates: int
    level: float


def channel_geometry(
    chunks: Callable[[], Iterable[Chunk]],
    W: Float[np.ndarray, "K d"],
    means: Float[np.ndarray, "K d"] | None = None,
    a: float | None = None,
    *,
    centre: str = "mean",
    bins: int = 10,
    window: float = 0.05,
    replicates: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> Channel:
    """Mixup geometry of a stream, e.g. of `activations.chunks`; read twice if centre = "mean" (of H), else once.

    means: class means (`ClassStats.means`); without them amplification and nonlinearity are NaN. a: sharpness
    of the predictions. Intervals hold the central `level` of Poisson bootstrap replicates, which depend
    on the seed and on each sample's place in the stream, not on the chunks. Raises ValueError.
    """
    _check(centre, window, level, a)
    c = weighted_mean(chunks()) if centre == "mean" else np.zeros(W.shape[1])
    frame = _Frame(W, W - W.mean(0), means, c, a, window)
    sums, skipped = np.zeros((bins, replicates + 1, len(SUMS))), 0
    for chunk in chunks():
        for piece in pieces(chunk):
            skipped += _add(sums, piece, frame, replicates, seed)
    return _result(sums, frame, centre, skipped, replicates, level)


def weighted_mean(chunks: Iterable[Chunk]) -> Float[np.ndarray, " d"]:
    """Σ weight · h / Σ weight over all rows of a stream."""
    total, mass = 0.0, 0.0
    for chunk in chunks:
        total, mass = total + chunk.weights @ chunk.H, mass + float(chunk.weights.sum())
    if mass == 0:
        raise ValueError("the stream has no samples of positive weight")
    return np.asarray(total / mass)


class _Frame(NamedTuple):
    W: np.ndarray
    V: np.ndarray  # W centred
    means: np.ndarray | None
    centre: np.ndarray
    a: float | None
    window: float


def _add(sums, piece: Chunk, frame: _Frame, replicates: int, seed: int) -> int:
    """Add one piece to the sums of its bins; how many rows were skipped."""
    i, j, lam = two_hot(piece.labels)
    use = (i >= 0) & (piece.weights > 0)
    draws = poisson_weights(piece.start, len(i), replicates, seed)[use]
    draws = draws * piece.weights[use, None]
    columns = _measures(piece.H[use], i[use], j[use], lam[use], frame)
    which = lambda_bin(lam[use], len(sums))
    for b in np.unique(which):
        sums[b] += draws[which == b].T @ columns[which == b]
    return int(len(use) - use.sum())


def _measures(H, i, j, lam, frame: _Frame) -> np.ndarray:
    """What is summed, (n, len(SUMS)); zero where a sample does not count."""
    found = {name: np.zeros(len(H)) for name in SUMS}
    pure = np.where((i == j) | (lam == 1), i, np.where(lam == 0, j, -1))
    same, mixed = pure >= 0, (pure < 0) & (frame.W[i] != frame.W[j]).any(1)
    found["same"][same], found["cosine"][same] = _alignment(H[same], pure[same], frame)
    for name, value in _different(H[mixed], i[mixed], j[mixed], lam[mixed], frame).items():
        found[name][mixed] = value
    return np.stack([found[name] for name in SUMS], 1)


def _alignment(H, label, frame: _Frame) -> tuple[np.ndarray, np.ndarray]:
    """Whether the cosine is defined, and the cosine."""
    h, v = H - frame.centre, frame.V[label]
    size = np.linalg.norm(h, axis=1) * np.linalg.norm(v, axis=1)
    return size > 0, _dot(h, v) / np.where(size > 0, size, 1.0)


def _different(H, i, j, lam, frame: _Frame) -> dict[str, np.ndarray]:
    """Directions belong to pairs of classes: made once a pair, then gathered for its samples."""
    pairs, which = np.unique(i * len(frame.V) + j, return_inverse=True)
    I, J = np.divmod(pairs, len(frame.V))
    axes, along = _directions(I, J, frame.V)
    sideways, across = _orthogonal(along, axes)[which], axes[which]
    h, logit = H - frame.centre, np.log(lam) - np.log1p(-lam)
    x, s = _dot(H, across), _dot(h, along[which])
    found = {"different": np.ones(len(H)), "lam": lam, "logit": logit, "across": x, "along": s}
    found["size"] = _dot(h, h)
    h -= _dot(h, across)[:, None] * across
    h -= _dot(h, sideways)[:, None] * sideways
    inside = (lam >= frame.window) & (lam <= 1 - frame.window)
    t = np.where(inside, logit, 0.0)
    found |= {"outside": _dot(h, h), "tt": t * t, "tx": t * x}
    if frame.means is not None:
        centred = frame.means - frame.centre
        ends = _dot(centred[I], along)[which], _dot(centred[J], along)[which]
        found["straight"] = lam * ends[0] + (1 - lam) * ends[1]
        found |= _bend(H, i, j, lam, np.linalg.norm(centred, axis=1)[i], frame.means)
    if frame.a is not None:
        best = channel_prediction(lam, frame.a, len(frame.V), etf_multiplier(frame.V))
        found |= best | {"tx_a": t * best["across_a"]}
    return found


def _directions(i, j, V) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors along v_i − v_j and v_i + v_j; 0 where v_i + v_j vanishes."""
    across, along = V[i] - V[j], V[i] + V[j]
    size = np.linalg.norm(across, axis=1)
    across /= np.where(size > 0, size, 1.0)[:, None]
    size, rows = np.linalg.norm(along, axis=1), np.linalg.norm(V, axis=1)
    some = size > RANK * (rows[i] + rows[j])
    along *= np.where(some, 1 / np.where(some, size, 1.0), 0.0)[:, None]
    return across, along


def _orthogonal(along, across) -> np.ndarray:
    """The unit vector of `along` made orthogonal to `across` (twice: once leaves rounding); 0 if parallel."""
    for _ in range(2):
        along = along - _dot(along, across)[:, None] * across
        size = np.linalg.norm(along, axis=1)
        along *= np.where(size > RANK, 1 / np.where(size > RANK, size, 1.0), 0.0)[:, None]
    return along


def _bend(H, i, j, lam, size, means) -> dict[str, np.ndarray]:
    """Whether ‖μ_i − c‖ is not zero, and the distance from straight interpolation in its units."""
    apart = H - lam[:, None] * means[i]
    apart -= (1 - lam)[:, None] * means[j]
    some = size > 0
    return {"paired": some, "bend": some * np.sqrt(_dot(apart, apart)) / np.where(some, size, 1.0)}


def _result(sums, frame: _Frame, centre, skipped, replicates, level) -> Channel:
    S = dict(zip(SUMS, np.moveaxis(sums, 2, 0)))  # each (B, R+1); column 0 is the estimate
    total = {name: part.sum(0, keepdims=True) for name, part in S.items()}  # (1, R+1): all bins as one
    K, m, known = len(frame.V), etf_multiplier(frame.V), frame.a is not None
    slope = curve(_ratio(total["tx"], total["tt"])[0], level)
    whole = {name: Curve(*(part[0] for part in found)) for name, found in _curves(total, level).items()}
    return Channel(
        edges=lambda_edges(len(sums)),
        same=S["same"][:, 0],
        different=S["different"][:, 0],
        lam=_ratio(S["lam"], S["different"])[:, 0],
        logit=_ratio(S["logit"], S["different"])[:, 0],
        **_curves(S, level),
        predicted=_predictions(S, K) if known else None,
        overall=whole,
        predicted_overall={k: float(v[0]) for k, v in _predictions(total, K).items()} if known else None,
        slope=slope,
        slope_predicted=float(_ratio(total["tx_a"], total["tt"])[0, 0]) if known else None,
        slope_limit=float(np.sqrt((K - 1) / (2 * K)) / m) if m > 0 else float("inf"),
        window=frame.window,
        centre=centre,
        skipped=skipped,
        replicates=replicates,
        level=level,
    )


def _curves(S, level: float) -> dict[str, Curve]:
    ratios = {
        "alignment": _ratio(S["cosine"], S["same"]),
        "outside": _ratio(S["outside"], S["size"]),
        "displacement": _ratio(S["across"], S["different"]),
        "amplification": _ratio(S["along"], S["straight"]),
        "nonlinearity": _ratio(S["bend"], S["paired"]),
    }
    return {name: curve(ratio, level) for name, ratio in ratios.items()}


def _predictions(S, K: int) -> dict[str, np.ndarray]:
    found = {
        "displacement": _ratio(S["across_a"], S["different"])[:, 0],
        "nonlinearity": _ratio(S["bend_a"], S["different"])[:, 0],
        "amplification": _ratio(S["along_a"], S["straight_a"])[:, 0],
    }
    if K == 2:
        found["amplification"] = np.full(len(S["lam"]), np.nan)  # w_i + w_j = 0
    return found


def _ratio(value, size):
    return np.where(size != 0, value / np.where(size != 0, size, 1.0), np.nan)


def _dot(A, B) -> np.ndarray:
    return np.einsum("nd,nd->n", A, B)


def _check(centre: str, window: float, level: float, a: float | None) -> None:
    if centre not in CENTRES:
        raise ValueError(f"centre must be one of {', '.join(CENTRES)}, got {centre!r}")
    if not 0 <= window < 0.5 or not 0 < level < 1:
        raise ValueError(f"window must lie in [0, 0.5) and level in (0, 1), got {window} and {level}")
    if a is not None and not (a > 0 and np.isfinite(a)):
        raise ValueError(f"a must be positive and finite, got {a}")
