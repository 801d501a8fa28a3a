"""scipy's L-BFGS-B, one feature after the other, with the gradient written out in numpy."""

from functools import partial

import numpy as np
from scipy.optimize import minimize

from experiments.benchmark.tasks import FeatureTask, Solver

PACKAGES = ("scipy",)
TIGHT = {"ftol": 0.0, "gtol": 1e-13, "maxcor": 30, "maxiter": 10_000, "maxfun": 20_000}


def objective(h, W, y, lambda_h):
    """f(h) and its gradient."""
    z = W @ h
    top = z.max()
    masses = np.exp(z - top)
    total = masses.sum()
    return np.log(total) + top - y @ z + 0.5 * lambda_h * (h @ h), W.T @ (masses / total - y) + lambda_h * h


def lbfgs(task: FeatureTask, options: dict) -> Solver:
    """From h = 0, until scipy stops."""
    W = task.W()

    def solve(labels):
        run = partial(minimize, objective, np.zeros(task.dim), jac=True, method="L-BFGS-B", options=options)
        return np.array([run(args=(W, y, task.lambda_h)).x for y in labels])

    return Solver(solve, 1)


VARIANTS = {
    "scipy L-BFGS-B": partial(lbfgs, options={}),
    "scipy L-BFGS-B, tight": partial(lbfgs, options=TIGHT),
}
