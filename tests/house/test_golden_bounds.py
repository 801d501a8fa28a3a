"""Two records held against each other: what a bound allows passes, what it does not is wrong, the rest is named."""

import json

import pytest

from tests import golden_bounds

ROW = {
    "kind": "different",
    "classes": [0, 1],
    "theory": {"coef_i": 1.0, "norm": 2.0},
    "numeric": {"coef_i": 1.0, "p_i": 0.4, "norm": 2.0, "p_bound": 1e-13},
    "error": 1e-16,
    "bound": 1e-14,
    "verdict": "agrees",
}
JOINT = {
    "objective": 0.5,
    "dual_objective": 0.5,
    "gap": 1e-12,
    "error": 1e-9,
    "bound": 1e-7,
    "verdict": "agrees",
}
PROBLEM = {"classes": 4, "multiplier": 1.5, "classifier": "etf", "threshold": 0.1}


def text(row=None, joint=None, problem=None, code: int = 0) -> str:
    """A case's record."""
    data = {"problem": PROBLEM | (problem or {}), "features": [row or ROW], "joint": joint or JOINT}
    table = "error double: 1e-16 nan\nbound double: 1e-14 2e-14\nfooter ufm\n{}"
    return (
        f"$ python -m ufm.solve\nexit {code}\n--- file a.json\n{json.dumps(data, indent=1)}\n"
        f"--- file b.parquet\n{table}\n"
    )


@pytest.fixture
def held(tmp_path, capsys):
    """(exit code, output) of two records."""

    def run(old: str, new: str):
        for name, content in (("old", old), ("new", new)):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "case.txt").write_text(content, encoding="utf-8")
        return golden_bounds.main([str(tmp_path / "old"), str(tmp_path / "new")]), capsys.readouterr().out

    return run


def numeric(**parts):
    return ROW | {"numeric": ROW["numeric"] | parts}


WITHIN = [
    numeric(coef_i=1 + 2e-14),  # 2e-14 · 2/(1.5 √(2/3)) = 3.3e-14
    numeric(norm=2 + 3e-14),
    numeric(p_i=0.4 + 1.5e-13),
    ROW | {"error": 1.5e-14},
]
BEYOND = [
    numeric(coef_i=1 + 4e-14),
    numeric(norm=2 + 5e-14),
    numeric(p_i=0.4 + 2.5e-13),
    ROW | {"error": 3e-14},
    ROW | {"verdict": "fails"},
]


@pytest.mark.parametrize("row", WITHIN)
def test_what_the_bounds_allow_passes(held, row):
    code, out = held(text(), text(row))
    assert code == 0 and "1 within" in out and "WRONG" not in out


@pytest.mark.parametrize("row", BEYOND)
def test_what_they_do_not_is_wrong(held, row):
    code, out = held(text(), text(row))
    assert code == 1 and out.count("WRONG case") == 1


def test_an_optimum_may_move_by_its_gap(held):
    assert held(text(), text(joint=JOINT | {"objective": 0.5 + 5e-13}))[0] == 0
    assert held(text(), text(joint=JOINT | {"objective": 0.5 + 5e-12}))[0] == 1


def test_an_exit_code_is_a_verdict(held):
    assert held(text(), text(code=3))[0] == 1


def test_what_has_no_bound_is_named(held):
    code, out = held(text(), text(ROW | {"bound": 2e-14}))
    assert code == 0 and "bound: 5.0e-01 at most, case" in out
    code, out = held(text(), text(numeric(coef_i=1.1), problem={"threshold": 0.2}))
    assert code == 0 and "another label law, not compared, case a.json: 5.0e-01" in out
    code, out = held(
        text(problem={"classifier": "explicit"}),
        text(numeric(coef_i=1.1), problem={"classifier": "explicit"}),
    )
    assert code == 0 and "coef_i: 9.1e-02" in out


def test_rows_of_tables_are_held_too(held):
    code, out = held(text(), text().replace("2e-14", "3e-14"))
    assert code == 0 and "bound: 3.3e-01 at most, case b.parquet[1]" in out


def test_records_without_a_case_in_common_are_refused(tmp_path):
    with pytest.raises(SystemExit):
        golden_bounds.main([str(tmp_path), str(tmp_path)])
