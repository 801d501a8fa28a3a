"""Several processes as one run, on JAX's own distributed runtime: who takes part, and what they exchange.

Each process solves its part of the work on its own devices; only reductions cross, a few numbers a row. All of
them run the same command; process 0 prints and writes. JAX finds the others by itself on Slurm, Kubernetes and
TPUs; elsewhere the address of process 0, their number and the own number are given.
"""

import ctypes
import os
import signal
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np

from ufm.supervisor import SUPERVISED

SILENCE = 20  # seconds without a heartbeat after which a process counts as dead
PATIENCE = 60  # seconds to wait for all to arrive
PARTING = 15  # seconds to wait for all at the end


@dataclass(frozen=True)
class Group:
    """The processes of a run, and which of them this one is."""

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """This process prints and writes."""
        return self.rank == 0

    def part(self, count: int, unit: int = 1) -> range:
        """The own part of 0 … count − 1: consecutive, in the order of the ranks, divided at multiples of `unit`."""
        units = -(-count // unit)
        start, stop = (units * rank // self.count * unit for rank in (self.rank, self.rank + 1))
        return range(min(start, count), min(stop, count))

    def gather(self, array) -> np.ndarray:
        """The arrays of all processes, of one shape and type, stacked in the order of their ranks."""
        if self.count == 1:
            return np.asarray(array)[None]
        from jax.experimental.multihost_utils import process_allgather

        return np.asarray(process_allgather(np.asarray(array)))

    def total(self, array):
        """The sum of the arrays of all processes, the same to the last bit on each of them."""
        return self.gather(array).sum(0)

    def meet(self) -> None:
        """Wait for all."""
        self.gather(np.array(self.rank))

    def share(self, data: bytes) -> bytes:
        """What process 0 gives, on every process."""
        size = int(self.gather(np.array(len(data)))[0])
        return self.gather(np.frombuffer(data[:size].ljust(size), np.uint8))[0].tobytes()


ALONE = Group()


def join_group(address: str | None, count: int | None, rank: int | None) -> Group:
    """Take part in a distributed run; before JAX starts its devices. Returns when all are there.

    ValueError where no cluster is found, or where the others do not come.
    """
    import jax
    from jax.experimental.multihost_utils import sync_global_devices

    _die_with_parent()
    try:
        with _stdout_as_stderr():  # where the runtime tells of its connections
            jax.distributed.initialize(
                address,
                count,
                rank,
                initialization_timeout=PATIENCE,
                heartbeat_timeout_seconds=SILENCE,
                shutdown_timeout_seconds=PARTING,
            )
            sync_global_devices(
                "start"
            )  # connects all: a first exchange much later would not wait for the others
    except (ValueError, RuntimeError) as error:
        raise ValueError(_no_group(address, error)) from None
    return Group(jax.process_index(), jax.process_count())


@contextmanager
def _stdout_as_stderr():
    """What C++ writes to standard output does not belong to the command's own."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _no_group(address: str | None, error: Exception) -> str:
    first = str(error).strip().splitlines()[0]
    if address is None:
        return (
            f"--distributed finds no cluster ({first}): outside Slurm, Kubernetes and TPUs give --coordinator "
            "HOST:PORT, --processes and --process"
        )
    return f"--distributed: the processes did not meet at {address} ({first})"


def _die_with_parent() -> None:
    """A supervisor that is killed takes this process along (Linux)."""
    if SUPERVISED in os.environ:
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)
