"""Run commands one after another in this process; print what each was estimated to take and what it took.

    python -m tests.peaks MODULE '["first command", "second", …]'    ->    one line of JSON: [[estimate, peak], …]

The peak is the growth of VmHWM, the largest resident memory so far, over that of the commands before it (Linux;
ru_maxrss begins with that of the parent process, which a fork hands down).
"""

import contextlib
import importlib
import io
import json
import sys
from pathlib import Path

import ufm.commands.footprint as footprint


def high_water() -> int:
    """Bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def main(module: str, commands: list[str]) -> list[list[float]]:
    """Estimate and growth for each command."""
    told: list[float] = []
    footprint.require = lambda needed, what, advice="": told.append(needed)
    command, found = importlib.import_module(module).main, []
    for words in commands:
        before = high_water()
        with contextlib.redirect_stdout(io.StringIO()):
            code = command(words.split())
        assert code in (0, 3), (words, code)
        found.append([told[-1], high_water() - before])
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], json.loads(sys.argv[2]))))
