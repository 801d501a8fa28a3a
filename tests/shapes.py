"""Calls of few shapes: a program is compiled for each number of rows, and what is compiled costs most of a test."""

from dataclasses import replace

import numpy as np

from ufm.certify.features import Certificate, certify_features
from ufm.model.atoms import FiniteLaw
from ufm.model.problem import Problem
from ufm.optimize.features import FeatureSolution, solve_features

ROWS = 5  # in every call
ATOMS = 256  # of a law whose W is free


def calls(*arrays):
    """The arrays in pieces of ROWS rows; the last is filled up with copies of its last row."""
    count = len(arrays[0])
    for start in range(0, count, ROWS):
        rows = np.minimum(np.arange(start, start + ROWS), count - 1)
        yield tuple(np.asarray(array)[rows] for array in arrays)


def certified(problem: Problem, H, Y) -> Certificate:
    """`certify_features`, whatever the number of rows."""
    parts = [certify_features(problem, *part) for part in calls(H, Y)]
    return Certificate(*(np.concatenate([np.asarray(x) for x in each])[: len(H)] for each in zip(*parts)))


def optimum(problem: Problem, Y, **how) -> FeatureSolution:
    """`solve_features` for at most ROWS labels."""
    (part,) = (part for (part,) in calls(Y))
    found = solve_features(problem, part, **how)
    return FeatureSolution(
        found.H[: len(Y)], found.logits[: len(Y)], found.steps, found.converged, found.trace
    )


def padded(law: FiniteLaw, width: int) -> FiniteLaw:
    """The same law with labels of weight zero up to `width`."""
    extra = width - len(law.weights)
    labels = np.concatenate([law.labels, np.repeat(law.labels[:1], extra, 0)])
    return replace(law, labels=labels, weights=np.pad(law.weights, (0, extra)))
