"""The jointly optimal sharpness a(λ_W, λ_H, α, δ) of mixup as a traced function, with its derivatives.

The scalar equation of `ufm.theory.multiplier`, with smoothing δ and Beta(α, α):

    M(a; α, δ) = E‖y − p_a(y)‖² = (K−1) λ_W λ_H,      da = ((K−1) d(λ_W λ_H) − dM at fixed a)/(∂M/∂a),

dM by the closed form's own derivatives (`ufm.theory.closed_form`). a = 0 where λ_W λ_H ≥ σ² = M(0)/(K−1): beyond
the threshold a and its derivatives are zero exactly; at it, within rounding, the derivatives of both sides differ,
and what is returned is NaN.

The law of λ is a rule of a fixed number of nodes in t = logit λ ≥ 0, folded, as (i, j) and (j, i) are alike. Its
density there is ∝ cosh(t/2)^{−2α}; the rule ends where it has fallen by e^{−DROP}, or at REACH, whose tail is at
λ = 1. Panels are at most as wide as those of `ufm.model.quadrature`. α moves the weights alone: nodes are held.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

import ufm.rules.numbers as checked
from ufm.model.laws import fineness
from ufm.model.quadrature import DROP, PANEL, REACH, panels
from ufm.rules.brief import shown
from ufm.rules.status import Status
from ufm.theory.closed_form import pattern_form
from ufm.theory.formulas import values
from ufm.theory.sharpness import Labels, PairRule, joint_sharpness, pair_labels

NEAR = 64.0  # units of rounding of λ_W λ_H/σ² that count as the threshold
SHARES = {"all": lambda K: 1.0 / K, "different": lambda K: 0.0, "same": lambda K: 1.0}  # of one class twice


class SharpnessOptimum(NamedTuple):
    """a, m² = a (K−1) λ_H/K, the threshold σ² of λ_W λ_H, and the status (`ufm.rules.status`)."""

    a: Float[Array, ""]
    multiplier: Float[Array, ""]
    threshold: Float[Array, ""]
    status: Int[Array, ""]

    def __repr__(self) -> str:
        return shown(self)


@partial(jax.jit, static_argnames=("classes", "pairs", "loss"))
def optimal_sharpness(
    lambda_w,
    lambda_h,
    alpha=1.0,
    smoothing=0.0,
    *,
    classes: int,
    pairs: str = "all",
    loss: str = "cross-entropy",
) -> SharpnessOptimum:
    """a and m of the joint optimum of mixup (pairs="same": one-hot), with derivatives in all four numbers.

    One problem; batch by `vmap`. What `joint_multiplier` finds. Squared error is that with a free bias.
    """
    checked.choice("pairs", pairs, tuple(SHARES))
    checked.choice("loss", loss, checked.LOSS_NAMES)
    checked.integer("classes", classes, 2)
    given = [jnp.asarray(x, jnp.result_type(float)) for x in (lambda_w, lambda_h, alpha, smoothing)]
    valid = jnp.all(jnp.isfinite(jnp.stack(given))) & (jnp.stack(given[:3]) > 0).all()
    valid &= (given[3] >= 0) & (given[3] < 1)
    lambda_w, lambda_h, alpha, smoothing = (
        jnp.where(valid, x, s) for x, s in zip(given, (1.0, 1.0, 1.0, 0.0))
    )
    labels = pair_labels(beta_pairs(alpha, classes, pairs), smoothing, classes)
    product = lambda_w * lambda_h
    threshold = (1.0 - smoothing) ** 2 * _spread(alpha, classes, pairs)
    a = _root(classes, loss, labels, product, threshold)
    gap = moment(labels, a, classes, loss) / ((classes - 1) * product) - 1.0
    status = jnp.where(
        _beyond(product, threshold) | (jnp.abs(gap) <= _tolerance(a)), Status.SOLVED, Status.UNCERTIFIED
    )
    status = jnp.where(_at(product, threshold), Status.THRESHOLD, status)
    a = a * jnp.where(valid, 1.0, jnp.nan)
    some = a > 0
    m = jnp.where(some, jnp.sqrt(jnp.where(some, a, 1.0) * (classes - 1) / classes * lambda_h), a)
    status = jnp.where(valid, status, Status.INVALID).astype(jnp.int32)
    return SharpnessOptimum(a, m, threshold, status)


def beta_pairs(alpha, classes: int, pairs: str) -> PairRule:
    """Nodes λ ≥ ½ of Beta(α, α) folded, and one at λ = 1 for the same class twice; the weights move with α."""
    share = SHARES[pairs](classes)
    count = int(REACH / PANEL) * fineness("mixup", classes)
    x, w = (jnp.asarray(part) for part in panels(0.0, 1.0, count))
    u = 0.5 * DROP / jax.lax.stop_gradient(alpha)
    end = jnp.minimum(REACH, 2.0 * (u + jnp.log1p(jnp.sqrt(-jnp.expm1(-2.0 * u)))))
    t = end * x

    def density(t):  # (cosh t/2)^(−2α), without cancellation near zero
        return jnp.exp(-2.0 * alpha * jnp.log1p(2.0 * jnp.sinh(t / 4.0) ** 2))

    weight = jnp.append(alpha * end * w * density(t), density(end))
    weight = (1.0 - share) * weight / jnp.sum(weight)
    lam, colam = jnp.append(jax.nn.sigmoid(t), 1.0), jnp.append(jax.nn.sigmoid(-t), 0.0)
    return PairRule(lam, colam, weight.at[-1].add(share))


def moment(labels: Labels, a, classes: int, loss: str):
    """M(a) = E‖y − p_a(y)‖²."""
    above, counts, floor, weight = labels
    values = jnp.concatenate([above + floor, floor[None]]).T
    counts = jnp.concatenate([counts, classes - jnp.sum(counts, 0, keepdims=True)]).T
    r = pattern_form(values, counts, jnp.broadcast_to(a, floor.shape), loss).residual
    return jnp.sum(weight * jnp.sum(counts * r**2, -1))


def _spread(alpha, K: int, pairs: str):
    """(E‖y‖² − 1/K)/(K−1) without smoothing: E‖y‖² = ρ, or 1 for one class, ρ = (α+1)/(2α+1)."""
    return values.label_spread(values.mixed_square(alpha), SHARES[pairs](K), K)


def _at(product, threshold):
    return jnp.abs(product - threshold) <= NEAR * jnp.finfo(product.dtype).eps * threshold


def _beyond(product, threshold):
    return (product > threshold) & ~_at(product, threshold)


def _tolerance(a):
    return jnp.sqrt(jnp.finfo(a.dtype).eps) * jnp.minimum(a, 1.0)  # M/M(0) − 1 is of the size of a


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _root(classes, loss, labels: Labels, product, threshold):
    """a with M(a) = (K−1) c²."""
    return joint_sharpness(labels, product, threshold, classes=classes, loss=loss)


@_root.defjvp
def _root_jvp(classes, loss, primals, tangents):
    labels, product, threshold = primals
    a = _root(classes, loss, *primals)

    def of(labels, a):
        return moment(labels, a, classes, loss)

    value, moved = jax.jvp(of, (labels, a), (tangents[0], jnp.zeros_like(a)))
    slope = jax.jvp(partial(of, labels), (a,), (jnp.ones_like(a),))[1]
    found = jnp.abs(value / ((classes - 1) * product) - 1.0) <= _tolerance(a)
    share = jnp.where(found & ~_at(product, threshold), 1.0 / slope, jnp.nan)
    return a, jnp.where(_beyond(product, threshold), 0.0, share) * ((classes - 1) * tangents[1] - moved)
