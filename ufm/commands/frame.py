"""What every command does around its work: flags, exit codes, and one line for what went wrong."""

import atexit
import errno
import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from typing import Annotated, Literal, NoReturn, TypeVar

from tyro.conf import arg

from ufm.output.files import Ended
from ufm.rules.environment import check_environment
from ufm.rules.errors import InputError
from ufm.rules.files import Size
from ufm.runtime.programs import is_own, own_process
from ufm.runtime.streams import mend_streams, silence_stdout
from ufm.runtime.supervisor import LOST, is_lost, leave
from ufm.runtime.watchdog import watch

MEMORY, UNWRITTEN = 71, 74  # exit codes: out of memory, no room for the output (EX_OSERR, EX_IOERR)
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
DEFECT = (
    "this is a defect of the program, not of what you gave it: please report the command and the lines above"
)


# the flags of every command that has a picture
Plot = Annotated[
    str | None, arg(help="Draw a picture to PATH (.png, .pdf, .svg), its caption to standard error.")
]
Format = Annotated[
    Literal["png", "pdf", "svg"] | None,
    arg(help="Format of a --plot PATH that has no ending; by default its ending says."),
]
PictureSize = Annotated[
    Size | None,
    arg(help="Width on paper: the text's (6.9 in, the default) or a column's (3.3 in)."),
]


@dataclass
class Model:
    """The unconstrained features model of `solve` and `verify`."""

    classes: int = 10
    """Number of classes K >= 2."""
    alpha: float | None = None
    """Mixing weights are Beta(alpha, alpha) or Dirichlet(alpha, ...); default 1."""
    dim: int | None = None
    """Feature dimension d, at least K-1 for an ETF; default K."""
    multiplier: float | None = None
    """Row norm m of the ETF; default: the jointly optimal one for the label law."""
    lambda_w: float = 5e-4
    """Penalty lambda_W/2 |W|^2; enters the default multiplier and the threshold."""
    lambda_h: float = 5e-4
    """Penalty lambda_H/2 |h|^2 of each feature (average convention)."""
    loss: Literal["cross-entropy", "squared-error", "binary-cross-entropy"] = "cross-entropy"
    """Loss of logits W h against the soft label; binary: one against the rest, for a free classifier."""
    labels: str = "mixup"
    """Label law: mixup, cutmix, kway, smoothing, onehot, or PATH.npy (N x K soft labels)."""
    smoothing: float | None = None
    """Smoothing: labels (1-DELTA) y + DELTA/K; default 0.1 for --labels smoothing, else 0."""
    ways: int | None = None
    """Classes mixed by --labels kway; default 3."""
    pairs: Literal["all", "different", "same", "cyclic"] | None = None
    """Which ordered class pairs to mix; cyclic: (i, i+1) only; default all."""
    bias: str | None = None
    """Bias of a free classifier: none, free, or its penalty lambda_b; default none."""
    weights: str | None = None
    """Weights 0.6,0.2,… or PATH.npy: of the classes, for a free classifier; of given labels, one a row."""
    rho: str | None = None
    """Penalties lambda_H rho/2 |h|^2 of given labels: rho as 1,0.5,… or PATH.npy; for a free classifier."""


Flags = TypeVar("Flags")
NOTHING = "interrupted, nothing was written"


def command(
    program: str, flags: type[Flags], run: Callable[[Flags, list[str]], int], interrupted: str = NOTHING
) -> Callable[..., int]:
    """main(argv=None) of a command; flags: a dataclass, one field a flag; run(flags, argv): all after parsing."""

    def main(argv: list[str] | None = None, own: bool = False) -> int:
        """Parse, run, report; returns the exit code. own: argv is the command line's, as it is if left out."""
        words = sys.argv[1:] if argv is None else argv
        with own_process(own or argv is None):
            return guarded(program, lambda: run(parse(flags, words, program), words), interrupted)

    return main


@contextmanager
def loading() -> Iterator[None]:
    """Imports, which make much and drop nothing: without the search for garbage, a tenth of their time, and in a
    process of one's own what they made is left out of every later search. An interrupt waits for their end: an
    extension that is being loaded ends the process with a signal of its own."""
    searches, held = gc.isenabled(), []
    usual = signal.default_int_handler
    waits = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is usual
    if waits:
        signal.signal(signal.SIGINT, lambda *_: held.append(True))
    gc.disable()
    try:
        yield
    finally:
        if waits:
            signal.signal(signal.SIGINT, usual)
        if is_own():
            gc.freeze()
        if searches:
            gc.enable()
    if held:
        raise KeyboardInterrupt


def parse(flags: type[Flags], argv: list[str], program: str) -> Flags:
    """The dataclass from words; SystemExit for what the parser itself refuses."""
    import tyro

    refuse_repeated(argv)
    config = (tyro.conf.FlagCreatePairsOff, tyro.conf.HelptextFromCommentsOff)
    return tyro.cli(flags, args=argv, prog=f"python -m {program}", config=config)


def guarded(program: str, work: Callable[[], int], interrupted: str = NOTHING) -> int:
    """The exit code of `work`; 2 for an InputError (wrong usage), 130, 141, 143, 71, 74, or 70 for a defect.

    A defect must look neither like the verdict "fails" (1) nor like a refutation. LOST where another process
    of a distributed run is gone. What `ufm.rules.memory.allow` sets ends with the work.
    """
    mend_streams()
    return leave(copy_context().run(_caught, program, work, interrupted))


def _caught(program: str, work: Callable[[], int], interrupted: str) -> int:
    try:
        check_environment()
        watch(program)
        return _flushed(work)
    except KeyboardInterrupt:
        print(f"{program}: {interrupted}", file=sys.stderr)
        return 130
    except Ended as ended:
        print(f"{program}: {ended}: {interrupted}", file=sys.stderr)
        return 128 + ended.number
    except BrokenPipeError:  # the reader left: say nothing more, there or at exit
        silence_stdout()
        return 141
    except Exception as error:
        if is_lost(error):
            return LOST
        if isinstance(error, InputError):
            print(f"{program}: {error}", file=sys.stderr)
            return 2
        if isinstance(error, OSError) and error.errno in FULL:
            silence_stdout()
            print(f"{program}: the output cannot be written: {error.strerror}", file=sys.stderr)
            return UNWRITTEN
        if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
            print(f"{program}: out of memory: {_first_line(error)}", file=sys.stderr)
            return MEMORY
        traceback.print_exc()
        print(f"{program}: {DEFECT}", file=sys.stderr)
        return 70


def _flushed(work: Callable[[], int]) -> int:
    """A disk that is full says so here, not at the interpreter's exit; also where the parser prints its help."""
    try:
        return work()
    finally:
        sys.stdout.flush()


def end(code: int) -> NoReturn:
    """End the process with this exit code. What is registered for its end is done, but nothing is taken apart: that
    JAX and all that is loaded are freed piece by piece takes up to a third of a small answer's time.

    A profiler, a debugger or -i, which look on from inside, see the usual end, and threads at work come to theirs.
    """
    monitoring = getattr(sys, "monitoring", None)  # Python 3.12
    watched = monitoring is not None and any(map(monitoring.get_tool, range(6)))
    looked_at = watched or sys.gettrace() or sys.getprofile() or sys.flags.interactive or sys.flags.inspect
    if looked_at or sum(not thread.daemon for thread in threading.enumerate()) > 1:
        sys.exit(code)
    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # no room, nobody reads, or closed: the interpreter knows what to say
        sys.exit(code)
    os._exit(code)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no more is known"])[0]


def refuse_repeated(argv: list[str]) -> None:
    """A flag given twice would silently keep its last value: InputError."""
    flags = [word.split("=")[0].replace("_", "-") for word in argv if word.startswith("--")]
    for flag in flags:
        if flags.count(flag) > 1:
            raise InputError(f"{flag} is given more than once")
