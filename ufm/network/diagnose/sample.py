"""Some rows of H with all their columns, taken while H is read for something else.

Up to RUN rows from the start are neighbours, as batches are; the others are a random subsample.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from ufm.network.read.activations import Activations, Chunk
from ufm.network.read.label_rows import LabelBlock
from ufm.network.read.together import Rows
from ufm.network.resample import cut, subsample_keys

SIZE, RUN = 2000, 1024
NEAR = 0.3  # of what columns of all rows have, in units of 1: how far those of a subsample may be


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows `index` (in order) of `count`: features, labels, dense labels Y, own logits (None without them).

    given: what they are rows of.
    """

    index: Int[np.ndarray, " n"]
    count: int
    H: Float[np.ndarray, "n d"]
    labels: LabelBlock
    Y: Float[np.ndarray, "n K"]
    logits: Float[np.ndarray, "n K"] | None
    given: Activations

    @property
    def run(self) -> int:
        """Neighbours from row 0 on."""
        index = self.index[:RUN]
        return int((index == np.arange(len(index))).sum())

    @property
    def top(self) -> Int[np.ndarray, " n"]:
        """The class where 3/4 of the label or more is, −1 where no class has as much."""
        return np.where(self.Y.max(1) >= 0.75, self.Y.argmax(1), -1)

    def seems(self, *, std: float | None = None) -> bool:
        """Whether most columns that move have mean 0, and such a std, as a subsample shows them: else `moments` are
        not needed."""
        if not len(self.index):
            return False
        rest = len(self.index) - self.run  # rows that stand for all but the first
        shares = np.where(self.index < self.run, 1.0, (self.count - self.run) / max(rest, 1))
        mean = np.average(self.H, 0, shares)
        spreads = np.sqrt(np.average((self.H - mean) ** 2, 0, shares))
        live = spreads > 0
        apart = [mean[live] / spreads[live], *([] if std is None else [spreads[live] - std])]
        return bool(live.any()) and all(np.median(np.abs(part)) < NEAR for part in apart)

    @cached_property
    def moments(self) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, " d"]]:
        """Mean and standard deviation of the columns of all rows, unweighted; reads H where they are asked for."""
        total, squares = np.zeros((2, self.given.dim))
        for chunk in self.given.chunks():
            total += chunk.H.sum(0)
            squares += np.einsum("nd,nd->d", chunk.H, chunk.H)
        mean = total / self.count
        return mean, np.sqrt(np.maximum(squares / self.count - mean**2, 0.0))


class Sampler:
    """Fills a sample from blocks that come in order."""

    def __init__(self, given: Activations, seed: int = 0):
        self.given, self.index = given, _chosen(given.count, seed)
        self.rows: list[tuple] = []

    def add(self, chunk: Chunk | Rows) -> None:
        """The next block."""
        ends = np.searchsorted(self.index, [chunk.start, chunk.start + len(chunk.H)])
        some = self.index[slice(*ends)] - chunk.start
        labels = cut(chunk.labels, some)
        self.rows.append((chunk.H[some], labels.i, labels.j, labels.lam, labels.dense(), chunk.weights[some]))

    def result(self) -> Sample:
        """Rows of positive weight, with the network's own logits of them."""
        H, i, j, lam, Y, weights = (np.concatenate(part) for part in zip(*self.rows))
        use, logits = weights > 0, self._logits()
        labels = LabelBlock(i, j, lam, Y, Y.shape[1])
        logits = None if logits is None else logits[use]
        rows = self.index[use], self.given.count, H[use].astype(np.float64), cut(labels, use), Y[use]
        return Sample(*rows, logits, self.given)

    def _logits(self) -> np.ndarray | None:
        """Of the chosen rows; the only reading of them."""
        parts, start = [], 0
        for block in self.given.own_logits():
            ends = np.searchsorted(self.index, [start, start + len(block)])
            parts.append(block[self.index[slice(*ends)] - start])
            start += len(block)
        return np.concatenate(parts) if parts else None


def _chosen(count: int, seed: int) -> Int[np.ndarray, " n"]:
    """Places of the rows, in order."""
    if count <= SIZE:
        return np.arange(count)
    keys = subsample_keys(0, count, seed)
    keys[:RUN] = -1.0
    return np.sort(np.argpartition(keys, SIZE - 1)[:SIZE])
