"""Certificate of global optimality for ANY classifier, features and bias: the maximum-entropy dual.

For L(W, h, b) = E_π[ℓ(W h + b, y) + (λ_H/2)‖h‖²] + (λ_W/2)‖W‖² (+ (λ_b/2)‖b‖²), c² = λ_W λ_H,

    min L = max { E_π[D(r)] − pen(E_π r) : E_π[r rᵀ] ⪯ c² I },      r = y − p,
    cross-entropy: D = Entropy(p), p ∈ Δ;      squared error: D = r·y − ½‖r‖²,
    pen(e) = 0 without a bias, ‖e‖²/(2λ_b) with a penalised one, and the constraint e = 0 with a free one.

Weak duality holds for any d, so L − D(any feasible r) bounds the distance to the global minimum. The
feasible residual is made from the candidate's own r = y − p: for a free bias its mean is removed
(by mixing p with a constant distribution), then it is shrunk towards zero by θ ≤ c/√λ_max(E r rᵀ).
For d ≥ K−1 the gap closes exactly at global minima. Rounding is added to the gap, never subtracted.

Imports neither theory nor optimize. Runs in numpy float64.
"""

from math import fsum
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from ufm.objective import LOSSES

EPS = float(np.finfo(np.float64).eps)
FREE = 0.0  # λ_b of a free bias; no bias is None


class JointCertificate(NamedTuple):
    """objective L; dual_objective; gap ≥ L − min L, rounding included; rounding, its share.

    lambda_max_ratio: λ_max(M)/(λ_W λ_H) − 1; with stationarity, ≤ 0 iff globally optimal (without
    a bias, or with E r = 0); stationarity: ‖∇L‖ over (W, √π h, b); imbalance: that of λ_W WᵀW and
    λ_H E h hᵀ, relative to the first; mean_residual: ‖E r‖; spectrum: eigenvalues of M = E r rᵀ.
    """

    objective: float
    dual_objective: float
    gap: float
    rounding: float
    lambda_max_ratio: float
    stationarity: float
    imbalance: float
    mean_residual: float
    spectrum: np.ndarray


def certify_joint(
    W: Float[np.ndarray, "K d"],
    H: Float[np.ndarray, "n d"],
    labels: Float[np.ndarray, "n K"],
    weights: Float[np.ndarray, "n"],
    lambda_w: float,
    lambda_h: float,
    *,
    b: Float[np.ndarray, "K"] | None = None,
    lambda_b: float | None = None,
    loss: str = "cross-entropy",
) -> JointCertificate:
    """Bound the suboptimality of any point. lambda_b: None no bias, 0 free, > 0 penalised.

    Raises ValueError for shapes that do not match, weights that are not a probability vector,
    a bias given without lambda_b, or penalties that are not positive.
    """
    W, H, Y, weights, b = _check(W, H, labels, weights, lambda_w, lambda_h, b, lambda_b)
    Z = H @ W.T + b
    residual, size = _residual(Z, Y, loss)
    objective, objective_error = _objective(W, H, Z, Y, weights, b, (lambda_w, lambda_h, lambda_b), loss)
    dual, dual_error = _dual_value(residual, Y, weights, lambda_w * lambda_h, lambda_b, loss)
    # the logits' own rounding moves L by at most 2|dz| a label and D by as much again
    rounding = objective_error + dual_error + 8 * EPS * (H.shape[1] + 4) * float(weights @ size)
    M = (residual * weights[:, None]).T @ residual
    spectrum = np.linalg.eigvalsh(M)
    slopes = (
        lambda_w * W - (residual * weights[:, None]).T @ H,
        np.sqrt(weights)[:, None] * (lambda_h * H - residual @ W),
        (weights @ residual - (lambda_b or 0.0) * b) * (lambda_b is not None),
    )
    return JointCertificate(
        objective=objective,
        dual_objective=dual,
        gap=max(objective - dual, 0.0) + rounding,
        rounding=rounding,
        lambda_max_ratio=float(spectrum[-1] / (lambda_w * lambda_h) - 1),
        stationarity=float(np.sqrt(sum(np.sum(s * s) for s in slopes))),
        imbalance=_imbalance(W, H, weights, lambda_w, lambda_h),
        mean_residual=float(np.linalg.norm(weights @ residual)),
        spectrum=spectrum,
    )


def _check(W, H, labels, weights, lambda_w, lambda_h, b, lambda_b):
    W, H, Y, weights = (np.asarray(part, np.float64) for part in (W, H, labels, weights))
    K = len(W)
    b = np.zeros(K) if b is None else np.asarray(b, np.float64)
    if W.ndim != 2 or Y.shape != (len(H), K) or H.shape[1:] != W.shape[1:] or b.shape != (K,):
        raise ValueError(
            f"shapes do not match: W {W.shape}, H {H.shape}, labels {Y.shape}, bias {b.shape}; "
            "want (K, d), (n, d), (n, K), (K,)"
        )
    if weights.shape != (len(H),) or not (weights >= 0).all() or abs(weights.sum() - 1) > 1e-9:
        raise ValueError("weights must be n numbers >= 0 that sum to 1")
    if not (lambda_w > 0 and lambda_h > 0):
        raise ValueError(f"lambda_w and lambda_h must be positive, got {lambda_w} and {lambda_h}")
    if lambda_b is None and b.any():
        raise ValueError("a bias is given: say lambda_b = 0 (free) or its penalty")
    if not all(np.isfinite(part).all() for part in (W, H, b)):
        raise ValueError("W, H or bias hold NaN or infinity: there is nothing to certify")
    return W, H, Y, weights, b


def _residual(Z, Y, loss):
    """r = −∂ℓ/∂z (n, K), its largest-label entry minus the others; and the scale of each row of logits."""
    residual = -np.asarray(_slopes(Z, Y, loss))
    return residual, 1.0 + np.abs(Z).max(1)


def _slopes(Z, Y, loss):
    return _vmapped(loss)[0](Z, Y)


def _values(Z, Y, loss):
    return np.asarray(_vmapped(loss)[1](Z, Y))


def _vmapped(loss: str):
    if loss not in _COMPILED:
        value = LOSSES[loss].value
        _COMPILED[loss] = (jax.jit(jax.vmap(jax.grad(value))), jax.jit(jax.vmap(value)))
    return _COMPILED[loss]


_COMPILED: dict = {}


def _objective(W, H, Z, Y, weights, b, penalties, loss):
    """L and a bound on the rounding of its sums (positive terms, so relative)."""
    lambda_w, lambda_h, lambda_b = penalties
    fit = _values(Z, Y, loss)
    parts = (
        weights @ fit,
        0.5 * lambda_h * float(weights @ np.sum(H * H, 1)),
        0.5 * lambda_w * float(np.sum(W * W)),
    )
    total = float(sum(parts)) + 0.5 * (lambda_b or 0.0) * float(b @ b)
    terms = sum(Z.shape) + W.size + H.shape[1]
    scale = float(weights @ (np.abs(fit) + 1.0 + np.abs(Z).max(1)))
    return total, EPS * (Z.shape[1] + 16) * scale + EPS * terms * total


def _dual_value(residual, Y, weights, product, lambda_b, loss):
    """A feasible dual value and its rounding, from the candidate's residual."""
    if lambda_b is None:
        return _feasible_value(residual, Y, weights, product, None, loss)
    centred = _centred_residual(residual, Y, weights, loss)
    free = _feasible_value(centred, Y, weights, product, FREE, loss)
    if lambda_b == FREE:
        return free
    # E r = 0 is feasible for a penalised bias too, at no penalty
    return max(free, _feasible_value(residual, Y, weights, product, lambda_b, loss), key=lambda pair: pair[0])


def _feasible_value(r, Y, weights, product, lambda_b, loss):
    """The dual value of a residual after shrinking it to E r rᵀ ⪯ c² I, and its rounding."""
    M = (r * weights[:, None]).T @ r
    n, K = r.shape
    largest = float(np.linalg.eigvalsh(M)[-1]) + EPS * (n + 8 * K) * float(np.trace(M)) + 1e-300
    theta = np.sqrt(product / largest) * (1 - 4 * EPS)
    if loss == "squared-error":
        return _squared_dual(r, Y, weights, theta, lambda_b)
    theta = min(theta, 1.0)
    p = np.clip(Y - theta * r, 0.0, 1.0)
    log_p = np.log(np.where(p > 0, p, 1.0))
    entropy = -np.sum(p * log_p, 1)
    value = float(weights @ entropy) - _penalty(theta * r, weights, lambda_b)
    # p is off by ε a unit of y and p; the entropy's slope there is |log p| + 1
    slope = float(weights @ np.sum((Y + p) * (1 + np.abs(log_p)), 1))
    return value, EPS * ((K + 16) * slope + n * float(weights @ entropy) + 8 * abs(value))


def _squared_dual(r, Y, weights, theta, lambda_b):
    linear, square = float(weights @ np.sum(r * Y, 1)), float(weights @ np.sum(r * r, 1))
    mean = weights @ r if lambda_b else np.zeros(1)
    best = square + float(mean @ mean) / (lambda_b or 1.0)
    theta = max(0.0, min(theta, linear / best if best > 0 else 0.0))
    value = theta * linear - 0.5 * theta**2 * square - _penalty(theta * r, weights, lambda_b)
    return value, EPS * (r.size + 16) * (abs(linear) + square + abs(value))


def _penalty(r, weights, lambda_b) -> float:
    """‖E r‖²/(2λ_b) for a penalised bias."""
    if not lambda_b:
        return 0.0
    mean = weights @ r
    return float(mean @ mean) / (2 * lambda_b)


def _centred_residual(r, Y, weights, loss):
    """A residual with E r = 0. Squared error: subtract the mean.

    Cross-entropy: p'' = (1−t) p + t s with a constant distribution s chosen so that E p'' = E y;
    the least t in (0, 1] that leaves s ≥ 0 (t = 1, s = E y always does), and enough more that the
    rounding of the mean cannot make the exact s negative.
    """
    mean = np.array([fsum(column) for column in (weights[:, None] * r).T])  # exact but for the products
    if loss == "squared-error":
        return r - mean
    target = weights @ Y
    short = np.where(mean < 0, -mean, 0.0)
    # s = target + (1−t)/t · mean ≥ 0
    need = np.max(np.where(short > 0, short / np.where(short > 0, short + target, 1.0), 0.0))
    t = min(1.0, need + 16 * EPS / float(np.min(target, where=target > 0, initial=1.0)))
    s = np.clip(target + (1 - t) / t * mean, 0.0, None)
    return (1 - t) * r + t * (Y - s / s.sum())


def _imbalance(W, H, weights, lambda_w, lambda_h) -> float:
    left, right = lambda_w * W.T @ W, lambda_h * (H * weights[:, None]).T @ H
    size = np.linalg.norm(left)
    return float(np.linalg.norm(left - right) / size) if size > 0 else float(np.linalg.norm(right))
