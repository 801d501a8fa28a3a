"""What the world around a command can do to it, from streams to signals: one line, and the right exit code.

Most child processes here never load JAX: a listing, help, a usage error.
"""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ufm.commands.frame import guarded
from ufm.output.files import Outputs, whole_file
from ufm.rules import environment
from ufm.rules.environment import check_environment
from ufm.rules.errors import InputError
from ufm.theory.theorems.catalogue import THEOREMS

ROOT = Path(__file__).resolve().parents[2]
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
LIST = "-m ufm.verify --list"
WRONG = "-m ufm.solve --labels nothing"
PROGRAMS = [
    f"experiments.{path.stem}"
    for path in sorted((ROOT / "experiments").glob("*.py"))
    if "__main__" in path.read_text(encoding="utf-8")
]


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def shell(words: str, redirect: str = "", **environment: str):
    """(exit code, stdout, stderr) of `python WORDS REDIRECT` in a shell."""
    given = {name: value for name, value in os.environ.items() if name not in ("HOME", "PYTHONIOENCODING")}
    given |= {"PYTHONPATH": str(ROOT), "HOME": os.getcwd(), "XDG_CACHE_HOME": os.getcwd()} | environment
    given = {name: value for name, value in given.items() if value}
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" {words} {redirect}'], capture_output=True, timeout=120, env=given
    )
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


@FULL
@pytest.mark.parametrize("words", [LIST, "-m ufm.sweep --help"])
def test_a_full_standard_output_is_said_in_one_line(words):
    code, _, err = shell(words, ">/dev/full")
    assert code == 74 and len(err.splitlines()) == 1 and "No space left" in err, (code, err)


@FULL
@pytest.mark.parametrize("words, expected", [(LIST, 0), (WRONG, 2)])
@pytest.mark.parametrize("redirect", ["2>/dev/full", "2>&-"])
def test_a_lost_standard_error_changes_no_exit_code(words, expected, redirect):
    code, out, err = shell(words, redirect)
    assert code == expected and err == ""
    assert len(out.splitlines()) == (len(THEOREMS) if words == LIST else 0)


@pytest.mark.parametrize(
    "words",
    [LIST, f"-X dev {LIST}", "-m ufm.sweep --help", "-m proofs.refute --list"],
)
def test_output_that_nobody_can_read_is_no_success(words):
    code, _, err = shell(words, ">&-")
    assert code == 74 and len(err.splitlines()) == 1 and "cannot be written: it is closed" in err
    assert shell(words, "<&- >&- 2>&-")[0] == 74


def test_a_closed_standard_output_that_nothing_is_written_to_changes_nothing():
    code, _, err = shell(WRONG, "<&- >&-")
    assert code == 2 and len(err.splitlines()) == 1
    assert shell(LIST, "<&- 2>&-")[0] == 0


VARIABLES = {
    "JAX_NUM_CPU_DEVICES": ("abc", "0", "-1", "1.5", "100000000000"),
    "JAX_ENABLE_X64": ("foo",),
    "JAX_DEFAULT_MATMUL_PRECISION": ("foo", "1"),
    "JAX_DEBUG_NANS": ("maybe",),
    "JAX_TRACER_ERROR_NUM_TRACEBACK_FRAMES": ("true",),
    "XLA_FLAGS": ("--nonsense", "--xla_cpu_enable_fast_math=maybe"),
}


@pytest.mark.parametrize("name, value", [(name, value) for name, part in VARIABLES.items() for value in part])
def test_a_variable_that_jax_refuses_is_one_line(name, value):
    code, out, err = shell("-m ufm.solve --classes 3 --json a.json", **{name: value})
    assert code == 2 and out == "" and len(err.splitlines()) == 1 and name in err and value in err, err
    assert not Path("a.json").exists()


def test_a_count_of_any_length_is_refused_in_one_short_line(monkeypatch):
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "1" * 5000)
    with pytest.raises(InputError, match=r"positive integer below 10000, got '1{1,40}'"):
        check_environment()


def test_where_jax_names_no_variable_all_are_named(monkeypatch):
    for name, value in (("JAX_A", "foo"), ("JAX_Z", "abc")):
        monkeypatch.setenv(name, value)

    def refuse(reason):
        def load():
            raise ValueError(reason)

        return load

    monkeypatch.setattr(environment, "_import_jax", refuse("invalid literal for int() with base 10: 'abc'"))
    with pytest.raises(InputError, match=r"JAX_A='foo'.* JAX_Z='abc' is refused by JAX"):
        check_environment()
    monkeypatch.setattr(environment, "_import_jax", refuse("incorrect value for jax_z"))
    with pytest.raises(InputError, match=r"^JAX_Z='abc' is refused by JAX"):
        check_environment()


def test_xla_is_asked_once_and_of_usual_flags_never(monkeypatch):
    asked = []

    def run(*_, env, **__):
        asked.append(env["XLA_FLAGS"])
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr(environment.subprocess, "run", run)
    monkeypatch.setenv(environment.TAKEN, "")
    usual = "--xla_force_host_platform_device_count=4 --xla_cpu_multi_thread_eigen=false"
    for flags in ("", usual, "--odd", f"--odd {usual}", "--xla_force_host_platform_device_count=0"):
        monkeypatch.setenv("XLA_FLAGS", flags)
        check_environment()
    assert asked == ["--odd", "--xla_force_host_platform_device_count=0"]


@pytest.mark.parametrize(
    "program", ["ufm.verify", "ufm.sweep", "ufm.compare", "proofs", "proofs.refute", *PROGRAMS]
)
def test_every_program_says_so(program):
    code, out, err = shell(f"-m {program}", JAX_NUM_CPU_DEVICES="0")
    assert code == 2 and out == "" and len(err.splitlines()) == 1 and "JAX_NUM_CPU_DEVICES" in err, err


@pytest.mark.parametrize("words", ["-m ufm.solve --plot a.png", "-m ufm.compare a.npz --report a.html"])
def test_a_backend_that_matplotlib_refuses_is_one_line(words):
    code, out, err = shell(words, MPLBACKEND="nonsense")
    assert code == 2 and out == "" and len(err.splitlines()) == 1 and "MPLBACKEND='nonsense'" in err, err
    assert shell(LIST, MPLBACKEND="nonsense")[0] == 0  # which draws nothing


def test_right_variables_are_no_matter():
    given = {"JAX_NUM_CPU_DEVICES": "2", "JAX_ENABLE_X64": "0", "JAX_DEFAULT_MATMUL_PRECISION": "high"}
    assert shell(LIST, MPLBACKEND="agg", **given)[0] == 0


def test_a_file_never_takes_the_place_of_a_closed_stream():
    program = textwrap.dedent("""
        from ufm.commands.frame import guarded
        import os, sys
        def work():
            with open("kept", "w") as file:
                os.write(1, b"from C"); os.write(2, b"from C"); print("words"); print("words", file=sys.stderr)
                return 0 if file.fileno() > 2 else 1
        sys.exit(guarded("it", work))
    """)
    Path("program.py").write_text(program)
    assert shell("program.py", "<&- >&- 2>&-")[0] == 74 and Path("kept").read_bytes() == b""


def test_an_early_leaver_of_the_pipe():
    code, out, err = shell(LIST, "| true; exit 0")
    assert code == 0 and out == "" and "Traceback" not in err and "Exception" not in err


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_an_encoding_without_the_letter_prints_every_line(encoding):
    code, out, err = shell(LIST, PYTHONIOENCODING=encoding)
    assert code == 0 and err == "" and len(out.splitlines()) == len(THEOREMS)


def test_an_absent_platform_is_one_line():
    code, out, err = shell("-m ufm.solve --classes 3 --json a.json", JAX_PLATFORMS="cuda")
    assert code == 2 and out == "" and len(err.splitlines()) == 1 and "JAX_PLATFORMS=cuda" in err, err
    assert not Path("a.json").exists()


def test_neither_home_nor_user_nor_a_folder_to_write():
    program = textwrap.dedent("""
        import os, pathlib, jax
        def nowhere(cls=None): raise RuntimeError("Could not determine home directory.")
        pathlib.Path.home = nowhere
        from ufm.runtime.start import start_jax
        start_jax()
        assert jax.config.jax_compilation_cache_dir is None and jax.config.jax_enable_x64
    """)
    Path("program.py").write_text(program)
    code, _, err = shell("program.py", HOME="", XDG_CACHE_HOME="", JAX_COMPILATION_CACHE_DIR="")
    assert code == 0, err


@pytest.mark.parametrize("kind", ["file", "unwritable"])
def test_a_cache_that_cannot_be_is_left(kind, monkeypatch):
    from ufm.runtime.start import _cache_folder

    monkeypatch.setenv("XDG_CACHE_HOME", os.getcwd())
    if kind == "file":
        Path("ufm").write_text("")
    else:
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert _cache_folder() is None


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_leaves_no_staged_file(name, capsys):
    number = getattr(signal, name)
    signal.signal(number, signal.SIG_DFL)  # where the tests run under nohup, SIGHUP is ignored

    def work():
        with Outputs({"json": "a.json", "save": "a.npz"}) as outputs:
            with outputs.stage("json"):
                pass
            with outputs.stage("save"):
                assert len(os.listdir()) == 2
                os.kill(os.getpid(), number)
                raise AssertionError("the signal was not delivered")

    assert guarded("it", work) == 128 + number and os.listdir() == []
    assert capsys.readouterr().err.startswith(f"it: ended by {name}")
    assert signal.getsignal(number) == signal.SIG_DFL


def test_a_signal_leaves_no_half_of_a_whole_file():
    def work():
        with whole_file(Path("block")) as file:
            file.write(b"half")
            os.kill(os.getpid(), signal.SIGTERM)

    assert guarded("it", work) == 143 and os.listdir() == []


def test_who_ignores_a_signal_is_not_ended_by_it():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with whole_file(Path("block")) as file:
            os.kill(os.getpid(), signal.SIGHUP)
            file.write(b"whole")
        assert Path("block").read_bytes() == b"whole" and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_while_files_are_moved_waits_until_all_are_there(monkeypatch):
    import ufm.output.files as module

    move = module._move

    def moved(*paths):
        os.kill(os.getpid(), signal.SIGTERM)
        move(*paths)

    monkeypatch.setattr(module, "_move", moved)
    with Outputs({"json": "a.json", "save": "a.npz"}) as outputs:
        for name in ("json", "save"):
            with outputs.stage(name):
                pass
    assert sorted(os.listdir()) == ["a.json", "a.npz"]


def raising(error: BaseException):
    def work():
        raise error

    return work


@pytest.mark.parametrize(
    "error, code, word",
    [
        (OSError(28, "No space left on device"), 74, "No space left"),
        (OSError(5, "Input/output error"), 74, "Input/output"),
        (MemoryError("Unable to allocate 3 GiB"), 71, "Unable to allocate"),
        (MemoryError(), 71, "out of memory"),
        (
            RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 7 bytes.\nmore"),
            71,
            "allocating 7 bytes",
        ),
        (InputError("wrong"), 2, "wrong"),
    ],
)
def test_what_runs_out_is_one_line(error, code, word, capsys):
    assert guarded("it", raising(error)) == code
    err = capsys.readouterr().err
    assert word in err and len(err.splitlines()) == 1


def test_other_errors_of_the_system_stay_defects(capsys):
    assert guarded("it", raising(OSError(9, "Bad file descriptor"))) == 70
    assert "Traceback" in capsys.readouterr().err


@FULL
def test_a_full_disk_for_an_output_is_one_line(capsys, monkeypatch):
    """The staged file is a link to a device that is always full."""

    def work():
        with Outputs({"json": "a.json"}) as outputs, outputs.stage("json") as path:
            os.unlink(path)
            os.symlink("/dev/full", path)
            with open(path, "w") as file:
                file.write("{}")
        return 0

    assert guarded("it", work) == 2 and os.listdir() == []
    assert "a.json cannot be written: No space left" in capsys.readouterr().err
