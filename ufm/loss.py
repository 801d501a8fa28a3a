"""The losses and the objective of an unconstrained features model, in floats.

The only place where a loss is written in floats (`ufm.enclose.features` writes it again in balls, on
purpose, and `ufm.certify.sample` cross-entropy in NumPy, for samples of many numbers). Classes run along
axis 0; further axes are a batch, whose features stay apart.

Label convention of the whole project: a soft label y ∈ R^K has exact entries except the
largest one (the first of them), which *is* 1 − Σ of the others. So λ e_i + (1−λ) e_j is
exact in floating point although fl(λ) + fl(1−λ) need not be 1, and the residual
p − y of the largest entry is minus the sum of the others, free of cancellation.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

Vector = Float[Array, "K *batch"]
Scalar = Float[Array, "*batch"]
Mask = Bool[Array, "K *batch"]

MANY = 256  # classes from which three in their place save more than compiling it costs


class Loss(NamedTuple):
    """A loss ℓ(z, y) convex in the logits z, with what Newton's method needs of it.

    value: (z, y) -> ℓ.
    curvature: z -> c ≥ 0 with Hessian diag(c) − coupling · c cᵀ.
    local: (z, y) -> (∂ℓ/∂z, c), at the price of one of them.
    coupling: 1 if c sums to one and couples the classes (cross-entropy), 0 if not.
    concordance: M with |D³ℓ[u,u,v]| ≤ M · |v| · D²ℓ[u,u] (0: ℓ is quadratic), |v| the range max − min where the
    classes are coupled, as a constant added to z changes nothing then, else the largest |v_k|.
    start: (K) -> an upper bound of ℓ(0, y) − min ℓ over soft labels y, natural units.
    """

    value: Callable
    curvature: Callable
    local: Callable
    coupling: float
    concordance: float
    start: Callable


def largest_class(y: Vector) -> Mask:
    """The mask of each label's largest entry, the first of them: two reductions, where argmax is one of pairs."""
    k = jax.lax.broadcasted_iota(jnp.int32, y.shape, 0)
    return k == jnp.min(jnp.where(y == jnp.max(y, 0), k, y.shape[0]), 0)


class Triple(NamedTuple):
    """Labels as three classes, the last of all the others, and the places of the first two among K."""

    Y: Float[Array, "3 B"]
    places: Int[Array, "2 B"]


def triple(Y: Float[Array, "K B"]) -> tuple[Array, Triple]:
    """Whether no label has more than two entries that are not zero; and if so, the labels as three classes."""
    K, some = len(Y), Y != 0
    k = jax.lax.broadcasted_iota(jnp.int32, Y.shape, 0)
    first = jnp.min(jnp.where(some, k, K), 0) % K
    last = jnp.max(jnp.where(some, k, 0), 0)
    places = jnp.stack([first, jnp.where(last > first, last, (first + 1) % K)])
    entries = jnp.take_along_axis(Y, places, 0)
    return jnp.all(jnp.sum(some, 0) <= 2), Triple(jnp.pad(entries, ((0, 1), (0, 0))), places)


def relative_logits(z: Vector, y: Vector) -> Vector:
    """s_k = z_k − z_c, c the largest label entry; s_c is the constant 0."""
    reference = largest_class(y)
    return jnp.where(reference, 0.0, z - jnp.sum(jnp.where(reference, z, 0.0), 0))


def cross_entropy(z: Vector, y: Vector) -> Scalar:
    """CE(softmax(z), y) = log Σ_k exp(z_k) − Σ_k y_k z_k, in nats, for Σ y = 1.

    Written relative to the largest label, so that its derivative by autodiff,
    softmax(z) − y, keeps full relative accuracy in every small entry.
    """
    s = relative_logits(z, y)
    top = jax.lax.stop_gradient(jnp.max(s, 0))
    return top + jnp.log(jnp.sum(jnp.exp(s - top), 0)) - jnp.sum(y * s, 0)


def local_cross_entropy(z: Vector, y: Vector) -> tuple[Vector, Vector]:
    """softmax(z) − y, whose entry at the largest label is minus the sum of the others, and softmax(z)."""
    masses = jnp.exp(z - jnp.max(z, 0))
    p = masses * (1.0 / jnp.sum(masses, 0))  # one division a label
    return sum_zero(p - y, largest_class(y)), p


def _total(v: Vector) -> Scalar:
    return jnp.sum(v, 0)


def sum_zero(v: Vector, largest: Mask, total: Callable = _total) -> Vector:
    """v with its entry at `largest` replaced by minus the sum of the others; total: Σ over the classes."""
    rest = jnp.where(largest, 0.0, v)
    return jnp.where(largest, -total(rest), rest)


def squared_error(z: Vector, y: Vector) -> Scalar:
    """½‖z − y‖²."""
    return 0.5 * jnp.sum((z - y) ** 2, 0)


def local_squared_error(z: Vector, y: Vector) -> tuple[Vector, Vector]:
    """z − y, and the curvature, one."""
    return z - y, jnp.ones_like(z)


def binary_cross_entropy(z: Vector, y: Vector) -> Scalar:
    """Σ_k y_k log(1 + e^{−z_k}) + (1 − y_k) log(1 + e^{z_k}), in nats: one against the rest, any y in [0, 1]^K.

    In this form its derivative by autodiff, (1 − y) σ(z) − y σ(−z), keeps full relative accuracy at y = 0 and 1.
    """
    return jnp.sum(y * jax.nn.softplus(-z) + (1.0 - y) * jax.nn.softplus(z), 0)


def _binary_curvature(z: Vector) -> Vector:
    return jax.nn.sigmoid(z) * jax.nn.sigmoid(-z)


def local_binary_cross_entropy(z: Vector, y: Vector) -> tuple[Vector, Vector]:
    """(1 − y) σ(z) − y σ(−z), and the curvature σ(z) σ(−z)."""
    return (1.0 - y) * jax.nn.sigmoid(z) - y * jax.nn.sigmoid(-z), _binary_curvature(z)


LOSSES = {
    "cross-entropy": Loss(
        cross_entropy, partial(jax.nn.softmax, axis=0), local_cross_entropy, 1.0, 1.0, lambda K: jnp.log(K)
    ),
    "squared-error": Loss(squared_error, jnp.ones_like, local_squared_error, 0.0, 0.0, lambda K: 0.5),
    "binary-cross-entropy": Loss(
        binary_cross_entropy,
        _binary_curvature,
        local_binary_cross_entropy,
        0.0,
        1.0,
        lambda K: K * jnp.log(2.0),
    ),
}


def objective(
    loss: Loss, h: Float[Array, "d"], W: Float[Array, "K d"], y: Vector, lambda_h: float | Scalar
) -> Scalar:
    """f(h) = ℓ(W h, y) + (λ_H/2) ‖h‖² for one feature, the average convention of the README."""
    return loss.value(W @ h, y) + 0.5 * lambda_h * jnp.sum(h * h)
