"""The contrast figure: the usual picture for ERM, mixup, squared error and the theory, on the same axes.

Features of mixtures of three classes, less the mean of all features, in the plane of the three centred rows of W.
The unit is the mean length of the same-class ones there, so that straight interpolation passes its middle at ½.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ufm.model.problem import Problem
from ufm.pictures.plane import DIFFERENT, SAME, class_plane
from ufm.theory.predict import predict_pairs

Picture = dict[str, np.ndarray]  # xy (n, 2), tips (3, 2), i, j, lam
REACH = 1.65  # of the axes, in the same unit
WHOLE, HEAD = 0.3, 10  # length below which an arrow's head shrinks with it; its size there
ARROW = 0.62  # length at which the longest row of W is drawn


def draw_contrast(pictures: dict[str, Picture], classes: int, a: float) -> Figure:
    """One panel for each picture, and the closed form at sharpness a on the same labels (float64 needed)."""
    panels = pictures | {f"closed form, a = {a:.3g}": theory_picture(pictures["mixup"], classes, a)}
    figure = Figure(figsize=(13, 3.7), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(panels), sharex=True, sharey=True)
    for one, (title, picture) in zip(axes, panels.items()):
        _draw_panel(one, picture)
        one.set_title(title, fontsize=15)
    draw_bars(figure, axes)
    text = r"colour: $|2\lambda - 1|$      arrows: rows of W      dashed: straight lines between same-class means"
    figure.supxlabel(text, fontsize=12, color="0.25")
    return figure


def theory_picture(like: Picture, classes: int, a: float) -> Picture:
    """The closed form at the labels of another picture."""
    problem = Problem(classes, 1.0, lambda_h=classes / (classes - 1) / a)
    plane = class_plane(problem.W)
    xy = predict_pairs(problem, like["i"], like["j"], like["lam"]).H @ plane
    return like | {"xy": xy, "tips": problem.W[:3] @ plane}


def vertex_length(picture: Picture) -> float:
    """Mean length of the same-class features in the plane."""
    return float(np.linalg.norm(picture["xy"][picture["i"] == picture["j"]], axis=1).mean())


def draw_bars(figure: Figure, axes, shrink: float = 0.7, aspect: float = 18) -> None:
    """The bars of both colours beside all axes."""
    for colours, text in ((DIFFERENT, "different classes"), (SAME, "same class")):
        bar = figure.colorbar(
            ScalarMappable(Normalize(0, 1), colours),
            ax=axes,
            shrink=shrink,
            pad=0.008,
            aspect=aspect,
            ticks=[0, 1],
        )
        bar.set_label(text, fontsize=12, labelpad=-6)
        bar.ax.tick_params(labelsize=11)
        bar.outline.set_visible(False)


def draw_mixtures(axes: Axes, picture: Picture, unit: float, reach: float = REACH) -> None:
    """The features of a picture in units of a length, in axes of this reach."""
    xy, purity = picture["xy"] / unit, np.abs(2 * picture["lam"] - 1)
    same = picture["i"] == picture["j"]
    for mask, colours, layer in ((~same, DIFFERENT, 2), (same, SAME, 3)):
        shade = {"c": purity[mask], "cmap": colours, "vmin": 0, "vmax": 1}
        axes.scatter(*xy[mask].T, s=9, lw=0, alpha=0.8, zorder=layer, rasterized=True, **shade)
    axes.set(xlim=(-reach, reach), ylim=(-reach + 0.1, reach + 0.1), aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_color("0.8")


def draw_rows(axes: Axes, tips: np.ndarray, longest: float) -> None:
    """Rows of W (3, 2) as arrows, one of length `longest` as ARROW; none for a row that is zero."""
    style = {"arrowstyle": "-|>,head_width=0.3,head_length=0.6", "color": "black", "lw": 2, "shrinkA": 0}
    for tip in ARROW * tips[np.any(tips != 0, axis=1)] / longest:
        head = {"shrinkB": 0, "mutation_scale": HEAD * min(1.0, np.linalg.norm(tip) / WHOLE)}
        axes.annotate("", tip, (0, 0), arrowprops=style | head, zorder=5)


def row_length(tips: np.ndarray) -> float:
    """Length of the longest row."""
    return float(np.linalg.norm(tips, axis=1).max())


def _draw_panel(axes: Axes, picture: Picture) -> None:
    unit, same = vertex_length(picture), picture["i"] == picture["j"]
    corners = np.stack([picture["xy"][same & (picture["i"] == k)].mean(0) for k in range(3)]) / unit
    axes.plot(*corners[[0, 1, 2, 0]].T, color="0.6", lw=1, ls="--", zorder=1)
    draw_mixtures(axes, picture, unit)
    draw_rows(axes, picture["tips"], row_length(picture["tips"]))
