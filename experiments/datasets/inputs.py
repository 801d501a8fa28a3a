"""Inputs other than channels standardised: the mean image removed and one global scale, and what is made of that.

All of them are fixed by the training images (and for random features the seed) before training begins.
"""

from dataclasses import replace

import numpy as np

from experiments.datasets.dataset import Dataset
from experiments.training.settings import TrainSettings
from ufm.rules.errors import InputError

RANK = 1e-6  # of the largest singular value: axes below it hold rounding only


def prepare(data: Dataset, settings: TrainSettings) -> Dataset:
    """The data as `settings.inputs` asks for; data so prepared before are returned as they are.

    InputError for data prepared in another way.
    """
    wanted = _name(settings)
    if data.inputs == wanted:
        return data
    if data.inputs != "channel":
        raise InputError(f"these data are prepared as {data.inputs}, asked for {wanted}")
    train, test = _centred(data.train_x, data.test_x)
    if settings.inputs == "axes":
        train, test = _rotated(train, test)
    elif settings.inputs == "relu":
        train, test = _random_features(train, test, settings.random_features, settings.seed)
    return replace(data, train_x=train, test_x=test, inputs=wanted, source=f"{data.source}; inputs: {wanted}")


def _name(settings: TrainSettings) -> str:
    if settings.inputs != "relu":
        return settings.inputs
    return f"relu {settings.random_features}, seed {settings.seed}"


def _centred(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(x − mean training image)/scale, scale² the mean square over all training pixels."""
    mean = train.mean(0, dtype=np.float64)
    scale = np.sqrt(np.mean((train - mean) ** 2)) or 1.0
    return tuple(((x - mean) / scale).astype(np.float32) for x in (train, test))


def _rotated(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along the principal axes of the training inputs, as images of one row.

    Training inputs lose nothing: they lie in the span. Others lose what lies outside it (for n ≤ D).
    """
    flat = [x.reshape(len(x), -1).astype(np.float64) for x in (train, test)]
    _, size, axes = np.linalg.svd(flat[0], full_matrices=False)
    axes = axes[size > RANK * size[0]]
    return tuple((x @ axes.T).astype(np.float32)[:, None, None, :] for x in flat)


def _random_features(train, test, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """relu(R x), R (count, D) with entries N(0, 1/D), then centred and scaled again."""
    D = train[0].size
    R = np.random.default_rng([seed, 7]).standard_normal((D, count), np.float32) / np.sqrt(np.float32(D))
    made = (np.maximum(x.reshape(len(x), -1) @ R, 0)[:, None, None, :] for x in (train, test))
    return _centred(*made)
