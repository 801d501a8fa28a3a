"""The space of a problem's candidates (`ufm.agree.kernel`) with what the host reads off them."""

import jax
import numpy as np
from jax.sharding import Mesh

import ufm.agree.kernel as kernel
from ufm.agree.kernel import Candidates, RowsSpace
from ufm.model.etf import contrasts
from ufm.model.problem import Problem
from ufm.model.rows import EPS, row_space
from ufm.optimize.features import etf_coordinates, frame, static_options
from ufm.runtime.devices import exact_mesh, spread


class _Stream:
    """Labels in, `Candidates` out, every device of the mesh its share of the batch."""

    space: kernel.Space

    def __init__(self, problem: Problem, mesh: Mesh):
        self.problem, self.mesh = problem, mesh

    def run(self, Y, x, method: str, max_steps: int, first=None, *, closed: bool) -> tuple[Candidates, int]:
        """Both routes on labels Y (K, B) with closed-form logits x (K, B), and the steps of the slowest."""
        problem, exact = self.problem, exact_mesh(self.mesh)
        shared = self.space, np.asarray(problem.lambda_h, Y.dtype), max_steps
        static = static_options(self.space.coordinates, Y, problem, method, max_steps, first, self.mesh)
        if exact is self.mesh:
            found, steps = spread(kernel.kernel, exact, closed=closed, **static)(shared, Y, x)
        else:  # in float64 whatever solves, and as IEEE has it
            numeric, steps = spread(kernel.solve, self.mesh, **static)(shared, Y)
            given = jax.tree.map(np.asarray, (self.space, numeric, Y, x))
            judged = spread(kernel.judge, exact, loss_name=problem.loss, closed=closed)
            found = judged(*given)
        return jax.tree.map(np.asarray, found), int(np.max(steps))


class EtfStream(_Stream):
    """The exact simplex ETF: a candidate is q (K, B)."""

    def __init__(self, problem: Problem, dtype, mesh: Mesh):
        super().__init__(problem, mesh)
        root, lambda_h = np.asarray(np.sqrt(problem.gain)), np.asarray(problem.lambda_h, np.float64)
        self.space = kernel.EtfSpace(etf_coordinates(problem, dtype), root, lambda_h)

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
