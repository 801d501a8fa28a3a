"""One run of the command `refute`: search, shrink, and a report to read."""

import math
import sys
import textwrap

import numpy as np
from rich.console import Console

from proofs.hunt.planted import PLANTED
from ufm.output.text import law_words
from ufm.refute.cases import Case, depends_on_lam, parameters
from ufm.refute.search import Outcome, Search, Trial, hunt
from ufm.refute.shrinking import shrink
from ufm.refute.words import numbers, ratio
from ufm.rules.errors import InputError, meant
from ufm.runtime.start import start_jax
from ufm.theory.theorems.catalogue import THEOREMS
from ufm.theory.theorems.theorem import FeatureClaim, Theorem

SEARCH_SHARE = 0.8  # of the budget; shrinking has the rest and what the search leaves over
SHRINK_SETTINGS = 400


def find_claim(name: str) -> Theorem:
    """A theorem or a planted claim by its name; InputError with the nearest names."""
    known, name = THEOREMS | PLANTED, name.replace("_", "-")
    if name not in known:
        raise InputError(f"no claim is called {name!r}{meant(name, known)}; --list shows all names")
    return known[name]


def list_claims() -> int:
    """Names and titles, the true ones first."""
    width = max(map(len, THEOREMS | PLANTED))
    for title, claims in (("theorems", THEOREMS), ("planted: false claims that must be refuted", PLANTED)):
        print(title)
        for claim in claims.values():
            print(f"  {claim.name:<{width}}  {claim.title}")
    return 0


def refute(name: str, budget: float, settings: int | None, seed: int) -> int:
    """Search and report; 1 if the claim was refuted, else 0."""
    theorem = find_claim(name)
    start_jax()
    errors = Console(stderr=True)
    most = math.inf if settings is None else settings
    with errors.status(f"{name}: compiling") if errors.is_terminal else _Quiet() as status:
        search = Search(theorem, budget * SEARCH_SHARE, most, note=lambda s: status.update(_progress(s)))
        outcome = hunt(search, seed)
        searched, small, shrinking = (
            search.spent,
            None,
            Search(theorem, budget - search.spent, SHRINK_SETTINGS),
        )
        if outcome.refuted is not None:
            status.update(f"{name}: refuted, looking for a smaller case")
            small = shrink(shrinking, outcome.refuted)
    _report(theorem, outcome, search, small)
    after = f", shrinking {shrinking.spent:.1f} s ({shrinking.tried} settings)" if small else ""
    print(f"search {searched:.1f} s, seed {seed}{after}", file=sys.stderr)
    return 0 if small is None else 1


class _Quiet:
    """Stands in for a progress display where there is no terminal."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def update(self, _text: str) -> None:
        """Nothing to show."""


def _progress(search: Search) -> str:
    worst = f"error/bound ratio {ratio(search.best)}" if search.best else "nothing yet"
    return f"{search.theorem.name}: {search.tried} settings, {worst}"


def _report(theorem: Theorem, outcome: Outcome, search: Search, small: Trial | None) -> None:
    verdict = "refuted" if small else "not refuted"
    print(f"{theorem.name}: {verdict}")
    settings = "1 setting" if search.tried == 1 else f"{search.tried} settings"
    tried = f"{settings} in {outcome.visited} of {outcome.known} families of settings"
    facts = [("claim", theorem.title), ("", theorem.statement)]
    facts += [("assumes", "; ".join(assumption.text for assumption in theorem.assumptions))]
    facts += [("compares", theorem.quantity), ("source", theorem.source), ("tried", tried)]
    trial = small or search.best
    if trial is None:
        facts.append(("", "none satisfies the hypotheses"))
    else:
        facts += [("refuted at" if small else "worst", describe(theorem, trial.case))]
        if trial.case.law.labels is not None:
            facts += [
                ("Y.npy", np.array2string(trial.case.law.labels, max_line_width=90, floatmode="unique"))
            ]
        facts += [("as options", options(theorem, trial.case)), *numbers(trial)]
    for head, text in facts:
        lines = textwrap.wrap(text, 92, break_long_words=False, break_on_hyphens=False) or [""]
        print("\n".join([f"  {head:<11} {lines[0]}", *(f"{'':14}{line}" for line in lines[1:])]))


def options(theorem: Theorem, case: Case) -> str:
    """The case as options of `python -m ufm.verify`."""
    return " ".join(f"--{name} {value}" for name, value in parameters(theorem, case))


def describe(theorem: Theorem, case: Case) -> str:
    """The case in words, with four digits; `options` has them all."""
    d = case.dim or case.classes
    if isinstance(theorem.claim, FeatureClaim):
        words = f"{case.classes} classes in {d} dimensions, {case.loss}, a fixed simplex ETF of row norm "
        words += f"{case.multiplier:.4g}, lambda_H = {case.lambda_h:.4g}"
        return words + (f", lambda = {case.lam:.4g}" if depends_on_lam(theorem) else "")
    bias = {None: "no bias", 0.0: "a free bias"}.get(case.bias, f"a bias of penalty {case.bias or 0:.4g}")
    kind = "a free classifier with " + bias if case.as_variant is None else case.as_variant.words
    return (
        f"{case.classes} classes in {d} dimensions, {case.loss}, {kind}, "
        f"{law_words(case.law)}, lambda_W = {case.lambda_w:.4g}, lambda_H = {case.lambda_h:.4g}"
    )
