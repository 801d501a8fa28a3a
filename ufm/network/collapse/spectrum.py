"""What asks for d × d matrices: numerical ranks, the variability collapse index, the parts of a squared error."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

import ufm.rules.numbers as checked
from ufm.model.etf import unit_scale
from ufm.network.collapse.statistics import CENTRES, ClassStats, class_statistics

RANKS = ("stable", "nuclear", "threshold")


def numerical_rank(V: Float[np.ndarray, "n d"], kind: str = "stable") -> float | None:
    """The rank of V, by its singular values s: K − 1 for the centred class means of a simplex ETF, in every kind.

    stable: ‖V‖_F²/‖V‖₂² = Σ s²/s₁² (Rudelson, Vershynin 2007). nuclear: (‖V‖_*/‖V‖_F)² = (Σ s)²/Σ s².
    threshold: the number of s > ε max(n, d) s₁, ε = 2⁻⁵². None for V = 0.
    """
    V = checked.array("V", V, ("n", "d"))
    checked.choice("kind", kind, RANKS)
    if not V.any():
        return None
    s = np.linalg.svd(V / unit_scale(V), compute_uv=False)
    if kind == "threshold":
        return float(np.count_nonzero(s > np.finfo(float).eps * max(V.shape) * s[0]))
    return float(np.sum(s**2) / s[0] ** 2 if kind == "stable" else np.sum(s) ** 2 / np.sum(s**2))


def class_rank(H: Float[np.ndarray, "N d"], label: Int[np.ndarray, " N"], classes: int) -> float | None:
    """Mean over classes of the nuclear rank of their features, about the origin: 1 is collapse.

    None for a class that has no sample or only zeros. Source: compute_numerical_rank of nc/validate_NC.py in
    github.com/evanmarkou/Guiding-Neural-Collapse.
    """
    H = checked.array("H", H, ("N", "d"))
    label = _labels(label, len(H), classes)
    parts = [H[label == k] for k in range(classes)]
    ranks = [numerical_rank(part, "nuclear") if len(part) else None for part in parts]
    known = [rank for rank in ranks if rank is not None]
    return float(np.mean(known)) if len(known) == classes else None


def _labels(label, count: int, classes: int) -> Int[np.ndarray, " N"]:
    """Numbers of classes, one a row of H."""
    checked.integer("classes", classes, 2)
    return checked.class_numbers("label", checked.numbers("label", label, (count,)), classes)


class Within(NamedTuple):
    """Σ_W (d, d), and statistics of the classes."""

    covariance: Float[np.ndarray, "d d"]
    stats: ClassStats


def within(H: Float[np.ndarray, "N d"], label: Int[np.ndarray, " N"], classes: int) -> Within:
    """Σ_W = (1/N) Σ_n (h_n − μ_y)(h_n − μ_y)ᵀ, of means taken about a sample of each class: exact near collapse."""
    H = checked.array("H", H, ("N", "d"))
    label = _labels(label, len(H), classes)
    stats = class_statistics(lambda: [(H, label, np.ones(len(H)))], classes)
    residual = H - H[np.unique(label, return_index=True)[1]][label]
    for k in range(classes):
        residual[label == k] -= residual[label == k].mean(0)
    return Within(residual.T @ residual / len(H), stats)


def variability_index(
    H: Float[np.ndarray, "N d"], label: Int[np.ndarray, " N"], classes: int, centre: str = "class"
) -> float | None:
    """VCI = 1 − Tr(Σ_T⁺ Σ_B)/rank Σ_B, Σ_T = Σ_W + Σ_B: 0 at collapse, below 1; any invertible map of h leaves it.

    Found as the mean over an orthonormal basis q of Σ_T^{−1/2} range(Σ_B) of qᵀ Σ_T^{−1/2} Σ_W Σ_T^{−1/2} q: a sum
    of squares, so collapse shows its size. None if all class means coincide. Source: Xu, Liu, ICML 2023 (arXiv
    2306.03440); compute_Variability_Collapse_index of github.com/evanmarkou/Guiding-Neural-Collapse.
    """
    checked.choice("centre", centre, CENTRES)
    inner, stats = within(H, label, classes)
    values = stats.axes[centre].values
    if len(values) == 0:
        return None
    M = stats.centred(centre)
    scale = unit_scale(M)
    inner, M = inner / scale**2, M / scale / np.sqrt(classes)
    size, turn = np.linalg.eigh(inner + M.T @ M)
    keep = size > np.finfo(float).eps * len(size) * size[-1]
    root = turn[:, keep] / np.sqrt(size[keep])  # Σ_T^{−1/2} in the coordinates of the axes of Σ_T
    basis = np.linalg.svd(root.T @ M.T, full_matrices=False)[0][:, : len(values)]
    return float(np.trace(basis.T @ (root.T @ inner @ root) @ basis)) / len(values)


class SquaredError(NamedTuple):
    """loss = nc1 + nc23 + perp: what is left for features that are not collapsed, for class means that are no
    frame, and for W and b that are not the least-squares ones of these features."""

    loss: float
    nc1: float
    nc23: float
    perp: float


def squared_error(
    H: Float[np.ndarray, "N d"],
    label: Int[np.ndarray, " N"],
    W: Float[np.ndarray, "K d"],
    b: Float[np.ndarray, " K"] | None = None,
    weight_decay: float = 0.0,
) -> SquaredError:
    """L = ½ E‖W h + b − e_y‖² + (λ/2)(‖W‖² + ‖b‖²) in its parts; W* and b* minimise L for these features.

    nc1 = ½ Tr(W* Σ_W W*ᵀ) + (λ/2)(‖W*‖² + ‖b*‖²),  nc23 = ½ Σ_k (n_k/N) ‖W* μ_k + b* − e_k‖²,
    perp = ½ E‖(W − W*) h + b − b*‖² + (λ/2)(‖W − W*‖² + ‖b − b*‖²).

    weight_decay: λ, half of PyTorch's for a loss without the ½. b = None: no bias. Source: Han, Papyan, Donoho,
    ICLR 2022, for balanced classes (1/K); "Decomposition of MSE" in neuralcollapse.ipynb of
    github.com/neuralcollapse/neuralcollapse.
    """
    H, W = checked.array("H", H, ("N", "d")), checked.array("W", W, ("K", "d"))
    lam, K = checked.nonnegative("weight_decay", weight_decay), len(W)
    inner, stats = within(H, label, K)
    if b is not None:  # the bias is the weight of a feature that is 1
        H = np.column_stack([H, np.ones(len(H))])
        W = np.column_stack([W, checked.array("b", b, (K,))])
        inner = np.pad(inner, (0, 1))
    target, share = np.eye(K)[label], stats.mass / len(H)
    second = H.T @ H / len(H) + lam * np.eye(H.shape[1])
    best = np.linalg.lstsq(second, H.T @ target / len(H), rcond=None)[0].T
    means = stats.means if b is None else np.column_stack([stats.means, np.ones(K)])
    misses = np.sum((means @ best.T - np.eye(K)) ** 2, 1)
    return SquaredError(
        loss=float(np.sum((H @ W.T - target) ** 2) / len(H) + lam * np.sum(W**2)) / 2,
        nc1=float(np.sum((best @ inner) * best) + lam * np.sum(best**2)) / 2,
        nc23=float(share @ misses) / 2,
        perp=float(np.sum((H @ (W - best).T) ** 2) / len(H) + lam * np.sum((W - best) ** 2)) / 2,
    )
