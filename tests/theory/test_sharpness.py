"""The traced joint sharpness against a root bracketed on other logits, at ordinary and extreme parameters."""

from functools import lru_cache

import jax
import numpy as np
import pytest

import ufm.theory.features
import ufm.theory.sharpness as sharpness
from ufm.agree.sweep.points import law_nodes
from ufm.model.grid import Group, make_law
from ufm.model.laws import cutmix, label_variance, mixup, onehot, pattern_rule
from ufm.model.roots import bracketed_root
from ufm.theory.multiplier import joint_multiplier, residual_moment

ALPHAS = (0.02, 0.3, 1.0, 7.0, 1e4, 1e9)
SHARES = (1 - 1e-3, 0.9, 0.5, 1e-2, 1e-6, 1e-12, 1e-25)  # of the threshold


@lru_cache
def traced(classes: int, loss: str = "cross-entropy"):
    def pairs(rule, smoothing, product, threshold):
        labels = sharpness.pair_labels(rule, smoothing, classes)
        return sharpness.joint_sharpness(labels, product, threshold, classes=classes, loss=loss)

    return jax.jit(pairs)


def label_spread(rule: sharpness.PairRule, classes: int) -> float:
    """E‖y − 1/K‖²/(K−1) of these nodes, as a sum over classes."""
    square = (rule.lam - 1 / classes) ** 2 + (rule.colam - 1 / classes) ** 2 + (classes - 2) / classes**2
    return float(rule.weight @ square) / (classes - 1)


def bracketed(law, classes: int, product: float, loss: str) -> float:
    """a from E‖y − p_a‖² by bisection, its logits those of `label_optimum`."""
    patterns = pattern_rule(law, classes)
    if loss == "squared-error":
        return float(np.sqrt(patterns.variance / product) - 1)

    def gap(log_a):
        return np.log(residual_moment(patterns, np.exp(log_a)) / (classes - 1) / product)

    low, high = (
        2 * (np.sqrt(patterns.variance / product) - 1),
        2 * np.log(classes) / ((classes - 1) * product),
    )
    return float(np.exp(bracketed_root(gap, np.log(low) - 1e-9, np.log(high))))


def all_three(group: Group, alpha: float, delta: float, share: float) -> tuple[float, float, float]:
    """a by the traced function on pairs, by `joint_multiplier`, and by bisection, at λ_W λ_H = share · σ²."""
    rule = law_nodes(group, alpha)
    threshold = (1 - delta) ** 2 * label_spread(rule, group.classes)
    a = traced(group.classes, group.loss)(rule, delta, share * threshold, threshold)
    law, product = make_law(group, alpha, delta), share * threshold
    own = joint_multiplier(law, group.classes, product, 1.0, group.loss).sharpness
    return float(a), own, bracketed(law, group.classes, product, group.loss)


@pytest.mark.parametrize(
    "classes, pairs, delta",
    [(2, "all", 0.1), (2, "different", 0.0), (10, "all", 0.0), (10, "different", 0.1)],
)
def test_three_ways_to_the_root(classes, pairs, delta):
    group = Group("mixup", pairs, "cross-entropy", classes)
    for alpha, share in zip(ALPHAS * 2, SHARES * 2):
        *found, expected = all_three(group, alpha, delta, share)
        # near the threshold a rounding of E‖y‖² is worth 1/(1 − share) of a; two classes see only
        # λ − ½, about 1/√(8α), and so the rounding of λ divided by that
        blur = 1e-15 * np.sqrt(8 * alpha) if classes == 2 else 0.0
        assert found == pytest.approx([expected] * 2, rel=(1e-12 + blur) / (1 - share)), (alpha, share)


def test_other_laws_and_losses():
    for group in (Group("onehot", "same", "cross-entropy", 10), Group("mixup", "same", "cross-entropy", 10)):
        *found, expected = all_three(group, 1.0 if group.labels == "mixup" else None, 0.0, 1e-4)
        assert found == pytest.approx([expected] * 2, rel=1e-13)
    *found, expected = all_three(Group("mixup", "all", "squared-error", 10), 0.5, 0.1, 1e-4)
    assert found == pytest.approx([expected] * 2, rel=1e-13)


@pytest.mark.slow
def test_cutmix_and_many_classes():
    for group in (Group("cutmix", "all", "cross-entropy", 10), Group("mixup", "all", "cross-entropy", 1000)):
        for share in (0.9, 1e-3, 1e-9):
            *found, expected = all_three(group, 1.0, 0.0, share)
            assert found == pytest.approx([expected] * 2, rel=1e-11), share


def test_a_known_value():
    """K = 10, α = 1, λ_W = λ_H = 5e-4: a = 6197.719470182 (THEORY, by another quadrature)."""
    rule = law_nodes(Group("mixup", "all", "cross-entropy", 10), 1.0)
    a = traced(10)(rule, 0.0, 25e-8, label_spread(rule, 10))
    assert float(a) == pytest.approx(6197.719470182, rel=1e-12)


@pytest.mark.parametrize("loss", ["cross-entropy", "squared-error"])
def test_zero_exactly_from_the_threshold_on(loss):
    rule = law_nodes(Group("mixup", "all", loss, 10), 1.0)
    threshold = label_spread(rule, 10)
    below = np.nextafter(threshold, 0)
    values = [float(traced(10, loss)(rule, 0.0, c2, threshold)) for c2 in (below, threshold, 2 * threshold)]
    assert values[1:] == [0, 0] and 0 < values[0] < 1e-14


@pytest.mark.parametrize("classes", [2, 10])
def test_the_bracket_of_the_docstring(classes):
    rule = law_nodes(Group("mixup", "all", "cross-entropy", classes), 0.3)
    sigma2 = label_spread(rule, classes)
    for share in SHARES:
        c2 = share * sigma2
        a = float(traced(classes)(rule, 0.0, c2, sigma2))
        assert 2 * (share**-0.5 - 1) * (1 - 1e-9) <= a <= 2 * np.log(classes) / ((classes - 1) * c2)


def test_newton_needs_few_steps(monkeypatch):
    """A wrong derivative would be hidden by the bisections of 80 steps."""
    monkeypatch.setattr(sharpness, "MAX_STEPS", 9)
    quick = traced.__wrapped__(10)
    for alpha, delta in ((0.3, 0.0), (1.0, 0.1)):
        rule = law_nodes(Group("mixup", "all", "cross-entropy", 10), alpha)
        threshold = (1 - delta) ** 2 * label_spread(rule, 10)
        for share in (0.9, 0.1, 1e-6, 1e-12):
            args = (rule, delta, share * threshold, threshold)
            assert float(quick(*args)) == pytest.approx(float(traced(10)(*args)), rel=1e-13)


def test_excess_logit_is_the_root_to_relative_accuracy():
    o = 10.0 ** np.arange(-30, 7)[:, None]
    b = np.concatenate([[0.0], 10.0 ** np.arange(-30, 31)])[None]
    found = np.asarray(sharpness.excess_logit(np.log(o), o, b))
    expected = np.asarray(ufm.theory.features.excess_logit(o, b))
    np.testing.assert_allclose(found, expected, rtol=4e-14, atol=1e-22)
    assert (np.abs(found[:, 0]) < 1e-22).all()


def test_rules_are_the_laws():
    for law, K in ((mixup(0.3), 10), (mixup(1e9), 3), (cutmix(1.0), 5)):
        rule = law_nodes(Group(law.name, "all", "", K), law.alpha)
        assert rule.weight.sum() == pytest.approx(1, abs=1e-14)
        np.testing.assert_allclose(rule.lam + rule.colam, 1, atol=1e-15)
        assert label_spread(rule, K) == pytest.approx(label_variance(law, K), rel=1e-13)
    half = sharpness.pair_rule(mixup(1.0))
    assert (half.lam >= 0.5).all() and (sharpness.pair_rule(cutmix(1.0)).lam < 0.5).any()
    lone = sharpness.pair_rule(onehot())
    assert (lone.lam, lone.colam, lone.weight) == (1, 0, 1)
