"""Phase diagrams on tiny inputs: points beside every curve, moved curves, known classifiers, stopped runs."""

from itertools import count

import numpy as np
import pytest
from PIL import Image

from experiments import phase_diagram as door
from experiments.phases import joint, picture, store
from experiments.phases.frame import MARGIN, Found, Tally, tally, verdict
from experiments.phases.table import DIAGRAMS
from ufm.model.etf import simplex_etf
from ufm.model.laws import label_variance, mixup
from ufm.theory.geometry.hierarchy import hierarchy_optimum
from ufm.theory.geometry.quadratic import bias_transition

AT = {"imbalance": 5.0, "alpha": 5.0, "smoothing": 0.3, "bias": 1.0, "relu": 5.0, "peeled": 5.0, "focal": 4.0}
ASIDE = {"focal": 0.005}  # of the height of a curve; the others 0.05
EVERY = [
    pytest.param(
        name, marks=() if name == "bias" else pytest.mark.slow, id=name
    )  # others compile for seconds
    for name in DIAGRAMS
]


def moved(diagram, factor: float):
    """The diagram with every curve at `factor` times its height."""
    curves = (curve._replace(value=lambda x, f=curve.value: factor * f(x)) for curve in diagram.curves)
    return diagram._replace(curves=tuple(curves))


def beside(name: str) -> list[tuple[float, float]]:
    """A point below and above each curve."""
    aside, x = ASIDE.get(name, 0.05), AT[name]
    return [(x, height * (1 + s)) for height in DIAGRAMS[name].heights(x) for s in (-aside, aside)]


@pytest.mark.parametrize("name", EVERY)
def test_blind_points_beside_every_curve_agree_and_a_moved_curve_is_contradicted(name):
    diagram = DIAGRAMS[name]
    points = {at: diagram.solve(*at) for at in beside(name)}
    assert tally(diagram, points) == Tally(len(points), 0, 0, 0)
    assert {found.phase for found in points.values()} == {phase.name for phase in diagram.phases}
    aside = 2 * ASIDE.get(name, 0.05)
    for factor in (1 + aside, 1 - aside):
        assert tally(moved(diagram, factor), points).contradict >= len(diagram.curves)


def test_phase_of_known_classifiers():
    etf = simplex_etf(4)
    merged, swapped = etf.copy(), etf.copy()
    merged[3], swapped[1] = merged[2], swapped[0]
    found = [joint.classify(W, [[2, 3]], "minority", "distinct") for W in (0 * etf, etf, merged, swapped)]
    assert found == ["zero", "distinct", "minority", "other"]
    assert joint.separation(etf) == pytest.approx(1.0)
    assert joint.separation(merged) == joint.separation(swapped) == 0.0


def test_curves_are_those_of_the_theory():
    assert DIAGRAMS["alpha"].heights(5.0) == pytest.approx([label_variance(mixup(5.0), 4)], rel=1e-12)
    assert DIAGRAMS["imbalance"].heights(5.0)[1] == pytest.approx(2 / 3 * 0.5 / 6, rel=1e-12)
    assert DIAGRAMS["imbalance"].heights(1 + 1e-9) == pytest.approx([1 / 6, 1 / 6], rel=1e-6)
    c = DIAGRAMS["bias"].heights(0.7)[1] / 2
    assert bias_transition(4, c, c) == pytest.approx(0.7, rel=1e-12)
    for share, alive in ((0.999, True), (1.001, False)):
        c = share * DIAGRAMS["smoothing"].heights(0.3)[1] / np.sqrt(6)
        assert bool(hierarchy_optimum(2, 6, 0.3, joint.OUTER, c, c).within > 0) is alive


def test_points_on_a_curve_or_without_a_gap_are_not_judged():
    diagram = DIAGRAMS["alpha"]
    height = diagram.heights(1.0)[0]
    wrong = Found("etf", 0.0, 1e-12, 1.0)
    assert verdict(diagram, (1.0, 1.01 * height), wrong) == "contradict"
    assert verdict(diagram, (1.0, (1 + MARGIN / 2) * height), wrong) == "undecided"
    for gap in (1e-6, float("nan")):
        assert verdict(diagram, (1.0, 1.01 * height), wrong._replace(gap=gap)) == "uncertified"


def test_without_a_bound_a_worse_point_is_a_failed_search_and_a_better_one_contradicts():
    diagram = DIAGRAMS["focal"]
    at = (2.0, 0.98)
    best = diagram.best(*at)
    found = [Found("etf", 1.0, float("nan"), best + more) for more in (0.0, 1e-6, -1e-6)]
    assert [verdict(diagram, at, one) for one in found] == ["agree", "uncertified", "contradict"]


# --- runs that were stopped ----------------------------------------------------------------------------------

TINY = [(1.0 + n, 0.1 * n) for n in range(1, 7)]


def counting_solver():
    """A stand-in for a solver with numbers that no rounding hides, and the points it was given."""
    asked, number = [], count()

    def solve(x, y):
        asked.append((x, y))
        value = 1 / (3 + next(number))
        return Found("etf", value, value * 1e-12, value)

    return solve, asked


@pytest.mark.parametrize("cut", [1, 9, 40])
def test_a_run_stopped_in_the_middle_of_a_line_loses_and_doubles_nothing(tmp_path, cut):
    path = tmp_path / "points.csv"
    whole = store.fill(path, TINY, counting_solver()[0])
    text = path.read_bytes()
    path.write_bytes(text[:-cut])
    solve, asked = counting_solver()
    again = store.fill(path, TINY, solve)
    assert asked == TINY[-1:]
    assert list(again) == TINY and all(again[at] == whole[at] for at in TINY[:-1])
    lines = path.read_text().splitlines()
    assert lines[:-1] == text.decode().splitlines()[:-1]
    assert len(lines) == len(set(lines)) == 1 + len(TINY)


def test_a_run_stopped_between_points_goes_on(tmp_path):
    path = tmp_path / "points.csv"
    solve, asked = counting_solver()

    def interrupted(x, y):
        if len(asked) == 2:
            raise KeyboardInterrupt
        return solve(x, y)

    with pytest.raises(KeyboardInterrupt):
        store.fill(path, TINY, interrupted)
    assert list(store.read_points(path)) == TINY[:2]
    rest, later = counting_solver()
    store.fill(path, TINY, rest)
    assert later == TINY[2:]


def test_half_a_header_is_no_obstacle_and_other_columns_are(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("x,pha")
    assert len(store.fill(path, TINY[:1], counting_solver()[0])) == 1
    assert len(store.read_points(path)) == 1
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="other columns"):
        store.read_points(path)


def test_report_and_picture_name_and_cross_out_what_contradicts(tmp_path, capsys):
    diagram = DIAGRAMS["alpha"]
    height = diagram.heights(1.0)[0]
    good = {
        (1.0, 0.5 * height): Found("etf", 0.5, 1e-12, 1.0),
        (1.0, 2 * height): Found("zero", 0.0, 1e-12, 1.0),
    }
    assert door.report(diagram, good) == 0
    assert "contradicts" not in capsys.readouterr().out
    bad = good | {(2.0, 2 * height): Found("etf", 0.5, 1e-12, 1.0)}
    assert door.report(diagram, bad) == 1
    assert "contradicts: (2.0," in capsys.readouterr().out
    assert "2 agree, 1 contradict" in picture.counted(diagram, bad)
    pictures = [tmp_path / "good.png", tmp_path / "bad.png"]
    for path, points in zip(pictures, (good, bad)):
        picture.draw(diagram, points, path)
    pixels = [np.array(Image.open(path).convert("RGB"), int) for path in pictures]
    red = [int(((one[..., 0] > 150) & (one[..., 1:] < 80).all(-1)).sum()) for one in pixels]
    assert red[0] == 0 < red[1]


def test_a_file_of_other_columns_is_wrong_usage(tmp_path, capsys):
    (tmp_path / "phases-alpha-quick.csv").write_text("a,b\n")
    assert door.main(["--quick", "--out", str(tmp_path)]) == 2
    assert "other columns" in capsys.readouterr().err
