"""Ball arithmetic applied to one compared feature: is the optimum where both routes and bounds say?"""

from typing import NamedTuple

import numpy as np

from ufm.enclose.balls import norm
from ufm.enclose.features import Enclosure, distance_between, enclose_etf, enclose_features
from ufm.model.problem import Problem


class Confirmation(NamedTuple):
    """holds: every stated bound contains the true distance (False: one provably does not).

    error: upper end of the ball of ‖h_numeric − h_theory‖, absolute.
    """

    holds: bool
    error: float


def confirm(
    problem: Problem,
    label: np.ndarray,
    numeric: np.ndarray,
    theory: np.ndarray,
    bound: float,
    theory_bound: float,
) -> Confirmation:
    """Enclose the optimum of `label` and test ‖numeric − h*‖ ≤ bound, ‖theory − h*‖ ≤ theory_bound.

    Candidates are isometric coordinates q for the built-in ETF, features h for an explicit
    classifier. The enclosure is about 1e-30 wide, so a bound is either confirmed or refuted.
    """
    isometric = problem.classifier is None
    ball = _enclose(problem, label)
    holds = ball.distance(numeric)[1] <= bound and ball.distance(theory)[1] <= theory_bound
    return Confirmation(bool(holds), distance_between(numeric, theory, isometric=isometric)[1])


def logit_distance(problem: Problem, label: np.ndarray, z: np.ndarray) -> float:
    """Upper bound of ‖Π(z − z*)‖, z* the logits of the enclosed optimum, z (K) with Σ z = 0."""
    ball = _enclose(problem, label)
    gaps = [star - float(value) for star, value in zip(ball.logits, z)]
    mean = sum(gaps) / len(gaps)
    return float(norm([gap - mean for gap in gaps]).upper()) * (1 + 1e-12)


def _enclose(problem: Problem, label: np.ndarray) -> Enclosure:
    if problem.classifier is None:
        return enclose_etf(label, problem.row_norm, problem.lambda_h, problem.loss)
    return enclose_features(label, problem.classifier, problem.lambda_h, problem.loss)
