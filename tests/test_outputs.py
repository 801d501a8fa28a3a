"""Files of a run: all in place or none, and what is written is strict JSON and a whole npz."""

import json
import math
import os
from pathlib import Path

import pytest

from ufm.outputs import Outputs
from ufm.records import dump_json


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
