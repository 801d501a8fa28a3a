"""From settings to a network."""

import math

import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments.networks.mlp import Linear, mlp_stages
from experiments.networks.network import FixedETF, Network
from experiments.networks.resnet import resnet_stages
from experiments.networks.vit import vit_stages
from experiments.networks.wide_resnet import wide_resnet_stages
from experiments.training.settings import TrainSettings


def build_network(settings: TrainSettings, classes: int, train_x: np.ndarray, rngs: nnx.Rngs) -> Network:
    """A network for images like train_x (N, h, w, c), standardised by its mean and deviation per channel.

    Raises InputError for a fixed ETF that does not fit into the features (d < K − 1), and for images
    that vit4 cannot cut into patches.
    """
    dtype, fixed = jnp.dtype(settings.dtype), settings.classifier == "etf"
    stages, features = body_stages(settings, train_x.shape[1:], dtype, rngs)
    if settings.linear_features:
        width = settings.features or (settings.width if settings.network == "mlp" else features)
        # from zero, as a learned classifier: but not both, or neither would ever leave zero
        stages.append(Linear(features, width, dtype, rngs, zero=fixed))
        features = width
    mean, spread = train_x.mean((0, 1, 2)), train_x.std((0, 1, 2))
    if settings.inputs != "channel":  # prepared with the data
        mean, spread = np.zeros_like(mean), np.ones_like(spread)
    if fixed:
        head = FixedETF(features, classes, settings.multiplier)
    else:
        head = zero_head(features, classes, rngs, settings.bias)
    return Network(stages, head, mean, np.where(spread > 0, spread, 1))


def body_stages(settings: TrainSettings, shape: tuple[int, ...], dtype, rngs: nnx.Rngs) -> tuple[list, int]:
    """Stages up to the features, and d."""
    match settings.network:
        case "mlp":
            depth = settings.depth - settings.linear_features
            return mlp_stages(math.prod(shape), settings.width, depth, dtype, rngs)
        case "resnet8":
            return resnet_stages(shape[-1], (16, 32, 64), 1, dtype, rngs)
        case "resnet18":
            return resnet_stages(shape[-1], (64, 128, 256, 512), 2, dtype, rngs)
        case "wrn40-10":
            return wide_resnet_stages(shape[-1], 40, 10, dtype, rngs)
        case "vit4":
            return vit_stages(shape, 4, 192, 6, 3, dtype, rngs)
        case "vit-small":  # 16 tokens
            return vit_stages(shape, max(1, shape[0] // 4), 64, 2, 4, dtype, rngs)


def zero_head(features: int, classes: int, rngs: nnx.Rngs, bias: bool = True) -> nnx.Linear:
    """W h + b (or W h) from zero: a random start of W would leave only as fast as weight decay takes it."""
    zero = nnx.initializers.zeros_init()
    return nnx.Linear(features, classes, use_bias=bias, kernel_init=zero, dtype=jnp.float32, rngs=rngs)
