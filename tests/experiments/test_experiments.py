"""The phase diagram on tiny inputs: phases of known classifiers, a stopped run, a wrong curve."""

from itertools import count

import numpy as np
import pytest

from experiments import phase_diagram as door
from experiments.phases import curves, picture, points
from ufm.model.etf import simplex_etf
from ufm.model.laws import label_variance, mixup

TINY = [
    points.Setting("imbalance", 1.0, 1.0, 0.05, nodes=6),
    points.Setting("imbalance", 1.0, 5.0, 0.02, nodes=6),
    points.Setting("imbalance", 1.0, 5.0, 0.12, nodes=6),
    points.Setting("imbalance", 1.0, 5.0, 0.5, nodes=6),
    points.Setting("alpha", 2.0, 1.0, 0.05, nodes=6),
    points.Setting("alpha", 5.0, 1.0, 0.3, nodes=6),
]
REGIONS = ["etf", "distinct", "minority", "trivial", "etf", "trivial"]


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """The tiny points, solved for real."""
    return points.fill(tmp_path_factory.mktemp("phases") / "tiny.csv", TINY)


def counting_solver():
    """A stand-in for `solve_point` with numbers that no rounding hides, and the settings it was given."""
    asked, number = [], count()

    def solve(setting):
        asked.append(setting)
        value = 1 / (3 + next(number))
        return points.Solved("etf", value * 1e-12, value, value * 1e-9, value, 1.0, 7)

    return solve, asked


def test_phase_of_known_classifiers():
    etf = simplex_etf(4)
    merged = etf.copy()
    merged[3] = merged[2]
    swapped = etf.copy()
    swapped[1] = swapped[0]
    scaled = etf * np.array([1.0, 1.1, 1.2, 1.3])[:, None]
    found = [points.classify(W) for W in (0 * etf, etf, merged, swapped, scaled)]
    assert found == ["trivial", "etf", "minority", "other", "distinct"]
    assert points.separation(etf) == pytest.approx(1.0)
    assert points.separation(merged) == points.separation(swapped) == 0.0


def test_curves_are_those_of_the_theory():
    assert curves.theory(5.0, 1.0).trivial == pytest.approx(label_variance(mixup(5.0), 4), rel=1e-12)
    weight = 0.5 / 6
    assert curves.theory(1.0, 5.0).minority == pytest.approx(2 / 3 * weight, rel=1e-12)
    near_balance = curves.theory(1.0, 1 + 1e-9)
    assert near_balance.trivial == pytest.approx(1 / 6, rel=1e-6)
    assert near_balance.minority == pytest.approx(1 / 6, rel=1e-6)


@pytest.mark.slow
def test_solved_points_lie_in_the_predicted_phases(solved):
    assert [solved[setting].region for setting in TINY] == REGIONS
    assert all(point.relative_gap <= curves.GAP_TOLERANCE for point in solved.values())
    counts, wrong = curves.tally(solved)
    assert counts == curves.Tally(len(TINY), 0, 0, 0) and not wrong


@pytest.mark.slow
def test_a_wrong_curve_disagrees(solved):
    def one_hot(alpha, imbalance):  # forgets that mixup moves the collapse by ρ = 2/3
        right = curves.theory(alpha, imbalance)
        return right._replace(minority=right.minority * 1.5 if imbalance > 1 else np.inf)

    def early(alpha, imbalance):
        return curves.theory(alpha, imbalance)._replace(trivial=0.2)

    between = points.Setting("imbalance", 1.0, 5.0, 0.07, nodes=6)
    judged = solved | {between: points.solve_point(between)}
    assert curves.tally(judged)[0].disagree == 0
    assert curves.tally(judged, one_hot)[1] == [between]
    assert curves.tally(judged, early)[1] == []
    wrong = curves.tally(judged, lambda a, r: curves.theory(a, r)._replace(trivial=0.04))[1]
    assert len(wrong) == 4


@pytest.mark.slow
def test_uncertified_and_near_points_are_not_judged(solved):
    setting = TINY[0]
    loose = {setting: solved[setting]._replace(relative_gap=1e-6, region="trivial")}
    assert curves.tally(loose)[0] == curves.Tally(0, 0, 1, 0)
    unknown = {setting: solved[setting]._replace(relative_gap=float("nan"))}
    assert curves.tally(unknown)[0].uncertified == 1
    on_curve = setting._replace(product=curves.theory(1.0, 1.0).trivial * 1.0005)
    assert curves.tally({on_curve: solved[setting]})[0] == curves.Tally(0, 0, 0, 1)


@pytest.mark.parametrize("cut", [1, 9, 40])
def test_a_run_stopped_in_the_middle_of_a_line_loses_and_doubles_nothing(tmp_path, cut):
    path = tmp_path / "points.csv"
    whole = points.fill(path, TINY, counting_solver()[0])
    text = path.read_bytes()
    path.write_bytes(text[:-cut])
    solve, asked = counting_solver()
    again = points.fill(path, TINY, solve)
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
        points.fill(path, TINY, interrupted)
    assert list(points.read_points(path)) == TINY[:2]
    rest, later = counting_solver()
    points.fill(path, TINY, rest)
    assert later == TINY[2:]


def test_half_a_header_is_no_obstacle_and_other_columns_are(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("plane,alp")
    assert len(points.fill(path, TINY[:1], counting_solver()[0])) == 1
    assert len(points.read_points(path)) == 1
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="other columns"):
        points.read_points(path)


@pytest.mark.slow
def test_report_and_picture(solved, tmp_path, capsys):
    assert door.report(solved) == 0
    assert "disagree" in capsys.readouterr().out
    path = tmp_path / "picture.png"
    picture.draw(solved, curves.theory, path)
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_report_names_points_that_disagree(solved, capsys):
    judged = solved | {TINY[2]: solved[TINY[2]]._replace(region="distinct")}
    assert door.report(judged) == 1
    assert "disagrees: Setting(plane='imbalance', alpha=1.0, imbalance=5.0" in capsys.readouterr().out


def test_a_file_of_other_columns_is_wrong_usage(tmp_path, capsys):
    (tmp_path / "phase_diagram_quick.csv").write_text("a,b\n")
    assert door.main(["--quick", "--out", str(tmp_path)]) == 2
    assert "other columns" in capsys.readouterr().err
