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

    def zero(self, Y):
        """q = 0 for labels Y (K, B)."""
        return jnp.zeros_like(Y)

    @property
    def gain(self):
        """The eigenvalue of W Wᵀ on 1⊥."""
        return self.scale**2

    def logits(self, q):
        return self.scale * (q - jnp.mean(q, 0))

    def range(self, q):
        """max z − min z, which needs no mean."""
        return self.scale * jnp.ptp(q, 0)

    def fit(self, z, lambda_h):
        """argmin ‖z(q) − z‖² + λ_H‖q‖² for logits that sum to zero."""
        return self.scale / (self.scale**2 + lambda_h) * z

    def newton_step(self, gradient, curvature, coupling, lambda_h):
        """−(scale² (diag c − coupling c cᵀ) + λ)⁻¹ gradient, in O(K) and without cancellation.

        Sherman–Morrison with 1 − Σ c²/(c + λ/scale²) rewritten by Σ c = 1, and Σ gradient = 0.
        """
        inverse = 1.0 / (self.scale**2 * curvature + lambda_h)  # one division an entry
        shift = coupling * jnp.sum(gradient * inverse, 0) / jnp.sum(curvature * inverse, 0)
        return (curvature * shift - gradient) * inverse


class Reduced(NamedTuple):
    """Any W = U S Vᵀ (thin): z = (U S) q, h = V q; a Newton step costs O(K r² + r³)."""

    matrix: Float[Array, "K r"]

    def zero(self, Y):
        """q = 0 for labels Y (K, B)."""
        return jnp.zeros((self.matrix.shape[1], Y.shape[1]), Y.dtype)

    @property
    def gain(self):
        """The mean eigenvalue of W Wᵀ, over K − 1 directions."""
        return jnp.sum(self.matrix**2) / (self.matrix.shape[0] - 1)

    def logits(self, q):
        return _dot(self.matrix, q)

    def range(self, q):
        """max z − min z."""
        return jnp.ptp(self.logits(q), 0)

    def fit(self, z, lambda_h):
        """argmin ‖z(q) − z‖² + λ_H‖q‖², where the columns of the matrix are orthogonal."""
        return _dot(self.matrix.T, z) / (jnp.sum(self.matrix**2, 0) + lambda_h)[:, None]

    def newton_step(self, gradient, curvature, coupling, lambda_h):
        return jax.vmap(self._solve, (1, 1, None, None), 1)(gradient, curvature, coupling, lambda_h)

    def _solve(self, gradient, c, coupling, lambda_h):
        B = self.matrix
        weighted = c[:, None] * B
        mean = jnp.sum(weighted, 0)
        hessian = _dot(B.T, weighted) - coupling * jnp.outer(mean, mean)
        # a ridge at rounding level keeps the factorisation defined when λ_H is below it
        size = jnp.trace(hessian)
        floor = 4 * B.shape[1] * jnp.finfo(B.dtype).eps * size
        hessian = hessian + (lambda_h + floor) * jnp.eye(B.shape[1], dtype=B.dtype)
        step = -jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(hessian), gradient)
        return jnp.where(jnp.all(jnp.isfinite(step)), step, -gradient / (lambda_h + size))


_dot = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


def reduce_classifier(W: np.ndarray, dtype) -> tuple[Reduced, np.ndarray]:
    """Coordinates of an explicit W and the orthonormal V (d x r) with h = V q, r = min(K, d)."""
    U, S, Vt = np.linalg.svd(W, full_matrices=False)
    return Reduced(jnp.asarray(U * S, dtype)), Vt.T.astype(dtype)
