"""python -m proofs.refute NAME: search for a case in which a claim and the certified optimum disagree."""

import math
import sys
from dataclasses import dataclass
from typing import Annotated

import tyro

from ufm.commands.frame import guarded
from ufm.rules.errors import InputError


@dataclass
class Arguments:
    """Search for a counterexample to a theorem of the catalogue, or to a planted false claim.

    Exit code: 0 not refuted, 1 refuted, 2 wrong usage.
    """

    name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[NAME]")] = None
    """Name of a theorem or of a planted claim; see --list."""
    budget: float = 50.0
    """Seconds to spend, the shrinking of what was found included."""
    settings: int | None = None
    """Number of settings to try at most; default: as many as the budget allows."""
    seed: int = 0
    """Seed of the random settings."""
    list: bool = False
    """List the names and stop."""


def main(argv: list[str] | None = None) -> int:
    """Parse, run, report; returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    return guarded("proofs.refute", lambda: run(parse(argv)), "interrupted")


def parse(argv: list[str]) -> Arguments:
    """Arguments from words; SystemExit for what the parser itself refuses."""
    config = (tyro.conf.FlagCreatePairsOff, tyro.conf.HelptextFromCommentsOff)
    return tyro.cli(Annotated[Arguments, *config], args=argv, prog="python -m proofs.refute")


def run(args: Arguments) -> int:
    """Everything after parsing. Bad values raise InputError before JAX is loaded or work is done."""
    check(args)
    from proofs.hunt.refutation import list_claims, refute  # from here on JAX is needed

    return list_claims() if args.list else refute(args.name, args.budget, args.settings, args.seed)


def check(args: Arguments) -> None:
    """Limits of the plain numbers, and that there is something to do."""
    if not args.list and args.name is None:
        raise InputError("name a claim, or ask for --list")
    if not (math.isfinite(args.budget) and args.budget > 0):
        raise InputError(f"--budget must be a positive number of seconds, got {args.budget}")
    if args.settings is not None and args.settings < 1:
        raise InputError(f"--settings must be at least 1, got {args.settings}")
    if not 0 <= args.seed < 2**63:
        raise InputError(f"--seed must be an integer from 0 to 2^63 − 1, got {args.seed}")


if __name__ == "__main__":
    sys.exit(main())
