"""Many small positive-definite systems at once, without a library call that waits for threads of its own pool.

jaxlib (seen with 0.10.2) cuts a *batched* LAPACK call on a CPU into tasks for XLA's thread pool and blocks until
they are done, on a thread of that same pool. As many such calls at a time as there are threads (several devices of
a process, or independent calls of one program) wait for ever. A call for a *single* matrix is done where it
stands, and plain array operations never wait. So here, on CPUs: small systems by array operations over the whole
batch, large ones one after the other. No program of `ufm` holds another batched factorisation (a test reads them).

(A caller's own `vmap` over these functions would make batches again: give them the batch.)

Shapes: the batch is the last axis, as everywhere; A (r, r, B) is symmetric and positive definite. Where it is not,
in floats, the result is not finite. At the end conjugate gradients, for systems that are not formed.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

SMALL = 16  # rows up to which array operations keep up with LAPACK
CHOLESKY = 100.0  # times the rounding of FᵀF is the least ridge for which squares are formed


def solve_each(A: Float[Array, "r r B"], g: Float[Array, "r B"]) -> Float[Array, "r B"]:
    """x with A x = g, by Cholesky's factorisation."""
    if len(A) <= SMALL:
        reduced = _eliminate(A, g[:, None])
        return _substitute(reduced[:, :-1], reduced[:, -1])
    from jax.scipy.linalg import cho_factor, cho_solve  # slow to import, and for large systems alone

    return _each(lambda A, g: cho_solve(cho_factor(A), g), A, g)


def half_solve_each(A: Float[Array, "r r B"], F: Float[Array, "r m B"]) -> Float[Array, "r m B"]:
    """T = L⁻¹F for A = L Lᵀ, so that Tᵀ T = Fᵀ A⁻¹ F."""
    if len(A) <= SMALL:
        return _eliminate(A, F)[:, len(A) :]
    from jax.scipy.linalg import solve_triangular

    return _each(lambda A, F: solve_triangular(jnp.linalg.cholesky(A), F, lower=True), A, F)


def half_solve_plain(A: Float[Array, "r r B"], F: Float[Array, "r m B"]) -> Float[Array, "r m B"]:
    """`half_solve_each` by array operations whatever the size: a caller may `vmap` and differentiate."""
    return _eliminate(A, F)[:, len(A) :]


def cholesky_plain(A: Float[Array, "r r"]) -> Float[Array, "r r"]:
    """L with A = L Lᵀ, likewise."""
    return jnp.triu(_eliminate(A[..., None], jnp.zeros((len(A), 0, 1), A.dtype))[..., 0]).T


def substitute_lower(L: Float[Array, "r r"], y: Float[Array, "r m"]) -> Float[Array, "r m"]:
    """L⁻¹y, likewise."""
    return _substitute_transposed(jnp.broadcast_to(L.T[..., None], (*L.shape, y.shape[1])), y)


def substitute_upper(L: Float[Array, "r r"], y: Float[Array, "r m"]) -> Float[Array, "r m"]:
    """L⁻ᵀy, likewise."""
    return _substitute(jnp.broadcast_to(L.T[..., None], (*L.shape, y.shape[1])), y)


def solve_ridge_each(F: Float[Array, "B K r"], ridge, g: Float[Array, "r B"]) -> Float[Array, "r B"]:
    """x with (FᵀF + ridge) x = g: by Cholesky, or QR of [F; √ridge] where squares would lose the ridge (one, or B).

    The relative error, in the norm of the system, is about r ε c with Cholesky, r ε √c with QR, c = tr(FᵀF)/ridge.
    """
    from jax.scipy.linalg import solve_triangular

    if jnp.ndim(ridge):
        F, g, ridge = F / jnp.sqrt(ridge)[:, None, None], g / ridge, 1.0
    r, eps = F.shape[-1], jnp.finfo(F.dtype).eps
    one = jnp.eye(r, dtype=F.dtype)

    def square():
        product = jnp.matmul(jnp.swapaxes(F, 1, 2), F, precision=jax.lax.Precision.HIGHEST) + ridge * one
        return solve_each(jnp.moveaxis(product, 0, -1), g)

    def by_qr(F, g):
        R = jnp.linalg.qr(jnp.concatenate([F, jnp.sqrt(ridge) * one]), mode="r")
        return solve_triangular(R, solve_triangular(R, g, trans=1))

    lost = CHOLESKY * r * eps * jnp.max(jnp.sum(F**2, (1, 2)), initial=0.0) > ridge
    return jax.lax.cond(lost, lambda: _each(by_qr, jnp.moveaxis(F, 0, -1), g), square)


class Triangle(NamedTuple):
    """R (r, r, B), upper triangular, and the reflections (m, r, B) of A = Q R, each I − v vᵀ."""

    R: Float[Array, "r r B"]
    reflections: Float[Array, "m r B"]

    def solve(self, g: Float[Array, "r B"]) -> Float[Array, "r B"]:
        """x with RᵀR x = g."""
        return _substitute(self.R, _substitute_transposed(self.R, g))

    def basis(self) -> Float[Array, "m r B"]:
        """Q: orthonormal columns, whatever the rank of A."""
        m, r, _ = self.reflections.shape

        def step(n, Q):
            v = self.reflections[:, r - 1 - n, None]
            return Q - v * jnp.sum(v * Q, 0)

        start = jnp.broadcast_to(jnp.eye(m, r, dtype=self.R.dtype)[..., None], self.reflections.shape)
        return jax.lax.fori_loop(0, r, step, start)


def triangle_each(A: Float[Array, "m r B"]) -> Triangle:
    """A = Q R for m ≥ r by Householder's reflections: array operations alone, so that a caller may `vmap`."""
    below = jnp.arange(len(A))[:, None]

    def step(k, state):
        A, found = state
        column = jnp.where(below >= k, A[:, k], 0.0)
        size = jnp.sqrt(jnp.sum(column**2, 0))
        v = column.at[k].add(jnp.where(column[k] < 0, -size, size))
        length = jnp.sqrt(0.5 * jnp.sum(v**2, 0))
        v = v / jnp.where(length > 0, length, 1.0)
        return A - v[:, None] * jnp.sum(v[:, None] * A, 0), found.at[:, k].set(v)

    reduced, found = jax.lax.fori_loop(0, A.shape[1], step, (A, jnp.zeros_like(A)))
    return Triangle(reduced[: A.shape[1]], found)


def _substitute_transposed(upper, y):
    """x with Uᵀ x = y, U the upper triangle."""
    below = jnp.arange(len(y))[:, None]

    def step(k, x):
        first = x[k] / upper[k, k]
        return jnp.where(below > k, x - upper[k] * first, x).at[k].set(first)

    return jax.lax.fori_loop(0, len(y), step, y)


def _eliminate(A, F):
    """(r, r + m, B): Lᵀ, with what stands below its diagonal undefined, and L⁻¹F."""
    below = jnp.arange(len(A))[:, None]

    def step(k, rest):
        row = rest[k] / jnp.sqrt(rest[k, k])
        column = jnp.where(below > k, rest[:, k] / jnp.sqrt(rest[k, k]), 0.0)
        return (rest - column[:, None] * row).at[k].set(row)

    return jax.lax.fori_loop(0, len(A), step, jnp.concatenate([A, F], 1))


def _substitute(upper, y):
    """x with U x = y, U the upper triangle."""
    above = jnp.arange(len(y))[:, None]

    def step(n, x):
        k = len(y) - 1 - n
        last = x[k] / upper[k, k]
        return jnp.where(above < k, x - upper[:, k] * last, x).at[k].set(last)

    return jax.lax.fori_loop(0, len(y), step, y)


def _each(solve, A, right):
    """solve(A, right) of every system: one after the other on a CPU, together elsewhere."""

    def alone(A, right):
        return jnp.moveaxis(jax.lax.map(lambda pair: solve(*pair), _batch_first(A, right)), 0, -1)

    def together(A, right):
        return jax.vmap(solve, -1, -1)(A, right)

    return jax.lax.platform_dependent(A, right, cpu=alone, default=together)


def _batch_first(*parts):
    return tuple(jnp.moveaxis(part, -1, 0) for part in parts)


class Round(NamedTuple):
    """Of conjugate gradients: x, force − H x, the next direction, and the squared size of what is left. Columns."""

    x: Float[Array, "r *B"]
    left: Float[Array, "n *B"]
    direction: Float[Array, "n *B"]
    size: Float[Array, "*B"]


def first_round(approximate, force, zero=None) -> Round:
    """x = 0, like the force if not given. approximate: v -> H₀⁻¹ v, whose norm is that of `size`."""
    better = approximate(force)
    return Round(0.0 * force if zero is None else zero, force, better, (force * better).sum(0))


def next_round(at: Round, hessian, approximate) -> Round:
    """One product with H further; every column on its own. Arrays of numpy or JAX.

    hessian: v -> H v, and v itself in whatever x is to be in.
    """
    tiny = jnp.finfo(at.left.dtype).tiny
    image, moved = hessian(at.direction)
    length = at.size / ((at.direction * image).sum(0) + tiny)
    x, left = at.x + length * moved, at.left - length * image
    better = approximate(left)
    size = (left * better).sum(0)
    return Round(x, left, better + size / (at.size + tiny) * at.direction, size)


def conjugate_gradients(hessian, approximate, force, share, zero=None):
    """H⁻¹ force, until a share of the force is left in every column, in H₀⁻¹'s norm, H₀⁻¹ the approximation; or
    after as many rounds as there are unknowns."""
    start = first_round(approximate, force, zero)
    goal = share**2 * start.size

    def unfinished(state):
        at, count = state
        return (count < len(force)) & jnp.any(at.size > goal)

    def advance(state):
        at, count = state
        return next_round(at, hessian, approximate), count + 1

    return jax.lax.while_loop(unfinished, advance, (start, 0))[0].x
