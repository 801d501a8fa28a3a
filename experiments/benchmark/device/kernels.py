"""What one device does at its best, and how much of that our kernels reach.

    python -m experiments.benchmark.device.kernels '{"platform": "cpu" or "gpu", "scale": {…}}'

Answers with one line of JSON: {"absent": what JAX sees} where there is no such device. Rates are measured in the
same process. Operations and bytes are XLA's own counts for the compiled program (`cost_analysis`: a loop's body
once, after fusion); labels and results stay on the device.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from experiments.benchmark.profile import clocked, count_operations
from experiments.benchmark.tasks import FeatureTask

DESCENT = "Newton: leap and all"
DTYPES = {"float64": np.float64, "float32": np.float32}
LAMBDA_H, NESTED = 1e-4, 32  # exponentials of an entry between its one read and its one write


@dataclass(frozen=True)
class Scale:
    """Entries of each array of the copy and triad (2^25 doubles: 256 MiB), order of the matrices, entries of the
    exponentials, label entries K x B of a kernel, seconds of measuring each, and the numbers of classes.
    """

    stream: int = 2**25
    matrix: int = 8192
    exps: int = 2**24
    labels: int = 2**23
    seconds: float = 0.3
    classes: tuple[int, ...] = (10, 100, 1000)


SMALL = Scale(stream=2**22, matrix=1024, exps=2**20, labels=2**19, seconds=0.1, classes=(10,))


@dataclass(frozen=True)
class DeviceRates:
    """Bytes a second of a copy and of a triad; flops and exponentials a second in each dtype."""

    copy: float
    triad: float
    flops: dict[str, float]
    exps: dict[str, float]


@dataclass(frozen=True)
class Kernel:
    """Seconds a feature of one of our routes, and what is done for one: flops, bytes, transcendentals."""

    name: str
    classes: int
    dtype: str
    seconds: float
    flops: float
    bytes: float
    transcendentals: float

    def shares(self, rates: DeviceRates) -> dict[str, float]:
        """Of the triad's bandwidth, of the matrix product's flops, of the rate of exp."""
        return {
            "bandwidth": self.bytes / self.seconds / rates.triad,
            "flops": self.flops / self.seconds / rates.flops[self.dtype],
            "exp": self.transcendentals / self.seconds / rates.exps[self.dtype],
        }


def main(argv: list[str]) -> int:
    """Measure and print."""
    asked = json.loads(argv[0])
    import jax

    jax.config.update("jax_enable_x64", True)
    device = find_device(asked["platform"])
    if device is None:
        print(json.dumps({"absent": platforms()}))
        return 0
    scale = Scale(**asked["scale"])
    with jax.default_device(device):
        rates = measure_rates(scale)
        kernels = [asdict(kernel) for K in scale.classes for kernel in measure_kernels(K, scale)]
    print(json.dumps({"device": describe(device), "rates": asdict(rates), "kernels": kernels}))
    return 0


def find_device(platform: str):
    """JAX's first device of that platform, or None."""
    import jax

    try:
        return jax.devices(platform)[0]
    except RuntimeError:
        return None


def platforms() -> str:
    """What JAX sees, in words."""
    import jax

    try:
        return ", ".join(sorted({device.platform for device in jax.devices()}))
    except RuntimeError:
        return "nothing"


def describe(device) -> dict[str, str]:
    """Its name, platform and the driver or library that JAX runs it by."""
    version = " ".join(device.client.platform_version.split())
    return {"device": device.device_kind, "platform": device.platform, "platform version": version}


def timed(scale: Scale, function: Callable, *arguments) -> float:
    """Least seconds of a call, its result waited for and left on the device."""
    import jax

    return clocked(lambda: jax.block_until_ready(function(*arguments)), scale.seconds)


def measure_rates(scale: Scale) -> DeviceRates:
    """Bandwidth of float64 streams, matrix products at the highest precision, nested exponentials."""
    import jax
    import jax.numpy as jnp

    one, two = jnp.full(scale.stream, 0.5), jnp.full(scale.stream, 2.0)
    copy, triad = jax.jit(jnp.copy), jax.jit(lambda x, y: 0.5 * x + y)
    return DeviceRates(
        copy=16.0 * scale.stream / timed(scale, copy, one),
        triad=24.0 * scale.stream / timed(scale, triad, one, two),
        flops={name: _flops(scale, dtype) for name, dtype in DTYPES.items()},
        exps={name: _exps(scale, dtype) for name, dtype in DTYPES.items()},
    )


def _flops(scale: Scale, dtype) -> float:
    """2 n³ over the time of a product of n x n matrices; on a GPU that is its tensor cores, where it has such."""
    import jax
    import jax.numpy as jnp

    A = jax.random.normal(jax.random.key(0), (scale.matrix, scale.matrix), dtype)  # zeros and ones run cooler
    product = jax.jit(partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST))
    return 2.0 * scale.matrix**3 / timed(scale, product, A, A)


def _exps(scale: Scale, dtype) -> float:
    """y ← exp(−y), NESTED times in one kernel: bound by exp, not by memory."""
    import jax
    import jax.numpy as jnp

    def nested(y):
        for _ in range(NESTED):
            y = jnp.exp(-y)
        return y

    return NESTED * scale.exps / timed(scale, jax.jit(nested), jnp.full(scale.exps, 0.5, dtype))


def measure_kernels(K: int, scale: Scale) -> list[Kernel]:
    """The numerical route in both precisions, the closed form and the certificate, against the built-in ETF."""
    task = FeatureTask(K, LAMBDA_H)
    labels = task.labels(max(1, scale.labels // K))
    numerical = [kernel for dtype in DTYPES for kernel in newton_kernels(task, labels, dtype, scale)]
    return [*numerical, *closed_kernels(task, len(labels), scale), certificate(task, labels, scale)]


def newton_kernels(task: FeatureTask, labels: np.ndarray, dtype: str, scale: Scale) -> list[Kernel]:
    """The first step (leap), one Newton step, and the whole descent of all features at once."""
    import jax
    import jax.numpy as jnp

    from experiments.peers.ours import problem
    from ufm.optimize.features import etf_coordinates
    from ufm.optimize.newton import descend_newton, leap

    coordinates = etf_coordinates(problem(task), DTYPES[dtype])
    Y, lambda_h = jnp.asarray(labels.T, DTYPES[dtype]), jnp.asarray(task.lambda_h, DTYPES[dtype])
    first = jax.jit(leap).lower(coordinates, Y, lambda_h).compile()
    start = first(coordinates, Y, lambda_h)
    later = descend_newton.lower(coordinates, start, Y, lambda_h, 5, loss_name="cross-entropy").compile()
    descend = partial(later, coordinates, start, Y, lambda_h)
    one, three, whole = (timed(scale, descend, steps) for steps in (1, 3, 200))
    steps, leaping = int(descend(200).steps), timed(scale, first, coordinates, Y, lambda_h)
    counts = [count_operations(each, len(labels)) for each in (first, later)]
    counts.append({name: counts[0][name] + steps * counts[1][name] for name in counts[0]})
    seconds = {
        "Newton: first step (leap)": leaping,
        "Newton: one step": max((three - one) / 2, 1e-9),
        f"{DESCENT} {steps} steps": leaping + whole,
    }
    sizes = (task.classes, dtype)
    return [
        Kernel(name, *sizes, t / len(labels), **count) for (name, t), count in zip(seconds.items(), counts)
    ]


def closed_kernels(task: FeatureTask, count: int, scale: Scale) -> list[Kernel]:
    """The two coefficients of mixed features; and the features of random pairs, in d dimensions."""
    import jax
    import jax.numpy as jnp

    from experiments.peers.ours import problem
    from ufm.theory.features import two_hot_optimum

    given = problem(task)
    lam, W = jnp.asarray(task.mixing(count)), jnp.asarray(given.W / given.gain)
    i, j = jnp.asarray(np.random.default_rng(0).integers(0, task.classes, (2, count)))

    def coefficients(lam):
        best = two_hot_optimum(lam, given.sharpness, float(task.classes))
        return best.x_i, best.x_j

    def features(lam, i, j):
        x_i, x_j = coefficients(lam)
        return x_i[:, None] * W[i] + x_j[:, None] * W[j]

    low, high = jax.jit(coefficients).lower(lam), jax.jit(features).lower(lam, i, j)
    return [
        _kernel("closed form: coefficients", task, count, scale, low, lam),
        _kernel(f"closed form: features, d = {task.dim}", task, count, scale, high, lam, i, j),
    ]


def certificate(task: FeatureTask, labels: np.ndarray, scale: Scale) -> Kernel:
    """Bounds of any candidates in the K coordinates of the ETF."""
    import jax.numpy as jnp

    from experiments.peers.ours import problem
    from ufm.certify.features import certify_etf

    Y = jnp.asarray(labels.T)
    given = (Y, Y, jnp.sqrt(problem(task).gain), jnp.asarray(task.lambda_h))
    lowered = certify_etf.lower(*given, loss_name="cross-entropy")
    return _kernel("certificate", task, len(labels), scale, lowered, *given)


def _kernel(name: str, task: FeatureTask, count: int, scale: Scale, lowered, *arguments) -> Kernel:
    """A float64 program for `count` features, compiled once to be counted and timed."""
    compiled = lowered.compile()
    seconds, counts = timed(scale, compiled, *arguments) / count, count_operations(compiled, count)
    return Kernel(name, task.classes, "float64", seconds, **counts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
