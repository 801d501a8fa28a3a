"""How far a long run is: a bar on a terminal, elsewhere a line on standard error now and then."""

import sys
import time
from collections.abc import Callable
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

QUIET = 20.0  # seconds between lines


@contextmanager
def show_progress(what: str, before: int = 0, speaks: bool = True):
    """report(done, total) to call after every piece of work; `before`: pieces that an earlier run had done."""
    columns = (
        "{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None, completed=before)
        line = _lines(what, before)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)
            if bar.disable and speaks:
                line(done, total)

        yield report


def _lines(what: str, before: int) -> Callable[[int, int], None]:
    began = last = time.perf_counter()

    def line(done: int, total: int) -> None:
        nonlocal last
        now = time.perf_counter()
        if now - last > QUIET:
            last = now
            print(progress_line(done, total, now - began, what, before), file=sys.stderr)

    return line


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
