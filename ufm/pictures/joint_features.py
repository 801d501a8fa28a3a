"""Panel of features and rows of W, in the plane of three classes or where W has rank two or one."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ufm.agree.geometry import collapsed_groups
from ufm.agree.joint import JointReport
from ufm.model.atoms import JointProblem
from ufm.pictures.plane import DIFFERENT, class_plane, plain, title_axes

LEAST_AREA = 8.0  # points²


RANK = 1e-9  # singular values of W below this share of the largest count as zero


NAMED = 12  # arrows up to which every class is named


ORANGE = "#d95f02"


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


def draw_feature_panel(figure: Figure, axes: Axes, report: JointReport) -> None:
    """(d) features of the shown classes; area by weight, colour by purity, rows of W as arrows."""
    picture = feature_picture(report)
    plain(axes)
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
        title_axes(axes, "(d) features on the line of $W$", note, f"label entry $y_{{{picture.first}}}$")
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
    title_axes(axes, title, note)
