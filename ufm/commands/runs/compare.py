"""One run of the command `compare`: read, measure with progress, then table, record, picture and page."""

import sys
import time
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

from ufm.commands.footprint import comparison, refuse
from ufm.commands.runs.features import plain_console
from ufm.commands.runs.progress import bar_or_lines
from ufm.commands.runs.save import save_picture
from ufm.network.comparison import Options
from ufm.network.given import activations_of
from ufm.network.read.activations import Activations
from ufm.output.files import Outputs
from ufm.output.network.comparison import comparison_sections
from ufm.output.records import dump_json
from ufm.output.sections import show
from ufm.report.network import NetworkReport, reported
from ufm.report.runs import Runs
from ufm.rules.errors import InputError
from ufm.runtime.start import start_jax
from ufm.runtime.watchdog import handed

FEW_BYTES = 2**20


def compare(args, command: list[str], lambda_b: float | str | None, outputs: Outputs) -> int:
    """Compare and report; returns 0. InputError: nothing was written."""
    began = time.perf_counter()
    start(args.file)
    (file,), options = args.file, options_of(args, lambda_b)
    found = measured(file, options, command, bool(args.report or args.plot))
    title = f"{file}: a network held against the theory of mixup"
    deliver(args, outputs, found, title, *comparison_sections(found.given, found))
    print(f"{found.given.count} samples, {time.perf_counter() - began:.1f} s", file=sys.stderr)
    return 0


def start(files) -> None:
    """JAX; its programs are not optimised where there is little to read."""
    parts = [part for file in files for part in (Path(file), *Path(file).glob("*.npy")) if part.is_file()]
    start_jax(small=sum(part.stat().st_size for part in parts) < FEW_BYTES)


def load_pictures() -> Thread:
    """Matplotlib and what draws, by a thread of its own while features are read; what fails there fails once more,
    and is said, where a picture is drawn."""

    def load() -> None:
        with suppress(Exception):
            import ufm.pictures.compare  # noqa: F401

    thread = Thread(target=load, name="pictures", daemon=True)
    thread.start()
    return thread


def measured(file: str, options: Options, command: list[str], drawn: bool = False) -> NetworkReport:
    """The report of one file; notes and progress on standard error, its memory refused before any work. drawn: a
    picture will be."""
    with named(file):
        given = activations_of(file, None, {})
        for note in given.notes:
            print(f"{file}: {note}", file=sys.stderr)
        known = all((options.lambda_w or given.lambda_w, options.lambda_h or given.lambda_h))
        sizes = given.count, given.classes, given.dim, options.bins, options.replicates
        refuse(comparison(*sizes, certified=known))
        if drawn:
            load_pictures()
        return _with_progress(given, options, file, command)


def deliver(args, outputs: Outputs, found: NetworkReport | Runs, *parts) -> None:
    """Parts or record on standard output, then the files."""
    data = found.to_dict()
    try:  # what took minutes is said before any file can fail, and written though nobody listens
        if args.json == "-":
            sys.stdout.write(dump_json(data))
        else:
            show(plain_console(sys.stdout), *parts)
        sys.stdout.flush()
    finally:
        with outputs:
            outputs.write("json", lambda: dump_json(data))
            save_picture(outputs, lambda: found.plot(size=args.size or "text"))
            outputs.write("report", found.page)


def options_of(args, lambda_b: float | str | None) -> Options:
    """The flags as options."""
    names = ("lambda_w", "lambda_h", "loss", "centre", "bins", "replicates", "seed")
    return Options(lambda_b=lambda_b, **{name: getattr(args, name) for name in names})


@contextmanager
def named(file: str):
    """Errors of the file's contents say which file."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error) if file in str(error) else f"{file}: {error}") from None


def _with_progress(given: Activations, options: Options, file: str, command: list[str]) -> NetworkReport:
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
            return reported(given, options, progress, file, command)
