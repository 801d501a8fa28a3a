"""What a user waits for: first answers of the commands, and a comparison of many features against reading them."""

from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage

from experiments.benchmark.targets import Target
from experiments.benchmark.waits.first import first_answers
from experiments.benchmark.waits.large import measure

ROUNDS = 3
SAMPLES, DIM, CLASSES = 1_000_000, 2048, 10
GOALS = {  # in units of importing JAX and jitting one addition; seconds of a processor
    "solve, nothing kept": (2.5, None),
    "solve, programs kept": (1.6, None),
    "verify, nothing kept": (None, 4.0),
    "ufm --help": (None, 0.3),
    "compare": (5.0, None),
}


@dataclass(frozen=True)
class Wait:
    """Seconds, and how many times those of `unit`."""

    name: str
    seconds: float
    times: float
    unit: str


def measure_waits() -> list[Wait]:
    """Processor seconds of first answers; seconds of the wall of a comparison, where the disk has room for it."""
    base, answers = first_answers(ROUNDS)
    found = [
        Wait(name, took, took / base, "import JAX and jit one addition") for name, took in answers.items()
    ]
    if disk_usage(Path.cwd()).free > 6 * SAMPLES * DIM:
        large = measure(SAMPLES, DIM, CLASSES)
        took, plain = float(large.spent[0]), float(large.plain[0])
        found.append(
            Wait("compare", took, took / plain, f"read {large.size:.3g} GiB, multiply by W, sum classes")
        )
    return found


def wait_lines(waits: list[Wait]) -> list[str]:
    """The table in Markdown."""
    return [
        "| what | seconds | times | of what |",
        "| --- | ---: | ---: | --- |",
        *(f"| {wait.name} | {wait.seconds:.2f} | {wait.times:.2f} | {wait.unit} |" for wait in waits),
    ]


def wait_targets(waits: list[Wait]) -> list[Target]:
    """Those that have a goal."""
    by_name, found = {wait.name: wait for wait in waits}, []
    for name, (times, seconds) in GOALS.items():
        wait, goal = by_name.get(name), f"≤ {times:g} ×" if times else f"≤ {seconds:g} s"
        if wait is None:
            found.append(Target(f"waiting for {name}", goal, None, None))
            continue
        value, unit = (wait.times, " ×") if times else (wait.seconds, " s")
        found.append(Target(f"waiting for {name}", goal, f"{value:.2f}{unit}", value <= (times or seconds)))
    return found
