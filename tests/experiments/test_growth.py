"""The growth table: exponents, routes, memory of one process, points that fail, files. No timing is asserted."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments import growth
from experiments.benchmark.growth import points as growth_points
from experiments.benchmark.growth import routes as growth_routes
from experiments.benchmark.growth import worker as growth_worker
from experiments.benchmark.growth.exponents import fit_exponent
from experiments.benchmark.growth.points import RESOLVED, ROLLUP, Growth, Point, measure_growth, measure_point
from experiments.benchmark.growth.report import markdown, picture, table_lines
from experiments.benchmark.growth.routes import CHECK, CLOSED, FULL, ROUTES, Series, Size, choose_series

pytestmark = pytest.mark.slow  # measurements of measurements

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20
linux = pytest.mark.skipif(not ROLLUP.exists(), reason="memory is read from smaps_rollup")
N = np.array([10.0, 30.0, 100.0, 1000.0])

# --- exponents --------------------------------------------------------------------------------------------


def test_a_power_law_is_found_exactly():
    fit = fit_exponent(N, 3e-7 * N**1.5)
    assert fit.exponent == pytest.approx(1.5, abs=1e-12) and fit.error <= 1e-12
    assert fit.slopes == pytest.approx([1.5] * 3, abs=1e-12) and str(fit) == "1.50 ± 0.00"
    assert fit_exponent(N[::-1], 3e-7 * N[::-1] ** 1.5).slopes == pytest.approx(fit.slopes)


def test_the_error_is_that_of_the_noise():
    """Over 200 draws the exponent scatters as its error says: σ/√Sxx; and another exponent lies far off."""
    rng, x = np.random.default_rng(0), np.geomspace(10, 1000, 12)
    away = np.log(x) - np.log(x).mean()
    expected = 0.1 / np.sqrt(away @ away)
    fits = [fit_exponent(x, x**1.5 * np.exp(0.1 * rng.standard_normal(12))) for _ in range(200)]
    assert np.std([fit.exponent for fit in fits]) == pytest.approx(expected, rel=0.2)
    assert np.mean([fit.error for fit in fits]) == pytest.approx(expected, rel=0.1)
    assert np.mean([abs(fit.exponent - 1.5) <= 3 * fit.error for fit in fits]) > 0.95
    assert not any(abs(fit.exponent - 2.0) <= 3 * fit.error for fit in fits)


def test_what_is_no_power_law_has_a_large_error():
    """Negative control: a fixed cost beside a linear one."""
    bent = fit_exponent(N, 100 + N)
    assert bent.error > 0.05 and bent.slopes[0] < 0.2 < 0.7 < bent.slopes[-1]


def test_few_points():
    assert fit_exponent([1.0], [1.0]) is None and fit_exponent([], []) is None
    assert fit_exponent([1, 10], [1, 100]) == (pytest.approx(2.0), None, [pytest.approx(2.0)])
    assert str(fit_exponent([1, 10], [1, 100])) == "2.00"


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ([1, 2], [1, 2, 3], "equal length"),
        ([[1, 2]], [[1, 2]], "two lists"),
        ([1, 2], [1, 0], "positive"),
        ([-1, 2], [1, 1], "positive"),
        ([1, 2], [1, np.nan], "finite"),
        ([1, 1], [1, 2], "once"),
    ],
)
def test_wrong_input_is_refused(x, y, words):
    with pytest.raises(ValueError, match=words):
        fit_exponent(x, y)


# --- routes -----------------------------------------------------------------------------------------------


def test_every_route_is_varied_and_every_size_is_possible():
    assert {each.route for each in FULL} == set(ROUTES)
    assert len({(each.route, each.varied) for each in FULL}) == len(FULL)
    for each in FULL:
        assert len(each.values) >= 3 and list(each.values) == sorted(set(each.values))
        gaussian = each.route in (growth_routes.ANY, growth_routes.DENSE)
        assert gaussian or all(size.dim >= size.classes - 1 for size in each.sizes)
        assert each.route != growth_routes.ANY or all(size.dim > size.classes for size in each.sizes)
        assert each.route != growth_routes.DENSE or all(size.dim <= size.classes for size in each.sizes)
        assert each.route != CHECK or all(size.count % size.classes**2 == 0 for size in each.sizes)
    quick = choose_series(True)
    assert len(quick) == len(growth_routes.SHORT) and all(len(each.values) == 3 for each in quick)


def test_routes_do_what_their_names_say():
    size = Size(4, 6, 64)
    found = {name: route.make(size)() for name, route in ROUTES.items()}
    numerical, closed = found[growth_routes.ETF], found[CLOSED]
    assert numerical.H.shape == closed.H.shape == (64, 6)
    np.testing.assert_allclose(numerical.H, closed.H, atol=1e-10)
    assert found[growth_routes.ANY].H.shape == (64, 6)
    assert not np.allclose(found[growth_routes.ANY].H, numerical.H)
    assert found.keys() == ROUTES.keys()
    assert found[growth_routes.COEFFICIENTS].x_i.shape == (64,)
    assert found[growth_routes.CERTIFICATE].distance.shape == (64,)
    assert (found[CHECK].count, found[CHECK].verdict) == (64, "agrees")
    symmetric = found[growth_routes.ORBITS]
    assert (symmetric.count, symmetric.represented, symmetric.verdict) == (65, 64 * 16, "agrees")
    assert 0 <= found[growth_routes.JOINT].gap <= 1e-9


def test_features_that_fill_no_table_are_refused():
    with pytest.raises(ValueError, match="no multiple"):
        growth_routes.whole_check(Size(4, 4, 65))


# --- memory -----------------------------------------------------------------------------------------------


# in a process of its own: what other tests' threads free meanwhile would be taken for the idle process's
PEAKS = """
import numpy as np
from experiments.benchmark.growth.worker import peak_memory

def with_input():
    kept = np.ones(2**21)
    return lambda: (kept, np.ones(2**22))

print(peak_memory(lambda: lambda: None), peak_memory(lambda: lambda: np.ones(2**22)), peak_memory(with_input))
"""


@linux
def test_peak_memory_counts_inputs_and_results_once():
    done = subprocess.run([sys.executable, "-c", PEAKS], cwd=ROOT, capture_output=True, text=True, check=True)
    nothing, result, both = map(int, done.stdout.split())
    assert nothing <= 8 * MIB and 30 * MIB <= result <= 40 * MIB and 46 * MIB <= both <= 56 * MIB


@linux
def test_a_measurement_is_complete(tmp_path):
    found = growth_worker.measure(lambda: lambda: np.ones(MIB), 0.0, str(tmp_path / "turn"))
    assert set(found) == {"seconds", "compile", "calls", "memory"}
    assert found["calls"] == 2 and found["seconds"] > 0 and found["compile"] >= 0


# --- points and files -------------------------------------------------------------------------------------


def made(exponent=1.0, memory=1.0, least=RESOLVED, route=CLOSED, values=(10, 100, 1000), status="ok"):
    """A series whose time and memory grow with these exponents."""
    series = Series(route, "count", values, Size(4, 8, values[0]))
    points = [
        Point(
            size, status, 1e-6 * size.count**exponent, 0.1, 3, int(least * (size.count / values[0]) ** memory)
        )
        for size in series.sizes
    ]
    return Growth(series, points)


def test_exponents_of_a_series():
    linear, flat = made(1.5, 1.0), made(1.0, 0.0)
    assert linear.time().exponent == pytest.approx(1.5) and linear.memory().exponent == pytest.approx(1.0)
    assert flat.memory().exponent == pytest.approx(0.0)
    assert (
        "| 1.50 ± 0.00 | 1.50 | 1.00 ± 0.00 | 1.00 | 31.6 µs a feature | 25 MiB |"
        in table_lines([linear])[-1]
    )


def test_memory_that_is_not_resolved_is_flat():
    """Below RESOLVED a number is that of the allocator."""
    small, partly = made(least=RESOLVED // 1000, memory=0.5), made(least=RESOLVED // 8, memory=1.0)
    assert small.memory().exponent == pytest.approx(0.0, abs=1e-12)
    assert "| 0.00 ± 0.00 | 0.00 |" in table_lines([small])[-1]
    assert "| < 0.25 MiB |" in table_lines([small])[-1] and "< 0.25" not in table_lines([partly])[-1]
    assert partly.memory().slopes == pytest.approx([np.log10(10 / 8), 1.0], rel=1e-3)


def test_what_failed_is_a_line_and_no_number():
    series = made()
    broken = Point(series.points[0].size, "failed: MemoryError (exit code 1)")
    found = Growth(series.series, [broken, *series.points[1:]])
    text = markdown([found], "command", {"processor": "p"})
    assert "closed form against N = 10: failed: MemoryError" in text and found.time().error is None
    assert "| closed form | N 100 to 1,000 |" in text, "no range that was not measured"
    none = Growth(series.series, [broken])
    assert none.time() is None and "MemoryError" in markdown([none], "command", {})
    assert picture([none, found]).startswith(b"\x89PNG")


@linux
def test_a_point_that_fails_or_hangs_costs_only_itself(monkeypatch, tmp_path, capsys):
    series = Series(CHECK, "count", (65, 81), Size(4, 4, 0))
    monkeypatch.setattr(growth_routes, "choose_series", lambda quick: [series])
    assert growth.main(["--out", str(tmp_path)]) == 1
    why = "failed: ufm.rules.errors.InputError: 65 features are no multiple of 4² pairs (exit code 1)"
    assert why in capsys.readouterr().out and why in (tmp_path / "growth.md").read_text()
    turn = str(tmp_path / "turn")
    late = measure_point(CHECK, Size(4, 4, 64), budget=0.0, limit=0.01, turn=turn)
    assert late.status == "timed out after 0.01 s" and late.seconds is None


TINY = [
    Series(CLOSED, "count", (10_000, 80_000), Size(4, 64, 0)),
    Series(CHECK, "count", (5000, 40_000), Size(50, 64, 0)),
]


@linux
def test_the_command_end_to_end(monkeypatch, tmp_path, capsys):
    """Real processes: materialised features grow as their number, the streamed check stays where it is."""
    monkeypatch.setattr(growth_routes, "choose_series", lambda quick: TINY)
    assert growth.main(["--quick", "--out", str(tmp_path)]) == 0
    names = [f"growth_quick.{suffix}" for suffix in ("json", "md", "png")]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    found = json.loads((tmp_path / names[0]).read_text(), parse_constant=pytest.fail)
    assert "processor" in found["machine"] and "experiments.growth --quick" in found["command"]
    for series, planned in zip(found["series"], TINY, strict=True):
        assert (series["route"], tuple(series["values"])) == (planned.route, planned.values)
        assert [point["status"] for point in series["points"]] == ["ok", "ok"]
        assert all(point["seconds"] > 0 and point["memory"] > 0 for point in series["points"])
    linear, flat = (series["memory"]["exponent"] for series in found["series"])
    assert linear > 0.6 and abs(flat) < 0.3
    assert found["series"][0]["time"]["exponent"] is not None and len(found["series"][0]["fixed"]) == 2
    assert "| whole check | N 5,000 to 40,000 | K = 50, d = 64 |" in (tmp_path / names[1]).read_text()
    assert (tmp_path / names[2]).read_bytes().startswith(b"\x89PNG")
    assert "| closed form |" in capsys.readouterr().out


def test_a_size_that_two_series_share_is_measured_once(monkeypatch):
    asked = []

    def point(route, size, **terms):
        asked.append((route, size))
        return Point(size, "ok", 1.0, 0.0, 2, MIB)

    monkeypatch.setattr(growth_points, "measure_point", point)
    series = [
        Series(CLOSED, "count", (10, 20), Size(4, 8, 0)),
        Series(CLOSED, "dim", (8, 16), Size(4, 8, 10)),
    ]
    found = measure_growth(series, 0.0, 1.0, lambda *_: None)
    assert len(asked) == len(set(asked)) == 3 and [len(each.points) for each in found] == [2, 2]


def test_wrong_usage(monkeypatch, tmp_path, capsys, call_main):
    (tmp_path / "file").write_text("")
    assert growth.main(["--out", str(tmp_path / "file")]) == 2
    assert "--out must be a folder" in capsys.readouterr().err
    assert call_main(growth.main, "--quick", "--quick")[0] == 2
    assert call_main(growth.main, "--fast")[0] == 2
    monkeypatch.setattr(growth_points, "ROLLUP", tmp_path / "absent")
    code, _, error = call_main(growth.main, "--out", tmp_path)
    assert code == 2 and "Linux" in error
