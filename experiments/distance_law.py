"""python -m experiments.distance_law: how far networks are from the theorem's optimum, over n, D, steps, K and a.

A declared grid (experiments/distance/grid.py) of networks in the terminal regime; a row of a Parquet table for
each run; then a power law with intervals, a test whether curves of different D fall together against n/D, and rates
beside the theory's conditioning. Killed at any moment and run again, it goes on where it was.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from ufm.commands.frame import command
from ufm.rules.errors import InputError

PROGRAM = "experiments.distance_law"
RESULTS = Path(__file__).parent / "results" / "distance_law"
NAME = "law"


@dataclass
class Arguments:
    """Train the grid's missing networks, then fit the law: law.parquet, law.md, law.json, law.png.

    Exit code: 0 when it reported, whatever came out; 2 for wrong usage.
    """

    jobs: int = 1
    """Tasks at a time, each in a process of its own; about 55 minutes on 2 cores with 2."""
    folder: Path | None = None
    """Where finished runs are kept; default experiments/results/distance_law."""
    out: Path | None = None
    """Where table, page, record and figure go; default: the same folder."""
    data_dir: Path | None = None
    """Folder of Fashion-MNIST's files, if it is not installed."""
    report: bool = False
    """Only fit, from the law.parquet that is in --out."""
    quick: bool = False
    """A few small runs on the digits, within a minute: to see that everything works, not what comes out."""
    dry_run: bool = False
    """Say what would be trained, and stop."""


def run(args: Arguments, argv: list[str]) -> int:
    """Everything after parsing. Raises InputError for bad values before any work."""
    from experiments.distance.grid import FULL, QUICK
    from experiments.tools.arguments import check_folder, without_paths
    from experiments.tools.extras import require_extras

    grid = QUICK if args.quick else FULL
    name = f"{NAME}-quick" if args.quick else NAME
    if args.jobs < 1:
        raise InputError(f"--jobs must be at least 1, got {args.jobs}")
    if args.dry_run:
        print(plan(grid))
        return 0
    folder = args.folder or RESULTS
    out = args.out or folder
    table = out / f"{name}.parquet"
    if args.report and not table.is_file():
        raise InputError(f"--report reads {table}, which is not there: leave --report out to make it")
    require_extras()
    check_folder("--folder", folder)
    check_folder("--out", out)
    from ufm.runtime.start import start_jax

    start_jax()
    from experiments.distance.law.fit import REPLICATES
    from experiments.distance.report import report
    from experiments.distance.runs import complete, write_table

    if not args.report:
        command = " ".join(["python", "-m", PROGRAM, *without_paths(argv)])
        data_dir = None if args.data_dir is None else str(args.data_dir)
        rows = complete(grid, folder, data_dir, args.jobs)
        write_table(table, rows, {"command": command, "quick": args.quick}, grid)
    print(report(table, out, name, 200 if args.quick else REPLICATES))
    return 0


def plan(grid) -> str:
    """The grid in words."""
    lines = [f"{grid.dataset}: {len(grid.cells)} cells, {len(grid.seeds)} seeds, {grid.runs} runs"]
    for part in grid.parts:
        words = (f"{name} {', '.join(f'{v:g}' for v in values)}" for name, values in part._asdict().items())
        lines.append("  " + "; ".join(words))
    return "\n".join([*lines, f"left out: {grid.left_out}"])


main = command(PROGRAM, Arguments, run, "interrupted: run it again to go on")


if __name__ == "__main__":
    sys.exit(main())
