"""Peers in processes of their own: threads pinned, a time limit for every job, and the faster thread count kept."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
DEVICE = "BENCHMARK_DEVICE"  # tells a peer that is not JAX where to run


@dataclass(frozen=True)
class Job:
    """One way of one peer, a module like those of experiments.peers, to solve one task."""

    peer: str
    variant: str
    task: object


@dataclass(frozen=True)
class Outcome:
    """What came back: status ("ok", "not installed", "does not apply", "timed out …", "failed: …"), answer."""

    job: Job
    threads: int
    status: str
    answer: dict

    @property
    def ok(self) -> bool:
        """There is a result."""
        return self.status == "ok"


@dataclass(frozen=True)
class Terms:
    """Seconds of measuring a job, its time limit, the oracle's file, thread counts to try, who is told, and where:
    "cpu", or "gpu" for one accelerator.
    """

    budget: float
    limit: float
    answers: str
    threads: tuple[int, ...] = (1, 2)
    report: Callable = lambda outcome: None
    device: str = "cpu"


def run_peer(jobs: list[Job], threads: int, terms: Terms) -> list[Outcome]:
    """All jobs of one peer in one process; after a job that runs over its limit the rest get a fresh one."""
    done: list[Outcome] = []
    while len(done) < len(jobs):
        rest = jobs[len(done) :]
        found = _run_process(rest, threads, terms)
        done += found
    return done


def _run_process(jobs: list[Job], threads: int, terms: Terms) -> list[Outcome]:
    """Outcomes of the leading jobs, at least one; the last of them may be the one that was stopped."""
    process = _start(jobs, threads, terms)
    lines: queue.Queue = queue.Queue()
    threading.Thread(target=_forward, args=(process.stdout, lines), daemon=True).start()
    found: list[Outcome] = []
    try:
        for job in jobs:
            outcome = _next(job, lines, threads, terms.limit, process)
            found.append(outcome)
            terms.report(outcome)
            if outcome.status.startswith(("timed out", "died")):
                break
    finally:
        process.kill()
        process.wait()
    return found


def _start(jobs: list[Job], threads: int, terms: Terms) -> subprocess.Popen:
    arguments = [jobs[0].peer, str(threads), str(terms.budget), terms.answers]
    command = [sys.executable, "-m", "experiments.benchmark.worker", *arguments]
    process = subprocess.Popen(
        command,
        env=pinned(threads, terms.device),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process.stdin as pipe:
        json.dump([[job.variant, asdict(job.task)] for job in jobs], pipe)
    return process


def pinned(threads: int, device: str = "cpu") -> dict[str, str]:
    """The environment of a process whose BLAS and OpenMP use so many threads; on "gpu" it sees one device."""
    found = os.environ | {name: str(threads) for name in VARIABLES} | {DEVICE: device}
    if device == "cpu":
        return found | {"JAX_PLATFORMS": "cpu"}
    return found | {"CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]}


def _forward(stream, lines: queue.Queue) -> None:
    for line in stream:
        if line.startswith("{"):
            lines.put(line)
    lines.put(None)


def _next(job: Job, lines: queue.Queue, threads: int, limit: float, process) -> Outcome:
    try:
        line = lines.get(timeout=limit)
    except queue.Empty:
        return Outcome(job, threads, f"timed out after {limit:g} s", {})
    if line is None:
        return Outcome(job, threads, f"died (exit code {process.wait()})", {})
    answer = json.loads(line)
    return Outcome(job, threads, answer.pop("status"), answer)


def faster(one: Outcome, other: Outcome) -> Outcome:
    """The thread count that served the peer better: a result at all, else the shorter time."""
    if one.ok != other.ok:
        return one if one.ok else other
    if not one.ok:
        return one
    key = (
        (lambda each: each.answer["rank"]) if "rank" in one.answer else (lambda each: each.answer["seconds"])
    )
    return min(one, other, key=key)


def best_of_threads(jobs: list[Job], terms: Terms) -> list[Outcome]:
    """Every job with each number of threads, one process at a time; a peer that is not there is asked once."""
    found: dict[Job, Outcome] = {}
    for peer in dict.fromkeys(job.peer for job in jobs):
        for threads in getattr(import_module(peer), "THREADS", terms.threads):
            mine = [job for job in jobs if job.peer == peer and not (job in found and hopeless(found[job]))]
            for outcome in run_peer(mine, threads, terms):
                old = found.get(outcome.job)
                found[outcome.job] = outcome if old is None else faster(old, outcome)
    return [found[job] for job in jobs]


def hopeless(outcome: Outcome) -> bool:
    """A second try with other threads would say the same."""
    return outcome.status in ("not installed", "does not apply")
