"""The inputs that every network is measured on: training images as they are, and mixed in pairs.

λ is uniform on [0, 1] and (i, j) are the classes of two images drawn at random, whatever α the network was
trained with, so that all networks are compared at the same points. They depend on the data and a seed only.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Mixed(NamedTuple):
    """Mixed inputs x = λ x_a + (1−λ) x_b (n, h, w, c) with the classes i, j (n) of a and b, and λ (n)."""

    x: Float[np.ndarray, "n h w c"]
    i: Int[np.ndarray, " n"]
    j: Int[np.ndarray, " n"]
    lam: Float[np.ndarray, " n"]


def mix_pairs(x: Float[np.ndarray, "N h w c"], y: Int[np.ndarray, " N"], count: int, seed: int) -> Mixed:
    """`count` mixed inputs; a tenth or so has i = j where there are ten balanced classes."""
    rng = np.random.default_rng([seed, len(y), count])
    first, second = rng.integers(0, len(y), (2, count))
    lam = rng.random(count)
    weight = lam.astype(np.float32)[:, None, None, None]
    return Mixed(
        weight * x[first] + (1 - weight) * x[second], y[first].astype(int), y[second].astype(int), lam
    )


def first_of_classes(y: Int[np.ndarray, " N"], most: int) -> Int[np.ndarray, " n"]:
    """Indices of at most `most` samples, classes as balanced as they come: each class's first ones."""
    K = int(y.max()) + 1
    each = [np.flatnonzero(y == k)[: max(1, most // K)] for k in range(K)]
    return np.sort(np.concatenate(each))
