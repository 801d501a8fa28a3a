"""Class statistics of features that are one array: those of `class_statistics`, in the time of a few products.

Rows are taken class by class, in blocks that stay in the cache. All that decides how small collapse is seen is
in float64: residuals h − μ_k, their squares, and the means. Where the features are float32, what is projected or
compared is multiplied in float32, in half the time: in units of the largest entry of the means, and once more in
float64 where the projections are so small beside the residuals that the rounding of a product would show (`TRUST`).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ufm.model.etf import unit_scale
from ufm.network.collapse.statistics import CENTRES, ClassStats, Means, Spread, check_size
from ufm.network.read.arrays import finite

ROWS = 512  # of a block; 2 MiB of float64 at d = 512: read again from the cache
MANY = 4096  # of a product, so that threads are seldom waited for
TRUST = 1e-6  # of Σ‖h − μ‖²: with less along an axis of the means, float32 gives less than three digits of it


class Found(NamedTuple):
    """margins: cosine margin of every sample, by class (`cosine_margins` sorts them), None without W."""

    stats: ClassStats
    margins: Float[np.ndarray, " N"] | None


def array_statistics(
    H: Float[np.ndarray, "N d"],
    label: Int[np.ndarray, " N"],
    classes: int,
    W: Float[np.ndarray, "K d"] | None = None,
    b: Float[np.ndarray, " K"] | None = None,
    centre: str = "class",
) -> Found:
    """Statistics of H (any float type) with classes 0 … K − 1, and margins about μ_G of the given centring.

    Raises InputError as `class_statistics` does, and for NaN with its row.
    """
    rows = _Rows(H, label, classes)
    sums = _means(rows, H)
    found = _Products(Spread(sums, W, b), centre, _short(H))
    found.read(rows)
    if _short(H) and found.faint():
        found = _Products(Spread(sums, W, b), centre, False)
        found.read(rows)
    return found.result()


class _Rows:
    """(class, rows) in blocks of one class each."""

    def __init__(self, H: np.ndarray, label: np.ndarray, classes: int):
        self.H, self.order = H, np.argsort(label, kind="stable")
        self.counts = np.bincount(label, minlength=classes)
        self.ends = np.append(0, np.cumsum(self.counts))

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        for k, (start, end) in enumerate(zip(self.ends[:-1], self.ends[1:])):
            for first in range(start, end, ROWS):
                yield k, self.H.take(self.order[first : min(first + ROWS, end)], 0)


def _means(rows: _Rows, H: np.ndarray) -> Means:
    """Mass, anchor and distance from it of every class.

    n equal float32 numbers have an exact sum and mean in float64, so the mean is its own anchor there; sums of
    float64 are rounded, and taken about a sample.
    """
    sums = Means(len(rows.counts))
    sums.mass, sums.seen, sums.count = rows.counts.astype(float), rows.counts > 0, len(H)
    sums.anchors, sums.total = np.zeros((2, len(rows.counts), H.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is named below
        if _short(H):
            for k, X in rows:
                sums.total[k] += X.sum(0, dtype=np.float64)
            sums.anchors, sums.total = sums.total / np.maximum(sums.mass, 1)[:, None], sums.anchors
        else:
            sums.anchors[sums.seen] = H[rows.order[rows.ends[:-1][sums.seen]]]
            for k, X in rows:
                sums.total[k] += (X - sums.anchors[k]).sum(0)
    for part in (sums.total, sums.anchors):
        if not np.isfinite(part).all():
            finite("H", H)
        check_size("H", part)
    return sums


def _short(H: np.ndarray) -> bool:
    """Whether the numbers of H are float32 or shorter."""
    return H.dtype.itemsize <= 4


class _Products:
    """The second pass: residuals times directions of the means and rows of W, in products of many rows at once.

    What is multiplied has the size of 1: means and residuals in units of `unit`, rows of W in a unit of their own.
    """

    def __init__(self, spread: Spread, centre: str, single: bool):
        self.spread, self.type = spread, np.dtype(np.float32 if single else np.float64)
        means = spread.sums.anchors + spread.shift
        self.unit = unit_scale(means) if means.any() else 1.0
        points = spread.points / self.unit
        self.points = points.astype(self.type).T.copy()
        self.half = (spread.squares / self.unit**2 / 2).astype(self.type)
        self.r = len(spread.basis)
        self.inner = np.zeros((self.r, self.r))
        self.W = None if spread.W is None else _Rays(spread, spread.W, centre, self.unit, self.type)
        sides = [spread.basis] if self.W is None else [spread.basis, self.W.rows]
        self.sides = np.concatenate(sides).astype(self.type).T.copy()
        self.margins: list[np.ndarray] = []

    def read(self, rows: _Rows) -> None:
        """All rows, those of a few thousand at a time in one product."""
        held = np.empty((MANY + ROWS, rows.H.shape[1]), self.type)
        size, pieces, filled = np.empty(len(held)), [], 0
        for k, X in rows:
            piece = slice(filled, filled + len(X))
            size[piece] = self.residuals(k, X, held[piece])
            pieces.append((k, piece))
            filled = piece.stop
            if filled >= MANY:
                self.add(held[:filled], size, pieces)
                pieces, filled = [], 0
        if filled:
            self.add(held[:filled], size, pieces)

    def residuals(self, k: int, X: np.ndarray, out: np.ndarray) -> Float[np.ndarray, " n"]:
        """(h − μ_k)/unit of a block of class k, and its squares."""
        residual = X - self.spread.sums.anchors[k]
        residual -= self.spread.shift[k]
        size = np.einsum("nd,nd->n", residual, residual)
        self.spread.scatter[k] += size.sum()
        if not np.isfinite(self.spread.scatter[k]):
            check_size("H", X)
        np.multiply(residual, 1 / self.unit, out=out, casting="same_kind")
        return size / self.unit**2

    def add(self, residual: np.ndarray, size: np.ndarray, pieces: list[tuple[int, slice]]) -> None:
        """Squares along the means, decisions and margins."""
        both = residual @ self.sides
        inside, along = both[:, : self.r], both[:, self.r :]
        self.inner += inside.T @ inside
        if self.W is None:
            return
        closeness = inside @ self.points
        for k, piece in pieces:
            nearest = np.argmax(closeness[piece] - self.half[k], 1)
            decision = np.argmax(along[piece] + self.W.constants[k], 1)
            self.spread.missed[k] += np.count_nonzero(nearest != decision)
            square = size[piece] + 2 * (inside[piece] @ self.W.points[k]) + self.W.squares[k]
            self.margins.append(self.W.margins(k, along[piece], square))

    def faint(self) -> bool:
        """Whether an axis of the means has so little of the scatter that float32 may not see it."""
        least = TRUST * self.spread.scatter.sum()
        return any((power < least).any() for power in self.powers().values())

    def powers(self) -> dict[str, np.ndarray]:
        """Σ_n ⟨h_n − μ, u_j⟩² along the axes of each centring."""
        turns, inner = self.spread.turns, self.inner * self.unit**2
        return {c: np.maximum(np.sum((turns[c] @ inner) * turns[c], 1), 0) for c in CENTRES}

    def result(self) -> Found:
        self.spread.power = self.powers()
        return Found(self.spread.result(), np.concatenate(self.margins) if self.margins else None)


class _Rays:
    """Rows of W − w̄, what class means and bias add to their products, and the cosines about μ_G."""

    def __init__(self, spread: Spread, W: np.ndarray, centre: str, unit: float, kind: np.dtype):
        W = W - W.mean(0)
        size = unit_scale(W) if W.any() else 1.0
        self.rows = W / size
        means, mass = (spread.sums.anchors + spread.shift) / unit, spread.sums.mass
        b = np.zeros(len(W)) if spread.b is None else (spread.b - spread.b.mean()) / size / unit
        self.constants = (means @ self.rows.T + b).astype(kind)
        share = mass / mass.sum() if centre == "sample" else np.full(len(mass), 1 / len(mass))
        centred = (spread.offsets - share @ spread.offsets) / unit
        self.centred = (centred @ self.rows.T).astype(kind)
        self.points = (centred @ spread.basis.T).astype(kind)
        self.squares = np.sum(centred**2, 1)
        norms = np.linalg.norm(self.rows, axis=1)
        self.inverse = np.divide(1, norms, where=norms > 0, out=np.full(len(norms), np.nan)).astype(kind)

    def margins(self, k: int, along: np.ndarray, square: np.ndarray) -> Float[np.ndarray, " n"]:
        """cos(h − μ_G, w_k − w̄) less the largest cosine with another row; NaN where h = μ_G or a row vanishes.

        square: ‖h − μ_G‖² = ‖h − μ_k‖² + 2 ⟨h − μ_k, μ_k − μ_G⟩ + ‖μ_k − μ_G‖².
        """
        cosine = along + self.centred[k]
        cosine *= self.inverse
        own = cosine[:, k].copy()
        cosine[:, k] = -np.inf
        norm = np.sqrt(np.maximum(square, 0))
        return np.divide(own - cosine.max(1), norm, where=norm > 0, out=np.full(len(own), np.nan))
