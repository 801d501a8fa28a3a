"""python -m experiments.large_pairs: `ufm.solve` on more features than memory holds, and what memory it took.

All K² ordered pairs of classes at the nodes of a Gauss rule of λ, against the simplex ETF: at K = 1000 and 16
nodes 1.6·10⁷ features of 1000 numbers, 119 GiB were they kept. Exit code: the command's, or 1 over --cap.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from experiments.tools.arguments import classes, count, positive, written
from experiments.tools.memory import watched


def solve_pairs(classes: int, nodes: int, folder: Path, *extra: str) -> dict:
    """One run: code, seconds, processor seconds, peak anonymous memory in bytes, the text and the JSON record."""
    argv = ["--classes", str(classes), "--quadrature", str(nodes), "--json", "record.json", *extra]
    began = time.perf_counter()
    found = watched("ufm.solve", *argv, cwd=folder)
    found["seconds"] = time.perf_counter() - began
    path = folder / "record.json"
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return found | {"record": record}


def describe(classes: int, nodes: int, cap: float, found: dict) -> str:
    """The report in Markdown."""
    stored = 8 * classes**3 * nodes
    held = "within" if found["peak"] <= cap * 2**30 else "OVER"
    each = 1e6 * found["seconds"] / (classes**2 * nodes)
    lines = [
        f"# All pairs of {classes} classes, streamed",
        f"`python -m experiments.large_pairs --classes {classes} --nodes {nodes} --cap {cap:g}`",
        f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores; {classes**2} pairs x {nodes} weights: "
        f"features of {stored / 2**30:.3g} GiB.\n"
        f"{found['seconds']:.0f} s in all, {found['processor']:.0f} s of the processors; {each:.3g} us a feature; "
        f"peak anonymous memory {found['peak'] / 2**30:.3f} GiB, {held} the cap of {cap:g} GiB.",
        f"```text\n{found['text'].rstrip()}\n```",
    ]
    if found["record"]:
        lines.append(f"```json\n{json.dumps(found['record']['summary'])}\n```")
    return "\n\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    """Solve, report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--classes", type=classes, default=1000)
    parser.add_argument("--nodes", type=count, default=16, help="Gauss nodes of the mixing weight")
    parser.add_argument("--cap", type=positive, default=4.0, help="anonymous memory allowed, GiB")
    parser.add_argument("--output", type=written, help="Markdown file for the report")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        found = solve_pairs(args.classes, args.nodes, Path(folder))
    report = describe(args.classes, args.nodes, args.cap, found)
    print(report)
    if args.output is not None and found["record"]:
        args.output.write_text(report, encoding="utf-8")
    return found["code"] or int(found["peak"] > args.cap * 2**30)


if __name__ == "__main__":
    sys.exit(main())
