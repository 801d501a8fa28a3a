"""The points of the picture of features: a few of the stream, solved, with their coefficients."""

from math import log
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from ufm.agree.features import Settings
from ufm.certify.features import certify_features
from ufm.model.cases import LabelCases, PairCases
from ufm.model.problem import Problem
from ufm.optimize.features import solve_features
from ufm.output.text import spread
from ufm.theory.predict import predict_features, violated_assumption

MAX_LAM = 41  # values of λ drawn
MAX_LABELS = 200  # labels drawn when they are not pairs


class PairPoints(NamedTuple):
    """Numerical optima of y = λ e_i + (1−λ) e_j: classes, λ, y (N, K), features (N, d), logits (N, K)."""

    i: np.ndarray
    j: np.ndarray
    lam: np.ndarray
    Y: np.ndarray
    H: np.ndarray
    logits: np.ndarray

    def where(self, mask) -> "PairPoints":
        """The chosen points."""
        return PairPoints(*(part[mask] for part in self))

    @property
    def purity(self) -> np.ndarray:
        """|2λ − 1|: 1 for a pure label, 0 for an even mixture; equal for (i, j, λ) and (j, i, 1−λ)."""
        return np.abs(2 * self.lam - 1)


class LabelPoints(NamedTuple):
    """Labels (N, K) with their numerical optima: features (N, d), logits (N, K)."""

    Y: np.ndarray
    H: np.ndarray
    logits: np.ndarray


class Held(NamedTuple):
    """Points held against the optimum: their number, the largest distance to the closed form (None where there is
    none) and the largest certified one to the true optimum, both over the longest of them or of the closed form."""

    points: int
    distance: float | None
    bound: float


def hold(problem: Problem, points: PairPoints | LabelPoints) -> Held:
    """The distances that a caption says."""
    numeric = np.asarray(points.H, np.float64)
    theory = predict_features(problem, points.Y).H if violated_assumption(problem) is None else None
    longest = np.linalg.norm(numeric if theory is None else theory, axis=1).max() or 1.0
    bound = certify_features(problem, numeric, points.Y).distance.max() / longest
    distance = None if theory is None else float(np.linalg.norm(numeric - theory, axis=1).max() / longest)
    return Held(len(numeric), distance, float(bound))


def solve_pairs(problem: Problem, cases: PairCases, settings: Settings) -> PairPoints:
    """Numerical optima for the ordered pairs of classes 0, 1, 2 at no more than 41 of the λ."""
    lam = cases.lam[spread(range(len(cases.lam)), MAX_LAM)]
    i, j, lam = (part.ravel() for part in np.meshgrid(*[np.arange(min(problem.classes, 3))] * 2, lam))
    if cases.pairs == "different":
        i, j, lam = i[i != j], j[i != j], lam[i != j]
    Y, rows = np.zeros((len(lam), problem.classes)), np.arange(len(lam))
    Y[rows, j] = 1 - lam
    Y[rows, i] = np.where(i == j, 1.0, lam)
    found = _solve(problem, Y, settings)
    return PairPoints(i, j, lam, Y, found.H, found.logits)


def solve_labels(problem: Problem, cases: PairCases | LabelCases, settings: Settings) -> LabelPoints:
    """Numerical optima for at most 200 labels. Same-class pairs are the one-hot labels, whatever λ."""
    if isinstance(cases, PairCases):
        Y = np.eye(min(problem.classes, MAX_LABELS), problem.classes)
    else:
        Y = cases.labels[spread(range(len(cases.labels)), MAX_LABELS)]
    found = _solve(problem, Y, settings)
    return LabelPoints(Y, found.H, found.logits)


def _solve(problem, Y, settings):
    return solve_features(
        problem, Y, method=settings.method, max_steps=settings.max_steps, dtype=settings.dtype
    )


def lam_grid(sharpness: float) -> np.ndarray:
    """A dense grid of [0, 1] that also resolves the edge layers of width 1/a: even in λ and in logit λ."""
    reach = min(36.0, log(1 + sharpness) + 8)
    # of one length, repeated values and all, so that the closed form compiles once for each K
    return np.sort(np.concatenate([np.linspace(0, 1, 201), expit(np.linspace(-reach, reach, 301))]))
