"""What a trained network shows: activations of every layer, its classifier, logits as a function of the input."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments.networks import Activation, FixedETF, Network

BLOCK = 500  # images at a time: inner layers of a wide network are large
Parts = tuple[nnx.GraphDef, nnx.State, nnx.State]


def evaluation_parts(model: Network) -> Parts:
    """(structure, trained parameters, the rest) in evaluation mode: what jitted functions take."""
    model.eval()
    return nnx.split(model, nnx.Param, ...)


@partial(jax.jit, static_argnums=0)
def _all(graph: nnx.GraphDef, params, rest, x) -> Activation:
    return nnx.merge(graph, params, rest)(x)


@partial(jax.jit, static_argnums=0)
def _last(graph: nnx.GraphDef, params, rest, x) -> tuple[jax.Array, jax.Array]:
    found = nnx.merge(graph, params, rest)(x)
    return found.features, found.logits


def _in_blocks(forward, parts: Parts, x: np.ndarray):
    """forward over blocks of images, joined, in float32."""
    blocks = (forward(*parts, jnp.asarray(x[n : n + BLOCK], jnp.float32)) for n in range(0, len(x), BLOCK))
    found = [jax.tree.map(lambda a: np.asarray(a, np.float32), block) for block in blocks]
    return jax.tree.map(lambda *block: np.concatenate(block), *found)


def activations(model: Network, x: np.ndarray) -> Activation:
    """Every layer's activation of images x (n, h, w, c) as float32 arrays, in evaluation mode."""
    return _in_blocks(_all, evaluation_parts(model), x)


def outputs(model: Network, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(features (n, d), logits (n, K)) alone: inner layers are never kept."""
    return _in_blocks(_last, evaluation_parts(model), x)


def logits_of(parts: Parts, x: np.ndarray) -> np.ndarray:
    """Logits (n, K) of a network given in parts."""
    return _in_blocks(_last, parts, x)[1]


def classifier(model: Network) -> tuple[np.ndarray, np.ndarray]:
    """(W (K, d), b (K)) in float64; b = 0 for a fixed ETF and without a bias."""
    if isinstance(model.head, FixedETF):
        W = np.asarray(model.head.rows[...], np.float64)
        return W, np.zeros(len(W))
    W = np.asarray(model.head.kernel[...], np.float64).T
    return W, np.zeros(len(W)) if model.head.bias is None else np.asarray(model.head.bias[...], np.float64)


def logits_fn(model: Network) -> Callable[[jax.Array], jax.Array]:
    """x (n, h, w, c) -> logits (n, K), in evaluation mode, differentiable in x and fit for jit."""
    parts = evaluation_parts(model)
    return lambda x: _last(*parts, x)[1]
