"""python -m experiments.growth: time and memory of every route against K, d and the number of features.

Writes growth.md (exponents), growth.json (all points) and growth.png. Every point runs in a process of its own, on
one thread, after compilation; memory is the peak above the idle process. At most 6 minutes on 2 cores; nothing
else should run. Linux only. Exit code 1 if a point could not be measured.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ufm.commands.frame import command
from ufm.rules.errors import InputError

RESULTS = Path(__file__).parent / "results"
TIME_LIMIT = 120.0  # seconds of one point, the wait for its turn among them


@dataclass
class Arguments:
    """How time and memory of this project grow with K, d and the number of features; results in --out."""

    quick: bool = False
    """Under 1 minute: the first three points of four series; writes growth_quick.*."""
    out: str = str(RESULTS)
    """Folder for the results."""


def run(args: Arguments, argv: list[str]) -> int:
    """All points, then the table. Raises InputError for an unusable folder or system."""
    from experiments.benchmark.growth.points import measure_growth
    from experiments.benchmark.growth.report import table_lines, write
    from experiments.benchmark.growth.routes import choose_series
    from experiments.benchmark.machine import load, machine

    folder = Path(args.out)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out must be a folder, got the file {args.out}")
    budget, where = 0.1 if args.quick else 0.3, machine() | {"load before": str(load())}
    found = measure_growth(choose_series(args.quick), budget, TIME_LIMIT, teller())
    command = " ".join(["python -m experiments.growth", *argv])
    paths = write(found, command, where, folder, "growth_quick" if args.quick else "growth")
    print("\n".join(["", *table_lines(found), "", *map(str, paths)]))
    return int(any(point.status != "ok" for each in found for point in each.points))


def teller():
    """Prints one line a point, with the seconds since the start."""
    began = time.monotonic()

    def tell(route, point):
        size = f"K = {point.size.classes}, d = {point.size.dim}, {point.size.count}"
        result = (
            f"{point.seconds:.3g} s, {point.memory / 2**20:.1f} MiB" if point.status == "ok" else point.status
        )
        print(f"{time.monotonic() - began:5.0f} s  {route}, {size}: {result}", flush=True)

    return tell


main = command("experiments.growth", Arguments, run)


if __name__ == "__main__":
    sys.exit(main())
