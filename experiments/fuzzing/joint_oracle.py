"""The joint objective in 80-bit floats, descents from elsewhere and the optimal sharpness by quadrature; no ufm.

L(W, H, b) = Σ π [ℓ(W h + b, y) + (λ_H/2)‖h‖²] + (λ_W/2)‖W‖² + (λ_b/2)‖b‖²
"""

from typing import NamedTuple

import numpy as np

from experiments.fuzzing.extended import LONG, fit


class Joint(NamedTuple):
    """Labels (n, K), weights (n), penalties (λ_b None: no bias), dimension and loss."""

    labels: np.ndarray
    weights: np.ndarray
    lambda_w: float
    lambda_h: float
    lambda_b: float | None
    dim: int
    loss: str


def objective(joint: Joint, W, H, b) -> np.longdouble:
    """L at a point, in 80 bits."""
    W, H, b, weights, Y = (
        np.asarray(part, LONG) for part in (W, H, b, joint.weights, complete(joint.labels))
    )
    value, _ = fit(H @ W.T + b, Y, joint.loss)
    ridge = LONG(joint.lambda_h) / 2 * (weights @ (H**2).sum(1)) + LONG(joint.lambda_w) / 2 * (W**2).sum()
    return weights @ value + ridge + LONG(joint.lambda_b or 0) / 2 * (b**2).sum()


def complete(labels) -> np.ndarray:
    """Labels whose first largest entry is one minus the others."""
    Y, rows = np.array(labels, LONG), np.arange(len(labels))
    top = Y.argmax(1)
    Y[rows, top] = 0
    Y[rows, top] = 1 - Y.sum(1)
    return Y


def descend(joint: Joint, rng, steps: int):
    """(W, H, b) by scipy's L-BFGS on all of them at once, from a random start."""
    from scipy.optimize import minimize

    n, K = joint.labels.shape
    d, bias = joint.dim, joint.lambda_b is not None
    root = np.sqrt(np.maximum(joint.weights, 1e-12))[:, None]  # features scaled so that each counts alike
    Y = np.asarray(complete(joint.labels), float)

    def unpack(x):
        W, H, b = np.split(x, [K * d, K * d + n * d])
        return W.reshape(K, d), H.reshape(n, d) / root, b if bias else np.zeros(K)

    def value(x):
        W, H, b = unpack(x)
        losses, residual = fit(H @ W.T + b, Y, joint.loss)
        pull = joint.weights[:, None] * residual
        total = joint.weights @ (losses + joint.lambda_h / 2 * (H**2).sum(1))
        total += joint.lambda_w / 2 * (W**2).sum() + (joint.lambda_b or 0) / 2 * (b**2).sum()
        slopes = [
            pull.T @ H + joint.lambda_w * W,
            (pull @ W + joint.weights[:, None] * joint.lambda_h * H) / root,
            (pull.sum(0) + (joint.lambda_b or 0) * b) * bias,
        ]
        return total, np.concatenate([slope.ravel() for slope in slopes])

    start = rng.normal(size=K * d + n * d + K) * 10.0 ** rng.uniform(-2, 0.5)
    return unpack(minimize(value, start, jac=True, method="L-BFGS-B", options={"maxiter": steps}).x)


def largest_variance(joint: Joint) -> float:
    """λ_max of E[(y − 1/K)(y − 1/K)ᵀ], by power iteration in 80 bits (a Rayleigh quotient: never above it)."""
    centred = np.array(complete(joint.labels)) - LONG(1) / joint.labels.shape[1]
    M = centred.T @ (np.asarray(joint.weights, LONG)[:, None] * centred)
    scale = np.trace(M)
    for _ in range(40):  # squares of M: λ_max's share grows with the power 2^40
        M = M @ M / np.trace(M @ M)
    v = M[:, int(np.argmax(np.diag(M)))]
    A = centred.T @ (np.asarray(joint.weights, LONG)[:, None] * centred)
    return float(v @ A @ v / (v @ v)) if scale > 0 else 0.0


def mixup_moment(alpha: float, a: float, K: int, pairs: str) -> float:
    """E‖y − p_a(y)‖² of mixup, λ ~ Beta(α, α), i and j uniform: the trapezoid rule in t = logit λ, 80 bits."""
    step = min(0.05, 0.2 / alpha)
    t = np.arange(-40 / alpha - 10, 40 / alpha + 10, step, dtype=LONG)
    lam, colam = 1 / (1 + np.exp(-t)), 1 / (1 + np.exp(t))
    log_weight = alpha * (np.log(lam) + np.log(colam))
    weight = np.exp(log_weight - log_weight.max())
    different = (weight @ residual_square(lam, colam, a, K)) / weight.sum()
    same = residual_square(np.ones(1, LONG), np.zeros(1, LONG), a, K)[0]
    share = {"all": LONG(1) / K, "different": 0, "same": 1}[pairs]
    return float(share * same + (1 - share) * different)


def residual_square(lam, colam, a, K):
    """‖y − p‖² = ‖z‖²/a² of y = λ e_i + (1−λ) e_j, elementwise: s = log(a p) with Σ a p = a, by bisection."""
    a, others = LONG(a), K - 2
    low, high = np.full(lam.shape, -a - 60 - np.log(K) - 1), np.full(lam.shape, a + np.log(a + 1) + 60)
    for _ in range(110):  # halvings, of a width below 2^30 to the rounding of t
        t = (low + high) / 2
        total = (
            np.exp(omega_log(a * lam + t)) + np.exp(omega_log(a * colam + t)) + others * np.exp(omega_log(t))
        )
        low, high = np.where(total < a, t, low), np.where(total < a, high, t)
    logs = [omega_log(a * lam + t), omega_log(a * colam + t), omega_log(t)]
    mean = (logs[0] + logs[1] + others * logs[2]) / K
    return ((logs[0] - mean) ** 2 + (logs[1] - mean) ** 2 + others * (logs[2] - mean) ** 2) / a**2


def omega_log(x):
    """The root v of e^v + v = x, elementwise, by Newton from the right."""
    v = np.where(x > 1, np.log(np.maximum(x, 1)), x)
    for _ in range(8):
        mass = np.exp(v)
        v = v - (mass + v - x) / (1 + mass)
    return v
