"""Points of the growth table, in processes of their own, and the exponents of what came back.

Two processes at a time, on a core each: one imports and compiles while the other's calls are timed.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from experiments.benchmark.growth.exponents import Fit, fit_exponent
from experiments.benchmark.growth.routes import ROUTES, Series, Size
from experiments.benchmark.processes import pinned
from ufm.rules.errors import InputError

ROLLUP = Path("/proc/self/smaps_rollup")
AT_ONCE = 2
RESOLVED = 2**18  # bytes: less is lost in what the allocator keeps and between two looks of the watcher
ALLOCATOR = {"MALLOC_ARENA_MAX": "1"}  # glibc gives back what is free at the end of its first arena only


@dataclass(frozen=True)
class Point:
    """What came back for one size: status ("ok", "timed out …", "failed: …"); numbers None unless it is "ok"."""

    size: Size
    status: str
    seconds: float | None = None
    compile: float | None = None
    calls: int | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Growth:
    """A series with its points."""

    series: Series
    points: list[Point]

    @property
    def measured(self) -> list[Point]:
        """Points with a result, in the order of what is varied."""
        found = [point for point in self.points if point.status == "ok"]
        return sorted(found, key=lambda point: self.value(point))

    def value(self, point: Point) -> int:
        """What is varied, at a point."""
        return getattr(point.size, self.series.varied)

    def time(self) -> Fit | None:
        """Exponent of the time of a call."""
        return self._fit([(self.value(point), point.seconds) for point in self.measured])

    def memory(self) -> Fit | None:
        """Exponent of the memory; less than can be resolved counts as that much, so as flat."""
        return self._fit([(self.value(point), max(point.memory, RESOLVED)) for point in self.measured])

    @staticmethod
    def _fit(pairs) -> Fit | None:
        return fit_exponent(*zip(*pairs)) if len(pairs) > 1 else None


def seconds_each(route: str, point: Point) -> float:
    """Seconds of one feature, or of the whole call where the route has no others."""
    return point.seconds / point.size.count if ROUTES[route].each else point.seconds


def measure_growth(series: list[Series], budget: float, limit: float, told: Callable) -> list[Growth]:
    """All points, each size of a route once; told(route, point) after each. InputError without smaps_rollup."""
    if not ROLLUP.exists():
        raise InputError(f"memory is read from {ROLLUP}, which this system does not have: Linux does")
    asked = list(dict.fromkeys((each.route, size) for each in series for size in each.sizes))
    cores: SimpleQueue = SimpleQueue()
    for core in range(AT_ONCE):
        cores.put(core)
    found = {}
    with tempfile.NamedTemporaryFile() as turn, ThreadPoolExecutor(AT_ONCE) as pool:
        one = partial(_on_free_core, cores, budget=budget, limit=limit, turn=turn.name)
        for (route, size), point in zip(asked, pool.map(one, asked)):
            found[route, size] = point
            told(route, point)
    return [Growth(each, [found[each.route, size] for size in each.sizes]) for each in series]


def _on_free_core(cores: SimpleQueue, asked: tuple[str, Size], **terms) -> Point:
    core = cores.get()
    try:
        return measure_point(*asked, core=core, **terms)
    finally:
        cores.put(core)


def measure_point(route: str, size: Size, *, budget: float, limit: float, turn: str, core: int = 0) -> Point:
    """One point in a fresh process with one thread and no compilation cache, timed when it has the turn."""
    terms = {"budget": budget, "core": core, "turn": turn}
    asked = json.dumps({"route": route, "size": asdict(size), **terms})
    command = [sys.executable, "-m", "experiments.benchmark.growth.worker", asked]
    environment = pinned(1) | ALLOCATOR | {"JAX_ENABLE_COMPILATION_CACHE": "false"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return Point(size, f"timed out after {limit:g} s")
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or ["without a word"]
        return Point(size, f"failed: {words[-1]} (exit code {done.returncode})")
    return Point(size, "ok", **json.loads(done.stdout.splitlines()[-1]))
