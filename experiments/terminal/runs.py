"""Train and measure what is missing: one JSON a run, so that a stopped reproduction goes on; several at a time.

A finished run counts only if its fingerprint is that of the run asked for: settings, images, version of measures.
"""

import hashlib
import json
import sys
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.terminal.cells import Arm, Cell
from experiments.tools.files import read_json, write_json
from experiments.tools.pool import in_processes
from experiments.training.checkpoint import write_whole

VERSION = 1  # of what is measured: raised when a measure changes
RUNS = "runs"
PICTURED = ("mixup", "erm", "squared")
CONTROLLED = ("mixup", "etf")


class Task(NamedTuple):
    """One run to be made."""

    cell: Cell
    arm: Arm
    seed: int
    data_dir: str | None
    folder: Path

    @property
    def path(self) -> Path:
        """Its record."""
        return self.folder / RUNS / f"{self.cell.name}-{self.arm.name}-{self.seed}.json"


def tasks(cells: tuple[Cell, ...], folder: Path, data_dir: str | None) -> list[Task]:
    """All runs, cell by cell and seed by seed: a stopped reproduction has whole cells."""
    return [
        Task(cell, arm, cell.first_seed + n, data_dir, folder)
        for cell in cells
        for n in range(cell.seeds)
        for arm in cell.arms
    ]


def complete(cells: tuple[Cell, ...], folder: Path, data_dir: str | None, jobs: int) -> dict[str, list[dict]]:
    """By cell, for each seed the records by arm; trains those that are missing, `jobs` at a time."""
    wanted = tasks(cells, folder, data_dir)
    missing = [task for task in wanted if stored(task) is None]
    (folder / RUNS).mkdir(parents=True, exist_ok=True)
    if len(missing) < len(wanted):
        print(f"{len(wanted) - len(missing)} of {len(wanted)} runs are finished already", file=sys.stderr)
    began = time.perf_counter()
    for done, (task, record) in enumerate(in_processes(run_task, missing, jobs), 1):
        left = (time.perf_counter() - began) / done * (len(missing) - done) / 60
        numbers = record["numbers"]
        what = f"test accuracy {numbers['accuracy']:.4f}" if numbers else record["failed"]
        name = f"{task.cell.name}, {task.arm.name}, seed {task.seed}"
        line = f"[{done}/{len(missing)}] {name}: {what}, {record['seconds']:.1f} s; about {left:.1f} min left"
        print(line, file=sys.stderr, flush=True)
    return {
        cell.name: [
            {arm.name: stored(Task(cell, arm, cell.first_seed + n, data_dir, folder)) for arm in cell.arms}
            for n in range(cell.seeds)
        ]
        for cell in cells
    }


def images_of(task: Task):
    """The images of a run, drawn by its seed and prepared."""
    from experiments.datasets import load_dataset, prepare, subset

    data = load_dataset(task.cell.dataset, task.data_dir)
    data = subset(data, task.cell.images, min(task.cell.test, len(data.test_y)), task.seed)
    return prepare(data, task.cell.settings(task.arm, task.seed))


def run_task(task: Task) -> dict:
    """Train, measure, write the record."""
    from experiments.terminal.measures import measure
    from experiments.training.train import Diverged, train

    start, settings = time.perf_counter(), task.cell.settings(task.arm, task.seed)
    record = {
        "fingerprint": fingerprint(task),
        "cell": task.cell.name,
        "arm": task.arm.name,
        "seed": task.seed,
    }
    record |= {
        "settings": settings.record(),
        "numbers": {},
        "curves": {},
        "controls": {},
        "log": [],
        "failed": None,
    }
    data = images_of(task)
    record["source"] = data.source
    # a run of an MLP is over in seconds; longer ones leave checkpoints
    place = None if settings.network == "mlp" else task.folder / "checkpoints" / task.path.stem
    try:
        trained = train(settings, data, folder=place)
        record["trained_seconds"] = time.perf_counter() - start
        found = measure(trained, data, task.arm.name in CONTROLLED)
    except Diverged as error:
        record |= {"failed": str(error)}
    else:
        record |= {
            "numbers": found.numbers,
            "curves": found.curves,
            "controls": found.controls,
            "log": trained.log,
        }
        if task.arm.name in PICTURED:
            picture = picture_path(task)
            write_whole(picture, lambda file: np.savez_compressed(file, **found.picture))
    record["seconds"] = time.perf_counter() - start
    write_json(task.path, record)
    return record


def fingerprint(task: Task) -> str:
    """SHA-256 of everything that a run's numbers depend on, but the data set's own bytes (its name)."""
    cell = task.cell
    key = [VERSION, cell.settings(task.arm, task.seed).record(), cell.dataset, cell.images, cell.test]
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


def stored(task: Task) -> dict | None:
    """The record of a finished run, or None."""
    record = read_json(task.path)
    if record is None or record.get("fingerprint") != fingerprint(task):
        return None
    whole = record["failed"] or task.arm.name not in PICTURED or read_picture(task) is not None
    return record if whole else None


def picture_path(task: Task) -> Path:
    """The points of the usual picture of a run."""
    return task.path.with_suffix(".npz")


def read_picture(task: Task) -> dict[str, np.ndarray] | None:
    """These points, or None."""
    try:
        with np.load(picture_path(task), allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
