"""Labels of made-up activations."""

import numpy as np


def mixup(N, K, seed=0):
    """Random i, j, lam and the soft labels they stand for."""
    rng = np.random.default_rng([seed, N, K])
    i, j, lam = rng.integers(0, K, N), rng.integers(0, K, N), rng.beta(1, 1, N)
    lam[:2] = 0, 1
    Y = np.zeros((N, K))
    Y[np.arange(N), j] = 1 - lam
    Y[np.arange(N), i] = np.where(i == j, 1, lam)
    return i, j, lam, Y
