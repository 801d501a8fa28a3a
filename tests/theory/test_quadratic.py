"""Squared error mode by mode, polygons and curvatures: check values, and both sides of every threshold."""

import numpy as np
import pytest

from ufm.model.atoms import FiniteLaw, JointProblem
from ufm.model.problem import Problem
from ufm.optimize.joint import solve_joint
from ufm.theory.features import two_hot_optimum
from ufm.theory.geometry.quadratic import bias_transition, biased_logits, class_gains
from ufm.theory.polygon import regular_polygon
from ufm.theory.theorems.fixed_class import FEATURE_CURVATURE, MID_CHANNEL_SLOPE, smoothed_gap
from ufm.theory.theorems.theorem import Setting

# a = 6197.719470182 at K = 10
SHARP = Setting(Problem(10, multiplier=float(np.sqrt(6197.719470182 * 0.9 * 1e-3)), lambda_h=1e-3))


def shipped(theorem):
    claim = theorem.claim
    return claim.formula(SHARP, claim.labels(SHARP)).values


def test_check_values_of_imbalance():
    found = class_gains((0.5, 0.3, 0.15, 0.05), 0.05, 0.06)
    assert found == pytest.approx([0.71459667, 0.54, 0.36426407, 0.18494897], abs=5e-9)


def test_a_class_dies_at_its_weight():
    assert class_gains([0.2, 0.2], 0.5, 0.4 - 1e-9)[0] > 0
    assert class_gains([0.2], 0.5, 0.4 + 1e-9)[0] == 0


@pytest.mark.parametrize("bias", [0.1, 1.0])
def test_the_blind_optimum_has_the_bias_of_its_side(bias):
    """K = 3, ĉ = 0.2, transition at 0.25."""
    decay = 0.2 / np.sqrt(3)
    atoms = FiniteLaw(np.eye(3), np.full(3, 1 / 3))
    found = solve_joint(JointProblem(atoms, decay, decay, lambda_b=bias, loss="squared-error"))
    across, along, b = biased_logits(3, decay, decay, bias)
    assert bias_transition(3, decay, decay) == pytest.approx(0.25, rel=1e-14)
    assert (along > 0) == (bias > 0.25)
    assert found.b == pytest.approx(np.full(3, b), abs=1e-7)
    logits = found.H @ found.W.T
    assert logits == pytest.approx(across * (np.eye(3) - 1 / 3) + along / 3, abs=1e-7)


def test_the_two_sides_meet_and_nothing_is_left_beyond_one():
    edge = bias_transition(4, 0.1, 0.1)
    below, above = biased_logits(4, 0.1, 0.1, edge), biased_logits(4, 0.1, 0.1, edge * (1 + 1e-12))
    assert edge == pytest.approx(0.25, rel=1e-14) and below == pytest.approx(above, abs=1e-11)
    assert biased_logits(4, 0.6, 0.6, 7.0) == pytest.approx((0.0, 0.0, 1 / 32))


@pytest.mark.parametrize(
    "K, lambda_w, lambda_h, t, m2",
    [
        (5, 0.01, 0.01, 5.925762031460258, 2.650081344166477),
        (6, 0.002, 0.004, 9.916703155137851, 5.72541123609245),
    ],
)
def test_check_values_of_polygons(K, lambda_w, lambda_h, t, m2):
    found = regular_polygon(K, lambda_w, lambda_h)
    assert found.logit == pytest.approx(t, rel=4e-15) and found.multiplier**2 == pytest.approx(m2, rel=4e-15)


def test_check_values_of_a_sharp_classifier():
    """The sharpness goes through m, a relative ε: the slopes are known to a few of it."""
    assert shipped(FEATURE_CURVATURE)[:, -1] == pytest.approx(9.841151826705, rel=1e-12)
    assert shipped(MID_CHANNEL_SLOPE) == pytest.approx(4.006584601613523, rel=1e-13)
    middle = two_hot_optimum(0.5, 6197.719470182, 10)
    x = float(two_hot_optimum(1.0, 6197.719470182, 10).x_i)
    assert float(middle.x_i + middle.x_j) / x == pytest.approx(1.720639, abs=5e-7)


@pytest.mark.parametrize("a", [0.1, 30.0, 1e5])
def test_noise_that_says_nothing_leaves_nothing(a):
    assert abs(smoothed_gap(a, 4, 1.0)) < 1e-14
    assert smoothed_gap(a, 4, 0.9) > 0 > smoothed_gap(a, 4, 1.1)
    plain = float(two_hot_optimum(1.0, a, 4).x_i)
    assert smoothed_gap(a, 4, 0.0) == pytest.approx(plain, rel=1e-13)
