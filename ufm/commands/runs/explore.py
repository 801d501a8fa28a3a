"""The command `explore`: flags, and one run that writes the page."""

from dataclasses import dataclass

from ufm.commands.frame import command, loading


@dataclass
class Arguments:
    """Write the explorer: one HTML page in which to drag a problem and see its optimum.

    Open it in a browser. It needs no server, fetches nothing, and sends nothing.

    Exit code: 0 written, 2 wrong usage, or a file that cannot be written.

    No verdict: 70 defect, 71 out of memory, 74 output full, 129 to 143 ended.
    """

    out: str = "ufm.html"
    """Write the page to PATH.html."""


def run(args: Arguments, argv: list[str]) -> int:
    """Everything after parsing."""
    from pathlib import Path

    from ufm.output.files import Outputs
    from ufm.rules.errors import InputError

    if Path(args.out).suffix not in (".html", ".htm"):
        raise InputError(f"--out must end in .html, got {args.out!r}")
    outputs = Outputs({"out": args.out})
    with loading():
        from ufm.explore.document import explorer_page  # whose theorems are loaded with JAX

    with outputs:
        outputs.write("out", explorer_page)
    print(Path(args.out).resolve())
    return 0


main = command("ufm.explore", Arguments, run)
