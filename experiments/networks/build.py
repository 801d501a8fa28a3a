"""From settings to a network."""

import math

import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments.networks.mlp import mlp_stages
from experiments.networks.network import FixedETF, Network
from experiments.settings import TrainSettings


def build_network(settings: TrainSettings, classes: int, train_x: np.ndarray, rngs: nnx.Rngs) -> Network:
    """A network for images like train_x (N, h, w, c), standardised by its mean and deviation per channel.

    Raises ValueError for a fixed ETF that does not fit into the features (d < K − 1).
    """
    shape, dtype = train_x.shape[1:], jnp.dtype(settings.dtype)
    stages, features = _stages(settings, shape, dtype, rngs)
    mean, spread = train_x.mean((0, 1, 2)), train_x.std((0, 1, 2))
    head = _head(settings, features, classes, dtype, rngs)
    return Network(stages, head, mean, np.where(spread > 0, spread, 1))


def _stages(settings: TrainSettings, shape: tuple[int, ...], dtype, rngs: nnx.Rngs):
    linear = settings.linear_features
    return mlp_stages(math.prod(shape), settings.width, settings.depth, linear, dtype, rngs)


def _head(settings: TrainSettings, features: int, classes: int, dtype, rngs: nnx.Rngs):
    if settings.classifier == "etf":
        return FixedETF(features, classes, settings.multiplier)
    # from zero: a random start of W would leave only as fast as weight decay takes it
    zero = nnx.initializers.zeros_init()
    return nnx.Linear(features, classes, kernel_init=zero, dtype=dtype, rngs=rngs)
