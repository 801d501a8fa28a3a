"""The gallery: `python -m docs.builder.gallery [NAME ...]` runs its pages and writes what comes out into them.

A page of docs/gallery is text around one block of Python, its figure NAME.png, what the block prints, and the
change of it under "Try this" that makes the effect vanish, with what it then prints. Each runs in a process of its
own, as in a fresh notebook. The figure carries a digest of the block, by which `tests/house/test_gallery.py` knows
that it is of this code. Of the same page `notebook` makes NAME.ipynb, when these pages are built.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

GALLERY = Path(__file__).resolve().parents[1] / "gallery"
BLOCK = re.compile(r"```python\n(.*?)```\n\n```text\n.*?```\n", re.DOTALL)
SAID = re.compile(r"```text\n(.*?)```\n", re.DOTALL)
CHANGE = re.compile(r"\*\*Try this\*\*: `([^`]+)` in place of `([^`]+)`")
FIGURE = re.compile(r"^!\[[^]]*\]\([^)]*\)\n\n", re.MULTILINE)
DOWNLOAD = re.compile(r"^.*\{download\}.*\n", re.MULTILINE)
LINK = re.compile(r'\[([^]]+)\]\([^)]*\)|<a href="[^"]*">([^<]*)</a>')
INSTALL = "%pip install --quiet ufm --find-links ."
SAVE = """
from matplotlib import pyplot
pyplot.savefig({path!r}, metadata={{"Description": {digest!r}}}, pil_kwargs={{"optimize": True}})
"""


class Shown(NamedTuple):
    """What a page shows: its code and what that prints; the code as changed, and what that prints."""

    code: str
    said: str
    changed: str
    said_then: str


def pages() -> list[Path]:
    """Every page but the index."""
    return [path for path in sorted(GALLERY.glob("*.md")) if path.stem != "index"]


def read(page: Path) -> Shown:
    """ValueError for a page of another form, or a change of what does not stand in its code exactly once."""
    text = page.read_text(encoding="utf-8")
    blocks, said, changes = BLOCK.findall(text), SAID.findall(text), CHANGE.findall(text)
    if (len(blocks), len(said), len(changes)) != (1, 2, 1):
        raise ValueError(f"{page.name} is not one block of Python and one change, each with what it prints")
    (code,), ((new, old),) = blocks, changes
    if code.count(old) != 1:
        raise ValueError(f"{page.name}: {old!r} stands {code.count(old)} times in its code, not once")
    return Shown(code, said[0], code.replace(old, new), said[1])


def digest(code: str) -> str:
    """Of the block that a figure was drawn by."""
    return hashlib.sha256(code.encode("utf-8")).hexdigest()


def draw(page: Path) -> None:
    """Run both; the figure, and what they print, replace those of the page."""
    code, _, changed, _ = read(page)
    figure = SAVE.format(path=str(page.with_suffix(".png")), digest=digest(code))
    printed = iter([_printed(code + figure), _printed(changed)])
    text = SAID.sub(lambda _: f"```text\n{next(printed)}```\n", page.read_text(encoding="utf-8"))
    page.write_text(text, encoding="utf-8")


def _printed(code: str) -> str:
    words, env = [sys.executable, "-c", code], os.environ | {"MPLBACKEND": "agg"}
    return subprocess.run(words, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout


def notebook(page: Path) -> dict:
    """The page as a notebook: the package is installed, then the text, the code, the text. Links of the pages would
    lead nowhere there, and the figure comes from the code."""
    before, code, after = BLOCK.split(page.read_text(encoding="utf-8"))
    before, after = (LINK.sub(r"\1\2", FIGURE.sub("", DOWNLOAD.sub("", part))) for part in (before, after))
    cells = [_cell("markdown", before), _cell("code", INSTALL), _cell("code", code), _cell("markdown", after)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"nbformat": 4, "nbformat_minor": 4, "metadata": metadata, "cells": cells}


def _cell(kind: str, text: str) -> dict:
    run = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": text.strip().splitlines(keepends=True), **run}


def notebooks(folder: Path) -> None:
    """All of them, for readers of the built pages."""
    folder.mkdir(parents=True)
    for page in pages():
        text = json.dumps(notebook(page), indent=1, ensure_ascii=False)
        (folder / f"{page.stem}.ipynb").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    for page in pages():
        if len(sys.argv) == 1 or page.stem in sys.argv[1:]:
            draw(page)
