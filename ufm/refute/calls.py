"""Calls of a claim's own functions: what they raise is told with its line, and none goes on for ever."""

import signal
import threading
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from ufm.refute.errors import ClaimError

CALL_SECONDS = 10.0  # that one call may take


def call(function: Callable, name: str, *arguments):
    """The function's answer; ClaimError where it raises or takes too long."""
    try:
        with limited(f"{name}(p)"):
            return function(*arguments)
    except ClaimError:
        raise
    except (Exception, SystemExit) as error:
        path = Path(getattr(getattr(function, "__code__", None), "co_filename", "?"))
        raise ClaimError(f"{name} raised {where(error, path)}, at {said(arguments[0])}") from None


def where(error: BaseException, path: Path) -> str:
    """The error in a line, with the line of the claim's file that raised it."""
    lines = [
        entry.lineno for entry in traceback.extract_tb(error.__traceback__) if entry.filename == str(path)
    ]
    line = lines[-1] if lines else getattr(error, "lineno", None)
    return f"{type(error).__name__}: {error}" + (f" (line {line})" if line else "")


def said(p) -> str:
    """The parameters in words."""
    return ", ".join(f"{name} = {value!r}" for name, value in vars(p).items() if not callable(value))


@contextmanager
def limited(what: str):
    """ClaimError after CALL_SECONDS; only where signals arrive, in the main thread of a system that has them."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(*_):
        raise ClaimError(f"{what} took longer than {CALL_SECONDS:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, CALL_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
