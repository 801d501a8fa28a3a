"""Closed-form optimal features against a simplex ETF, for any soft label.

Cross-entropy (generalises Fisher, Meng, Papyan, ICLR 2024, Thm 3.1; re-derived here).
Stationarity is h = Wᵀ(y − p)/λ_H, so z = a (y − p) with a = g/λ_H. Measure logits from an
imaginary class with label 0, of probability o/a:

    x_k = z_k − z_o,    x_k + o (e^{x_k} − 1) = a y_k,    Σ_k x_k = K o,    p_k = o e^{x_k}/a.

x_k is increasing in y_k and zero where y_k is; o is the one unknown (o = ω(t) in terms of the
Wright omega function of the README) and nothing cancels, for any a. Then
h = Σ_k (x_k/g) w_k; for a two-hot label this is coef_i w_i + coef_j w_j whatever K is.

Squared error: z = (a/(1+a)) (y − 1/K), so x_k = (a/(1+a)) y_k: exactly affine in λ.

A label is given as distinct `values` (..., r) repeated `counts` (..., r) times, Σ counts = K.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import ufm.rules.numbers as checked
from ufm.rules.errors import InputError
from ufm.theory.formulas import equations
from ufm.theory.formulas.arrays import FEW, namespace, repeat, root
from ufm.theory.formulas.values import affine_logit
from ufm.theory.response import response

# Relative rounding error of each coefficient, in units of machine epsilon (see `rounding`).
ROUNDING_ULPS = 64.0


class LabelOptimum(NamedTuple):
    """The optimum for one label: x (..., r), p (..., r), and o = a p_o (...)."""

    x: Float[Array | np.ndarray, "*batch r"]
    p: Float[Array | np.ndarray, "*batch r"]
    reference: Float[Array | np.ndarray, "*batch"]


def excess_logit(o, b):
    """The root x ≥ 0 of x + o (e^x − 1) = b, for o > 0, b ≥ 0; elementwise.

    Convex and increasing, started at an upper bound: Newton falls monotonically to the root.
    The start exceeds it by at most min(w, log(1 + x/w)) < 3 with w = o e^x, so ten steps suffice.
    """
    xp = namespace(o, b)
    start = xp.minimum(b / (1.0 + o), xp.log1p(b / o))
    return root(lambda x: equations.excess(x, o, b, xp.expm1), start, partial(_excess_root, o))


def _excess_root(o, equation, start):
    exp = namespace(o, start).exp
    found = repeat(
        lambda s: s[1] < 10,
        lambda s: (s[0] - equation(s[0]) / equations.excess_slope(s[0], o, exp), s[1] + 1),
        (start, 0),
    )
    return found[0]


def reference_mass(b, counts):
    """The root o of Σ_k counts_k x(o, b_k) = K o, b = a y with Σ counts · b = a > 0.

    The gap is concave and decreasing in log o, and the start is an upper bound (Jensen), so
    Newton in log o falls monotonically to the root.
    """
    xp = namespace(b)
    K = xp.sum(counts, -1)
    a = xp.sum(counts * b, -1)
    support = xp.sum(xp.where(b > 0, counts, 0.0), -1)
    bound = (support / K) * xp.maximum(1.0, xp.log1p(a * K / support**2))
    start = xp.log(xp.minimum(a / K, bound))
    return xp.exp(root(partial(_mass, b, counts, K), start, partial(_mass_root, b, counts, K)))


def _mass(b, counts, K, log_o):
    xp = namespace(b, log_o)
    o = xp.exp(log_o)
    return xp.sum(counts * excess_logit(o[..., None], b), -1) / (K * o) - 1.0


def _mass_step(b, counts, K, log_o):
    """Newton's."""
    xp = namespace(b, log_o)
    o = xp.exp(log_o)[..., None]
    x = excess_logit(o, b)
    gap = equations.mass(xp.sum(counts * x, -1), o[..., 0], K)
    slope = -xp.sum(counts * o * xp.expm1(x) / (1.0 + o * xp.exp(x)), -1) - K * o[..., 0]
    return log_o - gap / slope


def _mass_root(b, counts, K, _, start):
    """Quadratic convergence: one step after one below 1e-9 is exact to rounding."""
    step = partial(_mass_step, b, counts, K)
    found = repeat(
        lambda s: (s[3] < 60) & namespace(*s).any(abs(s[1] - s[0]) > 1e-9),
        lambda s: (s[1], s[2], step(s[2]), s[3] + 1),
        (start + 2.0, start + 1.0, start, 0),
    )
    return found[2]


def label_optimum(values, counts, a, loss: str = "cross-entropy") -> LabelOptimum:
    """Optimal x, p and o for labels given as values and counts; a > 0. Batches over leading axes."""
    xp = namespace(values, counts, a)
    values, counts = xp.broadcast_arrays(values, counts)
    K = xp.sum(counts, -1, keepdims=True)
    if loss == "squared-error":
        x = affine_logit(values, a)
        return LabelOptimum(x, x + 1.0 / (1.0 + a) / K, xp.sum(counts * x, -1) / K[..., 0])
    b = a * values
    o = reference_mass(b, counts)
    x = excess_logit(o[..., None], b)
    return LabelOptimum(x, o[..., None] * xp.exp(x) / a, o)


_label_optimum = jax.jit(label_optimum, static_argnames="loss")


def solve_patterns(values, counts, a: float, loss: str = "cross-entropy", least: int = 1024) -> LabelOptimum:
    """`label_optimum` of n patterns (n, r) as numpy arrays; many are padded to `least` or more, to compile once."""
    n = len(values)
    if values.size <= FEW:
        with np.errstate(all="ignore"):
            return label_optimum(np.asarray(values, float), np.asarray(counts, float), a, loss)
    width = max(least, 1 << (n - 1).bit_length())
    values, counts = (np.pad(part, ((0, width - n), (0, 0)), mode="edge") for part in (values, counts))
    return LabelOptimum(*(np.asarray(part)[:n] for part in _label_optimum(values, counts, a, loss=loss)))


class TwoHotOptimum(NamedTuple):
    """The optimum for y = λ e_i + (1−λ) e_j, i ≠ j: h = coef_i w_i + coef_j w_j.

    x_i, x_j: log(p_i/p_o), log(p_j/p_o); gap: x_i − x_j, accurate also where it is small.
    For squared error p is the fitted value z + 1/K rather than a probability.
    """

    x_i: Float[Array | np.ndarray, "*batch"]
    x_j: Float[Array | np.ndarray, "*batch"]
    gap: Float[Array | np.ndarray, "*batch"]
    p_i: Float[Array | np.ndarray, "*batch"]
    p_j: Float[Array | np.ndarray, "*batch"]
    p_other: Float[Array | np.ndarray, "*batch"]


def two_hot_roots(lam, a, classes) -> TwoHotOptimum:
    """The optimum of arrays that have one shape, of numpy or of JAX."""
    best = label_optimum(_two_hot_values(lam), two_hot_counts(lam, classes), a[..., None])
    x_i, x_j = best.x[..., 0], best.x[..., 1]
    gap = logit_gap(x_i, x_j, best.reference, lam, a, classes)
    return TwoHotOptimum(x_i, x_j, gap, best.p[..., 0], best.p[..., 1], best.p[..., 2])


_two_hot_optimum = jax.custom_jvp(two_hot_roots)


def _two_hot_affine(lam, a, classes):
    best = label_optimum(_two_hot_values(lam), two_hot_counts(lam, classes), a[..., None], "squared-error")
    gap = (2.0 * lam - 1.0) / (1.0 + 1.0 / a)
    return TwoHotOptimum(best.x[..., 0], best.x[..., 1], gap, best.p[..., 0], best.p[..., 1], best.p[..., 2])


def _two_hot_values(lam):
    xp = namespace(lam)
    return xp.stack([lam, 1.0 - lam, xp.zeros_like(lam)], -1)


def two_hot_counts(lam, classes):
    """How many classes each of the three values of a two-hot label stands for."""
    xp = namespace(lam)
    one = xp.ones_like(lam)
    return xp.stack([one, one, (classes - 2.0) * one], -1)


def two_hot_optimum(lam, a, classes, loss: str = "cross-entropy") -> TwoHotOptimum:
    """Optimum at mixing weight λ; the cost does not depend on K = classes.

    λ = 1 is the same-class optimum, the r-Lambert root x_i (e^{x_i} + K − 1) = a K, with x_j = 0.
    Derivatives (jvp, grad, any order) in λ, a and K come from `ufm.theory.response`, so that none cancels:
    ∂gap/∂a ~ a⁻² and ∂p/∂a ~ a⁻² keep their digits at any a.
    Raises InputError for values that are known (not traced): λ outside [0, 1], a <= 0, K < 2, another loss.
    """
    _check_two_hot(lam, a, classes, loss)
    dtype = jnp.result_type(lam, a, float)
    lam, a, classes = jnp.broadcast_arrays(*(jnp.asarray(part, dtype) for part in (lam, a, classes)))
    return (_two_hot_affine if loss == "squared-error" else _two_hot_optimum)(lam, a, classes)


def two_hot_logits(best: TwoHotOptimum, a, classes):
    """z and s = a p (..., 3) of classes i, j and any other, at a cross-entropy optimum."""
    a = jnp.broadcast_to(a, best.x_i.shape)[..., None]
    s = a * jnp.stack([best.p_i, best.p_j, best.p_other], -1)
    half, o = best.gap / 2, s[..., 2]  # for K = 2 (gap/2, −gap/2) is accurate where the x are close
    z_i, z_j = (jnp.where(classes == 2, *pair) for pair in ((half, best.x_i - o), (-half, best.x_j - o)))
    return jnp.stack([z_i, z_j, -o], -1), s


@_two_hot_optimum.defjvp
def _two_hot_jvp(primals, tangents):
    """The derivative of gap, x and p without cancellation, itself differentiable."""
    _, a, classes = primals
    d_lam, d_a, d_classes = (part[..., None] for part in tangents)
    best, a = _two_hot_optimum(*primals), a[..., None]
    z, s = two_hot_logits(best, a[..., 0], classes)
    counts = two_hot_counts(best.x_i, classes)
    along_a = response(z / a, s, counts).apart
    along_lam = response(a * jnp.array([1.0, -1.0, 0.0], a.dtype), s, counts).apart
    # one more class of probability p_o: dz = q t, Σ (1−q) p t = p_o dK
    along_K = -s[..., 2:] / jnp.sum(counts * (s / (1.0 + s)), -1, keepdims=True) / (1.0 + s)
    d_log_p = along_a * d_a + along_lam * d_lam + along_K * d_classes
    p = s / a * d_log_p
    i, j, other = (d_log_p[..., k] for k in range(3))
    # x' = d log p − d log p_other, without cancellation where x is small too
    x_i, x_j, o = best.x_i, best.x_j, s[..., 2]
    along = d_a[..., 0] / a[..., 0]
    x_i = (along * x_i + (a * d_lam)[..., 0] - o * jnp.expm1(x_i) * other) / (1.0 + s[..., 0])
    x_j = (along * x_j - (a * d_lam)[..., 0] - o * jnp.expm1(x_j) * other) / (1.0 + s[..., 1])
    return best, TwoHotOptimum(x_i, x_j, i - j, p[..., 0], p[..., 1], p[..., 2])


def _check_two_hot(lam, a, classes, loss) -> None:
    checked.choice("loss", loss, checked.LOSS_NAMES)
    if not isinstance(lam, jax.core.Tracer):
        checked.mixing("lam", lam)
    for name, value, least in (("a", a, np.nextafter(0.0, 1.0)), ("classes", classes, 2)):
        if not isinstance(value, jax.core.Tracer) and not (checked.array(name, value, None) >= least).all():
            raise InputError(f"{name} must be at least {least:.3g}, got {value!r}")


def logit_gap(x_i, x_j, o, lam, a, classes):
    """D = x_i − x_j without cancellation near λ = ½: the root of D + A tanh(D/2) = a(2λ−1).

    A = a (p_i + p_j). Where |D| ≥ 1 the difference itself is accurate.
    """
    xp = namespace(x_i, lam, a)
    others = (classes - 2.0) * o
    A = xp.where(others < a / 2, a - others, o * (xp.exp(x_i) + xp.exp(x_j)))
    target = a * (2.0 * lam - 1.0)
    D = x_i - x_j
    for _ in range(2):
        t = xp.tanh(D / 2)
        D = D - equations.difference(D, A, target, xp.tanh) / (1.0 + A / 2 * (1.0 - t * t))
    return xp.where(xp.abs(x_i - x_j) < 1.0, D, x_i - x_j)


def bregman(p, q, log_q):
    """Terms of KL(p ‖ q), as Σ p = Σ q: p (ρ − log(1 + ρ)), ρ = (q − p)/p, and by logarithms where q is tiny."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (q - p) / p
        near = p * (ratio - np.log1p(np.maximum(ratio, -0.5)))
    return np.where(ratio > -0.5, near, q - p + p * (np.log(p) - log_q))


def rounding(terms, eps: float):
    """Bound on the relative rounding error of each coefficient x_k/g, for `terms` distinct values.

    Each x_k is a residual-polished root (≤ 4 ε relative), o comes from a sum of positive terms
    whose log-derivative is at least one (≤ (terms + 8) ε), a and g are products of a few
    doubles (≤ 6 ε), and no coefficient moves by more than twice the relative change of o or a.
    """
    return (ROUNDING_ULPS + 2.0 * terms) * eps
