"""One .npz with x_train, y_train, x_test, y_test, as Keras' mnist.npz. Nothing is unpickled."""

from pathlib import Path

import numpy as np

from experiments.datasets.dataset import Dataset, unit_pixels
from experiments.datasets.files import read_file, sha256
from ufm.network.read.mapped import Stored, open_arrays
from ufm.rules.errors import InputError

KEYS = ("x_train", "y_train", "x_test", "y_test")
BLOCK = 4096  # images converted at a time


def present(place: Path) -> bool:
    """Whether this is an .npz file or a folder with one."""
    return place.suffix == ".npz" or any(place.glob("*.npz"))


def read(place: Path, name: str = "npz") -> Dataset:
    """Images N x height x width (x channels) of unsigned bytes or of floats in [0, 1], labels N or N x 1 integers.

    Raises InputError for missing or damaged arrays and for values outside these.
    """
    path = _only(place)
    checksums = {path.name: sha256(read_file(path))}
    stored = open_arrays(str(path), KEYS)
    missing = [key for key in KEYS if key not in stored]
    if missing:
        raise InputError(f"{path} has no {', '.join(missing)}: needed are {', '.join(KEYS)}")
    train_x, test_x = images(stored["x_train"]), images(stored["x_test"])
    train_y, test_y = labels(stored["y_train"]), labels(stored["y_test"])
    classes = int(train_y.max()) + 1
    return Dataset(name, classes, train_x, train_y, test_x, test_y, f"arrays of {path.name}", checksums)


def images(stored: Stored) -> np.ndarray:
    """float32 (N, height, width, channels) in [0, 1]; InputError for other shapes, dtypes or values."""
    dtype, shape = stored.array.dtype, stored.shape
    if len(shape) not in (3, 4) or 0 in shape:
        raise InputError(f"{stored.name} must be N x height x width (x channels), got shape {shape}")
    if dtype != np.uint8 and dtype.kind != "f":
        raise InputError(f"{stored.name} must hold unsigned bytes or floats in [0, 1], got dtype {dtype}")
    x = np.concatenate([_unit(stored.name, block) for block in stored.blocks(BLOCK)])
    return x if x.ndim == 4 else x[..., None]


def labels(stored: Stored) -> np.ndarray:
    """int32 (N,); InputError for labels that are no integers, negative or beyond int32."""
    dtype, shape = stored.array.dtype, stored.shape
    if dtype.kind not in "iu" or not shape or shape[1:] not in ((), (1,)) or 0 in shape:
        raise InputError(f"{stored.name} must be N or N x 1 integers, got {dtype} of shape {shape}")
    y = np.concatenate(list(stored.blocks(BLOCK))).ravel()
    if y.min() < 0 or y.max() > np.iinfo(np.int32).max:  # would wrap around
        raise InputError(f"{stored.name} must hold classes from 0 on, found {y.min()} to {y.max()}")
    return y.astype(np.int32)


def _unit(name: str, block: np.ndarray) -> np.ndarray:
    if block.dtype == np.uint8:
        return unit_pixels(block)
    if not (np.min(block) >= 0 and np.max(block) <= 1):  # fails for NaN as well
        raise InputError(f"{name}: floats must lie in [0, 1]; divide by 255, or save unsigned bytes")
    return block.astype(np.float32)


def _only(place: Path) -> Path:
    files = [place] if place.suffix == ".npz" else sorted(place.glob("*.npz"))
    if len(files) != 1:
        raise InputError(f"{place} holds {len(files)} npz files: give the path of one")
    return files[0]
