"""Every command in every place, and the table of what came of it."""

import json
import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from experiments.commands.run import Ending, Place, load, run
from experiments.commands.table import Row


class Loop(NamedTuple):
    """Runs of each, seconds that each may take, folder for stacks, cache of compiled programs, checkout."""

    times: int
    seconds: float
    out: Path
    cache: Path
    checkout: Path


class Found(NamedTuple):
    """All runs of a command in a place; stacks: files, one for each that did not end."""

    row: Row
    place: Place
    endings: list[Ending]
    stacks: list[Path]

    def __str__(self) -> str:
        ended = [ending for ending in self.endings if ending.code is not None]
        wrong = sorted({ending.code for ending in ended} - set(self.row.codes))
        codes = f", exit codes {wrong}" if wrong else ""
        worst = max(ending.seconds for ending in self.endings)
        return f"{len(ended)} of {len(self.endings)} ended, worst {worst:.1f} s{codes}"


def bad(found: Found) -> bool:
    """Something did not end, or not as it should."""
    return any(ending.code not in found.row.codes for ending in found.endings)


def run_all(rows: list[Row], places: list[Place], loop: Loop, tell: Callable[[str], None]) -> list[Found]:
    """Place after place; one line each as it comes."""
    found = []
    for place in places:
        with load(place, (loop.seconds + 300) * loop.times * len(rows)):
            for row in rows:
                found.append(repeat(row, place, loop))
                tell(f"{found[-1]} | {place} | {row.runs}")
                for ending in found[-1].endings:
                    if ending.code is not None and ending.code not in row.codes:
                        tell(f"exit code {ending.code}:\n{ending.text}")
                for path in found[-1].stacks:
                    tell(f"did not end: {path}")
    return found


def repeat(row: Row, place: Place, loop: Loop) -> Found:
    """One command in one place as often as asked for."""
    endings, stacks = [], []
    for count in range(loop.times):
        endings.append(run(row, place, loop.seconds, loop.cache, loop.checkout))
        if endings[-1].stacks is not None:
            name = "".join(c if c.isalnum() else "-" for c in f"{row.runs} {place} {count}")
            stacks.append(loop.out / f"stacks-{name}.txt")
            stacks[-1].write_text(f"{row.runs}\n{endings[-1].text}\n{endings[-1].stacks}", encoding="utf-8")
    return Found(row, place, endings, stacks)


def write(found: list[Found], command: str, folder: Path) -> list[Path]:
    """loop.md and loop.json."""
    paths = [folder / "loop.md", folder / "loop.json"]
    paths[0].write_text("\n".join(markdown(found, command)) + "\n", encoding="utf-8")
    paths[1].write_text(json.dumps(record(found, command), indent=1) + "\n", encoding="utf-8")
    return paths


def markdown(found: list[Found], command: str) -> list[str]:
    """A table: commands down, places across."""
    places = list(dict.fromkeys(each.place for each in found))
    cells = {(each.row.runs, each.place): str(each) for each in found}
    return [
        f"`{command}`: {machine()}",
        "",
        "| command | " + " | ".join(map(str, places)) + " |",
        "| --- |" + " --- |" * len(places),
        *(
            f"| `{runs}` | " + " | ".join(cells[runs, place] for place in places) + " |"
            for runs in dict.fromkeys(each.row.runs for each in found)
        ),
    ]


def machine() -> str:
    """What was measured on."""
    cores = len(os.sched_getaffinity(0))
    return f"{platform.machine()}, {cores} cores, Python {platform.python_version()}, jax {version('jax')}"


def record(found: list[Found], command: str) -> dict:
    """The same and every run, as strict JSON."""
    return {
        "schema": 1,
        "command": command,
        "machine": machine(),
        "runs": [
            {
                "command": each.row.runs,
                **each.place._asdict(),
                "codes": [ending.code for ending in each.endings],
                "seconds": [round(ending.seconds, 3) for ending in each.endings],
                "stacks": [path.name for path in each.stacks],
            }
            for each in found
        ],
    }
