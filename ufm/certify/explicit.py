"""The certificate against any W, in the units and coordinates of `ufm.model.rows`, batch last.

Three exact steps lead from the candidate v to the optimum v* (V' orthonormal, P = V'V'ᵀ):

    v → V'q, q computed from v;   V'q → ṽ*, the optimum for Ŵ P, which lies in the span of V';   ṽ* → v*.

The first is seen. The last is at most leak · ‖r(ṽ*)‖, since ∇f(ṽ*) = (Ŵ (1 − P))ᵀ r(ṽ*). The one between is the
theorem of `ufm.certify.local_bound` in R^r, for z = a B q with B = Ŵ V', known to within error · s_j in column j.
For cross-entropy

    F = Σ_k r_k d_k + q,   Q = 1 + a (Σ_k c_k d_k d_kᵀ − m mᵀ),   m = Σ_k c_k d_k,   d_k = b_k − b_top,

which sees no common shift of the rows, and no cancellation where a class has all the mass; for squared error d_k
= b_k and m is absent. Rounding: r is off by e_k at class k, which Q resists in the direction d_k (‖Q⁻¹d_k‖,
computed); sums, the product Qñ, B and Q are off by ρ̄_j, in proportion to s_j, which |Q⁻¹| ρ̄ bounds
(`ufm.certify.curvature`).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ufm.certify.curvature import Hessians, apply, hessians, norm, solve
from ufm.certify.local_bound import (
    Certificate,
    Local,
    combine,
    everywhere,
    label_error,
    probability_error,
    underflow,
)
from ufm.loss import LOSSES, Loss, largest_class
from ufm.model.rows import EPS, RowSpace
from ufm.runtime.programs import program

TILE_ENTRIES = 2**13  # of one batch of r x K or r x r matrices: several of them stay in cache
TILE = 64


class _Curved(NamedTuple):
    """Directions d (r, K, B) and the Hessians."""

    directions: Array | np.ndarray
    hessians: Hessians


@program("loss_name")
def certify_rows(space: RowSpace, H, Y, *, loss_name: str) -> Certificate:
    """Candidates H (d, B) with labels Y (K, B)."""
    loss, space = LOSSES[loss_name], jax.tree.map(jnp.asarray, space)
    (K, r), count = space.matrix.shape, H.shape[1]
    # squared error: one Hessian for all
    shared = None if loss.coupling else _curve(space, loss, jnp.ones((K, 1)), None)
    one = partial(_certify_tile, space=space, loss=loss, rounding=label_error(Y, jnp.float64), shared=shared)
    tile = min(TILE, count, max(1, TILE_ENTRIES // (K * r)))
    padded = [
        jnp.pad(jnp.asarray(part, jnp.float64), ((0, 0), (0, -count % tile)), mode="edge") for part in (H, Y)
    ]
    tiles = [part.reshape(len(part), -1, tile).swapaxes(0, 1) for part in padded]
    found = jax.lax.map(lambda parts: one(*parts), tuple(tiles))
    return jax.tree.map(lambda part: part.reshape(-1)[:count], found)


def _certify_tile(H, Y, *, space: RowSpace, loss: Loss, rounding, shared) -> Certificate:
    v = H / space.length
    q = _dot(space.basis.T, v)
    inner, slope, residual = _inside(q, Y, space, loss, rounding, shared)
    outside, distance = _join(v, q, inner, space)
    lost = underflow(2 * len(H), v.dtype)
    distance = distance + space.leak * residual + lost
    found = Certificate(space.length * distance, space.force * jnp.hypot(slope, outside + lost))
    return jax.tree.map(lambda part: jnp.where(jnp.isnan(part), jnp.inf, part), found)


def _join(v, q, inner, space):
    """‖v − V'q‖ and ‖v − ṽ*‖, of which the two parts are orthogonal up to κ ‖v‖; `inner` bounds ‖q − V'ᵀṽ*‖."""
    d, r = space.basis.shape
    size = norm(v)
    outside = norm(v - _dot(space.basis, q)) + (r + 8.0) * EPS * (size + jnp.sqrt(r) * norm(q))
    outside = (1.0 + 1e-6) * outside + space.turn * norm(q)
    kappa = (d + 2.0) * jnp.sqrt(r) * EPS + space.turn
    square = outside**2 + inner**2 + 2.0 * kappa * size * inner
    return outside, (1.0 + 1e-6) * jnp.fmin(outside + inner, jnp.sqrt(square))


def _curve(space: RowSpace, loss: Loss, c, largest) -> _Curved:
    """Directions and Hessians for curvature weights c (K, B)."""
    d, w, error = space.matrix.T[:, :, None], c, space.error
    if loss.coupling:
        d = d - jnp.sum(jnp.where(largest, d, 0.0), 1, keepdims=True)
        w, error = jnp.where(largest, 0.0, c), 2.0 * (error + EPS)
    return _Curved(d, hessians(d, w, space.sharpness, space.size, error, loss.coupling))


def _inside(q, Y, space: RowSpace, loss: Loss, rounding, shared):
    """Bounds of ‖q − V'ᵀṽ*‖, of the exact ‖F‖ and of ‖r(ṽ*)‖."""
    B, s, a, error = space.matrix, space.size[:, None], space.sharpness, space.error
    (K, r), largest = B.shape, largest_class(Y)
    z = a * _dot(B, q)
    z_error = a * ((r + 8.0) * EPS + error) * jnp.sum(s * jnp.abs(q), 0)
    residual, c = loss.local(z, Y)
    eta = probability_error(loss, K, 2.0 * z_error + 8.0 * EPS * jnp.max(jnp.abs(z), 0), EPS)
    relative, absolute = rounding
    e = (eta * c if loss.concordance else z_error) + 8.0 * EPS * (c + Y) + relative * Y + absolute
    if loss.coupling:
        e = jnp.where(largest, 0.0, e)  # there the residual is minus the others
    curved = shared or _curve(space, loss, c, largest)
    F = _dot(B.T, residual) + q
    F_error = ((2.0 * K + 8.0) * EPS + error) * s * jnp.sum(jnp.abs(residual), 0) + 8.0 * EPS * jnp.abs(q)
    step, rho = _newton(F, F_error, e, curved, s, error)
    worth = _worth(curved.directions, c, largest, a, loss)
    lost = underflow(2 * K + 2 * r, q.dtype)
    gradient = norm(F) + norm(F_error) + _moved(e, curved.directions, s, error) + lost
    local = Local(
        eta=eta,
        ratio=_range_ratio(space, c),
        least=1.0,
        everywhere=everywhere(loss, gradient, norm(q) * (1.0 + K * EPS), K, a),
        underflow=lost,
        **_sizes(step, curved, s),
        **_defects(rho, e, worth, curved, s, a),
    )
    spread = a * (jnp.ptp(_dot(B, step), 0) + 2.0 * ((r + 8.0) * EPS + error) * jnp.sum(s * jnp.abs(step), 0))
    local = local._replace(newton_range=spread + local.newton_range)
    bound = combine(local, loss.concordance)
    here = norm(residual) + 2.0 * jnp.sum(e, 0)
    last = jnp.fmin(jnp.sqrt(2.0), here + a * jnp.sqrt(K) * norm(s) * bound)
    return bound, gradient + space.leak * here, last


def _moved(e, d, s, error):
    """‖Σ_k e_k d_k‖ at most, for the exact directions."""
    return jnp.sum(e * (norm_of_columns(d) + 2.0 * (error + EPS) * norm(s)), 0)


def norm_of_columns(d):
    """‖d_k‖ (K, B) of columns d (r, K, B)."""
    return jnp.sqrt(jnp.sum(d * d, 0))


def _newton(F, F_error, e, curved: _Curved, s, error):
    """ñ = −Q⁻¹F, refined once, and ρ̄ ≥ |F + Qñ| but for what e_k moves it along d_k."""
    h, r = curved.hessians, len(F)
    step = -solve(h, F)
    step = step - solve(h, F + apply(h.matrix, step))
    seen = jnp.abs(F + apply(h.matrix, step))
    sums = (r + 6.0) * EPS * (jnp.abs(F) + apply(jnp.abs(h.matrix), jnp.abs(step)))
    wrong = h.error * s * jnp.sum(s * jnp.abs(step), 0) + 2.0 * EPS * jnp.abs(step)
    along = (r + 8.0) * EPS * jnp.sum(e * jnp.abs(curved.directions), 1)
    return step, seen + F_error + sums + wrong + along + 2.0 * (error + EPS) * s * jnp.sum(e, 0)


def _sizes(step, curved: _Curved, s):
    """‖ñ‖ and ‖ñ‖_Q."""
    h, r = curved.hessians, len(step)
    exact = jnp.sum(step * apply(h.matrix, step), 0)
    wrong = (r + 4.0) * EPS * jnp.sum(jnp.abs(step) * apply(jnp.abs(h.matrix), jnp.abs(step)), 0)
    wrong = wrong + h.error * jnp.sum(s * jnp.abs(step), 0) ** 2 + 2.0 * EPS * jnp.sum(step**2, 0)
    return {"newton_norm": norm(step), "newton_q": jnp.sqrt(jnp.maximum(exact, 0.0) + wrong)}


def _defects(rho, e, worth, curved: _Curved, s, a):
    """Q⁻¹(F + Qñ) in three measures: its length, its length in Q, the range of its logits."""
    h, columns = curved.hessians, curved.hessians.columns
    scaled = h.scale * rho
    image = apply(jnp.abs(h.inverse), scaled)
    loose = h.excess * (norm(image) + jnp.sum(e * norm_of_columns(columns), 0))
    reach = h.scale * image + h.scale * jnp.sum(e * jnp.abs(columns), 1)
    near = norm(h.scale * image) + jnp.sum(e * norm_of_columns(h.scale[:, None] * columns), 0) + loose
    far = norm(rho) + jnp.sum(e * norm_of_columns(curved.directions), 0) + 2.0 * EPS * norm(s) * jnp.sum(e, 0)
    near_q = jnp.sqrt(norm(scaled) * norm(image) * (1.0 + h.excess))
    wide = 2.0 * a * jnp.where(h.valid, jnp.sum(s * reach, 0) + norm(s) * loose, norm(s) * far)
    return {
        "defect": jnp.where(h.valid, jnp.minimum(near, far), far),
        "defect_q": jnp.where(h.valid, jnp.minimum(near_q, norm(rho)), norm(rho)) + jnp.sum(e * worth, 0),
        "newton_range": wide,
    }


def _worth(d, c, largest, a, loss):
    """‖d_k‖_{Q⁻¹} ≤ ‖d_k‖, and ≤ √((1/c_k + 1/c_top)/a), or 1/√a for squared error."""
    top = 1.0 / jnp.sum(jnp.where(largest, c, 0.0), 0) if loss.coupling else 0.0
    return jnp.minimum(norm_of_columns(d), jnp.sqrt((1.0 / c + top) / a))


def _range_ratio(space: RowSpace, c):
    """R² ≤ min(a² max ‖b_k − b_l‖², 2a/min c): range(z(u))² against ‖u‖²_Q."""
    a, B = space.sharpness, space.matrix
    diameter = 2.0 * (
        jnp.max(jnp.linalg.norm(B - jnp.mean(B, 0), axis=1)) + space.error * jnp.linalg.norm(space.size)
    )
    return jnp.minimum(a * diameter, jnp.sqrt(2.0 * a / jnp.min(c, 0)))


_dot = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
