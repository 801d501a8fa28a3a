"""Weighted samples, block by block: features, labels, logits, residuals, and means of what is made of them.

A mean runs over an array, a process's part of one, or blocks of a stream that is read once for several of them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from operator import add

import jax
import numpy as np
from jaxtyping import Float

from ufm.loss import LOSSES
from ufm.model.variants.orbits import OrbitLaw
from ufm.rules.errors import InputError
from ufm.runtime.devices import exactly
from ufm.runtime.processes import ALONE, Group
from ufm.runtime.programs import program

BINARY = "binary-cross-entropy"
LEAST = 4096  # rows up to which a function is compiled for their number
WIDE = 2**18  # numbers from which compiled programs cost more than they save


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

    @property
    def units(self) -> int:
        """How many roundings a mean of this block's residuals has, in ε."""
        return 1

    def sum(self, rows) -> np.ndarray:
        """Σ weight · row."""
        return np.asarray(self.weights @ rows)

    def over_classes(self, A) -> Float[np.ndarray, " n"]:
        """Σ_k of each row of an array like Y, Z or the residual."""
        return np.sum(A, 1)

    @property
    def squares(self) -> Float[np.ndarray, " n"]:
        """‖h‖²."""
        return np.vecdot(self.H, self.H)

    def total(self, A, exact: bool = True) -> Float[np.ndarray, " K"]:
        """Σ weight · row of an array like Y; exact: with one rounding, `units`, instead of one a row."""
        return exact_sum(self.weights[:, None] * A) if exact else self.weights @ A

    def product(self, left, right) -> np.ndarray:
        """Σ weight · left rightᵀ; of an array with itself only half is computed."""
        if left is right:
            root = left if (self.weights == 1).all() else left * np.sqrt(self.weights)[:, None]
            return root.T @ root
        return (left * self.weights[:, None]).T @ right

    def moment(self, r) -> np.ndarray:
        """Σ weight · r rᵀ/ρ."""
        return self.product(r if isinstance(self.rho, float) else r / self.rho[:, None], r)

    @cached_property
    def found(self) -> tuple[np.ndarray, np.ndarray]:
        """ℓ (n) and r = −∂ℓ/∂z (n, K)."""
        return losses_residuals(self.Z, self.Y, self.loss)

    @property
    def residual(self) -> Float[np.ndarray, "n K"]:
        """r."""
        return self.found[1]

    @property
    def terms(self) -> int:
        """How many logits each add to a loss: K under binary cross-entropy."""
        return self.Z.shape[1] if self.loss == BINARY else 1

    @cached_property
    def size(self) -> Float[np.ndarray, " n"]:
        """The scale of each row of logits and labels."""
        return self.terms * (np.maximum(1.0, _largest(self.Y)) + _largest(self.Z))


@dataclass(frozen=True, eq=False)
class TwoHot(Block):
    """The same for K > 2 classes where each row of H (in K coordinates), Y and Z has three values, at i, at j and
    at each of the other classes: arrays (n, 3), so that work does not grow with K; ρ = 1. i ≠ j (n), classes: K."""

    i: np.ndarray = field(kw_only=True)
    j: np.ndarray = field(kw_only=True)
    classes: int = field(kw_only=True)

    @cached_property
    def others(self) -> int:
        """K − 2."""
        return self.classes - 2

    @property
    def units(self) -> int:
        """Sums by class have a rounding a row, and so has E r rᵀ, made of terms that may cancel: their sizes add up
        to less than 9 E‖r‖²."""
        return 9 * len(self.weights)

    @cached_property
    def found(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the others as one class: −(K−2) y log p_o is less than that class's own by (K−2) y log(K−2)."""
        if self.loss == "squared-error":
            root = np.sqrt([1.0, 1.0, self.others])
            value, r = losses_residuals(self.Z * root, self.Y * root, self.loss)
            return value, r / root
        counts = np.array([1.0, 1.0, self.others])
        Y, Z = self.Y * counts, self.Z + np.log(counts)
        value, r = losses_residuals(Z, Y, self.loss)
        return value + Y[:, 2] * np.log(self.others), r / counts

    def over_classes(self, A) -> np.ndarray:
        """Σ_k of each row."""
        return A @ [1.0, 1.0, self.others]

    @property
    def squares(self) -> np.ndarray:
        """‖h‖²."""
        return self.over_classes(self.H**2)

    def total(self, A, exact: bool = True) -> np.ndarray:
        """Σ weight · row, of K numbers."""
        at_i, at_j, rest = (self.weights[:, None] * A).T
        return self._at(self.i, at_i - rest) + self._at(self.j, at_j - rest) + rest.sum()

    def moment(self, r) -> np.ndarray:
        """Σ weight · r rᵀ, r = r_o 1 + s e_i + t e_j."""
        rest, s, t = r[:, 2], r[:, 0] - r[:, 2], r[:, 1] - r[:, 2]
        w, K = self.weights, self.classes
        side = self._at(self.i, w * rest * s) + self._at(self.j, w * rest * t)
        cross = np.bincount(self.i * K + self.j, w * s * t, K**2).reshape(K, K)
        found = cross + cross.T + side[:, None] + side + w @ rest**2
        found[np.diag_indices(K)] += self._at(self.i, w * s**2) + self._at(self.j, w * t**2)
        return found

    def _at(self, place, values) -> np.ndarray:
        return np.bincount(place, values, self.classes)


@dataclass(frozen=True, eq=False)
class Orbits(Block):
    """The same where a row stands for all that permutations of equal classes make of it, at once in H (n, K), Y and
    Z: moments are averages over them."""

    law: OrbitLaw = field(kw_only=True)

    @property
    def units(self) -> int:
        """An entry of a moment is a mean of at most K² sums of n terms, added row by row."""
        return len(self.weights) + 2 * self.law.classes

    def total(self, A, exact: bool = True) -> Float[np.ndarray, " K"]:
        """E of Σ weight · row."""
        return self.law.average(super().total(A, exact))

    def product(self, left, right) -> np.ndarray:
        """E of Σ weight · left rightᵀ."""
        return self.law.average_matrix(super().product(left, right))


Part = Callable[[Block], tuple]  # weighted sums of a block
Change = Callable[[Block], Float[np.ndarray, "n K"]]  # a residual made from the candidate's own


@dataclass(frozen=True, eq=False)
class Means:
    """E of the weighted sums of each part; count: samples, units: roundings of a mean of residuals, in ε."""

    parts: list[list]
    count: int
    units: int


class Sums:
    """Weighted sums of blocks that come one by one, of several parts; the processes of a group may divide them."""

    def __init__(self, parts: tuple[Part, ...], group: Group = ALONE):
        self.parts, self.group = parts, group
        self.sums: list[tuple] = []
        self.mass, self.count, self.units = 0.0, 0, 0

    def add(self, block: Block) -> None:
        """The next block."""
        found = [part(block) for part in self.parts]
        self.sums = [tuple(map(add, *pair)) for pair in zip(self.sums, found)] if self.sums else found
        self.mass, self.count = self.mass + float(block.weights.sum()), self.count + len(block.weights)
        self.units += block.units

    def means(self) -> Means:
        """Of all blocks."""
        if not self.sums:
            raise InputError("there are no samples of positive weight")
        total = self.group.total
        count, units, mass = int(total(self.count)), 16 + int(total(self.units)), float(total(self.mass))
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


def _largest(rows: np.ndarray) -> Float[np.ndarray, " n"]:
    """The largest |entry| of each row, without an array of all of them."""
    return np.maximum(rows.max(1), -rows.min(1))


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


def losses_residuals(
    Z: Float[np.ndarray, "n K"], Y: Float[np.ndarray, "n K"], loss: str
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n K"]]:
    """ℓ of each row and r = −∂ℓ/∂z, each largest-label entry minus the others, by the same exponentials.

    Cross-entropy of many numbers takes NumPy about half the time; else compiled for few numbers of rows: those of
    a stream's last block fill up.
    """
    n = len(Z)
    if loss == "cross-entropy" and n * Z.shape[1] > WIDE and isinstance(Z, np.ndarray):
        return _cross_entropy(Z, Y)
    missing = (1 << (n - 1).bit_length()) - n if n > LEAST else 0
    if missing:
        Z, Y = (np.pad(part, ((0, missing), (0, 0)), mode="edge") for part in (Z, Y))
    with exactly():
        value, slope = (np.asarray(part)[:n] for part in _losses_slopes(Z, Y, loss=loss))
    return value, -slope


def _cross_entropy(Z: Float[np.ndarray, "n K"], Y: Float[np.ndarray, "n K"]) -> tuple[np.ndarray, np.ndarray]:
    """The same relative to the largest label, as `ufm.loss.cross_entropy` is."""
    place, largest = np.arange(len(Z)), Y.argmax(1)
    s = Z - Z[place, largest, None]
    top, fit = s.max(1), np.vecdot(Y, s)
    s -= top[:, None]
    np.exp(s, out=s)
    mass = s.sum(1)
    s /= mass[:, None]
    np.subtract(Y, s, out=s)
    s[place, largest] = 0.0
    s[place, largest] = -s.sum(1)
    return top + np.log(mass) - fit, s


@program("loss")
def _losses_slopes(Z, Y, *, loss: str):
    return jax.vmap(jax.value_and_grad(LOSSES[loss].value))(Z, Y)
