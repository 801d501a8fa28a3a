"""What every command does around its work: exit codes, and one line for what went wrong. Standard library only."""

import os
import sys
import traceback
from collections.abc import Callable


def guarded(
    program: str, work: Callable[[], int], interrupted: str = "interrupted, nothing was written"
) -> int:
    """The exit code of `work`; 2 for a ValueError (wrong usage), 130, 141, or 70 for a defect.

    A defect must look neither like the verdict "fails" (1) nor like a refutation.
    """
    try:
        return work()
    except ValueError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{program}: {interrupted}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader left: say nothing more, there or at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception:
        traceback.print_exc()
        return 70


def refuse_repeated(argv: list[str]) -> None:
    """A flag given twice would silently keep its last value: ValueError."""
    flags = [word.split("=")[0].replace("_", "-") for word in argv if word.startswith("--")]
    for flag in flags:
        if flags.count(flag) > 1:
            raise ValueError(f"{flag} is given more than once")
