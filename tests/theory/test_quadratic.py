"""Squared error mode by mode, polygons and curvatures: check values, and both sides of every threshold."""

import numpy as np
import pytest

from ufm.model.atoms import FiniteLaw, JointProblem
from ufm.model.problem import Problem
from ufm.optimize.joint import solve_joint
from ufm.theory.features import two_hot_optimum
from ufm.theory.geometry.quadratic import bias_transition, biased_logits, class_gains
from ufm.theory.polygon import polygon_escape, regular_polygon
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


@pytest.mark.parametrize("decay, bias, b", [(0.6, 0.5, 2 / 9), (0.6, 1e-3, 1 / 3.003), (0.1, 0.1, 1 / 3.3)])
def test_the_side_of_a_bias_is_told_by_a_product(decay, bias, b):
    """λ_b(1−ĉ) ≤ ĉ; the quotient ĉ/(1−ĉ) is negative for ĉ > 1, and the other side's b is wrong."""
    share = np.sqrt(3) * decay
    assert bias * (1 - share) <= share
    assert biased_logits(3, decay, decay, bias)[2] == pytest.approx(b, rel=1e-14)
    other = share / (3 * bias)
    assert (bias <= share / (1 - share)) == (share < 1) and abs(other - b) > 0.1


@pytest.mark.parametrize("K", [4, 5, 8, 13])
def test_a_polygon_is_a_strict_saddle_up_to_its_end_and_nothing_beyond(K):
    for share in (0.05, 0.5, 0.99):
        assert polygon_escape(K, share / np.sqrt(K), share / np.sqrt(K)).curvature < 0
    for share in (1.0 + 1e-9, 1.5):
        found = regular_polygon(K, share / np.sqrt(K), share / np.sqrt(K))
        curvature = polygon_escape(K, share / np.sqrt(K), share / np.sqrt(K)).curvature
        assert (
            found.multiplier == 0 and curvature == pytest.approx(1 - 1 / share, abs=1e-12) and curvature >= 0
        )


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


def test_the_middle_of_a_channel_may_be_crossed_faster_than_a_chord_and_than_four():
    """Many classes, a weak classifier; a sharp one is slower than the chord."""

    def slope_and_chord(K, a):
        return 2 * a / (1 + a * float(two_hot_optimum(0.5, a, K).p_i)), 2 * float(
            two_hot_optimum(1.0, a, K).x_i
        )

    slope, chord = slope_and_chord(100, 3.58)
    assert slope / chord == pytest.approx(1.0167, abs=1e-4)
    peak = [slope_and_chord(3, a)[0] for a in (100.0, 227.0, 1e4)]
    assert peak[1] == pytest.approx(4.0093, abs=1e-4) and peak[1] > max(peak[0], peak[2])
    slope, chord = slope_and_chord(10, 6197.719470182)
    assert slope < chord / 4


@pytest.mark.parametrize("a", [0.1, 30.0, 1e5])
def test_noise_that_says_nothing_leaves_nothing(a):
    assert abs(smoothed_gap(a, 4, 1.0)) < 1e-14
    assert smoothed_gap(a, 4, 0.9) > 0 > smoothed_gap(a, 4, 1.1)
    plain = float(two_hot_optimum(1.0, a, 4).x_i)
    assert smoothed_gap(a, 4, 0.0) == pytest.approx(plain, rel=1e-13)
