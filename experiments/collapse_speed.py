"""python -m experiments.collapse_speed: the time of `ufm.collapse_metrics` over that of HᵀH and the class sums.

HᵀH and a sum over the rows of each class, in NumPy and in the type of H, are the least that NC1 by a pseudo-inverse
of d × d covariances begins with, before anything is inverted. A line is measured in one run, its calls in turn, the
best of a few; nothing here is a test.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable

import numpy as np

from ufm.network.collapse.flat import collapse_metrics

SAMPLES, DIM, CLASSES = 50_000, 512, (10, 100)


def features(samples: int, dim: int, classes: int, dtype: str) -> tuple[np.ndarray, ...]:
    """H, y, W, b of classes that are well apart."""
    rng = np.random.default_rng(0)
    W, y = rng.standard_normal((classes, dim)), rng.integers(0, classes, samples)
    H = (W[y] + 0.3 * rng.standard_normal((samples, dim))).astype(dtype)
    return H, y, W.astype(dtype), np.zeros(classes, dtype)


def plain(H: np.ndarray, y: np.ndarray, classes: int) -> None:
    """HᵀH and the class sums."""
    _ = H.T @ H
    _ = [H[y == k].sum(0) for k in range(classes)]


def best(calls: list[Callable[[], object]], repeats: int) -> list[float]:
    """Least seconds of each call, the calls taken in turn."""
    found = [float("inf")] * len(calls)
    for _ in range(repeats):
        for n, call in enumerate(calls):
            began = time.perf_counter()
            call()
            found[n] = min(found[n], time.perf_counter() - began)
    return found


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="a hundredth of the samples: to see that it works"
    )
    parser.add_argument("--repeats", type=int, default=10)
    args = parser.parse_args(argv)
    samples = SAMPLES // 100 if args.quick else SAMPLES
    print(f"{platform.machine()}, {os.cpu_count()} cores, NumPy {np.__version__}; N = {samples}, d = {DIM}")
    print("type        K    HᵀH, sums    all metrics   ratio    without W   ratio")
    for dtype in ("float32", "float64"):
        for classes in CLASSES:
            H, y, W, b = features(samples, DIM, classes, dtype)
            base, whole, alone = best(
                [
                    lambda H=H, y=y, K=classes: plain(H, y, K),
                    lambda given=(H, y, W, b): collapse_metrics(*given),
                    lambda H=H, y=y: collapse_metrics(H, y),
                ],
                args.repeats,
            )
            times = f"{base:10.3f} s {whole:12.3f} s {whole / base:7.2f} {alone:11.3f} s {alone / base:7.2f}"
            print(f"{dtype:8s}{classes:5d} {times}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
