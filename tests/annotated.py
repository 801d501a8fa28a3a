"""Functions of `ufm` whose annotations name arrays check their shapes, by jaxtyping and beartype, while tests run.

`install` comes before anything of `ufm` is imported. Left as they are: functions without arrays in their
annotations, whose types the static checker knows, and functions inside of others, which would be dressed anew at
each call: dressing every function, as jaxtyping's own hook does, takes as long as half of the tests.
"""

import ast
import marshal
import sys
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder, SourceFileLoader
from importlib.util import cache_from_source
from pathlib import Path
from typing import get_args

from beartype import beartype
from jaxtyping import AbstractArray, jaxtyped

PACKAGE = "ufm"
DRESS = f"__import__({__name__!r}, fromlist=['dress']).dress"


def dress(it):
    """A function or dataclass that checks the arrays of its annotations; as it is where these name none."""
    kinds = it.__mro__ if isinstance(it, type) else (it,)  # a dataclass takes the fields of its bases
    named = [part for kind in kinds for part in getattr(kind, "__annotations__", {}).values()]
    return jaxtyped(it, typechecker=beartype) if any(map(_has_arrays, named)) else it


def _has_arrays(annotation) -> bool:
    own = isinstance(annotation, type) and issubclass(annotation, AbstractArray)
    return own or any(map(_has_arrays, get_args(annotation)))


class _Dresser(ast.NodeTransformer):
    """`dress` below all other decorators of a function, as what they return has no annotations; above a class's."""

    def visit_FunctionDef(self, node):
        node.decorator_list.append(_dress_at(node))
        return node

    def visit_ClassDef(self, node):
        node.decorator_list.insert(0, _dress_at(node))
        return self.generic_visit(node)


def _dress_at(node: ast.AST) -> ast.expr:
    made = ast.parse(DRESS, mode="eval").body
    for part in ast.walk(made):
        ast.copy_location(part, node)
    return made


class _Loader(SourceFileLoader):
    """Modules of the package, dressed; what they compile to is kept beside what Python keeps."""

    def get_code(self, name):
        source = Path(self.get_filename(name))
        kept = Path(cache_from_source(source, optimization="annotated"))
        files = [
            (str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in (source, Path(__file__))
        ]
        stamp = [*files, sys.flags.optimize]
        with suppress(OSError, EOFError, ValueError, TypeError):  # not there, or not whole
            known, code = marshal.loads(kept.read_bytes())
            if known == stamp:
                return code
        code = self.source_to_code(source.read_bytes(), str(source))
        self.set_data(str(kept), marshal.dumps((stamp, code)))
        return code

    def source_to_code(self, data, path, *, _optimize=-1):
        return super().source_to_code(_Dresser().visit(ast.parse(data)), path)


class _Finder(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] != PACKAGE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def install() -> None:
    """From now on. Raises RuntimeError if it is too late."""
    if PACKAGE in sys.modules:
        raise RuntimeError(f"{PACKAGE} was imported before its annotations could be checked")
    sys.meta_path.insert(0, _Finder())
