"""The golden set: what commands print and write, recorded before a change, compared after it, to the last digit.

    --record FOLDER     before: one text file a case, named after it
    --compare FOLDER    after, on the same machine: each difference, in a few lines
    --only WORD         cases whose name has the word

Commands run as `python -m ufm.NAME` in processes of their own, in one environment and each bound to one core, on
which threads and estimates of memory depend. FOLDER keeps their compiled programs. Nothing of `ufm` is imported, so
its files may move. A record is no reference for other machines and is not committed.
Exit code: 0 all agree, 1 some differ, 2 wrong usage.
"""

import argparse
import os
import platform
import re
import resource
import socket
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from difflib import SequenceMatcher
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path

import numpy as np

from tests.golden_commands import CASES, GIVEN
from tests.golden_text import masked, shown

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 1200  # seconds for a command; a minute is the most on an idle machine
PROCESSES = 2  # of a line with {process}
SHOWN = 6  # differing lines of a case
WIDTH = 100  # characters of a differing line
MACHINE = "machine"  # the record of what it was made on, compared like a case
FIXED = {
    "JAX_PLATFORMS": "cpu",
    "COLUMNS": "80",
    "TERM": "dumb",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "MPLBACKEND": "agg",
    "TF_CPP_MIN_LOG_LEVEL": "3",  # XLA's own chatter on stderr
}


# --- one case -----------------------------------------------------------------------------------------


def environment(cache: Path) -> dict[str, str]:
    """Paths of the caller, and nothing else that JAX, Matplotlib or the terminal would listen to."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | FIXED | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(cache.resolve())}


def give(name: str, folder: Path) -> None:
    """Write a file of GIVEN: text, an array, or arrays in one file or (with a slash) in a folder."""
    content, path = GIVEN[name](), folder / name
    if isinstance(content, str):
        path.write_text(content, encoding="utf-8")
    elif isinstance(content, np.ndarray):
        np.save(path, content)
    elif name.endswith("/"):
        path.mkdir()
        for key, part in content.items():
            np.save(path / f"{key}.npy", part)
    else:
        np.savez(path, **content)


def run_case(lines: str, cache: Path) -> str:
    """The commands of a case in a fresh folder: what came of each, and the files that are there in the end."""
    with tempfile.TemporaryDirectory(prefix="golden-") as name:
        folder = Path(name).resolve()
        for word in sorted(GIVEN.keys() & set(lines.split())):
            give(word, folder)
        given = set(folder.rglob("*"))
        parts = [part for line in lines.splitlines() for part in run_line(line, folder, cache)]
        for path in sorted(set(folder.rglob("*")) - given):
            said = section(f"file {path.relative_to(folder)}", shown(path)) if path.is_file() else ""
            parts.append(said or f"--- folder {path.relative_to(folder)}\n")
        return masked("".join(parts), folder)


def run_line(line: str, folder: Path, cache: Path) -> Iterator[str]:
    """Command, exit code, standard output and error of every process of a line."""
    ranks = PROCESSES if "{process}" in line else 1
    port, running = free_port() if ranks > 1 else "", []
    with tempfile.TemporaryDirectory(prefix="golden-") as name:
        for rank in range(ranks):
            words = line.format(coordinator=f"127.0.0.1:{port}", process=rank).split()
            with open(f"{name}/out{rank}", "wb") as out, open(f"{name}/err{rank}", "wb") as err:
                command = [sys.executable, "-m", *words]
                pipes = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err}
                running.append(subprocess.Popen(command, cwd=folder, env=environment(cache), **pipes))
        for rank, process in enumerate(running):
            code = ended(process)
            yield f"$ python -m {line.replace('{process}', str(rank))}\nexit {code}\n"
            for stream in ("out", "err"):
                data = Path(f"{name}/{stream}{rank}").read_bytes()
                yield section(f"std{stream}", data.decode(errors="backslashreplace"))


def ended(process: subprocess.Popen) -> int | str:
    """The exit code."""
    try:
        return process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return f"none in {LIMIT} seconds"


def section(title: str, text: str) -> str:
    """A part of a record; that the last line has no end is said, so that no digit of space is lost."""
    end = "" if text.endswith("\n") or not text else "\n(no end of line)\n"
    return f"--- {title}\n{text}{end}"


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def machine() -> str:
    """What digits depend on besides the code."""
    info = Path("/proc/cpuinfo")
    model = re.search(r"^model name\s*: (.*)", info.read_text(), re.MULTILINE) if info.exists() else None
    names = ("jax", "jaxlib", "numpy", "scipy", "python-flint", "matplotlib", "pyarrow", "rich", "tyro")
    packages = [f"{name} {version(name)}" for name in names]
    return "\n".join([model[1] if model else platform.machine(), platform.python_version(), *packages, ""])


# --- all cases ----------------------------------------------------------------------------------------


def run_cases(names: list[str], folder: Path, jobs: int) -> Iterator[tuple[str, str]]:
    """Name and text of each, in order; every worker, and what it starts, keeps to a core of its own."""
    cores = deque(sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [])

    def bind() -> None:
        if cores:
            os.sched_setaffinity(0, {cores.pop()})  # of this thread: its children inherit it

    with ThreadPoolExecutor(min(jobs, len(cores) or jobs), initializer=bind) as pool:
        texts = pool.map(lambda name: run_case(CASES[name], folder / "cache"), names)
        for count, (name, text) in enumerate(zip(names, texts), start=1):
            print(f"{count} of {len(names)}  {name}", file=sys.stderr, flush=True)
            yield name, text


def record(names: list[str], folder: Path, jobs: int) -> int:
    """Write a file for each case, and drop those of cases that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, MACHINE, machine())
    for name, text in run_cases(names, folder, jobs):
        write(folder, name, text)
    for name in recorded(folder) - CASES.keys():
        (folder / f"{name}.txt").unlink()
    print(f"{len(names)} cases recorded in {folder}, {spent()}")
    return 0


def compare(names: list[str], folder: Path, jobs: int) -> int:
    """Print what differs from the record; 1 if anything does."""
    found = {MACHINE: difference(read(folder, MACHINE), machine())}
    for name, text in run_cases(names, folder, jobs):
        was = read(folder, name)
        found[name] = ["  not in the record"] if was is None else difference(was, text)
        if found[name]:
            print("\n".join([name, *found[name]]), flush=True)
    if len(names) == len(CASES):
        found |= {name: ["  no case any more"] for name in sorted(recorded(folder) - CASES.keys())}
    for name in found.keys() - set(names):
        if found[name]:
            print("\n".join([name, *found[name]]))
    agree = sum(not found[name] for name in names)
    print(f"{agree} of {len(names)} cases agree to the last digit, {spent()}")
    return 1 if any(found.values()) else 0


def difference(was: str, now: str) -> list[str]:
    """Lines that differ, - recorded and + found, under the part that holds them; long ones from where they part."""
    before, after, lines, part = was.split("\n"), now.split("\n"), [], None
    changes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes() if was != now else []
    for _, a, b, c, d in (change for change in changes if change[0] != "equal"):
        if (title := title_of(before, a)) != part:
            lines.append(f"  {title}")
            part = title
        for old, new in zip_longest(before[a:b], after[c:d]):
            at = parting(old or "", new or "")
            lines += [
                f"  {sign} {cut(text, at)}" for sign, text in (("-", old), ("+", new)) if text is not None
            ]
    more = [f"  … {len(lines) - SHOWN} more lines"] if len(lines) > SHOWN + 1 else []
    return lines[: SHOWN if more else None] + more


def parting(one: str, other: str) -> int:
    """Characters that two lines have in common at their beginning."""
    return next((at for at, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))


def title_of(lines: list[str], at: int) -> str:
    """Command or part that a line stands in."""
    return next((line for line in reversed(lines[: at + 1]) if line.startswith(("--- ", "$ "))), "")[:WIDTH]


def cut(line: str, at: int) -> str:
    """The beginning of a line, and what stands around the character `at`."""
    if len(line) <= WIDTH:
        return line
    head, first = line[:30], max(30, at - 40)
    return f"{head} … {line[first : first + WIDTH - 34]}"


def spent() -> str:
    """Processor time of all commands."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return f"{used.ru_utime + used.ru_stime:.0f} s of processor time"


# --- records ------------------------------------------------------------------------------------------


def recorded(folder: Path) -> set[str]:
    """Cases in a folder."""
    return {path.stem for path in folder.glob("*.txt")} - {MACHINE}


def read(folder: Path, name: str) -> str | None:
    """The record of a case, if there is one."""
    path = folder / f"{name}.txt"
    return path.read_bytes().decode() if path.exists() else None


def write(folder: Path, name: str, text: str) -> None:
    """Byte by byte: no end of line is translated."""
    (folder / f"{name}.txt").write_bytes(text.encode())


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m tests.golden", description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--record", type=Path, metavar="FOLDER")
    what.add_argument("--compare", type=Path, metavar="FOLDER")
    parser.add_argument("--missing", action="store_true", help="go on with a record that was interrupted")
    parser.add_argument("--only", default="", metavar="WORD", help="cases whose name has it")
    parser.add_argument("--jobs", type=int, default=1, help="cases at a time, each on a core of its own")
    args = parser.parse_args(argv)
    folder, names = args.record or args.compare, [name for name in CASES if args.only in name]
    if args.missing and args.compare:
        parser.error("--missing is for --record")
    if args.missing:
        names = [name for name in names if name not in recorded(folder)]
    elif not names:
        parser.error(f"no case has {args.only!r} in its name")
    if args.jobs < 1:
        parser.error("--jobs must be at least 1")
    if args.compare and read(folder, MACHINE) is None:
        parser.error(f"{folder} holds no record")
    if args.record and folder.exists() and any(folder.iterdir()) and read(folder, MACHINE) is None:
        parser.error(f"{folder} is no record and not empty")
    return (record if args.record else compare)(names, folder, args.jobs)


if __name__ == "__main__":
    sys.exit(main())
