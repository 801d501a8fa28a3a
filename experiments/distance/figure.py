"""Distance to the optimum against n/D and against time."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from experiments.distance.law.fit import Rows, take
from experiments.distance.numbers import RESPONSES, main_rows

LABELS = {"far_features": r"$1 - R^2$ of features", "excess_share": r"excess over that of $h = 0$"}


def draw(rows: Rows) -> Figure:
    """Rows: 1 − R², excess. Columns: against n/D at the last budget, and against steps. K = 10, λ = 0.01; dots are
    runs, lines geometric means over seeds."""
    rows = main_rows(rows)
    figure = Figure(figsize=(11, 8.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2, sharey="row")
    for line, name in zip(axes, RESPONSES):
        _against_ratio(line[0], rows, name)
        _against_time(line[1], rows, name)
        line[0].set_ylabel(LABELS[name], fontsize=12)
    axes[0, 0].legend(fontsize=10.5, frameon=False, loc="upper left")
    axes[0, 1].legend(fontsize=9.5, frameon=False, loc="lower left", ncols=2)
    return figure


def _against_ratio(axes: Axes, rows: Rows, name: str) -> None:
    last = rows["steps"].max()
    dimensions = np.unique(rows["dimension"])
    for number, dimension in enumerate(dimensions):
        use = take(rows, (rows["steps"] == last) & (rows["dimension"] == dimension))
        colour = colormaps["viridis"](0.9 * number / max(1, len(dimensions) - 1))
        _curve(axes, use["images"] / use["dimension"], use[name], colour, f"D = {dimension}")
    _frame(axes, "n/D", f"after {last} steps")


def _against_time(axes: Axes, rows: Rows, name: str) -> None:
    few = np.unique(rows["dimension"])[-2]
    images = np.unique(rows["images"])
    for number, n in enumerate(images):
        use = take(rows, (rows["images"] == n) & (rows["dimension"] == few))
        colour = colormaps["plasma"](0.88 * number / max(1, len(images) - 1))
        _curve(axes, use["steps"], use[name], colour, f"n/D = {n / few:.2g}")
    use = take(rows, (rows["images"] == images[0]) & (rows["dimension"] == few))
    t = np.unique(use["steps"]).astype(float)
    top = np.exp(np.log(use[name][use["steps"] == t[0]]).mean())
    axes.plot(t, top * t[0] / t, color="0.5", lw=1.2, ls=(0, (4, 3)), label="1/t")
    _frame(axes, "steps", f"D = {few}")


def _curve(axes: Axes, x: np.ndarray, y: np.ndarray, colour, label: str) -> None:
    places = np.unique(x)
    axes.plot(x, y, "o", ms=3, color=colour, alpha=0.45)
    axes.plot(places, [np.exp(np.log(y[x == at]).mean()) for at in places], color=colour, lw=1.8, label=label)


def _frame(axes: Axes, words: str, title: str) -> None:
    axes.set(xscale="log", yscale="log")
    axes.set_xlabel(words, fontsize=11)
    axes.set_title(title, fontsize=12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, which="major", color="0.92", lw=0.7)
