"""The pages that are made from the code: docstrings are no markup, no table is of another theorem."""

import ast
import json
from dataclasses import replace

import pytest

import ufm
from docs.builder.docstrings import plain, prose, signature
from docs.builder.pages import TABLES, api_page, draw_checks, rooms, theorem_index, theorem_page, theorems
from tests.house.test_walls import MAY
from ufm.theory.theorems.catalogue import THEOREMS


@pytest.mark.parametrize("text", ["|c| ≤ ‖h − h*‖", "x_k of W_", "a \\ b", "see <x>", "*not* emphasis"])
def test_a_docstring_is_no_markup(text):
    """Every sign with a meaning in reStructuredText is escaped, and only the backslashes were added."""
    escaped = prose(text)
    assert escaped.replace("\\\\", "\0").replace("\\", "").replace("\0", "\\") == text
    assert escaped != text


def test_names_and_indented_lines_are_code():
    assert prose("see `solve_joint`.") == "see \\ ``solve_joint``\\ ."
    assert plain("Words\nof two lines.\n\n    f(h) = |h|\n\n- no list") == [
        "Words of two lines.",
        "",
        "::",
        "",
        "    f(h) = |h|",
        "",
        "\\- no list",
        "",
    ]


@pytest.mark.parametrize("name", sorted(set(ufm.__all__) - {"InputError", "Status"}))  # neither is called
def test_a_signature_is_that_of_the_source(name):
    """It parses, names every argument, and refers to classes of ufm by their full names."""
    arguments, _ = signature(getattr(ufm, name))
    (call,) = ast.parse(f"def f{arguments}: ...").body
    assert call.args.args or call.args.kwonlyargs or name == "onehot"
    if name == "certify_features":
        assert arguments.startswith("(problem: ~ufm.model.problem.Problem, H: Shaped[np.ndarray, 'N d']")


@pytest.mark.parametrize(
    "name", ["ufm", *(f"ufm.{room}" for room in MAY if room not in ("loss", "commands"))]
)
def test_the_page_of_a_room_has_all_its_names(name):
    page = api_page(name)
    module = __import__(name, fromlist=["__all__"])
    assert name == "ufm" or name in rooms()
    for word in module.__all__:
        assert f":: {word}\n" in page or f"`{word} <ufm.{word}>`" in page


def record(name: str) -> dict:
    return json.loads((TABLES / f"{name}.json").read_text(encoding="utf-8"))


def test_a_theorem_has_its_page(tmp_path):
    found = record("two-classes")
    page = theorem_page(found)
    for part in (found["title"], found["statement"], "## Proof", "two-classes.svg", "| K | m |"):
        assert part in page
    assert page.index("two-classes.svg") < page.index("| K | m |")
    draw_checks(found["rows"], tmp_path / "checks.svg")
    assert "<svg" in (tmp_path / "checks.svg").read_text(encoding="utf-8")
    summaries = json.loads((TABLES / "theorems.json").read_text(encoding="utf-8"))["theorems"]
    assert all(f"[{name}]({name}.md)" in theorem_index(summaries) for name in THEOREMS)


@pytest.mark.parametrize("change", [{"statement": "1 = 2"}, {"assumptions": ()}])
def test_a_table_of_another_theorem_is_refused(change, tmp_path, monkeypatch):
    """Negative control: the committed tables are those of the package."""
    name = "two-classes"
    monkeypatch.setitem(THEOREMS, name, replace(THEOREMS[name], **change))
    monkeypatch.setattr("docs.builder.pages.draw_checks", lambda *args: None)
    with pytest.raises(ValueError, match=f"{name}.json is out of date"):
        theorems(tmp_path / "theorems")
