"""What the pictures share: colours, the plane of the classes, names of label laws, labelled axes."""

from math import sqrt
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap

from ufm.model.laws import LabelLaw


def trimmed(name: str) -> Colormap:
    """A sequential map without its palest part, so that every point shows on white."""
    return ListedColormap(colormaps[name](np.linspace(0.28, 1.0, 256)), name=f"{name}-trimmed")


SAME, DIFFERENT, OTHER = trimmed("Reds"), trimmed("Blues"), trimmed("viridis_r")


RED, BLUE, LIGHT_BLUE = SAME(0.75), DIFFERENT(0.85), DIFFERENT(0.35)


LAW_NAMES = {
    "cutmix": "CutMix",
    "onehot": "one-hot labels",
    "labels": "given labels",
    "smoothing": "label smoothing",
}


Style = dict[str, Any]  # keywords for matplotlib
CURVE: Style = {"color": "0.35", "lw": 0.9, "zorder": 2}


RING: Style = {"facecolors": "none", "edgecolors": "0.35", "linewidths": 0.8, "zorder": 2}


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


def name_law(law: LabelLaw) -> str:
    """A label law in words and mathtext."""
    parts = [f"{law.ways}-way mixing" if law.name == "kway" else LAW_NAMES.get(law.name, law.name)]
    if law.alpha is not None:
        parts.append(rf"$\alpha$ = {law.alpha:.4g}")
    if law.smoothing:
        parts.append(rf"$\delta$ = {law.smoothing:.4g}")
    if law.pairs != "all" and law.alpha is not None:
        parts.append(f"{law.pairs} classes")
    return ", ".join(parts)


def title_axes(axes, title, x, y=""):
    """A panel\'s title and the names of its axes."""
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)


def plain(axes: Axes) -> None:
    """No frame above and on the right."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)
