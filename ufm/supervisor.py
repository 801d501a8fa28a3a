"""A distributed command runs under a supervisor that says in one line why it ended. Standard library only.

When a process dies, JAX's runtime aborts all others from within C++, where Python has no say: a page of stack
trace and signal 6. So the work is done by a child process; its parent passes its output on, without the
runtime's own lines, and puts the cause into words.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time

SUPERVISED = "UFM_SUPERVISED"
LOST = 75  # exit code: try again (EX_TEMPFAIL)
RUNTIME = re.compile(
    r"[IWEF]\d{4} \d\d:\d\d:\d\d\.|\[Gloo\]|\*\*\* Check failure|    @ +0x|RPC: |Additional GRPC|:UNKNOWN:"
)
SILENT = re.compile(r"stopped sending heartbeats\):\s*([\d, \n]*\d)")
BROKEN = ("Gloo", "NCCL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "coordination service")
LEADER = "Either the leader task"


def needs_supervisor(args) -> bool:
    """A distributed run was asked for, and this process is not yet the child."""
    return args.distributed and SUPERVISED not in os.environ


def supervise(program: str, argv: list[str]) -> int:
    """Run `python -m program argv` as a child; its exit code, or LOST where another process died."""
    child = subprocess.Popen(
        [sys.executable, "-m", program, *argv],
        env=os.environ | {SUPERVISED: "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    log: list[str] = []
    reader = threading.Thread(target=_pass_on, args=(child.stderr, log), daemon=True)
    reader.start()
    code = _wait(child)
    reader.join(5)
    if code >= 0 and not (code == LOST or _is_fatal(log)):
        return code
    print(f"{program}: {explain(code, ''.join(log))}", file=sys.stderr)
    return LOST if code == -signal.SIGABRT or code >= 0 else 128 - code


def explain(code: int, log: str) -> str:
    """Why the child ended, from its exit code and what the runtime said."""
    again = "; what was finished is kept, run the same command on all of them again"
    if found := SILENT.search(log):
        dead = ", ".join(re.findall(r"\d+", found[1]))
        return f"process {dead} died, or lost its connection: its heartbeat is gone{again}"
    if LEADER in log or "Socket closed" in log:
        return f"process 0 died, or lost its connection{again}"
    if code in (-signal.SIGABRT, LOST):
        return f"another process died, or lost its connection{again}"
    return (
        f"ended by signal {-code} ({signal.Signals(-code).name}){' (out of memory?)' if code == -9 else ''}"
    )


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
    time.sleep(30)
    return True


def _is_fatal(log: list[str]) -> bool:
    return any(line.startswith("F") and RUNTIME.match(line) for line in log)


def _pass_on(stream, log: list[str]) -> None:
    """Lines of the child to standard error; those of the runtime, and what follows a fatal one, are kept back."""
    fatal = False
    for line in stream:
        held = bool(RUNTIME.match(line))
        fatal = fatal or (held and line.startswith(("E", "F")))
        if held or fatal:
            log.append(line)
        else:
            sys.stderr.write(line)
            sys.stderr.flush()


def _wait(child: subprocess.Popen) -> int:
    """Its exit code; a request to end reaches the child, which ends in its own way."""
    handlers = {
        signal.SIGINT: signal.SIG_IGN,  # the terminal sends it to the child as well
        signal.SIGTERM: lambda *_: child.terminate(),
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        return child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
