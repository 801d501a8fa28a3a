"""Images of K classes with inputs of D dimensions: pooled pixels, or random ReLU features beyond their number.

All of them end along the training images' principal axes, which is lossless for training mixtures at any n and D.
"""

from dataclasses import replace
from math import isqrt

import numpy as np

from experiments.datasets import prepare, subset
from experiments.datasets.dataset import Dataset
from experiments.distance.grid import Cell
from experiments.training.settings import TrainSettings
from ufm.rules.errors import InputError

TEST = 500  # test images, for the accuracy alone


def images(data: Dataset, cell: Cell, settings: TrainSettings) -> Dataset:
    """n images of the first K classes, drawn by the settings' seed, prepared; InputError for a D out of reach."""
    data = first_classes(data, cell.classes)
    data = subset(data, cell.images, min(TEST, len(data.test_y)), settings.seed)
    pixels = data.train_x[0].size
    if cell.dimension > pixels:
        made = replace(settings, inputs="relu", random_features=cell.dimension)
        data = replace(prepare(data, made), inputs="channel")  # these features are the images from here on
    else:
        data = pool(data, cell.dimension)
    return prepare(data, settings)


def first_classes(data: Dataset, classes: int) -> Dataset:
    """The images of classes 0 … K − 1."""
    if not 2 <= classes <= data.classes:
        raise InputError(f"{data.name} has {data.classes} classes, asked for {classes}")
    train, test = (y < classes for y in (data.train_y, data.test_y))
    part = {"train_x": data.train_x[train], "train_y": data.train_y[train]}
    return replace(data, classes=classes, test_x=data.test_x[test], test_y=data.test_y[test], **part)


def pool(data: Dataset, dimension: int) -> Dataset:
    """Means of square blocks, so that D pixels are left; InputError where no block does that."""
    _, height, width, channels = data.train_x.shape
    side = isqrt(height * width * channels // dimension)
    if side * side * dimension != height * width * channels or height % side or width % side:
        raise InputError(f"{data.name}: images of {height} x {width} cannot be pooled to {dimension} pixels")

    def block_means(x: np.ndarray) -> np.ndarray:
        cut = x.reshape(len(x), height // side, side, width // side, side, channels)
        return cut.mean((2, 4), dtype=np.float32)

    return replace(data, train_x=block_means(data.train_x), test_x=block_means(data.test_x))
