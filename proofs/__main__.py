"""python -m proofs [NAME …] [--check]: derive every theorem, check it on its grid, write the tables.

Without --check the tables of the named theorems (all by default) are written to proofs/tables/, and the index
there is made anew. With --formal the proofs in Coq are built and audited instead (the statements are written
anew too). With --check nothing is written: the committed Markdown and LaTeX must
equal the rendering of the committed JSON byte for byte, the JSON's words must equal a fresh run's, and its
numbers must agree with it within their bounds.

Exit code: 0 all proved or agreed, 1 a step, a row or a check fails, 3 undecided, 2 wrong usage.
"""

import argparse
import sys

from ufm.commands.frame import guarded
from ufm.rules.errors import InputError, meant


def main(argv: list[str] | None = None) -> int:
    """Parse, run, report; returns the exit code."""
    parser = argparse.ArgumentParser("python -m proofs", description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="theorems; default: all")
    parser.add_argument(
        "--check", action="store_true", help="compare with the committed tables, write nothing"
    )
    parser.add_argument("--formal", action="store_true", help="build and audit the proofs in Coq")
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    if arguments.formal:
        from proofs.engine.formal import check_formal

        return guarded("proofs", lambda: check_formal(write=not arguments.check))
    return guarded("proofs", lambda: run(arguments.names, arguments.check))


def run(names: list[str], check: bool) -> int:
    """Everything after parsing; InputError for an unknown name."""
    from ufm.runtime.start import start_jax

    start_jax()
    from ufm.theory.theorems.catalogue import THEOREMS

    names = [name.replace("_", "-") for name in names]
    for name in names:
        if name not in THEOREMS:
            near = meant(name, THEOREMS)
            raise InputError(f"no theorem is called {name!r}{near}; known: {', '.join(THEOREMS)}")
    from proofs.engine.session import check_tables, write_tables

    return (check_tables if check else write_tables)(names or list(THEOREMS))


if __name__ == "__main__":
    sys.exit(main())
