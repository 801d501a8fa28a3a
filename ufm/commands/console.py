"""The console script `ufm`: `ufm solve …` is `python -m ufm.solve …`."""

import sys

import tyro

import ufm.commands.compare as compare
import ufm.commands.conjecture as conjecture
import ufm.commands.runs.explore as explore
import ufm.commands.solve as solve
import ufm.commands.sweep as sweep
import ufm.commands.verify as verify
from ufm.commands.frame import end, guarded

COMMANDS = {
    "solve": solve,
    "verify": verify,
    "compare": compare,
    "sweep": sweep,
    "conjecture": conjecture,
    "explore": explore,
}


def main(argv: list[str] | None = None) -> int:
    """The command that the first word names; without one: help, or `--tyro-print-completion SHELL`."""
    words = sys.argv[1:] if argv is None else argv
    if words and words[0] in COMMANDS:
        return COMMANDS[words[0]].main(words[1:], own=argv is None)
    return guarded("ufm", lambda: about(words))


def about(words: list[str]) -> int:
    """Help, completion, or what is wrong with the first word; SystemExit from the parser."""
    flags = {name: room.Arguments for name, room in COMMANDS.items()}
    text = "Unconstrained features models: solve, verify, compare, sweep, conjecture, explore."
    tyro.extras.subcommand_cli_from_dict(flags, args=words, prog="ufm", description=text)
    return 2  # the parser has ended the run before, whatever the words are


def script() -> None:
    """What the installed `ufm` calls."""
    end(main())
