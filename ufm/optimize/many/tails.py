"""Coordinates of features for many classes: Newton systems of two large probabilities and a tail, without a matrix.

A label's Hessian in h, z = W h, is H = λ + Wᵀ P W with P = diag c − c cᵀ (coupled losses; else diag c). Mixed
labels have two large c_a ≥ c_b, and tails that are nearly s τ, one τ (K) for all labels. With W turned so that
Wᵀ diag(τ) W = diag d, and m = Wᵀτ/Σ τ in the place of the tail's classes,

    H ≈ λ + s d + R Rᵀ,    R = [√(c_a c_r) (w_a − (c_b w_b + c_t m)/c_r),  √(c_b c_t/c_r) (w_b − m)],

c_t the tail's mass and c_r = c_b + c_t: R Rᵀ is the covariance of three outcomes, a sum without cancellation. Its
inverse costs O(K) a label, and conjugate gradients with it as preconditioner see only what distinguishes tails.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ufm.optimize.coordinates import Reduced, _dot, enough
from ufm.optimize.factor import conjugate_gradients


class Near(NamedTuple):
    """H₀⁻¹ = 1/Δ − Σ T Tᵀ: 1/Δ (k, B) and the two T (k, B)."""

    inverse: Float[Array, "k B"]
    first: Float[Array, "k B"]
    second: Float[Array, "k B"]

    def solve(self, v):
        """H₀⁻¹ v."""
        along = jnp.sum(self.first * v, 0), jnp.sum(self.second * v, 0)
        return v * self.inverse - self.first * along[0] - self.second * along[1]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Tailed(Reduced):
    """W (K, k) with Wᵀ diag(τ) W = diag d, τ (K) > 0, and of B labels the classes of the two large entries (2, B).

    rows: those rows of W, (2, k, B).
    """

    tail: Float[Array, "K"]
    ridge: Float[Array, "k"]
    pair: Int[Array, "2 B"]
    rows: Float[Array, "2 k B"]

    def newton_step(self, gradient, curvature, coupling, lambda_h):
        """To the accuracy of `enough`."""
        near = self.near(curvature, coupling, lambda_h)
        share = enough(self.range(near.solve(gradient)))
        return -self.solve(near, gradient, curvature, coupling, lambda_h, share)

    def near(self, c, coupling, lambda_h) -> Near:
        """H₀ of labels with curvatures c (K, B)."""
        (w_a, w_b), tiny = self.rows, jnp.finfo(c.dtype).tiny
        c_a, c_b = jnp.take_along_axis(c, self.pair, 0)
        t_a, t_b = self.tail[self.pair]
        c_t = jnp.maximum(jnp.sum(c, 0) - c_a - c_b, 0.0)
        s = c_t / jnp.maximum(jnp.sum(self.tail) - t_a - t_b, tiny)
        diagonal = lambda_h + s * self.ridge[:, None]
        if coupling:
            m = (self.matrix.T @ self.tail / jnp.sum(self.tail))[:, None]
            c_r = jnp.maximum(c_b + c_t, tiny)
            first = jnp.sqrt(c_a * c_r) * (w_a - (c_b * w_b + c_t * m) / c_r)
            second = jnp.sqrt(c_b * c_t / c_r) * (w_b - m)
        else:
            first = jnp.sqrt(jnp.maximum(c_a - s * t_a, 0.0)) * w_a
            second = jnp.sqrt(jnp.maximum(c_b - s * t_b, 0.0)) * w_b
        return _whiten(1.0 / diagonal, first, second)

    def solve(self, near: Near, force, c, coupling, lambda_h, share):
        """H⁻¹ force by `conjugate_gradients`, from H₀⁻¹."""

        def hessian(v):
            z = self.logits(v)
            return lambda_h * v + _dot(self.matrix.T, c * (z - coupling * jnp.sum(c * z, 0))), v

        return conjugate_gradients(hessian, near.solve, force, share)


def _whiten(inverse, first, second) -> Near:
    """(Δ + R Rᵀ)⁻¹ = Δ⁻¹ − T Tᵀ, T = Δ⁻¹ R L⁻ᵀ, L Lᵀ = 1 + Rᵀ Δ⁻¹ R."""
    one, two = first * inverse, second * inverse
    low = jnp.sum(second * one, 0)
    large, small = 1 + jnp.sum(first * one, 0), 1 + jnp.sum(second * two, 0)
    return Near(inverse, one / jnp.sqrt(large), (two - low / large * one) / jnp.sqrt(small - low**2 / large))
