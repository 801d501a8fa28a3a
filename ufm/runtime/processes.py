"""Several processes as one run, on JAX's own distributed runtime: who takes part, and what they exchange.

Each process solves its part of the work on its own devices; only reductions cross, a few numbers a row. All of
them run the same command; process 0 prints and writes. JAX finds the others by itself on Slurm, Kubernetes and
TPUs; elsewhere the address of process 0, their number and the own number are given.
"""

import hashlib
import os
import socket
import sys
from dataclasses import dataclass
from functools import cache
from itertools import count

import numpy as np

from ufm.rules.errors import InputError
from ufm.runtime.private import wait_for_all
from ufm.runtime.supervisor import SUPERVISED

SILENCE = 20  # seconds without a heartbeat after which a process counts as dead
PATIENCE = 50  # seconds to wait for all to arrive
PARTING = 15  # seconds to wait for all at the end
AGES = 20 * 24 * 3600 * 1000  # milliseconds to wait for slower processes: heartbeats tell of dead ones
_ROUNDS = count()


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
        array = np.asarray(array)[None]
        return array if self.count == 1 else _gather(array)

    def total(self, array):
        """The sum of the arrays of all processes, the same to the last bit on each of them."""
        return self.gather(array).sum(0)

    def first(self, array):
        """The array of process 0, on every process; sent only where another holds a different one."""
        array = np.asarray(array)
        if self.count == 1 or self._same(array.tobytes()) is None:
            return array
        return self.gather(array)[0]

    def meet(self) -> None:
        """Wait for all."""
        self.gather(np.array(self.rank))

    def require_same(self, what: bytes) -> None:
        """Raise InputError, on every process, unless all hold the same."""
        other = self._same(what)
        if other is not None:
            raise InputError(
                f"process {other} was given another problem than process 0: "
                "run the same command, with the same files, on all of them"
            )

    def _same(self, what: bytes) -> int | None:
        """None if all hold the same, else the first process that holds something else than process 0."""
        digests = self.gather(np.frombuffer(hashlib.sha256(what).digest(), np.uint8))
        others = np.flatnonzero((digests != digests[0]).any(1))
        return int(others[0]) if len(others) else None

    def share(self, data: bytes) -> bytes:
        """What process 0 gives, on every process."""
        size = int(self.first(np.array(len(data))))
        return self.first(np.frombuffer(data[:size].ljust(size), np.uint8)).tobytes()


ALONE = Group()


def join_group(address: str | None, count: int | None, rank: int | None) -> Group:
    """Take part in a distributed run; before JAX starts its devices. Returns when all are there.

    InputError where no cluster is found, or process 0 cannot listen. Where others do not come JAX aborts, and the
    supervisor says so.
    """
    import jax

    if SUPERVISED in os.environ:
        _keep_stdout()
    if rank == 0 and address is not None:
        _check_port(address)
    jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM for itself
    try:
        jax.distributed.initialize(
            address,
            count,
            rank,
            initialization_timeout=PATIENCE,
            heartbeat_timeout_seconds=SILENCE,
            shutdown_timeout_seconds=PARTING,
        )
        group = Group(jax.process_index(), jax.process_count())
    except (ValueError, RuntimeError) as error:
        raise InputError(_no_group(address, error)) from None
    group.meet()
    return group


def _gather(array: np.ndarray) -> np.ndarray:
    """By a collective over one device of each process, once all are ready for it; as bytes, which none rounds."""
    import jax

    wait_for_all(f"ufm-{next(_ROUNDS)}", AGES)
    cut, collect = _collective()
    own = np.ascontiguousarray(array).reshape(-1).view(np.uint8)[None]
    whole = collect(jax.make_array_from_process_local_data(cut, own))
    return np.array(whole.addressable_data(0)).view(array.dtype).reshape(len(whole), *array.shape[1:])


@cache
def _collective():
    """How rows lie on the processes, and a function that gives all of them to each: compiled once a shape."""
    import jax
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    from ufm.runtime.devices import first_devices

    mesh = Mesh(np.array(first_devices()), ("processes",))
    everywhere = NamedSharding(mesh, PartitionSpec())
    return NamedSharding(mesh, PartitionSpec("processes")), jax.jit(lambda x: x, out_shardings=everywhere)


def _check_port(address: str) -> None:
    """InputError at once where process 0 cannot listen: JAX would try for a minute."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", int(address.rpartition(":")[2])))
        except OSError as error:
            reason = error.strerror
            raise InputError(f"--coordinator {address}: process 0 cannot listen there ({reason})") from None


def _no_group(address: str | None, error: Exception) -> str:
    first = str(error).strip().splitlines()[0]
    if address is None:
        return (
            f"--distributed finds no cluster ({first}): outside Slurm, Kubernetes and TPUs give --coordinator "
            "HOST:PORT, --processes and --process"
        )
    return f"--distributed: the processes did not meet at {address} within {PATIENCE} s ({first})"


def _keep_stdout() -> None:
    """Standard output for Python alone: what C++ writes there, of its connections, goes to standard error."""
    sys.stdout.flush()
    kept = os.fdopen(os.dup(1), "w", encoding=sys.stdout.encoding, errors="replace")
    os.dup2(2, 1)
    sys.stdout = kept
