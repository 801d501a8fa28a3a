"""The shipped equations as Coq definitions: each function of `ufm.theory.formulas`, evaluated on symbols."""

import inspect
from collections.abc import Callable

from ufm.theory.formulas import equations, values

HEAD = """(** The equations and closed forms of ufm.theory.formulas, which the package computes with.

    Written by python -m proofs --formal, not by hand. expm1 t is exp t - 1, log1p t is ln (1 + t). *)

Require Import Reals.
Open Scope R_scope.
"""


class Term:
    """An expression as Coq text, each operation in parentheses, so that no precedence can change it."""

    def __init__(self, value):
        if isinstance(value, float) and not value.is_integer():
            raise ValueError(f"not a whole number: {value}")
        self.text = str(int(value) if isinstance(value, float) else value)

    def __str__(self):
        return self.text

    def __add__(self, other):
        return Term(f"({self} + {Term(other)})")

    def __sub__(self, other):
        return Term(f"({self} - {Term(other)})")

    def __mul__(self, other):
        return Term(f"({self} * {Term(other)})")

    def __truediv__(self, other):
        return Term(f"({self} / {Term(other)})")

    def __radd__(self, other):
        return Term(other) + self

    def __rsub__(self, other):
        return Term(other) - self

    def __rmul__(self, other):
        return Term(other) * self

    def __rtruediv__(self, other):
        return Term(other) / self


FUNCTIONS: dict[str, Callable[[object], Term]] = {
    "exp": lambda t: Term(f"(exp {t})"),
    "expm1": lambda t: Term(f"(exp {t} - 1)"),
    "log": lambda t: Term(f"(ln {t})"),
    "log1p": lambda t: Term(f"(ln (1 + {t}))"),
    "sqrt": lambda t: Term(f"(sqrt {t})"),
    "tanh": lambda t: Term(f"(tanh {t})"),
}


def formulas() -> dict[str, Callable]:
    """Every function of the two files, by name, in order."""
    files = (equations, values)
    return {n: f for file in files for n, f in vars(file).items() if inspect.isfunction(f)}


def definition(name: str, function: Callable) -> str:
    """One Coq definition."""
    names = list(inspect.signature(function).parameters)
    term = function(*(FUNCTIONS.get(n) or Term(n) for n in names))
    arguments = " ".join(n for n in names if n not in FUNCTIONS)
    return f"Definition {name} ({arguments} : R) : R :=\n  {term}.\n"


def shipped(functions: dict[str, Callable]) -> str:
    """The text of `proofs/formal/shipped/Shipped.v`."""
    return "\n".join([HEAD, *(definition(*pair) for pair in functions.items())])
