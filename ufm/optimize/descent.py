"""First-order methods on a batch of features: L-BFGS and any optax transformation.

Each feature is its own problem (vmapped), so momenta, norms and line searches never mix features.
"""

from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from ufm.loss import LOSSES
from ufm.optimize.newton import Iterate


class Trace(NamedTuple):
    """The path of a descent: after each of T steps, q (T, r, B), objective and ‖∇‖ (T, B)."""

    q: Float[Array, "T r B"]
    objective: Float[Array, "T B"]
    gradient_norm: Float[Array, "T B"]


def _feature_objective(loss, coordinates, y, lambda_h):
    """q -> ℓ(z(q), y) + (λ_H/2)‖q‖² for one feature, as a function of a vector q."""

    def value(q):
        return loss.value(coordinates.logits(q[:, None])[:, 0], y) + 0.5 * lambda_h * jnp.sum(q * q)

    return value


@partial(jax.jit, static_argnames=("loss_name",))
def lbfgs(coordinates, q, Y, lambda_h, max_steps, *, loss_name: str) -> Iterate:
    """optax L-BFGS with zoom line search, until its steps no longer change q, or max_steps."""
    solver = optax.lbfgs(memory_size=10)

    def one(q, y):
        value = _feature_objective(LOSSES[loss_name], coordinates, y, lambda_h)
        value_and_grad = optax.value_and_grad_from_state(value)

        def unfinished(state):
            return (state[2] < max_steps) & ~state[3]

        def advance(state):
            q, inner, steps, _ = state
            f, gradient = value_and_grad(q, state=inner)
            update, inner = solver.update(gradient, inner, q, value=f, grad=gradient, value_fn=value)
            new = optax.apply_updates(q, update)
            return new, inner, steps + 1, jnp.all(new == q)

        start = (q, solver.init(q), jnp.zeros((), jnp.int32), jnp.zeros((), bool))
        q, _, steps, done = jax.lax.while_loop(unfinished, advance, start)
        return q, done, steps

    q, done, steps = jax.vmap(one, (1, 1), (1, 0, 0))(q, Y)
    return Iterate(q, done, jnp.max(steps, initial=0))


@partial(jax.jit, static_argnames=("loss_name", "transform", "steps", "record"))
def descend(coordinates, q, Y, lambda_h, *, loss_name: str, transform, steps: int, record: bool = False):
    """`steps` updates of an optax transformation from q; returns (Iterate, Trace or None)."""
    loss = LOSSES[loss_name]

    def one(q, y):
        value = _feature_objective(loss, coordinates, y, lambda_h)
        value_and_grad = jax.value_and_grad(value)
        extended = optax.with_extra_args_support(transform)  # line searches need the objective

        def advance(state, _):
            q, inner = state
            f, g = value_and_grad(q)
            update, inner = extended.update(g, inner, q, value=f, grad=g, value_fn=value)
            q = optax.apply_updates(q, update)
            if not record:
                return (q, inner), None
            f, gradient = value_and_grad(q)
            return (q, inner), Trace(q, f, jnp.linalg.norm(gradient))

        (q, _), trace = jax.lax.scan(advance, (q, transform.init(q)), length=steps)
        return q, trace

    axes = (1, Trace._make((2, 1, 1)) if record else None)
    q, trace = jax.vmap(one, (1, 1), axes)(q, Y)
    return Iterate(q, jnp.zeros(q.shape[1], bool), jnp.asarray(steps, jnp.int32)), trace


@lru_cache(maxsize=64)
def nesterov(norm: float, lambda_h: float, curvature: float):
    """Nesterov momentum with step 1/L, L = curvature ‖W‖² + λ_H, the gradient's Lipschitz constant.

    Cached: the same transformation object is the same compiled program.
    """
    return optax.sgd(1.0 / (curvature * norm**2 + lambda_h), momentum=0.9, nesterov=True)
