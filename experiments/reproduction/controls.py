"""Negative controls: the features of a trained network, spoilt so that a claim must come out as not reproduced."""

import numpy as np

from experiments.reproduction.measures.geometry import Features


def permuted_rows(found: Features, seed: int) -> Features:
    """The rows of W (and b) in an order that moves every class (a random cycle)."""
    cycle = np.random.default_rng([seed, 1]).permutation(len(found.W))
    moved = np.empty_like(cycle)
    moved[cycle] = np.roll(cycle, 1)
    return found._replace(W=found.W[moved], b=found.b[moved])


def shuffled_labels(found: Features, seed: int) -> Features:
    """The labels (i, j, λ) of the mixed inputs dealt out at random, and those of the unmixed ones."""
    rng = np.random.default_rng([seed, 2])
    turn, other = rng.permutation(len(found.i)), rng.permutation(len(found.y))
    labels = {name: getattr(found, name)[turn] for name in ("i", "j", "lam")}
    return found._replace(**labels, y=found.y[other])


def straight_features(found: Features, seed: int) -> Features:
    """Mixed features replaced by convex combinations λ h_a + (1−λ) h_b of unmixed features of the two classes."""
    rng = np.random.default_rng([seed, 3])
    first, second = _draw(rng, found, found.i), _draw(rng, found, found.j)
    lam = found.lam[:, None]
    return found._replace(H=lam * found.pure[first] + (1 - lam) * found.pure[second])


CONTROLS = {
    "rows of W permuted": permuted_rows,
    "labels shuffled": shuffled_labels,
    "straight interpolation": straight_features,
}


def _draw(rng, found: Features, classes: np.ndarray) -> np.ndarray:
    """For each entry a random unmixed sample of that class."""
    order = np.argsort(found.y, kind="stable")
    counts = np.bincount(found.y, minlength=len(found.W))
    starts = np.cumsum(counts) - counts
    return order[starts[classes] + (rng.random(len(classes)) * counts[classes]).astype(int)]
