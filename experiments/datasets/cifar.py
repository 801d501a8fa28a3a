"""CIFAR-10 and CIFAR-100 as published: binary or Python batches, in a folder or in the tar.gz.

Binary: images one after another, each its label bytes (CIFAR-100: coarse, then fine; fine is taken) and 3072
pixels, the red plane, then green, then blue, each 32 x 32 by rows. Python: pickled dictionaries with `data`
(N x 3072, the same order) and `labels` or `fine_labels`. Source: A. Krizhevsky, "Learning Multiple Layers of
Features from Tiny Images" (2009), https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.datasets.batches import run, unsigned_bytes
from experiments.datasets.dataset import Dataset, unit_pixels
from experiments.datasets.files import read_members
from ufm.rules.errors import InputError

PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Layout:
    """How one of the two data sets is published.

    label_bytes: labels of an image in the binary files, the last of which is the class.
    binary, python: folder and archive of the two versions.
    """

    name: str
    classes: int
    train: tuple[str, ...]
    test: str
    label_bytes: int
    label_key: str
    binary: tuple[str, str]
    python: tuple[str, str]


CIFAR10 = Layout(
    name="cifar10",
    classes=10,
    train=tuple(f"data_batch_{number}" for number in range(1, 6)),
    test="test_batch",
    label_bytes=1,
    label_key="labels",
    binary=("cifar-10-batches-bin", "cifar-10-binary.tar.gz"),
    python=("cifar-10-batches-py", "cifar-10-python.tar.gz"),
)
CIFAR100 = Layout(
    name="cifar100",
    classes=100,
    train=("train",),
    test="test",
    label_bytes=2,
    label_key="fine_labels",
    binary=("cifar-100-binary", "cifar-100-binary.tar.gz"),
    python=("cifar-100-python", "cifar-100-python.tar.gz"),
)


def present(place: Path, layout: Layout) -> bool:
    """Whether a folder holds this data set in any of its published forms."""
    return _locate(place, layout) is not None


def read(place: Path, layout: Layout) -> Dataset:
    """The data set in a folder that `present` found. InputError for files that are missing or damaged."""
    where, suffix = _locate(place, layout)
    names = [f"{part}{suffix}" for part in (*layout.train, layout.test)]
    files, checksums = read_members(where, names)
    parse = parse_binary if suffix else parse_python
    parts = [parse(files[name], layout, f"{where} ({name})") for name in names]
    train_x, train_y = (np.concatenate(columns) for columns in zip(*parts[:-1]))
    test_x, test_y = parts[-1]
    source = f"{layout.name} from {', '.join(checksums)}"
    return Dataset(layout.name, layout.classes, train_x, train_y, test_x, test_y, source, checksums)


def _locate(place: Path, layout: Layout) -> tuple[Path, str] | None:
    """Folder or archive that holds the files, and how their names end; binary files first, the simpler format."""
    for (folder, archive), suffix in ((layout.binary, ".bin"), (layout.python, "")):
        for where in (place, place / folder):
            if (where / f"{layout.train[0]}{suffix}").is_file():
                return where, suffix
        if (place / archive).is_file():
            return place / archive, suffix
    return None


def parse_binary(data: bytes, layout: Layout, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 32, 32, 3) and classes (N,) of a binary file; InputError if it ends inside an image."""
    row = layout.label_bytes + PIXELS
    if not data or len(data) % row:
        raise InputError(
            f"{where} has {len(data)} bytes: {layout.name} needs a multiple of {row}, {row} an image"
        )
    rows = np.frombuffer(data, np.uint8).reshape(-1, row)
    return _images(rows[:, layout.label_bytes :]), rows[:, layout.label_bytes - 1].astype(np.int32)


def parse_python(data: bytes, layout: Layout, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 32, 32, 3) and classes (N,) of a Python batch; InputError if it holds anything else."""
    try:
        batch = run(data)
        if not isinstance(batch, dict) or not {"data", layout.label_key} <= batch.keys():
            raise InputError(f"it is no dictionary with data and {layout.label_key}")
        pixels = unsigned_bytes(batch["data"])
        labels = _labels(batch[layout.label_key], layout.classes)
    except InputError as error:
        raise InputError(f"{where} is no Python batch of {layout.name}: {error}") from None
    if pixels.shape != (len(labels), PIXELS):
        raise InputError(
            f"{where} has {len(labels)} labels and data of shape {pixels.shape}, needed N x {PIXELS}"
        )
    return _images(pixels), labels


def _labels(values: object, classes: int) -> np.ndarray:
    if not isinstance(values, list) or not all(type(v) is int and 0 <= v < classes for v in values):
        raise InputError(f"its labels are no list of integers from 0 to {classes - 1}")
    return np.array(values, np.int32)


def _images(planes: np.ndarray) -> np.ndarray:
    """Colour planes (N, 3072) as images with the channel last."""
    return unit_pixels(planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
