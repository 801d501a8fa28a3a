"""One device, several cores: a few Python threads solve the pieces of a stream, each of them with whole programs.

XLA runs what a thread hands over on a pool of its own and lets go of Python meanwhile, so a second piece can be
solved, and the host's part of a third be done, at the same time. No program waits for another, so this cannot
deadlock, as several CPU devices in one process could (`ufm.optimize.factor`). Order and results are those of a
plain loop.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from threading import Lock
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def usable_cores() -> int:
    """Cores that this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@contextmanager
def half_for_blas():
    """BLAS on at most half of the cores, and on no more threads than it had: its own threads spin while they wait
    for others.

    The number is the whole process's. However many threads of a process are in here at once, the first sets it and
    the last takes it back.
    """
    with _Blas.lock:
        _Blas.inside += 1
        if _Blas.inside == 1:
            _Blas.limit = _limited()
    try:
        yield
    finally:
        with _Blas.lock:
            _Blas.inside -= 1
            if _Blas.inside == 0:
                _Blas.limit.restore_original_limits()


class _Blas:
    lock, inside = Lock(), 0
    limit: Any = None


def _limited():
    """What is in force until it is told to restore."""
    from threadpoolctl import ThreadpoolController  # looks for all libraries that are loaded by now

    found = ThreadpoolController().select(user_api="blas")
    own = [library.num_threads for library in found.lib_controllers]
    return found.limit(limits=min([max(1, usable_cores() // 2), *own]))


def in_threads(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int, compiled: bool = False
) -> Iterator[Result]:
    """work(item) of each item, in their order, up to `threads` at a time; threads + 1 results are kept at most.

    Unless all is compiled, the first is done alone, so that what it compiles is there for the others.
    """
    items = iter(items)
    for first in () if compiled else items:
        yield work(first)
        break
    if threads == 1:
        yield from map(work, items)
        return
    waiting: deque = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:  # with what the caller's context holds
                waiting.append(pool.submit(copy_context().run, work, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for left in waiting:
                left.cancel()
