"""Train one network, or one for each of several seeds."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments.activations import activations, classifier, logits_fn, outputs, split
from experiments.arms import Draws, draw_epoch
from experiments.networks import Network, build_network
from experiments.settings import TrainSettings, default_settings
from experiments.steps import Plan, Rates, State, one_step, scan_epoch

__all__ = [
    "Diverged",
    "TrainSettings",
    "Trained",
    "activations",
    "classifier",
    "default_settings",
    "logits_fn",
    "outputs",
    "train",
    "train_seeds",
]
Progress = Callable[[int, int, float], None]  # (steps done, all steps, loss)


class Diverged(ValueError):
    """The loss of a run is no longer a number."""


@dataclass(frozen=True)
class Trained:
    """A trained network and one row an epoch: epoch, loss, train_accuracy, test_accuracy, learning_rate, seconds."""

    settings: TrainSettings
    model: Network
    log: list[dict]


def train(
    settings: TrainSettings, data, *, folder: Path | None = None, progress: Progress | None = None
) -> Trained:
    """Train on data.train_x (N, h, w, c), data.train_y (N).

    Raises ValueError for data smaller than a batch, and Diverged where the loss stops being a number.
    """
    _check(settings, data)
    graph, state = start(settings, data)
    x, y = jnp.asarray(data.train_x, jnp.float32), jnp.asarray(data.train_y, jnp.int32)
    log: list[dict] = []
    for epoch in range(settings.epochs):
        began = time.perf_counter()
        state, loss = run_epoch(settings, graph, state, x, y, data.classes, epoch, progress)
        if not math.isfinite(loss):
            raise Diverged(_diverged(settings, epoch))
        model = nnx.merge(graph, state.params, state.rest)
        log.append(_row(settings, model, data, epoch, loss, began))
    return Trained(settings, nnx.merge(graph, state.params, state.rest), log)


def train_seeds(settings, data, seeds, *, folder: Path | None = None, progress=None) -> list[Trained]:
    """`train` once for each seed, one after another, in folder/seed-N.

    Not vmapped: on a CPU the matrix products of one network already fill the cores, and stacking 3 seeds
    of a 4x256 MLP took 1.0 to 1.08 times as long as one after another. Nothing is compiled twice.
    """
    runs = [(replace(settings, seed=seed), folder and folder / f"seed-{seed}") for seed in seeds]
    return [train(one, data, folder=place, progress=progress) for one, place in runs]


def start(settings: TrainSettings, data) -> tuple[nnx.GraphDef, State]:
    """Structure and first state of a run."""
    model = build_network(settings, data.classes, data.train_x, nnx.Rngs(settings.seed))
    graph, params, rest = split(model)
    return graph, State(params, jax.tree.map(jnp.zeros_like, params), rest)


def run_epoch(settings, graph, state: State, x, y, classes: int, epoch: int, progress) -> tuple[State, float]:
    """One epoch; all its randomness comes from (seed, epoch). Returns the mean loss of its steps."""
    # the network's start is drawn from the key of the seed itself; 1 + epoch keeps away from it
    key = jax.random.fold_in(jax.random.key(settings.seed), 1 + epoch)
    draws = draw_epoch(key, len(x), settings.batch, settings.alpha, settings.arm, settings.lam_per)
    plan = Plan(graph, settings.arm, settings.lam_per, settings.batch, classes)
    rates = Rates(
        settings.rate(epoch), settings.momentum, settings.weight_decay, settings.lambda_h, settings.alpha
    )
    if settings.network == "mlp":  # convolutions inside a scan are about 20 times slower on a CPU
        state, losses = scan_epoch(plan, state, x, y, draws, rates)
    else:
        state, losses = _loop(plan, state, x, y, draws, rates)
    steps = len(draws.layer)
    loss = float(jnp.mean(losses))
    if progress:
        progress((epoch + 1) * steps, settings.epochs * steps, loss)
    return state, loss


def _loop(plan: Plan, state: State, x, y, draws: Draws, rates: Rates):
    losses = []
    for number in range(len(draws.layer)):
        state, loss = one_step(plan, state, x, y, jax.tree.map(lambda a: a[number], draws), rates)
        losses.append(loss)
    return state, jnp.stack(losses)


def _row(settings: TrainSettings, model: Network, data, epoch: int, loss: float, began: float) -> dict:
    """Training accuracy is that of every stride-th example, about as many as are held out."""
    stride = max(1, len(data.train_x) // len(data.test_x))
    return {
        "epoch": epoch + 1,
        "loss": loss,
        "train_accuracy": accuracy(model, data.train_x[::stride], data.train_y[::stride]),
        "test_accuracy": accuracy(model, data.test_x, data.test_y),
        "learning_rate": settings.rate(epoch),
        "seconds": time.perf_counter() - began,
    }


def accuracy(model: Network, x: np.ndarray, y: np.ndarray) -> float:
    """Share of examples whose largest logit is their class, in evaluation mode."""
    found = float(np.mean(outputs(model, x)[1].argmax(1) == y))
    model.train()
    return found


def _check(settings: TrainSettings, data) -> None:
    if len(data.train_x) < settings.batch:
        raise ValueError(f"batch {settings.batch} is larger than the {len(data.train_x)} training examples")


def _diverged(settings: TrainSettings, epoch: int) -> str:
    return (
        f"the loss is not a number in epoch {epoch + 1} ({settings.arm}, {settings.network}, seed "
        f"{settings.seed}, learning rate {settings.learning_rate:g}): try a smaller learning rate"
    )
