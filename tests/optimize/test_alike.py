"""Classes with equal entries share a coordinate: the optima of 40 digits, and only where that holds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import oracle
from ufm.loss import LOSSES, MANY, triple
from ufm.optimize.coordinates import Centred, Isometric
from ufm.optimize.many.alike import each, shared
from ufm.optimize.newton import local_model, newton_from_zero

CE, K, SCALE = "cross-entropy", MANY + 4, 1.3


def labels(**more: float) -> np.ndarray:
    """(K, B): one-hot twice, mixed, even, nearly one-hot; `third` and `rest`: what a third class of the mixed one
    has, or every class of it."""
    y = np.zeros((5, K))
    y[0, 7] = y[1, K - 1] = 1.0
    y[2, [3, 0]], y[3, [K - 1, 5]], y[4, [1, 2]] = (0.7, 0.3), (0.5, 0.5), (1 - 2.0**-20, 2.0**-20)
    y[2, 11] = more.get("third", 0.0)
    y[2] += more.get("rest", 0.0)
    y[2, 3] = 1 - (y[2].sum() - y[2, 3])
    return y.T


def optimum(y, lambda_h) -> np.ndarray:
    """Coordinates (K), of 40 digits."""
    return np.array([float(part) for part in oracle.optimal_logits(list(y), SCALE**2 / lambda_h)]) / SCALE


def solved(Y, lambda_h, **options):
    """Coordinates (K, B)."""
    return newton_from_zero(
        Isometric(jnp.asarray(SCALE)), jnp.asarray(Y), lambda_h, 200, loss_name=CE, **options
    )


@pytest.mark.parametrize("first", [None, jnp.float32])
@pytest.mark.parametrize("lambda_h", [1e-6, 1e-2, 1e4])
def test_the_optima_of_labels_with_two_large_entries(lambda_h, first):
    """From a → 0 to steps beyond the full one, and begun in float32."""
    Y = labels()
    found = solved(Y, lambda_h, first=first)
    assert np.all(found.done) and int(found.steps) < 12
    for y, q in zip(Y.T, np.asarray(found.q).T):
        right = optimum(y, lambda_h)
        np.testing.assert_allclose(q, right, rtol=0, atol=4e-15 * np.abs(right).max())


@pytest.mark.parametrize("more, applies", [({}, True), ({"third": 1e-3}, False), ({"rest": 1e-9}, False)])
def test_only_where_the_others_are_zero(more, applies):
    """Else every class has a coordinate of its own, and the optimum is the right one too."""
    Y = labels(**more)
    few, three = triple(jnp.asarray(Y))
    assert bool(few) is applies
    right = optimum(Y[:, 2], 1e-2)
    np.testing.assert_allclose(solved(Y, 1e-2).q[:, 2], right, rtol=0, atol=4e-15 * np.abs(right).max())
    coordinates = shared(jnp.asarray(SCALE), K)
    wrong = newton_from_zero(coordinates, three.Y, 1e-2, 200, loss_name=CE)  # without the bias log ω
    assert np.abs(each(coordinates, wrong.q, three.places, K)[:, 2] - right).max() > 1e-3


def test_what_is_no_number_stays_none():
    """One entry of one label."""
    Y = labels()
    Y[50, 2] = np.nan
    q = np.asarray(solved(Y, 1e-2).q)
    assert np.isnan(q[:, 2]).all() and np.isfinite(q[:, [0, 1, 3, 4]]).all()


def test_three_classes_have_the_slopes_of_all():
    """At any point that the symmetry allows: the gradient and the Newton step, class by class."""
    Y, rng = jnp.asarray(labels()), np.random.default_rng(0)
    three, loss = shared(jnp.asarray(SCALE), K), LOSSES[CE]
    masses, places = triple(Y)[1]
    q = three.settle(jnp.asarray(rng.normal(size=masses.shape)))
    small = local_model(loss, three, q, masses, 0.1, jnp.log(three.sizes)[:, None])
    large = local_model(loss, Centred(jnp.asarray(SCALE)), each(three, q, places, K), Y, 0.1)
    np.testing.assert_allclose(each(three, small[0], places, K), large[0], rtol=0, atol=1e-14)
    steps = [
        at.newton_step(force, c, 1.0, 0.1)
        for at, (force, (_, c)) in ((three, small), (Centred(jnp.asarray(SCALE)), large))
    ]
    np.testing.assert_allclose(each(three, steps[0], places, K), steps[1], rtol=0, atol=4e-14)
    np.testing.assert_allclose(three.range(steps[0]), Centred(jnp.asarray(SCALE)).range(steps[1]), rtol=1e-12)


def test_what_is_compiled_has_both_ways():
    """Three exponentials a step for labels that allow it; K = 3 has nothing to share."""
    lowered = jax.jit(lambda Y: solved(Y, 1e-2)).lower(jnp.asarray(labels())).as_text()
    assert "tensor<3x5xf64>" in lowered and f"tensor<{K}x5xf64>" in lowered
    few = jax.jit(lambda Y: solved(Y, 1e-2)).lower(jnp.asarray(labels()[:40])).as_text()
    assert "tensor<3x5xf64>" not in few


def test_against_nothing_the_optimum_is_zero():
    """W = 0."""
    found = newton_from_zero(Isometric(jnp.asarray(0.0)), jnp.asarray(labels()), 1e-2, 200, loss_name=CE)
    assert np.all(np.asarray(found.q) == 0) and np.all(found.done)
