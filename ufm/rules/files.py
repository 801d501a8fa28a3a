"""Files that are read whole: regular ones only, of a size that is allowed, and without a deep stack."""

import json
from pathlib import Path

from ufm.rules.errors import InputError
from ufm.rules.memory import require

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
