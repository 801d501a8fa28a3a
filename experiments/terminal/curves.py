"""One figure of a cell: displacement, length along the channel and predictions by bin of λ, for three arms."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ufm.pictures.plane import BLUE, CURVE

ARMS = {"mixup": "mixup, learned W", "etf": "mixup, fixed ETF", "erm": "ERM"}
ROWS = (  # x, network, closed form, names of the axes
    ("logit", "displacement", "displacement_predicted", r"logit $\lambda$", "across the channel"),
    ("lam", "along", "along_predicted", r"$\lambda$", "along, over straight line"),
    ("lam", "first", "first_predicted", r"$\lambda$", r"mean $p_i$"),
)


def draw_curves(records: list[dict[str, dict]]) -> Figure:
    """Dots of every seed on the closed form's line; a row a quantity, a column an arm."""
    figure = Figure(figsize=(11, 9.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(ROWS), len(ARMS), sharey="row")
    for line, row in zip(axes, ROWS):
        for one, (arm, title) in zip(line, ARMS.items()):
            _draw(one, [seed[arm] for seed in records if arm in seed], row)
            one.set_title(title, fontsize=12)
            one.set_xlabel(row[3], fontsize=11)
            one.spines[["top", "right"]].set_visible(False)
        line[0].set_ylabel(row[4], fontsize=12)
    axes[0, 0].legend(fontsize=10.5, frameon=False, loc="upper left")
    return figure


def _draw(axes: Axes, runs: list[dict], row: tuple) -> None:
    kept = [run["curves"] for run in runs if run["curves"]]
    for number, curves in enumerate(kept):
        x, seen, predicted = (np.array(curves[name], float) for name in row[:3])
        axes.plot(x, predicted, label=None if number else "closed form", **CURVE)
        axes.plot(x, seen, "o", ms=3.5, color=BLUE, alpha=0.7, label=None if number else "network")
