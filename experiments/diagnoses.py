"""python -m experiments.diagnoses: train small networks, save each with one mistake, and say what is told of it.

Exit code: 0 where every mistake is told and no healthy network is accused, else 1.
"""

import argparse
import sys

from experiments.tools.arguments import written


def main(argv: list[str] | None = None) -> int:
    """Train, spoil, diagnose, report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="mistakes and healthy networks whose name has this word")
    parser.add_argument("--output", type=written, help="Markdown file for the report")
    args = parser.parse_args(argv)
    from experiments.mistakes.matrix import healthy_ones, mistakes, report

    rows, well = mistakes(args.only), healthy_ones(args.only)
    words = ["python -m experiments.diagnoses", *(["--only", args.only] if args.only else [])]
    words += ["--output docs/diagnoses.md"]
    text = report(rows, well, " ".join(words))
    print(text)
    if args.output is not None:
        args.output.write_text(text, encoding="utf-8")
    return int(not all(all(row.right) for row in rows + well))


if __name__ == "__main__":
    sys.exit(main())
