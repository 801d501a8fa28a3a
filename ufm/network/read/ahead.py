"""The next block of a stream, made while the one before is used."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


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
