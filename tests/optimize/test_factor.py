"""Batches of small systems: right, and without a call that could wait for the threads it stands on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ufm.optimize.factor import SMALL, half_solve_each, solve_each


def systems(r, B, m, seed=0, condition=1e4):
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((B, r, r)))[0]
    A = (Q * np.geomspace(1.0, condition, r)) @ np.swapaxes(Q, 1, 2)
    return A, rng.standard_normal((B, r, m))


@pytest.mark.parametrize("r", [1, 2, 9, SMALL, SMALL + 1, 24])
def test_solutions_solve(r):
    A, F = systems(r, 7, 3)
    last = jnp.moveaxis(jnp.asarray(A), 0, -1)
    x = np.asarray(jax.jit(solve_each)(last, jnp.asarray(F[:, :, 0].T)))
    np.testing.assert_allclose(np.einsum("nij,jn->ni", A, x), F[:, :, 0], atol=1e-10)
    T = np.moveaxis(np.asarray(jax.jit(half_solve_each)(last, jnp.moveaxis(jnp.asarray(F), 0, -1))), -1, 0)
    expected = np.swapaxes(F, 1, 2) @ np.linalg.solve(A, F)
    np.testing.assert_allclose(np.swapaxes(T, 1, 2) @ T, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("r", [4, SMALL + 1])
def test_indefinite_systems_say_so_and_leave_the_others_alone(r):
    A, F = systems(r, 3, 1)
    A[1] -= 2 * np.linalg.eigvalsh(A[1])[-1] * np.eye(r)
    x = np.asarray(jax.jit(solve_each)(jnp.moveaxis(jnp.asarray(A), 0, -1), jnp.asarray(F[:, :, 0].T)))
    assert not np.isfinite(x[:, 1]).any() and np.isfinite(x[:, ::2]).all()


def custom_calls(function, *shapes):
    """Names and operand shapes of LAPACK calls in the lowered program."""
    text = jax.jit(function).lower(*(jax.ShapeDtypeStruct(s, float) for s in shapes)).as_text()
    return [line for line in text.splitlines() if "lapack_" in line]


def test_no_lapack_call_of_a_cpu_program_has_a_batch():
    for r in (9, SMALL + 1, 40):
        lines = custom_calls(solve_each, (r, r, 5), (r, 5)) + custom_calls(
            half_solve_each, (r, r, 5), (r, 2, 5)
        )
        assert bool(lines) == (r > SMALL)
        assert all(f"tensor<{r}x{r}xf64>" in line and "tensor<5x" not in line for line in lines)


def test_a_batched_call_would_be_seen():
    """Negative control: what the test above looks for is what jaxlib's own batching makes."""
    (line,) = custom_calls(jax.vmap(jnp.linalg.cholesky), (5, 17, 17))
    assert "tensor<5x17x17xf64>" in line
