"""Whether classes stay together at the joint optimum: an eigenvalue of the labels alone, no optimum needed.

Let u_y = y_B less its mean over a group B of classes, p be equal on B, and the law not change when classes of
B are permuted. Then E u rᵀ of r = y − p has no part off the group, and by the dual of `ufm.certify.joint` a point
that is optimal among those equal on B is optimal among all iff

    λ_max(E u uᵀ) ≤ c² = λ_W λ_H.

Above c² no symmetry is needed. (Re-derived here.) All classes together are W = 0, which asks for no symmetry at all
but for the best bias (`ufm.certify.classifier`). Neither knows a formula for a threshold: what a theorem claims of
one is held against this.
"""

import numpy as np
from jaxtyping import Float

from ufm.certify.classifier import certify_zero
from ufm.model.atoms import JointProblem
from ufm.optimize.joint import fit_classifier

EPS = float(np.finfo(np.float64).eps)


def excess(problem: JointProblem, group=None) -> tuple[float, float]:
    """λ_max/c² − 1 of what holds the classes of a group together, None: all, at W = 0; and its rounding."""
    if group is not None:
        return excess_moment(problem.atoms.labels, problem.atoms.pulls, problem.product, group)
    if not problem.lambda_b:  # no bias, or a free one, whose predictions are the mean label
        return certify_zero(problem)
    zero = np.zeros((problem.classes, min(problem.classes, problem.d)))
    return certify_zero(problem, fit_classifier(problem, zero).b)


def excess_moment(
    labels: Float[np.ndarray, "n K"], weights: Float[np.ndarray, "n"], product: float, group
) -> tuple[float, float]:
    """λ_max(E u uᵀ)/c² − 1 and a bound on its rounding: a mean of n terms, and an eigenvalue of |B| rows."""
    rows = np.asarray(labels, float)[:, group]
    size = rows.shape[1]
    u = rows - rows.mean(1, keepdims=True)
    largest = float(np.linalg.eigvalsh((u * weights[:, None]).T @ u)[-1])
    mass = float(weights @ np.sum(rows**2, 1))  # the mean of a row is known to a few ε of its entries
    return largest / product - 1.0, (len(rows) + 10 * size + 32) * EPS * mass / product + 4 * EPS
