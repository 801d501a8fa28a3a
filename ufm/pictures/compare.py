"""The picture of `python -m ufm.compare --plot`: six panels, a network's samples over the closed form.

(a) features of all pairs, each in the frame of its two rows of W; (b) displacement across the channel against the
logit of the label; (c) probabilities of mixed samples; (d) amplification and non-linearity; (e) logits against the
closed form; (f) reliability of held-out predictions, or without them alignment and share outside the plane.
Where no input is mixed (a) to (d) are of the classes instead (`compare_classes`).
"""

import io
from math import ceil, floor
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.transforms import Bbox, BboxBase
from matplotlib.typing import ColorType
from scipy.special import expit, logit

import ufm.pictures.plane as plane
import ufm.pictures.words.compare as words
from ufm.model.etf import simplex_etf
from ufm.network.comparison import Comparison
from ufm.network.findings import ZERO
from ufm.network.measures.calibration import Calibration, Reliability
from ufm.network.measures.directions import directions, dot, orthogonal
from ufm.network.measures.fitting import closed_logits
from ufm.network.measures.mixed import channel_prediction, label_logit, pair_optimum
from ufm.network.read.activations import Outline
from ufm.network.read.label_rows import LabelBlock
from ufm.output.text import shown
from ufm.pictures.compare_classes import draw_classes
from ufm.pictures.frame import Picture, picture
from ufm.pictures.points import lam_grid
from ufm.rules.files import Size

HEIGHTS = {"text": 7.2, "column": 9.4}
POINTS = 20_000  # logits of other classes that are drawn
WEIGHT, LOGIT = r"mixing weight $\lambda$", r"$\mathrm{logit}\ \lambda$"


class Sample(NamedTuple):
    """A random subsample: features less their mean, centred logits, labels as pairs (−1: no pair) and in full."""

    H: Float[np.ndarray, "n d"]
    z: Float[np.ndarray, "n K"]
    i: np.ndarray
    j: np.ndarray
    lam: np.ndarray
    Y: Float[np.ndarray, "n K"]


def draw_comparison(given: Outline, found: Comparison, size: Size = "text") -> Picture:
    """Everything measured, on one page."""
    if found.a is None:
        with picture(size, {"text": 1.5, "column": 1.5}) as figure:
            plane.say(figure.add_subplot(), f"{ZERO}: there is nothing to draw")
        figure.caption, figure.seen = words.caption(given, found), words.seen(found)
        return figure
    known = "from $\\lambda_H$" if found.a_known else "fitted" if found.fit.a_identified else "not identified"
    sizes = f"{given.count} samples", f"{given.classes} classes", f"{given.dim} dimensions"
    with picture(size, HEIGHTS, [*sizes, f"closed form at $a$ = {found.a:.4g} ({known})"]) as figure:
        down = [1.35, 1.1, 1.0] if figure.wide else [1.5, 1, 1, 1, 1, 1]
        a, b, c, d, e, f = figure.subplots(len(down), 6 // len(down), height_ratios=down).ravel()
        sample = take_sample(given, found)
        if found.channel.rows[1]:
            _draw_pairs(figure, (a, b, c, d), found, sample)
        else:
            draw_classes(figure, (a, b, c, d), found.features.clean, given.W)
        _draw_logits(e, found, sample, found.a)
        held = found.calibration
        _draw_alignment(f, found) if held is None else _draw_reliability(f, held)
        f.set_ylim(-0.05, 1.42 if figure.wide else 1.8)  # room for the legend above every point
    figure.caption, figure.seen = words.caption(given, found), words.seen(found)
    return figure


def _draw_pairs(
    figure: Figure, panels: tuple[Axes, Axes, Axes, Axes], found: Comparison, sample: Sample
) -> None:
    """What is of mixed inputs."""
    assert found.a is not None
    a, b, c, d = panels
    lam, K, delta = _inner(found), found.classes, found.kind.delta
    best = channel_prediction(lam, found.a, K, found.multiplier, delta)
    _draw_frame(figure, a, found, sample)
    _draw_across(b, found, label_logit(lam, K, delta), best["across_a"])
    _draw_probabilities(c, found, lam, pair_optimum(lam, found.a, K, delta))
    _draw_bending(d, found, lam, best)


def panel_images(figure: Picture) -> list[tuple[str, bytes]]:
    """Each panel, with its colour bar, as a PNG of its own, and its title with what is seen in it: for pages that a
    phone shows too."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # once: panels are cut out of the picture
    pixels = np.asarray(canvas.buffer_rgba())
    boxes: dict[str, list[BboxBase]] = {}  # by the number of the panel
    for n, axes in enumerate(figure.axes):
        if box := axes.get_tightbbox():
            boxes.setdefault(axes.get_gid() or str(n), []).append(box)
    found = []
    for panel, parts in boxes.items():
        title, image = figure.axes[int(panel)].get_title() or "panel", io.BytesIO()
        (left, low), (right, high) = Bbox.union(parts).padded(4).get_points()
        rows = slice(max(0, len(pixels) - ceil(high)), len(pixels) - max(0, floor(low)))  # from the top
        imsave(image, np.ascontiguousarray(pixels[rows, max(0, floor(left)) : ceil(right)]), format="png")
        seen = f". {figure.seen[int(panel)]}" if int(panel) < len(figure.seen) else ""
        found.append((title.replace("$", "") + seen, image.getvalue()))
    return found


def take_sample(given: Outline, found: Comparison) -> Sample:
    """The rows that were kept, about the origin of the comparison."""
    features, rows, centre = found.features, found.features.drawn, found.channel.centre
    means = features.means if centre == "class" else None
    origin = features.mean if means is None else means.mean(0)
    origin = 0.0 if centre == "none" or origin is None else origin
    V, shift = features.W - features.W.mean(0), 0.0 if given.b is None else given.b - given.b.mean()
    return Sample(rows.H - origin, rows.H @ V.T + shift, rows.i, rows.j, rows.lam, rows.Y)


def in_frame(H, i, j, V: Float[np.ndarray, "K d"]) -> Float[np.ndarray, "n 2"]:
    """Coordinates along v_i − v_j and along v_i + v_j made orthogonal to it, of each row for its own pair."""
    across, along = directions(i, j, V)
    return np.stack([dot(H, across), dot(H, orthogonal(along, across))], 1)


def _draw_frame(figure: Figure, axes: Axes, found: Comparison, sample: Sample) -> None:
    """All pairs over one another, and the closed form; of one class in the frame of it and the next."""
    K, V = found.classes, found.features.W - found.features.W.mean(0)
    some = sample.i >= 0
    pair, same = some & (sample.i != sample.j), some & (sample.i == sample.j)
    xy = in_frame(sample.H[pair], sample.i[pair], sample.j[pair], V)
    next_class = (sample.i[same] + 1) % K
    pure = in_frame(sample.H[same], sample.i[same], next_class, V)
    if K == 2:  # nothing is left beside w_0 − w_1
        xy[:, 1], pure[:, 1] = sample.lam[pair], 1.0
    dots = axes.scatter(xy[:, 0], xy[:, 1], c=sample.lam[pair], s=5, **plane.DOTS | {"cmap": plane.OTHER})
    rings: plane.Style = {
        "facecolors": "none",
        "edgecolors": [plane.RED],
        "lw": 0.5,
    }  # told from dots without colour too
    axes.scatter(pure[:, 0], pure[:, 1], s=9, zorder=3, **rings)
    curve = _frame_curve(found)
    axes.plot(*curve.T, **plane.CURVE | {"zorder": 4, "lw": 1.3})
    if len(pure):
        at, under = (pure[:, 0].mean(), pure[:, 1].min()), {"ha": "center", "va": "top", "bbox": plane.BACK}
        plane.label(axes, "rings: one class", at, (0, -5), color=plane.RED, **under)
    if K > 2:
        tips = in_frame(np.stack([V[0], V[1]]), np.array([0, 0]), np.array([1, 1]), V)
        plane.draw_rows(axes, tips, ["i", "j"], np.concatenate([xy, pure, curve]))
    plane.frame(axes, K == 2, "(a) features in the frame of their two classes", "along $w_i - w_j$", WEIGHT)
    if K > 2:
        axes.set_axis_off()
    bar: plane.Style = {"location": "bottom", "shrink": 0.7, "pad": 0.02, "aspect": 30}
    plane.colour_bar(figure, dots, rf"dots: mixed, by {WEIGHT}; line: closed form", ax=axes, **bar)


def _frame_curve(found: Comparison) -> Float[np.ndarray, "n 2"]:
    """The closed form of one pair against an ETF of row norm m, from λ = 0 to 1."""
    K, m, a = found.classes, found.multiplier, found.a
    assert a is not None
    W, lam = simplex_etf(K, K, m), lam_grid(a)
    best = pair_optimum(lam, a, K, found.kind.delta)
    H = (K - 1) / (K * m**2) * (np.outer(best.x_i, W[0]) + np.outer(best.x_j, W[1]))
    zero, one = np.zeros(len(lam), int), np.ones(len(lam), int)
    curve = in_frame(H, zero, one, W)
    if K == 2:
        curve[:, 1] = lam
    return curve


def _inner(found: Comparison) -> Float[np.ndarray, " n"]:
    """λ over the range of the bins that hold samples, and a little beyond."""
    t = logit(found.channel.lam[found.channel.different > 0])
    reach = max(3.0, 1.05 * float(np.abs(t).max(initial=0.0)))
    return expit(np.linspace(-reach, reach, 301))


def _points(axes: Axes, x, part, colour, marker, label) -> None:
    some = ~np.isnan(part.value)
    if not some.any():
        return  # a legend names what is there
    value, low, high = (end[some] for end in part)
    bars = None if np.isnan(low).all() else np.abs(np.stack([value - low, high - value]))
    style = {"ls": "", "marker": marker, "color": colour, "elinewidth": 0.8}
    axes.errorbar(x[some], value, bars, label=label, zorder=4, **style)


def _draw_across(axes: Axes, found: Comparison, t, closed) -> None:
    c = found.channel
    axes.plot(t, closed, label="closed form", **plane.CURVE)
    axes.plot(t, c.slope_limit * t, ls="--", color=plane.ORANGE, label=r"limit $\lambda_H \to 0$")
    _points(axes, c.logit, c.displacement, plane.BLUE, "o", "network")
    plane.finish(axes, "(b) displacement across the channel", LOGIT, "along $w_i - w_j$")
    plane.corners(axes, "dots: network\nline: closed form", r"dashed: limit $\lambda_H \to 0$", plane.ORANGE)


def _draw_probabilities(axes: Axes, found: Comparison, lam, best) -> None:
    mixed, others = found.mixed, (found.classes - 2) * best.p_other
    for curve, values, name, colour, marker, style, share in (
        (best.p_i, mixed.first, "$p_i$", plane.BLUE, "o", "-", 0.75),
        (best.p_j, mixed.second, "$p_j$", plane.LIGHT_BLUE, "s", "--", 0.25),
        (others, mixed.others, "all others", "0.45", "^", ":", 0.5),
    ):
        at = np.argmin(np.abs(lam - share))
        plane.label(axes, name, (lam[at], curve[at]), (0, 7), color=colour, ha="center", bbox=plane.BACK)
        axes.plot(lam, curve, color=colour, ls=style)
        axes.plot(mixed.lam, values, ls="", marker=marker, color=colour, label=name)
    plane.finish(axes, "(c) probabilities of mixed samples", WEIGHT, "mean probability")


def _draw_bending(axes: Axes, found: Comparison, lam, best) -> None:
    c, over = found.channel, {"ha": "center", "va": "bottom", "bbox": plane.BACK}
    if found.classes > 2:
        curve = best["along_a"] / best["straight_a"]
        axes.plot(lam, curve, color=plane.BLUE)
        _points(axes, c.lam, c.amplification, plane.BLUE, "o", "amplification")
        plane.label(axes, "amplification (straight: 1)", (0.5, curve[150]), (0, 6), color=plane.BLUE, **over)
    axes.plot(lam, best["bend_a"], color=plane.ORANGE, ls="--")
    _points(axes, c.lam, c.nonlinearity, plane.ORANGE, "s", "non-linearity")
    plane.label(
        axes, "non-linearity (straight: 0)", (0.5, best["bend_a"].max()), (0, 4), color=plane.ORANGE, **over
    )
    axes.axhline(1, color="0.8", lw=0.8, zorder=1)
    axes.set_ylim(0, 1.25 * max(axes.get_ylim()[1], 1.0))
    plane.finish(axes, "(d) against straight interpolation", WEIGHT)


def _draw_logits(axes: Axes, found: Comparison, sample: Sample, a: float) -> None:
    """Centred logits of the subsample against the closed form, on the diagonal where they agree: all of the classes
    that a label names, and at most POINTS of the others."""
    some, named = np.random.default_rng(0), sample.Y.min(1, keepdims=True) < sample.Y
    use = named | (some.random(named.shape) < POINTS / max(int(np.count_nonzero(~named)), 1))
    labels = LabelBlock(sample.i, sample.j, sample.lam, sample.Y, found.classes, found.kind.delta)
    expected = closed_logits(labels, a)[0][use]
    colour = plane.DIFFERENT(0.25 + 0.75 * np.broadcast_to(sample.Y.max(1, keepdims=True), use.shape)[use])
    axes.scatter(expected, sample.z[use], c=colour, s=4, lw=0, alpha=0.6, rasterized=True, zorder=2)
    ends = np.array([expected.min(), expected.max()])
    axes.plot(ends, ends, color="white", lw=2.4, zorder=3)  # so that it shows on points of any darkness
    axes.plot(ends, ends, color=plane.RED, zorder=4)
    plane.corners(axes, "dots: samples, classes\nline: equal")
    r2 = found.fit.r2_known if found.a_known else found.fit.r2
    text = "" if r2 is None else f", $R^2$ = {shown(r2, '.3f')} (linear {shown(found.fit.r2_linear, '.3f')})"
    plane.finish(axes, f"(e) logits{text}", "closed form", "network, centred")


def _draw_reliability(axes: Axes, held: Calibration) -> None:
    axes.plot([0, 1], [0, 1], color="0.8", lw=1)
    first: tuple[ColorType, str, str] = (plane.BLUE, "o", "-")
    rows: list[tuple[Reliability, tuple, str]] = [(held.observed, first, "as trained")]
    if held.fitted is not None:
        rows.append((held.fitted, (plane.ORANGE, "s", "--"), f"temperature {shown(held.temperature, '.3g')}"))
    for part, (colour, marker, style), name in rows:
        some = part.counts > 0
        x, y, share = (values[some] for values in (part.confidence, part.accuracies, part.counts))
        axes.plot(x, y, lw=0.8, ls=style, color=colour, alpha=0.5)
        size = 4 + 60 * share / share.max()  # area: how many samples the bin holds
        label = f"{name}: ECE {shown(part.ece, '.3f')}"
        axes.scatter(x, y, s=size, color=colour, marker=marker, lw=0, label=label, zorder=3)
    title = f"(f) held out, accuracy {shown(held.observed.accuracy, '.3f')} (size: samples)"
    axes.set_yticks(np.linspace(0, 1, 6))
    plane.finish(axes, title, "confidence", "accuracy", "upper left")


def _draw_alignment(axes: Axes, found: Comparison) -> None:
    c = found.channel
    if not (c.same.any() or c.different.any()):
        axes.text(0.5, 0.5, "no two-hot labels", ha="center", transform=axes.transAxes)
    middle = (c.edges[1:] + c.edges[:-1]) / 2
    _points(axes, middle, c.alignment, plane.RED, "o", "same class: cosine with $w_c$")
    _points(axes, c.lam, c.outside, plane.BLUE, "s", "different: share outside the plane")
    axes.set_yticks(np.linspace(0, 1, 6))
    plane.finish(axes, "(f) alignment and channel plane", WEIGHT, "", "upper left")
