"""One run of the command `compare` on several networks: one table, one record, one picture, one page."""

import sys
import time

from ufm.commands.runs.compare import deliver, measured, options_of, start
from ufm.output.files import Outputs
from ufm.output.network.runs import ordered
from ufm.report.runs import Runs


def compare_several(args, command: list[str], lambda_b: float | str | None, outputs: Outputs) -> int:
    """Compare and report; returns 0. InputError: nothing was written."""
    began = time.perf_counter()
    start(args.file)
    options = options_of(args, lambda_b)
    found = Runs({file: measured(file, options, command) for file in ordered(list(dict.fromkeys(args.file)))})
    deliver(args, outputs, found, *found.sections)
    print(f"{len(found.reports)} networks, {time.perf_counter() - began:.1f} s", file=sys.stderr)
    return 0
