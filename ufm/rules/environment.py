"""Variables that JAX and Matplotlib read as they are imported: wrong ones are said, before any work.

They are asked themselves, so that no list of their words can grow old; but JAX only where some variable of its own
has a value that is not plainly right, so that help and usage errors answer without it. Standard library only.
"""

import os
import re
import sys
from collections.abc import Callable

from ufm.rules.errors import InputError

TEXT = {
    "JAX_PLATFORMS",
    "JAX_COMPILATION_CACHE_DIR",
}  # judged where the devices, or the folder, are asked for
TRUTH = {"y", "yes", "t", "true", "on", "1", "n", "no", "f", "false", "off", "0"}
COUNT = "JAX_NUM_CPU_DEVICES"


def check_environment() -> None:
    """InputError that names the variable of which JAX refuses the value."""
    given = os.environ.get(COUNT)
    if given is not None and not (given.isascii() and given.isdigit() and int(given) > 0):
        raise InputError(f"{COUNT} must be a positive integer, got {given!r}: unset it for one device")
    names = {name for name in os.environ if name.startswith("JAX_")} - TEXT - {COUNT}
    odd = sorted(name for name in names if os.environ[name].lower() not in TRUTH)
    if odd:
        _ask("JAX", _import_jax, odd)


def check_pictures() -> None:
    """The same for Matplotlib, which only commands that draw import."""
    if "MPLBACKEND" in os.environ:
        _ask("Matplotlib", _import_matplotlib, ["MPLBACKEND"])


def check_or_exit(program: str) -> None:
    """Both, for programs that import JAX and Matplotlib at their tops: one line and exit code 2."""
    try:
        check_environment()
        check_pictures()
    except InputError as error:
        print(f"{program}: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _import_jax() -> None:
    import jax  # noqa: F401


def _import_matplotlib() -> None:
    import matplotlib  # noqa: F401


def _ask(package: str, load: Callable[[], None], names: list[str]) -> None:
    try:
        load()
    except ImportError:
        return  # said where it is needed
    except ValueError as error:
        found = re.search(r"jax_\w+", str(error), re.IGNORECASE)
        name = found[0].upper() if found and found[0].upper() in os.environ else names[0]
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{name}={os.environ[name]!r} is refused by {package} ({reason[:200]}): mend or unset it"
        ) from None
