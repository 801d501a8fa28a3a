"""The next block of a stream, made while the one before is used."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
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
