"""python -m experiments.scaling: more cores against as many pinned processes; one device against two, one process
against two; then 256 devices, on paper.

Measured with one core a device. Devices of one process share a program; processes exchange reductions by
collectives over the loopback. The extrapolation takes what was measured for a device's share, counts what is
exchanged, and adds it at a latency and bandwidth stated here; it is arithmetic, not a measurement.
"""

import argparse
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from experiments.benchmark.growth.cores import Cores, cores_lines, measure_cores
from experiments.benchmark.growth.scaling_worker import joint_bytes
from experiments.tools.arguments import positive, written

WORKER = "experiments.benchmark.growth.scaling_worker"
SIZES = {"features": 1_000_000, "joint": 20_000, "sweep": 8192}
UNITS = {"joint": "labels", "sweep": "problems"} | dict.fromkeys(("features", "solve", "check"), "features")
ON_CORES = {"solve": 1_000_000, "check": 500_000, "sweep": 8192}
CLASSES = 10
LATENCY, BANDWIDTH = 1e-4, 1e9  # seconds a message, bytes a second: ordinary Ethernet
FAR = {"count": 10**9, "devices": 256, "hosts": 32}


@dataclass(frozen=True)
class Point:
    """One configuration: seconds of the slowest process, cores busy in all, bytes each process gave."""

    route: str
    size: int
    processes: int
    devices: int
    seconds: float
    busy: float
    given: int


def measure(route: str, size: int, processes: int, devices: int, cache: str) -> Point:
    """Run the worker once in each process. RuntimeError if one of them fails."""
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": str(devices), "JAX_COMPILATION_CACHE_DIR": cache}
    environment |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PLATFORMS": "cpu"}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", WORKER, route, str(size)]
    ranks = [[address, str(processes), str(rank)] for rank in range(processes)] if processes > 1 else [[]]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen([*command, *rank], env=environment, **pipes) for rank in ranks]
    answers = []
    try:
        for process in running:
            out, err = process.communicate()
            if process.returncode:
                raise RuntimeError(f"{route} with {processes} processes failed:\n{err[-2000:]}")
            answers.append(json.loads(out.splitlines()[-1]))
    finally:
        for process in running:
            process.kill()
    seconds, given = (max(answer[name] for answer in answers) for name in ("seconds", "given"))
    busy = sum(answer["processor"] for answer in answers) / seconds
    return Point(route, size, processes, processes * devices, seconds, busy, given)


def measure_all(scale: float) -> list[Point]:
    """Each route on one device, on two of one process, and on one of two processes each."""
    found = []
    with tempfile.TemporaryDirectory() as cache:
        for route, full in SIZES.items():
            size = max(1, round(full * scale))
            for processes, devices in ((1, 1), (1, 2), (2, 1)):
                found.append(measure(route, size, processes, devices, cache))
                print(f"{route}: {processes} x {devices}: {found[-1].seconds:.3f} s", flush=True)
    return found


def measure_on_cores(scale: float) -> list[Cores]:
    """What needs no exchange, on more and more cores."""
    found = []
    with tempfile.TemporaryDirectory() as cache:
        for route, full in ON_CORES.items():
            some = measure_cores(route, max(800, round(full * scale)), cache)
            for p in some:
                print(
                    f"{p.route}: {p.cores} cores: {p.together:.3f} s, {p.share:.2f} of the ceiling",
                    flush=True,
                )
            found += some
    return found


def collective(size: float, hosts: int) -> float:
    """Seconds of an all-reduce or all-gather of `size` bytes a host: a latency a round, and a ring's traffic."""
    return math.ceil(math.log2(hosts)) * LATENCY + size * hosts / BANDWIDTH


def extrapolate(points: list[Point]) -> list[tuple[str, float, float]]:
    """(route, seconds of computing, seconds of exchange) for FAR, from the measurements on one device."""
    one = {p.route: p for p in points if p.devices == 1}
    two = {p.route: p for p in points if p.processes == 2}
    share = FAR["count"] / FAR["devices"]
    found = []
    for route, point in one.items():
        computing = point.seconds / point.size * share
        if (
            route == "joint"
        ):  # some 10 outer steps, each with one sum for the step and one or two for the value
            exchange = 10 * (collective(joint_bytes(CLASSES), FAR["hosts"]) + 2 * collective(8, FAR["hosts"]))
        else:
            exchange = 8 * collective(two[route].given / 8, FAR["hosts"])
        found.append((route, computing, exchange))
    return found


def describe(points: list[Point], cores: list[Cores], command: str) -> str:
    """The report in Markdown."""
    from experiments.benchmark.machine import machine

    about = machine()
    lines = [
        "# Several devices and processes",
        "",
        f"`{command}`",
        "",
        f"{about['processor']}, {about['cores']} cores, jax {about['jax']}, float64, K = {CLASSES}.",
    ]
    lines += [
        "",
        "Features alone (solve, K = 10), with certificate, closed form and verdicts (check, K = 100), and a sweep, "
        "by one process on more and more cores, with a thread for each; beside it as many processes that share "
        "nothing, each bound to a core and to its share of the work. The fastest of some rounds in which both take "
        "turns.",
        "",
        *cores_lines(cores, UNITS),
        "",
        "| route | size | processes | devices | seconds | speed-up | cores busy | bytes a process gave |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    base = {p.route: p.seconds for p in points if p.devices == 1}
    for p in points:
        given = f"{p.given:,}" if p.processes > 1 else "-"
        ratio = f"{base[p.route] / p.seconds:.2f}"
        size = f"{p.size:,} {UNITS[p.route]}"
        row = (p.route, size, p.processes, p.devices, f"{p.seconds:.3f}", ratio, f"{p.busy:.2f}", given)
        lines.append("| " + " | ".join(map(str, row)) + " |")
    lines += [
        "",
        "A device is not a core: what one device leaves of a second core (cores busy) is all that a second can "
        "gain. XLA's own threads run the linear algebra of the joint solver, and the host's part of a stream "
        "overlaps with the device's.",
        "",
        f"On paper: {FAR['count']:,} of each at K = {CLASSES} on {FAR['devices']} such devices of {FAR['hosts']} "
        "hosts. Computing is the time of one device above, for its share. Exchanged are, for features, six numbers "
        f"a row and a histogram; for the joint problem {joint_bytes(CLASSES):,} bytes an outer step; for a sweep "
        "the list of unfinished blocks. "
        f"A message is taken to need {LATENCY * 1e6:g} us and {BANDWIDTH / 1e9:g} GB/s.",
        "",
        "| route | computing, s | exchange, s | share of exchange |",
        "|---|--:|--:|--:|",
    ]
    for route, computing, exchange in extrapolate(points):
        lines.append(
            f"| {route} | {computing:.1f} | {exchange:.3f} | {exchange / (computing + exchange):.1e} |"
        )
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    """Measure, extrapolate, report."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scale", type=positive, default=1.0, help="share of the full sizes")
    parser.add_argument("--output", type=written, help="Markdown file for the report")
    args = parser.parse_args(argv)
    cores = measure_on_cores(args.scale)
    report = describe(measure_all(args.scale), cores, " ".join(["python -m experiments.scaling", *argv]))
    print(report)
    if args.output is not None:
        args.output.write_text(report, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
