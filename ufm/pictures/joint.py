"""The picture of `python -m ufm.solve --classifier free --plot`: the joint optimum and its certificate.

(a) Gram matrix W Wᵀ; (b) singular values of W, over those of the predicted ETF where the theorem speaks;
(c) eigenvalues of M = E r rᵀ against λ_W λ_H: on the line are the active directions, above it none may be
(d ≥ K−1); (d) the optimal features of three classes in the plane of their classifier rows, or of all
classes where W has rank two or one. A zero optimum is said in words, beside its certificate (c).
"""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

import ufm.pictures.plane as plane
import ufm.pictures.words.joint as words
from ufm.agree.joint import JointReport
from ufm.model.atoms import JointProblem
from ufm.model.etf import gain
from ufm.output.text import shown, small
from ufm.pictures.frame import Picture, picture
from ufm.pictures.joint_features import draw_feature_panel, numerical_rank
from ufm.rules.files import Size

HEIGHTS = {"text": 5.8, "column": 9.4}
ZERO = 1e-13  # eigenvalues of M below this share of the largest are rounding
MAX_TICKS = 20  # classes named on the axes of the Gram matrix
MAX_ENTRIES = 6  # classes up to which its entries are written out
SIGN = 1e-6  # share of the largest entry up to which one is zero, and has no sign
ACTIVE = 1e-4  # eigenvalues of M within this share of λ_W λ_H are drawn as lying on the line
TRIVIAL = "The optimum is zero.", "The penalties outweigh every direction\nthat the labels could pull in."
SADDLE = (
    "The solver stopped at zero.",
    "An eigenvalue exceeds the penalties:\nthis is a saddle, not the optimum.",
)


def draw_joint(report: JointReport, size: Size = "text") -> Picture:
    """The figure of one joint problem: Gram matrix, singular values, spectrum of M, features (object API)."""
    with picture(size, HEIGHTS, *describe_joint(report)) as figure:
        across = 1 + figure.wide
        if not report.solution.W.any():
            left, right = figure.subplots(3 - across, across).ravel()
            plane.say(left, trivial_text(report))
            _draw_spectrum(right, report, "Certificate:")
            return _tell(figure, report)
        a, b, c, d = figure.subplots(4 // across, across).ravel()
        _draw_gram(figure, a, report)
        _draw_singular_values(b, report)
        _draw_spectrum(c, report, "(c)")
        draw_feature_panel(figure, d, report)
    return _tell(figure, report)


# words


def _tell(figure: Picture, report: JointReport) -> Picture:
    figure.caption = words.caption(report)
    figure.seen = words.seen(
        report, spectrum_kinds(report.certificate.spectrum, report.problem.product).tolist()
    )
    return figure


def describe_joint(report: JointReport) -> list[list[str]]:
    """Three lines: sizes, loss and law; bias, penalties and relative gap; the verdict on the ETF.

    With the broken hypothesis, which changes how the picture is read; other reasons are for the table.
    """
    p, verdict = report.problem, report.verdict
    why = "" if report.theory is not None else f" – {verdict.reason.replace('$', '')}"
    more = describe_bias(p.lambda_b), f"relative gap {small(report.relative_gap)}"
    return [*plane.problem_lines(p, *more), [f"“W is a simplex ETF”: {verdict.word}{why}"]]


def describe_bias(lambda_b: float | None) -> str:
    """No bias, a free one, or λ_b."""
    if lambda_b is None:
        return "no bias"
    return "free bias" if lambda_b == 0 else rf"$\lambda_b$ = {lambda_b:.3g}"


def trivial_text(report: JointReport) -> str:
    """What a zero optimum means, and whether the spectrum of M shows that it is global."""
    free = report.problem.lambda_b is None
    same = "every class gets the same score" if free else "every score is a bias alone"
    head, why = TRIVIAL if report.certificate.lambda_max_ratio <= ACTIVE else SADDLE
    return (
        f"{head}\n\n$W = 0$, so every feature is $h = 0$\nand {same}.\n\n"
        f"largest eigenvalue of $M$: {report.certificate.spectrum[-1]:.4g}\n"
        rf"$\lambda_W \lambda_H$: {report.problem.product:.4g}"
        f"\n\n{why}"
    )


# panels


def _draw_gram(figure: Figure, axes: Axes, report: JointReport) -> None:
    """(a) W Wᵀ as a heat map, white at zero; class weights on the left."""
    gram = report.solution.W @ report.solution.W.T
    top = np.abs(gram).max()
    image = axes.imshow(gram, cmap="RdBu_r", vmin=-top, vmax=top, interpolation="nearest")
    K, names, weighted = len(gram), class_names(report.problem), report.problem.law.class_weights is not None
    title = f"(a) Gram matrix $W W^T$, ETF deviation {shown(report.etf_deviation, '.2g')}"
    plane.finish(axes, title, "class", "class (weight)" if weighted else "")
    if K <= MAX_TICKS:
        axes.set_xticks(range(K), map(str, range(K)))
        axes.set_yticks(range(K), names)
    for i, j in np.ndindex(K, K) if K <= MAX_TICKS else ():
        text = entry_text(gram[i, j], top) if K <= MAX_ENTRIES else "−" * bool(gram[i, j] < -SIGN * top)
        shade = "white" if abs(gram[i, j]) > 0.6 * top else "black"  # opposite entries are one grey
        axes.text(j, i, text, ha="center", va="center", color=shade, fontsize=plane.LETTERS)
    plane.colour_bar(figure, image, ax=axes, shrink=0.9)


def class_names(problem: JointProblem) -> list[str]:
    """0, 1, … with the class weights, where they are given."""
    weights = problem.law.class_weights
    if weights is None:
        return [str(k) for k in range(problem.classes)]
    return [f"{k} ({q:.3g})" for k, q in enumerate(weights)]


def entry_text(value: float, top: float) -> str:
    """Three digits; what is 1e-6 of the largest entry or less is 0."""
    return "0" if abs(value) <= SIGN * top else f"{value:.3g}"


def _draw_singular_values(axes: Axes, report: JointReport) -> None:
    """(b) singular values of W over those of the predicted ETF, √(m²K/(K−1)) K−1 times and 0."""
    K, predicted = report.problem.classes, predicted_singular_values(report)
    found = np.linalg.svd(report.solution.W, compute_uv=False)[:K]
    size = np.append(found, np.zeros(K - len(found)))
    index, top = np.arange(1, K + 1), size[0]
    corner = {"xycoords": "axes fraction", "ha": "right", "va": "top"}
    if report.theory is not None and predicted is not None:
        ring = plane.RING | {"edgecolors": plane.RED, "linewidths": 0.9}
        axes.scatter(index, predicted, s=36, label="predicted", **ring)
        top = max(top, predicted[0])
        text = f"rings: predicted ETF, $m$ = {report.theory.value:.6g}"
        plane.label(axes, text, (0.98, 0.99), color=plane.RED, **corner)
    axes.vlines(index, 0, size, color="0.85", zorder=1)
    axes.scatter(index, size, s=9, color=plane.BLUE, zorder=3, label="numerical optimum")
    plane.label(axes, "dots: numerical optimum", (0.98, 0.92), color=plane.BLUE, **corner)
    axes.set_ylim(-0.06 * size[0], 1.3 * top)
    _finish_numbers(axes, K, f"(b) singular values of $W$, rank {numerical_rank(report.solution.W)}")


def _finish_numbers(axes: Axes, count: int, title: str, y: str = "") -> None:
    """A panel of numbered values."""
    axes.set_xlim(0.5, count + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1))
    plane.finish(axes, title, "number", y)


def predicted_singular_values(report: JointReport) -> Float[np.ndarray, "K"] | None:
    """√(m²K/(K−1)) K−1 times, and 0, of the theorem's ETF; None where a hypothesis does not hold."""
    if report.theory is None:
        return None
    K = report.problem.classes
    return np.append(np.full(K - 1, np.sqrt(gain(K, report.theory.value))), 0.0)


def _draw_spectrum(axes: Axes, report: JointReport, name: str) -> None:
    """(c) eigenvalues of M on a log scale, by what they mean; rounding is parked at the bottom."""
    product = report.problem.product
    spectrum = report.certificate.spectrum[::-1]
    kinds = spectrum_kinds(spectrum, product)
    alive = spectrum[kinds != "zero"]
    bottom = 0.3 * min(product, np.min(alive, initial=np.inf))
    top = 3.0 * max(product, np.max(alive, initial=0.0))
    index, heights = np.arange(1, len(spectrum) + 1), np.where(kinds == "zero", bottom, spectrum)
    axes.set_yscale("log")
    axes.set_ylim(bottom * (bottom / top) ** 0.1, top * (top / bottom) ** 0.25)
    axes.axhline(product, color="0.35", ls="--", zorder=1)
    text, style = rf"$\lambda_W \lambda_H$ = {product:.3g}", {"color": "0.35", "ha": "right", "va": "top"}
    plane.label(axes, text, (1, product), (0, -4), xycoords=axes.get_yaxis_transform(), **style)
    for kind, (colour, marker, text, up) in SPECTRUM_STYLES.items():
        some = kinds == kind
        if some.any():
            label, at = f"{text}: {some.sum()}", (index[some], heights[some])
            axes.scatter(*at, s=12, color=colour, marker=marker, label=label, zorder=3)
            _name_group(axes, label, *at, colour, up, len(spectrum))
    _ticks_for_a_short_range(axes, bottom, top)
    title = rf"{name} spectrum of $M = \mathrm{{E}}\, r r^T$, $r = y - p$"
    _finish_numbers(axes, len(spectrum), title, "eigenvalue")


# colour, marker, words, and whether these stand above
SPECTRUM_STYLES = {
    "above": (plane.ORANGE, "^", "above the line", True),
    "active": (plane.RED, "o", "on the line (active)", True),
    "below": (plane.DIFFERENT(0.75), "o", "below it", False),
    "zero": ("0.45", "v", "0 up to rounding", True),
}


def _name_group(axes: Axes, text: str, x, y, colour, up: bool, count: int) -> None:
    """Words over or under neighbouring markers, at the side where the panel has room."""
    middle = (x.mean() - 0.5) / count
    side, at = ("left", x[0]) if middle < 0.4 else ("right", x[-1]) if middle > 0.6 else ("center", x.mean())
    style = {"color": colour, "ha": side, "va": "bottom" if up else "top"}
    plane.label(axes, text, (at, y.max() if up else y.min()), (0, 4 if up else -4), **style)


def spectrum_kinds(spectrum: Float[np.ndarray, "K"], product: float) -> np.ndarray:
    """For each eigenvalue of M: above, active (λ_W λ_H up to 1e-4), below, or zero up to rounding."""
    ratio = spectrum / product
    kinds = np.where(ratio > 1 + ACTIVE, "above", np.where(ratio >= 1 - ACTIVE, "active", "below"))
    return np.where(spectrum <= ZERO * max(spectrum.max(), product), "zero", kinds)


def _ticks_for_a_short_range(axes: Axes, bottom: float, top: float) -> None:
    """Less than two decades: ticks at 1, 2 and 5 as plain numbers, or the scale could not be read."""
    if top / bottom > 100:
        return
    decades = 10.0 ** np.arange(np.floor(np.log10(bottom)) - 1, np.ceil(np.log10(top)) + 2)
    ticks = np.outer(decades, [1, 2, 5]).ravel().tolist()
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FixedFormatter([f"{tick:.3g}" for tick in ticks]))
    axes.yaxis.set_minor_locator(NullLocator())
