"""A result in a few lines: every field with its shape and range, or its value. NumPy only.

A class says `__repr__ = shown`.
"""

import textwrap
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

WIDTH, FEW = 100, 4  # columns of a line, entries of an array that are all shown


def shown(value: Any) -> str:
    """`Name(field=…, …)`, wrapped; fields that are None are left out."""
    names = [field.name for field in fields(value)] if is_dataclass(value) else value._fields
    return listed(type(value).__name__, {name: getattr(value, name) for name in names})


def listed(name: str, parts: dict[str, Any]) -> str:
    """The same of named parts."""
    said = [f"{key}={_brief(part)}".replace(" ", "\0") for key, part in parts.items() if part is not None]
    text = f"{name}({', '.join(said)})"
    lines = textwrap.wrap(
        text, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines).replace("\0", " ")


def _brief(value: Any) -> str:
    if isinstance(value, str):
        return repr(str(value))
    if isinstance(value, bool | int | np.bool_ | np.integer):
        return str(value)
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return _array(value)
    word = getattr(value, "word", getattr(value, "name", None))  # of a verdict, of a law
    if isinstance(word, str):
        return repr(word)
    if isinstance(value, dict) or type(value) in (list, tuple):
        return f"<{len(value)} {_kind(value)}>"
    return f"{type(value).__name__}(…)"


def _kind(values) -> str:
    """What a list or a dictionary holds, where that is one kind of thing."""
    kinds = {type(value).__name__ for value in values}
    return kinds.pop() if len(kinds) == 1 else "entries"


def _array(value) -> str:
    """Small ones entry by entry; of others type, shape and range; of a traced one what is known."""
    head = f"{value.dtype}{list(value.shape)}"
    try:
        array = np.asarray(value)
    except TypeError:  # traced: it has no entries yet
        return head
    if array.dtype.kind not in "biuf" or array.size == 0:
        return head
    if array.ndim < 2 and array.size <= FEW:
        return (
            "[" + ", ".join(f"{x:.6g}" for x in array.ravel()) + "]" if array.ndim else f"{array.item():.6g}"
        )
    return f"{head} in [{array.min():.4g}, {array.max():.4g}]"
