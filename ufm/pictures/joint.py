"""The picture of `python -m ufm.solve --classifier free --plot`: the joint optimum and its certificate.

(a) Gram matrix W Wᵀ; (b) singular values of W, over those of the predicted ETF where the theorem speaks;
(c) eigenvalues of M = E r rᵀ against λ_W λ_H: on the line are the active directions, above it none may be
(d ≥ K−1); (d) the optimal features of three classes in the plane of their classifier rows, or of all
classes where W has rank two or one. A zero optimum is said in words, beside its certificate (c).
"""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

from ufm.agree.joint import JointReport
from ufm.model.atoms import JointProblem
from ufm.model.etf import gain
from ufm.output.text import shown
from ufm.pictures.joint_features import ORANGE, RANK, draw_feature_panel
from ufm.pictures.joint_words import ACTIVE, describe_joint, trivial_text
from ufm.pictures.plane import DIFFERENT, RED, Style, plain, title_axes

ZERO = 1e-13  # eigenvalues of M below this share of the largest are rounding
MAX_TICKS = 20  # classes named on the axes of the Gram matrix
MAX_ENTRIES = 6  # classes up to which its entries are written out


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
    draw_feature_panel(figure, d, report)
    return figure


# words


# the zero optimum


def _draw_trivial(figure: Figure, report: JointReport) -> None:
    """W = 0: say so, and show the spectrum that proves it (or does not)."""
    left, right = figure.subplots(1, 2)
    left.set_axis_off()
    left.text(0.5, 0.55, trivial_text(report), ha="center", va="center", fontsize=12, linespacing=1.5)
    _draw_spectrum(right, report, "Certificate:")


# panels


def _draw_gram(figure: Figure, axes: Axes, report: JointReport) -> None:
    """(a) W Wᵀ as a heat map, white at zero; class weights on the left."""
    gram = report.solution.W @ report.solution.W.T
    top = np.abs(gram).max()
    image = axes.imshow(gram, cmap="RdBu_r", vmin=-top, vmax=top, interpolation="nearest")
    title_axes(axes, f"(a) Gram matrix $W W^T$, ETF deviation {shown(report.etf_deviation, '.2g')}", "class")
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
    plain(axes)
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
    title_axes(axes, f"(b) singular values of $W$, rank {rank}", "number")
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
    plain(axes)
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
    title_axes(axes, rf"{name} spectrum of $M = \mathbb{{E}}\, r r^T$, $r = y - p$", "number", "eigenvalue")
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
