"""The traced routes meet: derivatives by Newton's method and by the closed form, at any sharpness."""

import jax
import numpy as np
import pytest

from ufm.optimize.implicit import optimal_features_etf
from ufm.theory.closed_form import closed_form_features

LABELS = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.6, 0.4, 0.0], [0.5, 0.3, 0.2]])


@pytest.mark.parametrize("loss", ["cross-entropy", pytest.param("squared-error", marks=pytest.mark.slow)])
def test_all_derivatives_of_both_routes_agree(loss):
    """∂h/∂(m, λ_H) and along the simplex, relative to |h| and one unit of each; a = 0 and from 1e-6 to 1e12."""

    @jax.jit
    @jax.vmap
    def both(m, unit, turn):
        def blind(m, Y, log_lambda):
            return optimal_features_etf(m, Y, jax.numpy.exp(log_lambda), loss=loss).h

        def closed(m, Y, log_lambda):
            return closed_form_features(Y, m, jax.numpy.exp(log_lambda), loss=loss)

        ways = [(unit, 0 * turn, 0.0), (0.0, 0 * turn, 1.0), (0.0, turn, 0.0)]
        found = []
        for route in (blind, closed):
            h, push = jax.linearize(route, m, LABELS, 0.0)
            found.append([h, *(push(*way) for way in ways)])
        return found

    m = np.sqrt(2 / 3) * np.array([0.0, 1e-3, 1.0, 1e2, 1e6])
    unit = np.where(m > 0, m, 1.0)  # of m: itself
    turn = np.random.default_rng(0).normal(size=(5, 4, 3))
    for one, other in zip(*both(m, unit, turn - turn.mean(2, keepdims=True))):
        size = np.linalg.norm(other, axis=2)
        assert (np.linalg.norm(one - other, axis=2) <= 1e-13 * (1 + size)).all()
        assert (size > 0).any() and np.isfinite(size).all()
