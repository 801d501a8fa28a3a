"""Adversarial attacks within ‖x' − x‖_∞ <= ε, pixels kept in [0, 1]: FGSM and PGD.

FGSM (Goodfellow, Shlens, Szegedy 2015): one step of size ε along the sign of the gradient of the loss.
PGD (Madry et al. 2018): a random start in the ball, then steps of size 2.5 ε/steps, each projected back.
The loss is −log p_y written as log(1 + Σ_{k≠y} e^{z_k − z_y}): its gradient is not lost where p_y rounds
to one, which would make a confident network look robust.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments.networks.activations import evaluation_parts

Logits = Callable[[jax.Array], jax.Array]
STEPS = 10
BATCH = 250


def cross_entropy(z: jax.Array, y: jax.Array) -> jax.Array:
    """Σ_n log(1 + Σ_{k≠y} e^{z_k − z_y})."""
    own = jnp.take_along_axis(z, y[:, None], 1)
    others = jnp.where(jnp.arange(z.shape[1]) == y[:, None], -jnp.inf, z - own)
    return jnp.sum(jax.nn.softplus(jax.nn.logsumexp(others, axis=1)))


def fgsm(logits: Logits, x: jax.Array, y: jax.Array, epsilon: float) -> jax.Array:
    """x + ε sign ∇ℓ, clipped to [0, 1]."""
    slope = jax.grad(lambda x: cross_entropy(logits(x), y))(x)
    return jnp.clip(x + epsilon * jnp.sign(slope), 0, 1)


def pgd(logits: Logits, x: jax.Array, y: jax.Array, epsilon: float, *, key: jax.Array) -> jax.Array:
    """The last of ten iterates."""
    low, high = jnp.maximum(x - epsilon, 0), jnp.minimum(x + epsilon, 1)
    slope = jax.grad(lambda x: cross_entropy(logits(x), y))

    def step(_, here):
        return jnp.clip(here + 2.5 * epsilon / STEPS * jnp.sign(slope(here)), low, high)

    start = x + epsilon * jax.random.uniform(key, x.shape, x.dtype, -1, 1)
    return jax.lax.fori_loop(0, STEPS, step, jnp.clip(start, low, high))


def robust_accuracy(
    model, x: np.ndarray, y: np.ndarray, epsilons: tuple[float, ...], *, seed: int
) -> dict[str, list[float]]:
    """Accuracy of a network under each attack by ε, on images x (n, h, w, c); `seed` is that of PGD's start."""
    parts, key = evaluation_parts(model), jax.random.key(seed)

    def accuracy(attack: str, epsilon: float) -> float:
        total = 0
        for start in range(0, len(x), BATCH):
            images, classes = (jnp.asarray(part[start : start + BATCH]) for part in (x, y))
            total += int(
                _hits(*parts, images, classes, epsilon, jax.random.fold_in(key, start), attack=attack)
            )
        return total / len(x)

    return {attack: [accuracy(attack, epsilon) for epsilon in epsilons] for attack in ("fgsm", "pgd")}


@partial(jax.jit, static_argnums=0, static_argnames="attack")
def _hits(graph, params, rest, x, y, epsilon, key, *, attack: str):
    def logits(x):
        return nnx.merge(graph, params, rest)(x).logits.astype(jnp.float32)

    epsilon = jnp.float32(epsilon)
    changed = fgsm(logits, x, y, epsilon) if attack == "fgsm" else pgd(logits, x, y, epsilon, key=key)
    return jnp.sum(jnp.argmax(logits(changed), 1) == y)
