"""One step and one epoch of stochastic gradient descent, as pure functions of arrays."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from experiments.arms import Draws, arm_loss, soft_labels, stage_mixer


class State(NamedTuple):
    """What changes in training. `rest`: batch-norm statistics, and numbers that are never trained."""

    params: nnx.State
    velocity: nnx.State
    rest: nnx.State


class Plan(NamedTuple):
    """What a compiled program is made for; everything else is traced, so sweeps do not recompile."""

    graph: nnx.GraphDef
    arm: str
    classes: int


class Rates(NamedTuple):
    """The real numbers of one epoch."""

    learning_rate: float
    momentum: float
    weight_decay: float
    lambda_h: float


def batch_loss(params, rest, plan: Plan, x, y, lam, layer, lambda_h):
    """(mean ℓ + (λ_H/2) mean ‖h‖², the rest with new batch-norm statistics)."""
    network = nnx.merge(plan.graph, params, rest, copy=True)  # its statistics change inside the trace
    found = network(x, stage_mixer(plan.arm, lam, layer))
    h = found.features.astype(jnp.float32)
    loss = arm_loss(plan.arm, found.logits, soft_labels(plan.arm, y, lam, plan.classes))
    return loss + lambda_h / 2 * jnp.mean(jnp.sum(h * h, axis=-1)), nnx.state(network, nnx.Not(nnx.Param))


def step(plan: Plan, state: State, x, y, lam, layer, rates: Rates) -> tuple[State, jax.Array]:
    """v ← μ v + ∇L + weight_decay θ, θ ← θ − η v; returns the loss before the step."""
    gradient = jax.value_and_grad(batch_loss, has_aux=True)
    (loss, rest), slope = gradient(state.params, state.rest, plan, x, y, lam, layer, rates.lambda_h)
    velocity = jax.tree.map(
        lambda v, g, p: rates.momentum * v + g + rates.weight_decay * p, state.velocity, slope, state.params
    )
    params = jax.tree.map(lambda p, v: p - rates.learning_rate * v, state.params, velocity)
    return State(params, velocity, rest), loss


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def one_step(plan: Plan, state: State, x, y, draws: Draws, number, rates: Rates) -> tuple[State, jax.Array]:
    """The step of that number in an epoch, compiled."""
    order, lam, layer = jax.tree.map(lambda a: a[number], draws)
    return step(plan, state, x[order], y[order], lam, layer, rates)


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def scan_epoch(plan: Plan, state: State, x, y, draws: Draws, rates: Rates) -> tuple[State, jax.Array]:
    """All steps of an epoch as one program; returns their losses. Not for convolutions on a CPU."""

    def body(state, draw):
        order, lam, layer = draw
        return step(plan, state, x[order], y[order], lam, layer, rates)

    return jax.lax.scan(body, state, draws)
