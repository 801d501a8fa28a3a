"""Neural-collapse metrics, with the convention of every number named.

    Σ_W = (1/N) Σ_n (h_n − μ_{y_n})(h_n − μ_{y_n})ᵀ,   Σ_B = (1/K) Σ_k (μ_k − μ_G)(μ_k − μ_G)ᵀ,
    M̊ = [μ_k − μ_G] (d × K),   S = Π/√(K−1),   Π = I − 11ᵀ/K.

Published code differs from these definitions in ways that a `Convention` says. A metric that is undefined (all
class means coincide, a row of W is zero) is None, never NaN.
"""

import numpy as np
from jaxtyping import Float

import ufm.rules.numbers as checked
from ufm.agree.geometry import duality_distance
from ufm.network.collapse.classes import cdnv_grid
from ufm.network.collapse.conventions import Convention
from ufm.network.collapse.statistics import ClassStats, check_size

ORDER = tuple(
    [
        "nc1",
        "nc1_ratio",
        "cdnv",
        "nc2_norms_means",
        "nc2_norms_rows",
        "nc2_angles_means",
        "nc2_angles_rows",
        "nc2_simplex_means",
        "nc2_simplex_rows",
        "nc3_distance",
        "nc3_product",
        "nc4_disagreement",
        "nc4_bias",
    ]
)  # as tables show them


def nc1(stats: ClassStats, convention: Convention) -> float | None:
    """NC1 = Tr(Σ_W Σ_B⁺)/K, or without the 1/K: (K/N) Σ_j Σ_n ⟨h_n − μ, u_j⟩²/s_j² over the r ≤ K − 1 axes of M̊.

    A sum of squares: 0 at collapse, never negative. None if all class means coincide.
    """
    values, power = stats.axes[convention.centre]
    if len(values) == 0:
        return None
    trace = _divisor(stats, convention) / float(stats.mass.sum()) * float(np.sum(power / values**2))
    return trace / stats.classes if convention.per_class else trace


def nc1_ratio(stats: ClassStats, convention: Convention) -> float | None:
    """Tr Σ_W / Tr Σ_B; None if all class means coincide."""
    between = float(np.sum(stats.centred(convention.centre) ** 2)) / _divisor(stats, convention)
    return _ratio(float(stats.scatter.sum() / stats.mass.sum()), between)


def cdnv(stats: ClassStats, exponent: float = 1.0) -> float | None:
    """Class-distance normalised variance: mean over k ≠ l of (v_k + v_l)/(2 ‖μ_k − μ_l‖^{2e}), v_k = E‖h − μ_k‖².

    The same in every convention; exponent e as in `cdnv_grid`. None if two class means coincide.
    """
    grid = cdnv_grid(stats, exponent)
    return None if grid is None else float(grid.sum() / (stats.classes * (stats.classes - 1)))


def norm_variation(V: Float[np.ndarray, "K d"], ddof: int = 0) -> float | None:
    """NC2, equal norms: coefficient of variation std(‖v_k‖)/mean(‖v_k‖), std with K − ddof; None if V = 0."""
    norms = np.linalg.norm(checked.array("V", V, ("K", "d")), axis=1)
    checked.integer("ddof", ddof, 0, 1)
    return _ratio(float(np.std(norms, ddof=ddof)), float(norms.mean()))


def angle_deviation(V: Float[np.ndarray, "K d"]) -> float | None:
    """NC2, equal angles: mean over k ≠ l of |cos(v_k, v_l) + 1/(K−1)|; None if a row vanishes."""
    V = checked.array("V", V, ("K", "d"))
    norms = np.linalg.norm(V, axis=1)
    if not norms.all():
        return None
    K, unit = len(V), V / norms[:, None]
    off = np.abs(unit @ unit.T + 1 / (K - 1))
    return float((off.sum() - np.trace(off)) / (K * (K - 1)))


def simplex_deviation(G: Float[np.ndarray, "K K"]) -> float | None:
    """‖G/‖G‖_F − S‖_F, S = Π/√(K−1): NC2 for G = W Wᵀ or M̊ᵀM̊, NC3 for G = W M̊; between 0 and 2; None if G = 0."""
    G = checked.array("G", G, ("K", "K"))
    largest, K = float(np.abs(G).max()), len(G)
    if largest == 0:
        return None
    G = G / largest  # squares of products of extreme features would overflow
    return float(np.linalg.norm(G / np.linalg.norm(G) - (np.eye(K) - 1 / K) / np.sqrt(K - 1)))


def bias_norm(stats: ClassStats, W: Float[np.ndarray, "K d"], b, convention: Convention) -> float:
    """‖W μ_G + sign · b‖, which some call NC4; b = None counts as zero."""
    W, b = _check(stats, W, b, convention)
    centre = stats.share(convention.centre) @ stats.means
    return float(np.linalg.norm(W @ centre + (0.0 if b is None else convention.bias_sign * b)))


def all_metrics(
    stats: ClassStats,
    W: Float[np.ndarray, "K d"],
    b: Float[np.ndarray, " K"] | None,
    convention: Convention,
) -> dict[str, float | None]:
    """Every metric in one convention, by name; 0 is collapse everywhere.

    nc4_disagreement is None unless the statistics were taken with W. Raises InputError if W does not fit.
    """
    W, b = _check(stats, W, b, convention)
    M = stats.centred(convention.centre)
    V = W - W.mean(0) if convention.centre_rows else W
    c = b - b.mean() if convention.centre_rows and b is not None else b
    found = features_alone(stats, convention) | {
        "nc2_norms_rows": norm_variation(V, convention.ddof),
        "nc2_angles_rows": angle_deviation(V),
        "nc2_simplex_rows": simplex_deviation(V @ V.T),
        "nc3_distance": duality_distance(V, M, convention.squared),
        "nc3_product": simplex_deviation(V @ M.T),
        "nc4_disagreement": stats.disagreement,
        "nc4_bias": bias_norm(stats, V, c, convention),
    }
    return {name: found[name] for name in ORDER}


def features_alone(stats: ClassStats, convention: Convention) -> dict[str, float | None]:
    """The metrics that need no classifier, by name: those of any layer."""
    M = stats.centred(convention.centre)
    return {
        "nc1": nc1(stats, convention),
        "nc1_ratio": nc1_ratio(stats, convention),
        "cdnv": cdnv(stats),
        "nc2_norms_means": norm_variation(M, convention.ddof),
        "nc2_angles_means": angle_deviation(M),
        "nc2_simplex_means": simplex_deviation(M @ M.T),
    }


def _check(stats: ClassStats, W, b, convention: Convention):
    """The classifier and the bias, of the size of the class means."""
    checked.instance("stats", stats, ClassStats, "ufm.network.collapse.statistics.class_statistics")
    checked.instance("convention", convention, Convention)
    W = checked.numbers("W", W, stats.means.shape)
    check_size("W", W)
    return W, None if b is None else checked.array("b", b, (len(W),))


def _divisor(stats: ClassStats, convention: Convention) -> int:
    """What Σ_k (μ_k − μ_G)(μ_k − μ_G)ᵀ is divided by: K, or d."""
    return stats.means.shape[1] if convention.by_dim else stats.classes


def _ratio(value: float, size: float) -> float | None:
    return value / size if size > 0 else None
