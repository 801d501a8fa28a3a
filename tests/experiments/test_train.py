"""Training of the experiments: settings, arms, steps, learning at all, several devices, files for compare."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from experiments.datasets import Dataset, load_dataset
from experiments.networks.activations import evaluation_parts
from experiments.training.arms import arm_loss, draw_epoch, mix, soft_labels, stage_mixer
from experiments.training.epochs import run_epoch, start_run
from experiments.training.settings import TrainSettings, default_settings
from experiments.training.steps import Rates, batch_loss, step
from experiments.training.train import (
    Diverged,
    classifier,
    mix_inputs,
    outputs,
    save_activations,
    train,
    train_seeds,
)
from ufm.model.etf import simplex_etf
from ufm.network.read.activations import read_activations

pytestmark = pytest.mark.slow  # networks are trained

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"width": 16, "depth": 2, "batch": 8, "epochs": 2}


def made_up(count=48, classes=4, size=4, seed=0):
    """Noisy images of `classes` patterns."""
    rng = np.random.default_rng(seed)
    patterns = rng.random((classes, size, size, 1))

    def draw(n):
        y = np.arange(n, dtype=np.int32) % classes
        x = np.clip(patterns[y] + rng.normal(0, 0.1, (n, size, size, 1)), 0, 1)
        return x.astype(np.float32), y

    return Dataset("made-up", classes, *draw(count), *draw(count // 2), "made up", {})


def parameters(trained):
    return jax.tree.leaves(nnx.state(trained.model))


def same(a, b):
    """Bit by bit."""
    return all(np.array_equal(p, q) for p, q in zip(parameters(a), parameters(b), strict=True))


def test_published_settings_are_the_defaults():
    s = default_settings("resnet18", "erm")
    assert (s.learning_rate, s.momentum, s.weight_decay) == (0.1, 0.9, 1e-4)
    rates = [s.rate(epoch) for epoch in range(100)]
    assert np.allclose(rates, [0.1] * 30 + [0.01] * 20 + [0.001] * 40 + [0.0001] * 10)


def test_a_fixed_etf_and_squared_error_have_defaults_of_their_own():
    s = default_settings("mlp", "mixup", classifier="etf")
    assert (s.linear_features, s.lambda_h, s.weight_decay, s.multiplier) == (True, 0.1, 1e-5, 3.0)
    assert s.learning_rate == pytest.approx(0.1 / 9)
    assert default_settings("mlp", "mixup", classifier="etf", multiplier=0.5).learning_rate == 0.1
    assert default_settings("mlp", "mixup-squared").learning_rate == 0.01
    given = default_settings("mlp", "mixup-squared", classifier="etf", learning_rate=0.5, lambda_h=0.0)
    assert (given.learning_rate, given.lambda_h) == (0.5, 0.0)


WRONG = [
    ({"arm": "cutout"}, "arm must be one of erm, mixup"),
    ({"network": "vgg"}, "network must be one of mlp"),
    ({"classifier": "free"}, "classifier must be one of"),
    ({"lam_per": "pixel"}, "lam_per must be one of batch, sample"),
    ({"dtype": "float64"}, "dtype must be one of float32, bfloat16"),
    ({"epochs": 0}, "epochs must be a whole number >= 1, got 0"),
    ({"epochs": 1.5}, "epochs must be a whole number"),
    ({"batch": 1}, "batch must be a whole number >= 2"),
    ({"seed": -1}, "seed must be a whole number >= 0"),
    ({"depth": 0}, "depth must be"),
    ({"alpha": 0.0}, "alpha must be finite and > 0"),
    ({"alpha": float("nan")}, "alpha must be finite"),
    ({"learning_rate": float("inf")}, "learning_rate must be finite"),
    ({"lambda_h": -1.0}, "lambda_h must be finite and >= 0"),
    ({"weight_decay": -1.0}, "weight_decay must be"),
    ({"momentum": 1.0}, "momentum must be finite and >= 0 and < 1"),
    ({"multiplier": 0.0}, "multiplier must be"),
    ({"decay_at": (0.5, 0.3)}, "decay_at must be rising"),
    ({"decay_at": (0.5, 1.0)}, "decay_at must be rising shares"),
    ({"lambda_w": -1.0}, "lambda_w must be finite and >= 0"),
    ({"smoothing": 1.0}, "smoothing must be finite and >= 0 and < 1"),
    ({"optimizer": "lion"}, "optimizer must be one of sgd, adam"),
    ({"schedule": "linear"}, "schedule must be one of step, cosine"),
    ({"inputs": "pixels"}, "inputs must be one of channel"),
    ({"steps": 0}, "steps and more must be whole numbers >= 1, got 0"),
    ({"steps": 5, "more": (0,)}, "steps and more must be whole numbers >= 1, got 0"),
    ({"more": (5,)}, "more steps can only follow a run of steps"),
    ({"features": 3}, "features needs linear_features"),
    ({"every": 0}, "every must be a whole number >= 1"),
    ({"arm": "cutmix", "inputs": "axes"}, "cutmix needs images"),
]


@pytest.mark.parametrize("changes, words", WRONG, ids=[str(changes) for changes, _ in WRONG])
def test_wrong_settings_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        TrainSettings(**changes)


def test_more_than_there_is_cannot_be_a_batch():
    with pytest.raises(ValueError, match="batch 64 is larger than the 48 training examples"):
        train(default_settings(**SMALL | {"batch": 64}), made_up())


def test_mixing_is_the_published_formula_with_a_partner_for_everyone():
    h = np.random.default_rng(0).random((5, 3, 2, 1)).astype(np.float32)
    lam = np.array([0.0, 0.2, 0.5, 0.9, 1.0], np.float32)
    for one in (lam, lam[1:2]):
        mixed = mix(jnp.asarray(h), jnp.asarray(one))
        for n in range(5):
            weight = one[n % len(one)]
            np.testing.assert_allclose(mixed[n], weight * h[n] + (1 - weight) * h[n - 1], rtol=1e-6)


def test_soft_labels_give_the_mixed_cross_entropy():
    """λ CE(z, i) + (1−λ) CE(z, j), and ½‖z − y‖², by their definitions."""
    rng = np.random.default_rng(0)
    z, y, lam = rng.normal(size=(6, 4)), np.array([0, 1, 2, 3, 3, 1]), rng.random(6).astype(np.float32)
    labels = soft_labels("mixup", jnp.asarray(y), jnp.asarray(lam), 4)
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    partner = np.roll(y, 1)
    wanted = -lam * log_p[range(6), y] - (1 - lam) * log_p[range(6), partner]
    assert float(arm_loss("mixup", jnp.asarray(z), labels)) == pytest.approx(wanted.mean(), rel=1e-5)
    squared = 0.5 * ((z - np.asarray(labels)) ** 2).sum(1).mean()
    assert float(arm_loss("mixup-squared", jnp.asarray(z), labels)) == pytest.approx(squared, rel=1e-5)
    assert (soft_labels("erm", jnp.asarray(y), jnp.asarray(lam), 4) == jax.nn.one_hot(y, 4)).all()


@pytest.mark.parametrize(
    "arm, mixing", [("erm", []), ("mixup", [0]), ("mixup-squared", [0]), ("manifold", [1])]
)
def test_which_stage_an_arm_mixes(arm, mixing):
    mixer = stage_mixer(arm, jnp.array([0.3]), jnp.array(1))
    h = jnp.arange(4.0)[:, None]
    assert [stage for stage in range(4) if not jnp.array_equal(mixer(stage, h), h)] == mixing


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
@pytest.mark.parametrize("lam_per", ["batch", "sample"])
def test_draws_follow_their_laws(alpha, lam_per):
    """Shuffled once each, λ ~ Beta(α, α): mean 1/2, variance 1/(4(2α+1)) within five standard errors."""
    settings = TrainSettings(arm="manifold", alpha=alpha, lam_per=lam_per, batch=4)
    draws = draw_epoch(settings, 0, 4003)
    assert draws.order.shape == (1000, 4) and len(np.unique(draws.order)) == 4000
    lam = draws.lam
    assert lam.shape == (1000, 4 if lam_per == "sample" else 1) and 0 <= lam.min() < lam.max() <= 1
    variance, n = 1 / (4 * (2 * alpha + 1)), lam.size
    assert abs(lam.mean() - 0.5) < 5 * np.sqrt(variance / n)
    assert abs(lam.var() / variance - 1) < 5 * np.sqrt(2 / n)
    assert np.bincount(draws.layer).min() > 250 and set(draws.layer) == {0, 1, 2}


def test_draws_depend_on_seed_and_epoch_alone():
    first, again, later, other = (
        draw_epoch(TrainSettings(seed=seed, batch=4), epoch, 100).order
        for seed, epoch in ((0, 5), (0, 5), (0, 6), (5, 0))
    )
    assert (first == again).all() and (first != later).any() and (first != other).any()


@pytest.mark.parametrize("alpha", [0.01, 100.0])
def test_extreme_mixing_weights_are_numbers(alpha):
    lam = draw_epoch(TrainSettings(alpha=alpha, batch=2), 0, 4000).lam
    assert np.isfinite(lam).all() and 0 <= lam.min() <= lam.max() <= 1


def begin(data, **changes):
    run, state = start_run(default_settings(**SMALL | changes), data)
    return run, state


def test_steps_are_those_of_sgd_with_weight_decay():
    """Three steps against optax: decay added to the gradient, momentum, then the rate."""
    data = made_up()
    run, state = begin(data, arm="mixup")
    rates = Rates(0.05, 0.9, 1e-2, 0.3)
    chain = optax.chain(optax.add_decayed_weights(1e-2), optax.sgd(0.05, momentum=0.9))
    params, memory = state.params, chain.init(state.params)
    x, y, lam, layer = run.x[:8], run.y[:8], jnp.array([0.3], jnp.float32), jnp.array(0)
    for _ in range(3):
        slope, _ = jax.grad(batch_loss, has_aux=True)(params, state.rest, run.plan, x, y, lam, layer, 0.3)
        update, memory = chain.update(slope, memory, params)
        params = optax.apply_updates(params, update)
        state, _ = step(run.plan, state, x, y, lam, layer, rates)
    for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(state.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_feature_decay_is_half_lambda_times_the_mean_square():
    data = made_up()
    run, state = begin(data)
    arguments = (
        state.params,
        state.rest,
        run.plan,
        run.x[:8],
        run.y[:8],
        jnp.ones(1, jnp.float32),
        jnp.array(0),
    )
    without, with_decay = (batch_loss(*arguments, decay)[0] for decay in (0.0, 0.5))
    h, _ = outputs(nnx.merge(run.eval_graph, state.params, state.rest), data.train_x[:8])
    assert float(with_decay - without) == pytest.approx(0.25 * (h**2).sum(1).mean(), rel=1e-4)


def test_a_scanned_epoch_is_its_steps():
    data = made_up()
    run, state = begin(data, arm="manifold", lam_per="sample")
    looped = run._replace(
        settings=default_settings("resnet8", "manifold", lam_per="sample", epochs=2, batch=8)
    )
    other = jax.tree.map(jnp.copy, state)
    scanned, loss = run_epoch(run, state, 0, None)
    stepped, mean = run_epoch(looped, other, 0, None)
    assert loss == pytest.approx(mean, rel=1e-5)
    for a, b in zip(jax.tree.leaves(scanned), jax.tree.leaves(stepped), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_seed_decides_everything():
    data = made_up()
    first, other = train_seeds(default_settings(**SMALL), data, [0, 1])
    again = train(default_settings(**SMALL), data)
    assert same(first, again) and not same(first, other)
    assert [row["epoch"] for row in first.log] == [1, 2] and other.settings.seed == 1
    drop = lambda log: [{k: v for k, v in row.items() if k != "seconds"} for row in log]  # noqa: E731
    assert drop(first.log) == drop(again.log) != drop(other.log)


def test_accuracies_are_taken_at_twenty_epochs_and_the_last():
    log = train(default_settings(**SMALL | {"epochs": 47}), made_up()).log
    taken = [row["epoch"] for row in log if row["test_accuracy"] is not None]
    assert taken == [*range(2, 47, 2), 47]
    assert all((row["train_accuracy"] is None) == (row["test_accuracy"] is None) for row in log)


def test_the_logged_accuracy_is_that_of_the_network():
    data = made_up()
    trained = train(default_settings(**SMALL), data)
    y = outputs(trained.model, data.test_x)[1].argmax(1)
    assert trained.log[-1]["test_accuracy"] == pytest.approx((y == data.test_y).mean())
    y = outputs(trained.model, data.train_x[::2])[1].argmax(1)
    assert trained.log[-1]["train_accuracy"] == pytest.approx((y == data.train_y[::2]).mean())


def test_erm_does_not_look_at_the_mixing_weight():
    data = made_up()
    runs = [
        train(default_settings(arm=arm, alpha=a, **SMALL), data)
        for arm in ("erm", "mixup")
        for a in (1.0, 4.0)
    ]
    assert same(runs[0], runs[1]) and not same(runs[2], runs[3])


def test_a_fixed_classifier_stays():
    trained = train(default_settings(classifier="etf", **SMALL), made_up())
    np.testing.assert_array_equal(classifier(trained.model)[0], simplex_etf(4, 16, 3.0).astype(np.float32))
    assert outputs(trained.model, made_up().test_x)[0].any()


def test_both_linear_maps_learn():
    """Linear features before a learned classifier: a start of both at zero would stay there."""
    trained = train(default_settings(linear_features=True, **SMALL), made_up())
    assert np.abs(classifier(trained.model)[0]).max() > 1e-3


SMOKE = {"width": 64, "depth": 3, "epochs": 30}


LEARNING = [("erm", "learned"), ("mixup", "learned"), ("mixup", "etf"), ("manifold", "learned")]
LEARNING += [("mixup-squared", "learned"), ("mixup-squared", "etf")]


@pytest.mark.parametrize("arm, head", LEARNING)
def test_every_arm_learns_the_digits(arm, head):
    """Real images, 30 epochs (squared error, at a tenth of the rate: 90): at least 90 % of the held-out digits."""
    changes = SMOKE | {"epochs": 90 if arm == "mixup-squared" else 30, "classifier": head}
    trained = train(default_settings("mlp", arm, **changes), load_dataset("digits"))
    last = trained.log[-1]
    assert last["test_accuracy"] >= 0.9 and last["train_accuracy"] >= 0.9
    assert last["loss"] < trained.log[0]["loss"]


def test_labels_without_meaning_are_not_learned():
    """Negative control of the accuracy: shuffled training labels leave chance on the test images."""
    data = load_dataset("digits")
    shuffled = np.random.default_rng(0).permutation(data.train_y)
    data = Dataset("shuffled", 10, data.train_x, shuffled, data.test_x, data.test_y, "shuffled", {})
    assert train(default_settings("mlp", "mixup", **SMOKE), data).log[-1]["test_accuracy"] < 0.25


@pytest.mark.parametrize("head", ["learned", "etf"])
def test_squared_error_at_the_published_rate_is_reported_as_diverged(head):
    settings = default_settings("mlp", "mixup-squared", classifier=head, learning_rate=0.1, epochs=5)
    with pytest.raises(Diverged, match=r"diverged in epoch .* try a smaller learning rate"):
        train(settings, load_dataset("digits"))


def test_bfloat16_trains():
    settings = default_settings("mlp", dtype="bfloat16", learning_rate=0.02, **SMALL | {"epochs": 5})
    trained = train(settings, made_up())
    assert trained.log[-1]["loss"] < trained.log[0]["loss"]


@pytest.mark.long
@pytest.mark.parametrize(
    "network, dtype", [("resnet18", "bfloat16"), ("wrn40-10", "float32"), ("vit4", "float32")]
)
def test_a_large_network_takes_a_step(network, dtype):
    data = made_up(count=4, size=8)
    settings = default_settings(network, epochs=1, batch=4, learning_rate=1e-3, dtype=dtype)
    start = start_run(settings, data)[1]
    trained = train(settings, data)
    assert all(np.isfinite(leaf).all() for leaf in parameters(trained))
    after = evaluation_parts(trained.model)[1]
    assert classifier(trained.model)[0].any(), "the classifier left zero"
    assert jax.tree.structure(after) == jax.tree.structure(start.params)


DEVICES = """
import sys
import jax, numpy as np
from experiments.training.arms import draw_epoch
from experiments.training.epochs import shard_draws, start_run
from experiments.training.settings import default_settings
from experiments.training.steps import Rates, one_step
from experiments.training.train import train
from tests.experiments.test_train import SMALL, made_up, parameters

settings = default_settings(sys.argv[1], "manifold", lam_per="sample", **SMALL)
run, state = start_run(settings, made_up())
draws = shard_draws(run.mesh, draw_epoch(settings, 0, 48))
program = one_step.lower(run.plan, state, run.x, run.y, draws, 0, Rates(0.1, 0.9, 0.0, 0.0)).compile()
found = train(settings, made_up())
np.savez(sys.argv[2], *map(np.asarray, parameters(found)))
print(run.mesh.size, draws.order.addressable_shards[0].data.shape, "all-reduce" in program.as_text())
"""


@pytest.mark.parametrize("network", ["mlp", pytest.param("resnet8", marks=pytest.mark.long)])
def test_four_devices_give_the_numbers_of_one(network, tmp_path):
    """Each takes a quarter of every batch, gradients are added up; batch norm sees the whole batch."""
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    words = [sys.executable, "-c", DEVICES, network, str(tmp_path / "four.npz")]
    out = subprocess.run(words, env=os.environ | flags, cwd=ROOT, check=True, capture_output=True, text=True)
    assert out.stdout.split("\n")[-2] == "4 (6, 2) True"
    one = train(default_settings(network, "manifold", lam_per="sample", **SMALL), made_up())
    with np.load(tmp_path / "four.npz") as four:
        for a, b in zip(parameters(one), four.values(), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4)


def test_devices_that_cannot_share_a_batch_evenly_are_left_out(monkeypatch):
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices() * 3)
    assert begin(made_up())[0].mesh.size == 1, "a batch of 8 for 3 devices"


def test_mixed_inputs_are_mixtures_of_their_classes():
    data = made_up()
    mixed = mix_inputs(data.train_x, data.train_y, 500, alpha=2.0, seed=3)
    assert mixed.x.shape == (500, 4, 4, 1) and 0 <= mixed.x.min() <= mixed.x.max() <= 1
    assert abs(mixed.lam.mean() - 0.5) < 0.06 and abs((mixed.i == mixed.j).mean() - 0.25) < 0.1
    pure = np.stack([data.train_x[data.train_y == k].mean(0) for k in range(4)])
    lam = mixed.lam[:, None, None, None]
    expected = lam * pure[mixed.i] + (1 - lam) * pure[mixed.j]
    assert np.abs(mixed.x - expected).mean() < np.abs(mixed.x - expected[::-1]).mean() / 2


@pytest.mark.parametrize("head, penalties", [("learned", {"lambda_w": 1e-4}), ("etf", {"lambda_h": 0.1})])
def test_saved_activations_are_what_compare_reads(tmp_path, head, penalties):
    data, path = made_up(), tmp_path / "a.npz"
    trained = train(default_settings(classifier=head, **SMALL), data)
    mixed = mix_inputs(data.train_x, data.train_y, 100)
    save_activations(path, trained, data, mixed)
    found = read_activations(str(path))
    assert (found.classes, found.dim, found.count, found.held_out) == (4, 16, 100, 24)
    assert {"lambda_w": found.lambda_w, "lambda_h": found.lambda_h} == {
        "lambda_w": penalties.get("lambda_w"),
        "lambda_h": penalties.get("lambda_h"),
    }
    chunk = next(found.chunks())
    np.testing.assert_array_equal(chunk.H, outputs(trained.model, mixed.x)[0])
    np.testing.assert_array_equal(chunk.labels.i, mixed.i)
    np.testing.assert_allclose(chunk.H @ found.W.T + found.b, outputs(trained.model, mixed.x)[1], atol=1e-4)
    logits, y = next(found.held_out_chunks())
    np.testing.assert_array_equal(y, data.test_y)
    np.testing.assert_array_equal(logits, outputs(trained.model, data.test_x)[1])
    assert os.listdir(tmp_path) == ["a.npz"]
