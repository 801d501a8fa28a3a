"""A grid of problems: the cartesian product of axes, cut into blocks, with a hash that names it.

Problems are numbered in row-major order of AXES. Those that share the static axes share one compilation:
a group, cut into blocks of consecutive problems.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from ufm.model.laws import LabelLaw, onehot, smooth

STATIC = ("labels", "pairs", "loss", "classes")
REAL = ("dim", "alpha", "smoothing", "multiplier", "lambda_w", "lambda_h")
AXES = STATIC + REAL
UNMIXED = ("smoothing", "onehot")  # laws without a mixing weight
SCHEMA = 1  # of the dataset: part of the hash


class Group(NamedTuple):
    """Problems that share one compilation."""

    labels: str
    pairs: str
    loss: str
    classes: int


class Block(NamedTuple):
    """Consecutive problems `first` … `first + size − 1` of the grid, all of one group."""

    number: int
    group: Group
    first: int
    size: int


class Words(NamedTuple):
    """A column of words: the index of each row's word."""

    codes: np.ndarray
    words: tuple[str, ...]


Columns = dict[str, Any]  # arrays, or Words, with one entry a row; a masked entry is null


@dataclass(frozen=True)
class Grid:
    """Axes by name, in the order of AXES; λ of the rows, rising; tolerance; problems a block.

    The one value None of an axis stands for the default of the law, of K (dim), or for a multiplier to be
    solved for.
    """

    axes: dict[str, tuple]
    lam: tuple[float, ...]
    tol: float
    block: int

    @property
    def joint(self) -> bool:
        """The multiplier is solved for."""
        return self.axes["multiplier"] == (None,)

    @cached_property
    def groups(self) -> list[Group]:
        """All groups, in the order of their problems."""
        found = [Group(*values) for values in product(*(self.axes[name] for name in STATIC))]
        return [g._replace(pairs="same") if g.labels in UNMIXED else g for g in found]

    @property
    def group_size(self) -> int:
        """Problems a group."""
        return math.prod(len(self.axes[name]) for name in REAL)

    @property
    def problems(self) -> int:
        """Problems in all."""
        return len(self.groups) * self.group_size

    @property
    def blocks_per_group(self) -> int:
        """Blocks a group; the last may be smaller."""
        return -(-self.group_size // self.block)

    @property
    def blocks(self) -> int:
        """Blocks in all."""
        return len(self.groups) * self.blocks_per_group

    def get_block(self, number: int) -> Block:
        """The block of that number, from 0."""
        group, part = divmod(number, self.blocks_per_group)
        start = part * self.block
        size = min(self.block, self.group_size - start)
        return Block(number, self.groups[group], group * self.group_size + start, size)

    def values(self, block: Block) -> dict[str, np.ndarray]:
        """The real parameters of a block's problems, floats; NaN where the law has none, or m is solved for."""
        inside = np.arange(block.first, block.first + block.size) % self.group_size
        index = np.unravel_index(inside, [len(self.axes[name]) for name in REAL])
        axes = self.resolve(block.group)
        return {name: np.array(axes[name], float)[n] for name, n in zip(REAL, index)}

    def resolve(self, group: Group) -> dict[str, tuple]:
        """The real axes of a group with the defaults that depend on law and K filled in."""
        axes = {name: self.axes[name] for name in REAL}
        default = {
            "dim": group.classes,
            "smoothing": 0.1 if group.labels == "smoothing" else 0.0,
            "alpha": None if group.labels in UNMIXED else 1.0,
        }
        return axes | {name: (value,) for name, value in default.items() if axes[name] == (None,)}

    def rows(self, group: Group) -> list[tuple[str, float, int]]:
        """Rows (kind, λ) of each problem, in the order of `ufm.solve`, with the number of the feature shown."""
        if group.labels in UNMIXED:
            return [("same", 1.0, 0)]
        first = 0 if group.pairs == "different" else 1
        same = [("same", value, 0) for value in self.lam]
        different = [("different", value, first + n) for n, value in enumerate(self.lam)]
        return {"all": same + different, "same": same, "different": different}[group.pairs]

    @property
    def row_count(self) -> int:
        """Rows in all."""
        return self.group_size * sum(len(self.rows(group)) for group in self.groups)

    @property
    def feature_count(self) -> int:
        """Features solved in all: same-class rows of a problem share one."""
        return self.group_size * sum(self.rows(group)[-1][-1] + 1 for group in self.groups)

    def record(self) -> dict:
        """Everything the rows depend on, as JSON values."""
        return {"schema": SCHEMA, **self.axes, "lam": self.lam, "tol": self.tol, "block": self.block}

    @property
    def digest(self) -> str:
        """SHA-256 of the record: comments, order of keys and ways to write a range do not change it."""
        return hashlib.sha256(json.dumps(self.record(), sort_keys=True).encode()).hexdigest()


def make_law(group: Group, alpha: float | None, smoothing: float) -> LabelLaw:
    """The label law of a problem."""
    if group.labels in ("mixup", "cutmix"):
        return LabelLaw(group.labels, alpha, group.pairs, smoothing)
    return smooth(smoothing) if group.labels == "smoothing" else onehot()
