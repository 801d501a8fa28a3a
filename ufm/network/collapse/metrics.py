"""Neural-collapse metrics, with the convention of every number named.

    Σ_W = (1/N) Σ_n (h_n − μ_{y_n})(h_n − μ_{y_n})ᵀ,   Σ_B = (1/K) Σ_k (μ_k − μ_G)(μ_k − μ_G)ᵀ,
    M̊ = [μ_k − μ_G] (d × K),   S = Π/√(K−1),   Π = I − 11ᵀ/K.

Published code differs in the 1/K of NC1, in squaring NC3, in averaging μ_G over classes or samples,
in centring W, in ddof and in the sign of a bias norm: a `Convention` says which. The presets "papyan" and
"zhu" follow the authors' published code as read there; "plain" is the definitions above, "centred" our own.
A metric that is undefined (all class means coincide, a row of W is zero) is None, never NaN.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist

import ufm.rules.numbers as checked
from ufm.agree.geometry import duality_distance
from ufm.network.collapse.statistics import CENTRES, TINY, ClassStats, check_size


@dataclass(frozen=True)
class Convention:
    """How published code computes the metrics.

    centre: μ_G averages class means ("class") or samples ("sample"); the same thing if classes are balanced.
    per_class: NC1 is divided by K. squared: the NC3 distance is squared. centre_rows: the mean row of W and
    the mean bias are subtracted first (they never act on the softmax and decay only with weight decay).
    ddof: of the standard deviation in coefficients of variation. bias_sign: ‖W μ_G + sign · b‖.
    """

    name: str
    centre: str = "class"
    per_class: bool = True
    squared: bool = False
    centre_rows: bool = False
    ddof: int = 0
    bias_sign: int = 1
    source: str = "re-derived from the definitions"

    def __post_init__(self):
        checked.choice("centre", self.centre, CENTRES)
        checked.integer("ddof", self.ddof, 0, 1)
        checked.real("bias_sign", self.bias_sign, "be 1 or -1", lambda sign: sign in (-1, 1))
        for name in ("per_class", "squared", "centre_rows"):
            checked.flag(name, getattr(self, name))


CONVENTIONS = {
    convention.name: convention
    for convention in (
        Convention("plain"),
        Convention("centred", centre_rows=True),
        Convention(
            "papyan",
            per_class=False,
            squared=True,
            ddof=1,  # torch.std
            source="Papyan, Han, Donoho, PNAS 2020 and Han, Papyan, Donoho, ICLR 2022: neuralcollapse.ipynb "
            "of github.com/neuralcollapse/neuralcollapse",
        ),
        Convention(
            "zhu",
            centre="sample",
            bias_sign=-1,  # compute_Wh_b_relation subtracts b
            source="Zhu et al., NeurIPS 2021: validate_NC.py of github.com/tding1/Neural-Collapse",
        ),
    )
}


def nc1(stats: ClassStats, convention: Convention) -> float | None:
    """NC1 = Tr(Σ_W Σ_B⁺)/K, or without the 1/K: (K/N) Σ_j Σ_n ⟨h_n − μ, u_j⟩²/s_j² over the r ≤ K − 1 axes of M̊.

    A sum of squares: 0 at collapse, never negative. None if all class means coincide.
    """
    values, power = stats.axes[convention.centre]
    if len(values) == 0:
        return None
    trace = stats.classes / float(stats.mass.sum()) * float(np.sum(power / values**2))
    return trace / stats.classes if convention.per_class else trace


def nc1_ratio(stats: ClassStats, convention: Convention) -> float | None:
    """Tr Σ_W / Tr Σ_B; None if all class means coincide."""
    between = float(np.sum(stats.centred(convention.centre) ** 2)) / stats.classes
    return _ratio(float(stats.scatter.sum() / stats.mass.sum()), between)


def cdnv(stats: ClassStats) -> float | None:
    """Class-distance normalised variance: mean over k ≠ l of (v_k + v_l)/(2 ‖μ_k − μ_l‖²), v_k = E‖h − μ_k‖².

    The same in every convention. None if two class means coincide.
    Source: Galanti, György, Hutter 2021; analysis.py of github.com/TomerGalanti/NeuralCollapseDepth.
    """
    distance = cdist(stats.offsets, stats.offsets, "sqeuclidean")
    apart = ~np.eye(stats.classes, dtype=bool)
    if distance[apart].min() < TINY**2:
        return None
    v = stats.scatter / stats.mass
    return float(np.mean((v[:, None] + v)[apart] / (2 * distance[apart])))


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
    return {
        "nc1": nc1(stats, convention),
        "nc1_ratio": nc1_ratio(stats, convention),
        "cdnv": cdnv(stats),
        "nc2_norms_means": norm_variation(M, convention.ddof),
        "nc2_norms_rows": norm_variation(V, convention.ddof),
        "nc2_angles_means": angle_deviation(M),
        "nc2_angles_rows": angle_deviation(V),
        "nc2_simplex_means": simplex_deviation(M @ M.T),
        "nc2_simplex_rows": simplex_deviation(V @ V.T),
        "nc3_distance": duality_distance(V, M, convention.squared),
        "nc3_product": simplex_deviation(V @ M.T),
        "nc4_disagreement": stats.disagreement,
        "nc4_bias": bias_norm(stats, V, c, convention),
    }


def _check(stats: ClassStats, W, b, convention: Convention):
    """The classifier and the bias, of the size of the class means."""
    checked.instance("stats", stats, ClassStats, "ufm.network.collapse.statistics.class_statistics")
    checked.instance("convention", convention, Convention)
    W = checked.numbers("W", W, stats.means.shape)
    check_size("W", W)
    return W, None if b is None else checked.array("b", b, (len(W),))


def _ratio(value: float, size: float) -> float | None:
    return value / size if size > 0 else None
