"""The features of a network, set by set: statistics, metrics of collapse, accuracy, and the coordinates that count.

Collapse is a statement about clean inputs: it is measured on H_clean where that is given, else on the rows of H
whose label is of one class; which of both, and how many, is said with the numbers.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ufm.network.collapse.angles import ood_orthogonality
from ufm.network.collapse.classes import class_values
from ufm.network.collapse.conventions import CONVENTIONS
from ufm.network.collapse.metrics import all_metrics
from ufm.network.collapse.spectrum import SquaredError
from ufm.network.collapse.statistics import ClassStats, MissingClass, class_statistics
from ufm.network.diagnose.sample import Sample, Sampler
from ufm.network.moments import RESAMPLED_IN, Intervals, Second
from ufm.network.read.activations import Activations, Chunk
from ufm.network.read.label_rows import LabelBlock
from ufm.network.reduced import Reducer, basis, worthwhile
from ufm.network.resample import Reservoir, pieces
from ufm.rules.brief import shown
from ufm.rules.numbers import scaled

Metrics = dict[str, dict[str, float | None]]  # by convention, by name
DRAWN = 1500  # rows kept for pictures
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


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


def read_features(
    given: Activations,
    chunks: Callable[[str], Iterator[Chunk]],
    centre: str,
    missing: dict[str, str],
    seed: int = 0,
    replicates: int = 0,
) -> tuple[Features, Activations, Sample]:
    """Read H twice, once where the clean features are apart and need no mean of H; chunks(stage): all of it. Says
    in `missing` why there are no metrics. Beside them all activations in few coordinates, and a sample of H, which
    are too large to be kept."""
    drawn = replicates, seed
    sets = {
        name: _measure(given, _apart(given, name), _words(given, name), drawn)
        for name in given.sets
        if name != "ood"
    }
    reader, clean = _Reader(given, chunks, seed), sets.get("clean")
    if clean is None:
        clean = _measure(given, reader, _words(given, "H"), drawn, reader.begin)
    elif centre == "mean" or clean.stats is None:
        _exhaust(reader)
    means = None if clean.stats is None else clean.stats.means
    if not reader.second:
        reader.begin(means)
        _exhaust(reader)
    if clean.reason is not None:
        missing["metrics"] = clean.reason
    rest = "clean" not in sets, reader.size, _nc5(given, means)
    turned = (lambda rows: rows) if reader.reducer is None else reader.reducer.vectors
    few = given if reader.reducer is None else reader.reducer.result()
    means, mean = (None if rows is None else turned(rows) for rows in (means, reader.mean))
    found = Features(clean, sets.get("test"), reader.drawn(turned), few.W, means, mean, *rest)
    return found, few, reader.sampler.result()


def _nc5(given: Activations, means: Float[np.ndarray, "K d"] | None) -> float | None:
    """Of the mean of H_ood, where there is one and the class means are known."""
    if means is None or "ood" not in given.sets:
        return None
    total, count = np.zeros(given.dim), 0
    for H, _, _ in given.set_chunks("ood"):
        total, count = total + H.sum(0), count + len(H)
    return ood_orthogonality(means, total / count)


def _exhaust(stream: Callable[[], Iterable]) -> None:
    """Read to the end."""
    for _ in stream():
        pass


def _words(given: Activations, name: str) -> str:
    if name == "H":
        assert given.kind is not None
        mixed = "mixtures of one class with itself (no H_clean given)"
        return "training features" if given.kind.most <= 1 else mixed
    return {"clean": "clean training features", "test": "test features"}[name]


def _apart(given: Activations, name: str) -> Callable[[], Iterable[Rows]]:
    return lambda: given.set_chunks(name)


class _Reader:
    """H in two readings: for the class means, and for what is measured about them and the reduced features."""

    def __init__(self, given: Activations, chunks: Callable[[str], Iterator[Chunk]], seed: int):
        self.given, self.chunks, self.second = given, chunks, False
        self.sampler, self.reservoir = Sampler(given, seed), Reservoir(DRAWN, 0)
        self.reducer: Reducer | None = None
        self.largest, self.total, self.mass = 0.0, np.zeros(given.dim), 0.0
        self.squares, self.weight = 0.0, 0.0

    def __call__(self) -> Iterator[Rows]:
        """(H, class or −1, weight) of every block."""
        for chunk in self.chunks("features" if self.second else "class means"):
            self.largest = max(self.largest, chunk.largest)
            self.add_again(chunk) if self.second else self.add_first(chunk)
            yield chunk.H, chunk.labels.pure(), chunk.weights
        scaled("H", np.array([self.largest]))

    def add_first(self, chunk: Chunk) -> None:
        """Sums of the mean of all rows."""
        self.total += chunk.weights @ chunk.H
        self.mass += float(chunk.weights.sum())

    def add_again(self, chunk: Chunk) -> None:
        """The size of the rows, a sample of them, and the reduced features."""
        size = np.einsum("nd,nd->n", chunk.H, chunk.H)
        self.squares += float(chunk.weights @ size)
        self.weight += float(chunk.weights.sum())
        self.sampler.add(chunk)
        for piece in pieces(chunk):
            labels, shape = piece.labels, (len(piece.H), self.given.classes)
            soft = np.broadcast_to(0.0, shape) if labels.soft is None else labels.soft  # takes no memory
            self.reservoir.add(piece.start, piece.weights > 0, piece.H, *labels[:3], soft)
        if self.reducer is not None:
            self.reducer.add(chunk.H, size)

    def drawn(self, turned: Callable[[np.ndarray], np.ndarray]) -> Drawn:
        """The rows for pictures."""
        H, i, j, lam, soft = self.reservoir.rows
        delta = 0.0 if self.given.kind is None else self.given.kind.delta
        labels = LabelBlock(i, j, lam, soft, self.given.classes, delta)
        return Drawn(turned(H), i, j, lam, labels.dense())

    @property
    def size(self) -> float:
        """√E‖h‖², by the second reading."""
        return float(np.sqrt(self.squares / self.weight))

    @property
    def mean(self) -> Float[np.ndarray, " d"] | None:
        """Of all rows, where the first reading took place."""
        return self.total / self.mass if self.mass > 0 else None

    def begin(self, means: Float[np.ndarray, "K d"] | None) -> None:
        """Before the second reading."""
        self.second = True
        if worthwhile(self.given):
            mean = None if self.mean is None else self.mean[None]
            self.reducer = Reducer(self.given, basis(self.given.W, means, mean))


def _measure(
    given: Activations,
    stream: Callable[[], Iterable[Rows]],
    words: str,
    drawn: tuple[int, int],
    between: Callable[[Float[np.ndarray, "K d"]], None] = lambda means: None,
) -> FeatureSet:
    """Statistics, metrics and accuracy of one set; drawn: replicates and seed."""
    hits, second = _Hits(given), Second(given.W, given.b, *drawn)

    def counted():
        first = hits.mass == 0.0
        for rows in stream():
            if first:
                hits.add(*rows)
            yield rows

    try:
        stats = class_statistics(counted, given.classes, given.W, given.b, between, second)
    except MissingClass as error:
        return FeatureSet(words, None, None, str(error), hits.accuracy, hits.count)
    metrics = {name: all_metrics(stats, given.W, given.b, how) for name, how in CONVENTIONS.items()}
    variability, squared, of = second.spectrum(stats)
    return FeatureSet(
        words=words,
        stats=stats,
        metrics=metrics,
        reason=None,
        accuracy=hits.accuracy,
        count=stats.count,
        intervals=second.intervals(metrics[RESAMPLED_IN]),
        variability=variability,
        squared=squared,
        of=of,
        by_class=class_values(stats, given.W) | {"accuracy": hits.right / stats.mass},
        missing=second.missing,
    )


class _Hits:
    """Rows of one class, and those that the network puts into it."""

    def __init__(self, given: Activations):
        self.W, self.b, self.right, self.mass, self.count = given.W, given.b, np.zeros(given.classes), 0.0, 0

    def add(self, H: np.ndarray, label: np.ndarray, weight: np.ndarray) -> None:
        use = (label >= 0) & (weight > 0)
        z = H[use] @ self.W.T + (0.0 if self.b is None else self.b)
        hit = weight[use] * (z.argmax(1) == label[use])
        self.right += np.bincount(label[use], hit, len(self.right))
        self.mass += float(weight[use].sum())
        self.count += int(use.sum())

    @property
    def accuracy(self) -> float | None:
        return float(self.right.sum()) / self.mass if self.mass > 0 else None
