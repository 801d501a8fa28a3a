"""python -m experiments.device: does this package keep its word on an accelerator, and how fast is it there?

Bounds of every precision against 40-digit answers, products that must not be TF32, the commands; then rates of the
device as measured, what share of them each kernel reaches, and the peers that run there. At most 6 minutes.
Writes device_PLATFORM.md and .json; exit code 1 where something did not hold.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ufm.commands.frame import command

RESULTS = Path(__file__).parent / "results"


@dataclass
class Arguments:
    """Checks, then speed, on one accelerator; results in --out.

    Exit code: 0 everything held, 1 something did not, 2 there is no such device.
    """

    platform: Literal["gpu", "cpu"] = "gpu"
    """Where JAX runs; cpu: to try the script where there is no accelerator."""
    quick: bool = False
    """Ten classes alone, and small arrays."""
    out: str = str(RESULTS)
    """Folder for the results."""


def run(args: Arguments, argv: list[str]) -> int:
    """All of it. Raises InputError where JAX has no such device."""
    from experiments.benchmark.device.kernels import SMALL, Scale
    from experiments.benchmark.device.report import check_lines, kernel_lines, write_device
    from experiments.benchmark.device.run import TASKS, measure_device
    from experiments.benchmark.machine import machine
    from experiments.tools.arguments import check_folder

    check_folder("--out", Path(args.out))
    scale, tasks = (SMALL, TASKS[:1]) if args.quick else (Scale(), TASKS)
    found = measure_device(args.platform, tasks, scale, lambda words: print(words, flush=True))
    words = " ".join(["python -m experiments.device", *argv])
    stem = f"device_{args.platform}" + ("_quick" if args.quick else "")
    paths = write_device(found, words, machine(), Path(args.out), stem)
    print("\n".join(["", *check_lines(found.checks), "", *kernel_lines(found.rates, found.kernels)]))
    print("\n".join(["", *map(str, paths)]))
    return 0 if all(check.held for check in found.checks) else 1


main = command("experiments.device", Arguments, run)


if __name__ == "__main__":
    sys.exit(main())
