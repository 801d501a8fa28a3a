"""A folder that a long run fills: with a manifest, held by one run at a time, closed to what is not of it."""

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ufm.output.files import appears, whole_file
from ufm.rules.errors import InputError
from ufm.rules.files import read_json
from ufm.runtime.processes import Group

LOCK = "_lock"  # readers of Parquet folders pass it over


@dataclass(frozen=True)
class Folder:
    """path; name: its flag and path, as messages say it. manifest: the file that says what is there; of: whose
    manifest that is. lock: the file that is locked, "" for the folder itself (some shared disks lock files only).
    """

    path: Path
    name: str
    manifest: str
    of: str
    lock: str = ""

    def check(self, record: dict, within: str | None = None) -> None:
        """InputError unless it is absent, empty, or its manifest (or that value of it) holds all of `record`."""
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise InputError(f"{self.name} exists and is not a folder")
        held = [path.name for path in self.path.iterdir() if not path.name.startswith((".", LOCK))]
        if not held:
            return
        if self.manifest not in held:
            raise InputError(f"{self.name} holds {held[0]} and no {self.manifest}: give a new folder")
        try:
            found = read_json(self.path / self.manifest)
            written = dict(found if within is None else found[within])
        except (OSError, ValueError, KeyError, TypeError):
            what = f"{self.path / self.manifest} cannot be read"
            raise InputError(f"{what}: restore it, or give a new folder") from None
        changed = [key for key in record if written.get(key) != json.loads(json.dumps(record[key]))]
        if changed:
            what = f"{self.name} is of another {self.of} ({', '.join(changed)} changed)"
            raise InputError(f"{what}: restore the {self.of}, or give a new folder")

    def make(self) -> None:
        """The folder, with those above it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.name} cannot be written: {error.strerror}") from None

    def write(self, record: dict) -> None:
        """Replace the manifest whole."""
        with whole_file(self.path / self.manifest) as file:
            file.write((json.dumps(record, indent=1, allow_nan=False) + "\n").encode())

    @contextmanager
    def held(self, group: Group, record: dict, anew: bool):
        """Until the end no other run writes there. anew: `record` replaces the manifest, else it only begins one.

        Process 0 of a group does that for all, and clears what a killed run left; all must see the folder.
        """
        handle = self._hold() if group.leads else None
        try:
            if group.leads:
                for path in self.path.glob(".*.tmp"):
                    path.unlink()
                if anew or not (self.path / self.manifest).exists():
                    self.write(record)
            group.meet()
            if not appears(self.path / self.manifest):
                raise InputError(f"{self.name} is not the folder of process 0: give one on a shared disk")
            yield
        finally:
            if handle is not None:
                os.close(handle)

    def _hold(self) -> int:
        """The locked file, which the system releases when the process ends, however it ends."""
        import fcntl  # POSIX only

        try:
            how = os.O_RDWR | os.O_CREAT if self.lock else os.O_RDONLY
            handle = os.open(self.path / self.lock, how, 0o666)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{self.name}: another run is writing there") from None
        except OSError as error:
            raise InputError(f"{self.name} cannot be locked: {error.strerror}") from None
        return handle
