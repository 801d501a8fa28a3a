"""The arrays of a comparison, without any framework: labels in every form, sets apart, mixing, refusals."""

import subprocess
import sys

import jax
import jaxtyping
import numpy as np
import pytest

import ufm
import ufm.network
from tests.house.test_walls import HEAVY, loads
from ufm.collect.gather import from_features
from ufm.collect.mixing import cutmix, mixup
from ufm.collect.targets import join, read_targets
from ufm.rules.errors import InputError

K, D, N, B = 3, 5, 12, 5  # B does not divide N
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(N, D)).astype(np.float32), np.arange(N) % K
W, BIAS = RNG.normal(size=(K, D)), RNG.normal(size=K)
EYE = np.eye(K)
LOADER = [(X[n : n + B], Y[n : n + B]) for n in range(0, N, B)]
OTHERS = [(X[n : n + B] + 1, Y[n : n + B]) for n in range(0, N, B)]


@pytest.fixture(autouse=True)
def _as_users_have_it():
    """Without the test run's own type checks, which come first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def collect(loader=LOADER, **more):
    return from_features(np.tanh, more.pop("W", W), more.pop("b", BIAS), loader, **more)


def test_neither_import_ufm_nor_its_collect_loads_a_framework():
    code = (
        "import sys, ufm\nufm.collect.from_torch, ufm.collect.from_flax, ufm.collect.from_keras, ufm.Tracker\n"
        "ufm.collect.mixup(1.0), ufm.collect.cutmix(1.0), ufm.Tracker('a.csv')\n"
        "print(sorted({'torch', 'flax', 'keras', 'tensorflow', 'jax', 'matplotlib'} & set(sys.modules)))"
    )
    assert "collect" in dir(ufm) and "collect" not in ufm.__all__
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    assert not loads("ufm.collect.torch_model", "ufm.collect.tracker") & {*HEAVY, "torch", "flax", "keras"}


def test_batches_are_the_arrays_of_a_comparison():
    found = collect(test=OTHERS, ood=[x for x, _ in OTHERS], lambda_w=0.01, lambda_h=0.02, smoothing=0.1)
    np.testing.assert_array_equal(found["H"], np.tanh(X))
    np.testing.assert_array_equal(found["y"], Y)
    np.testing.assert_array_equal(found["H_test"], np.tanh(X + 1))
    np.testing.assert_array_equal(found["H_ood"], np.tanh(X + 1))
    np.testing.assert_allclose(found["logits"], np.tanh(X + 1) @ W.T + BIAS, atol=1e-5)
    np.testing.assert_array_equal(found["y_logits"], found["y_test"])
    assert [found[name] for name in ("lambda_w", "lambda_h", "smoothing")] == [0.01, 0.02, 0.1]
    assert "H_clean" not in found and found.layer == "features, and W 3 x 5"
    assert repr(found).startswith("Found(layer='features, and W 3 x 5', H=float32[12, 5] in [")


def test_what_is_found_is_compared():
    report = ufm.compare_network(**collect(mix=mixup(1.0), test=OTHERS), replicates=0)
    assert report.kind.words == "mixup of two classes" and report.calibration is not None
    assert report.features.clean.words.startswith("clean") and report.features.test.count == N


def test_inputs_are_mixed_as_their_labels_say_and_clean_rows_are_theirs():
    same = mixup(0.7, seed=3)
    for _ in range(2):  # the same mixtures each time
        found = collect(mix=same)
        np.testing.assert_array_equal(found["H_clean"], np.tanh(X))
        np.testing.assert_array_equal(found["y_clean"], Y)
        np.testing.assert_array_equal(found["i"], Y)
        mix, start = mixup(0.7, seed=3), 0
        for x, y in LOADER:
            mixed, (_, j, lam) = mix(x, y)
            rows = slice(start, start + len(x))
            np.testing.assert_array_equal(found["H"][rows], np.tanh(mixed))
            np.testing.assert_array_equal(found["j"][rows], j)
            np.testing.assert_array_equal(found["lam"][rows], lam)
            start += len(x)


def test_clean_rows_may_be_left_out_or_come_from_another_loader():
    assert "H_clean" not in collect(mix=mixup(1.0), clean=False)
    found = collect(mix=mixup(1.0), clean=OTHERS)
    np.testing.assert_array_equal(found["H_clean"], np.tanh(X + 1))


def test_a_limit_holds_for_each_set():
    found = collect(mix=mixup(1.0), test=OTHERS, ood=OTHERS, clean=OTHERS, limit=7)
    for key in ("H", "i", "j", "lam", "H_clean", "y_clean", "H_test", "y_test", "logits", "H_ood"):
        assert len(found[key]) == 7, key


def test_no_batch_is_read_beyond_the_limit():
    def two():
        yield from LOADER[:2]
        raise AssertionError("a third batch")

    found = collect(two(), test=two(), clean=two(), mix=mixup(1.0), limit=7)
    assert len(found["H"]) == len(found["H_test"]) == len(found["H_clean"]) == 7


def test_batches_of_any_form_are_unpacked():
    named = [{"image": x, "label": y, "index": 0} for x, y in LOADER]
    found = collect(named, unpack=lambda batch: (batch["image"], batch["label"]))
    np.testing.assert_array_equal(found["y"], Y)
    with pytest.raises(InputError, match="a dictionary of image, label, index where"):
        collect(named)
    with pytest.raises(InputError, match="loader yields 3 parts"):
        collect([(x, y, y) for x, y in LOADER])


SHARE = RNG.uniform(size=N)
OTHER = Y[::-1].copy()
SOFT = SHARE[:, None] * EYE[Y] + (1 - SHARE[:, None]) * EYE[OTHER]
PAIRS = {"i": Y, "j": OTHER, "lam": SHARE}
FORMS = {
    "classes": (Y, EYE[Y]),
    "a column of classes": (Y[:, None], EYE[Y]),
    "classes as floats": (Y.astype(float), EYE[Y]),
    "a list of classes": (Y.tolist(), EYE[Y]),
    "soft": (SOFT, SOFT),
    "a pair": ((Y, OTHER, SHARE), SOFT),
    "a list of three": ([Y, OTHER, SHARE], SOFT),
    "one λ": ((Y, OTHER, 0.25), 0.25 * EYE[Y] + 0.75 * EYE[OTHER]),
    "a pair of one-hot rows": ((EYE[Y], EYE[OTHER], SHARE), SOFT),
    "by name": (PAIRS, SOFT),
    "Y by name": ({"Y": SOFT}, SOFT),
    "y by name": ({"y": Y}, EYE[Y]),
    "arrays of JAX": ((jax.numpy.asarray(Y), jax.numpy.asarray(OTHER), jax.numpy.asarray(SHARE)), SOFT),
}


@pytest.mark.parametrize("form", FORMS)
def test_targets_of_every_form_are_the_same_labels(form):
    given, wanted = FORMS[form]
    labels = join([read_targets(given, N, K)], K)
    given = ufm.network.from_arrays(H=X, W=W, **labels)
    (chunk,) = given.chunks()
    np.testing.assert_allclose(chunk.labels.dense(), wanted, atol=1e-7)


def test_batches_of_different_forms_are_joined():
    parts = [read_targets(FORMS[form][0], N, K) for form in ("classes", "a pair")]
    pairs = join(parts, K)
    np.testing.assert_array_equal(pairs["lam"], np.r_[np.ones(N), SHARE])
    np.testing.assert_array_equal(pairs["j"], np.r_[Y, OTHER])
    soft = join([*parts, read_targets(SOFT, N, K)], K)
    np.testing.assert_allclose(soft["Y"], np.concatenate([EYE[Y], SOFT, SOFT]))


@pytest.mark.parametrize("kind", [np.float16, jax.numpy.bfloat16])
def test_soft_labels_of_16_bits_sum_to_one(kind):
    rows = read_targets(jax.numpy.asarray(SOFT, kind), N, K).Y
    np.testing.assert_allclose(rows.sum(1), 1, atol=1e-15)
    np.testing.assert_allclose(rows, SOFT, atol=5e-3)


UNKNOWN = {
    "too many classes": (np.zeros((N, K + 1)), r"unknown form, float64 of shape \(12, 4\)"),
    "a row short": (Y[1:], "unknown form"),
    "halves": (Y + 0.5, "unknown form"),
    "words": (np.array(["a"] * N), "unknown form"),
    "a class too large": (Y + 1, r"targets hold class 3: classes are 0 … 2"),
    "two arrays": ((Y, OTHER), "targets are a pair of arrays"),
    "other names": ({"i": Y, "j": OTHER}, "targets are a dictionary of i, j"),
    "λ of other length": ((Y, OTHER, SHARE[:4]), "lam has 4 entries for 12 rows"),
    "λ beyond one": ((Y, OTHER, 1.5), r"lam must lie in \[0, 1\], got 1.5"),
    "mixtures of mixtures": ((SOFT, SOFT[::-1], SHARE), "given as Y"),
    "nothing": (None, "targets must hold real numbers"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_targets_of_unknown_form_are_refused(name):
    given, words = UNKNOWN[name]
    with pytest.raises(InputError, match=words):
        read_targets(given, N, K)


def test_sets_apart_have_one_class_a_row():
    hot = [(x, 0.9 * EYE[y] + 0.1 / K) for x, y in OTHERS]
    np.testing.assert_array_equal(collect(test=hot)["y_test"], Y)
    with pytest.raises(InputError, match="test must have one class a row, and holds mixed labels"):
        collect(test=[(x, (y, y, 0.5)) for x, y in OTHERS])
    with pytest.raises(InputError, match="test must have one class a row"):
        collect(test=[(x, np.full((len(x), K), 1 / K)) for x, _ in OTHERS])


def test_a_function_may_mix_and_give_four():
    def mix(x, y):
        return x + 1, y, y[::-1], 0.25

    found = collect(mix=mix)
    np.testing.assert_array_equal(found["H"], np.tanh(X + 1))
    np.testing.assert_array_equal(found["lam"], np.full(N, 0.25))


REFUSED = {
    "nothing": ({"loader": []}, "loader yields nothing"),
    "an empty test": ({"test": iter(())}, "test yields nothing"),
    "no loader": ({"loader": 3}, r"loader must yield batches \(x, y\), got int"),
    "a word too many": ({"tests": LOADER}, "tests: the keywords are mix, test"),
    "mix is none": ({"mix": 3}, "mix must be a function, got int"),
    "unpack is none": ({"unpack": "x"}, "unpack must be a function, got str"),
    "a mixture alone": ({"mix": lambda x, y: x}, "mix must give"),
    "limit": ({"limit": 0}, "limit must be an integer"),
    "penalty": ({"lambda_h": -1.0}, "lambda_h must"),
    "smoothing": ({"smoothing": 1.0}, r"smoothing must lie in \[0, 1\)"),
    "features of another width": ({"W": np.ones((K, D + 1))}, r"takes \(5, 5\) where \(B, 6\) is asked"),
    "W of maps": ({"W": np.ones((K, D, 1))}, "W must be a matrix K x d"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_what_to_do(name):
    given, words = REFUSED[name]
    with pytest.raises(InputError, match=words):
        collect(**given)


def test_features_are_a_function():
    with pytest.raises(InputError, match="features must be a function"):
        from_features(X, W, BIAS, LOADER)


def test_no_bias_is_zero_and_halves_are_widened():
    found = from_features(lambda x: x.astype(np.float16), W.astype(np.float16), None, LOADER)
    assert found["H"].dtype == found["W"].dtype == np.float32 and not found["b"].any()


# --- mixing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.float32, np.float64, jax.numpy.float32, jax.numpy.bfloat16])
def test_mixtures_are_those_of_their_labels(kind):
    make = np.asarray if kind in (np.float32, np.float64) else jax.numpy.asarray
    x = make(RNG.normal(size=(6, 2, 4)), kind)
    y = np.arange(6)
    mixed, (i, j, lam) = mixup(0.5)(x, y)
    share = lam[:, None, None]
    np.testing.assert_array_equal(i, y)
    assert sorted(j) == list(y) and len(set(lam)) == 6 and mixed.dtype == x.dtype
    wide = np.float64 if x.dtype == np.float64 else np.float32  # 16 bits are mixed in 32
    one, other = np.asarray(x, wide), np.asarray(x, wide)[j]
    wanted = (share * one + (1 - share) * other).astype(x.dtype)
    np.testing.assert_allclose(np.asarray(mixed, float), np.asarray(wanted, float), rtol=1e-6, atol=1e-7)


def test_weights_have_the_law_of_their_alpha():
    """Beta(α, α): mean 1/2, variance 1/(4 (2α+1))."""
    lam = mixup(0.3)(np.zeros((20_000, 1)), np.zeros(20_000))[1][2]
    assert lam.mean() == pytest.approx(0.5, abs=0.02) and lam.var() == pytest.approx(1 / 6.4, abs=0.01)


@pytest.mark.parametrize("axes", [None, (2, 3)])
def test_a_cut_box_has_the_share_that_its_label_says(axes):
    x = np.arange(8.0)[:, None, None, None] * np.ones((8, 6, 9, 4))
    mixed, (_, j, lam) = cutmix(1.0, seed=1, axes=axes)(x, np.arange(8))
    own = (mixed == x).mean((1, 2, 3))
    same = j == np.arange(8)
    np.testing.assert_allclose(own[~same], lam[~same])
    assert ((mixed == x) | (mixed == x[j])).all() and 0 < lam.min() < 0.9 < 1
    flat = (1, 2) if axes is None else (2, 3)
    assert ((mixed.max(tuple({1, 2, 3} - set(flat)))) == mixed.min(tuple({1, 2, 3} - set(flat)))).all()


def test_boxes_have_the_law_of_cutmix():
    """Sides r = √(1−λ), r² uniform at α = 1; cut off at the edges r − r²/4 of each axis is left on average."""
    mix = cutmix(1.0)
    _, lam = mix._share(np.zeros((1000, 100, 100, 1), np.int8), mix.rng.beta(1, 1, 1000))
    assert 1 - lam.mean() == pytest.approx(1 / 2 - 1 / 5 + 1 / 48, abs=0.03)


def test_mixing_refuses_what_it_cannot_mix():
    with pytest.raises(InputError, match="mixup needs inputs of floats, got uint8"):
        mixup(1.0)(np.zeros((2, 3), np.uint8), np.arange(2))
    with pytest.raises(InputError, match=r"cutmix needs images: axes \(1, 2\)"):
        cutmix(1.0)(np.zeros((2, 3)), np.arange(2))
    for make in (mixup, cutmix):
        with pytest.raises(InputError, match="alpha must lie in"):
            make(0.0)
        with pytest.raises(InputError, match="seed must be"):
            make(1.0, seed=-1)
