"""The picture of `python -m ufm.solve --plot`: numerical optima drawn over the closed form.

Pairs of classes: (a) three classes, features in the plane of their classifier rows; (b) coefficients
against λ; (c) displacement across the channel against logit λ. Any other labels: (a) the same
plane; (b) the deficit y − p; (c) ‖h‖. Lines and open rings are the closed form, dots the optimiser;
a classifier that is no simplex ETF has no closed form and is drawn with dots only.
"""

from math import log, sqrt

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from scipy.special import logit

import ufm.pictures.plane as plane
import ufm.rules.numbers as checked
from ufm.agree.features import Settings
from ufm.certify.values import fitted
from ufm.model.cases import LabelCases, PairCases
from ufm.model.laws import label_variance
from ufm.model.problem import Problem
from ufm.pictures.frame import COLUMN, Picture, Size, picture
from ufm.pictures.points import LabelPoints, PairPoints, lam_grid, solve_labels, solve_pairs
from ufm.theory.predict import predict_features, predict_pairs, violated_assumption

HEIGHTS = {"text": 4.4, "column": 7.8}
MAX_ENTRIES = 10  # of each label, the largest, in the scatter of y − p


def draw_features(
    problem: Problem, cases: PairCases | LabelCases, settings: Settings | None = None, size: Size = "text"
) -> Picture:
    """Solve a few features of `cases` numerically and draw them over the closed form (needs float64).

    At most 41 well spread λ, on the ordered pairs of classes 0, 1, 2; or at most 200 labels.
    """
    checked.instance("problem", problem, Problem)
    checked.instance("cases", cases, (PairCases, LabelCases), "ufm.choose_cases")
    settings = checked.instance("settings", Settings() if settings is None else settings, Settings)
    with picture(size, HEIGHTS, *describe(problem)) as figure:
        if problem.gain == 0:
            plane.say(figure.add_subplot(), trivial_text(problem))
        elif isinstance(cases, PairCases) and cases.pairs != "same":
            _draw_pairs(figure, problem, solve_pairs(problem, cases, settings))
        else:
            _draw_labels(figure, problem, solve_labels(problem, cases, settings))
    return figure


# what is drawn: numbers


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
    """`pair_coefficients` of numerical optima, from z/g; any other W: least-norm c in h = Σ c_k w_k."""
    if problem.is_etf:
        return pair_coefficients(problem, points.logits / problem.gain)
    return np.linalg.lstsq(problem.W.T, points.H.T, rcond=None)[0].T[:, :2]


# words


def describe(problem: Problem) -> list[list[str]]:
    """Two lines: sizes, loss and law; penalties, m and a. A third names the assumption that is violated."""
    if problem.is_etf:
        sizes = [f"$m$ = {problem.row_norm:.4g}", f"$a$ = {problem.sharpness:.4g}"]
    else:
        sizes = [rf"$\|W\|_F/\sqrt{{K}}$ = {problem.row_norm:.4g}"]
    violated = violated_assumption(problem)
    return plane.problem_lines(problem, *sizes) + ([[f"no closed form: {violated}"]] if violated else [])


def trivial_text(problem: Problem) -> str:
    """W = 0: what the optimum is, and why when the penalties alone decide it."""
    text = "The optimum is zero.\n\n$W = 0$, so every feature is $h = 0$ and all classes get the same score."
    product, threshold = problem.lambda_w * problem.lambda_h, label_variance(problem.law, problem.classes)
    if problem.law.exchangeable and product >= threshold:
        text += "\n\nA free classifier vanishes here too: "
        text += rf"$\lambda_W \lambda_H$ = {product:.3g} is not below {threshold:.3g}."
    return text


# figures


def _panels(figure: Picture, bars: int) -> tuple[Axes, list[Axes], Axes, Axes]:
    """Left: panel (a) over `bars` axes for colour bars. Right: panels (b) and (c)."""
    if figure.get_figwidth() > COLUMN:
        halves = figure.add_gridspec(1, 2, width_ratios=[1.25, 1])
    else:
        halves = figure.add_gridspec(2, 1)
    left = halves[0].subgridspec(2, bars, height_ratios=[1, 0.035])
    right = halves[1].subgridspec(2, 1)
    colour_bars = [figure.add_subplot(left[1, n]) for n in range(bars)]
    a, b, c = (figure.add_subplot(cell) for cell in (left[0, :], right[0], right[1]))
    return a, colour_bars, b, c


def _draw_pairs(figure: Picture, problem: Problem, points: PairPoints) -> None:
    """(a) the plane, (b) coefficients and (c) displacement of the pair 0, 1."""
    same = points.i == points.j
    kinds = [("different classes", plane.DOTS, ~same)]
    kinds += [("same class", plane.DOTS | {"cmap": plane.SAME}, same)] * bool(same.any())
    a, bars, b, c = _panels(figure, len(kinds))
    grid, n = lam_grid(problem.sharpness), min(problem.classes, 3)
    closed = violated_assumption(problem) is None
    pairs = [(i, j) for i in range(n) for j in range(n) if i < j or (n == 2 and i != j)]
    theory = {pair: predict_pairs(problem, *pair, grid) for pair in pairs if closed}
    curves = [_place(problem, curve.H, grid) for curve in theory.values()]
    for curve in curves:
        a.plot(*curve.T, label="" if curve is not curves[0] else "closed form", **plane.CURVE)
    a.scatter([], [], color=plane.BLUE, s=18, label="numerical optimum")
    if same.any():
        nested = " (nested discs)" * (n == 3)
        a.scatter([], [], color=plane.RED, s=60, label=f"same class: one point\nfor every λ{nested}")
    _finish_plane(a, problem, [_place(problem, points.H, points.lam), *curves], r"mixing weight $\lambda$")
    for axes, (name, style, mask) in zip(bars, kinds):
        drawn = _scatter_pairs(a, problem, points.where(mask), style, name == "same class" and n == 3)
        label = rf"{name}: $|2\lambda - 1|$"
        plane.colour_bar(figure, drawn, label, cax=axes, orientation="horizontal")
    mixed = points.where((points.i == 0) & (points.j == 1))
    _draw_coefficients(b, problem, mixed, grid, theory.get((0, 1)))
    _draw_across(c, problem, mixed, grid, theory.get((0, 1)))


def _place(problem, H, height):
    """Panel (a) coordinates; for K = 2 features lie on a line, and the height is λ or the label's y_0."""
    xy = H @ plane.class_plane(problem.W)
    return xy if problem.classes > 2 else np.stack([xy[:, 0], height], 1)


def _finish_plane(axes, problem, places, height):
    """Rows of W over all that is drawn at `places`, frame and legend; `height` is what K = 2 draws upwards."""
    n = min(problem.classes, 3)
    tips, line = problem.W[:n] @ plane.class_plane(problem.W), n == 2
    length = plane.draw_rows(axes, tips, range(n), np.concatenate(places), line)
    axes.plot([], [], color="black", lw=1.6, marker=">", ms=4, label=f"classifier rows{length}")
    where = "on the line of two classes" if line else "in the plane of $w_0, w_1, w_2$ (centred)"
    plane.frame(axes, line, f"(a) features {where}", "feature, along $w_0 - w_1$" * line, height)
    if line:
        axes.set_ylim(top=1.45)  # with room for the legend
    axes.legend(fontsize=8, frameon=False, loc="upper left")


def _scatter_pairs(axes, problem, points, style, nested):
    """Dots coloured by |2λ−1|; same-class features share one point, so they are drawn as nested discs."""
    points, sizes = points.where(np.argsort(-points.purity, kind="stable")), 18.0
    if nested:
        rank = np.array([np.sum(points.i[:n] == points.i[n]) for n in range(len(points.i))])
        sizes = np.linspace(150, 2, rank.max() + 1)[rank]
    x, y = _place(problem, points.H, points.lam).T
    return axes.scatter(x, y, c=points.purity, s=sizes, **style)


def _draw_coefficients(axes, problem, mixed, grid, theory):
    """(b) coef_i and coef_j against λ, with the same-class level. K = 2: coef_j = 0 is left out."""
    numeric = numeric_coefficients(problem, mixed)
    styles = [("$c_0$", plane.BLUE, "-", "o"), ("$c_1$", plane.LIGHT_BLUE, "--", "s")]
    shown = 1 if problem.classes == 2 and problem.is_etf else 2
    for k, (name, colour, line, marker) in enumerate(styles[:shown]):
        if theory is not None:
            axes.plot(grid, pair_coefficients(problem, theory.coef)[:, k], color=colour, ls=line, lw=1.2)
        axes.plot(mixed.lam, numeric[:, k], ls="", marker=marker, ms=3.8, color=colour, label=name)
    if theory is not None:
        _same_class_level(axes, pair_coefficients(problem, theory.coef)[-1, 0])  # at λ = 1
    formula = "$h = c_0 w_0 + c_1 w_1$" if shown == 2 else "$h = c_0 w_0$"
    formula = formula if problem.is_etf else r"$h = \Sigma_k\, c_k w_k$ of least norm"
    plane.finish(axes, f"(b) coefficients, {formula}", r"mixing weight $\lambda$", "", "lower center", 2)


def _same_class_level(axes, level):
    low = axes.get_ylim()[0]
    axes.set_ylim(low, low + 1.14 * (level - low))
    axes.axhline(level, color=plane.RED, lw=1, ls=":")
    text = f"same class, every λ: {level:.4g}"
    place = {"xycoords": axes.get_yaxis_transform(), "xytext": (0, 3), "textcoords": "offset points"}
    axes.annotate(text, (0.5, level), ha="center", color=plane.RED, **place)


def _draw_across(axes, problem, mixed, grid, theory):
    """(c) displacement across the channel against logit λ (squared error: against λ, a straight line)."""
    logistic = problem.loss == "cross-entropy"
    if logistic:
        mixed = mixed.where((mixed.lam > 0) & (mixed.lam < 1))
    horizontal = logit if logistic else np.asarray
    if theory is not None:
        text = f"closed form, $a$ = {problem.sharpness:.4g}"
        axes.plot(horizontal(grid[1:-1]), across(problem, theory.H)[1:-1], label=text, **plane.CURVE)
        if logistic:
            _draw_limit(axes, problem, np.concatenate([theory.H, mixed.H]))
    axes.scatter(horizontal(mixed.lam), across(problem, mixed.H), c=mixed.purity, s=18, **plane.DOTS)
    x = r"$\mathrm{logit}\ \lambda$" if logistic else r"mixing weight $\lambda$"
    plane.finish(axes, "(c) displacement across the channel", x, "$h$ along $w_0 - w_1$", "upper left")
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))


def _draw_limit(axes, problem, H):
    """The line of λ_H → 0, in a frame that holds all of H and shows where a finite a leaves the line."""
    seen, slope = np.abs(across(problem, H)), limit_slope(problem)
    top = np.max(seen, initial=0.0, where=np.isfinite(seen))
    ends = max(4.0, log(1 + problem.sharpness) + 2) * np.array([-1, 1])
    label = "limit $\\lambda_H \\to 0$, slope\n" + rf"$\sqrt{{(K-1)/2K}}\,/\,m$ = {slope:.4g}"
    axes.plot(ends, slope * ends, color=plane.ORANGE, ls="--", lw=1.3, label=label, zorder=2.5)
    axes.set_xlim(*ends)
    axes.set_ylim(-1.15 * top, 1.4 * top)


def _draw_labels(figure: Picture, problem: Problem, points: LabelPoints) -> None:
    """(a) the plane, (b) y − p against y, (c) ‖h‖; dots numerical, rings closed form, one colour a label."""
    a, bars, b, c = _panels(figure, 1)
    shade = plane.DOTS | {"cmap": plane.OTHER, "vmin": 1 / problem.classes}
    top, routes = points.Y.max(1), [(points.H, fitted(problem, points.logits))]
    if violated_assumption(problem) is None:
        theory = predict_features(problem, points.Y)
        routes.append((theory.H, theory.p))
    order = np.argsort(-points.Y, axis=1)[:, :MAX_ENTRIES]
    y, places = np.take_along_axis(points.Y, order, 1), []
    for number, (H, p) in enumerate(routes):
        size, few = (50, 34) if number else (18, 12)
        one = plane.RING if number else shade | {"c": top}
        each = plane.RING if number else shade | {"c": np.repeat(top, y.shape[1])}
        places.append(_place(problem, H, points.Y[:, 0]))
        a.scatter(places[-1][:, 0], places[-1][:, 1], s=size, **one)
        c.scatter(top, np.linalg.norm(H, axis=1), s=size, **one)
        b.scatter(y.ravel(), (y - np.take_along_axis(p, order, 1)).ravel(), s=few, **each)
    plane.colour_bar(figure, a.collections[0], "largest label entry", cax=bars[0], orientation="horizontal")
    a.scatter([], [], color=plane.OTHER(0.6), s=18, label="numerical optimum")
    if len(routes) == 2:
        a.scatter([], [], s=50, label="closed form", **plane.RING)
    _finish_plane(a, problem, places, "label entry $y_0$")
    _note_hidden(a, problem, points.Y)
    fit = "p_k" if problem.loss == "cross-entropy" else "(z_k + 1/K)"
    plane.finish(b, f"(b) residual, $y_k - {fit}$", "label entry $y_k$")
    b.ticklabel_format(axis="y", scilimits=(-2, 4))
    plane.finish(c, r"(c) feature norm, $\|h\|$", "largest label entry")


def _note_hidden(axes, problem, Y):
    """Labels with equal entries on classes 0, 1, 2 all project to the centre: plane.say how many."""
    hidden = int(np.sum(np.ptp(Y[:, :3], axis=1) == 0)) if problem.classes > 3 and problem.is_etf else 0
    if hidden:
        text = f"at the centre: {hidden} of {len(Y)} labels, equal on classes 0, 1 and 2"
        axes.set_xlabel(text, color="0.35")
