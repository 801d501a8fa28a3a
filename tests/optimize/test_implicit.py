"""Traced optimal features: derivatives against certified optima and a 40-digit oracle, and what fails is said."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp, mpf

from tests.oracle import optimal_logits
from ufm.certify.features import certify_features
from ufm.loss import LOSSES
from ufm.model.etf import etf_basis
from ufm.model.problem import Problem
from ufm.optimize.features import solve_features
from ufm.optimize.implicit import optimal_features, optimal_features_etf
from ufm.rules.status import REASONS, Status

EPS = np.finfo(float).eps
# λ = 1, ½, 0.6 and a dense label; those with a zero entry cannot move both ways
LABELS = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.6, 0.4, 0.0], [0.5, 0.3, 0.2]])


def certified(W, Y, lambda_h, loss):
    """h and the certificate's bound on each."""
    problem = Problem(len(W), classifier=W, lambda_h=lambda_h, loss=loss)
    H = solve_features(problem, Y).H
    return H, certify_features(problem, H, Y).distance


def quotient(W, Y, lambda_h, loss, tangent, step):
    """(h(+) − h(−))/2s along a tangent, and what the certificates leave open of it."""
    ends = [
        certified(W + s * tangent[0], Y + s * tangent[1], lambda_h + s * tangent[2], loss)
        for s in (step, -step)
    ]
    return (ends[0][0] - ends[1][0]) / (2 * step), (ends[0][1] + ends[1][1]) / (2 * step)


@pytest.mark.parametrize(
    "classes, dim, loss",
    [(3, 2, "cross-entropy"), pytest.param(2, 3, "squared-error", marks=pytest.mark.slow)],
)
def test_the_derivative_is_that_of_certified_optima(classes, dim, loss):
    """A central difference is off by its certificates and by its curvature, which a doubled step shows thrice."""
    rng = np.random.default_rng(classes)
    W, Y = rng.normal(size=(classes, dim)), np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])[:, :classes]
    Y = Y / Y.sum(1, keepdims=True)
    turn = rng.normal(size=Y.shape)
    tangent = rng.normal(size=W.shape), turn - turn.mean(1, keepdims=True), 0.02

    @jax.jit
    def both(W, Y, lambda_h):
        def features(*args):
            return optimal_features(*args, loss=loss).h

        h, push = jax.linearize(features, W, Y, lambda_h)
        return (h, push(*tangent)), jax.linear_transpose(push, W, Y, lambda_h)(turned)

    turned = jnp.asarray(rng.normal(size=(2, dim)))
    (h, dh), back = both(W, Y, 0.05)
    H, bound = certified(W, Y, 0.05, loss)
    assert (np.linalg.norm(h - H, axis=1) <= 2 * bound).all()
    (near, open_), (far, _) = (quotient(W, Y, 0.05, loss, tangent, step) for step in (1e-4, 2e-4))
    error = np.linalg.norm(dh - near, axis=1)
    assert (error <= open_ + np.linalg.norm(near - far, axis=1)).all()
    assert (error < 1e-5 * np.linalg.norm(dh, axis=1)).all(), "the bound says something"
    forward = float(jnp.sum(turned * dh))
    backward = sum(float(np.sum(np.asarray(a) * b)) for a, b in zip(back, tangent))
    assert backward == pytest.approx(forward, rel=1e-12)


@pytest.mark.parametrize("classes", [3, pytest.param(2, marks=pytest.mark.slow)])
def test_nothing_is_lost_against_an_etf_at_any_sharpness(classes):
    """∂h/∂log λ_H and ∂h/∂m to 40 digits, a from 1e-8 to 1e20: within rounding and the reported bound."""
    sharp, K = np.array([1e-8, 1.0, 1e4, 1e12, 1e20]), classes
    Y = LABELS if K == 3 else np.array([[1.0, 0.0], [0.5, 0.5], [0.7, 0.3]])
    gain = K / (K - 1)

    @jax.jit
    @jax.vmap
    def slopes(log_lambda):
        def features(m, log_lambda):
            found = optimal_features_etf(m, Y, jnp.exp(log_lambda))
            return found.h, found

        return jax.jacfwd(features, (0, 1), has_aux=True)(1.0, log_lambda)

    log_lambda = np.log(gain / sharp)
    (along_m, along_log), found = slopes(log_lambda)
    assert (found.status == Status.SOLVED).all()
    for at in np.ndindex(found.status.shape):
        with mp.workdps(60):
            a, step = mpf(gain) / mp.exp(mpf(log_lambda[at[0]])), mpf(10) ** -12
            low, mid, high = (optimal_logits(Y[at[1]], a * (1 + s * step)) for s in (-1, 0, 1))
            scale = mp.sqrt(mpf(gain))
            z = np.array([float(x / scale) for x in mid])
            slope = np.array([float((u - v) / (2 * step * scale)) for u, v in zip(high, low)])
        E = etf_basis(K, K).T
        given = 4 * EPS * max(1.0, abs(log_lambda[at[0]]))  # of λ_H = exp of a rounded number
        wanted = (("h", found.h, z), ("m", along_m, 2 * slope - z), ("λ", along_log, -slope))
        for name, here, exact in wanted:
            error = np.linalg.norm(np.asarray(here[at]) - E @ exact)
            allowed = (32 * EPS + given + found.error[at]) * (np.linalg.norm(exact) + np.linalg.norm(z))
            assert error <= allowed, (name, sharp[at[0]], Y[at[1]])


@jax.jit
@jax.vmap
def etf_sweep(m, y, lambda_h):
    """The optimum, its derivative in λ_H, and the gradients of Σ h."""

    def features(m, y, lambda_h):
        found = optimal_features_etf(m, y, lambda_h)
        return found.h, found

    _, push, found = jax.linearize(features, m, y, lambda_h, has_aux=True)
    ones = jnp.ones_like(found.h)
    return found, push(0.0 * m, 0.0 * y, 1.0), jax.linear_transpose(push, m, y, lambda_h)(ones)[:2]


BAD = {
    "λ_H is NaN": (1.0, LABELS[2], np.nan, Status.INVALID),
    "λ_H is negative": (1.0, LABELS[2], -0.1, Status.INVALID),
    "m is infinite": (np.inf, LABELS[2], 0.1, Status.INVALID),
    "a label is NaN": (1.0, np.array([np.nan, 0.5, 0.5]), 0.1, Status.INVALID),
    "a label sums to 0.9": (1.0, np.array([0.5, 0.3, 0.1]), 0.1, Status.INVALID),
    "a label is negative": (1.0, np.array([1.1, -0.1, 0.0]), 0.1, Status.INVALID),
    "squares overflow": (1e200, LABELS[2], 0.1, Status.UNCERTIFIED),
}


def test_what_fails_is_nan_with_a_reason_and_leaves_the_others_alone():
    good = (1.0, LABELS[2], 0.1)
    rows = [row for bad in BAD.values() for row in (good, bad[:3])]
    mixed = etf_sweep(*(np.stack(part) for part in zip(*rows)))
    alone = etf_sweep(*(np.stack(part) for part in zip(*[good] * len(rows))))
    for part, expected in zip(jax.tree.leaves(mixed), jax.tree.leaves(alone)):
        np.testing.assert_array_equal(part[::2], expected[::2])
    found, slope, back = mixed
    assert (found.status[::2] == Status.SOLVED).all()
    assert found.status[1::2].tolist() == [bad[3] for bad in BAD.values()]
    for part in (slope, *back):
        assert np.isfinite(part[::2]).all()
        assert np.isnan(np.asarray(part[1::2])).any(tuple(range(1, part.ndim))).all()
    assert np.isinf(found.error[1::2]).all()
    assert set(REASONS) == set(Status) and all(status.reason for status in Status)


@pytest.mark.slow
def test_a_failed_label_spoils_a_shared_gradient_only_where_it_is_asked_for():
    Y = jnp.asarray(np.stack([LABELS[2], np.full(3, np.nan), LABELS[3]]))

    @jax.jit
    def gradient(weight, W):
        def total(W):
            h = optimal_features(W, Y, 0.1).h
            return jnp.sum(jnp.where(weight[:, None] > 0, h, 0.0))

        return jax.grad(total)(W)

    W = np.random.default_rng(0).normal(size=(3, 2))
    assert np.isfinite(gradient(np.array([1.0, 0.0, 1.0]), W)).all()
    assert np.isnan(gradient(np.array([1.0, 1.0, 1.0]), W)).all()


def test_a_sweep_compiles_once_and_leaks_nothing():
    traces = []

    def slope(y, lambda_h):
        traces.append(1)
        return jax.grad(lambda l: jnp.sum(optimal_features_etf(1.0, y, l).h ** 2))(lambda_h)

    with jax.checking_leaks():
        sweep = jax.jit(jax.vmap(slope, (None, 0)))
        values = [sweep(LABELS[k], np.array([s, 2 * s])) for k, s in ((1, 0.1), (2, 1e-3), (3, 10.0))]
    assert len(traces) == 1 and np.isfinite(values).all()


@pytest.mark.slow
def test_envelope_and_second_derivatives():
    """d(min f)/dλ_H = ‖h‖²/2, at fixed W; so the second derivative is h·∂h/∂λ_H, which is negative."""
    loss = LOSSES["cross-entropy"]

    def least(lambda_h):
        h = optimal_features_etf(1.0, LABELS[2], lambda_h).h
        z = np.sqrt(1.5) * etf_basis(3, 3) @ h
        return loss.value(z, jnp.asarray(LABELS[2])) + 0.5 * lambda_h * jnp.sum(h * h)

    def found(lambda_h):
        h, dh = jax.jvp(lambda l: optimal_features_etf(1.0, LABELS[2], l).h, (lambda_h,), (1.0,))
        return jax.grad(least)(lambda_h), jax.grad(jax.grad(least))(lambda_h), h, dh

    first, second, h, dh = jax.jit(found)(0.01)
    assert float(first) == pytest.approx(0.5 * float(h @ h), rel=1e-13)
    assert float(second) == pytest.approx(float(h @ dh), rel=1e-12)
    assert float(second) < 0
