"""Search for the case in which a claim and the certified optimum disagree most.

The objective is log10(error/(bound + theory_bound)) of `ufm.agree.theorem.check_theorem`: above zero the
claim is refuted, whatever the tolerance. Families of cases take turns. A visit draws a few cases at random,
follows claims that change their branch (zero or not zero) to the seam by bisection, between two of these
if they are of both kinds, and climbs from the
best case by moves of one coordinate. Cases outside the hypotheses are skipped and do not count.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from ufm.agree.theorem import Check, check_theorem
from ufm.agree.verdict import FAILS, OUT_OF_HYPOTHESIS, UNDECIDED
from ufm.refute.cases import Case, Family, changed, draw, families, from_scale, to_scale
from ufm.refute.errors import ClaimError
from ufm.rules.errors import InputError
from ufm.theory.theorems.theorem import FeatureClaim, Theorem

DRAWS = 6  # random cases a visit
HALVINGS = 20  # of an interval of λ, m, … on its scale: the seam is met to 1e-5 relative
CLIMB = 18  # cases tried from the best one
FEW = 4  # settings of a family that tell whether it can be decided at all
STEPS = (1.5, 0.4, 0.1)  # lengths of a move, on the logarithmic scale


@dataclass(frozen=True)
class Trial:
    """A case that was checked, and the objective there."""

    case: Case
    check: Check

    @property
    def score(self) -> float:
        """log10(error/(bound + theory_bound)); −∞ without an error, or left open; +∞ beyond all numbers."""
        check = self.check
        if check.error is None or check.bound is None or check.theory_bound is None:  # nothing was solved
            return -math.inf
        error, allowed = check.error, check.bound + check.theory_bound
        if error == 0 or allowed == math.inf:  # none, or nothing follows from it
            return -math.inf
        share = error / allowed if allowed else math.inf
        return math.log10(share) if 0 < share < math.inf else math.inf

    @property
    def order(self) -> tuple[float, float]:
        """What a search raises: the score, and where nothing is off how near f <= 0 is to breaking."""
        check, score = self.check, self.score
        holds = (
            score == -math.inf and check.predicted == 0 and check.numeric is not None and check.numeric < 0
        )
        return score, check.numeric if holds and check.numeric is not None else -math.inf

    @property
    def refutes(self) -> bool:
        """The verdict is `fails`; `undecided` refutes nothing."""
        return self.check.verdict.word == FAILS

    @property
    def branch(self) -> str:
        """Which branch of its claim: something is zero, something is not, or no such claim."""
        predicted = self.check.predicted
        return "apart" if predicted is None else "zero" if predicted == 0 else "value"


class Limit(Exception):
    """The budget is spent."""


class Refuted(Exception):
    """A case fails: the search is over."""

    def __init__(self, trial: Trial):
        self.trial = trial


@dataclass
class Search:
    """The state of one search: what may be spent, what was tried, the best trial so far.

    seconds, settings: the budget; note: told the state after every case; seen: what came of each case, so that
    none is tried or counted twice; left: the first undecided trial.
    """

    theorem: Theorem
    seconds: float | int = math.inf
    settings: float | int = math.inf
    note: Callable[["Search"], None] = lambda search: None
    tried: int = 0
    undecided: int = 0
    skipped: int = 0
    best: Trial | None = None
    left: Trial | None = None
    seen: dict[Case, Trial | None] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began

    def attempt(self, case: Case) -> Trial | None:
        """Check one case; None where the claim says nothing about it. Raises Limit when all is spent."""
        if self.tried >= self.settings or self.spent > self.seconds or self.skipped > 100 * (self.tried + 10):
            raise Limit
        if case in self.seen:
            return self.seen[case]
        trial = self.seen[case] = check_case(self.theorem, case)
        if trial is None:
            self.skipped += 1
            return None
        self.tried += 1
        if trial.check.verdict.word == UNDECIDED:
            self.undecided, self.left = self.undecided + 1, self.left or trial
        if self.best is None or trial.order > self.best.order:
            self.best = trial
        self.note(self)
        return trial

    def explore(self, case: Case) -> Trial | None:
        """The same; a case that fails ends the search."""
        trial = self.attempt(case)
        if trial is not None and trial.refutes:
            raise Refuted(trial)
        return trial


def check_case(theorem: Theorem, case: Case) -> Trial | None:
    """The kernel on one case; None where there is no such problem, no label or a broken hypothesis."""
    if not case.admits:
        return None
    try:
        setting = case.setting()
    except InputError:
        return None
    if isinstance(theorem.claim, FeatureClaim) and len(theorem.claim.labels(setting)) == 0:
        return None
    try:
        check = check_theorem(theorem, setting)
    except (ClaimError, InputError):  # the claim's own fault, or too large for this machine
        raise
    except Exception as error:  # a defect of the kernel must name the case, and is no usage error
        raise RuntimeError(f"{theorem.name} on {case}: {error}") from error
    return None if check.verdict.word == OUT_OF_HYPOTHESIS else Trial(case, check)


@dataclass(frozen=True)
class Outcome:
    """How a search ended: the refuting trial or None, the numbers of families seen and known, those of which at
    least half of the settings were undecided, those seen to which the claim does not apply anywhere, and whether
    every setting was tried that there is."""

    refuted: Trial | None
    visited: int
    known: int
    open: tuple[Family, ...] = ()
    barred: tuple[Family, ...] = ()
    exhausted: bool = False

    @property
    def judged(self) -> int:
        """The number of families that have a setting which was judged."""
        return self.visited - len(self.barred)

    def leaves_open(self, search: Search) -> bool:
        """A family, or the whole, was undecided in at least half of its settings, or a family not looked at."""
        unseen = self.visited < self.known
        return self.refuted is None and (unseen or bool(self.open) or 2 * search.undecided >= search.tried)


def hunt(search: Search, seed: int, known: list[Family] | None = None) -> Outcome:
    """Visit the families in turn until one case fails, the budget is spent, or a round meets no new case. known:
    the families, if not all.

    One case of each comes first: so that few settings meet all of them.
    """
    rng = np.random.default_rng(seed)
    known = families(search.theorem) if known is None else known
    counts: dict[Family, tuple[int, int]] = {}  # tried and undecided of those seen
    refuted, first, exhausted = None, True, False
    try:
        while known and not exhausted:
            before = len(search.seen)
            for family in known:
                with _counting(search, family, counts):
                    search.explore(draw(family, rng)) if first else visit(search, family, rng)
            exhausted, first = not first and len(search.seen) == before, False
    except Refuted as found:
        refuted = found.trial
    except Limit:
        pass
    few = 1 if exhausted else FEW
    left = tuple(family for family, (tried, open_) in counts.items() if tried >= few and 2 * open_ >= tried)
    barred = tuple(family for family, (tried, _) in counts.items() if not tried)
    return Outcome(refuted, len(counts), len(known), left, barred, exhausted)


@contextmanager
def _counting(search: Search, family: Family, counts: dict[Family, tuple[int, int]]) -> Iterator[None]:
    """Settings tried and undecided meanwhile are counted for the family, however it ends."""
    before = search.tried, search.undecided, len(search.seen)
    try:
        yield
    finally:
        tried, undecided = counts.get(family, (0, 0))
        if family in counts or len(search.seen) > before[2]:  # the limit may have come before any
            counts[family] = tried + search.tried - before[0], undecided + search.undecided - before[1]


def visit(search: Search, family: Family, rng: np.random.Generator) -> None:
    """Random cases of a family, the seam of the claim if it has one, and a climb from the best case."""
    drawn = [search.explore(draw(family, rng)) for _ in range(DRAWS)]
    trials = [trial for trial in drawn if trial is not None]
    if not trials:
        return
    last = trials[-1]
    other = next((trial for trial in trials if trial.branch != last.branch), None)
    if other is None:
        trials += follow_seam(search.explore, last, family.free)
    else:
        trials += _bisect(search.explore, family.free, last, other)
    climb(search, max(trials, key=lambda trial: trial.order), family.free)


def follow_seam(attempt, trial: Trial, free: tuple[str, ...]) -> Iterator[Trial]:
    """Cases on the way to where the claim changes its branch, along the first coordinate that gets there."""
    for name in free:
        for end in (-math.inf, math.inf):
            far = attempt(changed(trial.case, {name: from_scale(trial.case, name, end)}))
            if far is None:
                continue
            yield far
            if far.branch != trial.branch:
                yield from _bisect(attempt, (name,), trial, far)
                return
        if trial.branch == "value" and name != free[0]:
            return  # a claim that is a number on both sides of two coordinates has no seam worth more cases


def _bisect(attempt, names: tuple[str, ...], one: Trial, other: Trial) -> Iterator[Trial]:
    """Halve the way between two cases of different branches; both sides of the seam are met."""
    for _ in range(HALVINGS):
        case = one.case
        ends = ((to_scale(case, name, getattr(trial.case, name)) for trial in (one, other)) for name in names)
        places = {name: from_scale(case, name, sum(pair) / 2) for name, pair in zip(names, ends)}
        middle = attempt(changed(one.case, places))
        if middle is None:
            return
        yield middle
        one, other = (middle, other) if middle.branch == one.branch else (one, middle)


def climb(search: Search, start: Trial, free: tuple[str, ...]) -> None:
    """Moves of one coordinate that raise the objective, a length as long as it helps, then a shorter one."""
    best, left = start, CLIMB
    for step in STEPS:
        moved = True
        while moved:
            moved = False
            for name, way in product(free, (step, -step)):
                if left == 0:
                    return
                left -= 1
                place = to_scale(best.case, name, getattr(best.case, name)) + way
                trial = search.explore(changed(best.case, {name: from_scale(best.case, name, place)}))
                if trial is not None and trial.order > best.order:
                    best, moved = trial, True
