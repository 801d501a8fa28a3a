"""One epoch of a run on all local devices, and where its arrays lie."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from experiments.networks import build_network
from experiments.networks.activations import evaluation_parts, logits_of
from experiments.training.arms import Draws, draw_epoch, draw_steps
from experiments.training.settings import TrainSettings
from experiments.training.steps import Plan, Rates, State, first_velocity, one_step, scan_epoch

Progress = Callable[[int, int, float], None]  # (done, of, loss): in steps or epochs


class Run(NamedTuple):
    """What does not change in a run: settings, structures for training and for looking, arrays on the devices."""

    settings: TrainSettings
    plan: Plan
    eval_graph: nnx.GraphDef
    mesh: Mesh
    x: jax.Array
    y: jax.Array


def start_run(settings: TrainSettings, data) -> tuple[Run, State]:
    """The run and its first state, on as many local devices as share a batch evenly."""
    model = build_network(settings, data.classes, data.train_x, nnx.Rngs(settings.seed))
    graph, params, rest = nnx.split(model, nnx.Param, ...)
    eval_graph = evaluation_parts(model)[0]
    devices = jax.local_devices()
    mesh = Mesh(np.array(devices[: math.gcd(settings.batch, len(devices))]), ("batch",))
    x, y = (replicate(mesh, jnp.asarray(a)) for a in (data.train_x, data.train_y))
    apart, smooth = settings.lambda_w is not None, settings.smoothing > 0
    plan = Plan(graph, settings.arm, data.classes, settings.optimizer, apart, smooth)
    state = State(params, first_velocity(plan, params), rest)
    return Run(settings, plan, eval_graph, mesh, x, y), replicate(mesh, state)


def replicate(mesh: Mesh, tree):
    """The same arrays on every device."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def shard_draws(mesh: Mesh, draws: Draws) -> Draws:
    """Each device takes its part of every batch; everything else follows from that."""
    split = NamedSharding(mesh, PartitionSpec(None, "batch"))
    whole = NamedSharding(mesh, PartitionSpec())
    lam = split if draws.lam.shape[:2] == draws.order.shape else whole
    places = Draws(split, lam, whole, split, lam)
    return jax.device_put(draws, Draws(*(None if a is None else at for a, at in zip(draws, places))))


def run_epoch(run: Run, state: State, epoch: int, progress: Progress | None) -> tuple[State, float]:
    """One epoch, or one row of a run of steps; all its randomness comes from (seed, epoch).

    Returns the mean loss of its steps.
    """
    s, report = run.settings, progress or (lambda done, total, loss: None)
    draws = (draw_epoch if s.steps is None else draw_steps)(s, epoch, len(run.x))
    steps = len(draws.layer)
    rates, before, total = epoch_rates(s, epoch, steps)
    arguments = (run.x, run.y, shard_draws(run.mesh, draws))
    if s.network == "mlp":  # convolutions inside a scan are about 20 times slower on a CPU
        state, losses = scan_epoch(run.plan, state, *arguments, rates)
        loss = float(jnp.mean(losses))
        report(before + steps, total, loss)
        return state, loss
    losses = []
    for number in range(steps):
        state, loss = one_step(run.plan, state, *arguments, number, rates)
        losses.append(loss)
        report(before + number + 1, total, loss)
    return state, float(np.mean(losses))


def epoch_rates(s: TrainSettings, epoch: int, steps: int) -> tuple[Rates, int, int]:
    """Rates of an epoch of `steps` steps, steps before it, steps of the whole run."""
    if s.steps is None:
        before, first, length, total = epoch * steps, epoch * steps, s.epochs * steps, s.epochs * steps
    else:
        stretch, first, _ = s.part(epoch)
        before, length, total = sum(s.stretches[:stretch]) + first, s.stretches[stretch], sum(s.stretches)
    rates = Rates(s.rate(epoch), s.momentum, s.weight_decay, s.lambda_h, s.lambda_w or 0.0, s.smoothing)
    if s.steps is not None or s.warmup or s.schedule == "cosine":
        rate = [s.rate_of_step(n, length) for n in range(first, first + steps)]
        rates = rates._replace(learning_rate=np.array(rate, np.float32))
    if s.optimizer != "sgd":
        rates = rates._replace(count=np.arange(before, before + steps, dtype=np.float32))
    return rates, before, total


def accuracy(run: Run, state: State, x: np.ndarray, y: np.ndarray) -> float:
    """Share of examples whose largest logit is their class; NaN if the logits are not finite."""
    logits = logits_of((run.eval_graph, state.params, state.rest), x)
    return float(np.mean(logits.argmax(1) == y)) if np.isfinite(logits).all() else float("nan")
