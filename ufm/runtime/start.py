"""How the commands start JAX, and in which arithmetic: float64, no TF32, programs kept between runs, others met."""

import os
import warnings
from pathlib import Path

import numpy as np

from ufm.rules.errors import InputError
from ufm.runtime.processes import ALONE, Group, join_group
from ufm.runtime.programs import keep_programs

CHOICES = {  # dtype of the answer, and the one Newton begins in (None: the same)
    "float64": (np.float64, None),
    "float32": (np.float32, None),
    "mixed": (np.float64, np.float32),
}
TOLERANCE = {"float64": 1e-6, "float32": 1e-2}


def start_group(args, small: bool = False) -> Group:
    """`start_jax`, and with --distributed the processes of the run.

    InputError where these do not meet.
    """
    start_jax(devices=not args.distributed, small=small)
    if not args.distributed:
        return ALONE
    group = join_group(args.coordinator, args.processes, args.process)
    require_devices()
    return group


def start_jax(devices: bool = True, small: bool = False) -> None:
    """Enable x64 and a persistent compilation cache under the user's cache directory.

    `import ufm` never touches jax.config; only commands call this. The cache is skipped when
    its directory cannot be made or written, and JAX_COMPILATION_CACHE_DIR takes precedence.
    InputError without a device, unless these are to be met later (devices=False).
    small: the work is not worth optimised programs (`ufm.runtime.programs`).
    """
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_default_matmul_precision", "highest")
    root = None if "JAX_COMPILATION_CACHE_DIR" in os.environ else _cache_folder()
    if root:
        jax.config.update("jax_compilation_cache_dir", str(root))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    warnings.filterwarnings("ignore", "Error (read|writ)ing persistent compilation cache")  # it is optional
    if devices:
        require_devices()
        if root:
            keep_programs(root.with_name("programs"), small and "XLA_FLAGS" not in os.environ)


def choose_precision(name: str, method: str) -> tuple[type, type | None, float]:
    """dtype of the answer, dtype to begin in, and default tolerance. "auto" is float64, begun in float32 by
    newton where the device is slow in float64; asks JAX for its devices.
    """
    if name == "auto":
        from ufm.runtime.devices import float64_is_slow

        name = "mixed" if method == "newton" and float64_is_slow() else "float64"
    dtype, first = CHOICES[name]
    return dtype, first, TOLERANCE[np.dtype(dtype).name]


def require_devices() -> None:
    """InputError where the platform that JAX was told to use has no device here."""
    import jax

    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # an assertion of JAX's own, where a plugin is missing
        asked = jax.config.jax_platforms  # type: ignore[attr-defined] # which JAX adds at run time
        if not asked:
            raise
        reason = "".join(f" ({line})" for line in str(error).strip().splitlines()[:1])
        raise InputError(
            f"JAX_PLATFORMS={asked} finds no device{reason}: install JAX for it, or leave JAX_PLATFORMS"
        ) from None


def _cache_folder() -> Path | None:
    """The folder of compiled programs; None without a home, or where it cannot be made or written."""
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ufm" / "jax"
        root.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: neither HOME nor an entry of the user
        return None
    return root if os.access(root, os.W_OK | os.X_OK) else None
