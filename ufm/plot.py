"""The picture of `python -m ufm.solve --plot`: numerical optima drawn over the closed form.

Pairs of classes: (a) three classes, features in the plane of their classifier rows; (b) coefficients
against λ; (c) displacement across the channel against logit λ. Any other labels: (a) the same
plane; (b) the deficit y − p; (c) ‖h‖. Lines and open rings are the closed form, dots the optimiser;
a classifier that is no simplex ETF has no closed form and is drawn with dots only.
"""

from math import log, sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure
from scipy.special import expit, logit

from ufm.agreement import Settings
from ufm.cases import LabelCases, PairCases
from ufm.labels import LabelLaw, label_variance
from ufm.optimize.features import solve_features
from ufm.problem import Problem
from ufm.sources import fitted
from ufm.theory.predict import predict_features, predict_pairs, violated_assumption

MAX_LAM = 41  # values of λ drawn
MAX_LABELS = 200  # labels drawn when they are not pairs
MAX_ENTRIES = 2000  # label entries in the scatter of y − p


def _trimmed(name: str) -> Colormap:
    """A sequential map without its palest part, so that every point shows on white."""
    return ListedColormap(colormaps[name](np.linspace(0.28, 1.0, 256)), name=f"{name}-trimmed")


SAME, DIFFERENT, OTHER = _trimmed("Reds"), _trimmed("Blues"), _trimmed("viridis_r")
RED, BLUE, LIGHT_BLUE = SAME(0.75), DIFFERENT(0.85), DIFFERENT(0.35)
CURVE = {"color": "0.35", "lw": 0.9, "zorder": 2}
RING = {"facecolors": "none", "edgecolors": "0.35", "linewidths": 0.8, "zorder": 2}


def draw_features(
    problem: Problem, cases: PairCases | LabelCases, settings: Settings | None = None
) -> Figure:
    """Solve a few features of `cases` numerically and draw them over the closed form (needs float64).

    At most 41 well spread λ, on the ordered pairs of classes 0, 1, 2; or at most 200 labels.
    """
    figure = Figure(figsize=(10.5, 6.4), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    figure.suptitle(describe(problem), fontsize=11)
    if problem.gain == 0:
        _draw_trivial(figure, problem)
    elif isinstance(cases, PairCases) and cases.pairs != "same":
        _draw_pairs(figure, problem, solve_pairs(problem, cases, settings or Settings()))
    else:
        _draw_labels(figure, problem, solve_labels(problem, cases, settings or Settings()))
    return figure


# what is drawn: numbers


class PairPoints(NamedTuple):
    """Numerical optima of y = λ e_i + (1−λ) e_j: classes, λ, features (N, d), logits (N, K)."""

    i: np.ndarray
    j: np.ndarray
    lam: np.ndarray
    H: np.ndarray
    logits: np.ndarray

    def where(self, mask) -> "PairPoints":
        """The chosen points."""
        return PairPoints(*(part[mask] for part in self))

    @property
    def purity(self) -> np.ndarray:
        """|2λ − 1|: 1 for a pure label, 0 for an even mixture; equal for (i, j, λ) and (j, i, 1−λ)."""
        return np.abs(2 * self.lam - 1)


class LabelPoints(NamedTuple):
    """Labels (N, K) with their numerical optima: features (N, d), logits (N, K)."""

    Y: np.ndarray
    H: np.ndarray
    logits: np.ndarray


def solve_pairs(problem: Problem, cases: PairCases, settings: Settings) -> PairPoints:
    """Numerical optima for the ordered pairs of classes 0, 1, 2 at no more than 41 of the λ."""
    lam = cases.lam[_spread(len(cases.lam), MAX_LAM)]
    i, j, lam = (part.ravel() for part in np.meshgrid(*[np.arange(min(problem.classes, 3))] * 2, lam))
    if cases.pairs == "different":
        i, j, lam = i[i != j], j[i != j], lam[i != j]
    Y, rows = np.zeros((len(lam), problem.classes)), np.arange(len(lam))
    Y[rows, j] = 1 - lam
    Y[rows, i] = np.where(i == j, 1.0, lam)
    found = _solve(problem, Y, settings)
    return PairPoints(i, j, lam, found.H, found.logits)


def solve_labels(problem: Problem, cases: PairCases | LabelCases, settings: Settings) -> LabelPoints:
    """Numerical optima for at most 200 labels. Same-class pairs are the one-hot labels, whatever λ."""
    if isinstance(cases, PairCases):
        Y = np.eye(min(problem.classes, MAX_LABELS), problem.classes)
    else:
        Y = cases.labels[_spread(len(cases.labels), MAX_LABELS)]
    found = _solve(problem, Y, settings)
    return LabelPoints(Y, found.H, found.logits)


def _solve(problem, Y, settings):
    return solve_features(
        problem, Y, method=settings.method, max_steps=settings.max_steps, dtype=settings.dtype
    )


def _spread(count: int, most: int) -> np.ndarray:
    """At most `most` of the indices 0 … count−1, evenly spaced, both ends included."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def lam_grid(problem: Problem) -> np.ndarray:
    """A dense grid of [0, 1] that also resolves the edge layers of width 1/a: even in λ and in logit λ."""
    reach = min(36.0, log(1 + problem.sharpness) + 8)
    return np.unique(np.concatenate([np.linspace(0, 1, 301), expit(np.linspace(-reach, reach, 401))]))


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


def across(problem: Problem, H: Float[np.ndarray, "N d"], i: int = 0, j: int = 1) -> Float[np.ndarray, "N"]:
    """Displacement across the channel of classes i, j: ⟨h, w_i − w_j⟩/‖w_i − w_j‖."""
    step = problem.W[i] - problem.W[j]
    return H @ (step / (np.linalg.norm(step) or 1.0))


def limit_slope(problem: Problem) -> float:
    """Slope of the displacement across the channel in logit λ as λ_H → 0 at fixed m: √((K−1)/(2K))/m."""
    return sqrt((problem.classes - 1) / (2 * problem.classes)) / problem.row_norm


def pair_coefficients(problem: Problem, coef: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N 2"]:
    """(coef_0, coef_1) of h = coef_0 w_0 + coef_1 w_1, from coefficients on all rows of W (Σ w_k = 0).

    K = 2: only the difference means anything, so coef_1 = 0.
    """
    if problem.classes == 2:
        return np.stack([coef[:, 0] - coef[:, 1], np.zeros(len(coef))], 1)
    return coef[:, :2] - coef[:, 2:].mean(1, keepdims=True)


def numeric_coefficients(problem: Problem, points: PairPoints) -> Float[np.ndarray, "N 2"]:
    """`pair_coefficients` of numerical optima: z/g for an ETF, least-norm coefficients for any other W."""
    if problem.is_etf:
        return pair_coefficients(problem, points.logits / problem.gain)
    return pair_coefficients(problem, np.linalg.lstsq(problem.W.T, points.H.T, rcond=None)[0].T)


# words


def describe(problem: Problem) -> str:
    """Two lines: sizes, loss and law; penalties, m and a. A third names the assumption that is violated."""
    lines = [
        [f"$K$ = {problem.classes}", f"$d$ = {problem.dim}", problem.loss, _law(problem.law)],
        [rf"$\lambda_W$ = {problem.lambda_w:.3g}", rf"$\lambda_H$ = {problem.lambda_h:.3g}"],
    ]
    if problem.is_etf:
        lines[1] += [f"$m$ = {problem.row_norm:.4g}", f"$a$ = {problem.sharpness:.4g}"]
    else:
        lines[1] += [rf"$\|W\|_F/\sqrt{{K}}$ = {problem.row_norm:.4g}"]
    text = "\n".join("   ·   ".join(line) for line in lines)
    violated = violated_assumption(problem)
    return text if violated is None else f"{text}\nno closed form: {violated}"


def _law(law: LabelLaw) -> str:
    parts = [f"{law.ways}-way mixing" if law.name == "kway" else law.name]
    if law.alpha is not None:
        parts.append(rf"$\alpha$ = {law.alpha:.4g}")
    if law.smoothing:
        parts.append(rf"$\delta$ = {law.smoothing:.4g}")
    if law.pairs != "all" and law.alpha is not None:
        parts.append(f"{law.pairs} classes")
    return ", ".join(parts)


# figures


def _draw_trivial(figure: Figure, problem: Problem) -> None:
    """W = 0: nothing to plot, so say what the optimum is, and why when the penalties alone decide it."""
    text = "The optimum is zero.\n\n" + (
        rf"$W = 0$, so every feature is $h = 0$ and every class gets $1/K$ = {1 / problem.classes:.4g}."
    )
    product, threshold = problem.lambda_w * problem.lambda_h, label_variance(problem.law, problem.classes)
    if problem.law.exchangeable and product >= threshold:
        text += (
            "\n\nA free classifier vanishes here too: "
            rf"$\lambda_W \lambda_H$ = {product:.3g} is not below {threshold:.3g}."
        )
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.text(0.5, 0.55, text, ha="center", va="center", fontsize=14, linespacing=1.4)


def _panels(figure: Figure, bars: int) -> tuple[Axes, list[Axes], Axes, Axes]:
    """Left: panel (a) over `bars` axes for colour bars. Right: panels (b) and (c)."""
    left, right = figure.add_gridspec(1, 2, width_ratios=[1.25, 1])
    left = left.subgridspec(2, bars, height_ratios=[1, 0.035])
    right = right.subgridspec(2, 1)
    colour_bars = [figure.add_subplot(left[1, n]) for n in range(bars)]
    a, b, c = (figure.add_subplot(cell) for cell in (left[0, :], right[0], right[1]))
    for axes in (a, b, c):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    return a, colour_bars, b, c


def _colour_bar(figure, axes, points, label):
    bar = figure.colorbar(points, cax=axes, orientation="horizontal")
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)


def _draw_pairs(figure: Figure, problem: Problem, points: PairPoints) -> None:
    kinds = [
        ("different classes", DIFFERENT, points.i != points.j),
        ("same class", SAME, points.i == points.j),
    ]
    kinds = [kind for kind in kinds if kind[2].any()]
    a, bars, b, c = _panels(figure, len(kinds))
    grid = lam_grid(problem)
    _draw_plane(a, problem, points, grid)
    for axes, (name, colours, mask) in zip(bars, kinds):
        drawn = _scatter_pairs(a, problem, points.where(mask), colours, nested=name == "same class")
        _colour_bar(figure, axes, drawn, rf"{name}: $|2\lambda - 1|$")
    mixed = points.where((points.i == 0) & (points.j == 1))
    theory = None if violated_assumption(problem) else predict_pairs(problem, 0, 1, grid)
    _draw_coefficients(b, problem, mixed, grid, theory)
    _draw_across(c, problem, mixed, grid, theory)


def _place(problem, H, lam):
    """Panel (a) coordinates; for K = 2 features lie on a line, and the height is λ."""
    xy = H @ class_plane(problem.W)
    return xy if problem.classes > 2 else np.stack([xy[:, 0], np.broadcast_to(lam, len(xy))], 1)


def _draw_plane(axes, problem, points, grid):
    n = min(problem.classes, 3)
    if violated_assumption(problem) is None:
        for i, j in [(i, j) for i in range(n) for j in range(n) if i < j or (n == 2 and i != j)]:
            axes.plot(*_place(problem, predict_pairs(problem, i, j, grid).H, grid).T, **CURVE)
        axes.plot([], [], **CURVE, label="closed form")
    axes.scatter([], [], color=BLUE, s=18, label="numerical optimum")
    _draw_classifier(axes, problem, points.H)
    _frame_plane(axes, n)


def _draw_classifier(axes, problem, H):
    """Rows of W as arrows with class labels; to scale unless they would be too short or too long to read."""
    plane, n = class_plane(problem.W), min(problem.classes, 3)
    tips, reach = problem.W[:n] @ plane, np.linalg.norm(H @ plane, axis=1).max()
    longest = np.linalg.norm(tips, axis=1).max() or 1.0
    scale = 1.0 if reach == 0 or 0.2 < longest / reach < 0.8 else 0.5 * reach / longest
    base = np.array([0.0, 0.0 if n == 3 else -0.14])
    style = {"arrowstyle": "-|>,head_width=0.28,head_length=0.6", "color": "black", "lw": 1.6}
    for k, tip in enumerate(scale * tips):
        axes.annotate("", base + tip, base, arrowprops=style | {"shrinkA": 0, "shrinkB": 0}, zorder=4)
        out = tip / (np.linalg.norm(tip) or 1.0)
        axes.text(
            *(base + out * max(reach * 1.13, np.linalg.norm(tip))), f"class {k}", ha="center", va="center"
        )
    size = "" if scale == 1 else f" (length × {scale:.2g})"
    axes.plot([], [], color="black", lw=1.6, marker=">", ms=4, label=f"classifier rows{size}")
    axes.update_datalim(np.concatenate([1.2 * reach * tips / longest + base, scale * tips + base]))


def _frame_plane(axes, n):
    axes.autoscale_view()
    if n == 2:
        axes.set_ylabel(r"mixing weight $\lambda$", fontsize=9)
        axes.set_xlabel("feature, along $w_0 - w_1$", fontsize=9)
    else:
        axes.set_aspect("equal", adjustable="datalim")
        axes.spines[:].set_visible(False)
    axes.set_title(
        "(a) features in the plane of three classes" if n == 3 else "(a) features on a line", fontsize=10
    )
    axes.legend(fontsize=8, frameon=False, loc="upper left")


def _scatter_pairs(axes, problem, points, colours, nested):
    """Dots coloured by |2λ−1|; same-class features share one point, so they are drawn as nested discs."""
    order = np.argsort(-points.purity, kind="stable")
    points = points.where(order)
    sizes = 18.0
    if nested and problem.classes > 2:
        rank = np.array([np.sum(points.i[:n] == points.i[n]) for n in range(len(points.i))])
        sizes = np.linspace(150, 2, rank.max() + 1)[rank]
    xy = _place(problem, points.H, points.lam)
    return axes.scatter(*xy.T, c=points.purity, cmap=colours, vmin=0, vmax=1, s=sizes, lw=0, zorder=3)


def _draw_coefficients(axes, problem, mixed, grid, theory):
    """(b) coef_i and coef_j against λ, with the same-class level."""
    numeric = numeric_coefficients(problem, mixed)
    styles = [("$c_0$", BLUE, "-", "o"), ("$c_1$", LIGHT_BLUE, "--", "s")]
    for k, (name, colour, line, marker) in enumerate(styles[: 1 if problem.classes == 2 else 2]):
        if theory is not None:
            axes.plot(grid, pair_coefficients(problem, theory.coef)[:, k], color=colour, ls=line, lw=1.2)
        axes.plot(mixed.lam, numeric[:, k], ls="", marker=marker, ms=3.8, color=colour, label=name)
    if theory is not None:
        level = pair_coefficients(problem, predict_pairs(problem, 0, 0, [1.0]).coef)[0, 0]
        _same_class_level(axes, level)
    formula = "c_0 w_0 + c_1 w_1" if problem.classes > 2 else "c_0 w_0"
    axes.set_title(rf"(b) coefficients, $h = {formula}$", fontsize=10)
    axes.set_xlabel(r"mixing weight $\lambda$", fontsize=9)
    axes.legend(fontsize=8, frameon=False, loc="lower center", ncols=2)


def _same_class_level(axes, level):
    axes.axhline(level, color=RED, lw=1, ls=":")
    axes.annotate(
        f"same class, every λ: {level:.4g}",
        (0.5, level),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        fontsize=8,
        color=RED,
    )


def _draw_across(axes, problem, mixed, grid, theory):
    """(c) displacement across the channel against logit λ (squared error: against λ, a straight line)."""
    logistic = problem.loss == "cross-entropy"
    horizontal = logit if logistic else np.asarray
    shown = (mixed.lam > 0) & (mixed.lam < 1) if logistic else np.full(len(mixed.lam), True)
    mixed = mixed.where(shown)
    if theory is not None:
        axes.plot(horizontal(grid[1:-1]), across(problem, theory.H)[1:-1], label="closed form", **CURVE)
    axes.scatter(
        horizontal(mixed.lam),
        across(problem, mixed.H),
        c=mixed.purity,
        cmap=DIFFERENT,
        vmin=0,
        vmax=1,
        s=18,
        lw=0,
        zorder=3,
    )
    if theory is not None and logistic:
        _draw_limit(axes, problem, mixed, theory)
    axes.set_title("(c) displacement across the channel", fontsize=10)
    axes.set_xlabel(r"$\mathrm{logit}\ \lambda$" if logistic else r"mixing weight $\lambda$", fontsize=9)
    axes.set_ylabel(r"$h$ along $w_0 - w_1$", fontsize=9)


def _draw_limit(axes, problem, mixed, theory):
    slope, top = limit_slope(problem), across(problem, theory.H).max()
    reach = max(4.0, log(1 + problem.sharpness) + 2)
    ends = np.array([-reach, reach])
    label = r"$\lambda_H \to 0$:  slope $\sqrt{(K-1)/2K}\,/\,m$" + f" = {slope:.4g}"
    axes.plot(ends, slope * ends, color="#d95f02", ls="--", lw=1.3, label=label, zorder=2.5)
    axes.set_xlim(*ends)
    axes.set_ylim(-1.15 * top, 1.5 * top)
    axes.legend(fontsize=8, frameon=False, loc="upper left")


def _draw_labels(figure: Figure, problem: Problem, points: LabelPoints) -> None:
    a, bars, b, c = _panels(figure, 1)
    theory = None if violated_assumption(problem) else predict_features(problem, points.Y)
    top = points.Y.max(1)
    xy = _place(problem, points.H, top)
    colours = {"c": top, "cmap": OTHER, "vmin": 1 / problem.classes, "vmax": 1, "s": 18, "lw": 0, "zorder": 3}
    drawn = a.scatter(*xy.T, **colours)
    _colour_bar(figure, bars[0], drawn, "largest label entry")
    _draw_classifier(a, problem, points.H)
    b.set_title("(b) confidence deficit, $y_k - p_k$", fontsize=10)
    c.set_title(r"(c) feature norm, $\|h\|$", fontsize=10)
    p, norm = fitted(problem, points.logits), np.linalg.norm(points.H, axis=1)
    entries = _spread(points.Y.size, MAX_ENTRIES)
    b.scatter(points.Y.ravel()[entries], (points.Y - p).ravel()[entries], color=BLUE, s=8, lw=0, zorder=3)
    c.scatter(top, norm, **colours)
    a.scatter([], [], color=OTHER(0.6), s=18, label="numerical optimum")
    if theory is not None:
        a.scatter(*_place(problem, theory.H, top).T, s=50, label="closed form", **RING)
        b.scatter(points.Y.ravel()[entries], (points.Y - theory.p).ravel()[entries], s=30, **RING)
        c.scatter(top, np.linalg.norm(theory.H, axis=1), s=50, **RING)
    b.set_xlabel("label entry $y_k$", fontsize=9)
    c.set_xlabel("largest label entry", fontsize=9)
    _frame_plane(a, min(problem.classes, 3))
