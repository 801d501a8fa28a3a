"""Data sets: small files in the true formats, written here by hand, and files that lie."""

import gzip
import hashlib
import io
import os
import pickle
import struct
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from experiments.datasets import Dataset, arrays, batches, cifar, debian, files, idx, load_dataset, subset
from experiments.datasets.dataset import balanced_indices, unit_pixels

RNG = np.random.default_rng(7)


def pixels(count, *size):
    return RNG.integers(0, 256, (count, *size), dtype=np.uint8)


def labels(count, classes):
    return RNG.permutation(np.arange(count) % classes)


def back(x):
    """Pixels of a loaded image; exact, or the test fails on the float32 that is not a 255th."""
    found = np.rint(x * 255).astype(np.uint8)
    assert x.dtype == np.float32 and np.array_equal((found / np.float32(255)).astype(np.float32), x)
    return found


def save(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


# IDX

TRAIN_X, TRAIN_Y, TEST_X, TEST_Y = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx_bytes(array, kind=8):
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, kind, array.ndim]) + sizes + array.tobytes()


@pytest.fixture
def mnist(tmp_path):
    """A folder with four small IDX files, and what is in them."""
    held = {
        TRAIN_X: pixels(20, 5, 4),
        TRAIN_Y: labels(20, 10).astype(np.uint8),
        TEST_X: pixels(7, 5, 4),
        TEST_Y: labels(7, 10).astype(np.uint8),
    }
    for name, array in held.items():
        save(tmp_path / name, idx_bytes(array))
    return tmp_path, held


@pytest.mark.parametrize("name, given", [("mnist", "mnist"), ("fashion", "fashion"), (None, "idx")])
@pytest.mark.parametrize("zipped", [False, True])
def test_idx_gives_the_pixels_that_were_written(mnist, name, given, zipped):
    place, held = mnist
    for part in held if zipped else ():
        save(place / f"{part}.gz", gzip.compress((place / part).read_bytes()))
        (place / part).unlink()
    data = load_dataset(name, str(place))
    assert (data.name, data.classes, data.train_x.shape) == (given, 10, (20, 5, 4, 1))
    np.testing.assert_array_equal(back(data.train_x)[..., 0], held[TRAIN_X])
    np.testing.assert_array_equal(back(data.test_x)[..., 0], held[TEST_X])
    np.testing.assert_array_equal(data.train_y, held[TRAIN_Y])
    np.testing.assert_array_equal(data.test_y, held[TEST_Y])
    assert data.train_y.dtype == data.test_y.dtype == np.int32
    suffix = ".gz" if zipped else ""
    assert data.checksums == {f"{part}{suffix}": sha(place / f"{part}{suffix}") for part in held}
    assert str(place) not in data.source and TRAIN_X in data.source


def test_every_value_of_a_pixel_survives():
    levels = np.arange(256, dtype=np.uint8)
    x = unit_pixels(levels)
    assert x[0] == 0 and x[-1] == 1 and np.array_equal(back(x), levels)


def cut(data, count):
    return data[:count]


def replaced(data, at, new):
    return data[:at] + new + data[at + len(new) :]


BROKEN = {
    "wrong zeros": (TRAIN_X, lambda d: replaced(d, 0, b"\x01"), "begins with 01 00 08 03"),
    "floats": (TRAIN_X, lambda d: replaced(d, 2, b"\x0d"), "begins with 00 00 0d 03"),
    "labels as images": (TRAIN_X, lambda d: idx_bytes(np.zeros(20, np.uint8)), "needed is 00 00 08 03"),
    "images as labels": (
        TRAIN_Y,
        lambda d: idx_bytes(np.zeros((20, 1, 1), np.uint8)),
        "needed is 00 00 08 01",
    ),
    "empty": (TRAIN_X, lambda d: b"", "begins with nothing"),
    "cut in the header": (TRAIN_X, lambda d: cut(d, 9), "cut off inside its header"),
    "cut in the data": (TRAIN_X, lambda d: cut(d, -1), "fewer bytes"),
    "trailing byte": (TRAIN_X, lambda d: d + b"\0", "more bytes"),
    "no images": (TRAIN_X, lambda d: idx_bytes(np.zeros((0, 5, 4), np.uint8)), "is empty"),
    "claims too much": (TRAIN_X, lambda d: replaced(d, 4, b"\xff" * 12), "at most 1024 MiB"),
    "one label less": (
        TRAIN_Y,
        lambda d: replaced(cut(d, -1), 4, (19).to_bytes(4, "big")),
        "20 images but labels",
    ),
    "a label too many": (TEST_Y, lambda d: replaced(d, 8, b"\x0a"), "labels must be 0 to 9, found 10"),
    "a class missing": (TRAIN_Y, lambda d: cut(d, 8) + b"\x03" * 20, "only 1 of 10 classes"),
    "other image size": (TEST_X, lambda d: idx_bytes(np.zeros((7, 4, 5), np.uint8)), "sizes must agree"),
}


@pytest.mark.parametrize("part, spoil, message", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("zipped", [False, True])
def test_broken_idx_is_refused(mnist, part, spoil, message, zipped):
    place, _ = mnist
    data = spoil((place / part).read_bytes())
    (place / part).unlink()
    save(place / (f"{part}.gz" if zipped else part), gzip.compress(data) if zipped else data)
    with pytest.raises(ValueError, match=message):
        load_dataset("mnist", str(place))


@pytest.mark.parametrize("spoil", [lambda d: d[:-9], lambda d: d[:-8] + b"\0" * 8, lambda d: b"no gzip" + d])
def test_a_damaged_gzip_file_is_refused(mnist, spoil):
    place, held = mnist
    (place / TRAIN_X).unlink()
    save(place / f"{TRAIN_X}.gz", spoil(gzip.compress(idx_bytes(held[TRAIN_X]))))
    with pytest.raises(ValueError, match="no whole gzip file"):
        load_dataset("mnist", str(place))


def test_a_gzip_bomb_is_not_inflated_beyond_its_header(mnist, monkeypatch):
    place, held = mnist
    (place / TRAIN_X).unlink()
    bomb = gzip.compress(idx_bytes(held[TRAIN_X]) + bytes(2**24))
    save(place / f"{TRAIN_X}.gz", bomb)
    asked = []
    plain = idx.inflate
    monkeypatch.setattr(
        idx, "inflate", lambda data, most, where: asked.append(most) or plain(data, most, where)
    )
    with pytest.raises(ValueError, match="more bytes"):
        load_dataset("mnist", str(place))
    assert max(asked) == 16 + 20 * 5 * 4 + 1


def test_a_missing_or_unreadable_file_is_named(mnist):
    place, _ = mnist
    (place / TEST_Y).unlink()
    with pytest.raises(ValueError, match=f"{TEST_Y}.gz is missing"):
        load_dataset("mnist", str(place))
    os.mkfifo(place / f"{TEST_Y}.gz")  # would wait for a writer
    with pytest.raises(ValueError, match="no regular file"):
        load_dataset("mnist", str(place))


def test_files_above_the_limit_are_refused(mnist, monkeypatch):
    place, _ = mnist
    monkeypatch.setattr(files, "LIMIT", 50)
    with pytest.raises(ValueError, match="larger than"):
        load_dataset("mnist", str(place))


# CIFAR

LAYOUTS = {layout.name: layout for layout in (cifar.CIFAR10, cifar.CIFAR100)}


def cifar_parts(layout):
    """(file name without suffix, images (N, 32, 32, 3), coarse labels, labels) of every file."""
    count = 4 if layout is cifar.CIFAR10 else 100
    number = labels(count * len(layout.train), layout.classes)
    for part, held in zip((*layout.train, layout.test), (*np.split(number, len(layout.train)), number[:4])):
        yield part, pixels(len(held), 32, 32, 3), held // 5, held


def planes(images):
    """(N, 3072): red, green, blue, written out without the library's transpose."""
    return np.stack([np.concatenate([image[:, :, c].ravel() for c in range(3)]) for image in images])


def binary_file(layout, images, coarse, fine):
    heads = ([c, f] if layout is cifar.CIFAR100 else [f] for c, f in zip(coarse, fine))
    return b"".join(bytes(head) + plane.tobytes() for head, plane in zip(heads, planes(images)))


def batch_dict(layout, images, coarse, fine, order="C"):
    """The dictionary of a Python batch, keys as bytes."""
    batch = {b"data": np.asarray(planes(images), order=order), b"batch_label": b"training batch 1 of 5"}
    batch[b"filenames"] = [b"leptodactylus_pentadactylus_s_000004.png"] * len(fine)
    if layout is cifar.CIFAR10:
        return batch | {b"labels": fine.tolist()}
    return batch | {b"coarse_labels": coarse.tolist(), b"fine_labels": fine.tolist()}


def python2_file(layout, images, coarse, fine):
    """The same as Python 2 with numpy 1 wrote it, in protocol 2: byte strings, and the old names of numpy."""

    def short(text):
        return b"U" + bytes([len(text)]) + text

    def numbers(values):
        return b"](" + b"".join(b"K" + bytes([value]) for value in values) + b"e"

    data = planes(images).tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x05cnumpy\nndarray\nq\x06K\x00\x85U\x01b\x87Rq\x07(K\x01"
    )
    array += b"M" + struct.pack("<H", len(images)) + b"M\x00\x0c\x86cnumpy\ndtype\nq\x08" + short(b"u1")
    array += b"K\x00K\x01\x87Rq\x09(K\x03" + short(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
    array += b"T" + struct.pack("<i", len(data)) + data + b"tb"
    items = short(b"batch_label") + b"q\x02" + short(b"training batch 1 of 5") + short(b"data") + array
    if layout is cifar.CIFAR10:
        items += short(b"labels") + numbers(fine)
    else:
        items += short(b"coarse_labels") + numbers(coarse) + short(b"fine_labels") + numbers(fine)
    return b"\x80\x02}q\x01(" + items + b"u."


def test_the_hand_written_batch_is_what_pickle_reads():
    """The bytes above mean to pickle what they mean here."""
    layout = cifar.CIFAR10
    _, images, coarse, fine = next(cifar_parts(layout))
    found = pickle.loads(python2_file(layout, images, coarse, fine), encoding="bytes")
    np.testing.assert_array_equal(found[b"data"], planes(images))
    assert found[b"labels"] == fine.tolist()


def dumped(protocol, order="C"):
    return lambda *what: pickle.dumps(batch_dict(*what, order=order), protocol=protocol)


FORMS = {
    "binary": (".bin", binary_file),
    "python 2": ("", python2_file),
    "python 3, protocol 2": ("", dumped(2)),
    "python 3, protocol 3": ("", dumped(3)),
    "python 3, protocol 4": ("", dumped(4)),
    "column-major": ("", dumped(2, "F")),
}


def write_cifar(place, layout, form):
    """Folder with the files of a form; what they hold: training images and labels, test images and labels."""
    suffix, encode = FORMS[form]
    held = list(cifar_parts(layout))
    for part, *what in held:
        save(place / f"{part}{suffix}", encode(layout, *what))
    train_x, train_y = (np.concatenate([part[k] for part in held[:-1]]) for k in (1, 3))
    return train_x, train_y, held[-1][1], held[-1][3]


def assert_holds(data, held):
    for found, written in zip((back(data.train_x), data.train_y, back(data.test_x), data.test_y), held):
        np.testing.assert_array_equal(found, written)


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("detected", [False, True])
def test_cifar_gives_the_pixels_that_were_written(tmp_path, name, form, detected):
    held = write_cifar(tmp_path, LAYOUTS[name], form)
    data = load_dataset(None if detected else name, str(tmp_path))
    assert_holds(data, held)
    assert (data.name, data.classes) == (name, LAYOUTS[name].classes)
    assert data.checksums == {path.name: sha(path) for path in tmp_path.iterdir()}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("version", ["binary", "python"])
@pytest.mark.parametrize("packed", [False, True])
def test_cifar_in_its_published_folder_or_archive(tmp_path, name, version, packed):
    folder, archive = getattr(LAYOUTS[name], version)
    held = write_cifar(tmp_path / folder, LAYOUTS[name], "binary" if version == "binary" else "python 2")
    if packed:
        with tarfile.open(tmp_path / archive, "w:gz") as tar:
            tar.add(tmp_path / folder, folder)
        for path in (tmp_path / folder).iterdir():
            path.unlink()
        (tmp_path / folder).rmdir()
    before = sorted(tmp_path.rglob("*"))
    data = load_dataset(name, str(tmp_path))
    assert_holds(data, held)
    assert sorted(tmp_path.rglob("*")) == before  # nothing was unpacked
    if packed:
        assert data.checksums == {archive: sha(tmp_path / archive)}


def test_coarse_labels_are_not_the_classes(tmp_path):
    """Fine labels are read, which a file whose coarse labels differ would tell."""
    _, train_y, _, _ = write_cifar(tmp_path, cifar.CIFAR100, "binary")
    data = load_dataset("cifar100", str(tmp_path))
    assert data.train_y.max() == 99 and not np.array_equal(data.train_y, train_y // 5)


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("change", [lambda d: d[:-1], lambda d: d + b"\0", lambda d: b""])
def test_binary_files_that_end_inside_an_image_are_refused(tmp_path, name, change):
    layout = LAYOUTS[name]
    write_cifar(tmp_path, layout, "binary")
    path = tmp_path / f"{layout.train[-1]}.bin"
    save(path, change(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{path.name}.*a multiple of"):
        load_dataset(name, str(tmp_path))


def test_binary_labels_out_of_range_and_missing_files_are_refused(tmp_path):
    write_cifar(tmp_path, cifar.CIFAR10, "binary")
    path = tmp_path / "data_batch_3.bin"
    save(path, b"\x0a" + path.read_bytes()[1:])
    with pytest.raises(ValueError, match="labels must be 0 to 9, found 10"):
        load_dataset("cifar10", str(tmp_path))
    path.unlink()
    with pytest.raises(ValueError, match=r"data_batch_3\.bin is missing"):
        load_dataset("cifar10", str(tmp_path))


# Pickles that are no batches


class Evil:
    """Pickles as a call, wherever it stands."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def good_batch():
    return batch_dict(cifar.CIFAR10, pixels(4, 32, 32, 3), None, np.arange(4))


def refuse(batch, message, protocol=2):
    data = batch if isinstance(batch, bytes) else pickle.dumps(batch, protocol=protocol)
    with pytest.raises(ValueError, match=message):
        cifar.parse_python(data, cifar.CIFAR10, "test_batch")


CALLS = {
    "os.system": lambda mark: Evil(os.system, f"touch {mark}"),
    "builtins.eval": lambda mark: Evil(eval, f"open({str(mark)!r}, 'w')"),
    "builtins.exec": lambda mark: Evil(exec, f"open({str(mark)!r}, 'w')"),
    "builtins.getattr": lambda mark: Evil(np.ndarray.tofile, np.zeros(1), str(mark)),
}


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("where", ["whole", "value", "key", "labels", "object array"])
@pytest.mark.parametrize("call", CALLS)
def test_no_call_in_a_pickle_is_made(tmp_path, protocol, where, call):
    mark = tmp_path / "mark"
    evil = CALLS[call](mark)
    batch = good_batch()
    if where == "object array":
        batch[b"data"] = np.array([evil], object)
    elif where == "key":
        batch = {evil: 0} | batch
    elif where == "whole":
        batch = evil
    else:
        batch[b"labels" if where == "labels" else b"filenames"] = [evil]
    refuse(batch, "refused and was not called|the instruction", protocol)
    assert not mark.exists()


@pytest.mark.parametrize("call", CALLS)
def test_the_calls_above_are_made_by_pickle(tmp_path, call):
    """Negative control: what is refused here does harm elsewhere."""
    mark = tmp_path / "mark"
    pickle.loads(pickle.dumps(CALLS[call](mark), protocol=2))
    assert mark.exists()


@pytest.mark.parametrize(
    "data, message",
    [
        (np.array([[1, "a"]], object), "array holds O8"),
        (np.array([[None, None]], object), "array holds O8"),
        (np.zeros((4, 3072)), "array holds f8"),
        (np.zeros((4, 3072), "i1"), "array holds i1"),
        (np.zeros(4, [("a", "u1")]), "no matrix"),
        (np.zeros((4, 3, 32, 32), np.uint8), "no matrix"),
        (np.zeros((4, 3071), np.uint8), "data of shape"),
        (np.zeros((5, 3072), np.uint8), "4 labels and data"),
        ([0] * 3072, "no matrix"),
    ],
)
def test_only_matrices_of_unsigned_bytes_are_arrays(data, message):
    refuse(good_batch() | {b"data": data}, message)


@pytest.mark.parametrize(
    "bad", [[0, 1, 2, 10], [0, 1, 2, -1], [0, 1, 2, 2.0], [0, 1, 2, True], (0, 1, 2, 3), "0123"]
)
def test_python_labels_are_a_list_of_classes(bad):
    refuse(good_batch() | {b"labels": bad}, "labels are no list of integers|the instruction BINFLOAT")


def record(shape, kind=b"U\x02u1", raw=b"U\x02ab", name=b"numpy.core.multiarray\n_reconstruct"):
    """Pickle of one array's record with what is given in its state."""
    array = b"c" + name + b"\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01" + shape
    return b"\x80\x02" + array + b"cnumpy\ndtype\n" + kind + b"K\x00K\x01\x87R\x89" + raw + b"tb."


def test_a_record_of_an_array_is_made_into_that_array():
    found = batches.unsigned_bytes(batches.run(record(b"K\x01K\x02\x86")))
    np.testing.assert_array_equal(found, [[97, 98]])


@pytest.mark.parametrize(
    "data, message",
    [
        (record(b"K\x02K\x02\x86"), "2 x 2 has 2 bytes"),
        (record(b"J\xff\xff\xff\xffJ\xfe\xff\xff\xff\x86"), "-1 x -2 has"),
        (record(b"K\x00K\x02\x86", raw=b"U\x00"), "0 x 2 has 0 bytes"),
        (record(b"K\x02\x85"), "no matrix"),
        (record(b"K\x01U\x012\x86"), "no matrix"),
        (record(b"K\x01K\x02\x86", kind=b"U\x01O"), "array holds O"),
        (record(b"K\x01K\x02\x86", kind=b"]"), "no string"),
        (record(b"K\x01K\x02\x86", raw=b"]"), "has no bytes"),
        (record(b"K\x01K\x02\x86", name=b"numpy\ndtype"), "no matrix"),
        (record(b"K\x01K\x02\x86", name=b"numpy\nload"), "asks for numpy.load"),
    ],
)
def test_a_record_that_lies_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        batches.unsigned_bytes(batches.run(data))


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "exhausted"),
        (b"no pickle", "unknown|instruction"),
        (b"\x80\x02.", "stack runs empty"),
        (b"\x80\x02u.", "never set"),
        (b"\x80\x02h\x05.", "never set"),
        (b"\x80\x02](K\x01K\x02u.", "no dict"),
        (b"\x80\x02}(K\x01K\x02e.", "no list"),
        (b"\x80\x02}(U\x01au.", "no value"),
        (b"\x80\x02}(K\x01K\x02u.", "no string"),
        (b"\x80\x02}(U\xc8" + b"a" * 200 + b"K\x01u.", "too long"),
        (b"\x80\x02}}b.", "no Call"),  # attributes of a dictionary
        (b"\x80\x02P1\n.", "instruction PERSID"),
        (b"\x80\x02\x82\x01.", "instruction EXT1"),
        (b"\x80\x05\x96" + b"\xff" * 7 + b"\x0f.", "expected|instruction"),  # a bytearray of 2^60 bytes
        (b"\x80\x02]r\xff\xff\xff\xff.", "no dictionary"),  # a memo of 2^32 entries costs one
        (b"\x80\x02" + b"K\x01" + b"\x85" * 10**5 + b".", "no dictionary"),  # deeply nested
    ],
)
def test_a_pickle_that_is_no_batch_is_refused(data, message):
    refuse(data, message)


def test_a_batch_cut_anywhere_is_refused():
    data = python2_file(cifar.CIFAR10, pixels(1, 32, 32, 3), None, [3])
    cifar.parse_python(data, cifar.CIFAR10, "whole")
    for length in (*range(150), *range(150, len(data), 97), len(data) - 1):
        refuse(data[:length], "no Python batch")


def test_a_batch_without_labels_is_refused():
    batch = good_batch()
    del batch[b"labels"]
    refuse(batch, "no dictionary with data and labels")


# Archives


def pack(path, members):
    with tarfile.open(path, "w:gz") as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def member(name, **fields):
    found = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(found, key, value)
    return found


def cifar100_members():
    layout = cifar.CIFAR100
    return [
        (member(f"cifar-100-binary/{part}.bin"), binary_file(layout, *what))
        for part, *what in cifar_parts(layout)
    ]


ARCHIVES = {
    "no test.bin": (lambda m: m[:1], "must hold one test.bin, it holds 0"),
    "two of a name": (lambda m: [*m, (member("other/test.bin"), b"")], "must hold one test.bin, it holds 2"),
    "a link": (
        lambda m: [m[0], (member("test.bin", type=tarfile.SYMTYPE, linkname="/etc/hostname"), b"")],
        "no plain",
    ),
    "a device": (lambda m: [m[0], (member("test.bin", type=tarfile.CHRTYPE), b"")], "no plain"),
    "a folder": (lambda m: [m[0], (member("test.bin", type=tarfile.DIRTYPE), b"")], "no plain"),
}


@pytest.mark.parametrize("change, message", ARCHIVES.values(), ids=ARCHIVES)
def test_archives_that_hold_something_else_are_refused(tmp_path, change, message):
    pack(tmp_path / "cifar-100-binary.tar.gz", change(cifar100_members()))
    with pytest.raises(ValueError, match=message):
        load_dataset("cifar100", str(tmp_path))


def test_a_member_that_points_outside_is_read_by_its_base_name_only(tmp_path):
    members = cifar100_members()
    members[1][0].name = "../../../test.bin"
    pack(tmp_path / "cifar-100-binary.tar.gz", members)
    assert load_dataset(None, str(tmp_path)).name == "cifar100"
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-100-binary.tar.gz"]


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda d: d[: len(d) // 2], "no whole gzip file"),
        (lambda d: b"not an archive", "no whole gzip file"),
        (lambda d: gzip.compress(b"not an archive" * 100), "no whole tar archive|must hold one"),
        (lambda d: gzip.compress(gzip.decompress(d)[:100_000]), "no whole tar archive|must hold one"),
    ],
)
def test_a_damaged_archive_is_refused(tmp_path, change, message):
    path = tmp_path / "cifar-100-binary.tar.gz"
    pack(path, cifar100_members())
    save(path, change(path.read_bytes()))
    with pytest.raises(ValueError, match=message):
        load_dataset("cifar100", str(tmp_path))


def test_an_archive_that_inflates_beyond_the_limit_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "cifar-100-binary.tar.gz"
    pack(path, [*cifar100_members(), (member("zeros"), bytes(2**23))])
    monkeypatch.setattr(files, "LIMIT", 2**22)
    assert path.stat().st_size < 2**22
    with pytest.raises(ValueError, match="inflates to more than 4 MiB"):
        load_dataset("cifar100", str(tmp_path))


def test_sizes_that_lie_in_an_archive_are_refused(tmp_path):
    """A sparse member of 2^40 bytes, and one of negative size, which some versions of tarfile never leave."""
    path = tmp_path / "cifar-100-binary.tar.gz"
    sparse = tarfile.TarInfo("train.bin")
    sparse.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,0"}
    sparse.pax_headers |= {"GNU.sparse.name": "train.bin", "GNU.sparse.size": str(2**40)}
    head = sparse.tobuf(tarfile.PAX_FORMAT) + cifar100_members()[1][0].tobuf() + bytes(1024)
    save(path, gzip.compress(head))
    with pytest.raises(ValueError, match="no plain file"):
        load_dataset("cifar100", str(tmp_path))
    back = bytearray(tarfile.TarInfo("other").tobuf())
    back[124:136] = b"\xff" * 10 + b"\xfc\x00"  # −1024, from the end of the third header to the second
    back[148:156] = b"%06o\0 " % (sum(back[:148]) + sum(back[156:]) + 8 * 32)
    save(path, gzip.compress(2 * tarfile.TarInfo("other").tobuf() + bytes(back) + bytes(1024)))
    with pytest.raises(ValueError, match=r"negative size|must hold one"):
        load_dataset("cifar100", str(tmp_path))


# npz


def npz_arrays(channels=(), dtype=np.uint8):
    x = [pixels(count, 5, 4, *channels) for count in (12, 6)]
    if dtype != np.uint8:
        x = [(part / 255).astype(dtype) for part in x]
    return {"x_train": x[0], "y_train": labels(12, 4), "x_test": x[1], "y_test": labels(6, 4)}


@pytest.mark.parametrize("writer", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_npz_gives_what_was_written(tmp_path, writer, channels, dtype):
    held = npz_arrays(channels, dtype)
    writer(tmp_path / "mine.npz", **held)
    for where in (tmp_path, tmp_path / "mine.npz"):
        data = load_dataset(None, str(where))
        assert (data.name, data.classes, data.train_x.shape) == ("npz", 4, (12, 5, 4, *(channels or (1,))))
        expected = held["x_train"].reshape(data.train_x.shape)
        found = back(data.train_x) if dtype == np.uint8 else data.train_x
        np.testing.assert_array_equal(found, expected.astype(found.dtype))
        np.testing.assert_array_equal(data.test_y, held["y_test"])
        assert data.checksums == {"mine.npz": sha(tmp_path / "mine.npz")}


def test_npz_labels_may_be_a_column_as_keras_writes_them(tmp_path):
    held = npz_arrays()
    np.savez(tmp_path / "c.npz", **held | {"y_train": held["y_train"][:, None].astype(np.uint8)})
    np.testing.assert_array_equal(load_dataset("npz", str(tmp_path)).train_y, held["y_train"])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"x_train": None}, "has no x_train"),
        ({"x_train": np.zeros((12, 20), np.uint8)}, "x_train must be N x height x width"),
        ({"x_train": np.zeros((12, 5, 4), np.int64)}, "unsigned bytes or floats"),
        ({"x_train": np.full((12, 5, 4), 1.5)}, r"x_train: floats must lie in \[0, 1\]"),
        ({"x_train": np.full((12, 5, 4), -0.5)}, r"x_train: floats must lie in \[0, 1\]"),
        ({"x_train": np.full((12, 5, 4), np.nan)}, r"x_train: floats must lie in \[0, 1\]"),
        ({"x_train": np.full((12, 5, 4), None)}, "x_train must hold real numbers"),
        ({"x_test": np.zeros((0, 5, 4), np.uint8)}, "x_test must be"),
        ({"y_train": np.zeros(12)}, "y_train must be N or N x 1 integers"),
        ({"y_train": np.zeros((12, 4), int)}, "y_train must be N or N x 1 integers"),
        ({"y_train": np.array(3)}, "y_train must be N or N x 1 integers"),
        ({"y_train": np.arange(12) - 1}, "found -1 to 10"),
        ({"y_train": np.arange(12) + 2**32}, "classes from 0 on"),  # 0 to 11 in int32
        ({"y_train": np.arange(12) * 2}, "only 12 of 23 classes"),
        ({"y_train": np.arange(11)}, "12 images but labels"),
        ({"y_test": np.full(6, 4)}, "labels must be 0 to 3, found 4"),
    ],
)
def test_npz_with_wrong_arrays_is_refused(tmp_path, change, message):
    held = {key: value for key, value in (npz_arrays() | change).items() if value is not None}
    np.savez(tmp_path / "bad.npz", **held)
    with pytest.raises(ValueError, match=message):
        load_dataset("npz", str(tmp_path))


def test_npz_of_objects_runs_nothing(tmp_path):
    mark = tmp_path / "mark"
    np.savez(tmp_path / "bad.npz", **npz_arrays() | {"x_train": np.array([CALLS["os.system"](mark)], object)})
    with pytest.raises(ValueError, match="real numbers"):
        load_dataset(None, str(tmp_path / "bad.npz"))
    assert not mark.exists()


@pytest.mark.parametrize("writer", [np.savez, np.savez_compressed])
def test_a_damaged_npz_is_refused(tmp_path, writer):
    path = tmp_path / "bad.npz"
    writer(path, **npz_arrays())
    data = path.read_bytes()
    save(path, replaced(data, 200, bytes([data[200] ^ 1])))
    with pytest.raises(ValueError, match=r"damaged|whole"):
        load_dataset("npz", str(path))
    save(path, data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"not a whole \.npz"):
        load_dataset("npz", str(path))


def test_several_npz_need_a_choice(tmp_path):
    for name in ("a", "b"):
        np.savez(tmp_path / f"{name}.npz", **npz_arrays())
    with pytest.raises(ValueError, match="2 npz files"):
        load_dataset("npz", str(tmp_path))


# What this machine has


def test_digits_are_always_there_and_always_split_alike():
    sklearn_data = pytest.importorskip("sklearn.datasets")
    data = load_dataset("digits")
    assert (data.train_x.shape, data.test_x.shape, data.classes) == ((1437, 8, 8, 1), (360, 8, 8, 1), 10)
    assert np.array_equal(np.bincount(data.test_y), [36] * 10)
    bunch = sklearn_data.load_digits()
    found = np.concatenate([data.train_x, data.test_x])[..., 0] * 16
    known, whole = (np.sort([i.tobytes() for i in x.astype(np.float32)]) for x in (found, bunch.images))
    assert np.array_equal(known, whole)  # the same images, each in one part
    held_out = hashlib.sha256((data.test_x * 16).astype(np.uint8).tobytes()).hexdigest()
    assert held_out[:16] == "e11da16091d470d8"


def test_without_the_package_digits_are_the_default(monkeypatch, tmp_path):
    pytest.importorskip("sklearn")
    monkeypatch.setattr(debian, "FOLDER", tmp_path / "absent")
    assert load_dataset().name == "digits"
    with pytest.raises(ValueError, match="apt-get install dataset-fashion-mnist"):
        load_dataset("fashion")


def test_digits_without_scikit_learn_say_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ValueError, match="install it"):
        load_dataset("digits")


@pytest.mark.skipif(not debian.present(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_fashion_mnist_of_debian_is_the_published_one():
    """Counts and the first labels as its paper and README show them; contents by SHA-256 inside."""
    data = load_dataset()
    assert (data.name, data.train_x.shape, data.test_x.shape) == (
        "fashion",
        (60000, 28, 28, 1),
        (10000, 28, 28, 1),
    )
    assert np.array_equal(np.bincount(data.train_y), [6000] * 10)
    assert np.array_equal(np.bincount(data.test_y), [1000] * 10)
    assert data.train_y[:5].tolist() == [9, 0, 0, 3, 0] and data.test_y[:5].tolist() == [9, 2, 1, 1, 6]
    assert "/" not in data.source and set(data.checksums) == {f"{part}.gz" for part in idx.PARTS}


@pytest.fixture
def package(mnist, monkeypatch):
    """The small IDX files in the place of Debian's package."""
    place, held = mnist
    monkeypatch.setattr(debian, "FOLDER", place)
    return place, held


@pytest.mark.parametrize("name", [None, "fashion"])
def test_a_package_with_other_contents_is_refused_and_the_error_says_so(package, name):
    place, _ = package
    with pytest.raises(ValueError, match=r"does not hold the published Fashion-MNIST.*reinstall.*--data-dir"):
        load_dataset(name)
    assert load_dataset(name, str(place)).classes == 10  # given by the user: recorded, not judged


def test_contents_are_judged_inflated(package, monkeypatch):
    """Published sums of the small files themselves: accepted however they are compressed, until one bit differs."""
    place, held = package
    sums = {part: hashlib.sha256(idx_bytes(array)).hexdigest() for part, array in held.items()}
    monkeypatch.setattr(debian, "CONTENTS", sums)
    assert load_dataset("fashion").name == "fashion"
    for part, array in held.items():
        (place / part).unlink()
        save(place / f"{part}.gz", gzip.compress(idx_bytes(array), compresslevel=1))
    assert load_dataset("fashion").name == "fashion"
    held[TEST_X][0, 0, 0] ^= 1
    save(place / f"{TEST_X}.gz", gzip.compress(idx_bytes(held[TEST_X])))
    with pytest.raises(ValueError, match=f"{TEST_X}.gz does not hold"):
        load_dataset("fashion")


def test_a_package_with_a_file_missing_says_which(package):
    place, _ = package
    (place / TEST_X).unlink()
    with pytest.raises(ValueError, match=f"{TEST_X}.gz is missing"):
        load_dataset()


# Which data set is meant


@pytest.mark.parametrize("name", ["imagenet", "", "MNIST", "idx"])
def test_unknown_names_are_refused(name):
    with pytest.raises(ValueError, match=r"unknown data set.*mnist, fashion, cifar10"):
        load_dataset(name)


@pytest.mark.parametrize("name", ["mnist", "cifar10", "cifar100", "npz"])
def test_named_data_that_are_not_here_say_what_to_pass(name):
    with pytest.raises(ValueError, match=f"{name} is not on this machine.*--data-dir"):
        load_dataset(name)


@pytest.mark.parametrize("name", [None, "mnist", "fashion", "cifar10", "cifar100", "npz"])
@pytest.mark.parametrize("place", ["", "absent", "x" * 5000])
def test_folders_without_the_data_are_refused(tmp_path, name, place):
    with pytest.raises(ValueError, match=r"holds no|cannot be read"):
        load_dataset(name, str(tmp_path / place))


def test_digits_are_never_in_a_folder(tmp_path):
    with pytest.raises(ValueError, match="leave --data-dir out"):
        load_dataset("digits", str(tmp_path))


def test_a_folder_with_two_data_sets_needs_a_name(mnist):
    place, _ = mnist
    write_cifar(place, cifar.CIFAR10, "binary")
    with pytest.raises(ValueError, match=r"several data sets.*idx, cifar10"):
        load_dataset(None, str(place))
    assert load_dataset("mnist", str(place)).name == "mnist"
    assert load_dataset("cifar10", str(place)).name == "cifar10"


# Parts of a data set


def toy(train_y, test_y, classes=3):
    def images(y):  # the image tells its own number
        return np.arange(len(y), dtype=np.float32).reshape(-1, 1, 1, 1)

    y = [np.asarray(part, np.int32) for part in (train_y, test_y)]
    return Dataset("toy", classes, images(y[0]), y[0], images(y[1]), y[1], "toy", {})


EQUAL = toy(labels(30, 3), labels(9, 3))


@pytest.mark.parametrize("train, test", [(3, 1), (4, 2), (12, 6), (29, 8), (30, 9), (None, 3), (12, None)])
def test_a_subset_is_balanced_and_keeps_images_with_their_labels(train, test):
    part = subset(EQUAL, train, test, seed=3)
    assert len(part.train_y) == (train or 30) and len(part.test_y) == (test or 9)
    for x, y, whole in (
        (part.train_x, part.train_y, EQUAL.train_y),
        (part.test_x, part.test_y, EQUAL.test_y),
    ):
        number = x.ravel().astype(int)
        assert np.all(np.diff(number) > 0)  # no image twice, old order
        np.testing.assert_array_equal(whole[number], y)
        assert np.ptp(np.bincount(y, minlength=3)) <= 1
    assert part.source != EQUAL.source and "seed 3" in part.source


def test_a_subset_depends_on_its_seed_alone():
    first, again, other = (subset(EQUAL, 12, 6, seed).train_x for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_subsets_of_one_seed_are_nested():
    small, large = (set(balanced_indices(EQUAL.train_y, count, 5)) for count in (7, 20))
    assert small < large


def test_small_classes_give_all_and_the_others_make_up_for_it():
    uneven = toy([0] * 10 + [1] * 2 + [2] * 6, [0, 1, 2])
    assert np.bincount(subset(uneven, 12, None).train_y).tolist() == [5, 2, 5]
    assert np.bincount(subset(uneven, 18, None).train_y).tolist() == [10, 2, 6]


def test_every_image_is_drawn_by_some_seed():
    """A choice that always took the first images of a class would be balanced, too."""
    drawn = np.concatenate([balanced_indices(EQUAL.train_y, 6, seed) for seed in range(100)])
    assert np.bincount(drawn, minlength=30).min() > 5  # 20 expected


@pytest.mark.parametrize("train, test", [(31, None), (None, 10), (2, None), (None, 0), (-1, None)])
def test_a_subset_that_is_too_large_or_too_small_is_refused(train, test):
    with pytest.raises(ValueError, match="asked for: allowed are"):
        subset(EQUAL, train, test)


def test_no_part_asked_for_leaves_the_data_as_they_are():
    same = subset(EQUAL, None, None)
    assert same.train_x is EQUAL.train_x and same.source == EQUAL.source


def test_images_must_be_float32_with_four_axes():
    y = np.zeros(2, np.int32)
    for bad in (np.zeros((2, 4, 4), np.float32), np.zeros((2, 4, 4, 1))):
        with pytest.raises(ValueError, match="images must be"):
            Dataset("bad", 1, bad, y, bad, y, "", {})


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_out_of_range_are_refused(label):
    with pytest.raises(ValueError, match=f"test part: labels must be 0 to 2, found {label}"):
        toy([0, 1, 2], [0, label])


def test_reading_arrays_is_left_to_the_room_that_refuses_pickles():
    """numpy.load could be asked to unpickle; it is not used at all."""
    for path in Path(arrays.__file__).parent.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "np.load" not in text and "import pickle\n" not in text and "pickle.load" not in text
