"""A folder that a long run fills: with a manifest, held by one run at a time, closed to what is not of it."""

import json
import os
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ufm.output.files import appears, whole_file
from ufm.rules.errors import InputError
from ufm.rules.files import read_json
from ufm.runtime.processes import Group

LOCK = "_lock"  # readers of Parquet folders pass it over


class Held(InputError):
    """Another run is writing there."""


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
        with ExitStack() as held:
            if group.leads:
                held.enter_context(self._locked(self.lock))
                self._begin(record, anew)
            group.meet()
            if not appears(self.path / self.manifest):
                raise InputError(f"{self.name} is not the folder of process 0: give one on a shared disk")
            yield

    @contextmanager
    def shared(self, part: Group, record: dict):
        """Until the end no other run writes this part there, or the whole; other parts of as many may be written.

        Who finds nobody there begins the manifest and clears what killed runs left.
        """
        with ExitStack() as held:
            held.enter_context(self._locked(f"{LOCK}-{part.rank + 1}-{part.count}"))
            for path in self.path.glob(f"{LOCK}-*-*"):
                if path.name.split("-")[-1] != str(part.count):  # cut otherwise: it would overlap
                    held.enter_context(self._locked(path.name, alone=False))
            with suppress(Held), self._locked(self.lock):  # held by other parts, or by one that begins
                self._begin(record, anew=False)
            held.enter_context(self._locked(self.lock, alone=False, patience=5.0))
            if not appears(self.path / self.manifest):
                raise InputError(f"{self.name}: the run that began it wrote no {self.manifest}")
            yield

    def _begin(self, record: dict, anew: bool) -> None:
        """The manifest; of a killed run nothing is left."""
        for path in self.path.glob(".*.tmp"):
            path.unlink()
        if anew or not (self.path / self.manifest).exists():
            self.write(record)

    @contextmanager
    def _locked(self, name: str, alone: bool = True, patience: float = 0.0):
        """A locked file, which the system releases when the process ends, however it ends. Held: by another run."""
        import fcntl  # POSIX only

        how, until = (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB, time.monotonic() + patience
        try:
            handle = os.open(self.path / name, os.O_RDWR | os.O_CREAT if name else os.O_RDONLY, 0o666)
        except OSError as error:
            raise InputError(f"{self.name} cannot be locked: {error.strerror}") from None
        try:
            while not self._lock(handle, how):
                if time.monotonic() > until:
                    raise Held(f"{self.name}: another run is writing there")
                time.sleep(0.1)
            yield
        finally:
            os.close(handle)

    def _lock(self, handle: int, how: int) -> bool:
        import fcntl

        try:
            fcntl.flock(handle, how)
        except BlockingIOError:
            return False
        except OSError as error:
            raise InputError(f"{self.name} cannot be locked: {error.strerror}") from None
        return True
