"""Trained classifiers beside the optimum of their law: distances, symmetric labels, one short run."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("flax")

from experiments import laws
from experiments.laws import (
    CASES,
    SKEWED,
    Case,
    distance,
    fingerprint,
    law_of,
    measure,
    optimum,
    settings_of,
)
from ufm.model.atoms import finite_law
from ufm.theory.thresholds import minority_collapse, triviality

ROOT = Path(__file__).resolve().parents[2]


def test_only_permutations_that_leave_the_law_count():
    G = np.diag([4.0, 1.0, 3.0, 2.0])
    swapped = G[np.ix_([1, 0, 2, 3], [1, 0, 2, 3])]
    assert distance(G, swapped, SKEWED) == 0 == distance(G, G, (0.25,) * 4)
    other = G[np.ix_([2, 1, 0, 3], [2, 1, 0, 3])]
    assert distance(G, other, SKEWED) > 0.1 and distance(G, other, (0.25,) * 4) == 0


def test_the_cases_lie_on_the_sides_that_they_name():
    """ρ q_B and the largest eigenvalue of the label covariance, from the theory."""
    for case in CASES:
        law, product = law_of(case), case.penalty**2
        atoms = finite_law(law, 4)
        if "minority" in case.name:
            ratio = {t.name: t.ratio for t in minority_collapse(law, 4, product, atoms)}
            (minority,) = [value for name, value in ratio.items() if "0.1" in name]
            assert (minority > 1) == ("above" in case.name)
        beyond = triviality(atoms, product).ratio > 1
        assert beyond == (case.name == "above triviality")


def test_settings_follow_the_law():
    settings = settings_of(CASES[3], 5, 10)
    assert (settings.arm, settings.inputs, settings.lambda_w, settings.seed) == ("cutmix", "image", 0.05, 5)


def test_three_way_mixing_is_trained_as_its_law_says():
    (case,) = [case for case in CASES if case.name == "3-way mixing"]
    settings, law = settings_of(case, 5, 10), law_of(case)
    assert (
        (settings.arm, settings.ways, settings.alpha) == (law.name, law.ways, law.alpha) == ("kway", 3, 1.0)
    )


def test_a_run_in_the_record_is_not_made_again(tmp_path, monkeypatch):
    """Killed in the middle, it goes on; other steps are other runs, beside them."""
    made = []

    def measure(case, dataset, seed, steps):
        made.append((case.name, seed, steps))
        if len(made) == 3:
            raise KeyboardInterrupt
        return {"case": case.name, "seed": seed}

    monkeypatch.setattr(laws, "measure", measure)
    args = laws.Arguments(out=tmp_path, dataset="digits", seeds=1, first_seed=100, steps=20)
    with pytest.raises(KeyboardInterrupt):
        laws.complete(args)
    assert len(json.loads((tmp_path / "laws.json").read_text())["runs"]) == 2
    found = laws.complete(args)
    assert made.count((CASES[0].name, 100, 20)) == 1 and [run["case"] for run in found] == [
        c.name for c in CASES
    ]
    count = len(made)
    assert laws.complete(args) == found and len(made) == count == len(CASES) + 1
    laws.complete(replace(args, steps=40))
    assert len(made) == count + len(CASES)
    assert laws.complete(args) == found and len(made) == count + len(CASES), (
        "runs of other steps were dropped"
    )
    runs = json.loads((tmp_path / "laws.json").read_text())["runs"]
    assert [run["steps"] for run in runs] == [20] * len(CASES) + [40] * len(CASES)


def test_runs_of_an_older_record_stay_and_say_what_they_are_of(tmp_path, monkeypatch):
    monkeypatch.setattr(laws, "measure", lambda case, dataset, seed, steps: {"case": case.name, "seed": seed})
    old = {"schema": 2, "steps": 6000, "dataset": "fashion", "runs": [{"fingerprint": "of old", "seed": 0}]}
    (tmp_path / "laws.json").write_text(json.dumps(old))
    laws.complete(laws.Arguments(out=tmp_path, dataset="digits", seeds=1, steps=20))
    first, *others = json.loads((tmp_path / "laws.json").read_text())["runs"]
    assert (first["fingerprint"], first["steps"], first["dataset"]) == ("of old", 6000, "fashion")
    assert len(others) == len(CASES) and {run["dataset"] for run in others} == {"digits"}


def test_the_page_names_the_command_and_the_data_set(call_main, tmp_path, monkeypatch):
    runs = json.loads((ROOT / "docs" / "claims" / "laws.json").read_text(encoding="utf-8"))["runs"]
    monkeypatch.setattr(laws, "complete", lambda args: runs)
    code, page, _ = call_main(laws.main, "--dataset", "digits", "--first-seed", 100, "--steps", 5)
    command = f"python -m {laws.PROGRAM} --dataset digits --first-seed 100 --steps 5"
    assert code == 0 and f"Made by `{command}`;" in page and "Fashion" not in page
    _, page, _ = call_main(laws.main, "--out", tmp_path)
    assert "4 classes of Fashion-MNIST" in page


def test_bad_input_is_one_line_and_a_folder_is_made_before_any_run(call_main, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for words in (["--seeds", "0"], ["--steps", "0"], ["--first-seed", "-1"], ["--out", tmp_path / "file"]):
        code, _, err = call_main(laws.main, *words)
        assert code == 2 and len(err.splitlines()) == 1 and words[0] in err
    monkeypatch.setattr(laws, "complete", lambda args: [])
    monkeypatch.setattr(
        laws, "table", lambda found, command, _: f"{command}: {(tmp_path / 'new' / 'one').is_dir()}"
    )
    code, out, _ = call_main(laws.main, "--out", tmp_path / "new" / "one")
    assert code == 0 and out.strip().endswith("True") and (tmp_path / "new" / "one" / "laws.md").is_file()


def test_the_committed_runs_are_those_of_the_command():
    """Their fingerprints: nothing is made again, and each names the commit of its cases and criteria."""
    runs = json.loads((ROOT / "docs" / "claims" / "laws.json").read_text(encoding="utf-8"))["runs"]
    wanted = [fingerprint(case, "fashion", seed, laws.STEPS) for case in CASES for seed in range(3)]
    assert {run["fingerprint"] for run in runs} <= set(wanted)
    assert all(run["commit"] for run in runs)
    assert fingerprint(CASES[0], "fashion", 0, 10) not in wanted


@pytest.mark.slow
def test_class_weights_show_in_a_short_run():
    """Direction only, on the digits: nearer to the optimum of its own law than to that of balanced classes."""
    case = Case("skewed", 0.2, SKEWED)
    found = measure(case, "digits", 100, 600)
    balanced, _ = optimum(Case("balanced", 0.2))
    own, gap = optimum(case)
    apart = np.linalg.norm(own - balanced) / np.linalg.norm(own)
    assert gap < 1e-9 and found["distance"] < apart
