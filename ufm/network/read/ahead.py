"""The next block of a stream, made while the one before is used, and work beside all of them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any, TypeVar

from ufm.runtime.devices import as_here

T = TypeVar("T")
Aside = Callable[[Callable[[], Any]], Future]
CACHED = 2**23  # bytes that stay in a cache while they are gone over
WHOLE = 2**25  # of H, gone over a part at a time: with fewer blocks threads wait less for one another


def rows_of(width: int, size: int = CACHED) -> int:
    """Rows of a block of about that size: a power of two, as compiled shapes, or 64."""
    return 1 << max(6, (size // (8 * width)).bit_length() - 1)


def ahead(
    blocks: Iterable[Any], make: Callable[[Any], T] = lambda block: block, makers: int = 1
) -> Iterator[T]:
    """make(block) of each block in the same order, and what reading or making it raises; as many are held beside
    the one in use as there are makers.

    Reading takes a thread, and each maker one, which NumPy leaves free while it works on the block before.
    """
    stream, end = iter(blocks), object()
    with ThreadPoolExecutor(makers) as making, ThreadPoolExecutor(1) as reading:

        def read() -> Any:
            return end if (block := next(stream, end)) is end else making.submit(make, block)

        coming = deque(reading.submit(read) for _ in range(makers))
        while (made := coming.popleft().result()) is not end:
            coming.append(reading.submit(read))
            yield made.result()


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
