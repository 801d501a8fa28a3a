"""A stream solved by several threads is that of a plain loop: order, results, errors, and how far it runs ahead."""

import threading
from contextvars import ContextVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import ufm.agree.features as agreement
import ufm.optimize.features as solver
from ufm.agree.features import check_features
from ufm.model.cases import PairCases
from ufm.model.problem import Problem
from ufm.optimize.features import solve_features
from ufm.runtime.devices import as_here
from ufm.runtime.threads import half_for_blas, in_threads


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_order_is_kept(threads, count):
    assert list(in_threads(lambda n: n * n, range(count), threads)) == [n * n for n in range(count)]


def test_several_work_at_a_time_and_the_first_alone():
    together, alone = threading.Barrier(2, timeout=20), []

    def work(n):
        if n:
            together.wait()  # breaks unless two are at it
        else:
            alone.append(threading.current_thread() is threading.main_thread())
        return n

    assert list(in_threads(work, range(5), 2)) == list(range(5)) and alone == [True]


def test_no_more_is_begun_than_is_wanted():
    begun = []
    found = in_threads(lambda n: begun.append(n) or n, range(1000), 2)
    assert [next(found), next(found)] == [0, 1]
    found.close()
    assert len(begun) <= 5


def test_an_error_comes_out_where_it_belongs():
    def work(n):
        if n == 3:
            raise ArithmeticError("three")
        return n

    found, seen = in_threads(work, range(9), 2), []
    with pytest.raises(ArithmeticError, match="three"):
        seen += found
    assert seen == [0, 1, 2]


def test_features_are_those_of_one_thread(monkeypatch):
    problem, cases = Problem(classes=3, multiplier=1.0, lambda_h=1e-3), PairCases(3, np.linspace(0, 1, 40))
    monkeypatch.setattr(agreement, "chunk_size", lambda problem: 16)  # many batches
    reports, kept = [], []
    for threads in (1, 3):
        monkeypatch.setattr(agreement, "threads_for", lambda mesh, threads=threads: threads)
        features = []
        reports.append(check_features(problem, cases, keep=lambda n, H, into=features: into.append((n, H))))
        kept.append([np.concatenate(part) for part in zip(*features)])
    rows = [[(row.lam, row.classes, row.error, row.bound) for row in report.rows] for report in reports]
    assert rows[0] == rows[1] and len(rows[0]) > 40 and reports[0].errors.exact == reports[1].errors.exact
    for one, three in zip(*kept):
        np.testing.assert_array_equal(one, three)


def test_solutions_are_those_of_one_thread(monkeypatch):
    """Fifty labels in chunks of 16: each has its own place, whoever solved it, and the last chunk is padded."""
    problem, Y = (
        Problem(classes=3, multiplier=1.0, lambda_h=1e-3),
        np.random.default_rng(0).dirichlet(np.ones(3), 50),
    )
    monkeypatch.setattr(solver, "CHUNK_ENTRIES", 1)
    monkeypatch.setattr(solver, "TILE", 16)
    monkeypatch.setattr(solver, "TILE_ENTRIES", 1)
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(solver, "threads_for", lambda mesh, threads=threads: threads)
        found.append(solve_features(problem, Y))
    one, three = found
    np.testing.assert_array_equal(one.H, three.H)
    np.testing.assert_array_equal(one.logits, three.logits)
    assert one.steps == three.steps and len(np.unique(one.H, axis=0)) == 50
    swapped = solve_features(problem, Y[::-1])
    np.testing.assert_allclose(swapped.H[::-1], one.H, rtol=0, atol=1e-13)
    assert np.abs(swapped.H - one.H).max() > 0.1  # negative control: the places count


def test_threads_work_in_the_context_of_their_caller():
    """JAX's context managers and context variables are a thread's own."""
    variable, seen = ContextVar("variable", default="nobody's"), []

    def work(_):
        seen.append((variable.get(), jnp.result_type(float), jax.config.jax_default_matmul_precision))

    token = variable.set("the caller's")
    with jax.enable_x64(False), jax.default_matmul_precision("tensorfloat32"):
        list(in_threads(as_here(work), range(6), 2))
    variable.reset(token)
    assert set(seen) == {("the caller's", np.dtype(np.float32), "tensorfloat32")}


def blas():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_blas_has_half_of_the_cores_until_the_last_is_done(monkeypatch):
    monkeypatch.setattr("ufm.runtime.threads.usable_cores", lambda: 4)
    with threadpool_limits(3, "blas"):
        one, other = half_for_blas(), half_for_blas()
        one.__enter__()
        other.__enter__()
        assert blas() == {2}
        one.__exit__(None, None, None)  # not in the order of a stack: they are of two threads
        assert blas() == {2}
        other.__exit__(None, None, None)
        assert blas() == {3}
        with pytest.raises(ValueError, match="inside"), half_for_blas():
            raise ValueError("inside")
        assert blas() == {3}


@pytest.mark.parametrize("cores", [1, 2, 8])
def test_blas_never_has_more_threads_than_its_user_gave_it(monkeypatch, cores):
    monkeypatch.setattr("ufm.runtime.threads.usable_cores", lambda: cores)
    with threadpool_limits(1, "blas"):
        with half_for_blas():
            assert blas() == {1}
        assert blas() == {1}
