"""Planted tests that hang, in a pytest of their own: each fails, says where it stands, and stops no other."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import limits
from tests.conftest import LISTED, LONGEST, _name_no_test_in_vain

ROOT = Path(__file__).resolve().parents[2]
CONFTEST = """
from tests import limits
from tests.limits import *
limits.GRACE = {grace}
"""
PLANTED = """
import ctypes, subprocess, sys, threading, pytest

def wait_for_an_event():
    threading.Event().wait()

def wait_for_a_mutex():  # as XLA's threads wait: no signal ends it
    mutex, libc = ctypes.create_string_buffer(256), ctypes.CDLL(None)
    while libc.pthread_mutex_lock(mutex) == 0:
        pass

def wait_for_a_child():
    subprocess.run([sys.executable, "-c", "import threading; threading.Event().wait()"])

@pytest.mark.timeout(1)
@pytest.mark.parametrize("wait", [wait_for_an_event, wait_for_a_child])
def test_that_waits(wait):
    wait()

def test_that_ends():
    pass
"""
NATIVE = """
@pytest.mark.timeout(1)
def test_in_native_code():
    wait_for_a_mutex()
"""


def begin(folder, source, *options, grace=1.0):
    """A pytest over a file of planted tests."""
    (folder / "conftest.py").write_text(CONFTEST.format(grace=grace))
    (folder / "test_planted.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *options, str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    for name in [name for name in environment if name.startswith("PYTEST_XDIST")]:
        del environment[name]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes)


def end(process):
    """Its exit code and all of its output."""
    out, _ = process.communicate(timeout=200)
    return process.returncode, out


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """Both at once, as they wait most of the time."""
    native = PLANTED.replace("timeout(1)", "timeout(100)") + NATIVE
    both = {
        "python": begin(tmp_path_factory.mktemp("python"), PLANTED, "-p", "no:xdist", grace=60.0),
        "native": begin(tmp_path_factory.mktemp("native"), native, "-p", "no:xdist", "-k", "native"),
    }
    yield both
    for process in both.values():
        process.kill()
        process.communicate()


def test_a_test_that_hangs_fails_and_says_where(begun):
    code, out = end(begun["python"])
    assert code == 1, out
    assert "2 failed, 1 passed" in out
    assert out.count("Timeout (>1.0s) from pytest-timeout") >= 2
    assert "in wait_for_an_event" in out and "in wait_for_a_child" in out


def test_a_test_that_hangs_in_native_code_ends_and_says_where(begun):
    code, out = end(begun["native"])
    assert code == 1, out
    assert "Timeout (0:00:02)!" in out and "in wait_for_a_mutex" in out and "in test_in_native_code" in out


@pytest.mark.slow
def test_other_tests_go_on_after_it(tmp_path):
    """As the suite runs: in a worker of xdist."""
    code, out = end(begin(tmp_path, PLANTED + NATIVE, "-n", "1"))
    assert code == 1, out
    assert "3 failed, 1 passed" in out
    assert "crashed while running" in out and "test_in_native_code" in out and "in wait_for_a_mutex" in out


def test_every_test_has_a_limit(request):
    """Also the hypothesis tests, the slow ones, and those of a class: as collected here."""
    for item in request.session.items:
        seconds = item.get_closest_marker("timeout").args[0]
        assert 0 < seconds <= limits.SLOW_LIMIT, item
    own = request.node.get_closest_marker("timeout")
    assert own.args[0] == limits.LIMIT


PROMISES = {"compare", "channels", "fitting", "pictures", "mixed precision", "proofs", "refuter"}


def test_the_default_run_tries_every_promise(request):
    """Files that are slow as a whole have tests that run with nothing asked for: as collected here."""
    items = request.session.items
    promised = [
        item for item in items if item.get_closest_marker("promise") and not item.get_closest_marker("long")
    ]
    for item in promised:
        assert not any("give --" in mark.kwargs.get("reason", "") for mark in item.iter_markers("skip")), item
    if {item.path for item in items} == set((ROOT / "tests").rglob("test_*.py")):
        assert {item.get_closest_marker("promise").args[0] for item in promised} == PROMISES


def test_a_line_of_a_list_that_names_no_test_is_an_error():
    whole, one = (
        SimpleNamespace(args=["tests"]),
        SimpleNamespace(args=["tests/output/test_dataset.py::test_x"]),
    )
    with pytest.raises(pytest.UsageError, match="test_five_kills"):
        _name_no_test_in_vain(whole, {"tests/output/test_dataset.py::test_x"})
    assert not LISTED["long"] & LISTED["slow"]
    both = LISTED["long"] | LISTED["slow"]
    _name_no_test_in_vain(whole, both)
    for one_less in (both - {min(LISTED["long"])}, both - {min(LISTED["slow"])}):
        with pytest.raises(pytest.UsageError, match="names no test"):
            _name_no_test_in_vain(whole, one_less)
    _name_no_test_in_vain(one, {"tests/output/test_dataset.py::test_x"})


def test_the_files_that_are_begun_first_exist():
    assert len(set(LONGEST)) == len(LONGEST)
    assert [name for name in LONGEST if not (ROOT / "tests" / f"{name}.py").exists()] == []
