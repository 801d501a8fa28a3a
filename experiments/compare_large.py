"""python -m experiments.compare_large: `ufm.compare` on more features than memory, its time and memory.

Writes N features of dimension d to a folder (4 N d bytes in float32, half of that in bfloat16), compares them in a
process of its own and samples that process's anonymous memory (Linux: RssAnon of its status). Pages of the mapped
file are not anonymous: the system takes them back when it needs them. The features are noisy convex combinations,
no optimum of anything.
"""

import argparse
import sys
from collections.abc import Iterator

from experiments.benchmark.waits.large import HEADER, ROWS, TYPES, Large, measure
from experiments.tools.arguments import count, written
from ufm.commands.frame import guarded
from ufm.rules.memory import require


def main(argv: list[str] | None = None) -> int:
    """Write, compare, report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=count, default=1_000_000)
    parser.add_argument("--dim", type=count, default=2048)
    parser.add_argument("--classes", type=count, nargs="+", default=[10], help="comparisons for each number")
    parser.add_argument(
        "--dtype", choices=TYPES, nargs="+", default=["float32"], help="a comparison for each type"
    )
    parser.add_argument("--output", type=written, help="Markdown file for the report")
    argv = sys.argv[1:] if argv is None else argv
    return guarded(
        "compare_large", lambda: run(parser.parse_args(argv), argv), "interrupted, the features are removed"
    )


def run(args, argv: list[str]) -> int:
    """Everything after parsing."""
    require(64 * args.samples + 32 * ROWS * args.dim, "the labels and a block of the features that are made")
    found = list(measure_all(args))
    first = found[0]
    lines = [
        "# Comparisons of many features",
        f"`{' '.join(['python -m experiments.compare_large', *argv])}`",
        f"Features of dimension {args.dim}. In the same run, before and after each comparison, the file is read "
        "once through a float32 product with W, and class sums (plain reading). Seconds of the wall, and of "
        "processors in brackets; times: over those of the plain reading. What does not grow with N (imports, "
        "programs, the optimum of the labels, the excess of a subsample, the page) is what the same command takes "
        f"of few rows, {min(ROWS, args.samples)}; the others are the rest. Of both the second run counts, which "
        "finds the compiled programs that the first has kept. GiB/s: the file read and nothing done with it; peak: "
        "anonymous memory.",
        "\n".join([*HEADER, *(large.row() for large in found)]),
        f"What the first of them prints:\n\n```text\n{first.found['text'].rstrip()}\n```",
    ]
    report = "\n\n".join(lines) + "\n"
    print(report)
    code = max(large.found["code"] for large in found)
    if args.output is not None and not code:
        args.output.write_text(report, encoding="utf-8")
    return code


def measure_all(args) -> Iterator[Large]:
    """A comparison for each number of classes and each type."""
    for K in args.classes:
        for dtype in args.dtype:
            large = measure(args.samples, args.dim, K, dtype)
            print(large.row(), file=sys.stderr, flush=True)
            yield large


if __name__ == "__main__":
    sys.exit(main())
