"""The joint problem of many classes: mixup α = 1, all pairs, 20 values of λ a pair, each in a process of its own.

    python -m experiments.benchmark.growth.many '{"kind": "balanced", "penalty": 5e-4, "nodes": 20, "classes": 30}'

first: seconds of the law, `solve_joint` and `certify_joint` in a process that has imported JAX, compilation
included; second: of the latter two again. No method of others is tried at this size. K = 1000 by the symmetry of
the law: all classes alike, or 400 that weigh three times as much as the others; labels are then one an orbit.
"""

import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np

from experiments.benchmark.joint import TARGET, JointTask
from experiments.benchmark.processes import pinned
from experiments.benchmark.targets import Target

BY_SYMMETRY = 1000  # classes from which labels are one an orbit
KINDS = "balanced", "imbalanced"
TASKS = [JointTask(kind, 5e-4, 20, classes) for classes in (30, 100, BY_SYMMETRY) for kind in KINDS]
GOALS = {30: ("first", 3.0), 100: ("first", 60.0), BY_SYMMETRY: ("second", 1.0)}  # which call, seconds
MEMORY = 4096.0  # MiB


@dataclass(frozen=True)
class ManyRow:
    """Wall and processor seconds, the certified relative gap and the peak of memory in MiB."""

    classes: int
    kind: str
    labels: int
    first: float
    first_cpu: float
    second: float
    second_cpu: float
    steps: int
    gap: float
    peak: float


def measure(task: JointTask) -> ManyRow:
    """Both calls, in this process."""
    import jax

    jax.config.update("jax_enable_x64", True)
    from ufm.certify.joint import certify_joint
    from ufm.optimize.joint import solve_joint

    times = [clock()]
    problem = by_orbits(task) if task.classes >= BY_SYMMETRY else whole(task)
    for _ in range(2):
        found = solve_joint(problem)
        gap = certify_joint(problem, found).relative_gap
        times.append(clock())
    first, second = ([b - a for a, b in zip(*pair)] for pair in pairwise(times))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return ManyRow(task.classes, task.kind, len(found.H), *first, *second, found.steps, gap, peak)


def whole(task: JointTask):
    """The problem of all labels."""
    from ufm.model.atoms import JointProblem

    return JointProblem(task.law(), task.penalty, task.penalty)


def by_orbits(task: JointTask):
    """The problem of a law of one group of classes, or imbalanced of two."""
    from ufm.model.laws import LabelLaw
    from ufm.model.variants.orbits import OrbitProblem, orbit_law

    heavy = 3.0 if task.kind == "imbalanced" else 1.0
    weights = np.where(np.arange(task.classes) < 0.4 * task.classes, heavy, 1.0)
    law = LabelLaw("mixup", alpha=1.0, class_weights=tuple(weights / weights.sum()))
    return OrbitProblem(orbit_law(law, task.classes, task.nodes), task.penalty, task.penalty)


def clock() -> tuple[float, float]:
    """Wall and processor seconds."""
    return time.perf_counter(), time.process_time()


def measure_all(tasks: list[JointTask], cores: int = 2) -> list[ManyRow]:
    """One process a task, one after the other."""
    rows = []
    for task in tasks:
        command = [sys.executable, "-m", "experiments.benchmark.growth.many", json.dumps(asdict(task))]
        done = subprocess.run(command, env=pinned(cores), check=True, stdout=subprocess.PIPE, text=True)
        rows.append(ManyRow(**json.loads(done.stdout.splitlines()[-1])))
        print(many_lines(rows)[-1], flush=True)
    return rows


def many_lines(rows: list[ManyRow]) -> list[str]:
    """A table."""
    found = [
        "| K | law | labels | first call, s (processor) | second | steps | relative gap | peak, MiB |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    return found + [
        f"| {row.classes} | {row.kind} | {row.labels} | {row.first:.3g} ({row.first_cpu:.3g}) "
        f"| {row.second:.3g} ({row.second_cpu:.3g}) | {row.steps} | {row.gap:.1e} | {row.peak:.0f} |"
        for row in rows
    ]


def many_targets(rows: list[ManyRow]) -> list[Target]:
    """The first call at each K, or the second by symmetry, certified and within the memory."""
    found = []
    for classes, (call, goal) in GOALS.items():
        mine = [row for row in rows if row.classes == classes]
        slowest = max((getattr(row, call) for row in mine), default=None)
        good = all(row.gap <= TARGET and row.peak <= MEMORY for row in mine)
        found.append(
            Target(
                f"joint, K = {classes}, {call} call, gap ≤ {TARGET:g}, ≤ {MEMORY / 1024:g} GiB",
                f"≤ {goal:g} s",
                None if slowest is None else f"{slowest:.1f} s" + ("" if good else ", gap or memory missed"),
                None if slowest is None else good and slowest <= goal,
            )
        )
    return found


if __name__ == "__main__":
    print(json.dumps(asdict(measure(JointTask(**json.loads(sys.argv[1]))))))
