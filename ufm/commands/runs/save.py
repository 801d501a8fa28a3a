"""Features in one .npz file, for `solve --save PATH.npz`."""

import numpy as np

from ufm.agree.features import Settings
from ufm.model.cases import PairCases
from ufm.model.problem import Problem
from ufm.optimize.features import solve_features


def save_features(target, problem: Problem, cases, settings: Settings) -> None:
    """Write the numerical optima of every feature, in the order of the stream, as an npz: H (N, d), W (K, d),
    i, j, lam (N; −1 and NaN where a label is not two-hot), Y (N, K), lambda_w, lambda_h, and weights (N) of
    given labels that have them."""
    n = np.arange(cases.count)
    if isinstance(cases, PairCases):
        c = cases.take(n)
        i, j, lam = c.i, c.j, c.lam
        Y = np.zeros((cases.count, problem.classes))
        Y[n, j] = c.colam
        Y[n, i] = np.where(i == j, 1.0, lam)
    else:
        i = j = np.full(cases.count, -1)
        lam, Y = np.full(cases.count, np.nan), cases.labels
    weights = getattr(cases, "weights", None)
    found = solve_features(
        problem,
        Y,
        method=settings.method,
        max_steps=settings.max_steps,
        dtype=settings.dtype,
        first=settings.first,
    )
    np.savez(
        target,
        H=found.H,
        W=problem.W,
        i=i,
        j=j,
        lam=lam,
        Y=Y,
        **({} if weights is None else {"weights": weights}),
        lambda_w=problem.lambda_w,
        lambda_h=problem.lambda_h,
    )
