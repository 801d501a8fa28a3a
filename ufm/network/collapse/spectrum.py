"""What asks for d × d matrices: numerical ranks, the variability collapse index, the parts of a squared error."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import cho_solve, solve_triangular
from scipy.linalg.lapack import dpstrf

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

    None if all class means coincide. Source: Xu, Liu, ICML 2023 (arXiv 2306.03440);
    compute_Variability_Collapse_index of github.com/evanmarkou/Guiding-Neural-Collapse.
    """
    return variability_of(*within(H, label, classes), centre)


def variability_of(inner: Float[np.ndarray, "d d"], stats: ClassStats, centre: str = "class") -> float | None:
    """`variability_index` of Σ_W and the class means.

    Found as the mean over an orthonormal basis q of R range(Σ_B), R Σ_T Rᵀ = I, of qᵀ R Σ_W Rᵀ q: a sum of
    squares, so collapse shows its size.
    """
    checked.choice("centre", centre, CENTRES)
    values = stats.axes[centre].values
    if len(values) == 0:
        return None
    M = stats.centred(centre)
    scale = unit_scale(M)
    inner, M = inner / scale**2, M / scale / np.sqrt(len(M))
    root, some = _factor(inner + M.T @ M)
    basis = np.linalg.svd(solve_triangular(root, M.T[some], lower=True), full_matrices=False)[0]
    axes = solve_triangular(root, basis[:, : len(values)], lower=True, trans=1)
    return float(np.trace(axes.T @ inner[np.ix_(some, some)] @ axes)) / len(values)


def _factor(T: Float[np.ndarray, "d d"]) -> tuple[Float[np.ndarray, "r r"], Int[np.ndarray, " r"]]:
    """Some coordinates of which all others are linear functions, to rounding, and the Cholesky factor of T there.

    What any invertible map of the features leaves as it is, as a least-squares prediction, is that of these
    coordinates alone.
    """
    T = np.array(T, order="F")
    size = max(float(T.diagonal().max()), np.finfo(float).tiny)
    found, place, rank, _ = dpstrf(T, tol=np.finfo(float).eps * len(T) * size, lower=1)
    return np.tril(found[:rank, :rank]), place[:rank] - 1


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
    b = None if b is None else checked.array("b", b, (len(W),))
    return squared_error_of(
        *within(H, label, len(W)), W, b, checked.nonnegative("weight_decay", weight_decay)
    )


def squared_error_of(
    inner: Float[np.ndarray, "d d"],
    stats: ClassStats,
    W: Float[np.ndarray, "K d"],
    b: Float[np.ndarray, " K"] | None,
    lam: float = 0.0,
) -> SquaredError:
    """`squared_error` of Σ_W and the class means."""
    K, share, means = len(W), stats.mass / stats.mass.sum(), stats.means
    if b is not None:  # the bias is the weight of a feature that is 1
        if lam == 0:  # then the origin of h is free, and is best where products are smallest
            b, means = b + W @ (share @ means), stats.centred("sample")
        means, W = np.column_stack([means, np.ones(K)]), np.column_stack([W, b])
        inner = np.pad(inner, (0, 1))
    second = inner + (means.T * share) @ means + lam * np.eye(len(inner))
    root, some = _factor(second)
    best = np.zeros_like(W)
    best[:, some] = cho_solve((root, True), (means.T * share)[some]).T

    def error(V: np.ndarray, target: np.ndarray) -> tuple[float, float]:
        """½ E‖V h − t_y‖²: within and between the classes, and the penalty with the former."""
        spread = float(np.sum((V @ inner) * V) + lam * np.sum(V**2)) / 2
        return spread, float(share @ np.sum((means @ V.T - target) ** 2, 1)) / 2

    (nc1, nc23), perp = error(best, np.eye(K)), sum(error(W - best, np.zeros((K, K))))
    return SquaredError(sum(error(W, np.eye(K))), nc1, nc23, perp)
