"""A data set as the experiments see it, and class-balanced parts of it."""

from dataclasses import dataclass, replace

import numpy as np

from ufm.rules.errors import InputError


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images (N, height, width, channels), float32 in [0, 1], and their classes (N,), int32 in 0 … K − 1.

    classes: K. source: where it came from, in words. checksums: SHA-256 of each file by its name (of each
    array where there is no file). inputs: how they were prepared (`prepare`); then they leave [0, 1].
    Raises InputError if images and labels do not belong together, a label is out of range or a class has no
    training image.
    """

    name: str
    classes: int
    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    source: str
    checksums: dict[str, str]
    inputs: str = "channel"

    def __post_init__(self):
        _check_images(self.name, self.train_x, self.test_x)
        for part, x, y in (("training", self.train_x, self.train_y), ("test", self.test_x, self.test_y)):
            _check_labels(f"{self.name}, {part} part", x, y, self.classes)
        seen = len(np.unique(self.train_y))
        if seen < self.classes:
            raise InputError(f"{self.name}: only {seen} of {self.classes} classes have a training image")


def _check_images(name: str, train_x: np.ndarray, test_x: np.ndarray) -> None:
    for x in (train_x, test_x):
        if x.ndim != 4 or 0 in x.shape or x.dtype != np.float32:
            raise InputError(f"{name}: images must be N x height x width x channels, got shape {x.shape}")
    if train_x.shape[1] in (1, 3) and min(train_x.shape[2:]) > 4:
        raise InputError(f"{name}: images of shape {train_x.shape[1:]} have channels first; put them last")
    if train_x.shape[1:] != test_x.shape[1:]:
        raise InputError(
            f"{name}: training images are {train_x.shape[1:]}, test images {test_x.shape[1:]}: sizes must agree"
        )


def _check_labels(where: str, x: np.ndarray, y: np.ndarray, classes: int) -> None:
    if y.shape != x.shape[:1]:
        raise InputError(f"{where}: {len(x)} images but labels of shape {y.shape}; every image needs one")
    if y.min() < 0 or y.max() >= classes:
        wrong = y.min() if y.min() < 0 else y.max()
        raise InputError(f"{where}: labels must be 0 to {classes - 1}, found {wrong}")


def unit_pixels(pixels: np.ndarray) -> np.ndarray:
    """Pixels 0 … 255 as float32 in [0, 1], contiguous; 255 times them rounds back to the pixels."""
    return np.divide(pixels, 255, dtype=np.float32, order="C")


def balanced_indices(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Increasing indices (count,) of a random choice whose class counts differ by at most one.

    A class with fewer images gives all it has and the others make up for it, so that any count up to N
    is reached. Choices of one seed are nested: the smaller lies in the larger.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    shuffled = labels[order]
    _, sizes = np.unique(shuffled, return_counts=True)
    rank = np.empty(len(labels), int)  # place within its class, in the shuffled order
    rank[np.argsort(shuffled, kind="stable")] = np.concatenate([np.arange(size) for size in sizes])
    return np.sort(order[np.argsort(rank, kind="stable")[:count]])


def subset(data: Dataset, train: int | None, test: int | None, seed: int = 0) -> Dataset:
    """`train` and `test` images drawn as in `balanced_indices`, in their old order; None keeps a part whole.

    Raises InputError for more images than there are, and for fewer training images than classes.
    """
    _check_count("training", train, data.classes, len(data.train_y))
    _check_count("test", test, 1, len(data.test_y))
    part, words = {}, []
    for what, labels, count in (("train", data.train_y, train), ("test", data.test_y, test)):
        if count is not None:
            chosen = balanced_indices(labels, count, seed)
            part |= {f"{what}_x": getattr(data, f"{what}_x")[chosen], f"{what}_y": labels[chosen]}
            words.append(f"{count} of {len(labels)} {what} images")
    note = f"; {', '.join(words)}, balanced over classes, seed {seed}" if words else ""
    return replace(data, source=data.source + note, **part)


def _check_count(what: str, count: int | None, least: int, most: int) -> None:
    if count is not None and not least <= count <= most:
        raise InputError(f"{count} {what} images asked for: allowed are {least} to {most}")
