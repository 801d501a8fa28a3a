"""One process on several cores against as many processes, each bound to a core of its own and to its share of the
work: what those reach together is the ceiling, since they share memory and caches and nothing else.

Both stand ready in one run and take turns, so that what else the machine does falls on both.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial

from experiments.benchmark.processes import pinned

WORKER = "experiments.benchmark.growth.scaling_worker"
ROUNDS = 5
COUNTS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Cores:
    """Seconds for `size` of a route: of one process on `cores` cores, and of as many pinned ones together."""

    route: str
    size: int
    cores: int
    together: float
    apart: float

    @property
    def share(self) -> float:
        """Throughput of the one process as a share of the ceiling."""
        return self.apart / self.together


class Paced:
    """A worker bound to some cores that has compiled, and works once whenever it is told to."""

    def __init__(self, route: str, size: int, cores: list[int], cache: str):
        environment = pinned(len(cores)) | {"JAX_COMPILATION_CACHE_DIR": cache, "JAX_NUM_CPU_DEVICES": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", WORKER, route, str(size), "paced"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=partial(os.sched_setaffinity, 0, cores),
        )
        self.answer()

    def begin(self) -> None:
        """Work once."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def answer(self) -> float:
        """Seconds that it took. RuntimeError if the process has ended."""
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self.process.args)} ended with {self.process.wait()}")
        return float(line)

    def stop(self) -> None:
        """Let it end."""
        self.process.kill()
        self.process.communicate()


def measure_cores(route: str, size: int, cache: str) -> list[Cores]:
    """Each of COUNTS that this machine has cores for; the fastest of ROUNDS rounds."""
    mine = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    found = []
    for count in (count for count in COUNTS if count <= len(mine)):
        share = max(1, size // count)
        places = [(share * count, mine[:count]), *((share, [core]) for core in mine[:count])]
        workers: list[Paced] = []
        try:
            workers += (Paced(route, part, cores, cache) for part, cores in places)
            rounds = [(_seconds(workers[:1]), _seconds(workers[1:])) for _ in range(ROUNDS)]
        finally:
            for worker in workers:
                worker.stop()
        found.append(Cores(route, share * count, count, *map(min, zip(*rounds))))
    return found


def _seconds(workers: list[Paced]) -> float:
    """All at once; seconds of the slowest."""
    for worker in workers:
        worker.begin()
    return max(worker.answer() for worker in workers)


def cores_lines(found: list[Cores], units: dict[str, str]) -> list[str]:
    """The table in Markdown."""
    one = {p.route: p.together / p.size for p in found if p.cores == 1}
    return [
        "| route | size | cores | one process, s | as many pinned ones, s | share of that ceiling | speed-up |",
        "|---|--:|--:|--:|--:|--:|--:|",
        *(
            f"| {p.route} | {p.size:,} {units[p.route]} | {p.cores} | {p.together:.3f} | {p.apart:.3f} | "
            f"{p.share:.2f} | {one[p.route] * p.size / p.together:.2f} |"
            for p in found
        ),
    ]
