"""One run of the command `verify`: all theorems on one setting, as table and record."""

import shutil
import sys
import textwrap
import time
from dataclasses import replace

from rich.console import Console
from rich.progress import track

from ufm.agree.theorem import Check, check_theorem
from ufm.agree.verdict import OUT_OF_HYPOTHESIS, UNDECIDED, exit_code, worst_verdict
from ufm.commands.runs.features import plain_console
from ufm.model.problem import Problem
from ufm.model.variants.problem import LABELS, LOSS, PENALTIES, READS
from ufm.model.variants.reading import is_exchangeable
from ufm.output.files import Outputs
from ufm.output.formulas import plain, readable
from ufm.output.records import dump_json, number, problem_record, run_record
from ufm.output.sections import Facts, Table, Verdict, show
from ufm.output.text import bias_words, law_facts, small
from ufm.rules.errors import InputError, meant
from ufm.runtime.effort import SMALL, joint_seconds
from ufm.runtime.start import start_jax
from ufm.runtime.watchdog import handed
from ufm.theory.multiplier import joint_multiplier
from ufm.theory.theorems.catalogue import THEOREMS
from ufm.theory.theorems.scope import CLASSICAL, FORMAL, admits, constraints, relatives, symbols
from ufm.theory.theorems.theorem import MIXING, FeatureClaim, Setting, joint_labels

NONE = "No theorem applies here: below is why (other --labels, --bias or --loss?)."
MANY = 10**6  # columns of what is no terminal


def verify(args, command: list[str], problem: Problem, seen, outputs: Outputs) -> int:
    """Check everything and report; returns the exit code. seen: λ looked at, λ_b, ρ of labels, the variant."""
    lam, lambda_b, rho, variant = seen
    began = time.perf_counter()
    labels = joint_labels(problem.law, problem.classes, Setting.nodes)
    start_jax(small=joint_seconds(labels, problem.classes) < SMALL)
    with handed("the multiplier"):
        problem, source = choose_multiplier(problem, args.multiplier, args.loss, rho is None)
    lam = MIXING if lam is None else tuple(float(value) for value in lam)
    setting = Setting(
        problem, lam, lambda_b, free_dim=args.dim, free_loss=args.loss, rho=rho, variant=variant
    )
    errors = Console(stderr=True)
    names = track(THEOREMS, "theorems", console=errors, transient=True, disable=not errors.is_terminal)
    checks = [_check(name, setting, args.rigorous) for name in names]
    words = [check.verdict.word for check in checks]
    applied = [word for word in words if word != OUT_OF_HYPOTHESIS]
    overall = worst_verdict(applied) if applied else OUT_OF_HYPOTHESIS
    if args.json != "-":
        _print(plain_console(sys.stdout), setting, source, checks, overall, args.rigorous)
    data = {
        "schema": 1,
        "problem": problem_record(problem, {"multiplier_source": source, "bias": lambda_b, "lam": list(lam)})
        | {"loss": args.loss, "rho": None if rho is None else rho.tolist()}
        | ({"variant": variant.words} if variant else {}),
        "theorems": [check_record(check) for check in checks],
        "summary": {"count": len(applied), "verdict": overall},
        "provenance": run_record(command),
    }
    with outputs:
        outputs.write("json", lambda: dump_json(data))
    if args.json == "-":
        sys.stdout.write(dump_json(data))
    print(
        f"{len(applied)} of {len(checks)} theorems apply, {time.perf_counter() - began:.1f} s",
        file=sys.stderr,
    )
    return exit_code(overall)


def _check(name: str, setting: Setting, rigorous: bool) -> Check:
    with handed(f"theorem {name}"):
        return check_theorem(THEOREMS[name], setting, rigorous=rigorous)


def choose_multiplier(
    problem: Problem, given: float | None, loss: str, alike: bool = True
) -> tuple[Problem, str]:
    """The fixed ETF's row norm: given, jointly optimal, or 1 where no theorem names one; loss: of the free W;
    alike: the features of all labels are penalised alike."""
    if given is not None:
        return problem, "given multiplier"
    if loss != problem.loss:
        return replace(problem, multiplier=1.0), f"no theorem on a fixed classifier is of {loss}"
    if problem.lambda_w == 0 or not alike or not is_exchangeable(problem.law):
        why = "lambda_W = 0" if problem.lambda_w == 0 else "not exchangeable"
        return replace(problem, multiplier=1.0), f"{why}: none is optimal; give --multiplier"
    best = joint_multiplier(problem.law, problem.classes, problem.lambda_w, problem.lambda_h, problem.loss)
    return replace(problem, multiplier=best.value), "jointly optimal multiplier"


def check_record(check: Check) -> dict:
    """One theorem of the JSON record."""
    return {
        "name": check.theorem,
        "predicted": number(check.predicted),
        "numeric": number(check.numeric),
        "error": number(check.error),
        "bound": number(check.bound),
        "theory_bound": number(check.theory_bound),
        "verdict": check.verdict.word,
        "reason": check.verdict.reason,
    }


def _print(console, setting: Setting, source: str, checks: list[Check], overall: str, rigorous: bool) -> None:
    applied = [c for c in checks if c.verdict.word != OUT_OF_HYPOTHESIS]
    reads = (LABELS, PENALTIES, LOSS) if setting.variant is None else READS[setting.variant.kind]
    size = f"{setting.problem.classes} classes, {setting.dim} dimensions"
    head = f"theorems on {size}{f', {setting.loss}' if LOSS in reads else ''}"
    show(console, head, Facts(list(_given(setting, source, reads, applied))))
    rows = [
        (c.theorem, _predicted(c), _shown(c.numeric), _size(c.error), _size(c.bound), c.verdict.word)
        for c in applied
    ]
    heads = ("theorem", "theory", "numeric", "error", "bound", "verdict")
    show(console, "", Table(heads, rows, left=(0, -1)) if rows else NONE, "")
    for c in applied:
        if c.verdict.word not in ("agrees", "proved"):
            blurred = c.verdict.word == UNDECIDED and c.bound is not None and setting.variant is None
            hint = " (--rigorous sharpens bounds)" if blurred and not rigorous else ""
            show(console, f"{c.theorem}: {c.verdict.reason}{hint}")
    _print_folded(console, [c for c in checks if c.verdict.word == OUT_OF_HYPOTHESIS])
    show(console, Verdict("verdict on those that apply", overall))


def _print_folded(console, checks: list[Check]) -> None:
    """Theorems that do not apply, by the reason, commonest first."""
    reasons: dict[str, list[str]] = {}
    for c in checks:
        reasons.setdefault(c.verdict.reason or "", []).append(c.theorem)
    if reasons:
        show(console, f"{len(checks)} do not apply:")
    for reason, names in sorted(reasons.items(), key=lambda pair: -len(pair[1])):
        text = f"{reason}: {', '.join(names)}"
        show(console, *textwrap.wrap(f"  {text}", 78, subsequent_indent="    ", break_on_hyphens=False))


def _given(setting: Setting, source: str, reads, applied: list[Check]):
    """What the problem is made of, and the fixed classifier where a theorem is on that."""
    p = setting.problem
    labels, (head, penalties) = law_facts(p)
    if LABELS in reads:
        yield labels
    if setting.variant is None:
        penalties += f", bias {bias_words(setting.lambda_b)}"
        penalties += "" if setting.rho is None else "; lambda_H times rho of each label"
    if PENALTIES in reads:
        yield head, penalties
    if setting.variant is not None:
        yield "problem", setting.variant.words
    if any(isinstance(THEOREMS[c.theorem].claim, FeatureClaim) for c in applied):
        yield "fixed ETF", f"m = {p.row_norm:.12g} ({source}), a = {p.sharpness:.10g}"


def _predicted(check: Check) -> str:
    """The prediction; with its sign where the theorem is an inequality."""
    claim = THEOREMS[check.theorem].claim
    bound = isinstance(claim, FeatureClaim) and claim.relation == "<=" and check.predicted is not None
    return ("<= " if bound else "") + _shown(check.predicted)


def _shown(value: float | None) -> str:
    """Six digits, or as many as ten characters hold: so that no table is wider than 80 columns."""
    texts = () if value is None else [f"{value:.{digits}g}" for digits in (6, 5, 4, 3)]
    return next((text for text in texts if len(text) <= 10), "")


def _size(value: float | None) -> str:
    return "" if value is None else small(value)


def list_theorems(asked: dict[str, str], json: str | None, outputs: Outputs) -> int:
    """Names and titles of those that admit what is asked for, by aspect; InputError for an unknown constraint.

    A line each, unless it is folded for a terminal.
    """
    known = constraints(THEOREMS.values())
    if asked.get("constraint", known[0]) not in known:
        raise InputError(f"--constraint must be one of {', '.join(known)}, got {asked['constraint']!r}")
    width = 2 + max(map(len, THEOREMS))
    found = [t for t in THEOREMS.values() if all(admits(t, aspect, value) for aspect, value in asked.items())]
    columns = shutil.get_terminal_size().columns - 1 if sys.stdout.isatty() else MANY
    lines = [
        textwrap.fill(
            f"{t.name:<{width}}{t.title}", columns, subsequent_indent=" " * width, break_on_hyphens=False
        )
        for t in found
    ] or ["no theorem admits all of that"]
    return _say(
        lines, {"schema": 1, "theorems": [{"name": t.name, "title": t.title} for t in found]}, json, outputs
    )


def explain(name: str, json: str | None, outputs: Outputs) -> int:
    """One theorem in full; its formulas for a terminal, in the record as LaTeX."""
    if name not in THEOREMS:
        raise InputError(f"no theorem is called {name!r}{meant(name, THEOREMS)}; --list shows all names")
    theorem = THEOREMS[name]
    near = relatives(name)
    facts = [
        *zip(["statement", *[""] * 99], plain(theorem.statement).split("\n")),
        *zip(
            ["assumes", *[""] * 99], (readable(assumption.text, WHOLE) for assumption in theorem.assumptions)
        ),
        *(("where", "; ".join(found)) for found in [symbols(theorem)] if found),
        ("compares", theorem.quantity),
        ("by", CHECKED_BY),
        ("proof", f"proofs/{name.replace('-', '_')}.py"),
        *(("in Coq", FORMAL[one]) for one in (name,) if one in FORMAL),
        ("source", theorem.source),
        ("known as", CLASSICAL.get(name, "no other name")),
        *(("relative", f"{other}: {words}") for other, words in near.items()),
    ]
    lines = [textwrap.fill(theorem.title, 79)]
    for head, text in facts:
        first, *more = textwrap.wrap(text, 66, break_on_hyphens=False) or [""]
        lines += [
            line.replace(WHOLE, " ") for line in (f"  {head:<10} {first}", *(f"{'':13}{m}" for m in more))
        ]
    data = {part: getattr(theorem, part) for part in ("name", "title", "statement", "quantity", "source")}
    data |= {"assumptions": [assumption.text for assumption in theorem.assumptions]}
    data |= {"formal": FORMAL.get(name), "known_as": CLASSICAL.get(name), "relatives": near}
    return _say(lines, {"schema": 1} | data, json, outputs)


WHOLE = "\u00a0"  # a space at which no line ends
CHECKED_BY = "blind optimum, its certificate where one is known, closed form apart from both"


def _say(lines: list[str], data: dict, json: str | None, outputs: Outputs) -> int:
    """Lines on standard output, or the record there, or in a file besides."""
    with outputs:
        outputs.write("json", lambda: dump_json(data))
    sys.stdout.write(dump_json(data) if json == "-" else "\n".join([*lines, ""]))
    return 0
