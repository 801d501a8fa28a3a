"""All that the package takes from JAX beyond its public names: a barrier, LAPACK, and what its runtime's log says.

Seen to be so in the versions of SEEN; with another, tests/runtime/test_private.py says what is no longer. Without
the barrier a distributed run needs balanced shares; without LAPACK programs that call it are traced in every run;
where the log reads otherwise, a dead process ends it all the same, with less of a cause. Standard library only.
"""

import re

SEEN = ("0.10.2",)  # of JAX

EXCHANGE = re.compile(  # lines that the runtime writes of its own exchange
    r"\[Gloo\]|.*is connected to \d+ peer ranks|[IWEF]\d{4} .*(coordination|preemption|distributed|client\.h)"
)
SILENT = re.compile(r"stopped sending heartbeats\):\s*([\d, \n]*\d)")
ABSENT = "RegisterTask"
LEADER = ("Either the leader task", "Socket closed")
BROKEN = ("Gloo", "NCCL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "oordination service", "Barrier")


def wait_for_all(name: str, milliseconds: int) -> bool:
    """Until all processes of the run have come to this name; False, at once, where JAX has no such barrier.

    A collective on CPUs waits half an hour for the others at most, and JAX has no public barrier that waits as long
    as they live.
    """
    from jax._src import distributed

    client = getattr(distributed.global_state, "client", None)
    if client is None or not hasattr(client, "wait_at_barrier"):
        return False
    client.wait_at_barrier(name, timeout_in_ms=milliseconds)
    return True


def load_lapack() -> None:
    """Find LAPACK, as JAX does when it lowers a program: one that was lowered in another process would end this one
    at its first call. ImportError where JAX has it elsewhere.
    """
    from jaxlib.lapack import prepare_lapack_call
    from numpy import float64

    prepare_lapack_call("potrf_ffi", float64)
