"""A report as data: sections of facts, tables and sentences; here as text of 80 columns, in `page` as HTML.

To add to a report is to add a value. A text may be `Two`: one for the narrow text, one for the page.
"""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from rich import table as rich_table
from rich.console import Console
from rich.markup import escape

STYLES = {
    "fails": "bold red",
    "undecided": "yellow",
    "agrees": "green",
    "proved": "bold green",
    "reproduced": "green",
    "not reproduced": "bold red",
    "inconclusive": "yellow",
    "not applicable": "dim",
}


class Two(NamedTuple):
    """What the text says, and what the page says; empty: nothing. Further lines of a page's cell are small."""

    text: str
    page: str


Words = str | Two


class Facts(NamedTuple):
    """Names, each with what it is."""

    lines: Sequence[tuple[str, str]]


class Table(NamedTuple):
    """Rows of cells; those that are a verdict are coloured. left: columns of words; gap: spaces between columns."""

    heads: Sequence[Words]
    rows: Sequence[Sequence[Words]]
    left: Sequence[int] = (0,)
    gap: int = 1


class OnPage(NamedTuple):
    """What the text leaves out."""

    part: Table


class Sentence(NamedTuple):
    """Some prose, small on the page."""

    words: Words


class Verdict(NamedTuple):
    """A line that ends in a verdict and, it may be, a few words more."""

    words: Words
    word: str
    more: str = ""


Part = Facts | Table | OnPage | Sentence | Verdict | str  # a plain line; empty: one between parts of a text


class Section(NamedTuple):
    """Parts under a title; early: before the pictures of a page."""

    title: Words
    parts: Sequence[Part]
    early: bool = False


def text_of(words: Words) -> str:
    """What the text says."""
    return words if isinstance(words, str) else words.text


def show(console: Console, *parts: Part | Section) -> None:
    """Print parts, one below the other; before a title there is an empty line."""
    for part in parts:
        match part:
            case Section():
                if text_of(part.title):
                    console.print(f"\n[bold]{escape(text_of(part.title))}[/]", highlight=False)
                show(console, *part.parts)
            case Facts():
                for name, text in part.lines:
                    for k, line in enumerate(textwrap.wrap(text, 66)):
                        show(console, f"  {name if k == 0 else '':<12}{line}")
            case OnPage():
                pass
            case Table():
                _show_table(console, drawn(part))
            case Sentence():
                wrapped(console, text_of(part.words), "  ")
            case Verdict():
                line = f"{escape(text_of(part.words))}: {coloured(part.word, 'bold')}{part.more}"
                console.print(line, highlight=False)
            case _:
                console.print(part, highlight=False, markup=False)


def wrapped(console: Console, text: str, first: str = "") -> None:
    """Prose in lines of fewer than 80 characters."""
    width = 79 - bool(first)
    for line in textwrap.wrap(text, width, initial_indent=first, subsequent_indent="  "):
        show(console, line)


def coloured(word: str, otherwise: str = "") -> str:
    """Markup of a word, in the colour of the verdict that it is."""
    style = STYLES.get(word, otherwise)
    return f"[{style}]{word}[/]" if style else escape(word)


def drawn(table: Table) -> rich_table.Table:
    """The table as rich prints it, no cell cut."""
    found = rich_table.Table(box=None, padding=(0, table.gap, 0, 0), pad_edge=False, header_style="bold")
    left = {n % len(table.heads) for n in table.left}
    for n, head in enumerate(table.heads):
        found.add_column(text_of(head), justify="left" if n in left else "right", no_wrap=True)
    for row in table.rows:
        found.add_row(*(coloured(text_of(cell)) for cell in row))
    return found


def width(console: Console, table: rich_table.Table) -> int:
    """Columns that it takes whole."""
    return console.measure(table, options=console.options.update(width=10_000)).maximum


def _show_table(console: Console, table: rich_table.Table) -> None:
    """Whole, whatever the width of the console: a line may be too long, no number is cut."""
    before = console.width
    console.width = max(before, width(console, table))
    try:
        console.print(table)
    finally:
        console.width = before
