"""Run records as strict JSON."""

import json
import math
from pathlib import Path

from experiments.training.checkpoint import write_whole


def write_json(path: Path, record: dict) -> None:
    """Write strict JSON, whole or not at all; what is not a finite number becomes null."""
    text = json.dumps(plain(record), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    write_whole(path, lambda file: file.write(text.encode()))


def plain(value):
    """The value with NaN and infinities replaced by None, in lists and dicts too."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path) -> dict | None:
    """The record, or None if there is no such file or it is not a JSON object."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
