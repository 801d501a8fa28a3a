"""Optimal features for a given classifier, by blind numerical optimisation from zero."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from ufm.devices import local_mesh, spread
from ufm.etf import contrasts, etf_basis
from ufm.labels import normalise
from ufm.optimize.coordinates import Conditioned, Isometric, Reduced, condition_classifier, reduce_classifier
from ufm.optimize.newton import Iterate, newton_from_zero
from ufm.problem import Problem

METHODS = {"newton": 200, "lbfgs": 500, "gd": 20000}  # and their default step limits
CHUNK_ENTRIES = 2**16  # logits in one call
TILE = 64  # features solved at a time, at least
TILE_ENTRIES = 2**13  # and their logits: 64 KiB an array in float64, so that ten of them stay in cache
MATRIX_ENTRIES = 2**20  # entries of their K x r and r x r matrices, 8 MiB


class Frame(NamedTuple):
    """Coordinates of a classifier and the isometry from them to features: h = lift q, lift (d x r)."""

    coordinates: Isometric | Conditioned | Reduced
    lift: np.ndarray


@dataclass(frozen=True)
class FeatureSolution:
    """Numerical optima for N labels.

    H (N, d) features; logits (N, K); steps taken by the slowest chunk; converged: the
    method's own opinion, which is no evidence: use `certify`. trace: the path, if recorded.
    """

    H: np.ndarray
    logits: np.ndarray
    steps: int
    converged: bool
    trace: tuple | None = None


def frame(problem: Problem, dtype=np.float64) -> Frame:
    """The classifier's row space in isometric coordinates: O(K) for the built-in ETF."""
    if problem.classifier is None:
        return Frame(etf_coordinates(problem, dtype), etf_basis(problem.classes, problem.dim).T.astype(dtype))
    found = condition_classifier(problem.classifier, dtype) if problem.loss == "cross-entropy" else None
    return Frame(*(found or reduce_classifier(problem.classifier, dtype)))


def etf_coordinates(problem: Problem, dtype) -> Isometric:
    """Coordinates of the built-in ETF, without the d x K isometry to features."""
    return Isometric(jnp.asarray(np.sqrt(problem.gain), dtype))


def _route(problem: Problem, dtype) -> tuple:
    """Coordinates, and the isometry q (r, B) -> features (d, B): for the built-in ETF O(K) a feature, no matrix."""
    if problem.classifier is None:
        return etf_coordinates(problem, dtype), partial(contrasts, dim=problem.dim)
    coordinates, lift = frame(problem, dtype)
    return coordinates, partial(np.matmul, lift)


def coordinate_count(problem: Problem) -> int:
    """Number r of coordinates of one feature."""
    return problem.classes if problem.classifier is None else min(problem.classifier.shape)


def minimise(
    coordinates,
    Y: Float[Array, "K B"],
    problem: Problem,
    method: str,
    max_steps: int,
    transform=None,
    *,
    first=None,
    mesh: Mesh | None = None,
) -> Iterate:
    """One batch from the starting point q = 0 by the named method, cut evenly among the devices of the mesh.

    λ_H and W are traced: no recompilation (except for the default step size of gd). first: a dtype in which
    Newton begins, before it ends in that of Y. steps: one number a device.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    mesh = mesh or local_mesh()
    static = {"method": method, "loss_name": problem.loss}
    if method == "newton":
        share, tile = Y.shape[1] // mesh.size, tile_size(coordinates, len(Y))
        static |= {"tile": 0 if share % tile else tile, "first": first}
    if method == "gd":
        static |= {"transform": transform or _default_transform(problem), "steps": max_steps}
    solve = spread(_minimise_share, mesh, **static)
    return solve((coordinates, jnp.asarray(problem.lambda_h, Y.dtype), max_steps), Y)


def _minimise_share(shared, Y, *, method: str, loss_name: str, **options) -> Iterate:
    """The features of one device."""
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


def chunk_size(problem: Problem) -> int:
    """Features a chunk, so that memory depends neither on N nor on the number of pairs: whole tiles if many.

    A feature needs K logits, and against an explicit classifier a K x r and an r x r matrix.
    """
    K, r = problem.classes, coordinate_count(problem)
    matrices = 0 if problem.classifier is None else (K * r + r * r) // 16
    most, tile = CHUNK_ENTRIES // max(K, matrices), _tile(K)
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
    most = max(tile, CHUNK_ENTRIES // classes // tile * tile)
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
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if method != "gd" and (record or transform is not None):
        raise ValueError(f'record and transform belong to method="gd", not to {method!r}')
    if first is not None and method != "newton":
        raise ValueError(f'first belongs to method="newton", not to {method!r}')
    Y = check_labels(problem, labels).astype(dtype, copy=False)
    require_dtype(dtype)
    max_steps = METHODS.get(method, 0) if max_steps is None else max_steps
    coordinates, lift = _route(problem, dtype)
    if record:
        return _recorded(problem, coordinates, lift, Y, max_steps, transform)
    mesh = local_mesh()
    width = call_size(tile_size(coordinates, problem.classes), problem.classes, len(Y), mesh.size)
    parts = [
        minimise(
            coordinates, pad(Y[n : n + width].T, width), problem, method, max_steps, transform, first=first
        )
        for n in range(0, len(Y), width)
    ]
    return _solution(coordinates, lift, parts, len(Y))


def _solution(coordinates, lift, parts: list[Iterate], count: int, trace=None) -> FeatureSolution:
    """The first `count` features of all parts, put together."""
    logits = [_logits(coordinates, part.q) for part in parts]  # all are on their way by now
    q = np.concatenate([np.asarray(part.q) for part in parts], 1)[:, :count]
    return FeatureSolution(
        H=lift(q).T,
        logits=np.concatenate(logits)[:count],
        steps=max(int(np.max(part.steps)) for part in parts),
        converged=all(np.asarray(part.done).all() for part in parts),
        trace=trace,
    )


@jax.jit
def _logits(coordinates, q):
    return coordinates.logits(q).T


def _recorded(problem, coordinates, lift, Y, steps, transform) -> FeatureSolution:
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
    return _solution(coordinates, lift, [last], len(Y), trace)


def _default_transform(problem: Problem):
    from ufm.optimize.descent import nesterov

    norm = np.sqrt(problem.gain) if problem.classifier is None else np.linalg.norm(problem.classifier, 2)
    return nesterov(float(norm), problem.lambda_h, 0.5 if problem.loss == "cross-entropy" else 1.0)


def pad(Y: np.ndarray, width: int) -> Array:
    """Fill a last chunk up to `width` columns by repeating the last one: one compilation per shape."""
    missing = width - Y.shape[1]
    return jnp.asarray(np.pad(Y, ((0, 0), (0, missing)), mode="edge") if missing else Y)


def check_labels(problem: Problem, labels: np.ndarray) -> np.ndarray:
    """Validated soft labels with the right number of classes."""
    Y = normalise(labels)
    if Y.shape[1] != problem.classes:
        raise ValueError(f"labels have {Y.shape[1]} columns for {problem.classes} classes")
    return Y


def require_dtype(dtype) -> None:
    """float64 needs JAX's x64 mode; importing ufm never switches it on."""
    if np.dtype(dtype) == np.float64 and jnp.result_type(float) != jnp.float64:
        raise RuntimeError(
            "float64 results need jax.config.update('jax_enable_x64', True) before using ufm "
            "(or pass dtype=np.float32)"
        )
