"""The shipped equations as Coq definitions: each function of `ufm.theory.formulas`, evaluated on symbols."""

import inspect

from ufm.theory.formulas import equations, values

HEAD = """(** The equations and closed forms of ufm.theory.formulas, which the package computes with.

    Written by python -m proofs --formal; not by hand. expm1 t is exp t - 1, log1p t is ln (1 + t). *)

Require Import Reals.
Open Scope R_scope.
"""


class Term:
    """An expression as Coq text, every operation in parentheses, so that no precedence can change it."""

    def __init__(self, value):
        if isinstance(value, float):
            if not value.is_integer():
                raise ValueError(f"not a whole number: {value}")
            value = int(value)
        self.text = str(value)

    def __neg__(self):
        return Term(f"(- {self.text})")


def _operation(sign: str, swapped: bool):
    def apply(one, other):
        left, right = (Term(other), one) if swapped else (one, Term(other))
        return Term(f"({left.text} {sign} {right.text})")

    return apply


Term.__str__ = lambda self: self.text  # so that Term(Term) is the same
for _name, _sign in {"add": "+", "sub": "-", "mul": "*", "truediv": "/"}.items():
    setattr(Term, f"__{_name}__", _operation(_sign, False))
    setattr(Term, f"__r{_name}__", _operation(_sign, True))

FUNCTIONS = {
    "exp": lambda t: Term(f"(exp {t})"),
    "expm1": lambda t: Term(f"(exp {t} - 1)"),
    "log": lambda t: Term(f"(ln {t})"),
    "log1p": lambda t: Term(f"(ln (1 + {t}))"),
    "sqrt": lambda t: Term(f"(sqrt {t})"),
    "tanh": lambda t: Term(f"(tanh {t})"),
}


def formulas() -> dict:
    """Every function of the two files, by name, in order."""
    return {
        name: function
        for module in (equations, values)
        for name, function in vars(module).items()
        if inspect.isfunction(function)
    }


def definition(name: str, function) -> str:
    """One Coq definition."""
    names = list(inspect.signature(function).parameters)
    term = function(*(FUNCTIONS.get(n) or Term(n) for n in names))
    arguments = " ".join(n for n in names if n not in FUNCTIONS)
    return f"Definition {name} ({arguments} : R) : R :=\n  {term}.\n"


def shipped(functions: dict | None = None) -> str:
    """The whole file `proofs/formal/shipped/Shipped.v`."""
    return "\n".join([HEAD, *(definition(*pair) for pair in (functions or formulas()).items())])
