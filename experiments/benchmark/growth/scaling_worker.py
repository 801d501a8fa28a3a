"""One process of a scaling measurement: ROUTE SIZE [ADDRESS COUNT RANK].

Answers with one line of JSON: seconds and processor seconds of the better of two runs after one that compiles,
bytes this process gave to the others in it, devices. The clock starts when all processes are ready and stops when
all are done.
"""

import json
import sys
import time
from functools import cache

import jax
import numpy as np

from ufm.runtime.processes import ALONE, Group, join_group


class Counted(Group):
    """A group that counts the bytes it gives."""

    given = 0

    def gather(self, array):
        """As in `Group`."""
        type(self).given += np.asarray(array).nbytes
        return super().gather(array)


def features(size: int, group: Group) -> None:
    """`check_features` on at least `size` features at K = 10: solved, certified, compared, reduced."""
    from ufm.agree.features import check_features
    from ufm.model.cases import PairCases
    from ufm.model.problem import Problem

    lam = np.linspace(0.0, 1.0, -(-size // 100))
    check_features(Problem(classes=10, multiplier=1.67, lambda_h=5e-4), PairCases(10, lam), group=group)


def joint(size: int, group: Group) -> None:
    """`check_joint` on `size` drawn labels of ten imbalanced classes."""
    from ufm.agree.joint import check_joint
    from ufm.model.atoms import JointProblem, drawn_law
    from ufm.model.laws import LabelLaw

    law = LabelLaw("mixup", alpha=1.0, class_weights=tuple(np.arange(1, 11) / 55))
    atoms = drawn_law(law, 10, size, 0)
    found = check_joint(JointProblem(atoms, 5e-4, 5e-4), group=group)
    Counted.given += found.solution.steps * joint_bytes(10)


def sweep(size: int, group: Group) -> None:
    """`size` problems of a sweep at K = 10, the multiplier given, without their files."""
    from ufm.agree.sweep.points import make_point

    grid, solve, width = sweep_program(size)
    for number in group.part(grid.blocks):
        block = grid.get_block(number)
        jax.block_until_ready(solve(make_point(grid.values(block), block.group, 0, width)))


@cache
def sweep_program(size: int):
    """The grid in eight blocks, its compiled program and the width of it."""
    from ufm.agree.sweep.block import Shape, block_width, compile_block
    from ufm.commands.grid_file import make_grid

    alpha = {"from": 0.1, "to": 10.0, "count": size, "scale": "log"}
    grid, devices = (
        make_grid({"alpha": alpha, "multiplier": 1.5, "block": -(-size // 8)}),
        jax.local_devices(),
    )
    group = grid.groups[0]
    shape = Shape(group.classes, group.loss, group.pairs, grid.joint)
    return grid, compile_block(shape, np.array(grid.lam), devices), block_width(grid.block, devices)


def joint_bytes(classes: int, bias: bool = False) -> int:
    """Bytes of the sums over labels in one outer step of the joint solver: E h hᵀ, E r, E r rᵀ, D²φ and φ."""
    k = classes - 1
    return 8 * (k * k + k + k * k + k**4 + bias * (k**3 + k * k) + 1)


ROUTES = {"features": features, "joint": joint, "sweep": sweep}


def main(argv: list[str]) -> int:
    """Measure, print."""
    route, size, *where = argv
    jax.config.update("jax_enable_x64", True)
    group = ALONE
    if where:
        found = join_group(where[0], int(where[1]), int(where[2]))
        group = Counted(found.rank, found.count)
    work = ROUTES[route]
    times = []
    for _ in range(3):
        group.meet()
        Counted.given, began, used = 0, time.perf_counter(), time.process_time()
        work(int(size), group)
        given = Counted.given
        group.meet()
        times.append((time.perf_counter() - began, time.process_time() - used))
    seconds, processor = min(times[1:])
    answer = {"seconds": seconds, "processor": processor, "given": given, "devices": jax.local_device_count()}
    print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
