"""A phase diagram as a value, and the judgement of its points.

A plane (x, y) is cut into phases by curves y = f(x) of the theory, from the highest down: a phase holds at and
above its curve, the last one below all curves. A point is solved by something that knows no curve, and its phase is
read off the solution.
"""

from collections.abc import Callable
from functools import cache
from itertools import chain
from typing import NamedTuple

import numpy as np

GAP = 1e-9  # relative gap at which a solution counts as certified
MARGIN = 1e-3  # relative distance from a curve below which a point says nothing


class Found(NamedTuple):
    """What is kept of a solution: its phase, the order parameter that shades it (0 … 1), relative gap (nan where no
    bound is known), objective."""

    phase: str
    order: float
    gap: float
    objective: float


class Axis(NamedTuple):
    """What it is, from where to where, and its ticks; logarithmic unless `linear`."""

    label: str
    low: float
    high: float
    ticks: tuple[float, ...]
    linear: bool = False

    def points(self, count: int) -> list[float]:
        """From end to end."""
        spaced = np.linspace if self.linear else np.geomspace
        return [float(value) for value in spaced(self.low, self.high, count)]


class Phase(NamedTuple):
    """Its name, the words written into the plane and where; style: zero, partial or full."""

    name: str
    words: str
    at: tuple[float, float]
    style: str


class Curve(NamedTuple):
    """y over x, and the words along it: at a share of the axis, above (1) or below (-1) the curve."""

    value: Callable[[float], float]
    words: str
    share: float = 0.5
    side: int = 1


@cache
def _heights(curves: tuple[Curve, ...], x: float) -> tuple[float, ...]:
    """Kept: all points of a column are judged by them, and more than once."""
    return tuple(curve.value(x) for curve in curves)


class Diagram(NamedTuple):
    """phases from the highest down, one more than curves; shade: what the order parameter is; theorem: on whose
    page the picture is shown; alt: for who does not see it; extras: curves that are drawn dashed and judge nothing;
    best: where solutions have no gap, the objective of the closed form; sizes: points an axis, whole and quick."""

    name: str
    title: str
    x: Axis
    y: Axis
    solve: Callable[[float, float], Found]
    phases: tuple[Phase, ...]
    curves: tuple[Curve, ...]
    shade: str
    theorem: str
    alt: str
    extras: tuple[Curve, ...] = ()
    best: Callable[[float, float], float] | None = None
    sizes: tuple[int, int] = (25, 7)

    def grid(self, quick: bool = False) -> list[tuple[float, float]]:
        """All points, column by column."""
        count = self.sizes[quick]
        return [(x, y) for x in self.x.points(count) for y in self.y.points(count)]

    def heights(self, x: float) -> tuple[float, ...]:
        """y of each curve at x."""
        return _heights(self.curves, x)

    def predict(self, x: float, y: float) -> str:
        """The phase that the theory gives."""
        passed = chain((y >= height for height in self.heights(x)), [True])
        return next(phase.name for phase, above in zip(self.phases, passed) if above)


class Tally(NamedTuple):
    """Numbers of points: that agree, that contradict the curves, that are too near to one for the gap they were
    solved to (or for MARGIN), and that are not certified to be optimal."""

    agree: int
    contradict: int
    undecided: int
    uncertified: int


Points = dict[tuple[float, float], Found]


def verdict(diagram: Diagram, at: tuple[float, float], found: Found) -> str:
    """The field of `Tally` that the point counts in. The amplitude of a mode goes with the root of the gap.

    Without a gap, a point above the closed form's objective is a failed search, and one below it contradicts.
    """
    gap, lower = found.gap, False
    if diagram.best is not None:
        above = found.objective - diagram.best(*at)
        gap, lower = max(above, 0.0), above < -GAP
    if not gap <= GAP:
        return "uncertified"
    if any(abs(at[1] / height - 1) < max(MARGIN, gap**0.5) for height in diagram.heights(at[0])):
        return "undecided"
    return "agree" if diagram.predict(*at) == found.phase and not lower else "contradict"


def tally(diagram: Diagram, points: Points) -> Tally:
    """All points of a diagram judged."""
    verdicts = [verdict(diagram, at, found) for at, found in points.items()]
    return Tally(*(verdicts.count(name) for name in Tally._fields))
