"""Isometric coordinates q of the row space of W, in which features are optimised.

The optimum lies in the row space of W (the ridge shrinks anything outside it), so h = V q with
‖h‖ = ‖q‖ and z = W h = (W V) q: K or fewer numbers replace d. The map from q to logits is a
scalar for a simplex ETF, where one Newton step then costs O(K), and a K x r matrix otherwise.
Batches run along the last axis: q is (r, B), logits are (K, B).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class Isometric(NamedTuple):
    """A simplex ETF, W Wᵀ = scale² Π: z = scale · (q − mean q), h = Bᵀ q, B = `etf_basis`."""

    scale: Float[Array, ""]

    def logits(self, q):
        return self.scale * (q - jnp.mean(q, 0))

    def newton_step(self, gradient, curvature, coupling, lambda_h):
        """−(scale² (diag c − coupling c cᵀ) + λ)⁻¹ gradient, in O(K) and without cancellation.

        Sherman–Morrison with 1 − Σ c²/(c + λ/scale²) rewritten by Σ c = 1, and Σ gradient = 0.
        """
        d = self.scale**2 * curvature + lambda_h
        shift = coupling * jnp.sum(gradient / d, 0) / jnp.sum(curvature / d, 0)
        return (curvature * shift - gradient) / d


class Reduced(NamedTuple):
    """Any W = U S Vᵀ (thin): z = (U S) q, h = V q; a Newton step costs O(K r² + r³)."""

    matrix: Float[Array, "K r"]

    def logits(self, q):
        return jnp.matmul(self.matrix, q, precision=jax.lax.Precision.HIGHEST)

    def newton_step(self, gradient, curvature, coupling, lambda_h):
        return jax.vmap(self._solve, (1, 1, None, None), 1)(gradient, curvature, coupling, lambda_h)

    def _solve(self, gradient, c, coupling, lambda_h):
        B, dot = self.matrix, partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
        weighted = c[:, None] * B
        mean = jnp.sum(weighted, 0)
        hessian = dot(B.T, weighted) - coupling * jnp.outer(mean, mean)
        # a ridge at rounding level keeps the factorisation defined when λ_H is below it
        size = jnp.trace(hessian)
        floor = 4 * B.shape[1] * jnp.finfo(B.dtype).eps * size
        hessian = hessian + (lambda_h + floor) * jnp.eye(B.shape[1], dtype=B.dtype)
        step = -jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(hessian), gradient)
        return jnp.where(jnp.all(jnp.isfinite(step)), step, -gradient / (lambda_h + size))


def reduce_classifier(W: np.ndarray, dtype) -> tuple[Reduced, np.ndarray]:
    """Coordinates of an explicit W and the orthonormal V (d x r) with h = V q, r = min(K, d)."""
    U, S, Vt = np.linalg.svd(W, full_matrices=False)
    return Reduced(jnp.asarray(U * S, dtype)), Vt.T.astype(dtype)
