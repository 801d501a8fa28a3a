"""Where the time of the numerical route goes: K = 10, d = 64, λ_H = 1e-4, one thread, float64.

    python -m experiments.benchmark.profile

Operations and bytes are XLA's own counts for the compiled program (`cost_analysis`: a loop's body once, after
fusion, so bytes are what the kernels read and write, in cache or not). Rates are measured in the same process, in
arrays of the size the solver works in. The bound of a stage is the rate that explains most of its time.
"""

import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from experiments.benchmark.tasks import FeatureTask

TASK, COUNT, TILE = FeatureTask(10, 1e-4), 100_000, 1024
WIDE = 1000  # classes of the largest task
STEPS = 5  # of Newton, each of one exponential a class: the arithmetic that cannot be avoided
LOGS = "leap"  # in the name of a stage whose transcendentals are logarithms
NOMINAL = 0.2e-6  # seconds: what the project's plan takes that arithmetic to be worth


@dataclass(frozen=True)
class Rates:
    """Nanoseconds of one exponential and one log1p, bytes a nanosecond in cache and in memory; nanoseconds of a
    product of a WIDE x WIDE matrix with each of many vectors. One thread."""

    exp: float
    log1p: float
    cache: float
    memory: float
    product: float


@dataclass(frozen=True)
class Stage:
    """Nanoseconds a feature, and what is done for one: exponentials or logarithms, bytes; 0 where not counted."""

    name: str
    nanoseconds: float
    transcendentals: float = 0.0
    flops: float = 0.0
    bytes: float = 0.0
    memory: bool = False


def clocked(call, seconds: float = 0.4) -> float:
    """Least seconds of a call after a first one: what else the machine does can only add."""
    call()
    times, began = [], time.perf_counter()
    while len(times) < 3 or (time.perf_counter() - began < seconds and len(times) < 1000):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def measure_rates() -> Rates:
    """In arrays of K x TILE doubles for the cache, of 128 MiB for the memory."""
    import jax
    import jax.numpy as jnp

    def repeated(function, x, rounds: int) -> float:
        """Nanoseconds an entry of y ← function(y, x)."""
        jitted = jax.jit(lambda x: jax.lax.fori_loop(0, rounds, lambda _, y: function(y, x), x))
        return clocked(lambda: jitted(x).block_until_ready()) / rounds / x.size * 1e9

    def stream(y, x):  # reads two numbers and writes one
        return 0.5 * y + x

    matrix, vectors = jnp.full((WIDE, WIDE), 1e-3), jnp.full((WIDE, 256), 0.5)
    product = jax.jit(jnp.matmul)
    small, labels = jnp.full(TASK.classes * TILE, 0.5), jnp.asarray(TASK.labels(TILE).ravel())
    return Rates(
        exp=repeated(lambda y, x: jnp.exp(-y), small, 200),
        log1p=repeated(lambda y, x: jnp.log1p(1e4 * x + 1e-9 * y), labels, 200),  # cheaper at zero
        cache=24.0 / repeated(stream, small, 200),
        memory=24.0 / repeated(stream, jnp.full(2**24, 0.5), 5),
        product=clocked(lambda: product(matrix, vectors).block_until_ready()) / vectors.shape[1] * 1e9,
    )


def measure_stages() -> list[Stage]:
    """What `solve_features` does, each part alone; then the whole call."""
    from experiments.peers.ours import problem
    from ufm.optimize.features import solve_features

    given, labels = problem(TASK), TASK.labels(COUNT)
    whole = clocked(lambda: solve_features(given, labels)) / COUNT * 1e9
    return [
        *_label_stages(labels),
        *_solver_stages(given, labels),
        *_feature_stages(),
        Stage("whole call", whole),
    ]


def _label_stages(labels) -> list[Stage]:
    import jax.numpy as jnp

    from ufm.rules.soft_labels import normalise

    checked = clocked(lambda: normalise(labels)) / COUNT * 1e9
    turned = clocked(lambda: jnp.asarray(labels.T).block_until_ready()) / COUNT * 1e9
    columns = Stage("labels to columns", turned, bytes=16.0 * TASK.classes, memory=True)
    return [Stage("labels checked", checked), columns]


def _solver_stages(given, labels) -> list[Stage]:
    """A chunk of tiles in one compiled call; then one tile's first step and one of its Newton steps."""
    import jax
    import jax.numpy as jnp

    from ufm.optimize.features import chunk_size, etf_coordinates, minimise
    from ufm.optimize.newton import descend_newton, leap

    coordinates, width = etf_coordinates(given, np.float64), chunk_size(given)
    chunk = jnp.asarray(labels[:width].T)
    Y = chunk[:, :TILE]
    start = jax.jit(leap)(coordinates, Y, TASK.lambda_h)
    rounds = 50  # inside one program, since a call costs as much as a leap

    def leaps(Y):
        return jax.lax.fori_loop(0, rounds, lambda _, y: y + 1e-30 * leap(coordinates, y, TASK.lambda_h), Y)

    steps = partial(descend_newton, coordinates, start, Y, TASK.lambda_h, loss_name="cross-entropy")
    one, three = (clocked(lambda n=n: steps(n).q.block_until_ready()) for n in (1, 3))
    repeated = jax.jit(leaps)
    seconds = {
        "solver: a chunk": clocked(
            lambda: minimise(coordinates, chunk, given, "newton", 200)[1].block_until_ready()
        )
        / width,
        "solver: first step (leap)": clocked(lambda: repeated(Y).block_until_ready()) / rounds / TILE,
        f"solver: one of {int(steps(200).steps)} Newton steps": (three - one) / 2 / TILE,
    }
    newton_program = descend_newton.lower(
        coordinates, start, Y, TASK.lambda_h, STEPS, loss_name="cross-entropy"
    )
    leap_program = jax.jit(leap).lower(coordinates, Y, TASK.lambda_h)
    counts = ({}, *(count_operations(each.compile(), TILE) for each in (leap_program, newton_program)))
    return [Stage(name, value * 1e9, **count) for (name, value), count in zip(seconds.items(), counts)]


def _feature_stages() -> list[Stage]:
    """What follows: parts put together, logits turned, features by running sums."""
    from ufm.model.etf import contrasts

    q = np.random.default_rng(0).normal(size=(TASK.classes, COUNT))
    seconds = clocked(lambda: contrasts(q, TASK.dim)) / COUNT * 1e9
    moved = 8.0 * (TASK.classes + TASK.dim)
    return [Stage("features from coordinates", seconds, bytes=moved, memory=True)]


def count_operations(compiled, features: int) -> dict[str, float]:
    """XLA's counts a feature, of a program for so many."""
    found = compiled.cost_analysis() or {}  # a backend need not count
    names = {"transcendentals": "transcendentals", "flops": "flops", "bytes": "bytes accessed"}
    return {name: found.get(key, 0.0) / features for name, key in names.items()}


def bound(stage: Stage, rates: Rates) -> tuple[str, float]:
    """The resource that alone would take longest, and its share of the stage's time."""
    speed, where = (rates.memory, "memory bandwidth") if stage.memory else (rates.cache, "cache bandwidth")
    function, price = ("log", rates.log1p) if LOGS in stage.name else ("exp", rates.exp)
    costs = {where: stage.bytes / speed, f"{function} throughput": stage.transcendentals * price}
    name = max(costs, key=costs.get)
    return (name, costs[name] / stage.nanoseconds) if costs[name] > 0 else ("not counted", 0.0)


def arithmetic(rates: Rates, threads: int, classes: int = TASK.classes) -> float:
    """Seconds a feature of STEPS Newton steps of K exponentials at the measured rate, on so many threads."""
    return STEPS * classes * rates.exp * 1e-9 / threads


def lines(rates: Rates, stages: list[Stage]) -> list[str]:
    """The table, in Markdown."""
    found = [
        f"One thread: exp {rates.exp:.2f} ns, log1p {rates.log1p:.2f} ns, {rates.cache:.0f} GB/s in cache "
        f"({TASK.classes} x {TILE} doubles), {rates.memory:.1f} GB/s in memory, a vector times a matrix of {WIDE} "
        f"classes {rates.product / 1e3:.0f} µs.",
        "A chunk is tiles that leap once and take as many Newton steps as their slowest feature needs;",
        "above 100 % a stage runs faster than the rate as measured alone.",
        "",
        "| stage | ns a feature | exp, log | flops | bytes | bound | explains |",
        "| --- | ---: | ---: | ---: | ---: | --- | ---: |",
    ]
    for stage in stages:
        name, share = bound(stage, rates)
        numbers = [
            f"{value:.0f}" if value else "" for value in (stage.transcendentals, stage.flops, stage.bytes)
        ]
        explains = f"{share:.0%}" if share else ""
        found.append(
            f"| {stage.name} | {stage.nanoseconds:.0f} | {' | '.join(numbers)} | {name} | {explains} |"
        )
    return found


def main() -> int:
    """Measure on one core, and print one line of JSON."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    import jax

    jax.config.update("jax_enable_x64", True)
    rates = measure_rates()
    print(json.dumps({"rates": asdict(rates), "stages": [asdict(stage) for stage in measure_stages()]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
