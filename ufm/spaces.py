"""Where candidate features live while they are compared: two spaces behind one interface.

solve(Y) -> candidates; certify(candidates, Y) -> distances to the truth; from_logits(x) -> the
closed form as candidates; distance, norm; coefficients on the classifier's rows; features(candidates) -> H.
Labels and logits come as (K, B), batch last.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ufm.certificate import certify_etf, certify_features
from ufm.etf import contrasts
from ufm.optimize.features import etf_coordinates, frame, minimise
from ufm.problem import Problem


class EtfSpace:
    """The exact simplex ETF: a candidate is q (K, B), an isometric image of the feature in O(K)."""

    def __init__(self, problem: Problem, dtype):
        self.problem, self.dtype = problem, dtype
        self.scale = jnp.asarray(np.sqrt(problem.gain), dtype)
        self.coordinates = etf_coordinates(problem, dtype)

    def solve(self, Y, method: str, max_steps: int):
        """Numerical optima and the number of steps."""
        last = minimise(self.coordinates, Y, self.problem, method, max_steps)
        return last.q, last.steps

    def certify(self, q, Y):
        """Certified distances to the true optima."""
        lambda_h = jnp.asarray(self.problem.lambda_h, self.dtype)
        return certify_etf(q, Y, self.scale, lambda_h, loss_name=self.problem.loss).distance

    def from_logits(self, x):
        """Candidates with logits x up to a constant."""
        root = np.sqrt(self.problem.gain)
        return _centre(x, root) if root > 0 else jnp.zeros_like(x)

    def compare(self, q, other):
        """Distances ‖h − h'‖, in float64, and norms ‖h‖ of the second argument."""
        return _distance(q, other)

    def norms(self, q):
        """Norms ‖h‖."""
        return np.linalg.norm(q - np.mean(q, 0), axis=0)

    def coefficients(self, q):
        """(B, K) coefficients on the rows of W, each row summing to zero; NaN when W = 0."""
        q = np.asarray(q, np.float64)
        return (q - q.mean(0)).T / (np.sqrt(self.problem.gain) or np.nan)

    def logits(self, q):
        """(B, K) logits."""
        q = np.asarray(q, np.float64)
        return np.sqrt(self.problem.gain) * (q - q.mean(0)).T

    def features(self, q):
        """(B, d) features."""
        return contrasts(np.asarray(q, np.float64), self.problem.dim).T


class ExplicitSpace:
    """Any classifier given as an array: a candidate is H (d, B), the feature itself."""

    def __init__(self, problem: Problem, dtype):
        self.problem, self.dtype = problem, dtype
        self.coordinates, self.lift = frame(problem, dtype)
        self.W = jnp.asarray(problem.classifier, dtype)

    def solve(self, Y, method: str, max_steps: int):
        """Numerical optima and the number of steps."""
        last = minimise(self.coordinates, Y, self.problem, method, max_steps)
        return jnp.matmul(self.lift, last.q, precision=jax.lax.Precision.HIGHEST), last.steps

    def certify(self, H, Y):
        """Certified distances to the true optima."""
        lambda_h = jnp.asarray(self.problem.lambda_h, self.dtype)
        return certify_features(H.T, Y.T, self.W, lambda_h, loss_name=self.problem.loss).distance

    def from_logits(self, x):
        """Candidates Wᵀ x/g: the feature with logits x when W is a simplex ETF."""
        gain = self.problem.gain
        return self.problem.W.T @ (x / gain) if gain > 0 else jnp.zeros((self.problem.dim, x.shape[1]))

    def compare(self, H, other):
        """Distances ‖h − h'‖, in float64, and norms ‖h‖ of the second argument."""
        error = jnp.linalg.norm(H.astype(jnp.float64) - other, axis=0)
        return error, jnp.linalg.norm(other.astype(jnp.float64), axis=0)

    def norms(self, H):
        """Norms ‖h‖."""
        return np.linalg.norm(H, axis=0)

    def coefficients(self, H):
        """(B, K) least-norm coefficients on the rows of W."""
        return np.linalg.lstsq(self.problem.W.T, np.asarray(H, np.float64), rcond=None)[0].T

    def logits(self, H):
        """(B, K) logits."""
        return np.asarray(H, np.float64).T @ self.problem.W.T

    def features(self, H):
        """(B, d) features."""
        return np.asarray(H, np.float64).T


def choose_space(problem: Problem, dtype) -> EtfSpace | ExplicitSpace:
    """The O(K) space for the built-in ETF, the general one for an explicit classifier."""
    return (EtfSpace if problem.classifier is None else ExplicitSpace)(problem, dtype)


@jax.jit
def _centre(x, root):
    return (x - jnp.mean(x, 0)) / root


@jax.jit
def _distance(q, other):
    q = q.astype(other.dtype)
    gap = q - jnp.mean(q, 0) - other
    return jnp.sqrt(jnp.sum(gap**2, 0)), jnp.sqrt(jnp.sum(other**2, 0))
