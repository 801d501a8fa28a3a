"""Train and measure what is missing of a grid: one Parquet file of one row a run, each written whole.

Killed at any moment, the same grid goes on where it was: a run that is finished is never made again. A file counts
only if its fingerprint is that of the run asked for; a damaged one is made anew.
"""

import hashlib
import json
import sys
import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.distance.grid import Cell, Grid
from experiments.tools.pool import in_processes
from experiments.training.checkpoint import write_whole

VERSION = 1  # of what is measured: raised when a measure changes
ROWS = "rows"
TEXT = ("fingerprint", "failed", "source")
WHOLE = ("images", "dimension", "classes", "steps", "seed", "rank")


class Task(NamedTuple):
    """The missing budgets of one cell and seed: they share images, and compiled programs."""

    grid: Grid
    cell: Cell
    seed: int
    steps: tuple[int, ...]
    data_dir: str | None
    folder: Path


def complete(grid: Grid, folder: Path, data_dir: str | None, jobs: int) -> pa.Table:
    """All rows in the order of the grid; makes those that are missing, `jobs` tasks at a time."""
    (folder / ROWS).mkdir(parents=True, exist_ok=True)
    tasks = missing(grid, folder, data_dir)
    left = sum(len(task.steps) for task in tasks)
    if left < grid.runs:
        print(f"{grid.runs - left} of {grid.runs} runs are finished already", file=sys.stderr)
    began, done = time.perf_counter(), 0
    total = sum(work(task) for task in tasks)
    for task, seconds in in_processes(run_task, tasks, jobs):
        done += work(task)
        minutes = (time.perf_counter() - began) / done * (total - done) / 60
        what = f"{name(task.cell, task.seed)}: {seconds:.1f} s"
        line = f"[{100 * done / total:.0f} %] {what}; about {minutes:.1f} min left"
        print(line, file=sys.stderr, flush=True)
    rows = [
        stored(grid, cell, steps, seed, folder)
        for cell, budgets in grid.cells.items()
        for seed in grid.seeds
        for steps in budgets
    ]
    return pa.Table.from_pylist(rows, schema=schema())


def write_table(path: Path, table: pa.Table, about: dict, grid: Grid) -> None:
    """All rows as one Parquet, whole, with provenance in its footer."""
    from ufm.output.records import run_record

    record = run_record(about["command"].split())
    about = about | {"dataset": grid.dataset, "left_out": grid.left_out, "version": VERSION}
    about |= {"versions": record["versions"], "device": record["device"]}
    table = table.replace_schema_metadata({"law": json.dumps(about)})
    write_whole(path, lambda file: pq.write_table(table, file, compression="zstd"))


def missing(grid: Grid, folder: Path, data_dir: str | None) -> list[Task]:
    """What is left to do, large cells first so that no worker ends alone."""
    tasks = []
    for cell, budgets in grid.cells.items():
        for seed in grid.seeds:
            left = tuple(steps for steps in budgets if stored(grid, cell, steps, seed, folder) is None)
            if left:
                tasks.append(Task(grid, cell, seed, left, data_dir, folder))
    return tasks[::-1]


def work(task: Task) -> float:
    """What a task costs, up to a factor: multiplications of a step times steps, and for each run of measuring."""
    rank = min(task.cell.images, task.cell.dimension)
    return sum(task.steps) * (rank + 700) + 1e6 * len(task.steps) + 8e-4 * rank**3


def run_task(task: Task) -> float:
    """Train, measure and write a row for each budget; returns the seconds."""
    from experiments.distance.inputs import images

    start = time.perf_counter()
    data = images(
        _load(task.grid.dataset, task.data_dir),
        task.cell,
        task.grid.settings(task.cell, task.steps[0], task.seed),
    )
    for steps in task.steps:
        row = run(task, steps, data)
        path = row_path(task.folder, task.cell, steps, task.seed)
        table = pa.Table.from_pylist([row], schema=schema())
        write_whole(path, lambda file, table=table: pq.write_table(table, file))
    return time.perf_counter() - start


@cache
def _load(dataset: str, data_dir: str | None):
    """The whole data set, read once a process."""
    from experiments.datasets import load_dataset

    return load_dataset(dataset, data_dir)


def run(task: Task, steps: int, data) -> dict:
    """One row."""
    from experiments.distance.measures import measure
    from experiments.training.train import Diverged, train

    start, settings = time.perf_counter(), task.grid.settings(task.cell, steps, task.seed)
    row = task.cell._asdict() | {"steps": steps, "seed": task.seed, "rank": data.train_x[0].size}
    row |= {"fingerprint": fingerprint(task.grid, task.cell, steps, task.seed), "source": data.source}
    try:
        trained = train(settings, data)
    except Diverged as error:
        return row | {"failed": str(error), "seconds": time.perf_counter() - start}
    last = trained.log[-1]
    row |= {"loss": last["loss"], "test_accuracy": last["test_accuracy"]}
    row |= measure(trained, data, task.cell)
    return row | {"seconds": time.perf_counter() - start}


def schema() -> pa.Schema:
    """Columns of a row."""
    from experiments.distance.measures import NUMBERS

    real = ("penalty", "loss", "test_accuracy", *NUMBERS, "seconds")
    return pa.schema(
        [
            *((column, pa.int64()) for column in WHOLE),
            *((column, pa.float64()) for column in real),
            *((column, pa.string()) for column in TEXT),
        ]
    )


def name(cell: Cell, seed: int) -> str:
    """A cell and seed in words."""
    return f"n {cell.images}, D {cell.dimension}, K {cell.classes}, lambda {cell.penalty:g}, seed {seed}"


def row_path(folder: Path, cell: Cell, steps: int, seed: int) -> Path:
    """The file of one run."""
    words = f"n{cell.images}-D{cell.dimension}-K{cell.classes}-p{cell.penalty:g}-t{steps}-s{seed}"
    return folder / ROWS / f"{words}.parquet"


def stored(grid: Grid, cell: Cell, steps: int, seed: int, folder: Path) -> dict | None:
    """The row of a finished run, or None."""
    path = row_path(folder, cell, steps, seed)
    try:
        (row,) = pq.read_table(path, schema=schema()).to_pylist()
    except (OSError, ValueError, pa.ArrowException):
        return None
    return row if row["fingerprint"] == fingerprint(grid, cell, steps, seed) else None


def fingerprint(grid: Grid, cell: Cell, steps: int, seed: int) -> str:
    """SHA-256 of everything that a row depends on, but the data set's own bytes (its name)."""
    key = [VERSION, grid.settings(cell, steps, seed).record(), grid.dataset, list(cell)]
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
