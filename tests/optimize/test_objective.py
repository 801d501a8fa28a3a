"""The losses against mpmath: values, gradients to relative accuracy, curvature, and the concordance bound."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

from tests import oracle
from ufm.loss import LOSSES, objective, relative_logits
from ufm.rules.numbers import LOSS_NAMES
from ufm.rules.soft_labels import normalise

RNG = np.random.default_rng(4)
EPS = np.finfo(float).eps
K, D = 5, 3

value = {name: jax.jit(loss.value) for name, loss in LOSSES.items()}
gradient = {name: jax.jit(jax.grad(loss.value)) for name, loss in LOSSES.items()}
formula = {name: jax.jit(lambda z, y, loss=loss: loss.local(z, y)[0]) for name, loss in LOSSES.items()}
hessian = {name: jax.jit(jax.hessian(loss.value)) for name, loss in LOSSES.items()}


def slopes(name, z, y):
    """∂ℓ/∂z by differentiating the value, and by the formula that Newton's method takes."""
    return [np.asarray(route[name](z, y)) for route in (gradient, formula)]


def quadratic(loss, z, y, u):
    """D²ℓ[u, u] at z, by differentiating the value along a line twice."""
    along = jax.grad(lambda t: jnp.vdot(jax.grad(loss.value)(z + t * u, y), u))
    return along(0.0)


second = {name: jax.jit(lambda z, y, u, loss=loss: quadratic(loss, z, y, u)) for name, loss in LOSSES.items()}
third = {
    name: jax.jit(lambda z, y, u, v, loss=loss: jax.jvp(lambda z: quadratic(loss, z, y, u), (z,), (v,))[1])
    for name, loss in LOSSES.items()
}


def exact_softmax(z):
    shifted = [mp.exp(mpf(float(v))) for v in z]
    total = mp.fsum(shifted)
    return [v / total for v in shifted]


def exact_value(name, z, y):
    """In mpmath from the textbook formula; the label's largest entry is 1 − Σ others."""
    with mp.workdps(60):
        label, logits = oracle.exact_label(y), [mpf(float(v)) for v in z]
        if name == "squared-error":
            return mp.fsum((u - v) ** 2 for u, v in zip(logits, label)) / 2
        return mp.log(mp.fsum(mp.exp(v) for v in logits)) - mp.fsum(u * v for u, v in zip(label, logits))


def exact_gradient(name, z, y):
    with mp.workdps(60 + int(np.ptp(z))):
        label = oracle.exact_label(y)
        fit = exact_softmax(z) if name == "cross-entropy" else [mpf(float(v)) for v in z]
        return [u - v for u, v in zip(fit, label)]


logits = st.lists(st.floats(-30, 30), min_size=K, max_size=K).map(np.array)
labels = st.integers(0, 10**6).map(
    lambda seed: normalise(np.random.default_rng(seed).dirichlet(np.full(K, 0.3), 1))[0]
)
names = pytest.mark.parametrize("name", LOSS_NAMES)  # the third is in test_binary.py


@names
@given(z=logits, y=labels)
@settings(deadline=None, max_examples=30)
def test_value(name, z, y):
    """A sum of K products and a logarithm, of terms no larger than K max|z| (or z²): K + 8 roundings."""
    scale = 1 + np.abs(z).sum() if name == "cross-entropy" else 1 + np.sum(z**2)
    assert abs(mpf(float(value[name](z, y))) - exact_value(name, z, y)) <= (K + 8) * EPS * scale


@names
@given(z=logits, y=labels, shift=st.floats(-100, 100))
@settings(deadline=None, max_examples=20)
def test_cross_entropy_ignores_a_common_shift_and_squared_error_does_not(name, z, y, shift):
    moved = value[name](z + shift, y) - value[name](z, y)
    if name == "cross-entropy":
        assert abs(moved) <= 64 * EPS * (np.abs(z).sum() + K * abs(shift) + 1)
    else:
        expected = shift * np.sum(z - y) + K * shift**2 / 2
        assert moved == pytest.approx(expected, abs=64 * EPS * np.sum(z**2 + shift**2 + 1))


@names
@given(z=logits, y=labels)
@settings(deadline=None, max_examples=30)
def test_gradient(name, z, y):
    """Each entry of p − y within the error of p_k (relative: exponent up to 60, sum of K) and one of y_k."""
    exact = exact_gradient(name, z, y)
    p = jax.nn.softmax(z) if name == "cross-entropy" else np.abs(z)
    slack = (2 * np.ptp(z) + K + 16) * EPS * np.asarray(p) + 4 * EPS * y
    slack[np.argmax(y)] = slack.sum()  # its entry is minus the others
    for found in slopes(name, z, y):
        assert all(abs(mpf(float(u)) - v) <= most for u, v, most in zip(found, exact, slack))


@pytest.mark.parametrize("gap", [40.0, 200.0, 700.0])
@pytest.mark.parametrize("top", [0, 2])
def test_tiny_gradient_entries_keep_relative_accuracy(gap, top):
    """A nearly satisfied one-hot label: entries of size e^−gap, and at the label minus their sum, not 0.

    Exponent of size gap: relative error (gap + K + 8) ε.
    """
    y = np.eye(K)[top]
    z = gap * y + RNG.normal(size=K)
    for found in slopes("cross-entropy", z, y):
        for u, v in zip(found, exact_gradient("cross-entropy", z, y)):
            assert v != 0 and abs(mpf(float(u)) / v - 1) <= (2 * gap + K + 8) * EPS


@pytest.mark.parametrize("gap", [1e3, 1e300])
def test_a_label_of_vanishing_probability_does_not_overflow(gap):
    """Logits that favour another class by so much that e^gap is no double: the loss is the gap, p that class."""
    y, z = np.eye(K)[0], gap * np.eye(K)[2]
    assert value["cross-entropy"](z, y) == gap
    for found in slopes("cross-entropy", z, y):
        np.testing.assert_array_equal(found, np.eye(K)[2] - np.eye(K)[0])


@pytest.mark.parametrize("lam", [1e-9, 0.1, 0.3])
def test_the_entry_of_the_largest_label_is_minus_the_others(lam):
    """Near the optimum the others are far below ε, and p − y of the largest label, formed as it stands, is not."""
    y = np.array([1 - lam, lam, 0.0, 0.0, 0.0])
    for move in (1e-12, 1e-8, -1e-10):
        z = np.array([0.0, np.log(lam / (1 - lam)) + move, -80.0, -81.0, -85.0])
        for top, *others in (found.tolist() for found in slopes("cross-entropy", z, y)):
            assert others[0] != 0 and abs(math.fsum([top, *others])) <= K * EPS * math.fsum(map(abs, others))


@pytest.mark.parametrize("lam", [1e-300, 1e-20, 1e-9])
def test_tiny_label_entries_are_not_lost(lam):
    """y = (1 − λ, λ, 0, …) at its own logits + δ: residual entries of size λδ."""
    y = np.array([1.0 - lam, lam, 0.0, 0.0, 0.0])
    z = np.array([0.0, np.log(lam) + 0.5, -800.0, -800.0, -800.0])
    exact = exact_gradient("cross-entropy", z, y)
    # p_1 and y_1 share an order of magnitude: (|z_1| + K + 8) ε of either
    slack = 4 * (abs(z[1]) + K + 8) * EPS
    for found in slopes("cross-entropy", z, y):
        assert abs(mpf(float(found[1])) / exact[1] - 1) <= slack
        assert abs(mpf(float(found[0])) / exact[0] - 1) <= slack


@names
@given(z=logits, y=labels)
@settings(deadline=None, max_examples=25)
def test_curvature_is_the_hessian(name, z, y):
    loss = LOSSES[name]
    c = np.asarray(loss.curvature(z))
    assert (c >= 0).all()
    if loss.coupling:
        assert c.sum() == pytest.approx(1, rel=K * EPS)
    expected = np.diag(c) - loss.coupling * np.outer(c, c)
    np.testing.assert_allclose(hessian[name](z, y), expected, rtol=0, atol=(2 * np.ptp(z) + 4 * K) * EPS)


@names
@given(z=logits, y=labels, seed=st.integers(0, 10**6), spike=st.booleans())
@settings(deadline=None, max_examples=30)
def test_concordance(name, z, y, seed, spike):
    """|D³ℓ[u,u,v]| ≤ M range(v) D²ℓ[u,u], for random and for one-hot directions."""
    rng = np.random.default_rng(seed)
    u, v = np.eye(K)[rng.integers(0, K, 2)] if spike else rng.normal(size=(2, K))
    change, energy = float(third[name](z, y, u, v)), float(second[name](z, y, u))
    assert abs(change) <= LOSSES[name].concordance * np.ptp(v) * energy + 1e3 * EPS * np.sum(u**2) * np.ptp(v)


def test_concordance_constant_is_attained():
    """A two-point softmax with p → 0: D³/(range · D²) → 1, so M = 1 cannot be lowered."""
    z, y = np.array([20.0, 0, -700, -700, -700]), np.eye(K)[0]
    u = v = np.eye(K)[1]
    ratio = third["cross-entropy"](z, y, u, v) / second["cross-entropy"](z, y, u)
    assert ratio == pytest.approx(1, abs=1e-8)


@names
@given(y=labels)
@settings(deadline=None, max_examples=25)
def test_start_bounds_what_can_be_gained_from_zero(name, y):
    """ℓ(0, y) − min ℓ ≤ start(K): the entropy deficit log K − H(y), and ½‖y‖²."""
    entropy = -np.sum(y[y > 0] * np.log(y[y > 0])) if name == "cross-entropy" else 0.0
    gained = float(value[name](np.zeros(K), y)) - entropy
    assert gained <= LOSSES[name].start(K) * (1 + 8 * EPS)
    at_corner = float(value[name](np.zeros(K), np.eye(K)[1]))
    assert at_corner == pytest.approx(float(LOSSES[name].start(K)), rel=8 * EPS)


@names
def test_objective_is_loss_plus_half_the_ridge(name):
    h, W, y = RNG.normal(size=D), RNG.normal(size=(K, D)), normalise(RNG.dirichlet(np.ones(K), 1))[0]
    with mp.workdps(50):
        z = [mp.fdot(map(mpf, row.tolist()), map(mpf, h.tolist())) for row in W]
        label = oracle.exact_label(y)
        if name == "cross-entropy":
            fit = mp.log(mp.fsum(map(mp.exp, z))) - mp.fdot(label, z)
        else:
            fit = mp.fsum((u - v) ** 2 for u, v in zip(z, label)) / 2
        exact = fit + mpf(0.7) / 2 * mp.fsum(mpf(v) ** 2 for v in h.tolist())
    found = objective(LOSSES[name], *map(jnp.asarray, (h, W, y)), 0.7)
    assert float(found) == pytest.approx(float(exact), rel=32 * EPS)


def test_the_largest_label_entry_is_one_minus_the_others_whatever_is_stored_there():
    z, y = RNG.normal(size=K), np.array([0.1, 0.2, 0.6, 0.05, 0.05])
    stored = y.copy()
    stored[2] = 0.7
    assert value["cross-entropy"](z, stored) == value["cross-entropy"](z, y)
    for one, other in zip(slopes("cross-entropy", z, stored), slopes("cross-entropy", z, y)):
        np.testing.assert_array_equal(one, other)


def test_squared_error_minimum_is_the_label():
    y = normalise(RNG.dirichlet(np.ones(K), 1))[0]
    assert value["squared-error"](y, y) == 0


def test_relative_logits_are_relative_to_the_first_largest_label():
    s = np.asarray(relative_logits(jnp.array([3.0, 1.0, 2.0]), jnp.array([0.2, 0.4, 0.4])))
    np.testing.assert_array_equal(s, [2.0, 0.0, 1.0])


@names
def test_float32_stays_float32(name):
    y = np.eye(K, dtype=np.float32)[0]
    assert value[name](np.zeros(K, np.float32), y).dtype == jnp.float32
    assert {found.dtype for found in slopes(name, np.zeros(K, np.float32), y)} == {np.dtype(np.float32)}
