"""The theorem tables: committed files are renderings of their data, and a fresh run would notice any edit."""

import copy
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from proofs.__main__ import main
from proofs.engine import render, session, tables
from proofs.engine.record import build
from proofs.engine.step import argued, identity
from ufm.theory.theorems.catalogue import THEOREMS
from ufm.theory.theorems.theorem import Claim

SMALL = "two-classes"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of the tables that may be spoilt."""
    shutil.copytree(tables.TABLES, tmp_path / "tables")
    monkeypatch.setattr(tables.load, "__defaults__", (tmp_path / "tables",))
    monkeypatch.setattr(tables.rendered, "__defaults__", (tmp_path / "tables",))
    return tmp_path


@pytest.fixture(scope="module")
def record():
    """The committed record of a small theorem."""
    return tables.load([SMALL])[0]


def spoilt(text: str) -> str:
    """The last digit of the text, one higher: in a table's numbers, or in its digest."""
    at = max(n for n, sign in enumerate(text) if sign.isdigit())
    return f"{text[:at]}{(int(text[at]) + 1) % 10}{text[at + 1 :]}"


def test_every_theorem_has_a_committed_table_and_a_proof():
    assert [record["name"] for record in tables.load(THEOREMS)] == list(THEOREMS)
    for name, theorem in THEOREMS.items():
        derivation = session.proof(name).derive()
        record = tables.load([name])[0]
        assert derivation.name == name
        assert record["statement"] == theorem.statement
        assert [s["name"] for s in record["steps"]] == [s.name for s in derivation.steps]
        assert {row["verdict"] for row in record["rows"]} <= {"proved", "agrees"}


def test_every_numbered_source_has_its_entry_and_every_entry_is_used():
    text = (tables.TABLES.parent / "sources.bib").read_text(encoding="utf-8")
    listed = re.findall(r"eprint *= \{([0-9.]+)\}", text)
    named = {number for t in THEOREMS.values() for number in re.findall(r"arXiv:([0-9]+\.[0-9]+)", t.source)}
    assert set(listed) == named and len(listed) == len(named) > 4


def test_every_sign_of_a_latex_table_is_a_command():
    for path in tables.TABLES.glob("*.tex"):
        assert path.read_text(encoding="utf-8").isascii(), path.name


def test_committed_files_are_the_renderings_of_their_data():
    assert tables.differences(tables.rendered(tables.load(THEOREMS))) == []


@pytest.mark.parametrize(
    "name",
    [
        "joint-etf.md",
        "joint-etf.tex",
        "joint-etf.json",
        "theorems.md",
        "theorems.tex",
        "theorems.json",
    ],
)
def test_one_digit_edited_in_any_file_is_noticed(folder, name):
    path = folder / "tables" / name
    text = path.read_text(encoding="utf-8")
    path.write_text(spoilt(text), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != text
    assert tables.differences(tables.rendered(tables.load(THEOREMS)))


@pytest.mark.parametrize("name", ["joint-etf.md", "joint-etf.tex", "joint-etf.json", "theorems.md"])
def test_one_verdict_edited_in_any_file_is_noticed(folder, name):
    path = folder / "tables" / name
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("proved", "agrees", 1), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != text
    assert tables.differences(tables.rendered(tables.load(THEOREMS)))


EDITS = {
    "verdict": lambda r: r["rows"][1].update(verdict="agrees"),
    "prediction": lambda r: r["rows"][1].update(predicted=r["rows"][1]["predicted"] * (1 + 1e-9)),
    "numerical value": lambda r: r["rows"][1].update(numeric=r["rows"][1]["numeric"] * (1 + 1e-9)),
    "parameter": lambda r: r["rows"][1]["parameters"].update(m=2.0),
    "error beyond its bounds": lambda r: r["rows"][1].update(error=1.0),
    "row lost": lambda r: r["rows"].pop(),
    "step lost": lambda r: r["steps"].pop(),
    "step called symbolic": lambda r: r["steps"][-1].update(kind="invented"),
    "count of steps": lambda r: r.update(symbolic=r["symbolic"] + 1),
    "statement": lambda r: r.update(statement="D = 0"),
    "comparison": lambda r: r["comparison"].update(worst=1.0),
    "more data": lambda r: r.update(more=1),
}


@pytest.mark.parametrize("edit", EDITS)
def test_data_edited_and_rendered_anew_contradicts_a_fresh_run(record, edit):
    """Even where all files were made consistent with the edit."""
    changed = copy.deepcopy(record)
    EDITS[edit](changed)
    assert tables.disagreements(record, record) == []
    assert tables.disagreements(changed, record)


def test_numbers_may_move_within_their_bounds(record):
    """Another machine rounds differently: that is no contradiction."""
    moved = copy.deepcopy(record)
    for row in moved["rows"]:
        row["numeric"] += 0.5 * row["bound"] * row["unit"]
        row["error"] = 0.5 * row["bound"]
    assert tables.disagreements(moved, record) == []


@pytest.mark.parametrize("by, found", [(1e-15, []), (1e-12, ["inverse-design, row 2: parameters differ"])])
def test_penalties_that_are_results_may_round_otherwise(by, found):
    (record,) = tables.load(["inverse-design"])
    moved = json.loads(json.dumps(record))
    moved["rows"][1]["parameters"]["lambda_W"] *= 1 + by
    assert tables.disagreements(record, moved) == found


@pytest.mark.parametrize(
    "name, row, by, agrees",
    [
        ("softmax-codes", 3, 1e-10, True),
        ("softmax-codes", 3, 1e-8, False),
        ("ordinal", 0, 1e-10, False),  # of the same shape, but bounded
        ("joint-etf", 0, 1e-5, False),
    ],
)
def test_the_end_of_a_blind_search_beside_a_given_point_is_held_loosely(name, row, by, agrees):
    (record,) = tables.load([name])
    moved = json.loads(json.dumps(record))
    moved["rows"][row]["numeric"] += by * (moved["rows"][row]["unit"] or 1.0)
    assert (tables.disagreements(record, moved) == []) == agrees


def test_a_fresh_run_of_one_theorem_agrees_with_its_committed_data(record):
    fresh = build(THEOREMS[SMALL], session.proof(SMALL))
    assert tables.disagreements(record, json.loads(render.dump(fresh))) == []


def test_a_wrong_formula_turns_rows_to_fails_and_the_run_to_1(folder, monkeypatch, capsys):
    theorem = THEOREMS[SMALL]
    right = theorem.claim.formula

    def wrong(setting, labels):
        found = right(setting, labels)
        return Claim(found.values * (1 + 1e-6), found.rounding)

    planted = replace(theorem, claim=replace(theorem.claim, formula=wrong))
    monkeypatch.setitem(THEOREMS, SMALL, planted)
    assert session.check_tables([SMALL]) == 1
    out, err = capsys.readouterr()
    assert "fails" in out and "row 1: verdict differs" in err


def test_a_wrong_step_turns_the_run_to_1(folder, monkeypatch, capsys):
    proof = session.proof(SMALL)
    derivation = proof.derive()
    bad = replace(derivation, steps=[*derivation.steps, identity("one is two", "$1 = 2$", 1, 2)])
    monkeypatch.setattr(proof, "derive", lambda: bad)
    assert session.check_tables([SMALL]) == 1
    assert "one is two: is not zero: -1" in capsys.readouterr().err


def test_a_shipped_formula_that_is_not_the_derived_one_turns_the_run_to_1(folder, monkeypatch, capsys):
    proof = session.proof(SMALL)
    derivation = proof.derive()
    rows = [
        row._replace(shipped=row.shipped * (1 + 1e-9)) for row in derivation.compare(np.random.default_rng(0))
    ]
    monkeypatch.setattr(proof, "derive", lambda: replace(derivation, compare=lambda rng: rows))
    assert session.check_tables([SMALL]) == 1
    assert "the shipped formula is not the derived one" in capsys.readouterr().err


def test_writing_is_all_or_nothing(folder, monkeypatch):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    files = tables.rendered(tables.load([SMALL]))
    files[folder / "tables" / "two-classes.md"] = None  # cannot be written
    with pytest.raises(TypeError):
        tables.write(files)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_an_argued_step_is_counted_as_such(record):
    assert record["argued"] == sum(step["kind"] == "argued" for step in record["steps"])
    assert argued("x", "y").kind == "argued"


def test_wrong_usage(capsys):
    assert main(["two-clases"]) == 2
    assert "did you mean two-classes?" in capsys.readouterr().err
    assert main(["--chek"]) == 2
    assert main(["--help"]) == 0


def test_markdown_tables_have_one_width_and_no_raw_bars(record):
    lines = [line for line in render.markdown(record).splitlines() if line.startswith("|")]
    widths = {line.replace(r"\|", "").count("|") for line in lines}
    assert len(widths) == 1
