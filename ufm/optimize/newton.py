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
ROUGH_STEPS = 30  # at most, in the lower precision: it may never settle


class Iterate(NamedTuple):
    """Coordinates q (r, B), whether each has stopped moving, and the number of steps taken."""

    q: Float[Array, "r B"]
    done: jax.Array
    steps: Int[Array, ""]


def local_model(loss, coordinates, q, Y, lambda_h, shift=0.0):
    """∇_q of ℓ(z(q) + shift, y) + (λ_H/2)‖q‖² for every feature of the batch, by autodiff; and (z, c) there."""

    def total(q):
        z = coordinates.logits(q) + shift
        fit, curvature = loss.local(z, Y)
        return jnp.sum(fit) + 0.5 * lambda_h * jnp.sum(q * q), (z, curvature)

    return jax.grad(total, has_aux=True)(q)


def damping(step_range, concordance: float):
    """Step length: 1 while β = concordance · range ≤ 3/2, then log(1+β)/β."""
    beta = jnp.maximum(concordance * step_range, 1e-30)
    return jnp.where(beta <= FULL_STEP, 1.0, jnp.log1p(beta) / beta)


def leap(coordinates, Y, lambda_h):
    """Cross-entropy's first step from zero, to where softmax(z) is nearly the label, smoothed: ∝ y + o/a.

    a = gain/λ_H is how large the ridge lets the logits' pull become. o is their mean as it comes out at o = 1,
    kept near 1 where a is small and logits are about a y. A guess: only the number of steps depends on it.
    """
    a = jnp.minimum(coordinates.gain / lambda_h, 0.5 * jnp.finfo(Y.dtype).max)
    o = jnp.mean(jnp.log1p(a * Y), 0) + 1.0 / (1.0 + a)
    z = jnp.log1p(a * Y / o)
    return coordinates.fit(z - jnp.mean(z, 0), lambda_h)


@partial(jax.jit, static_argnames=("loss_name",))
def newton(coordinates, q, Y, lambda_h, max_steps, shift=0.0, *, loss_name: str, count=0) -> Iterate:
    """Minimise over q from the given start; stops a feature when its next error is below rounding.

    shift (K, 1): a bias added to the logits. count: steps already taken.
    Newton's error after a step of range β is about β²/2, so β² ≤ ε max|z| ends the iteration.
    """
    loss = LOSSES[loss_name]
    eps = jnp.finfo(q.dtype).eps

    def advance(state):
        gradient, (z, curvature) = local_model(loss, coordinates, state.q, Y, lambda_h, shift)
        step = coordinates.newton_step(gradient, curvature, loss.coupling, lambda_h)
        beta = coordinates.range(step)
        step = step * damping(beta, loss.concordance)
        q = jnp.where(state.done, state.q, state.q + step)
        return Iterate(q, state.done | (beta**2 <= eps * jnp.max(jnp.abs(z), 0)), state.steps + 1)

    def unfinished(state):
        return (state.steps < max_steps) & ~jnp.all(state.done)

    start = Iterate(q, jnp.zeros(q.shape[1], bool), jnp.asarray(count, jnp.int32))
    return jax.lax.while_loop(unfinished, advance, start)


@partial(jax.jit, static_argnames=("loss_name", "tile", "first"))
def newton_from_zero(
    coordinates, Y, lambda_h, max_steps, *, loss_name: str, tile: int = 0, first=None
) -> Iterate:
    """`newton` from q = 0; with cross-entropy its first step is a `leap`. Labels Y (K, B).

    tile: features that stay in cache together and stop together, a divisor of B; 0: all. first: a dtype in which
    to begin, where it is much the faster one; the last steps, and the decision to stop, are in the dtype of Y.
    """

    def solve(Y):
        if first is None:
            return _from_zero(coordinates, Y, lambda_h, max_steps, loss_name)
        few = jnp.minimum(max_steps, ROUGH_STEPS)
        rough = _from_zero(*_cast((coordinates, Y, lambda_h), first), few, loss_name)
        # where its range did not suffice, start again
        q = coordinates.settle(jnp.where(jnp.all(jnp.isfinite(rough.q), 0), rough.q, 0.0).astype(Y.dtype))
        return newton(coordinates, q, Y, lambda_h, max_steps, loss_name=loss_name, count=rough.steps)

    if not tile:
        return solve(Y)
    parts = jax.lax.map(solve, jnp.moveaxis(Y.reshape(len(Y), -1, tile), 1, 0))
    q = jnp.moveaxis(parts.q, 0, 1).reshape(parts.q.shape[1], -1)
    return Iterate(q, parts.done.ravel(), jnp.max(parts.steps))


def _from_zero(coordinates, Y, lambda_h, max_steps, loss_name) -> Iterate:
    q, count = coordinates.zero(Y), 0
    if LOSSES[loss_name].coupling:
        count = jnp.minimum(max_steps, 1)
        q = jnp.where(count > 0, leap(coordinates, Y, lambda_h), q)
    return newton(coordinates, q, Y, lambda_h, max_steps, loss_name=loss_name, count=count)


def _cast(tree, dtype):
    return jax.tree.map(lambda part: part.astype(dtype), tree)
