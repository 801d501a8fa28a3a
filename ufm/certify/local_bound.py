"""The theorem of the certificate: distance to the optimum from what is known at the candidate.

In units in which f is 1-strongly convex (`ufm.model.rows`), ‖v − v*‖ ≤ ‖∇f(v)‖ always; where λ_H is small that is
loose by orders of magnitude. Sharpened by local curvature: let Q be the Hessian at v, F = ∇f(v), ν = ‖F‖_{Q⁻¹}, and
R = sup range(z(u))/‖u‖_Q over directions u. The third derivative of log-sum-exp obeys |D³[u,u,u']| ≤ range(u')
D²[u,u], hence along δ = v* − v with s = range(z(δ))

    Q e^{−ts} ⪯ ∇²f(v + tδ) ⪯ Q e^{ts},   ‖δ‖_Q (1 − e^{−s})/s ≤ ν.

So if R ν < 1 then ‖δ‖_Q ≤ x := −log(1 − Rν)/R, and with the Newton step n = −Q⁻¹F

    ‖δ − n‖_Q ≤ φ(s) x,   φ(s) = (e^s − 1 − s)/s,   ‖δ‖ ≤ ‖n‖ + φ(s) x/√λ_min(Q),   s ≤ R x,

which tends to the true distance as v → v*. (Re-derived; self-concordant-like calculus of Bach 2010 and Sun &
Tran-Dinh 2019.) R is attained in soft directions. A stiff step has a much smaller range than R x, and what is
known is range(z(n)):

    s ≤ range(z(n)) + R ‖δ − n‖_Q ≤ range(z(n)) + R ν φ(s) s/(1 − e^{−s}).

That holds for the root of ∇f = (1 − τ) F too, with τ n and τ ν, and its s moves from 0 continuously as τ grows
to 1: so s stays below any number for which the right side is less than that number. For numbers up to 1,
φ(s) ≤ (e − 2) s and s/(1 − e^{−s}) ≤ 1.582.

Where Q is known up to Q e^{±w} alone, φ becomes e^w φ + e^w − 1, and ν e^w ν.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ufm.rules.brief import shown

SLACK = 1e-3  # relative allowance for rounding in the positive sums that make up the bound itself


class Certificate(NamedTuple):
    """Per candidate: ‖h − h*‖ ≤ distance; ‖∇f‖ ≤ gradient_norm at h, or where rounding cannot tell it from h."""

    distance: Float[Array | np.ndarray, "*batch"]
    gradient_norm: Float[Array | np.ndarray, "*batch"]

    def __repr__(self) -> str:
        return shown(self)


class Local(NamedTuple):
    """Everything the bound needs: all are upper bounds, `least` a lower bound of λ_min(Q)."""

    newton_norm: Array  # ‖ñ‖₂ of the computed Newton step
    newton_q: Array  # ‖ñ‖_Q
    newton_range: Array  # range(z(n)) of the exact one
    defect: Array  # ‖Q⁻¹(F + Qñ)‖₂: rounding and inexact solve
    defect_q: Array  # ‖F + Qñ‖_{Q⁻¹}
    eta: Array  # log-relative error of the probabilities in Q
    ratio: Array  # R
    least: Array | float  # ≤ λ_min(Q)
    everywhere: Array  # a bound that holds without local information
    underflow: Array  # what squares below the smallest normal number can hide in a norm


def combine(local: Local, concordance: float) -> Array:
    """The bound of the module's docstring from its ingredients; where it does not apply, `everywhere`."""
    wrong = 4.0 * local.eta  # Q is within e^{±4η} of the exact Hessian
    nu = (local.newton_q + local.defect_q) * jnp.exp(wrong) + local.underflow
    R = concordance * local.ratio
    applies = (R * nu < 1) & (local.eta < 0.05)
    x = nu if concordance == 0 else -jnp.log1p(-jnp.where(applies, R * nu, 0.5)) / R
    s = jnp.minimum(R * x, _small_range(local, R * nu, wrong)) if concordance else 0.0
    bend = 0.5 * s * jnp.exp(s + wrong) + jnp.expm1(wrong)  # φ(s) ≤ (s/2) e^s
    refined = local.newton_norm + local.underflow + local.defect + x * bend / jnp.sqrt(local.least)
    near = jnp.where(applies, jnp.minimum(refined, x / jnp.sqrt(local.least)), jnp.inf)
    bound = (1.0 + SLACK) * jnp.fmin(near, local.everywhere + local.underflow)
    return jnp.where(jnp.isnan(bound), jnp.inf, bound)


def _small_range(local, steepness, wrong):
    """s from range(z(n)), steepness = R ν and w ≤ 0.2; infinite unless it comes out below one."""
    slope = 1.39 * steepness  # 1.582 (e − 2) e^0.2
    start = local.newton_range + 1.6 * steepness * jnp.expm1(wrong) + local.underflow
    s = (1.0 + SLACK) * start / jnp.where(slope < 0.99, 1.0 - slope, jnp.nan)
    return jnp.where(s < 1.0, s, jnp.inf)


def probability_error(loss, K, logit_error, unit):
    """η: log-relative error of the computed curvature weights; 0 when they are constants."""
    return loss.concordance * (2.0 * logit_error + (16.0 + 2.0 * K) * unit)


def everywhere(loss, gradient_norm, norm, K, sharpness):
    """min(‖∇f‖, ‖v‖ + √(2 ℓ(0)/a)): strong convexity, and f(v*) ≤ f(0)."""
    return jnp.minimum(gradient_norm, norm + jnp.sqrt(2.0 * loss.start(K) / sharpness))


def underflow(count: int, dtype):
    """√(2 n tiny), added to every bound: a test whether a number is zero may be flushed like the number.

    No smaller quantity matters: in these units an optimum that is not zero is as long as 1/a ≥ 1e-100, or ε.
    """
    return jnp.sqrt(2.0 * count * jnp.finfo(dtype).tiny)


def label_error(Y, loosest):
    """Relative and absolute rounding of labels by their dtype; doubles are the truth as they stand."""
    given, unit = jnp.finfo(Y.dtype), jnp.finfo(loosest).eps
    return (given.eps if given.eps > unit else 0.0), given.tiny
