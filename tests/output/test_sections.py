"""Sections are data: the text and the page of one value say the same, each in its own words."""

import io
import re
from html import unescape

import pytest
from rich.console import Console

from ufm.output.network.page import Pictures, report_page
from ufm.output.sections import Facts, Section, Sentence, Table, Two, Verdict, show

RECORD = {
    "verdict": "reproduced",
    "headline": "It is <so>.",
    "provenance": {
        "file": "a/<net>.npz",
        "command": ["ufm", "a b"],
        "versions": {"ufm": "1"},
        "device": "cpu",
        "platform": "x",
        "seed": 0,
        "date": "2026-01-01T00:00:00+00:00",
        "sha256": None,
    },
}
TABLE = Table(
    ("name", Two("n", "number")),
    [("[a] <b>", Two("1±2", "1\n-1 to 3")), ("agrees", "4")],
)


def text(*parts, terminal=False) -> str:
    console = Console(file=io.StringIO(), width=80, force_terminal=terminal)
    show(console, *parts)
    return console.file.getvalue()


def page(*parts) -> str:
    first, second = (Section(name, [], early=True) for name in ("First", "Second"))
    last = Section("Last", [])
    pictures = Pictures("as <many> as 2", [("of <it>", b"png")])
    whole = report_page([first, second, Section("Middle", parts), last], RECORD, pictures)
    assert "<figcaption>as &lt;many&gt; as 2</figcaption>" in whole
    assert '<p class="headline">It is &lt;so&gt;.</p>' in whole and 'alt="of &lt;it&gt;"' in whole
    return whole.split("<h2>Middle</h2>")[1].split("<h2>Provenance</h2>")[0]


def words(html: str) -> list[str]:
    return [word for word in unescape(re.sub(r"<[^>]*>", " ", html)).split() if word]


@pytest.mark.parametrize(
    "part",
    [
        Facts([("name", "[bold] & <i> " * 12), ("other", "text")]),
        Table(("a", "b"), [("[x]", "<y>"), ("fails", "1e-3")]),
        Sentence("as long as a sentence is " * 8),
        Verdict("it is", "not reproduced", ", by symmetry"),
        "a plain [line]",
    ],
    ids=lambda part: type(part).__name__,
)
def test_both_say_all_of_it(part):
    assert words(page(part)) == text(part).replace(" reproduced,", " reproduced ,").split()
    assert all(len(line) < 80 for line in text(part).splitlines())


def test_each_has_words_of_its_own():
    assert text(TABLE).split() == ["name", "n", "[a]", "<b>", "1±2", "agrees", "4"]
    assert words(page(TABLE)) == ["name", "number", "[a]", "<b>", "1", "-1", "to", "3", "agrees", "4"]
    assert '<td class="n">1<br><small>-1 to 3</small></td>' in page(TABLE)
    assert text(Sentence(Two("", "page"))) == "" and page(Sentence(Two("text", ""))).split() == []
    assert text(Section(Two("", "Title"), [""])) == "\n" and text(Section("Title", [])) == "\nTitle\n"


def test_verdicts_are_coloured_and_nothing_else_is():
    coloured = text(TABLE, Verdict("w", "fails"), terminal=True)
    assert "\x1b[32magrees" in coloured and "\x1b[1;31mfails" in coloured
    assert '<td><span class="agrees">agrees</span></td>' in page(TABLE)
    assert page(TABLE).count("<span") == 1


def test_verdicts_come_before_the_rest_on_the_page():
    titles = [
        Section(title, [], title in ("What", "Collapse")) for title in ("What", "Middle", "Collapse", "Last")
    ]
    found = re.findall("<h2>(.*?)</h2>", report_page(titles, RECORD, Pictures("", [])))
    assert found == ["What", "Collapse", "Last", "Middle", "Provenance"]
