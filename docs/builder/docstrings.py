"""Docstrings are plain text: paragraphs, and indented blocks as they stand. Signatures are those of the source.

A formula such as ‖h − h*‖ ≤ |c| would be markup to Sphinx; here only `names` are, and they are set as code.
"""

import ast
import inspect
import re
import sys
import textwrap
from functools import cached_property

MARKUP = re.compile(r"([\\*`|_<>\[\]])")
LIST = re.compile(r"^(?=(?:[-+•]|\(?(?:\d+|[A-Za-z#]|[ivxlc]+)[.)]) )")  # how an item of a list would begin


def plain(text: str) -> list[str]:
    """reStructuredText of a docstring: prose with everything escaped, indented lines as literal blocks."""
    lines: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        if all(line.startswith("    ") or not line.strip() for line in block.splitlines()):
            lines += ["::", "", *("    " + line for line in textwrap.dedent(block).splitlines()), ""]
        else:
            lines += [prose(" ".join(block.split())), ""]
    return lines


def prose(paragraph: str) -> str:
    """One line; what stands between backticks is code."""
    parts = re.split(r"`([^`]+)`", paragraph)
    escaped = [MARKUP.sub(r"\\\1", part) for part in parts[::2]]
    coded = [f"\\ ``{part}``\\ " for part in parts[1::2]]
    found = "".join(part for pair in zip(escaped, [*coded, ""]) for part in pair)
    return LIST.sub(r"\\", found)


def signature(thing) -> tuple[str | None, str | None]:
    """Arguments and what is returned, as the source writes them; of a class its fields, or what makes it. None:
    there are none."""
    thing = inspect.unwrap(thing)
    try:
        node = ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]
    except (OSError, TypeError):
        return None, None
    node = Linked(vars(sys.modules[thing.__module__])).visit(node)
    if isinstance(node, ast.FunctionDef):
        return f"({ast.unparse(node.args)})", ast.unparse(node.returns) if node.returns else None
    fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
    made = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
    if made and not fields:
        made[0].args.args = made[0].args.args[1:]
        return f"({ast.unparse(made[0].args)})", None
    return f"({', '.join(map(_field, fields))})" if fields else None, None


class Linked(ast.NodeTransformer):
    """A class of ufm by its full name, shown short: two rooms may use one word."""

    def __init__(self, known: dict):
        self.known = known

    def visit_Name(self, node: ast.Name) -> ast.AST:
        thing = self.known.get(node.id)
        if not inspect.isclass(thing) or not thing.__module__.startswith("ufm."):
            return node
        return ast.UnaryOp(ast.Invert(), ast.Name(f"{thing.__module__}.{thing.__name__}"))


def _field(part: ast.AnnAssign) -> str:
    """`name: type = default`; a default that is made anew each time is shown as `...`."""
    made = isinstance(part.value, ast.Call)
    default = "" if part.value is None else " = ..." if made else f" = {ast.unparse(part.value)}"
    return f"{ast.unparse(part.target)}: {ast.unparse(part.annotation)}{default}"


def _on_docstring(app, what, name, thing, options, lines) -> None:
    lines[:] = plain("\n".join(lines))


def _on_signature(app, what, name, thing, options, arguments, annotation):
    return signature(thing) if what in ("function", "class", "exception", "method") else None


def _on_member(app, what, name, thing, skip, options) -> bool | None:
    """Fields stand in the signature of their class."""
    kept = (property, cached_property, classmethod, staticmethod)
    return None if inspect.isfunction(thing) or isinstance(thing, kept) else True


def setup(app) -> dict:
    """Autodoc reads docstrings and signatures as above."""
    app.connect("autodoc-process-docstring", _on_docstring)
    app.connect("autodoc-process-signature", _on_signature)
    app.connect("autodoc-skip-member", _on_member)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
