"""python -m experiments.speed: this project and what a researcher would use instead, side by side in one run.

Writes speed.md, speed.json and speed.png: error against a 40-digit oracle and time a feature, the joint problem,
the project's targets, and where the time goes. The peers come with pip install -e '.[bench]'; one that is not
installed, fails or takes too long is reported as such. About half an hour on 2 cores, a third of it the largest
joint problems, first answers and a comparison of 8 GB, which it writes here; nothing else should run.

`python -m experiments.device` is the same for one accelerator.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

from ufm.commands.frame import command
from ufm.rules.errors import InputError

FEATURE_PEERS = ("ours", "scipy_lbfgs", "cvxpy_clarabel", "optax_lbfgs", "torch_batched")
JOINT_PEERS = ("joint.ours", "joint.scipy", "joint.sgd", "joint.cvxpy")
RESULTS = Path(__file__).parent / "results"


@dataclass
class Arguments:
    """Time and accuracy of this project beside scipy, cvxpy, optax and torch; results in --out."""

    quick: bool = False
    """Under 2 minutes: K = 10 at one penalty, one thread, small joint problems; writes speed_quick.*."""
    profile: bool = False
    """Only where the time of the numerical route goes; writes nothing."""
    many: bool = False
    """Only the joint problem of 30, 100 and 1000 classes, some minutes; with --quick of 30 alone."""
    guard: str = ""
    """A record of before with the same flags: exit code 1 where a ratio to a peer became 1.5 times less."""
    out: str = str(RESULTS)
    """Folder for the results."""


def run(args: Arguments, argv: list[str]) -> int:
    """All peers, one process at a time, then the tables. Raises InputError for an unusable folder."""
    from experiments.benchmark.profile import lines

    folder = Path(args.out)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out must be a folder, got the file {args.out}")
    if args.many:
        if args.guard or args.profile:
            raise InputError("--many is a run of its own: give it without --guard and --profile")
        return run_many(folder, args.quick, " ".join(["python -m experiments.speed", *argv]))
    from experiments.benchmark.growth import guard

    before = guard.read(args.guard) if args.guard else None
    rates, stages = profile()
    if args.profile:
        print("\n".join(lines(rates, stages)))
        return 0
    from experiments.benchmark.growth.many import TASKS, many_targets, measure_all
    from experiments.benchmark.machine import machine
    from experiments.benchmark.report import Run, record, target_lines, write
    from experiments.benchmark.rows import feature_rows, joint_rows
    from experiments.benchmark.targets import feature_targets, joint_targets
    from experiments.benchmark.waits.rows import measure_waits, wait_targets
    from experiments.tools.files import plain

    where = machine()
    features, joint = measure(args.quick)
    features, joint = feature_rows(features), joint_rows(joint)
    many, waits = ([], []) if args.quick else (measure_all(TASKS), measure_waits())
    targets = feature_targets(features, rates, stages) + joint_targets(joint)
    targets += many_targets(many) + wait_targets(waits) if not args.quick else []
    command = " ".join(["python -m experiments.speed", *argv])
    found = Run(command, where, features, joint, targets, rates, stages, many, waits)
    paths = write(found, folder, "speed_quick" if args.quick else "speed")
    print("\n".join(["", *target_lines(targets), "", *map(str, paths)]))
    if before is None:
        return 0
    told, kept = guard.compare(before, json.loads(json.dumps(plain(record(found)))))
    print("\n".join(["", *told]))
    return 0 if kept else 1


def run_many(folder: Path, quick: bool, command: str) -> int:
    """Many classes alone; quick: the fewest."""
    from experiments.benchmark.growth.many import TASKS, measure_all
    from experiments.benchmark.machine import machine
    from experiments.benchmark.report import many_page
    from experiments.training.checkpoint import write_whole

    rows = measure_all([task for task in TASKS if task.classes == TASKS[0].classes] if quick else TASKS)
    page = many_page(rows, command, machine())
    record = json.dumps([asdict(row) for row in rows], indent=1) + "\n"
    stem = "speed_many_quick" if quick else "speed_many"
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, text in (("md", page), ("json", record)):
        write_whole(folder / f"{stem}.{suffix}", lambda file, text=text: file.write(text.encode()))
    print("\n" + page)
    return 0


def profile():
    """Rates and stages, measured in a process of its own with one thread."""
    from experiments.benchmark.processes import pinned
    from experiments.benchmark.profile import Rates, Stage

    command = [sys.executable, "-m", "experiments.benchmark.profile"]
    done = subprocess.run(command, env=pinned(1), check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return Rates(**found["rates"]), [Stage(**stage) for stage in found["stages"]]


def measure(quick: bool):
    """Outcomes of all feature jobs and of all joint jobs."""
    from experiments.benchmark.joint import joint_tasks
    from experiments.benchmark.oracle import save_answers
    from experiments.benchmark.processes import Terms, best_of_threads
    from experiments.benchmark.tasks import feature_tasks

    tasks, report = feature_tasks(quick), teller()
    with tempfile.TemporaryDirectory() as scratch:
        answers = str(Path(scratch) / "answers.npz")
        save_answers(tasks, answers)
        budget, limit = (0.3, 20.0) if quick else (1.0, 60.0)
        terms = Terms(budget, limit, answers, (1,) if quick else (1, 2), report)
        return best_of_threads(jobs(FEATURE_PEERS, tasks), terms), best_of_threads(
            jobs(JOINT_PEERS, joint_tasks(quick)), terms
        )


def teller():
    """Prints one line an outcome, with the seconds since the start."""
    began = time.monotonic()

    def report(outcome):
        seconds = outcome.answer.get("seconds")
        result = outcome.status if seconds is None else f"{seconds * 1e6:.4g} µs a feature"
        if outcome.status != "does not apply":
            words = f"{outcome.job.variant}, {outcome.job.task.name}, {outcome.threads} threads: {result}"
            print(f"{time.monotonic() - began:5.0f} s  {words}", flush=True)

    return report


def jobs(peers: tuple[str, ...], tasks: list) -> list:
    """Every way of every peer on every task."""
    from experiments.benchmark.processes import Job

    modules = [import_module(f"experiments.peers.{peer}") for peer in peers]
    return [
        Job(peer.__name__, variant, task) for peer in modules for task in tasks for variant in peer.VARIANTS
    ]


main = command("experiments.speed", Arguments, run)


if __name__ == "__main__":
    sys.exit(main())
