"""Curves of the theory, and the points judged by them."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from experiments.phases.points import CLASSES, Setting, Solved, class_law
from ufm.model.atoms import finite_law
from ufm.theory.theorems.joint import GAP_TOLERANCE
from ufm.theory.thresholds import minority_collapse, triviality

MARGIN = 1e-3  # relative distance from a curve below which a point is not judged


class Curves(NamedTuple):
    """Values of λ_W λ_H from which on W = 0, and from which on the two small classes coincide."""

    trivial: float
    minority: float


class Tally(NamedTuple):
    """Counts of judged points: agree, disagree, not certified, within the margin of a curve."""

    agree: int
    disagree: int
    uncertified: int
    near: int


@cache
def theory(alpha: float, imbalance: float) -> Curves:
    """The thresholds of one column. Equal weights: (α+1)/((2α+1)K), and nothing collapses before W = 0."""
    law = class_law(alpha, imbalance)
    if imbalance == 1:
        return Curves((alpha + 1) / ((2 * alpha + 1) * CLASSES), np.inf)
    least = minority_collapse(law, CLASSES, 1.0)[0]  # groups come in rising order of their weight
    return Curves(triviality(finite_law(law, CLASSES), 1.0).value, least.value)


def predict(setting: Setting, curves: Curves) -> str:
    """The phase that the theory gives for a point."""
    for name, value in zip(("trivial", "minority"), curves):
        if setting.product >= value:
            return name
    return "etf" if setting.imbalance == 1 else "distinct"


def tally(
    points: dict[Setting, Solved], curves: Callable[[float, float], Curves] = theory
) -> tuple[Tally, list[Setting]]:
    """Judge every point by the curves; the second value lists those that disagree."""
    agree, wrong, uncertified, near = 0, [], 0, 0
    for setting, solved in points.items():
        column = curves(setting.alpha, setting.imbalance)
        if not solved.relative_gap <= GAP_TOLERANCE:
            uncertified += 1
        elif any(abs(setting.product / value - 1) < MARGIN for value in column):
            near += 1
        elif predict(setting, column) != solved.region:
            wrong.append(setting)
        else:
            agree += 1
    return Tally(agree, len(wrong), uncertified, near), wrong
