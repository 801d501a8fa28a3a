"""Closed forms against a second program: the committed table is theirs, and one that is off is noticed."""

import json
import sys
from types import SimpleNamespace

import pytest

import experiments.second_solver as second
from tests.house.test_walls import ROOT
from ufm.theory.theorems.catalogue import THEOREMS

ROWS = json.loads((ROOT / "docs" / "second_solver.json").read_text(encoding="utf-8"))["rows"]


def test_the_committed_rows_are_those_of_today():
    """At least ten; each closed form is what the package says now, and the second program agrees."""
    cases = second.cases()
    assert [(row["theorem"], row["form"]) for row in ROWS] == [(case.theorem, case.form) for case in cases]
    assert len(ROWS) >= 10 and {row["theorem"] for row in ROWS} <= set(THEOREMS)
    for row, case in zip(ROWS, cases):
        assert row["closed"] == pytest.approx(case.closed, rel=1e-12)
        assert abs(row["second"] / case.closed - 1) <= second.ALLOWED
        assert row["difference"] == pytest.approx(abs(row["second"] / row["closed"] - 1), abs=1e-15)


def test_the_page_shows_the_committed_rows():
    assert second.table(ROWS) in (ROOT / "docs" / "second_solver.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("share, code", [(1.0, 0), (1 + 1e-5, 1)])
def test_a_closed_form_that_is_off_is_noticed(share, code, monkeypatch, capsys):
    solved = SimpleNamespace(value=1.0, solve=lambda solver: None)
    case = second.Case("onehot-ce", "nuclear norm", share, lambda cp: solved)
    monkeypatch.setattr(second, "cases", lambda: [case])
    monkeypatch.setitem(sys.modules, "cvxpy", SimpleNamespace(CLARABEL="CLARABEL"))
    assert second.main([]) == code
    assert "onehot-ce" in capsys.readouterr().out


def test_without_the_second_program_it_says_so(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cvxpy", None)
    assert second.main([]) == 2
    said = capsys.readouterr()
    assert "[bench]" in said.err and said.out == ""
