"""One training looked at on its way: the same run, the theorem's curve in it, and panels in the same axes."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("flax")

from experiments import strip as command
from experiments.networks.activations import classifier
from experiments.terminal.cells import LAMBDA, MIXUP, quick_cells
from experiments.terminal.optimum import WORST, joint_of, r_squared
from experiments.terminal.runs import Task, images_of
from experiments.terminal.strip import draw_strip, optimal, optimal_curves, title, watch
from experiments.training.snapshots import snapshots
from experiments.training.train import Diverged, train
from ufm.model.etf import simplex_etf
from ufm.model.problem import Problem
from ufm.rules.errors import InputError
from ufm.theory.predict import predict_pairs

K = 10
QUICK = quick_cells()[0]
SMALL = {"width": 32, "steps": 120, "every": 60, "random_features": 100, "warmup": 10}
CELL = replace(QUICK, images=60, changes=QUICK.changes | SMALL)


@pytest.fixture(scope="module")
def run():
    """(settings, data) of the small cell's first network."""
    return CELL.settings(MIXUP, CELL.first_seed), images_of(Task(CELL, MIXUP, CELL.first_seed, None, None))


@pytest.fixture(scope="module")
def strip():
    return watch(CELL)


def test_looking_on_the_way_changes_no_training(run):
    """Steps inside rows, at their ends, at the start; W at the end is `train`'s, and no earlier one is."""
    settings, data = run
    found = {step: classifier(model)[0] for step, model in snapshots(settings, data, [0, 7, 60, 90, 120])}
    last = classifier(train(settings, data).model)[0]
    np.testing.assert_allclose(found[120], last, rtol=1e-4, atol=1e-6)
    assert list(found) == [0, 7, 60, 90, 120] and not found[0].any()
    assert all(np.linalg.norm(found[step] - last) > 1e-2 * np.linalg.norm(last) for step in (0, 7, 60, 90))


def test_a_run_that_diverges_on_the_way_is_said(run):
    settings, data = run
    with pytest.raises(Diverged, match=r"training diverged in epoch 1 .* try a smaller learning rate"):
        list(snapshots(replace(settings, learning_rate=1e12), data, [0, 60]))


def test_an_r2_of_no_numbers_is_none_and_no_bad_one():
    H = np.arange(6.0).reshape(3, 2)
    assert r_squared(H, H) == 1 and r_squared(H, 100 - H) == WORST
    assert np.isnan(r_squared(H * [[np.nan], [1], [1]], H))


def test_networks_seen_stay_as_they_were(run):
    """Their arrays are not those that the next step overwrites."""
    models = [model for _, model in snapshots(*run, [7, 50])]
    assert classifier(models[0])[0].any() and not np.allclose(*(classifier(model)[0] for model in models))


@pytest.mark.parametrize("steps", [[], [5, 5], [-1, 3], [0, 121]])
def test_steps_outside_the_run_are_refused(run, steps):
    with pytest.raises(InputError, match="steps must rise within the run's 0 to 120"):
        next(snapshots(*run, steps))


def test_the_curve_is_the_theorems_and_nothing_of_the_network_but_a_rotation(run):
    joint = joint_of(run[0], K, LAMBDA)
    rng = np.random.default_rng(0)
    i, j, lam = rng.integers(0, K, 500), rng.integers(0, K, 500), rng.random(500)
    turn = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    expected = predict_pairs(Problem(K, joint.value, lambda_h=LAMBDA, dim=12), i, j, lam).H @ turn
    W = simplex_etf(K, 12, joint.value) @ turn
    np.testing.assert_allclose(optimal(i, j, lam, W, joint), expected, atol=1e-9)
    np.testing.assert_allclose(optimal(i, j, lam, 3 * W, joint), expected, atol=1e-9)
    assert r_squared(expected, optimal((i + 1) % K, (j + 1) % K, lam, W, joint)) < 0, (
        "of the labels it depends"
    )
    curve = optimal_curves(W, joint)[0]
    ends = optimal(np.array([0, 1]), np.array([0, 1]), np.ones(2), W, joint)
    np.testing.assert_allclose(curve[[-1, 0]], ends, atol=1e-9)


def test_training_leads_towards_the_curve(strip):
    assert strip.r2[-1] > 0.3 > strip.r2[1] and strip.steps == [0, 2, 6, 20, 60, 120]
    assert not strip.pictures[0]["tips"].any() and strip.pictures[-1]["tips"].any()


def test_every_panel_has_the_same_axes_and_the_same_curve(strip):
    panels = draw_strip(strip).axes[: len(strip.steps)]
    assert len({(*one.get_xlim(), *one.get_ylim()) for one in panels}) == 1
    for one in panels:
        for line, curve in zip(one.lines, strip.curves, strict=True):
            np.testing.assert_array_equal(line.get_xydata(), curve / strip.unit)
    assert [one.get_title() for one in panels] == [title(*both) for both in zip(strip.steps, strip.r2)]
    dots = [np.concatenate([c.get_offsets() for c in one.collections]) for one in panels]
    assert {len(d) for d in dots} == {len(strip.pictures[0]["lam"])} and not np.allclose(dots[0], dots[-1])


def test_titles_say_what_a_negative_one_is():
    assert title(0, -0.7) == "step 0: R² < 0" and title(6000, 0.98657) == "step 6000: R² = 0.987"


def test_bad_input_is_one_line(call_main, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = call_main(command.main, "--out", tmp_path / "file")
    assert code == 2 and "--out" in err and len(err.splitlines()) == 1
