"""The jointly optimal sharpness as one traced function: many problems at once, by jit and vmap.

The scalar equation of `ufm.theory.multiplier`,

    M(a) := E‖y − p_a(y)‖² = (K−1) c²,   c² = λ_W λ_H,   M(a) = E‖z‖²/a²,   z the optimal logits.

Measured from the classes of the least label entry f (probability o/a each) a label has few other logits: of a pair,
y = (1−δ)(λ e_i + (1−λ) e_j) + δ/K, two. With n_k classes of a kind,

    x_k + o (e^{x_k} − 1) = b_k = a (y_k − f),   Σ n_k x_k = K (o − a f),   z = x − Σ n_k x_k/K.

The root a lies between

    2 (σ/c − 1)  and  2 log K/((K−1) c²),   (K−1) σ² = M(0):

softmax moves by at most ‖z‖/2, so ‖y − 1/K‖ ≤ (1 + a/2) ‖y − p‖; and no optimum costs more than h = 0
does, so (λ_H/2)‖h‖² = ‖z‖²/(2a) ≤ log K. (Both re-derived here.)
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ufm.model.laws import LabelLaw, Patterns, mixing_rule
from ufm.theory.formulas import equations, values
from ufm.theory.formulas.arrays import namespace, repeat

MAX_STEPS = 80  # of either Newton iteration; four to ten are usual


class Labels(NamedTuple):
    """n labels: entries above the least one, y_k − f (r, n), classes of each kind (r, n), f (n), weights (n)."""

    above: Float[Array | np.ndarray, "r n"]
    counts: Float[Array | np.ndarray, "r n"]
    floor: Float[Array | np.ndarray, "n"]
    weight: Float[Array | np.ndarray, "n"]


class PairRule(NamedTuple):
    """Nodes of a law of pairs: λ and 1−λ (n), and weights (n), Σ = 1."""

    lam: Float[Array | np.ndarray, "*batch n"]
    colam: Float[Array | np.ndarray, "*batch n"]
    weight: Float[Array | np.ndarray, "*batch n"]


class _Logits(NamedTuple):
    """Of each label x (r, n) and log o (n), and their derivatives along log a."""

    x: Array
    log_o: Array
    d_x: Array
    d_log_o: Array


def pair_rule(law: LabelLaw, refine: int = 1) -> PairRule:
    """The law of λ as nodes; mixup's, symmetric about ½, folded onto λ ≥ ½, as (i, j) and (j, i) are alike."""
    rule = mixing_rule(law, refine)
    keep = rule.lam >= (rule.colam if law.name == "mixup" else 0.0)
    lam, colam, weight = (part[keep] for part in rule)
    return PairRule(lam, colam, weight / weight.sum())


def pair_labels(rule: PairRule, smoothing, classes: int) -> Labels:
    """Smoothed labels of pairs, by their two entries above δ/K."""
    above = (1.0 - smoothing) * jnp.stack([rule.lam, rule.colam])
    floor = jnp.broadcast_to(smoothing / classes, rule.lam.shape)
    return Labels(above, jnp.ones_like(above), floor, rule.weight)


def pattern_labels(patterns: Patterns) -> Labels:
    """Labels of any patterns."""
    values, floor = patterns.values.T, patterns.values.min(1)
    return Labels(values - floor, patterns.counts.T, floor, patterns.weights)


def joint_sharpness(labels: Labels, product, threshold, *, classes: int, loss: str):
    """a of the jointly optimal multiplier, m² = a (K−1) λ_H/K; 0 where c² = `product` ≥ `threshold` = σ².

    One problem, the numbers scalars; batch by vmap. Squared error (free bias): a = σ/c − 1. Needs float64.
    """
    xp = namespace(*labels, product, threshold)
    exists = product < threshold
    product = xp.where(exists, product, threshold / 4)  # any problem that has a root
    # σ/c − 1 without cancellation
    affine = values.affine_sharpness(threshold, product, xp.sqrt)
    a = affine if loss == "squared-error" else _solve(labels, product, affine, classes)
    return xp.where(exists, a, 0.0)


def _solve(labels: Labels, product, affine, K):
    """Newton in log a inside the bracket, halving it where a step would leave it. Start: the limit a → 0."""
    xp = namespace(*labels, product, affine)
    low = xp.log(values.least_sharpness(affine))
    high = xp.log(values.most_sharpness(K, product, xp.log))
    goal = xp.log(values.goal(K, product))

    def unfinished(state):
        return (state[-1] < MAX_STEPS) & (xp.abs(state[-2]) > 1e-7)  # a step leaves about its square

    def advance(state):
        log_a, low, high, logits, _, count = state
        logits = _settle(labels, xp.exp(log_a), K, logits)
        value, slope = _moment(labels, log_a, logits, K)
        low, high = xp.where(value > goal, log_a, low), xp.where(value > goal, high, log_a)
        new = log_a + (goal - value) / slope
        new = xp.where((new >= low) & (new <= high), new, 0.5 * (low + high))
        step = new - log_a
        near = logits._replace(log_o=logits.log_o + step * logits.d_log_o)
        return new, low, high, near, step, count + 1

    start = xp.clip(xp.log(K * affine), low, high)
    state = (start, low, high, _start(labels, xp.exp(start), K), xp.inf, 0)
    return xp.exp(repeat(unfinished, advance, state)[0])


def _moment(labels: Labels, log_a, logits: _Logits, K):
    """log M and its derivative along log a, from centred logits: those of the least entry are −mean."""
    xp = namespace(logits.x)
    n, mean, d_mean = labels.counts, _sum(labels, logits.x) / K, _sum(labels, logits.d_x) / K
    z, d_z, others = logits.x - mean, logits.d_x - d_mean, K - xp.sum(n, 0)
    square = labels.weight @ (xp.sum(n * z**2, 0) + others * mean**2)
    change = labels.weight @ (xp.sum(n * z * d_z, 0) + others * mean * d_mean)
    return xp.log(square) - 2.0 * log_a, 2.0 * change / square - 2.0


def _sum(labels: Labels, x):
    """Σ n_k x_k of each label."""
    return namespace(labels.counts, x).sum(labels.counts * x, 0)


def _most(labels: Labels, a, K):
    """An upper bound of log o: o ≤ a/K, and o ≤ a f + (s/K) max(1, log(1 + a (1 − K f) K/s²)), s classes above f.

    The second by Jensen, as x is concave in b.
    """
    xp = namespace(*labels, a)
    support = xp.maximum(_sum(labels, labels.above > 0), 1.0)
    spread = (support / K) * xp.maximum(1.0, xp.log1p(a * _sum(labels, labels.above) * K / support**2))
    return xp.log(xp.minimum(a / K, a * labels.floor + spread))


def _start(labels: Labels, a, K) -> _Logits:
    xp = namespace(*labels, a)
    zero = xp.zeros_like(labels.above)
    return _Logits(zero, _most(labels, a, K), zero, xp.zeros_like(labels.floor))


def _settle(labels: Labels, a, K, logits: _Logits) -> _Logits:
    """The logits at sharpness a: Newton on Σ n_k x_k + K (a f − o) = 0, concave and decreasing in log o.

    From any start only the first step can overshoot, and it is cut at an upper bound of the root.
    """
    xp = namespace(*labels, a, logits.log_o)
    b, base = a * labels.above, K * a * labels.floor
    most = _most(labels, a, K)

    def advance(state):
        log_o, _, count = state
        o, x, _, slope = _sides(labels, log_o, b, K)
        gap = equations.mass(_sum(labels, x) + base, o, K)
        new = xp.minimum(log_o - gap / slope, most)
        return new, new - log_o, count + 1

    def unfinished(state):
        return (state[2] < MAX_STEPS) & xp.any(xp.abs(state[1]) > 1e-8)

    start = (xp.minimum(logits.log_o, most), xp.full_like(most, xp.inf), 0)
    log_o = repeat(unfinished, advance, start)[0]
    o, x, rise, slope = _sides(labels, log_o, b, K)
    d_log_o = -(_sum(labels, b / (1.0 + o + rise)) + base) / slope
    return _Logits(x, log_o, (b - rise * d_log_o) / (1.0 + o + rise), d_log_o)


def _sides(labels: Labels, log_o, b, K):
    """o, x (r, n), o (eˣ − 1) = b − x, and the derivative of Σ n_k x_k − K o along log o."""
    o = namespace(log_o).exp(log_o)
    x = excess_logit(log_o, o, b)
    rise = b - x
    return o, x, rise, -_sum(labels, rise / (1.0 + o + rise)) - K * o


def excess_logit(log_o, o, b):
    """The root x ≥ 0 of x + o (eˣ − 1) = b: u + e^u = y at u = x + log o, y = b + o + log o, then a step in x.

    u is concave in y, so its tangents bound it from above; the least of two of them and of log y is within 0.3
    of it. A Halley step leaves at most a twelfth of the error's cube: two leave 1e-9. The Newton step in x,
    free of cancellation, leaves a few units of rounding, and 1e-22 of the smallest roots.
    """
    xp = namespace(b, o)
    y = b + o + log_o
    u = xp.minimum(y, (y - 1.0) / 2.0)  # tangents at y → −∞ and y = 1
    u = xp.where(y > 1.0, xp.minimum(u, xp.log(xp.maximum(y, 1.0))), u)
    for _ in range(2):
        e = xp.exp(u)
        gap, slope = equations.log_omega(u, y, xp.exp), 1.0 + e
        u = u - 2.0 * gap * slope / (2.0 * slope * slope - gap * e)
    x = u - log_o
    rise = o * xp.expm1(x)
    return x - equations.excess(x, o, b, xp.expm1) / (1.0 + o + rise)
