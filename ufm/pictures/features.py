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
import ufm.pictures.words.features as words
import ufm.rules.numbers as checked
from ufm.agree.features import Settings
from ufm.certify.values import fitted
from ufm.model.cases import LabelCases, PairCases
from ufm.model.laws import label_variance
from ufm.model.problem import Problem
from ufm.pictures.frame import Picture, picture
from ufm.pictures.points import LabelPoints, PairPoints, hold, lam_grid, solve_labels, solve_pairs
from ufm.rules.files import Size
from ufm.theory.predict import Prediction, predict_features, predict_pairs, violated_assumption

HEIGHTS = {"text": 4.4, "column": 7.8}
PURITY = r"$|2\lambda - 1|$: 0 for an even mixture, 1 for one class"
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
            figure.caption, figure.seen = words.nothing(problem.classes), [words.ZERO]
        elif isinstance(cases, PairCases) and cases.pairs != "same":
            pairs = solve_pairs(problem, cases, settings)
            _tell(figure, problem, settings, pairs, _draw_pairs(figure, problem, pairs))
        else:
            labels = solve_labels(problem, cases, settings)
            _draw_labels(figure, problem, labels)
            _tell(figure, problem, settings, labels, None)
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


def bow_of(problem: Problem, theory: Prediction | None, grid: Float[np.ndarray, "N"]) -> float | None:
    """How far out the closed form of classes 0, 1 lies at λ = 1/2, over the middle of the chord: 1 is straight."""
    if theory is None or problem.classes == 2:
        return None
    coef = pair_coefficients(problem, theory.coef)
    return float(coef[np.argmin(np.abs(grid - 0.5))].sum() / coef[-1].sum())  # at λ = 1: of a class alone


# words


def _tell(figure: Picture, problem: Problem, settings: Settings, points, bow: float | None) -> None:
    held, pairs = hold(problem, points), isinstance(points, PairPoints)
    said = words.FeatureNumbers.of(problem, settings.method, pairs, bow, held)
    figure.caption, figure.seen = words.caption(said), words.seen(said)


def describe(problem: Problem) -> list[list[str]]:
    """Two lines: sizes, loss and law; penalties, m and a. A third names the assumption that is violated."""
    if problem.is_etf:
        sizes = [f"$m$ = {problem.row_norm:.4g}", f"$a$ = {problem.sharpness:.4g}"]
    else:
        sizes = [rf"$\|W\|_F/K^{{1/2}}$ = {problem.row_norm:.4g}"]
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


def _panels(figure: Picture) -> tuple[Axes, Axes, Axes, Axes]:
    """Panel (a) over the axes of its colour bar; panels (b) and (c) beside or below it."""
    wide = figure.wide
    halves = figure.add_gridspec(*((1, 2) if wide else (2, 1)), width_ratios=[1.25, 1] if wide else None)
    left = halves[0].subgridspec(2, 1, height_ratios=[1, 0.03])
    right = halves[1].subgridspec(2, 1)
    a, bar, b, c = (figure.add_subplot(cell) for cell in (left[0], left[1], right[0], right[1]))
    return a, bar, b, c


def _draw_pairs(figure: Picture, problem: Problem, points: PairPoints) -> float | None:
    """(a) the plane, (b) coefficients and (c) displacement of the pair 0, 1; returns how the closed form bows."""
    a, bar, b, c = _panels(figure)
    grid, n = lam_grid(problem.sharpness), min(problem.classes, 3)
    closed = violated_assumption(problem) is None
    pairs = [(i, j) for i in range(n) for j in range(n) if i < j or (n == 2 and i != j)]
    theory = {pair: predict_pairs(problem, *pair, grid) for pair in pairs if closed}
    curves = [_place(problem, curve.H, grid) for curve in theory.values()]
    for curve in curves:
        a.plot(*curve.T, **plane.CURVE)
    same, places = points.i == points.j, _place(problem, points.H, points.lam)
    order = np.argsort(-points.purity, kind="stable")
    mixed = order[~same[order]]
    x, y = places.T
    drawn = a.scatter(x[mixed], y[mixed], c=points.purity[mixed], s=9, **plane.DOTS)
    if same.any():
        a.scatter(x[same], y[same], s=34 if n == 3 else 9, color=plane.RED, lw=0, zorder=3)
    _finish_plane(a, problem, [places, *curves], r"mixing weight $\lambda$")
    _name_points(a, places, points, closed)
    plane.colour_bar(figure, drawn, PURITY, cax=bar, orientation="horizontal")
    one = points.where((points.i == 0) & (points.j == 1))
    _draw_coefficients(b, problem, one, grid, theory.get((0, 1)))
    _draw_across(c, problem, one, grid, theory.get((0, 1)))
    return bow_of(problem, theory.get((0, 1)), grid)


def _name_points(axes: Axes, places: Float[np.ndarray, "N 2"], points: PairPoints, closed: bool) -> None:
    """What the marks of panel (a) are, beside some of them: the mixture of two classes, and one class."""
    if not closed:
        _name_below(axes, places, points)
        return
    text = "dots: numerical optimum\nline: closed form"
    last = points.i.max()  # 1: on the line of two classes both sides are empty half-way up
    same = np.flatnonzero((points.i == last) & (points.j == last))
    if last == 1:
        right = places[np.argmax(places[:, 0])]
        plane.label(axes, text, (right[0], 0.55), (-6, 0), ha="right", va="center")
        if same.size:
            text, at = "one class\nwith itself", (places[same, 0].mean(), 0.5)
            plane.label(axes, text, at, (6, 0), color=plane.RED, ha="left", va="center")
        return
    pair = np.flatnonzero((points.i == 0) & (points.j == 2))
    plane.label(axes, text, places[pair[np.argmin(points.purity[pair])]], (8, 5), ha="left", va="bottom")
    if same.size:
        text = "one class with itself:\none point for every λ"
        plane.label(axes, text, places[same[0]], (6, -13), color=plane.RED, ha="left", va="top")


def _name_below(axes: Axes, places: Float[np.ndarray, "N 2"], points: PairPoints) -> None:
    """Where any W is drawn no place is sure to be empty, and its rows need not point to their classes."""
    same = np.unique(points.i[points.i == points.j])
    for k in same if points.i.max() == 2 else ():  # on the line of two classes the ends say so
        at = places[(points.i == k) & (points.j == k)][0]
        plane.label(axes, str(k), at, color="white", ha="center", va="center")
    text = "dots: numerical optimum" + ", red: a class with itself" * bool(same.size)
    axes.set_xlabel(f"{axes.get_xlabel()}\n{text}")


def _place(problem, H, height):
    """Panel (a) coordinates; for K = 2 features lie on a line, and the height is λ or the label's y_0."""
    xy = H @ plane.class_plane(problem.W)
    return xy if problem.classes > 2 else np.stack([xy[:, 0], height], 1)


def _finish_plane(axes, problem, places, height):
    """Rows of W over all that is drawn at `places`, and frame; `height` is what K = 2 draws upwards."""
    n = min(problem.classes, 3)
    tips, line = problem.W[:n] @ plane.class_plane(problem.W), n == 2
    length = plane.draw_rows(axes, tips, range(n), np.concatenate(places), line)
    where = "on the line of two classes" if line else "in the plane of $w_0, w_1, w_2$"
    note = f"arrows: rows of $W${length}"
    x = f"feature, along $w_0 - w_1$; {note}" if line else note
    plane.frame(axes, line, f"(a) features {where}", x, height)


def _draw_coefficients(axes, problem, mixed, grid, theory):
    """(b) coef_i and coef_j against λ, with the same-class level. K = 2: coef_j = 0 is left out."""
    numeric = numeric_coefficients(problem, mixed)
    styles = [("$c_0$", plane.BLUE, "-", "o"), ("$c_1$", plane.LIGHT_BLUE, "--", "s")]
    shown = 1 if problem.classes == 2 and problem.is_etf else 2
    for k, (name, colour, line, marker) in enumerate(styles[:shown]):
        if theory is not None:
            axes.plot(grid, pair_coefficients(problem, theory.coef)[:, k], color=colour, ls=line)
        axes.plot(mixed.lam, numeric[:, k], ls="", marker=marker, color=colour, label=name)
        at = np.argmin(np.abs(mixed.lam - (0.25, 0.75)[k]))
        style = {"color": colour, "ha": "center", "va": "top", "fontsize": "medium"}
        plane.label(axes, name, (mixed.lam[at], numeric[at, k]), (0, -5), **style)
    if theory is not None:
        _same_class_level(axes, pair_coefficients(problem, theory.coef)[-1, 0])  # at λ = 1
    formula = "$h = c_0 w_0 + c_1 w_1$" if shown == 2 else "$h = c_0 w_0$"
    formula = formula if problem.is_etf else r"$h = \Sigma_k\, c_k w_k$ of least norm"
    plane.finish(axes, f"(b) coefficients, {formula}", r"mixing weight $\lambda$")


def _same_class_level(axes, level):
    low = axes.get_ylim()[0]
    axes.set_ylim(low, low + 1.16 * (level - low))
    axes.axhline(level, color=plane.RED, ls=":")
    text, style = f"one class with itself: {level:.4g}", {"color": plane.RED, "ha": "center", "va": "bottom"}
    plane.label(axes, text, (0.5, level), (0, 2), xycoords=axes.get_yaxis_transform(), **style)


def _draw_across(axes, problem, mixed, grid, theory):
    """(c) displacement across the channel against logit λ (squared error: against λ, a straight line)."""
    logistic = problem.loss == "cross-entropy"
    if logistic:
        mixed = mixed.where((mixed.lam > 0) & (mixed.lam < 1))
    horizontal = logit if logistic else np.asarray
    x, y = horizontal(mixed.lam), across(problem, mixed.H)
    if theory is not None:
        curve = horizontal(grid[1:-1]), across(problem, theory.H)[1:-1]
        axes.plot(*curve, label="closed form", **plane.CURVE)
        if logistic:
            _draw_limit(axes, problem, np.concatenate([theory.H, mixed.H]), curve)
        else:
            _name_curve(axes, "closed form: straight", *curve)
    axes.scatter(x, y, c=mixed.purity, s=9, **plane.DOTS)
    name = r"$\mathrm{logit}\ \lambda$" if logistic else r"mixing weight $\lambda$"
    plane.finish(axes, "(c) displacement across the channel", name, "$h$ along $w_0 - w_1$")
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))


def _name_curve(axes, text, x, y) -> None:
    """Right of a rising curve, in the corner below it that is empty."""
    at = np.argmax(y > y[0] + 0.2 * (y[-1] - y[0]))
    plane.label(axes, text, (x[at], y[at]), (5, -1), color="0.35", ha="left", va="top")


def _draw_limit(axes, problem, H, curve):
    """The line of λ_H → 0, in a frame that holds all of H and shows where a finite a leaves the line."""
    seen, slope = np.abs(across(problem, H)), limit_slope(problem)
    top = np.max(seen, initial=0.0, where=np.isfinite(seen))
    ends = max(4.0, log(1 + problem.sharpness) + 2) * np.array([-1, 1])
    axes.plot(ends, slope * ends, color=plane.ORANGE, ls="--", label="limit", zorder=2.5)
    axes.set_xlim(*ends)
    axes.set_ylim(-1.15 * top, 1.15 * top)
    # above and left of whichever of the two comes first
    at = 0.45 * top
    first = min(at / slope, curve[0][np.argmax(curve[1] > at)])
    text = "limit $\\lambda_H \\to 0$, slope\n" + rf"$[(K-1)/2K]^{{1/2}}/m$ = {slope:.4g}"
    plane.label(axes, text, (first, at), (-5, 0), color=plane.ORANGE, ha="right", va="bottom")
    below = np.abs(curve[0]) < ends[1]
    _name_curve(axes, f"closed form, $a$ = {problem.sharpness:.4g}", *(part[below] for part in curve))


def _draw_labels(figure: Picture, problem: Problem, points: LabelPoints) -> None:
    """(a) the plane, (b) y − p against y, (c) ‖h‖; dots numerical, rings closed form, one colour a label."""
    a, bar, b, c = _panels(figure)
    shade = plane.DOTS | {"cmap": plane.OTHER, "vmin": 1 / problem.classes}
    top, routes = points.Y.max(1), [(points.H, fitted(problem, points.logits))]
    if violated_assumption(problem) is None:
        theory = predict_features(problem, points.Y)
        routes.append((theory.H, theory.p))
    order = np.argsort(-points.Y, axis=1)[:, :MAX_ENTRIES]
    y, places = np.take_along_axis(points.Y, order, 1), []
    for number, (H, p) in enumerate(routes):
        size, few = (26, 18) if number else (9, 6)
        one = plane.RING if number else shade | {"c": top}
        each = plane.RING if number else shade | {"c": np.repeat(top, y.shape[1])}
        places.append(_place(problem, H, points.Y[:, 0]))
        a.scatter(places[-1][:, 0], places[-1][:, 1], s=size, **one)
        c.scatter(top, np.linalg.norm(H, axis=1), s=size, **one)
        b.scatter(y.ravel(), (y - np.take_along_axis(p, order, 1)).ravel(), s=few, **each)
    plane.colour_bar(figure, a.collections[0], "largest label entry", cax=bar, orientation="horizontal")
    _finish_plane(a, problem, places, "label entry $y_0$")
    text = [
        "dots: numerical optimum",
        *["rings: closed form"] * (len(routes) == 2),
        *_hidden(problem, points.Y),
    ]
    a.set_xlabel("\n".join([a.get_xlabel(), "; ".join(text[:2]), *text[2:]]))
    fit = "p_k" if problem.loss == "cross-entropy" else "(z_k + 1/K)"
    plane.finish(b, f"(b) residual, $y_k - {fit}$", "label entry $y_k$")
    b.ticklabel_format(axis="y", scilimits=(-2, 4))
    plane.finish(c, r"(c) feature norm, $\|h\|$", "largest label entry")


def _hidden(problem, Y) -> list[str]:
    """Labels with equal entries on classes 0, 1, 2 all project to the centre: how many."""
    hidden = int(np.sum(np.ptp(Y[:, :3], axis=1) == 0)) if problem.classes > 3 and problem.is_etf else 0
    return [f"at the centre: {hidden} of {len(Y)} labels, equal on classes 0, 1 and 2"] * bool(hidden)
