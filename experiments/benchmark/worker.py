"""One peer in one process, its threads pinned: python -m experiments.benchmark.worker PEER THREADS BUDGET ANSWERS.

Jobs come on standard input as a JSON list of [variant, task]; each is answered by one line of JSON.
The process may use as many processors as threads, since XLA sizes its pool by that. BLAS and OpenMP take
their number from the environment, before numpy is loaded: `experiments.benchmark.processes` sets it.
"""

import contextlib
import json
import os
import statistics
import sys
import time
from importlib import import_module
from importlib.util import find_spec

import numpy as np

from experiments.benchmark.tasks import CHECKED, FeatureTask, Solver


def main(argv: list[str]) -> int:
    """Answer every job of standard input."""
    name, threads, budget, answers = argv[0], int(argv[1]), float(argv[2]), argv[3]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    peer = import_module(name)
    jobs = json.load(sys.stdin)
    missing = [package for package in peer.PACKAGES if find_spec(package) is None]
    if not missing and "jax" in peer.PACKAGES:
        import jax

        jax.config.update("jax_enable_x64", True)
    for variant, task in jobs:
        with contextlib.redirect_stdout(sys.stderr):  # a solver that prints must not be taken for an answer
            answer = {"status": "not installed"} if missing else attempt(peer, variant, task, budget, answers)
        print(json.dumps(answer), flush=True)
    return 0


def attempt(peer, variant: str, task: dict, budget: float, answers: str) -> dict:
    """The measurement, or what went wrong: a peer that fails is a row, not the end of the run."""
    from experiments.benchmark.joint import JointTask, measure_joint

    try:
        if "penalty" in task:
            return measure_joint(peer.VARIANTS[variant], JointTask(**task))
        given = FeatureTask(**task)
        made = peer.VARIANTS[variant](given)
        if made is None:
            return {"status": "does not apply"}
        return measure(made, given, budget, np.load(answers)[given.name])
    except Exception as error:
        return {
            "status": f"failed: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        }


def measure(solver: Solver, task: FeatureTask, budget: float, exact: np.ndarray) -> dict:
    """Seconds a feature after warm-up, what the first call took beyond a later one, the worst error."""
    labels = task.labels(max(solver.batch, 1000 if solver.batch == 1 else CHECKED))
    began = time.perf_counter()
    solver.warm() if solver.warm else solver.solve(labels[: solver.batch])
    first = time.perf_counter() - began
    run = _one_by_one if solver.batch == 1 else _batches
    seconds, count, found, call = run(solver, labels, budget)
    features = solver.features(found)
    return {
        "status": "ok",
        "seconds": seconds,
        "count": count,
        "compile": 0.0 if solver.warm else max(0.0, first - call),
        "error": None if features is None else worst_error(features, exact),
        "checked": 0 if features is None else min(len(features), CHECKED),
        "note": solver.note(found),
    }


def worst_error(H: np.ndarray, exact: np.ndarray) -> float:
    """max ‖h − h*‖/‖h*‖ over the features that are checked; infinite where one is not finite."""
    exact = exact[: len(H)]
    errors = np.linalg.norm(H[: len(exact)] - exact, axis=1) / np.linalg.norm(exact, axis=1)
    return float(np.nan_to_num(errors, nan=np.inf).max())


def _one_by_one(solver: Solver, labels, budget: float):
    """Mean over as many labels as fit into the budget; the time of each is its own."""
    found, began = [], time.perf_counter()
    while len(found) < len(labels) and (len(found) < 2 or time.perf_counter() - began < budget):
        found.append(solver.solve(labels[len(found) : len(found) + 1]))
    spent = time.perf_counter() - began
    return spent / len(found), len(found), np.concatenate(found), spent / len(found)


def _batches(solver: Solver, labels, budget: float):
    """Median over repeated calls on the same labels."""
    times, found = [], None
    while not times or (sum(times) < budget and len(times) < 50):
        found = None  # its memory goes back before the next call
        began = time.perf_counter()
        found = solver.solve(labels[: solver.batch])
        times.append(time.perf_counter() - began)
    call = statistics.median(times)
    return call / solver.batch, solver.batch, found, call


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
