"""Which unmixed training images every network is measured on."""

import numpy as np
from jaxtyping import Int


def first_of_classes(y: Int[np.ndarray, " N"], most: int) -> Int[np.ndarray, " n"]:
    """Indices of at most `most` samples, classes as balanced as they come: each class's first ones."""
    K = int(y.max()) + 1
    each = [np.flatnonzero(y == k)[: max(1, most // K)] for k in range(K)]
    return np.sort(np.concatenate(each))
