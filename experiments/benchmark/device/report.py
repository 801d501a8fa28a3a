"""The run on one device as Markdown and JSON."""

import json
from dataclasses import asdict
from pathlib import Path

from experiments.benchmark.device.checks import Check
from experiments.benchmark.device.kernels import DeviceRates, Kernel
from experiments.benchmark.device.run import DeviceRun
from experiments.benchmark.report import feature_lines, feature_record
from experiments.tools.files import plain
from experiments.training.checkpoint import write_whole

KERNELS = (
    "Nanoseconds a feature of a batch whose labels and results stay on the device, compiled; operations and bytes "
    "as XLA counts them for the compiled program (the descent: the leap, and one step times the number of steps; "
    "the whole call: those of the descent, in the time that includes checks of labels, transfers and the host). "
    "of bandwidth, of flops, of exp: share of the rates above (the triad's, and those of the dtype; logarithms "
    "count as exponentials). The largest is what bounds the kernel; above 100 % of bandwidth it works in cache."
)
FEATURES = (
    "µs: microseconds a feature after warm-up, labels and features in the host's memory, each peer in a process of "
    "its own. error: largest ‖h − h*‖/‖h*‖ of the features checked against 40-digit answers. n: features solved "
    "(checked). first: seconds the first call takes longer (compilation). ×: the peer's time over that of ours in "
    "float64, only where ours is at least as accurate."
)


def write_device(run: DeviceRun, command: str, machine: dict, folder: Path, stem: str) -> list[Path]:
    """stem.md and .json in the folder, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    text = {
        "md": markdown(run, command, machine),
        "json": json.dumps(
            plain(record(run, command, machine)), indent=1, ensure_ascii=False, allow_nan=False
        )
        + "\n",
    }
    paths = [folder / f"{stem}.{suffix}" for suffix in text]
    for path, content in zip(paths, text.values()):
        write_whole(path, lambda file, content=content: file.write(content.encode()))
    return paths


def markdown(run: DeviceRun, command: str, machine: dict) -> str:
    """The tables."""
    parts = [
        f"# {run.device['device']}",
        "",
        f"`{command}`",
        "",
        *(f"- {name}: {value}" for name, value in run.device.items()),
        "",
    ]
    parts += [", ".join(f"{name} {value}" for name, value in machine.items()), ""]
    parts += ["## What holds", "", *check_lines(run.checks), ""]
    parts += [*kernel_lines(run.rates, run.kernels), "", "## Features", "", FEATURES, ""]
    for task in dict.fromkeys(row.task for row in run.features):
        parts += [f"### K = {task.classes}, d = {task.dim}, λ_H = {task.lambda_h:g}, simplex ETF", ""]
        parts += [*feature_lines([row for row in run.features if row.task == task]), ""]
    return "\n".join(parts)


def check_lines(checks: list[Check]) -> list[str]:
    """One row a check."""
    rows = [f"| {check.name} | {'yes' if check.held else '**no**'} | {check.said} |" for check in checks]
    return ["| checked | held | |", "| --- | --- | --- |", *rows]


def kernel_lines(rates: DeviceRates, kernels: list[Kernel]) -> list[str]:
    """Rates, then one row a kernel."""
    found = ["## Rates", "", "| measured | rate |", "| --- | ---: |"]
    found += [f"| {name} | {value} |" for name, value in rate_cells(rates).items()]
    found += ["", "## Kernels", "", KERNELS, ""]
    titles = ("kernel", "dtype", "K", "ns", "flops", "bytes", "exp, log")
    found += [
        f"| {' | '.join(titles)} | of bandwidth | of flops | of exp |",
        f"|{' --- |' * 2}{' ---: |' * 8}",
    ]
    return found + [_line(kernel, rates) for kernel in kernels]


def rate_cells(rates: DeviceRates) -> dict[str, str]:
    """What was measured, and how much, in units."""
    found = {"copy": f"{rates.copy / 1e9:.4g} GB/s", "triad": f"{rates.triad / 1e9:.4g} GB/s"}
    found |= {f"matrix product, {name}": f"{value / 1e12:.3g} Tflop/s" for name, value in rates.flops.items()}
    return found | {f"exp, {name}": f"{value / 1e9:.3g} G/s" for name, value in rates.exps.items()}


def _line(kernel: Kernel, rates: DeviceRates) -> str:
    counts = [f"{value:.0f}" for value in (kernel.flops, kernel.bytes, kernel.transcendentals)]
    shares = [f"{value:.1%}" for value in kernel.shares(rates).values()]
    cells = [kernel.name, kernel.dtype, str(kernel.classes), f"{kernel.seconds * 1e9:.4g}", *counts, *shares]
    return f"| {' | '.join(cells)} |"


def record(run: DeviceRun, command: str, machine: dict) -> dict:
    """The same as plain data."""
    return {
        "schema": 1,
        "command": command,
        "machine": machine,
        "device": run.device,
        "checks": [asdict(check) for check in run.checks],
        "rates": asdict(run.rates),
        "kernels": [asdict(kernel) | {"shares": kernel.shares(run.rates)} for kernel in run.kernels],
        "features": [feature_record(row) for row in run.features],
    }
