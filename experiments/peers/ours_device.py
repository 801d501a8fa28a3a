"""This project on one accelerator: the numerical route in every precision, and the closed form; host to host."""

from functools import partial

import numpy as np

from experiments.benchmark.tasks import CHECKED, FeatureTask, Solver
from experiments.peers.ours import closed_form, numeric

PACKAGES = ("jax", "ufm")
COUNTS = {10: 1_000_000, 100: 100_000, 1000: 10_000}  # features a call
# how `solve_features` is called in each precision: a new one is one more line
PRECISIONS = {"float64": {}, "float32": {"dtype": np.float32}, "float32, then float64": {"first": np.float32}}


def newton(task: FeatureTask, precision: str) -> Solver:
    """`solve_features`, from the labels in numpy to the features in numpy."""
    return numeric(task, count=COUNTS.get(task.classes, 2 * CHECKED), **PRECISIONS[precision])


def name_of(precision: str) -> str:
    """The row of the tables; float64 is the one that ratios are taken against."""
    return "ours: Newton" + ("" if precision == "float64" else f", {precision}")


VARIANTS = {name_of(precision): partial(newton, precision=precision) for precision in PRECISIONS}
VARIANTS["ours: closed form, all pairs"] = closed_form
