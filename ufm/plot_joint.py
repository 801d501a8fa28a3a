"""The picture of `python -m ufm.solve --classifier free --plot`: the joint optimum and its certificate.

(a) Gram matrix W Wᵀ; (b) singular values of W, over those of the predicted ETF where the theorem speaks;
(c) eigenvalues of M = E r rᵀ against λ_W λ_H: on the line are the active directions, above it none may be
(d ≥ K−1); (d) the optimal features of three classes in the plane of their classifier rows, or of all
classes where W has rank two or one. A zero optimum is said in words, beside its certificate (c).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

from ufm.etf import gain
from ufm.geometry import collapsed_groups
from ufm.joint_agreement import JointProblem, JointReport
from ufm.labels import LabelLaw
from ufm.plot import DIFFERENT, RED, Style, _label, _law, class_plane
from ufm.printing import shown, small

ACTIVE = 1e-4  # eigenvalues of M within this share of λ_W λ_H are drawn as lying on the line
LEAST_AREA = 8.0  # points²
ZERO = 1e-13  # eigenvalues of M below this share of the largest are rounding
RANK = 1e-9  # singular values of W below this share of the largest count as zero
MAX_TICKS = 20  # classes named on the axes of the Gram matrix
MAX_ENTRIES = 6  # classes up to which its entries are written out
NAMED = 12  # arrows up to which every class is named
ORANGE = "#d95f02"


def draw_joint(report: JointReport) -> Figure:
    """The figure of one joint problem: Gram matrix, singular values, spectrum of M, features (object API)."""
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(10.5, 8.6), dpi=150, layout=layout)
    FigureCanvasAgg(figure)
    figure.suptitle(describe_joint(report), fontsize=11)
    if not report.solution.W.any():
        _draw_trivial(figure, report)
        return figure
    (a, b), (c, d) = figure.subplots(2, 2)
    _draw_gram(figure, a, report)
    _draw_singular_values(b, report)
    _draw_spectrum(c, report, "(c)")
    _draw_features(figure, d, report)
    return figure


# words


def describe_joint(report: JointReport) -> str:
    """Three lines: sizes, loss and law; bias, penalties and relative gap; the verdict on the ETF."""
    problem = report.problem
    lines = [
        [f"$K$ = {problem.classes}", f"$d$ = {problem.dim}", problem.loss, describe_law(problem.law)],
        [
            describe_bias(problem.lambda_b),
            rf"$\lambda_W$ = {problem.lambda_w:.3g}",
            rf"$\lambda_H$ = {problem.lambda_h:.3g}",
            f"relative gap {small(report.relative_gap)}",
        ],
    ]
    text = "\n".join("   ·   ".join(line) for line in lines)
    return f"{text}\n“W is a simplex ETF”: {report.verdict.word}{_reason(report)}"


def _reason(report: JointReport) -> str:
    """The broken hypothesis, which changes how the picture is read; other reasons are for the table."""
    if report.theory is not None:
        return ""
    return f" – {report.verdict.reason.replace('$', '')}"


def describe_law(law: LabelLaw) -> str:
    """The law with everything that makes it uneven."""
    parts = [_law(law)]
    if law.class_weights is not None:
        parts.append("class weights " + ", ".join(f"{q:.3g}" for q in law.class_weights[:8]))
        parts[-1] += ", …" * (len(law.class_weights) > 8)
    parts += ["weighted"] if law.label_weights is not None else []
    return ", ".join(parts)


def describe_bias(lambda_b: float | None) -> str:
    """No bias, a free one, or λ_b."""
    if lambda_b is None:
        return "no bias"
    return "free bias" if lambda_b == 0 else rf"$\lambda_b$ = {lambda_b:.3g}"


# the zero optimum


def _draw_trivial(figure: Figure, report: JointReport) -> None:
    """W = 0: say so, and show the spectrum that proves it (or does not)."""
    left, right = figure.subplots(1, 2)
    left.set_axis_off()
    left.text(0.5, 0.55, trivial_text(report), ha="center", va="center", fontsize=12, linespacing=1.5)
    _draw_spectrum(right, report, "Certificate:")


def trivial_text(report: JointReport) -> str:
    """What a zero optimum means, and whether the spectrum of M shows that it is global."""
    same = (
        "every class gets the same score"
        if report.problem.lambda_b is None
        else "every score is a bias alone"
    )
    optimal = report.certificate.lambda_max_ratio <= ACTIVE
    head, why = TRIVIAL if optimal else SADDLE
    return (
        f"{head}\n\n$W = 0$, so every feature is $h = 0$\nand {same}.\n\n"
        f"largest eigenvalue of $M$: {report.certificate.spectrum[-1]:.4g}\n"
        rf"$\lambda_W \lambda_H$: {report.problem.product:.4g}"
        f"\n\n{why}"
    )


TRIVIAL = "The optimum is zero.", "The penalties outweigh every direction\nthat the labels could pull in."
SADDLE = (
    "The solver stopped at zero.",
    "An eigenvalue exceeds the penalties:\nthis is a saddle, not the optimum.",
)


# panels


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)


def _draw_gram(figure: Figure, axes: Axes, report: JointReport) -> None:
    """(a) W Wᵀ as a heat map, white at zero; class weights on the left."""
    gram = report.solution.W @ report.solution.W.T
    top = np.abs(gram).max()
    image = axes.imshow(gram, cmap="RdBu_r", vmin=-top, vmax=top, interpolation="nearest")
    _label(axes, f"(a) Gram matrix $W W^T$, ETF deviation {shown(report.etf_deviation, '.2g')}", "class")
    K, names = len(gram), class_names(report.problem)
    if K <= MAX_TICKS:
        axes.set_xticks(range(K), map(str, range(K)), fontsize=8)
        axes.set_yticks(range(K), names, fontsize=8)
    if report.problem.law.class_weights is not None:
        axes.set_ylabel("class (weight)", fontsize=9)
    if K <= MAX_ENTRIES:
        for i, j in np.ndindex(K, K):
            shade = "white" if abs(gram[i, j]) > 0.6 * top else "black"
            axes.text(j, i, entry_text(gram[i, j], top), ha="center", va="center", fontsize=8, color=shade)
    bar = figure.colorbar(image, ax=axes, shrink=0.9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)


def class_names(problem: JointProblem) -> list[str]:
    """0, 1, … with the class weights, where they are given."""
    weights = problem.law.class_weights
    if weights is None:
        return [str(k) for k in range(problem.classes)]
    return [f"{k} ({q:.3g})" for k, q in enumerate(weights)]


def entry_text(value: float, top: float) -> str:
    """Three digits; what is 1e-6 of the largest entry or less is 0."""
    return "0" if abs(value) <= 1e-6 * top else f"{value:.3g}"


def _draw_singular_values(axes: Axes, report: JointReport) -> None:
    """(b) singular values of W over those of the predicted ETF, √(m²K/(K−1)) K−1 times and 0."""
    W, K = report.solution.W, report.problem.classes
    size = np.zeros(K)
    found = np.linalg.svd(W, compute_uv=False)[:K]
    size[: len(found)] = found
    index = np.arange(1, K + 1)
    _plain(axes)
    predicted = predicted_singular_values(report)
    if report.theory is not None and predicted is not None:
        text = f"predicted ETF, $m$ = {report.theory.value:.6g}"
        ring: Style = {"facecolors": "none", "edgecolors": RED, "linewidths": 1.2, "zorder": 2}
        axes.scatter(index, predicted, s=90, label=text, **ring)
    axes.vlines(index, 0, size, color="0.85", lw=1, zorder=1)
    axes.scatter(index, size, s=22, color=DIFFERENT(0.85), zorder=3, label="numerical optimum")
    axes.set_ylim(-0.04 * size[0], 1.3 * max(size[0], 0.0 if predicted is None else predicted[0]))
    axes.set_xlim(0.5, K + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1))
    rank = int(np.sum(size > RANK * size[0]))
    _label(axes, f"(b) singular values of $W$, rank {rank}", "number")
    axes.legend(fontsize=8, frameon=False, loc="upper right", ncols=2)


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
    index = np.arange(1, len(spectrum) + 1)
    _plain(axes)
    axes.set_yscale("log")
    axes.set_ylim(bottom * (bottom / top) ** 0.1, top * (top / bottom) ** 0.25)
    axes.axhline(
        product, color="0.35", lw=1, ls="--", zorder=1, label=rf"$\lambda_W \lambda_H$ = {product:.3g}"
    )
    for kind, (colour, marker, text) in SPECTRUM_STYLES.items():
        at, height = index[kinds == kind], np.maximum(spectrum[kinds == kind], bottom)
        if len(at):
            height = np.full(len(at), bottom) if kind == "zero" else height
            axes.scatter(at, height, s=24, color=colour, marker=marker, label=f"{text}: {len(at)}", zorder=3)
    _ticks_for_a_short_range(axes, bottom, top)
    axes.set_xlim(0.5, len(spectrum) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1))
    _label(axes, rf"{name} spectrum of $M = \mathbb{{E}}\, r r^T$, $r = y - p$", "number", "eigenvalue")
    axes.legend(fontsize=8, frameon=False, loc="upper right", ncols=2)


SPECTRUM_STYLES = {
    "above": (ORANGE, "^", "above the line"),
    "active": (RED, "o", "on the line (active)"),
    "below": (DIFFERENT(0.75), "o", "below it"),
    "zero": ("0.6", "v", "0 up to rounding"),
}


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


# features


class FeaturePicture(NamedTuple):
    """Panel (d): chosen atoms' labels (n, K), weights (n), xy (n, 2); shown classes, their rows' tips (·, 2).

    line: W has rank one, and y is the label entry of the class `first`.
    """

    labels: np.ndarray
    weights: np.ndarray
    xy: np.ndarray
    classes: list[int]
    tips: np.ndarray
    line: bool
    first: int


def feature_picture(report: JointReport) -> FeaturePicture:
    """What panel (d) shows."""
    W, atoms = report.solution.W, report.problem.atoms
    classes, plane, first = shown_classes(W), feature_plane(W), leading_class(W)
    chosen = atoms_of(atoms.labels, classes)
    labels, xy = atoms.labels[chosen], report.solution.H[chosen] @ plane
    line = numerical_rank(W) == 1
    if line:
        xy = np.stack([xy[:, 0], labels[:, first]], 1)
    return FeaturePicture(labels, atoms.weights[chosen], xy, classes, W[classes] @ plane, line, first)


def numerical_rank(W: Float[np.ndarray, "K d"]) -> int:
    """Number of singular values above 1e-9 of the largest."""
    size = np.linalg.svd(W, compute_uv=False)
    return int(np.sum(size > RANK * size[0]))


def leading_class(W: Float[np.ndarray, "K d"]) -> int:
    """The class with the longest row, the first of them."""
    size = np.linalg.norm(W, axis=1)
    return int(np.argmax(size > (1 - 1e-6) * size.max()))


def shown_classes(W: Float[np.ndarray, "K d"]) -> list[int]:
    """All classes where W has rank 2 or less; else the first three rows that lie apart."""
    K = len(W)
    if K <= 3 or numerical_rank(W) <= 2:
        return list(range(K))
    hidden = {k for group in collapsed_groups(W) for k in group[1:]}
    return [k for k in range(K) if k not in hidden][:3]  # rank 3 has as many rows apart


def feature_plane(W: Float[np.ndarray, "K d"]) -> Float[np.ndarray, "d 2"]:
    """The plane of `shown_classes`: `class_plane` of their rows, or W's own plane (or line) at rank 2 (or 1).

    W's own: right singular vectors, turned so that `leading_class` points up (rank 1: to the right).
    """
    rank = numerical_rank(W)
    if rank > 2:
        return class_plane(W[shown_classes(W)])
    right = np.linalg.svd(W)[2][:rank].T
    along = right.T @ W[leading_class(W)]
    if rank == 1:
        return np.concatenate([right * np.sign(along), np.zeros_like(right)], 1)
    x, y = along / np.linalg.norm(along)
    return right @ np.array([[y, x], [-x, y]])


def atoms_of(labels: Float[np.ndarray, "n K"], classes: list[int]) -> np.ndarray:
    """Which labels (n) weigh, beyond an even background, on these classes alone; all, if none do."""
    above = labels - labels.min(1, keepdims=True) > 1e-12
    others = np.setdiff1d(np.arange(labels.shape[1]), classes)
    inside = ~above[:, others].any(1)
    return inside if inside.any() else np.ones_like(inside)


def purity(labels: Float[np.ndarray, "n K"]) -> Float[np.ndarray, "n"]:
    """Largest minus second label entry; |2λ − 1| for λ e_i + (1−λ) e_j."""
    ordered = np.sort(labels, axis=1)
    return ordered[:, -1] - ordered[:, -2]


def marker_areas(weights: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Areas in points², proportional to weight, with a least one that can be seen."""
    return np.maximum(LEAST_AREA, 150.0 * weights / weights.max())


def _draw_features(figure: Figure, axes: Axes, report: JointReport) -> None:
    """(d) features of the shown classes; area by weight, colour by purity, rows of W as arrows."""
    picture = feature_picture(report)
    _plain(axes)
    drawn = _draw_dots(axes, picture)
    note = _draw_rows(axes, picture)
    _frame_features(axes, picture, report.problem, note)
    name = r"$|2\lambda - 1|$" if report.problem.law.two_hot else "largest − second label entry"
    bar = figure.colorbar(drawn, ax=axes, shrink=0.9)
    bar.set_label(name, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)


def _draw_dots(axes: Axes, picture: FeaturePicture):
    """Heavy atoms first, so that light ones stay on top."""
    order = np.argsort(-picture.weights, kind="stable")
    areas = marker_areas(picture.weights)[order]
    x, y = picture.xy[order].T
    return axes.scatter(
        x,
        y,
        c=purity(picture.labels)[order],
        s=areas,
        cmap=DIFFERENT,
        vmin=0,
        vmax=1,
        linewidths=np.where(areas > 2 * LEAST_AREA, 0.4, 0.0).tolist(),
        edgecolors="white",
        zorder=3,
    )


def _draw_rows(axes: Axes, picture: FeaturePicture) -> str:
    """Rows of W as named arrows, to scale unless too short or too long to read; returns what to say of it."""
    xy, tips = picture.xy, picture.tips
    reach = np.abs(xy[:, 0]).max() if picture.line else np.linalg.norm(xy, axis=1).max()
    longest = np.linalg.norm(tips, axis=1).max()
    scale = 1.0 if reach == 0 or 0.2 < longest / reach < 0.8 else 0.5 * reach / longest
    base, tips = (0.0, -0.14 if picture.line else 0.0), scale * tips
    style = {"arrowstyle": "-|>,head_width=0.28,head_length=0.6", "color": "black", "lw": 1.4}
    for tip in tips:
        axes.annotate("", base + tip, base, arrowprops=style | {"shrinkA": 0, "shrinkB": 0}, zorder=4)
    axes.update_datalim(base + 1.1 * tips)
    zero = _name_rows(axes, picture, base, tips) if len(tips) <= NAMED else []
    size = "" if scale == 1 else f", length × {float(f'{scale:.2g}'):g}"
    vanished = "" if not zero else f"; zero row: {', '.join(map(str, zero))}"
    return f"arrows: rows of $W${size}{vanished}"


def _name_rows(axes: Axes, picture: FeaturePicture, base, tips) -> list[int]:
    """Class numbers, one text for rows that coincide, beyond the features; returns classes with zero rows."""
    reach, zero = np.linalg.norm(tips, axis=1).max(), []
    for tip, names in same_places(tips, picture.classes, 1e-3 * reach):
        if np.linalg.norm(tip) <= 1e-6 * reach:
            zero += names
            continue
        out = tip / np.linalg.norm(tip)
        numbers = ", ".join(map(str, names))
        if picture.line:
            axes.text(base[0] + tip[0], base[1] - 0.05, numbers, fontsize=9, ha="center", va="top")
            continue
        at = 1.14 * max(np.max(picture.xy @ out), np.max(tips @ out)) * out
        side = "center" if abs(out[0]) < 0.3 else "left" if out[0] > 0 else "right"
        text = f"class {numbers}" if len(names) == 1 else f"classes {numbers}"
        axes.text(at[0], at[1], text, fontsize=9, ha=side, va="bottom" if out[1] > 0.3 else "center")
        axes.update_datalim([1.25 * at])  # room for the text
    return zero


def same_places(tips, classes: list[int], tolerance: float) -> list[tuple[np.ndarray, list[int]]]:
    """Distinct arrow tips, each with the classes that share it."""
    places: list[tuple[np.ndarray, list[int]]] = []
    for k, tip in zip(classes, tips):
        shared = [names for other, names in places if np.linalg.norm(tip - other) <= tolerance]
        if shared:
            shared[0].append(k)
        else:
            places.append((tip, [k]))
    return places


def _frame_features(axes: Axes, picture: FeaturePicture, problem: JointProblem, note: str) -> None:
    """Scales, title and notes of panel (d)."""
    axes.autoscale_view()
    note = f"{note}; marker area: weight"
    if picture.line:
        _label(axes, "(d) features on the line of $W$", note, f"label entry $y_{{{picture.first}}}$")
        axes.set_ylim(-0.32, 1.12)
        axes.set_yticks(np.linspace(0, 1, 6))
        return
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelcolor="0.45", labelsize=8)
    numbers = ", ".join(map(str, picture.classes))
    if len(picture.classes) == problem.classes:
        title = "(d) all features, in the plane of $W$"
    elif len(picture.labels) == len(problem.atoms.labels):
        title = f"(d) all features, in the plane of classes {numbers}"
    else:
        title = f"(d) features of classes {numbers}, in their plane"
    _label(axes, title, note)
