"""Files that are read whole: regular ones only, of a size that is allowed, no deep stack; names of pictures."""

import json
from os import PathLike
from pathlib import Path
from typing import Literal

from ufm.rules.errors import InputError
from ufm.rules.memory import require

PICTURES = ("png", "pdf", "svg")
Size = Literal["text", "column"]  # of a picture: as wide as the text of a page, or as one of its two columns
COPIES = 8  # of a text: bytes, characters, what a parser makes of them


def require_regular(path: Path) -> None:
    """InputError for a pipe, which would wait, a device, which may never end, or a folder; OSError if absent."""
    path.stat()
    if not path.is_file():
        raise InputError(f"{path} is not a regular file")


def read_text(path: str | Path) -> str:
    """The text (UTF-8) of a regular file. OSError, UnicodeDecodeError, or InputError if it is too large."""
    path = Path(path)
    require_regular(path)
    require(COPIES * path.stat().st_size, f"the text of {path}")
    return path.read_text(encoding="utf-8")


def read_json(path: str | Path):
    """The value of a JSON file. OSError; ValueError for what is not JSON, or nested too deep."""
    try:
        return json.loads(read_text(path))
    except RecursionError:
        raise ValueError("nested too deep") from None


def picture_path(name: str, path: str | PathLike, kind: str | None = None) -> Path:
    """The file of a picture, as its ending says; kind: one of PICTURES, which a path without an ending then gets.

    InputError that calls the path `name` for another ending.
    """
    path = Path(path)
    ending = path.suffix.lower().removeprefix(".")
    if kind is not None and not ending and path.name.strip("."):
        return path.with_name(f"{path.name}.{kind}")
    if ending not in PICTURES:
        how = "" if kind is None else f", here .{kind}, or have no ending"
        raise InputError(f"{name} must end in .{' or .'.join(PICTURES)}{how}, got {str(path)!r}")
    if kind not in (None, ending):
        raise InputError(f"{name} ends in .{ending}, but the format is to be {kind}: {str(path)!r}")
    return path
