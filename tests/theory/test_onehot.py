"""One-hot and smoothed labels: check values at 40 digits, edges, and both sides of the threshold."""

import numpy as np
import pytest
from mpmath import mp, mpf

from ufm.model.laws import label_variance, mixup
from ufm.theory.geometry.onehot import class_optimum


@pytest.mark.parametrize(
    "classes, decay, smoothing, gap, gain",
    [
        (5, 0.01, 0.0, 5.391838664301899, 2.411303555418143),
        (5, 0.01, 0.1, 3.607202915672773, 1.613190185615953),
    ],
)
def test_check_values(classes, decay, smoothing, gap, gain):
    found = class_optimum(classes, decay, decay, smoothing)
    assert found.gap == pytest.approx(gap, rel=4e-16) and found.gain == pytest.approx(gain, rel=6e-16)
    assert found.wrong == pytest.approx((np.sqrt(classes) * decay + smoothing) / classes, rel=1e-15)


@pytest.mark.parametrize("classes", [2, 3, 10, 10**6])
@pytest.mark.parametrize("share", [1e-9, 1e-3, 0.5, 0.999, 1 - 1e-12])
@pytest.mark.parametrize("part", [0.0, 0.4])
def test_the_gap_is_that_of_forty_digits(classes, share, part):
    """Up to the threshold, where 1 − share is known to ε alone: the tolerance follows from that."""
    lambda_w = lambda_h = share * (1 - part) / np.sqrt(classes)
    found = class_optimum(classes, lambda_w, lambda_h, share * part)
    with mp.workdps(40):
        exact_share = mp.sqrt(classes) * mpf(lambda_w) + mpf(share * part)
        exact = mp.log(classes / exact_share - classes + 1)
        off = abs(mpf(found.gap) - exact)
        chance = abs(mpf(found.wrong) * classes / exact_share - 1)
    assert off <= 8e-16 * (float(exact) + 1 / (share + (1 - share) * share * classes) * classes)
    assert chance < 1e-15


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_nothing_is_left_beyond_the_threshold(smoothing):
    edge = (1 - smoothing) / np.sqrt(3)
    assert class_optimum(3, 1.001 * edge, 1.001 * edge, smoothing) == (1 / 3, 0.0, 0.0)
    below = class_optimum(3, 0.999 * edge, 0.999 * edge, smoothing)
    assert 0 < below.gap < 0.01 and below.wrong < 1 / 3


def test_no_penalty_leaves_the_smoothed_label():
    """c → 0: p = y, a finite gap."""
    found = class_optimum(4, 1e-30, 1e-30, 0.1)
    assert found.wrong == pytest.approx(0.1 / 4, rel=1e-15)
    assert found.gap == pytest.approx(np.log(4 / 0.1 - 3), rel=1e-15)


def test_smoothing_the_other_classes_alone_is_another_law():
    """Negative control: ε/(K−1) each is ε K/(K−1) here."""
    same = class_optimum(5, 0.01, 0.01, 0.1 * 5 / 4)
    assert abs(same.gap - class_optimum(5, 0.01, 0.01, 0.1).gap) > 0.1


def test_the_threshold_of_smoothed_mixup():
    assert label_variance(mixup(1.0, smoothing=0.2), 3) == pytest.approx(0.1422222222222222, rel=4e-16)


@pytest.mark.parametrize("share, smoothing", [(0.3, 0.9), (0.5, 0.5), (0.3, 0.1)])
def test_nobody_is_left_less_than_an_even_share(share, smoothing):
    """p_o = min(ĉ + ε, 1)/K of a student whose teacher leaves ε; (ĉ + ε)/K alone would exceed 1/K."""
    found = class_optimum(3, share / np.sqrt(3), share / np.sqrt(3), smoothing)
    assert found.wrong == pytest.approx(min(share + smoothing, 1) / 3, rel=1e-14)
    assert (found.gap == 0) == (share + smoothing >= 1)
