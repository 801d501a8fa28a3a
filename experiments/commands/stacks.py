"""Where a process stands that does not end: its Python stacks by signal, its native ones by gdb. Linux."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

# Run by every Python that starts with this folder on its path: what was asked for runs as it always does.
STARTUP = """
import ctypes, faulthandler, os, signal
faulthandler.enable()
faulthandler.register(
    signal.SIGUSR1, file=open(os.path.join({folder!r}, str(os.getpid())), "w"), all_threads=True
)
try:
    ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)  # gdb may attach, as it could as root
except AttributeError:
    pass
"""
GDB = ["gdb", "-batch", "-nx", "-ex", "set pagination off", "-ex", "thread apply all backtrace", "-p"]


def watchable(folder: Path) -> dict[str, str]:
    """Environment in which `dump` finds the Python stacks of a process; folder: for its own files."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(STARTUP.format(folder=str(folder)), encoding="utf-8")
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))}


def family(pid: int) -> list[int]:
    """A process and all that came from it, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def dump(pid: int, folder: Path) -> str:
    """All stacks of a process and its children; folder: that of `watchable`."""
    return "\n".join(f"=== process {each}: {_command(each)}\n{_one(each, folder)}" for each in family(pid))


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    return "ended"


def _one(pid: int, folder: Path) -> str:
    python = _python(pid, folder / str(pid))
    return f"--- {_busy(pid)}\n--- Python\n{python}\n--- native\n{_native(pid)}"


def _busy(pid: int, seconds: float = 1.0) -> str:
    """What tells waiting from working, on however slow a machine."""
    used = []
    for pause in (seconds, 0.0):
        with suppress(OSError):
            ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
            used.append(sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"))
        time.sleep(pause)
    if len(used) < 2:
        return "it has ended"
    return f"{used[1]:.2f} s of the processors, {used[1] - used[0]:.2f} s of these in the last {seconds:g} s"


def _python(pid: int, path: Path, seconds: float = 5.0) -> str:
    """The handler writes at once, also while the process waits in native code; a stopped one never does."""
    if not path.exists():
        return "no Python, or it had not started"
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGUSR1)
    end, before = time.monotonic() + seconds, -1
    while time.monotonic() < end and path.stat().st_size != before:  # until it grows no more
        before = path.stat().st_size or -1
        time.sleep(0.2)
    return path.read_text(errors="replace") or "no answer"


def _native(pid: int, seconds: float = 120.0) -> str:
    if shutil.which("gdb") is None:
        return "gdb is not installed"
    try:
        done = subprocess.run(
            [*GDB, str(pid)], capture_output=True, text=True, errors="replace", timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return f"gdb did not end within {seconds:g} s"
    return done.stdout or done.stderr


def end(pid: int) -> None:
    """Kill a process and all that came from it, by their ids."""
    for each in family(pid):
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
