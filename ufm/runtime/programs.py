"""Compiled programs that the commands keep between runs, so that a second run neither traces nor compiles.

JAX's own cache spares a process the compiling alone: it is asked with what tracing and lowering made, which take
longer than a small problem. Here a program is known by what it would be made of: the function's name and static
arguments, shapes and types of the arrays, and a stamp of everything else that matters (`_stamp`). Arrays that it
closes over would not be seen: `Program` is for functions of a module, whose arrays are all arguments.

Only commands keep programs, and only on one CPU device. What is loaded is executed, as it is from JAX's own cache:
a folder that others may write is not read.
"""

import hashlib
import os
import pickle
import shutil
import sys
from collections.abc import Callable, Hashable
from contextlib import contextmanager, suppress
from functools import cache, partial, update_wrapper
from pathlib import Path
from threading import Lock, get_ident
from types import FunctionType
from typing import Any

from ufm.runtime.private import load_lapack

# A small program takes longer to optimise than to run: LLVM's level 0, without the emitters that do not heed it,
# compiles in a fifth of the time and runs up to twice as long.
QUICK = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
LIBRARY = b"lapack_"  # in the name of every call of LAPACK or BLAS
LEAST, MOST = 32, 1024  # columns of a batch: a theorem is tried on fifteen or so
STAMPS = 3  # folders of programs, each of one source and one processor; those used longest ago are removed


@contextmanager
def own_process(own: bool):
    """A command's run; own: by its command line, so no caller can have changed what its programs are made of."""
    _Kept.own = own
    try:
        yield
    finally:
        _Kept.own, _Kept.folder = False, None


def is_own() -> bool:
    """Whether a command's run is all that this process is for."""
    return _Kept.own


class Program:
    """A jitted function whose compiled programs a command keeps. static: of the function, known by its words."""

    def __init__(self, jitted: Any, static: Hashable = (), names: tuple[str, ...] = ()):
        update_wrapper(self, jitted)  # first: it copies what another Program below it holds under these names
        self.jitted, self.static, self.names = jitted, static, names
        self.loaded: dict[Hashable, Callable] = {}

    def __call__(self, *args, **kwargs):
        """As the jitted function: by keyword what is static, and arrays."""
        folder = _Kept.folder
        if folder is None:
            return self.jitted(*args, **kwargs)
        static = {name: kwargs[name] for name in self.names if name in kwargs}
        dynamic = {name: value for name, value in kwargs.items() if name not in static}
        key = _key(static, args, dynamic)
        if key is None:  # inside another program
            return self.jitted(*args, **kwargs)
        if key not in self.loaded:
            self.loaded[key] = self._find(folder, key, static, args, dynamic)
        return self.loaded[key](*args, **dynamic)

    def __getattr__(self, name: str):
        """What else a jitted function can do."""
        return getattr(self.jitted, name)

    def _find(self, folder: Path, key: Hashable, static: dict, args: tuple, dynamic: dict) -> Callable:
        words = _words((self.static, key))
        if words is None or "<" in self.__qualname__:  # of a value, or a function, that has no name
            return partial(self.jitted, **static)
        name = hashlib.sha256(f"{self.__module__}.{self.__qualname__} {words}".encode()).hexdigest()[:32]
        path = folder / f"{self.__name__}-{name}"
        return _load(path) or _make(self.jitted.trace(*args, **static, **dynamic).lower(), path)


def program(*names: str) -> Callable[[Callable], Program]:
    """Decorator: `jax.jit` with static arguments of these names, as a `Program`."""
    import jax

    return lambda function: Program(jax.jit(function, static_argnames=names), names=names)


@cache
def quick_options(platform: str) -> dict | None:
    """QUICK, for programs of a CPU that run less long than they take to compile; None where the compiler knows no
    such options."""
    import jax

    if platform != "cpu":
        return None
    try:
        jax.jit(jax.numpy.negative, compiler_options=QUICK).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return None
    return QUICK


def common_width(count: int) -> int:
    """A power of two, from LEAST on: a batch of `count` filled up to it shares its program with others; count if it
    is more than MOST, which would only cost time."""
    return count if count > MOST else max(LEAST, 1 << (count - 1).bit_length())


def keep_programs(folder: Path, quick: bool) -> None:
    """From now on keep programs in a folder of this one; quick: they are run too rarely to be optimised.

    Not kept outside of `own_process`, on several devices or one that is no CPU, nor where others may
    write or JAX is told to keep nothing.
    """
    import jax

    if not _Kept.own:
        return
    told = jax.config.jax_enable_compilation_cache  # type: ignore[attr-defined] # which JAX adds at run time
    if not told or [device.platform for device in jax.devices()] != ["cpu"]:
        return
    own = folder / hashlib.sha256(_stamp(quick)).hexdigest()[:32]
    with suppress(OSError):
        for made in (folder, own):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(folder) or not _is_private(own):
            return
        own.touch()
        others = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in others[STAMPS:]:
            shutil.rmtree(old, ignore_errors=True)
        _Kept.folder, _Kept.quick = own, quick


class _Kept:
    own = False
    folder: Path | None = None
    quick = False


class _Compiling:
    threads, lock = 0, Lock()


def _is_private(folder: Path) -> bool:
    """Whether nobody else may write there."""
    found = folder.stat()
    return not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o022)


def _stamp(quick: bool) -> bytes:
    """Versions, source, processor, and what JAX and XLA are told by the environment."""
    from importlib.metadata import version  # a tenth of what --help takes; JAX has loaded it

    import jax
    import jaxlib
    import numpy as np

    told = sorted((name, value) for name, value in os.environ.items() if name.startswith(("JAX_", "XLA_")))
    others = [version(name) for name in ("optax", "scipy")]  # whose code is traced, or called
    versions = [sys.version, jax.__version__, jaxlib.__version__, np.__version__, *others]
    parts = [versions, told, quick, _processor()]
    found = hashlib.sha256(repr(parts).encode())
    root = Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return found.digest()


def _processor() -> list[str]:
    """Model and instructions, which compiled code relies on."""
    import platform

    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        first = file.read(2**14).split("\n\n")[0].split("\n")  # of one core
        return [line for line in first if line.split("\t")[0] in ("model name", "flags", "Features")]
    return [platform.machine(), platform.processor()]


def _key(static: dict, args: tuple, dynamic: dict) -> Hashable | None:
    """What a call is compiled for; None if some array is traced."""
    import jax

    leaves, tree = jax.tree.flatten((args, dynamic))
    if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
        return None
    return tuple(sorted(static.items())), tree, tuple(map(_kind, leaves))


def _kind(leaf) -> Any:
    if isinstance(leaf, bool | int | float):
        return type(leaf)
    return leaf.shape, str(leaf.dtype), getattr(leaf, "weak_type", False)


def _words(value: Any) -> str | None:
    """What a static value is, in words that mean the same in another process; None where it has none."""
    import jax

    if isinstance(value, tuple):
        parts = [_words(part) for part in value]
        return None if None in parts else f"({', '.join(map(str, parts))})"
    if isinstance(value, type | FunctionType):
        name = f"{value.__module__}.{value.__qualname__}"
        return None if "<" in name else name  # of another function's own, which the name does not tell apart
    known = value is None or isinstance(value, str | bool | int | float | jax.tree_util.PyTreeDef)
    return repr(value) if known else None


@contextmanager
def _compiling():
    """Without JAX's own cache: what comes from there cannot be serialised once more (seen with jax 0.10.2)."""
    import jax
    from jax.experimental.compilation_cache.compilation_cache import reset_cache

    def count(change: int) -> None:
        """It is off as long as some thread compiles."""
        with _Compiling.lock:
            _Compiling.threads += change
            if _Compiling.threads == max(change, 0):  # the first that begins, or the last that ends
                jax.config.update("jax_enable_compilation_cache", change < 0)
                reset_cache()

    count(1)
    try:
        yield
    finally:
        count(-1)


def _load(path: Path) -> Callable | None:
    from jax.experimental.serialize_executable import deserialize_and_load

    try:
        found = path.read_bytes()
        if LIBRARY in found:
            load_lapack()
        return deserialize_and_load(*pickle.loads(found))
    except Exception:  # not there, or of no use: it is made anew
        return None


def _make(lowered, path: Path) -> Callable:
    from jax.experimental.serialize_executable import serialize

    options = quick_options("cpu") if _Kept.quick else None
    with _compiling():
        compiled = lowered.compile(compiler_options=options)
    part = path.with_name(f".{path.name}.{os.getpid()}.{get_ident()}")
    with suppress(OSError, ValueError, NotImplementedError):  # a full disk, or what has no serial form
        part.write_bytes(pickle.dumps(serialize(compiled)))
        part.replace(path)
    return compiled
