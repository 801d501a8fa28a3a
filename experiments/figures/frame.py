"""A figure of a theorem's page, its alt text and a caption made from its numbers."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from matplotlib.patheffects import withStroke

FIGURES: dict[str, "Figured"] = {}
TONES = ("#08306b", "#d9722e", "#4f9d8a", "#8d8d8d")  # dark to light: told apart in greyscale too
MARKS = ("o", "s", "^", "D")
HALO = [withStroke(linewidth=3, foreground="white")]


class Figured(NamedTuple):
    """draw(figure) -> caption; alt: what is seen; size: inches."""

    draw: Callable[..., str]
    alt: str
    size: tuple[float, float]


def figure_of(theorem: str, alt: str, size: tuple[float, float] = (5.2, 3.1)):
    """Enters the function that draws a theorem's figure in the list."""

    def enter(draw):
        FIGURES[theorem] = Figured(draw, alt, size)
        return draw

    return enter


def curve(axes, x, y, n: int, words: str = "", at: int | None = None, side: int = 1, **style) -> None:
    """A line in the n-th tone, its words above (side 1) or below (-1) its point `at`, the last one by default."""
    axes.plot(x, y, color=TONES[n], lw=1.8, zorder=3, **style)
    if words:
        k = len(x) - 1 if at is None else at
        place = {
            "xytext": (5, 4 * side),
            "textcoords": "offset points",
            "va": "bottom" if side > 0 else "top",
        }
        axes.annotate(words, (x[k], y[k]), color=TONES[n], fontsize=10, path_effects=HALO, zorder=5, **place)


def dots(axes, x, y, n: int) -> None:
    """Blind optima in the n-th tone and mark."""
    axes.plot(x, y, MARKS[n], color=TONES[n], ms=5.5, mec="white", mew=0.7, zorder=4)


def worst(found, predicted) -> str:
    """The largest difference, relative to the largest prediction, in two digits."""
    found, predicted = np.asarray(found, float), np.asarray(predicted, float)
    return f"{np.abs(found - predicted).max() / np.abs(predicted).max():.1e}"
