"""Random numbers that belong to a sample's index, so that results do not depend on how a stream is cut.

Samples are grouped in fixed blocks of `BLOCK` indices; each block has a generator of its own, seeded by
(seed, purpose, block number).
"""

from collections.abc import Iterator
from functools import lru_cache
from math import exp, factorial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

import ufm.rules.numbers as checked
from ufm.network.read.label_rows import LabelBlock
from ufm.rules.errors import InputError

BLOCK = 1024  # samples that share a generator
BOOTSTRAP, SUBSAMPLE, GROUPS = 1, 2, 3  # purposes
MOST = 16  # blocks of groups that a bootstrap draws
WIDTH = 3200  # numbers that a group may keep with as many


class Estimate(NamedTuple):
    """A number with the ends of its bootstrap interval (NaN: no samples)."""

    value: float
    low: float
    high: float


class Curve(NamedTuple):
    """The same for each bin."""

    value: Float[np.ndarray, "*bins"]
    low: Float[np.ndarray, "*bins"]
    high: Float[np.ndarray, "*bins"]


def check_bootstrap(replicates: int, level: float, seed: int) -> None:
    """InputError for numbers that no bootstrap has."""
    checked.integer("replicates", replicates, 0)
    checked.real("level", level, "lie in (0, 1)", lambda share: 0 < share < 1)
    checked.integer("seed", seed, 0, checked.MAX_SEED)


def cut(labels: LabelBlock, part) -> LabelBlock:
    """Some rows of a block of labels: a slice, a mask or indices."""
    soft = None if labels.soft is None else labels.soft[part]
    return LabelBlock(labels.i[part], labels.j[part], labels.lam[part], soft, labels.classes, labels.delta)


def poisson_weights(start: int, rows: int, replicates: int, seed: int) -> Float[np.ndarray, "rows R1"]:
    """Poisson(1) bootstrap weights of samples start … start + rows (one block), after a column of ones.

    A replicate counts each sample Poisson(1) times, independently, which for many samples is the
    bootstrap (Chamandy et al. 2012); the column of ones is the estimate itself.
    """
    where = start % BLOCK
    return _block_weights(start // BLOCK, replicates, seed)[where : where + rows]


@lru_cache(maxsize=2)
def _block_weights(block: int, replicates: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, BOOTSTRAP, block])
    weights = np.empty((BLOCK, replicates + 1))
    bits = rng.integers(0, 2**16, (BLOCK, replicates), np.uint16)
    counts = np.zeros(bits.shape, np.uint8)
    for least in _poisson_ends():
        counts += bits >= least
    weights[:, 0], weights[:, 1:] = 1.0, counts
    weights.flags.writeable = False
    return weights


@lru_cache(maxsize=1)
def _poisson_ends() -> np.ndarray:
    """Poisson(1) by inversion of 16 random bits: from the kth end on it exceeds k, every probability right to
    2⁻¹⁶."""
    cumulated = np.cumsum([exp(-1) / factorial(k) for k in range(9)])
    ends = np.searchsorted((np.arange(2**16) + 0.5) / 2**16, cumulated, side="right")
    return ends[ends < 2**16].astype(np.uint16)


def by_bin(where: Int[np.ndarray, " n"]) -> Iterator[tuple[int, Int[np.ndarray, " m"]]]:
    """Each bin that has rows, and their places in order."""
    order = np.argsort(where, kind="stable")
    ends = np.flatnonzero(np.diff(where[order])) + 1
    for rows in np.split(order, ends) if len(order) else ():
        yield int(where[rows[0]]), rows


def curve(replicated: Float[np.ndarray, "*bins R"], level: float) -> Curve:
    """Estimate (first column) and the central `level` of the replicates (the others)."""
    ends = np.full((2, *replicated.shape[:-1]), np.nan)
    some = ~np.isnan(replicated[..., 1:]).all(-1)
    if some.any():
        ends[:, some] = np.nanquantile(replicated[some][..., 1:], [(1 - level) / 2, (1 + level) / 2], axis=-1)
    return Curve(replicated[..., 0], *ends)


class Replicated:
    """Σ of columns by bin, over all samples and over bootstrap replicates of them, a stream's block at a time.

    The first samples have a Poisson(1) number each, as many as there are groups (MOST blocks of them, fewer of wide
    tables); each later one joins a group that is drawn for it, and shares its number. Sums of independent samples
    have the same variance either way: what a group adds to it beyond its samples is the product of two of them,
    which is zero on average, in whatever order they come. So the draws cost the same however long the stream is,
    and the groups' own chance adds a relative 1/√(2 groups) to the length of an interval: 0.6% with all of them,
    where 200 replicates have 5%.
    """

    def __init__(self, columns: int, bins: int, replicates: int, seed: int):
        self.bins, self.replicates, self.seed = bins, replicates, seed
        self.blocks = max(1, min(MOST, WIDTH // (bins * columns)))
        self.table = np.zeros((0, columns))  # of (group, bin)

    def add(
        self,
        start: int,
        rows: Int[np.ndarray, " n"],
        where: Int[np.ndarray, " n"],
        columns: Float[np.ndarray, "n S"],
    ) -> None:
        """Columns of the samples start + rows, rising, with their bins."""
        if len(rows) == 0:
            return
        group = _groups(start, int(rows[-1]) + 1, self.blocks, self.seed)[rows]
        self._grow(int(group.max()) + 1)
        width = self.table.shape[1]
        cell = (group * self.bins + where)[:, None] * width + np.arange(width)
        # a fifth of what sorting takes; of numbers in one line alone is it that quick
        np.add.at(self.table.reshape(-1), cell.reshape(-1), columns.reshape(-1))

    def _grow(self, groups: int) -> None:
        """Room for so many groups, in whole blocks."""
        missing = -(-groups // BLOCK) * BLOCK * self.bins - len(self.table)
        if missing > 0:
            self.table = np.concatenate([self.table, np.zeros((missing, self.table.shape[1]))])

    def sums(self) -> Float[np.ndarray, "B R1 S"]:
        """Of all samples (column 0 of R + 1) and of each replicate."""
        blocks = self.table.reshape(-1, BLOCK, self.bins * self.table.shape[1])
        found = np.zeros((self.replicates + 1, blocks.shape[2]))
        for block, table in enumerate(blocks):
            found += _block_weights(block, self.replicates, self.seed).T @ table
        return np.moveaxis(found.reshape(-1, self.bins, self.table.shape[1]), 0, 1)


def _groups(start: int, rows: int, blocks: int, seed: int) -> Int[np.ndarray, " rows"]:
    """The group of each sample start … start + rows: its own, or a random one."""
    first, last = start // BLOCK, -(-(start + rows) // BLOCK)
    found = [_block_groups(block, blocks, seed) for block in range(first, last)]
    return np.concatenate([*found, np.empty(0, np.int64)])[start - first * BLOCK :][:rows]


@lru_cache(maxsize=64)
def _block_groups(block: int, blocks: int, seed: int) -> Int[np.ndarray, " rows"]:
    if block < blocks:
        return block * BLOCK + np.arange(BLOCK)
    return np.random.default_rng([seed, GROUPS, block]).integers(0, blocks * BLOCK, BLOCK)


def subsample_keys(start: int, rows: int, seed: int) -> Float[np.ndarray, " rows"]:
    """Uniform keys of samples start … start + rows: the n smallest keys are a random subsample."""
    first, last = start // BLOCK, -(-(start + rows) // BLOCK)
    keys = [_block_keys(block, seed) for block in range(first, last)]
    return np.concatenate([*keys, np.empty(0)])[start - first * BLOCK :][:rows]


@lru_cache(maxsize=64)
def _block_keys(block: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, SUBSAMPLE, block]).random(BLOCK)


class Reservoir:
    """The rows of a stream with the `size` smallest keys: a random subsample without replacement, in stream order.

    Rows of several arrays are kept together; memory is at most 2 size rows of each, and those of a block.
    """

    def __init__(self, size: int, seed: int):
        if size < 1:
            raise InputError(f"a subsample needs size >= 1, got {size}")
        self.size, self.seed, self.least = size, seed, np.inf
        self.parts: list[tuple[np.ndarray, ...]] = []  # keys, and rows of each array
        self.count = 0

    def add(self, start: int, use: np.ndarray, *arrays: np.ndarray) -> None:
        """Offer the rows start … of a block of the stream, those with `use`."""
        keys = np.where(use, subsample_keys(start, len(use), self.seed), np.inf)
        chosen = np.flatnonzero(keys < self.least)
        if len(chosen) or not self.parts:
            self.parts.append((keys[chosen], start + chosen, *(array[chosen] for array in arrays)))
            self.count += len(chosen)
        if self.count > 2 * self.size:
            self._thin()

    def _thin(self) -> None:
        """Down to the rows of the smallest keys, in one part."""
        joined = [np.concatenate(part) for part in zip(*self.parts)]
        if len(joined[0]) > self.size:
            kept = np.sort(np.argpartition(joined[0], self.size - 1)[: self.size])
            joined = [part[kept] for part in joined]
            self.least = float(joined[0].max())
        self.parts, self.count = [tuple(joined)], len(joined[0])

    @property
    def index(self) -> Int[np.ndarray, " n"]:
        """Places of the rows in the stream."""
        return self._kept()[1] if self.parts else np.empty(0, np.int64)

    @property
    def rows(self) -> list[np.ndarray]:
        """Of each array."""
        return list(self._kept()[2:])

    def _kept(self) -> tuple[np.ndarray, ...]:
        self._thin()
        return self.parts[0]
