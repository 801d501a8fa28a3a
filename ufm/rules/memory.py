"""Memory: what is free to this process, what a run may take of it, and the one refusal. Standard library only.

The limit changes no number of a run, only whether it is refused. What is counted are the arrays that grow with
what was asked for; the interpreter and JAX with its compiled programs (about 0.4 GiB) come on top.
"""

import os
import re
from contextvars import ContextVar
from pathlib import Path

from ufm.rules.errors import InputError

SHARE = 2  # of what is free, one part in so many is allowed by default
UNKNOWN = 4 * 2**30  # free bytes where the system does not tell
UNITS = {"b": 1} | {
    f"{letter}{end}": base**power
    for power, letter in enumerate("kmgtpe", start=1)
    for end, base in (("", 1024), ("ib", 1024), ("b", 1000))
}
_SIZE = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-z]+)\s*", re.IGNORECASE)
_allowed: ContextVar[int | None] = ContextVar("allowed", default=None)


class TooLarge(InputError):
    """More memory than is allowed: depends on the machine, so never a verdict."""


def parse_size(text: str) -> int:
    """Bytes of 4GiB, 500MB, 1.5 G (= GiB) or 4096B; InputError for anything else, bare numbers too."""
    found = _SIZE.fullmatch(text)
    unit = UNITS.get(found[2].lower()) if found else None
    if found is None or unit is None:
        raise InputError(f"--memory must be a size like 4GiB or 500MB, got {text!r}")
    return int(float(found[1]) * unit)


def allow(text: str | None) -> None:
    """Set the limit of this run (`ufm.commands.frame.guarded` ends it); None: half of what is free."""
    _allowed.set(None if text is None else parse_size(text))


def allowed() -> int:
    """Bytes that arrays of this run may take."""
    given = _allowed.get()
    return free_bytes() // SHARE if given is None else given


def require(needed: float | int, what: str, advice: str = "") -> None:
    """TooLarge if `what` (a noun) would need more bytes than are allowed. To be called before they are taken."""
    limit = allowed()
    if needed > limit:
        hint = f": {advice}" if advice else ""
        raise TooLarge(
            f"would need about {say_size(needed)} for {what}; {say_size(limit)} are allowed (--memory){hint}"
        )


def say_size(count: float | int) -> str:
    """1.5 GiB, 20.0 MiB or 17 bytes; beyond ten thousand PiB 1e+06 PiB."""
    for power, unit in ((5, "PiB"), (4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        value = count / 1024**power
        if value >= 1:
            return f"{value:.1f} {unit}" if value < 1e4 else f"{value:.0e} {unit}"
    return f"{count:.0f} bytes"


def free_bytes() -> int:
    """Bytes that this process could still take: of the machine, of its control groups and of its own limits."""
    known = [_machine(), *_control_groups(), *_own_limits()]
    return max(0, min((int(value) for value in known if value is not None), default=UNKNOWN))


def _machine() -> int | None:
    """Linux: MemAvailable; elsewhere free pages, or all pages; None where the system tells neither."""
    fields = _fields("/proc/meminfo")
    if "MemAvailable" in fields:
        return 1024 * fields["MemAvailable"]
    for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES"):
        try:
            pages = os.sysconf(name)
        except (AttributeError, OSError, ValueError):
            continue
        if pages > 0:
            return pages * os.sysconf("SC_PAGE_SIZE")
    return None


def _control_groups(root: Path = Path("/sys/fs/cgroup"), own: str = "/proc/self/cgroup") -> list[int]:
    """What is left in each control group (version 1 or 2) above this process that has a limit."""
    left = []
    for line in _text(own).splitlines():
        _, kinds, place = line.split(":", 2)
        if kinds and "memory" not in kinds.split(","):
            continue
        base = root / "memory" if kinds else root
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        names = names if kinds else ("memory.max", "memory.current", "inactive_file")
        group = base / place.strip("/")
        # in a container the group's path may be that of the host: the root is then the container's own
        left += [_left(folder, *names) for folder in (group, *group.parents) if folder.is_relative_to(base)]
    return [value for value in left if value is not None]


def _left(folder: Path, limit: str, used: str, cache: str) -> int | None:
    """Limit less use, pages of files that can be given back not counted; None without a limit."""
    most, now = _text(folder / limit).strip(), _text(folder / used).strip()
    if not most.isdecimal() or not now.isdecimal():
        return None
    return int(most) - int(now) + _fields(folder / "memory.stat").get(cache, 0)


def _own_limits() -> list[int]:
    """What RLIMIT_AS and RLIMIT_DATA leave to this process."""
    try:
        import resource
    except ImportError:  # Windows
        return []
    fields = _fields("/proc/self/status")
    taken = {resource.RLIMIT_AS: "VmSize", resource.RLIMIT_DATA: "VmData"}
    limits = {kind: resource.getrlimit(kind)[0] for kind in taken}
    return [
        most - 1024 * fields.get(taken[kind], 0)
        for kind, most in limits.items()
        if most != resource.RLIM_INFINITY
    ]


def _fields(path: str | Path) -> dict[str, int]:
    """Lines `name: number …` or `name number` of a file of the system."""
    words = (line.replace(":", " ").split() for line in _text(path).splitlines())
    return {found[0]: int(found[1]) for found in words if len(found) > 1 and found[1].isdecimal()}


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
