"""One rule for soft labels, wherever they come from. Numpy only.

A row of probabilities sums to one up to the rounding of the type it was made in, which need not be the type it
comes in. A softmax over K classes in a type of unit roundoff u = ε/2 and smallest number s loses log2 K roundings
in a sum by pairs, one where the sum is stored, one in the division, and s/2 an entry where it underflows:

    |Σ p − 1| ≤ (log2 K + 2) u + K s/2.

So a row within 1e-9 of one is taken as it is; one that misses by more, but by no more than its type's rounding, or
than 1e-5 (float32 values that were cast, a few decimals of a table), is divided by its sum, which is said; beyond
that it is refused. An entry below zero is a rounding of 1 − Σ others, up to float32's, or refused.

Then the largest entry is *defined* as one minus the others: λ e_i + (1−λ) e_j is exact in floating point.
"""

import warnings
from math import log2

import numpy as np
from jaxtyping import Float

from ufm.rules.errors import InputError
from ufm.rules.numbers import SUM, numbers

CAST = 1e-5
BFLOAT16 = 2.0**-7  # ε of a type that NumPy has not


def rounding(dtype, classes: int) -> float:
    """How far the sum of a softmax over K classes in this type may be from one; 0 for integers."""
    if np.dtype(dtype).kind != "f":
        return 0.0
    kind = np.finfo(dtype)
    return (log2(classes) + 2) * float(kind.eps) / 2 + classes * float(kind.smallest_subnormal) / 2


def from_bfloat16(Y: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N K"]:
    """Rows made in bfloat16, whatever type they come in, divided by their sums where these are one to its rounding;
    others as they are, to be judged by the rule."""
    Y = Y.astype(np.float64)
    sums = Y.sum(1, keepdims=True)
    near = np.abs(sums - 1) <= (log2(max(Y.shape[1], 2)) + 2) * BFLOAT16 / 2  # its subnormals are float32's
    return np.where(near, Y / np.where(near, sums, 1.0), Y)


def allowed(dtype, classes: int) -> float:
    """How far the sum of a row may be from one."""
    return max(CAST, rounding(dtype, classes))


def said(off: float) -> str | None:
    """The one line for rows that were divided by their sums; None where none was."""
    return f"labels sum to one within {off:.1g}: normalised" if off else None


def normalise(
    labels, name: str = "soft labels", shape: tuple[int | str, int | str] = ("N", "K")
) -> Float[np.ndarray, "N K"]:
    """Checked soft labels (N, K) in float64, as the module says; warns of rows that were divided by their sums."""
    return complete(accept(labels, name, shape))


def accept(labels, name: str, shape: tuple[int | str, int | str] = ("N", "K")) -> Float[np.ndarray, "N K"]:
    """The same, but for the largest entry, which is left as given where a row sums to one."""
    Y, off = _divided(numbers(name, labels, shape), name, 0)
    if note := said(off):
        warnings.warn(note, stacklevel=3)
    return Y


def repair(labels, name: str = "soft labels", start: int = 0) -> tuple[Float[np.ndarray, "N K"], float]:
    """The same, and how far the sum of a row that had to be divided by it was from one (0: none had to be).

    start: the number of the first row, for messages.
    """
    Y, off = _divided(labels, name, start)
    return complete(Y), off


def _divided(labels, name: str, start: int) -> tuple[Float[np.ndarray, "N K"], float]:
    given = _array(labels, name)
    with np.errstate(over="ignore", invalid="ignore"):  # judged below
        Y = given.astype(np.float64, order="C")
        sums = Y @ np.ones(Y.shape[1])
    least = np.zeros(len(Y)) if Y.min() >= 0 else Y.min(1)  # along short rows, NumPy is slow
    _check(Y, sums, least, given.dtype, name, start)
    loose = (np.abs(sums - 1) > SUM) | (least < 0)
    off = float(np.max(np.abs(sums - 1), where=loose, initial=0.0))
    if loose.any():
        off = max(off, -float(Y[loose].min()))
        Y[loose] = np.maximum(Y[loose], 0.0)
        Y[loose] /= Y[loose].sum(1, keepdims=True)
    return Y, off


def probable(least, total, classes: int, unit: float):
    """Whether rows of K entries are probabilities, by their least entries and their sums; traced arrays too."""
    return (least >= 0) & (abs(total - 1.0) <= max(SUM, 4 * classes * unit))  # NaN is neither


PROBABILITIES = (
    "logits are probabilities: every row is >= 0 and sums to 1 or 100, so that a softmax of them says nothing: "
    "save the output of the last layer before its softmax, or the logarithms of the probabilities"
)


def are_probabilities(rows, dtype) -> bool:
    """Whether every row (n, K), made in this type, is >= 0 and sums to one, or to 100: no logits do."""
    off = [np.abs(rows.sum(1) / total - 1) for total in (1, 100)]
    return bool((rows >= 0).all() and any((part <= allowed(dtype, rows.shape[1])).all() for part in off))


def complete(Y: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N K"]:
    """Each row's first largest entry set to one minus the others, in place, of an array in C order."""
    top = Y.argmax(1) + Y.shape[1] * np.arange(len(Y))
    flat = Y.reshape(-1)
    flat[top] = 0.0
    flat[top] = np.maximum(1.0 - Y.sum(1), 0.0)
    return Y


def _array(labels, name: str) -> np.ndarray:
    Y = numbers(name, labels, ("N", "K"))
    if Y.shape[1] < 2:
        raise InputError(f"{name} must be a numeric N x K array, K >= 2, got {Y.dtype} of shape {Y.shape}")
    return Y


def _check(Y, sums, least, dtype, name: str, start: int) -> None:
    if not np.isfinite(sums).all() and not np.isfinite(Y).all():
        raise InputError(f"{name} holds NaN or infinity in row {start + np.argwhere(~np.isfinite(Y))[0, 0]}")
    K = Y.shape[1]
    most, below = allowed(dtype, K), max(rounding(dtype, K), rounding(np.float32, K))
    bad = (least < -below) | ~(np.abs(sums - 1) <= most)
    if bad.any():
        worst = int(np.argmax(bad))
        lowest = float(Y[worst].min())
        raise InputError(
            f"each row of {name} must be >= 0 and sum to 1 (within {most:.1g}); row {start + worst} sums to "
            f"{sums[worst]:.9g}, least {lowest:.3g}: {_cure(lowest < -below, float(sums[worst]))}"
        )


def _cure(negative: bool, total: float) -> str:
    """What is wrong with a row, and what to do about it, where dividing it by its sum is not the cure."""
    if negative:
        return "it has negative entries, which no probabilities have (logits? then save their softmax)"
    if total == 0:
        return "all of it is zero, so that it is no label: leave such rows out"
    if not np.isfinite(total):
        return "its sum overflows"
    return "divide each row by its sum"
