"""Whether classes stay together at the joint optimum: an eigenvalue of the labels alone, no optimum needed.

Let u_y = y_B less its mean over a group B of classes, p be equal on B, and the law not change when classes of
B are permuted. Then E u rᵀ of r = y − p has no part off the group, and by the dual of `ufm.certify.joint` a point
that is optimal among those equal on B is optimal among all iff

    λ_max(E u uᵀ) ≤ c² = λ_W λ_H.

B = all classes: p = 1/K, W = h = 0, for any law without a bias, and where E y = 1/K with one as well
(under squared error with a free bias too). Above c² no symmetry is needed. (Re-derived here.)
Knows no formula for a threshold: what a theorem claims of one is held against this.
"""

import numpy as np
from jaxtyping import Float

EPS = float(np.finfo(np.float64).eps)


def excess_moment(
    labels: Float[np.ndarray, "n K"], weights: Float[np.ndarray, "n"], product: float, group=slice(None)
) -> tuple[float, float]:
    """λ_max(E u uᵀ)/c² − 1 and a bound on its rounding: a mean of n terms, and an eigenvalue of |B| rows."""
    rows = np.asarray(labels, float)[:, group]
    size = rows.shape[1]
    u = rows - rows.mean(1, keepdims=True)
    largest = float(np.linalg.eigvalsh((u * weights[:, None]).T @ u)[-1])
    mass = float(weights @ np.sum(rows**2, 1))  # the mean of a row is known to a few ε of its entries
    return largest / product - 1.0, (len(rows) + 10 * size + 32) * EPS * mass / product + 4 * EPS
