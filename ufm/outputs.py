"""Files of one run: checked before the work, written whole, moved into place together after it."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path


class Outputs:
    """Every file is written beside its target under a temporary name; all replace their targets at the end.

    Raises ValueError at once for a path that cannot be written. If the run fails, no target is touched.
    """

    def __init__(self, paths: dict[str, str]):
        self.paths = {name: Path(path) for name, path in paths.items()}
        self.staged: dict[str, Path] = {}
        seen: dict[Path, str] = {}
        for name, path in self.paths.items():
            _check(name, path)
            other = seen.setdefault(path.resolve(), name)
            if other != name:
                raise ValueError(f"--{other} and --{name} name the same file {path}")

    @contextmanager
    def stage(self, name: str):
        """A temporary path beside the target, with the target's suffix."""
        path = self.paths[name]
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
        os.close(handle)
        self.staged[name] = Path(temporary)
        yield temporary

    def __enter__(self) -> "Outputs":
        return self

    def __exit__(self, kind, *_) -> None:
        """Move all files into place, or remove them all if anything went wrong."""
        for name, temporary in self.staged.items():
            if kind is not None:
                temporary.unlink(missing_ok=True)
                continue
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)
            temporary.replace(self.paths[name])


def _check(name: str, path: Path) -> None:
    if path.is_dir():
        raise ValueError(f"--{name} {path} is a directory; give a file")
    if path.exists() and not os.access(path, os.W_OK):
        raise ValueError(f"--{name} {path} exists and cannot be overwritten")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ValueError(f"--{name} {path} cannot be written: {error.strerror}") from None
