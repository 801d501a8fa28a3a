"""`python -m experiments.device`: what holds on one device, its rates and kernels, the peers that run there.

Every path here runs with the platform "cpu" too, which is how it is tested where there is no accelerator.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path

from experiments.benchmark.device.checks import Check, command_checks, ended
from experiments.benchmark.device.kernels import DESCENT, DTYPES, DeviceRates, Kernel, Scale
from experiments.benchmark.oracle import save_answers
from experiments.benchmark.processes import Job, Outcome, Terms, best_of_threads, pinned
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
    """Everything that was seen on one device; device: its name, platform and driver."""

    device: dict[str, str]
    checks: list[Check]
    rates: DeviceRates
    kernels: list[Kernel]
    features: list[FeatureRow]


def measure_device(
    platform: str, tasks: tuple[FeatureTask, ...], scale: Scale, tell: Callable = lambda words: None
) -> DeviceRun:
    """The kernels, the checks, then every peer on every task. InputError where JAX has no such device."""
    device, rates, kernels = measure_kernels(platform, scale)
    tell(f"{device['device']}: rates and {len(kernels)} kernels")
    modules = [import_module(f"experiments.peers.{peer}") for peer in PEERS]
    jobs = [Job(each.__name__, way, task) for each in modules for task in tasks for way in each.VARIANTS]
    with tempfile.TemporaryDirectory() as scratch:
        answers = str(Path(scratch) / "answers.npz")
        save_answers(tasks, answers)
        checks = list(told(check_all(platform, tasks, answers, Path(scratch)), tell))
        terms = Terms(
            min(BUDGET, scale.seconds), LIMIT, answers, (cores(),), lambda each: tell(line(each)), platform
        )
        features = feature_rows(best_of_threads(jobs, terms))
    return DeviceRun(device, checks, rates, kernels + whole_calls(kernels, features), features)


def check_all(platform: str, tasks: tuple[FeatureTask, ...], answers: str, folder: Path) -> Iterator[Check]:
    """Bounds and products, in a process of their own, then the commands."""
    given = [[task.classes, task.lambda_h, task.classifier] for task in tasks]
    done = apart("checks", platform, answers=answers, tasks=given)
    if done is None or done.returncode:
        said = f"not within {KERNEL_LIMIT:.0f} s" if done is None else ended(done)
        yield Check("bounds and products", False, said)
    else:
        yield from (Check(**each) for each in json.loads(done.stdout.splitlines()[-1]))
    yield from command_checks(platform, cores(), folder)


def told(checks: Iterator[Check], tell: Callable) -> Iterator[Check]:
    """The same, each said as it comes."""
    for check in checks:
        tell(f"{'held' if check.held else 'NOT HELD'}: {check.name}: {check.said}")
        yield check


def line(outcome: Outcome) -> str:
    """A peer's result."""
    seconds = outcome.answer.get("seconds")
    result = outcome.status if seconds is None else f"{seconds * 1e6:.4g} µs a feature"
    return f"{outcome.job.variant}, {outcome.job.task.name}: {result}"


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
    done = apart("kernels", platform, scale=asdict(scale))
    if done is None:
        raise InputError(f"the kernels of {platform} were not measured within {KERNEL_LIMIT:.0f} s")
    if done.returncode:
        raise RuntimeError(f"the kernels of {platform} could not be measured:\n{done.stderr}")
    found = json.loads(done.stdout.splitlines()[-1])
    if "absent" in found:
        raise InputError(refusal(platform, found["absent"], os.environ.get("JAX_PLATFORMS")))
    return found["device"], DeviceRates(**found["rates"]), [Kernel(**each) for each in found["kernels"]]


def apart(program: str, platform: str, **asked) -> subprocess.CompletedProcess | None:
    """A program of this folder in a process that sees this device alone; None where it takes too long."""
    words = json.dumps({"platform": platform, **asked})
    command = [sys.executable, "-m", f"experiments.benchmark.device.{program}", words]
    try:
        return subprocess.run(
            command, env=pinned(cores(), platform), capture_output=True, text=True, timeout=KERNEL_LIMIT
        )
    except subprocess.TimeoutExpired:
        return None


def refusal(platform: str, seen: str, ordered: str | None) -> str:
    """Why there is no such device, and what to try."""
    cause = f" (JAX_PLATFORMS={ordered} says so)" if ordered else ""
    return f"--platform {platform}: JAX sees only {seen}{cause}; {INSTALL}"


def cores() -> int:
    """Processors that this process may use: the host's part of the work."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
