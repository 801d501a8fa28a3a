"""Formulas as MathML, which every current browser draws by itself, and table cells that stay in one line.

What the converter does not know is an error.
"""

from docutils.nodes import SkipNode, entry
from latex2mathml.converter import convert
from sphinx.errors import ExtensionError

SHORT = 24  # characters of a cell


def mathml(latex: str, display: str) -> str:
    """MathML of a formula; display: "inline" or "block". ExtensionError where a command is left over."""
    found = convert(latex, display=display)
    if "\\" in found:
        raise ExtensionError(f"no MathML for a command of {latex!r}")
    return found


def inline(self, node) -> None:
    """A formula within a line."""
    self.body.append(mathml(node.astext(), "inline"))
    raise SkipNode


def block(self, node) -> None:
    """A formula of its own lines, which scrolls inside where it is too wide."""
    self.body.append(f'<div class="formula">{mathml(node.astext(), "block")}</div>')
    raise SkipNode


def short_cells(app, doctree) -> None:
    """A number such as 1.1e-16 would break at its sign: short cells do not wrap, their table scrolls."""
    for cell in doctree.findall(entry):
        if len(cell.astext()) <= SHORT:
            cell["classes"].append("short")


def setup(app) -> dict:
    """The renderer `mathml` for `html_math_renderer`."""
    app.connect("doctree-read", short_cells)
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
