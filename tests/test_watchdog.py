"""Work that stands still ends a command with one line; work that moves, waits in line or has ended does not."""

import subprocess
import sys
import threading
import time

import pytest

import ufm.watchdog as watchdog
from ufm.watchdog import STUCK, activity, handed

PLANT = """
import threading, time
import ufm.watchdog as watchdog
from ufm.command import guarded
watchdog.PATIENCE, watchdog.TICK = 1.0, 0.1

def work():
    {work}
    return 0

raise SystemExit(guarded("ufm.planted", work))
"""


def planted(work: str) -> subprocess.CompletedProcess:
    code = PLANT.format(work=work.replace("\n", "\n    "))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_a_thread_that_waits_for_ever_is_named():
    """The main thread waits for one that never comes, as in a native wait: neither can be interrupted."""
    done = planted("with watchdog.handed('features 0 to 63 of 64'): threading.Event().wait()")
    assert done.returncode == STUCK == 75 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("ufm.planted: nothing moves in features 0 to 63 of 64")


def test_half_written_files_go_with_the_process(tmp_path):
    work = f"""from ufm.outputs import Outputs
with Outputs({{'json': {str(tmp_path / "out.json")!r}}}) as outputs, outputs.stage('json') as path:
    open(path, 'w').write('half')
    with watchdog.handed('the file'): threading.Event().wait()"""
    done = planted(work)
    assert done.returncode == STUCK and list(tmp_path.iterdir()) == [], done.stderr


@pytest.mark.parametrize(
    "work",
    [
        "time.sleep(3)",  # nothing is handed over: a wait of another kind
        "for n in range(30):\n    with watchdog.handed('a step'): time.sleep(0.1)",  # something ends all the time
        "end = time.monotonic() + 3\nwith watchdog.handed('a long step'):\n    while time.monotonic() < end: pass",
    ],
)
def test_work_that_moves_is_left_alone(work):
    done = planted(work)
    assert (done.returncode, done.stderr) == (0, "")


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
