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
from ufm.output.files import appears, whole_file
from ufm.rules.errors import InputError
from ufm.rules.files import read_json, require_regular
from ufm.runtime.processes import ALONE, Group

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ModuleNotFoundError:
    raise InputError(
        "a sweep writes Parquet files with pyarrow, which is missing: pip install pyarrow"
    ) from None

MANIFEST, LOCK, KEY = "_sweep.json", "_lock", b"ufm"


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
            if (
                number is None
                or footer is None
                or (footer.get("hash"), footer.get("block")) != (self.digest, number)
            ):
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


def check_folder(folder: Path, grid: Grid) -> None:
    """Raise InputError unless the folder is absent, empty, or holds a sweep of this grid."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"--out {folder} exists and is not a folder")
    if not (folder / MANIFEST).exists():
        others = [path.name for path in folder.iterdir() if not path.name.startswith((".", LOCK))]
        if others:
            raise InputError(f"--out {folder} holds {others[0]} and no sweep: give a new folder")
        return
    written, record = _read_manifest(folder), json.loads(json.dumps(grid.record()))
    changed = [name for name in record if written.get(name) != record[name]]
    if changed:
        raise InputError(
            f"--out {folder} holds a sweep of another grid ({', '.join(changed)} changed): "
            "restore the grid, or give another --out"
        )


def _read_manifest(folder: Path) -> dict:
    try:
        return read_json(folder / MANIFEST)["grid"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{folder / MANIFEST} cannot be read: restore it, or give another --out") from None


@contextmanager
def open_dataset(folder: Path, grid: Grid, provenance: dict, group: Group = ALONE):
    """The dataset of a grid, made if absent, locked against a second run, cleared of unfinished files.

    Process 0 of a group does that for all; the folder must be one that all of them see.
    """
    if not group.leads:
        group.meet()
        if not appears(folder / MANIFEST):
            raise InputError(
                f"--out {folder} is not the folder that process 0 sees: give one on a shared disk"
            )
        yield Dataset(folder, grid)
        return
    check_folder(folder, grid)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / LOCK, "w")  # noqa: SIM115 (held until the end)
    except OSError as error:
        raise InputError(f"--out {folder} cannot be written: {error.strerror}") from None
    with lock:
        _lock(lock, folder)
        for path in folder.glob(".*.tmp"):
            path.unlink()
        if not (folder / MANIFEST).exists():
            data = {"hash": grid.digest, "grid": grid.record(), **provenance}
            with whole_file(folder / MANIFEST) as file:
                file.write((json.dumps(data, indent=1) + "\n").encode())
        group.meet()
        yield Dataset(folder, grid)


def _lock(file, folder: Path) -> None:
    """Released by the system when the process ends, however it ends."""
    import fcntl  # POSIX only

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(f"--out {folder}: another run is writing there") from None
    except OSError as error:
        raise InputError(f"--out {folder} cannot be locked: {error.strerror}") from None
