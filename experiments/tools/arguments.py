"""Words of a command line as values: what is wrong is said before any work."""

import math
import tempfile
from argparse import ArgumentTypeError
from pathlib import Path

from ufm.rules.errors import InputError


def count(text: str) -> int:
    """An integer of at least 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"must be an integer of at least 1, got {text!r}")
    return int(text)


def classes(text: str) -> int:
    """An integer of at least 2."""
    if count(text) < 2:
        raise ArgumentTypeError(f"must be an integer of at least 2, got {text!r}")
    return int(text)


def positive(text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ArgumentTypeError(f"must be a positive number, got {text!r}")
    return value


def written(text: str) -> Path:
    """A file that can be written: its folder is there, and takes one."""
    path = Path(text)
    if path.is_dir():
        raise ArgumentTypeError(f"{text} is a folder")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ArgumentTypeError(f"{text} cannot be written: {error.strerror}") from None
    return path


def check_folder(name: str, folder: Path) -> None:
    """Make the folder; InputError where that cannot be done, or nothing can be written in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"{name} {folder} is no folder to write in: {error.strerror}") from None


def without_paths(argv: list[str]) -> list[str]:
    """The words of the command that matter to another machine: not where it kept its files."""
    kept, skip = [], False
    for word in argv:
        if not skip and word.split("=")[0] not in ("--folder", "--data-dir"):
            kept.append(word)
        skip = word in ("--folder", "--data-dir")
    return kept
