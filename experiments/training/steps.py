"""One step and one epoch of stochastic gradient descent, as pure functions of arrays."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from experiments.training.arms import Draws, arm_loss, soft_labels, stage_mixer, take

SECOND = 0.999  # Adam's β₂
TINY = 1e-8


class State(NamedTuple):
    """What changes in training. `rest`: batch-norm statistics, and numbers that are never trained.

    velocity: the momentum of SGD, or {"first": m, "second": v} of Adam.
    """

    params: nnx.State
    velocity: nnx.State | dict
    rest: nnx.State


class Plan(NamedTuple):
    """What a compiled program is made for; everything else is traced, so sweeps do not recompile."""

    graph: nnx.GraphDef
    arm: str
    classes: int
    optimizer: str = "sgd"
    apart: bool = False  # W decays by λ_W, its bias not at all
    smooth: bool = False


class Rates(NamedTuple):
    """The real numbers of one epoch; learning_rate and count (steps before, of Adam) may differ by step."""

    learning_rate: float
    momentum: float
    weight_decay: float
    lambda_h: float
    lambda_w: float = 0.0
    smoothing: float = 0.0
    count: int = 0


def batch_loss(params, rest, plan: Plan, x, y, lam, layer, lambda_h, smoothing=0.0):
    """(mean ℓ + (λ_H/2) mean ‖h‖², the rest with new batch-norm statistics).

    y: classes (n), mixed with their neighbours as the arm says; or soft labels (n, K) of inputs mixed already.
    """
    network = nnx.merge(plan.graph, params, rest, copy=True)  # its statistics change inside the trace
    mixed = y.ndim == 2
    found = network(x) if mixed else network(x, stage_mixer(plan.arm, lam, layer))
    h = found.features.astype(jnp.float32)
    labels = y if mixed else soft_labels(plan.arm, y, lam, plan.classes)
    if plan.smooth:
        labels = (1 - smoothing) * labels + smoothing / plan.classes
    loss = arm_loss(plan.arm, found.logits, labels)
    return loss + lambda_h / 2 * jnp.mean(jnp.sum(h * h, axis=-1)), nnx.state(network, nnx.Not(nnx.Param))


def step(plan: Plan, state: State, x, y, lam, layer, rates: Rates) -> tuple[State, jax.Array]:
    """One step down the gradient; returns the loss before it. SGD: v ← μ v + g + decay θ, θ ← θ − η v."""
    gradient = jax.value_and_grad(batch_loss, has_aux=True)
    arguments = (plan, x, y, lam, layer, rates.lambda_h, rates.smoothing)
    (loss, rest), slope = gradient(state.params, state.rest, *arguments)
    move = sgd if plan.optimizer == "sgd" else adam
    params, velocity = move(plan, state, slope, rates)
    return State(params, velocity, rest), loss


def sgd(plan: Plan, state: State, slope, rates: Rates):
    """θ and v after a step."""
    velocity = jax.tree.map(
        lambda v, g, p, decay: rates.momentum * v + g + decay * p,
        state.velocity,
        slope,
        state.params,
        decays(plan, state.params, rates),
    )
    return jax.tree.map(lambda p, v: p - rates.learning_rate * v, state.params, velocity), velocity


def adam(plan: Plan, state: State, slope, rates: Rates):
    """θ and the moments after a step of Adam (Kingma, Ba 2015); adamw takes weight_decay out of the gradient
    (Loshchilov, Hutter 2019), but not λ_W, which belongs to the objective."""
    decay = decays(plan, state.params, rates)
    beside = jax.tree.map(lambda d: 0.0, decay)
    if plan.optimizer == "adamw":
        is_w = _tree_of_classifier(state.params) if plan.apart else beside
        beside = jax.tree.map(lambda d, w: 0.0 if w else d, decay, is_w)
        decay = jax.tree.map(lambda d, w: d if w else 0.0, decay, is_w)
    b1, t = rates.momentum, rates.count + 1
    slope = jax.tree.map(lambda g, p, d: g + d * p, slope, state.params, decay)
    first = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.velocity["first"], slope)
    second = jax.tree.map(lambda v, g: SECOND * v + (1 - SECOND) * g * g, state.velocity["second"], slope)
    one, two = 1 - jnp.float32(b1) ** t, 1 - jnp.float32(SECOND) ** t
    params = jax.tree.map(
        lambda p, m, v, d: p - rates.learning_rate * (m / one / (jnp.sqrt(v / two) + TINY) + d * p),
        state.params,
        first,
        second,
        beside,
    )
    return params, {"first": first, "second": second}


def first_velocity(plan: Plan, params):
    """Zero momentum, or zero moments."""
    zeros = jax.tree.map(jnp.zeros_like, params)
    return (
        zeros if plan.optimizer == "sgd" else {"first": zeros, "second": jax.tree.map(jnp.zeros_like, params)}
    )


def decays(plan: Plan, params, rates: Rates):
    """The decay of each array: weight_decay; with a classifier apart λ_W for W and 0 for its bias."""
    if not plan.apart:
        return jax.tree.map(lambda p: rates.weight_decay, params)
    inside = _tree_of_classifier(params)
    return jax.tree.map(
        lambda p, w: rates.weight_decay if w == 0 else rates.lambda_w if p.ndim == 2 else 0.0, params, inside
    )


def _tree_of_classifier(params):
    """1 for the arrays of the classifier, 0 for all others."""
    return jax.tree_util.tree_map_with_path(
        lambda path, p: int(jax.tree_util.keystr(path).startswith("['head']")), params
    )


def rates_at(rates: Rates, number) -> Rates:
    """The rates of one step of an epoch."""
    return jax.tree.map(lambda a: a[number] if jnp.ndim(a) else a, rates)


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def one_step(plan: Plan, state: State, x, y, draws: Draws, number, rates: Rates) -> tuple[State, jax.Array]:
    """The step of that number in an epoch, compiled."""
    draw = jax.tree.map(lambda a: a[number], draws)
    return step(plan, state, *take(plan.arm, plan.classes, x, y, draw), rates_at(rates, number))


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def scan_epoch(plan: Plan, state: State, x, y, draws: Draws, rates: Rates) -> tuple[State, jax.Array]:
    """All steps of an epoch as one program; returns their losses. Not for convolutions on a CPU."""

    def body(state, given):
        draw, number = given
        return step(plan, state, *take(plan.arm, plan.classes, x, y, draw), rates_at(rates, number))

    return jax.lax.scan(body, state, (draws, jnp.arange(len(draws.layer))))
