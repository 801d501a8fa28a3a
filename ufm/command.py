"""What every command does around its work: exit codes, and one line for what went wrong. Standard library only."""

import os
import sys
import traceback
from collections.abc import Callable

from ufm.errors import InputError
from ufm.supervisor import LOST, is_lost, leave
from ufm.watchdog import watch

DEFECT = (
    "this is a defect of the program, not of what you gave it: please report the command and the lines above"
)


def guarded(
    program: str, work: Callable[[], int], interrupted: str = "interrupted, nothing was written"
) -> int:
    """The exit code of `work`; 2 for an InputError (wrong usage), 130, 141, or 70 for a defect.

    A defect must look neither like the verdict "fails" (1) nor like a refutation. LOST where another process
    of a distributed run is gone.
    """
    watch(program)
    return leave(_caught(program, work, interrupted))


def _caught(program: str, work: Callable[[], int], interrupted: str) -> int:
    try:
        return work()
    except KeyboardInterrupt:
        print(f"{program}: {interrupted}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader left: say nothing more, there or at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if is_lost(error):
            return LOST
        if isinstance(error, InputError):
            print(f"{program}: {error}", file=sys.stderr)
            return 2
        traceback.print_exc()
        print(f"{program}: {DEFECT}", file=sys.stderr)
        return 70


def refuse_repeated(argv: list[str]) -> None:
    """A flag given twice would silently keep its last value: InputError."""
    flags = [word.split("=")[0].replace("_", "-") for word in argv if word.startswith("--")]
    for flag in flags:
        if flags.count(flag) > 1:
            raise InputError(f"{flag} is given more than once")
