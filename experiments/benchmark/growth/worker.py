"""One point of the growth table in a process of its own: python -m experiments.benchmark.growth.worker JSON.

JSON: {"route": …, "size": {…}, "budget": seconds, "core": which of them, "turn": a file}; answers with one line of
JSON. One core, float64. Time is processor time, on which what else the machine does weighs least: the least of the
calls after the first, made while this process alone holds the file's lock; compile is what the first one took
longer. Memory is the peak of anonymous memory (Linux: smaps_rollup) while inputs are made anew and the call is
repeated, above what the idle process held: everything imported and compiled, inputs and results of the earlier
calls given back to the system.
"""

import ctypes
import fcntl
import gc
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial

from experiments.benchmark.growth.points import ROLLUP
from experiments.benchmark.growth.routes import ROUTES, Size

MMAP_THRESHOLD, LARGE = -3, 2**17  # glibc's mallopt: arrays of so many bytes get pages of their own
PERIOD, WATCHED = 1e-3, 0.25  # seconds between two looks, and of calls watched


def main(argv: list[str]) -> int:
    """Measure the point and print the answer."""
    asked = json.loads(argv[0])
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[asked["core"] % len(cores)]})
    import jax

    jax.config.update("jax_enable_x64", True)
    make = partial(ROUTES[asked["route"]].make, Size(**asked["size"]))
    print(json.dumps(measure(make, asked["budget"], asked["turn"])))
    return 0


def measure(make: Callable, budget: float, turn: str) -> dict:
    """Seconds of a call, seconds of compilation, number of calls timed, bytes."""
    call, times = make(), []
    first = clock(call)
    with alone(turn):
        while len(times) < 2 or (sum(times) < budget and len(times) < 200):
            times.append(clock(call))
    del call
    least = min(times)
    return {
        "seconds": least,
        "compile": max(0.0, first - least),
        "calls": len(times),
        "memory": peak_memory(make),
    }


@contextmanager
def alone(turn: str):
    """Wait for the lock of this file, and hold it."""
    with open(turn, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def clock(call: Callable) -> float:
    """Processor seconds of a call; its result is dropped after the clock is read."""
    began = time.process_time()
    found = call()
    seconds = time.process_time() - began
    del found
    return seconds


def peak_memory(make: Callable) -> int:
    """Bytes of anonymous memory at the most, above the idle process."""
    idle = settle()
    with Peak() as peak:
        call, began = make(), time.monotonic()
        while True:
            found = call()
            peak.look()  # a thread that looks now and then could miss what is held for a moment only
            del found
            if time.monotonic() - began > WATCHED:
                break
    return max(0, peak.bytes - idle)


def settle() -> int:
    """Anonymous bytes after all that is free was given back; from now on large arrays are, once they are freed."""
    gc.collect()
    library = ctypes.CDLL(None)
    if hasattr(
        library, "malloc_trim"
    ):  # glibc keeps freed memory for later, which would hide as much of a peak
        library.mallopt(MMAP_THRESHOLD, LARGE)
        library.malloc_trim(0)
    return anonymous()


def anonymous() -> int:
    """Bytes of memory that belong to this process alone and to no file."""
    lines = ROLLUP.read_text().splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


class Peak:
    """The most anonymous memory seen inside a with block, by a thread that looks all the time."""

    def __enter__(self):
        self.bytes, self.stop = anonymous(), threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def _watch(self) -> None:
        while not self.stop.wait(PERIOD):
            self.look()

    def look(self) -> None:
        """Take what is held now into account."""
        self.bytes = max(self.bytes, anonymous())

    def __exit__(self, *_) -> None:
        self.stop.set()
        self.thread.join()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
