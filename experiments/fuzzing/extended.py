"""Newton in 80-bit floats against any classifier, refined by gradients in mpmath; imports no ufm.

f(h) = ℓ(W h, y) + (λ_H/2)‖h‖² is λ_H-strongly convex: a point with gradient G is within ‖G‖/λ_H of the optimum,
and G is evaluated to as many digits as this needs. So the radius is right however far the iteration came.
"""

from typing import NamedTuple

import numpy as np
from mpmath import mp, mpf

from experiments.fuzzing.exact import complete, gradient, working_digits

LONG = np.longdouble
STEPS = 400  # of Newton with a line search
ROUNDS = 12  # of refinement
ENOUGH = 1e-25  # radius, relative to the optimum


class Optimum(NamedTuple):
    """A point (d mpf) and how far from it the optimum can be."""

    point: list
    radius: object


def optimum(W: np.ndarray, y: np.ndarray, lambda_h: float, loss: str) -> Optimum:
    """The optimal feature of one label against W (K, d), both as the doubles they are."""
    scale = max(float(np.abs(W).max(initial=0.0)), 1e-300)
    with mp.workdps(working_digits(scale**2 / lambda_h, 1e10)):
        rows = [[mpf(float(entry)) for entry in row] for row in W]
        label, ridge = complete(y), mpf(float(lambda_h))
        h = [_exactly(x) for x in descend(*(np.asarray(part, LONG) for part in (W, y, lambda_h)), loss)]
        slope = gradient(rows, h, label, ridge, loss)
        for _ in range(ROUNDS):
            if mp.norm(slope) <= ridge * mpf(ENOUGH) * (mp.norm(h) + mpf(10) ** -200):
                break
            trial = _refine(W, h, slope, lambda_h, loss)
            better = gradient(rows, trial, label, ridge, loss)
            if not mp.norm(better) < mp.norm(slope):
                break
            h, slope = trial, better
        return Optimum(h, mp.norm(slope) / ridge)


def _refine(W, h, slope, lambda_h, loss) -> list:
    """One Newton step: exact gradient, Hessian in 80 bits."""
    size = mp.norm(slope)
    direction = np.array([LONG(mp.nstr(x / size, 25)) for x in slope])
    z = np.asarray(W, LONG) @ np.array([LONG(mp.nstr(x, 25)) for x in h])
    step = solve(hessian(np.asarray(W, LONG), z, LONG(lambda_h), loss), direction)
    return [x - size * _exactly(change) for x, change in zip(h, step, strict=True)]


def _exactly(value: np.longdouble):
    """An 80-bit float as the sum of two doubles."""
    high = float(value)
    return mpf(high) + mpf(float(value - LONG(high)))


def descend(W, y, lambda_h, loss) -> np.ndarray:
    """Newton from zero with halved steps until f falls by a quarter of what the slope promises."""
    h = np.zeros(W.shape[1], LONG)
    top = int(np.argmax(y))
    y = y.copy()
    y[top] = 0
    y[top] = 1 - y.sum()
    for _ in range(STEPS):
        value, residual = fit(W @ h, y, loss)
        slope = W.T @ residual + lambda_h * h
        step = -solve(hessian(W, W @ h, lambda_h, loss), slope)
        fall, length = -(slope @ step), LONG(1)
        if not fall > 1e-38 * abs(value):
            break
        while (
            _value(W, h + length * step, y, lambda_h, loss)
            > _value(W, h, y, lambda_h, loss) - length * fall / 4
        ):
            length /= 2
            if length < 1e-6:  # below the rounding of f: full steps are Newton's last ones
                return h + step if fall < 1e-15 * abs(value) else h
        h = h + length * step
    return h


def _value(W, h, y, lambda_h, loss):
    return fit(W @ h, y, loss)[0] + lambda_h / 2 * (h @ h)


def fit(z, y, loss):
    """ℓ(z, y) and ∂ℓ/∂z over the last axis."""
    if loss == "squared-error":
        return ((z - y) ** 2).sum(-1) / 2, z - y
    s = z - z.max(-1, keepdims=True)
    masses = np.exp(s)
    total = masses.sum(-1, keepdims=True)
    return np.log(total[..., 0]) - (y * s).sum(-1), masses / total - y


def hessian(W, z, lambda_h, loss):
    """Wᵀ(diag c − c cᵀ)W + λ_H, from rows less their mean under c."""
    if loss == "squared-error":
        return W.T @ W + lambda_h * np.eye(W.shape[1], dtype=LONG)
    masses = np.exp(z - z.max())
    c = masses / masses.sum()
    rows = W - c @ W
    return rows.T @ (c[:, None] * rows) + lambda_h * np.eye(W.shape[1], dtype=LONG)


def solve(A, b):
    """Cholesky in 80 bits (LAPACK has none)."""
    L, d = np.array(A, LONG), len(b)
    for j in range(d):
        L[j:, j] -= L[j:, :j] @ L[j, :j]
        L[j:, j] /= np.sqrt(max(L[j, j], LONG(1e-4900)))
    x = np.array(b, LONG)
    for j in range(d):
        x[j] = (x[j] - L[j, :j] @ x[:j]) / L[j, j]
    for j in reversed(range(d)):
        x[j] = (x[j] - L[j + 1 :, j] @ x[j + 1 :]) / L[j, j]
    return x
