"""The arms: what is mixed, where, and by which loss. All randomness of an epoch is drawn here."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.settings import TrainSettings

MIXED_LAYERS = 3  # manifold mixup mixes the input of stage 0, 1 or 2, as published


class Draws(NamedTuple):
    """The randomness of one epoch: for each step the examples, their λ and the stage that mixes."""

    order: np.ndarray  # (steps, batch)
    lam: np.ndarray  # (steps, 1) or (steps, batch)
    layer: np.ndarray  # (steps,)


def draw_epoch(settings: TrainSettings, epoch: int, count: int) -> Draws:
    """All examples shuffled, in whole batches (a remainder is left out of this epoch), λ ~ Beta(α, α).

    Depends on (seed, epoch) alone, so that a resumed run draws what it would have drawn. By NumPy: nothing
    to compile, and the same numbers on every device.
    """
    rng = np.random.default_rng([settings.seed, epoch])
    batch, steps = settings.batch, count // settings.batch
    order = rng.permutation(count)[: steps * batch].reshape(steps, batch)
    lam = rng.beta(settings.alpha, settings.alpha, (steps, batch if settings.lam_per == "sample" else 1))
    layer = rng.integers(0, MIXED_LAYERS if settings.arm == "manifold" else 1, steps)
    return Draws(order.astype(np.int32), lam.astype(np.float32), layer.astype(np.int32))


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
