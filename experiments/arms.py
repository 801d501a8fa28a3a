"""The arms: what is mixed, where, and by which loss. All randomness of an epoch is drawn here."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

MIXED_LAYERS = 3  # manifold mixup mixes the input of stage 0, 1 or 2, as published


class Draws(NamedTuple):
    """The randomness of one epoch: for each step the examples, their λ and the stage that mixes."""

    order: jax.Array  # (steps, batch)
    lam: jax.Array  # (steps, 1) or (steps, batch)
    layer: jax.Array  # (steps,)


@partial(jax.jit, static_argnames=("count", "batch", "arm", "lam_per"))
def draw_epoch(key: jax.Array, count: int, batch: int, alpha: jax.Array, arm: str, lam_per: str) -> Draws:
    """Shuffled examples in whole batches (a remainder is left out of this epoch), λ ~ Beta(α, α)."""
    steps = count // batch
    shuffle, mixing, where = jax.random.split(key, 3)
    order = jax.random.permutation(shuffle, jnp.arange(count, dtype=jnp.int32))
    order = order[: steps * batch].reshape(steps, batch)
    lam = jax.random.beta(mixing, alpha, alpha, (steps, batch if lam_per == "sample" else 1), jnp.float32)
    stages = MIXED_LAYERS if arm == "manifold" else 1
    return Draws(order, lam, jax.random.randint(where, (steps,), 0, stages, jnp.int32))


def mix(h: jax.Array, lam: jax.Array) -> jax.Array:
    """λ h_n + (1−λ) h_{n−1} along the batch: its order is random, so neighbours are a random pairing."""
    lam = lam.reshape(-1, *(1,) * (h.ndim - 1)).astype(h.dtype)
    return lam * h + (1 - lam) * jnp.roll(h, 1, axis=0)


def stage_mixer(arm: str, lam: jax.Array, layer: jax.Array):
    """(stage, its input) -> its input, mixed where the arm says so."""
    if arm == "erm":
        return lambda stage, h: h
    if arm == "manifold":
        return lambda stage, h: mix(h, jnp.where(layer == stage, lam, 1)) if stage < MIXED_LAYERS else h
    return lambda stage, h: mix(h, lam) if stage == 0 else h


def soft_labels(arm: str, y: jax.Array, lam: jax.Array, classes: int) -> jax.Array:
    """One-hot labels (batch, K), mixed as the examples are."""
    labels = jax.nn.one_hot(y, classes, dtype=jnp.float32)
    return labels if arm == "erm" else mix(labels, lam)


def arm_loss(arm: str, logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Mean over the batch of −Σ y log softmax(z), or of ½‖z − y‖² for mixup-squared; float32."""
    logits = logits.astype(jnp.float32)
    if arm == "mixup-squared":
        return 0.5 * jnp.mean(jnp.sum((logits - labels) ** 2, axis=-1))
    return -jnp.mean(jnp.sum(labels * jax.nn.log_softmax(logits), axis=-1))
