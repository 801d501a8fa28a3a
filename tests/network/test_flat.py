"""`collapse_metrics`: the numbers of the streamed statistics, from arrays of any form, and without JAX."""

import math

import numpy as np
import pytest

import ufm
from tests.house.test_walls import loaded_after
from tests.network.test_metrics import sample, statistics
from ufm.network.collapse import blocks
from ufm.network.collapse.angles import cosine_margins
from ufm.network.collapse.blocks import array_statistics
from ufm.network.collapse.conventions import PRESETS
from ufm.network.collapse.metrics import all_metrics
from ufm.rules.errors import InputError

TYPES = {"float64": 1e-12, "float32": 1e-6, "float16": 1e-6}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("K, d", [(4, 2), (4, 3), (2, 1), (7, 12)])
@pytest.mark.parametrize("centre", ["class", "sample"])
def test_blocks_agree_with_the_stream(K, d, dtype, centre, monkeypatch):
    monkeypatch.setattr(blocks, "ROWS", 3)
    monkeypatch.setattr(blocks, "MANY", 5)
    H, y, W, b = sample(K, d)
    H = H.astype(dtype)
    stats, margins = array_statistics(H, y, K, W, b, centre)
    streamed = statistics(H, y, K, W, b)
    for name in ("mass", "means", "scatter", "missed"):
        assert getattr(stats, name) == pytest.approx(getattr(streamed, name), rel=1e-13, abs=1e-14), name
    assert stats.centred(centre) == pytest.approx(streamed.centred(centre), rel=1e-12, abs=1e-13)
    for preset in PRESETS.values():
        found, expected = (all_metrics(s, W, b, preset) for s in (stats, streamed))
        assert found == pytest.approx(expected, rel=TYPES[dtype], abs=1e-13)
    c = streamed.means.mean(0) if centre == "class" else H.astype(float).mean(0)
    assert np.sort(margins) == pytest.approx(cosine_margins(H, y, W, c), rel=10 * TYPES[dtype], abs=1e-6)
    assert array_statistics(H, y, K).margins is None


@pytest.mark.parametrize("spread", [1e-3, 1e-6, 1e-7])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_float32_near_collapse_shows_its_size(spread, offset):
    """Down to the rounding of the features themselves, which is all that they differ by in the end."""
    H, y, W, b = sample(4, 9, 3, spread, offset)
    H = H.astype("f")
    found, expected = (
        all_metrics(s, W, b, PRESETS["plain"])
        for s in (array_statistics(H, y, 4, W, b).stats, statistics(H, y, 4, W, b))
    )
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", TYPES)
def test_exact_collapse_is_zero_in_every_type(dtype):
    H, y, W, _ = sample(4, 9, 3, 0.0)
    found = ufm.collapse_metrics(H.astype(dtype), y, W)
    assert found["nc1"] == found["nc1_ratio"] == found["cdnv"] == 0


@pytest.mark.parametrize("size", [1e-30, 1e-18, 1e18])
def test_sizes_at_the_ends_of_float32(size):
    H, y, _, _ = sample(4, 5)
    plain, scaled = (ufm.collapse_metrics((factor * H).astype("f"), y) for factor in (1.0, size))
    for name in ("nc1", "nc1_ratio", "cdnv", "nc2_angles_means", "gnc2_log_mean"):
        assert scaled[name] == pytest.approx(plain[name], rel=1e-5), name


def test_scatter_beside_the_means_does_not_blur_what_lies_along_them():
    """A dimension of noise 1e6 times larger: float32 products would lose the rest, and are taken back."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    H = np.eye(3)[y] + 1e-3 * rng.normal(size=(60, 3))
    loud = 1e3 * rng.normal(size=(60, 1))
    for k in range(3):
        loud[y == k] -= loud[y == k].mean(0)
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    H = (np.hstack([H, loud]) @ turn).astype("f")
    H64 = H.astype(float)
    found, exact = array_statistics(H, y, 3).stats, array_statistics(H64, y, 3).stats
    assert found.axes["class"].power == pytest.approx(exact.axes["class"].power, rel=1e-7)


def test_the_second_look_is_needed(monkeypatch):
    """Negative control of the test above."""
    monkeypatch.setattr(blocks, "TRUST", 0.0)
    with pytest.raises(AssertionError):
        test_scatter_beside_the_means_does_not_blur_what_lies_along_them()


KEYS = {
    "nc1", "nc1_ratio", "cdnv", "nc2_norms_means", "nc2_angles_means", "nc2_simplex_means", "gnc2_distance_mean",
    "gnc2_distance_variance", "gnc2_log_mean", "gnc2_log_variance", "rank_means", "samples", "classes",
}  # fmt: skip
ROWS = {
    "nc2_norms_rows", "nc2_angles_rows", "nc2_simplex_rows", "nc2_norms_difference", "nc3_distance", "nc3_product",
    "nc3_cosine_mean", "nc3_cosine_variance", "nc4_disagreement", "nc4_bias", "margin_mean", "margin_least",
    "rank_rows",
}  # fmt: skip


def test_a_flat_dictionary_of_floats():
    H, y, W, b = sample(4, 9)
    alone, whole = ufm.collapse_metrics(H, y), ufm.collapse_metrics(H, y, W, b)
    assert alone.keys() == KEYS and whole.keys() == KEYS | ROWS
    assert alone == {name: whole[name] for name in KEYS}
    assert all(type(value) is float and math.isfinite(value) for value in whole.values())
    expected = all_metrics(statistics(H, y, 4, W, b), W, b, PRESETS["plain"])
    assert {name: whole[name] for name in expected} == pytest.approx(expected, rel=1e-12)
    margins = cosine_margins(H, y, W, statistics(H, y, 4).means.mean(0))
    assert whole["margin_mean"] == pytest.approx(margins.mean()) and whole["margin_least"] == pytest.approx(
        margins[0]
    )


@pytest.mark.parametrize("name", PRESETS)
def test_a_convention_by_name_or_by_value(name):
    H, y, W, b = sample(4, 9)
    found = ufm.collapse_metrics(H, y, W, b, convention=name)
    expected = all_metrics(statistics(H, y, 4, W, b), W, b, PRESETS[name])
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-12)
    assert found == ufm.collapse_metrics(H, y, W, b, convention=PRESETS[name])
    with pytest.raises(InputError, match="convention must be one of plain"):
        ufm.collapse_metrics(H, y, convention="mine")


@pytest.mark.parametrize("dtype", TYPES)
def test_one_sample_a_class(dtype):
    """Two classes, the fewest, of a sample each: that is its mean."""
    H = np.array([[3.0, 4.0], [0.0, 2.0]], dtype)
    stats = array_statistics(H, np.arange(2), 2).stats
    assert stats.means.tolist() == H.tolist() and stats.scatter.tolist() == [0, 0]
    found = ufm.collapse_metrics(H, [0, 1], np.eye(2))
    assert found["nc1"] == 0 and found["samples"] == found["classes"] == 2


def test_centred_rows_are_those_of_every_metric():
    H, y, W, b = sample(4, 9)
    found = ufm.collapse_metrics(H, y, W, b, convention="centred")
    plain = ufm.collapse_metrics(H, y, W - W.mean(0), b - b.mean())
    assert found == pytest.approx(plain, rel=1e-12)
    assert found["rank_rows"] != pytest.approx(ufm.collapse_metrics(H, y, W)["rank_rows"], rel=1e-3)


def test_a_row_at_the_mean_row_has_no_angle():
    H, y, _, _ = sample(3, 4)
    found = ufm.collapse_metrics(H, y, np.array([[1.0, 0, 0, 0], [0, 0, 0, 0], [-1.0, 0, 0, 0]]))
    assert math.isnan(found["margin_mean"]) and math.isnan(found["margin_least"])


@pytest.mark.filterwarnings("error")
def test_what_is_undefined_is_nan():
    found = ufm.collapse_metrics(np.ones((9, 4)), np.arange(9) % 3, np.zeros((3, 4)))
    defined = {name for name, value in found.items() if not math.isnan(value)}
    assert defined == {"samples", "classes", "nc4_disagreement", "nc4_bias"}


def forms():
    """The same problem in the forms that people have it in."""
    H, y, W, b = (part.astype("f") if part.dtype.kind == "f" else part for part in sample(3, 4))
    names = np.array(["ant", "bee", "cat"])
    yield "lists", H.tolist(), y.tolist(), W.tolist(), b.tolist()
    yield "whole floats", H, y.astype(float), W, b
    yield "columns", H[:, :, None, None], y[:, None], W, b[:, None]
    yield "names", H, names[y], W, b
    yield "ids in sorted order", H, np.array([3, 17, 42])[y], W, b
    yield "small integers", H, y.astype(np.uint8), W, b
    yield "fortran", np.asfortranarray(H), y, np.asfortranarray(W), b


@pytest.mark.parametrize("form", list(forms()), ids=lambda form: form[0])
def test_forms_that_people_have(form):
    H, y, W, b = sample(3, 4)
    _, *given = form
    assert ufm.collapse_metrics(*given) == pytest.approx(
        ufm.collapse_metrics(H.astype("f"), y, W.astype("f"), b.astype("f")), rel=1e-6
    )


def test_any_ids_where_there_is_no_classifier():
    H, y, _, _ = sample(3, 4)
    for ids in (y + 1, 10 * y, np.array(["x", "a", "m"])[y]):
        assert ufm.collapse_metrics(H, ids) == pytest.approx(ufm.collapse_metrics(H, y), rel=1e-12)
    integers = np.round(10 * H).astype(int)
    assert ufm.collapse_metrics(integers, y) == ufm.collapse_metrics(integers.astype(float), y)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_arrays_of_torch_and_jax(dtype):
    torch, jnp = pytest.importorskip("torch"), pytest.importorskip("jax.numpy")
    H, y, W, b = sample(3, 4)
    tensors = [torch.tensor(part).to(getattr(torch, dtype)).requires_grad_() for part in (H, W, b)]
    arrays = [jnp.asarray(part, dtype) for part in (H, W, b)]
    first = ufm.collapse_metrics(tensors[0], torch.tensor(y), *tensors[1:])
    assert first == ufm.collapse_metrics(arrays[0], jnp.asarray(y), *arrays[1:])
    assert first["nc1"] == pytest.approx(ufm.collapse_metrics(H, y)["nc1"], rel=0.05)


def at(H, row, value):
    """A copy with one row of another value, and those after it if row is a slice."""
    H = H.copy()
    H[row] = value
    return H


WRONG = {
    "one-hot": (lambda H, y, W, b: (H, np.eye(4)[y], W, b), r"y.argmax\(1\)"),
    "counted from 1": (lambda H, y, W, b: (H, y + 1, W, b), "counted from 0: give y - 1"),
    "images": (lambda H, y, W, b: (np.ones((len(H), 6, 2, 2)), y, W, b), "pool or flatten first"),
    "transposed": (lambda H, y, W, b: (H, y, W.T, b), r"transposed, give W.T"),
    "NaN": (lambda H, y, W, b: (at(H, 5, np.nan), y, W, b), "NaN or infinity in row 5 "),
    "infinity": (lambda H, y, W, b: (at(H, slice(5, 7), np.inf).astype("f"), y, W, b), "row 5 and in 1 more"),
    "too large": (lambda H, y, W, b: (1e150 * H, y, W, b), "rescale H and W"),
    "far apart": (lambda H, y, W, b: (at(H, slice(0, 9), 1e200), y, W, b), "rescale H and W"),
    "a far sample": (lambda H, y, W, b: (at(H, 9, 1e160), y, W, b), "rescale H and W"),
    "NaN in W": (lambda H, y, W, b: (H, y, W * np.nan, b), "W holds NaN or infinity in row 0 and in 3 more"),
    "large W": (lambda H, y, W, b: (H, y, 1e150 * W, b), "rescale H and W"),
    "NaN in b": (lambda H, y, W, b: (H, y, W, b * np.nan), "b holds NaN"),
    "b of another size": (lambda H, y, W, b: (H, y, W, b[:3]), "b must be 4 numbers, one a row of W"),
    "b of two columns": (lambda H, y, W, b: (H, y, W, np.stack([b, b], 1)), "b must be 4 numbers"),
    "far from both sides": (
        lambda H, y, W, b: (np.array([0, 1e200, -1e200, 1, 2])[:, None], [0, 0, 0, 1, 1], None, None),
        "rescale H and W",
    ),
    "b alone": (lambda H, y, W, b: (H, y, None, b), "b is given without W"),
    "halves": (lambda H, y, W, b: (H, y + 0.5, W, b), "whole numbers"),
    "NaN in y": (lambda H, y, W, b: (H, np.where(y == 0, np.nan, y), W, b), "whole numbers, got nan"),
    "unlabelled": (lambda H, y, W, b: (H, np.where(y == 0, -100, y), W, b), "the negative id -100"),
    "too few ids": (
        lambda H, y, W, b: (H, 10 * np.minimum(y, 2), W, b),
        "3 classes, 0 … 20, but W has 4 rows",
    ),
    "no sample": (lambda H, y, W, b: (H[y > 0], y[y > 0], W, b), "none for 1 of 4 classes, numbers 0"),
    "one class": (lambda H, y, W, b: (H, 0 * y, None, None), "one class only"),
    "labels of other rows": (lambda H, y, W, b: (H, y[1:], W, b), "one a row of H"),
    "flags": (lambda H, y, W, b: (H, y > 1, W, b), "integers or names"),
    "one feature": (lambda H, y, W, b: (H[:, 0], y, W, b), r"shape \(N, d\)"),
    "complex": (lambda H, y, W, b: (H + 0j, y, W, b), "real numbers"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name):
    spoil, said = WRONG[name]
    with pytest.raises(InputError, match=said):
        ufm.collapse_metrics(*spoil(*sample(4, 6)))


def test_jax_is_not_imported():
    used = loaded_after(
        "import numpy as np, ufm\nufm.collapse_metrics(np.eye(3)[[0, 1, 2, 0]], [0, 1, 2, 0], np.eye(3))"
    )
    assert "ufm.network.collapse.flat" in used and not used & {"jax", "jaxlib", "torch", "optax", "flint"}


def test_features_of_half_1e140_are_squared_and_those_at_it_refused():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    H = np.eye(3)[y] + 0.1 * rng.normal(size=(60, 3))
    H /= np.abs(H).max()
    near = ufm.collapse_metrics(0.4e140 * H, y)
    assert near["nc1"] == pytest.approx(ufm.collapse_metrics(H, y)["nc1"], rel=1e-12)
    assert np.isfinite([value for value in near.values()]).all()
    with pytest.raises(ValueError, match=r"below 1e\+140"):
        ufm.collapse_metrics(1e140 * H, y)
