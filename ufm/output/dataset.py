"""A dataset in a folder: one Parquet file a block, each written whole, so that a killed run can go on.

    _sweep.json            the grid, its hash, the command that began it
    block-000000.parquet   rows of block 0; provenance and summary in the footer under the key `ufm`

A file is written beside its target under a hidden name, flushed to the disk and renamed; so a block exists
whole or not at all. Names that begin with . or _ are skipped by readers of Parquet folders.
"""

import json
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ufm.model.grid import Columns, Grid, Words
from ufm.output.files import whole_file
from ufm.output.folder import LOCK, Folder
from ufm.rules.errors import InputError
from ufm.rules.files import require_regular
from ufm.runtime.processes import ALONE, Group

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ModuleNotFoundError:
    raise InputError(
        "a sweep writes Parquet files with pyarrow, which is missing: pip install pyarrow"
    ) from None

MANIFEST, KEY = "_sweep.json", b"ufm"


class Dataset:
    """The folder of one grid; `open_dataset` makes it."""

    def __init__(self, folder: Path, grid: Grid):
        self.folder, self.digest = folder, grid.digest
        self.names = {f"block-{number:06d}.parquet": number for number in range(grid.blocks)}

    def finished(self) -> dict[int, dict]:
        """Footers of finished blocks, by number. Damaged files count as unfinished, foreign ones are refused."""
        found = {}
        for path in sorted(self.folder.glob("*.parquet")):
            number, footer = self.names.get(path.name), read_footer(path)
            if footer is None and number is not None:
                continue  # damaged from outside: it will be written anew
            own = {"hash": self.digest, "block": number}
            if number is None or footer is None or not own.items() <= footer.items():
                raise InputError(f"{path} is not a block of this grid: move it away, or give another --out")
            found[number] = footer
        return found

    def write(self, number: int, columns: Columns, footer: dict) -> None:
        """Write a block; InputError if the disk refuses it, and then nothing of it is left."""
        meta = {KEY: json.dumps({"hash": self.digest, "block": number, **footer})}
        table = pa.table({name: _arrow(column) for name, column in columns.items()}, metadata=meta)
        buffer = pa.BufferOutputStream()
        repeated = [name for name in columns if not _is_measured(name)]
        pq.write_table(table, buffer, use_dictionary=repeated, compression="zstd")
        with whole_file(self.folder / f"block-{number:06d}.parquet") as file:
            file.write(buffer.getvalue().to_pybytes())


def columns_bytes(columns: dict[str, np.ndarray]) -> bytes:
    """A small table as one Parquet file."""
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.table({name: pa.array(column) for name, column in columns.items()}), buffer)
    return buffer.getvalue().to_pybytes()


def read_columns(path: Path) -> dict[str, list]:
    """The columns of a Parquet file, in order. Raises OSError or ValueError for what is none."""
    table = pq.ParquetFile(path).read()
    return {name: table.column(name).to_pylist() for name in table.column_names}


def _arrow(column: np.ndarray | Words) -> pa.Array:
    if isinstance(column, Words):
        return pa.DictionaryArray.from_arrays(pa.array(column.codes), pa.array(column.words))
    return pa.array(column)


def _is_measured(name: str) -> bool:
    """Columns of numbers that differ from row to row, where a dictionary only costs time."""
    return name.startswith(("numeric_", "theory_")) or name in ("error", "bound")


def read_footer(path: Path) -> dict | None:
    """Provenance of a block, or None where there is none to read."""
    try:
        require_regular(path)
        meta = pq.read_metadata(path).metadata or {}
        return json.loads(meta[KEY])
    except (OSError, KeyError, ValueError, RecursionError):  # pyarrow's own errors among them
        return None


def guess_bytes(features: int, problems: int, blocks: int) -> int:
    """Size of a finished dataset, by what features, problems and footers of other datasets took, compressed."""
    return 65 * features + 20 * problems + 16_000 * blocks


def dataset_folder(path: Path) -> Folder:
    """The folder of a dataset, as the flag --out names it."""
    return Folder(path, f"--out {path}", MANIFEST, "grid", LOCK)


def check_folder(path: Path, grid: Grid) -> None:
    """Raise InputError unless the folder is absent, empty, or holds a sweep of this grid."""
    dataset_folder(path).check(grid.record(), within="grid")


@contextmanager
def open_dataset(path: Path, grid: Grid, provenance: dict, group: Group = ALONE, part: Group = ALONE):
    """The dataset of a grid, made if absent and held against a second run (`Folder.held`, `Folder.shared`)."""
    folder, record = dataset_folder(path), {"hash": grid.digest, "grid": grid.record(), **provenance}
    if group.leads:
        check_folder(path, grid)
        folder.make()
    with folder.held(group, record, anew=False) if part == ALONE else folder.shared(part, record):
        yield Dataset(path, grid)
