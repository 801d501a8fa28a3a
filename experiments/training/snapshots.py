"""A network at chosen steps of its training: a run of `experiments.training.train`, looked at on its way."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx

from experiments.networks import Network
from experiments.training.arms import draw_steps
from experiments.training.epochs import Run, epoch_rates, shard_draws, start_run
from experiments.training.settings import TrainSettings
from experiments.training.steps import State, one_step
from experiments.training.train import LARGEST, diverged
from ufm.rules.errors import InputError


def snapshots(settings: TrainSettings, data, steps: Sequence[int]) -> Iterator[tuple[int, Network]]:
    """(step, network in evaluation mode) at each of the rising `steps` of a run of steps, 0 its start.

    `data` as prepared for the settings. Draws and steps are those of `train`, one at a time, up to the last step
    asked for: the same training but for rounding. Raises InputError for a run of epochs, for steps that do not
    rise, and for steps outside the run; Diverged where the loss at a step asked for is no longer one of training.
    """
    total = 0 if settings.steps is None else sum(settings.stretches)
    if not steps or not all(a < b for a, b in pairwise([-1, *steps, total + 1])):
        raise InputError(f"steps must rise within the run's 0 to {total}, got {list(steps)}")
    run, state = start_run(settings, data)
    if steps[0] == 0:
        yield 0, _network(run, state)
    for row in range(settings.rows):
        draws = draw_steps(settings, row, len(run.x))
        count = len(draws.layer)
        rates, before, _ = epoch_rates(settings, row, count)
        draws = shard_draws(run.mesh, draws)
        for number in range(min(count, steps[-1] - before)):
            state, loss = one_step(run.plan, state, run.x, run.y, draws, number, rates)
            if before + number + 1 in steps:
                if not loss < LARGEST:
                    raise diverged(settings, row)
                yield before + number + 1, _network(run, state)


def _network(run: Run, state: State) -> Network:
    """The network of a state, with arrays of its own: the next step is given the state's."""
    return nnx.merge(run.eval_graph, *jax.tree.map(jnp.copy, (state.params, state.rest)))
