"""The standard streams of a command: closed, full, or in an encoding without λ. Standard library only."""

import errno
import io
import os
import sys
from contextlib import suppress


def mend_streams() -> None:
    """What an encoding lacks is printed as '?'; lost messages change no exit code, lost output is an error.

    Only the interpreter's own streams are replaced, not those that a test or a notebook has put in their place.
    """
    _fill_closed()
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 (as long as the process lives)
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(_Closed()), encoding="utf-8")
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        sys.stderr = _tolerant(sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def stdout_is_closed() -> bool:
    """It was when the program began."""
    return _stand_in() is not None


def _stand_in() -> "_Closed | None":
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw if isinstance(raw, _Closed) else None


def silence_stdout() -> None:
    """Nothing more is written there, not by the interpreter at its exit either."""
    if stand_in := _stand_in():
        stand_in.lost = True
        return
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fill_closed() -> None:
    """Descriptors 0, 1 and 2 are taken: else the next file opened would be written by whoever prints."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)


class _Closed(io.RawIOBase):
    """Standard output that was closed before the program began: what should be said there is an error.

    Once that error is told it is lost: what the buffers above still hold is written whenever they are left.
    """

    lost = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1

    def write(self, data) -> int:
        if self.lost:
            return len(data)
        raise OSError(errno.EIO, "it is closed")


class _Lossy(io.FileIO):
    """Standard error may be full or gone: what cannot be said there is dropped."""

    def write(self, data) -> int:
        with suppress(OSError):
            return super().write(data)
        return len(data)


def _tolerant(stream) -> io.TextIOWrapper:
    encoding = "utf-8" if stream is None else stream.encoding
    raw = io.BufferedWriter(_Lossy(2, "w", closefd=False))
    return io.TextIOWrapper(raw, encoding=encoding, line_buffering=True, write_through=True)
