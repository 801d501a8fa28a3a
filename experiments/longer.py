"""python -m experiments.longer: the published presets' networks, n ≫ D, with explicit penalties and for longer.

How the distance from the theorem's optimum falls with the number of steps, as a slope with an interval. Nothing of
the presets' own records is touched. Runs that are finished are kept in the folder and not made again.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ufm.commands.frame import command
from ufm.rules.errors import InputError

PROGRAM = "experiments.longer"
RESULTS = Path(__file__).parent / "results" / "longer"


@dataclass
class Arguments:
    """Train networks of presets fashion and digits on the theorem's objective at three lengths: longer.md, .json.

    Exit code: 0 when it reported, whatever the verdicts; 2 for wrong usage.
    """

    datasets: tuple[Literal["fashion", "digits"], ...] = ()
    """Which; default both, about half an hour on 2 cores with --jobs 2."""
    jobs: int = 1
    """Runs at a time, each in a process of its own."""
    folder: Path = RESULTS
    """Where runs are kept, to go on after a stop."""
    out: Path | None = None
    """Where the table and its record go; default: the same folder."""
    data_dir: Path | None = None
    """Folder of Fashion-MNIST's files, if it is not installed."""
    quick: bool = False
    """A few steps of a small network on the digits: to see that everything works, not what comes out."""
    dry_run: bool = False
    """Say what would be trained, and stop."""


def run(args: Arguments, argv: list[str]) -> int:
    """Everything after parsing. Raises InputError for bad values before any work."""
    from experiments.tools.arguments import check_folder, without_paths
    from experiments.tools.extras import require_extras

    if args.jobs < 1:
        raise InputError(f"--jobs must be at least 1, got {args.jobs}")
    require_extras()
    from experiments.terminal.longer import choose, plan, reproduce

    chosen, out = choose(args.datasets, args.quick), args.out or args.folder
    if args.dry_run:
        print(plan(chosen))
        return 0
    check_folder("--folder", args.folder)
    check_folder("--out", out)
    from ufm.runtime.start import start_jax

    start_jax()
    command = " ".join(["python", "-m", PROGRAM, *without_paths(argv)])
    data_dir = None if args.data_dir is None else str(args.data_dir)
    print(reproduce(chosen, args.folder, out, data_dir, args.jobs, command))
    return 0


main = command(PROGRAM, Arguments, run, "interrupted: run it again to go on")


if __name__ == "__main__":
    sys.exit(main())
