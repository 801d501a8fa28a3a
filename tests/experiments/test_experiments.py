"""The phase diagram on tiny inputs: phases of known classifiers, a stopped run, a wrong curve."""

from itertools import count

import numpy as np
import pytest

from experiments import phase_diagram as phases
from ufm.model.etf import simplex_etf
from ufm.model.laws import label_variance, mixup

TINY = [
    phases.Setting("imbalance", 1.0, 1.0, 0.05, nodes=6),
    phases.Setting("imbalance", 1.0, 5.0, 0.02, nodes=6),
    phases.Setting("imbalance", 1.0, 5.0, 0.12, nodes=6),
    phases.Setting("imbalance", 1.0, 5.0, 0.5, nodes=6),
    phases.Setting("alpha", 2.0, 1.0, 0.05, nodes=6),
    phases.Setting("alpha", 5.0, 1.0, 0.3, nodes=6),
]
REGIONS = ["etf", "distinct", "minority", "trivial", "etf", "trivial"]


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """The tiny points, solved for real."""
    return phases.fill(tmp_path_factory.mktemp("phases") / "tiny.csv", TINY)


def counting_solver():
    """A stand-in for `solve_point` with numbers that no rounding hides, and the settings it was given."""
    asked, number = [], count()

    def solve(setting):
        asked.append(setting)
        value = 1 / (3 + next(number))
        return phases.Solved("etf", value * 1e-12, value, value * 1e-9, value, 1.0, 7)

    return solve, asked


def test_phase_of_known_classifiers():
    etf = simplex_etf(4)
    merged = etf.copy()
    merged[3] = merged[2]
    swapped = etf.copy()
    swapped[1] = swapped[0]
    scaled = etf * np.array([1.0, 1.1, 1.2, 1.3])[:, None]
    found = [phases.classify(W) for W in (0 * etf, etf, merged, swapped, scaled)]
    assert found == ["trivial", "etf", "minority", "other", "distinct"]
    assert phases.separation(etf) == pytest.approx(1.0)
    assert phases.separation(merged) == phases.separation(swapped) == 0.0


def test_curves_are_those_of_the_theory():
    assert phases.theory(5.0, 1.0).trivial == pytest.approx(label_variance(mixup(5.0), 4), rel=1e-12)
    weight = 0.5 / 6
    assert phases.theory(1.0, 5.0).minority == pytest.approx(2 / 3 * weight, rel=1e-12)
    near_balance = phases.theory(1.0, 1 + 1e-9)
    assert near_balance.trivial == pytest.approx(1 / 6, rel=1e-6)
    assert near_balance.minority == pytest.approx(1 / 6, rel=1e-6)


@pytest.mark.slow
def test_solved_points_lie_in_the_predicted_phases(solved):
    assert [solved[setting].region for setting in TINY] == REGIONS
    assert all(point.relative_gap <= phases.GAP_TOLERANCE for point in solved.values())
    counts, wrong = phases.tally(solved)
    assert counts == phases.Tally(len(TINY), 0, 0, 0) and not wrong


@pytest.mark.slow
def test_a_wrong_curve_disagrees(solved):
    def one_hot(alpha, imbalance):  # forgets that mixup moves the collapse by ρ = 2/3
        right = phases.theory(alpha, imbalance)
        return right._replace(minority=right.minority * 1.5 if imbalance > 1 else np.inf)

    def early(alpha, imbalance):
        return phases.theory(alpha, imbalance)._replace(trivial=0.2)

    between = phases.Setting("imbalance", 1.0, 5.0, 0.07, nodes=6)
    points = solved | {between: phases.solve_point(between)}
    assert phases.tally(points)[0].disagree == 0
    assert phases.tally(points, one_hot)[1] == [between]
    assert phases.tally(points, early)[1] == []
    wrong = phases.tally(points, lambda a, r: phases.theory(a, r)._replace(trivial=0.04))[1]
    assert len(wrong) == 4


@pytest.mark.slow
def test_uncertified_and_near_points_are_not_judged(solved):
    setting = TINY[0]
    loose = {setting: solved[setting]._replace(relative_gap=1e-6, region="trivial")}
    assert phases.tally(loose)[0] == phases.Tally(0, 0, 1, 0)
    unknown = {setting: solved[setting]._replace(relative_gap=float("nan"))}
    assert phases.tally(unknown)[0].uncertified == 1
    on_curve = setting._replace(product=phases.theory(1.0, 1.0).trivial * 1.0005)
    assert phases.tally({on_curve: solved[setting]})[0] == phases.Tally(0, 0, 0, 1)


@pytest.mark.parametrize("cut", [1, 9, 40])
def test_a_run_stopped_in_the_middle_of_a_line_loses_and_doubles_nothing(tmp_path, cut):
    path = tmp_path / "points.csv"
    whole = phases.fill(path, TINY, counting_solver()[0])
    text = path.read_bytes()
    path.write_bytes(text[:-cut])
    solve, asked = counting_solver()
    again = phases.fill(path, TINY, solve)
    assert asked == TINY[-1:]
    assert list(again) == TINY and all(again[s] == whole[s] for s in TINY[:-1])
    lines = path.read_text().splitlines()
    assert lines[:-1] == text.decode().splitlines()[:-1]
    assert len(lines) == len(set(lines)) == 1 + len(TINY)


def test_a_run_stopped_between_points_goes_on(tmp_path):
    path = tmp_path / "points.csv"
    solve, asked = counting_solver()

    def interrupted(setting):
        if len(asked) == 2:
            raise KeyboardInterrupt
        return solve(setting)

    with pytest.raises(KeyboardInterrupt):
        phases.fill(path, TINY, interrupted)
    assert list(phases.read_points(path)) == TINY[:2]
    rest, later = counting_solver()
    phases.fill(path, TINY, rest)
    assert later == TINY[2:]


def test_half_a_header_is_no_obstacle_and_other_columns_are(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("plane,alp")
    assert len(phases.fill(path, TINY[:1], counting_solver()[0])) == 1
    assert len(phases.read_points(path)) == 1
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="other columns"):
        phases.read_points(path)


@pytest.mark.slow
def test_report_and_picture(solved, tmp_path, capsys):
    assert phases.report(solved) == 0
    assert "disagree" in capsys.readouterr().out
    path = tmp_path / "picture.png"
    phases.draw(solved, phases.theory, path)
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_report_names_points_that_disagree(solved, capsys):
    points = solved | {TINY[2]: solved[TINY[2]]._replace(region="distinct")}
    assert phases.report(points) == 1
    assert "disagrees: Setting(plane='imbalance', alpha=1.0, imbalance=5.0" in capsys.readouterr().out


def test_a_file_of_other_columns_is_wrong_usage(tmp_path, capsys):
    (tmp_path / "phase_diagram_quick.csv").write_text("a,b\n")
    assert phases.main(["--quick", "--out", str(tmp_path)]) == 2
    assert "other columns" in capsys.readouterr().err
