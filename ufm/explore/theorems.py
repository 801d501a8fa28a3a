"""The theorems as the page has them: names and statements of the catalogue, formulas as MathML.

A browser draws MathML by itself. `page/formulas.json` has that of every formula, by its LaTeX, made where the pages
of the documentation are (`python -m docs.builder.formulas`); a formula that is not there is an error.
"""

import json

from ufm.explore.bundle import PAGE
from ufm.theory.theorems.catalogue import THEOREMS
from ufm.theory.theorems.theorem import JointClaim, Theorem, VariantClaim


def shown() -> list[Theorem]:
    """The theorems of the page: those on its two problems, a given W and a free one."""
    return [theorem for theorem in THEOREMS.values() if not isinstance(theorem.claim, VariantClaim)]


def formulas() -> list[str]:
    """Every formula that the page shows, as LaTeX; words with formulas between dollars are assumptions."""
    found = [theorem.statement for theorem in shown()]
    return found + sorted({part.text for theorem in shown() for part in theorem.assumptions})


def theorem_data() -> list[dict]:
    """One entry a theorem: name, title, statement, assumptions, whether it is of a free classifier."""
    mathml = json.loads((PAGE / "formulas.json").read_text(encoding="utf-8"))
    return [
        {
            "name": theorem.name,
            "title": theorem.title,
            "mathml": mathml[theorem.statement],
            "free": isinstance(theorem.claim, JointClaim),
            "assumptions": [
                {"latex": part.text, "mathml": mathml[part.text]} for part in theorem.assumptions
            ],
        }
        for theorem in shown()
    ]
