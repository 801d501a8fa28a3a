"""The problems of the speed table, and what a peer hands back. numpy only: a worker imports its peer after this."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

MULTIPLIER = 1.67
DIMS = {10: 64, 100: 512, 1000: 1024}
LAMBDAS = (1e-2, 1e-4, 1e-6)
CHECKED = 8  # features held against the oracle: the first of every task
GRID = 2.0**30  # mixing weights are its multiples, so that λ and 1 − λ are both exact


class Solver(NamedTuple):
    """solve(labels) is what is timed; it takes `batch` labels (n, K) at once and returns anything.

    features(found) makes features (n, d) of it, untimed; warm() replaces a whole first call where that is long.
    note(found): what to say of the run. labels: None where the solver makes its own from the task.
    """

    solve: Callable
    batch: int
    features: Callable = np.asarray
    warm: Callable | None = None
    note: Callable = lambda found: ""


@dataclass(frozen=True)
class FeatureTask:
    """Optimal features for K classes at λ_H; classifier: "etf" or "any" (Gaussian rows of the same length)."""

    classes: int
    lambda_h: float
    classifier: str = "etf"

    @property
    def dim(self) -> int:
        """Dimension of the features."""
        return DIMS.get(self.classes, self.classes)

    @property
    def name(self) -> str:
        """One word."""
        return f"{self.classifier} K={self.classes} λ_H={self.lambda_h:g}"

    def W(self) -> np.ndarray:
        """The classifier (K, d), float64, ‖w_k‖ ≈ 1.67."""
        if self.classifier == "etf":
            from ufm.model.etf import simplex_etf

            return simplex_etf(self.classes, self.dim, MULTIPLIER)
        rng = np.random.default_rng(self.classes)
        return rng.normal(size=(self.classes, self.dim)) * MULTIPLIER / np.sqrt(self.dim)

    def reduced(self) -> tuple[np.ndarray, np.ndarray]:
        """W V (K, r) and an orthonormal V (d, r) of the row space of W, r = min(K, d): h = V q, ‖h‖ = ‖q‖."""
        V = np.linalg.svd(self.W(), full_matrices=False)[2].T
        return self.W() @ V, V

    def mixing(self, count: int) -> np.ndarray:
        """λ (count): the checked ones from edge to edge, then uniform."""
        edge = [2.0**-20, 0.05, 0.2, 0.35, 0.5, 0.7, 0.95, 1 - 2.0**-20]
        drawn = np.random.default_rng(1).random(max(0, count - CHECKED))
        return np.round(np.append(edge, drawn)[:count] * GRID) / GRID

    def labels(self, count: int) -> np.ndarray:
        """y = λ e_i + (1−λ) e_j (count, K), uniform pairs i, j; the checked ones mix the classes 0 and 1."""
        rng, rows, lam = np.random.default_rng(2), np.arange(count), self.mixing(count)
        i, j = rng.integers(0, self.classes, (2, count))
        i[:CHECKED], j[:CHECKED] = 0, 1
        Y = np.zeros((count, self.classes))
        Y[rows, i] += lam
        Y[rows, j] += 1 - lam
        return Y


def feature_tasks(quick: bool) -> list[FeatureTask]:
    """K ∈ {10, 100, 1000} on an ETF, {10, 100} on any classifier, at three λ_H; quick: K = 10 at one."""
    if quick:
        return [FeatureTask(10, 1e-4, kind) for kind in ("etf", "any")]
    sizes = {"etf": (10, 100, 1000), "any": (10, 100)}
    return [FeatureTask(K, value, kind) for kind, some in sizes.items() for K in some for value in LAMBDAS]
