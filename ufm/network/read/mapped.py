"""Arrays of an .npz file or of a folder of .npy files, mapped instead of loaded.

An .npz is a zip of .npy members. A member that is stored (numpy.savez) is a stretch of the file, so
its data are memory-mapped where they lie and cost no anonymous memory. A deflated one
(numpy.savez_compressed) has to be inflated whole and is refused above a limit. Nothing is
unpickled: of a header only shape, order and a plain numeric dtype are believed, and only if they fit
the bytes that are there. Sources: numpy.lib.format; PKWARE APPNOTE 6.3.
"""

import io
import math
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.lib import format as npy

from ufm.network.read.arrays import finite
from ufm.rules.errors import InputError
from ufm.rules.files import require_regular
from ufm.rules.memory import require

COPIES = 4  # in float64 of an array that is read whole: as it is, checked, normalised, and a mask
MEMORY = 2**26  # bytes of what is kept of all rows beyond which it goes to a file
TWO_BYTES = np.dtype("V2")  # what numpy.save makes of bfloat16, a type that it does not know
FEATURES = ("H", "H_clean", "H_test", "H_ood")  # the large ones; these alone may be bfloat16
HEAD = 2**16 + 16  # an .npy header of version 1 is never longer
LOCAL = struct.Struct("<4s22xHH")  # a zip member's local header: signature, lengths of name and extra


@dataclass(frozen=True, eq=False)
class Stored:
    """One array, mapped or in memory, and the CRC-32 of its file (None: unknown); head is that of its header."""

    name: str
    array: np.ndarray
    checksum: int | None = None
    head: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.array.shape

    def blocks(self, rows: int) -> Iterator[np.ndarray]:
        """Consecutive blocks of rows, as they are stored; bfloat16 as float32.

        Raises InputError after the last one if the bytes do not have the checksum of the zip
        (column-major arrays go unchecked: their rows are not in the order of the bytes).
        """
        checked, crc = self.checksum is not None and self.array.flags.c_contiguous, self.head
        for start in range(0, len(self.array), rows):
            block = self.array[start : start + rows]
            if checked:
                # numpy's stubs know arrays as buffers from Python 3.12 on
                crc = zlib.crc32(block, crc)  # type: ignore[arg-type, unused-ignore]
            yield widened(block)
        if checked and crc != self.checksum:
            raise InputError(_damaged(self.name))

    def some(self, start: int, rows: np.ndarray) -> np.ndarray:
        """The rows start + rows alone, unchecked."""
        return widened(self.array[start + rows])

    def values(self) -> np.ndarray:
        """A copy of a small array as it is stored; InputError if it is too large or damaged."""
        require(8 * COPIES * self.array.size, self.name)
        if self.checksum not in (None, zlib.crc32(self.array.tobytes("A"), self.head)):
            raise InputError(_damaged(self.name))
        return np.array(widened(self.array))

    def whole(self) -> np.ndarray:
        """The same in float64; InputError if it is not finite."""
        return finite(self.name, np.asarray(self.values(), np.float64))


def widened(block: np.ndarray) -> np.ndarray:
    """bfloat16 as float32, of which it is the upper half; all else as it is."""
    if block.dtype != TWO_BYTES:
        return block
    return (np.ascontiguousarray(block).view(np.uint16).astype(np.uint32) << 16).view(np.float32)


def open_arrays(path: str, names: Iterable[str]) -> dict[str, Stored]:
    """Those of the named arrays that an .npz or a folder of NAME.npy files holds; all else is not looked at.

    Raises InputError for what is neither, for damaged, truncated, encrypted or oversized members,
    and for arrays that are not plain numbers.
    """
    place = Path(path)
    try:
        if place.is_dir():
            files = {name: place / f"{name}.npy" for name in names}
            return {name: _open_file(name, file) for name, file in files.items() if file.exists()}
        if not place.is_file():
            raise InputError(f"{path} is neither an .npz file nor a folder of .npy files")
        return _open_zip(place, set(names))
    except (zipfile.BadZipFile, NotImplementedError, struct.error) as error:  # what zipfile raises for damage
        advice = "write it with numpy.savez, or give a folder of .npy files"
        raise InputError(f"{path} is not a whole .npz file ({error}): {advice}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


def read_array(name: str, file: Path) -> np.ndarray:
    """The array of an .npy file, in memory; `name` is what messages call it."""
    try:
        stored = _open_file(name, file)
    except OSError as error:
        raise InputError(f"{name}: {error.strerror}") from None
    require(8 * COPIES * stored.array.size, f"the array of {name}")
    return np.array(stored.array)


def room(shape: tuple[int, int], what: str) -> np.ndarray:
    """An empty array, a large one in a temporary file that is gone with its last use; InputError where there is no
    room for it."""
    size = 8 * shape[0] * shape[1]
    if size <= MEMORY:
        return np.empty(shape)
    try:
        with tempfile.TemporaryFile(prefix="ufm-") as file:
            if hasattr(os, "posix_fallocate"):  # a mapping without room behind it would end the process
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, np.float64, "w+", shape=shape)
    except OSError as error:
        where = tempfile.gettempdir()
        raise InputError(
            f"{size / 2**20:.0f} MiB of {what} do not fit into {where} ({error.strerror or error}): set "
            "TMPDIR to a folder with room"
        ) from None


def held_names(path: str) -> list[str]:
    """Names of the arrays in an .npz or a folder that `open_arrays` could open, for messages."""
    place = Path(path)
    if place.is_dir():
        return sorted(file.stem for file in place.glob("*.npy"))
    with zipfile.ZipFile(place) as archive:
        return sorted(name.removesuffix(".npy") for name in archive.namelist())


def _open_file(name: str, file: Path) -> Stored:
    require_regular(file)
    return _map(name, file, 0, file.stat().st_size, None)


def _open_zip(place: Path, names: set[str]) -> dict[str, Stored]:
    with zipfile.ZipFile(place) as archive:
        entries = [e for e in archive.infolist() if e.filename.removesuffix(".npy") in names]
        keys = [entry.filename.removesuffix(".npy") for entry in entries]
        if len(set(keys)) < len(keys):
            raise InputError(f"{place} holds two arrays of the same name among {', '.join(sorted(keys))}")
        _check_members(entries)
        return {key: _open_member(key, place, archive, entry) for key, entry in zip(keys, entries)}


def _check_members(entries: list[zipfile.ZipInfo]) -> None:
    for entry in entries:
        if entry.flag_bits & 1:
            raise InputError(f"{entry.filename} is encrypted: write the file with numpy.savez")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(f"{entry.filename} is compressed in a way numpy does not write: use numpy.savez")
    inflated = sum(e.file_size for e in entries if e.compress_type != zipfile.ZIP_STORED)
    advice = "write them with numpy.savez, which are mapped at any size, instead of numpy.savez_compressed"
    require(2 * inflated, "the compressed arrays, inflated", advice)


def _open_member(name: str, place: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Stored:
    if entry.compress_type == zipfile.ZIP_STORED:
        return _map(name, place, _data_offset(place, entry), entry.file_size, entry.CRC)
    try:
        data = archive.read(entry)  # never more than entry.file_size bytes; checks the CRC
    except (zlib.error, EOFError):
        raise InputError(_damaged(name)) from None
    shape, order, dtype, start = _layout(name, data[:HEAD], len(data))
    values = np.frombuffer(data, dtype, offset=start) if len(data) > start else np.empty(0, dtype)
    return Stored(name, values.reshape(shape, order=order))


def _data_offset(place: Path, entry: zipfile.ZipInfo) -> int:
    """Where a stored member's data begin: behind its local header, which has lengths of its own."""
    with place.open("rb") as file:
        file.seek(max(entry.header_offset, 0))
        header = file.read(LOCAL.size)
    if len(header) < LOCAL.size:
        raise InputError(_damaged(entry.filename))
    signature, name, extra = LOCAL.unpack(header)
    offset = entry.header_offset + LOCAL.size + name + extra
    inside = offset + entry.file_size <= place.stat().st_size and entry.file_size == entry.compress_size
    if signature != b"PK\x03\x04" or not inside:
        raise InputError(_damaged(entry.filename))
    return offset


def _map(name: str, place: Path, offset: int, length: int, checksum: int | None) -> Stored:
    """The .npy file of `length` bytes at `offset` of a file."""
    with place.open("rb") as file:
        file.seek(offset)
        head = file.read(min(length, HEAD))
    shape, order, dtype, start = _layout(name, head, length)
    if 0 in shape:  # nothing to map
        return Stored(name, np.empty(shape, dtype))
    array = np.memmap(place, dtype, "r", offset + start, shape, order)
    return Stored(name, array, checksum, zlib.crc32(head[:start]))


def _layout(name: str, head: bytes, length: int) -> tuple[tuple[int, ...], Literal["C", "F"], np.dtype, int]:
    """Shape, order, dtype and start of the data of an .npy file of `length` bytes, from its first bytes."""
    file = io.BytesIO(head)
    try:
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[npy.read_magic(file)]
        shape, fortran, dtype = read(file)
    except Exception:  # a hostile header fails in many ways inside numpy and ast; all mean the same
        raise InputError(
            f"{name} is not a plain .npy array: write it with numpy.save or numpy.savez"
        ) from None
    if dtype == TWO_BYTES and name.removesuffix(".npy") not in FEATURES:
        raise InputError(f"{name} is no plain float: save bfloat16 as float32")
    if dtype.hasobject or not (dtype.kind in "fiu" or dtype == TWO_BYTES):
        plain = "; pickled objects are not a plain .npy array" if dtype.hasobject else ""
        raise InputError(f"{name} must hold real numbers (floats or integers), got dtype {dtype}{plain}")
    if (
        not all(0 <= size < 2**48 for size in shape)
        or math.prod(shape) * dtype.itemsize != length - file.tell()
    ):
        raise InputError(f"{_damaged(name)}; its header says {shape} {dtype}")
    return shape, "F" if fortran else "C", dtype, file.tell()


def _damaged(name: str) -> str:
    return (
        f"{name} is damaged or cut off: its bytes do not fit its header or checksum, so write the file again"
    )
