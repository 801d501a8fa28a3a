"""Files that are no files, or not what they say: one line, exit 2, at once, and nothing allocated or awaited."""

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest

import ufm.compare
import ufm.rules.memory as memory
import ufm.solve
import ufm.sweep
import ufm.verify
from ufm.network.read.mapped import read_array
from ufm.rules.errors import InputError
from ufm.rules.files import read_json, read_text

Y = np.eye(3)
INPUTS = {  # every way to give a file, NAME standing for it
    "labels": (ufm.solve.main, "--classes 3 --labels NAME.npy"),
    "weights": (ufm.solve.main, "--classes 3 --labels Y.npy --weights NAME.npy"),
    "classifier": (ufm.solve.main, "--classes 3 --classifier NAME.npy"),
    "verify": (ufm.verify.main, "--classes 3 --labels NAME.npy"),
    "verify weights": (ufm.verify.main, "--classes 3 --weights NAME.npy"),
    "compare": (ufm.compare.main, "NAME.npz"),
    "sweep": (ufm.sweep.main, "NAME.toml --dry-run"),
}


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("Y.npy", Y)


def one_line(result, *words):
    code, out, err = result
    assert code == 2 and out == "" and len(err.splitlines()) == 1, (code, out, err)
    for word in words:
        assert word in err, err


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "absent"])
def test_what_is_no_regular_file(call_main, name, kind):
    main, words = INPUTS[name]
    path = Path("x" + words.split("NAME")[1].split()[0])
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        os.symlink("/dev/zero", path)
    elif kind == "folder":
        path.mkdir()
    one_line(call_main(main, *words.replace("NAME", "x").split()))


def header(shape: str, dtype: str = "<f8", version: int = 1) -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    "data",
    [
        header("(100000000000, 3)") + bytes(72),  # 2.4 TB
        header("(3, 3)") + bytes(64),
        header("(3, 3)") + bytes(80),
        header("(-3, -3)") + bytes(72),
        header("(3, 3)", "|O") + bytes(72),
        header("(3, 3)", "<c16") + bytes(144),
        header("(" * 3000),
        header("(3, 3)", version=9) + bytes(72),
        b"",
        b"\x93NUMPY",
        b"PK\x03\x04 not an array",
    ],
)
@pytest.mark.parametrize("name", ["labels", "weights", "classifier", "verify"])
def test_headers_that_lie(call_main, name, data):
    Path("x.npy").write_bytes(data)
    main, words = INPUTS[name]
    one_line(call_main(main, *words.replace("NAME", "x").split()), "x.npy")


@pytest.mark.parametrize(
    "array", [Y, np.asfortranarray(Y[:, :2]), np.array(3.0), np.zeros((0, 3)), Y.astype(">f4")]
)
def test_what_is_an_array_is_read_as_numpy_does(array):
    np.save("a.npy", array)
    found, expected = read_array("a", Path("a.npy")), np.load("a.npy")
    assert found.dtype == expected.dtype and found.shape == expected.shape and (found == expected).all()
    assert not isinstance(found, np.memmap)


def test_an_array_over_the_limit_is_not_loaded(call_main):
    np.save("x.npy", np.full((20000, 3), 1 / 3))
    main, words = INPUTS["labels"]
    result = call_main(main, *words.replace("NAME", "x").split(), "--memory", "1MiB")
    one_line(result, "would need about 1.8 MiB for the array of --labels x.npy")


DEEP = "[" * 3000 + "]" * 3000


def test_a_grid_nested_too_deep(call_main):
    for text in (f"a = {DEEP}", "a = " + "{a = " * 3000 + "1" + "}" * 3000):
        Path("x.toml").write_text(text)
        one_line(call_main(ufm.sweep.main, "x.toml", "--dry-run"), "x.toml", "nested too deep")


def test_indices_nested_too_deep(call_main):
    """What a folder says of itself is a file too."""
    text = '{"grid": ' + "[" * 200_000 + "]" * 200_000 + "}"
    Path("grid.toml").write_text("classes = 3\nmultiplier = 1.0")
    for folder, index in (("grid.parquet", "_sweep.json"), ("out", "index.json")):
        os.mkdir(folder)
        (Path(folder) / index).write_text(text)
    one_line(call_main(ufm.sweep.main, "grid.toml", "--dry-run"), "_sweep.json cannot be read")
    code, _, err = call_main(
        ufm.solve.main, "--classes", 3, "--lam", "0.3", "--multiplier", 1, "--save", "out/"
    )
    assert code == 2 and "index.json" in err and len(err.splitlines()) == 1


def test_indices_that_are_pipes(call_main):
    Path("grid.toml").write_text("classes = 3\nmultiplier = 1.0")
    for folder, index in (("grid.parquet", "_sweep.json"), ("out", "index.json")):
        os.mkdir(folder)
        os.mkfifo(Path(folder) / index)
    one_line(call_main(ufm.sweep.main, "grid.toml", "--dry-run"), "_sweep.json")
    code, _, err = call_main(
        ufm.solve.main, "--classes", 3, "--lam", "0.3", "--multiplier", 1, "--save", "out/"
    )
    assert code == 2 and "index.json" in err and len(err.splitlines()) == 1


def test_texts():
    Path("a.json").write_text(json.dumps({"λ": 1}, ensure_ascii=False), encoding="utf-8")
    assert read_json("a.json") == {"λ": 1} and read_text("a.json") == '{"λ": 1}'
    os.mkfifo("pipe")
    with pytest.raises(InputError, match="pipe is not a regular file"):
        read_text("pipe")
    with pytest.raises(FileNotFoundError):
        read_text("absent")
    Path("deep").write_text("[" * 10**6)
    with pytest.raises(ValueError, match="nested too deep"):
        read_json("deep")


def test_a_text_over_the_limit_is_not_read(monkeypatch):
    Path("a").write_text("x" * 1000)
    monkeypatch.setattr(memory, "allowed", lambda: 1000)
    with pytest.raises(memory.TooLarge, match="for the text of a"):
        read_text("a")
