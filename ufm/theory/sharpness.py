"""The jointly optimal sharpness as one traced function: many problems at once, by jit and vmap.

The scalar equation of `ufm.theory.multiplier` for laws of pairs, y = (1−δ)(λ e_i + (1−λ) e_j) + δ/K:

    M(a) := E‖y − p_a(y)‖² = (K−1) c²,   c² = λ_W λ_H,   M(a) = E‖z‖²/a²,   z the optimal logits.

Measured from the classes that are not mixed (probability o/a each) a label has two logits,

    x_k + o (e^{x_k} − 1) = b_k,   b = (1−δ) a (λ, 1−λ),   x_i + x_j = K o − a δ,

and z = x − (x_i + x_j)/K. A label of one class is λ = 1. The root a lies between

    2 (σ/c − 1)  and  2 log K/((K−1) c²),   (K−1) σ² = M(0):

softmax moves by at most ‖z‖/2, so ‖y − 1/K‖ ≤ (1 + a/2) ‖y − p‖; and no optimum costs more than h = 0
does, so (λ_H/2)‖h‖² = ‖z‖²/(2a) ≤ log K. (Both re-derived here.)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ufm.model.laws import LabelLaw, mixing_rule

MAX_STEPS = 80  # of either Newton iteration; four to ten are usual


class PairRule(NamedTuple):
    """Nodes of a law of pairs: λ and 1−λ (n), and weights (n), Σ = 1."""

    lam: Float[Array | np.ndarray, "*batch n"]
    colam: Float[Array | np.ndarray, "*batch n"]
    weight: Float[Array | np.ndarray, "*batch n"]


class _Logits(NamedTuple):
    """At each node x_i, x_j (2, n) and log o (n), and their derivatives along log a."""

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


def joint_sharpness(rule: PairRule, smoothing, product, threshold, *, classes: int, loss: str):
    """a of the jointly optimal multiplier, m² = a (K−1) λ_H/K; 0 where c² = `product` ≥ `threshold` = σ².

    One problem: rule (n), the rest scalars; batch by vmap. Squared error (free bias): a = σ/c − 1. Needs float64.
    """
    exists = product < threshold
    product = jnp.where(exists, product, threshold / 4)  # any problem that has a root
    # σ/c − 1 without cancellation
    affine = (threshold - product) / (product + jnp.sqrt(threshold * product))
    a = affine if loss == "squared-error" else _solve(rule, smoothing, product, affine, classes)
    return jnp.where(exists, a, 0.0)


def _solve(rule, smoothing, product, affine, K):
    """Newton in log a inside the bracket, halving it where a step would leave it. Start: the limit a → 0."""
    low, high = jnp.log(2.0 * affine), jnp.log(2.0 * jnp.log(K) / ((K - 1) * product))
    goal = jnp.log((K - 1) * product)

    def unfinished(state):
        return (state[-1] < MAX_STEPS) & (jnp.abs(state[-2]) > 1e-7)  # a step leaves about its square

    def advance(state):
        log_a, low, high, logits, _, count = state
        logits = _settle(rule, jnp.exp(log_a), smoothing, K, logits)
        value, slope = _moment(rule, log_a, logits, K)
        low, high = jnp.where(value > goal, log_a, low), jnp.where(value > goal, high, log_a)
        new = log_a + (goal - value) / slope
        new = jnp.where((new >= low) & (new <= high), new, 0.5 * (low + high))
        step = new - log_a
        near = logits._replace(log_o=logits.log_o + step * logits.d_log_o)
        return new, low, high, near, step, count + 1

    start = jnp.clip(jnp.log(K * affine), low, high)
    state = (start, low, high, _start(rule, jnp.exp(start), smoothing, K), jnp.inf, 0)
    return jnp.exp(jax.lax.while_loop(unfinished, advance, state)[0])


def _moment(rule, log_a, logits: _Logits, K):
    """log M and its derivative along log a, from centred logits: K − 2 of them are −mean."""
    mean, d_mean = jnp.sum(logits.x, 0) / K, jnp.sum(logits.d_x, 0) / K
    z, d_z = logits.x - mean, logits.d_x - d_mean
    square = jnp.sum(rule.weight * (jnp.sum(z**2, 0) + (K - 2) * mean**2))
    change = jnp.sum(rule.weight * (jnp.sum(z * d_z, 0) + (K - 2) * mean * d_mean))
    return jnp.log(square) - 2.0 * log_a, 2.0 * change / square - 2.0


def _most(rule, a, smoothing, K):
    """An upper bound of log o: o ≤ a/K, and o ≤ aδ/K + (s/K) max(1, log(1 + aK/s²)) for s classes in the label.

    The second by Jensen, as x is concave in b.
    """
    support = jnp.where((rule.lam > 0) & (rule.colam > 0), 2.0, 1.0)
    spread = (support / K) * jnp.maximum(1.0, jnp.log1p((1.0 - smoothing) * a * K / support**2))
    return jnp.log(jnp.minimum(a / K, a * smoothing / K + spread))


def _start(rule, a, smoothing, K) -> _Logits:
    zero = jnp.zeros_like(rule.lam)
    return _Logits(jnp.stack([zero, zero]), _most(rule, a, smoothing, K), jnp.stack([zero, zero]), zero)


def _settle(rule, a, smoothing, K, logits: _Logits) -> _Logits:
    """The logits at sharpness a: Newton on x_i + x_j + aδ − K o = 0, concave and decreasing in log o.

    From any start only the first step can overshoot, and it is cut at an upper bound of the root.
    """
    b = (1.0 - smoothing) * a * jnp.stack([rule.lam, rule.colam])
    most = _most(rule, a, smoothing, K)

    def advance(state):
        log_o, _, count = state
        o, x, _, slope = _sides(log_o, b, K)
        gap = jnp.sum(x, 0) + a * smoothing - K * o
        new = jnp.minimum(log_o - gap / slope, most)
        return new, new - log_o, count + 1

    def unfinished(state):
        return (state[2] < MAX_STEPS) & jnp.any(jnp.abs(state[1]) > 1e-8)

    start = (jnp.minimum(logits.log_o, most), jnp.full_like(most, jnp.inf), 0)
    log_o = jax.lax.while_loop(unfinished, advance, start)[0]
    o, x, rise, slope = _sides(log_o, b, K)
    d_log_o = -(jnp.sum(b / (1.0 + o + rise), 0) + a * smoothing) / slope
    return _Logits(x, log_o, (b - rise * d_log_o) / (1.0 + o + rise), d_log_o)


def _sides(log_o, b, K):
    """o, x (2, n), o (eˣ − 1) = b − x, and the derivative of x_i + x_j − K o along log o."""
    o = jnp.exp(log_o)
    x = excess_logit(log_o, o, b)
    rise = b - x
    return o, x, rise, -jnp.sum(rise / (1.0 + o + rise), 0) - K * o


def excess_logit(log_o, o, b):
    """The root x ≥ 0 of x + o (eˣ − 1) = b: u + e^u = y at u = x + log o, y = b + o + log o, then a step in x.

    u is concave in y, so its tangents bound it from above; the least of two of them and of log y is within 0.3
    of it. A Halley step leaves at most a twelfth of the error's cube: two leave 1e-9. The Newton step in x,
    free of cancellation, leaves a few units of rounding, and 1e-22 of the smallest roots.
    """
    y = b + o + log_o
    u = jnp.minimum(y, (y - 1.0) / 2.0)  # tangents at y → −∞ and y = 1
    u = jnp.where(y > 1.0, jnp.minimum(u, jnp.log(jnp.maximum(y, 1.0))), u)
    for _ in range(2):
        e = jnp.exp(u)
        gap, slope = u + e - y, 1.0 + e
        u = u - 2.0 * gap * slope / (2.0 * slope * slope - gap * e)
    x = u - log_o
    rise = o * jnp.expm1(x)
    return x - (x + rise - b) / (1.0 + o + rise)
