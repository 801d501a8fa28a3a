"""Isometric coordinates q of the row space of W, in which features are optimised.

The optimum lies in the row space of W (the ridge shrinks anything outside it), so h = V q with
‖h‖ = ‖q‖ and z = W h = (W V) q: K or fewer numbers replace d. The map from q to logits is a
scalar for a simplex ETF, where one Newton step then costs O(K), and a K x r matrix otherwise:
O(K²) a step where all directions of 1⊥ get through it about equally, O(K r²) for any matrix.
Batches run along the last axis: q is (r, B), logits are (K, B).
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ufm.optimize.factor import conjugate_gradients, solve_ridge_each

CONDITION = 10.0  # of W: about as many rounds of conjugate gradients a step, at worst


class Isometric(NamedTuple):
    """A simplex ETF, W Wᵀ = scale² Π: z = scale · (q − mean q), h = Bᵀ q, B = `etf_basis`."""

    scale: Float[Array | np.ndarray, ""]

    @property
    def reaches_all(self) -> bool:
        """Whether any logits, up to a constant, are those of some q."""
        return True

    def zero(self, Y):
        """q = 0 for labels Y (K, B)."""
        return jnp.zeros_like(Y)

    def settle(self, q):
        """q without its mean, which moves nothing but is taken for rounding by `newton_step`."""
        return q - jnp.mean(q, 0)

    @property
    def gain(self):
        """The eigenvalue of W Wᵀ on 1⊥."""
        return self.scale**2

    def path(self, coupling) -> "Isometric":
        """Where to walk: without means where the loss sees none."""
        return Centred(self.scale) if coupling else self

    def enter(self, q):
        """q on that path."""
        return self.settle(q)

    def leave(self, q):
        """Back from there."""
        return q

    def logits(self, q):
        return self.scale * (q - jnp.mean(q, 0))

    def gradient(self, slope, q, lambda_h):
        """∇_q of the objective, slope (K, B) that of the loss in z."""
        return self.scale * (slope - jnp.mean(slope, 0)) + lambda_h * q

    def inner(self, one, other):
        """⟨h, h'⟩."""
        return jnp.sum(one * other, 0)

    def range(self, q):
        """max z − min z, which needs no mean."""
        return self.scale * jnp.ptp(q, 0)

    def size(self, step, gradient):
        """Of a Newton step: its range, which against an ETF shrinks as fast as its decrement."""
        return self.range(step)

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


class Centred(Isometric):
    """The same for q and slopes that sum to zero, as they do from such a start on, up to rounding: two passes fewer
    a step."""

    def path(self, coupling):
        """Here."""
        return self

    def logits(self, q):
        return self.scale * q

    def gradient(self, slope, q, lambda_h):
        """∇_q of the objective, slope (K, B) that of the loss in z."""
        return self.scale * slope + lambda_h * q


@dataclass(frozen=True, eq=False)
class _Explicit:
    """z = matrix · q: what all coordinates of an explicit W have in common."""

    matrix: Float[Array | np.ndarray, "K r"]

    @property
    def reaches_all(self) -> bool:
        """Whether any logits, up to a constant, are those of some q."""
        return False

    def zero(self, Y):
        """q = 0 for labels Y (K, B)."""
        return jnp.zeros((self.matrix.shape[1], Y.shape[1]), Y.dtype)

    def settle(self, q):
        """q as it is."""
        return q

    @property
    def gain(self):
        """The mean eigenvalue of W Wᵀ, over K − 1 directions."""
        return jnp.sum(self.matrix**2) / (self.matrix.shape[0] - 1)

    def path(self, coupling):
        """Here."""
        return self

    def logits(self, q):
        return _dot(self.matrix, q)

    def gradient(self, slope, q, lambda_h):
        """∇_q of the objective, slope (K, B) that of the loss in z."""
        return _dot(self.matrix.T, slope) + lambda_h * q

    def inner(self, one, other):
        """⟨h, h'⟩."""
        return jnp.sum(one * other, 0)

    def range(self, q):
        """max z − min z."""
        return jnp.ptp(self.logits(q), 0)

    def size(self, step, gradient):
        """The decrement of a Newton step."""
        return decrement(step, gradient)

    def fit(self, z, lambda_h):
        """argmin ‖z(q) − z‖² + λ_H‖q‖², where the columns of the matrix are orthogonal. lambda_h: one, or (B)."""
        return _dot(self.matrix.T, z) / (jnp.sum(self.matrix**2, 0)[:, None] + lambda_h)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Conditioned(_Explicit):
    """A W that is invertible on 1⊥, and well enough: Π W = U S Vᵀ (thin), z = (W V) q, h = V q, r = K − 1.

    For losses that do not see 1. `inverse` = S⁻¹ Uᵀ leads from logits to q; spring = M⁻¹ = U S⁻² Uᵀ, M = Π W Wᵀ Π.
    Newton's method walks in `Paired` coordinates, where a product with a matrix is what all the time goes into.
    """

    inverse: Float[Array, "r K"]
    spring: Float[Array, "K K"]

    @property
    def reaches_all(self) -> bool:
        """Whether any logits, up to a constant, are those of some q."""
        return True

    @property
    def gain(self):
        """g, the mean eigenvalue of W Wᵀ on 1⊥."""
        K = self.matrix.shape[0]
        return jnp.sum((self.matrix - jnp.mean(self.matrix, 0)) ** 2) / (K - 1)

    def fit(self, z, lambda_h):
        """The coordinates that have these logits, up to a constant."""
        return _dot(self.inverse, z)

    def path(self, coupling) -> "Paired":
        """Where to walk."""
        return Paired(self.spring, self.gain)

    def enter(self, q):
        """The pairs of q."""
        z = self.logits(q)
        return jnp.concatenate([_dot(self.inverse.T, q), z - jnp.mean(z, 0)])

    def leave(self, pairs):
        """q of pairs; rows of W may have much in common, which Σ v = 0 only cancels up to rounding."""
        return _dot((self.matrix - jnp.mean(self.matrix, 0)).T, pairs[: len(self.matrix)])

    def newton_step(self, gradient, curvature, coupling, lambda_h):
        """As accurate as that of `Paired`."""
        force = _dot(self.inverse.T, gradient)
        pairs = jnp.concatenate([jnp.zeros_like(force), force])
        return self.leave(self.path(coupling).newton_step(pairs, curvature, coupling, lambda_h))


class Paired(NamedTuple):
    """Features h = Wᵀv, Σ v = 0, as pairs: v (K, B) above their logits z = M v, up to a constant.

    Lengths and gradients need no matrix: ‖h‖² = vᵀz, and at ∇_h f = Wᵀ(∂ℓ/∂z + λ_H v) the gradient in z is
    the bracket. A Newton step solves (diag c − c cᵀ + λ M⁻¹) dz = −(∂ℓ/∂z + λ v); with 1/g for M⁻¹ it is that of an
    ETF. Conjugate gradients with that as preconditioner see a condition number of at most that of M, whatever c and
    λ; a round is one product with M⁻¹, which yields dv too.
    """

    spring: Float[Array, "K K"]
    gain: Float[Array, ""]

    @property
    def reaches_all(self) -> bool:
        """Whether any logits, up to a constant, are those of some pair."""
        return True

    def zero(self, Y):
        """Pairs of h = 0 for labels Y (K, B)."""
        return jnp.zeros((2 * len(Y), Y.shape[1]), Y.dtype)

    def settle(self, q):
        """The pairs with these logits, to the precision that there is now."""
        return self.fit(self.logits(q), 0.0)

    def path(self, coupling):
        """Here."""
        return self

    def logits(self, q):
        return q[len(q) // 2 :]

    def gradient(self, slope, q, lambda_h):
        """The bracket, below nothing for v: Newton's step asks for no more."""
        return jnp.concatenate([jnp.zeros_like(slope), slope + lambda_h * q[: len(slope)]])

    def inner(self, one, other):
        """⟨h, h'⟩ of two pairs."""
        return jnp.sum(one[: len(one) // 2] * self.logits(other), 0)

    def range(self, q):
        """max z − min z."""
        return jnp.ptp(self.logits(q), 0)

    def size(self, step, gradient):
        """The decrement of a Newton step."""
        return decrement(step, gradient)

    def fit(self, z, lambda_h):
        """The pairs that have these logits."""
        return jnp.concatenate([_dot(self.spring, z), z])

    def newton_step(self, gradient, curvature, coupling, lambda_h):
        """To the accuracy of `enough`."""
        near = Isometric(jnp.sqrt(self.gain))

        def approximate(left):
            return -near.gain * near.newton_step(left, curvature, coupling, lambda_h)

        def hessian(dz):
            dv = _dot(self.spring, dz)
            image = curvature * (dz - coupling * jnp.sum(curvature * dz, 0)) + lambda_h * dv
            return image, jnp.concatenate([dv, dz])

        force = -near.settle(self.logits(gradient))  # at the end, its mean is as large as the rest
        share = enough(jnp.ptp(approximate(force), 0))
        return conjugate_gradients(hessian, approximate, force, share, jnp.zeros_like(gradient))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Reduced(_Explicit):
    """Any W = U S Vᵀ (thin): z = (U S) q, h = V q; a Newton step costs O(K r² + r³)."""

    def newton_step(self, gradient, curvature, coupling, lambda_h):
        """−(FᵀF + λ)⁻¹ gradient, F = √c ∘ (B − cᵀB), whose squares hold nothing that cancels."""
        B = self.matrix

        def root(c):
            return jnp.sqrt(c)[:, None] * (B - coupling * _dot(c, B))

        F = jax.vmap(root, 1)(curvature)
        step = -solve_ridge_each(F, lambda_h, gradient)
        size = lambda_h + jnp.sum(F**2, (1, 2))
        return jnp.where(jnp.all(jnp.isfinite(step), 0), step, -gradient / size)


_dot = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


def decrement(step, gradient):
    """ν = √−⟨gradient, step⟩."""
    return jnp.sqrt(jnp.maximum(-jnp.sum(gradient * step, 0), 0.0))


def enough(beta):
    """The share of its force that a Newton system may leave, β the range of a first approximation of the step:
    min(0.1, β), so that convergence is quadratic, but no less than rounding leaves."""
    return jnp.minimum(0.1, jnp.maximum(beta, jnp.finfo(beta.dtype).eps / beta))


def reduce_classifier(W: np.ndarray, dtype) -> tuple[Reduced, np.ndarray]:
    """Coordinates of an explicit W and the orthonormal V (d x r) with h = V q, r = min(K, d)."""
    U, S, Vt = np.linalg.svd(W, full_matrices=False)
    return Reduced(jnp.asarray(U * S, dtype)), Vt.T.astype(dtype)


class _Last:
    """The classifier that was decomposed last, for the next call: as dear as hundreds of features are."""

    pair: tuple = (None, None)


def condition_classifier(W: np.ndarray, dtype) -> tuple[Conditioned, np.ndarray] | None:
    """The same with r = K − 1 where the singular values of Π W lie within a factor CONDITION, else None."""
    given, found = _Last.pair
    if given is None or given[1] != np.dtype(dtype) or not np.array_equal(given[0], W):
        found = _condition(W, dtype)
        _Last.pair = (W.copy(), np.dtype(dtype)), found
    return found


def _condition(W: np.ndarray, dtype) -> tuple[Conditioned, np.ndarray] | None:
    U, S, Vt = np.linalg.svd(W - W.mean(0), full_matrices=False)
    r = len(W) - 1
    if len(S) < r or not S[r - 1] * CONDITION > S[0]:
        return None
    U, S, V = U[:, :r], S[:r], Vt[:r].T
    parts = W @ V, (U / S).T, U / S @ (U / S).T
    return Conditioned(*(jnp.asarray(part, dtype) for part in parts)), V.astype(dtype)
