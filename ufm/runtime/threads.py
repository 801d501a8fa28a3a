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
from contextvars import copy_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def usable_cores() -> int:
    """Cores that this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def in_threads(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """work(item) of each item, in their order, up to `threads` at a time; threads + 1 results are kept at most.

    The first is done alone, so that what it compiles is there for the others.
    """
    items = iter(items)
    for first in items:
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
