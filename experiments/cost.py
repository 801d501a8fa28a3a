"""What the command costs: its start against importing JAX, and the time of one feature.

    python -m experiments.cost [--quick]

Prints ratios measured in one run on this machine; nothing here is a test.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

BASELINE = "import jax, jax.numpy as jnp; jax.jit(lambda x: x + 1)(1.0).block_until_ready()"
COMMAND = ["-m", "ufm.solve", "--classes", "10", "--alpha", "1.0"]


def seconds(arguments: list[str], cache: str) -> float:
    """Wall time of a fresh Python process with the given compilation-cache directory."""
    environment = os.environ | {"XDG_CACHE_HOME": cache}
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


def start_up(repeats: int) -> None:
    """The main command, cold and warm, in units of importing JAX and jitting one addition."""
    cold, warm, base = [], [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as cache:
            base.append(seconds(["-c", BASELINE], cache))
            cold.append(seconds(COMMAND, cache))
            warm.append(seconds(COMMAND, cache))
    base, cold, warm = map(statistics.median, (base, cold, warm))
    print(f"import jax and jit one addition      {base:6.2f} s")
    print(f"main command, empty compilation cache {cold:5.2f} s  {cold / base:4.1f} x")
    print(f"main command, warm compilation cache  {warm:5.2f} s  {warm / base:4.1f} x")


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
            began = time.perf_counter()
            solve_features(problem, labels)
            times.append(time.perf_counter() - began)
        per = statistics.median(times) / count
        print(f"{K:6d}{d:6d}{count:10d}{per * 1e6:12.2f}{per / K * 1e9:14.1f}")


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="once each, one size: to see that it works")
    quick = parser.parse_args(argv).quick
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    start_up(1 if quick else 5)
    feature_rate(*(1, SIZES[:1]) if quick else (5,))
    return 0


if __name__ == "__main__":
    sys.exit(main())
