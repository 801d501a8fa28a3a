"""Derivatives ∂z/∂a and ∂z/∂λ of optimal centred logits, each with a bound on its error.

What is not exact: x and o (`ufm.theory.features.rounding`), s = a p with a factor e^x more, a as a product of
a few doubles, and W, a relative `distance` δ from an ETF. Then z and r move by at most 6 δ of themselves
(`ufm.theory.predict.classifier_error`), log s by 6 δ ‖z‖. Σ over classes by counts.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ufm.theory.features import LabelOptimum, TwoHotOptimum, rounding, two_hot_counts, two_hot_logits
from ufm.theory.response import Response, response, response_error

EPS = float(np.finfo(np.float64).eps)


class Slope(NamedTuple):
    """dz (N, r), of sum zero, and a bound (N) on the length of its error."""

    z: Float[Array, "N r"]
    error: Float[Array, "N"]


class Logits(NamedTuple):
    """An optimum: z, s = a p, counts, the error of z, and the relative error of s."""

    z: Array
    s: Array
    counts: Array
    size: Array
    s_error: Array


def dense_slope(best: LabelOptimum, a, distance) -> Slope:
    """∂z/∂a of dense labels under cross-entropy."""
    return _along_a(label_logits(best, a, jnp.ones_like(best.x), distance), a, distance)


def label_logits(best: LabelOptimum, a, counts, distance) -> Logits:
    """The logits of an optimum under cross-entropy with what is known of them."""
    o = best.reference[:, None]
    return _logits(best.x - o, best.x, o, a * best.p, counts, a, distance)


def pair_slopes(best: TwoHotOptimum, a, classes, distance) -> tuple[Slope, Slope]:
    """∂z/∂a and ∂z/∂λ (N, 3) at classes i, j and any other, under cross-entropy."""
    z, s = two_hot_logits(best, a, classes)
    x = jnp.stack([jnp.abs(best.x_i), jnp.abs(best.x_j), jnp.zeros_like(best.x_i)], -1)
    counts = two_hot_counts(best.x_i, classes)
    at = _logits(z, x, s[:, 2:], s, counts, a, distance)
    b = a * jnp.array([1.0, -1.0, 0.0])
    found = response(b, s, counts)
    return _along_a(at, a, distance), _slope(
        at, b, found, (_of_a(distance) + 4 * EPS) * jnp.abs(b), a, distance
    )


def _of_a(distance):
    """Relative uncertainty of a."""
    return 6 * EPS + 6 * distance


def _logits(z, x, o, s, counts, a, distance) -> Logits:
    unit = _unit(z, o)
    s_error = unit + 4 * EPS * x + 6 * distance * _length(z, counts)[:, None]
    return Logits(z, s, counts, unit * (x + o), s_error)


def _unit(z, o):
    """Relative error of x and o; o is found through its logarithm."""
    return rounding(z.shape[1], EPS) + EPS * jnp.abs(jnp.log(o))


def _along_a(at: Logits, a, distance) -> Slope:
    r = at.z / a
    found = response(r, at.s, at.counts)
    moved = _of_a(distance) * (jnp.abs(r) + jnp.abs(found.z)) + 6 * distance * _length(r, at.counts)[:, None]
    return _slope(at, r, found, at.size / a + moved, a, distance)


def _slope(at: Logits, b, found: Response, b_error, a, distance) -> Slope:
    along_a = response(
        at.z / a, at.s, at.counts
    )  # d log p = dz − t, so that d log s/d log a = 1 + a (dz − t)
    s_error = at.s_error + _of_a(distance) * (1 + a * jnp.abs(along_a.apart))
    error = response_error(b, at.s, at.counts, found, b_error, s_error)
    return Slope(found.z, _length(error.z, at.counts))


def affine_slopes(Y, mixed, a, distance) -> tuple[Slope, Slope]:
    """The same under squared error, z = (y − 1/K)/(1 + 1/a): along a, and along λ where dy/dλ = `mixed`."""
    K = Y.shape[1]
    unit = 2 * rounding(2, EPS) + 18 * distance
    in_a, in_lam = 1 / (1 + a) / (1 + a), 1 / (1 + 1 / a)
    along_a, along_lam = jnp.linalg.norm(Y + 1 / K, axis=1), jnp.linalg.norm(mixed, axis=1)
    return (
        Slope(in_a * (Y - 1 / K), unit * in_a * along_a),
        Slope(in_lam * mixed, unit * in_lam * along_lam),
    )


def _length(rows, counts):
    return jnp.sqrt(jnp.sum(counts * rows**2, -1))
