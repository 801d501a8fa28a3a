"""Damped Newton on a batch of features, convergent from zero for every valid input.

Along a step with logit range β the Hessian of log-sum-exp changes by a factor of at most e^β
(generalised self-concordance), so the objective falls by at least ν² (1 − (e^β − 1 − β)/β²) for
a full step and ν² ((1+β) log(1+β) − β)/β² for one scaled by log(1+β)/β, ν the Newton decrement.
Full steps are taken while β ≤ 3/2, where the first bound is positive.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ufm.objective import LOSSES

FULL_STEP = 1.5


class Iterate(NamedTuple):
    """Coordinates q (r, B), whether each has stopped moving, and the number of steps taken."""

    q: Float[Array, "r B"]
    done: jax.Array
    steps: Int[Array, ""]


def objective_gradient(loss, coordinates, q, Y, lambda_h, shift=0.0):
    """∇_q of ℓ(z(q) + shift, y) + (λ_H/2)‖q‖² for every feature of the batch, by autodiff."""

    def total(q):
        fit = jax.vmap(loss.value, (1, 1))(coordinates.logits(q) + shift, Y)
        return jnp.sum(fit) + 0.5 * lambda_h * jnp.sum(q * q)

    return jax.grad(total)(q)


def damping(step_range, concordance: float):
    """Step length: 1 while β = concordance · range ≤ 3/2, then log(1+β)/β."""
    beta = jnp.maximum(concordance * step_range, 1e-30)
    return jnp.where(beta <= FULL_STEP, 1.0, jnp.log1p(beta) / beta)


@partial(jax.jit, static_argnames=("loss_name",))
def newton(coordinates, q, Y, lambda_h, max_steps, shift=0.0, *, loss_name: str) -> Iterate:
    """Minimise over q from the given start; stops a feature when its next error is below rounding.

    shift (K, 1): a bias added to the logits.
    Newton's error after a step of range β is about β²/2, so β² ≤ ε · range(z) ends the iteration.
    """
    loss = LOSSES[loss_name]
    curvature = jax.vmap(loss.curvature, 1, 1)
    eps = jnp.finfo(q.dtype).eps

    def advance(state):
        z = coordinates.logits(state.q) + shift
        gradient = objective_gradient(loss, coordinates, state.q, Y, lambda_h, shift)
        step = coordinates.newton_step(gradient, curvature(z), loss.coupling, lambda_h)
        beta = jnp.ptp(coordinates.logits(step), axis=0)
        step = step * damping(beta, loss.concordance)
        q = jnp.where(state.done, state.q, state.q + step)
        return Iterate(q, state.done | (beta**2 <= eps * jnp.ptp(z, axis=0)), state.steps + 1)

    def unfinished(state):
        return (state.steps < max_steps) & ~jnp.all(state.done)

    start = Iterate(q, jnp.zeros(q.shape[1], bool), jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(unfinished, advance, start)
