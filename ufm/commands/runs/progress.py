"""How far a long run is: a bar on a terminal, elsewhere a line on standard error now and then."""

import sys
import time
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

QUIET = 20.0  # seconds between lines


@contextmanager
def show_progress(what: str, before: int = 0, speaks: bool = True):
    """report(done, total) to call after every piece of work; `before`: pieces that an earlier run had done."""
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with bar_or_lines(*columns, TimeRemainingColumn()) as (bar, due):
        task, began = bar.add_task(what, total=None, completed=before), time.perf_counter()

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)
            if speaks and due():
                line = progress_line(done, total, time.perf_counter() - began, what, before)
                print(line, file=sys.stderr)

        yield report


@contextmanager
def bar_or_lines(*columns):
    """A bar on a terminal; and whether, without one, it is time for the next line, each time that is asked."""
    console, last = Console(stderr=True), time.perf_counter()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:

        def due() -> bool:
            nonlocal last
            now = time.perf_counter()
            late = bar.disable and now - last > QUIET
            last = now if late else last
            return late

        yield bar, due


def progress_line(done: int, total: int, seconds: float, what: str = "features", before: int = 0) -> str:
    """How far a run is after `seconds`, and what is left if it goes on at that pace."""
    left = seconds * (total - done) / (done - before)
    return f"{done} of {total} {what}, about {duration(left)} left"


def duration(seconds: float) -> str:
    """A length of time in the unit that fits it, two digits or so."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
