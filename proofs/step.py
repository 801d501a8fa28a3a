"""A proof is a list of named steps: exact identities, decided signs, and arguments in words.

A symbolic step holds for the symbols it is written in, never for sampled numbers: `identity` asks sympy to
reduce the difference of its two sides to zero, `sign` to decide a sign from the signs of the symbols.
An argued step is analysis (existence, convexity, symmetrisation): its text names the hypotheses it uses.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import sympy as sp

SYMBOLIC, ARGUED = "symbolic", "argued"


class ProofError(AssertionError):
    """A step that sympy did not reduce: the name of the step and what was left."""


@dataclass(frozen=True)
class Step:
    """One step. says: the claim in Markdown with LaTeX; check: None for an argued step."""

    name: str
    says: str
    kind: str
    check: Callable[[], None] | None = None

    def run(self) -> None:
        """Do the algebra; ProofError if it does not come out."""
        if self.check is not None:
            try:
                self.check()
            except ProofError as error:
                raise ProofError(f"{self.name}: {error}") from None


def identity(name: str, says: str, left, right=0) -> Step:
    """left = right, exactly. Both may be expressions, matrices, or lists of them."""

    def check():
        pairs = list(zip(_flat(left), _flat(right))) if not _is_scalar(left) else [(left, right)]
        if not _is_scalar(left) and _is_scalar(right):
            pairs = [(entry, right) for entry in _flat(left)]
        elif not _is_scalar(left) and len(_flat(left)) != len(_flat(right)):
            raise ProofError(f"{len(_flat(left))} entries on the left, {len(_flat(right))} on the right")
        for one, other in pairs:
            rest = reduce_to_zero(sp.sympify(one) - sp.sympify(other))
            if rest != 0:
                raise ProofError(f"is not zero: {rest}")

    return Step(name, says, SYMBOLIC, check)


def sign(name: str, says: str, expression, expected: str) -> Step:
    """expression is "positive", "negative", "nonnegative" or "nonpositive", decided by its symbols' signs."""

    def check():
        for one in _flat(expression):
            if not _has_sign(one, expected):
                raise ProofError(f"not decided to be {expected}: {one}")

    return Step(name, says, SYMBOLIC, check)


def series_order(name: str, says: str, expression, variable, point, terms: dict[int, object]) -> Step:
    """The first coefficients of the expansion of `expression` in (variable − point) are `terms`."""

    def check():
        t = sp.Symbol("t", positive=True)
        count = max(terms) + 1
        expanded = sp.series(sp.sympify(expression).subs(variable, point + t), t, 0, count).removeO()
        for power in range(count):
            rest = reduce_to_zero(expanded.coeff(t, power) - terms.get(power, 0))
            if rest != 0:
                raise ProofError(f"coefficient {power} is off by {rest}")

    return Step(name, says, SYMBOLIC, check)


def limit(name: str, says: str, expression, variable, point, value, direction: str = "+") -> Step:
    """lim expression = value as variable → point, by sympy's Gruntz algorithm."""

    def check():
        found = sp.limit(expression, variable, point, direction)
        if found != value and reduce_to_zero(found - value) != 0:
            raise ProofError(f"the limit is {found}")

    return Step(name, says, SYMBOLIC, check)


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


def _is_scalar(value) -> bool:
    return not isinstance(value, (list, tuple, sp.MatrixBase))


def _flat(value) -> list:
    if isinstance(value, sp.MatrixBase):
        return list(value)
    if isinstance(value, Iterable) and not isinstance(value, sp.Basic):
        return [entry for part in value for entry in _flat(part)]
    return [value]


class Comparison(NamedTuple):
    """One random parameter set: its text, the derived value and the shipped one."""

    where: str
    derived: object
    shipped: object

    @property
    def error(self) -> float:
        """|shipped − derived|/|derived|; |shipped| where the derived value is zero."""
        return float(abs(self.shipped - self.derived) / (abs(self.derived) or 1))


@dataclass(frozen=True)
class Derivation:
    """The proof of the theorem called `name`.

    result: the expression (or equation) that the steps end with, shown in the tables. compare(rng):
    that expression turned into an mpmath function and evaluated on random parameters beside
    `ufm.theory`; empty where the theorem ships no formula. tolerance: the relative error that
    every comparison meets; 0.05 for an asymptotic theorem, which compares exponents.
    """

    name: str
    steps: list[Step]
    result: object
    compare: Callable[[object], list[Comparison]] | None = None
    tolerance: float = 1e-12

    def run(self) -> None:
        """All symbolic steps, in order."""
        for step in self.steps:
            step.run()

    def count(self, kind: str) -> int:
        """How many steps are symbolic, or argued."""
        return sum(step.kind == kind for step in self.steps)
