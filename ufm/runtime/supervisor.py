"""A distributed command runs under a supervisor that says in one line why it ended. Standard library only.

When a process dies, JAX's runtime aborts all others from within C++, where Python has no say: a page of stack
trace and signal 6. So the work is done by a child process; its parent passes its messages on, keeps back what the
runtime says of its own exchange, and puts the cause into words.
"""

import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

from ufm.runtime.private import ABSENT, BROKEN, EXCHANGE, LEADER, SILENT
from ufm.runtime.streams import stdout_is_closed

SUPERVISED = (
    "UFM_SUPERVISED"  # in the child's environment: the supervisor's process, or 1 where there is none
)
LOST = 75  # exit code: another process is gone, try again (EX_TEMPFAIL)
TOLD = 76  # exit code of a child that has said why the run leaves with LOST
GRACE = 10  # seconds a child has to end when asked to
WAKE = 30  # seconds in which the runtime notices that a process is gone, and says which
AGAIN = "; what was finished is kept, run the same command on all of them again"


def needs_supervisor(args) -> bool:
    """A distributed run was asked for, and this process is not yet the child, which dies with its parent."""
    if SUPERVISED in os.environ:
        _die_with_parent(int(os.environ[SUPERVISED]))
        return False
    return args.distributed


def _die_with_parent(parent: int) -> None:
    """A supervisor that is killed takes this process along (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if parent > 1 and os.getppid() != parent:  # it was faster
        os._exit(LOST)


def supervise(program: str, argv: list[str]) -> int:
    """Run `python -m program argv` as a child; its exit code, or LOST where another process died."""
    child = subprocess.Popen(
        [sys.executable, "-m", program, *argv],
        env=os.environ | {SUPERVISED: str(os.getpid())},
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # signals of the terminal come by way of the supervisor
        preexec_fn=(lambda: os.close(1)) if stdout_is_closed() else None,  # as closed as this process's own
    )
    held: list[str] = []
    reader = threading.Thread(target=pass_on, args=(child.stderr, held), daemon=True)
    reader.start()
    code, asked = _wait(child)
    reader.join(5)
    if asked:
        if code < 0:  # without a word of its own
            print(f"{program}: ended by {signal.Signals(asked).name}", file=sys.stderr)
        return code if code > 0 else 128 + asked
    if code == TOLD:
        return LOST
    if code >= 0 and code != LOST:
        if code not in (0, 1, 3):  # it failed: its last words may stand among those of the runtime
            sys.stderr.writelines(line for line in held if not EXCHANGE.match(line))
        return code
    cause = peer(held)
    if cause is None and code != LOST:
        sys.stderr.writelines(held[-40:])  # its own trouble: nothing of it is to be lost
    print(f"{program}: {cause or _own(code)}", file=sys.stderr)
    return LOST if cause or code == LOST else 128 - code


def peer(held: list[str]) -> str | None:
    """Which other process ended the run, from what the runtime said; None if it did not."""
    log = "".join(held)
    if ABSENT in log:
        return (
            "the processes did not meet within a minute: one is missing, was refused, has another "
            "--coordinator, or the --process of another"
        )
    if found := SILENT.search(log):
        dead = ", ".join(re.findall(r"\d+", found[1]))
        return f"process {dead} died, or lost its connection: its heartbeat is gone{AGAIN}"
    if any(word in log for word in LEADER):
        return f"process 0 died, or lost its connection{AGAIN}"
    return None


def _own(code: int) -> str:
    if code == LOST:
        return f"another process died, or lost its connection{AGAIN}"
    return f"ended by {signal.Signals(-code).name}{' (out of memory?)' if code == -signal.SIGKILL else ''}"


def leave(code: int) -> int:
    """The exit code; at once where others would wait for this process, which has failed, to say goodbye."""
    if SUPERVISED in os.environ and code not in (0, 1, 3):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def is_lost(error: Exception) -> bool:
    """The error of an exchange with a process that is gone; waits for the runtime to abort and say which."""
    if SUPERVISED not in os.environ or not any(word in str(error) for word in BROKEN):
        return False
    time.sleep(WAKE)
    return True


def pass_on(stream, held: list[str]) -> None:
    """Lines to standard error; those of the runtime's exchange, and all after an error of it, are kept back."""
    ending = False
    for line in stream:
        own = bool(EXCHANGE.match(line))
        ending = ending or (own and line.startswith(("E", "F")))
        if own or ending:
            held.append(line)
        else:
            sys.stderr.write(line)
            sys.stderr.flush()


def _wait(child: subprocess.Popen) -> tuple[int, int | None]:
    """Its exit code, and the signal that asked for its end: passed on, and enforced after a while."""
    asked: list[int] = []

    def ask(number, _):
        asked.append(number)
        child.send_signal(number)
        killer = threading.Timer(GRACE, child.kill)
        killer.daemon = True
        killer.start()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return child.wait(), asked[0] if asked else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
