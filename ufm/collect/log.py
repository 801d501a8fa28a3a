"""The log of a tracker: a row an epoch, as CSV or Parquet, written whole each time: never half a row."""

import csv
import io
from math import nan
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ufm.output.files import whole_file
from ufm.rules.errors import InputError

KINDS = (".csv", ".parquet")
NEWER = {"sharpness_identified"}  # columns that older logs do not have: NaN in the rows of these
Row = dict[str, Any]


class Log:
    """Rows by epoch, in the order of epochs; a file that is there is continued."""

    def __init__(self, path: str | Path):
        if not isinstance(path, str | PathLike) or Path(path).suffix.lower() not in KINDS:
            raise InputError(f"path of the log must end in {' or '.join(KINDS)}, got {path!r}")
        self.path = Path(path)
        if not self.path.parent.is_dir():
            raise InputError(f"path {path} cannot be written: there is no folder {self.path.parent}")
        if self.path.suffix.lower() == ".parquet":
            _parquet()
        self.rows: list[Row] = read_log(self.path) if self.path.exists() else []

    def put(self, row: Row) -> None:
        """Write a row, in the place of one of the same epoch. InputError for other columns than the log has."""
        known = self.rows[0] if self.rows else row
        gone = [name for name in known if name not in row]
        new = [name for name in row if name not in known]
        if gone or not NEWER.issuperset(new):
            said = [f"lacks {', '.join(gone)}"] * bool(gone) + [f"adds {', '.join(new)}"] * bool(new)
            raise InputError(
                f"{self.path} has other columns: this tracker {' and '.join(said)}; give it "
                "another path, or the options that the log was begun with"
            )
        held = [{name: part.get(name, nan) for name in row} for part in self.rows]
        rows = sorted(
            [*(part for part in held if part["epoch"] != row["epoch"]), row],
            key=lambda part: part["epoch"],
        )
        with whole_file(self.path) as file:
            file.write(_text(rows) if self.path.suffix.lower() == ".csv" else _table(rows))
        self.rows = rows


def read_log(path: str | Path) -> list[Row]:
    """The rows of a log by name, in order: epoch an integer, every other number a float, NaN where undefined.

    Raises InputError for a file that no `Tracker` wrote.
    """
    path = Path(path)
    try:
        if path.suffix.lower() == ".parquet":
            columns = _parquet().read_columns(path)
            rows = [dict(zip(columns, values)) for values in zip(*columns.values())]
        else:
            with open(path, encoding="utf-8", newline="") as file:
                reader = csv.DictReader(file, strict=True)
                rows = [dict(row) for row in reader]
                _require(path, all(None not in row and None not in row.values() for row in rows))
    except (OSError, ValueError, csv.Error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read: {error}") from None
    _require(path, bool(rows) and next(iter(rows[0])) == "epoch")
    return [{name: _value(path, name, value) for name, value in row.items()} for row in rows]


def _require(path: Path, good: bool) -> None:
    if not good:
        raise InputError(
            f"{path} is no log of a Tracker, whose first column is epoch: move it, or give another path"
        )


def _value(path: Path, name: str, value) -> int | float | str:
    """A number, or a word where it is none."""
    if name == "epoch":
        try:
            return int(value)
        except ValueError:
            raise InputError(f"{path} holds epoch {value!r}, which is no integer") from None
    try:
        return float(value)
    except ValueError:
        return str(value)


def _text(rows: list[Row]) -> bytes:
    """CSV with every digit of every float."""
    with io.StringIO(newline="") as text:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()


def _table(rows: list[Row]) -> bytes:
    return _parquet().columns_bytes({name: np.array([row[name] for row in rows]) for name in rows[0]})


def _parquet():
    """The file that knows Parquet. InputError without pyarrow."""
    try:
        import ufm.output.dataset as dataset
    except InputError:
        raise InputError(
            "a .parquet log needs pyarrow: pip install 'ufm[sweep]', or give a .csv path"
        ) from None
    return dataset
