"""Whether anything became slower than a committed record says, by ratios within a run: seconds know the machine."""

import json
from pathlib import Path

from ufm.rules.errors import InputError

LOST = 1.5  # a ratio that falls by more has been lost
KEYS = ("method", "kind", "classifier", "classes", "lambda_h", "threads", "mark")


def read(path: str) -> dict:
    """A record of `experiments.speed`. InputError for anything else."""
    try:
        found = json.loads(Path(path).read_text())
        ratios(found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"--guard wants a record of experiments.speed, {path} is none: {error}") from None
    return found


def ratios(record: dict) -> dict[str, float]:
    """How many times longer than ours each row took; of what one waits for, what it is measured in over it."""
    found = {}
    for row in [*record["features"], *record["joint"]]:
        for name in ("ratio", "ratio_array"):
            if row.get(name) and not row["method"].startswith(("ours", "copy")):
                found[", ".join(f"{row[key]}" for key in KEYS if key in row) + f", {name}"] = row[name]
    waits = {f"waiting for {wait['name']}": wait["times"] for wait in record.get("waits", [])}
    return found | {name: 1 / times for name, times in waits.items()}


def compare(committed: dict, now: dict) -> tuple[list[str], bool]:
    """A line for each ratio lost, and whether none was. InputError where the two have no row in common."""
    before, after = ratios(committed), ratios(now)
    both = [name for name in before if name in after]
    if not both:
        raise InputError("--guard: no row of the record was measured here: it wants the same flags and peers")
    lost = [name for name in both if after[name] * LOST < before[name]]
    lines = [f"lost: {name}: {before[name]:.3g} times before, {after[name]:.3g} now" for name in lost]
    absent = len(before) - len(both)
    lines += [
        f"{len(both)} ratios compared, {len(lost)} lost" + f"; {absent} not measured here" * (absent > 0)
    ]
    return lines, not lost
