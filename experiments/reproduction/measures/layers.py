"""Geometry of every layer, as in the usual picture: class means take the place of a classifier.

For the activations of one layer, with M̊ the centred class means of the unmixed inputs in place of W:
alignment of same-class mixtures with their class mean, middle-to-vertex ratio of different-class ones, and the
share of the latter outside the span of their two class means. Convolutional activations are flattened.
"""

import numpy as np

from experiments.reproduction.measures.geometry import BINS, Features, middle_ratio
from experiments.training.mixing import Mixed
from ufm.network.measures.channels import channel_geometry
from ufm.network.read.activations import from_arrays

Profile = list[list[float]]  # one (alignment, middle ratio, outside) for each layer


def layer_profile(
    mixed_layers: tuple[np.ndarray, ...], pure_layers: tuple[np.ndarray, ...], mixed: Mixed, y: np.ndarray
) -> Profile:
    """The three numbers of every layer, from its activations on mixed and on unmixed inputs (classes y)."""
    return [_measure(H, pure, mixed, y) for H, pure in zip(mixed_layers, pure_layers, strict=True)]


def profile_distance(first: Profile, second: Profile) -> float:
    """Root mean square difference of two profiles over all layers but the last, which holds the features."""
    apart = np.array(first[:-1]) - np.array(second[:-1])
    return float(np.sqrt(np.mean(apart**2)))


def _measure(H: np.ndarray, pure: np.ndarray, mixed: Mixed, y: np.ndarray) -> list[float]:
    H, pure = (part.reshape(len(part), -1).astype(np.float64) for part in (H, pure))
    means = np.stack([pure[y == k].mean(0) for k in range(y.max() + 1)])
    W = means - means.mean(0)
    here = Features(H, mixed.i, mixed.j, mixed.lam, pure, y, W, np.zeros(len(W)))
    stream = from_arrays(H=H, W=W, i=mixed.i, j=mixed.j, lam=mixed.lam)
    channel = channel_geometry(stream.chunks, W, centre="mean", bins=BINS, replicates=0)
    alignment = np.nansum(channel.alignment.value * channel.same) / channel.same.sum()
    outside = np.nansum(channel.outside.value * channel.different) / channel.different.sum()
    return [float(alignment), middle_ratio(here), float(outside)]
