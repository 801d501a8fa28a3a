"""The jointly optimal multiplier: the scalar equation of the free-classifier theorem.

For an exchangeable law and d ≥ K−1 every global optimum of the joint problem over (W, h) has
W Wᵀ = (m² K/(K−1)) Π with m² = a (K−1) λ_H/K, where (cross-entropy)

    E‖y − p_a(y)‖² = (K−1) λ_W λ_H,

the left side falling from E‖y‖² − 1/K at a = 0. For squared error with a free bias
a = σ/√(λ_W λ_H) − 1, σ² = (E‖y‖² − 1/K)/(K−1). Both: W = 0 unless λ_W λ_H < σ².
"""

from math import exp, log, sqrt
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import ufm.checked as checked
from ufm.errors import InputError
from ufm.labels import LabelLaw, Patterns, label_variance, mixup, pattern_rule
from ufm.quadrature import REACH
from ufm.roots import bracketed_root
from ufm.theory.features import label_optimum, solve_patterns


class Multiplier(NamedTuple):
    """m, a = g/λ_H, and σ² = the value of λ_W λ_H at and above which the optimum is zero."""

    value: float
    sharpness: float
    threshold: float


def residual_moment(patterns: Patterns, a: float) -> float:
    """E‖y − p_a(y)‖² = E‖z‖²/a² over weighted patterns, z the optimal logits at sharpness a."""
    best = solve_patterns(patterns.values, patterns.counts, a)
    residual = (best.x - best.reference[:, None]) / a
    return float(patterns.weights @ np.sum(patterns.counts * residual**2, 1))


def joint_multiplier(
    law: LabelLaw,
    classes: int,
    lambda_w: float,
    lambda_h: float,
    loss: str = "cross-entropy",
    refine: int = 1,
) -> Multiplier:
    """The optimal m of the continuous law (needs float64). λ_W = 0 has no finite optimum: InputError."""
    checked.instance("law", law, LabelLaw, "ufm.mixup")
    checked.integer("classes", classes, 2)
    if law.labels is not None and law.labels.shape[1] != classes:
        raise InputError(f"soft labels have {law.labels.shape[1]} columns for {classes} classes")
    checked.choice("loss", loss, checked.LOSS_NAMES)
    checked.integer("refine", refine, 1, 64)
    lambda_w = checked.penalty("lambda_w", lambda_w, zero=True)
    lambda_h = checked.penalty("lambda_h", lambda_h)
    threshold = label_variance(law, classes)
    if lambda_w * lambda_h >= threshold:  # decided without a quadrature
        return Multiplier(0.0, 0.0, threshold)
    found = pattern_multiplier(pattern_rule(law, classes, refine), lambda_w, lambda_h, loss)
    return found._replace(threshold=threshold)


def pattern_multiplier(
    patterns: Patterns, lambda_w: float, lambda_h: float, loss: str = "cross-entropy"
) -> Multiplier:
    """The optimal m of the exchangeable law made of weighted patterns."""
    require_float64()
    classes, product = round(float(patterns.counts[0].sum())), lambda_w * lambda_h
    if product < 1e-60:
        raise InputError(
            f"lambda_w lambda_h = {product:g} leaves no jointly optimal multiplier within reach: "
            "give the multiplier yourself"
        )
    spread = np.sum(patterns.counts * (patterns.values - 1 / classes) ** 2, 1)
    threshold = float(patterns.weights @ spread) / (classes - 1)
    if product >= threshold:
        return Multiplier(0.0, 0.0, threshold)
    if loss == "squared-error":
        a = (sqrt(threshold) - sqrt(product)) / sqrt(product)
    else:
        a = _solve_sharpness(patterns, classes, product, threshold)
    return Multiplier(sqrt(a * (classes - 1) * lambda_h / classes), a, threshold)


def _solve_sharpness(patterns: Patterns, classes: int, product: float, threshold: float) -> float:
    def gap(log_a):
        return log(residual_moment(patterns, exp(log_a)) / (classes - 1)) - log(product)

    low, high = _bracket(gap, log(classes * (1 - product / threshold)))
    return exp(bracketed_root(gap, low, high))


def _bracket(gap, start: float) -> tuple[float, float]:
    """An interval on which the decreasing function `gap` changes sign, found by growing steps."""
    low = high = start
    step = 1.0
    while gap(low) < 0:
        high, low, step = low, low - step, 2 * step
    step = 1.0
    while gap(high) > 0:
        low, high, step = high, high + step, 2 * step
    return low, high


def require_float64() -> None:
    """Raise RuntimeError unless JAX runs in x64 mode."""
    if jnp.result_type(float) != jnp.float64:
        raise RuntimeError(
            "closed forms need float64: call jax.config.update('jax_enable_x64', True) before using ufm"
        )


class MultiplierSlopes(NamedTuple):
    """Derivatives of the jointly optimal multiplier m."""

    alpha: float
    lambda_w: float
    lambda_h: float


def multiplier_slopes(
    alpha: float, classes: int, lambda_w: float, lambda_h: float, pairs: str = "all"
) -> MultiplierSlopes:
    """∂m/∂α, ∂m/∂λ_W, ∂m/∂λ_H for mixup with cross-entropy, by implicit differentiation.

    F(a, α) = E_α‖y − p_a(y)‖² = (K−1) λ_W λ_H and m² = a (K−1) λ_H/K. The score of Beta(α, α) is
    log λ(1−λ) less its mean, so ∂F/∂α is its covariance with the integrand over λ; ∂F/∂a by autodiff
    of the closed form. Raises InputError where m = 0 or the law has no α to move.
    """
    law = mixup(alpha, pairs)
    found = joint_multiplier(law, classes, lambda_w, lambda_h)
    if found.value == 0 or pairs == "same":
        raise InputError("the multiplier is zero or does not depend on alpha here: it has no such derivative")
    patterns = pattern_rule(law, classes)
    a, values = found.sharpness, jnp.asarray(patterns.values)

    def moments(a):
        best = label_optimum(values, jnp.asarray(patterns.counts), a)
        return jnp.sum(patterns.counts * ((best.x - best.reference[:, None]) / a) ** 2, -1)

    moment, slope = (np.asarray(part) for part in jax.jvp(moments, (a,), (1.0,)))
    mixed = patterns.counts[:, 1] > 0  # different classes: the only ones that depend on λ
    inside = mixed & (patterns.values[:, :2].min(1) > 0)
    score = np.log(np.prod(np.where(inside[:, None], patterns.values[:, :2], 1.0), 1))
    # a tail ∝ e^{−α|t|} beyond REACH is lumped at λ = 0 or 1: there log λ(1−λ) = −|t| on average
    score = np.where(inside, score, -(REACH + 1 / alpha))
    weight = patterns.weights * mixed
    score = score - weight @ score / weight.sum()
    d_alpha = float(weight @ (score * moment))
    d_a = float(patterns.weights @ slope)
    # d log a = (dF_target − ∂F/∂α dα)/(a ∂F/∂a);  m ∝ √(a λ_H)
    per_a = found.value / (2 * a)
    target = (classes - 1) / d_a * per_a
    return MultiplierSlopes(
        alpha=-d_alpha / d_a * per_a,
        lambda_w=target * lambda_h,
        lambda_h=target * lambda_w + found.value / (2 * lambda_h),
    )
