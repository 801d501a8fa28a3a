"""Bad input, apart from defects: the one exception that commands answer with exit code 2. Standard library only."""

from collections.abc import Iterable


class InputError(ValueError):
    """What was given cannot be used: says what it was, what is allowed, and what to try.

    Every other exception, any other ValueError too (NumPy's LinAlgError is one), is a defect: it exits with 70
    and never passes as wrong usage or as a verdict.
    """


def meant(given: str, known: Iterable[str]) -> str:
    """A hint in brackets: the names that contain what was given, else the one most like it; empty for none."""
    from difflib import get_close_matches  # only for what is wrong

    names = list(known)
    near = [name for name in names if len(given) > 2 and given in name] or get_close_matches(given, names, 1)
    first = ", ".join(near[:-1])
    return f" (did you mean {f'{first} or ' if first else ''}{near[-1]}?)" if near else ""
