"""One kernel for every command: labels solved, certified and held against the closed form in one traced program.

`solve` streams it over pairs and labels, `--symmetry` over one label of each orbit, `sweep` maps it over problems.
A candidate is, against the exact simplex ETF, q (K, B), an isometric image of the feature in O(K); against any
other W it is the feature H (d, B) itself. Labels and logits come as (K, B), batch last.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from ufm.certify.explicit import certify_rows
from ufm.certify.features import certify_etf
from ufm.certify.local_bound import Certificate
from ufm.model.etf import contrasts
from ufm.model.problem import Problem
from ufm.model.rows import EPS, RowSpace, row_space
from ufm.optimize.coordinates import Conditioned, Isometric, Reduced
from ufm.optimize.features import etf_coordinates, frame, minimise_share, static_options
from ufm.runtime.devices import exact_mesh, spread


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


# --- a problem and its space, with what the host reads off candidates -----------------------------------------


class _Stream:
    """Labels in, `Candidates` out, every device of the mesh its share of the batch."""

    space: Space

    def __init__(self, problem: Problem, mesh: Mesh):
        self.problem, self.mesh = problem, mesh

    def run(self, Y, x, method: str, max_steps: int, first=None, *, closed: bool) -> tuple[Candidates, int]:
        """Both routes on labels Y (K, B) with closed-form logits x (K, B), and the steps of the slowest."""
        problem, exact = self.problem, exact_mesh(self.mesh)
        shared = self.space, np.asarray(problem.lambda_h, Y.dtype), max_steps
        static = static_options(self.space.coordinates, Y, problem, method, max_steps, first, self.mesh)
        if exact is self.mesh:
            found, steps = spread(kernel, exact, closed=closed, **static)(shared, Y, x)
        else:  # in float64 whatever solves, and as IEEE has it
            numeric, steps = spread(solve, self.mesh, **static)(shared, Y)
            given = jax.tree.map(np.asarray, (self.space, numeric, Y, x))
            judged = spread(judge, exact, loss_name=problem.loss, closed=closed)
            found = judged(*given)
        return jax.tree.map(np.asarray, found), int(np.asarray(steps).max())


class EtfStream(_Stream):
    """The exact simplex ETF: a candidate is q (K, B)."""

    def __init__(self, problem: Problem, dtype, mesh: Mesh):
        super().__init__(problem, mesh)
        root, lambda_h = np.asarray(np.sqrt(problem.gain)), np.asarray(problem.lambda_h, np.float64)
        self.space = EtfSpace(etf_coordinates(problem, dtype), root, lambda_h)

    def norms(self, q):
        """Norms ‖h‖."""
        q = np.asarray(q, np.float64)
        return np.linalg.norm(q - np.mean(q, 0), axis=0)

    def coefficients(self, q):
        """(B, K) coefficients on the rows of W, each row summing to zero; NaN when W = 0."""
        q = np.asarray(q, np.float64)
        return (q - q.mean(0)).T / (np.sqrt(self.problem.gain) or np.nan)

    def logits(self, q):
        """(B, K) logits."""
        q = np.asarray(q, np.float64)
        return np.sqrt(self.problem.gain) * (q - q.mean(0)).T

    @property
    def reach(self) -> tuple[float, float]:
        """‖W‖₂, and what rounding moves logits by, as a share of ‖W‖₂ ‖h‖."""
        return float(np.sqrt(self.problem.gain)), 4.0 * (self.problem.classes + 8.0) * EPS

    def features(self, q):
        """(B, d) features."""
        return contrasts(np.asarray(q, np.float64), self.problem.d).T


class RowsStream(_Stream):
    """Any classifier given as an array: a candidate is H (d, B), the feature itself."""

    def __init__(self, problem: Problem, dtype, mesh: Mesh):
        super().__init__(problem, mesh)
        coordinates, isometry = frame(problem, dtype)
        pull = problem.W.T / problem.gain if problem.gain > 0 else 0 * problem.W.T
        self.judged = row_space(problem.W, problem.lambda_h)
        self.space = RowsSpace(coordinates, isometry, pull, self.judged)

    def norms(self, H):
        """Norms ‖h‖."""
        return np.linalg.norm(np.asarray(H, np.float64), axis=0)

    def coefficients(self, H):
        """(B, K) least-norm coefficients on the rows of W."""
        return np.linalg.lstsq(self.problem.W.T, np.asarray(H, np.float64), rcond=None)[0].T

    def logits(self, H):
        """(B, K) logits."""
        return np.asarray(H, np.float64).T @ self.problem.W.T

    @property
    def reach(self) -> tuple[float, float]:
        """The same; the certificate's coordinates are rounded too (`ufm.certify.explicit`).

        What these leave out of h moves logits by ‖W (1 − P)‖₂ ‖h‖ ≤ leak √g ‖h‖, √g = a/L (`ufm.model.rows`).
        """
        judged = self.judged
        (d, r), (a, length) = judged.basis.shape, (judged.sharpness, judged.length)
        coordinates = float(judged.turn) + 2.0 * (r + 8.0) * (1.0 + np.sqrt(r)) * EPS
        size = float(np.linalg.norm(self.problem.W, 2)) * (1.0 + 1e-9)
        left_out = float(judged.leak * a / length) / (size or 1.0)
        return size, np.sqrt(r) * (d + 8.0) * EPS + coordinates + left_out

    def features(self, H):
        """(B, d) features."""
        return np.asarray(H, np.float64).T


def choose_stream(problem: Problem, dtype, mesh: Mesh) -> EtfStream | RowsStream:
    """The O(K) space for the built-in ETF, the general one for an explicit classifier."""
    return (EtfStream if problem.classifier is None else RowsStream)(problem, dtype, mesh)
