"""Many devices as one: features, or labels of a law, are cut evenly among them.

Arrays of features run along their last axis. A program is compiled once for all devices; each device solves its
share in loops of its own, so none waits for the slowest. Features need no communication, sums over a law do.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import lru_cache, partial, wraps

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ufm.runtime.programs import Program, quick_options
from ufm.runtime.threads import usable_cores
from ufm.runtime.watchdog import handed

AXIS = "parts"
ALL = PartitionSpec()  # the same on all devices
CUT, CUT_LAST = PartitionSpec(AXIS), PartitionSpec(None, AXIS)  # the one axis, or the last of two, cut
# GPUs whose float64 runs at a half of float32, or nearly
FAST64 = re.compile(r"\b(P100|V100|A30|A[18]00|H[128]00|GH200|G?B200|MI\d{3}[AX]?)\b")


@lru_cache(1)
def local_mesh() -> Mesh:
    """The devices of this process, in one line."""
    return Mesh(np.array(jax.local_devices()), (AXIS,))


def first_devices() -> list:
    """One device of each process, in the order of the processes."""
    found = {device.process_index: device for device in sorted(jax.devices(), key=lambda d: -d.id)}
    return [found[rank] for rank in sorted(found)]


@lru_cache
def summing_mesh(alone: bool = False) -> Mesh:
    """For programs with sums between devices: those of all processes, or of this one alone; of CPUs one a process.

    XLA's threads serve one CPU device as well as many, and the devices of one process, waiting for each other in a
    sum, can hold the threads that their matrix products need: seen with jax 0.10.2, 2 devices and 20 000 labels.
    """
    found = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    found = first_devices() if found[0].platform == "cpu" else found
    own = [device for device in found if device.process_index == jax.process_index()]
    return Mesh(np.array(own if alone else found), (AXIS,))


@lru_cache(1)
def one_device() -> Mesh:
    """The first device of this process."""
    return Mesh(np.array(jax.local_devices()[:1]), (AXIS,))


@lru_cache
def spread(function, mesh: Mesh, **static):
    """A jitted function(shared, *batched) that gives every device of the mesh its share of the last axes.

    shared: one value, the same on all devices; batched and what is returned: arrays of features, whose
    number is a multiple of that of the devices, or one entry a device. `function` must be known by name (no
    lambda or closure: each would be compiled anew); static: its keyword arguments.
    """
    if mesh.size == 1:  # traced once, and not a second time for the shapes of what is returned
        here = NamedSharding(mesh, PartitionSpec())
        return _alone(function, static, in_shardings=here, out_shardings=here)

    @wraps(function)
    def call(shared, *batched):
        work = lambda *parts: function(*parts, **static)  # noqa: E731
        out = jax.tree.map(_last, jax.eval_shape(work, shared, *batched))
        parts = (PartitionSpec(), *jax.tree.map(_last, batched))
        return jax.shard_map(work, mesh=mesh, in_specs=parts, out_specs=out, check_vma=False)(
            shared, *batched
        )

    return jax.jit(call)


@lru_cache
def share(function, mesh: Mesh, inputs: tuple, outputs, quick: bool = False, **static):
    """A jitted function of arrays cut as the specs say (ALL, CUT, CUT_LAST); its `axis` is for `total`.

    quick: see `quick_options`.
    """
    options = quick_options(mesh.devices.flat[0].platform) if quick else None
    if mesh.size == 1:
        here = NamedSharding(mesh, PartitionSpec())
        return _alone(function, {**static, "axis": None}, options, in_shardings=here, out_shardings=here)

    @wraps(function)
    def work(*parts):
        return jax.tree.map(settle, function(*parts, axis=AXIS, **static), outputs)

    def settle(part, spec):
        return agree(part, AXIS) if spec == ALL else part

    cut_up = jax.shard_map(work, mesh=mesh, in_specs=inputs, out_specs=outputs, check_vma=False)
    return jax.jit(cut_up, compiler_options=options)


def _alone(function, static: dict, options: dict | None = None, **shardings) -> Program:
    """The function with its static arguments, for one device."""
    jitted = jax.jit(wraps(function)(partial(function, **static)), compiler_options=options, **shardings)
    return Program(jitted, (*sorted(static.items()), options is None))


def each_step(limit: int, mesh: Mesh) -> Iterator[int]:
    """0 … limit − 1; the watchdog looks after each step, unless it waits for other processes too."""
    alone = all(device.process_index == jax.process_index() for device in mesh.devices.flat)
    for count in range(limit):
        with handed(f"step {count + 1} of the joint problem") if alone else nullcontext():
            yield count


def total(parts, axis: str | None):
    """Sums over all devices of what each has of an axis; None: there is one."""
    return parts if axis is None else jax.lax.psum(parts, axis)


def agree(part, axis: str | None):
    """What the first device has, on all: LAPACK's eigenvectors are not the same on every processor."""
    if axis is None:
        return part
    first = jax.lax.axis_index(axis) == 0
    return jax.tree.map(lambda x: jax.lax.psum(jnp.where(first, x, jnp.zeros_like(x)), axis), part)


def cut(array: np.ndarray, mesh: Mesh, spec: PartitionSpec) -> jax.Array:
    """An array that every process holds whole, as one of which every device holds its share."""
    return jax.make_array_from_callback(array.shape, NamedSharding(mesh, spec), lambda where: array[where])


def threads_for(mesh: Mesh) -> int:
    """Threads that hand out work for the mesh: one a core where it is one CPU device, else one."""
    return usable_cores() if mesh.size == 1 and mesh.devices.flat[0].platform == "cpu" else 1


def as_here(work: Callable) -> Callable:
    """`work` for another thread, as it would be done on this one: JAX's context managers are a thread's own."""
    # JAX adds a flag's attribute at run time, which a checker cannot see
    x64 = jax.config.jax_enable_x64  # type: ignore[attr-defined]
    device = jax.config.jax_default_device  # type: ignore[attr-defined]
    precision = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]

    def there(item):
        with jax.enable_x64(x64), jax.default_device(device), jax.default_matmul_precision(precision):
            return work(item)

    return there


def exact_mesh(mesh: Mesh) -> Mesh:
    """Devices whose float64 is IEEE's, which bounds rely on: those of the mesh, or for TPUs the host's CPU."""
    if mesh.devices.flat[0].platform != "tpu":
        return mesh
    return Mesh(np.array(jax.local_devices(backend="cpu")[:1]), (AXIS,))


def exactly():
    """A context in which programs run where float64 is IEEE's: on TPUs on the host's CPU."""
    if jax.local_devices()[0].platform != "tpu":
        return nullcontext()
    return jax.default_device(jax.local_devices(backend="cpu")[0])


def float64_is_slow() -> bool:
    """TPUs do it in software, GPUs outside computing centres at a small share of their float32 rate."""
    device = jax.local_devices()[0]
    return device.platform != "cpu" and not FAST64.search(device.device_kind)


def own_rows(count: int, mesh: Mesh) -> slice:
    """Which of `count` things, cut evenly among the devices of the mesh, this process has."""
    each = -(-count // mesh.size)
    places = [n for n, device in enumerate(mesh.devices.flat) if device.process_index == jax.process_index()]
    return slice(min(count, each * places[0]), min(count, each * (places[-1] + 1)))


def own_columns(array: jax.Array) -> np.ndarray:
    """What this process has of an array cut along its last axis."""
    shards = sorted(array.addressable_shards, key=lambda shard: shard.index[-1].start or 0)
    return np.concatenate([np.asarray(shard.data) for shard in shards], -1)


def _last(array) -> PartitionSpec:
    return PartitionSpec(*[None] * (array.ndim - 1), AXIS)
