"""Optimal features to 40 digits in mpmath; nothing here comes from `ufm`.

On a simplex ETF the logits of λ e_0 + (1−λ) e_1 take three values: a p_k = ω(a y_k + t) with Σ p = 1, solved
for t. For any other W, z solves z = W Wᵀ (y − softmax z)/λ_H: a float64 start, then corrections z −= J⁻¹ F(z)
with F in 40 digits and J⁻¹ in double, each good for ten digits or so. The end is F ≤ 1e-38, and the problem
is strongly convex, so the start cannot bias the answer.
"""

from fractions import Fraction
from functools import cache
from operator import mul
from pathlib import Path

import mpmath
import numpy as np
from mpmath import mp, mpf
from scipy.linalg import lu_factor, lu_solve
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from experiments.benchmark.tasks import CHECKED, MULTIPLIER, FeatureTask

DIGITS = 60  # carried, for 40 that count
GOAL = mpf(10) ** -38


@cache
def exact_features(task: FeatureTask) -> np.ndarray:
    """The first CHECKED features (n, d) of a task, rounded to double."""
    with mp.workdps(DIGITS):
        if task.classifier == "etf":
            return _etf_features(task)
        return _any_features(task.W(), task.labels(CHECKED), task.lambda_h)


def save_answers(tasks: list[FeatureTask], path: Path) -> None:
    """All of them in one npz, for the processes of the peers."""
    np.savez(path, **{task.name: exact_features(task) for task in tasks})


def _etf_features(task: FeatureTask) -> np.ndarray:
    """h = (x_0 w_0 + x_1 w_1)/g, x the logits less that of the classes not mixed."""
    K, W = task.classes, task.W()
    gain = mpf(MULTIPLIER) ** 2 * K / (K - 1)
    found = []
    for lam in task.mixing(CHECKED):
        logs = _log_masses([mpf(lam), 1 - mpf(lam), mpf(0)], [1, 1, K - 2], gain / mpf(task.lambda_h))
        found.append(sum(float((logs[k] - logs[2]) / gain) * W[k] for k in (0, 1)))
    return np.array(found)


def _log_masses(values, counts, a):
    """log(a p) for each value of a label: the root t of Σ counts ω(a y + t) = a, convex and increasing in t."""

    def masses(t):
        return [mp.lambertw(mp.exp(a * y + t)).real for y in values]

    t = a + mp.log(a) - a * max(values)  # here the largest mass alone is a: Newton falls to the root
    while True:
        found = masses(t)
        excess = mp.fdot(counts, found) - a
        t -= excess / mp.fsum(n * w / (1 + w) for n, w in zip(counts, found))
        if abs(excess) <= GOAL * a:
            return [a * y + t - w for y, w in zip(values, masses(t))]  # log ω = x − ω


def _any_features(W: np.ndarray, Y: np.ndarray, lambda_h: float) -> np.ndarray:
    M, columns = _exact_gram(W), [[mpf(float(w)) for w in column] for column in W.T]
    B = W @ np.linalg.qr(W.T)[0]  # the same problem in the row space of W
    found = []
    for y in Y:
        pull = _refined_pull(M, W @ W.T, y, lambda_h, _start(B, y, lambda_h))
        found.append([float(mp.fdot(column, pull)) for column in columns])
    return np.array(found)


def _exact_gram(W: np.ndarray) -> list[list]:
    """W Wᵀ without an error: doubles are integers over a power of two."""
    shift = 2**200  # resolves every double from 1e-44 up
    rows = [[int(Fraction(float(w)) * shift) for w in row] for row in W]
    dots = [[sum(map(mul, one, other)) for other in rows[: k + 1]] for k, one in enumerate(rows)]
    return [[mpf(dots[max(k, n)][min(k, n)]) / shift**2 for n in range(len(W))] for k in range(len(W))]


def _start(B, y, lambda_h):
    """Float64 logits B q at the optimum of log Σ exp B q − yᵀB q + (λ_H/2)‖q‖², by scipy's trust-region Newton."""

    def value(q):
        return logsumexp(B @ q) - y @ (B @ q) + lambda_h / 2 * q @ q

    def slope(q):
        return B.T @ (softmax(B @ q) - y) + lambda_h * q

    def curvature(q):
        p = softmax(B @ q)
        return B.T @ (np.diag(p) - np.outer(p, p)) @ B + lambda_h * np.eye(len(q))

    found = minimize(
        value, np.zeros(B.shape[1]), jac=slope, hess=curvature, method="trust-exact", options={"gtol": 1e-9}
    )
    return B @ found.x


def _refined_pull(M, M_float, y, lambda_h, z_float):
    """(y − p)/λ_H at the root of F(z) = z − M (y − softmax z)/λ_H."""
    label, lam = [mpf(float(v)) for v in y], mpf(lambda_h)
    p = softmax(z_float)
    jacobian = lu_factor(np.eye(len(y)) + M_float @ (np.diag(p) - np.outer(p, p)) / lambda_h)
    z = [mpf(float(v)) for v in z_float]
    for _ in range(100):
        top = max(z)
        masses = [mp.exp(v - top) for v in z]
        total = mp.fsum(masses)
        pull = [(u - w / total) / lam for u, w in zip(label, masses)]
        F = [v - mp.fdot(row, pull) for v, row in zip(z, M)]
        worst = max(map(abs, F))
        if worst <= GOAL * max(map(abs, z)):
            return pull
        step = lu_solve(jacobian, np.array([float(f / worst) for f in F]))
        z = [v - worst * mpf(float(s)) for v, s in zip(z, step)]
    raise mpmath.libmp.NoConvergence("the oracle's refinement stalled")
