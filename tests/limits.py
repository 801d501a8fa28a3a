"""Every test has a time limit: what hangs fails, and says where it stands.

Two lines of defence. At its limit pytest-timeout raises in the main thread: that test fails alone, with the stacks
of all threads, and children that it waits for are killed. No signal ends a wait in native code (two of XLA's
threads waiting for each other, say): there GRACE seconds later faulthandler, which needs no Python, writes all
stacks and ends the process; xdist calls the test failed and goes on in another one.
"""

import faulthandler
import os

import pytest

LIMIT = 300.0  # seconds, on a machine several times slower than one of 2 idle cores
SLOW_LIMIT = 900.0  # of tests marked slow or long
GRACE = 60.0
STDERR = pytest.StashKey[int]()


def pytest_configure(config):
    config.stash[STDERR] = os.dup(2)  # what capturing puts in its place is lost with the process


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item):
    """A limit for every test that has none of its own."""
    if item.get_closest_marker("timeout") is None:
        slow = any(item.get_closest_marker(word) for word in ("slow", "long"))
        item.add_marker(pytest.mark.timeout(SLOW_LIMIT if slow else LIMIT, method="signal"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    limit = item.get_closest_marker("timeout").args[0]
    if not item.config.getoption("usepdb"):
        faulthandler.dump_traceback_later(limit + GRACE, exit=True, file=item.config.stash[STDERR])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
