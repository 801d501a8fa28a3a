"""The law of the distance: planted exponents are found, curves that do not fall together are seen, runs go on."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("flax")

from experiments import distance_law as command
from experiments.datasets import load_dataset
from experiments.distance import runs
from experiments.distance.criteria import FILE, Criterion, judge, read_criteria
from experiments.distance.grid import FULL, QUICK, Cell, Grid, Part
from experiments.distance.inputs import first_classes, images, pool
from experiments.distance.law.fit import (
    Estimate,
    columns,
    covariates,
    fit_power,
    power_or_exponential,
    slope_in_time,
    units,
)
from experiments.distance.law.one_curve import judge_one_curve, plant, spread
from experiments.distance.measures import NUMBERS
from experiments.distance.modes import (
    GRAM_MODES,
    feature_curvatures,
    feature_errors,
    gram_curvatures,
    gram_errors,
    gram_parts,
    same_class_root,
)
from experiments.distance.numbers import (
    by_name,
    main_rows,
    mode_exponents,
    one_curves,
    power_laws,
    shapes_in_time,
    time_exponents,
)
from experiments.reproduction.verdict import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from experiments.terminal.criteria import blob, committed_blob
from experiments.tools import pool as pool_module
from experiments.tools.pool import XLA_ONE_THREAD, in_processes
from ufm.commands.frame import guarded
from ufm.model.atoms import finite_law
from ufm.model.etf import gain, simplex_etf
from ufm.model.laws import mixup
from ufm.model.problem import Problem
from ufm.optimize.features import solve_features
from ufm.rules.errors import InputError
from ufm.runtime.threads import usable_cores
from ufm.theory.multiplier import joint_multiplier

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "docs" / "claims" / "law.json"
TRUE = {"log n/D": 0.6, "log t": -0.9, "log K": 0.5, "log a": 0.3}
FEW = 60  # bootstrap samples


@pytest.fixture(scope="module")
def rows():
    """The declared grid with distances planted on it: a power law, and noise of 5 %."""
    cells = [
        (*cell, steps, seed)
        for cell, budgets in FULL.cells.items()
        for seed in FULL.seeds
        for steps in budgets
    ]
    names = ("images", "dimension", "classes", "penalty", "steps", "seed")
    found = {name: np.array(column) for name, column in zip(names, zip(*cells))}
    found["a_joint"] = 1.9 * (1 + 1 / found["classes"]) / found["penalty"]  # about the theorem's
    noise = 0.05 * np.random.default_rng(0).standard_normal(len(cells))
    found["far_features"] = np.exp(covariates(found) @ list(TRUE.values()) + noise)
    return found


# the fit


def test_planted_exponents_are_found_within_their_intervals(rows):
    law = fit_power(rows, "far_features", FEW)
    assert list(law.exponents) == ["c", *TRUE] and law.rows == FULL.runs
    for name, wanted in TRUE.items():
        found = law.exponents[name]
        assert found.low - 0.01 < wanted < found.high + 0.01 and found.high - found.low < 0.1, name
    assert law.left == pytest.approx(0.05, rel=0.1)


def test_intervals_hold_what_differs_from_cell_to_cell(rows):
    """A deviation common to all runs of a cell widens the interval; the same over single runs does not."""
    rng, base = np.random.default_rng(1), np.log(rows["far_features"])
    cell = units(rows).cell[units(rows).unit]
    common, single = rng.standard_normal(cell.max() + 1)[cell], rng.standard_normal(len(base))
    wide, narrow = (
        fit_power(rows | {"y": np.exp(base + 0.3 * noise)}, "y", FEW).exponents["log n/D"]
        for noise in (common, single)
    )
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_the_exponent_in_time_needs_no_levels(rows):
    """Levels of cells and seeds drop out; an exponential is told from a power."""
    few = main_rows(rows)
    level = 3.0 * np.random.default_rng(2).standard_normal(len(few["steps"]) // 4).repeat(4)
    y = level - 1.1 * np.log(few["steps"])
    found = slope_in_time(few, y, FEW)
    assert found.low == pytest.approx(-1.1) == found.high
    power, exponential = power_or_exponential(few, y)
    assert power < 1e-9 < 0.05 < exponential
    power, exponential = power_or_exponential(few, level - few["steps"] / 2000)
    assert exponential < 1e-9 < 0.05 < power


# one curve


@pytest.mark.parametrize("gamma", [1.0, 0.5, 0.0])
def test_curves_fall_together_or_not_as_planted(rows, gamma):
    """On bent curves; γ = 1 is taken, the others are refused, and γ is found."""
    u = np.log(rows["images"] / rows["dimension"])
    bent = np.log(rows["far_features"]) + 0.08 * u**2
    y = plant(rows, bent, gamma)
    found = judge_one_curve(rows, y, FEW)
    assert (found.ratio < 1.1) == (gamma == 1.0)
    assert (found.p > 1e-3) == (gamma == 1.0)
    assert found.gamma.low - 0.02 < gamma < found.gamma.high + 0.02
    apart = {g: spread(rows, y, g) for g in (1.0, 0.5, 0.0)}
    assert min(apart, key=apart.get) == gamma


# the modes


def test_parts_of_a_gram_matrix_are_orthogonal_and_what_they_say():
    E = np.random.default_rng(0).standard_normal((6, 6))
    parts = gram_parts(E + E.T)
    centre = np.eye(6) - 1 / 6
    assert np.allclose(sum(parts), centre @ (E + E.T) @ centre)
    assert all(abs(np.sum(p * q)) < 1e-12 for n, p in enumerate(parts) for q in parts[:n])
    longer = centre @ np.diag([1.0, -1, 0, 0, 0, 0]) @ centre  # one row longer, one shorter
    assert np.allclose(gram_parts(longer)[1], longer)
    assert np.allclose(gram_parts(3 * centre)[0], 3 * centre)
    assert np.allclose(gram_parts(np.diag([1.0, 2, 4])[:3, :3])[2], 0)  # K = 3 has no angles


@pytest.mark.parametrize("penalty", [0.02, 0.1])
def test_curvatures_of_the_gram_matrix_are_second_differences(penalty):
    """Of F(G) = (λ_W/2) tr G + min over features, which knows no formula."""
    K, law = 4, finite_law(mixup(1.0), 4)
    joint = joint_multiplier(mixup(1.0), K, penalty, penalty)
    g = gain(K, joint.value)
    best = g * (np.eye(K) - 1 / K)

    def value(G):
        size, turn = np.linalg.eigh(G)
        W = turn * np.sqrt(np.maximum(size, 0))
        H = solve_features(Problem(K, classifier=W, lambda_h=penalty), law.labels).H
        z = H @ W.T
        loss = np.logaddexp.reduce(z, axis=1) - (law.labels * z).sum(1)
        return penalty / 2 * np.trace(G) + law.weights @ (loss + penalty / 2 * (H * H).sum(1))

    E = np.random.default_rng(3).standard_normal((K, K))
    rates = gram_curvatures(K, penalty)
    assert np.ptp(rates) > 0.1  # so that a mix-up of kinds would be seen
    for part, rate in zip(gram_parts(E + E.T), rates):
        step = 0.01 * g * part / np.linalg.norm(part)
        second = (value(best + step) + value(best - step) - 2 * value(best)) / (0.01 * g) ** 2
        assert 4 * g * second / penalty == pytest.approx(rate, rel=2e-3)


def test_curvatures_of_a_feature_are_those_of_its_objective():
    """Eigenvalues of 1 + Wᵀ S W/λ_H at the optimum of a class label."""
    K, a, m, dim = 5, 200.0, 1.3, 7
    W = simplex_etf(K, dim, m)
    lambda_h = gain(K, m) / a
    h = (K - 1) / (K * m * m) * same_class_root(a, K) * W[2]
    p = np.exp(W @ h - np.logaddexp.reduce(W @ h))
    curved = np.eye(dim) + W.T @ (np.diag(p) - np.outer(p, p)) @ W / lambda_h
    along, across, outside = feature_curvatures(a, K)
    wanted = sorted([along] + [across] * (K - 2) + [outside] * (dim - K + 1))
    assert np.linalg.eigvalsh(curved) == pytest.approx(wanted, rel=1e-9)


def test_errors_land_in_their_mode():
    K, dim = 4, 6
    W = simplex_etf(K, dim, 2.0)
    unit, c = W[1] / 2.0, np.ones(3, int)
    outside = np.eye(dim)[-1]
    across = np.linalg.svd(W)[2][: K - 1]
    across = across[0] - (across[0] @ unit) * unit
    for place, direction in enumerate((unit, across, outside)):
        direction = direction / np.linalg.norm(direction)
        found = feature_errors(W[c] + 0.2 * direction, c, W, W)
        assert found == pytest.approx(np.eye(3)[place] * 0.01, abs=1e-12)
    joint = joint_multiplier(mixup(1.0), K, 0.02, 0.02)
    exact = simplex_etf(K, dim, joint.value)
    assert gram_errors(exact, joint) == pytest.approx((0, 0, 0), abs=1e-12)
    assert gram_errors(1.1 * exact, joint) == pytest.approx((0.21**2, 0, 0), abs=1e-9)


# grid and inputs


def test_the_declared_grid_is_the_one_asked_for():
    cells = FULL.cells
    assert {cell.dimension for cell in cells} == {49, 196, 784, 3072}
    assert {cell.classes for cell in cells} == {3, 5, 10} and len({cell.penalty for cell in cells}) == 3
    assert (min(c.images for c in cells), max(c.images for c in cells)) == (50, 5000)
    assert len(FULL.seeds) >= 3 and max(FULL.seeds) < 100 <= min(QUICK.seeds)
    assert all(steps % FULL.every == 0 for budgets in cells.values() for steps in budgets)
    fingerprints = [
        runs.fingerprint(FULL, c, t, s) for c, ts in cells.items() for t in ts for s in FULL.seeds
    ]
    assert len(set(fingerprints)) == FULL.runs
    settings = FULL.settings(Cell(50, 49, 3, 0.03), 750, 2)
    assert (settings.lambda_w, settings.lambda_h, settings.seed, settings.steps) == (0.03, 0.03, 2, 750)


def test_inputs_have_the_dimension_asked_for():
    data = load_dataset("digits")
    made = images(data, Cell(100, 16, 10, 0.01), QUICK.settings(Cell(100, 16, 10, 0.01), 150, 0))
    assert made.train_x.shape == (100, 1, 1, 16)
    wide = images(data, Cell(30, 128, 3, 0.01), QUICK.settings(Cell(30, 128, 3, 0.01), 150, 0))
    assert wide.train_x.shape[1:3] == (1, 1) and 20 < wide.train_x.shape[3] < 30 and wide.classes == 3
    assert set(wide.train_y) == {0, 1, 2} == set(wide.test_y)
    block = pool(data, 16).train_x[7, 1, 2, 0]
    assert block == pytest.approx(data.train_x[7, 2:4, 4:6, 0].mean())
    for bad in (lambda: pool(data, 30), lambda: first_classes(data, 11)):
        with pytest.raises(InputError):
            bad()


# runs

TINY = Grid(
    "digits",
    (Part((30, 60), (16,), (3,), (0.01,), (20, 40)),),
    (100,),
    "nearly all",
    20,
    (("warmup", 5), ("width", 8)),
)


def test_a_run_that_is_finished_is_never_made_again(tmp_path, monkeypatch):
    """Stopped in the middle, a file cut short, another grid: only what is missing is made."""
    made = []

    def run(task, steps, data):
        made.append(steps)
        words = {"fingerprint": runs.fingerprint(task.grid, task.cell, steps, task.seed)}
        return task.cell._asdict() | {"steps": steps, "seed": task.seed, "loss": float(len(made))} | words

    monkeypatch.setattr(runs, "run", run)
    (tmp_path / runs.ROWS).mkdir()
    first = runs.missing(TINY, tmp_path, None)[0]
    runs.run_task(first._replace(steps=first.steps[:1]))
    assert made == [20]
    table = runs.complete(TINY, tmp_path, None, 1)
    assert made == [20, 40, 20, 40] and table.num_rows == TINY.runs == 4
    assert runs.complete(TINY, tmp_path, None, 1).equals(table) and len(made) == 4
    path = runs.row_path(tmp_path, first.cell, 40, 100)
    path.write_bytes(path.read_bytes()[:-20])
    runs.complete(TINY, tmp_path, None, 1)
    assert made == [20, 40, 20, 40, 40]
    changed = Grid(TINY.dataset, TINY.parts, TINY.seeds, "", TINY.every, (("warmup", 5), ("width", 9)))
    assert len(runs.missing(changed, tmp_path, None)) == 2  # files of another network do not count


def test_a_diverged_run_is_a_row_without_numbers(tmp_path):
    wild = Grid("digits", TINY.parts, (100,), "", 20, (("learning_rate", 1e12), ("width", 8), ("warmup", 0)))
    (tmp_path / runs.ROWS).mkdir()
    task = runs.missing(wild, tmp_path, None)[0]
    runs.run_task(task)
    row = runs.stored(wild, task.cell, task.steps[0], 100, tmp_path)
    assert "diverged" in row["failed"] and row["far_features"] is None


@pytest.mark.slow
def test_nearer_with_time_on_the_digits(tmp_path):
    """Direction only; and everything that is measured is a finite number."""
    grid = Grid("digits", (Part((40,), (64,), (3,), (0.05,), (100, 400)),), (100,), "", 100, QUICK.changes)
    rows = columns(runs.complete(grid, tmp_path, None, 1))
    assert all(np.isfinite(rows[name]).all() for name in NUMBERS)
    for name in ("far_features", "far_own", "excess_share", "gram_distance"):
        assert rows[name][1] < rows[name][0], name
    assert (rows["curvature"] > 1).all() and (rows["excess_bound"] < 1e-9).all()


@pytest.mark.slow
def test_processes_beside_each_other_have_a_thread_each(monkeypatch):
    """And the environment here is afterwards what it was."""
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_max_hlo_modules=7")
    before = dict(os.environ)
    found = dict(in_processes(os.getenv, ["OPENBLAS_NUM_THREADS", "XLA_FLAGS"], max(2, usable_cores())))
    assert found == {
        "OPENBLAS_NUM_THREADS": "1",
        "XLA_FLAGS": f"--xla_dump_max_hlo_modules=7 {XLA_ONE_THREAD}",
    }
    assert dict(os.environ) == before


@pytest.mark.parametrize("when", ["at once", "later"])
def test_a_process_ended_from_outside_is_a_want_of_memory(when, monkeypatch, capsys):
    """As a system out of memory ends one; the executor here is one whose processes are gone."""

    class Broken(ThreadPoolExecutor):
        def __init__(self, jobs, *_):
            super().__init__(jobs)

        def submit(self, work, task):
            if when == "at once":
                raise BrokenProcessPool("A child process terminated abruptly")
            return super().submit(work, task)

    def gone(task):
        raise BrokenProcessPool("A process in the process pool was terminated abruptly")

    monkeypatch.setattr(pool_module, "ProcessPoolExecutor", Broken)
    assert guarded("it", lambda: len(list(in_processes(gone, [1, 2], 2)))) == 71
    err = capsys.readouterr().err
    assert err == "it: out of memory: a process was ended from outside: give fewer --jobs\n"


# criteria


def test_the_committed_law_was_judged_by_the_committed_criteria():
    """The blob in the record is the file's; the commit it names holds the same, where this repository has it."""
    if not RECORD.exists():
        pytest.skip("no law yet")
    found = json.loads(RECORD.read_text(encoding="utf-8"))["criteria"]
    assert found["blob"] == blob(FILE.read_bytes()), "the criteria were touched after the law was made"
    assert committed_blob(found["commit"], FILE) in (None, found["blob"])


def test_verdicts_are_those_of_intervals():
    one = Criterion("k", "says", "x", "<", 1.0, "here")
    for numbers, wanted in (
        ({"x": Estimate(0.5, 0.4, 0.6)}, REPRODUCED),
        ({"x": Estimate(0.9, 0.8, 1.1)}, INCONCLUSIVE),
        ({"x": Estimate(2.0, 1.5, 3.0)}, NOT_REPRODUCED),
        ({"x": Estimate(float("nan"), 0.0, 0.1)}, INCONCLUSIVE),
        ({}, INCONCLUSIVE),
    ):
        assert judge(one, numbers) == wanted


def test_every_criterion_names_a_number_and_planted_laws_meet_or_miss_them(rows):
    """About 1/t as planted; modes in the order of theory, and turned round: then those criteria fail."""
    made = dict(rows)
    t, base = rows["steps"] / 750, np.exp(0.01 * np.random.default_rng(5).standard_normal(len(rows["steps"])))
    made["excess_share"] = rows["far_features"] * t**-0.3
    order = ("feature_along", "feature_across", "feature_outside", "gram_size", "gram_norms", "gram_angles")
    for name, power in zip(order, (-2.0, -1.0, -0.5, -1.5, -1.4, -0.5)):
        made[name] = base * t**power
    parts = [
        power_laws(made, FEW),
        one_curves(made, 20),
        time_exponents(made, FEW),
        mode_exponents(made, FEW),
        shapes_in_time(made),
    ]
    verdicts = _verdicts(by_name(*parts))
    assert set(verdicts.values()) == {REPRODUCED}, verdicts
    for name in order:
        made[name] = 1 / made[name]
    parts[3] = mode_exponents(made, FEW)
    turned = _verdicts(by_name(*parts))
    failed = {key for key, verdict in turned.items() if verdict == NOT_REPRODUCED}
    assert failed == {"stiff-first", "soft-last", "angles-last"}


def _verdicts(numbers) -> dict[str, str]:
    assert {criterion.number for criterion in read_criteria()} <= set(numbers)
    return {criterion.key: judge(criterion, numbers) for criterion in read_criteria()}


# command


def test_it_says_what_it_would_train_and_what_is_left_out(call_main):
    code, out, _ = call_main(command.main, "--dry-run")
    assert code == 0 and f"{FULL.runs} runs" in out and "left out: K = 3" in out


@pytest.mark.parametrize(
    "words, message", [(["--jobs", "0"], "--jobs must be at least 1"), (["--report"], "which is not there")]
)
def test_bad_input_is_one_line(call_main, tmp_path, words, message):
    code, _, err = call_main(command.main, *words, "--folder", tmp_path)
    assert code == 2 and message in err and len(err.splitlines()) == 1


@pytest.mark.parametrize("kind", ["two bytes", "foreign", "of other columns"])
def test_a_table_of_another_program_is_one_line(call_main, tmp_path, kind):
    path = tmp_path / "law-quick.parquet"
    if kind == "two bytes":
        path.write_bytes(b"PA")
    else:
        table = pa.table({"images": [1], "failed": [None]})
        about = {} if kind == "foreign" else {"law": "{}"}
        pq.write_table(table.replace_schema_metadata(about), path)
    code, out, err = call_main(command.main, "--quick", "--report", "--folder", tmp_path)
    assert code == 2 and out == "" and str(path) in err and len(err.splitlines()) == 1, err
    assert sorted(part.name for part in tmp_path.iterdir()) == [path.name]


@pytest.mark.slow
def test_the_quick_form_and_its_report_again(call_main, tmp_path):
    """The page from the table alone is the page that the run made."""
    code, out, _ = call_main(command.main, "--quick", "--folder", tmp_path / "rows", "--out", tmp_path)
    assert code == 0 and "These numbers say nothing" in out
    page = (tmp_path / "law-quick.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "law-quick.json").read_text())["verdicts"]
    code, _, _ = call_main(command.main, "--quick", "--report", "--out", tmp_path)
    assert code == 0 and (tmp_path / "law-quick.md").read_text(encoding="utf-8") == page
    assert set(GRAM_MODES) == {"size", "norms", "angles"}
