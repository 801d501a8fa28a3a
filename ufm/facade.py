"""The facade of a room: the names that others may use, each loaded on first use (PEP 562). Standard library only.

So `import ufm`, `--help` and usage errors never wait for JAX. Inside `ufm` a name is imported from its own file.
"""

from collections.abc import Callable
from importlib import import_module


def facade(
    room: str, files: dict[str, str], rooms: str = ""
) -> tuple[list[str], Callable[[str], object], Callable[[], list[str]]]:
    """__all__, __getattr__ and __dir__ of package `room`; files: what each of its files gives; rooms: packages in
    it that are found as its attributes, apart from __all__."""
    homes = {name: file for file, names in files.items() for name in names.split()}

    def load(name: str):
        if name in rooms.split():
            return import_module(f"{room}.{name}")
        if name not in homes:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        return getattr(import_module(f"{room}.{homes[name]}"), name)

    return sorted(homes), load, lambda: sorted([*homes, *rooms.split()])
