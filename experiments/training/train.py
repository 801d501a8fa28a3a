"""Train one network, or one for each of several seeds."""

import hashlib
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from flax import nnx

from experiments.datasets import prepare
from experiments.networks import Network
from experiments.networks.activations import activations, classifier, logits_fn, outputs
from experiments.training.checkpoint import Keeper
from experiments.training.collapse import row_collapse
from experiments.training.epochs import Progress, Run, accuracy, replicate, run_epoch, start_run
from experiments.training.mixing import mix_inputs, save_activations
from experiments.training.settings import TrainSettings, default_settings
from ufm.rules.errors import InputError

__all__ = [
    "Diverged",
    "TrainSettings",
    "Trained",
    "activations",
    "classifier",
    "default_settings",
    "logits_fn",
    "mix_inputs",
    "outputs",
    "save_activations",
    "train",
    "train_seeds",
]
CHECKPOINT_SECONDS = 10.0
LARGEST = 1e3  # a mean loss beyond this is no longer training; chance is log K
EVALUATIONS = 20  # of a run; on 5000 training and 10 000 test images each costs about as much as an epoch


class Diverged(InputError):
    """The loss of a run is beyond LARGEST, or its logits are no longer finite."""


@dataclass(frozen=True)
class Trained:
    """A trained network (in evaluation mode) and its log, one row an epoch.

    A row: epoch, loss, train_accuracy, test_accuracy, learning_rate, seconds. The accuracies are taken at
    20 evenly spaced epochs and the last, else None. In a run of steps also step, the steps so far; with
    `log_collapse` the metrics of neural collapse (`ufm.network.collapse.metrics`, convention "centred") on
    training images.
    """

    settings: TrainSettings
    model: Network
    log: list[dict]


def train(
    settings: TrainSettings,
    data,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
    every: float = CHECKPOINT_SECONDS,
) -> Trained:
    """Train on a `Dataset`. With a folder: checkpoints at most each `every` seconds, and log.csv.

    A run that was stopped goes on from its checkpoint, on a CPU to the same bits; a finished one is only read.
    Raises InputError for fewer examples than a batch and for the checkpoint of another run, Diverged
    (an InputError too) where loss or logits stop being finite.
    """
    data = prepare(data, settings)
    if len(data.train_x) < settings.batch and settings.steps is None:
        raise InputError(f"batch {settings.batch} is larger than the {len(data.train_x)} training examples")
    run, state = start_run(settings, data)
    keeper = Keeper(folder, {} if folder is None else identify(settings, data), every, settings.extends)
    state, log = keeper.load(state)
    if log and progress:
        progress(len(log), settings.rows, log[-1]["loss"])
    state = replicate(run.mesh, state)
    for epoch in range(len(log), settings.rows):
        began = time.perf_counter()
        state, loss = run_epoch(run, state, epoch, progress)
        log.append(_row(run, state, data, epoch, loss, began))
        keeper.save(state, log, last=epoch + 1 == settings.rows)
    return Trained(settings, nnx.merge(run.eval_graph, state.params, state.rest), log)


def train_seeds(
    settings: TrainSettings, data, seeds, *, folder: Path | None = None, progress: Progress | None = None
) -> list[Trained]:
    """`train` for each seed, one after another, in folder/seed-N.

    Not vmapped: on a CPU the matrix products of one network already fill the cores. Three stacked seeds of
    an MLP took 1.0 to 1.08 times as long as one after another, and nothing is compiled twice either way.
    """
    return [
        train(
            replace(settings, seed=seed), data, folder=folder and folder / f"seed-{seed}", progress=progress
        )
        for seed in seeds
    ]


def identify(settings: TrainSettings, data) -> dict:
    """What a checkpoint belongs to: settings and training data."""
    digest = hashlib.blake2b(digest_size=16)
    for array in (data.train_x, data.train_y):
        digest.update(np.ascontiguousarray(array))
    return settings.record() | {"data": data.name, "images": len(data.train_x), "digest": digest.hexdigest()}


def _row(run: Run, state, data, epoch: int, loss: float, began: float) -> dict:
    """One row of the log; the accuracies are None but for EVALUATIONS epochs.

    Training accuracy is that of every stride-th example, about as many as are held out.
    """
    s, train, test = run.settings, None, None
    if (epoch + 1) % max(1, s.rows // EVALUATIONS) == 0 or epoch + 1 == s.rows:
        stride = max(1, len(data.train_x) // len(data.test_x))
        train = accuracy(run, state, data.train_x[::stride], data.train_y[::stride])
        test = accuracy(run, state, data.test_x, data.test_y)
    if not loss < LARGEST or not all(math.isfinite(value) for value in (train, test) if value is not None):
        raise diverged(s, epoch)
    row = {"epoch": epoch + 1, "loss": loss, "train_accuracy": train, "test_accuracy": test}
    collapse = row_collapse(run, state, data) if s.log_collapse else {}
    row |= {"learning_rate": s.rate(epoch), **collapse, "seconds": time.perf_counter() - began}
    if s.steps is None:
        return row
    stretch, first, steps = s.part(epoch)
    last = s.rate_of_step(first + steps - 1, s.stretches[stretch])
    return row | {"learning_rate": last, "step": sum(s.stretches[:stretch]) + first + steps}


def diverged(settings: TrainSettings, epoch: int) -> Diverged:
    """The error that says so of an epoch, or of a row of steps."""
    return Diverged(
        f"training diverged in epoch {epoch + 1} ({settings.arm}, {settings.network}, seed {settings.seed}, "
        f"learning rate {settings.learning_rate:g}): try a smaller learning rate"
    )
