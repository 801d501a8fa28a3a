"""The loop over commands finds what does not end, says where it stands, and leaves nothing behind."""

import json
import os
import shutil

import pytest

from experiments import loop
from experiments.commands import files, table
from experiments.commands.run import Place, load, own_cores, run
from experiments.commands.shown import ROOT
from experiments.commands.stacks import family
from experiments.commands.table import HOSTS, SHORT, Row
from ufm.commands.frame import parse

# Waiting as Python does, and as native code does: a mutex that this thread holds, which no signal interrupts.
PLANTED = """
import ctypes, os, subprocess, sys, threading

def wait_for_an_event():
    threading.Event().wait()

def wait_for_a_mutex():
    mutex, libc = ctypes.create_string_buffer(256), ctypes.CDLL(None)
    while libc.pthread_mutex_lock(mutex) == 0:
        pass

def wait_for_a_child():
    subprocess.run([sys.executable, "-m", "planted", "an_event"])

print("it began, on cores", *sorted(os.sched_getaffinity(0)), os.environ.get("JAX_NUM_CPU_DEVICES"), flush=True)
if sys.argv[1] == "exit":
    sys.exit(int(sys.argv[2]))
if sys.argv[1] == "patience":
    import ufm.runtime.watchdog
    ufm.runtime.watchdog.watch("planted")
    sys.exit(ufm.runtime.watchdog._Watch.patience < float("inf") or not ufm.__file__.startswith(sys.argv[2]))
globals()[f"wait_for_{sys.argv[1]}"]()
"""
QUIET = Place(1, None, False)


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """A module `planted` that a child finds; its folder."""
    (tmp_path / "planted.py").write_text(PLANTED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def start(monkeypatch, folder, *rows, options=()):
    """The script over other rows: exit code and record."""
    monkeypatch.setattr(table, "ROWS", rows)
    words = ["--times", "2", "--cores", "1", "--devices", "0,3", "--load", "without", *options]
    code = loop.main([*words, "--out", str(folder / "out")])
    return code, json.loads((folder / "out" / "loop.json").read_text())


def test_it_counts_what_ended(planted, monkeypatch, capsys):
    rows = (Row("planted exit 0", SHORT), Row("planted exit 3", SHORT, codes=(0, 3)), Row("other", HOSTS))
    code, found = start(monkeypatch, planted, *rows)
    assert code == 0
    assert [(each["command"], each["devices"], each["codes"]) for each in found["runs"]] == [
        ("planted exit 0", None, [0, 0]),
        ("planted exit 3", None, [3, 3]),
        ("planted exit 0", 3, [0, 0]),
        ("planted exit 3", 3, [3, 3]),
    ]
    assert capsys.readouterr().out.count("2 of 2 ended") == 4
    page = (planted / "out" / "loop.md").read_text()
    assert page.count("| `planted exit") == 2 and "1 core, 3 devices, quiet" in page


def test_another_exit_code_is_a_failure(planted, monkeypatch, capsys):
    code, found = start(monkeypatch, planted, Row("planted exit 70", SHORT), Row("planted exit 0", SHORT))
    assert code == 1 and found["runs"][0]["codes"] == [70, 70]
    out = capsys.readouterr().out
    assert "exit codes [70]" in out and "it began, on cores" in out


@pytest.mark.parametrize(
    "what, python, native",
    [
        ("an_event", "wait_for_an_event", ""),
        ("a_mutex", "wait_for_a_mutex", "pthread_mutex_lock"),
        ("a_child", "wait_for_an_event", ""),
    ],
)
def test_what_never_ends_is_found_with_all_its_stacks(planted, monkeypatch, capsys, what, python, native):
    """Planted hangs; the slowest part is gdb."""
    before = family(os.getpid())
    options = ("--times", "1", "--seconds", "4", "--devices", "0")
    monkeypatch.setattr(table, "ROWS", (Row(f"planted {what}", SHORT),))
    code = loop.main([*options, "--cores", "1", "--load", "without", "--out", str(planted)])
    assert code == 1
    (found,) = json.loads((planted / "loop.json").read_text())["runs"]
    assert found["codes"] == [None]
    (name,) = found["stacks"]
    text = (planted / name).read_text()
    assert "it began" in text and f"in {python}" in text and f"-m planted {what}" in text
    assert "0.00 s of these in the last 1 s" in text
    if shutil.which("gdb") and "ptrace" not in text:  # a container may forbid it
        assert native in text
    out = capsys.readouterr().out
    assert "0 of 1 ended" in out and name in out
    assert family(os.getpid()) == before, "a child was left behind"


def test_a_command_has_the_cores_and_devices_of_its_place(planted, tmp_path):
    row = Row("planted exit 0", SHORT)
    quiet = run(row, QUIET, 60, tmp_path)
    assert quiet.text.split() == f"it began, on cores {own_cores(1)[0]} None".split()
    many = run(row, Place(len(os.sched_getaffinity(0)), 5, False), 60, tmp_path)
    assert many.text.split()[4:] == [*map(str, sorted(os.sched_getaffinity(0))), "5"]


def test_a_folder_that_a_copy_of_the_checkout_has_is_no_obstacle(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text("kept")
    files.make(("docs/",), tmp_path)
    assert (tmp_path / "docs" / "page.md").read_text() == "kept"


def test_no_watchdog_ends_what_is_to_be_looked_at(planted, tmp_path):
    assert run(Row(f"planted patience {ROOT}", SHORT), QUIET, 60, tmp_path).code == 0
    assert run(Row(f"planted patience {tmp_path}", SHORT), QUIET, 60, tmp_path).code == 1


def test_load_is_bounded_and_ends():
    before = family(os.getpid())
    with load(Place(1, None, True), 60):
        busy = set(family(os.getpid())) - set(before)
        assert len(busy) == 1
        assert os.sched_getaffinity(*busy) == set(own_cores(1))
    assert family(os.getpid()) == before
    with load(QUIET, 60):
        assert family(os.getpid()) == before


def test_busy_work_ends_by_itself(monkeypatch):
    from experiments.commands import run as module

    started = []
    popen = module.subprocess.Popen
    monkeypatch.setattr(
        module.subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[0]
    )
    with load(Place(1, None, True), 0.1):
        assert started[0].wait(60) == 0


@pytest.mark.parametrize(
    "words",
    [
        ("--times", "0"),
        ("--seconds", "0"),
        ("--only", "nothing has this"),
        ("--cores", "0"),
        ("--cores", "100000"),
        ("--devices", "two"),
        ("--checkout", "/nowhere"),
        ("--times", "1", "--times", "2"),
        ("--kind", "setup"),
    ],
)
def test_wrong_usage(call_main, tmp_path, words):
    code, out, err = call_main(loop.main, *words, "--out", tmp_path / "out")
    assert code == 2 and out == "" and err
    assert not (tmp_path / "out").exists()


def test_places():
    everything = loop.places(loop.completed(parse(loop.Arguments, [], "experiments.loop")))
    there = len(os.sched_getaffinity(0))
    assert {place.load for place in everything} == {True, False}
    assert {place.cores for place in everything} == {1, min(2, there), there}
    assert any(place.devices == 2 * there for place in everything)
    assert loop.places(loop.completed(parse(loop.Arguments, ["--quick"], "experiments.loop"))) == [
        Place(there, None, n) for n in (False, True)
    ]
    assert loop.places(loop.completed(parse(loop.Arguments, ["--kind", "long"], "experiments.loop"))) == [
        Place(there, None, False)
    ]
