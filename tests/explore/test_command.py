"""The command that writes the page."""

from pathlib import Path

import pytest

from ufm.commands.console import main as console
from ufm.commands.runs.explore import main
from ufm.explore.document import explorer_page


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("door", [main, lambda words: console(["explore", *words])])
def test_the_page_is_written_and_it_is_said_where(call_main, door):
    for words, name in (([], "ufm.html"), (["--out", "other.html"], "other.html")):
        code, out, err = call_main(door, *words)
        assert (code, out, err) == (0, f"{Path.cwd() / name}\n", "")
        assert Path(name).read_text(encoding="utf-8") == explorer_page()


@pytest.mark.parametrize(
    "words, said",
    [
        (["--out", "page.pdf"], "must end in .html"),
        (["--out", "nowhere/page.html"], "nowhere"),
        (["--out", "a.html", "--out", "b.html"], "more than once"),
        (["--port", "80"], "--port"),
    ],
)
def test_wrong_usage_writes_nothing(call_main, words, said):
    code, out, err = call_main(main, *words)
    assert code == 2 and said in err + out and not list(Path.cwd().iterdir())
