"""IDX files, the format of MNIST and Fashion-MNIST, plain or gzipped.

Two zero bytes, a byte for the type of the numbers (0x08: unsigned bytes), a byte for the number of
dimensions, each dimension as a big-endian uint32, then the numbers, last index fastest. Source: Y. LeCun,
C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", section on file formats.
"""

import math
import struct
from pathlib import Path

import numpy as np

from experiments.datasets.dataset import Dataset, unit_pixels
from experiments.datasets.files import LIMIT, inflate, read_file, sha256
from ufm.rules.errors import InputError

PARTS = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
UNSIGNED_BYTE = 0x08


def present(place: Path) -> bool:
    """Whether a folder holds any of the four files, plain or gzipped."""
    return any(_find(place, part).is_file() for part in PARTS)


def read(place: Path, name: str) -> Dataset:
    """The data set of the four files in a folder; names that are not "idx" have ten classes.

    Raises InputError for files that are missing, damaged or do not belong together.
    """
    arrays, checksums = read_parts(place)
    classes = int(arrays[1].max()) + 1 if name == "idx" else 10
    source = f"IDX files {', '.join(checksums)} given by the user as {name}"
    return dataset(name, classes, arrays, source, checksums)


def read_parts(place: Path) -> tuple[list[np.ndarray], dict[str, str]]:
    """Arrays of unsigned bytes in the order of PARTS, and SHA-256 of the files as they lie."""
    arrays, checksums = [], {}
    for part in PARTS:
        path = _find(place, part)
        data = read_file(path)
        arrays.append(parse(data, dimensions=3 if "images" in part else 1, where=str(path)))
        checksums[path.name] = sha256(data)
    return arrays, checksums


def dataset(
    name: str, classes: int, arrays: list[np.ndarray], source: str, checksums: dict[str, str]
) -> Dataset:
    """Unsigned bytes in the order of PARTS as a data set with one channel."""
    train_x, test_x = (unit_pixels(images)[..., None] for images in arrays[::2])
    train_y, test_y = (labels.astype(np.int32) for labels in arrays[1::2])
    return Dataset(name, classes, train_x, train_y, test_x, test_y, source, checksums)


def parse(data: bytes, dimensions: int, where: str) -> np.ndarray:
    """The array of an IDX file. InputError: wrong magic number, type or dimensions, too few or too many bytes.

    Gzipped data are told by the end of `where`, their file name, and never inflated beyond what their header says.
    """
    length = 4 + 4 * dimensions
    shape = _shape(_first(data, length, where), dimensions, where)
    size = math.prod(shape)
    if size > LIMIT:
        raise InputError(f"{where} claims {shape} numbers: at most {LIMIT >> 20} MiB are read here")
    body = _first(data, length + size + 1, where)[length:]
    if len(body) != size:
        found = "fewer" if len(body) < size else "more"
        raise InputError(f"{where} is damaged: its header says {shape}, and {found} bytes than that follow")
    return np.frombuffer(body, np.uint8).reshape(shape)


def header(shape: tuple[int, ...]) -> bytes:
    """The header of an array of unsigned bytes."""
    return struct.pack(f">4B{len(shape)}I", 0, 0, UNSIGNED_BYTE, len(shape), *shape)


def _first(data: bytes, most: int, where: str) -> bytes:
    return inflate(data, most, where) if where.endswith(".gz") else data[:most]


def _shape(head: bytes, dimensions: int, where: str) -> tuple[int, ...]:
    magic, wanted = head[:4], bytes((0, 0, UNSIGNED_BYTE, dimensions))
    if magic != wanted:
        raise InputError(
            f"{where} is not the IDX file it should be: it begins with {magic.hex(' ') or 'nothing'}, "
            f"needed is {wanted.hex(' ')} (unsigned bytes in {dimensions} dimensions)"
        )
    if len(head) < 4 + 4 * dimensions:
        raise InputError(f"{where} is cut off inside its header")
    shape = struct.unpack(f">{dimensions}I", head[4:])
    if 0 in shape:
        raise InputError(f"{where} is empty: its header says {shape}")
    return shape


def _find(place: Path, part: str) -> Path:
    """The plain file if it is there, else the name of the gzipped one."""
    plain = place / part
    return plain if plain.is_file() else place / f"{part}.gz"
