"""Does this package keep its word on a device? Bounds against 40-digit answers, products, and the commands.

    python -m experiments.benchmark.device.checks '{"platform": …, "answers": file, "tasks": [[K, λ_H, W], …]}'

does those of numbers in a process that sees this device alone, and answers with one line of JSON.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from experiments.benchmark.processes import pinned
from experiments.benchmark.tasks import CHECKED, FeatureTask
from experiments.peers.ours import problem
from experiments.peers.ours_device import PRECISIONS

SINGLE = 2.0**-24  # half a unit of the last place in float32; TF32 has 2^-11
COMMANDS = {
    "features, all pairs of 10 classes": "ufm.solve --classes 10 --alpha 1.0",
    "features, float32 and float64": "ufm.solve --classes 10 --alpha 1.0 --precision mixed",
    "features, float32": "ufm.solve --classes 10 --alpha 1.0 --precision float32",
    "W free": "ufm.solve --classes 10 --classifier free --save free.npz",
    "theorems": "ufm.verify --classes 4",
    "a sweep": "ufm.sweep grid.toml",
    "a comparison": "ufm.compare free.npz --replicates 20",
}
GRID = 'classes = 6\nalpha = [0.5, 2.0]\nlambda_h = { from = 1e-6, to = 1e-1, count = 20, scale = "log" }\n'
COMMAND_LIMIT = 120.0


@dataclass(frozen=True)
class Check:
    """What was asked, whether it held, and the numbers that say so."""

    name: str
    held: bool
    said: str


def number_checks(answers: dict[FeatureTask, np.ndarray]) -> Iterator[Check]:
    """On JAX's default device: bounds of every precision against 40-digit features, and products in float32."""
    import jax.numpy as jnp

    from ufm.optimize.features import solve_features

    for task, exact in answers.items():
        labels = task.labels(CHECKED)
        for precision, options in PRECISIONS.items():
            found = solve_features(problem(task), labels, **options)
            yield bound_check(f"{task.name}, {precision}", task, labels, found.H, exact)
    yield product_check(lambda A, B: np.asarray(jnp.asarray(A) @ jnp.asarray(B)))


def bound_check(name: str, task: FeatureTask, labels: np.ndarray, H, exact: np.ndarray) -> Check:
    """‖h − h*‖ of each feature within what `certify_features` says of it, with h* from 40 digits."""
    from ufm.certify.features import certify_features

    bound = np.asarray(certify_features(problem(task), H, labels).distance)
    error = np.linalg.norm(np.asarray(H, np.float64) - exact, axis=1)
    rounding = 2.0**-52 * np.linalg.norm(exact, axis=1)  # of h* to double, and of the difference
    said = f"largest error {error.max():.1e}, bound {bound.max():.1e}"
    return Check(f"bound: {name}", bool((error <= bound + rounding).all()), said)


def product_check(product: Callable, size: int = 512) -> Check:
    """A product of float32 matrices is one of float32: |fl(AB) − AB| ≤ n u |A||B| for any order of sums."""
    A, B = np.random.default_rng(0).normal(size=(2, size, size)).astype(np.float32)
    error = np.abs(product(A, B) - A.astype(np.float64) @ B.astype(np.float64))
    ratio = float((error / (np.abs(A) @ np.abs(B))).max() / SINGLE)
    return Check("products: float32, never TF32", ratio <= 32, f"error {ratio:.1f} u |A||B|, u = 2^-24")


def command_checks(platform: str, threads: int, folder: Path) -> Iterator[Check]:
    """The commands, one after the other, in a folder: exit code 0."""
    (folder / "grid.toml").write_text(GRID, encoding="utf-8")
    for name, words in COMMANDS.items():
        yield command_check(name, words, pinned(threads, platform), folder)


def command_check(name: str, words: str, environment: dict[str, str], folder: Path) -> Check:
    """One command; what it says at the end where it does not end well."""
    command = [sys.executable, "-m", *words.split()]
    try:
        done = subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True, timeout=COMMAND_LIMIT
        )
    except subprocess.TimeoutExpired:
        return Check(f"command: {name}", False, f"not within {COMMAND_LIMIT:.0f} s")
    return Check(f"command: {name}", done.returncode == 0, ended(done))


def ended(done: subprocess.CompletedProcess) -> str:
    """The exit code, and where it is not 0 the last line."""
    last = (done.stderr or done.stdout).strip().splitlines()[-1:] if done.returncode else []
    return ": ".join([f"exit {done.returncode}", *last])


def main(argv: list[str]) -> int:
    """The checks of numbers."""
    asked = json.loads(argv[0])
    import jax

    from experiments.benchmark.device.kernels import find_device
    from ufm.runtime.start import start_jax

    start_jax()
    with np.load(asked["answers"]) as found, jax.default_device(find_device(asked["platform"])):
        tasks = [FeatureTask(*task) for task in asked["tasks"]]
        checks = [asdict(check) for check in number_checks({task: found[task.name] for task in tasks})]
    print(json.dumps(checks))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
