"""What every picture passes through: its style, its size on paper, the words that go with it, and its file.

A figure is drawn at the size in which a paper prints it, `column` or `text` of a page of two columns, so that its
letters are 7 to 8 points there. Style sheet: `ufm.mplstyle`, over Matplotlib's own defaults and not the caller's,
who finds his as they were.
"""

import base64
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from io import BytesIO
from os import PathLike, fspath
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import ufm.rules.numbers as checked

STYLE = Path(__file__).with_name("ufm.mplstyle")
TEXT, COLUMN = 6.9, 3.3  # inches: the widths of a page in two columns, and of one of them
WIDTHS = {"text": TEXT, "column": COLUMN}


@contextmanager
def style() -> Iterator[None]:
    """The style, and afterwards whatever was set before."""
    with matplotlib.style.context(["default", STYLE]):
        yield


class Picture(Figure):
    """A figure that talks. caption: what its numbers are; seen: what there is in each panel, for who does not see
    it, together `alt`. Both lie in the PNG, SVG or PDF that `savefig` writes, which has no date: the same numbers
    drawn anew are the same bytes."""

    caption: str = ""
    seen: Sequence[str] = ()

    @property
    def alt(self) -> str:
        """All panels, by letter."""
        if len(self.seen) < 2:
            return "".join(self.seen)
        panels = (f"({letter}) {text}" for letter, text in zip(ascii_lowercase, self.seen))
        return f"{len(self.seen)} panels. {' '.join(panels)}"

    @property
    def wide(self) -> bool:
        """Whether panels may stand beside one another."""
        return bool(self.get_figwidth() > COLUMN)

    def draw(self, renderer) -> None:
        """In the style that it was made in: ticks, say, are made as late as here."""
        with style():
            super().draw(renderer)

    def savefig(self, fname: Any, **options: Any) -> None:
        """As Matplotlib's, with caption and alt text in the file."""
        kind = options.get("format") or _ending(fname)
        with style():
            if kind not in WORDS:
                super().savefig(fname, **options)
                return
            file = BytesIO()
            metadata = self._metadata(kind) | (options.pop("metadata", None) or {})
            super().savefig(file, **options | {"format": kind, "metadata": metadata})
        data = file.getvalue()
        data = self._described(data) if kind == "svg" else data
        if hasattr(fname, "write"):
            fname.write(data)
        else:
            Path(fname).write_bytes(data)

    def image(self, kind: str = "png") -> bytes:
        """The file of that format."""
        file = BytesIO()
        self.savefig(file, format=kind)
        return file.getvalue()

    def _metadata(self, kind: str) -> dict[str, Any]:
        title, described, date = WORDS[kind]
        return {title: self.caption, described: self.alt} | dict.fromkeys(date)

    def _described(self, data: bytes) -> bytes:
        """An SVG as screen readers take it: an image, with a title, which Matplotlib writes, and a description."""
        text = data.decode("utf-8").replace("<svg ", '<svg role="img" ', 1)
        return text.replace("</title>", f"</title>\n <desc>{escape(self.alt)}</desc>", 1).encode("utf-8")

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.image()).decode("ascii")
        image = f'<img alt="{escape(self.alt)}" src="data:image/png;base64,{data}" style="max-width: 100%">'
        return f"<figure>{image}<figcaption>{escape(self.caption)}</figcaption></figure>"


# what a format calls caption and alt text, and which dates it would write
WORDS: dict[str, tuple[str, str, list[str]]] = {
    "png": ("Title", "Description", []),
    "svg": ("Title", "Description", ["Date"]),
    "pdf": ("Title", "Subject", ["CreationDate"]),
}


def _ending(fname: Any) -> str:
    """The format that a file's name says; a stream is a PNG."""
    if not isinstance(fname, (str, PathLike)):
        return "png"
    return Path(fspath(fname)).suffix.lower().removeprefix(".") or "png"


@contextmanager
def picture(size: str, heights: dict[str, float], *lines: list[str]) -> Iterator[Picture]:
    """An empty figure to draw in, with the style on; heights: inches by size. Its title has these lines, each of
    several parts that stand beside one another in `text`, below one another as they must in `column`."""
    checked.choice("size", size, tuple(WIDTHS))
    with style():
        figure = Picture((WIDTHS[size], heights[size]))
        FigureCanvasAgg(figure)
        if lines:
            figure.suptitle("\n".join(_wrapped(line, 106 if size == "text" else 50) for line in lines))
        yield figure


def _wrapped(parts: list[str], most: int) -> str:
    """Parts with dots between them, in lines of about that many characters (a formula counts too many)."""
    parts = [line for part in parts for line in ([part] if "$" in part else textwrap.wrap(part, most))]
    rows = [[parts[0]]]
    for part in parts[1:]:
        if sum(len(one) + 5 for one in rows[-1]) + len(part) > most:
            rows.append([])
        rows[-1].append(part)
    return "\n".join("  ·  ".join(row) for row in rows)
