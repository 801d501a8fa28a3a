"""A proof is a list of named steps: exact identities, decided signs, and arguments in words.

A symbolic step holds for the symbols it is written in, never for sampled numbers: `identity` asks sympy to
reduce the difference of its two sides to zero, `sign` to decide a sign from the signs of the symbols. Both
sides are analytic expressions, equal wherever both are defined. Nothing to check, a string, or a float is refused.
A formal step is a theorem that Coq checks (`proofs/formal/`), which states the step, its hypotheses included.
An argued step is analysis (existence, convexity, symmetrisation): its text names the hypotheses it uses.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf, isnan
from typing import NamedTuple

import sympy as sp

SYMBOLIC, FORMAL, ARGUED = "symbolic", "formal", "argued"
SIGNS = ("positive", "negative", "nonnegative", "nonpositive")


class ProofError(AssertionError):
    """A step that sympy did not reduce: the name of the step and what was left."""


@dataclass(frozen=True)
class Step:
    """One step. says: the claim in Markdown with LaTeX; check: None for an argued step; lemma: of a formal one."""

    name: str
    says: str
    kind: str
    check: Callable[[], None] | None = None
    lemma: str | None = None

    def run(self) -> None:
        """Do the algebra; ProofError if it does not come out."""
        if self.check is not None:
            try:
                self.check()
            except ProofError as error:
                raise ProofError(f"{self.name}: {error}") from None


def identity(name: str, says: str, left, right=0) -> Step:
    """left = right, exactly. Both may be expressions, matrices, or lists; one right side serves a whole list."""

    def check():
        ones, others = _entries(left), _entries(right)
        if _is_scalar(right):
            others = others * len(ones)
        elif _shape(left) != _shape(right):
            raise ProofError(f"{_shape(left)} on the left, {_shape(right)} on the right")
        for one, other in zip(ones, others, strict=True):
            rest = reduce_to_zero(one - other)
            if rest != 0:
                raise ProofError(f"is not zero: {rest}")

    return Step(name, says, SYMBOLIC, check)


def sign(name: str, says: str, expression, expected: str) -> Step:
    """expression is "positive", "negative", "nonnegative" or "nonpositive", decided by its symbols' signs."""

    def check():
        if expected not in SIGNS:
            raise ProofError(f"no such sign: {expected}")
        for one in _entries(expression):
            if not _has_sign(one, expected):
                raise ProofError(f"not decided to be {expected}: {one}")

    return Step(name, says, SYMBOLIC, check)


def series_order(name: str, says: str, expression, variable, point, terms: dict[int, object]) -> Step:
    """expression = Σ terms[n] tⁿ + O(t^(N+1)), t = variable − point → 0+, N the last power given.

    A power that is left out has coefficient 0; negative and broken powers and logarithms of t must be absent.
    """

    def check():
        t = sp.Dummy("t", positive=True)
        count = max(terms) + 1
        (one,) = _entries(expression)
        expanded = sp.series(one.subs(variable, point + t), t, 0, count)
        remainder = expanded.getO()
        if remainder is not None and sp.limit(remainder.expr / t**count, t, 0) not in (0, 1):
            raise ProofError(f"expanded only up to {remainder}")
        expanded = sp.expand(expanded.removeO())
        found = {power: expanded.coeff(t, power) for power in range(count)}
        other = expanded - sum(value * t**power for power, value in found.items())
        if any(value.has(t) for value in found.values()) or reduce_to_zero(other) != 0:
            raise ProofError(f"no power series: {expanded}")
        for power, value in found.items():
            rest = reduce_to_zero(value - terms.get(power, 0))
            if rest != 0:
                raise ProofError(f"coefficient {power} is off by {rest}")

    return Step(name, says, SYMBOLIC, check)


def limit(name: str, says: str, expression, variable, point, value, direction: str = "+") -> Step:
    """lim expression = value as variable → point from one side ("+": above), by sympy's Gruntz algorithm."""

    def check():
        (one,) = _entries(expression)
        found = sp.limit(one, variable, point, direction)
        if found.has(sp.nan, sp.Limit, sp.AccumBounds):
            raise ProofError(f"the limit is {found}")
        if found != value and reduce_to_zero(found - value) != 0:
            raise ProofError(f"the limit is {found}")

    return Step(name, says, SYMBOLIC, check)


def formal(name: str, says: str, lemma: str) -> Step:
    """A theorem of `proofs/formal/`, by file and name: Joint.joint. It is shown as Coq prints it."""

    def check():
        from proofs.engine.formal import statement

        statement(lemma)

    return Step(name, says, FORMAL, check, lemma)


def argued(name: str, says: str) -> Step:
    """Analysis in words; `says` names the hypotheses."""
    return Step(name, says, ARGUED)


def reduce_to_zero(expression):
    """0 where sympy can show it, else what is left."""
    for simplify in (sp.expand, sp.together, sp.cancel, sp.simplify, _deep):
        expression = simplify(expression)
        if expression == 0:
            return sp.Integer(0)
    return expression


def _deep(expression):
    rewritten = sp.expand_log(sp.powsimp(sp.expand(sp.sympify(expression).rewrite(sp.exp))), force=False)
    return sp.simplify(sp.radsimp(sp.expand(rewritten)))


def _has_sign(expression, expected: str) -> bool:
    for form in (lambda e: e, sp.factor, sp.expand, lambda e: sp.factor(sp.together(e)), sp.simplify):
        if getattr(form(sp.sympify(expression)), f"is_{expected}"):
            return True
    return False


def _entries(value) -> list:
    """The expressions in it: at least one, each exact."""
    entries = _flat(value)
    if not entries:
        raise ProofError("there is nothing to check")
    for position, entry in enumerate(entries):
        try:
            entries[position] = sp.sympify(entry, strict=True)
        except sp.SympifyError:
            raise ProofError(f"not an expression: {entry!r}") from None
        if not isinstance(entries[position], sp.Expr) or entries[position].has(sp.Float):
            raise ProofError(f"not an exact expression: {entry!r}")
    return entries


def _shape(value):
    """Shape of a matrix; length of a list, of which a matrix may be the other side."""
    return value.shape if isinstance(value, sp.MatrixBase) else len(_flat(value))


def _is_scalar(value) -> bool:
    return not isinstance(value, (list, tuple, sp.MatrixBase))


def _flat(value) -> list:
    if isinstance(value, sp.MatrixBase):
        return list(value)
    if isinstance(value, Iterable) and not isinstance(value, (str, sp.Basic)):
        return [entry for part in value for entry in _flat(part)]
    return [value]


class Comparison(NamedTuple):
    """One random parameter set: its text, the derived value and the shipped one."""

    where: str
    derived: object
    shipped: object

    @property
    def error(self) -> float:
        """|shipped − derived|/|derived|; |shipped| where the derived value is zero; infinite for NaN."""
        error = float(abs(self.shipped - self.derived) / (abs(self.derived) or 1))
        return inf if isnan(error) else error


def exactly(rows: list[Comparison], tolerance: float = 1e-12) -> list[Comparison]:
    """The same rows; ProofError unless they agree to rounding, for formulas in a theorem about orders."""
    for row in rows:
        if not row.error <= tolerance:
            raise ProofError(f"{row.where}: derived {row.derived}, shipped {row.shipped}")
    return rows


@dataclass(frozen=True)
class Derivation:
    """The proof of the theorem called `name`.

    result: the expression (or equation) that the steps end with, shown in the tables. compare(rng):
    that expression turned into an mpmath function and evaluated on random parameters beside
    `ufm.theory`; None where the theorem ships no formula. tolerance: the relative error that
    every comparison meets; 0.05 for an asymptotic theorem, which compares exponents too.
    """

    name: str
    steps: list[Step]
    result: object
    compare: Callable[[object], list[Comparison]] | None = None
    tolerance: float = 1e-12

    def run(self) -> None:
        """All symbolic steps, in order; ProofError if there are none, or two of one name."""
        if not self.count(SYMBOLIC) or len({step.name for step in self.steps}) != len(self.steps):
            raise ProofError(f"{self.name}: no symbolic steps, or two steps of one name")
        for step in self.steps:
            step.run()

    def count(self, kind: str) -> int:
        """How many steps are symbolic, formal or argued."""
        return sum(step.kind == kind for step in self.steps)
