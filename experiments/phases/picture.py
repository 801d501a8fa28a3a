"""A diagram drawn: a mark for each solved point, the curves of the theory over them, the phases by their names.

Phases differ by colour, by lightness and by mark: zero is a small pale dot, a partial phase an orange square, the
whole one a blue disc, shaded by its order parameter. A point that contradicts the curves is crossed out in red, one
that is not certified to be optimal is a question mark.
"""

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from experiments.phases.frame import Axis, Curve, Diagram, Points, tally, verdict
from experiments.tools.png import save_png

BLUE = ListedColormap(colormaps["Blues"](np.linspace(0.5, 1.0, 256)), name="blues-dark")
MARKS = {"zero": ("o", "#b9b4aa", 0.35), "partial": ("s", "#ee9a66", 0.62), "other": ("X", "#000000", 0.5)}
HALO = [withStroke(linewidth=3, foreground="white")]
BOX = {"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": "none", "alpha": 0.88}


def draw(diagram: Diagram, points: Points, path: Path) -> None:
    """Written to path as a PNG of few colours."""
    figure = Figure(figsize=(6.0, 4.6), dpi=140, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    _frame(axes, diagram)
    figure.suptitle(diagram.title, fontsize=13)
    axes.set_title(counted(diagram, points), fontsize=10, color="0.25")
    _marks(axes, diagram, points)
    for curve in diagram.curves:
        _curve(axes, diagram, curve, "-")
    for curve in diagram.extras:
        _curve(axes, diagram, curve, (0, (4, 2.5)))
    for phase in diagram.phases:
        axes.text(
            *phase.at, phase.words, ha="center", va="center", fontsize=13, weight="bold", bbox=BOX, zorder=6
        )
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), BLUE), ax=axes, pad=0.015, aspect=28)
    bar.set_label(diagram.shade, fontsize=11)
    save_png(figure, path)


def counted(diagram: Diagram, points: Points) -> str:
    """What became of the points, in a line."""
    counts = tally(diagram, points)
    words = f"{len(points)} points solved blindly: {counts.agree} agree, {counts.contradict} contradict"
    words += f", {counts.undecided} on a curve" if counts.undecided else ""
    return words + (f", {counts.uncertified} not certified" if counts.uncertified else "")


def _frame(axes: Axes, diagram: Diagram) -> None:
    for name, axis in (("x", diagram.x), ("y", diagram.y)):
        axes.set(**{f"{name}scale": "linear" if axis.linear else "log"})
        axes.set(**{f"{name}lim": _limits(axis, diagram.sizes[0]), f"{name}label": axis.label})
        (axes.set_xticks if name == "x" else axes.set_yticks)(
            axis.ticks, [f"{tick:g}" for tick in axis.ticks]
        )
    axes.tick_params(which="minor", bottom=False, left=False, labelleft=False, labelbottom=False)
    axes.xaxis.label.set_size(12)
    axes.yaxis.label.set_size(12)


def _limits(axis: Axis, count: int) -> tuple[float, float]:
    """Half a step beyond the ends."""
    low, high = (axis.low, axis.high) if axis.linear else (np.log(axis.low), np.log(axis.high))
    step = 0.55 * (high - low) / (count - 1)
    return (low - step, high + step) if axis.linear else (np.exp(low - step), np.exp(high + step))


def _marks(axes: Axes, diagram: Diagram, points: Points) -> None:
    styles = {phase.name: phase.style for phase in diagram.phases}
    room = min(72 * 4.3 / (len({x for x, _ in points}) + 1), 16)
    judged = {at: verdict(diagram, at, found) for at, found in points.items()}
    for style in ("full", *MARKS):
        here = {at: found for at, found in points.items() if styles.get(found.phase, "other") == style}
        here = {at: found for at, found in here.items() if judged[at] != "uncertified"}
        mark, colour, share = MARKS.get(style, ("o", None, 0.86))
        colours = BLUE([found.order for found in here.values()]) if colour is None else colour
        axes.scatter(*_split(here), s=(share * room) ** 2, c=colours, marker=mark, linewidths=0)
    for word, mark, colour in (("uncertified", "$?$", "0.3"), ("contradict", "x", "#d00000")):
        these = [at for at in points if judged[at] == word]
        axes.scatter(*_split(these), s=room**2, c=colour, marker=mark, zorder=7)


def _split(points) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _curve(axes: Axes, diagram: Diagram, curve: Curve, dashes) -> None:
    low, high = axes.get_xlim()
    x = np.array(Axis("", max(low, diagram.x.low), high, (), diagram.x.linear).points(240))
    y = np.array([curve.value(float(at)) for at in x])
    width = 2.2 if dashes == "-" else 1.5
    axes.plot(x, y, color="black", lw=width, ls=dashes, path_effects=HALO, zorder=4)
    at = int(curve.share * (len(x) - 1))
    near = slice(max(at - 4, 0), at + 5)
    ends = axes.transData.transform(np.stack([x[near], y[near]], 1))
    slope = np.degrees(np.arctan2(*(ends[-1] - ends[0])[::-1]))
    axes.annotate(
        curve.words,
        (x[at], y[at]),
        xytext=(-4 * curve.side * np.sin(np.radians(slope)), 4 * curve.side * np.cos(np.radians(slope))),
        textcoords="offset points",
        ha="center",
        va="bottom" if curve.side > 0 else "top",
        rotation=slope,
        rotation_mode="anchor",
        fontsize=11,
        path_effects=HALO,
        zorder=5,
    )
