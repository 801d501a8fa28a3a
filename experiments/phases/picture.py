"""Both planes as one picture."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from experiments.phases.curves import Curves, tally
from experiments.phases.points import CLASSES, Setting, Solved, log_grid
from ufm.theory.theorems.joint import GAP_TOLERANCE

BLUE = ListedColormap(colormaps["Blues"](np.linspace(0.16, 0.86, 256)), name="blues-trimmed")
FLAT = {"trivial": "#e4e2dd", "minority": "#e9936f", "other": "#c2185b"}
HALO = [withStroke(linewidth=3.2, foreground="white")]


def draw(points: dict[Setting, Solved], curves: Callable[[float, float], Curves], path: Path) -> None:
    """Both planes as tiles around the solved points, the curves over them, written to path."""
    figure = Figure(figsize=(12.6, 5.9), dpi=160, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    planes = [{s: v for s, v in points.items() if s.plane == name} for name in ("imbalance", "alpha")]
    _draw_imbalance(left, planes[0], curves)
    _draw_alpha(right, planes[1], curves)
    counts, wrong = tally(points, curves)
    for axes, plane, column in ((left, planes[0], "imbalance"), (right, planes[1], "alpha")):
        bad = [s for s in wrong if s in plane]
        axes.plot(
            [getattr(s, column) for s in bad], [s.product for s in bad], "x", color="red", ms=5, zorder=6
        )
    text = (
        f"{len(points)} points solved blindly, certified to a relative gap of {GAP_TOLERANCE:g}: "
        f"{counts.agree} agree with the curves, {counts.disagree} disagree"
    )
    text += f", {counts.near} on a curve" if counts.near else ""
    text += f", {counts.uncertified} not certified" if counts.uncertified else ""
    figure.suptitle("Phases of the joint optimum under mixup, K = 4\n", fontsize=13)
    figure.text(0.5, 0.935, text, ha="center", fontsize=9.5, color="0.3")
    figure.savefig(path)


def _draw_imbalance(axes: Axes, plane: dict[Setting, Solved], curves) -> None:
    bar = _tiles(axes, plane, "imbalance", "separation", 1.0)
    R = log_grid(1 + 1e-9, 100, 60)
    found = [curves(1.0, float(r)) for r in R]
    minor = 0.5 / (1 + R)
    style = {"color": "black", "lw": 1.8, "path_effects": HALO, "zorder": 4}
    axes.plot(R, [c.trivial for c in found], **style)
    axes.plot(R, [c.minority for c in found], **style)
    axes.plot(R, minor, **style | {"lw": 1.2, "ls": (0, (5, 3))})
    _along(axes, R, [c.trivial for c in found], 0.5, r"$\lambda_{\max}$ of the label covariance", 1)
    _along(axes, R, [c.minority for c in found], 0.55, r"$\rho\, q_B$", -1)
    _along(axes, R, minor, 0.55, r"$q_B$ (one-hot labels)", 1)
    _name(axes, 2.1, 0.66, "trivial: $W = 0$")
    _name(axes, 26, 0.09, "minority collapsed")
    _name(axes, 5.0, 0.0042, "all classes distinct", "white")
    _frame(
        axes,
        "(a) two large and two small classes, α = 1",
        "imbalance $R = q_A/q_B$",
        [1, 2, 5, 10, 20, 50, 100],
        [1e-3, 1e-2, 1e-1],
    )
    axes.annotate("simplex ETF at $R = 1$", (1.0, 0.0016), (1.25, 0.0011), color="white", fontsize=9)
    axes.figure.colorbar(bar, ax=axes, pad=0.02, label=r"minority separation $\|w_2-w_3\|\,/\,\|w_0-w_1\|$")


def _draw_alpha(axes: Axes, plane: dict[Setting, Solved], curves) -> None:
    largest = max((s.multiplier for s in plane.values()), default=1.0)
    bar = _tiles(axes, plane, "alpha", "multiplier", largest)
    alpha = log_grid(0.1, 40, 200)
    curve = [curves(float(a), 1.0).trivial for a in alpha]
    axes.plot(alpha, curve, color="black", lw=1.8, path_effects=HALO, zorder=4)
    _along(axes, alpha, curve, 0.42, r"$(\alpha+1)\,/\,((2\alpha+1)K)$", 1)
    for value, text in ((1 / CLASSES, r"one-hot, $1/K$"), (0.5 / CLASSES, r"$\alpha \to \infty$, $1/(2K)$")):
        axes.axhline(value, color="0.35", lw=0.8, ls=":")
        end = {"x": 38, "ha": "right"} if value == 1 / CLASSES else {"x": 0.105, "ha": "left"}
        axes.text(y=value, s=text, va="bottom", fontsize=8.5, color="0.25", **end)
    _name(axes, 2.0, 0.345, "trivial: $W = 0$")
    _name(axes, 2.0, 0.05, "simplex ETF", "white")
    _frame(
        axes, "(b) balanced classes", r"mixup $\alpha$", [0.1, 0.3, 1, 3, 10, 30], [0.02, 0.05, 0.1, 0.2, 0.4]
    )
    axes.figure.colorbar(bar, ax=axes, pad=0.02, label="multiplier $m$ of the solved ETF")


def _tiles(axes, plane, column, shade, largest):
    """One tile around each solved point: blue by `shade` where no rows coincide, else the phase's colour."""
    x, y = (sorted({getattr(s, name) for s in plane}) for name in (column, "product"))
    image = np.ones((len(y), len(x), 4))
    for setting, solved in plane.items():
        colour = BLUE(getattr(solved, shade) / largest)
        if solved.region in FLAT:
            colour = to_rgba(FLAT[solved.region])
        image[y.index(setting.product), x.index(getattr(setting, column))] = colour
    axes.pcolormesh(_edges(x), _edges(y), image, rasterized=True)
    axes.set(xscale="log", yscale="log", xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    return ScalarMappable(Normalize(0, largest), BLUE)


def _edges(values: list[float]) -> np.ndarray:
    """Borders half-way (in the logarithm) between two or more values."""
    v = np.log(values)
    middle = (v[1:] + v[:-1]) / 2
    return np.exp(np.concatenate([[2 * v[0] - middle[0]], middle, [2 * v[-1] - middle[-1]]]))


def _along(axes, x, y, share, text, side) -> None:
    """Text along a curve, at a share of its length, above (side 1) or below (−1) it."""
    at = int(share * (len(x) - 1))
    ends = axes.transData.transform(np.stack([[x[at - 4], x[at + 4]], [y[at - 4], y[at + 4]]], 1))
    slope = np.degrees(np.arctan2(*(ends[1] - ends[0])[::-1]))
    place = {"xytext": (0, 3 * side), "textcoords": "offset points", "rotation_mode": "anchor"}
    where = {"ha": "center", "va": "bottom" if side > 0 else "top", "rotation": slope, "fontsize": 9}
    axes.annotate(text, (x[at], y[at]), zorder=5, **place, **where)


def _name(axes, x, y, text, colour="black") -> None:
    axes.text(x, y, text, ha="center", va="center", fontsize=11, weight="bold", color=colour, zorder=5)


def _frame(axes, title, label, ticks, heights) -> None:
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(label)
    axes.set_ylabel(r"$\lambda_W \lambda_H$")
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks(heights, [f"{height:g}" for height in heights])
    axes.tick_params(which="minor", bottom=False, labelleft=False)
