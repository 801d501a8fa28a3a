"""The next block of a stream, made while the one before is used, and work beside all of them."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any, TypeVar

from ufm.runtime.devices import as_here

T = TypeVar("T")
Aside = Callable[[Callable[[], Any]], Future]
CACHED = 2**23  # bytes


def rows_of(width: int) -> int:
    """Rows of a block that stays in a cache while it is gone over: a power of two, as compiled shapes, or 64."""
    return 1 << max(6, (CACHED // (8 * width)).bit_length() - 1)


def ahead(blocks: Iterable[T]) -> Iterator[T]:
    """The same blocks in the same order, and what making them raises; one is held beside the one in use.

    Reading, checking and converting take a thread that NumPy leaves free while it works on the block before.
    """
    stream, end = iter(blocks), object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, stream, end)
        while (block := coming.result()) is not end:
            coming = thread.submit(next, stream, end)
            yield block  # type: ignore[misc]


@contextmanager
def aside() -> Iterator[tuple[Aside, Event]]:
    """A thread of its own for work that stands alone: what gives it such work, and an event that is cleared where
    the caller's ends before its time."""
    go_on, thread = Event(), ThreadPoolExecutor(1)
    go_on.set()
    try:
        yield lambda work: thread.submit(as_here(lambda _: work()), None), go_on
    except BaseException:
        go_on.clear()
        raise
    finally:
        thread.shutdown(wait=go_on.is_set(), cancel_futures=True)
