"""Labels of rows of activations: two-hot or soft, checked block by block, made dense only block by block."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ufm.network.read.arrays import finite
from ufm.rules.errors import InputError
from ufm.rules.numbers import scaled
from ufm.rules.soft_labels import repair, rounding

AGREE = (
    1e-6  # how far Y and i, j, lam may differ: a float32 mixing weight, or the rounding of their own types
)
IGNORED = -100  # ignore_index of torch's losses
SAME = 1e-6  # entries of a soft label that differ by less are equal: the rounding of float32


class LabelBlock(NamedTuple):
    """Labels of n rows: (1−δ)(λ e_i + (1−λ) e_j) + δ/K, or where i = j = −1 (lam NaN) the row of `soft` (n, K).

    delta: δ, of label smoothing.
    """

    i: Int[np.ndarray, " n"]
    j: Int[np.ndarray, " n"]
    lam: Float[np.ndarray, " n"]
    soft: Float[np.ndarray, "n K"] | None
    classes: int
    delta: float = 0.0

    def dense(self) -> Float[np.ndarray, "n K"]:
        """The labels as soft labels (n, K), rows summing to one."""
        if self.soft is not None and (self.i < 0).all():
            return self.soft
        Y = _two_hot(self)
        return Y if self.soft is None else np.where((self.i < 0)[:, None], self.soft, Y)

    def pure(self) -> Int[np.ndarray, " n"]:
        """The class c where the label is e_c, smoothed or not (i = j at any λ included), −1 where it is mixed."""
        return np.where((self.i == self.j) | (self.lam == 1), self.i, np.where(self.lam == 0, self.j, -1))

    def named(self, delta: float, tolerance: float = SAME) -> "LabelBlock":
        """The same labels with i, j and λ (1 for one class, else i < j) for all rows that smoothing by δ made of
        one or two classes; other rows as they are."""
        if self.soft is None or delta >= 1 - SAME:  # nothing is left of the label then
            return self._replace(delta=delta if self.soft is None else 0.0)
        rest = (self.soft - delta / self.classes) / (1 - delta)
        above = rest > (tolerance if delta else 0.0)
        few = (self.i < 0) & (above.sum(1) <= 2)
        first, last = above.argmax(1), self.classes - 1 - above[:, ::-1].argmax(1)
        lam = np.where(first == last, 1.0, rest[np.arange(len(rest)), first].clip(0, 1))
        i, j, lam = (np.where(few, new, old) for new, old in zip((first, last, lam), self[:3]))
        return LabelBlock(i, j, lam, self.soft if (i < 0).any() else None, self.classes, delta)


def two_classes(labels: LabelBlock) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """i, j ≠ i and λ of two-hot labels: one of a single class has λ = 1 beside any other."""
    i, j, lam = labels[:3]
    same = i == j
    return i, np.where(same, (i + 1) % labels.classes, j), np.where(same, 1.0, lam)


def class_numbers(key: str, block: np.ndarray, classes: int, start: int, least: int = 0) -> np.ndarray:
    """Integers from `least` to K−1 as int64."""
    if block.dtype.kind not in "iu":
        raise InputError(f"{key} must hold integers (class numbers from 0), got dtype {block.dtype}")
    bad = (block < least) | (block >= classes)
    if bad.any():
        row = int(np.argmax(bad))
        advice = (
            f"{key} - 1, if classes count from 1"
            if block.max() == classes
            else "names=[...], a name a row of W"
        )
        if key in ("i", "j"):
            advice += f"; of row numbers, as of a permutation, give their classes, y[{key}]"
        if block[row] == IGNORED:
            advice = f"only rows that have a class, H[{key} >= 0] and so on: a loss ignores {IGNORED}"
        raise InputError(
            f"{key} must lie in 0 … {classes - 1} (K = {classes} rows of W), row {start + row}: {block[row]}; "
            f"give {advice}"
        )
    return np.array(block, np.int64)


def weight_rows(part: dict[str, np.ndarray], start: int, n: int) -> np.ndarray:
    """Weights of n rows, ones if the file has none; InputError unless finite and >= 0."""
    if "weights" not in part:
        return np.ones(n)
    weights = finite("weights", np.array(part["weights"], np.float64), start)
    scaled("weights", weights, small=True)
    if (weights < 0).any():
        raise InputError(f"weights must be >= 0, row {start + int(np.argmax(weights < 0))}: {weights.min()}")
    return weights


def soft_rows(block: np.ndarray, start: int) -> tuple[Float[np.ndarray, "n K"], float]:
    """Soft labels in float64 by the rule of `ufm.rules.soft_labels`, and how far rows were from it."""
    finite("Y", block, start)
    return repair(block, "Y", start)


def pair_rows(
    part: dict[str, np.ndarray], soft: np.ndarray | None, classes: int, start: int, delta: float = 0.0
) -> LabelBlock:
    """Labels from i, j, lam, and from Y where i = j = −1; where both say something they must agree."""
    least = 0 if soft is None else -1
    i, j = (class_numbers(key, part[key], classes, start, least) for key in ("i", "j"))
    lam = np.array(part["lam"], np.float64)
    bad = np.where((i < 0) & (j < 0), ~np.isnan(lam), ~((lam >= 0) & (lam <= 1)) | (i < 0) | (j < 0))
    if bad.any():
        row = int(np.argmax(bad))
        got = f"row {start + row}: i = {i[row]}, j = {j[row]}, lam = {lam[row]}"
        raise InputError(f"lam must lie in [0, 1] (or i = j = -1 and lam NaN where Y says the label), {got}")
    block = LabelBlock(i, j, lam, soft, classes, delta)
    if soft is not None:
        _check_agreement(
            block, start, max(AGREE, *(rounding(part[key].dtype, classes) for key in ("Y", "lam")))
        )
        return block if (i < 0).any() else block._replace(soft=None)
    return block


def _check_agreement(block: LabelBlock, start: int, most: float) -> None:
    off = np.abs(block.dense() - block.soft).max(1)
    if off.max() > most:
        row = start + int(np.argmax(off > most))
        raise InputError(f"Y and i, j, lam disagree in row {row}: keep one of them")


def _two_hot(block: LabelBlock) -> Float[np.ndarray, "n K"]:
    Y = np.zeros((len(block.i), block.classes))
    rows = np.flatnonzero(block.i >= 0)
    i, j, lam = block.i[rows], block.j[rows], block.lam[rows]
    Y[rows, j] = 1.0 - lam
    Y[rows, i] = np.where(i == j, 1.0, lam)
    return Y if block.delta == 0 else (1 - block.delta) * Y + block.delta / block.classes
