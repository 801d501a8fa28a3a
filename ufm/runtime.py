"""How the commands start JAX: float64 on, no TF32, compiled programs kept between runs, other processes met."""

import os
import sys
from pathlib import Path

from ufm.processes import ALONE, Group, join_group


def start_group(args) -> Group:
    """`start_jax`, and with --distributed the processes of the run.

    InputError where these do not meet.
    """
    start_jax()
    if not args.distributed:
        return ALONE
    return join_group(args.coordinator, args.processes, args.process)


def start_jax() -> None:
    """Enable x64 and a persistent compilation cache under the user's cache directory.

    `import ufm` never touches jax.config; only commands call this. The cache is skipped when
    its directory cannot be made, and JAX_COMPILATION_CACHE_DIR takes precedence.
    """
    import jax

    for stream in (sys.stdout, sys.stderr):  # a terminal without λ shows a question mark, not a traceback
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_default_matmul_precision", "highest")
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ufm" / "jax"
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError:
            return
        jax.config.update("jax_compilation_cache_dir", str(root))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
