"""Activations: every way to save them is read in bounded memory, and every bad file is refused in words."""

import io
import json
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ufm.network.given import activations_of
from ufm.network.read import mapped
from ufm.network.read.activations import from_arrays, read_activations
from ufm.rules import memory
from ufm.rules.errors import InputError
from ufm.solve import main

N, D, K = 23, 5, 3
RNG = np.random.default_rng(7)
H = RNG.normal(size=(N, D))
W = RNG.normal(size=(K, D))
BIAS = RNG.normal(size=K)
CLASSES = np.arange(N) % K
OTHER = (np.arange(N) // 2) % K
LAM = np.linspace(0, 1, N)
SOFT = RNG.dirichlet(np.ones(K), N)
LOGITS = RNG.normal(size=(11, K))
HELD = np.arange(11) % K
GOOD = {"H": H, "W": W, "y": CLASSES}
PAIRS = {"H": H, "W": W, "i": CLASSES, "j": OTHER, "lam": LAM}


def without(arrays: dict, *keys: str) -> dict:
    return {key: value for key, value in arrays.items() if key not in keys}


def changed(array, place, value) -> np.ndarray:
    copy = np.array(array)
    copy[place] = value
    return copy


def mixture(i, j, lam) -> np.ndarray:
    """λ e_i + (1−λ) e_j, one row at a time."""
    rows = [
        t * np.eye(K)[a] + (1 - t) * np.eye(K)[b] if a != b else np.eye(K)[a] for a, b, t in zip(i, j, lam)
    ]
    return np.array(rows)


def write_npz(path, arrays):
    np.savez(path / "a.npz", **arrays)
    return path / "a.npz"


def write_compressed(path, arrays):
    np.savez_compressed(path / "c.npz", **arrays)
    return path / "c.npz"


def write_folder(path, arrays):
    for key, value in arrays.items():
        np.save(path / f"{key}.npy", value)
    return path


WRITERS = [write_npz, write_compressed, write_folder]


def gathered(found, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All H, dense labels, pure classes and weights, put together again from blocks."""
    chunks = list(found.chunks(rows))
    assert [c.start for c in chunks] == list(range(0, found.count, rows))
    assert all(len(c.H) <= rows and c.H.dtype == np.float64 and type(c.H) is np.ndarray for c in chunks)
    parts = ([c.H for c in chunks], [c.labels.dense() for c in chunks], [c.labels.pure() for c in chunks])
    return *map(np.concatenate, parts), np.concatenate([c.weights for c in chunks])


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("rows", [1, 7, N, 100])
def test_every_container_gives_the_same_rows(tmp_path, write, rows):
    arrays = GOOD | {"b": BIAS, "lambda_w": 5e-4, "lambda_h": np.array([2e-3]), "weights": np.arange(N)}
    found = read_activations(str(write(tmp_path, arrays)))
    features, labels, pure, weights = gathered(found, rows)
    assert (features == H).all() and (labels == np.eye(K)[CLASSES]).all() and (pure == CLASSES).all()
    assert (weights == np.arange(N)).all() and (found.b == BIAS).all() and (found.W == W).all()
    assert (found.count, found.dim, found.classes, found.lambda_w, found.lambda_h) == (N, D, K, 5e-4, 2e-3)
    assert [len(c.H) for c in found.chunks()] == [N]
    assert found.held_out == 0 and list(found.held_out_chunks()) == []


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f4", ">f8", "g", "i2", "u8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_dtype_and_order_arrives_as_float64(tmp_path, write, dtype, order):
    stored = np.array(abs(10 * H), dtype=dtype, order=order)
    found = read_activations(str(write(tmp_path, GOOD | {"H": stored})))
    assert (gathered(found, 4)[0] == stored.astype(np.float64)).all()


@pytest.mark.parametrize("dtype", ["f2", ">f4", "f8", "g", "i2"])
@pytest.mark.parametrize("rows, d, r", [(1, 3, 2), (103, 40, 1), (103, 2048, 20), (103, 2048, 200)])
def test_rows_along_directions_are_those_in_full(dtype, rows, d, r):
    """In products of a few rows each, the last of fewer, and in one of all of them; the rows stay as stored."""
    rng = np.random.default_rng(0)
    stored, Q = (10 * rng.normal(size=(rows, d))).astype(dtype), rng.normal(size=(d, r))
    found = from_arrays(H=stored, W=np.ones((2, d)), y=np.zeros(rows, int))
    ((start, part),) = found.parts(rows)
    chunk, full = found.chunk((start, part), Q), found.chunk((start, part))
    assert full.inside is None and chunk.H.dtype == stored.dtype and (stored == chunk.H).all()
    known = stored.astype(np.float64) @ Q
    np.testing.assert_allclose(chunk.size, full.size, rtol=1e-13)
    np.testing.assert_allclose(chunk.inside, known, rtol=1e-11, atol=1e-13 * d * np.abs(known).max())
    assert abs(known[0] - known[-1]).max() > 1e-3 or rows == 1  # a row in the place of another would be seen


@pytest.mark.parametrize("write", [write_npz, write_folder])
def test_uncompressed_arrays_are_mapped_and_others_untouched(tmp_path, write):
    """An array with another name may be a pickle: it is never opened."""
    arrays = GOOD | {"extra": np.array([{"a": 1}], dtype=object)}
    found = read_activations(str(write(tmp_path, arrays)))
    assert isinstance(found.stored["H"].array, np.memmap) and "extra" not in found.stored


def test_an_array_that_is_read_whole_is_counted_in_float64(monkeypatch):
    """As it is, checked, normalised, and a mask: four times 8 bytes an entry."""
    asked = []
    monkeypatch.setattr(mapped, "require", lambda size, *words: asked.append(size))
    mapped.Stored("W", np.ones((5, 7), np.float16)).whole()
    assert asked == [4 * 8 * 35]


def test_a_block_is_32_mib_of_float64():
    stored = np.broadcast_to(np.float16(1.0), (3 * 2**16 + 5, 64))
    found = from_arrays(H=stored, W=np.ones((3, 64)), y=np.zeros(len(stored), int))
    chunk = next(iter(found.chunks()))
    assert 2**24 < chunk.H.nbytes <= 2**25


def test_pairs_are_mixtures():
    found = from_arrays(**PAIRS)
    _, labels, pure, weights = gathered(found, 5)
    expected = mixture(CLASSES, OTHER, LAM)
    assert np.abs(labels - expected).max() < 1e-15 and (weights == 1).all()
    assert (pure == np.where(expected.max(1) == 1, expected.argmax(1), -1)).all() and (pure < 0).any()
    assert pure[0] == OTHER[0] and pure[-1] == CLASSES[-1]  # λ = 0 and 1


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_soft_labels_sum_to_one_whatever_their_precision(dtype):
    soft = changed(SOFT, 4, [0, 1, 0]).astype(dtype)
    _, labels, pure, _ = gathered(from_arrays(H=H, W=W, Y=soft), 5)
    assert np.abs(labels - soft).max() <= 8 * np.finfo(dtype).eps
    assert np.abs(labels.sum(1) - 1).max() < 1e-15 and pure[4] == 1 and (np.delete(pure, 4) == -1).all()


def test_integer_one_hot_labels_are_soft_labels_too():
    assert (gathered(from_arrays(H=H, W=W, Y=np.eye(K, dtype=int)[CLASSES]), 6)[2] == CLASSES).all()


def test_a_row_may_say_see_Y():
    """What --save writes: i = j = −1 and lam = NaN where the label is not two-hot."""
    hidden = np.arange(N) % 4 == 0
    i, j = np.where(hidden, -1, CLASSES), np.where(hidden, -1, OTHER)
    Y = np.where(hidden[:, None], SOFT, mixture(CLASSES, OTHER, LAM))
    found = from_arrays(H=H, W=W, i=i, j=j, lam=np.where(hidden, np.nan, LAM), Y=Y)
    assert np.abs(gathered(found, 5)[1] - Y).max() < 1e-15
    assert found.labels == ("i", "j", "lam", "Y")


@pytest.mark.parametrize("name", ["y", "y_logits"])
def test_held_out_logits_have_classes_of_their_own(name):
    found = from_arrays(**PAIRS, logits=LOGITS, **{name: HELD})
    blocks = list(found.held_out_chunks(4))
    assert (np.concatenate([z for z, _ in blocks]) == LOGITS).all() and found.held_out == len(HELD)
    assert (np.concatenate([y for _, y in blocks]) == HELD).all() and found.labels == ("i", "j", "lam")


def test_held_out_logits_beside_class_labels():
    found = from_arrays(**GOOD, logits=LOGITS, y_logits=HELD)
    assert next(found.held_out_chunks())[1].tolist() == HELD.tolist()
    same = from_arrays(**GOOD, logits=H @ W.T)  # logits of the features themselves
    assert next(same.held_out_chunks())[1].tolist() == CLASSES.tolist()


@pytest.mark.parametrize(
    "flags, keys",
    [
        (["--lam", "0,0.3,1"], ("i", "j", "lam", "Y")),
        (["--labels", "kway", "--samples", "5"], ("i", "j", "lam", "Y")),
        (["--classifier", "free", "--bias", "free", "--quadrature", "3"], ("Y",)),
    ],
)
def test_what_solve_saves_is_read(tmp_path, capsys, flags, keys):
    path = str(tmp_path / "f.npz")
    assert main(["--classes", "3", "--save", path, *flags]) == 0
    capsys.readouterr()
    found, saved = read_activations(path), np.load(path)
    features, labels, _, weights = gathered(found, 4)
    assert found.labels == keys and (features == saved["H"]).all() and np.array_equal(found.W, saved["W"])
    assert np.abs(labels - saved["Y"]).max() < 1e-12
    assert (found.lambda_w, found.lambda_h) == (saved["lambda_w"], saved["lambda_h"])
    assert (weights == saved.get("weights", 1)).all()


BAD = {
    "no H": (without(GOOD, "H"), "has no H; it holds W, y"),
    "no W": (without(GOOD, "W"), "has no W; it holds H, y"),
    "no labels": (without(GOOD, "y"), "no labels: give y"),
    "no lam": (without(PAIRS, "lam"), "come together, got only i, j"),
    "labels twice": (GOOD | {"Y": SOFT}, "labels both as y and as Y"),
    "labels thrice": (
        PAIRS | GOOD | {"logits": LOGITS, "y_logits": HELD},
        "labels both as y and as i, j, lam",
    ),
    "H a vector": (GOOD | {"H": H[:, 0]}, "H must be a matrix N x d"),
    "H a cube": (GOOD | {"H": H[None]}, "H has shape .* joined"),
    "no rows": (GOOD | {"H": H[:0], "y": CLASSES[:0]}, "N >= 1"),
    "no columns": (GOOD | {"H": H[:, :0], "W": W[:, :0]}, "d >= 1"),
    "one class": (GOOD | {"W": W[:1], "y": 0 * CLASSES}, "K >= 2"),
    "W transposed": (GOOD | {"W": W.T}, "give W.T"),
    "b too long": (GOOD | {"b": np.zeros(K + 1)}, "b must have shape"),
    "y too short": (GOOD | {"y": CLASSES[1:]}, "y must have shape"),
    "y a matrix": (GOOD | {"y": np.eye(K, dtype=int)[CLASSES]}, "given as Y"),
    "Y too narrow": (without(GOOD, "y") | {"Y": np.full((N, 2), 0.5)}, "Y must have shape"),
    "lam too short": (PAIRS | {"lam": LAM[1:]}, "lam must have shape"),
    "weights too short": (GOOD | {"weights": LAM[1:]}, "weights must have shape"),
    "H of strings": (GOOD | {"H": H.astype(str)}, "H must hold real numbers"),
    "H complex": (GOOD | {"H": H + 1j}, "H must hold real numbers"),
    "H boolean": (GOOD | {"H": H > 0}, "H must hold real numbers"),
    "H of objects": (GOOD | {"H": H.astype(object)}, "H must hold real numbers"),
    "H structured": (GOOD | {"H": np.zeros(N, dtype=[("a", "f8"), ("b", "f8")])}, "H must hold real numbers"),
    "y of halves": (GOOD | {"y": CLASSES + 0.5}, "y must hold class numbers, row 0 holds 0.5"),
    "y from one": (GOOD | {"y": CLASSES + 1}, "give y - 1"),
    "y too large": (GOOD | {"y": changed(CLASSES, 5, K)}, r"y must lie in 0 … 2 .* row 5: 3"),
    "y negative": (GOOD | {"y": changed(CLASSES, 6, -1)}, "row 6: -1"),
    "i unsigned too large": (PAIRS | {"i": changed(CLASSES, 5, 200).astype("u1")}, "row 5: 200"),
    "i negative without Y": (PAIRS | {"i": changed(CLASSES, 2, -1)}, "i must lie in 0"),
    "j only negative": (
        PAIRS | {"Y": mixture(CLASSES, OTHER, LAM), "j": changed(OTHER, 2, -1)},
        "row 2: i = 2, j = -1",
    ),
    "lam above one": (PAIRS | {"lam": changed(LAM, 9, 1.5)}, r"lam must lie in \[0, 1\] .*row 9"),
    "lam below zero": (PAIRS | {"lam": changed(LAM, 9, -1e-9)}, r"lam must lie in \[0, 1\]"),
    "lam NaN": (PAIRS | {"lam": changed(LAM, 9, np.nan)}, r"lam must lie in \[0, 1\]"),
    "Y not normalised": (without(GOOD, "y") | {"Y": changed(SOFT, (8, 0), 0.9)}, "row 8 sums to"),
    "Y negative": (
        without(GOOD, "y") | {"Y": changed(SOFT, 8, [1.5, -0.5, 0])},
        "row 8 sums to 1, least -0.5",
    ),
    "Y NaN": (without(GOOD, "y") | {"Y": changed(SOFT, (8, 1), np.nan)}, "Y holds NaN or infinity in row 8"),
    "Y and pairs disagree": (PAIRS | {"Y": SOFT}, "disagree in row 0"),
    "W NaN": (GOOD | {"W": changed(W, (2, 0), np.nan)}, "W holds NaN or infinity in row 2"),
    "b infinite": (GOOD | {"b": changed(BIAS, 1, np.inf)}, "b holds NaN or infinity in row 1"),
    "weights negative": (GOOD | {"weights": changed(LAM, 4, -1)}, "weights must be >= 0, row 4"),
    "weights zero": (GOOD | {"weights": 0 * LAM}, "not all be zero"),
    "weights infinite": (
        GOOD | {"weights": changed(LAM, 4, np.inf)},
        "weights holds NaN or infinity in row 4",
    ),
    "lambda_h an array": (GOOD | {"lambda_h": LAM}, "lambda_h must be one number"),
    "lambda_w negative": (GOOD | {"lambda_w": -1.0}, "lambda_w must be one number >= 0"),
    "lambda_w NaN": (GOOD | {"lambda_w": np.nan}, "lambda_w holds NaN"),
    "logits too wide": (GOOD | {"logits": H, "y_logits": CLASSES}, "logits must be a matrix N2 x 3"),
    "logits of other data": (GOOD | {"logits": LOGITS}, "save their own classes as y_logits"),
    "logits without classes": (PAIRS | {"logits": LOGITS}, "save them as y_logits"),
    "classes without logits": (GOOD | {"y_logits": HELD}, "y_logits without logits"),
    "held-out class too large": (GOOD | {"logits": LOGITS, "y_logits": HELD + 1}, "y_logits must lie in 0"),
    "logits NaN": (
        GOOD | {"logits": changed(LOGITS, (3, 0), np.nan), "y_logits": HELD},
        "logits holds NaN or infinity in row 3",
    ),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("write", WRITERS)
def test_bad_arrays_are_refused_before_any_work(tmp_path, name, write):
    arrays, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        read_activations(str(write(tmp_path, arrays)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("write", WRITERS)
def test_a_bad_feature_is_found_while_streaming(tmp_path, write, bad):
    found = read_activations(str(write(tmp_path, GOOD | {"H": changed(H, (17, 2), bad)})))
    for Q in (None, np.eye(D)[:, :1]):  # which does not see column 2
        with pytest.raises(ValueError, match="H holds NaN or infinity in row 17"):
            [found.chunk(part, Q) for part in found.parts(4)]


def test_blocks_have_at_least_a_row():
    with pytest.raises(ValueError, match="rows must be at least 1, got 0"):
        next(from_arrays(**GOOD).chunks(0))


@pytest.mark.parametrize("arrays", [{"H": H}, {}])
def test_names_of_arrays_in_memory_are_checked(arrays):
    with pytest.raises(ValueError, match="arrays are named H, W, b"):
        from_arrays(**arrays)


NAMES = {"h": "H", "ylogits": "y_logits", "Hclean": "H_clean", "lambdaW": "lambda_w", "wieghts": "weights"}
NAMES |= {"features": "H", "labels": "y", "weight": r"W \(or weights, one a row of H\)"}
NAMES |= {"weight_decay": r"lambda_w \(of the features, lambda_h\)"}


@pytest.mark.parametrize("name", [*NAMES, "zzz"])
def test_a_name_that_no_array_has_is_told_with_the_nearest(name):
    meant = f"did you mean {NAMES[name]}[?]" if name in NAMES else r"comparison[.] Arrays"
    for wrong in (
        lambda: from_arrays(**GOOD | {name: H}),
        lambda: activations_of(GOOD | {name: H}, None, {}),
    ):
        with pytest.raises(InputError, match=f"^{name} is no array of a .*{meant}"):
            wrong()
    assert activations_of(dict(GOOD), None, {}).count == len(H)


def test_an_ignored_class_says_so():
    y = np.arange(len(H)) % len(GOOD["W"])
    y[1] = -100
    arrays = {"H": H, "W": GOOD["W"], "y": y}
    with pytest.raises(InputError, match="row 1: -100; give only rows that have a class"):
        from_arrays(**arrays)
    with pytest.raises(InputError, match=r"row 1: -2; give names"):
        from_arrays(**arrays | {"y": np.where(y < 0, -2, y)})


def test_objects_in_memory_are_refused():
    with pytest.raises(ValueError, match="H must hold real numbers"):
        from_arrays(**GOOD | {"H": H.astype(object)})


class Planted:
    """Unpickling this would leave a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("key", ["H", "W", "y", "lambda_w"])
def test_no_pickle_is_executed(tmp_path, write, key):
    trap = tmp_path / "trap"
    planted = np.empty((), dtype=object)
    planted[()] = Planted(str(trap))
    with pytest.raises(ValueError, match=f"{key} must hold real numbers"):
        read_activations(str(write(tmp_path, GOOD | {key: planted})))
    (tmp_path / "raw.npz").write_bytes(pickle.dumps(Planted(str(trap))))
    with pytest.raises(ValueError, match=r"not a whole \.npz file"):
        read_activations(str(tmp_path / "raw.npz"))
    assert not trap.exists()


def npy_bytes(array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def header(text: str, version: int = 1) -> bytes:
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text.encode()


def shaped(shape: str, descr: str = "'<f8'") -> bytes:
    return header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n")


HEADERS = {
    "empty": b"",
    "no magic": b"hello world" * 10,
    "cut in the magic": b"\x93NUM",
    "cut in the header": npy_bytes(H)[:40],
    "version 9": b"\x93NUMPY\x09\x00" + npy_bytes(H)[8:],
    "version 3": header("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1)}\n", 3) + bytes(8),
    "code": header("__import__('os').system('true')\n"),
    "deep": header("(" * 20000 + ")" * 20000),
    "long second version": b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b" " * 100,
    "huge": shaped(f"({2**62}, {2**62})") + bytes(8),
    "huge and empty": shaped(f"(0, {2**70})"),
    "negative": shaped("(-1, -8)") + bytes(64),
    "more than there is": shaped(f"({N}, {D})") + bytes(8 * N * D - 1),
    "less than there is": shaped(f"({N}, {D})") + bytes(8 * N * D + 1),
    "no such dtype": shaped("(2, 2)", "'<q9'") + bytes(32),
    "objects": shaped("(1, 1)", "'|O'") + bytes(8),
    "nested": shaped("(1, 1)", "('<f8', (2,))") + bytes(16),
}


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, None])
@pytest.mark.filterwarnings("ignore:Reading `.npy`:UserWarning")
def test_absurd_headers_are_refused(tmp_path, name, kind):
    path = write_folder(tmp_path, without(GOOD, "H"))
    (path / "H.npy").write_bytes(HEADERS[name])
    if kind is not None:
        path = tmp_path / "a.npz"
        with zipfile.ZipFile(path, "w", kind) as archive:
            for key in GOOD:
                archive.write(tmp_path / f"{key}.npy", f"{key}.npy")
    with pytest.raises(ValueError, match=r"H (is damaged|is not a plain \.npy|must hold real numbers)"):
        read_activations(str(path))


@pytest.mark.parametrize("write", [write_npz, write_compressed])
def test_a_truncated_file_is_refused(tmp_path, write):
    whole = write(tmp_path, GOOD).read_bytes()
    for size in [0, 1, 3, 4, 30, len(whole) // 2, len(whole) - 30, len(whole) - 1]:
        (tmp_path / "cut.npz").write_bytes(whole[:size])
        with pytest.raises(ValueError, match="npz"):
            read_activations(str(tmp_path / "cut.npz"))


@pytest.mark.parametrize("write", [write_npz, write_compressed])
def test_no_changed_byte_goes_unnoticed(tmp_path, write):
    """Either the file is refused, or what is read is what was written (a byte in a field that nobody needs)."""
    whole = bytearray(write(tmp_path, GOOD).read_bytes())
    path = tmp_path / "flipped.npz"
    refused, version = 0, whole.index(b"PK\x01\x02") + 6
    for place in [version, *range(0, len(whole), 7)]:
        path.write_bytes(bytes(changed(np.frombuffer(whole, np.uint8), place, whole[place] ^ 0x55)))
        try:
            features, labels, *_ = gathered(read_activations(str(path)), 5)
        except ValueError:
            refused += 1
            continue
        assert (features == H).all() and (labels == np.eye(K)[CLASSES]).all()
    assert refused > 0.6 * len(range(0, len(whole), 7))


def test_a_changed_feature_is_found_by_the_checksum(tmp_path):
    path = write_npz(tmp_path, GOOD)
    whole = bytearray(path.read_bytes())
    whole[whole.index(H[3].tobytes()) + 1] ^= 1
    path.write_bytes(whole)
    found = read_activations(str(path))
    with pytest.raises(ValueError, match="H is damaged"):
        list(found.chunks(5))


def test_compressed_arrays_above_the_limit_are_refused(tmp_path, monkeypatch):
    path = write_compressed(tmp_path, GOOD)
    monkeypatch.setattr(memory, "allowed", lambda: 100)
    with pytest.raises(memory.TooLarge, match=r"write them with numpy\.savez, which are mapped"):
        read_activations(str(path))


def test_a_bomb_is_not_inflated(tmp_path, monkeypatch):
    """A thousand-fold compressed member is refused by its declared size; one that lies is cut at it."""
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("H.npy", "w") as member:
        for _ in range(30):
            member.write(bytes(2**20))
    assert path.stat().st_size < 2**15
    monkeypatch.setattr(memory, "allowed", lambda: 2**25)
    with pytest.raises(
        ValueError, match=r"60\.0 MiB for the compressed arrays, inflated; 32\.0 MiB are allowed"
    ):
        read_activations(str(path))
    whole, true, lie = path.read_bytes(), struct.pack("<I", 30 * 2**20), struct.pack("<I", 1000)
    path.write_bytes(whole.replace(true, lie))
    with pytest.raises(ValueError, match=r"npz|damaged|plain"):
        read_activations(str(path))


def test_a_large_classifier_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "allowed", lambda: 100)
    with pytest.raises(memory.TooLarge, match="for W; 100 bytes are allowed"):
        from_arrays(**GOOD)


def test_other_kinds_of_zip_members_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("H.npy", npy_bytes(H))
    with pytest.raises(ValueError, match="compressed in a way numpy does not write"):
        read_activations(str(path))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "w") as archive:
        archive.writestr("H.npy", npy_bytes(H))
        archive.writestr("H.npy", npy_bytes(2 * H))
    with pytest.raises(ValueError, match="two arrays of the same name"):
        read_activations(str(path))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("H.npy", npy_bytes(H))
    whole = bytearray(path.read_bytes())
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="encrypted"):
        read_activations(str(path))


def test_what_is_not_a_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"neither an \.npz file nor a folder"):
        read_activations(str(tmp_path / "absent.npz"))
    with pytest.raises(ValueError, match=r"neither an \.npz file nor a folder"):
        read_activations("\0")
    (tmp_path / "s").mkdir()
    for name in ("shard-000000.npz", "shard-000001.npz"):
        np.savez(tmp_path / "s" / name, **GOOD)
    with pytest.raises(
        InputError, match=r"2 shards, which --save FOLDER/ writes: give one of them, like .*-0000"
    ):
        read_activations(str(tmp_path / "s"))
    assert read_activations(str(tmp_path / "s" / "shard-000001.npz")).count == N
    (tmp_path / "other").mkdir()
    np.savez(tmp_path / "other" / "a.npz", **GOOD)
    with pytest.raises(InputError, match=r"a folder that holds a\.npz: give one of these"):
        read_activations(str(tmp_path / "other"))
    np.save(tmp_path / "other" / "H.npy", H)
    with pytest.raises(InputError, match=r"has no W; it holds H\. Save H"):
        read_activations(str(tmp_path / "other"))
    with pytest.raises(ValueError, match="has no H; it holds nothing"):
        read_activations(str(tmp_path))
    np.save(tmp_path / "H.npy", H)
    with pytest.raises(ValueError, match=r"not a whole \.npz file"):
        read_activations(str(tmp_path / "H.npy"))
    (tmp_path / "W.npy").mkdir()
    with pytest.raises(ValueError, match="is not a regular file"):
        read_activations(str(tmp_path))


STREAM = """
import json, sys, tracemalloc
from ufm.network.read.activations import read_activations
from ufm.network.collapse.statistics import class_statistics

def anonymous():
    try:
        lines = open("/proc/self/smaps_rollup").read().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))

def watched():
    for rows in found.pure_chunks():
        seen.append(anonymous())
        yield rows

seen = [anonymous()]
tracemalloc.start()
found = read_activations(sys.argv[1])
stats = class_statistics(watched, found.classes, found.W)
seen.append(anonymous())
traced = tracemalloc.get_traced_memory()[1]
print(json.dumps({"traced": traced, "grown": max(seen) - seen[0], "count": stats.count}))
"""


def write_large(path: Path, rows: int, dim: int) -> None:
    """H of `rows` x `dim` float32 as a stored member, written block by block."""
    rng = np.random.default_rng(0)
    label = np.arange(rows) % 10
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("H.npy", "w", force_zip64=True) as member:
            member.write(shaped(f"({rows}, {dim})", "'<f4'"))
            for start in range(0, rows, 4096):
                member.write(rng.random((min(4096, rows - start), dim), np.float32).tobytes())
        for key, value in {"y": label, "W": rng.normal(size=(10, dim))}.items():
            archive.writestr(f"{key}.npy", npy_bytes(value))


def test_a_file_larger_than_the_memory_allowed_is_streamed(tmp_path):
    """200 MB of features (400 MB in float64) pass twice through blocks of 4 MiB: memory stays small."""
    path = tmp_path / "large.npz"
    write_large(path, 100_000, 500)
    small = STREAM.replace(
        "import json",
        "import ufm.network.read.activations\nufm.network.read.activations.BLOCK = 2**22\nimport json",
        1,
    )
    command = [sys.executable, "-c", small, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    used = json.loads(run.stdout)
    assert used["count"] == 100_000
    assert used["traced"] < 2**25 and used["grown"] < 2**27


def test_reading_needs_no_jax():
    modules = "ufm.network.read.activations, ufm.network.collapse.metrics"
    script = f"import sys, {modules}\nassert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])
