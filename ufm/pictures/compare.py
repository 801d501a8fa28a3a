"""The picture of `python -m ufm.compare --plot`: six panels, a network's samples over the closed form.

(a) features of three classes in the plane of their classifier rows; (b) displacement across the channel against
logit λ; (c) probabilities of mixed samples; (d) amplification and non-linearity; (e) logits against the closed
form; (f) reliability of held-out predictions, or without them alignment and share outside the plane.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.typing import ColorType
from scipy.special import expit

from ufm.model.etf import simplex_etf
from ufm.network.comparison import Comparison
from ufm.network.measures.calibration import Calibration, Reliability
from ufm.network.measures.channels import weighted_mean
from ufm.network.measures.fitting import closed_logits
from ufm.network.measures.mixed import channel_prediction, pair_optimum, two_hot
from ufm.network.read.activations import Activations
from ufm.network.read.label_rows import LabelBlock
from ufm.network.resample import Reservoir, pieces
from ufm.output.text import shown
from ufm.pictures.plane import BLUE, CURVE, DIFFERENT, LIGHT_BLUE, RED, SAME, Style, class_plane

SHOWN = 1500  # samples in panels (a) and (e)
ORANGE = "#d95f02"


class Sample(NamedTuple):
    """A random subsample: features less their mean, centred logits, labels as pairs (−1: no pair) and in full."""

    H: Float[np.ndarray, "n d"]
    z: Float[np.ndarray, "n K"]
    i: np.ndarray
    j: np.ndarray
    lam: np.ndarray
    Y: Float[np.ndarray, "n K"]


def draw_comparison(given: Activations, found: Comparison) -> Figure:
    """Everything measured, on one page; reads the features two or three times more."""
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(12.6, 7.6), dpi=130, layout=layout)
    FigureCanvasAgg(figure)
    if found.a is None:
        return _draw_nothing(figure, "W is zero, or all its rows are equal: there is nothing to draw")
    known = "from $\\lambda_H$" if found.a_known else "fitted" if found.fit.a_identified else "not identified"
    K, d = given.W.shape
    title = (
        f"{given.count} samples, {K} classes, {d} dimensions; closed form at $a$ = {found.a:.4g} ({known})"
    )
    figure.suptitle(title, fontsize=11)
    a, b, c, d, e, f = figure.subplots(2, 3).ravel()
    centre = _origin(given, found)
    _draw_plane(a, given, found, take_sample(given, centre, plane=True))
    _draw_across(b, found)
    _draw_probabilities(c, found)
    _draw_bending(d, found)
    _draw_logits(e, found, take_sample(given, centre, plane=False))
    held = found.calibration
    _draw_alignment(f, found) if held is None else _draw_reliability(f, held)
    return figure


def _draw_nothing(figure: Figure, text: str) -> Figure:
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=12)
    return figure


def _origin(given: Activations, found: Comparison) -> Float[np.ndarray, " d"]:
    if found.channel.centre == "class" and found.stats is not None:
        return found.stats.means.mean(0)
    return weighted_mean(given.chunks()) if found.channel.centre == "mean" else np.zeros(given.dim)


def take_sample(given: Activations, centre: Float[np.ndarray, " d"], plane: bool) -> Sample:
    """At most SHOWN samples; plane: only those of classes 0, 1, 2."""
    reservoir = Reservoir(SHOWN, 0)
    V, shift = given.W - given.W.mean(0), 0.0 if given.b is None else given.b - given.b.mean()
    for chunk in given.chunks():
        for piece in pieces(chunk):
            i, j, lam = two_hot(piece.labels)
            near = (i >= 0) & (np.maximum(i, j) < 3) if plane else np.ones(len(i), bool)
            use = near & (piece.weights > 0)
            z = piece.H @ V.T + shift
            reservoir.add(piece.start, use, piece.H - centre, z, i, j, lam, piece.labels.dense())
    return Sample(*reservoir.rows)


def _draw_plane(axes: Axes, given: Activations, found: Comparison, sample: Sample) -> None:
    V = given.W - given.W.mean(0)
    plane, n = class_plane(V), min(len(V), 3)
    curves = _plane_curves(len(V), found)
    xy, purity = sample.H @ plane, np.abs(2 * sample.lam - 1)
    same = sample.i == sample.j
    style: Style = {"vmin": 0, "vmax": 1, "s": 9, "lw": 0}
    x, y = xy.T
    axes.scatter(x[~same], y[~same], c=purity[~same], cmap=DIFFERENT, zorder=2, **style)
    axes.scatter(x[same], y[same], c=np.ones(same.sum()), cmap=SAME, zorder=3, **style)
    for curve in curves:
        axes.plot(*curve.T, **CURVE | {"zorder": 4})
    reach = np.linalg.norm(np.concatenate([xy, *curves]), axis=1).max()
    tips = V[:n] @ plane
    tips = tips * (0.45 * reach / max(np.linalg.norm(tips, axis=1).max(), 1e-300))
    for k, tip in enumerate(tips):
        arrow = {"arrowstyle": "-|>", "color": "black", "lw": 1.5, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", tip, (0, 0), arrowprops=arrow, zorder=5)
        out = tip / (np.linalg.norm(tip) or 1.0)
        place: Style = {"textcoords": "offset points", "ha": "center", "va": "center"}
        axes.annotate(f"{k}", tip, 9 * out, fontsize=9, weight="bold", zorder=6, **place)
    for colour, text in ((BLUE, "different classes (dark: pure)"), (RED, "same class")):
        axes.scatter([], [], color=colour, s=14, label=text)
    axes.plot([], [], label="closed form", **CURVE)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_axis_off()
    axes.margins(0.12)
    axes.legend(fontsize=7.5, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=3)
    _title(axes, "(a) features, plane of $w_0, w_1, w_2$" if n == 3 else "(a) features along $w_0 - w_1$")


def _sharpness(found: Comparison) -> float:
    assert found.a is not None  # or nothing is drawn
    return found.a


def _plane_curves(K: int, found: Comparison) -> list[np.ndarray]:
    """Closed-form features of the pairs of classes 0, 1, 2 against an ETF of the network's row norm."""
    W = simplex_etf(K, K, found.multiplier)
    best = pair_optimum(_grid(), _sharpness(found), K)
    scale, plane, n = (K - 1) / (K * found.multiplier**2), class_plane(W), min(K, 3)
    pairs = [(i, j) for i in range(n) for j in range(i)]
    return [scale * (np.outer(best.x_i, W[i]) + np.outer(best.x_j, W[j])) @ plane for i, j in pairs]


def _grid() -> Float[np.ndarray, " n"]:
    """λ from 0 to 1, dense at both ends."""
    return np.unique(np.concatenate([np.linspace(0, 1, 201), expit(np.linspace(-16, 16, 321))]))


def _inner(found: Comparison) -> Float[np.ndarray, " n"]:
    """λ over the range of the bins that hold samples, and a little beyond."""
    t = found.channel.logit[found.channel.different > 0]
    reach = max(3.0, 1.05 * float(np.abs(t).max(initial=0.0)))
    return expit(np.linspace(-reach, reach, 301))


def _points(axes: Axes, x, part, colour, marker, label) -> None:
    some = ~np.isnan(part.value)
    value, low, high = (end[some] for end in part)
    bars = None if np.isnan(low).all() else np.abs(np.stack([value - low, high - value]))
    style = {"ls": "", "marker": marker, "ms": 4.5, "color": colour, "elinewidth": 1.1, "capsize": 2}
    axes.errorbar(x[some], value, bars, label=label, zorder=4, **style)


def _draw_across(axes: Axes, found: Comparison) -> None:
    c, lam = found.channel, _inner(found)
    t = np.log(lam) - np.log1p(-lam)
    axes.plot(t, _across(found, lam), label="closed form", **CURVE)
    axes.plot(t, c.slope_limit * t, ls="--", lw=1.1, color=ORANGE, label=r"limit $\lambda_H \to 0$")
    _points(axes, c.logit, c.displacement, BLUE, "o", "network")
    _finish(axes, "(b) displacement across the channel", r"$\mathrm{logit}\ \lambda$", "along $w_i - w_j$")


def _across(found: Comparison, lam):
    return channel_prediction(lam, _sharpness(found), found.classes, found.multiplier)["across_a"]


def _draw_probabilities(axes: Axes, found: Comparison) -> None:
    mixed, lam, K = found.mixed, _inner(found), found.classes
    best = pair_optimum(lam, _sharpness(found), K)
    curves = (best.p_i, best.p_j, (K - 2) * best.p_other)
    shown = (mixed.first, mixed.second, mixed.others)
    names = ("$p_i$", "$p_j$", "all others")
    for curve, values, name, colour, marker in zip(
        curves, shown, names, (BLUE, LIGHT_BLUE, "0.55"), ("o", "s", "^")
    ):
        axes.plot(lam, curve, color=colour, lw=1.1)
        axes.plot(mixed.lam, values, ls="", marker=marker, ms=4.5, color=colour, label=name)
    _finish(axes, "(c) probabilities of mixed samples", r"mixing weight $\lambda$", "mean probability")


def _draw_bending(axes: Axes, found: Comparison) -> None:
    c, lam = found.channel, _inner(found)
    best = channel_prediction(lam, _sharpness(found), found.classes, found.multiplier)
    if found.classes > 2:
        axes.plot(lam, best["along_a"] / best["straight_a"], color=BLUE, lw=1.1)
        _points(axes, c.lam, c.amplification, BLUE, "o", "amplification (straight: 1)")
    axes.plot(lam, best["bend_a"], color=ORANGE, lw=1.1)
    _points(axes, c.lam, c.nonlinearity, ORANGE, "s", "non-linearity (straight: 0)")
    axes.axhline(1, color="0.8", lw=0.8, zorder=1)
    axes.set_ylim(0, 1.25 * max(axes.get_ylim()[1], 1.0))
    _finish(axes, "(d) against straight interpolation", r"mixing weight $\lambda$", "")


def _draw_logits(axes: Axes, found: Comparison, sample: Sample) -> None:
    """Every centred logit of the subsample against the closed form; on the diagonal where they agree."""
    labels = LabelBlock(sample.i, sample.j, sample.lam, sample.Y, found.classes)
    expected = closed_logits(labels, _sharpness(found))[0].ravel()
    colour = DIFFERENT(0.25 + 0.75 * np.repeat(sample.Y.max(1), found.classes))
    axes.scatter(expected, sample.z.ravel(), c=colour, s=4, lw=0, alpha=0.6, rasterized=True, zorder=2)
    ends = np.array([expected.min(), expected.max()])
    axes.plot(ends, ends, color=RED, lw=1.1, label="equal", zorder=3)
    r2 = found.fit.r2_known if found.a_known else found.fit.r2
    text = "" if r2 is None else f", $R^2$ = {shown(r2, '.3f')} (linear {shown(found.fit.r2_linear, '.3f')})"
    _finish(axes, f"(e) logits{text}", "closed form", "network, centred")


def _draw_reliability(axes: Axes, held: Calibration) -> None:
    axes.plot([0, 1], [0, 1], color="0.8", lw=1)
    rows: list[tuple[Reliability, ColorType, str, str]] = [(held.observed, BLUE, "o", "as trained")]
    if held.fitted is not None:
        rows.append((held.fitted, ORANGE, "s", f"temperature {shown(held.temperature, '.3g')}"))
    for part, colour, marker, name in rows:
        some = part.counts > 0
        x, y, share = (values[some] for values in (part.confidence, part.accuracies, part.counts))
        axes.plot(x, y, lw=0.8, color=colour, alpha=0.5)
        size = 6 + 120 * share / share.max()  # area: how many samples the bin holds
        axes.scatter(
            x,
            y,
            s=size,
            marker=marker,
            color=colour,
            lw=0,
            label=f"{name}: ECE {shown(part.ece, '.3f')}",
            zorder=3,
        )
    _finish(
        axes,
        f"(f) held out, accuracy {shown(held.observed.accuracy, '.3f')} (size: samples)",
        "confidence",
        "accuracy",
    )


def _draw_alignment(axes: Axes, found: Comparison) -> None:
    c = found.channel
    if not (c.same.any() or c.different.any()):
        axes.text(0.5, 0.5, "no two-hot labels", ha="center", transform=axes.transAxes)
    middle = (c.edges[1:] + c.edges[:-1]) / 2
    _points(axes, middle, c.alignment, RED, "o", "same class: cosine with $w_c$")
    _points(axes, c.lam, c.outside, BLUE, "s", "different: share outside the plane")
    axes.set_ylim(-0.05, 1.3)
    _finish(axes, "(f) alignment and channel plane", r"mixing weight $\lambda$", "")


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=9.5, loc="left")


def _finish(axes: Axes, title: str, x: str, y: str) -> None:
    _title(axes, title)
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=7.5, frameon=False)
