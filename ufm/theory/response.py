"""How an optimum answers a small change: derivatives that lose no digits, with a bound on their rounding.

At the optimum z = a (y − p), S = diag(p) − ppᵀ, a change (da, dy) with Σ dy = 0 moves the logits by

    (I + aS) dz = b,   b = r da + a dy,   r = y − p = z/a,   dp_k = p_k (dz_k − t),   t = pᵀ dz.

By Sherman–Morrison, with s = a p and q = s/(1+s),

    dz_k = b_k/(1 + s_k) + t q_k,   t = Σ q b/Σ q = −Σ (1−q) b/Σ q,

as Σ b = 0. Of the two sums the smaller one is taken: the first cancels where every q is near one (a large and
no label entry zero), the second where none is. Differentiating y − p itself would lose ε a of the slope.
A class that stands for n of its kind has count n. (Re-derived here.)
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


class Response(NamedTuple):
    """dz (..., r), t (...), and dz_k − t (..., r), which is d log p_k."""

    z: Float[Array, "*batch r"]
    t: Float[Array, "*batch"]
    apart: Float[Array, "*batch r"]


def response(b, s, counts, p=None) -> Response:
    """(I + aS)⁻¹ b for b (..., r) of sum zero and s = a p (..., r); linear in b.

    p: s up to a factor, where s may be zero or its derivative is wanted near zero, which t has without s.
    """
    t = _mean(b, s, counts, s if p is None else p)[..., None]
    return Response(b / (1.0 + s) + t * (s / (1.0 + s)), t[..., 0], (b - t) / (1.0 + s))


def _mean(b, s, counts, p):
    """t by the smaller of its two sums."""
    _, far = _sums(b, s, counts)
    below, above = _sums(jnp.abs(b), s, counts)
    first = below <= above
    weight = counts * (p / (1.0 + s))
    total = jnp.where(first, 1.0, jnp.sum(counts * (s / (1.0 + s)), -1))
    return jnp.where(first, jnp.sum(weight * b, -1) / jnp.sum(weight, -1), -far / total)


def _sums(b, s, counts):
    """Σ q b and Σ (1−q) b."""
    return jnp.sum(counts * (s / (1.0 + s)) * b, -1), jnp.sum(counts * b / (1.0 + s), -1)


def response_error(b, s, counts, found: Response, b_error, s_error) -> Response:
    """Bounds on the errors of all three where b is known within b_error and s within the relative s_error.

    ∂dz_k/∂b_k = 1/(1+s_k) beside t, ∂dz_k/∂log q = q_k (t − b_k), |δq| ≤ q (1−q) s_error; t is an average.
    """
    q, rest = s / (1.0 + s), 1.0 / (1.0 + s)
    moved = q * s_error * jnp.abs(found.apart)  # |(b − t)(1−q)| q s_error
    t = (jnp.minimum(*_sums(b_error, s, counts)) + jnp.sum(counts * moved, -1)) / jnp.sum(counts * q, -1)
    own = rest * b_error + moved
    return Response(own + q * t[..., None], t, own + rest * t[..., None])
