"""d = 2, one-hot labels: the regular K-gon, a critical point with a closed form.

    1 − Σ_l p_l cos(2πl/K) = √(K λ_W λ_H),   p = softmax(t cos(2πl/K)),   m² = t √(λ_H/(K λ_W)),

W has rows m (cos 2πk/K, sin 2πk/K). For K ≥ 4 no simplex ETF fits and the dual gap cannot close: that
the K-gon is the global optimum is numerical evidence only.
"""

from typing import NamedTuple

import numpy as np
import scipy

from ufm.model.roots import bracketed_root


class Polygon(NamedTuple):
    """Row norm m (0: trivial), t = the logit of the own class, and the objective L of the K-gon."""

    multiplier: float
    logit: float
    objective: float


def regular_polygon(classes: int, lambda_w: float, lambda_h: float) -> Polygon:
    """The K-gon of one-hot cross-entropy at d = 2, without a bias."""
    cosines = np.cos(2 * np.pi * np.arange(classes) / classes)
    target = np.sqrt(classes * lambda_w * lambda_h)

    def gap(t):  # falls from 1 (K ≥ 3; Σ cos = 0) at t = 0
        return float(scipy.special.softmax(t * cosines) @ (1 - cosines)) - target

    if gap(0.0) <= 0:
        return Polygon(0.0, 0.0, float(np.log(classes)))
    high = 1.0
    while gap(high) > 0:
        high *= 2
    t = bracketed_root(gap, 0.0, high)
    fit = float(np.log(np.sum(np.exp(t * (cosines - 1)))))
    # balanced penalties: λ_W ‖W‖²/2 + λ_H E‖h‖²/2 = λ_W ‖W‖_F²
    m2 = t * np.sqrt(lambda_h / (classes * lambda_w))
    return Polygon(float(np.sqrt(m2)), float(t), fit + float(lambda_w * classes * m2))


class Escape(NamedTuple):
    """The way out of the K-gon into a third dimension: the Fourier mode j of u, and the curvature along it."""

    mode: int
    curvature: float


def polygon_escape(classes: int, lambda_w: float, lambda_h: float) -> Escape:
    """Least curvature of L over (√λ_W W, √λ_H h) in a direction v that the K-gon leaves free.

    dW = α u vᵀ, dh_k = β (uᵀ r_k) v leave the logits as they are to first order and cost α² + β² − 2αβ √μ/c (in
    units of the penalties), μ an eigenvalue of M = E rrᵀ; of the ring √μ/c = (1 − Σ_l p_l cos(2πjl/K))/ĉ.
    """
    K, t = classes, regular_polygon(classes, lambda_w, lambda_h).logit
    angle = 2 * np.pi * np.arange(K) / K
    p, modes = scipy.special.softmax(t * np.cos(angle)), np.arange(1, K // 2 + 1)
    slack = np.array([float(p @ (1 - np.cos(j * angle))) for j in modes])
    best = int(np.argmax(slack))
    return Escape(int(modes[best]), 1 - float(slack[best] / np.sqrt(K * lambda_w * lambda_h)))
