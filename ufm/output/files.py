"""Files of one run: checked before the work, written whole, moved into place together after it."""

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path

import ufm.runtime.watchdog as watchdog
from ufm.rules.errors import InputError


class Ended(BaseException):
    """A signal that ends the process, come while a file was half written: raised so that it is removed."""

    def __init__(self, number: int):
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.number = number


def _end(number, _) -> None:
    raise Ended(number)


@contextmanager
def ended_softly():
    """SIGTERM and SIGHUP as `Ended`, while temporary files exist; at all other times they end a run at once.

    Yields a function that has them ignored from there on: for the last moment, in which files are moved or removed.
    """
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():  # which alone may set handlers
        numbers = []
    numbers = [
        number for number in numbers if signal.getsignal(number) == signal.SIG_DFL
    ]  # nohup ignores SIGHUP
    try:
        _handle(numbers, _end)
        yield lambda: _handle(numbers, signal.SIG_IGN)
    finally:
        _handle(numbers, signal.SIG_DFL)


def _handle(numbers: list[int], handler) -> None:
    for number in numbers:
        signal.signal(number, handler)


class Outputs:
    """Every file is written beside its target under a temporary name; all replace their targets at the end.

    Raises InputError at once for a path that cannot be written. If the run fails, no target is touched.
    """

    def __init__(self, paths: dict[str, str], reads: Iterable[str] = ()):
        self.paths: dict[str, Path] = {}
        self.staged: dict[str, Path] = {}
        for name, path in paths.items():
            resolved = _check(name, path)
            for other, taken in self.paths.items():
                if _same(taken, resolved):
                    raise InputError(f"--{other} and --{name} name the same file {path}")
            for read in reads:
                if _same(Path(read).resolve(), resolved):
                    raise InputError(f"--{name} {path} would lie in the place of what is read, {read}")
            self.paths[name] = resolved

    @contextmanager
    def stage(self, name: str):
        """A temporary path beside the target, with the target's suffix."""
        path = self.paths[name]
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".ufm-", suffix=path.suffix)
        os.close(handle)
        self.staged[name] = Path(temporary)
        watchdog.temporary.add(self.staged[name])
        yield temporary

    def write(self, name: str, text: Callable[[], str]) -> None:
        """The file of a name; its text is made only where one was asked for."""
        if name in self.paths:
            with self.stage(name) as path:
                Path(path).write_text(text(), encoding="utf-8")

    def __enter__(self) -> "Outputs":
        self.softly = ended_softly()
        self.at_last = self.softly.__enter__()
        return self

    def __exit__(self, kind, error, _) -> None:
        """Move all files into place, or remove them all if anything went wrong; InputError for a full disk."""
        self.at_last()
        try:
            self._settle(kind, error)
        finally:
            self.softly.__exit__(None, None, None)

    def _settle(self, kind, error) -> None:
        name = next(reversed(self.staged), "")  # what was being written
        try:
            if isinstance(error, OSError) and name:
                raise error
            if kind is None:
                for name, temporary in self.staged.items():
                    _move(temporary, self.paths[name])
        except OSError as error:
            raise InputError(f"--{name} {self.paths[name]} cannot be written: {error.strerror}") from None
        finally:
            for temporary in self.staged.values():
                temporary.unlink(missing_ok=True)
                watchdog.temporary.discard(temporary)


@contextmanager
def whole_file(path: Path):
    """A binary file that has all its bytes on the disk before it has its name; InputError if the disk refuses.

    Killed on the way, the process leaves a hidden .NAME.tmp, which the next file of that name replaces.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    watchdog.temporary.add(temporary)
    try:
        with ended_softly():
            try:
                with open(temporary, "wb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, path)
                sync_folder(path.parent)
            finally:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        watchdog.temporary.discard(temporary)


def appears(path: Path, seconds: float = 10.0) -> bool:
    """Whether a file that another machine has written is seen here: some shared disks take a while."""
    until = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.2)
    return path.exists()


def sync_folder(folder: Path) -> None:
    """Names reach the disk with the folder, not with the file."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _same(one: Path, other: Path) -> bool:
    """One file, whatever it is called: by symbolic or hard links, or by letters of either case."""
    return one == other or (one.exists() and other.exists() and one.samefile(other))


def _move(temporary: Path, target: Path) -> None:
    """Replace the target, with the permissions a new file would have had."""
    mask = os.umask(0)
    os.umask(mask)
    temporary.chmod(0o666 & ~mask)
    temporary.replace(target)


def _check(name: str, path: str) -> Path:
    """The real path behind the name; devices, pipes and folders are never replaced."""
    if not path:
        raise InputError(f"--{name} needs a file name")
    try:
        target = Path(path).resolve()
        if target.is_symlink():  # a loop: since Python 3.13 resolve() leaves it as it is
            raise InputError(f"--{name} {path} cannot be written: its symbolic links form a loop")
        if target.is_dir():
            raise InputError(f"--{name} {path} is a directory; give a file")
        if target.exists() and not target.is_file():
            raise InputError(f"--{name} {path} exists and is not a regular file; give a file")
        if target.exists() and not os.access(target, os.W_OK):
            raise InputError(f"--{name} {path} exists and cannot be overwritten")
        with tempfile.TemporaryFile(dir=target.parent):
            return target
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"--{name} {path} cannot be written: {reason}") from None
