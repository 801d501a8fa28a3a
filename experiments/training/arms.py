"""The arms: what is mixed, where, and by which loss. All randomness of an epoch is drawn here."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.training.settings import TrainSettings

MIXED_FIRST = ("mixup", "mixup-squared", "cutmix", "kway")  # arms that mix inputs
MIXED_LAYERS = 3  # manifold mixup mixes the input of stage 0, 1 or 2, as published


class Draws(NamedTuple):
    """The randomness of one epoch: for each step the examples, their λ and the stage that mixes.

    partner: whom each is mixed with, None: its neighbour. centre: of CutMix's box, (y, x) in [0, 1]. For kway
    lam and partner have a last axis: of all weights, and of all the others.
    """

    order: np.ndarray  # (steps, batch)
    lam: np.ndarray  # (steps, 1) or (steps, batch)
    layer: np.ndarray  # (steps,)
    partner: np.ndarray | None = None  # (steps, batch)
    centre: np.ndarray | None = None  # (steps, 1 or batch, 2)


def draw_epoch(settings: TrainSettings, epoch: int, count: int) -> Draws:
    """All examples shuffled, in whole batches (a remainder is left out of this epoch), λ ~ Beta(α, α).

    Depends on (seed, epoch) alone, so that a resumed run draws what it would have drawn. By NumPy: nothing
    to compile, and the same numbers on every device.
    """
    rng = np.random.default_rng([settings.seed, epoch])
    batch, steps = settings.batch, count // settings.batch
    order = rng.permutation(count)[: steps * batch].reshape(steps, batch)
    lam = _weights(settings, rng, steps)
    layer = rng.integers(0, MIXED_LAYERS if settings.arm == "manifold" else 1, steps)
    partner = np.roll(order, 1, axis=1) if settings.arm == "cutmix" else None
    if settings.arm == "kway":
        partner = np.stack([np.roll(order, n, axis=1) for n in range(1, settings.ways)], axis=-1)
    return _draws(settings, rng, order, lam, layer, partner)


def draw_steps(settings: TrainSettings, row: int, count: int) -> Draws:
    """One row of a run of steps: pairs of examples, all drawn uniformly with replacement, λ ~ Beta(α, α).

    Depends on (seed, stretch, first step) alone. Manifold mixup mixes neighbours of a batch so drawn: their
    activations are there already.
    """
    stretch, first, steps = settings.part(row)
    rng = np.random.default_rng([settings.seed, stretch, first, 1])
    order, partner = rng.integers(0, count, (2, steps, settings.batch))
    lam = _weights(settings, rng, steps)
    layer = rng.integers(0, MIXED_LAYERS if settings.arm == "manifold" else 1, steps)
    if settings.arm == "kway":
        more = rng.integers(0, count, (steps, settings.batch, settings.ways - 2))
        partner = np.concatenate([partner[..., None], more], axis=-1)
    return _draws(settings, rng, order, lam, layer, partner if settings.arm in MIXED_FIRST else None)


def _weights(settings: TrainSettings, rng: np.random.Generator, steps: int) -> np.ndarray:
    """λ (steps, batch or 1); of kway the weights of all its images (steps, batch or 1, ways)."""
    shape = steps, settings.batch if settings.lam_per == "sample" else 1
    if settings.arm == "kway":
        return rng.dirichlet((settings.alpha,) * settings.ways, shape)
    return rng.beta(settings.alpha, settings.alpha, shape)


def _draws(settings: TrainSettings, rng, order, lam, layer, partner) -> Draws:
    """The arrays as a program takes them, with the boxes of CutMix."""
    found = Draws(order.astype(np.int32), lam.astype(np.float32), layer.astype(np.int32))
    if partner is not None:
        found = found._replace(partner=partner.astype(np.int32))
    if settings.arm == "cutmix":
        found = found._replace(centre=rng.random((*lam.shape, 2), np.float32))
    return found


def take(arm: str, classes: int, x, y, draw: Draws) -> tuple:
    """(x, y, λ, stage) of one step: with partners inputs mixed already, and soft labels (n, K)."""
    if draw.partner is None:
        return x[draw.order], y[draw.order], draw.lam, draw.layer
    if arm == "kway":
        return *mix_many(classes, x, y, draw), draw.lam, draw.layer
    here, other = x[draw.order], x[draw.partner]
    first, second = (
        jax.nn.one_hot(y[part], classes, dtype=jnp.float32) for part in (draw.order, draw.partner)
    )
    if arm == "cutmix":
        inside = box(here.shape[1:3], draw.lam, draw.centre)
        mixed, lam = jnp.where(inside[..., None], other, here), 1 - inside.mean((1, 2))[:, None]
    else:
        lam = draw.lam[:, None]
        weight = draw.lam.reshape(-1, *(1,) * (here.ndim - 1))
        mixed = weight * here + (1 - weight) * other
    return mixed, lam * first + (1 - lam) * second, draw.lam, draw.layer


def mix_many(classes: int, x, y, draw: Draws) -> tuple[jax.Array, jax.Array]:
    """Σ_l u_l x_l and Σ_l u_l e_(y_l) of one step of kway."""
    parts = jnp.concatenate([draw.order[:, None], draw.partner], axis=1)
    weights = jnp.broadcast_to(draw.lam, parts.shape)
    labels = jax.nn.one_hot(y[parts], classes, dtype=jnp.float32)
    return jnp.einsum("nl,nl...->n...", weights, x[parts]), jnp.einsum("nl,nlk->nk", weights, labels)


def box(shape: tuple[int, int], lam: jax.Array, centre: jax.Array) -> jax.Array:
    """(n, h, w): whether a pixel's centre lies in the box of sides √(1−λ) of the image's about `centre`."""
    half = jnp.sqrt(1 - lam) / 2

    def within(size: int, at):
        places = (jnp.arange(size) + 0.5) / size
        return jnp.abs(places - at[:, None]) < half[:, None]

    rows, columns = (within(size, centre[:, n]) for n, size in enumerate(shape))
    return rows[:, :, None] & columns[:, None, :]


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
