"""Compiled programs are kept between runs in .cache/, one folder for each processor, jaxlib and Python.

A compiled program is machine code: XLA uses the instructions that the processor has when it compiles, and JAX's own
name of an entry (program, options, jaxlib) says nothing of them. So the folder's name does, and another
processor's programs are never read. JAX's variable JAX_COMPILATION_CACHE_DIR goes before all of this.
"""

import hashlib
import os
import platform
import shutil
from contextlib import suppress
from pathlib import Path

import jaxlib

# Most of a cold run went into compiling. At LLVM's level 0, and without the emitters that do not heed it, a program
# is ready much sooner and rounds otherwise: bounds are to hold whatever the order of a sum.
QUICK = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
alike: dict[str, str] = {}  # what a child needs besides to compile to the same bits: set by tests/conftest.py
KEPT = Path(__file__).resolve().parents[1] / ".cache"
FOLDERS = 2  # the last used ones
BYTES = 2 * 2**30  # a larger folder is begun anew


def as_here() -> dict[str, str]:
    """The environment of a child whose floats are to be those of this process, to the last bit."""
    return {**os.environ, **alike}


def processor() -> str:
    """Model and instructions; the platform's word for it where there is no /proc/cpuinfo."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    told = sorted({line for line in lines if line.split("\t")[0] in ("model name", "flags", "Features")})
    return "\n".join([platform.machine(), *(told or [platform.processor()])])


def key(processor: str, jaxlib: str, python: str) -> str:
    """The folder's name: three versions, and 16 digits of the processor's hash."""
    return f"{jaxlib}-{python}-{hashlib.sha256(processor.encode()).hexdigest()[:16]}"


def folder(root: Path = KEPT) -> Path:
    """Where this processor's programs are kept."""
    return root / key(processor(), jaxlib.__version__, platform.python_version())


def open_folder(root: Path = KEPT, folders: int = FOLDERS, most: float = BYTES) -> Path:
    """`folder`, made where it can be and marked as used last; what is over the bounds is removed."""
    own = folder(root)
    with suppress(OSError):  # a checkout that cannot be written keeps nothing
        if _size(own) > most:
            shutil.rmtree(own)
        own.mkdir(parents=True, exist_ok=True)
        own.touch()
        for old in sorted(root.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)[folders:]:
            shutil.rmtree(old)
    return own


def _size(path: Path) -> int:
    """Bytes of all files; those that another run removes meanwhile count for nothing."""
    total = 0
    for part in path.rglob("*"):
        with suppress(OSError):
            total += part.stat().st_size
    return total
