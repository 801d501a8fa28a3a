"""Where candidate features live while they are compared: two spaces behind one interface.

solve(Y) -> candidates; certify(candidates, Y) -> distances to the truth, and gradients; from_logits(x) -> the
closed form as candidates; distance, norm; coefficients on the classifier's rows; features(candidates) -> H.
Labels and logits come as (K, B), batch last; every device of the mesh does its share of the batch.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ufm.certify.explicit import certify_rows
from ufm.certify.features import certify_etf
from ufm.model.etf import contrasts
from ufm.model.problem import Problem
from ufm.model.rows import EPS, row_space
from ufm.optimize.features import etf_coordinates, frame, minimise
from ufm.runtime.devices import exact_mesh, spread


class EtfSpace:
    """The exact simplex ETF: a candidate is q (K, B), an isometric image of the feature in O(K)."""

    def __init__(self, problem: Problem, dtype, mesh: Mesh):
        self.problem, self.dtype, self.mesh = problem, dtype, mesh
        self.judged = np.asarray(np.sqrt(problem.gain)), np.asarray(problem.lambda_h, np.float64)
        self.coordinates = etf_coordinates(problem, dtype)

    def solve(self, Y, method: str, max_steps: int, first=None):
        """Numerical optima and the number of steps, one a device."""
        last = minimise(self.coordinates, Y, self.problem, method, max_steps, first=first, mesh=self.mesh)
        return last.q, last.steps

    def certify(self, q, Y):
        """The `Certificate` of each candidate."""
        return _certify(_certify_etf, self.mesh, self.problem, self.judged, q, Y)

    def from_logits(self, x):
        """Candidates with logits x up to a constant."""
        root = np.sqrt(self.problem.gain)
        return spread(_centre, self.mesh)(root, x) if root > 0 else jnp.zeros_like(x)

    def compare(self, q, other):
        """Distances ‖h − h'‖, in float64, and norms ‖h‖ of the second argument."""
        return spread(_distance_etf, self.mesh)((), q, other)

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


class ExplicitSpace:
    """Any classifier given as an array: a candidate is H (d, B), the feature itself."""

    def __init__(self, problem: Problem, dtype, mesh: Mesh):
        self.problem, self.dtype, self.mesh = problem, dtype, mesh
        self.coordinates, self.lift = frame(problem, dtype)
        self.judged = row_space(problem.W, problem.lambda_h)

    def solve(self, Y, method: str, max_steps: int, first=None):
        """Numerical optima and the number of steps, one a device."""
        last = minimise(self.coordinates, Y, self.problem, method, max_steps, first=first, mesh=self.mesh)
        return spread(_multiply, self.mesh)(self.lift, last.q), last.steps

    def certify(self, H, Y):
        """The `Certificate` of each candidate."""
        return _certify(_certify_any, self.mesh, self.problem, self.judged, H, Y)

    def from_logits(self, x):
        """Candidates Wᵀ x/g: the feature with logits x when W is a simplex ETF."""
        gain = self.problem.gain
        return spread(_multiply, self.mesh)(self.problem.W.T / gain if gain > 0 else 0 * self.problem.W.T, x)

    def compare(self, H, other):
        """Distances ‖h − h'‖, in float64, and norms ‖h‖ of the second argument."""
        return spread(_distance, self.mesh)((), H, other)

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
        """The same; the certificate's coordinates are rounded too (`ufm.certify.explicit`)."""
        d, r = self.judged.basis.shape
        coordinates = float(self.judged.turn) + 2.0 * (r + 8.0) * (1.0 + np.sqrt(r)) * EPS
        size = float(np.linalg.norm(self.problem.W, 2)) * (1.0 + 1e-9)
        return size, np.sqrt(r) * (d + 8.0) * EPS + coordinates

    def features(self, H):
        """(B, d) features."""
        return np.asarray(H, np.float64).T


def choose_space(problem: Problem, dtype, mesh: Mesh) -> EtfSpace | ExplicitSpace:
    """The O(K) space for the built-in ETF, the general one for an explicit classifier."""
    return (EtfSpace if problem.classifier is None else ExplicitSpace)(problem, dtype, mesh)


def _certify(function, mesh: Mesh, problem: Problem, shared, candidates, Y):
    """In float64 whatever the candidates are in: a scale that float32 flushes to zero is judged as it is."""
    exact = exact_mesh(mesh)
    if exact is not mesh:
        shared, candidates, Y = jax.tree.map(np.asarray, (shared, candidates, Y))
    return spread(function, exact, loss_name=problem.loss)(shared, candidates, Y)


def _certify_etf(shared, q, Y, *, loss_name: str):
    return certify_etf(q, Y, *shared, loss_name=loss_name)


def _certify_any(shared, H, Y, *, loss_name: str):
    return certify_rows(shared, H, Y, loss_name=loss_name)


def _centre(root, x):
    return (x - jnp.mean(x, 0)) / root


def _multiply(matrix, x):
    return jnp.matmul(matrix, x, precision=jax.lax.Precision.HIGHEST)


def _distance_etf(_, q, other):
    return _distance(_, q.astype(other.dtype) - jnp.mean(q.astype(other.dtype), 0), other)


def _distance(_, H, other):
    gap = H.astype(jnp.float64) - other
    return jnp.linalg.norm(gap, axis=0), jnp.linalg.norm(other.astype(jnp.float64), axis=0)
