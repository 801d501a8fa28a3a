"""A run of `python -m proofs`: progress, times, verdicts; tables written or checked."""

import sys
import time
from importlib import import_module
from types import ModuleType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from proofs.engine import tables
from proofs.engine.record import build
from proofs.engine.render import size, summary
from proofs.engine.step import ProofError
from ufm.agree.verdict import FAILS, exit_code, worst_verdict
from ufm.theory.theorems.catalogue import THEOREMS


def proof(name: str) -> ModuleType:
    """proofs/NAME.py: `derive()`, and the `settings()` where the theorem is checked."""
    return import_module(f"proofs.{name.replace('-', '_')}")


def build_all(names: list[str]) -> tuple[list[dict], list[str]]:
    """Fresh records, with a line printed for each, and what went wrong in proofs."""
    records, broken = [], []
    console = Console(stderr=True)
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        total = bar.add_task("rows", total=sum(len([*proof(name).settings()]) + 1 for name in names))
        for name in names:
            bar.update(total, description=name)
            began = time.perf_counter()
            try:
                record = build(THEOREMS[name], proof(name), lambda: bar.advance(total))
            except ProofError as error:
                broken.append(f"{name}: {error}")
                continue
            records.append(record)
            print(line(record, time.perf_counter() - began), flush=True)
    return records, broken


def line(record: dict, seconds: float) -> str:
    """One theorem of the terminal output."""
    s = summary(record)
    steps = f"{s['symbolic']:>2} + {s['formal']} + {s['argued']} steps"
    return (
        f"{s['name']:<21} {steps} {s['rows']:>3} rows  error {size(s['worst_error'])}  "
        f"bound {size(s['worst_bound'])}  {s['enclosure']}  {seconds:.0f} s"
    )


def verdict(records: list[dict], problems: list[str]) -> int:
    """Exit code: failures of any sort first."""
    for problem in problems:
        print(problem, file=sys.stderr)
    words = [row["verdict"] for record in records for row in record["rows"]]
    formula = [
        r["name"]
        for r in records
        if r["comparison"] and not r["comparison"]["worst"] <= r["comparison"]["tolerance"]
    ]
    for name in formula:
        print(f"{name}: the shipped formula is not the derived one", file=sys.stderr)
    word = FAILS if problems or formula else worst_verdict(words)
    print(f"{len(records)} theorems, {len(words)} rows: {word}")
    return exit_code(word)


def write_tables(names: list[str]) -> int:
    """Derive, check, and write everything anew for these theorems."""
    records, broken = build_all(names)
    fresh = {record["name"]: record for record in records}
    kept = {record["name"]: record for record in tables.load(THEOREMS)}
    ordered = [fresh.get(name) or kept.get(name) for name in THEOREMS if name in fresh or name in kept]
    if ordered:
        tables.write(tables.rendered(ordered))
    return verdict(records, broken)


def check_tables(names: list[str]) -> int:
    """Compare the committed files with their own data, and that with a fresh run."""
    committed = tables.load(THEOREMS)
    problems = [
        f"{name}: no committed table" for name in THEOREMS if name not in {r["name"] for r in committed}
    ]
    problems += tables.differences(tables.rendered(committed)) if committed else []
    records, broken = build_all(names)
    old = {record["name"]: record for record in committed}
    for record in records:
        if record["name"] in old:
            problems += tables.disagreements(old[record["name"]], record)
    return verdict(records, problems + broken)
