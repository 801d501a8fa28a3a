"""What the commands cost: their first answers against importing JAX, and the time of one feature.

    python -m experiments.cost [--quick] [--starts]

Prints ratios measured in one run on this machine; nothing here is a test.
"""

import argparse
import os
import platform
import statistics
import sys
from time import perf_counter

from experiments.benchmark.waits.first import first_answers


def start_up(repeats: int) -> None:
    """First answers of the commands, cold and warm, in units of importing JAX and jitting one addition."""
    base, found = first_answers(repeats)
    print("processor time, and in units of the first line\n")
    print(f"{'import jax and jit one addition':38}{base:8.2f} s")
    for name, seconds in found.items():
        print(f"{name:38}{seconds:8.2f} s{seconds / base:8.2f} x")


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
