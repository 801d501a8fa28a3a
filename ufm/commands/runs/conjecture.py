"""One run of the command `conjecture`: read the claim, search, shrink, and say what was found."""

import math
import sys
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from ufm.agree.theorem import Check, check_theorem
from ufm.agree.verdict import AGREES, FAILS, OUT_OF_HYPOTHESIS, UNDECIDED
from ufm.commands.runs.features import plain_console
from ufm.commands.runs.verify import check_record
from ufm.model.laws import LabelLaw
from ufm.model.variants.reading import is_exchangeable, read_law
from ufm.output.files import Outputs
from ufm.output.records import dump_json, number, run_record
from ufm.output.sections import Facts, Sentence, Table, Verdict, show
from ufm.refute.cases import Family
from ufm.refute.claim import OwnClaim, read_claim
from ufm.refute.errors import ClaimError
from ufm.refute.search import Outcome, Search, Trial, hunt
from ufm.refute.shrinking import shrink
from ufm.refute.words import ratio
from ufm.rules.errors import InputError
from ufm.runtime.start import start_jax
from ufm.runtime.watchdog import handed
from ufm.theory.theorems.catalogue import THEOREMS
from ufm.theory.theorems.scope import of_any_labels
from ufm.theory.theorems.theorem import JointClaim

MOST = 4  # families that are named
SOME = 20  # settings, at most, that theorems are asked of
SHRINKING = 0.5  # of the search's seconds, at most
REFUTED, NOT_REFUTED, UNDECIDED_CLAIM = "refuted", "not refuted", "undecided"
CODES = {NOT_REFUTED: 0, REFUTED: 1, UNDECIDED_CLAIM: 3}


def conjecture(args, command: list[str], path: Path, outputs: Outputs) -> int:
    """Run and report; returns the exit code."""
    start_jax(small=True)  # few settings of many families: compiling takes longest
    try:
        with handed(f"the claim {path.name}"):
            claim = read_claim(path)
            search, outcome, small = _judge_one(claim, args.at) if args.at else _search(claim, args)
            relatives = [] if small else _relatives(search)
    except ClaimError as error:
        raise InputError(f"{path}: {error}") from None
    word = _word(search, outcome, small)
    if args.json != "-":
        _print(plain_console(sys.stdout), claim, search, outcome, small, relatives, word, path)
    data = _record(claim, search, outcome, small, relatives, word, command, args.seed)
    with outputs:
        outputs.write("json", lambda: dump_json(data))
    if args.json == "-":
        sys.stdout.write(dump_json(data))
    print(f"{search.spent:.1f} s, seed {args.seed}", file=sys.stderr)
    return CODES[word]


def _search(claim: OwnClaim, args) -> tuple[Search, Outcome, Trial | None]:
    errors = Console(stderr=True)
    most = math.inf if args.settings is None else args.settings
    live = errors.status("compiling") if errors.is_terminal else nullcontext()
    with live as status:
        tell = (lambda s: status.update(_progress(s))) if status else (lambda s: None)
        search = Search(claim.theorem, args.seconds, most, note=tell)
        outcome = hunt(search, args.seed, claim.families)
        if outcome.refuted is None:
            return search, outcome, None
        smaller = Search(claim.theorem, args.seconds * SHRINKING, note=tell)
        return search, outcome, shrink(smaller, outcome.refuted)


def _judge_one(claim: OwnClaim, text: str) -> tuple[Search, Outcome, Trial | None]:
    """One setting, as --at says it."""
    case = read_case(claim, text)
    search = Search(claim.theorem)
    trial = search.attempt(case)
    if trial is None:
        broken = claim.theorem.violated(case.setting()) if case.admits else "outside the claim's parameters"
        raise InputError(f"--at {text}: {broken or 'there is no such problem'}")
    return search, Outcome(trial if trial.refutes else None, 1, 1), trial if trial.refutes else None


def read_case(claim: OwnClaim, text: str):
    """The case of words NAME=VALUE; what is not named is at its first value or in the middle of its range."""
    first = claim.families[0].case
    given, names = {}, {field.name for field in fields(first)}
    for word in text.replace(",", " ").split():
        name, found, value = word.partition("=")
        if not found or name not in names:
            known = ", ".join(claim.names)
            raise InputError(f"--at takes words like NAME=VALUE, got {word!r}; names are {known}")
        given[name] = _read(name, value, getattr(first, name), claim)
    return type(first)(**given)


def _read(name: str, value: str, like, claim: OwnClaim):
    choices = {str(choice): choice for choice in claim.choices.get(name, [])}
    if value in choices:
        return choices[value]
    if name == "dim":
        like = 0
    try:
        return type(like)(value) if isinstance(like, (int, float)) else float(value)
    except ValueError:
        raise InputError(f"--at: {name} = {value!r} is no number") from None


def _word(search: Search, outcome: Outcome, small: Trial | None) -> str:
    if small is not None:
        return REFUTED
    return UNDECIDED_CLAIM if outcome.leaves_open(search) else NOT_REFUTED


def _progress(search: Search) -> str:
    best = "" if search.best is None else f", worst error/bound {ratio(search.best)}"
    return f"{search.tried} settings{best}"


# --- what a claim that survives is near to --------------------------------------------------------


class Near(NamedTuple):
    """A theorem at the worst setting, and in how many of some settings of the search its hypotheses hold."""

    check: Check
    held: int
    of: int


def _relatives(search: Search) -> list[Near]:
    """The catalogue's theorems on the same optimum that apply at the worst setting: those of its labels first, and
    of these what covers more of the claim."""
    if search.best is None:
        return []
    setting = search.best.case.setting()
    cases = [case for case, trial in search.seen.items() if trial is not None]
    others = [case.setting() for case in cases[:: len(cases) // SOME + 1]]
    found = []
    for theorem in THEOREMS.values():
        if isinstance(theorem.claim, JointClaim):
            check = check_theorem(theorem, setting)
            if check.verdict.word not in (OUT_OF_HYPOTHESIS, UNDECIDED):
                held = sum(theorem.violated(other) is None for other in others)
                found.append(Near(check, held, len(others)))
    return sorted(found, key=lambda near: (of_any_labels(THEOREMS[near.check.theorem]), -near.held))


# --- words ----------------------------------------------------------------------------------------


def said(case) -> dict:
    """The parameters that a search may choose, by name."""
    return {name: getattr(case, name) for name in (*case.choices, *case.numbers)} | _dim(case)


def _dim(case) -> dict:
    return {} if case.dim is None or "dim" in case.choices else {"dim": case.dim}


def at(case) -> str:
    """The case as the text of --at."""
    return _joined(said(case))


def _joined(given: dict) -> str:
    return " ".join(f"{name}={_plain(value)}" for name, value in given.items())


def _plain(value) -> str:
    return repr(float(value)) if isinstance(value, (float, np.floating)) else str(value)


CLAIMED = {"gram": "trace of W Wᵀ", "logits": "largest spread of logits", "inequality": "the value"}


def _found(claim: OwnClaim, trial: Trial) -> list[tuple[str, str]]:
    """What is claimed and what the certified optimum has, in the claim's terms; the verdict alone if unsolved."""
    check = trial.check
    told = check.verdict.word in (AGREES, FAILS)  # whose reason is the line of errors
    verdict = ("verdict", check.verdict.word if told else f"{check.verdict.word}: {check.verdict.reason}")
    if check.error is None or check.bound is None or check.theory_bound is None:
        return [verdict]
    claimed, found = f"{check.predicted:.12g}" if check.predicted is not None else "", f"{check.numeric:.12g}"
    if claim.kind == "zero":
        claimed, found = "W = 0" if check.predicted == 0 else "W is not 0", f"norm of W {found}"
    elif claim.kind == "inequality":
        claimed, found = "never above 0", f"{CLAIMED[claim.kind]} {found}"
    else:
        claimed, found = (f"{CLAIMED[claim.kind]} {text}" for text in (claimed, found))
    allowed = check.bound + check.theory_bound
    error = f"{check.error:.3e}; rounding and gap allow {allowed:.2e}; ratio {ratio(trial)}"
    if allowed == math.inf:
        error = f"{check.error:.3e}, from which nothing follows"
    return [("claimed", claimed), ("optimum", found), ("error", error), verdict]


def _recognised(law: LabelLaw) -> str:
    """What labels written by hand are, where that is told from them."""
    named = read_law(law)
    if named is law:
        return " (exchangeable)" if is_exchangeable(law) else ""
    weights = "" if named.class_weights is None else ", classes of unequal weight"
    return f" (one-hot{f', smoothed by {named.smoothing:.4g}' if named.smoothing else ''}{weights})"


def _others(case) -> dict:
    """What the file fixes, and the defaults of what is left, of a problem: with `said` all of it."""
    law, known = case.law, said(case)
    given = {"labels": law.name if law.labels is None else f"labels(p){_recognised(law)}"}
    named = ["lambda_w", "lambda_h", "loss", "bias", *(["alpha"] if law.alpha else []), *case.fixed]
    given |= {name: getattr(case, name) for name in named if name not in known}
    return given | ({} if "dim" in known else {"dim": case.dim or case.classes})


def _print(
    console, claim: OwnClaim, search: Search, outcome: Outcome, small, relatives, word: str, path: Path
):
    ranges = [f"{name} in {low:g} … {high:g}" for name, (low, high) in claim.ranges.items()]
    ranges += [f"{name} of {', '.join(map(str, values))}" for name, values in claim.choices.items()]
    facts = [("claimed", f"{claim.kind}: {claim.theorem.title}"), ("over", "; ".join(ranges))]
    facts += [("compares", claim.theorem.quantity), ("settings", _counted(search, outcome))]
    if search.skipped:
        whole = f"; all of the families {_named(outcome.barred)}" if outcome.barred else ""
        facts += [("left out", f"{search.skipped} settings that the claim is not made for{whole}")]
        facts += [("assumes", assumption.text) for assumption in claim.theorem.assumptions]
    if small is None and outcome.visited < outcome.known:
        facts += [("unseen", f"{outcome.known - outcome.visited} of the families: give more --seconds")]
    if outcome.open:
        facts += [("open", f"mostly undecided, {len(outcome.open)} of the families: {_named(outcome.open)}")]
    if small is None and search.left and search.left is not search.best:
        at_one = _parameters(said(search.left.case))
        facts += [("undecided", f"for one at {at_one}: {search.left.check.verdict.reason}")]
    show(console, f"conjecture {path.name}", Facts(facts))
    trial = small or search.best
    if trial is None:
        show(console, Sentence("No setting satisfies the assumptions: nothing was judged."))
    else:
        show(console, "counterexample" if small else "worst setting", Facts(_facts(claim, trial)))
        if small:  # one line, to be copied
            line = f"  again       python -m ufm.conjecture {path} --at '{at(trial.case)}'"
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    if relatives:
        rows = [
            (c.theorem, f"{held} of {of}", f"{c.error:.1e}", f"{c.bound:.1e}", c.verdict.word)
            for c, held, of in relatives
        ]
        heads = ("theorem", "settings", "error", "bound", "verdict")
        head = "theorems that apply at the worst setting, and in how many of some settings"
        show(console, head, Table(heads, rows, left=(0, -1)))
    wrong = [near.check.theorem for near in relatives if near.check.verdict.word == FAILS]
    if wrong:
        known = f"{', '.join(wrong)}: known to hold at this setting, and fails"
        show(console, Sentence(f"{known}. That is a defect here and not of the claim: please report it."))
    show(console, Verdict("the claim is", word))


def _counted(search: Search, outcome: Outcome) -> str:
    """Settings that were judged, each counted once, and the families that they lie in."""
    every = ", all there are" if outcome.exhausted else ""
    return (
        f"{search.tried} in {outcome.judged} of {outcome.known} families{every}; {search.undecided} undecided"
    )


def _named(families: tuple[Family, ...]) -> str:
    """The first few of them, by what they have of their own."""
    cases: list[Any] = [family.case for family in families[:MOST]]
    own = [_joined({name: getattr(case, name) for name in case.choices} | _dim(case)) for case in cases]
    return "; ".join(own) + ("; …" if families[MOST:] else "")


def _facts(claim: OwnClaim, trial: Trial) -> list[tuple[str, str]]:
    case = trial.case
    return [("at", _parameters(said(case))), ("with", _parameters(_others(case))), *_found(claim, trial)]


def _parameters(given: dict) -> str:
    return ", ".join(f"{name} = {_short(name, value)}" for name, value in given.items())


def _short(name: str, value) -> str:
    if name == "bias" and value in (None, 0):
        return "none" if value is None else "free"
    return f"{value:.6g}" if isinstance(value, (float, np.floating)) else str(value)


def _record(claim, search, outcome, small, relatives, word, command, seed) -> dict:
    trial = small or search.best
    return {
        "schema": 1,
        "claim": {"name": claim.theorem.name, "title": claim.theorem.title, "kind": claim.kind},
        "verdict": word,
        "settings": {"tried": search.tried, "undecided": search.undecided, "skipped": search.skipped},
        "families": {"visited": outcome.visited, "known": outcome.known, "judged": outcome.judged},
        "exhausted": outcome.exhausted,
        "counterexample" if small else "worst": None if trial is None else _trial_record(trial),
        "theorems": [check_record(near.check) | {"held": near.held, "of": near.of} for near in relatives],
        "provenance": run_record(command) | {"seed": seed},
    }


def _trial_record(trial: Trial) -> dict:
    searched, others = (
        {name: number(value) if isinstance(value, float) else value for name, value in given.items()}
        for given in (said(trial.case), _others(trial.case))
    )
    return {"parameters": searched, "with": others, "at": at(trial.case)} | check_record(trial.check)
