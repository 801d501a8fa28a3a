"""Ball arithmetic applied to one feature: what counts of a candidate, and which side of a bound it is on."""

import numpy as np
import pytest
from mpmath import mp, mpf

from tests import oracle
from ufm.agree.rigour import confirm, logit_distance
from ufm.model.problem import Problem
from ufm.theory.predict import predict_pairs

LABEL = np.array([0.3, 0.7, 0.0])


def test_the_mean_of_isometric_coordinates_does_not_count_and_that_of_a_feature_does():
    problem = Problem(3, multiplier=1.5, lambda_h=0.1)
    best = predict_pairs(problem, 0, 1, 0.3)
    q = best.coef[0] * np.sqrt(problem.gain)
    found = confirm(problem, LABEL, q + 5.0, q, 1e-13, 1e-13)
    assert found.holds and found.error < 1e-14
    given = Problem(3, classifier=problem.W, lambda_h=0.1)
    found = confirm(given, LABEL, best.H[0] + 5.0, best.H[0], 5.0 * np.sqrt(3) + 1e-12, 1e-13)
    assert found.holds and found.error == pytest.approx(5.0 * np.sqrt(3), rel=1e-14)


@pytest.mark.parametrize(
    "one, other, holds", [(1e-13, 1e-13, True), (1e-18, 1e-13, False), (1e-13, 1e-18, False)]
)
def test_each_bound_is_held_against_its_own_candidate(one, other, holds):
    problem = Problem(3, multiplier=1.5, lambda_h=0.1)
    q = predict_pairs(problem, 0, 1, 0.3).coef[0] * np.sqrt(problem.gain)
    assert confirm(problem, LABEL, q, q * (1 + 1e-15), one, other).holds == holds


def test_a_bound_that_is_exact_holds():
    """W = 0: the optimum is zero, and so is the distance of zero."""
    assert confirm(Problem(3, multiplier=0.0), LABEL, np.zeros(3), np.zeros(3), 0.0, 0.0) == (True, 0.0)


@pytest.mark.parametrize("step", [1e-13, 1e-3, 2.0])
def test_a_distance_of_logits_is_an_upper_bound_of_the_exact_one(step):
    problem = Problem(3, multiplier=1.5, lambda_h=0.1)
    z = predict_pairs(problem, 0, 1, 0.3).coef[0] * problem.gain + step * np.array([1.0, 1.0, -2.0])
    with mp.workdps(40):
        a = mpf(1.5) ** 2 * 3 / 2 / mpf(0.1)
        apart = [mpf(u) - v for u, v in zip(z.tolist(), oracle.optimal_logits(LABEL, a))]
        mean = mp.fsum(apart) / 3
        exact = mp.norm([gap - mean for gap in apart])
        assert exact <= logit_distance(problem, LABEL, z) <= exact * (1 + mpf(10) ** -11)
