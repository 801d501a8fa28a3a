"""Formulas of the theorems as MathML for the explorer: `python -m docs.builder.formulas` writes them.

The explorer's users have no converter, so what it makes is data of the package; a test holds it to the catalogue.
"""

import json
import re

from docs.builder.mathml import mathml
from ufm.explore.bundle import PAGE
from ufm.explore.theorems import formulas, shown


def converted() -> dict[str, str]:
    """MathML by LaTeX: a statement is one formula, of an assumption what stands between dollars."""
    whole = {theorem.statement for theorem in shown()}
    return {text: mathml(text, "block") if text in whole else _words(text) for text in formulas()}


def _words(text: str) -> str:
    return re.sub(r"\$([^$]*)\$", lambda match: mathml(match[1], "inline"), text)


if __name__ == "__main__":
    data = json.dumps(converted(), indent=0, ensure_ascii=False)
    (PAGE / "formulas.json").write_text(data + "\n", encoding="utf-8")
