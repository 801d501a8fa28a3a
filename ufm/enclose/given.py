"""What the enclosures are given: doubles, each exact, and labels that sum to one by definition."""

import math
from typing import SupportsFloat

import numpy as np
from flint import arb
from numpy.typing import ArrayLike

import ufm.rules.numbers as checked
from ufm.enclose.balls import (
    Balls,
)
from ufm.rules.errors import InputError
from ufm.rules.soft_labels import accept

LOSSES = ("cross-entropy", "squared-error")
JOINT_LOSSES = (*LOSSES, "binary-cross-entropy")


def group_labels(labels: np.ndarray) -> tuple[np.ndarray, list[float], tuple[int, ...]]:
    """Group equal labels: index (K,), values and counts of groups; the first largest is a group alone."""
    keyed = labels.copy()
    keyed[labels.argmax()] = math.inf
    values, index, counts = np.unique(keyed, return_inverse=True, return_counts=True)
    return index, values.tolist(), tuple(counts.tolist())


def distinct_values(groups: np.ndarray, values: np.ndarray) -> tuple[list[int], Balls, list[int]]:
    """The distinct pairs (group, value) and how often each occurs."""
    # numpy sorts complex numbers by real, then imaginary part: exactly the order of such pairs.
    pairs, counts = np.unique(groups + 1j * values, return_counts=True)
    return pairs.real.astype(int).tolist(), [arb(x) for x in pairs.imag.tolist()], counts.tolist()


def read_scalar(value: SupportsFloat, name: str, *, positive: bool) -> float:
    """The double of a number: of a Python or NumPy one, or of any other type that converts itself."""
    plain = isinstance(value, (bool, np.bool_, str, bytes, complex)) or getattr(value, "ndim", 0) > 0
    try:
        number = math.nan if plain else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    allowed = "> 0" if positive else "≥ 0"
    if not (math.isfinite(number) and (number > 0 if positive else number >= 0)):
        raise InputError(f"{name}: given {value!r}; allowed: a finite number {allowed}")
    return number


def check_choices(loss: str, digits: int) -> None:
    """InputError for an unknown loss, or digits out of range."""
    checked.choice("loss", loss, LOSSES)
    checked.integer("digits", digits, 1, 1000)  # 30 is far below any float64 error


def read_vector(values: ArrayLike, name: str, size: int | None) -> np.ndarray:
    """Doubles of a vector; size: how many, if that is known."""
    return checked.numbers(name, values, (size or "n",)).astype(np.float64)


def read_matrix(W: ArrayLike, classes: int) -> np.ndarray:
    """Doubles of a classifier."""
    return checked.array("W", W, (classes, "d"))


def read_label(y: ArrayLike) -> np.ndarray:
    """A soft label by the rule of `ufm.rules.soft_labels`; its largest entry is completed in balls, not here."""
    labels = checked.numbers("y", y, ("K",))
    return accept(labels[None], "y")[0]
