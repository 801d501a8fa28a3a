"""A block of problems in one compiled program: multiplier, numerical optimum, certificate, closed form.

A problem is a fixed simplex ETF with labels y = (1−δ)(λ e_i + (1−λ) e_j) + δ/K. Its features are one
representative of each orbit of labels under permutations of the classes: first the same-class label
(i = j, one for every λ), then the different-class label at each λ. All real parameters are traced; K,
the loss, the pairs, and whether the multiplier is solved for, are static.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float

from ufm.agree.kernel import EtfSpace, centre, kernel
from ufm.model.problem import Problem
from ufm.optimize.coordinates import Isometric
from ufm.optimize.features import METHODS
from ufm.theory.features import label_optimum, logit_gap
from ufm.theory.multiplier import require_float64
from ufm.theory.predict import rounding_bound
from ufm.theory.sharpness import PairRule, joint_sharpness, pair_labels

# Problems solved side by side, so that all wait for the slowest. On a CPU their arrays stay in cache.
BATCH = {"cpu": 16}
WIDE_BATCH = 4096


class Shape(NamedTuple):
    """What a compilation depends on; joint: the multiplier is solved for, not given."""

    classes: int
    loss: str
    pairs: str
    joint: bool


class Point(NamedTuple):
    """The real parameters of one problem (of B, batch first); threshold: σ² of its label law.

    multiplier is ignored where it is solved for, the rule where it is not.
    """

    lambda_w: Float[Array | np.ndarray, "*batch"]
    lambda_h: Float[Array | np.ndarray, "*batch"]
    smoothing: Float[Array | np.ndarray, "*batch"]
    multiplier: Float[Array | np.ndarray, "*batch"]
    threshold: Float[Array | np.ndarray, "*batch"]
    rule: PairRule


class Numbers(NamedTuple):
    """What is shown of one route, per feature: h = coef_i w_i + coef_j w_j, probabilities, ‖h‖.

    Conventions of `ufm.agree.stream.sources.Side`: NaN where a number means nothing; coef_j = 0 for K = 2 or i = j.
    """

    coef_i: Float[Array, "*batch F"]
    coef_j: Float[Array, "*batch F"]
    p_i: Float[Array, "*batch F"]
    p_j: Float[Array, "*batch F"]
    p_other: Float[Array, "*batch F"]
    norm: Float[Array, "*batch F"]


class Answer(NamedTuple):
    """m, a, and per feature both routes, their distance and its bounds, relative as in `ufm.agree.features`."""

    m: Float[Array | np.ndarray, "*batch"]
    a: Float[Array | np.ndarray, "*batch"]
    numeric: Numbers
    theory: Numbers
    error: Float[Array, "*batch F"]
    bound: Float[Array, "*batch F"]
    theory_bound: Float[Array, "*batch F"]


class _Labels(NamedTuple):
    """Entries of class i, class j and each other class (F), and which features have i = j."""

    y_i: Array
    y_j: Array
    y_o: Array
    same: Array


class _ClosedForm(NamedTuple):
    """x and p of class i, class j and each other (3, F), Σ|x| (F), and x of the label e_c."""

    x: Array
    p: Array
    mass: Array
    unit: Array


def block_width(problems: int, devices: list) -> int:
    """Problems of a block with padding: whole batches on every device, so that one loop serves them all."""
    whole = len(devices) * _batch(devices, -(-problems // len(devices)))
    return -(-problems // whole) * whole


def compile_block(shape: Shape, lam: np.ndarray, devices: list):
    """A jitted function from points (a `block_width` of them) to answers, for mixing weights lam (L).

    Every device solves its share on its own: nothing is communicated. Needs float64.
    """
    require_float64()
    mesh, axis = Mesh(np.array(devices), ("problems",)), PartitionSpec("problems")

    def share(point):
        batch = _batch(devices, len(point.lambda_h))
        return jax.lax.map(partial(_solve, lam=lam, shape=shape), point, batch_size=batch)

    return jax.jit(jax.shard_map(share, mesh=mesh, in_specs=axis, out_specs=axis, check_vma=False))


def _batch(devices: list, problems: int) -> int:
    return min(problems, BATCH.get(devices[0].platform, WIDE_BATCH))


def _solve(point: Point, *, lam: np.ndarray, shape: Shape) -> Answer:
    K = shape.classes
    m = _joint_multiplier(point, shape) if shape.joint else point.multiplier
    g = m * m * K / (K - 1)
    root, a = jnp.sqrt(g), g / point.lambda_h
    labels = _labels(jnp.asarray(lam), point.smoothing, shape)
    best = _closed_form(labels, a, shape)
    x_i, x_j, x_o = best.x
    space = EtfSpace(Isometric(root), root, point.lambda_h)
    found, _ = kernel(
        (space, point.lambda_h, METHODS["newton"]),
        _place(*labels, K),
        _place(x_i, x_j, x_o, labels.same, K),
        loss_name=shape.loss,
        closed=True,
        method="newton",
    )
    unit = jnp.maximum(found.norm, best.unit * np.sqrt((K - 1) / K) / _divisor(root))
    coef = (best.x - best.x[2]) / jnp.where(g > 0, g, jnp.nan)
    return Answer(
        m,
        a,
        _show_numeric(centre(found.numeric), root, labels.same, shape),
        _show(coef, best.p, found.norm, labels.same, K),
        jnp.nan_to_num(found.distance, nan=jnp.inf) / _divisor(unit),
        found.certificate.distance / _divisor(unit),
        _theory_bound(best.mass / _divisor(root), shape) / _divisor(unit),
    )


def _divisor(length):
    """A length, or 1 where it is zero: then what is divided is zero, or absolute."""
    return jnp.where(length > 0, length, 1.0)


def _theory_bound(mass, shape: Shape):
    """Rounding of the closed form against the exact ETF, whatever its multiplier."""
    return rounding_bound(Problem(classes=shape.classes, multiplier=1.0, loss=shape.loss), mass, 3)


def _joint_multiplier(point: Point, shape: Shape):
    K, product = shape.classes, point.lambda_w * point.lambda_h
    labels = pair_labels(point.rule, point.smoothing, K)
    a = joint_sharpness(labels, product, point.threshold, classes=K, loss=shape.loss)
    return jnp.sqrt(a * (K - 1) * point.lambda_h / K)


def _labels(lam, smoothing, shape: Shape) -> _Labels:
    """The labels of all features; the larger of y_i and y_j is one minus the others, as everywhere in ufm."""
    lone = [] if shape.pairs == "different" else [1.0]
    lam = jnp.concatenate([jnp.array(lone), lam[: None if shape.pairs != "same" else 0]])
    y_o = jnp.broadcast_to(smoothing / shape.classes, lam.shape)
    y_i, y_j = (1.0 - smoothing) * lam + y_o, (1.0 - smoothing) * (1.0 - lam) + y_o
    rest = (shape.classes - 2) * y_o
    larger = lam >= 0.5
    y_i, y_j = jnp.where(larger, 1.0 - y_j - rest, y_i), jnp.where(larger, y_j, 1.0 - y_i - rest)
    return _Labels(y_i, y_j, y_o, jnp.arange(len(lam)) < len(lone))


def _place(at_i, at_j, elsewhere, same, K):
    """(K, F): class 0 is i; class 1 is j, or one of the others where i = j."""
    others = jnp.broadcast_to(elsewhere, (K - 2, *at_i.shape))
    return jnp.concatenate([at_i[None], jnp.where(same, elsewhere, at_j)[None], others])


def _closed_form(labels: _Labels, a, shape: Shape) -> _ClosedForm:
    """All labels and e_c, whose norm is the unit of length."""
    K, trivial = shape.classes, a == 0
    values = jnp.append(jnp.stack(labels[:3], -1), jnp.array([[1.0, 0.0, 0.0]]), 0)
    counts, alone = jnp.array([1.0, 1.0, K - 2.0]), jnp.append(labels.same, True)
    best = label_optimum(values, counts, jnp.where(trivial, 1.0, a), shape.loss)
    x, p = (jnp.where(trivial, empty, part).T for part, empty in ((best.x, 0.0), (best.p, 1.0 / K)))
    if K == 2:
        x = jnp.where(trivial, 0.0, _two_classes(values, best, a, alone, shape.loss))
    return _ClosedForm(x[:, :-1], p[:, :-1], (counts @ jnp.abs(x))[:-1], x[0, -1])


def _two_classes(values, best, a, alone, loss):
    """K = 2: only x_i − x_j means anything, and it is needed to full relative accuracy near λ = ½."""
    gap = best.x[:, 0] - best.x[:, 1]
    if loss == "cross-entropy":
        gap = logit_gap(best.x[:, 0], best.x[:, 1], best.reference, values[:, 0], a, 2)
    return jnp.stack([jnp.where(alone, gap, gap / 2), jnp.where(alone, 0.0, -gap / 2), jnp.zeros_like(gap)])


def _show_numeric(q, root, same, shape: Shape) -> Numbers:
    """Numbers of centred coordinates q (K, F), taken from them as `ufm.agree.stream.sources` does."""
    logits = root * q
    fitted = jax.nn.softmax(logits, axis=0) if shape.loss == "cross-entropy" else logits + 1.0 / shape.classes
    coef = _split(q / jnp.where(root > 0, root, jnp.nan), same)
    return _show(coef - coef[2], _split(fitted, same), jnp.linalg.norm(q, axis=0), same, shape.classes)


def _split(v, same):
    """Entries of class i, of class j, and the mean of the others (0 if there are none), of v (K, F)."""
    total, count = jnp.sum(v[2:], 0) + jnp.where(same, v[1], 0.0), v.shape[0] - 2.0 + same
    return jnp.stack([v[0], v[1], total / jnp.maximum(count, 1.0)])


def _show(coef, p, norm, same, K) -> Numbers:
    coef_i, coef_j, _ = coef
    if K == 2:
        coef_i = jnp.where(same, coef_i, coef_i - coef_j)
    coef_j = jnp.where(same | (K == 2), 0.0 * coef_i, coef_j)  # NaN stays NaN
    p_other = jnp.where(same, p[2], jnp.nan) if K == 2 else p[2]
    return Numbers(coef_i, coef_j, p[0], jnp.where(same, jnp.nan, p[1]), p_other, norm)
