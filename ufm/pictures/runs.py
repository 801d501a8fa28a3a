"""The picture of several comparisons: metrics, fit and verdict against their order."""

import re
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

import ufm.pictures.plane as plane
import ufm.pictures.words.runs as words
from ufm.output.network.runs import Run, short_names
from ufm.pictures.frame import Picture, picture
from ufm.rules.files import Size

HEIGHTS = {"text": 2.4, "column": 6.6}
MANY = 12  # names on an axis


def draw_runs(runs: Sequence[Run], size: Size = "text") -> Picture:
    """Three panels of metrics, a point a network."""
    names = short_names([run.name for run in runs])
    with picture(size, HEIGHTS, [f"{len(runs)} networks beside one another"]) as figure:
        _draw(figure.subplots(*((1, 3) if figure.wide else (3, 1))).ravel().tolist(), runs, names)
    figure.caption, figure.seen = words.caption(runs), words.seen(len(runs))
    return figure


def _draw(panels: Sequence[Axes], runs: Sequence[Run], names: list[str]) -> None:
    """Collapse, R² with its interval, and distance from the optimum, a point a network."""
    left, middle, right = panels
    for key, label, colour, marker in (
        ("nc1", "NC1", plane.BLUE, "o"),
        ("nc2", "NC2 of means", plane.ORANGE, "s"),
        ("nc3", "NC3", "0.35", "^"),
    ):
        _line(left, runs, key, label, colour, marker)
    _finish(left, "neural collapse (0 is collapse)", names, log=True)
    _line(middle, runs, "r2", "closed form", plane.BLUE, "o")
    ends = [(n, *run.interval) for n, run in enumerate(runs) if run.interval is not None]
    if ends:
        at, low, high = np.array(ends).T
        middle.vlines(at, low, high, color=plane.BLUE)
    _finish(middle, "$R^2$ of the closed form, with interval", names, legend=None)
    for key, label, colour, marker in (
        ("etf", "W from a simplex ETF", "0.35", "^"),
        ("excess", "excess / excess of h = 0", plane.BLUE, "o"),
        ("gap", "relative gap", plane.ORANGE, "s"),
    ):
        _line(right, runs, key, label, colour, marker)
    _finish(right, "distance from the optimum", names, log=True)
    shared = runs[0].name.removesuffix(".npz").removesuffix(names[0]).rpartition("/")[2]
    for axes in panels:
        axes.set_xlabel(f"{shared}…" if shared else "")


def _line(axes: Axes, runs: Sequence[Run], key: str, label: str, colour, marker: str) -> None:
    points = [(n, getattr(run, key)) for n, run in enumerate(runs) if getattr(run, key) is not None]
    if points:
        in_line = (
            len({re.sub(r"\d+", "#", run.name) for run in runs}) == 1
        )  # else nothing leads from one to the next
        axes.plot(
            *np.array(points).T,
            marker=marker,
            ls="-" if in_line else "",
            color=colour,
            label=label,
        )


def _finish(axes: Axes, title: str, names: list[str], log: bool = False, legend: str | None = "best") -> None:
    values = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines] or [np.ones(1)])
    if log and (values > 0).all():
        axes.set_yscale("log")
    shown = np.unique(np.linspace(0, len(names) - 1, min(len(names), MANY)).round().astype(int))
    axes.set_xticks(shown, [names[n] for n in shown], rotation=35, ha="right", rotation_mode="anchor")
    plane.finish(axes, title, "", "", legend)
