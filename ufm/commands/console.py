"""The console script `ufm`: `ufm solve …` is `python -m ufm.solve …`."""

import sys
from functools import reduce
from operator import or_
from typing import Annotated

import tyro

import ufm.commands.compare as compare
import ufm.commands.solve as solve
import ufm.commands.sweep as sweep
import ufm.commands.verify as verify

COMMANDS = {"solve": solve, "verify": verify, "compare": compare, "sweep": sweep}


def main(argv: list[str] | None = None) -> int:
    """The command that the first word names; without one: help, or `--tyro-print-completion SHELL`."""
    words = sys.argv[1:] if argv is None else argv
    if words and words[0] in COMMANDS:
        return COMMANDS[words[0]].main(words[1:])
    flags = [Annotated[room.Arguments, tyro.conf.subcommand(name)] for name, room in COMMANDS.items()]
    about = "Unconstrained features models: solve, verify, compare, sweep."
    tyro.cli(reduce(or_, flags), args=words, prog="ufm", description=about)
    return 2
