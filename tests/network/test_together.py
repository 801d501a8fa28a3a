"""Measures that share a reading: what one block needs is found once, and what a measure raises is raised."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError, Event

import jax
import numpy as np
import pytest

from ufm.network.comparison import Options, compare
from ufm.network.measures.curve import Solved
from ufm.network.read import together
from ufm.network.read.activations import Activations, from_arrays
from ufm.network.read.together import Kept, Layer, Readings, Rows

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


def test_optima_at_different_sharpness_do_not_wait_for_one_another(monkeypatch):
    """The first is found only when the second is: behind one lock neither would be."""
    found = Event()

    def curve(a, classes, delta):
        assert a == 2.0 or found.wait(60)
        found.set()
        return lambda lam: Solved.__new__(Solved)

    monkeypatch.setattr(together, "curve_at", curve)
    rows = Rows(next(GIVEN.chunks()), Layer(W))
    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(rows.solved, (1.0, 2.0))
    assert one is not other


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

    readings = Readings(chunks, Layer(W), Kept(N, K))
    readings.begin(measure())
    readings.finish()
    assert made == [4, 6, 0, 2, 4, 6]
    assert isinstance(readings.kept.rows, np.memmap) == (memory == 0)
    for part in (seen[4:8], seen[8:]):
        np.testing.assert_array_equal(np.concatenate(part), np.arange(N * K).reshape(N, K))


@pytest.mark.parametrize(
    "memory, common, readings", [(2**26, 0, [True, False]), (0, 0, [True, True]), (2**26, 9, [False, False])]
)
def test_blocks_come_with_their_products_until_all_are_kept(memory, common, readings, monkeypatch):
    """Where H is not reduced; without room for logits in each reading, and never where they would be no use, as
    centring takes more away than it leaves. Those of W are the logits without b."""
    asked, b = {}, np.array([-1.0, 0.0, 1.0]) + common
    chunk = Activations.chunk

    def counted(given, stored, Q=None, products=False):
        asked.setdefault(stored[0], []).append(products)
        found = chunk(given, stored, Q, products)
        assert (found.products is not None) == products
        return found

    monkeypatch.setattr(Activations, "chunk", counted)
    monkeypatch.setattr("ufm.network.read.mapped.MEMORY", memory)
    monkeypatch.setattr("os.posix_fallocate", full)
    i = np.arange(300) % K
    H = 5.0 * W[i] + np.arange(300)[:, None] % 7 / 10
    found = compare(from_arrays(H=H, W=W, b=b, y=i), Options(bins=2, replicates=0))
    assert all(part == readings for part in asked.values()) and asked
    assert found.fit.accuracy == np.mean((H @ W.T + b).argmax(1) == i)


def full(*_):
    raise OSError(28, "No space left on device")


def test_what_is_found_beside_the_readings_is_raised(monkeypatch):
    def broken(*_):
        raise ValueError("no excess")

    monkeypatch.setattr("ufm.network.suboptimality.excess_of", broken)
    with pytest.raises(ValueError, match="no excess"):
        compare(GIVEN, Options(lambda_h=0.1, replicates=0))
    assert compare(GIVEN, Options(replicates=0)).excess is None  # where nothing asks for it


def test_without_room_logits_are_found_each_time(monkeypatch):
    monkeypatch.setattr("ufm.network.read.mapped.MEMORY", 0)
    monkeypatch.setattr("os.posix_fallocate", full)
    assert Kept(N, K).rows is None


def test_logits_are_kept_only_where_four_times_their_size_is_free(monkeypatch):
    """Temporary files may be memory, and others write there."""
    usage = type("usage", (), {"free": 4 * 8 * N * K})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    assert Kept(N, K).rows is not None
    usage.free -= 1
    assert Kept(N, K).rows is None


def wide(**more):
    """More classes than dimensions: nothing is reduced."""
    rng, K = np.random.default_rng(0), 40
    y = np.arange(2000) % K
    return from_arrays(H=rng.normal(size=(K, 4))[y], W=rng.normal(size=(K, 4)), y=y, **more)


def test_blocks_that_are_not_reduced_have_room_for_their_logits(monkeypatch):
    monkeypatch.setattr("ufm.network.comparison.WHOLE", 8 * 40 * 128)
    seen, parts = set(), Activations.parts
    monkeypatch.setattr(Activations, "parts", lambda self, rows: seen.add(rows) or parts(self, rows))
    compare(wide(), Options(replicates=0))
    assert seen - {None} == {128}


def test_the_file_of_logits_goes_with_the_comparison(monkeypatch):
    """Not at some later search for garbage: it may be as large as the features."""
    monkeypatch.setattr("ufm.network.read.mapped.MEMORY", 0)
    made = []

    def kept(*sizes):
        made.append(weakref.ref(found := Kept(*sizes)))
        assert isinstance(found.rows, np.memmap)
        return found

    monkeypatch.setattr("ufm.network.comparison.Kept", kept)
    gc.collect()
    gc.disable()
    try:
        compare(wide(), Options(replicates=0))
        assert [ref() for ref in made] == [None]
    finally:
        gc.enable()
