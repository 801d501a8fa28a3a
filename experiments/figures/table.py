"""All figures, and one drawn."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from experiments.figures import collapse, geometry, growth, shapes  # noqa: F401  they enter their figures
from experiments.figures.frame import FIGURES
from experiments.tools.png import save_png


def draw(theorem: str, path: Path) -> str:
    """Written to path; returns the caption."""
    wanted = FIGURES[theorem]
    figure = Figure(figsize=wanted.size, dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    caption = wanted.draw(figure)
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    save_png(figure, path)
    return caption


__all__ = ["FIGURES", "draw"]
