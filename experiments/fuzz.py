"""python -m experiments.fuzz: random problems and command lines against independent oracles, for a given time.

Parts: `fixed` (a given classifier), `joint` (a free one), `commands`. Case n of seed S is the same whenever it
runs; a finding is one line that says how to see it again, and makes the exit code 1.
"""

import argparse
import os
import sys
import time
from collections import Counter
from importlib import import_module

from experiments.tools.arguments import positive

PARTS = ("fixed", "joint", "commands")


def main(argv: list[str] | None = None) -> int:
    """Run cases of each part in turn; 1 if anything was found."""
    args = parse(sys.argv[1:] if argv is None else argv)
    start_jax()
    parts = PARTS if args.part == "all" else (args.part,)
    counts: dict[str, Counter] = {part: Counter() for part in parts}
    for part, number in cases(parts, args):
        record = run_case(part, args.seed, number)
        counts[part].update({"cases": 1, "checks": record.counts.total(), "findings": len(record.found)})
        for line in record.lines():
            print(line, flush=True)
        if args.verbose:
            print(f"{part} {number}: {record.about}", flush=True)
    for part, found in counts.items():
        print(f"{part}: {found['cases']} cases, {found['checks']} checks, {found['findings']} findings")
    return int(any(found["findings"] for found in counts.values()))


def parse(argv: list[str]) -> argparse.Namespace:
    """Flags; --case N runs one case of one part."""
    parser = argparse.ArgumentParser(prog="python -m experiments.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=positive, default=60.0, help="no case begins later")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", choices=("all", *PARTS), default="all")
    parser.add_argument("--case", type=int, help="run this case alone (with --part)")
    parser.add_argument("--verbose", action="store_true", help="name every case")
    args = parser.parse_args(argv)
    if args.case is not None and args.part == "all":
        parser.error("--case needs --part")
    return args


def cases(parts, args):
    """(part, number) until the time is over: the part that has had the least time goes on."""
    if args.case is not None:
        yield args.part, args.case
        return
    spent, numbers = dict.fromkeys(parts, 0.0), dict.fromkeys(parts, 0)
    until = time.monotonic() + args.seconds
    while time.monotonic() < until:
        part = min(parts, key=spent.get)
        began = time.monotonic()
        yield part, numbers[part]
        spent[part] += time.monotonic() - began
        numbers[part] += 1


def run_case(part: str, seed: int, number: int):
    """One case; what the package raises is a finding, what the oracle raises ends the run."""
    from experiments.fuzzing.record import Record

    record = Record(part, seed, number)
    import_module(f"experiments.fuzzing.{part}").check(record)
    return record


def start_jax() -> None:
    """As the commands start it: float64, and compiled programs kept."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    from ufm.runtime.start import start_jax

    start_jax()


if __name__ == "__main__":
    sys.exit(main())
