"""compare_network: arrays as people have them, in memory, whatever jax.config says; labels as what they are."""

import subprocess
import sys

import jax
import numpy as np
import pytest

import ufm
from tests.activations import mixup
from ufm.model.etf import gain
from ufm.model.problem import Problem
from ufm.network.read.activations import from_arrays
from ufm.network.resemblance import INCONCLUSIVE, NOT_APPLICABLE, NOT_REPRODUCED, REPRODUCED
from ufm.rules.errors import InputError
from ufm.theory.predict import predict_features

K, D, N = 4, 6, 240
RNG = np.random.default_rng(3)
I, J, LAM, Y = mixup(N, K)
W = RNG.normal(size=(K, D))
H = 2 * (Y - 1 / K) @ np.linalg.pinv(W).T + 0.1 * RNG.normal(size=(N, D))
PAIRS = {"H": H, "W": W, "i": I, "j": J, "lam": LAM}
PURE = {"H": H, "W": W, "y": I}


def rows(given) -> np.ndarray:
    """Dense labels of everything."""
    return np.concatenate([chunk.labels.dense() for chunk in given.chunks()])


class Tensor:
    """What a torch tensor has: no array until it is off its graph and on the CPU, and none of bfloat16."""

    def __init__(self, value, dtype="torch.float32", steps=()):
        self.value, self.dtype, self.steps, self.is_sparse = value, dtype, steps, False

    def detach(self):
        return Tensor(self.value, self.dtype, (*self.steps, "detach"))

    def cpu(self):
        return Tensor(self.value, self.dtype, (*self.steps, "cpu"))

    def float(self):
        return Tensor(self.value, "torch.float32", self.steps)

    def numpy(self):
        assert self.steps == ("detach", "cpu") and "bfloat16" not in self.dtype
        return self.value

    def __array__(self, *_):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad")


SAME = {
    "tensors": {"H": Tensor(H), "W": Tensor(W, "torch.bfloat16"), "y": Tensor(I)},
    "JAX arrays": {"H": jax.numpy.asarray(H), "W": jax.numpy.asarray(W), "y": jax.numpy.asarray(I)},
    "lists": {"H": H.tolist(), "W": W.tolist(), "y": I.tolist()},
    "whole floats": {"H": H, "W": W, "y": I.astype(np.float32)},
    "trailing axes": {"H": H[:, :, None, None], "W": W[:, :, None], "y": I[:, None]},
    "None is not given": {"H": H, "W": W, "y": I, "b": None},
}


@pytest.mark.parametrize("kind", SAME)
def test_arrays_of_any_kind_are_the_same_network(kind):
    found, wanted = from_arrays(**SAME[kind]), from_arrays(**PURE)
    np.testing.assert_allclose(next(found.chunks()).H, H, rtol=1e-6)
    np.testing.assert_array_equal(rows(found), rows(wanted))
    np.testing.assert_allclose(found.W, W, rtol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_soft_labels_in_bfloat16_are_what_they_were(smoothing):
    """Entries within its rounding, the same law; rows that sum to less are refused (control)."""
    soft = (1 - smoothing) * np.eye(K)[I] + smoothing / K
    coarse = jax.numpy.asarray(soft, jax.numpy.bfloat16)
    found = from_arrays(H=H, W=W, Y=coarse)
    assert np.abs(rows(found) - soft).max() < 2.0**-7 and np.abs(rows(found).sum(1) - 1).max() < 1e-12
    assert found.kind.words == from_arrays(H=H, W=W, Y=soft).kind.words
    mixed = from_arrays(H=H, W=W, Y=jax.numpy.asarray(Y, jax.numpy.bfloat16))
    assert np.abs(rows(mixed) - Y).max() < 2.0**-7
    with pytest.raises(InputError, match="sum to 1"):
        from_arrays(H=H, W=W, Y=jax.numpy.asarray(0.9 * Y, jax.numpy.bfloat16))


def test_two_classes_may_be_true_and_false():
    two = {"H": H, "W": W[:2]}
    np.testing.assert_array_equal(rows(from_arrays(**two, y=I > 1)), np.eye(2)[(I > 1).astype(int)])


def test_bfloat16_of_jax_is_read():
    half = jax.numpy.asarray(H, jax.numpy.bfloat16)
    np.testing.assert_allclose(next(from_arrays(**PURE | {"H": half}).chunks()).H, H, rtol=1e-2)


@pytest.mark.parametrize("names", [[7, 3, 90, 11], ["cat", "dog", "emu", "fox"]])
def test_classes_may_have_names(names):
    said = np.asarray(names)
    found = from_arrays(H=H, W=W, i=said[I], j=said[J], lam=LAM, names=names)
    np.testing.assert_array_equal(rows(found), rows(from_arrays(**PAIRS)))
    with pytest.raises(InputError, match="none of the 4 names"):
        from_arrays(H=H, W=W, y=said[I], names=[*names[:3], type(names[0])(5)])


def test_one_mixing_weight_may_stand_for_all_rows_or_for_a_batch():
    one = from_arrays(**PAIRS | {"lam": 0.3})
    np.testing.assert_array_equal(rows(one), rows(from_arrays(**PAIRS | {"lam": np.full(N, 0.3)})))
    batches = np.array([0.2, 0.7, 0.9])
    found = from_arrays(**PAIRS | {"lam": batches})
    np.testing.assert_array_equal(rows(found), rows(from_arrays(**PAIRS | {"lam": np.repeat(batches, 80)})))
    assert found.notes == ("lam: one for each batch of 80 rows",)


REFUSED = {
    "feature maps": (PURE | {"H": np.zeros((N, D, 7, 7))}, r"pooled ones, like H.mean\(\(2, 3\)\)"),
    "boolean classes": (PURE | {"y": I > 0}, "y is True or False, and W has 4 rows"),
    "batches": (PURE | {"H": np.zeros((2, N // 2, D))}, r"joined, np.concatenate\(H\)"),
    "W transposed": (PURE | {"W": W.T}, "give W.T, a row a class"),
    "logits as H": (PURE | {"H": H @ W.T}, "if H are logits what the last layer takes"),
    "H transposed": (PURE | {"H": H.T}, "give H.T, a row a sample"),
    "a column for the bias": (PURE | {"W": np.column_stack([W, W[:, 0]])}, "give it apart as b"),
    "a permutation as j": (PAIRS | {"j": np.roll(np.arange(N), 1)}, r"give their classes, y\[j\]"),
    "one-hot as y": (PURE | {"y": np.eye(K)[I]}, "given as Y"),
    "classes from one": (PURE | {"y": I + 1}, "y - 1"),
    "soft y": (PURE | {"y": I + 0.5}, "soft labels are given as Y"),
    "a path and arrays": ({"source": "a.npz"} | PURE, "not both"),
    "a checkpoint": ({"source": "model.pt"}, "torch.load it"),
    "smoothing one": (PURE | {"smoothing": 1.0}, "smoothing must lie in"),
    "clean without classes": (PURE | {"H_clean": H}, "H_clean and y_clean come together"),
    "options twice": (
        PURE | {"loss": "cross-entropy", "options": ufm.network.Options()},
        "either options or loss",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_what_to_do(name):
    given, words = REFUSED[name]
    with pytest.raises(InputError, match=words):
        ufm.compare_network(**given)


def test_every_public_name_is_there_after_every_command_was_imported():
    """`ufm.compare` the module must not stand in the way of a function of that name."""
    code = """
import ufm, ufm.compare, ufm.solve, ufm.sweep, ufm.verify
for name in ufm.__all__:
    assert not hasattr(getattr(ufm, name), "main"), name
    assert callable(getattr(ufm, name)) or name.isupper(), name
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


# --- labels as what they are --------------------------------------------------------------------------


def soft(delta):
    return (1 - delta) * Y + delta / K


KINDS = {
    "one-hot labels": np.eye(K)[I],
    "label smoothing 0.1": 0.9 * np.eye(K)[I] + 0.1 / K,
    "mixup of two classes": Y,
    "mixup of two classes with label smoothing 0.1": soft(0.1),
    "mixup of up to 3 classes": RNG.dirichlet(np.ones(3), N) @ np.eye(K)[:3],
    "soft labels": RNG.dirichlet(np.ones(K), N),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("words", KINDS)
def test_labels_are_read_as_what_they_are(words, dtype):
    given = from_arrays(H=H, W=W, Y=KINDS[words].astype(dtype))
    assert given.kind.words == words
    assert np.abs(rows(given) - KINDS[words]).max() < 1e-6


def test_two_classes_are_smoothed_only_if_all_labels_are():
    W = np.eye(2)
    smooth = np.where(np.eye(2)[[0, 1, 1]] > 0, 0.95, 0.05)
    assert from_arrays(H=np.eye(2)[[0, 1, 1]], W=W, Y=smooth).kind.words == "label smoothing 0.1"
    mixed = np.array([[0.3, 0.7], [0.95, 0.05], [1, 0]])
    assert from_arrays(H=np.eye(2)[[0, 1, 1]], W=W, Y=mixed).kind.words == "mixup of two classes"


def test_smoothing_may_be_said_beside_the_classes():
    pairs, dense = from_arrays(**PAIRS, smoothing=0.1), from_arrays(H=H, W=W, Y=soft(0.1))
    assert np.abs(rows(pairs) - rows(dense)).max() < 1e-12 and pairs.kind.words == dense.kind.words


def words(found) -> dict:
    return {f.name: f.word for f in found.findings}


PROBLEM = Problem(K, 1.5, lambda_h=gain(K, 1.5) / 1000)


def optimum(labels, **more):
    """Exact optimal features of these labels, compared."""
    return ufm.compare_network(
        H=predict_features(PROBLEM, labels).H, W=PROBLEM.W, Y=labels, replicates=20, **more
    )


@pytest.mark.parametrize("name", KINDS)
def test_the_exact_optimum_of_every_law_is_reproduced(name):
    found = optimum(KINDS[name], lambda_h=PROBLEM.lambda_h)
    said = words(found)
    assert found.word == REPRODUCED, said
    assert said["closed-form"] == said["sharpness"] == said["excess"] == said["etf"] == REPRODUCED
    pairs = NOT_APPLICABLE if found.kind.most != 2 else REPRODUCED
    assert said["plane"] == said["displacement"] == said["probabilities"] == pairs
    assert said["linear"] == (NOT_APPLICABLE if found.kind.most == 1 else REPRODUCED)
    assert said["alignment"] == (REPRODUCED if found.kind.pure > 0 else NOT_APPLICABLE)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("name", KINDS)
def test_labels_are_the_same_in_every_type(name, dtype):
    given = from_arrays(H=H, W=W, Y=(KINDS[name] / KINDS[name].sum(1, keepdims=True)).astype(dtype))
    assert given.kind.words == name or given.kind.delta == pytest.approx(0.1, rel=2e-3)
    assert given.kind.most == from_arrays(H=H, W=W, Y=KINDS[name]).kind.most


def test_smoothing_is_not_said_of_Y():
    with pytest.raises(InputError, match="smoothing is of labels given as y or i, j, lam"):
        from_arrays(H=H, W=W, Y=Y, smoothing=0.1)


def test_numbers_of_any_framework_are_numbers():
    found = ufm.compare_network(
        **PAIRS, lambda_h=np.array(0.01), lambda_w=Tensor(np.array(0.02)), replicates=0
    )
    assert found.options.lambda_h == 0.01 and type(found.to_dict()["data"]["lambda_w"]) is float
    again = ufm.compare_network(PAIRS, lambda_h=np.float32(0.5), replicates=0)
    assert again.options.lambda_h == 0.5 and again.excess is not None


def test_without_a_class_the_origin_is_not_known():
    """The mean of all features moves with the frequencies of the classes."""
    rows_of = (I != 2) & (J != 2)
    labels = Y[rows_of]
    found = ufm.compare_network(
        H=predict_features(PROBLEM, labels).H, W=PROBLEM.W, Y=labels, lambda_h=PROBLEM.lambda_h, replicates=0
    )
    said = words(found)
    assert found.kind.rarest == 0 and found.word == INCONCLUSIVE
    assert said["alignment"] == said["plane"] == INCONCLUSIVE and said["closed-form"] == REPRODUCED
    clean = {"H_clean": predict_features(PROBLEM, np.eye(K)).H, "y_clean": np.arange(K)}
    whole = ufm.compare_network(
        H=predict_features(PROBLEM, labels).H,
        W=PROBLEM.W,
        Y=labels,
        lambda_h=PROBLEM.lambda_h,
        replicates=0,
        **clean,
    )
    assert words(whole)["alignment"] == words(whole)["plane"] == REPRODUCED == whole.word


def test_squared_error_is_not_held_against_the_closed_form_of_cross_entropy():
    problem = Problem(K, 1.5, lambda_h=1e-2, loss="squared-error")
    found = ufm.compare_network(
        H=predict_features(problem, Y).H, W=problem.W, Y=Y, lambda_h=1e-2, loss="squared-error", replicates=0
    )
    said = words(found)
    assert said["closed-form"] == said["sharpness"] == said["displacement"] == NOT_APPLICABLE
    assert said["excess"] == said["alignment"] == found.word == REPRODUCED


@pytest.mark.parametrize("factor", [0.5, 2.0, 1 / 1200])
@pytest.mark.parametrize("name", KINDS)
def test_a_wrong_penalty_does_not_pass(name, factor):
    found = optimum(KINDS[name], lambda_h=PROBLEM.lambda_h * factor)
    said = words(found)
    assert found.word == NOT_REPRODUCED and said["sharpness"] == NOT_REPRODUCED
    assert said["excess"] in (NOT_REPRODUCED, INCONCLUSIVE)
    assert found.fit.a / found.a == pytest.approx(factor, rel=1e-4)


# --- the optimum of the labels themselves ---------------------------------------------------------------


@pytest.mark.slow
def test_the_gap_is_over_the_certified_optimum_of_the_same_labels():
    """Features with noise of 1e-3: their own dual point, shrunk by the noise, sees ten times the gap."""
    labels = mixup(1500, K)[3]
    problem = ufm.JointProblem(ufm.FiniteLaw(labels, np.full(1500, 1 / 1500)), 5e-3, 5e-3)
    best = ufm.solve_joint(problem)
    noise = np.random.default_rng(0).normal(size=best.H.shape)
    noisy = best.H + 1e-2 * np.linalg.norm(best.H) / np.linalg.norm(noise) * noise
    found = ufm.compare_network(H=noisy, W=best.W, Y=labels, lambda_w=5e-3, lambda_h=5e-3, replicates=0)
    true = ufm.certify_joint(problem, ufm.Point(best.W, noisy, None))
    over = found.gap.objective - best.objective
    assert over <= found.gap.gap <= over + 1e-9 < found.certificate.gap / 2
    assert true.objective == pytest.approx(found.gap.objective, rel=1e-12)
    assert found.gap.least <= over / found.gap.objective <= found.gap.relative
    assert found.optimum.multiplier == pytest.approx(found.multiplier, rel=1e-9)
    assert (
        found.gap.features == pytest.approx(found.gap.gap, rel=0.2)
        and abs(found.gap.classifier) < found.gap.gap
    )


@pytest.mark.slow
@pytest.mark.parametrize("delta", [0.0, 0.1])
def test_many_labels_are_binned_within_their_own_bound(delta, monkeypatch):
    """Beyond MANY of them on two grids, whose bounds enclose the optimum even where the cells are wide."""
    from ufm.model.penalties import Penalties
    from ufm.network import optimum
    from ufm.network.optimum import ATOMS, own_optimum

    i, j, lam, _ = mixup(6000, K)
    given = from_arrays(H=np.zeros((6000, 1)), W=np.zeros((K, 1)), i=i, j=j, lam=lam, smoothing=delta)
    found = own_optimum(given.label_chunks, K, K, Penalties(5e-3, 5e-3, None), "cross-entropy")
    labels = rows(given)
    exact = ufm.solve_joint(ufm.JointProblem(ufm.FiniteLaw(labels, np.full(6000, 1 / 6000)), 5e-3, 5e-3))
    assert found.atoms < ATOMS and found.lower <= exact.objective <= found.objective
    assert found.gap < 1e-3  # a tenth of what the verdict on the gap asks for
    monkeypatch.setattr(optimum, "MANY", 1000)
    for nodes, apart in ((8, 0.3), (160, 1e-3)):
        monkeypatch.setattr(optimum, "FINE", nodes)
        wide = own_optimum(given.label_chunks, K, K, Penalties(5e-3, 5e-3, None), "cross-entropy")
        assert wide.lower < found.lower and found.objective < wide.objective and wide.gap < apart
        assert wide.atoms == found.atoms and wide.feature_norm == pytest.approx(found.feature_norm, rel=apart)


def test_a_coarse_grid_has_features_of_its_own_for_every_label(monkeypatch):
    """8 values of λ a pair; interpolated between them (control) the two bounds are three times as far apart."""
    from ufm.model.penalties import Penalties
    from ufm.network import optimum

    monkeypatch.setattr(optimum, "ATOMS", 50)
    i, j, lam, _ = mixup(600, K)
    given = from_arrays(H=np.zeros((600, 1)), W=np.zeros((K, 1)), i=i, j=j, lam=lam)
    found = []
    for work in (optimum.WORK, 0):
        monkeypatch.setattr(optimum, "WORK", work)
        with jax.enable_x64(True):
            found.append(
                optimum.own_optimum(given.label_chunks, K, K, Penalties(5e-3, 5e-3, None), "cross-entropy")
            )
    own, between = found
    assert own.atoms == between.atoms and "features for all labels" in own.how
    assert between.lower <= own.objective <= between.objective and own.lower <= own.objective
    assert own.gap < between.gap / 3
    np.testing.assert_array_equal(own.W, between.W)


@pytest.mark.slow
def test_a_gap_that_only_the_bound_leaves_open_is_inconclusive():
    """40 classes: the candidate is an ETF, which the optimum of 400 uneven labels is not."""
    classes, n = 40, 400
    rng = np.random.default_rng(0)
    i, j, lam = rng.integers(0, classes, n), rng.integers(0, classes, n), rng.uniform(size=n)
    W = ufm.simplex_etf(classes, classes, 2.0)
    problem = Problem(classes, classifier=W, lambda_h=1e-3)
    labels = rows(from_arrays(H=np.zeros((n, classes)), W=W, i=i, j=j, lam=lam))
    H = predict_features(problem, labels).H
    found = ufm.compare_network(H=H, W=W, i=i, j=j, lam=lam, lambda_w=1e-4, lambda_h=1e-3, replicates=0)
    said = next(f for f in found.findings if f.name == "global")
    assert found.gap.least < 0.01 < found.gap.relative and said.word == INCONCLUSIVE
    assert found.gap.lower <= found.gap.upper <= found.gap.objective


def test_fewer_dimensions_than_an_etf_needs_have_no_upper_bound():
    from ufm.model.penalties import Penalties
    from ufm.network.optimum import own_optimum

    y = np.arange(40)
    given = from_arrays(H=np.zeros((40, 8)), W=np.zeros((40, 8)), y=y)
    wide = own_optimum(given.label_chunks, 40, 39, Penalties(1e-3, 1e-3, None), "cross-entropy")
    tight = own_optimum(given.label_chunks, 40, 8, Penalties(1e-3, 1e-3, None), "cross-entropy")
    assert wide.fits and not tight.fits and wide.gap < 1e-9
    rng = np.random.default_rng(0)
    found = ufm.compare_network(
        H=rng.normal(size=(40, 8)),
        W=rng.normal(size=(40, 8)),
        y=y,
        lambda_w=1e-3,
        lambda_h=1e-3,
        replicates=0,
    )
    assert found.gap.upper == found.gap.objective and found.gap.least == 0 < found.gap.relative


@pytest.mark.slow
@pytest.mark.parametrize("lambda_b", [None, 0.0, 0.5])
def test_a_sample_of_soft_labels_has_features_for_all_of_them(lambda_b):
    """Features belong to the bias too."""
    from ufm.model.penalties import Penalties
    from ufm.network.optimum import own_optimum

    labels = np.random.default_rng(0).dirichlet([2, 1, 0.5, 0.2], 6000)
    given = from_arrays(H=np.zeros((6000, 4)), W=np.zeros((4, 4)), Y=labels)
    found = own_optimum(given.label_chunks, 4, 4, Penalties(1e-2, 1e-2, lambda_b), "cross-entropy")
    assert "random 2000" in found.how and found.gap < 1e-2


def test_a_zero_of_negative_sign_is_a_zero():
    labels = np.array([[0.5, 0.3, 0.2, -0.0], [0.5, 0.3, 0.2, 0.0], [0, 0, 0, 1]])
    found = ufm.compare_network(
        H=np.eye(3, 4), W=np.eye(4), Y=labels, lambda_w=1e-2, lambda_h=1e-2, replicates=0
    )
    assert found.optimum.atoms == 2


# --- one reading ----------------------------------------------------------------------------------------


def rows_read(monkeypatch, given, **options):
    """How many rows of H a comparison reads, over how many there are."""
    from ufm.network.read.mapped import Stored

    read, blocks, some = [0], Stored.blocks, Stored.some

    def counted(self, rows):
        for block in blocks(self, rows):
            read[0] += len(block) if self.name == "H" and self.shape == given["H"].shape else 0
            yield block

    def picked(self, start, rows):
        read[0] += len(rows)
        return some(self, start, rows)

    monkeypatch.setattr(Stored, "blocks", counted)
    monkeypatch.setattr(Stored, "some", picked)
    ufm.compare_network(**given, **{"lambda_w": 0.01, "lambda_h": 0.01, "replicates": 5} | options)
    return read[0] / len(given["H"])


@pytest.mark.parametrize("apart", [False, True])
def test_wide_features_are_read_twice_and_once_beside_clean_ones(monkeypatch, apart):
    """For the class means only the rows that they are of, but all where the mean of all rows is asked for."""
    given = PAIRS | {"H": np.pad(H, ((0, 0), (0, 40))), "W": np.pad(W, ((0, 0), (0, 40)))}
    if apart:
        given |= {"H_clean": np.eye(K, 46)[I], "y_clean": I}
    clean = np.mean((I == J) | (LAM == 0) | (LAM == 1))
    assert rows_read(monkeypatch, given) == (1 if apart else 1 + clean) and 0 < clean < 0.5
    assert rows_read(monkeypatch, given, centre="mean") == 2


@pytest.mark.parametrize("lambda_b", [None, 0.0, 0.1])
def test_features_that_are_not_reduced_are_read_three_times(monkeypatch, lambda_b):
    """Means, logits and a sample; what is measured about them; replicates of the means and the last dual value."""
    given = PAIRS | ({} if lambda_b is None else {"b": np.linspace(-0.1, 0.1, K)})
    assert rows_read(monkeypatch, given, lambda_b=lambda_b) == 3


def test_the_product_with_the_basis_is_granted_its_rounding():
    wide = PAIRS | {"H": np.pad(H, ((0, 0), (0, 4000))), "W": np.pad(W, ((0, 0), (0, 4000)))}
    few, many = (ufm.compare_network(**p, lambda_w=0.01, lambda_h=0.01, replicates=0) for p in (PAIRS, wide))
    assert many.features.W.shape[1] < 20 and many.certificate.rounding > 100 * few.certificate.rounding
    assert many.certificate.gap == pytest.approx(few.certificate.gap, abs=1e-9)
    assert many.excess.bound > 2 * few.excess.bound


def test_smoothed_mixtures_are_drawn_over_their_own_weights():
    """The range of λ is that of the bins, not of the logit of smoothed labels."""
    from ufm.pictures.compare import _inner

    found = ufm.compare_network(H=H, W=W, Y=soft(0.6), replicates=0)
    lam = found.channel.lam[found.channel.different > 0]
    assert _inner(found).min() <= lam.min() and lam.max() <= _inner(found).max()


def test_no_room_for_reduced_features_is_said(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ufm.network.read.mapped.MEMORY", 0)
    wide = PAIRS | {"H": np.pad(H, ((0, 0), (0, 40))), "W": np.pad(W, ((0, 0), (0, 40)))}
    whole = ufm.compare_network(**wide, replicates=0)
    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(InputError, match=r"do not fit into .*No space left on device.* TMPDIR"):
        ufm.compare_network(**wide, replicates=0)
    monkeypatch.undo()
    assert whole.fit.r2 == pytest.approx(ufm.compare_network(**wide, replicates=0).fit.r2, rel=1e-12)


def test_reduced_coordinates_change_no_number(monkeypatch):
    wide = {"H": np.pad(H, ((0, 0), (0, 40))) @ np.linalg.qr(RNG.normal(size=(46, 46)))[0]}
    wide["H"] += 0.3
    given = PAIRS | wide | {"W": RNG.normal(size=(K, 46)), "lambda_w": 0.01, "lambda_h": 0.01}
    few = ufm.compare_network(**given, replicates=20)
    monkeypatch.setattr("ufm.network.features.worthwhile", lambda given: False)
    whole = ufm.compare_network(**given, replicates=20)
    for one, other in zip(few.findings, whole.findings):
        assert one.name == other.name and one.word == other.word
        ends = [[getattr(part, end) for end in ("value", "low", "high")] for part in (one, other)]
        assert ends[0] == ends[1] or ends[0] == pytest.approx(ends[1], rel=1e-7, abs=1e-9)


def test_the_configuration_of_jax_is_left_alone():
    with jax.enable_x64(False):
        found = ufm.compare_network(**PURE, replicates=5)
        assert jax.numpy.zeros(1).dtype == np.float32
    assert found.fit.r2 == pytest.approx(ufm.compare_network(**PURE, replicates=5).fit.r2, rel=1e-9)


@pytest.mark.parametrize("given", [PURE, PAIRS | {"lambda_w": 0.01, "lambda_h": 0.01}], ids=["pure", "pairs"])
def test_a_report_shows_itself_whatever_the_configuration_of_jax(given, tmp_path):
    """As most people have it: JAX's own precision is 32 bits."""
    with jax.enable_x64(False):
        report = ufm.compare_network(**given, replicates=5)
        assert repr(report) and report._repr_html_() and report.to_dict()
        report.save_html(tmp_path / "a.html")
        report.plot(tmp_path / "a.png")
        assert jax.numpy.zeros(1).dtype == np.float32
        ufm.compare_runs({"one": given, "two": given}, replicates=5).save_html(tmp_path / "b.html")


def test_the_name_of_version_0_1_still_works():
    with pytest.warns(DeprecationWarning, match="compare_network"):
        assert ufm.compare_activations(from_arrays(**PURE)).classes == K
