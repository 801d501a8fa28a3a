"""Flags of `python -m ufm.verify`: every theorem on your own parameters."""

from dataclasses import dataclass
from typing import Literal

from ufm.commands.frame import Model, command, loading
from ufm.rules.errors import InputError


@dataclass
class Arguments(Model):
    """Check every theorem of the catalogue numerically on one set of parameters.

    Exit code: 0 all that apply hold, 1 some fail, 3 some are undecided,
    2 wrong usage, or a file that cannot be written.

    No verdict: 70 defect, 71 out of memory, 74 output full,
    75 standstill or lost process, 129 to 143 ended.
    """

    variant: str | None = None
    """A problem of another shape, like norm-constrained=1.3,2: KIND or KIND=NUMBER,NUMBER."""
    lam: str | None = None
    """Mixing weights to look at; default 0,1e-6,0.1,0.3,0.5,0.9,1."""
    memory: str | None = None
    """Refuse what would need more, like 4GiB or 500MB; default half of what is free. Changes no number."""
    rigorous: bool = False
    """Take all bounds from ball arithmetic (verdict: proved)."""
    json: str | None = None
    """Write the record as JSON to PATH, or to standard output with '-'."""
    list: bool = False
    """List the theorems and stop; with --loss, --constraint, --bias, --balance those that admit it."""
    constraint: str | None = None
    """With --list: fixed (W is given), free (W is penalised), or another shape of a problem."""
    balance: Literal["balanced", "weighted"] | None = None
    """With --list: classes as likely, or of weights of their own."""
    explain: str | None = None
    """Statement, assumptions, source and check of one theorem, and stop."""


def run(args: Arguments, argv: list[str]) -> int:
    """Everything after parsing. Bad values raise InputError before JAX is loaded or work is done."""
    import ufm.commands.footprint as footprint
    import ufm.commands.inputs as inputs
    from ufm.model.variants.problem import read_variant
    from ufm.output.files import Outputs
    from ufm.rules.memory import allow

    if args.list or args.explain is not None:
        with loading():
            from ufm.commands.runs.verify import explain, list_theorems

        outputs = Outputs({} if args.json in (None, "-") else {"json": args.json})
        if args.explain is not None and not args.list:
            return explain(args.explain, args.json, outputs)
        return list_theorems(_asked(args, argv), args.json, outputs)
    for flag in ("constraint", "balance"):
        if getattr(args, flag) is not None:
            raise InputError(f"--{flag} goes with --list: a problem has its own")
    allow(args.memory)
    law = inputs.read_law(args)
    lam = inputs.read_mixing(args)
    bias, rho = inputs.read_bias(args.bias), inputs.read_rho(args, law)
    variant = None if args.variant is None else read_variant(args.variant)
    if variant is not None:
        _refuse_unread(variant.kind, argv)
    problem = inputs.read_checked(args, law)
    footprint.refuse(footprint.theorems(problem, args.dim, 7 if lam is None else len(lam)))
    paths = {} if args.json in (None, "-") else {"json": args.json}
    outputs = Outputs(paths, inputs.read_sources(args))
    with loading():
        from ufm.commands.runs.verify import verify  # from here on JAX is needed

    return verify(args, ["python", "-m", "ufm.verify", *argv], problem, (lam, bias, rho, variant), outputs)


LAW = {"labels", "alpha", "smoothing", "ways", "pairs", "weights"}
UNREAD = {  # why a problem of another shape has no use for a flag
    "labels": (LAW, "it has classes, all alike, and no labels"),
    "penalties": ({"lambda-w", "lambda-h"}, "it has no penalties"),
    "loss": ({"loss"}, "its loss is its own"),
    None: ({"bias", "rho", "multiplier", "lam", "rigorous"}, "only the problems without --variant do"),
}


def _refuse_unread(kind: str, argv: list[str]) -> None:
    """InputError for a flag that a variant would not read."""
    from ufm.model.variants.problem import READS

    given = _flags(argv)
    for part, (flags, why) in UNREAD.items():
        if part not in READS[kind] and (unread := sorted(flags & given)):
            raise InputError(f"--variant {kind} does not read --{', --'.join(unread)}: {why}; leave it out")


def _flags(argv: list[str]) -> set[str]:
    """The flags that were given, by name."""
    return {word.split("=")[0][2:].replace("_", "-") for word in argv if word.startswith("--")}


def _asked(args: Arguments, argv: list[str]) -> dict[str, str]:
    """The aspects of `ufm.theory.theorems.scope` that --list is narrowed by: flags that were given."""
    given = _flags(argv)
    asked: dict[str, str] = {
        n: getattr(args, n) for n in ("loss", "constraint", "bias", "balance") if n in given
    }
    if asked.get("bias") not in (None, "none", "free"):
        asked["bias"] = "penalised"
    return asked


main = command("ufm.verify", Arguments, run)
