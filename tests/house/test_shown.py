"""Every command that a page shows is in the table, parses as it stands, and has what it reads."""

import argparse
import importlib
import re
import sys

import pytest
import tyro

from experiments.commands.files import MAKERS, make
from experiments.commands.shown import MODULE, OTHERS, ROOT, commands, pages, shown, source
from experiments.commands.table import CLASSES, HOSTS, LONG, ROWS, SETUP, SHORT, Row

OURS = [row for row in ROWS if source(row.words.split()[0])]


def missing(rows, found) -> list[str]:
    """Commands of pages that no row has."""
    return sorted({" ".join(command) for command in found} - {row.words for row in rows})


def stale(rows, found) -> list[str]:
    """Rows that no page shows any more, and that are not kept for a reason of their own."""
    return sorted({row.words for row in rows if row.why is None} - {" ".join(command) for command in found})


def test_the_table_is_what_the_pages_show():
    found = shown()
    assert missing(ROWS, found) == []
    assert stale(ROWS, found) == []
    assert len({row.words for row in ROWS}) == len(ROWS)
    assert not [row for row in ROWS if row.why is not None and tuple(row.words.split()) in found]


def test_no_command_of_a_page_escapes_the_reader():
    """Whatever form it has: as many are found as the text has `python -m`."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        found = [command for command in commands(text) if command[0] not in OTHERS]
        assert len(found) == len(MODULE.findall(text)), page


MADE_UP = ("made.up", "--flag", "1")
FORMS = {
    "fenced": "```sh\npython -m made.up --flag 1\n```",
    "fenced, no language": "text\n\n```\npython -m made.up --flag 1\n```\n",
    "tildes": "~~~bash\npython3 -m made.up --flag 1\n~~~",
    "indented fence": "- item\n\n  ```sh\n  python -m made.up --flag 1\n  ```",
    "block": "words\n\n    python -m made.up --flag 1     # a comment; python is fun\n",
    "span": "see `python -m made.up --flag 1`, or not",
    "span over two lines": "see `python -m made.up\n--flag 1`, or not",
    "span after a stray backtick": "a ` alone\n\nsee `python -m made.up --flag 1`",
    "double backticks": "see ``python -m made.up --flag 1``",
    "environment": "```sh\n.venv/bin/python -m made.up --flag 1\n```",
    "version": "`python3.12 -m made.up --flag 1`",
    "prompt": "```console\n$ python -m made.up --flag 1\n```",
    "variables": "```sh\nJAX_PLATFORMS=cpu A=1 python -m made.up --flag 1\n```",
    "continued": "```sh\npython -m made.up \\\n    --flag 1\n```",
    "chained": "```sh\npython -m venv x && python -m made.up --flag 1 | tail -3 > out; ls\n```",
    "quoted": "```sh\npython -m made.up '--flag' \"1\"\n```",
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("page", ["README.md", "docs/deep/page.md"])
def test_a_made_up_command_is_found_in_every_form(tmp_path, text, page):
    """Negative control of both tests above, in pages of their own."""
    for name in ("README.md", page):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("# a page\n" if name != page else text, encoding="utf-8")
    found = shown(tmp_path)
    assert found[MADE_UP] == [page]
    assert "made.up --flag 1" in missing(ROWS, found)
    assert stale([Row("made.up --flag 1", SHORT), Row("gone", SHORT)], found) == ["gone"]
    assert len([c for c in commands(text) if c[0] not in OTHERS]) == len(MODULE.findall(text))


def test_a_command_in_an_unknown_form_is_counted():
    text = "<code>python -m made.up</code>"
    assert commands(text) == [] and len(MODULE.findall(text)) == 1


def test_prose_holds_no_commands():
    assert commands("`--save FOLDER/` isn't `ufm.solve`, it's `import ufm`; python -m is a word") == []


def test_docstrings_of_shown_modules_are_pages_too(tmp_path):
    (tmp_path / "README.md").write_text("`python -m tool`", encoding="utf-8")
    (tmp_path / "tool.py").write_text('"""A tool.\n\n    python -m tool [--quick] --other 2\n"""\n')
    assert set(shown(tmp_path)) == {("tool",), ("tool", "--other", "2")}


# --- the rows themselves -------------------------------------------------------------------------------------


class Parsed(BaseException):
    """The parser took the words."""


@pytest.fixture
def parse(monkeypatch):
    """parse(words): the module's own parser reads them, and nothing else happens: "parsed", or the exit code."""

    def stopping(parser):
        def call(*args, **kwargs):
            parser(*args, **kwargs)
            raise Parsed

        return call

    def read(words: str):
        module, *argv = words.split()
        path = source(module)
        name = f"{module}.__main__" if path.name == "__main__.py" else module
        monkeypatch.setattr(sys, "argv", [str(path), *argv])
        try:
            return importlib.import_module(name).main()
        except Parsed:
            return "parsed"
        except SystemExit as stop:
            return stop.code

    monkeypatch.setattr(tyro, "cli", stopping(tyro.cli))
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stopping(argparse.ArgumentParser.parse_args))
    return read


PARSED = [
    words
    for row in OURS
    for words in dict.fromkeys((row.words, row.runs))
    if row.words not in ("ufm.solve --help", "experiments.minimal")
]


@pytest.mark.parametrize("words", PARSED)
def test_every_command_parses_as_shown_and_as_cut(parse, words):
    assert parse(words.format(coordinator="127.0.0.1:1", process=0)) == "parsed"


@pytest.mark.parametrize(
    "words", ["ufm.solve --clases 10", "proofs --chekc", "experiments.device --platform cuda"]
)
def test_a_misspelt_command_is_refused(parse, words):
    """Negative control: the parsers that were stopped are those that judge."""
    assert parse(words) == 2


def test_rows_are_whole():
    for row in ROWS:
        assert row.kind in CLASSES and row.codes and set(row.files) <= set(MAKERS), row
        assert (row.kind == SETUP) == (row.words.split()[0] in ("venv", "sphinx", *OTHERS)), row
        assert row.cut is None or row.kind in (LONG, HOSTS), row
        assert row.cut is not None or row.kind not in (LONG, HOSTS), row
        assert ("{process}" in row.runs) == (row.processes > 1), row
        assert re.fullmatch(r"[^{}…]*", row.runs.format(coordinator="", process="")), row


def test_what_commands_read_can_be_made(tmp_path):
    make(tuple(MAKERS), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {name.rstrip("/") for name in MAKERS}
    from ufm.commands.grid_file import read_grid
    from ufm.network.read.activations import read_activations

    assert read_activations(str(tmp_path / "activations.npz")).count == 400
    assert read_grid(str(tmp_path / "grid.toml")).problems > 100  # the page's
    page = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")
    assert page.count((tmp_path / "grid.toml").read_text()) == 1
