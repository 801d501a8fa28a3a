"""Each variant as a function of a flat vector, and its blind optimum: all starts are random, of a fixed seed.

Norms and budgets are taken as used up (R v/‖v‖: the certificate knows that less may be used), h ≥ 0 is h = v², and
margins alone are constraints.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ufm.loss import LOSSES
from ufm.model.variants.problem import COUNTS, VariantProblem, margins
from ufm.optimize.variants.search import Program, compile_program, minimise_from

STARTS = {"softmax-codes": 6, "focal": 24, "deep-linear": 24, "relu-features": 24}
FEW = 4  # starts of the others
LINE = 64  # in one dimension, where a row of norm one is a sign and cannot turn


@dataclass(frozen=True, eq=False)
class VariantSolution:
    """The best of the starts: W (K, d) (of deep networks their product, of one score a row), H (n, d), objective,
    ‖gradient‖ of the Lagrangian, multipliers and violation of the margins; objectives of all starts, ascending."""

    W: Float[np.ndarray, "K d"]
    H: Float[np.ndarray, "n d"]
    objective: float
    slope: float
    multipliers: np.ndarray
    violation: float
    starts: tuple[float, ...]


class Family(NamedTuple):
    """What is compiled once: the kind, its integers, sizes, loss and (max-margin) the labels' supports."""

    kind: str
    few: int
    sizes: tuple[int, int, int]
    loss: str
    support: tuple[tuple[bool, ...], ...]


def solve_variant(problem: VariantProblem) -> VariantSolution:
    """The best local minimum of several starts. No bound: see `ufm.certify.variants`."""
    family, data = _family(problem), _data(problem)
    model = _model(family)
    program = _compiled(family)
    rng = np.random.default_rng(0)
    count = LINE if problem.joint.d == 1 else STARTS.get(family.kind, FEW)
    found = [
        minimise_from(program, model.retract(model.start(rng)), data, model.retract) for _ in range(count)
    ]
    best = min(found, key=lambda one: one.value)
    W, H = (np.asarray(part) for part in model.point(best.x, data))
    return VariantSolution(
        W,
        H,
        best.value,
        best.slope,
        best.multipliers,
        best.violation,
        tuple(sorted(one.value for one in found)),
    )


class Evaluation(NamedTuple):
    """A given point: objective, ‖gradient‖ of it, largest violation of the margins."""

    objective: float
    slope: float
    violation: float


def evaluate_variant(problem: VariantProblem, *parts) -> Evaluation:
    """A point given by all its parts: W₁, …, H (for softmax codes: t, W, H)."""
    program, data = _compiled(_family(problem)), _data(problem)
    x = np.concatenate([np.ravel(part) for part in parts])
    g = np.asarray(program.constraints(x, data))
    slope = program.derivatives(x, np.zeros(g.shape), data)[0] if not g.size else 0.0
    value = float(program.objective(x, data))
    return Evaluation(value, float(np.linalg.norm(slope)), float(np.max(-g, initial=0.0)))


class Data(NamedTuple):
    """Traced: labels (n, K), weights (n), λ_W, λ_H and the variant's numbers, at least two."""

    Y: np.ndarray
    q: np.ndarray
    ridge: np.ndarray
    numbers: np.ndarray


def _data(problem: VariantProblem) -> Data:
    joint, numbers = problem.joint, problem.variant.numbers
    ridge = np.array([joint.lambda_w, joint.lambda_h])
    return Data(
        joint.atoms.labels, joint.atoms.weights, ridge, np.array([*numbers, 0.0, 0.0])[: max(len(numbers), 2)]
    )


def _family(problem: VariantProblem) -> Family:
    kind, labels = problem.variant.kind, problem.joint.atoms.labels
    count = int(problem.variant.numbers[0]) if kind in COUNTS else 0
    support = tuple(map(tuple, (labels > 0).tolist())) if kind == "max-margin" else ()
    return Family(kind, count, problem.size, problem.joint.loss, support)


class Model(NamedTuple):
    """start(rng) -> x; point(x, data) -> W, H; objective, constraints of (x, data); retract(x): rows of norm 1."""

    start: Callable
    point: Callable
    objective: Callable
    constraints: Callable | None = None
    retract: Callable = lambda x: x


def _model(family: Family) -> Model:
    return MODELS[family.kind](family)


@lru_cache(maxsize=32)
def _compiled(family: Family) -> Program:
    model = _model(family)
    return compile_program(model.objective, model.constraints)


def _parts(x, *shapes):
    """Arrays of these shapes out of a flat vector."""
    found, at = [], 0
    for shape in shapes:
        count = int(np.prod(shape))
        found.append(x[at : at + count].reshape(shape))
        at += count
    return found


def _starts(*shapes, spread: float = 1.0):
    size = sum(int(np.prod(shape)) for shape in shapes)
    return lambda rng: spread * rng.standard_normal(size)


def _fit(loss: str, at, data: Data):
    """E ℓ(W h, y); at: W and H."""
    W, H = at
    return jnp.sum(data.q * LOSSES[loss].value(W @ H.T, data.Y.T))


def _rows_of_one(d: int, skip: int = 0):
    """Rows of length d, after `skip` other numbers, brought to norm one."""

    def retract(x):
        rows = x[skip:].reshape(-1, d)
        return np.concatenate([x[:skip], (rows / np.linalg.norm(rows, axis=1, keepdims=True)).ravel()])

    return retract


def _sphere(V, radius):
    return radius * V / jnp.linalg.norm(V, axis=-1, keepdims=True)


def _norm_constrained(family: Family) -> Model:
    K, d, n = family.sizes

    def point(x, data):
        V, U = _parts(x, (K, d), (n, d))
        return _sphere(V, data.numbers[0]), _sphere(U, data.numbers[1])

    def objective(x, data):
        return _fit(family.loss, point(x, data), data)

    return Model(_starts((K, d), (n, d)), point, objective, retract=_rows_of_one(d))


def _layer_peeled(family: Family) -> Model:
    K, d, n = family.sizes

    def point(x, data):
        V, U = _parts(x, (K, d), (n, d))
        most_w, most_h = jnp.sqrt(K * data.numbers[0]), jnp.sqrt(data.numbers[1])
        size = jnp.sqrt(jnp.sum(data.q[:, None] * U**2))
        return most_w * V / jnp.linalg.norm(V), most_h * U / size

    def objective(x, data):
        return _fit(family.loss, point(x, data), data)

    def retract(x):
        V, U = x[: K * d], x[K * d :]
        return np.concatenate([V / np.linalg.norm(V), U / np.linalg.norm(U)])

    return Model(_starts((K, d), (n, d)), point, objective, retract=retract)


def _penalties(W, H, data: Data):
    return 0.5 * (data.ridge[0] * jnp.sum(W * W) + data.ridge[1] * jnp.sum(data.q[:, None] * H * H))


def _relu_features(family: Family) -> Model:
    K, d, n = family.sizes

    def point(x, data):
        V, U = _parts(x, (K, d), (n, d))
        return V, U * U

    def objective(x, data):
        W, H = point(x, data)
        return _fit(family.loss, (W, H), data) + _penalties(W, H, data)

    return Model(_starts((K, d), (n, d)), point, objective)


def _deep_linear(family: Family) -> Model:
    (K, d, n), inner = family.sizes, family.few - 2
    shapes = ((K, d), *[(d, d)] * inner, (n, d))

    def point(x, data):
        *factors, H = _parts(x, *shapes)
        W = factors[0]
        for factor in factors[1:]:
            W = W @ factor
        return W, H

    def objective(x, data):
        *factors, H = _parts(x, *shapes)
        more = 0.5 * data.ridge[0] * sum(jnp.sum(factor * factor) for factor in factors[1:])
        return _fit(family.loss, point(x, data), data) + _penalties(factors[0], H, data) + more

    return Model(_starts(*shapes, spread=1.5), point, objective)


def _max_margin(family: Family) -> Model:
    K, d, n = family.sizes
    a, i, j, least = margins(np.array(family.support))

    def point(x, data):
        return tuple(_parts(x, (K, d), (n, d)))

    def constraints(x, data):
        W, H = point(x, data)
        Z = H @ W.T
        return Z[a, i] - Z[a, j] - least

    def objective(x, data):
        W, H = point(x, data)
        return _penalties(W, H, data)

    return Model(_starts((K, d), (n, d)), point, objective, constraints)


def _softmax_codes(family: Family) -> Model:
    K, d, _ = family.sizes
    k, j = np.nonzero(~np.eye(K, dtype=bool))

    def point(x, data):
        V, U = _parts(x[1:], (K, d), (K, d))
        return _sphere(V, 1.0), _sphere(U, 1.0)

    def constraints(x, data):
        W, H = point(x, data)
        Z = H @ W.T
        return Z[k, k] - Z[k, j] - x[0]

    def start(rng):
        return np.concatenate([[2.0], _starts((K, d), (K, d))(rng)])  # above every margin, where L is curved

    return Model(start, point, lambda x, data: -x[0], constraints, _rows_of_one(d, 1))


def _contrastive(family: Family) -> Model:
    (K, d, _), copies = family.sizes, family.few
    N = K * copies
    same = np.repeat(np.arange(K), copies)[:, None] == np.repeat(np.arange(K), copies)
    positive = (same & ~np.eye(N, dtype=bool)) / (copies - 1)

    def point(x, data):
        (U,) = _parts(x, (N, d))
        return jnp.zeros((0, d)), _sphere(U, data.numbers[1])

    def objective(x, data):
        H = point(x, data)[1]
        S = H @ H.T
        others = jnp.where(np.eye(N, dtype=bool), -jnp.inf, S)
        top = jnp.max(S)
        return jnp.sum(top + jnp.log(jnp.sum(jnp.exp(others - top), 1)) - jnp.sum(positive * S, 1))

    return Model(_starts((N, d)), point, objective, retract=_rows_of_one(d))


def _focal(family: Family) -> Model:
    K, d, n = family.sizes

    def point(x, data):
        return tuple(_parts(x, (K, d), (n, d)))

    def objective(x, data):
        W, H = point(x, data)
        Z = H @ W.T
        whole = jax.nn.logsumexp(Z, axis=1)
        own = jnp.sum(data.Y * Z, 1) - whole
        wrong = (
            jax.nn.logsumexp(jnp.where(data.Y > 0, -jnp.inf, Z), axis=1) - whole
        )  # 1 − P without rounding it
        return -jnp.sum(data.q * jnp.exp(data.numbers[0] * wrong) * own) + _penalties(W, H, data)

    return Model(_starts((K, d), (n, d), spread=1.5), point, objective)


def _logit_adjusted(family: Family) -> Model:
    K, d, n = family.sizes

    def point(x, data):
        return tuple(_parts(x, (K, d), (n, d)))

    def objective(x, data):
        W, H = point(x, data)
        Z = W @ H.T + data.numbers[0] * jnp.log(data.q @ data.Y)[:, None]
        return jnp.sum(data.q * LOSSES["cross-entropy"].value(Z, data.Y.T)) + _penalties(W, H, data)

    return Model(_starts((K, d), (n, d)), point, objective)


def _ordinal(family: Family) -> Model:
    K, d, n = family.sizes

    def point(x, data):
        return tuple(_parts(x, (1, d), (n, d)))

    def objective(x, data):
        w, H = point(x, data)
        thresholds = data.numbers[: K - 1]
        beyond = H @ w[0] - thresholds[:, None]  # σ(b) − σ(a) = σ(b) σ(−a) (1 − e^{a−b})
        between = -jnp.log(-jnp.expm1(thresholds[:-1] - thresholds[1:]))
        fits = data.Y[:, :-1].T * jax.nn.softplus(beyond) + data.Y[:, 1:].T * jax.nn.softplus(-beyond)
        return data.q @ (jnp.sum(fits, 0) + data.Y[:, 1:-1] @ between) + _penalties(w, H, data)

    return Model(_starts((1, d), (n, d)), point, objective)


MODELS: dict[str, Callable[[Family], Model]] = {
    "norm-constrained": _norm_constrained,
    "layer-peeled": _layer_peeled,
    "relu-features": _relu_features,
    "deep-linear": _deep_linear,
    "max-margin": _max_margin,
    "softmax-codes": _softmax_codes,
    "contrastive": _contrastive,
    "focal": _focal,
    "logit-adjusted": _logit_adjusted,
    "ordinal": _ordinal,
}
