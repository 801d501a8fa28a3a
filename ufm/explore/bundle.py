"""The program of the page: its ES modules, each in a scope of its own, in one script.

A module keeps to three forms, one a line, so that nothing is needed but this file:

    import { a, b as c } from './other.js';      export function f(…) {      export const f = …
"""

import re
from pathlib import Path

from ufm.rules.errors import InputError

PAGE = Path(__file__).parent / "page"
_IMPORT = re.compile(r"^import \{([^}]*)\} from '([^']+)';$", re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function\*?|const|class) (\w+)", re.MULTILINE)
_LEFT = re.compile(r"^(import|export)\b.*$", re.MULTILINE)


def script(entry: Path = PAGE / "app" / "main.js") -> str:
    """Everything that `entry` needs, and itself last."""
    done: dict[Path, str] = {}
    _add(entry.resolve(), done, ())
    return "'use strict';\n" + "\n".join(done.values())


def _add(path: Path, done: dict[Path, str], above: tuple[Path, ...]) -> None:
    if path in above:
        raise InputError(f"{path.name} imports itself, by {' and '.join(one.name for one in above)}")
    if path in done:
        return
    text = path.read_text(encoding="utf-8")
    for _, where in _IMPORT.findall(text):
        _add((path.parent / where).resolve(), done, (*above, path))
    done[path] = _scoped(path, text)


def _scoped(path: Path, text: str) -> str:
    """The module as a function that is called, which returns what it exports."""

    def bound(match: re.Match) -> str:
        names = re.sub(r"\s+as\s+", ": ", " ".join(match[1].split()))
        return f"const {{ {names.strip(' ,')} }} = {_name((path.parent / match[2]).resolve())};"

    names = [name for _, name in _EXPORT.findall(text)]
    body = _EXPORT.sub(r"\1 \2", _IMPORT.sub(bound, text))
    if left := _LEFT.search(body):
        raise InputError(f"{path.name}: {left[0]!r} is none of the forms that are joined")
    return f"const {_name(path)} = (() => {{\n{body}return {{ {', '.join(names)} }};\n}})();"


def _name(path: Path) -> str:
    return "$" + re.sub(r"\W", "_", path.relative_to(PAGE.resolve()).with_suffix("").as_posix())
