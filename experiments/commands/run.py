"""One run of a command of the table: on some cores, beside other load or alone, and never longer than allowed."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from experiments.commands.files import copy_tree, make
from experiments.commands.shown import ROOT
from experiments.commands.stacks import dump, end, watchable
from experiments.commands.table import LONG, Row

# a core's worth of work until it is killed, its starter is gone, or it is forgotten
BUSY = """
import os, time
end = time.monotonic() + {limit}
while time.monotonic() < end and os.getppid() == {parent}:
    pass
"""


class Place(NamedTuple):
    """Cores that a command may use, CPU devices it asks for (None: its default), whether others work there."""

    cores: int
    devices: int | None
    load: bool

    def __str__(self) -> str:
        cores = f"{self.cores} core{'s' * (self.cores > 1)}"
        devices = "" if self.devices is None else f", {self.devices} devices"
        return f"{cores}{devices}, {'loaded' if self.load else 'quiet'}"


class Ending(NamedTuple):
    """code: None where it had to be killed; its stacks are then in `stacks`. text: the last that it printed."""

    code: int | None
    seconds: float
    text: str
    stacks: str | None


def own_cores(count: int) -> list[int]:
    """The first cores that this process may use."""
    return sorted(os.sched_getaffinity(0))[:count]


@contextmanager
def load(place: Place, limit: float) -> Iterator[None]:
    """One busy process on every core of the place, if it is to be loaded; at most `limit` seconds."""
    code = BUSY.format(limit=limit, parent=os.getpid())
    busy = [
        subprocess.Popen([sys.executable, "-c", code], preexec_fn=partial(os.sched_setaffinity, 0, [core]))
        for core in own_cores(place.cores) * place.load
    ]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def run(row: Row, place: Place, seconds: float, cache: Path, root: Path = ROOT) -> Ending:
    """The command in a folder of its own with what it reads, on the code of the checkout `root`."""
    with tempfile.TemporaryDirectory(prefix="loop") as name:
        folder, scratch = Path(name) / "work", Path(name) / "watch"
        folder.mkdir()
        if row.kind == LONG:  # it may write into its checkout
            copy_tree(folder, root)
            root = folder
        make(row.files, folder)
        environment = os.environ | watchable(scratch) | {"XDG_CACHE_HOME": str(cache)}
        environment["PYTHONPATH"] = os.pathsep.join([environment["PYTHONPATH"], str(root)])
        environment["UFM_PATIENCE"] = "inf"  # the watchdog would end what is to be looked at
        environment.pop("JAX_NUM_CPU_DEVICES", None)
        if place.devices is not None:
            environment["JAX_NUM_CPU_DEVICES"] = str(place.devices)
        return _watch(lines(row), folder, scratch, environment, place, seconds)


def lines(row: Row) -> list[list[str]]:
    """The words of every process that takes part."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{probe.getsockname()[1]}"
    return [
        [sys.executable, "-m", *row.runs.format(coordinator=coordinator, process=rank).split()]
        for rank in range(row.processes)
    ]


def _watch(commands, folder: Path, scratch: Path, environment, place: Place, seconds: float) -> Ending:
    began, running = time.monotonic(), []
    with open(scratch / "output", "w+b") as output:
        bind = partial(os.sched_setaffinity, 0, own_cores(place.cores))
        pipes = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT}
        try:
            running += [
                subprocess.Popen(command, cwd=folder, env=environment, preexec_fn=bind, **pipes)
                for command in commands
            ]
            codes, took, stacks = _wait(running, began, seconds, scratch)
        finally:
            for process in running:
                if process.poll() is None:
                    end(process.pid)
                process.wait()
        output.seek(0)
        text = output.read().decode(errors="replace")[-2000:]
    return Ending(None if stacks else max(codes, key=abs), took, text, stacks)


def _wait(running: list[subprocess.Popen], began: float, seconds: float, scratch: Path):
    """Exit codes and seconds; where a code is missing at the deadline, the stacks of all that have not ended."""
    for process in running:
        try:
            process.wait(max(0.0, began + seconds - time.monotonic()))
        except subprocess.TimeoutExpired:
            late = [each.pid for each in running if each.poll() is None]
            return [], seconds, "\n".join(dump(pid, scratch) for pid in late)
    return [process.returncode for process in running], time.monotonic() - began, None
