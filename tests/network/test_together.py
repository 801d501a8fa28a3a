"""Measures that share a reading: what one block needs is found once, and what a measure raises is raised."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError

import jax
import numpy as np
import pytest

from ufm.network.measures.curve import Solved
from ufm.network.read import together
from ufm.network.read.activations import from_arrays
from ufm.network.read.together import Layer, Readings, Rows

K, N = 3, 8
W = np.eye(K)
GIVEN = from_arrays(H=np.ones((N, K)), W=W, y=np.arange(N) % K)


def test_an_optimum_is_solved_once_however_many_ask_at_once(monkeypatch):
    both, asked = Barrier(2), []

    def curve(a, classes, delta):
        asked.append(a)
        with suppress(BrokenBarrierError):
            both.wait(0.5)  # met only if another thread solves too
        return lambda lam: Solved.__new__(Solved)

    monkeypatch.setattr(together, "curve_at", curve)
    rows = Rows(next(GIVEN.chunks()), Layer(W))
    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(rows.solved, (5.0, 5.0))
    assert asked == [5.0] and one is other


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_what_a_measure_raises_is_raised_wherever_it_runs(wrong):
    """The first measure runs on the caller's thread, the others on theirs, with the same configuration of JAX."""
    floats = []

    def measure(number):
        def take(rows):
            floats.append(jax.config.jax_enable_x64)
            if number == wrong:
                raise ValueError(f"measure {number}")

        yield take

    readings = Readings(GIVEN.chunks, Layer(W))
    for number in range(3):
        readings.begin(measure(number))
    with jax.enable_x64(True), pytest.raises(ValueError, match=f"measure {wrong}"):
        readings.read()
    assert floats and all(floats)


@pytest.mark.parametrize("memory", [0, 2**26])
def test_logits_are_found_once_and_kept(memory, monkeypatch):
    """In a file beyond some size; those of rows that nobody had asked for are found when they are asked for."""
    monkeypatch.setattr("ufm.network.read.mapped.MEMORY", memory)
    made, seen = [], []
    products = Rows._logits
    monkeypatch.setattr(Rows, "_logits", lambda rows: made.append(rows.start) or products(rows))

    def measure():
        yield lambda rows: seen.append(rows.logits if rows.start >= 4 else None)
        yield lambda rows: seen.append(rows.logits)
        yield lambda rows: seen.append(rows.logits)

    def chunks():
        return from_arrays(H=np.arange(N * K).reshape(N, K), W=W, y=np.arange(N) % K).chunks(2)

    readings = Readings(chunks, Layer(W), keep=N)
    readings.begin(measure())
    readings.finish()
    assert made == [4, 6, 0, 2, 4, 6]
    assert isinstance(readings.kept.rows, np.memmap) == (memory == 0)
    for part in (seen[4:8], seen[8:]):
        np.testing.assert_array_equal(np.concatenate(part), np.arange(N * K).reshape(N, K))


def test_without_room_logits_are_found_each_time(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ufm.network.read.mapped.MEMORY", 0)
    monkeypatch.setattr("os.posix_fallocate", full)
    assert Readings(GIVEN.chunks, Layer(W), keep=N).kept.rows is None
