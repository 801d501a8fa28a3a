"""python -m experiments.claims: train the arms of a preset and say which claims on mixup they reproduce.

    python -m experiments.claims --preset digits --out docs/claims

Runs that are finished are kept in the folder and not made again. Criteria: experiments/reproduction/criteria.py.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from experiments.tools.arguments import check_folder, without_paths
from ufm.commands.frame import command
from ufm.rules.errors import InputError

PROGRAM = "experiments.claims"
RESULTS = Path(__file__).parent / "results" / "claims"


@dataclass
class Arguments:
    """Reproduce the claims on mixup on one data set: a table (md, json) and figures.

    Exit code: 0 when it reported, whatever the verdicts; 2 for wrong usage.
    """

    preset: Literal["digits", "fashion", "cifar", "terminal"] = "digits"
    """digits: embedded. fashion: Fashion-MNIST, 5000 images. cifar: CIFAR-10 with large networks, needs an
    accelerator and --data-dir. terminal: explicit penalties and n of the order of the input's dimension, digits and
    Fashion-MNIST, about 15 minutes on 2 cores with --jobs 2."""
    seeds: int | None = None
    """Seeds of every arm; default: the preset's. Fewer than 3 leave every verdict inconclusive."""
    jobs: int = 1
    """Runs at a time, each in a process of its own (terminal only)."""
    cells: tuple[str, ...] = ()
    """Which data sets and networks (terminal only), such as fashion-mlp; default all."""
    folder: Path | None = None
    """Where runs are kept, to go on after a stop; default experiments/results/claims/PRESET."""
    out: Path | None = None
    """Where table, record and figures go; default: the same folder."""
    data_dir: Path | None = None
    """Folder of the data set's files (see experiments/datasets)."""
    quick: bool = False
    """A few epochs of small networks: to see that everything works, not what comes out."""
    dry_run: bool = False
    """Say what would be trained, and stop."""


def run(args: Arguments, argv: list[str]) -> int:
    """Everything after parsing. Raises InputError for bad values before any work."""
    from experiments.reproduction.presets import PRESETS, plan, quick
    from experiments.tools.extras import require_extras

    if args.preset == "terminal":
        return run_terminal(args, argv)
    if args.jobs != 1 or args.cells:
        raise InputError("--jobs and --cells belong to --preset terminal")
    preset = quick(PRESETS[args.preset]) if args.quick else PRESETS[args.preset]
    seeds = preset.seeds if args.seeds is None else args.seeds
    if seeds < 1:
        raise InputError(f"--seeds must be at least 1, got {seeds}")
    if args.dry_run:
        print(plan(preset, seeds))
        return 0
    require_extras()
    folder = args.folder or RESULTS / preset.name
    check_folder("--folder", folder)
    check_folder("--out", args.out or folder)
    from experiments.datasets import load_dataset, subset
    from ufm.runtime.start import start_jax

    start_jax()
    data = load_dataset(preset.dataset, args.data_dir and str(args.data_dir))
    data = subset(data, preset.train, preset.test)
    from experiments.reproduction.report import reproduce

    command = ["python", "-m", PROGRAM, *without_paths(argv)]
    print(reproduce(preset, data, seeds, folder, args.out or folder, command))
    return 0


def run_terminal(args: Arguments, argv: list[str]) -> int:
    """The same for networks trained in the theory's regime."""
    from experiments.terminal.cells import choose, plan
    from experiments.tools.extras import require_extras

    cells = choose(args.cells, args.seeds, args.quick)
    if args.jobs < 1:
        raise InputError(f"--jobs must be at least 1, got {args.jobs}")
    if args.dry_run:
        print(plan(cells))
        return 0
    require_extras()
    folder = args.folder or RESULTS / "terminal"
    check_folder("--folder", folder)
    check_folder("--out", args.out or folder)
    from ufm.runtime.start import start_jax

    start_jax()
    from experiments.terminal.report import reproduce

    command = ["python", "-m", PROGRAM, *without_paths(argv)]
    data_dir = None if args.data_dir is None else str(args.data_dir)
    print(reproduce(cells, folder, args.out or folder, data_dir, args.jobs, command, quick=args.quick))
    return 0


main = command(PROGRAM, Arguments, run, "interrupted: run it again to go on")


if __name__ == "__main__":
    sys.exit(main())
