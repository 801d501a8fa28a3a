"""Optimal features for a given classifier, by blind numerical optimisation from zero."""

import warnings
from collections.abc import Hashable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

import ufm.rules.numbers as checked
from ufm.model.etf import etf_basis, write_contrasts, zero_features
from ufm.model.problem import Problem
from ufm.optimize.coordinates import Conditioned, Isometric, Reduced, condition_classifier, reduce_classifier
from ufm.optimize.newton import Iterate, newton_from_zero
from ufm.rules.brief import shown
from ufm.rules.errors import InputError
from ufm.rules.soft_labels import normalise, repair, said
from ufm.runtime.devices import as_here, local_mesh, spread, threads_for
from ufm.runtime.programs import common_width
from ufm.runtime.threads import in_threads
from ufm.runtime.watchdog import handed

METHODS = {"newton": 200, "lbfgs": 500, "gd": 20000}  # and their default step limits
CHUNK_ENTRIES, CHUNK = 2**18, 2**13  # logits and features in one call, at most
TILE = 64  # features solved at a time, at least
TILE_ENTRIES = 2**13  # and their logits: 64 KiB an array in float64, so that ten of them stay in cache
MATRIX_ENTRIES = 2**20  # entries of their K x r and r x r matrices, 8 MiB


class Frame(NamedTuple):
    """Coordinates of a classifier and the isometry from them to features: h = lift q, lift (d x r)."""

    coordinates: Isometric | Conditioned | Reduced
    lift: np.ndarray


class FeatureSolution(NamedTuple):
    """Numerical optima for N labels.

    H (N, d) features; logits (N, K); steps taken by the slowest chunk; converged: the
    method's own opinion, which is no evidence: use `certify_features`. trace: the path, if recorded.
    """

    H: np.ndarray
    logits: np.ndarray
    steps: int
    converged: bool
    trace: tuple | None = None

    def __repr__(self) -> str:
        return shown(self)


def frame(problem: Problem, dtype=np.float64) -> Frame:
    """The classifier's row space in isometric coordinates: O(K) for the built-in ETF."""
    if problem.classifier is None:
        return Frame(etf_coordinates(problem, dtype), etf_basis(problem.classes, problem.d).T.astype(dtype))
    found = condition_classifier(problem.classifier, dtype) if problem.loss == "cross-entropy" else None
    return Frame(*(found or reduce_classifier(problem.classifier, dtype)))


def etf_coordinates(problem: Problem, dtype) -> Isometric:
    """Coordinates of the built-in ETF, without the d x K isometry to features."""
    return Isometric(np.asarray(np.sqrt(problem.gain), dtype))


def _route(problem: Problem, dtype) -> tuple:
    """Coordinates, and write(q, H): their features (d, B) into zeros; for the built-in ETF O(K) each, no matrix."""
    if problem.classifier is None:
        return etf_coordinates(problem, dtype), write_contrasts
    coordinates, lift = frame(problem, dtype)
    return coordinates, lambda q, H: np.matmul(lift, q, out=H)


def coordinate_count(problem: Problem) -> int:
    """Number r of coordinates of one feature."""
    return problem.classes if problem.classifier is None else min(problem.classifier.shape)


def minimise(
    coordinates,
    Y: Float[Array, "K B"] | Float[np.ndarray, "K B"],
    problem: Problem,
    method: str,
    max_steps: int,
    transform=None,
    *,
    first=None,
    mesh: Mesh | None = None,
) -> tuple[Iterate, Array]:
    """One batch from the starting point q = 0 by the named method, cut evenly among the devices of the mesh, and
    the logits (K, B).

    λ_H and W are traced: no recompilation (except for the default step size of gd). first: a dtype in which
    Newton begins, before it ends in that of Y. steps: one number a device.
    """
    mesh = mesh or local_mesh()
    static = static_options(coordinates, problem, Y.shape[1], method, max_steps, first, mesh, transform)
    solve = spread(_share_with_logits, mesh, **static)
    return solve((coordinates, np.asarray(problem.lambda_h, Y.dtype), max_steps), Y)


def static_options(
    coordinates, problem: Problem, count: int, method: str, max_steps: int, first, mesh: Mesh, transform=None
) -> dict[str, Hashable]:
    """What `minimise_share` is compiled for, `count` labels cut evenly among the devices of the mesh."""
    checked.choice("method", method, METHODS)
    static: dict[str, Hashable] = {"method": method, "loss_name": problem.loss}
    if method == "newton":
        share, tile = count // mesh.size, tile_size(coordinates, problem.classes)
        static |= {"tile": 0 if share % tile else tile, "first": first}
    if method == "gd":
        static |= {"transform": transform or _default_transform(problem), "steps": max_steps}
    return static


def minimise_share(shared, Y, *, method: str, loss_name: str, **options) -> Iterate:
    """The features of one device, traced. shared: coordinates, λ_H, step limit; steps comes as an array of one."""
    coordinates, lambda_h, max_steps = shared
    if method == "newton":
        found = newton_from_zero(coordinates, Y, lambda_h, max_steps, loss_name=loss_name, **options)
    else:
        from ufm.optimize.descent import descend, lbfgs  # loads optax, which Newton does without

        q = coordinates.zero(Y)
        if method == "lbfgs":
            found = lbfgs(coordinates, q, Y, lambda_h, max_steps, loss_name=loss_name)
        else:
            found = descend(coordinates, q, Y, lambda_h, loss_name=loss_name, **options)[0]
    return found._replace(steps=found.steps[None])


def _share_with_logits(shared, Y, **options) -> tuple[Iterate, Array]:
    found = minimise_share(shared, Y, **options)
    return found, shared[0].logits(found.q)


def chunk_size(problem: Problem) -> int:
    """Features a chunk, so that memory depends neither on N nor on the number of pairs: whole tiles if many.

    A feature needs K logits, and against an explicit classifier a K x r and an r x r matrix.
    """
    K, r = problem.classes, coordinate_count(problem)
    matrices = 0 if problem.classifier is None else (K * r + r * r) // 16
    most, tile = min(CHUNK, CHUNK_ENTRIES // max(K, matrices)), _tile(K)
    return most // tile * tile or max(16, most)


def tile_size(coordinates, classes: int) -> int:
    """Features solved at a time, a power of two. Without structure of W each needs K r + r² numbers more."""
    if not isinstance(coordinates, Reduced):
        return _tile(classes)
    K, r = coordinates.matrix.shape
    return min(_tile(classes), 2 ** max(0, round(np.log2(MATRIX_ENTRIES / (K * r + r * r)))))


def _tile(classes: int) -> int:
    return max(TILE, 2 ** max(0, round(np.log2(TILE_ENTRIES / classes))))


def call_size(tile: int, classes: int, count: int, devices: int) -> int:
    """Features a call of the compiled solver: on each device whole tiles, or one smaller one."""
    share = -(-count // devices)
    most = max(tile, min(CHUNK, CHUNK_ENTRIES // classes) // tile * tile)
    return devices * min(most, share if share < tile else -(-share // tile) * tile)


def solve_features(
    problem: Problem,
    labels: Float[np.ndarray, "N K"],
    *,
    method: str = "newton",
    max_steps: int | None = None,
    dtype=np.float64,
    first=None,
    transform=None,
    record: bool = False,
) -> FeatureSolution:
    """Minimise f(h) = ℓ(W h, y) + (λ_H/2)‖h‖² for each of N soft labels, from h = 0, on all local devices.

    method: "newton" (damped, batched), "lbfgs" (optax) or "gd" (`transform`, any optax
    transformation; record=True keeps the path). Needs float64 unless dtype says otherwise;
    first=np.float32 begins Newton in float32, for devices where float64 is slow.
    The same as traced functions of arrays, with derivatives: `ufm.optimal_features`, `ufm.optimal_features_etf`.
    """
    _check_options(method, max_steps, dtype, first, transform, record)
    checked.instance("problem", problem, Problem)
    given = checked.numbers("labels", labels, ("N", problem.classes))
    require_dtype(dtype)
    max_steps = METHODS.get(method, 0) if max_steps is None else max_steps
    coordinates, write = _route(problem, dtype)
    if record:
        return _recorded(
            problem, coordinates, write, normalise(given, "labels").astype(dtype), max_steps, transform
        )
    found = _Found(problem, write, len(given), np.dtype(dtype))
    tile, count, devices = tile_size(coordinates, problem.classes), len(given), local_mesh().size
    if method == "newton" and count < tile * devices:
        count = min(tile * devices, common_width(count))
    width = call_size(tile, problem.classes, count, devices)
    misses = [0.0]  # how far sums of rows were from one

    def solve(n: int) -> tuple[int, Iterate, Array]:
        Y, off = repair(given[n : n + width], "labels", n)
        misses.append(off)
        chunk = pad(Y.astype(dtype, copy=False).T, width)
        with handed(f"features from {n} on, of {len(given)}"):
            return n, *minimise(coordinates, chunk, problem, method, max_steps, transform, first=first)

    _put_all(solve, found, range(0, len(given), width))
    if note := said(max(misses)):
        warnings.warn(note, stacklevel=2)
    return found.solution()


def _check_options(method: str, max_steps, dtype, first, transform, record) -> None:
    """InputError for what cannot be asked for, or not together."""
    checked.choice("method", method, METHODS)
    checked.precision("dtype", dtype)
    if first is not None:
        checked.precision("first", first)
    if max_steps is not None:
        checked.integer("max_steps", max_steps, 0, checked.MAX_STEPS)
    if method != "gd" and (checked.flag("record", record) or transform is not None):
        raise InputError(f'record and transform belong to method="gd", not to {method!r}')
    if transform is not None and not (hasattr(transform, "init") and hasattr(transform, "update")):
        raise InputError(f"transform must be an optax transformation, got {type(transform).__name__}")
    if first is not None and method != "newton":
        raise InputError(f'first belongs to method="newton", not to {method!r}')


def _put_all(solve, found: "_Found", starts: range) -> None:
    """Every chunk solved and put in its place, by a thread a core where the device is one CPU."""
    threads = threads_for(local_mesh())
    if threads == 1:
        for part in [solve(n) for n in starts]:  # all are on their way before the first is looked at
            found.put(*part)
        return
    for _ in in_threads(as_here(lambda n: found.put(*solve(n))), starts, threads):
        pass


class _Found:
    """Features and logits of `count` labels, put together from chunks."""

    def __init__(self, problem: Problem, write, count: int, dtype):
        self.write, self.count = write, count
        self.ends: list[tuple[int, bool]] = []
        self.H = zero_features(problem.classes, problem.d, count, dtype)
        self.logits = np.empty((count, problem.classes), dtype)

    def put(self, start: int, last: Iterate, z) -> None:
        """The features from number `start` on, without what pads the last chunk."""
        with handed(f"features from {start} on, of {self.count}"):
            q = np.asarray(last.q)[:, : self.count - start]
        stop = start + q.shape[1]
        self.write(q, self.H[:, start:stop])
        self.logits[start:stop] = np.asarray(z).T[: stop - start]
        self.ends.append((int(np.asarray(last.steps).max()), bool(np.asarray(last.done).all())))

    def solution(self, trace=None) -> FeatureSolution:
        """All of them."""
        steps, done = zip(*self.ends)
        return FeatureSolution(self.H.T, self.logits, max(steps), all(done), trace)


def _recorded(problem, coordinates, write, Y, steps, transform) -> FeatureSolution:
    from ufm.optimize.descent import descend

    transform = transform or _default_transform(problem)
    labels, lambda_h = jnp.asarray(Y.T), jnp.asarray(problem.lambda_h, Y.dtype)
    last, trace = descend(
        coordinates,
        coordinates.zero(labels),
        labels,
        lambda_h,
        loss_name=problem.loss,
        transform=transform,
        steps=steps,
        record=True,
    )
    found = _Found(problem, write, len(Y), Y.dtype)
    found.put(0, last, coordinates.logits(last.q))
    return found.solution(trace)


def _default_transform(problem: Problem):
    from ufm.optimize.descent import nesterov

    norm = np.sqrt(problem.gain) if problem.classifier is None else np.linalg.norm(problem.classifier, 2)
    return nesterov(float(norm), problem.lambda_h, 0.5 if problem.loss == "cross-entropy" else 1.0)


def pad(Y: np.ndarray, width: int) -> np.ndarray:
    """Fill a last chunk up to `width` columns by repeating the last one: one compilation per shape."""
    missing = width - Y.shape[1]
    return np.pad(Y, ((0, 0), (0, missing)), mode="edge") if missing else np.ascontiguousarray(Y)


def require_dtype(dtype) -> None:
    """float64 needs JAX's x64 mode; importing ufm never switches it on."""
    if np.dtype(dtype) == np.float64 and jnp.result_type(float) != jnp.float64:
        raise RuntimeError(
            "float64 results need jax.config.update('jax_enable_x64', True) before using ufm "
            "(or pass dtype=np.float32)"
        )
