"""The features of a network, set by set: statistics, metrics of collapse, accuracy, and the coordinates that count.

Collapse is a statement about clean inputs: it is measured on H_clean where that is given, else on the rows of H
whose label is of one class; which of both, and how many, is said with the numbers.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float, Int

from ufm.network.collapse.angles import ood_orthogonality
from ufm.network.collapse.classes import class_values
from ufm.network.collapse.conventions import CONVENTIONS
from ufm.network.collapse.metrics import all_metrics
from ufm.network.collapse.spectrum import SquaredError
from ufm.network.collapse.statistics import ClassStats, MissingClass, Spread, class_steps
from ufm.network.diagnose.sample import Sample, Sampler
from ufm.network.moments import RESAMPLED_IN, Intervals, Second
from ufm.network.read.activations import Activations
from ufm.network.read.ahead import ahead, rows_of
from ufm.network.read.label_rows import LabelBlock
from ufm.network.read.together import Measure, Rows
from ufm.network.reduced import Reducer, basis, worthwhile
from ufm.network.resample import Reservoir
from ufm.rules.brief import shown
from ufm.rules.numbers import scaled

Metrics = dict[str, dict[str, float | None]]  # by convention, by name
DRAWN = 1500  # rows kept for pictures
SPARSE = 4  # times as many rows are a block where fewer of them are read
Take = Callable[..., None]  # what takes H, class or −1, weight and, where they are known, logits of a block
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """One set: words for what it is, statistics and metrics (None, with the reason, where a class has no sample),
    and the share of rows whose largest logit W h + b is their class.

    intervals: of metrics in the convention "plain"; variability: VCI; squared: the parts of a squared error; of:
    the rows that both are of; by_class: whatever has a value a class, with the accuracy. missing: why something of
    these is not there."""

    words: str
    stats: ClassStats | None
    metrics: Metrics | None
    reason: str | None
    accuracy: float | None
    count: int
    intervals: Intervals | None = None
    variability: float | None = None
    squared: SquaredError | None = None
    of: int = 0
    by_class: dict[str, Float[np.ndarray, " K"]] | None = None
    missing: dict[str, str] | None = None

    __repr__ = shown


class Drawn(NamedTuple):
    """At most DRAWN rows: features in the coordinates of `Features`, labels as pairs (−1: no pair) and in full."""

    H: Float[np.ndarray, "n r"]
    i: Int[np.ndarray, " n"]
    j: Int[np.ndarray, " n"]
    lam: Float[np.ndarray, " n"]
    Y: Float[np.ndarray, "n K"]


@dataclass(frozen=True, eq=False)
class Features:
    """clean: what the collapse table is of; test: of held-out inputs, or None. In the coordinates that others
    need: W (K, r); means (K, r), mean: of the classes and of all rows, mean None where it was not taken; drawn: a
    random subsample of the rows, for pictures. own_means: of rows of H itself; size: √E‖h‖² of H; nc5: of
    features of other data, H_ood, against the class means (`ood_orthogonality`)."""

    clean: FeatureSet
    test: FeatureSet | None
    drawn: Drawn
    W: Float[np.ndarray, "K r"]
    means: Float[np.ndarray, "K r"] | None
    mean: Float[np.ndarray, " r"] | None
    own_means: bool
    size: float
    nc5: float | None

    __repr__ = shown


class FeatureReader:
    """What is measured of H itself, in two readings, or in one where the clean features are apart and need no mean
    of H; the sets apart are read when it is made. Where the class means need few rows of H, and nothing else is
    measured with them, these are read alone.

    means, mean (None where it is not taken): known after the first of two readings. After both: `close`, then
    `result`, which says in `missing` why there are no metrics.
    """

    def __init__(self, given: Activations, centre: str, seed: int = 0, replicates: int = 0):
        self.given, self.largest = given, 0.0
        self.sampler = Sampler(given, seed)
        self.reducer: Reducer | None = None
        self.total, self.mass, self.squares, self.weight = np.zeros(given.dim), 0.0, 0.0, 0.0
        self.means: Float[np.ndarray, "K d"] | None = None
        self.drawn_by = replicates, seed
        self.sets = {name: self._apart(name) for name in ("test", "clean") if name in given.sets}
        self.own = "clean" not in self.sets
        self.reduces = worthwhile(given)
        self.lean = self.own and self.reduces and centre != "mean" and _every_class(given)
        self.twice = self.own or centre == "mean" or self.sets["clean"].stats is None

    def measure(self) -> Measure[None]:
        """The readings of H."""
        clean = _measuring(self.given, _words(self.given, "H"), self.drawn_by, self._told)
        take = next(clean) if self.own else None
        if self.lean and take is not None:
            assert self.given.kind is not None
            more = SPARSE if SPARSE * self.given.kind.pure < 1 else 1
            for rows in ahead(self.given.clean_chunks(more * rows_of(self.given.dim)), tuple):
                take(*rows)
            take = next(clean)
        elif self.twice:
            yield partial(self._first, take=take)
            take = next(clean) if self.own else None
        if self.reduces:
            mean = None if self.mean is None else self.mean[None]
            self.reducer = Reducer(self.given, basis(self.given.W, self.means, mean))
        yield (self._second, self.sampler.add, *(() if take is None else (partial(self._spread, take=take),)))
        scaled("H", np.array([self.largest]))
        self.steps = clean

    @property
    def axes(self) -> Float[np.ndarray, "d r"] | None:
        """Q of the reduced features, once it is known."""
        return None if self.reducer is None else self.reducer.Q

    def close(self) -> None:
        """What follows from the readings alone, and takes none: metrics of H itself."""
        if self.own:
            self.sets["clean"] = _last(self.steps)

    def turned(self, rows: Float[np.ndarray, "*n d"] | None) -> Float[np.ndarray, "*n r"] | None:
        """Vectors of H in the coordinates that others read."""
        return rows if rows is None or self.reducer is None else self.reducer.vectors(rows)

    def few(self) -> Activations:
        """All activations in these coordinates."""
        return self.given if self.reducer is None else self.reducer.result()

    def result(self, drawn: Drawn, missing: dict[str, str]) -> tuple[Features, Sample]:
        """Beside the features a sample of H. drawn: rows in the coordinates that others read."""
        clean, means = self.sets["clean"], self.means
        if clean.reason is not None:
            missing["metrics"] = clean.reason
        found = Features(
            clean=clean,
            test=self.sets.get("test"),
            drawn=drawn,
            W=self.given.W if self.reducer is None else self.reducer.vectors(self.given.W),
            means=self.turned(means),
            mean=self.turned(self.mean),
            own_means=self.own,
            size=float(np.sqrt(self.squares / self.weight)),
            nc5=_nc5(self.given, means),
        )
        return found, self.sampler.result()

    @property
    def mean(self) -> Float[np.ndarray, " d"] | None:
        """Of all rows, where the first of two readings took place."""
        return self.total / self.mass if self.mass > 0 else None

    def _told(self, means: Float[np.ndarray, "K d"]) -> None:
        self.means = means

    def _apart(self, name: str) -> FeatureSet:
        """A set apart, read twice."""
        told = self._told if name == "clean" else lambda means: None
        steps = _measuring(self.given, _words(self.given, name), self.drawn_by, told)
        while True:
            try:
                take = next(steps)
            except StopIteration as end:
                return end.value
            for rows in self.given.set_chunks(name):
                take(*rows)

    def _first(self, rows: Rows, take: Take | None) -> None:
        """Sums of the mean of all rows, and of the classes."""
        self.total += rows.weights @ rows.H
        self.mass += float(rows.weights.sum())
        if take is not None:
            take(rows.H, rows.pure, rows.weights)

    def _second(self, rows: Rows) -> None:
        """The size of the rows, and the reduced features."""
        largest = float(np.sqrt(rows.size.max())) or float(np.abs(rows.H).max())  # whose square is no float
        self.largest = max(self.largest, largest)
        self.squares += float(rows.weights @ rows.size)
        self.weight += float(rows.weights.sum())
        if self.reducer is not None:
            assert rows.inside is not None  # read along `axes`
            self.reducer.add(rows.H, rows.size, rows.inside)

    def _spread(self, rows: Rows, take: Take) -> None:
        """The spread of the classes."""
        take(rows.H, rows.pure, rows.weights, rows.logits if self.reducer is None else None)


def drawing(classes: int, delta: float) -> Measure[Drawn]:
    """A subsample of the rows; delta: δ of their labels."""
    reservoir = Reservoir(DRAWN, 0)

    def add(rows: Rows) -> None:
        labels, shape = rows.labels, (len(rows), classes)
        soft = np.broadcast_to(0.0, shape) if labels.soft is None else labels.soft  # takes no memory
        reservoir.add(rows.start, rows.use, rows.H, *labels[:3], soft)

    yield add
    H, i, j, lam, soft = reservoir.rows
    return Drawn(H, i, j, lam, LabelBlock(i, j, lam, soft, classes, delta).dense())


def _every_class(given: Activations) -> bool:
    """Whether labels that are read quickly have a row of each class: then its mean is of these rows alone."""
    if "Y" in given.labels:
        return False
    seen = np.zeros(given.classes)
    for labels, weights in given.label_chunks():
        pure = labels.pure()
        seen += np.bincount(pure[pure >= 0], weights[pure >= 0], given.classes)
    return bool((seen > 0).all())


def _nc5(given: Activations, means: Float[np.ndarray, "K d"] | None) -> float | None:
    """Of the mean of H_ood, where there is one and the class means are known."""
    if means is None or "ood" not in given.sets:
        return None
    total, count = np.zeros(given.dim), 0
    for H, _, _ in given.set_chunks("ood"):
        total, count = total + H.sum(0), count + len(H)
    return ood_orthogonality(means, total / count)


def _words(given: Activations, name: str) -> str:
    if name == "H":
        assert given.kind is not None
        mixed = "mixtures of one class with itself (no H_clean given)"
        return "training features" if given.kind.most <= 1 else mixed
    return {"clean": "clean training features", "test": "test features"}[name]


def _measuring(
    given: Activations,
    words: str,
    drawn: tuple[int, int],
    told: Callable[[Float[np.ndarray, "K d"]], None],
) -> Generator[Take, None, FeatureSet]:
    """Statistics, metrics and accuracy of one set, in two readings; drawn: replicates and seed. told: of the class
    means, between both."""
    second, spread = Second(given.W, given.b, *drawn), []

    def watch(found: Spread):
        spread.append(found)
        told(found.means)
        return second(found)

    steps = class_steps(given.classes, given.W, given.b, watch)
    yield next(steps)
    try:
        add = next(steps)
    except MissingClass as error:
        hits = _Hits(given)
        yield hits.add
        return FeatureSet(words, None, None, str(error), hits.accuracy, hits.count)
    yield add
    stats = _last(steps)
    metrics = {name: all_metrics(stats, given.W, given.b, how) for name, how in CONVENTIONS.items()}
    variability, squared, of = second.spectrum(stats)
    return FeatureSet(
        words=words,
        stats=stats,
        metrics=metrics,
        reason=None,
        accuracy=float(spread[0].right.sum() / stats.mass.sum()),
        count=stats.count,
        intervals=second.intervals(metrics[RESAMPLED_IN]),
        variability=variability,
        squared=squared,
        of=of,
        by_class=class_values(stats, given.W) | {"accuracy": spread[0].right / stats.mass},
        missing=second.missing,
    )


def _last(steps: Generator[Any, None, T]) -> T:
    """What steps return that have no reading left."""
    try:
        next(steps)
    except StopIteration as end:
        return end.value
    raise AssertionError("steps that have no reading left return")


class _Hits:
    """Rows of one class, and those that the network puts into it."""

    def __init__(self, given: Activations):
        self.W, self.b, self.right, self.mass, self.count = given.W, given.b, 0.0, 0.0, 0

    def add(
        self, H: np.ndarray, label: np.ndarray, weight: np.ndarray, logits: np.ndarray | None = None
    ) -> None:
        """The next block; logits: where they are known."""
        use = (label >= 0) & (weight > 0)
        z = H[use] @ self.W.T + (0.0 if self.b is None else self.b) if logits is None else logits[use]
        self.right += float(weight[use] @ (z.argmax(1) == label[use]))
        self.mass += float(weight[use].sum())
        self.count += int(use.sum())

    @property
    def accuracy(self) -> float | None:
        return self.right / self.mass if self.mass > 0 else None
