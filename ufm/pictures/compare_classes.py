"""Panels of a comparison where no input is mixed: the classes, their means and rows of W, and their spread."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import MaxNLocator

import ufm.pictures.plane as plane
from ufm.network.collapse.classes import class_values
from ufm.network.features import FeatureSet
from ufm.pictures.frame import Picture

BARS = 40  # classes up to which each has a bar
WRITTEN = 8  # and its cosines are written down
SIGNED = 20  # or only where they are negative


def draw_classes(
    figure: Picture, panels: tuple[Axes, Axes, Axes, Axes], clean: FeatureSet, W: Float[np.ndarray, "K d"]
) -> None:
    """Cosines of class means; of rows of W with class means; spread by class; lengths by class."""
    stats = clean.stats
    if stats is None:
        for axes in panels:
            plane.say(axes, "no class means")
        return
    M, V = stats.centred("class"), W - W.mean(0)
    values = class_values(stats)
    _map(figure, panels[0], _unit(M) @ _unit(M).T, "(a) cosines of class means")
    _map(figure, panels[1], _unit(V) @ _unit(M).T, "(b) cosines of rows of W with means")
    _bars(panels[2], values["cdnv"], "(c) spread over squared distance", "CDNV")
    _bars(panels[3], values["norm_means"], "(d) lengths of class means", "")


def _unit(A: np.ndarray) -> np.ndarray:
    size = np.linalg.norm(A, axis=1, keepdims=True)
    return A / np.where(size > 0, size, 1.0)


def _map(figure: Picture, axes: Axes, values: np.ndarray, title: str) -> None:
    drawn = axes.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, aspect="equal" if figure.wide else "auto")
    for r, c in np.ndindex(*values.shape) if len(values) <= SIGNED else ():
        colour = "white" if abs(values[r, c]) > 0.6 else "black"  # opposite cosines are one grey
        text = f"{values[r, c]:.2f}" if len(values) <= WRITTEN else "−" * bool(values[r, c] < -0.005)
        axes.text(c, r, text, color=colour, ha="center", va="center", fontsize=plane.LETTERS)
    _whole(axes.xaxis)
    _whole(axes.yaxis)
    plane.finish(axes, title, "class", "class")
    plane.colour_bar(figure, drawn, "cosine", ax=axes, shrink=0.8)


def _whole(axis: Axis) -> None:
    """Class numbers and nothing between them."""
    axis.set_major_locator(MaxNLocator(integer=True))


def _bars(axes: Axes, values: np.ndarray, title: str, label: str) -> None:
    if len(values) <= BARS:
        axes.bar(np.arange(len(values)), values, color=plane.BLUE, width=0.7)
        _whole(axes.xaxis)
    else:
        axes.plot(np.sort(values), color=plane.BLUE, lw=1.2)
    plane.finish(axes, title, "class" if len(values) <= BARS else "classes, sorted", label)
