"""A peer that misbehaves in every way a peer can; the tests of `experiments.speed` start it in its own process."""

import os
import time

import numpy as np

from experiments.benchmark.tasks import Solver

PACKAGES = ("numpy",)


def _solver(solve):
    return lambda task: Solver(lambda labels: solve(task, labels), 8)


def _zeros(task, labels):
    print("a solver that talks: {}")
    return np.zeros((len(labels), task.dim))


def _fail(task, labels):
    raise ArithmeticError("no descent\nsecond line")


VARIANTS = {
    "wrong": _solver(_zeros),
    "not finite": _solver(lambda task, labels: np.full((len(labels), task.dim), np.nan)),
    "fails": _solver(_fail),
    "does not apply": lambda task: None,
    "hangs": _solver(lambda task, labels: time.sleep(60)),
    "dies": _solver(lambda task, labels: os._exit(3)),
}
