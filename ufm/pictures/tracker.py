"""A network in training against epochs: how well the closed form fits, how far from the optimum, how collapsed."""

from collections.abc import Sequence
from math import nan
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

import ufm.pictures.plane as plane
import ufm.pictures.words.tracker as words
from ufm.pictures.frame import Picture, picture
from ufm.rules.files import Size

# title, lines by column, whether the scale is logarithmic
PANELS: tuple[tuple[str, dict[str, str], bool], ...] = (
    (
        "logits against the closed form",
        {"r2": "$R^2$ of the closed form", "r2_linear": "of a straight line"},
        False,
    ),
    ("accuracy", {"accuracy": "clean", "test_accuracy": "held out"}, False),
    ("spread within classes", {"nc1": "NC1", "nc1_ratio": "ratio of traces", "cdnv": "CDNV"}, True),
    (
        "distance from a simplex ETF",
        {
            "nc2_simplex_means": "class means",
            "nc2_simplex_rows": "rows of $W$",
            "nc3_distance": "one from the other",
        },
        True,
    ),
    (
        "excess over the optimal features",
        {"excess_ratio": "share of that of $h=0$", "excess": "excess"},
        True,
    ),
)
STYLES = ((plane.BLUE, "o", "-"), (plane.RED, "s", "--"), (plane.ORANGE, "^", ":"))


def draw_tracker(rows: Sequence[dict[str, Any]], size: Size = "text") -> Picture:
    """Rows of a log of a tracker, one figure of all panels that it has columns for. rows: by name, with epoch."""
    panels = [panel for panel in PANELS if any(name in rows[0] for name in panel[1])]
    epochs = np.array([row["epoch"] for row in rows])
    across = 3 if size == "text" else 1
    down = max(1, -(-len(panels) // across))
    with picture(size, {size: 1.8 * down}) as figure:
        for n, (title, lines, log) in enumerate(panels):
            axes = figure.add_subplot(down, across, n + 1)
            _draw(axes, epochs, rows, lines, log)
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            plane.finish(axes, title, "epoch", legend="best")
    figure.caption, figure.seen = words.caption(rows), words.seen([title for title, *_ in panels])
    return figure


def _draw(
    axes: Axes, epochs: np.ndarray, rows: Sequence[dict[str, Any]], lines: dict[str, str], log: bool
) -> None:
    """The columns that are there; what is not positive has no place on a logarithmic scale."""
    for (name, label), (colour, marker, style) in zip(lines.items(), STYLES):
        values = np.array([row.get(name, nan) for row in rows], float)
        values[~np.isfinite(values) | (log & (values <= 0))] = nan
        if np.isfinite(values).any():
            axes.plot(epochs, values, marker=marker, ls=style, ms=2.6, color=colour, label=label)
            if log:
                axes.set_yscale("log")
