"""The joint problem as one vector of variables, with value and gradient in numpy: what the first-order peers move.

Two forms: W and h as they stand, as a network has them; or the features scaled by √π_n, which conditions the
problem far better and needs to be known. Both start from one random W, with random features of size 0.1.
"""

import numpy as np

from experiments.benchmark.joint import CLASSES, DIM, Snapshot


class Variables:
    """The vector (W, s_n h_n) that a peer moves: s = √π_n, or 1 for a plain one."""

    def __init__(self, law, penalty: float, plain: bool):
        self.Y, self.weights, self.penalty = law.labels, law.weights, penalty
        self.scale = np.ones((len(law.weights), 1)) if plain else np.sqrt(law.weights)[:, None]

    def start(self, seed: int = 0) -> np.ndarray:
        """W as `solve_joint` starts it, then small random features."""
        rng = np.random.default_rng(seed)
        W = rng.standard_normal((CLASSES, DIM)) / np.sqrt(CLASSES)
        H = 0.1 * rng.standard_normal((len(self.weights), DIM))
        return np.concatenate([W.ravel(), (H * self.scale).ravel()])

    def unpack(self, x):
        """W and the scaled features G."""
        return x[: CLASSES * DIM].reshape(CLASSES, DIM), x[CLASSES * DIM :].reshape(-1, DIM)

    def value_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """L and its gradient; cross-entropy of soft labels, λ_W = λ_H = penalty."""
        W, G = self.unpack(x)
        H = G / self.scale
        Z = H @ W.T
        top = Z.max(1, keepdims=True)
        P = np.exp(Z - top)
        total = P.sum(1, keepdims=True)
        fit = self.weights @ ((np.log(total) + top)[:, 0] - np.einsum("nk,nk->n", self.Y, Z))
        R = (P / total - self.Y) * self.weights[:, None]
        ridge = self.weights[:, None] * H
        value = fit + 0.5 * self.penalty * (np.sum(W * W) + np.sum(ridge * H))
        slopes = R.T @ H + self.penalty * W, (R @ W + self.penalty * ridge) / self.scale
        return float(value), np.concatenate([slope.ravel() for slope in slopes])

    def snapshots(self, kept) -> list[Snapshot]:
        """Of (seconds, cpu, x): with the features themselves."""
        points = ((seconds, cpu, *self.unpack(x)) for seconds, cpu, x in kept)
        return [Snapshot(seconds, cpu, W, G / self.scale) for seconds, cpu, W, G in points]
