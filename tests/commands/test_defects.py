"""A defect of our own is neither wrong usage (2) nor a verdict (1, 3): exit 70, with how to report it.

Planted are the three exceptions that once passed for bad input: a broadcasting error of NumPy (a ValueError), an
eigensolver's LinAlgError (another) and a KeyError; an InputError in the same place is the control.
"""

import ast
import builtins
import os
from pathlib import Path

import numpy as np
import pytest

import ufm.agree.theorem
from proofs import refute
from ufm import compare, solve, sweep, verify
from ufm.agree.theorem import check_theorem
from ufm.model.problem import Problem
from ufm.network.comparison import Options
from ufm.network.read.activations import from_arrays
from ufm.refute.cases import Case
from ufm.refute.search import check_case
from ufm.report.network import compare_network
from ufm.rules.errors import InputError
from ufm.theory.theorems.catalogue import THEOREMS
from ufm.theory.theorems.theorem import Setting

ROOT = Path(__file__).resolve().parents[2]
K3 = ("--classes", "3", "--multiplier", "1")
FREE = ("--classes", "3", "--classifier", "free")
CORNER = np.eye(3)


def broadcasting(*_, **__):
    return np.ones(2) + np.ones(3)


def linear_algebra(*_, **__):
    return np.linalg.cholesky(-np.eye(2))


def missing_key(*_, **__):
    return {}["loss"]


def bad_input(*_, **__):
    raise InputError("planted bad input")


DEFECTS = (broadcasting, linear_algebra, missing_key)
# what is run, and the name that the work behind it has
COMMANDS = {
    "solve": (solve.main, (*K3, "--lam", "0.3"), "ufm.commands.runs.features.check_features"),
    "solve, inside": (solve.main, (*K3, "--lam", "0.3"), "ufm.agree.features.choose_source"),
    "solve --classifier free": (
        solve.main,
        ("--classes", "3", "--classifier", "free"),
        "ufm.commands.runs.joint.check_joint",
    ),
    "solve free, inside": (
        solve.main,
        ("--classes", "3", "--classifier", "free"),
        "ufm.agree.joint.solve_joint",
    ),
    "verify": (verify.main, K3, "ufm.commands.runs.verify.check_theorem"),
    "verify, inside": (verify.main, K3, "ufm.agree.theorem.solve_features"),
    "compare": (
        compare.main,
        ("a.npz", "--replicates", "0"),
        "ufm.commands.runs.compare.reported",
    ),
    "compare, inside": (compare.main, ("a.npz", "--replicates", "0"), "ufm.network.comparison.first_look"),
    "compare, reading": (
        compare.main,
        ("a.npz", "--replicates", "0"),
        "ufm.network.read.activations.weight_rows",
    ),
    "sweep": (sweep.main, ("grid.toml",), "ufm.commands.runs.sweep.solve_blocks"),
    "refute": (refute.main, ("soft-label", "--settings", "3"), "ufm.agree.theorem.solve_features"),
    "refute a joint claim": (refute.main, ("joint-etf", "--settings", "3"), "ufm.agree.theorem.solve_joint"),
}


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", H=np.repeat(CORNER, 2, 0), W=CORNER, y=np.repeat(np.arange(3), 2))
    Path("grid.toml").write_text("classes = 3\nmultiplier = 1.0\nlambda_h = 0.1\nlam = [0.3]\n")


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_defect_is_exit_code_70_and_says_how_to_report_it(name, defect, monkeypatch, call_main):
    main, argv, place = COMMANDS[name]
    monkeypatch.setattr(place, defect)
    code, out, err = call_main(main, *argv)
    assert code == 70, (code, out, err)
    assert "this is a defect of the program" in err.splitlines()[-1] and "report" in err.splitlines()[-1]
    assert not any(word in out for word in ("undecided", "fails", "agrees", "refuted"))
    assert not {"a.json", "a.png"} & set(os.listdir())


@pytest.mark.parametrize("name", [name for name in COMMANDS if not name.startswith(("verify, ", "refute"))])
def test_bad_input_in_the_same_place_is_wrong_usage(name, monkeypatch, call_main):
    main, argv, place = COMMANDS[name]
    monkeypatch.setattr(place, bad_input)
    code, _, err = call_main(main, *argv)
    assert code == 2 and "planted bad input" in err and "defect" not in err


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__)
@pytest.mark.parametrize(
    "theorem, place",
    [("soft-label", "solve_features"), ("soft-label", "certify_features"), ("joint-etf", "solve_joint")],
)
def test_theorem_checks_let_a_defect_through(theorem, place, defect, monkeypatch):
    monkeypatch.setattr(ufm.agree.theorem, place, defect)
    if place == "certify_features":
        monkeypatch.setattr(
            ufm.agree.theorem, "solve_features", lambda problem, Y: type("S", (), {"H": 0 * Y})()
        )
    with pytest.raises((ValueError, KeyError)) as caught:
        check_theorem(THEOREMS[theorem], Setting(Problem(3, multiplier=1.0, lambda_w=0.01, lambda_h=0.01)))
    assert not isinstance(caught.value, InputError)


@pytest.mark.parametrize("theorem, place", [("soft-label", "solve_features"), ("joint-etf", "solve_joint")])
def test_parameters_beyond_a_formula_are_undecided_with_the_reason(theorem, place, monkeypatch):
    """The control: and the handler that catches them names an exception that exists."""
    monkeypatch.setattr(ufm.agree.theorem, place, bad_input)
    setting = Setting(Problem(3, multiplier=1.0, lambda_w=0.01, lambda_h=0.01))
    assert check_theorem(THEOREMS[theorem], setting).verdict == ("undecided", "planted bad input")


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__)
def test_a_search_names_the_case_of_a_defect_and_does_not_skip_it(defect, monkeypatch):
    monkeypatch.setattr(ufm.agree.theorem, "solve_features", defect)
    with pytest.raises(RuntimeError, match="soft-label on Case"):
        check_case(THEOREMS["soft-label"], Case(classes=3))


def test_a_search_skips_a_case_that_is_no_problem():
    assert check_case(THEOREMS["soft-label"], Case(classes=3, lambda_h=-1.0)) is None


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__)
def test_a_comparison_lets_a_defect_through_where_a_missing_class_is_an_answer(defect, monkeypatch):
    monkeypatch.setattr("ufm.network.features.class_steps", defect)
    given = from_arrays(H=np.repeat(CORNER, 2, 0), W=CORNER, y=np.repeat(np.arange(3), 2))
    with pytest.raises((ValueError, KeyError)) as caught:
        compare_network(given, options=Options(replicates=0))
    assert not isinstance(caught.value, InputError)


def undefined(source: str) -> set[str]:
    """Names that are read somewhere in a module and bound nowhere in it: a handler that names one never catches."""
    bound, read = set(dir(builtins)) | {"__file__", "__name__"}, set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(name, ast.Load()):
                read.add(name)
            case ast.Name(name):
                bound.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.ExceptHandler(name=name):
                bound.add(name)
            case ast.arg(name) | ast.MatchAs(name=name) | ast.MatchStar(name) | ast.MatchMapping(rest=name):
                bound.add(name)
            case ast.alias(name, other):
                bound.add(other or name.split(".")[0])
    return read - bound


FILES = sorted(path for room in ("ufm", "proofs", "experiments") for path in (ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_name_that_is_used_exists(path):
    """The linter cannot say so here: it reads the shapes of arrays in annotations as names."""
    assert undefined(path.read_text(encoding="utf-8")) == set()


def test_a_handler_of_an_exception_that_was_not_imported_is_seen():
    assert undefined("try:\n    pass\nexcept InputError:\n    pass\n") == {"InputError"}
