"""The work of `python -m experiments.train`: data, progress bar, one line a seed, activations."""

import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from experiments.datasets import load_dataset, prepare, subset
from experiments.training.settings import TrainSettings
from experiments.training.train import Trained, mix_inputs, save_activations, train_seeds
from ufm.output.files import Outputs
from ufm.runtime.start import start_jax

MIXED = 10_000  # mixed inputs whose activations are saved
REFRESH = 0.2  # seconds between readings of the loss: reading it waits for the device
QUIET = 30.0  # seconds between lines where there is no terminal for a bar


def run_session(args, settings: TrainSettings, outputs: Outputs) -> int:
    """Train all seeds, print what came out, save. Returns the exit code."""
    start_jax()
    data = subset(load_dataset(args.data, args.data_dir), args.train, args.test, args.seed)
    print(f"{data.source}\n{describe(settings)}")
    folder = None if args.folder is None else Path(args.folder)
    seeds = range(args.seed, args.seed + args.seeds)
    found = []
    with bar() as progress:
        ticker = Ticker(progress, args.seeds)
        for seed in seeds:  # each is reported when it ends: a later one may be stopped, or diverge
            found += train_seeds(settings, data, [seed], folder=folder, progress=ticker)
            print(summary(found[-1]), flush=True)
    with outputs:
        if args.save is not None:
            data = prepare(data, found[0].settings)
            mixed = mix_inputs(data.train_x, data.train_y, MIXED, args.alpha, args.seed)
            with outputs.stage("save") as path:
                save_activations(path, found[0], data, mixed)
    return 0


def describe(settings: TrainSettings) -> str:
    """One line: what is trained how."""
    s = settings
    length = f"{s.epochs} epochs" if s.steps is None else f"{' + '.join(map(str, s.stretches))} steps"
    penalties = "" if s.lambda_w is None else f", lambda_w {s.lambda_w:g}, lambda_h {s.lambda_h:g}"
    return (
        f"{s.network}, {s.arm}, {s.classifier} classifier: {length} of batches of {s.batch}, "
        f"learning rate {s.learning_rate:g}, weight decay {s.weight_decay:g}{penalties}"
    )


def summary(trained: Trained) -> str:
    """One line: the last epoch of a seed."""
    last = trained.log[-1]
    return (
        f"seed {trained.settings.seed}: loss {last['loss']:.4f}, accuracy {last['train_accuracy']:.4f} (training) "
        f"{last['test_accuracy']:.4f} (test)"
    )


def bar() -> Progress:
    """A progress bar on standard error, silent where that is no terminal."""
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    return Progress(*columns, console=console, disable=not console.is_terminal)


class Ticker:
    """Progress of several runs of equal length, one after another; lines now and then without a terminal."""

    def __init__(self, progress: Progress, runs: int):
        self.progress, self.runs, self.over, self.read = progress, runs, 0, 0.0
        self.said = time.monotonic()
        self.task = progress.add_task("compiling", total=None)

    def __call__(self, done: int, total: int, loss: float) -> None:
        last, now = done == total, time.monotonic()
        if last or now - self.read >= REFRESH:
            self.read = now
            text, runs = f"loss {float(loss):.4f}", self.over + done / total
            self.progress.update(self.task, description=text, total=self.runs, completed=runs)
            if self.progress.disable and now - self.said >= QUIET:
                self.said = now
                print(f"{text}, {runs / self.runs:.0%} of all epochs", file=sys.stderr)
        self.over += last
