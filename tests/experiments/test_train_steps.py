"""Runs of steps: fresh pairs, Adam, penalties apart, schedules, stretches, inputs, what identifies a run."""

import json
import math
from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

pytest.importorskip("flax")

from flax import nnx

from experiments.datasets import Dataset, prepare
from experiments.training.arms import Draws, draw_epoch, draw_steps, soft_labels, take
from experiments.training.epochs import epoch_rates, start_run
from experiments.training.settings import FIRST, TrainSettings, default_settings
from experiments.training.steps import Rates, batch_loss, step
from experiments.training.train import classifier, outputs, train
from ufm.rules.errors import InputError

SMALL = {"width": 16, "depth": 2, "batch": 8, "linear_features": True, "learning_rate": 0.01}
STEPS = SMALL | {
    "steps": 30,
    "every": 10,
    "optimizer": "adam",
    "schedule": "cosine",
    "warmup": 5,
    "lam_per": "sample",
}
STEPS |= {"lambda_w": 0.02, "lambda_h": 0.01, "weight_decay": 0.0, "bias": False, "inputs": "image"}


def made_up(count=48, classes=4, size=4, seed=0):
    """Noisy images of `classes` patterns."""
    rng = np.random.default_rng(seed)
    patterns = rng.random((classes, size, size, 1))

    def draw(n):
        y = np.arange(n, dtype=np.int32) % classes
        return np.clip(patterns[y] + rng.normal(0, 0.1, (n, size, size, 1)), 0, 1).astype(np.float32), y

    return Dataset("made-up", classes, *draw(count), *draw(count // 2), "made up", {})


def parameters(trained):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(nnx.state(trained.model))]


def same(a, b):
    """Bit by bit."""
    return all(np.array_equal(p, q) for p, q in zip(parameters(a), parameters(b), strict=True))


# what identifies a run


def test_a_setting_that_came_later_leaves_old_runs_their_name():
    """At its default it is left out; moved from it, it is in the record."""
    assert set(TrainSettings().record()) == FIRST
    moved = {"lambda_w": 0.0, "bias": False, "smoothing": 0.1, "optimizer": "adam", "schedule": "cosine"}
    moved |= {"warmup": 3, "steps": 7, "more": (2,), "every": 5, "inputs": "relu", "random_features": 9}
    moved |= {"log_collapse": True, "features": 3, "linear_features": True, "ways": 4}
    assert set(moved) - FIRST == {field.name for field in fields(TrainSettings)} - FIRST, (
        "add the new setting"
    )
    record = TrainSettings(**moved).record()
    assert moved.items() <= record.items() and set(record) == FIRST | set(moved)


def test_the_published_presets_are_what_they_were():
    """Fingerprints of the runs behind the committed tables, as they stood before these settings."""
    from types import SimpleNamespace

    from experiments.reproduction.presets import PRESETS
    from experiments.reproduction.runs import fingerprint

    found = {
        f"{preset.name} {arm.name}": fingerprint(preset, arm, 0, SimpleNamespace(checksums={"a": "b"}))[:12]
        for preset in PRESETS.values()
        for arm in preset.arms
        if arm.name in ("mixup", "etf")
    }
    assert found == FINGERPRINTS


FINGERPRINTS = {
    "digits mixup": "0e8bc7f891d4",
    "digits etf": "112b0cbc1a0b",
    "fashion mixup": "6c9e00d41287",
    "fashion etf": "d256c06357f8",
    "cifar mixup": "3df9cde8a759",
    "cifar etf": "e9c3235e4fca",
}


# draws and mixing


def test_pairs_are_fresh_and_uniform():
    """Every pair of examples equally likely, itself included: χ² within five deviations."""
    settings = TrainSettings(**STEPS | {"steps": 4000, "every": 4000})
    draws = draw_steps(settings, 0, 5)
    table = np.bincount((5 * draws.order + draws.partner).ravel(), minlength=25)
    expected = draws.order.size / 25
    chi = ((table - expected) ** 2 / expected).sum()
    assert abs(chi - 24) < 5 * math.sqrt(48)
    assert draws.lam.shape == draws.order.shape
    assert not np.array_equal(draws.order, draw_steps(replace(settings, seed=1), 0, 5).order)


def test_many_images_are_mixed_as_the_formula_says():
    """kway: Σ u_l x_l and Σ u_l e_(y_l), by loops."""
    rng = np.random.default_rng(0)
    x, y = rng.random((6, 3, 3, 1)).astype(np.float32), np.array([0, 1, 2, 0, 1, 2], np.int32)
    parts = np.array([[0, 5, 2], [4, 4, 3]])
    weights = rng.dirichlet((1.0, 1, 1), 2).astype(np.float32)
    draw = Draws(parts[:, 0], weights, np.int32(0), parts[:, 1:])
    mixed, labels, *_ = take("kway", 3, jnp.asarray(x), jnp.asarray(y), draw)
    for n, u in enumerate(weights):
        np.testing.assert_allclose(mixed[n], sum(u[l] * x[parts[n, l]] for l in range(3)), rtol=1e-6)
        np.testing.assert_allclose(
            labels[n], sum(u[l] * np.eye(3)[y[parts[n, l]]] for l in range(3)), rtol=1e-6
        )


@pytest.mark.parametrize("lam_per", ["sample", "batch"])
@pytest.mark.parametrize("draw", [draw_steps, draw_epoch], ids=["steps", "epochs"])
def test_labels_of_many_images_have_the_moments_of_their_law(draw, lam_per):
    """E‖y‖² of 3-way mixing, which pairs do not have: (1 − s)/K + s, s = (α+1)/(3α+1)."""
    K, count = 4, 400
    changes = {"arm": "kway", "alpha": 0.7, "lam_per": lam_per, "batch": 100}
    changes |= {"steps": 400, "every": 400} if draw is draw_steps else {}
    draws = draw(TrainSettings(**changes), 0, count)
    y = jnp.arange(count) % K
    x = jnp.zeros((count, 1, 1, 1))
    labels = np.asarray(jax.vmap(lambda one: take("kway", K, x, y, one)[1])(draws))
    assert labels.sum(2) == pytest.approx(1, abs=1e-5)
    found = (labels**2).sum(2).mean(1)
    assert draws.partner.shape[-1] == 2
    s = 1.7 / 3.1
    if draw is draw_steps:
        spread = np.std(found) / np.sqrt(len(found))
        assert np.mean(found) == pytest.approx(s + (1 - s) / K, abs=5 * spread) and spread < 0.01


def test_partners_are_mixed_as_the_formula_says():
    rng = np.random.default_rng(0)
    x, y = rng.random((6, 3, 3, 1)).astype(np.float32), np.array([0, 1, 2, 0, 1, 2], np.int32)
    order, partner = np.array([0, 4, 2]), np.array([5, 4, 1])
    lam = np.array([0.25, 0.5, 1.0], np.float32)
    mixed, labels, *_ = take(
        "mixup", 3, jnp.asarray(x), jnp.asarray(y), Draws(order, lam, np.int32(0), partner)
    )
    for n in range(3):
        wanted = lam[n] * x[order[n]] + (1 - lam[n]) * x[partner[n]]
        np.testing.assert_allclose(mixed[n], wanted, rtol=1e-6)
        target = lam[n] * np.eye(3)[y[order[n]]] + (1 - lam[n]) * np.eye(3)[y[partner[n]]]
        np.testing.assert_allclose(labels[n], target, rtol=1e-6)


def test_cutmix_labels_are_the_shares_of_pixels():
    """Images of one colour each: the mean of a cut image is the weight of the other class."""
    x = jnp.asarray(np.stack([np.full((8, 8, 1), v, np.float32) for v in (0.0, 1.0)]))
    rng = np.random.default_rng(0)
    n = 200
    draws = Draws(
        np.zeros(n, np.int32),
        rng.random(n).astype(np.float32),
        np.int32(0),
        np.ones(n, np.int32),
        rng.random((n, 2)).astype(np.float32),
    )
    mixed, labels, *_ = take("cutmix", 2, x, jnp.array([0, 1]), draws)
    np.testing.assert_allclose(np.asarray(mixed).mean((1, 2, 3)), labels[:, 1], atol=1e-6)
    assert 0 < float(labels[:, 1].mean()) < 0.5  # boxes are clipped at the border


def test_smoothing_is_the_published_formula():
    run, state = start_run(default_settings(**SMALL, smoothing=0.2), made_up())
    params = jax.tree.map(
        lambda p: p + 0.1 * jnp.cos(jnp.arange(p.size, dtype=p.dtype)).reshape(p.shape), state.params
    )
    x, y, lam = run.x[:8], run.y[:8], jnp.array([0.3], jnp.float32)
    loss, _ = batch_loss(params, state.rest, run.plan, x, y, lam, jnp.array(0), 0.0, 0.2)
    mixed = 0.3 * x + 0.7 * jnp.roll(x, 1, axis=0)
    z = outputs(nnx.merge(run.eval_graph, params, state.rest), np.asarray(mixed))[1].astype(float)
    labels = 0.8 * np.asarray(soft_labels("mixup", y, lam, 4)) + 0.05
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    assert np.ptp(z, axis=1).min() > 1e-3
    assert float(loss) == pytest.approx(-(labels * log_p).sum(1).mean(), rel=1e-5)


# steps


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_steps_are_optax_with_decay_where_it_belongs(optimizer):
    """λ_W on W in the gradient, nothing on its bias, weight_decay on the rest (adamw: beside the gradient)."""
    settings = default_settings(**SMALL | {"optimizer": optimizer, "lambda_w": 0.3, "weight_decay": 0.05})
    run, state = start_run(settings, made_up())
    rates = Rates(0.01, 0.9, 0.05, 0.1, 0.3)

    def add_decay(params, coefficient):
        name = lambda path: jax.tree_util.keystr(path)  # noqa: E731
        return jax.tree_util.tree_map_with_path(lambda path, p: coefficient(name(path)) * p, params)

    def coupled(name):
        if name.startswith("['head']"):
            return 0.3 if "kernel" in name else 0.0
        return 0.0 if optimizer == "adamw" else 0.05

    chain = optax.sgd(0.01, momentum=0.9) if optimizer == "sgd" else optax.adam(0.01)
    params, memory = state.params, chain.init(state.params)
    x, y, lam, layer = run.x[:8], run.y[:8], jnp.array([0.3], jnp.float32), jnp.array(0)
    for count in range(3):
        slope, _ = jax.grad(batch_loss, has_aux=True)(params, state.rest, run.plan, x, y, lam, layer, 0.1)
        slope = jax.tree.map(jnp.add, slope, add_decay(params, coupled))
        update, memory = chain.update(slope, memory, params)
        if optimizer == "adamw":
            beside = add_decay(params, lambda name: 0.0 if name.startswith("['head']") else 0.05)
            update = jax.tree.map(lambda u, d: u - 0.01 * d, update, beside)
        params = optax.apply_updates(params, update)
        state, _ = step(run.plan, state, x, y, lam, layer, rates._replace(count=count))
    for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(state.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-6)


def test_the_schedule_of_each_stretch_is_its_own():
    settings = TrainSettings(**STEPS | {"steps": 25, "more": (12,), "learning_rate": 2.0})
    assert settings.rows == 5 and [settings.part(row) for row in range(5)] == [
        (0, 0, 10),
        (0, 10, 10),
        (0, 20, 5),
        (1, 0, 10),
        (1, 10, 2),
    ]
    found, count = [], []
    for row in range(5):
        rates, _, total = epoch_rates(settings, row, settings.part(row)[2])
        found, count = [*found, *rates.learning_rate.tolist()], [*count, *rates.count.tolist()]
    wanted = [
        min(1, (n + 1) / 5) * (1 + math.cos(math.pi * n / length))
        for length in (25, 12)
        for n in range(length)
    ]
    assert total == 37 and count == list(range(37)) and np.allclose(found, wanted, rtol=1e-6)


# whole runs


@pytest.fixture(scope="module")
def whole():
    data, settings = made_up(), default_settings(**STEPS, log_collapse=True)
    return data, settings, train(settings, data)


def test_a_row_every_so_many_steps_with_the_metrics_of_collapse(whole):
    _, _, trained = whole
    assert [row["step"] for row in trained.log] == [10, 20, 30]
    last = trained.log[-1]
    assert {"nc1", "nc2_angles_rows", "nc3_distance", "multiplier", "etf_deviation"} <= last.keys()
    W, b = classifier(trained.model)
    V = W - W.mean(0)
    assert last["multiplier"] == pytest.approx(np.linalg.norm(V) / 2) and not b.any()
    assert last["nc1"] < trained.log[0]["nc1"]


def test_a_run_of_steps_goes_on_to_the_same_bits(whole, tmp_path, monkeypatch):
    """Stopped after two rows, and started again."""
    data, settings, trained = whole

    class Stop(Exception):
        pass

    def stop(done, total, loss):
        if done == 20:
            raise Stop

    with pytest.raises(Stop):
        train(settings, data, folder=tmp_path, progress=stop, every=0)
    kept = json.loads(str(np.load(tmp_path / "checkpoint.npz")["meta"]))["log"]
    assert len(kept) == 1, "the second row was never saved"
    assert same(train(settings, data, folder=tmp_path, every=0), trained)


def test_a_finished_run_is_extended_to_the_bits_of_the_long_one(whole, tmp_path):
    data, settings, trained = whole
    longer = replace(settings, more=(20,))
    train(settings, data, folder=tmp_path)
    grown = train(longer, data, folder=tmp_path)
    assert [row["step"] for row in grown.log] == [10, 20, 30, 40, 50]
    assert same(grown, train(longer, data)) and not same(grown, trained)
    assert same(train(longer, data, folder=tmp_path), grown)


@pytest.mark.parametrize("changes", [{"more": ()}, {"more": (20, 10), "alpha": 2.0}, {"more": (10, 20)}])
def test_only_a_longer_run_of_the_same_settings_extends(whole, tmp_path, changes):
    data, settings, _ = whole
    settings = replace(settings, steps=10, every=10)
    train(replace(settings, more=(20,)), data, folder=tmp_path)
    with pytest.raises(InputError, match="belongs to another run"):
        train(replace(settings, **changes), data, folder=tmp_path)


def test_a_run_on_other_data_is_no_extension(whole, tmp_path):
    data, settings, _ = whole
    settings = replace(settings, steps=10)
    train(settings, data, folder=tmp_path)
    with pytest.raises(InputError, match="digest"):
        train(replace(settings, more=(20,)), made_up(seed=1), folder=tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"arm": "erm"},
        {"arm": "cutmix"},
        {"arm": "manifold"},
        {"arm": "mixup-squared", "bias": True},
        {"classifier": "etf", "lambda_w": None},
        {"optimizer": "adamw", "weight_decay": 0.01},
        {"optimizer": "sgd", "learning_rate": 0.05},
        {"smoothing": 0.1},
        {"inputs": "axes"},
        {"inputs": "relu", "random_features": 40},
    ],
    ids=str,
)
def test_every_kind_of_run_of_steps_descends(changes):
    log = train(default_settings(**STEPS | {"steps": 100, "every": 50} | changes), made_up()).log
    assert log[-1]["loss"] < log[0]["loss"]


# inputs


def test_the_mean_image_is_removed_and_one_scale_is_left():
    data = made_up()
    found = prepare(data, TrainSettings(inputs="image"))
    x = found.train_x.astype(float)
    assert np.abs(x.mean(0)).max() < 1e-6 and (x**2).mean() == pytest.approx(1, rel=1e-6)
    centred = data.train_x - data.train_x.mean(0)
    np.testing.assert_allclose(x * np.sqrt((centred**2).mean()), centred, atol=1e-6)
    assert prepare(found, TrainSettings(inputs="image")) is found
    assert prepare(data, TrainSettings()) is data
    with pytest.raises(InputError, match="prepared as image"):
        prepare(found, TrainSettings(inputs="axes"))


@pytest.mark.parametrize("count", [12, 48])
def test_principal_axes_lose_nothing_of_the_training_images(count):
    """Distances stay, for n < D and n > D; the axes are uncorrelated."""
    data = made_up(count=count)
    plain, axes = (prepare(data, TrainSettings(inputs=kind)) for kind in ("image", "axes"))
    flat, turned = (part.train_x.reshape(count, -1).astype(float) for part in (plain, axes))
    assert turned.shape[1] == min(count - 1, 16)
    np.testing.assert_allclose(turned @ turned.T, flat @ flat.T, atol=1e-4)
    gram = turned.T @ turned
    assert np.abs(gram - np.diag(np.diag(gram))).max() < 1e-4 * gram.max()


def test_random_features_depend_on_the_seed_alone():
    data, settings = made_up(), TrainSettings(inputs="relu", random_features=32)
    first, again, other = (prepare(data, replace(settings, seed=seed)) for seed in (0, 0, 1))
    assert first.train_x.shape == (48, 1, 1, 32) and np.array_equal(first.test_x, again.test_x)
    assert not np.array_equal(first.train_x, other.train_x)
