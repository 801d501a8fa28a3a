"""Blocks made ahead: the same ones, in order, no more than one too early, and what making them raises."""

from threading import Event

import pytest

from ufm.network.read.ahead import CACHED, ahead, rows_of


def test_blocks_come_in_order_and_one_early_at_most():
    made = []

    def blocks():
        for n in range(5):
            made.append(n)
            yield n

    for n in ahead(blocks()):
        assert max(made) <= n + 1
    assert made == list(range(5)) and list(ahead([])) == []


def test_what_making_a_block_raises_is_raised():
    def blocks():
        yield 1
        raise ValueError("row 7")

    stream = ahead(blocks())
    assert next(stream) == 1
    with pytest.raises(ValueError, match="row 7"):
        next(stream)


def test_two_makers_keep_the_order_and_hold_two_blocks():
    """Block 0 is done only after block 1, which a single maker would never begin."""
    read, done = [], [Event() for _ in range(6)]

    def blocks():
        for n in range(6):
            read.append(n)
            yield n

    def make(n):
        if n % 2 == 0:
            assert done[n + 1].wait(60)
        done[n].set()
        return 10 * n

    for n, block in enumerate(ahead(blocks(), make, 2)):
        assert block == 10 * n and len(read) <= n + 3


def test_what_one_of_two_makers_raises_comes_in_its_place():
    stream = ahead(range(6), lambda n: 1 / (n - 2), 2)
    assert [next(stream), next(stream)] == [-0.5, -1]
    with pytest.raises(ZeroDivisionError):
        next(stream)
    assert next(stream, None) is None


@pytest.mark.parametrize("width", [1, 3, 2048, 2**14, 2**20, 2**21])
def test_a_block_fits_or_has_64_rows(width):
    rows = rows_of(width)
    assert rows.bit_count() == 1 and rows >= 64 and (rows == 64 or 8 * width * rows <= CACHED)
    assert 2 * 8 * width * rows > CACHED


def test_a_stream_may_be_left_early():
    stream = ahead(iter(range(9)))
    assert next(stream) == 0
    stream.close()
    assert next(stream, None) is None
