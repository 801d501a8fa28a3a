"""Fashion-MNIST where Debian's package dataset-fashion-mnist puts it: 70000 images, 10 classes, MIT licence.

Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
Algorithms", arXiv:1708.07747; https://github.com/zalandoresearch/fashion-mnist.
"""

from pathlib import Path

import numpy as np

from experiments.datasets import idx
from experiments.datasets.dataset import Dataset
from experiments.datasets.files import sha256
from ufm.rules.errors import InputError

FOLDER = Path("/usr/share/datasets/fashion-mnist")
PACKAGE = "dataset-fashion-mnist"

# SHA-256 of the inflated files, which stay the same however they are compressed: Debian strips name and time
# from the gzip headers, so its files differ from the published ones there. With both put back they have the MD5
# sums that the README of the source gives (8d4fb7e6…, 25c81989…, bef4ecab…, bb300cfd…).
CONTENTS = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


def present() -> bool:
    """Whether the package's folder is there."""
    return FOLDER.is_dir()


def read() -> Dataset:
    """Fashion-MNIST from the package; InputError if a file is missing or not the published one."""
    arrays, checksums = idx.read_parts(FOLDER)
    for part, array in zip(idx.PARTS, arrays):
        _check_contents(part, array)
    source = (
        f"Fashion-MNIST of Debian's package {PACKAGE}, contents as published (SHA-256 of the inflated files)"
    )
    return idx.dataset("fashion", 10, arrays, source, checksums)


def _check_contents(part: str, array: np.ndarray) -> None:
    found = sha256(idx.header(array.shape) + array.tobytes())
    if found != CONTENTS[part]:
        raise InputError(
            f"{FOLDER / part}.gz does not hold the published Fashion-MNIST (SHA-256 of the contents {found[:12]}…, "
            f"published {CONTENTS[part][:12]}…): reinstall {PACKAGE}, "
            "or give the folder as --data-dir to use it as it is"
        )
