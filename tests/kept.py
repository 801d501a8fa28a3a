"""A second default run of the same code neither traces nor lowers what the first one has: it keeps whole programs.

Tracing and lowering took most of a run whose programs were compiled before. The package's own store does it
(`ufm/runtime/programs.py`): a program is known by the function's name, its static arguments, the arrays' shapes and
types, and a stamp of the source of `ufm`, so that after a change of `ufm` all are made anew.

Only xdist's workers of a default run keep programs: with --slow or --long, as in CI, with -n0, and for planted
faults all is traced as ever. Nor is one kept or taken while a test has patched something, which the stamp does not
see, or while JAX is set otherwise than usual; nor one of a function outside of `ufm`, whose source is not in it.

Where `ufm` jits a function of a module by `jax.jit` alone, as rooms that know no Program do, it is kept as well.
"""

import inspect
import re
from contextlib import contextmanager
from functools import wraps
from threading import Lock
from types import FunctionType
from weakref import WeakSet

import jax
import jaxtyping
import pytest
from jax._src.config import trace_context

from ufm.runtime import programs

PACKAGE = "ufm"
made: WeakSet = WeakSet()  # all Programs of this process
unchecking: list[bool] = []  # for each that runs without checks of shapes: whether they were off before
lock = Lock()
_CHECKS = re.compile(r"\bjaxtyping\b|^<@beartype")  # files of functions that check another one's arrays
plain_jit = jax.jit
patched: set[int] = set()  # of pytest's MonkeyPatch, those that have something to undo, by id


class Kept:
    """In place of the state of `ufm.runtime.programs`: the folder is what a test sets, or else `usual`."""

    def __init__(self, usual, contexts):
        self.own, self.quick, self.usual, self.contexts, self.other = False, True, usual, contexts, None

    @property
    def folder(self):
        if self.other is not None:
            return self.other
        return self.usual if not patched and _context() in self.contexts else None

    @folder.setter
    def folder(self, value):
        self.other = None if value == self.usual else value


def _context() -> tuple:
    """How JAX is set, for traces and to watch them; left out is the last, names of axes: no call is within one."""
    return *trace_context()[:-1], jax.config.jax_check_tracer_leaks


def keep(folder) -> None:
    """From now on keep programs in a folder of this one. Nothing of `ufm` may have made a Program before."""
    usual = _context()
    with jax.default_matmul_precision("highest"):  # as commands in this process set it
        as_commands = _context()
    programs._Kept.own = True
    programs.keep_programs(folder, True)
    programs._Kept = Kept(programs._Kept.folder, (usual, as_commands))
    programs.Program.__init__ = _registered(programs.Program.__init__)
    jax.jit = kept_jit(plain_jit)
    programs._load = unchecked(programs._load)
    jax.stages.Traced.lower = unchecked(jax.stages.Traced.lower)
    programs.Program._find = of_the_package(programs.Program._find)
    count_patches(pytest.MonkeyPatch)


@contextmanager
def without():
    """Everything is traced meanwhile."""
    mark = object()
    patched.add(id(mark))
    try:
        yield
    finally:
        patched.discard(id(mark))


def forget() -> None:
    """What this process has loaded."""
    for program in made:
        program.loaded.clear()


def count_patches(patch: type) -> None:
    """From now on those of this class that have something to undo are in `patched`."""
    patch.__init__ = _counting(patch.__init__, patched.discard)  # of an id that another one had
    for name in ("setattr", "delattr", "setitem", "delitem"):
        setattr(patch, name, _counting(getattr(patch, name), patched.add))
    undo = patch.undo

    def undone(self):
        undo(self)
        patched.discard(id(self))

    patch.undo = undone


def _counting(method, count):
    def counted(patch, *args, **kwargs):
        count(id(patch))
        return method(patch, *args, **kwargs)

    return counted


def unchecked(function):
    """Without checks of shapes, in any thread: JAX fills dataclasses with its own notes. A trace was checked."""

    def called(*args, **kwargs):
        with lock:
            unchecking.append(unchecking[0] if unchecking else jaxtyping.config.jaxtyping_disable)
            jaxtyping.config.update("jaxtyping_disable", True)
        try:
            return function(*args, **kwargs)
        finally:
            with lock:
                before = unchecking.pop()
                jaxtyping.config.update("jaxtyping_disable", bool(unchecking) or before)

    return called


class Jitted(programs.Program):
    """What the package makes with `jax.jit` alone: static arguments come by place as well."""

    def __init__(self, jitted, names: tuple[str, ...], places: list[str]):
        super().__init__(jitted, names=names)
        self.places, self.__wrapped__ = places, jitted.__wrapped__  # as a jitted function has it
        found = [n for n, place in enumerate(places) if place in names]
        self.first = min(found, default=len(places))  # of the static ones

    def __call__(self, *args, **kwargs):
        named = dict(zip(self.places[self.first :], args[self.first :]))
        return super().__call__(*args[: self.first], **named, **kwargs)


def kept_jit(jit):
    """`jax.jit`, but of a function of a module of the package, which closes over nothing, a `Jitted`."""

    @wraps(jit)
    def jitted(*args, **options):
        made = jit(*args, **options)
        if len(args) != 1 or not set(options) <= {"static_argnames"} or not _of_a_module(args[0]):
            return made
        names = options.get("static_argnames", ())
        names = (names,) if isinstance(names, str) else tuple(names)
        kinds = inspect.signature(args[0]).parameters.values()
        if any(kind.kind in (kind.VAR_POSITIONAL, kind.VAR_KEYWORD, kind.POSITIONAL_ONLY) for kind in kinds):
            return made
        return Jitted(made, names, [kind.name for kind in kinds if kind.kind == kind.POSITIONAL_OR_KEYWORD])

    return jitted


def _of_a_module(function) -> bool:
    """Not what jax.grad makes, say, by the name of what it is of; what counts lies below checks of shapes."""
    while (code := getattr(function, "__code__", None)) and _CHECKS.search(code.co_filename):
        function = getattr(function, "__wrapped__", None)
    plain = isinstance(function, FunctionType) and "." not in function.__qualname__
    return (
        plain and function.__closure__ is None and function.__globals__["__name__"].split(".")[0] == PACKAGE
    )


def _registered(init):
    def registered(program, jitted, *args, **kwargs):
        init(program, jitted.jitted if isinstance(jitted, Jitted) else jitted, *args, **kwargs)
        made.add(program)

    return registered


def of_the_package(find):
    def found(program, folder, key, static, args, dynamic):
        outside = not all(_inside(part) for part in (program, *_functions((program.static, static))))
        if outside and folder == programs._Kept.usual:
            return lambda *given, **arrays: program.jitted(*given, **static, **arrays)
        return find(program, folder, key, static, args, dynamic)

    return found


def _inside(function) -> bool:
    return function.__module__.split(".")[0] in (PACKAGE, "jax", "numpy")


def _functions(value):
    """Functions and classes among static arguments."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple):
        return [found for part in value for found in _functions(part)]
    return [value] if isinstance(value, type | FunctionType) else []
