"""Bytes of files that a stranger may have written: regular files only, and never more bytes than a limit."""

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from ufm.rules.errors import InputError

LIMIT = 2**30  # bytes of one file, as it lies and inflated; the largest file read here holds 154 MB


def read_file(path: Path) -> bytes:
    """The bytes of a regular file; InputError if it is missing, no regular file, unreadable or above LIMIT."""
    try:
        if not path.is_file():  # a pipe would wait, a device never ends
            raise InputError(f"{path} is missing or no regular file")
        if path.stat().st_size > LIMIT:
            raise InputError(f"{path} is larger than {LIMIT >> 20} MiB, the most that is read here")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


def sha256(data: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def inflate(data: bytes, most: int, where: str) -> bytes:
    """The first `most` bytes of gzipped data, all of them if there are fewer; only then is the CRC checked.

    Raises InputError for damaged or truncated data.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            return stream.read(most)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{where} is no whole gzip file ({error}): fetch it again") from None


def read_members(place: Path, names: list[str]) -> tuple[dict[str, bytes], dict[str, str]]:
    """Named files of a folder or of a tar.gz, and the SHA-256 of the files on disk by their names.

    Members of an archive are found by their base name, wherever they lie, and never written to disk.
    Raises InputError for files that are missing, damaged or too large.
    """
    if place.is_dir():
        found = {name: read_file(place / name) for name in names}
        return found, {name: sha256(data) for name, data in found.items()}
    archive = read_file(place)
    return _untar(archive, names, place), {place.name: sha256(archive)}


def _untar(archive: bytes, names: list[str], place: Path) -> dict[str, bytes]:
    # inflated first and within the limit: tarfile believes the sizes it reads in headers
    plain = inflate(archive, LIMIT + 1, str(place))
    if len(plain) > LIMIT:
        raise InputError(f"{place} inflates to more than {LIMIT >> 20} MiB, the most that is read here")
    try:
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as tar:
            members = [member for member in _forward(tar) if Path(member.name).name in names]
            _check_members(members, names, place)
            return {Path(member.name).name: tar.extractfile(member).read() for member in members}
    except (tarfile.TarError, EOFError, OSError, RecursionError) as error:
        raise InputError(f"{place} is no whole tar archive ({error}): fetch it again") from None


def _forward(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """All members; TarError for a negative size, which older versions of tarfile follow back and round for ever."""
    for member in tar:
        if member.size < 0:
            raise tarfile.ReadError("a member of negative size")
        yield member


def _check_members(members: list[tarfile.TarInfo], names: list[str], place: Path) -> None:
    found = [Path(member.name).name for member in members]
    for name in names:
        if found.count(name) != 1:
            raise InputError(f"{place} must hold one {name}, it holds {found.count(name)}")
    for member in members:  # links point elsewhere, sparse files inflate once more
        if not member.isreg() or member.issparse() or member.size > LIMIT:
            raise InputError(f"{member.name} in {place} is no plain file")
