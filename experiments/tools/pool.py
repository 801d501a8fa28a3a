"""Tasks in processes of their own, several at a time."""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from ufm.runtime.threads import usable_cores

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
XLA_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"


def in_processes(work: Callable, tasks: Iterable, jobs: int) -> Iterator[tuple]:
    """(task, work(task)) as each ends; with one job here and in order.

    Where there is no more than a core a job, each has one thread: more would wait for each other. MemoryError where
    one is ended from outside: on most machines only the system does that, for want of memory.
    """
    if jobs == 1:
        for task in tasks:
            yield task, work(task)
        return
    with (
        _threads_for(jobs),
        ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin) as pool,
    ):
        try:
            begun = {pool.submit(work, task): task for task in tasks}
            for future in as_completed(begun):
                yield begun[future], future.result()
        except BrokenProcessPool:
            raise MemoryError("a process was ended from outside: give fewer --jobs") from None
        finally:  # after an interrupt or a failure only what runs already is waited for
            pool.shutdown(cancel_futures=True)


@contextmanager
def _threads_for(jobs: int):
    """The environment that processes begun meanwhile read before they load a library."""
    if jobs * 2 <= usable_cores():
        yield
        return
    before = dict(os.environ)
    flags = f"{before.get('XLA_FLAGS', '')} {XLA_ONE_THREAD}".strip()
    try:
        os.environ.update(ONE_THREAD | {"XLA_FLAGS": flags})
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _begin() -> None:
    from ufm.runtime.start import start_jax

    start_jax()
