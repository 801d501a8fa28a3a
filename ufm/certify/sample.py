"""Weighted samples, block by block: features, labels, logits, residuals, and means of what is made of them.

A mean runs over an array, a process's part of one, or blocks of a stream that is read once for several of them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from operator import add

import jax
import numpy as np
from jaxtyping import Float

from ufm.loss import LOSSES
from ufm.rules.errors import InputError
from ufm.runtime.devices import exactly
from ufm.runtime.processes import ALONE, Group

BINARY = "binary-cross-entropy"
LEAST = 4096  # rows up to which a function is compiled for their number


@dataclass(frozen=True, eq=False)
class Block:
    """Features H (n, d), soft labels Y (n, K), logits Z (n, K), weights (n) and relative penalties ρ (n) of some
    samples."""

    H: np.ndarray
    Y: np.ndarray
    Z: np.ndarray
    weights: np.ndarray
    loss: str
    rho: np.ndarray | float = 1.0

    def sum(self, rows) -> np.ndarray:
        """Σ weight · row."""
        return np.asarray(self.weights @ rows)

    def product(self, left, right) -> np.ndarray:
        """Σ weight · left rightᵀ; of an array with itself only half is computed."""
        if left is right:
            root = left * np.sqrt(self.weights)[:, None]
            return root.T @ root
        return (left * self.weights[:, None]).T @ right

    def moment(self, r) -> np.ndarray:
        """Σ weight · r rᵀ/ρ."""
        return self.product(r if isinstance(self.rho, float) else r / self.rho[:, None], r)

    @cached_property
    def residual(self) -> Float[np.ndarray, "n K"]:
        """r = −∂ℓ/∂z."""
        return residuals(self.Z, self.Y, self.loss)

    @property
    def terms(self) -> int:
        """How many logits each add to a loss: K under binary cross-entropy."""
        return self.Z.shape[1] if self.loss == BINARY else 1

    @cached_property
    def size(self) -> Float[np.ndarray, " n"]:
        """The scale of each row of logits and labels."""
        return self.terms * (np.maximum(1.0, np.abs(self.Y).max(1)) + np.abs(self.Z).max(1))


Part = Callable[[Block], tuple]  # weighted sums of a block
Change = Callable[[Block], Float[np.ndarray, "n K"]]  # a residual made from the candidate's own


@dataclass(frozen=True, eq=False)
class Means:
    """E of the weighted sums of each part; count: samples, units: roundings of a mean by `exact_sum`, in ε."""

    parts: list[list]
    count: int
    units: int


class Sums:
    """Weighted sums of blocks that come one by one, of several parts; the processes of a group may divide them."""

    def __init__(self, parts: tuple[Part, ...], group: Group = ALONE):
        self.parts, self.group = parts, group
        self.sums: list[tuple] = []
        self.mass, self.count, self.blocks = 0.0, 0, 0

    def add(self, block: Block) -> None:
        """The next block."""
        found = [part(block) for part in self.parts]
        self.sums = [tuple(map(add, *pair)) for pair in zip(self.sums, found)] if self.sums else found
        self.mass, self.count = self.mass + float(block.weights.sum()), self.count + len(block.weights)
        self.blocks += 1

    def means(self) -> Means:
        """Of all blocks."""
        if not self.sums:
            raise InputError("there are no samples of positive weight")
        total = self.group.total
        count, units, mass = int(total(self.count)), 16 + int(total(self.blocks)), float(total(self.mass))
        return Means([[total(np.asarray(one)) / mass for one in part] for part in self.sums], count, units)


class Sample:
    """Weighted samples in blocks, read again for every set of means; the processes of a group may divide them."""

    def __init__(self, blocks: Callable[[], Iterable[Block]], group: Group = ALONE):
        self.blocks, self.group = blocks, group

    def read(self, *parts: Part) -> Means:
        """One reading."""
        sums = Sums(parts, self.group)
        for block in self.blocks():
            sums.add(block)
        return sums.means()


def exact_sum(rows: Float[np.ndarray, "n K"]) -> Float[np.ndarray, " K"]:
    """Σ_n of the rows with one rounding: pairs are added in a tree and what each addition loses is kept
    (TwoSum; Ogita, Rump and Oishi 2005, "Accurate sum and dot product")."""
    lost = np.zeros(rows.shape[1])
    while len(rows) > 1:
        half = len(rows) // 2
        left, right = rows[:half], rows[half : 2 * half]
        total = left + right
        virtual = total - left
        lost += ((left - (total - virtual)) + (right - virtual)).sum(0)
        rows = np.concatenate([total, rows[2 * half :]])
    return rows.sum(0) + lost


def residuals(
    Z: Float[np.ndarray, "n K"], Y: Float[np.ndarray, "n K"], loss: str
) -> Float[np.ndarray, "n K"]:
    """r = −∂ℓ/∂z, each largest-label entry minus the others."""
    return -_of_rows(_vmapped(loss)[0], Z, Y)


def losses(Z: Float[np.ndarray, "n K"], Y: Float[np.ndarray, "n K"], loss: str) -> Float[np.ndarray, " n"]:
    """ℓ of each row."""
    return _of_rows(_vmapped(loss)[1], Z, Y)


def _of_rows(function, Z: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """A function of rows, compiled for few numbers of them: those of a stream's last block fill up."""
    n = len(Z)
    missing = (1 << (n - 1).bit_length()) - n if n > LEAST else 0
    if missing:
        Z, Y = (np.pad(part, ((0, missing), (0, 0)), mode="edge") for part in (Z, Y))
    with exactly():
        return np.asarray(function(Z, Y))[:n]


@cache
def _vmapped(loss: str):
    value = LOSSES[loss].value
    return jax.jit(jax.vmap(jax.grad(value))), jax.jit(jax.vmap(value))
