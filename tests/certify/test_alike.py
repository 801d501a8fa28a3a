"""Classes that are alike are counted once: the certificate of all, and only where they are alike."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp, mpf

from tests import oracle
from ufm.certify.features import certify_etf
from ufm.loss import MANY

K, SCALE = MANY + 4, 1.3


def labels() -> np.ndarray:
    """(K, 3): one-hot, mixed, even."""
    y = np.zeros((3, K))
    y[0, 7], y[1, [3, 0]], y[2, [K - 1, 5]] = 1.0, (0.7, 0.3), (0.5, 0.5)
    return y.T


def optima(Y, lambda_h) -> np.ndarray:
    """Exact coordinates (K, B) as mpf."""
    with mp.workdps(60):
        a = mpf(SCALE) ** 2 / mpf(lambda_h)
        return np.array([[v / mpf(SCALE) for v in oracle.optimal_logits(list(y), a)] for y in Y.T]).T


def distances(q, exact) -> np.ndarray:
    """‖q − mean q − q*‖ of every column."""
    with mp.workdps(60):
        exact_q = np.array([[mpf(v) for v in row] for row in q.tolist()])
        off = exact_q - exact_q.sum(0) / K - exact
        return np.array([float(mp.sqrt(sum(v * v for v in column))) for column in off.T])


def certified(q, Y, lambda_h) -> np.ndarray:
    """Bounds (B)."""
    found = certify_etf(jnp.asarray(q), jnp.asarray(Y), SCALE, lambda_h, loss_name="cross-entropy")
    return np.asarray(found.distance)


def third(Y) -> np.ndarray:
    """One more label, with three entries: every class is counted for itself."""
    y = np.zeros((K, 1))
    y[[1, 2, 3], 0] = 0.5, 0.25, 0.25
    return np.concatenate([Y, y], 1)


@pytest.mark.parametrize("lambda_h", [1e-6, 1e-2, 1e4])
@pytest.mark.parametrize("moved", [0.0, 1e-9, 1e-3])
def test_the_bound_is_that_of_all_classes(lambda_h, moved):
    """Moved where the symmetry allows: honest, and to a thousandth what K rows give."""
    Y = labels()
    exact = optima(Y, lambda_h)
    q = exact.astype(float)
    size = np.linalg.norm(q, axis=0)
    q[7] += moved * size * (Y[7] > 0)
    q[3] -= moved * size * (Y[3] > 0)
    bounds, true = certified(q, Y, lambda_h), distances(q, exact)
    assert np.all(true <= bounds) and (moved or np.all(bounds <= 1e-9 * size))
    apart = certified(np.concatenate([q, q[:, :1]], 1), third(Y), lambda_h)[:3]
    np.testing.assert_allclose(bounds, apart, rtol=1e-3)


@pytest.mark.parametrize("size", [1e-13, 1e-3])
def test_one_class_that_differs_is_seen(size):
    """A candidate that is not the optimum in a single class without mass: its distance is not understated."""
    Y = labels()
    exact = optima(Y, 1e-2)
    q = exact.astype(float)
    q[50] += size
    true = distances(q, exact)
    assert np.all(true > 0.9 * size) and np.all(true <= certified(q, Y, 1e-2))


def test_both_ways_are_compiled_for_many_classes_alone():
    """Three rows for labels and candidates that allow it."""

    def text(K):
        given = jax.ShapeDtypeStruct((K, 7), jnp.float64)
        return certify_etf.lower(given, given, SCALE, 1e-2, loss_name="cross-entropy").as_text()

    assert "tensor<3x7xf64>" in text(K) and "tensor<3x7xf64>" not in text(MANY - 1)


@pytest.mark.parametrize("classes", [10, MANY])
@pytest.mark.parametrize("batch", [(), (2, 3)])
def test_any_batch_is_certified(classes, batch):
    """One vector, or two axes of them, as `vmap` gives: what a row of them has."""
    y = np.zeros(classes)
    y[[0, 3]] = 0.7, 0.3
    q = 0.1 * (y - 1 / classes)
    given = [np.broadcast_to(part.reshape(-1, *[1] * len(batch)), (classes, *batch)) for part in (q, y)]
    row = certify_etf(q[:, None], y[:, None], SCALE, 1e-2, loss_name="cross-entropy").distance
    found = certify_etf(*map(jnp.asarray, given), SCALE, 1e-2, loss_name="cross-entropy").distance
    assert found.shape == batch
    np.testing.assert_allclose(found, np.full(batch, row[0]), rtol=1e-3)
