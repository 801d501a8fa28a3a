"""The judge of conjectures on claims whose truth is known: what it says, after how many settings and seconds.

    python -m experiments.conjectures --out docs/conjectures/judged.md

False claims are to be refuted, true ones to stand, each within the seconds. Times are of this machine.
Exit code: 0 where every false claim is refuted and no true one, else 1.
"""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import tyro

from experiments.planted.claims import FALSE, TRUE
from ufm.commands.frame import guarded
from ufm.refute.claim import read_claim
from ufm.refute.search import Search, hunt
from ufm.rules.errors import InputError
from ufm.runtime.programs import own_process
from ufm.runtime.start import start_jax

HEADER = "import numpy as np\n"
SETTINGS = 200


def judged(text: str, folder: Path, seconds: float) -> tuple[str, int, int, float]:
    """(what is said, settings tried, undecided, seconds) of one claim, as the command judges it."""
    begun = time.monotonic()
    path = folder / "claim.py"
    path.write_text(f'"""A claim."""\n{HEADER}{text}', encoding="utf-8")
    claim = read_claim(path)
    search = Search(claim.theorem, seconds=seconds, settings=SETTINGS)
    found = hunt(search, 0, claim.families)
    said = "refuted" if found.refuted else "undecided" if found.leaves_open(search) else "stands"
    return said, search.tried, search.undecided, time.monotonic() - begun


def run(seconds: float, only: str, out: Path | None) -> int:
    """Judge every planted claim and print a line for each; the exit code."""
    start_jax(small=True)  # as the command does
    planted = [
        (name, text, truth) for truth, kind in ((False, FALSE), (True, TRUE)) for name, text in kind.items()
    ]
    chosen = [one for one in planted if only in one[0]]
    if not chosen:
        raise InputError(f"no claim's name has {only!r}")
    lines = [
        "| claim | is | said | settings | undecided | seconds |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    print(*lines, sep="\n", flush=True)
    wrong = 0
    with TemporaryDirectory() as folder:
        for name, text, truth in chosen:
            said, tried, undecided, spent = judged(text, Path(folder), seconds)
            wrong += said != ("stands" if truth else "refuted")
            lines.append(f"| {name} | {str(truth).lower()} | {said} | {tried} | {undecided} | {spent:.1f} |")
            print(lines[-1], flush=True)
    lines.append(f"\n{len(chosen)} claims, {wrong} judged wrongly")
    print(lines[-1])
    if out:
        out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return int(wrong > 0)


def main(argv: list[str] | None = None) -> int:
    """Parse, judge, print."""

    def options(seconds: float = 30.0, only: str = "", out: Path | None = None):
        """Claims whose truth is known, judged as `python -m ufm.conjecture` judges them.

        Args:
            seconds: for each claim.
            only: claims whose name has this word.
            out: a file that the table is also written to.
        """
        return seconds, only, out

    given = tyro.cli(options, args=argv, prog="python -m experiments.conjectures")
    with own_process(argv is None):
        return guarded("conjectures", lambda: run(*given))


if __name__ == "__main__":
    sys.exit(main())
