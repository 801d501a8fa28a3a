"""Formulas as MathML, which every current browser draws by itself, and numbers in tables that stay in one line.

What the converter does not know is an error.
"""

import re
from xml.etree import ElementTree

from docutils.nodes import SkipNode, entry
from latex2mathml.converter import convert
from sphinx.errors import ExtensionError

LONG = 36  # characters of LaTeX that may not fit in one line
SHORT = 16  # characters of a number with its unit
# what the converter takes for letters, without space around
SIGNS = "|".join([":", ";", *(f"&#x{ord(sign):05X};" for sign in "⪯⪰±~⟹⟺⟂")])
RELATIONS, OPENING, CLOSING = "=<>≤≥⪯⪰∼→⟹⟺↦∈", "([{⟨", ")]}⟩"
SPACE = ' lspace="0.17em" rspace="0.17em"'


def mathml(latex: str, display: str) -> str:
    """MathML of a formula; display: "inline" or "block". ExtensionError where a command is left over."""
    found = convert(latex, display=display)
    if "\\" in found:
        raise ExtensionError(f"no MathML for a command of {latex!r}")
    found = re.sub(f"<mi>({SIGNS})</mi>", r"<mo>\1</mo>", found)
    return re.sub(r"<mi>([a-z]{2,})</mi>", rf"<mo{SPACE}>\1</mo>", found)


def pieces(formula: str) -> str:
    """A long inline formula as several that a line may break between: before each relation outside brackets."""
    head, inside, tail = re.fullmatch(r"(<math[^>]*><mrow>)(.*)(</mrow></math>)", formula, re.DOTALL).groups()
    parts, depth = [""], 0
    for child in ElementTree.fromstring(f"<mrow>{inside}</mrow>"):
        sign = child.text if child.tag == "mo" else ""
        depth += (sign in OPENING) - (sign in CLOSING) if sign else 0
        if sign and sign in RELATIONS and depth == 0 and parts[-1]:
            parts.append("")
        parts[-1] += ElementTree.tostring(child, "unicode")
    return "".join(f'<span class="piece">{head}{part}{tail}</span>' for part in parts)


def inline(self, node) -> None:
    """A formula within a line."""
    formula = mathml(node.astext(), "inline")
    self.body.append(formula if len(node.astext()) < LONG else pieces(formula))
    raise SkipNode


def block(self, node) -> None:
    """A formula of its own lines, which scrolls inside where it is too wide."""
    self.body.append(f'<div class="formula">{mathml(node.astext(), "block")}</div>')
    raise SkipNode


def numbers(app, doctree) -> None:
    """A number such as 1.1e-16 would break at its sign: its cell does not wrap, its table scrolls."""
    for cell in doctree.findall(entry):
        text = cell.astext()
        if len(text) <= SHORT and any(map(str.isdigit, text)):
            cell["classes"].append("number")


def setup(app) -> dict:
    """The renderer `mathml` for `html_math_renderer`."""
    app.connect("doctree-read", numbers)
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
