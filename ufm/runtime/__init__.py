"""What the work runs on: devices, threads, processes, precision, streams, and the watch over all of them.

devices     many devices as one
threads     pieces of a stream in a few threads
effort      how long a command will take
processes   several processes as one run
private     what is taken from JAX beyond its public names
programs    compiled programs kept between runs
start       how the commands start JAX, and in which arithmetic
streams     the standard streams of a command
supervisor  why a distributed command ended
watchdog    work that stands still ends the command
"""

from ufm.facade import facade

__all__, __getattr__, __dir__ = facade(
    __name__,
    {
        "devices": (
            "ALL CUT CUT_LAST agree as_here cut each_step exact_mesh exactly local_mesh one_device own_columns "
            "own_rows share spread summing_mesh threads_for total"
        ),
        "processes": "ALONE Group",
        "programs": "Program common_width is_own keep_programs own_process program quick_options",
        "start": "choose_precision start_group start_jax",
        "streams": "mend_streams silence_stdout",
        "supervisor": "LOST is_lost leave needs_supervisor supervise",
        "threads": "half_for_blas in_threads usable_cores",
        "watchdog": "handed watch",
    },
)
