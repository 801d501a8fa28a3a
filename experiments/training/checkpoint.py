"""A run on disk: checkpoint.npz (numbers and JSON, never a pickle) and log.csv, each replaced whole."""

import csv
import io
import json
import os
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import jax
import numpy as np

from ufm.output.files import ended_softly
from ufm.rules.errors import InputError

NAME, LOG = "checkpoint.npz", "log.csv"
META = "meta"
DATA = ("data", "images", "digest")  # what of an identity is no setting
PART = ".part-"


def write_whole(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write beside the target and move into place: the file is the old one or the new one, never a part."""
    with ended_softly():
        _write_beside(path, write)


def _write_beside(path: Path, write: Callable[[BinaryIO], None]) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=PART, suffix=path.suffix)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp's is readable by its owner alone
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class Keeper:
    """Saves one run in a folder, at most each `every` seconds; without a folder it does nothing.

    `identity` says what the run is: settings and data. Another run's checkpoint is refused, but for one of
    settings that this run `extends`.
    """

    def __init__(
        self,
        folder: Path | None,
        identity: dict,
        every: float,
        extends: Callable[[dict], bool] = lambda found: False,
    ):
        self.folder, self.identity, self.every, self.saved = folder, identity, every, time.monotonic()
        self.extends = extends
        if folder is not None:
            with _writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
            for part in folder.glob(f"{PART}*"):  # what a killed process had not yet moved into place
                part.unlink()

    def load(self, state) -> tuple:
        """(state, log) from the folder in the form of `state`; as given, with an empty log, without one.

        Raises InputError for a damaged file and for a checkpoint of another run.
        """
        if self.folder is None or not (self.folder / NAME).exists():
            return state, []
        path = self.folder / NAME
        meta, arrays = _read(path)
        if not self._longer(meta["run"]):
            _check_run(path, meta["run"], self.identity)
        with _writing(self.folder):  # a kill may have come between the two files
            write_log(self.folder, meta["log"])
        return _fill(path, state, arrays), meta["log"]

    def _longer(self, found: dict) -> bool:
        """Whether this run goes on where the one of the checkpoint ended; its data must be the same."""
        here = json.loads(json.dumps(self.identity))
        data = {name: here[name] for name in DATA if name in here}
        if any(found.get(name) != value for name, value in data.items()):
            return False
        return self.extends({name: value for name, value in found.items() if name not in DATA})

    def save(self, state, log: list[dict], last: bool) -> None:
        """Write state and log if it is time, and at the end."""
        if self.folder is None or not (last or time.monotonic() - self.saved >= self.every):
            return
        meta = json.dumps({"run": self.identity, "log": log})
        arrays = {name: np.asarray(leaf) for name, leaf in named_leaves(state).items()}
        with _writing(self.folder):
            write_whole(self.folder / NAME, lambda file: np.savez(file, **{META: np.array(meta)}, **arrays))
            write_log(self.folder, log)
        self.saved = time.monotonic()


def write_log(folder: Path, log: list[dict]) -> None:
    """log.csv: one row an epoch, every number in full."""
    text = io.StringIO()
    writer = csv.DictWriter(text, log[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(log)
    write_whole(folder / LOG, lambda file: file.write(text.getvalue().encode()))


def named_leaves(state) -> dict[str, np.ndarray]:
    """Arrays of a tree by their path in it."""
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(state)}


@contextmanager
def _writing(folder: Path):
    """A full disk or a folder that nobody may write to is one clear line."""
    try:
        yield
    except OSError as error:
        raise InputError(f"nothing can be written to {folder}: {error.strerror}") from None


def _fill(path: Path, state, arrays: dict[str, np.ndarray]):
    """The state with its numbers from the file."""
    wanted = named_leaves(state)
    for name, leaf in wanted.items():
        if name not in arrays or (arrays[name].shape, arrays[name].dtype) != (leaf.shape, leaf.dtype):
            raise InputError(f"{path} does not hold {name} of shape {leaf.shape}: remove it to start anew")
    return jax.tree.unflatten(jax.tree.structure(state), [arrays[name] for name in wanted])


def _read(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(str(arrays.pop(META)))
        return {"run": meta["run"], "log": meta["log"]}, arrays
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        raise InputError(f"{path} is not a readable checkpoint: remove it to start anew") from None


def _check_run(path: Path, found: dict, run: dict) -> None:
    """Refuse to go on with another run, naming what differs."""
    run = json.loads(json.dumps(run))  # tuples become lists, as they did in the file
    names = sorted({*found, *run})
    other = [f"{n} {found.get(n)}, asked {run.get(n)}" for n in names if found.get(n) != run.get(n)]
    if other:
        raise InputError(
            f"{path} belongs to another run ({'; '.join(other)}): give another folder or remove it"
        )
