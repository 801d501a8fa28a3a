"""Nothing waits forever without a word: work that stands still on a device ends the command. Standard library only.

A native wait (threads that wait for each other, a device that does not answer) cannot be interrupted from Python.
So commands start a thread that looks after the work that was handed over: if for PATIENCE seconds none of it ends,
and this process neither used nor stood in line for more than SHARE of a core, it says where, in one line, and ends
the process with STUCK. Waiting for other processes is no such work: it has its own rule (`ufm.runtime.processes`).
"""

import os
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from ufm.rules.errors import InputError
from ufm.runtime.supervisor import SUPERVISED, TOLD

PATIENCE = 60.0  # seconds, if the environment's UFM_PATIENCE names no other number (inf: never)
SHARE = 0.05  # of one core
TICK = 1.0  # seconds between looks
STUCK = 75  # exit code: try again (EX_TEMPFAIL)

_work: dict[object, str] = {}  # what is handed over now, the first first
_ended = 0  # pieces of work that came to an end
temporary: set[Path] = set()  # half-written files, which go with the process


@contextmanager
def handed(what: str):
    """Work on a device, from handing it over until its result is there; `what` completes "nothing moves in …"."""
    global _ended
    key = object()
    _work[key] = what
    try:
        yield
    finally:
        del _work[key]
        _ended += 1


def watch(program: str) -> None:
    """Look after the work of this process from now on, in the name of `program`."""
    _Watch.program, _Watch.patience = program, _patience()
    if not _Watch.running:
        _Watch.running = True
        threading.Thread(target=_look, daemon=True).start()


class _Watch:
    program, running, patience = "", False, PATIENCE


def _patience() -> float:
    given = os.environ.get("UFM_PATIENCE", str(PATIENCE))
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise InputError(f"UFM_PATIENCE must be a positive number of seconds, or inf, got {given!r}")
    return seconds


def _look() -> None:
    ended, spent, still = _ended, activity(), 0.0
    while True:
        time.sleep(TICK)
        still += (
            TICK  # not the clock's time: a process that was stopped, or slept with its machine, loses nothing
        )
        what = next(iter(list(_work.values())), None)
        spent = min(spent, activity())  # which falls when threads end that stood in line
        if what is None or _ended != ended or activity() - spent > SHARE * _Watch.patience:
            ended, spent, still = _ended, activity(), 0.0
        elif still >= _Watch.patience:
            _leave(
                f"nothing moves in {what}: for {still:.0f} s this process used less than {SHARE:.0%} of a core"
            )


def _leave(message: str) -> None:
    """Say it and end the process, whatever its threads wait for."""
    advice = "what was finished is kept; run it again, and please report it"
    try:
        for path in list(temporary):
            path.unlink(missing_ok=True)
        print(f"{_Watch.program}: {message}; {advice}", file=sys.stderr, flush=True)
    finally:
        os._exit(TOLD if SUPERVISED in os.environ else STUCK)


def activity() -> float:
    """Seconds of processor time that this process used, and that its threads stood in line for (Linux)."""
    waited = 0.0
    for entry in Path("/proc/self/task").glob("*/schedstat"):
        try:
            waited += int(entry.read_text().split()[1]) * 1e-9
        except (OSError, IndexError, ValueError):  # a thread that has just ended
            continue
    return time.process_time() + waited
