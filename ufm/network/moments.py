"""What one more look at the rows of a set gives: Σ_W, and bootstrap replicates of all class sums.

From Σ_W and the class means follow the variability collapse index and the parts of a squared error. A replicate
counts every sample Poisson(1) times (`resample`); its class means, spread and decisions have their own metrics,
by the code that the metrics come from. Rows are counted within the set, so how it is cut into blocks changes
nothing. What would cost too much, or says nothing, is left out, and why is said.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from jaxtyping import Float

from ufm.network.collapse.conventions import CONVENTIONS
from ufm.network.collapse.metrics import all_metrics
from ufm.network.collapse.spectrum import SquaredError, squared_error_of, variability_of
from ufm.network.collapse.statistics import Axes, ClassStats, Look, Spread
from ufm.network.resample import BLOCK, poisson_weights, subsample_keys

WIDE = 2048  # dimensions up to which d × d matrices are made
PRODUCTS = 2e10  # of numbers, for Σ_W: rows are thinned to as many, but not below FEWEST · d
FEWEST = 8
SUMS = 2**28  # bytes that the sums of replicates may take
WORK = 2e10  # products of numbers for them: some seconds
METRICS = 100  # times K² d are the metrics of a replicate
LEAST = 0.9  # of the replicates must have a sample of every class
LEVEL = 0.95
FEW = 3  # samples a class and dimension below which a nominal 95% covers a half only
RESAMPLED_IN = "plain"  # the convention whose metrics have intervals

# rows of W alone are no sample, and which mean is nearest would have to be told anew in each replicate
RESAMPLED: tuple[str, ...] = (
    "nc1",
    "nc1_ratio",
    "cdnv",
    "nc2_norms_means",
    "nc2_angles_means",
    "nc2_simplex_means",
)
RESAMPLED += ("nc3_distance", "nc3_product", "nc4_bias")
Intervals = dict[str, tuple[float, float]]


class Second:
    """Looks on at the second reading of a set, and sums up what is cheap enough.

    missing: why something is not there, by its name.
    """

    def __init__(self, W: np.ndarray, b: np.ndarray | None, replicates: int, seed: int):
        self.W, self.b, self.replicates, self.seed = W, b, replicates, seed
        self.missing: dict[str, str] = {}
        self.start = 0
        self.covariance: _Covariance | None = None
        self.bootstrap: _Bootstrap | None = None

    def __call__(self, spread: Spread):
        """Begin: the class means are known."""
        n, (K, d), r = int(spread.sums.count), self.W.shape, len(spread.basis)
        if d > WIDE:
            self.missing["squared_error"] = f"{d} dimensions: Σ_W is made of up to {WIDE}"
        elif n - K <= d:
            self.missing["squared_error"] = f"{n} samples: least squares fits any labels in {d} dimensions"
        else:
            self.covariance = _Covariance(d, n, self.seed)
        work = self.replicates * (n * (d + r * (r + 1) / 2) + METRICS * K**2 * d)
        if self.replicates == 0:
            self.missing["intervals"] = "no replicates were asked for"
        elif 8 * self.replicates * (K * d + r * r) > SUMS or work > WORK:
            self.missing["intervals"] = (
                f"{n} samples of {K} classes in {d} dimensions are too many to resample"
            )
        elif n * spread.sums.mass.min() < FEW * d * spread.sums.mass.sum():
            self.missing["intervals"] = (
                f"fewer than {FEW} d = {FEW * d} samples a class: they would be too short"
            )
        else:
            self.bootstrap = _Bootstrap(spread, self.replicates, self.seed)
        return self.add if self.covariance is not None or self.bootstrap is not None else None

    def add(self, rows: Look) -> None:
        """The next rows, in pieces that share a generator."""
        for piece in _pieces(rows, self.start):
            if self.covariance is not None:
                self.covariance.add(piece, self.start)
            if self.bootstrap is not None:
                self.bootstrap.add(piece, self.start)
            self.start += len(piece.label)

    def spectrum(self, stats: ClassStats) -> tuple[float | None, SquaredError | None, int]:
        """VCI, the parts of ½ E‖W h + b − e_y‖², and how many rows Σ_W is of."""
        if self.covariance is None:
            return None, None, 0
        inner = self.covariance.result()
        return (
            variability_of(inner, stats),
            squared_error_of(inner, stats, self.W, self.b),
            self.covariance.count,
        )

    def intervals(self, values: dict[str, float | None]) -> Intervals | None:
        """Of the metrics of class means and spreads, in the convention `RESAMPLED_IN`; values: those of all rows.

        2 θ − q of the quantiles q of the replicates, not below 0: a metric that is a distance is too large in every
        replicate by as much, on average, as it is here.
        """
        if self.bootstrap is None:
            return None
        found = self.bootstrap.metrics(self.W, self.b)
        if len(found) < LEAST * self.replicates:
            self.missing["intervals"] = "too few samples of a class: replicates have none of it"
            return None
        ends = {name: _ends([row[name] for row in found]) for name in RESAMPLED}
        return {
            name: (max(2 * value - part[1], 0.0), max(2 * value - part[0], 0.0))
            for name, part in ends.items()
            if part is not None and (value := values[name]) is not None
        }


def _pieces(rows: Look, start: int) -> Iterator[Look]:
    """Cut where blocks of the generators begin."""
    first, count = 0, len(rows.label)
    while first < count:
        last = min(count, ((start + first) // BLOCK + 1) * BLOCK - start)
        yield Look(*(part[first:last] for part in rows))
        first = last


def _ends(values: list[float | None]) -> tuple[float, float] | None:
    """The central LEVEL of the replicates that have a value."""
    known = np.array([value for value in values if value is not None])
    if len(known) < LEAST * len(values):
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


class _Covariance:
    """Σ_W of all rows, or of a random part of them about the means of all."""

    def __init__(self, d: int, count: int, seed: int):
        self.share = max(PRODUCTS / d**2, FEWEST * d) / count
        self.total, self.mass, self.count, self.seed = np.zeros((d, d)), 0.0, 0, seed
        self.held, self.spare = np.empty((2, max(BLOCK, d), d))  # one is filled while the other is multiplied
        self.filled, self.thread, self.product = 0, ThreadPoolExecutor(1), Future[np.ndarray]()
        self.product.set_result(np.zeros(()))

    def add(self, rows: Look, start: int) -> None:
        residual, weight = rows.residual, rows.weight
        if self.share < 1:
            some = subsample_keys(start, len(weight), self.seed) < self.share
            residual, weight = residual[some], weight[some]
        self.mass, self.count = self.mass + float(weight.sum()), self.count + len(weight)
        if self.filled + len(weight) > len(self.held):
            self._multiply()
        held = self.held[self.filled : self.filled + len(weight)]
        np.multiply(residual, np.sqrt(weight)[:, None], out=held)
        self.filled += len(weight)

    def _multiply(self) -> None:
        """All that is held, by a thread that leaves the others to what comes next."""
        self.total += self.product.result()
        self.product = self.thread.submit(_with_itself, self.held[: self.filled])
        self.held, self.spare, self.filled = self.spare, self.held, 0

    def result(self) -> Float[np.ndarray, "d d"]:
        self._multiply()
        with self.thread:
            self.total += self.product.result()
        del self.held, self.spare, self.product  # what is made of Σ_W takes as much again
        return self.total / self.mass


def _with_itself(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "d d"]:
    """A product of which only half is computed."""
    return rows.T @ rows


class _Bootstrap:
    """Class sums of each replicate, about the class means of all rows.

    mass, scatter (R, K), shift (K, R, d), inner (R, r (r + 1)/2) along the directions of the means.
    """

    def __init__(self, spread: Spread, replicates: int, seed: int):
        K, d, r = len(spread.sums.mass), spread.offsets.shape[1], len(spread.basis)
        self.spread, self.seed, self.replicates = spread, seed, replicates
        self.mass, self.scatter = np.zeros((2, replicates, K))
        self.shift = np.zeros((K, replicates, d))
        self.upper = np.triu_indices(r)
        self.inner = np.zeros((replicates, len(self.upper[0])))

    def add(self, rows: Look, start: int) -> None:
        times = poisson_weights(start, len(rows.label), self.replicates, self.seed)[:, 1:].T * rows.weight
        for k in np.unique(rows.label):
            here = rows.label == k
            mine = times[:, here]
            self.mass[:, k] += mine.sum(1)
            self.scatter[:, k] += mine @ rows.size[here]
            self.shift[k] += mine @ rows.residual[here]
        i, j = self.upper
        self.inner += times @ (rows.inside[:, i] * rows.inside[:, j])

    def metrics(self, W: np.ndarray, b: np.ndarray | None) -> list[dict[str, float | None]]:
        """Of each replicate that has a sample of every class."""
        how = CONVENTIONS[RESAMPLED_IN]
        return [
            all_metrics(self._statistics(n), W, b, how)
            for n in range(self.replicates)
            if (self.mass[n] > 0).all()
        ]

    def _statistics(self, n: int) -> ClassStats:
        """Class statistics of a replicate."""
        spread, mass = self.spread, self.mass[n]
        shift = self.shift[:, n] / mass[:, None]
        offsets, means = spread.offsets + shift, spread.sums.anchors + spread.shift + shift
        scatter = np.maximum(self.scatter[n] - mass * np.einsum("kd,kd->k", shift, shift), 0)
        axes = {"class": self._axes(n, offsets - offsets.mean(0), shift)}
        return ClassStats(mass, means, offsets, scatter, axes, None, spread.sums.count, 0)

    def _axes(self, n: int, M: np.ndarray, shift: np.ndarray) -> Axes:
        """Along the axes of the replicate's means, as far as they lie in the span of the means of all rows."""
        r, basis = len(self.spread.basis), self.spread.basis
        inner = np.zeros((r, r))
        inner[self.upper] = self.inner[n]
        inner += np.triu(inner, 1).T
        moved = shift @ basis.T
        inner -= (moved.T * self.mass[n]) @ moved
        squares, turn = np.linalg.eigh(M @ M.T)
        values, turn = np.sqrt(np.maximum(squares[-r:], 0)), turn[:, -r:]
        some = values > 0
        along = (turn.T @ (M @ basis.T))[some]
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        return Axes(values[some], np.maximum(np.einsum("jr,rs,js->j", along, inner, along), 0))
