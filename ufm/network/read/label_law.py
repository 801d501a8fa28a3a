"""Which law soft labels were drawn from, as their rows show it: one-hot, smoothed, mixed, k-way, or anything
else."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ufm.network.read.label_rows import SAME, LabelBlock

FEW = 5  # a label of more classes than this is called soft


class LabelKind(NamedTuple):
    """What the labels of positive weight are.

    delta: δ of the smoothing (1−δ) y + δ/K that all of them share, 0 without. most: classes of a label at most, the
    constant left out. pure: share of labels of one class.
    """

    delta: float
    most: int
    pure: float
    classes: int

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

    def __init__(self) -> None:
        self.low, self.high, self.most = np.inf, -np.inf, 1
        self.pure, self.bare, self.mass = 0.0, 0.0, 0.0

    def add(self, labels: LabelBlock, weights: np.ndarray) -> None:
        use, pair = weights > 0, labels.i >= 0
        one = labels.pure() >= 0
        self.mass += float(weights.sum())
        if (pair & use).any():
            self.low, self.high = min(self.low, 0.0), max(self.high, 0.0)
            self.most = max(self.most, 1 if one[pair & use].all() else 2)
        rest = ~pair & use
        bare = one.copy()
        if labels.soft is not None and rest.any():
            floor = labels.soft.min(1)
            above = (labels.soft > np.where(floor > SAME, floor + SAME, 0.0)[:, None]).sum(1)
            self.low, self.high = (
                min(self.low, float(floor[rest].min())),
                max(self.high, float(floor[rest].max())),
            )
            self.most = max(self.most, int(above[rest].max()))
            one, bare = np.where(rest, above == 1, one), np.where(rest, (above == 1) & (floor <= SAME), bare)
        self.pure, self.bare = self.pure + float(weights @ one), self.bare + float(weights @ bare)


def label_kind(
    blocks: Iterable[tuple[LabelBlock, np.ndarray]], classes: int, smoothing: float | None
) -> LabelKind:
    """The kind of a stream of labels with their weights. smoothing: δ, where the file says it."""
    seen = _Seen()
    for labels, weights in blocks:
        seen.add(labels, weights)
    if smoothing is not None:
        return LabelKind(smoothing, seen.most, seen.pure / seen.mass, classes)
    if (
        seen.high - seen.low > SAME
    ):  # no constant that all labels have; of two classes a label is a mixture all the same
        return LabelKind(0.0, classes, seen.bare / seen.mass, classes)
    delta = classes * seen.low if seen.low > SAME else 0.0
    return LabelKind(delta, seen.most, seen.pure / seen.mass, classes)
