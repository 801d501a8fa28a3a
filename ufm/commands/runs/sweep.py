"""One run of the command `sweep`: which blocks are left, their numbers, their files, and a summary."""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import jax
import numpy as np

from ufm.agree.sweep.block import Answer, Shape, block_width, compile_block
from ufm.agree.sweep.points import make_point, node_count
from ufm.agree.sweep.table import make_table, summarise
from ufm.agree.verdict import exit_code, worst_verdict
from ufm.commands.runs.progress import show_progress
from ufm.model.grid import Block, Grid
from ufm.output.dataset import Dataset, check_folder, open_dataset
from ufm.output.records import run_record
from ufm.rules.errors import InputError
from ufm.runtime.devices import as_here, exact_mesh, local_mesh, threads_for
from ufm.runtime.processes import Group
from ufm.runtime.start import start_group
from ufm.runtime.threads import in_threads
from ufm.runtime.watchdog import handed


def sweep(grid: Grid, args, part: Group, folder: Path, command: list[str]) -> int:
    """Solve what is left of a part of the grid, each process of a group a share of it; returns the exit code."""
    began = time.perf_counter()
    check_folder(folder, grid)
    group = start_group(args)
    group.require_same(f"{grid.digest} {folder}".encode())
    provenance, wanted = run_record(command), part.part(grid.blocks)
    with open_dataset(folder, grid, provenance, group, part) as dataset:
        todo = unfinished(dataset, wanted, group)
        own = [todo[n] for n in group.part(len(todo))]
        done = (len(wanted) - len(todo)) // group.count
        with show_progress("blocks", done, group.leads) as progress:
            for count, (block, answer) in enumerate(solve_blocks(grid, own), start=done + 1):
                table = make_table(grid, block, answer)
                footer = {"first": block.first, "problems": block.size, **summarise(table), **provenance}
                dataset.write(block.number, table, footer)
                progress(count, done + len(own))
        group.meet()
        found = _finished(dataset, wanted, 60.0 if group.count > 1 else 0.0) if group.leads else {}
        footers = [found[number] for number in wanted if number in found]
        if left := _told(len(wanted) - len(footers), group):
            raise InputError(f"{left} blocks are not in {folder}: give a folder that all processes see")
        if group.leads:
            title = f"sweep of {args.grid}{'' if args.part is None else f', part {args.part}'}"
            print_summary(title, folder, footers, time.perf_counter() - began)
            if missing := grid.blocks - len(found):
                print(f"  left      {missing:,} of {grid.blocks:,} blocks, of other parts")
        return _told(exit_code(worst_verdict(_verdicts(footers))) if group.leads else 0, group)


def _finished(dataset: Dataset, wanted: range, patience: float) -> dict[int, dict]:
    """The footers of all blocks, by number; some shared disks show those of other machines after a while."""
    until = time.monotonic() + patience
    while not set(wanted) <= set(found := dataset.finished()) and time.monotonic() < until:
        time.sleep(1)
    return found


def _told(number: int, group: Group) -> int:
    """The number of process 0, on every process."""
    return int(group.first(np.array(number)))


def _verdicts(footers: list[dict]) -> Counter:
    return sum((Counter(footer["verdicts"]) for footer in footers), Counter())


def unfinished(dataset: Dataset, wanted: range, group: Group) -> list[int]:
    """Blocks to solve, as process 0 found the folder before any of them began."""
    found = dataset.finished() if group.leads else {}
    left = [number for number in wanted if number not in found]
    return json.loads(group.share(json.dumps(left).encode()))


def solve_blocks(grid: Grid, numbers: Iterable[int]) -> Iterator[tuple[Block, Answer]]:
    """Blocks of these numbers, in this order, with their answers as arrays; compiles once a group.

    Any share of a grid's blocks can be given: their files never meet, so several processes may divide them.
    """
    mesh = exact_mesh(local_mesh())  # the certificate is among the work
    devices = list(mesh.devices.flat)
    width = block_width(min(grid.block, grid.group_size), devices)
    for group, blocks in groupby(map(grid.get_block, numbers), lambda block: block.group):
        shape = Shape(group.classes, group.loss, group.pairs, grid.joint)
        solve, nodes = compile_block(shape, np.array(grid.lam), devices), node_count(grid, group)

        def answer(block: Block, group=group, solve=solve, nodes=nodes) -> tuple[Block, Answer]:
            with handed(f"block {block.number + 1} of {grid.blocks}"):
                found = solve(make_point(grid.values(block), group, nodes, width))
                return block, jax.tree.map(lambda part: np.asarray(part)[: block.size], found)

        yield from in_threads(as_here(answer), blocks, threads_for(mesh))


def print_summary(title: str, folder: Path, footers: list[dict], seconds: float) -> None:
    """Verdicts of these blocks."""
    counts, problems = _verdicts(footers), sum(footer["problems"] for footer in footers)
    worst = {key: max(footer[key] for footer in footers) for key in ("worst_error", "worst_bound")}
    print(f"{title}: {problems:,} problems, {counts.total():,} rows in {folder}")
    print(f"  verdicts  {', '.join(f'{count:,} {word}' for word, count in counts.items())}")
    print(f"  worst     error {worst['worst_error']:.1e}, bound {worst['worst_bound']:.1e}")
    print(f"{seconds:.1f} s", file=sys.stderr)
