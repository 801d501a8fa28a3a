"""The terminal regime: criteria as they were committed, measures at a known optimum, the recipe on the digits."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("flax")

from experiments import claims as command
from experiments.datasets import load_dataset, prepare, subset
from experiments.reproduction.controls import CONTROLS
from experiments.reproduction.measures.geometry import Features
from experiments.terminal.cells import CELLS, NAMES, quick_cells
from experiments.terminal.criteria import FILE, blob, committed_blob, read_criteria, version
from experiments.terminal.measures import measure
from experiments.terminal.optimum import joint_of, measure_optimum, objective_excess
from experiments.terminal.report import judge_cell
from experiments.terminal.runs import Task, fingerprint, tasks
from experiments.training.train import train
from ufm.model.problem import Problem
from ufm.theory.predict import predict_pairs

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "docs" / "claims" / "terminal.json"
K = 10

# criteria


def test_the_committed_table_was_judged_by_the_committed_criteria():
    """The blob in the record is the file's; the commit it names holds the same, where this repository has it."""
    if not RECORD.exists():
        pytest.skip("no table yet")
    found = json.loads(RECORD.read_text(encoding="utf-8"))["criteria"]
    assert found["blob"] == blob(FILE.read_bytes()), "the criteria were touched after the table was made"
    there = committed_blob(found["commit"])
    assert there in (None, found["blob"])


def test_a_changed_criterion_is_seen():
    """Negative control of the test above: one threshold a little lower is another blob."""
    text = FILE.read_bytes()
    assert blob(text) != blob(text.replace(b"threshold = 0.95", b"threshold = 0.94", 1))
    git = subprocess.run(["git", "hash-object", str(FILE)], capture_output=True, text=True, check=False)
    if git.returncode == 0:
        assert git.stdout.strip() == blob(text) == version()["blob"]


def test_the_thresholds_asked_for_stand_in_the_file():
    """Those of the criteria written down beforehand, word for word."""
    asked = {
        ("optimum", "r2_logits_joint"): (">", 0.95),
        ("optimum", "r2_features_joint"): (">", 0.95),
        ("optimum", "r2_over_linear"): (">", 0.05),
        ("same-class", "alignment"): (">", 0.97),
        ("displacement", "displacement_finite"): (">", 0.97),
        ("classifier", "etf_deviation"): ("<", 0.05),
        ("classifier", "a_off"): ("<", 0.05),
        ("classifier", "m_off"): ("<", 0.01),
        ("excess", "excess_share"): ("<", 0.01),
        ("fixed-etf", "r2_known"): (">", 0.95),
    }
    claims = {criterion.claim.key: criterion.claim for criterion in read_criteria()}
    for (key, name), wanted in asked.items():
        values = {arm: {name: 0.123} for arm in ("mixup", "etf")}
        parts = [p for p in claims[key].parts if p.value(values) == 0.123]
        assert [(p.side, p.threshold) for p in parts] == [wanted], (key, name)


def test_every_claim_has_its_arms_somewhere_and_controls_that_exist():
    arms = {arm.name for cell in CELLS for arm in cell.arms}
    for criterion in read_criteria():
        assert criterion.arms <= arms and set(criterion.controls) <= set(CONTROLS)


def test_the_table_uses_seeds_that_chose_nothing():
    assert all(cell.first_seed == 0 and cell.seeds <= 5 for cell in CELLS)
    assert {cell.seeds for cell in CELLS if len(cell.arms) > 1} == {5}
    assert all(cell.first_seed == 100 for cell in quick_cells())


# measures


@pytest.fixture(scope="module")
def optimum():
    """The theorem's own features with a little noise, turned at random."""
    cell = CELLS[0]
    settings = cell.settings(cell.arms[0], 0)
    joint = joint_of(settings, K, 0.01)
    rng = np.random.default_rng(0)
    problem = Problem(K, joint.value, lambda_h=0.01, dim=12)
    i, j, lam = rng.integers(0, K, 2000), rng.integers(0, K, 2000), rng.random(2000)
    y = np.arange(200) % K
    H, pure = predict_pairs(problem, i, j, lam).H, predict_pairs(problem, y, y, 1.0).H
    H = H + 0.01 * np.linalg.norm(pure[0]) / np.sqrt(12) * rng.normal(size=H.shape)
    turn = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    found = Features(H @ turn, i, j, lam, pure @ turn, y, problem.W @ turn, np.zeros(K))
    return found, settings, joint


@pytest.mark.slow
def test_the_optimum_meets_every_criterion_and_spoilt_features_none(optimum):
    found, settings, joint = optimum
    numbers = measure_optimum(found, settings, joint)[0] | objective_excess(found, settings)
    spoilt = {name: measure_optimum(spoil(found, 0), settings, joint)[0] for name, spoil in CONTROLS.items()}
    cell = CELLS[0]
    records = [
        {"mixup": {"numbers": numbers, "controls": spoilt}, "etf": {"numbers": numbers, "controls": spoilt}}
    ] * 3
    from dataclasses import replace

    judged = judge_cell(replace(cell, arms=cell.arms[:2], seeds=3), records, read_criteria())
    verdicts = {row.claim.key: row.verdict for row in judged.rows if row.claim.key != "held-out"}
    assert set(verdicts.values()) == {"reproduced"}, verdicts
    assert judged.controls and all(refuted for _, _, refuted in judged.controls)


@pytest.mark.slow
def test_another_multiplier_is_another_optimum(optimum):
    """Negative control of "nothing fitted": W 3 % too long costs the criterion on m, at the same directions."""
    found, settings, joint = optimum
    longer = measure_optimum(found._replace(W=1.03 * found.W), settings, joint)[0]
    assert longer["m_off"] == pytest.approx(0.03, rel=1e-6) and longer["a_off"] == pytest.approx(
        0.0609, rel=1e-3
    )


@pytest.mark.slow
def test_both_lengths_of_the_channel_are_one_at_the_optimum(optimum):
    numbers = measure_optimum(*optimum)[0]
    for name in ("middle_size", "vertex_size", "same_size"):
        assert numbers[name] == pytest.approx(1, abs=0.02), name


# runs


def test_runs_differ_where_their_settings_do(tmp_path):
    found = tasks(CELLS, tmp_path, None)
    assert len({fingerprint(task) for task in found}) == len(found) == len({task.path for task in found})


@pytest.mark.slow
def test_the_recipe_leads_towards_the_optimum_on_the_digits(tmp_path):
    """Direction only: far fewer steps than the table's, one seed."""
    cell = quick_cells()[0]
    task = Task(cell, cell.arms[0], cell.first_seed, None, tmp_path)
    settings = cell.settings(task.arm, task.seed)
    data = prepare(subset(load_dataset("digits"), 60, 100, task.seed), settings)
    trained = train(settings, data)
    numbers = measure(trained, data, controls=False).numbers
    assert numbers["r2_logits_joint"] > numbers["r2_linear"] > 0.5
    assert numbers["alignment"] > 0.9
    first, last = (abs(trained.log[n]["multiplier"] - numbers["m_joint"]) for n in (0, -1))
    assert last < first and trained.log[-1]["etf_deviation"] < trained.log[0]["etf_deviation"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jax", "torch"])
def test_the_headline_alone(name):
    """At most 80 lines, a network of their own, and more explained than by a straight line."""
    path = ROOT / "experiments" / f"headline_{name}.py"
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 80 and "experiments.training" not in text
    if name == "torch":
        pytest.importorskip("torch")
    words = [sys.executable, "-m", f"experiments.headline_{name}", "--quick"]
    found = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ)
    assert found.returncode == 0, found.stderr
    assert "theorem 1.2993" in found.stdout


@pytest.mark.parametrize("name", ["jax", "torch"])
def test_a_misspelt_flag_of_the_headline_trains_nothing(name, monkeypatch, capsys):
    if name == "torch":
        pytest.importorskip("torch")
    headline = importlib.import_module(f"experiments.headline_{name}")
    monkeypatch.setattr(headline, "load_dataset", lambda name: pytest.fail("it went on"))
    for word, code, said in (("--help", 0, "--quick"), ("--quik", 2, "unrecognized arguments: --quik")):
        monkeypatch.setattr("sys.argv", ["headline", word])
        with pytest.raises(SystemExit) as stop:
            headline.main()
        assert stop.value.code == code and said in "".join(capsys.readouterr())


# command


def test_it_says_what_it_would_train(call_main):
    code, out, _ = call_main(command.main, "--preset", "terminal", "--dry-run")
    assert code == 0 and all(name in out for name in NAMES) and "lambda_w 0.01" in out


@pytest.mark.parametrize(
    "words, message",
    [
        (["--preset", "terminal", "--cells", "mnist-mlp"], "unknown cells mnist-mlp"),
        (["--preset", "terminal", "--jobs", "0"], "--jobs must be at least 1"),
        (["--preset", "terminal", "--seeds", "0"], "--seeds must be at least 1"),
        (["--preset", "digits", "--jobs", "2"], "belong to --preset terminal"),
        (
            ["--preset", "terminal", "--quick", "--cells", "fashion-vit", "--dry-run"],
            "--cells does not apply to --quick",
        ),
    ],
)
def test_bad_input_is_one_line(call_main, words, message):
    code, _, err = call_main(command.main, *words)
    assert code == 2 and message in err and len(err.splitlines()) == 1
