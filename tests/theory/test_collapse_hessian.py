"""The Hessian at neural collapse: check values, and Hessians written out by automatic differentiation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ufm.rules.errors import InputError
from ufm.theory.geometry.hessian import collapse_spectrum
from ufm.theory.geometry.onehot import class_optimum


def test_check_values():
    values = [value for value, _ in collapse_spectrum(10, 9, 5e-4, 5e-4)]
    for check in (1.750154193526092, 17.47663680447475, 1.867670086110332, 16.61035033674143):
        assert min(abs(value / check - 1) for value in values if value) < 4e-15


def written_out(K, d, lambda_w, lambda_h, epsilon):
    """Eigenvalues at the closed-form optimum, in the scaled coordinates."""
    best = class_optimum(K, lambda_w, lambda_h, epsilon)
    basis = np.zeros((K, d))
    basis[:, : K - 1] = np.linalg.svd(np.eye(K) - 1 / K)[0][:, : K - 1]
    W = np.sqrt(best.gain) * basis
    H = W * np.sqrt(K * lambda_w / lambda_h)
    Y = (1 - epsilon) * np.eye(K) + epsilon / K

    def objective(v):
        W = v[: K * d].reshape(K, d) / np.sqrt(lambda_w)
        H = v[K * d :].reshape(K, d) / np.sqrt(lambda_h / K)
        Z = H @ W.T
        fit = jnp.mean(jax.nn.logsumexp(Z, 1) - jnp.sum(Y * Z, 1))
        return fit + lambda_h / 2 * jnp.mean(jnp.sum(H**2, 1)) + lambda_w / 2 * jnp.sum(W**2)

    at = np.concatenate([(np.sqrt(lambda_w) * W).ravel(), (np.sqrt(lambda_h / K) * H).ravel()])
    assert np.abs(jax.grad(objective)(at)).max() < 1e-13
    return np.linalg.eigvalsh(jax.hessian(objective)(at))


@pytest.mark.parametrize(
    "K, d, lambda_w, lambda_h, epsilon",
    [
        (2, 1, 0.02, 0.05, 0.0),
        (2, 3, 0.01, 0.01, 0.2),
        (3, 2, 0.01, 0.03, 0.1),
        (3, 4, 1e-3, 1e-2, 0.0),
        (4, 3, 0.01, 0.01, 0.0),
        (5, 5, 0.002, 0.01, 0.3),
    ],
)
def test_the_spectrum_is_that_of_the_hessian_written_out(K, d, lambda_w, lambda_h, epsilon):
    found = collapse_spectrum(K, d, lambda_w, lambda_h, epsilon)
    values = np.repeat(*map(np.array, zip(*found)))
    assert len(values) == 2 * K * d
    written = written_out(K, d, lambda_w, lambda_h, epsilon)
    assert np.abs(values - written).max() < 1e-12 * values[-1] * K
    # negative control: the gap of logits for s, where labels are smoothed
    if epsilon:
        plain = collapse_spectrum(K, d, lambda_w, lambda_h, 0.0)
        assert np.abs(np.repeat(*map(np.array, zip(*plain))) - written).max() > 0.01


def test_too_few_dimensions_and_no_optimum_are_refused():
    with pytest.raises(InputError, match="dim"):
        collapse_spectrum(4, 2, 0.01, 0.01)
    with pytest.raises(InputError, match="W = 0"):
        collapse_spectrum(4, 3, 1.0, 1.0)
