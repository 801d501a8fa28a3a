"""cvxpy with Clarabel: one parametrised exponential-cone program, compiled once, solved label by label."""

import warnings
from functools import partial

import numpy as np

from experiments.benchmark.tasks import FeatureTask, Solver

PACKAGES = ("cvxpy", "clarabel")
TIGHT = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}


def program(task: FeatureTask, options: dict) -> Solver:
    """minimise log Σ exp z − yᵀz + (λ_H/2)‖h‖² subject to z = W h; the label is a parameter."""
    import cvxpy as cp

    h, z, y = cp.Variable(task.dim), cp.Variable(task.classes), cp.Parameter(task.classes)
    value = cp.log_sum_exp(z) - y @ z + task.lambda_h / 2 * cp.sum_squares(h)
    problem = cp.Problem(cp.Minimize(value), [z == task.W() @ h])
    missing, words = np.full(task.dim, np.nan), set()

    def one(label):
        y.value = label
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # "may be inaccurate": the status says so, and the error is measured
            problem.solve(solver=cp.CLARABEL, **options)
        words.add(problem.status)
        return missing if h.value is None else h.value

    return Solver(
        lambda labels: np.array([one(y) for y in labels]), 1, note=lambda _: ", ".join(sorted(words))
    )


VARIANTS = {
    "cvxpy + Clarabel": partial(program, options={}),
    "cvxpy + Clarabel, 1e-12": partial(program, options=TIGHT),
}
