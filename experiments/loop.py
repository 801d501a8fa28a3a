"""python -m experiments.loop: run every short command that the pages show, many times, and see that all end.

On one core, on more, with more CPU devices than cores, alone and beside other work. What does not end in time is
killed after all its stacks, of Python and of native threads, were written to --out. --kind long and --kind hosts
run the cut forms of the others once. Linux only.
"""

import os
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from experiments.commands.shown import ROOT
from ufm.commands.frame import command
from ufm.rules.errors import InputError

RESULTS = Path(__file__).parent / "results" / "loop"


@dataclass
class Arguments:
    """Run the commands of experiments/commands/table.py and say how many ended, and how.

    Exit code: 0 all ended as they should, 1 some did not, 2 wrong usage.
    """

    times: int | None = None
    """Runs of each command in each place; default 10, for other kinds than short 1."""
    kind: Literal["short", "long", "hosts"] = "short"
    """Class of the commands; long and hosts: their cut forms."""
    only: str | None = None
    """Only commands that hold these words."""
    cores: str | None = None
    """Numbers of cores, comma-separated; default: 1, 2 and all there are, for other kinds than short all."""
    devices: str | None = None
    """CPU devices asked for, comma-separated, 0 for none; default: 0, and of short ones on all cores two a core."""
    load: Literal["both", "with", "without"] | None = None
    """With other work on the same cores, or without; default: both, for other kinds than short without."""
    quick: bool = False
    """Every short command twice, within 3 minutes: on all cores, alone and beside other work."""
    seconds: float = 120.0
    """What takes longer does not end."""
    out: Path = RESULTS
    """Folder for loop.md, loop.json and the stacks of what did not end."""
    checkout: Path = ROOT
    """Folder of the code that is run: another checkout, to compare with."""


def run(args: Arguments, argv: list[str]) -> int:
    """Everything after parsing. InputError for numbers out of range, or where no command is left."""
    from experiments.commands.loop import Loop, bad, run_all, write
    from experiments.commands.table import ROWS

    args = completed(args)
    rows = [row for row in ROWS if row.kind == args.kind and (args.only or "") in row.words]
    if not rows:
        raise InputError(f"no {args.kind} command holds {args.only!r}")
    if args.times < 1 or not args.seconds > 0:
        raise InputError(f"--times and --seconds must be positive, got {args.times} and {args.seconds}")
    if not (args.checkout / "ufm").is_dir():
        raise InputError(f"--checkout {args.checkout} holds no folder ufm")
    where = places(args)
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as own:
        cache = Path(
            os.environ.get("XDG_CACHE_HOME") or own
        )  # one for all: what one run compiles the next loads
        loop = Loop(args.times, args.seconds, args.out, cache, args.checkout.resolve())
        found = run_all(rows, where, loop, lambda line: print(line, flush=True))
    print("\n".join(["", *map(str, write(found, " ".join(["python -m experiments.loop", *argv]), args.out))]))
    return int(any(map(bad, found)))


def completed(args: Arguments) -> Arguments:
    """What was not said: short commands often and everywhere, the others once."""
    there = str(len(os.sched_getaffinity(0)))
    default = {"times": 10, "load": "both"}
    if args.quick:
        default |= {"times": 1, "cores": there, "devices": "0"}
    if args.kind != "short":
        default = {"times": 1, "load": "without", "cores": there, "devices": "0"}
    return replace(args, **{name: value for name, value in default.items() if getattr(args, name) is None})


def places(args: Arguments) -> list:
    """Where the commands are run, as the options say."""
    from experiments.commands.run import Place

    there = len(os.sched_getaffinity(0))
    cores = numbers("cores", args.cores, 1, there) or sorted({1, min(2, there), there})
    loads = {"both": (False, True), "with": (True,), "without": (False,)}[args.load]
    devices = numbers("devices", args.devices, 0, 1024)
    pairs = [(n, m or None) for n in cores for m in devices or (0,)]
    if not devices:
        pairs.append((max(cores), 2 * max(cores)))
    return [Place(*pair, load) for load in loads for pair in pairs]


def numbers(name: str, text: str | None, least: int, most: int) -> list[int]:
    """Comma-separated integers from least to most; InputError for others."""
    found = [] if text is None else text.split(",")
    if not all(word.strip().isdecimal() and least <= int(word) <= most for word in found):
        raise InputError(f"--{name} must be integers from {least} to {most}, comma-separated, got {text}")
    return [int(word) for word in found]


main = command("experiments.loop", Arguments, run, "interrupted: no report was written")


if __name__ == "__main__":
    sys.exit(main())
