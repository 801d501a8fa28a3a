"""What a trained network shows: activations of every layer, its classifier, logits as a function, files for compare."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments.networks import Activation, Network
from experiments.networks.network import FixedETF
from experiments.steps import evaluate


def split(model: Network) -> tuple[nnx.GraphDef, nnx.State, nnx.State]:
    """(structure, trained parameters, the rest): arrays that jitted functions take."""
    return nnx.split(model, nnx.Param, ...)


def _blocks(model: Network, x: np.ndarray, batch: int):
    model.eval()
    parts = split(model)
    for start in range(0, len(x), batch):
        found = evaluate(*parts, jnp.asarray(x[start : start + batch], jnp.float32))
        yield jax.tree.map(lambda a: np.asarray(a, np.float32), found)


def activations(model: Network, x: np.ndarray, batch: int = 1000) -> Activation:
    """Every layer's activation of images x (n, h, w, c) as float32 arrays, in evaluation mode."""
    return jax.tree.map(lambda *parts: np.concatenate(parts), *_blocks(model, x, batch))


def outputs(model: Network, x: np.ndarray, batch: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """(features (n, d), logits (n, K)) alone: inner layers are dropped block by block."""
    found = [(block.features, block.logits) for block in _blocks(model, x, batch)]
    return tuple(np.concatenate(parts) for parts in zip(*found))


def classifier(model: Network) -> tuple[np.ndarray, np.ndarray]:
    """(W (K, d), b (K)) in float64; b = 0 for a fixed ETF."""
    if isinstance(model.head, FixedETF):
        W = np.asarray(model.head.rows[...], np.float64)
        return W, np.zeros(len(W))
    return np.asarray(model.head.kernel[...], np.float64).T, np.asarray(model.head.bias[...], np.float64)


def logits_fn(model: Network) -> Callable[[jax.Array], jax.Array]:
    """x (n, h, w, c) -> logits (n, K), in evaluation mode, differentiable in x and fit for jit."""
    model.eval()
    parts = split(model)
    return lambda x: evaluate(*parts, x).logits.astype(jnp.float32)
