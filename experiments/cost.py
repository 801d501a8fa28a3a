"""What the commands cost: their first answers against importing JAX, and the time of one feature.

    python -m experiments.cost [--quick] [--starts]

Prints ratios measured in one run on this machine; nothing here is a test.
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

BASELINE = "import jax, jax.numpy as jnp; jax.jit(lambda x: x + 1)(1.0).block_until_ready()"
SAVED = "features.npz"
COMMANDS = {
    "solve": "-m ufm.solve --classes 10 --alpha 1.0",
    "solve, free classifier": "-m ufm.solve --classes 5 --classifier free",
    "verify": "-m ufm.verify --classes 7",
    "compare": f"-m ufm.compare {SAVED}",
}
HELP = ["-c", "from ufm.commands.console import main; main()", "--help"]
PREPARE = f"-m ufm.solve --classes 10 --quadrature 6 --save {SAVED}"


def seconds(arguments: list[str], folder: str, cache: str) -> float:
    """Processor time of a fresh Python process with the given cache directory, bytecode kept as for any user."""
    environment = os.environ | {"XDG_CACHE_HOME": cache, "PYTHONPATH": str(Path(__file__).parents[1])}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], env=environment, cwd=folder, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def start_up(repeats: int) -> None:
    """First answers of the commands, cold and warm, in units of importing JAX and jitting one addition."""
    rounds = [one_round() for _ in range(repeats)]
    base, helped = (statistics.median(found[part] for found in rounds) for part in (0, 1))
    print("processor time, and in units of the first line\n")
    print(f"{'import jax and jit one addition':38}{base:8.2f} s")
    print(f"{'ufm --help':38}{helped:8.2f} s{helped / base:8.2f} x")
    for name in COMMANDS:
        for temperature in (0, 1):
            found = statistics.median(each[2][name][temperature] for each in rounds)
            words = f"{name}, {('nothing kept', 'programs kept')[temperature]}"
            print(f"{words:38}{found:8.2f} s{found / base:8.2f} x")


def one_round() -> tuple[float, float, dict[str, tuple[float, float]]]:
    """Seconds of the baseline, of --help, and of every command: with an empty cache, and once more."""
    with tempfile.TemporaryDirectory() as folder:
        seconds(PREPARE.split(), folder, str(Path(folder, "other")))
        found = {}
        for name, words in COMMANDS.items():
            cache = str(Path(folder, name.replace(" ", "-")))
            found[name] = seconds(words.split(), folder, cache), seconds(words.split(), folder, cache)
        return seconds(["-c", BASELINE], folder, cache), seconds(HELP, folder, cache), found


SIZES = ((10, 64, 100_000), (30, 64, 50_000), (100, 100, 20_000), (300, 300, 5_000), (1000, 1000, 2_000))


def feature_rate(repeats: int, sizes=SIZES) -> None:
    """Microseconds a feature of the Newton route against an ETF, features materialised in d = 64 or K."""
    import jax
    import numpy as np

    jax.config.update("jax_enable_x64", True)
    from ufm.model.problem import Problem
    from ufm.optimize.features import solve_features

    print("\n     K     d  features  us/feature  ns/feature/K")
    for K, d, count in sizes:
        problem = Problem(K, 1.67, dim=d)
        lam = np.random.default_rng(0).random(count)
        labels = np.zeros((count, K))
        labels[:, 0], labels[:, 1] = lam, 1 - lam
        solve_features(problem, labels)
        times = []
        for _ in range(repeats):
            began = perf_counter()
            solve_features(problem, labels)
            times.append(perf_counter() - began)
        per = statistics.median(times) / count
        print(f"{K:6d}{d:6d}{count:10d}{per * 1e6:12.2f}{per / K * 1e9:14.1f}")


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="once each, one size: to see that it works")
    parser.add_argument("--starts", action="store_true", help="only the first answers")
    args = parser.parse_args(argv)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    start_up(1 if args.quick else 5)
    if not args.starts:
        feature_rate(*(1, SIZES[:1]) if args.quick else (5,))
    return 0


if __name__ == "__main__":
    sys.exit(main())
