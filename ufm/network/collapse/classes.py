"""What each class contributes: the metrics of neural collapse before they are averaged over classes."""

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist

import ufm.rules.numbers as checked
from ufm.network.collapse.angles import cosines
from ufm.network.collapse.statistics import TINY, ClassStats


def cdnv_grid(stats: ClassStats, exponent: float = 1.0) -> Float[np.ndarray, "K K"] | None:
    """(v_k + v_l)/(2 ‖μ_k − μ_l‖^{2e}) of every pair, v_k = E‖h − μ_k‖², 0 on the diagonal; `exponent` is e.

    None if two class means coincide. Source, e = 1: Galanti, György, Hutter 2021, analysis.py of
    github.com/TomerGalanti/NeuralCollapseDepth (which has v_k as E‖h‖² − ‖μ_k‖², rounded near collapse); other e:
    `dist_exp` of class_dist_norm_vars in github.com/rhubarbwu/neural-collapse, which depends on the unit of h.
    """
    checked.positive("exponent", exponent)
    distance = cdist(stats.offsets, stats.offsets, "sqeuclidean")
    np.fill_diagonal(distance, np.inf)
    if distance.min() < TINY**2:
        return None
    v = stats.scatter / stats.mass
    return (v[:, None] + v) / (2 * distance**exponent)


def class_values(
    stats: ClassStats, W: Float[np.ndarray, "K d"] | None = None, centre: str = "class"
) -> dict[str, Float[np.ndarray, " K"]]:
    """Everything that has a value a class, by name; NaN where it is undefined.

    samples: n_k. scatter: v_k = E‖h − μ_k‖². cdnv: mean over l ≠ k of `cdnv_grid`. norm_means: ‖μ_k − μ_G‖.
    With W: norm_rows: ‖w_k‖. cosine: cos(w_k, μ_k − μ_G). disagreement: share of the samples of class k whose
    nearest class mean is not the decision (NaN unless the statistics were taken with W).
    """
    M, grid = stats.centred(centre), cdnv_grid(stats)
    nothing = np.full(stats.classes, np.nan)
    found = {
        "samples": stats.mass,
        "scatter": stats.scatter / stats.mass,
        "cdnv": nothing if grid is None else grid.sum(1) / (stats.classes - 1),
        "norm_means": np.linalg.norm(M, axis=1),
    }
    if W is None:
        return found
    W = checked.array("W", W, stats.means.shape)
    return found | {
        "norm_rows": np.linalg.norm(W, axis=1),
        "cosine": cosines(W, M),
        "disagreement": nothing if stats.missed is None else stats.missed / stats.mass,
    }
