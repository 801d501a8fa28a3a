"""Flags of `python -m ufm.conjecture`: a claim of one's own, searched for a counterexample."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from ufm.commands.frame import command, loading


@dataclass
class Arguments:
    """Search for a setting in which your claim and the certified optimum disagree.

    The claim is a Python file that this command RUNS: parameters, labels, and one
    (gram(p), zero(p), logits(p, y) or inequality(p, o)).

    Exit code: 0 not refuted, 1 refuted, 3 undecided,
    2 wrong usage, or the claim itself fails.

    No verdict: 70 defect, 71 out of memory, 74 output full,
    75 standstill, 129 to 143 ended.
    """

    claim: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CLAIM.py")]
    """The file with the claim."""
    seconds: float = 60.0
    """How long to search; a counterexample is made smaller for half of that again at most."""
    settings: int | None = None
    """Number of settings to try at most; default: as many as the time allows."""
    seed: int = 0
    """Seed of the random settings."""
    at: str | None = None
    """Judge one setting only: 'classes=3 alpha=1 lambda_w=0.01', names as in the claim."""
    json: str | None = None
    """Write the record as JSON to PATH, or to standard output with '-'."""


def run(args: Arguments, argv: list[str]) -> int:
    """Everything after parsing. Bad values raise InputError before JAX is loaded or work is done."""
    from pathlib import Path

    import ufm.rules.numbers as checked
    from ufm.output.files import Outputs
    from ufm.rules.errors import InputError

    path = Path(args.claim)
    if path.suffix != ".py" or not path.is_file():
        raise InputError(f"{args.claim} is no Python file")
    checked.positive("--seconds", args.seconds)
    if args.settings is not None:
        checked.integer("--settings", args.settings, 1)
    checked.integer("--seed", args.seed, 0, checked.MAX_SEED)
    if args.at is not None and args.settings is not None:
        raise InputError("--at judges one setting: --settings does not apply")
    outputs = Outputs({} if args.json in (None, "-") else {"json": args.json}, [args.claim])
    with loading():
        from ufm.commands.runs.conjecture import conjecture  # from here on JAX is needed

    return conjecture(args, ["python", "-m", "ufm.conjecture", *argv], path, outputs)


main = command("ufm.conjecture", Arguments, run)
