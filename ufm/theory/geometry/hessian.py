"""The whole Hessian at neural collapse: labels of single classes, smoothed by ε or not, d ≥ K − 1, no bias.

In the coordinates √λ_W W and √(λ_H/K) H (a feature a class) the Hessian of L at the optimum has, with x the
logit gap, ĉ = √(K λ_W λ_H), P = p_own and s = x (1 + ε/ĉ), these eigenvalues and multiplicities:

    0                 (K−1)(K−2)/2 + (K−1)(d−K+1)   rotations of feature space
    2                 K(K−1)/2 + (K−1)(d−K+1)
    1                 2d − K + 1                    what no logit sees
    2 s P             1                             size
    2 s/K             K(K−3)/2                      angles
    2 + 2 s/K         (K−1)(K−2)/2
    two of a 2 x 2    K − 1 each                    norms, and means

The block is [[2s((K−2)P + 1/K)/(K−1), b], [b, 1 + s(P + (K−2)/K)/(K−1)]],
b = √(2(K−2)) s (KP−1)/(K(K−1)); for K = 2 the last entry alone. The condition number off the
zeros is 2sP/min(1, 2s/K).
(New here; the multiplicities and values are tried on Hessians written out.)
"""

import numpy as np
from jaxtyping import Float

import ufm.rules.numbers as checked
from ufm.rules.errors import InputError
from ufm.theory.geometry.onehot import class_optimum


def collapse_spectrum(
    classes: int, dim: int, lambda_w: float, lambda_h: float, smoothing: float = 0.0
) -> list[tuple[float, int]]:
    """(eigenvalue, multiplicity) of the Hessian over W and one feature a class; multiplicities sum to 2 K d.

    Raises InputError for d < K − 1 and where the optimum is zero.
    """
    K = checked.integer("classes", classes, 2)
    spare = checked.integer("dim", dim, K - 1) - (K - 1)
    best = class_optimum(K, lambda_w, lambda_h, smoothing)
    if best.gap == 0:
        raise InputError("the optimum is W = 0: √(K λ_W λ_H) + smoothing is at least 1")
    own = 1 - (K - 1) * best.wrong
    s = best.gap * (1 + smoothing / float(np.sqrt(K * lambda_w * lambda_h)))
    low, high = np.linalg.eigvalsh(norms_block(K, s, own))
    means = [(float(low), K - 1), (float(high), K - 1)]
    if K == 2:
        means = [(float(norms_block(2, s, own)[1, 1]), 1)]
    found = [
        (0.0, (K - 1) * (K - 2) // 2 + (K - 1) * spare),
        (2.0, K * (K - 1) // 2 + (K - 1) * spare),
        (1.0, 2 * dim - K + 1),
        (2 * s * own, 1),
        (2 * s / K, max(K * (K - 3) // 2, 0)),
        (2 + 2 * s / K, (K - 1) * (K - 2) // 2),
        *means,
    ]
    return sorted((value, count) for value, count in found if count > 0)


def norms_block(K: int, s: float, own: float) -> Float[np.ndarray, "2 2"]:
    """The block of norms and means."""
    off = np.sqrt(2 * (K - 2)) * s * (K * own - 1) / (K * (K - 1))
    norms = 2 * s * ((K - 2) * own + 1 / K) / (K - 1)
    return np.array([[norms, off], [off, 1 + s * (own + (K - 2) / K) / (K - 1)]])
