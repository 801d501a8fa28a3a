"""The CSV of a diagram: each point is appended as it is solved, so that a run that was stopped goes on."""

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

from experiments.phases.frame import Found, Points
from ufm.rules.errors import InputError

FIELDS = ("x", "y", *Found._fields)


def read_points(path: Path) -> Points:
    """The points of a CSV; a half-written last line is cut off the file first.

    Raises InputError for a file with other columns.
    """
    if not path.exists():
        return {}
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if len(whole) < len(text):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    rows = list(csv.reader(whole.decode().splitlines()))
    if rows and tuple(rows[0]) != FIELDS:
        raise InputError(f"{path} holds other columns than this program writes; move it away or give --out")
    return {(float(x), float(y)): Found(phase, *map(float, rest)) for x, y, phase, *rest in rows[1:]}


def fill(path: Path, wanted: Iterable[tuple[float, float]], solve: Callable[[float, float], Found]) -> Points:
    """Solve the points that the CSV lacks, appending each as it is done; returns those asked for."""
    known, wanted = read_points(path), list(wanted)
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if file.tell() == 0:
            writer.writerow(FIELDS)
        for at in wanted:
            if at not in known:
                known[at] = found = solve(*at)
                writer.writerow([*map(repr, at), found.phase, *(repr(float(value)) for value in found[1:])])
                file.flush()
    return {at: known[at] for at in wanted}
