"""A verdict: what a claim, an error and a bound add up to. One rule for every command and table."""

from math import isfinite
from typing import NamedTuple

import numpy as np

AGREES, PROVED, FAILS = "agrees", "proved", "fails"
UNDECIDED, OUT_OF_HYPOTHESIS = "undecided", "out of hypothesis"

# worst first: a summary carries the worst verdict of its rows
ORDER = (FAILS, UNDECIDED, OUT_OF_HYPOTHESIS, AGREES, PROVED)
EXIT_CODES = {FAILS: 1, UNDECIDED: 3}


class Verdict(NamedTuple):
    """One of five words and the reason for it."""

    word: str
    reason: str


def judge(
    error: float | None,
    bound: float,
    theory_bound: float,
    tol: float,
    *,
    exceeds: bool,
    violated: str | None = None,
    enclosed: bool | None = None,
    stalled: str | None = None,
) -> Verdict:
    """The verdict on "the closed form is the optimum", from an error and the bounds on both routes.

    error: distance between the routes; bound: certified distance of the numerical optimum to
    the truth; theory_bound: rounding bound of the closed form; all in the same unit as tol, each the
    worst over the features of a row. exceeds: some feature's error exceeds its two bounds.
    violated: an assumption that does not hold; then nothing is claimed, so error and theory_bound do not count,
    but the numerical optimum still has to be one. enclosed: ball arithmetic confirmed optimum,
    bounds and error (True), contradicted them (False) or was not asked for (None).
    """
    if enclosed is False:
        return Verdict(FAILS, "ball arithmetic contradicts a stated bound")
    if violated is None and (exceeds or error is None or exceeded(error, bound, theory_bound)):
        return Verdict(FAILS, _apart(error, bound + theory_bound))
    open_ = stalled or _unmet(bound, tol)
    if open_:
        return Verdict(
            UNDECIDED, open_ if violated is None else f"{open_}; and no closed form applies: {violated}"
        )
    if violated is not None:
        return Verdict(OUT_OF_HYPOTHESIS, violated)
    if not theory_bound <= tol:
        return Verdict(
            UNDECIDED, f"the closed form's rounding {_size(theory_bound)} exceeds the tolerance {tol:.0e}"
        )
    if enclosed:
        return Verdict(PROVED, "ball arithmetic encloses the optimum and confirms error and bounds")
    allowed = f"certified bound {bound:.2e} <= tolerance {tol:.0e}"
    if error is not None and error > bound:
        allowed = f"certified bound {bound:.2e} plus rounding {theory_bound:.2e}, both <= tolerance {tol:.0e}"
    return Verdict(AGREES, f"error {error:.2e} within {allowed}")


JUDGED = (FAILS, UNDECIDED, AGREES)  # what a row of `judge_rows` can be


def judge_rows(error, bound, theory_bound, tol: float) -> np.ndarray:
    """`judge` for features with a closed form, without ball arithmetic: the place of each word in JUDGED."""
    decided = (bound <= tol) & (theory_bound <= tol)
    with np.errstate(invalid="ignore"):  # NaN and infinity are judged
        return np.where(exceeded(error, bound, theory_bound), 0, np.where(decided, 2, 1)).astype(np.int8)


def exceeded(error, bound, theory_bound):
    """Whether the error exceeds both bounds together, be they so unequal that their sum is one of them. Numbers, or
    arrays."""
    return ((error <= bound + theory_bound) ^ True) | (error - bound - theory_bound > 0)


def _unmet(bound: float, tol: float) -> str | None:
    """Why the numerical optimum does not count as solved, if it does not."""
    return None if bound <= tol else f"certified bound {_size(bound)} exceeds the tolerance {tol:.0e}"


def _apart(error: float | None, bounds: float) -> str:
    """Of a row: its largest error and bounds may be those of other features than the one that fails."""
    if error is not None and error <= bounds:
        return f"a feature's error exceeds both its bounds (of the row: error {error:.2e}, bounds {_size(bounds)})"
    return f"error {_size(error)} exceeds both bounds together, {_size(bounds)}"


def _size(value: float | None) -> str:
    """Where nothing finite is known, in a word: a NaN is as good as no bound."""
    return f"{value:.2e}" if value is not None and isfinite(value) else "infinite"


def worst_verdict(words) -> str:
    """The worst of several verdict words; an empty collection is undecided."""
    found = set(words)
    return next((word for word in ORDER if word in found), UNDECIDED)


def exit_code(word: str) -> int:
    """1 if anything fails, 3 if anything is undecided, else 0."""
    return EXIT_CODES.get(word, 0)
