"""python -m experiments.compare_large: `ufm.compare` on more features than memory, and what memory it took.

Writes N features of dimension d in float32 to a folder (4 N d bytes), compares them in a process of its own and
samples that process's anonymous memory (Linux: RssAnon of its status). Pages of the mapped file are not anonymous:
the system takes them back when it needs them. The features are noisy convex combinations, no optimum of anything.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from experiments.tools.arguments import count, written
from experiments.tools.memory import watched
from ufm.commands.frame import guarded
from ufm.rules.memory import require

ROWS = 8192


def write_features(folder: Path, N: int, d: int, K: int = 10, seed: int = 0) -> None:
    """H = 8 (λ w_i + (1−λ) w_j) + noise in float32, block by block, with W, i, j, lam, lambda_w, lambda_h."""
    rng = np.random.default_rng(seed)
    W = (rng.normal(size=(K, d)) / np.sqrt(d)).astype(np.float32)
    i, j, lam = rng.integers(0, K, N), rng.integers(0, K, N), rng.beta(1, 1, N)
    H = np.lib.format.open_memmap(folder / "H.npy", "w+", np.float32, (N, d))
    for start in range(0, N, ROWS):
        part = slice(start, start + ROWS)
        mean = lam[part, None] * W[i[part]] + (1 - lam[part, None]) * W[j[part]]
        H[part] = 8 * mean + 0.02 * rng.standard_normal(mean.shape, np.float32)
    H.flush()
    for key, value in {"W": W, "i": i, "j": j, "lam": lam, "lambda_w": 1e-3, "lambda_h": 1e-3}.items():
        np.save(folder / f"{key}.npy", value)


def plain_pass(folder: Path) -> np.ndarray:
    """Seconds, and those of processors, of what no comparison can do without: the file once, block by block, times
    W in float32, and class sums."""
    H = np.load(folder / "H.npy", mmap_mode="r")
    W, i = np.load(folder / "W.npy"), np.load(folder / "i.npy")
    began, sums = clocks(), np.zeros(W.shape)
    for start in range(0, len(H), ROWS):
        block, label = np.asarray(H[start : start + ROWS]), i[start : start + ROWS]
        logits = block @ W.T
        ones = np.ones(len(block), np.float32)
        sums += csr_array((ones, (label, np.arange(len(block)))), shape=(len(W), len(block))) @ block
    assert np.isfinite(sums).all() and np.isfinite(logits).all()
    return clocks() - began


def clocks() -> np.ndarray:
    """Of the wall and of this process's processors."""
    return np.array([time.perf_counter(), time.process_time()])


def main(argv: list[str] | None = None) -> int:
    """Write, compare, report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=count, default=1_000_000)
    parser.add_argument("--dim", type=count, default=2048)
    parser.add_argument("--classes", type=count, nargs="+", default=[10], help="a comparison for each number")
    parser.add_argument("--output", type=written, help="Markdown file for the report")
    return guarded(
        "compare_large", lambda: run(parser.parse_args(argv)), "interrupted, the features are removed"
    )


def run(args) -> int:
    """Everything after parsing."""
    require(64 * args.samples + 32 * ROWS * args.dim, "the labels and a block of the features that are made")
    size = 4 * args.samples * args.dim / 2**30
    classes = " ".join(map(str, args.classes))
    parts, codes = [], []
    for K in args.classes:
        part, code = compared(args.samples, args.dim, K)
        parts.append(part)
        codes.append(code)
    lines = [
        f"# A comparison of {size:.3g} GiB of features",
        f"`python -m experiments.compare_large --samples {args.samples} --dim {args.dim} --classes {classes}`",
        f"{args.samples} features of dimension {args.dim} are {size:.2f} GiB in float32. In the same run, before "
        "and after each comparison, the file is read once through a float32 product with W, and class sums. What "
        f"does not grow with N (imports, programs, the optimum of the labels, the excess of a subsample, the page) "
        f"is what the same command takes of {min(ROWS, args.samples)} rows. Of both the second run counts, which "
        "finds the compiled programs that the first has kept.",
        *parts,
    ]
    report = "\n\n".join(lines) + "\n"
    print(report)
    if args.output is not None and not any(codes):
        args.output.write_text(report, encoding="utf-8")
    return max(codes)


def compared(N: int, d: int, K: int) -> tuple[str, int]:
    """What one comparison took and said, in Markdown, and its exit code."""
    with tempfile.TemporaryDirectory(prefix="features-", dir=".") as folder:
        data, few = (Path(folder) / name for name in ("activations", "few"))
        for place, rows in ((data, N), (few, min(N, ROWS))):
            place.mkdir()
            write_features(place, rows, d, K)
        for place in (few, data):
            timed(place)
        _, fixed = timed(few)
        before = plain_pass(data)
        found, spent = timed(data)
        plain = (before + plain_pass(data)) / 2
    (wall, processor), (times, share), memory = spent, spent / plain, found["peak"] / 2**30
    rest = (spent - fixed) / plain
    took = (
        f"{wall:.0f} s with the page, {times:.1f} times the {plain[0]:.1f} s of the plain reading; {processor:.0f} "
        f"s of processor time, {share:.1f} times its {plain[1]:.1f} s; peak anonymous memory {memory:.3f} GiB. "
        f"{fixed[0]:.0f} s and {fixed[1]:.0f} s of processor time are those of {min(N, ROWS)} rows: all others "
        f"took {rest[0]:.1f} times the plain reading, {rest[1]:.1f} times in processor time."
    )
    return f"## {K} classes\n\n{took}\n\n```text\n{found['text'].rstrip()}\n```", found["code"]


def timed(data: Path) -> tuple[dict, np.ndarray]:
    """What the command says of a folder, with seconds of the wall and of processors."""
    began = time.perf_counter()
    found = watched("ufm.compare", data.name, "--report", "page.html", cwd=data.parent)
    return found, np.array([time.perf_counter() - began, found["processor"]])


if __name__ == "__main__":
    sys.exit(main())
