"""criteria.toml as claims, and which version of it judged."""

import hashlib
import subprocess
import tomllib
from pathlib import Path
from typing import NamedTuple

from experiments.reproduction.claim import Claim, Part, nearer, number

FILE = Path(__file__).with_name("criteria.toml")


class Criterion(NamedTuple):
    """A claim, the arms that it needs, and the controls that must refute it."""

    claim: Claim
    arms: frozenset[str]
    controls: tuple[str, ...]


def read_criteria() -> list[Criterion]:
    """All claims, in the order of the file."""
    with FILE.open("rb") as file:
        return [_criterion(entry) for entry in tomllib.load(file)["claim"]]


def _criterion(entry: dict) -> Criterion:
    parts = tuple(Part(p["says"], _value(p), p["side"], p["threshold"]) for p in entry["parts"])
    shown = tuple((s["says"], _value(s)) for s in entry.get("shown", []))
    arms = frozenset(arm for p in entry["parts"] for arm in p.get("nearer", [p.get("arm")]))
    claim = Claim(entry["key"], entry["says"], entry["source"], parts, shown)
    return Criterion(claim, arms, tuple(entry["controls"]))


def _value(entry: dict):
    """One number of one arm; None where the cell lacks the arm."""
    if "nearer" in entry:
        return nearer(*entry["nearer"])
    inner = number(entry["arm"], entry["number"])
    return lambda m: inner(m) if entry["arm"] in m else None


def version(file: Path = FILE) -> dict:
    """blob: the file's name in git, from its bytes; commit: the last that changed it, None outside a repository."""
    return {
        "blob": blob(file.read_bytes()),
        "commit": _git(file, "log", "-1", "--format=%H", "--", file.name),
    }


def blob(content: bytes) -> str:
    """SHA-1 of a file as git names it."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def committed_blob(commit: str, file: Path = FILE) -> str | None:
    """The blob of the criteria in a commit; None if it is not in this repository."""
    return _git(file, "rev-parse", f"{commit}:./{file.name}")


def _git(file: Path, *words: str) -> str | None:
    command = ["git", "-C", str(file.parent), *words]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None
