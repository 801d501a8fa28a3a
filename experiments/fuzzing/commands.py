"""Command lines run in this process: exit codes, streams and files keep the promises of README.md."""

import contextlib
import io
import json
import re
import resource
import shlex
import signal
import tempfile
import warnings
from importlib import import_module
from pathlib import Path

from experiments.fuzzing import grammar
from experiments.fuzzing.record import Record

PATIENCE = 300  # seconds; a line of small sizes takes a few, half a minute to verify, compilation included
MEMORY = 3 << 30  # bytes of address space that a line may add
USED = ("out", "rows", "grid.parquet", "Y.npy.json")  # beginnings of names that lines write


class TooLong(BaseException):
    """A line that does not end; no Exception, so that the command cannot take it for a defect of its own."""


def check(record: Record) -> None:
    """One line, in an empty folder but for the files it may read."""
    rng = record.rng
    name, words = grammar.line(rng)
    record.about = f"{name} {shlex.join(words)}"
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        grammar.write_files(Path(folder), rng)
        if name == "sweep":
            text = Path("grid.toml").read_text(encoding="utf-8")
            record.about += f" with {' ; '.join(text.split(chr(10)))[:300]!r}"
        before = listing(folder)
        code, out, err, parser = run(import_module(f"ufm.{name}"), words)
        judge(record, words, code, out, err, parser)
        check_files(record, name, words, code, listing(folder) - before)


def run(module, words: list[str]):
    """(exit code, stdout, stderr, whether the parser itself refused or showed its help)."""
    out, err, parser = io.StringIO(), io.StringIO(), False
    with (
        limits(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("default")  # whatever an earlier line has said already
        warnings.simplefilter("ignore", DeprecationWarning)  # as outside of __main__
        try:
            code = module.main(words)
        except SystemExit as stop:
            code, parser = stop.code, True
        except TooLong:
            code = f"none after {PATIENCE} s"
        except BaseException as error:
            code = f"{type(error).__name__}: {error}"[:200]
    return code, out.getvalue(), err.getvalue(), parser


@contextlib.contextmanager
def limits():
    """An end to time, and to memory before the machine's."""

    def stop(*_):
        raise TooLong

    with open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    old, handler = resource.getrlimit(resource.RLIMIT_AS), signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, old[1]))
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, old)


def listing(folder: str) -> set[str]:
    """Every file below the folder."""
    return {str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()}


def judge(record, words, code, out: str, err: str, parser: bool) -> None:
    """What is printed, and the exit code."""
    last = " ".join(err.split())[-200:]
    record.expect(code in (0, 2, 3), "exit code", f"{code!r}: {last}")
    record.expect("Traceback" not in out + err, "traceback", last)
    record.expect("Warning" not in err, "warning", last)
    said = [line for line in (out + "\n" + err).splitlines() if re.search(r"\bnan\b", line, re.IGNORECASE)]
    given = any("nan" in word for word in words) or (" with " in record.about and "nan" in record.about)
    record.expect(not said or (given and code == 2), "nan", said[0].strip()[:160] if said else "")
    if code == 2 and not parser:
        record.expect(out == "", "refusal", f"on stdout: {out[:100]!r}")
        record.expect(len(err.strip().splitlines()) == 1, "refusal", f"not one line: {err[:200]!r}")
    if (
        follows(words, "--json") == "-"
        and code in (0, 3)
        and not {"--list", "--explain", "--help"} & set(words)
    ):
        check_json(record, out)


def follows(words: list[str], flag: str) -> str | None:
    """The value of a flag; None without."""
    return words[words.index(flag) + 1] if flag in words[:-1] else None


def check_json(record, text: str) -> None:
    """JSON as other languages read it."""

    def refuse(word):
        raise ValueError(f"{word} is not JSON")

    try:
        json.loads(text, parse_constant=refuse)
        record.expect(True, "json")
    except ValueError as error:
        record.expect(False, "json", str(error))


def check_files(record, name: str, words: list[str], code, written: set[str]) -> None:
    """Files appear if and only if the command succeeded, each that was asked for and nothing else."""
    if code not in (0, 3):
        left = sorted(written)
        record.expect(not left, "files", f"exit {code!r} left {left[:3]}")
        return
    if {"--list", "--explain", "--help", "--dry-run"} & set(words):
        record.expect(not written, "files", f"{sorted(written)[:3]} for a question")
        return
    asked = {follows(words, flag) for flag in ("--json", "--save", "--plot", "--report")} - {None, "-"}
    if name == "sweep":
        asked.add(follows(words, "--out") or "grid.parquet")
    for path in asked:
        there = any(file == path or file.startswith(path.rstrip("/") + "/") for file in written)
        record.expect(there, "files", f"{path} is missing after exit {code}")
    strangers = [file for file in written if not file.startswith(USED)]
    record.expect(not strangers, "files", f"strangers {strangers[:3]}")
    if "out.json" in written:
        check_json(record, Path("out.json").read_text(encoding="utf-8"))
