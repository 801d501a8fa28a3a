"""Files of a run: all in place or none, and what is written is strict JSON and a whole npz."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from ufm import compare, solve, verify
from ufm.output.files import Outputs
from ufm.output.records import dump_json
from ufm.rules.errors import InputError


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(outputs: Outputs, name: str, text: str) -> None:
    with outputs.stage(name) as path:
        Path(path).write_text(text)


def test_nothing_is_in_place_before_the_end():
    with Outputs({"json": "a.json", "save": "sub.npz"}) as outputs:
        write(outputs, "json", "new")
        assert not Path("a.json").exists()
        write(outputs, "save", "new")
    assert sorted(os.listdir()) == ["a.json", "sub.npz"]


def test_a_failure_removes_everything_and_keeps_what_was_there():
    Path("a.json").write_text("old")
    with pytest.raises(RuntimeError), Outputs({"json": "a.json", "save": "a.npz"}) as outputs:
        write(outputs, "json", "new")
        with outputs.stage("save"):
            raise RuntimeError
    assert os.listdir() == ["a.json"] and Path("a.json").read_text() == "old"


def test_a_move_that_fails_leaves_no_temporary_file():
    """The target turned into a directory while the run was on."""
    outputs = Outputs({"json": "a.json", "save": "a.npz"})
    with pytest.raises((OSError, ValueError)), outputs:
        write(outputs, "json", "new")
        write(outputs, "save", "new")
        os.mkdir("a.npz")
    assert [name for name in os.listdir() if name.startswith(".")] == []


def test_checking_leaves_no_trace():
    Outputs({"json": "a.json", "save": "a.npz"})
    assert os.listdir() == []
    with pytest.raises(ValueError, match="cannot be written"):
        Outputs({"json": "a.json", "save": "no/a.npz"})
    assert os.listdir() == []


@pytest.mark.parametrize("path", ["a" * 300 + ".json", "no/a.json", ".", "a.json/b.json"])
def test_unwritable_paths_are_found_at_once(path):
    Path("a.json").write_text("old")
    with pytest.raises(ValueError, match="--json"):
        Outputs({"json": path})
    assert os.listdir() == ["a.json"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_permission():
    os.mkdir("closed", 0o500)
    with pytest.raises(ValueError, match="Permission denied"):
        Outputs({"json": "closed/a.json"})


@pytest.mark.parametrize("other", ["a.npz", "./a.npz", "link.npz"])
def test_two_outputs_must_be_two_files(other):
    os.symlink("a.npz", "link.npz")
    with pytest.raises(ValueError, match="same file"):
        Outputs({"json": "a.npz", "save": other})


def test_a_loop_of_links_is_a_path_that_cannot_be_written():
    os.symlink("b.json", "a.json")
    os.symlink("a.json", "b.json")
    with pytest.raises(ValueError, match=r"--json a.json cannot be written: .*loop"):
        Outputs({"json": "a.json"})
    assert sorted(os.listdir()) == ["a.json", "b.json"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_is_strict(value):
    with pytest.raises(ValueError):
        dump_json({"number": value})


def test_json_keeps_every_bit():
    values = [0.1, 5e-324, 1.7976931348623157e308, 1 / 3]
    assert json.loads(dump_json({"values": values}))["values"] == values


# --- what is read is not written -----------------------------------------------------------------------


def relative(read: Path) -> str:
    return f"folder/.././{os.path.relpath(read)}"


def symbolic(read: Path) -> str:
    Path("other" + read.suffix).symlink_to(read)
    return "other" + read.suffix


def hard(read: Path) -> str:
    os.link(read, "other" + read.suffix)
    return "other" + read.suffix


READERS = {
    "solve, labels": (solve.main, ("--classes", "3", "--labels", "L.npy", "--multiplier", "1"), "L.npy"),
    "solve free, labels": (
        solve.main,
        ("--classes", "3", "--labels", "L.npy", "--classifier", "free"),
        "L.npy",
    ),
    "solve, classifier": (solve.main, ("--classes", "3", "--classifier", "L.npy", "--lam", "0.3"), "L.npy"),
    "verify, labels": (verify.main, ("--classes", "3", "--labels", "L.npy"), "L.npy"),
    "compare, file": (compare.main, ("a.npz",), "a.npz"),
    "compare, folder": (compare.main, ("folder",), "folder/H.npy"),
}


@pytest.mark.parametrize("spelling", [str, relative, symbolic, hard], ids=lambda spelling: spelling.__name__)
@pytest.mark.parametrize("name", READERS)
def test_no_command_replaces_what_it_reads(name, spelling, tmp_path, monkeypatch, call_main):
    monkeypatch.chdir(tmp_path)
    np.save("L.npy", np.eye(3))
    parts = {"H": np.eye(3), "W": np.eye(3), "y": np.arange(3)}
    np.savez("a.npz", **parts)
    Path("folder").mkdir()
    for key, part in parts.items():
        np.save(f"folder/{key}.npy", part)
    main, argv, read = READERS[name]
    before = Path(read).read_bytes()
    code, out, err = call_main(main, *argv, "--json", spelling(tmp_path / read))
    assert code == 2 and "would lie in the place of what is read" in err and out == ""
    assert Path(read).read_bytes() == before


def test_two_outputs_that_are_one_file_by_a_hard_link_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.json").touch()
    os.link("a.json", "a.png")
    with pytest.raises(InputError, match="name the same file"):
        Outputs({"json": "a.json", "plot": "a.png"})


def test_a_text_is_made_only_for_a_file_that_was_asked_for():
    """A record of many classes takes a gigabyte."""
    with Outputs({"json": "a.json"}) as outputs:
        outputs.write("report", lambda: pytest.fail("made for nothing"))
        outputs.write("json", lambda: "{}")
    assert os.listdir() == ["a.json"] and Path("a.json").read_text() == "{}"
