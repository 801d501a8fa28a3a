"""Which law soft labels were drawn from, as their rows show it: one-hot, smoothed, mixed, k-way, or anything
else."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ufm.network.read.label_rows import SAME, LabelBlock
from ufm.rules.errors import InputError

FEW = 5  # a label of more classes than this is called soft


class LabelKind(NamedTuple):
    """What the labels of positive weight are.

    delta: δ of the smoothing (1−δ) y + δ/K that all of them share, 0 without. most: classes of a label at most, the
    constant left out. pure: share of labels of one class. rarest: K times the least mean entry of the labels, 1 if
    all classes are as frequent. tolerance: of entries of Y that are one constant, by the rounding of its type.
    """

    delta: float
    most: int
    pure: float
    classes: int
    rarest: float = 1.0
    tolerance: float = SAME

    @property
    def pair(self) -> bool:
        """Whether a label has exactly two classes, at most, and some have."""
        return self.most == 2

    @property
    def words(self) -> str:
        """The law by name."""
        smooth = f"label smoothing {self.delta:.3g}" if self.delta else ""
        if self.most <= 1:
            return smooth or "one-hot labels"
        if self.most == 2:
            return "mixup of two classes" + (f" with {smooth}" if smooth else "")
        if self.most <= min(FEW, self.classes - 1):
            return f"mixup of up to {self.most} classes" + (f" with {smooth}" if smooth else "")
        return "soft labels"


class _Seen:
    """Rows so far: the least and largest of their smallest entries, classes above it, weight of one-class rows, and
    of those without a constant."""

    def __init__(self, unit: float) -> None:
        self.unit = unit
        self.low, self.high, self.most = np.inf, -np.inf, 1
        self.pure, self.bare, self.mass = 0.0, 0.0, 0.0
        self.total: np.ndarray | float = 0.0

    def same(self, floor):
        """How far entries of this size may be apart and be one constant: rounded, and divided by a rounded sum."""
        return SAME + 4 * self.unit * floor

    def add(self, labels: LabelBlock, weights: np.ndarray) -> None:
        use, pair = weights > 0, labels.i >= 0
        one = labels.pure() >= 0
        self.total = self.total + _total(labels, weights)
        self.mass += float(weights.sum())
        if (pair & use).any():
            self.low, self.high = min(self.low, 0.0), max(self.high, 0.0)
            self.most = max(self.most, 1 if one[pair & use].all() else 2)
        rest = ~pair & use
        bare = one.copy()
        if labels.soft is not None and rest.any():
            floor = labels.soft.min(1)
            above = (labels.soft > np.where(floor > SAME, floor + self.same(floor), 0.0)[:, None]).sum(1)
            self.low, self.high = (
                min(self.low, float(floor[rest].min())),
                max(self.high, float(floor[rest].max())),
            )
            self.most = max(self.most, int(above[rest].max()))
            one, bare = np.where(rest, above == 1, one), np.where(rest, (above == 1) & (floor <= SAME), bare)
        self.pure, self.bare = self.pure + float(weights @ one), self.bare + float(weights @ bare)


def _total(labels: LabelBlock, weights: np.ndarray) -> np.ndarray:
    """Σ weight · label, the smoothing left out."""
    pair, K = labels.i >= 0, labels.classes
    lam = np.where(labels.i == labels.j, 1.0, labels.lam)[pair]
    found = np.bincount(labels.i[pair], weights[pair] * lam, K)
    found += np.bincount(labels.j[pair], weights[pair] * (1 - lam), K)
    return found if labels.soft is None else found + weights[~pair] @ labels.soft[~pair]


def label_kind(
    blocks: Iterable[tuple[LabelBlock, np.ndarray]], classes: int, smoothing: float | None, unit: float = 0.0
) -> LabelKind:
    """The kind of a stream of labels with their weights. smoothing: δ, where the file says it; unit: ε of the type
    of soft labels. Smoothed mixtures of two classes, given as Y, cannot be told from unsmoothed ones."""
    seen = _Seen(unit)
    for labels, weights in blocks:
        seen.add(labels, weights)
    if seen.mass <= 0:
        raise InputError("weights must not all be zero")
    rarest = classes * float(np.min(seen.total)) / seen.mass
    if smoothing is not None:
        return LabelKind(smoothing, seen.most, seen.pure / seen.mass, classes, rarest)
    if seen.high - seen.low > seen.same(seen.high):  # no constant that all of them have
        return LabelKind(0.0, classes, seen.bare / seen.mass, classes, rarest)
    delta = classes * seen.low if seen.low > SAME else 0.0
    return LabelKind(delta, seen.most, seen.pure / seen.mass, classes, rarest, seen.same(2 * seen.low))
