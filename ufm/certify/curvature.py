"""Verified inverses of many small positive definite matrices Q = 1 + a (Σ_k w_k d_k d_kᵀ − m mᵀ), m = Σ_k w_k d_k.

Gauss–Jordan elimination gives M ≈ Q̂⁻¹ for Q̂ = D Q D of unit diagonal, D ≤ 1. It is only a hint:
with ‖1 − M Q̂‖ ≤ ξ < 1

    |Q⁻¹ρ| ≤ D |M D ρ| + D ξ/(1 − ξ) ‖M D ρ‖,   ‖ρ‖²_{Q⁻¹} ≤ ‖Dρ‖ ‖M D ρ‖/(1 − ξ),

where ξ holds the rounding of Q, of its scaling and of the product that verifies M. Q ⪰ 1 serves where ξ ≥ ½.
Batches run along the last axis, which elimination is vectorised over: no library factorises here.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Hessians(NamedTuple):
    """Computed Q, |Q_exact − Q|_jl ≤ error s_j s_l + 2ε δ_jl; D; M; M D d; ξ/(1 − ξ), and whether ξ < ½."""

    matrix: Float[Array, "r r B"]
    error: Float[Array, " B"]
    scale: Float[Array, "r B"]
    inverse: Float[Array, "r r B"]
    columns: Float[Array, "r K B"]
    excess: Float[Array, " B"]
    valid: Float[Array, " B"]


def norm(v):
    """‖v‖₂ along all axes but the last."""
    return jnp.sqrt(jnp.sum(v * v, tuple(range(v.ndim - 1))))


def apply(matrix, v):
    """matrix (r, r, B) times v (r, B)."""
    return jnp.sum(matrix * v[None], 1)


def hessians(directions, weights, sharpness, size, error, coupling) -> Hessians:
    """Q and its inverse for directions d (r, K, B), each entry within error · s_j, weights (K, B)."""
    r, K, _ = directions.shape
    unit = jnp.finfo(weights.dtype).eps
    Q = sharpness * _second_moment(directions, weights, coupling) + jnp.eye(r)[:, :, None]
    # nine times the error of d, and 4K + 32 roundings of each of two sums
    wrong = sharpness * jnp.sum(weights, 0) * (9.0 * error + (8.0 * K + 64.0) * unit)
    D = 1.0 / jnp.sqrt(jnp.maximum(jnp.einsum("jjb->jb", Q), 1.0))
    scaled = D[:, None] * Q * D[None]
    M = invert(scaled)
    weak = wrong * norm(size[:, None] * D) ** 2 + (r + 6.0) * unit * (norm(scaled) + jnp.sqrt(r))
    product = multiply(M, jnp.concatenate([scaled, D[:, None] * directions], 1))  # one loop for both
    xi = norm(product[:, :r] - jnp.eye(r)[:, :, None]) + norm(M) * weak + r * unit
    valid = xi < 0.5
    M, columns = jnp.where(valid, M, 0.0), jnp.where(valid, product[:, r:], 0.0)
    return Hessians(Q, wrong, D, M, columns, jnp.where(valid, xi / (1.0 - xi), 1.0), valid)


def solve(h: Hessians, v):
    """D M D v, nearly Q⁻¹v."""
    return h.scale * apply(h.inverse, h.scale * v)


def invert(A: Float[Array, "r r B"]) -> Float[Array, "r r B"]:
    """Gauss–Jordan without pivots, for positive definite matrices; garbage where rounding makes them indefinite."""
    order = jnp.arange(A.shape[0])

    def eliminate(k, A):
        at = order == k
        row = jnp.where(at[:, None], 1.0, A[k]) / A[k, k]
        left = jnp.where(at[None, :, None], 0.0, A) - A[:, k][:, None] * row[None]
        return jnp.where(at[:, None, None], row[None], left)

    return jax.lax.fori_loop(0, A.shape[0], eliminate, A)


def multiply(left, right):
    """(r, n, B) times (n, p, B)."""
    return jnp.einsum("jkb,klb->jlb", left, right, precision=jax.lax.Precision.HIGHEST)


def _second_moment(d, w, coupling):
    heavy = w * d
    mean = jnp.sum(heavy, 1)
    return multiply(heavy, d.swapaxes(0, 1)) - coupling * mean[:, None] * mean[None]
