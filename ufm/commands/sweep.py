"""Flags of `python -m ufm.sweep`: a grid of problems, solved, certified and judged, into a Parquet dataset.

Only standard-library, numpy and CLI imports at the top: help and usage errors answer without JAX.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ufm.commands.frame import command, loading
from ufm.runtime.supervisor import needs_supervisor, supervise

KEPT = "interrupted; finished blocks are kept: run the same command again to go on"


@dataclass
class Arguments:
    """Solve every problem of a grid and write one row for each (problem, kind, lam).

    Killed at any moment and run again, it goes on where it was.

    Exit code: 0 every row agrees, 1 some fail, 3 some are undecided, 2 wrong usage.

    No verdict: 70 defect, 71 out of memory, 74 output full,
    75 standstill or lost process, 129 to 143 ended.
    """

    grid: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="GRID.toml")]
    """TOML file whose keys are these flags of ufm.solve: classes, dim, alpha, smoothing, multiplier, lambda_w,
    lambda_h, labels, pairs, loss, lam, tol; each a value, a list, or { from, to, count, scale }; and block."""
    out: str | None = None
    """Folder of the dataset; default: the grid's name with .parquet instead of .toml."""
    memory: str | None = None
    """Refuse what would need more, like 4GiB or 500MB; default half of what is free. Changes no number."""
    dry_run: bool = False
    """Say how many problems, compilations and bytes, and stop."""
    part: str | None = None
    """K/N: solve the K-th of N parts, each a run of its own into the same folder, with no link between them."""
    distributed: bool = False
    """Take part in a run of several processes: the same command on all of them."""
    coordinator: str | None = None
    """HOST:PORT of process 0, where Slurm, Kubernetes or a TPU do not tell."""
    processes: int | None = None
    """Number of processes, with --coordinator."""
    process: int | None = None
    """Which of them this is, from 0, with --coordinator."""


def run(args: Arguments, argv: list[str]) -> int:
    """Everything after parsing. A bad grid raises InputError before JAX is loaded or work is done."""
    import ufm.runtime.effort as effort
    from ufm.commands.footprint import refuse, sweep_blocks
    from ufm.commands.grid_file import read_grid
    from ufm.commands.inputs import check_group, read_part
    from ufm.rules.memory import allow

    allow(args.memory)
    check_group(args)
    grid = read_grid(args.grid)
    refuse(sweep_blocks(grid))
    part = read_part(args, grid.blocks)
    folder = Path(args.grid).with_suffix(".parquet") if args.out is None else Path(args.out)

    if not args.dry_run and needs_supervisor(args):
        return supervise("ufm.sweep", argv)
    work = effort.seconds(grid.feature_count // part.count, max(grid.axes["classes"]))
    effort.judge(work, args, "split the grid, or give fewer values")
    if args.dry_run:
        return dry_run(grid, args.grid, folder)
    with loading():
        from ufm.commands.runs.sweep import sweep  # from here on JAX is needed

    return sweep(grid, args, part, folder, ["python", "-m", "ufm.sweep", *argv])


def dry_run(grid, name: str, folder: Path) -> int:
    """Say what a run would do; nothing is compiled or written."""
    from ufm.output.dataset import Dataset, check_folder, guess_bytes

    check_folder(folder, grid)
    print(f"sweep of {name}: {grid.problems:,} problems, {grid.row_count:,} rows")
    print(f"  compilations  {len(grid.groups):,}")
    print(f"  bytes         about {guess_bytes(grid.feature_count, grid.problems, grid.blocks):,}")
    print(f"  files         {grid.blocks:,} in {folder}")
    if folder.exists():
        print(f"  finished      {len(Dataset(folder, grid).finished()):,} of them")
    return 0


main = command("ufm.sweep", Arguments, run, KEPT)
