"""The jointly optimal multiplier: the scalar equation of the free-classifier theorem.

For an exchangeable law and d ≥ K−1 every global optimum of the joint problem over (W, h) has
W Wᵀ = (m² K/(K−1)) Π with m² = a (K−1) λ_H/K, where (cross-entropy)

    E‖y − p_a(y)‖² = (K−1) λ_W λ_H,

the left side falling from E‖y‖² − 1/K at a = 0. For squared error with a free bias
a = σ/√(λ_W λ_H) − 1, σ² = (E‖y‖² − 1/K)/(K−1). Both: W = 0 unless λ_W λ_H < σ².
"""

from math import sqrt
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import ufm.rules.numbers as checked
from ufm.model.laws import LabelLaw, Patterns, label_variance, mixup, pattern_rule
from ufm.model.quadrature import REACH
from ufm.rules.errors import InputError
from ufm.theory.features import label_optimum, solve_patterns
from ufm.theory.formulas import values
from ufm.theory.formulas.arrays import FEW
from ufm.theory.response import response, response_error
from ufm.theory.sharpness import joint_sharpness, pattern_labels
from ufm.theory.slopes import label_logits

EPS = float(np.finfo(np.float64).eps)
PADDED = 1024  # patterns of a compiled program, or a multiple
STEP = 1e-3  # in log a, of the differences that say how much a rounded root moves a slope


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
    """The optimal m of the continuous law (needs float64). λ_W = 0 has no finite optimum: InputError.

    As a traced function for mixup, with derivatives: `ufm.optimal_sharpness`.
    """
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
    threshold = patterns.variance
    if product >= threshold:
        return Multiplier(0.0, 0.0, threshold)
    a = _solve_sharpness(patterns, classes, product, threshold, loss)
    return Multiplier(sqrt(values.multiplier_square(a, classes, lambda_h)), a, threshold)


_sharpness = jax.jit(joint_sharpness, static_argnames=("classes", "loss"))


def _solve_sharpness(patterns: Patterns, classes: int, product: float, threshold: float, loss: str) -> float:
    """The solver on these patterns; many are padded with weight zero, so that few shapes are compiled."""
    if patterns.values.size <= FEW:
        with np.errstate(all="ignore"):
            return float(
                joint_sharpness(pattern_labels(patterns), product, threshold, classes=classes, loss=loss)
            )
    missing = -len(patterns.weights) % PADDED
    ends = (((0, missing), (0, 0)), ((0, missing), (0, 0)))
    values, counts = (np.pad(part, width, mode="edge") for part, width in zip(patterns, ends))
    labels = pattern_labels(Patterns(values, counts, np.pad(patterns.weights, (0, missing))))
    return float(_sharpness(labels, product, threshold, classes=classes, loss=loss))


def require_float64() -> None:
    """Raise RuntimeError unless JAX runs in x64 mode."""
    if jnp.result_type(float) != jnp.float64:
        raise RuntimeError(
            "closed forms need float64: call jax.config.update('jax_enable_x64', True) before using ufm"
        )


class MultiplierSlopes(NamedTuple):
    """Derivatives of the jointly optimal multiplier m, and bounds on the rounding of each (same order).

    The bounds hold for the law made of the rule's nodes; the rule's own error is not among them.
    """

    alpha: float
    lambda_w: float
    lambda_h: float
    rounding: tuple[float, float, float]


def multiplier_slopes(
    alpha: float, classes: int, lambda_w: float, lambda_h: float, pairs: str = "all"
) -> MultiplierSlopes:
    """∂m/∂α, ∂m/∂λ_W, ∂m/∂λ_H for mixup with cross-entropy, by implicit differentiation.

    F(a, α) = E_α‖y − p_a(y)‖² = (K−1) λ_W λ_H and m² = a (K−1) λ_H/K. The score of Beta(α, α) is
    log λ(1−λ) less its mean, so ∂F/∂α is its covariance with the integrand over λ; ∂F/∂a in closed form.
    Raises InputError where m = 0 or the law has no α to move.
    """
    law = mixup(alpha, pairs)
    found = joint_multiplier(law, classes, lambda_w, lambda_h)
    if found.value == 0 or pairs == "same":
        raise InputError("the multiplier is zero or does not depend on alpha here: it has no such derivative")
    patterns = pattern_rule(law, classes)
    return pattern_slopes(patterns, _scores(patterns, alpha), found, lambda_w, lambda_h)


def _scores(patterns: Patterns, alpha: float) -> np.ndarray:
    """∂ log weight/∂α of each pattern: zero for one class, whose share is fixed."""
    mixed = patterns.counts[:, 1] > 0  # different classes: the only ones that depend on λ
    inside = mixed & (patterns.values[:, :2].min(1) > 0)
    score = np.log(np.prod(np.where(inside[:, None], patterns.values[:, :2], 1.0), 1))
    # a tail ∝ e^{−α|t|} beyond REACH is lumped at λ = 0 or 1: there log λ(1−λ) = −|t| on average
    score = np.where(inside, score, -(REACH + 1 / alpha))
    weight = patterns.weights * mixed
    return np.where(mixed, score - weight @ score / weight.sum(), 0.0)


def pattern_slopes(
    patterns: Patterns, scores: np.ndarray, found: Multiplier, lambda_w: float, lambda_h: float
) -> MultiplierSlopes:
    """The same for weighted patterns whose weights move by `scores` · weight · dα.

    d log a = (dF_target − ∂F/∂α dα)/(a ∂F/∂a);  m ∝ √(a λ_H).
    """
    a, K = found.sharpness, float(patterns.counts[0].sum())
    here, low, high = (_moments(patterns, scores, a * t) for t in (1.0, np.exp(-STEP), np.exp(STEP)))
    per_a = found.value / (2 * a)
    target = (K - 1) / here.d_a * per_a
    slopes = -here.d_alpha / here.d_a * per_a, target * lambda_h, target * lambda_w
    # the root a is as far off as its equation allows, and moves the rest by their own slopes in log a
    off = (here.error / here.value + 16 * EPS) / (-a * here.d_a / here.value) + 8 * EPS
    falls = np.log(high.d_a / low.d_a) / (2 * STEP)
    turns = (high.d_alpha - low.d_alpha) / (2 * STEP)
    common = 2 * off * (0.5 + abs(falls)) + here.d_a_error / -here.d_a + 16 * EPS
    first = (here.d_alpha_error + 2 * off * abs(turns)) * abs(per_a / here.d_a)
    own = found.value / (2 * lambda_h)
    rounding = (
        float(common * abs(slopes[0]) + first),
        float(common * abs(slopes[1])),
        float(common * abs(slopes[2]) + (off + 16 * EPS) * own),
    )
    return MultiplierSlopes(slopes[0], slopes[1], slopes[2] + own, rounding)


class _Moments(NamedTuple):
    """F = E‖r‖², ∂F/∂a, ∂F/∂α, and bounds on their rounding."""

    value: float
    d_a: float
    d_alpha: float
    error: float
    d_a_error: float
    d_alpha_error: float


def _moments(patterns: Patterns, scores, a) -> _Moments:
    """∂‖r‖²/∂a = −2 Σ p_k (r_k − t)²/(1 + a p_k): a sum of positive terms (`ufm.theory.response`)."""
    parts = _moment_parts(patterns.values, patterns.counts, a)
    moment, slope, moment_error, slope_error = (np.asarray(part) for part in parts)
    w, size = patterns.weights, np.abs(scores) + 1.0  # a score is known to a few ε of itself and of one
    summed = len(w) * EPS  # of the absolute terms: what a sum over the patterns can lose
    moment_error, slope_error = moment_error + summed * moment, slope_error + summed * np.abs(slope)
    return _Moments(
        float(w @ moment),
        float(w @ slope),
        float((w * scores) @ moment),
        *(float(w @ error) for error in (moment_error, slope_error, size * moment_error)),
    )


@jax.jit
def _moment_parts(values, counts, a):
    """‖r‖² and ∂‖r‖²/∂a of each pattern, each with a bound on its rounding."""
    at = label_logits(label_optimum(values, counts, a), a, counts, 0.0)
    r, r_error = at.z / a, at.size / a
    found = response(r, at.s, counts)
    apart_error = response_error(r, at.s, counts, found, r_error, at.s_error).apart
    moment, terms = jnp.sum(counts * r**2, -1), counts * at.s / a * (1.0 + at.s)
    slope = -2.0 * jnp.sum(terms * found.apart**2, -1)
    loss = 4.0 * jnp.sum(terms * jnp.abs(found.apart) * apart_error, -1)
    moment_error = 2.0 * jnp.sum(counts * jnp.abs(r) * r_error, -1) + 64 * EPS * moment
    return moment, slope, moment_error, loss + 2.0 * jnp.max(at.s_error, -1) * jnp.abs(slope)
