"""From a case that refutes a claim to a small one: few classes, plain labels, round numbers.

Simplifications are tried one at a time and kept when the claim still fails by a clear margin. Where a
claim changes its branch, simplifying one number moves the seam: then λ_W follows it by bisection.
"""

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from ufm.model.variants.problem import VARIANTS
from ufm.refute.cases import Case, changed
from ufm.refute.search import Limit, Search, Trial, follow_seam
from ufm.theory.theorems.theorem import FeatureClaim

MARGIN = 1.0  # decades by which the error of a shrunk case exceeds its bounds, if it did before
ROUND = (1.0, 0.5, 0.1, 0.2, 0.3, 0.05, 0.01, 0.02, 0.001, 0.0001)  # the values tried first, in this order


def shrink(search: Search, trial: Trial) -> Trial:
    """The smallest failing case that the moves find within the budget of `search`."""
    smaller = [trial]
    with suppress(Limit):
        for moves in (plainer, rounder):
            _settle(search, smaller, moves)
    return smaller[-1]


def _settle(search: Search, smaller: list[Trial], moves) -> None:
    """Apply the first move that keeps the claim failing, until none does; each success is appended."""
    asked: set[Case] = set()
    moved = True
    while moved:
        moved = False
        for case in moves(smaller[-1].case):
            if case in asked or case == smaller[-1].case:
                continue
            asked.add(case)
            found = _still_fails(search, smaller[-1], case, follow=moves is plainer)
            if found is not None:
                smaller.append(found)
                moved = True
                break


def _still_fails(search: Search, trial: Trial, case: Case, follow: bool) -> Trial | None:
    """The simpler case if it fails as clearly, or where λ_W follows the seam; None otherwise."""
    least = min(MARGIN, trial.score)

    def keeps(found: Trial | None) -> bool:
        return found is not None and found.refutes and found.score >= least

    found = search.attempt(case)
    if keeps(found) or found is None:
        return found
    seam = not isinstance(search.theorem.claim, FeatureClaim) and trial.check.predicted in (None, 0)
    if not (follow and seam and "lambda_w" in case.numbers):
        return None
    return next(filter(keeps, follow_seam(search.attempt, found, ("lambda_w",))), None)


def plainer(case: Case) -> Iterator[Case]:
    """Fewer classes, a plainer law, no bias, the default dimension, α = 1."""
    for K in range(2, case.classes):
        yield replace(case, classes=K, dim=None)
    plain = type(case)()
    for name in ("labels", "pairs", "smoothing", "groups", "bias", "dim", "loss", "alpha"):
        yield changed(case, {name: getattr(plain, name)})
    yield replace(case, groups=None if case.groups is None else "one")


def rounder(case: Case) -> Iterator[Case]:
    """Every number replaced by a round one: the plainest first, then fewer digits, never more than now.

    λ_H is rounded with m²/λ_H or λ_W λ_H kept as well, on which most claims depend alone.
    """
    for name in case.numbers:
        value = getattr(case, name)
        if not isinstance(value, float) or value <= 0 or not used(case, name):
            continue
        for simple in (*ROUND, *(float(f"{value:.{digits}g}") for digits in (1, 2, 3, 4))):
            if complexity(simple) >= complexity(value):
                continue
            yield changed(case, {name: simple})
            if name == "lambda_h":
                share = simple / value
                yield replace(
                    case,
                    lambda_h=simple,
                    lambda_w=case.lambda_w / share,
                    multiplier=case.multiplier * math.sqrt(share),
                )


def used(case: Case, name: str) -> bool:
    """The number enters the case at all."""
    numbers = 0 if case.variant is None else len(VARIANTS[case.variant])
    return not (
        (name == "light" and case.groups is None)
        or (name == "first" and numbers < 1)
        or (name == "second" and numbers < 2)
    )


def complexity(value: float) -> tuple[int, float]:
    """Digits of a number, then its place among the round ones, then how far from one it is."""
    digits = len(f"{value:.17g}".split("e")[0].replace(".", "").strip("0"))
    exact = len(repr(value).split("e")[0].replace(".", "").strip("0"))
    place = float(ROUND.index(value)) if value in ROUND else len(ROUND) + abs(math.log10(value))
    return (min(digits, exact), place)
