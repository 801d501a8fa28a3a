"""Which data set to read: by name, by what a folder holds, or what this machine has."""

from collections.abc import Callable
from pathlib import Path

from experiments.datasets import arrays, cifar, debian, digits, idx
from experiments.datasets.dataset import Dataset
from ufm.rules.errors import InputError

NAMES = ("mnist", "fashion", "cifar10", "cifar100", "npz", "digits")
NEEDED = {
    "mnist": "the four IDX files (train-images-idx3-ubyte and so on, gzipped or not)",
    "cifar10": "data_batch_1.bin to 5 and test_batch.bin, the Python batches, or the tar.gz of either",
    "cifar100": "train.bin and test.bin, the Python batches, or the tar.gz of either",
    "npz": "one .npz with x_train, y_train, x_test, y_test",
}


def load_dataset(name: str | None = None, data_dir: str | None = None) -> Dataset:
    """The named data set; without a name what the folder holds, or the best that is here.

    With data_dir: a folder with IDX or IDX.gz files (MNIST and Fashion-MNIST have the same file names, so
    without a name it is called "idx"), CIFAR-10 or CIFAR-100 in any published form, one .npz, or the path of
    an .npz. Checksums of these are recorded, not judged. Without: Fashion-MNIST of Debian's package, whose
    contents must be the published ones, or scikit-learn's digits if that package is not installed.

    Raises InputError: unknown name, nothing or several data sets found, files that are damaged.
    """
    if name is not None and name not in NAMES:
        raise InputError(f"unknown data set {name}: allowed are {', '.join(NAMES)}")
    return _here(name) if data_dir is None else _given(name, Path(data_dir))


def _here(name: str | None) -> Dataset:
    if name == "digits" or (name is None and not debian.present()):
        return digits.read()
    if name in NEEDED:
        raise InputError(
            f"{name} is not on this machine by itself: give its folder as --data-dir, {NEEDED[name]}"
        )
    if not debian.present():
        raise InputError(
            f"Fashion-MNIST is not installed: apt-get install {debian.PACKAGE}, "
            f"or give its folder as --data-dir, {NEEDED['mnist']}"
        )
    return debian.read()


def _given(name: str | None, place: Path) -> Dataset:
    if name == "digits":
        raise InputError("digits come with scikit-learn: leave --data-dir out, or name what is in it")
    try:
        found = _readers(name, place)
    except OSError as error:
        raise InputError(f"{place} cannot be read: {error.strerror or error}") from None
    if len(found) == 1:
        return next(iter(found.values()))()
    if found:
        raise InputError(f"{place} holds several data sets ({', '.join(found)}): say which by its name")
    wanted = NEEDED["mnist" if name == "fashion" else name] if name else "; or ".join(NEEDED.values())
    raise InputError(f"{place} holds no {name or 'data set'}: needed is {wanted}")


def _readers(name: str | None, place: Path) -> dict[str, Callable[[], Dataset]]:
    """Readers of the data sets that are there and could be meant, by kind."""
    found = {}
    if name in (None, "mnist", "fashion") and idx.present(place):
        found["idx"] = lambda: idx.read(place, name or "idx")
    for layout in (cifar.CIFAR10, cifar.CIFAR100):
        if name in (None, layout.name) and cifar.present(place, layout):
            found[layout.name] = lambda layout=layout: cifar.read(place, layout)
    if name in (None, "npz") and arrays.present(place):
        found["npz"] = lambda: arrays.read(place)
    return found
