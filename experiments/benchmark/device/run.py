"""`python -m experiments.speed --device gpu`: rates and kernels of one device, then the peers that run there.

Every path here runs with the platform "cpu" too, which is how it is tested where there is no accelerator.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path

from experiments.benchmark.device.kernels import DESCENT, DTYPES, DeviceRates, Kernel, Scale
from experiments.benchmark.oracle import save_answers
from experiments.benchmark.processes import Job, Terms, best_of_threads, pinned
from experiments.benchmark.rows import FeatureRow, feature_rows
from experiments.benchmark.tasks import FeatureTask
from experiments.peers.ours_device import name_of
from ufm.rules.errors import InputError

PEERS = ("ours_device", "optax_device", "torch_device")
TASKS = tuple(FeatureTask(K, 1e-4) for K in (10, 100, 1000))
BUDGET, LIMIT = 1.0, 25.0  # seconds of measuring a job, and of the whole of it
KERNEL_LIMIT = 120.0
INSTALL = 'install its JAX (pip install "jax[cuda12]" or "jax[cuda13]", as the driver allows)'


@dataclass(frozen=True)
class DeviceRun:
    """Everything that was measured on one device; device: its name, platform and driver."""

    device: dict[str, str]
    rates: DeviceRates
    kernels: list[Kernel]
    features: list[FeatureRow]


def measure_device(
    platform: str, tasks: tuple[FeatureTask, ...], scale: Scale, report: Callable = lambda outcome: None
) -> DeviceRun:
    """The kernels, then every peer on every task. InputError where JAX has no such device."""
    device, rates, kernels = measure_kernels(platform, scale)
    modules = [import_module(f"experiments.peers.{peer}") for peer in PEERS]
    jobs = [Job(each.__name__, way, task) for each in modules for task in tasks for way in each.VARIANTS]
    with tempfile.TemporaryDirectory() as scratch:
        answers = str(Path(scratch) / "answers.npz")
        save_answers(tasks, answers)
        terms = Terms(min(BUDGET, scale.seconds), LIMIT, answers, (cores(),), report, platform)
        features = feature_rows(best_of_threads(jobs, terms))
    return DeviceRun(device, rates, kernels + whole_calls(kernels, features), features)


def whole_calls(kernels: list[Kernel], features: list[FeatureRow]) -> list[Kernel]:
    """`solve_features` as it is called, host to host: the time of its row, the operations of its descent."""
    counted = {(each.classes, each.dtype): each for each in kernels if each.name.startswith(DESCENT)}
    keys = {name_of(dtype): dtype for dtype in DTYPES}
    found = [(row, counted.get((row.task.classes, keys.get(row.variant)))) for row in features]
    return [
        replace(kernel, name="Newton: whole call, host to host", seconds=row.seconds)
        for row, kernel in found
        if kernel and row.outcome.ok
    ]


def measure_kernels(platform: str, scale: Scale) -> tuple[dict[str, str], DeviceRates, list[Kernel]]:
    """Device, rates and kernels, in a process of their own. InputError where JAX has no such device."""
    asked = json.dumps({"platform": platform, "scale": asdict(scale)})
    command = [sys.executable, "-m", "experiments.benchmark.device.kernels", asked]
    environment = pinned(cores(), platform)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=KERNEL_LIMIT)
    if done.returncode:
        raise RuntimeError(f"the kernels of {platform} could not be measured:\n{done.stderr}")
    found = json.loads(done.stdout.splitlines()[-1])
    if "absent" in found:
        raise InputError(refusal(platform, found["absent"], os.environ.get("JAX_PLATFORMS")))
    return found["device"], DeviceRates(**found["rates"]), [Kernel(**each) for each in found["kernels"]]


def refusal(platform: str, seen: str, ordered: str | None) -> str:
    """Why there is no such device, and what to try."""
    cause = f" (JAX_PLATFORMS={ordered} says so)" if ordered else ""
    return f"--device {platform}: JAX sees only {seen}{cause}; {INSTALL}, or leave --device out"


def cores() -> int:
    """Processors that this process may use: the host's part of the work."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
