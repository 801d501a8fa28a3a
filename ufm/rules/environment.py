"""Variables that JAX, XLA and Matplotlib read as they start: wrong ones are said, before any work.

They are asked themselves, so that no list of their words can grow old; but JAX only where some variable of its own
is set, so that else help and usage errors answer without it. XLA ends the process that gives it a wrong flag, from
C++ and with the exit code of "fails": it is asked in a child. Standard library only.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable

from ufm.rules.errors import InputError

TEXT = {
    "JAX_PLATFORMS",
    "JAX_COMPILATION_CACHE_DIR",
}  # judged where the devices, or the folder, are asked for
COUNT = "JAX_NUM_CPU_DEVICES"
FLAGS = "XLA_FLAGS"
# the flags that XLA took when it was asked: neither this process nor its children ask again
TAKEN = "UFM_XLA_FLAGS"
USUAL = re.compile(  # flags that need no child of a second to be known as right
    r"--xla_(force_host_platform_device_count=[1-9]\d{0,3}|cpu_multi_thread_eigen=(true|false)"
    r"|dump_(to=\S+|hlo_as_text|max_hlo_modules=\d{1,6}))",
    re.ASCII,
)


def check_environment() -> None:
    """InputError that names the variable of which JAX refuses the value."""
    given = os.environ.get(COUNT)
    if given is not None and not re.fullmatch(r"[1-9]\d{0,3}", given, re.ASCII):
        raise InputError(
            f"{COUNT} must be a positive integer below 10000, got {given[:40]!r}: unset it for one device"
        )
    names = {name for name in os.environ if name.startswith("JAX_")} - TEXT - {COUNT}
    if names:
        _ask("JAX", _import_jax, sorted(names))
    _check_flags()


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
        named = [name for name in names if found and name == found[0].upper()] or names
        raise _refused(named, package, str(error).strip().splitlines()[0]) from None


def _check_flags() -> None:
    """The same for XLA, which needs a device to read its flags: a CPU does."""
    odd = " ".join(word for word in os.environ.get(FLAGS, "").split() if not USUAL.fullmatch(word))
    if not odd or os.environ.get(TAKEN) == odd:
        return
    done = subprocess.run(
        [sys.executable, "-c", "import jax; jax.devices()"],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode != 0:
        said = re.findall(r"^[EF]\d{4} .*?\] (.*)", done.stderr, re.MULTILINE)
        raise _refused([FLAGS], "XLA", (said or done.stderr.strip().splitlines()[-1:] or ["no reason"])[0])
    os.environ[TAKEN] = odd


def _refused(names: list[str], package: str, reason: str) -> InputError:
    given = ", ".join(f"{name}={os.environ[name]!r}" for name in names)
    return InputError(f"{given} is refused by {package} ({reason[:200]}): mend or unset it")
