"""Named diagnoses: each mistake on a trained network is told by its name, healthy networks are told nothing."""

from functools import cache, partial

import numpy as np
import pytest

import ufm
from experiments.mistakes.make import HEALTHY, MISTAKES, healthy, made, without_logits
from experiments.mistakes.matrix import both, of_arrays
from experiments.mistakes.nets import Spec, backward, begin, forward
from experiments.mistakes.train import Run, saved, trained
from ufm.network.diagnose import diagnosis as said
from ufm.network.diagnose.linear import affine, correlation, diagonal, error, halves
from ufm.network.diagnose.sample import RUN, SIZE, Sampler
from ufm.network.read.activations import from_arrays


def names(found) -> list[str]:
    return [one.name for one in found]


@cache
def both_of(name: str):
    """What is said of a mistake, with own logits and without: asked for by several tests."""
    return both(made(name))


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_by_its_name_and_nothing_else(name):
    mistake, (told, alone) = MISTAKES[name], both_of(name)
    assert " + ".join(names(told)) == mistake.told
    assert " + ".join(names(alone)) == mistake.alone
    for one in told + alone:
        assert one.remedy == said.REMEDIES[one.name] and one.sentence and one.evidence
        assert all(np.isfinite(value).all() for value in one.evidence.values())


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_network_is_told_nothing(name):
    assert both(healthy(name)) == ([], [])


def test_every_diagnosis_has_a_mistake_that_makes_it():
    made_up = " + ".join(mistake.told for mistake in MISTAKES.values()).split(" + ")
    assert set(made_up) == set(said.REMEDIES)


def only(name: str):
    """The one diagnosis of a mistake, with own logits."""
    ((one,), _) = both_of(name)
    return one


NUMBERS = {  # of a mistake: what is told of it
    "rows of W permuted": ("permutation", (1, 2, 3, 4, 0)),
    "two rows of W swapped, b not": ("permutation", (1, 0, 2, 3, 4)),
    "logits over a temperature of 2": ("temperature", pytest.approx(2, rel=1e-5)),
    "logits over 0.07, no bias": ("temperature", pytest.approx(0.07, rel=1e-5)),
    "H with dropout, logits too": ("rate", pytest.approx(0.3, abs=0.02)),
    "logits with dropout": ("rate", pytest.approx(0.3, abs=0.02)),
    "H with dropout": ("rate", pytest.approx(0.3, abs=0.02)),
    "H with dropout, 10 classes, 2 epochs": ("rate", pytest.approx(0.2, abs=0.05)),
    "batch norm in training mode": ("batch", 64),
    "logits with batch norm in training mode": ("batch", 64),
    "lambda_h times N": ("factor", 240),
    "lambda_h over N": ("factor", 1 / 240),
    "lambda_h times the batch size": ("factor", 48),
    "lambda_h halved": ("factor", 0.5),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_the_numbers_of_a_diagnosis_are_those_of_the_mistake(name):
    key, value = NUMBERS[name]
    assert only(name).evidence[key] == value


def test_the_values_of_a_diagnosis_are_those_of_the_mistake():
    b = trained(MISTAKES["bias dropped"].spec).net.params["b"]
    np.testing.assert_allclose(only("bias dropped").evidence["bias"], b, atol=1e-5)
    assert only("features before the ReLU").evidence["negative"] > 0.2


def test_without_logits_the_permutation_is_found_by_accuracy():
    (one,) = of_arrays(without_logits(made("rows of W permuted")))
    assert one.evidence["permutation"] == (1, 2, 3, 4, 0) and not one.sure
    assert one.evidence["before"] < 0.1 < 0.9 < one.evidence["after"]


def test_zeros_of_wrong_labels_are_no_dropout():
    """A unit that is on for one class is off in all rows that are of another one: at one rate, but together."""
    given = without_logits(healthy("plain, no bias, 10 classes"))
    rng = np.random.default_rng(0)
    other = rng.random(len(given["y"])) < 0.2
    labels = np.where(other, rng.integers(10, size=len(other)), given["y"])
    assert of_arrays(given | {"y": labels}) == []


def test_what_explains_the_logits_is_sure_and_what_is_likely_is_not():
    for name in ("rows of W permuted", "bias dropped", "features before the ReLU", "features whitened"):
        assert only(name).sure and only(name).evidence["error"] < 1e-4, name
    for name in ("logits with dropout", "H of an earlier epoch", "W of another run", "lambda_h times N"):
        assert not only(name).sure, name


def test_two_mistakes_are_both_told():
    given = made("rows of W permuted")
    given["logits_H"] = given["logits_H"] / 3
    given["b"] = 0 * given["b"]
    found = {one.name: one for one in of_arrays(given)}
    assert set(found) == {said.PERMUTED, said.TEMPERATURE, said.BIAS}
    assert found[said.TEMPERATURE].evidence["temperature"] == pytest.approx(3, rel=1e-5)


def rounded(values):
    """To bfloat16."""
    import jax.numpy as jnp

    return np.asarray(jnp.asarray(values, jnp.bfloat16), np.float32)


def ordered(given, order):
    return {key: value[order] if len(value) == len(order) else value for key, value in given.items()}


def low_precision(given):
    H, W, b = (rounded(given[key]) for key in ("H", "W", "b"))
    return given | {"H": H, "logits_H": rounded(H @ W.T + b)}


def log_softmax(given):
    Z = given["logits_H"]
    return given | {"logits_H": Z - np.log(np.exp(Z).sum(1, keepdims=True))}


def stratified(given):
    turn = np.concatenate([np.arange(n) for n in np.bincount(given["y"])])
    by_class = np.argsort(given["y"], kind="stable")
    return ordered(given, by_class[np.argsort(turn, kind="stable")])


def with_nonsense_weights(given):
    """Rows of weight zero that are of no network."""
    extra = {"H": given["H"] + 1, "y": given["y"], "logits_H": -given["logits_H"]}
    weights = np.repeat([1.0, 0.0], len(given["y"]))
    return given | {k: np.concatenate([given[k], v]) for k, v in extra.items()} | {"weights": weights}


FORMS = {
    "bfloat16": low_precision,
    "W rounded to bfloat16": lambda given: given | {"W": rounded(given["W"])},
    "float16 logits": lambda given: given | {"logits_H": given["logits_H"].astype(np.float16)},
    "log-softmax": log_softmax,
    "sorted by class": lambda given: ordered(given, np.argsort(given["y"], kind="stable")),
    "stratified": stratified,
    "rows of weight zero": with_nonsense_weights,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["plain", "unbalanced classes", "batch norm"])
def test_a_healthy_network_may_be_saved_in_many_ways(name, form):
    assert both(FORMS[form](healthy(name))) == ([], [])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("mixing", ["", "row"])
def test_an_untrained_network_is_told_nothing(mixing, seed):
    spec = Spec(seed=seed, mixing=mixing, classes=2 + seed)
    run = Run(
        begin(spec), begin(spec), trained(Spec(seed=seed, mixing=mixing, classes=2 + seed, epochs=1)).inputs
    )
    assert both(saved(run)) == ([], [])


# --- the networks themselves --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more", [{}, {"norm": True}, {"loss": "binary"}, {"loss": "squared"}, {"penalties": (0.1, 0.2)}]
)
def test_slopes_are_those_of_the_loss(more):
    spec = Spec(classes=3, widths=(5, 4), inputs=6, features="linear", decay=0.0, **more)
    rng, net = np.random.default_rng(0), begin(spec)
    x, Y = rng.normal(size=(9, 6)), rng.dirichlet(np.ones(3), 9)

    def loss():
        found = forward(net, x, training=True)
        Z, (lw, lh) = found.Z, spec.penalties or (0.0, 0.0)
        e = np.log(np.exp(Z).sum(1, keepdims=True))
        terms = {"cross-entropy": Y * (e - Z), "squared": (Z - Y) ** 2 / 2}
        value = terms.get(spec.loss, np.log1p(np.exp(Z)) - Y * Z).sum() / len(x)
        return value + lw / 2 * np.sum(net.params["W"] ** 2) + lh / 2 * np.sum(found.H**2) / len(x)

    slopes = backward(net, forward(net, x, training=True), Y)
    for key, value in net.params.items():
        place = tuple(0 for _ in value.shape)
        value[place] += 1e-6
        up = loss()
        value[place] -= 2e-6
        assert slopes[key][place] == pytest.approx((up - loss()) / 2e-6, rel=1e-4, abs=1e-8), key
        value[place] += 1e-6


# --- the sample -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("N", [10, SIZE, SIZE + 1, 7000])
def test_a_sample_is_rows_of_the_file(N):
    rng = np.random.default_rng(0)
    H, y, W = rng.normal(size=(N, 3)), rng.integers(2, size=N), rng.normal(size=(2, 3))
    given = from_arrays(H=H, y=y, W=W, logits_H=H @ W.T)
    for rows in (N, 999):
        sampler = Sampler(given, 5)
        for chunk in given.chunks(rows):
            sampler.add(chunk)
        found = sampler.result()
        assert len(found.index) == min(N, SIZE) and (np.diff(found.index) > 0).all()
        assert found.run == min(N, RUN)
        np.testing.assert_array_equal(found.H, H[found.index])
        np.testing.assert_array_equal(found.Y, np.eye(2)[y[found.index]])
        np.testing.assert_array_equal(found.logits, (H @ W.T)[found.index])
        np.testing.assert_allclose(found.moments, [H.mean(0), H.std(0)], rtol=1e-9, atol=1e-12)
    assert N < 2 * SIZE or found.index[RUN + 100] > RUN + 150


def test_the_small_pieces_of_linear_algebra():
    rng = np.random.default_rng(1)
    X, A = rng.normal(size=(400, 6)), rng.normal(size=(6, 3))
    cut = halves(400)
    assert cut.held.sum() == pytest.approx(133, abs=25) and not (cut.held & cut.fit).any()
    Z = X @ A + 2
    assert error(affine(X, Z, cut), Z) < 1e-12 and correlation(Z, 3 * Z + 1) == pytest.approx(1)
    assert affine(X[:12], Z[:12], halves(12)) is None
    s, W = rng.normal(size=6), rng.normal(size=(4, 6))
    W -= W.mean(0)
    image, found = diagonal(X, W, (X * s) @ W.T + np.arange(4), cut)
    np.testing.assert_allclose(found, s, rtol=1e-9)
    np.testing.assert_allclose(image, (X * s) @ W.T + np.arange(4), atol=1e-9)


# --- in a comparison --------------------------------------------------------------------------------------


def test_a_comparison_tells_them_and_reads_nothing_more(monkeypatch):
    """But H once more where columns seem standardised, which only all rows tell."""
    from ufm.network.read.mapped import Stored

    read, blocks = [], Stored.blocks
    monkeypatch.setattr(Stored, "blocks", lambda self, rows: read.append(self.name) or blocks(self, rows))
    found = ufm.compare_network(**made("bias dropped"), replicates=5)
    assert names(found.diagnoses) == [said.BIAS] and read.count("logits_H") == 1
    before = read.count("H")
    read.clear()
    assert ufm.compare_network(**healthy("plain"), replicates=5).diagnoses == []
    assert read.count("H") == before


def test_the_command_shows_and_records_them(call_main, tmp_path):
    import json

    from ufm import compare

    path, show = str(tmp_path / "a.npz"), partial(call_main, compare.main)
    np.savez(path, **made("rows of W permuted"))
    code, out, _ = show(path, "--replicates", "5")
    text = " ".join(out.split())
    assert code == 0 and "what may be wrong rows of W permuted: 5 rows of W are in another order" in text
    (one,) = json.loads(show(path, "--replicates", "5", "--json", "-")[1])["diagnoses"]
    assert set(one) == {"name", "sentence", "remedy", "evidence", "sure"}
    assert one["evidence"]["permutation"] == [1, 2, 3, 4, 0] and one["sure"] is True
    np.savez(path, **healthy("plain"))
    code, out, _ = show(path, "--replicates", "5")
    assert code == 0 and "what may be wrong" not in out


@pytest.mark.parametrize("loss", ["cross-entropy", "squared-error"])
def test_an_exact_optimum_in_the_order_of_a_grid_is_told_nothing(monkeypatch, loss):
    """All pairs at one λ after another: batches of K² rows have one composition, and so equal means up to rounding,
    which must not be taken for batch norm: without the rule on the labels some of these would be."""
    problem = ufm.Problem(4, multiplier=1.5, lambda_h=1e-3, loss=loss)
    i, j = (np.tile(part.ravel(), 24) for part in np.meshgrid(range(4), range(4), indexing="ij"))

    def diagnoses(seed):
        lam = np.repeat(np.random.default_rng(seed).uniform(size=24), 16)
        labels = lam[:, None] * np.eye(4)[i] + (1 - lam[:, None]) * np.eye(4)[j]
        H = ufm.predict_features(problem, labels).H
        arrays = {"H": H, "W": problem.W, "i": i, "j": j, "lam": lam, "lambda_h": 1e-3}
        return ufm.compare_network(**arrays, loss=loss, replicates=0).diagnoses

    assert not any(map(diagnoses, range(8)))
    monkeypatch.setattr("ufm.network.diagnose.batches.BALANCED", -1.0)
    assert any(map(diagnoses, range(8))) or loss == "cross-entropy"
