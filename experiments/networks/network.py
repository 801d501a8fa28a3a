"""A network as the theory sees it: stages that end in the features h, then a classifier W h + b."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ufm.model.etf import simplex_etf


class Activation(NamedTuple):
    """Output of every stage, the last one again as features (n, d), and the logits (n, K)."""

    layers: tuple[jax.Array, ...]
    features: jax.Array
    logits: jax.Array


class Fixed(nnx.Variable):
    """Numbers of a network that are not trained."""


class FixedETF(nnx.Module):
    """z = W h with the rows of W a simplex ETF of norm `multiplier`; W is never trained."""

    def __init__(self, features: int, classes: int, multiplier: float):
        self.rows = Fixed(jnp.asarray(simplex_etf(classes, features, multiplier), jnp.float32))

    def __call__(self, h):
        return h.astype(jnp.float32) @ self.rows[...].T


class Network(nnx.Module):
    """Standardised input, stages, classifier. Images (n, h, w, c) in [0, 1] go in as they are."""

    def __init__(self, stages: list[Callable], head: Callable, mean: np.ndarray, spread: np.ndarray):
        self.mean = Fixed(jnp.asarray(mean, jnp.float32))
        self.spread = Fixed(jnp.asarray(spread, jnp.float32))
        self.stages = nnx.List(stages)
        self.head = head

    def __call__(self, x: jax.Array, mixer: Callable = lambda stage, h: h) -> Activation:
        """`mixer(stage, h)` may change the input of any stage."""
        h, layers = (x - self.mean[...]) / self.spread[...], []
        for number, stage in enumerate(self.stages):
            h = stage(mixer(number, h))
            layers.append(h)
        return Activation(tuple(layers), h, self.head(h))
