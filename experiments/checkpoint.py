"""A run on disk: checkpoint.npz (numbers and JSON, never a pickle) and log.csv, each replaced whole."""

import csv
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import jax
import numpy as np

NAME, LOG = "checkpoint.npz", "log.csv"
META = "meta"


def write_whole(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write beside the target and move into place: the file is the old one or the new one, never a part."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".train-", suffix=path.suffix)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def save_checkpoint(folder: Path, run: dict, state, log: list[dict]) -> None:
    """Write state and log. `run` says what they belong to: settings and data."""
    meta = json.dumps({"run": run, "log": log})
    arrays = {name: np.asarray(leaf) for name, leaf in named_leaves(state).items()}
    write_whole(folder / NAME, lambda file: np.savez(file, **{META: np.array(meta)}, **arrays))
    write_log(folder, log)


def write_log(folder: Path, log: list[dict]) -> None:
    """log.csv: one row an epoch, every number in full."""
    text = io.StringIO()
    writer = csv.DictWriter(text, log[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(log)
    write_whole(folder / LOG, lambda file: file.write(text.getvalue().encode()))


def load_checkpoint(folder: Path, run: dict, state) -> tuple:
    """(state, log) of an earlier run into the form of `state`; unchanged and an empty log without one.

    Raises ValueError for a damaged file and for a checkpoint of another run.
    """
    path = folder / NAME
    if not path.exists():
        return state, []
    meta, arrays = _read(path)
    _check_run(path, meta["run"], run)
    wanted = named_leaves(state)
    for name, leaf in wanted.items():
        if name not in arrays or (arrays[name].shape, arrays[name].dtype) != (leaf.shape, leaf.dtype):
            raise ValueError(f"{path} does not hold {name} of shape {leaf.shape}: remove it to start anew")
    leaves = [jax.numpy.asarray(arrays[name]) for name in wanted]
    write_log(folder, meta["log"])  # a kill may have come between the two files
    return jax.tree.unflatten(jax.tree.structure(state), leaves), meta["log"]


def named_leaves(state) -> dict[str, np.ndarray]:
    """Arrays of a tree by their path in it."""
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(state)}


def _read(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(str(arrays.pop(META)))
        return {"run": meta["run"], "log": meta["log"]}, arrays
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not a readable checkpoint ({error}): remove it to start anew") from None


def _check_run(path: Path, found: dict, run: dict) -> None:
    """Refuse to go on with another run, naming what differs."""
    run = json.loads(json.dumps(run))  # tuples become lists, as they did in the file
    names = sorted({*found, *run})
    other = [f"{n} {found.get(n)}, asked {run.get(n)}" for n in names if found.get(n) != run.get(n)]
    if other:
        raise ValueError(
            f"{path} belongs to another run ({'; '.join(other)}): give another folder or remove it"
        )
