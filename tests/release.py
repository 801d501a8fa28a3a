"""A release as a stranger meets it: built, checked, installed alone and used from another folder.

    python -m tests.release --out FOLDER    FOLDER: new, outside the repository

An sdist is built, and the wheel from that sdist (`python -m build`); their metadata are checked (`twine check
--strict`), and the names in them; the wheel alone is installed into an environment of its own, and answers from
there. The standard library only: the tools (the extra `[release]`) have an environment of their own too.
Exit code: 0 all of that holds, 1 it does not, 2 wrong usage.
"""

import argparse
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 900  # seconds for a step; the longest fetches what the wheel needs
SOLVE = ("solve", "--classes", "10", "--alpha", "1.0")
LINE = (
    "import jax; jax.config.update('jax_enable_x64', True); import ufm; "
    "print(ufm.__version__, ufm.__file__, ufm.joint_multiplier(ufm.mixup(1.0), 10, 5e-4, 5e-4).value)"
)
MULTIPLIER = "1.67002208416"  # what the command says of the same problem
IN_SDIST = (
    "tests/house/test_walls.py",
    "proofs/__main__.py",
    "experiments/minimal.py",
    "docs/conf.py",
    "CHANGELOG.md",
)
UNWANTED = re.compile(r"(^|/)(__pycache__|\.git|\.venv|build|generated|results)(/|$)|\.py[co]$")


# --- names --------------------------------------------------------------------------------------------


def wheel_faults(names: list[str], sources: set[str]) -> list[str]:
    """What is wrong with the names in a wheel; sources: files of the package, as `ufm/…`."""
    held = {name for name in names if not name.split("/")[0].endswith(".dist-info")}
    found = [f"the wheel lacks {name}" for name in sorted(sources - held)]
    return found + [f"the wheel holds {name}" for name in sorted(held - sources)]


def sdist_faults(names: list[str], sources: set[str]) -> list[str]:
    """What is wrong with the names in an sdist, each below one folder."""
    held = {name.partition("/")[2] for name in names}
    found = [f"the sdist lacks {name}" for name in sorted({*sources, *IN_SDIST} - held)]
    return found + [f"the sdist holds {name}" for name in sorted(held) if UNWANTED.search(name)]


def package_files() -> set[str]:
    """Every source of the package, the parts of its page, the style of its pictures, the mark that it has types."""
    paths = [*(ROOT / "ufm").rglob("*.py"), *(ROOT / "ufm" / "explore" / "page").rglob("*.*")]
    paths += (ROOT / "ufm").rglob("*.mplstyle")
    return {"ufm/py.typed"} | {str(path.relative_to(ROOT)) for path in paths}


# --- steps --------------------------------------------------------------------------------------------


def tools() -> list[str]:
    """What the extra `[release]` names."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["release"]


def call(*words, cwd: Path) -> str:
    """Standard output of a command; CalledProcessError if it fails."""
    print("+", *words, flush=True)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # no other copy of ufm
    run = partial(subprocess.run, stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT)
    return run(words, cwd=cwd, env=env).stdout


def environment(folder: Path, *wanted) -> Path:
    """The folder of programs of a fresh environment with these installed."""
    call(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    programs = folder / "bin"
    call(programs / "python", "-m", "pip", "install", "--quiet", *wanted, cwd=folder.parent)
    return programs


def build(out: Path) -> tuple[Path, Path]:
    """The sdist and the wheel, with metadata that pass."""
    programs = environment(out / "tools", *tools())
    call(programs / "python", "-m", "build", "--outdir", out / "dist", ROOT, cwd=out)
    (sdist,), (wheel,) = (out / "dist").glob("*.tar.gz"), (out / "dist").glob("*.whl")
    print(call(programs / "twine", "check", "--strict", sdist, wheel, cwd=out), end="")
    return sdist, wheel


def faults(sdist: Path, wheel: Path) -> list[str]:
    """What is wrong with the names in both."""
    with tarfile.open(sdist) as archive:
        found = sdist_faults(archive.getnames(), package_files())
    with zipfile.ZipFile(wheel) as archive:
        return found + wheel_faults(archive.namelist(), package_files())


def use(wheel: Path, out: Path) -> list[str]:
    """What is wrong with the answers of the wheel alone, in a fresh environment and from another folder."""
    programs, elsewhere = environment(out / "alone", wheel), out / "elsewhere"
    elsewhere.mkdir()
    table = call(programs / "ufm", *SOLVE, cwd=elsewhere)
    version, file, multiplier = call(programs / "python", "-c", LINE, cwd=elsewhere).split()
    wanted = {
        "the command agrees": table.endswith(": agrees\n") and f"m = {MULTIPLIER}," in table,
        "the version is the wheel's": f"ufm-{version}-" in wheel.name,
        "the package is the installed one": Path(file).is_relative_to(out / "alone"),
        "the library says the multiplier of the command": f"{float(multiplier):.12g}" == MULTIPLIER,
    }
    return [f"not so: {what}" for what, holds in wanted.items() if not holds]


def main(argv: list[str] | None = None) -> int:
    """Parse, build, check, install, use; returns the exit code."""
    parser = argparse.ArgumentParser("python -m tests.release", description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    out = parser.parse_args(argv).out.resolve()
    if out.exists() or out.is_relative_to(ROOT):
        parser.error(f"--out {out} must be a new folder outside the repository")
    out.mkdir(parents=True)
    sdist, wheel = build(out)
    found = faults(sdist, wheel) + use(wheel, out)
    print("\n".join(found) or f"{sdist.name} and {wheel.name}: as they should be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
