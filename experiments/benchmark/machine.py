"""Where a table was measured."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("jax", "jaxlib", "numpy", "scipy", "optax", "cvxpy", "clarabel", "torch", "mpmath")


def machine() -> dict[str, str]:
    """Processor, cores, system and versions."""
    found = {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
    }
    return found | {name: installed(name) for name in PACKAGES}


def processor() -> str:
    """The model's name, where the system tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def installed(name: str) -> str:
    """A package's version."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def load() -> float | None:
    """Other work on the machine, processes wanting a core, over the last minute; None where it is not told."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
