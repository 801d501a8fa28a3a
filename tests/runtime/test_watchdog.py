"""Work that stands still ends a command with one line; work that moves, waits in line or has ended does not."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import ufm.runtime.watchdog as watchdog
from ufm.commands.frame import guarded
from ufm.rules.errors import InputError
from ufm.runtime.watchdog import STUCK, activity, handed

ROOT = Path(__file__).resolve().parents[2]
PLANT = """
import threading, time
import ufm.runtime.watchdog as watchdog
from ufm.commands.frame import guarded
watchdog.TICK = 0.1

def work():
    {work}
    return 0

raise SystemExit(guarded("ufm.planted", work))
"""


def planted(work: str) -> subprocess.Popen:
    code = PLANT.format(work=work.replace("\n", "\n    "))
    environment = os.environ | {"UFM_PATIENCE": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code], text=True, env=environment, **pipes)


MOVES = (
    "time.sleep(3)",  # nothing is handed over: a wait of another kind
    "for n in range(30):\n    with watchdog.handed('a step'): time.sleep(0.1)",  # something ends all the time
    "end = time.monotonic() + 3\nwith watchdog.handed('a long step'):\n    while time.monotonic() < end: pass",
)
WAITS = "with watchdog.handed('features 0 to 63 of 64'): threading.Event().wait()"
HALF = """from ufm.output.files import Outputs
with Outputs({{'json': {path!r}}}) as outputs, outputs.stage('json') as path:
    open(path, 'w').write('half')
    with watchdog.handed('the file'): threading.Event().wait()"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a file is half-written."""
    return tmp_path_factory.mktemp("half")


@pytest.fixture(scope="module")
def ended(folder):
    """(exit code, stdout, stderr) of a piece of work: all of them begin together, as most only wait."""
    begun = {work: planted(work) for work in (*MOVES, WAITS)}
    begun[HALF] = planted(HALF.format(path=str(folder / "out.json")))
    found = {}

    def ended(work: str):
        if work not in found:
            out, err = begun[work].communicate(timeout=60)
            found[work] = begun[work].returncode, out, err
        return found[work]

    yield ended
    for process in begun.values():
        process.kill()
        process.communicate()


def test_a_thread_that_waits_for_ever_is_named(ended):
    """The main thread waits for one that never comes, as in a native wait: neither can be interrupted."""
    code, out, err = ended(WAITS)
    assert code == STUCK == 75 and out == ""
    (line,) = err.splitlines()
    assert line.startswith("ufm.planted: nothing moves in features 0 to 63 of 64")


def test_half_written_files_go_with_the_process(ended, folder):
    code, _, err = ended(HALF)
    assert code == STUCK and list(folder.iterdir()) == [], err


@pytest.mark.parametrize("work", MOVES)
def test_work_that_moves_is_left_alone(ended, work):
    code, _, err = ended(work)
    assert (code, err) == (0, "")


def test_a_finished_piece_is_forgotten_also_where_it_failed():
    before = watchdog._ended
    with pytest.raises(RuntimeError), handed("what fails"):
        raise RuntimeError
    assert "what fails" not in watchdog._work.values() and watchdog._ended == before + 1


def test_standing_in_line_counts_as_activity():
    """Two busy threads: what one of them waits for the other, or both for other processes, is no standstill."""
    before, stop = activity(), threading.Event()

    def spin():
        while not stop.is_set():
            pass

    threads = [threading.Thread(target=spin) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    stop.set()
    for thread in threads:
        thread.join()
    assert activity() > before + 0.05


def test_patience_is_a_number_of_seconds(monkeypatch):
    for given in ("1m", "0", "-3", "nan", ""):
        monkeypatch.setenv("UFM_PATIENCE", given)
        with pytest.raises(InputError, match="UFM_PATIENCE"):
            watchdog.watch("ufm.planted")
    assert guarded("ufm.planted", lambda: 0) == 2


def test_threads_that_end_after_a_wait_hide_no_work(monkeypatch):
    """What they stood in line for is gone with them: the process seems to have done less than before."""
    clock = iter([100.0, 100.0, 0.0, *(0.5 * n for n in range(1000))])  # half a core, after a drop of 100 s
    monkeypatch.setattr(watchdog, "activity", lambda: next(clock))
    monkeypatch.setattr(watchdog._Watch, "patience", 5.0)
    monkeypatch.setattr(watchdog, "_leave", lambda message: pytest.fail(message))
    ticks = iter(range(40))

    def tick(_):
        if next(ticks, None) is None:
            raise StopAsyncIteration

    monkeypatch.setattr(watchdog.time, "sleep", tick)
    with handed("a long step"), pytest.raises(StopAsyncIteration):
        watchdog._look()


COMMANDS = {
    "ufm.solve --classes 3 --lam 0.3": "ufm.agree.kernel.EtfStream.run",
    "ufm.solve --classes 3 --lam 0.3 --classifier W.npy": "ufm.agree.kernel.RowsStream.run",
    "ufm.solve --classes 3 --lam 0.3 --samples": "ufm.commands.runs.features.derive_multiplier",
    "ufm.solve --classes 3 --classifier free": "ufm.agree.joint.certify_joint",
    "ufm.verify --classes 3": "ufm.agree.theorem.solve_features",
    "ufm.sweep grid.toml": "ufm.commands.runs.sweep.make_point",
    "ufm.compare activations.npz": "ufm.network.comparison.first_look",
}


@pytest.mark.slow
@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_is_watched(words, tmp_path):
    """A wait planted in the midst of its work is named, wherever that is."""
    np.save(tmp_path / "W.npy", np.eye(3))
    (tmp_path / "grid.toml").write_text("classes = 3\nalpha = [0.5, 1.0]\n")
    arrays = {"H": np.eye(3), "W": np.eye(3), "y": np.arange(3)}
    np.savez(tmp_path / "activations.npz", **arrays)
    program, *argv = words.removesuffix(" --samples").split()
    code = f"""
import pkgutil, threading
from importlib import import_module
import ufm.runtime.watchdog as watchdog

def wait(*_, **__):
    threading.Event().wait()

where, name = {COMMANDS[words]!r}.rsplit(".", 1)
owner = pkgutil.resolve_name(where)
assert hasattr(owner, name)
setattr(owner, name, wait)
raise SystemExit(import_module({program!r}).main({argv!r}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        env=os.environ | {"UFM_PATIENCE": "3", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == STUCK and "nothing moves in" in done.stderr, done.stderr
