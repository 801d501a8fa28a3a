"""What the pictures share: colours, panels, and rows of W as named arrows over features in a plane."""

from math import sqrt
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure

from ufm.model.laws import LabelLaw


def trimmed(name: str) -> Colormap:
    """A sequential map without its palest part, so that every point shows on white."""
    return ListedColormap(colormaps[name](np.linspace(0.28, 1.0, 256)), name=f"{name}-trimmed")


Style = dict[str, Any]  # keywords for matplotlib
SAME, DIFFERENT, OTHER = trimmed("Reds"), trimmed("Blues"), trimmed("viridis_r")
RED, BLUE, LIGHT_BLUE, ORANGE = SAME(0.75), DIFFERENT(0.85), DIFFERENT(0.35), "#d95f02"
CURVE: Style = {"color": "0.35", "lw": 0.9, "zorder": 2}
RING: Style = {"facecolors": "none", "edgecolors": "0.35", "linewidths": 0.8, "zorder": 2}
DOTS: Style = {"cmap": DIFFERENT, "vmin": 0, "vmax": 1, "lw": 0, "zorder": 3}  # c: purity
ARROW: Style = {"arrowstyle": "-|>,head_width=0.2,head_length=0.45", "color": "black", "lw": 1.0}
ARROW |= {"shrinkA": 0, "shrinkB": 0}
LETTERS = 7  # points of words in a panel
NAMED = 12  # arrows up to which every class is named
LAW_NAMES = {
    "cutmix": "CutMix",
    "onehot": "one-hot labels",
    "labels": "given labels",
    "smoothing": "label smoothing",
}


# panels


def say(axes: Axes, text: str) -> None:
    """Words in the place of a panel."""
    axes.set_axis_off()
    axes.text(0.5, 0.55, text, ha="center", va="center", fontsize="large", linespacing=1.5)


def finish(axes: Axes, title: str, x: str = "", y: str = "", legend: Any = None, columns: int = 1) -> None:
    """Title and names of the axes; where the legend is, if there is one."""
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if legend and axes.get_legend_handles_labels()[1]:
        axes.legend(loc=legend, ncols=columns)


BACK: Style = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6}  # of words over points


def corners(axes: Axes, below: str, above: str = "", colour: Any = "black") -> None:
    """Words in the two corners that a rising curve leaves empty: below it on the right, above it on the left."""
    style: Style = {"xycoords": "axes fraction", "bbox": BACK}
    label(axes, below, (0.98, 0.03), ha="right", va="bottom", color="0.35", **style)
    label(axes, above, (0.02, 0.97), ha="left", va="top", color=colour, **style)


def label(axes: Axes, text: str, at, offset=(0.0, 0.0), **style) -> None:
    """Words beside what they name: a point in the coordinates of the data; offset: points on paper."""
    place: Style = {"xytext": offset, "textcoords": "offset points", "fontsize": LETTERS, "zorder": 5}
    axes.annotate(text, at, **place | style)


def colour_bar(figure: Figure, drawn, label: str = "", **place) -> None:
    """The scale of what was drawn; place: keywords of `Figure.colorbar`."""
    bar = figure.colorbar(drawn, **place)
    bar.ax.set_gid(str(figure.axes.index(drawn.axes)))  # which panel it belongs to
    bar.set_label(label)
    bar.outline.set_visible(False)


def problem_lines(problem, *more: str) -> list[list[str]]:
    """Two lines of a title: sizes, loss and law of a problem of any kind; its penalties, and what else is said."""
    penalties = [rf"$\lambda_W$ = {problem.lambda_w:.3g}", rf"$\lambda_H$ = {problem.lambda_h:.3g}"]
    sizes = [f"$K$ = {problem.classes}", f"$d$ = {problem.dim}", problem.loss, name_law(problem.law)]
    return [sizes, [*penalties, *more]]


def name_law(law: LabelLaw) -> str:
    """A label law in words and mathtext, with everything that makes it uneven."""
    parts = [f"{law.ways}-way mixing" if law.name == "kway" else LAW_NAMES.get(law.name, law.name)]
    if law.alpha is not None:
        parts.append(rf"$\alpha$ = {law.alpha:.4g}")
    if law.smoothing:
        parts.append(rf"$\delta$ = {law.smoothing:.4g}")
    if law.pairs != "all" and law.alpha is not None:
        parts.append(f"{law.pairs} classes")
    if law.class_weights is not None:
        more = ", …" * (len(law.class_weights) > 8)
        parts.append("class weights " + ", ".join(f"{q:.3g}" for q in law.class_weights[:8]) + more)
    return ", ".join(parts + ["weighted"] * (law.label_weights is not None))


# the plane


def class_plane(W: Float[np.ndarray, "K d"]) -> Float[np.ndarray, "d 2"]:
    """Isometry P from feature space to the plane of the first three classes (a line for K = 2): xy = h P.

    With C the centred 3 x d block and Q its polar factor, P = Qᵀ T, where the rows of T are an
    equilateral triangle with T Tᵀ = Π: an ETF's rows point to its corners, class 0 upwards.
    """
    block = W[: min(len(W), 3)] - W[:3].mean(0)
    n = len(block)
    left, size, right = np.linalg.svd(block, full_matrices=False)
    rank = int(np.sum(size > 1e-9 * max(size[0], 1e-300)))
    angle = (np.pi / 2 if n == 3 else 0.0) + 2 * np.pi * np.arange(n) / n
    corners = sqrt(2 / n) * np.stack([np.cos(angle), np.sin(angle)], 1)
    if n == 2:
        corners = np.array([[1.0, 0.0], [-1.0, 0.0]]) / sqrt(2)
    return (left[:, :rank] @ right[:rank]).T @ corners


def draw_rows(axes: Axes, tips: Float[np.ndarray, "n 2"], classes, xy, line: bool = False) -> str:
    """Rows of W as arrows over the points xy (N, 2), named beyond them; returns what to say of their length.

    To scale unless too short or too long to read. line: all lie on the x axis, and are drawn below y = 0.
    """
    xy = xy[np.isfinite(xy).all(1)]
    sizes = np.abs(xy[:, 0]) if line else np.linalg.norm(xy, axis=1)
    reach, longest = sizes.max(initial=0.0), np.linalg.norm(tips, axis=1).max()
    readable = reach == 0 or longest == 0 or 0.2 < longest / reach < 0.8
    scale = 1.0 if readable else 0.5 * reach / longest
    base, tips = np.array([0.0, -0.14 if line else 0.0]), scale * tips
    for tip in tips:
        axes.annotate("", base + tip, (base[0], base[1]), arrowprops=ARROW, zorder=4)
    axes.update_datalim(np.concatenate([base + 1.1 * tips, [base]]))
    zero = _name_rows(axes, tips, classes, xy, base[1] if line else None) if len(tips) <= NAMED else []
    size = "" if scale == 1 else f", length × {float(f'{scale:.2g}'):g}"
    return size + (f"; zero row: {', '.join(map(str, zero))}" if zero else "")


def _name_rows(axes: Axes, tips, classes, xy, line: float | None) -> list[int]:
    """Class numbers, one text for rows of one direction (line, its height: for rows that coincide); zero rows."""
    sizes, numbers = np.linalg.norm(tips, axis=1), np.array(classes)
    some = sizes > 1e-6 * sizes.max()
    places = tips[some] if line is not None else tips[some] / sizes[some, None]
    for out, names in same_places(places, numbers[some].tolist(), 1e-3 * np.abs(places).max(initial=0.0)):
        text = f"{'class' if len(names) == 1 else 'classes'} {', '.join(map(str, names))}"
        if line is not None:
            text = text if len(tips) == 2 else text.split(" ", 1)[1]  # three may be close
            axes.text(out[0], line - 0.05, text, ha="center", va="top")
            continue
        at = max(np.max(xy @ out, initial=0.0), np.max(tips @ out)) * out
        side = "center" if abs(out[0]) < 0.3 else "left" if out[0] > 0 else "right"
        up = "bottom" if out[1] > 0.3 else "top" if out[1] < -0.6 else "center"
        label(axes, text, at, 9 * out, ha=side, va=up, fontsize="medium")
        axes.update_datalim([1.2 * at])  # room for the text
    return numbers[~some].tolist()


def same_places(tips, classes, tolerance: float) -> list[tuple[np.ndarray, list]]:
    """Distinct arrow tips, each with the classes that share it."""
    places: list[tuple[np.ndarray, list]] = []
    for k, tip in zip(classes, tips):
        shared = [names for other, names in places if np.linalg.norm(tip - other) <= tolerance]
        if shared:
            shared[0].append(k)
        else:
            places.append((tip, [k]))
    return places


def frame(axes: Axes, line: bool, title: str, x: str, y: str) -> None:
    """Scales and words of a panel of features; line: y is a share, of what `y` says."""
    axes.autoscale_view()
    finish(axes, title, x, y if line else "")
    if line:
        axes.set_ylim(-0.32, 1.12)  # with room for arrows below
        axes.set_yticks(np.linspace(0, 1, 6))
        return
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelcolor="0.45", labelleft=False)  # one scale is both
