"""Scikit-learn's digits, the data set that is always there: 1797 images of 8 x 8 pixels, 10 classes.

The test part of E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository (1998), doi 10.24432/C50P49, pixels 0 … 16.
"""

import numpy as np

from experiments.datasets.dataset import Dataset, balanced_indices
from experiments.datasets.files import sha256
from ufm.rules.errors import InputError

TEST, SEED = 360, 0  # one fixed split: 36 test images of each class, 1437 training images


def read() -> Dataset:
    """The digits, split once and for all; InputError if scikit-learn is not installed."""
    images, labels = _images()
    test = balanced_indices(labels, TEST, SEED)
    train = np.setdiff1d(np.arange(len(labels)), test)
    x = (images / np.float32(16))[..., None]
    checksums = {"images as bytes": sha256(images.tobytes()), "labels as bytes": sha256(labels.tobytes())}
    source = f"digits of scikit-learn (8 x 8 pixels), {len(test)} of {len(labels)} held out as test images"
    y = labels.astype(np.int32)
    return Dataset("digits", 10, x[train], y[train], x[test], y[test], source, checksums)


def _images() -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 8, 8) and classes (N,), both unsigned bytes."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise InputError("digits come with scikit-learn: install it, or give images by --data-dir") from None
    bunch = load_digits()
    return bunch.images.astype(np.uint8), bunch.target.astype(np.uint8)
