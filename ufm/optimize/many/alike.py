"""Features against a simplex ETF of many classes, whose labels have at most two entries that are not zero.

f is strictly convex, and against an ETF no permutation of the classes changes it. One that leaves the label alone
leaves the optimum alone, so classes with equal entries have equal logits; Newton's steps from zero do too. With the
K − 2 others as one class, z the logit of each,

    f = log Σ_k ω_k e^{z_k} − Σ_k y_k z_k + (λ_H/2) Σ_k Q_k²,    z_k = (s/√ω_k) Q_k,    ω = (1, 1, K − 2),

which is cross-entropy with three classes and the bias log ω: a step costs three exponentials instead of K. (Other
entries that are alike but not zero would do, were it not for the rounding of (K − 2) y.)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ufm.optimize.coordinates import Centred


class Shared(Centred):
    """Isometric coordinates Q of three such classes, scale = s/√ω (3, 1), s > 0."""

    @property
    def sizes(self):
        """ω (3)."""
        return (self.scale[0, 0] / self.scale[:, 0]) ** 2

    @property
    def gain(self):
        """The eigenvalue of W Wᵀ on 1⊥."""
        return self.scale[0, 0] ** 2

    def settle(self, q):
        """q without what moves all logits alike."""
        return q - jnp.sum(q / self.scale, 0) / jnp.sum(self.scale**-2) / self.scale

    def range(self, q):
        """max z − min z."""
        return jnp.ptp(self.scale * q, 0)

    def newton_step(self, gradient, curvature, coupling, lambda_h):
        """As that of `Isometric`: v = scale ∘ c in the place of c, and Σ gradient/scale = 0."""
        inverse = 1.0 / (self.scale**2 * curvature + lambda_h)
        shift = jnp.sum(gradient / self.scale * inverse, 0) / jnp.sum(curvature * inverse, 0)
        return (self.scale * curvature * shift - gradient) * inverse

    def fit(self, z, lambda_h):
        """argmin ‖z(q) − z‖² + λ_H‖q‖² over all classes, for logits that sum to zero."""
        return self.gain / (self.gain + lambda_h) * z / self.scale


def shared(scale, classes: int) -> Shared:
    """Coordinates of the three classes, s given."""
    sizes = jnp.asarray([1.0, 1.0, classes - 2.0], jnp.result_type(scale))
    return Shared(scale / jnp.sqrt(sizes[:, None]))


def each(coordinates: Shared, q: Float[Array, "3 B"], places: Int[Array, "2 B"], classes: int) -> Array:
    """The coordinates (K, B) of every class."""
    k = jax.lax.broadcasted_iota(jnp.int32, (classes, q.shape[1]), 0)
    rest = q[2] / jnp.sqrt(coordinates.sizes[2])
    return jnp.where(k == places[0], q[0], jnp.where(k == places[1], q[1], rest))
