"""One process of a scaling measurement: ROUTE SIZE [ADDRESS COUNT RANK], or ROUTE SIZE paced.

Answers with one line of JSON: seconds and processor seconds of the better of two runs after one that compiles,
bytes this process gave to the others in it, devices. The clock starts when all processes are ready and stops when
all are done. Paced, it works once to compile, and then once for each line of standard input; each time it
answers with the seconds that it took.
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

    check_features(*feature_problem(size), group=group)


def check(size: int, group: Group) -> None:
    """The same at K = 100, where a row of the table stands for 10,000 features and costs next to nothing."""
    from ufm.agree.features import check_features

    check_features(*feature_problem(size, 100), group=group)


def solve(size: int, group: Group) -> None:
    """`solve_features` on the labels of the first."""
    from ufm.optimize.features import solve_features

    solve_features(feature_problem(size)[0], feature_labels(size))


@cache
def feature_problem(size: int, classes: int = 10):
    """All pairs of some classes at evenly spaced λ, at least `size` of them."""
    from ufm.model.cases import PairCases
    from ufm.model.problem import Problem

    lam = np.linspace(0.0, 1.0, -(-size // classes**2))
    return Problem(classes=classes, multiplier=1.67, lambda_h=5e-4), PairCases(classes, lam)


@cache
def feature_labels(size: int) -> np.ndarray:
    """Their labels as arrays."""
    _, cases = feature_problem(size)
    i, j, _, lam, colam = cases.take(np.arange(cases.count))
    Y, rows = np.zeros((cases.count, cases.classes)), np.arange(cases.count)
    Y[rows, i] += lam
    Y[rows, j] += colam
    return Y


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
    """`size` problems of a sweep at K = 10, the multiplier given, without their files, as `ufm.sweep` does it."""
    from ufm.agree.sweep.points import make_point
    from ufm.runtime.devices import as_here, local_mesh, threads_for
    from ufm.runtime.threads import in_threads

    grid, solve, width = sweep_program(size)

    def block(number: int) -> None:
        part = grid.get_block(number)
        jax.block_until_ready(solve(make_point(grid.values(part), part.group, 0, width)))

    for _ in in_threads(as_here(block), group.part(grid.blocks), threads_for(local_mesh())):
        pass


@cache
def sweep_program(size: int):
    """The grid in 32 blocks, its compiled program and the width of it."""
    from ufm.agree.sweep.block import Shape, block_width, compile_block
    from ufm.commands.grid_file import make_grid

    alpha, devices = {"from": 0.1, "to": 10.0, "count": size, "scale": "log"}, jax.local_devices()
    grid = make_grid({"alpha": alpha, "multiplier": 1.5, "block": -(-size // 32)})
    group = grid.groups[0]
    shape = Shape(group.classes, group.loss, group.pairs, grid.joint)
    return grid, compile_block(shape, np.array(grid.lam), devices), block_width(grid.block, devices)


def joint_bytes(classes: int, bias: bool = False) -> int:
    """Bytes of the sums over labels in one outer step of the joint solver: E h hᵀ, E r, E r rᵀ, D²φ and φ."""
    k = classes - 1
    return 8 * (k * k + k + k * k + k**4 + bias * (k**3 + k * k) + 1)


ROUTES = {"features": features, "check": check, "solve": solve, "joint": joint, "sweep": sweep}


def main(argv: list[str]) -> int:
    """Measure, print."""
    route, size, *where = argv
    jax.config.update("jax_enable_x64", True)
    group = ALONE
    if where == ["paced"]:
        return paced(ROUTES[route], int(size))
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


def paced(work, size: int) -> int:
    """Work when told to."""
    while True:
        began = time.perf_counter()
        work(size, ALONE)
        print(time.perf_counter() - began, flush=True)
        if not sys.stdin.readline():
            return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
