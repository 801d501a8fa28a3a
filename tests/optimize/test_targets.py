"""Real targets under squared error: solver, dual bound, balls, closed form with rank drop; what is refused."""

import numpy as np
import pytest

import ufm
from ufm.agree.joint import enclose_solution
from ufm.certify.joint import certify_joint
from ufm.enclose.joint import enclose_joint
from ufm.model.atoms import FiniteLaw, JointProblem, Point
from ufm.optimize.joint import solve_joint
from ufm.rules.errors import InputError
from ufm.theory.geometry.quadratic import regression_fit

SE = "squared-error"
WEIGHTS = np.array([0.3, 0.25, 0.2, 0.15, 0.1])
ROWS = np.random.default_rng(4).normal(size=(5, 3)) * [3.0, 1.0, 0.1] + [50.0, -2.0, 0.0]
LAW = FiniteLaw(ROWS, WEIGHTS, real=True)


@pytest.mark.parametrize("decay, rank", [(0.02, 3), (0.5, 2), (1.1, 1), (9.0, 0)])
def test_directions_are_kept_less_c_or_lost(decay, rank):
    task = JointProblem(LAW, decay, decay, None, 0.0, SE)
    best, (G, fitted) = solve_joint(task), regression_fit(ROWS, WEIGHTS, decay, decay, True)
    assert certify_joint(task, best).gap <= 1e-9 * best.objective
    assert enclose_solution(task, best) <= 1e-9 * best.objective
    assert np.abs(best.W @ best.W.T - G).max() <= 1e-8 and np.linalg.matrix_rank(G) == rank
    assert np.abs(best.H @ best.W.T + best.b - fitted).max() <= 1e-8


def test_without_a_bias_the_mean_is_a_direction_like_others():
    task = JointProblem(LAW, 0.3, 0.2, None, None, SE)
    best, (G, _) = solve_joint(task), regression_fit(ROWS, WEIGHTS, 0.3, 0.2, False)
    other, _ = regression_fit(ROWS, WEIGHTS, 0.3, 0.2, True)
    assert np.abs(best.W @ best.W.T - G).max() <= 1e-8 < np.abs(other - G).max()


@pytest.mark.parametrize("lambda_b", [None, 0.2])
@pytest.mark.parametrize("size", [1e-6, 0.3, 1e4])
def test_no_bound_lies(lambda_b, size):
    """Gaps of spoilt points, also of logits whose large terms cancel, cover those of ball arithmetic."""
    task = JointProblem(LAW, 0.1, 0.2, None, lambda_b, SE)
    best, rng = solve_joint(task), np.random.default_rng(2)
    for spoilt in range(3):
        W, H = (part + size * rng.normal(size=part.shape) for part in (best.W, best.H))
        if spoilt == 2:  # a direction of features that W cancels
            W, H = np.c_[W, W[:, :1]], np.c_[H, -H[:, :1]]
            W, H = W * [1, 1, 1, 1], H + np.array([1, 0, 0, -1]) * 1e7
        b = best.b + size * rng.normal(size=3) * (lambda_b is not None)
        point = Point(W, H, b)
        claimed = certify_joint(task, point)
        balls = enclose_joint(
            W,
            H,
            ROWS,
            WEIGHTS,
            0.1,
            0.2,
            b=None if lambda_b is None else b,
            lambda_b=lambda_b,
            loss=SE,
            real=True,
        )
        assert claimed.gap >= balls.objective[0] - best.objective
        assert (
            balls.objective[0] - claimed.rounding
            <= claimed.objective
            <= balls.objective[1] + claimed.rounding
        )


def test_what_is_refused_and_what_is_said():
    with pytest.raises(InputError, match="sum"):
        FiniteLaw(ROWS, WEIGHTS)
    with pytest.raises(InputError, match="squared error"):
        JointProblem(LAW, 0.1, 0.1)
    with pytest.raises(InputError, match="exchangeable"):
        FiniteLaw(ROWS, WEIGHTS, True, real=True)
    with pytest.raises(InputError, match="NaN"):
        FiniteLaw(ROWS * np.nan, WEIGHTS, real=True)
    report = ufm.check_joint(JointProblem(LAW, 0.1, 0.1, None, 0.0, SE))
    assert report.verdict.word == "out of hypothesis" and "regression" in report.verdict.reason
    spread = ROWS - WEIGHTS @ ROWS  # what a free bias leaves
    assert [one.name for one in report.thresholds] == ["trivial"] and report.relative_gap <= 1e-9
    assert report.thresholds[0].value == pytest.approx(np.linalg.eigvalsh((spread.T * WEIGHTS) @ spread)[-1])
