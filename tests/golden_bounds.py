"""Two golden records held against each other: may the numbers that differ do so, by the bounds printed beside them?

    python -m tests.golden_bounds OLD NEW

Two folders of `python -m tests.golden --record`, of code before and after. Exit codes and verdicts have to be the
same. Of the JSON records and tables a number that has a bound of its own may move by the sum of both bounds: see
`allowances`. Every other difference is named, the largest relative one of each field.
Exit code: 0 all that have a bound are within it and every verdict is the same, 1 otherwise.
"""

import argparse
import ast
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from math import sqrt
from pathlib import Path

from tests.golden import read, recorded

SILENT = ("provenance", "versions", "command")  # what a record says of its own run
VERDICTS = ("verdict", "trivial", "exit")
SAME = 1e-9  # relative difference of thresholds from which two records are of two label laws


@dataclass
class Found:
    """What came of one comparison: numbers by how they fared, and lines to print."""

    counts: Counter = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)  # beyond a bound, or another verdict
    named: dict[str, tuple[float, str]] = field(default_factory=dict)  # by field: the largest change, where

    def name(self, key: str, change: float, where: str) -> None:
        """A difference that no bound speaks of."""
        if change >= self.named.get(key, (-1.0, ""))[0]:
            self.named[key] = change, where


def allowances(old: dict, new: dict, problem: dict) -> dict[str, float]:
    """How far each number of an object may move, by field; only of those with a bound.

    A feature of bound β, relative to the longer of ‖h‖ and a pure label's ‖h‖ (here: the longest of the record):
    its norm by β of that, a coefficient c of h = Σ c w against an ETF by that over m √(1 − 1/(K−1)), the least
    singular value of two rows; probabilities by p_bound; its error by β. A theorem: predicted and numeric by β of
    the largest prediction. A joint optimum: min L ∈ [dual, objective].
    """
    if "dual_objective" in old:
        gap = max(old["gap"], new["gap"])
        return dict.fromkeys(("objective", "dual_objective", "gap"), gap) | {"error": _sum(old, new, "bound")}
    if "numeric" not in old or _sum(old, new, "bound") is None:
        return {}
    beta = _sum(old, new, "bound")
    if "predicted" in old:
        largest = max(map(abs, _numbers(old["predicted"])), default=0.0)
        return dict.fromkeys(("predicted", "numeric"), beta * largest) | {"error": beta}
    move = beta * problem["longest"]
    K, m = problem["classes"], problem["multiplier"]
    at = {"norm": move, "error": beta}
    if problem["classifier"] == "etf" and m > 0:
        least = m * sqrt(1 - 1 / (K - 1)) if K > 2 else m
        at |= dict.fromkeys(("coef_i", "coef_j", "coef"), move / least)
    p = _sum(old["numeric"], new["numeric"], "p_bound")
    return at | ({} if p is None else dict.fromkeys(("p_i", "p_j", "p_other", "p"), p))


def _sum(old: dict, new: dict, key: str) -> float | None:
    parts = old.get(key), new.get(key)
    return None if None in parts else sum(parts)


def _numbers(value) -> Iterator[float]:
    """All numbers within a value."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _numbers(part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def walk(old, new, where: str, found: Found, problem: dict, allowed: dict[str, float]) -> None:
    """Both values, field by field; `allowed`: of the object around them."""
    if isinstance(old, dict) and isinstance(new, dict):
        if old.get("classes") == new.get("classes"):  # else the row is that of another pair
            allowed = allowed | allowances(old, new, problem)
        for key in dict.fromkeys((*old, *new)):
            if key in SILENT:
                continue
            if key not in old or key not in new:
                found.name(f"{key} ({'new' if key in new else 'gone'})", 0.0, where)
            else:
                walk(old[key], new[key], f"{where}.{key}", found, problem, allowed)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        if re.search(r"\.(coef|p)$", where):  # of a label of the row, the worst: which one that is may change
            old, new = sorted(old), sorted(new)
        for at, (one, other) in enumerate(zip(old, new)):
            walk(one, other, f"{where}[{at}]", found, problem, allowed)
    else:
        leaf(old, new, where, found, allowed)


def leaf(old, new, where: str, found: Found, allowed: dict[str, float]) -> None:
    """Two values that hold no others."""
    key = re.sub(r"\[\d+\]$", "", where.rsplit(".", 1)[-1])
    if old == new or repr(old) == repr(new) == "nan":
        found.counts["equal"] += 1
    elif key in VERDICTS:
        found.wrong.append(f"{where}: {old!r}, now {new!r}")
    elif not all(isinstance(value, int | float) and not isinstance(value, bool) for value in (old, new)):
        found.name(f"{key} (not numbers)", 0.0, f"{where}: {str(old)[:60]!r}, now {str(new)[:60]!r}")
    elif key in allowed:
        within = abs(old - new) <= allowed[key]
        found.counts["within"] += within
        if not within:
            found.wrong.append(f"{where}: {old!r}, now {new!r}, {abs(old - new):.1e} > {allowed[key]:.1e}")
    else:
        found.counts["no bound"] += 1
        found.name(key, abs(old - new) / max(abs(old), abs(new)), f"{where}: {old!r}, now {new!r}")


def parts(text: str) -> dict[str, str]:
    """A case's record by what its parts are called: commands with exit codes, outputs, files."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in text.splitlines():
        if line.startswith(("--- ", "$ ")):
            title = f"{line} #{sum(name.startswith(line) for name in found)}"
            found[title] = []
        else:
            found[title].append(line)
    return {title: "\n".join(lines) for title, lines in found.items()}


def values(title: str, text: str):
    """A part as data: JSON, the rows of a table; of a command its exit code; None of anything else."""
    if title.startswith("$ "):
        return {"exit": text}
    if text.startswith("{"):
        return json.loads(text)
    if ".parquet" in title:
        columns = re.findall(r"^(\w+) [\w<>: \[\]]+?: (.*)$", text.split("\nfooter ")[0], re.MULTILINE)
        cells = {name: _cells(line) for name, line in columns}
        return [dict(zip(cells, row)) for row in zip_longest(*cells.values())]
    return None


def _cells(line: str) -> list:
    """The values of a column, as `tests.golden_text.table` wrote them."""
    pieces = re.findall(r"'[^']*'|\[[^\]]*\]|\S+", line)
    return [_value(piece) for piece in pieces]


def _value(piece: str):
    for convert in (float, ast.literal_eval):
        with suppress(ValueError, SyntaxError):
            return convert(piece)
    return piece


def hold(name: str, was: str, now: str, found: Found) -> None:
    """One case."""
    before, after = parts(was), parts(now)
    for title in dict.fromkeys((*before, *after)):
        if title not in before or title not in after:
            found.name(f"part {title}", 0.0, f"{name}, {'new' if title in after else 'gone'}")
            continue
        old, new = values(title, before[title]), values(title, after[title])
        if old is not None and new is not None:
            compare_values(f"{name} {title.split()[-2] if title.startswith('---') else ''}", old, new, found)
        elif before[title] != after[title]:
            lines = before[title].splitlines(), after[title].splitlines()
            count = sum(one != other for one, other in zip_longest(*lines))
            found.name(f"text of {' '.join(title.split()[1:-1])}", float(count), f"{name}, {count} lines")


def compare_values(where: str, old, new, found: Found) -> None:
    """Data of one part, unless they speak of two problems."""
    problem = dict(new.get("problem", {})) if isinstance(new, dict) else {}
    if "problem" in old and "threshold" in problem:
        one, other = (part["problem"]["threshold"] for part in (old, new))
        if None not in (one, other) and abs(one - other) > SAME * max(one, other):
            found.name(f"another label law, not compared, {where}", abs(one - other) / max(one, other), where)
            return
        rows = [row for part in (old, new) for row in part.get("features", [])]
        problem["longest"] = max((abs(n) for row in rows for n in _norms(row)), default=0.0)
    walk(old, new, where, found, problem, {})


def _norms(row: dict) -> list[float]:
    return [side["norm"] for side in (row["theory"], row["numeric"]) if side]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m tests.golden_bounds", description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    args = parser.parse_args(argv)
    found = Found()
    names = sorted(recorded(args.old) & recorded(args.new))
    if not names:
        parser.error("these folders have no case in common")
    for name in names:
        hold(name, read(args.old, name) or "", read(args.new, name) or "", found)
    print(
        f"{len(names)} cases: " + ", ".join(f"{count} {what}" for what, count in sorted(found.counts.items()))
    )
    for line in found.wrong:
        print(f"WRONG {line}")
    for key, (change, where) in sorted(found.named.items(), key=lambda item: -item[1][0]):
        print(f"{key}: {change:.1e} at most, {where}")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
