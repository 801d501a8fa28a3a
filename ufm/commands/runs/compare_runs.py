"""One run of the command `compare` on several networks: one table, one record, one picture, one page."""

import sys
import time

from ufm.commands.runs.compare import options_of
from ufm.commands.runs.features import plain_console
from ufm.output.files import Outputs
from ufm.output.records import dump_json
from ufm.output.sections import show
from ufm.report.runs import compare_runs
from ufm.runtime.start import start_jax
from ufm.runtime.watchdog import handed


def compare_several(args, lambda_b: float | str | None, outputs: Outputs) -> int:
    """Compare and report; returns 0. InputError: nothing was written."""
    began = time.perf_counter()
    start_jax()
    with handed("the comparison"):
        found = compare_runs(args.file, _say, options=options_of(args, lambda_b))
    try:  # what took minutes is said before any file can fail
        if args.json == "-":
            sys.stdout.write(dump_json(found.to_dict()))
        else:
            show(plain_console(sys.stdout), *found.sections)
        sys.stdout.flush()
    finally:
        with outputs:
            outputs.write("json", lambda: dump_json(found.to_dict()))
            if "plot" in outputs.paths:
                with outputs.stage("plot") as path:
                    found.plot(path)
            outputs.write("report", found.page)
    print(f"{len(found.reports)} networks, {time.perf_counter() - began:.1f} s", file=sys.stderr)
    return 0


def _say(name: str) -> None:
    print(f"{name} ...", file=sys.stderr)
