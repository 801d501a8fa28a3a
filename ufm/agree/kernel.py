"""One kernel for every command: labels solved, certified and held against the closed form in one traced program.

`solve` streams it over pairs and labels, `--symmetry` over one label of each orbit, `sweep` maps it over problems.
A candidate is, against the exact simplex ETF, q (K, B), an isometric image of the feature in O(K); against any
other W it is the feature H (d, B) itself. Labels and logits come as (K, B), batch last.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ufm.certify.explicit import certify_rows
from ufm.certify.features import certify_etf
from ufm.certify.local_bound import Certificate
from ufm.model.rows import RowSpace
from ufm.optimize.coordinates import Conditioned, Isometric, Reduced
from ufm.optimize.features import minimise_share


class Candidates(NamedTuple):
    """Of each feature: the numerical candidate and the closed form (the same where there is none), batch last.

    distance: ‖h − h'‖; norm: ‖h'‖ of the closed form; certificate: of the numerical one. All in float64.
    """

    numeric: Array
    theory: Array
    distance: Float[Array, "B"]
    norm: Float[Array, "B"]
    certificate: Certificate


class EtfSpace(NamedTuple):
    """The exact simplex ETF W Wᵀ = root² Π; coordinates in the dtype that solves, root and λ_H in float64."""

    coordinates: Isometric
    root: Array | np.ndarray
    lambda_h: Array | np.ndarray

    def lift(self, q):
        """The candidate of coordinates q."""
        return q

    def from_logits(self, x):
        """The candidate with logits x up to a constant, x = 0 where W = 0."""
        return centre(x) / jnp.where(self.root > 0, self.root, 1.0)

    def feature(self, q):
        """What distances and norms are taken of, in float64."""
        return centre(q.astype(jnp.float64))

    def certify(self, q, Y, loss: str) -> Certificate:
        """How far from the optimum."""
        return certify_etf(q, Y, self.root, self.lambda_h, loss_name=loss)


class RowsSpace(NamedTuple):
    """Any W: coordinates of its row space, the isometry from them to features (d, r), Wᵀ/g, and what certifies."""

    coordinates: Isometric | Conditioned | Reduced
    isometry: Array | np.ndarray
    pull: Array | np.ndarray
    judged: RowSpace

    def lift(self, q):
        """The feature of coordinates q."""
        return _multiply(self.isometry, q)

    def from_logits(self, x):
        """Wᵀx/g: the feature with logits x where W is a simplex ETF."""
        return _multiply(self.pull, x)

    def feature(self, H):
        """What distances and norms are taken of, in float64."""
        return H.astype(jnp.float64)

    def certify(self, H, Y, loss: str) -> Certificate:
        """How far from the optimum."""
        return certify_rows(self.judged, H, Y, loss_name=loss)


Space = EtfSpace | RowsSpace


def kernel(shared, Y, x, *, loss_name: str, closed: bool, **options):
    """`Candidates` of labels Y with closed-form logits x, and the steps taken.

    shared: space, λ_H, step limit; closed: whether a closed form applies; options: of `minimise_share`.
    """
    numeric, steps = solve(shared, Y, loss_name=loss_name, **options)
    return judge(shared[0], numeric, Y, x, loss_name=loss_name, closed=closed), steps


def solve(shared, Y, *, loss_name: str, **options):
    """The blind half: numerical candidates and the steps taken."""
    space, lambda_h, max_steps = shared
    found = minimise_share((space.coordinates, lambda_h, max_steps), Y, loss_name=loss_name, **options)
    return space.lift(found.q), found.steps


def judge(space: Space, numeric, Y, x, *, loss_name: str, closed: bool) -> Candidates:
    """The other half: certify, predict, compare. Whatever the candidates are in, this is float64."""
    theory = space.from_logits(x) if closed else numeric
    one, other = space.feature(numeric), space.feature(theory)
    distance, norm = jnp.linalg.norm(one - other, axis=0), jnp.linalg.norm(other, axis=0)
    return Candidates(numeric, theory, distance, norm, space.certify(numeric, Y, loss_name))


def centre(q):
    """Less the mean over the classes."""
    return q - jnp.mean(q, 0)


def _multiply(matrix, x):
    return jnp.matmul(matrix, x, precision=jax.lax.Precision.HIGHEST)
