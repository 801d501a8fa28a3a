"""One run of the command `compare`: read, measure with progress, then table, record, picture and page."""

import io
import sys
import time
from collections import Counter
from contextlib import contextmanager

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

from ufm.commands.footprint import comparison, refuse
from ufm.commands.runs.features import plain_console
from ufm.commands.runs.progress import bar_or_lines
from ufm.network.comparison import Comparison, Options, compare_network
from ufm.network.given import activations_of
from ufm.network.read.activations import Activations
from ufm.output.files import Outputs
from ufm.output.network.comparison import comparison_sections
from ufm.output.network.record import comparison_record
from ufm.output.records import dump_json, run_record
from ufm.output.sections import show
from ufm.rules.errors import InputError
from ufm.runtime.start import start_jax
from ufm.runtime.watchdog import handed


def compare(args, command: list[str], lambda_b: float | str | None, outputs: Outputs) -> int:
    """Compare and report; returns 0. InputError: nothing was written."""
    began = time.perf_counter()
    start_jax()
    options = Options(
        lambda_w=args.lambda_w,
        lambda_h=args.lambda_h,
        lambda_b=lambda_b,
        loss=args.loss,
        centre=args.centre,
        bins=args.bins,
        replicates=args.replicates,
        seed=args.seed,
    )
    with named(args.file):
        given = activations_of(args.file, None, {})
        for note in given.notes:
            print(f"{args.file}: {note}", file=sys.stderr)
        refuse(comparison(given.count, given.classes, given.dim, args.bins, args.replicates))
        found = _with_progress(given, options)
    data = comparison_record(found, given, run_record(command) | {"seed": args.seed, "file": args.file})
    sections = comparison_sections(given, found)
    try:  # what took minutes is said before any file can fail, and written though nobody listens
        if args.json == "-":
            sys.stdout.write(dump_json(data))
        else:
            title = f"{args.file}: a network held against the theory of mixup"
            show(plain_console(sys.stdout), title, *sections)
        sys.stdout.flush()
    finally:
        with outputs:
            _write(outputs, given, found, sections, data)
    print(f"{given.count} samples, {time.perf_counter() - began:.1f} s", file=sys.stderr)
    return 0


@contextmanager
def named(file: str):
    """Errors of the file's contents say which file."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error) if file in str(error) else f"{file}: {error}") from None


def _with_progress(given: Activations, options: Options) -> Comparison:
    """A bar of the rows read in the present stage; without a terminal a line now and then."""
    columns = (TextColumn("{task.description:<32}"), BarColumn(), TextColumn("{task.fields[rows]} rows read"))
    with bar_or_lines(*columns, TimeElapsedColumn()) as (bar, due):
        task = bar.add_task("reading", total=None, rows=0)
        read: Counter[str] = Counter()

        def progress(stage: str, rows: int) -> None:
            read[stage] += rows
            bar.update(task, description=stage, rows=read[stage])
            if due():
                print(f"{stage}: {read[stage]} rows read", file=sys.stderr)

        with handed("the comparison"):
            return compare_network(given, options=options, progress=progress)


def _write(outputs: Outputs, given: Activations, found: Comparison, sections, data: dict) -> None:
    outputs.write("json", lambda: dump_json(data))
    if "plot" in outputs.paths or "report" in outputs.paths:
        from ufm.pictures.compare import draw_comparison  # matplotlib is loaded only when a picture is wanted

        figure = draw_comparison(given, found)
        if "plot" in outputs.paths:
            with outputs.stage("plot") as path:
                figure.savefig(path)
        if "report" in outputs.paths:
            from ufm.output.network.page import report_page

            picture = io.BytesIO()
            figure.savefig(picture, format="png")
            outputs.write("report", lambda: report_page(sections, data, picture.getvalue()))
