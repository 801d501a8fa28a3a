"""Panel of features and rows of W, in the plane of three classes or where W has rank two or one."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ufm.agree.geometry import collapsed_groups
from ufm.agree.joint import JointReport
from ufm.pictures.plane import DOTS, class_plane, colour_bar, draw_rows, frame

LEAST_AREA = 8.0  # points²
RANK = 1e-9  # singular values of W below this share of the largest count as zero


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
    p, problem = feature_picture(report), report.problem
    order = np.argsort(-p.weights, kind="stable")  # light ones stay on top
    areas = marker_areas(p.weights)[order]
    edges = np.where(areas > 2 * LEAST_AREA, 0.4, 0.0).tolist()
    x, y = p.xy[order].T
    style = DOTS | {"c": purity(p.labels)[order], "s": areas, "lw": edges, "edgecolors": "white"}
    drawn = axes.scatter(x, y, **style)
    length = draw_rows(axes, p.tips, p.classes, p.xy, p.line)
    numbers = ", ".join(map(str, p.classes))
    if p.line:
        title = "(d) features on the line of $W$"
    elif len(p.classes) == problem.classes:
        title = "(d) all features, in the plane of $W$"
    elif len(p.labels) == len(problem.atoms.labels):
        title = f"(d) all features, in the plane of classes {numbers}"
    else:
        title = f"(d) features of classes {numbers}, in their plane"
    note = f"arrows: rows of $W${length}; marker area: weight"
    frame(axes, p.line, title, note, f"label entry $y_{{{p.first}}}$")
    name = r"$|2\lambda - 1|$" if problem.law.two_hot else "largest − second label entry"
    colour_bar(figure, drawn, name, ax=axes, shrink=0.9)
