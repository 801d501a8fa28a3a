"""What tests of the sweep share: a kernel that costs nothing, and a process whose children can be killed.

python -m tests.sweeps        reads one command line of `ufm.sweep` a line, runs it in a fork with the
                              costless kernel, prints the fork's id, then its exit status
"""

import io
import os
import sys
import time
from contextlib import contextmanager

import jax
import numpy as np
import pyarrow.parquet as pq

import ufm.commands.runs.sweep
import ufm.output.dataset
from ufm import sweep
from ufm.agree.sweep.block import Answer, Numbers


def free_kernel(shape, lam, devices):
    """Stands in for `compile_block`: numbers that tell problems and features apart, without any work."""
    features = 1 + len(lam)

    def answers(point):
        each = np.asarray(point.lambda_h)[:, None] * 1e-9
        table = [each + 1e-3 * n + 1e-6 * np.arange(features) for n in range(12)]
        small = np.broadcast_to(1e-15 * np.arange(1, features + 1), table[0].shape)
        numbers = Numbers(*table[:6]), Numbers(*table[6:])
        return Answer(point.lambda_h, point.lambda_w, *numbers, small, 2 * small, 3 * small)

    return answers


@contextmanager
def careless(path):
    """What `whole_file` must not be: the file has its name before it has its bytes."""
    held = io.BytesIO()
    yield held
    data = held.getvalue()
    with open(path, "wb") as file:
        file.write(data[: len(data) // 2])
        file.flush()
        time.sleep(0.02)
        file.write(data[len(data) // 2 :])


def rows(folder) -> list[dict]:
    """All rows of a dataset, file by file."""
    return [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def main() -> None:
    """Fork, run, report, until the input ends. JAX starts in the forks only: threads do not survive a fork."""
    ufm.commands.runs.sweep.compile_block = free_kernel
    jax.config.update("jax_num_cpu_devices", 1)
    for line in sys.stdin:
        argv = line.split()
        if argv[0] == "careless":
            ufm.output.dataset.whole_file, argv = careless, argv[1:]
        child = os.fork()
        if child == 0:
            os._exit(sweep.main(argv))
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
