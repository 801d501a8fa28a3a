"""Measures that share the readings of a stream.

A measure is a generator. It yields what it does with one block (a function, or several that do not depend on one
another), goes on when every block has been through it, and returns what it found. `Readings` gives each block to
all measures that are not done, so that as many readings are made as the longest of them asks for; logits and the
optimum of a label are kept with the block, for whoever asks next. Functions of one block run beside one another;
each sees the blocks in their order, so that no number depends on it.
"""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from threading import Lock
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int

from ufm.network.measures.curve import Solved, curve_at
from ufm.network.read.activations import Chunk
from ufm.network.read.label_rows import two_classes
from ufm.network.read.mapped import room
from ufm.rules.errors import InputError
from ufm.runtime.devices import as_here

T = TypeVar("T")
THREADS = 2
SHARE = 4  # times as much room there must be for logits that are kept


class Layer:
    """W (K, d) and b (K, or None); V, shift: both centred, which is all that a softmax sees. near: whether what
    centring takes away is no larger than what it leaves, so that it may be taken from logits."""

    def __init__(self, W: Float[np.ndarray, "K d"], b: Float[np.ndarray, " K"] | None = None):
        self.W, self.b = W, np.zeros(len(W)) if b is None else b
        self.V, self.shift = W - W.mean(0), self.b - self.b.mean()
        rows = np.linalg.norm(self.V, axis=1).max(), np.abs(self.shift).max()
        common = np.linalg.norm(W.mean(0)), np.abs(self.b.mean())
        self.near = all(size <= most for size, most in zip(common, rows))


class Kept:
    """Logits of all rows, from the first reading on, beyond some size in a temporary file; each row is found once.

    Where they would take more than a share of the room for temporary files, which may be memory, and where others
    write too, they are found in every reading.
    """

    def __init__(self, count: int, classes: int):
        self.known = 0
        free = shutil.disk_usage(tempfile.gettempdir()).free
        try:
            fits = SHARE * 8 * count * classes <= free
            self.rows: np.ndarray | None = room((count, classes), "logits") if fits else None
        except InputError:
            self.rows = None

    @property
    def whole(self) -> bool:
        """Whether there are those of all rows."""
        return self.rows is not None and self.known == len(self.rows)

    def __call__(self, start: int, count: int, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Of the rows start … start + count."""
        if self.rows is not None and start + count <= self.known:
            return np.asarray(self.rows[start : start + count])
        found = make()
        if self.rows is not None and start == self.known:
            self.rows[start : start + count], self.known = found, start + count
        return found


class Rows:
    """The rows of one block: features H, labels, weights, ‖h‖² as size, and what several measures need of them."""

    def __init__(self, chunk: Chunk, layer: Layer, kept: Kept | None = None):
        self.start, self.H, self.labels, self.weights = chunk.start, chunk.H, chunk.labels, chunk.weights
        self.size, self.inside, self.products = chunk.size, chunk.inside, chunk.products
        self.layer, self.kept = layer, kept
        # measures that run beside one another ask for the same: each is solved by the first, while others wait
        self._solving: defaultdict[float, Lock] = defaultdict(Lock)
        self._solved: dict[float, Solved] = {}

    def __len__(self) -> int:
        return len(self.weights)

    @cached_property
    def use(self) -> Bool[np.ndarray, " n"]:
        """Rows of positive weight."""
        return self.weights > 0

    @cached_property
    def logits(self) -> Float[np.ndarray, "n K"]:
        """W h + b."""
        return self._logits() if self.kept is None else self.kept(self.start, len(self), self._logits)

    def _logits(self) -> Float[np.ndarray, "n K"]:
        return (self.H @ self.layer.W.T if self.products is None else self.products) + self.layer.b

    @cached_property
    def z(self) -> Float[np.ndarray, "n K"]:
        """V h + b − b̄: logits without the mean of each row."""
        if self.layer.near:
            return self.logits - self.logits.mean(1, keepdims=True)
        return self.H @ self.layer.V.T + self.layer.shift

    @cached_property
    def Y(self) -> Float[np.ndarray, "n K"]:
        """Labels in full."""
        return self.labels.dense()

    @cached_property
    def pure(self) -> Int[np.ndarray, " n"]:
        """The class of a label of one class, −1 of others."""
        return self.labels.pure()

    @cached_property
    def pairs(self) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """i, j ≠ i and λ of two-hot labels; of other rows −1, −1 or 0, and λ = ½."""
        i, j, lam = two_classes(self.labels)
        return i, j, np.where(self.labels.i >= 0, lam, 0.5)

    def solved(self, a: float) -> Solved:
        """The optimum of `pairs` at sharpness a."""
        with self._solving[a]:
            if a not in self._solved:
                self._solved[a] = curve_at(a, self.labels.classes, self.labels.delta)(self.pairs[2])
            return self._solved[a]

    def solve(self, sharpnesses: Iterable[float]) -> None:
        """All of them, if there are pairs: for others who wait for them."""
        if (self.labels.i >= 0).any():
            for a in sharpnesses:
                self.solved(a)


Take = Callable[[Rows], None]
Measure = Generator[Take | tuple[Take, ...], None, T]


class Running(Generic[T]):
    """A measure that takes blocks until it is done; `value`: what it found then."""

    value: T
    takes: tuple[Take, ...]

    def __init__(self, measure: Measure[T]):
        self.measure = measure
        self.go_on()

    def go_on(self) -> None:
        """To its next reading, or to its end."""
        try:
            found = next(self.measure)
            self.takes = found if isinstance(found, tuple) else (found,)
        except StopIteration as end:
            self.takes, self.value = (), end.value


class Readings:
    """A stream that can be read several times, and the measures that read it. kept: where its logits are kept from
    one reading to the next."""

    def __init__(self, chunks: Callable[[], Iterable[Chunk]], layer: Layer, kept: Kept | None = None):
        self.chunks, self.layer, self.kept = chunks, layer, kept
        self.running: list[Running] = []

    def begin(self, measure: Measure[T]) -> Running[T]:
        """It takes part in the readings from now on."""
        self.running.append(Running(measure))
        return self.running[-1]

    def read(self) -> None:
        """Once, for all that are not done."""
        waiting = [one for one in self.running if one.takes]
        first, *others = (take for one in waiting for take in one.takes)
        others = [as_here(take) for take in others]
        with ThreadPoolExecutor(THREADS) as threads:
            for chunk in self.chunks():
                rows = Rows(chunk, self.layer, self.kept)
                work = [threads.submit(take, rows) for take in others]
                first(rows)
                for part in work:
                    part.result()
        for one in waiting:
            one.go_on()

    def finish(self) -> None:
        """As often as anybody needs."""
        while any(one.takes for one in self.running):
            self.read()


def alone(
    measure: Measure[T],
    chunks: Callable[[], Iterable[Chunk]],
    W: Float[np.ndarray, "K d"],
    b: Float[np.ndarray, " K"] | None = None,
) -> T:
    """What one measure finds in a stream that nobody else reads."""
    readings = Readings(chunks, Layer(W, b))
    running = readings.begin(measure)
    readings.finish()
    return running.value
