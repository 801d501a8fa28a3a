"""Certified distance of ANY candidate feature to the true optimum, rounding included.

The truth is the problem in doubles: m, λ_H and W as given, labels that sum to one exactly (the largest entry is one
minus the others). A candidate of either precision is judged in float64, where no scale, W or λ_H that
`ufm.model.problem` lets pass can be flushed to zero; what can (squares, probabilities) has its own term in the
bound.

The bound is that of `ufm.certify.local_bound`. Rounding enters in three places, each bounded: the probabilities
(relative η), the gradient (entrywise e), and the linear solve (residual ρ of the computed n, so the solver need
not be trusted). Each is divided by curvature: against the ETF Q⁻¹ is known in closed form (here), against any
other W it is verified (`ufm.certify.explicit`). Assumed of the arithmetic: IEEE rounding of + − × ÷ √, and
exp accurate to 8 units in the last place; results below the smallest normal number may be flushed to zero.

Imports neither theory nor optimize: it judges a candidate wherever it came from.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped

import ufm.rules.numbers as checked
from ufm.certify.explicit import certify_rows
from ufm.certify.local_bound import (
    Certificate,
    Local,
    combine,
    everywhere,
    label_error,
    probability_error,
    underflow,
)
from ufm.loss import LOSSES, MANY, largest_class, relative_logits, sum_zero, triple
from ufm.model.etf import etf_basis
from ufm.model.problem import Problem
from ufm.model.rows import EPS, row_space
from ufm.rules.soft_labels import normalise
from ufm.runtime.programs import common_width, program


@program("loss_name")
def certify_etf(q, Y, scale, lambda_h, *, loss_name: str) -> Certificate:
    """Candidates h = V q, q (K, B) float, against the exact simplex ETF W Wᵀ = scale² Π.

    The candidate is the exact real vector V (q − mean q), V the isometry of 1⊥ into feature
    space, so ‖h‖ = ‖q − mean q‖ and z = scale (q − mean q). O(K) a feature. Everything is cast to float64.
    """
    checked.choice("loss_name", loss_name, checked.LOSS_NAMES)
    _require_float64()
    q, scale, lambda_h = (jnp.asarray(part, jnp.float64) for part in (q, scale, lambda_h))
    length = jnp.where(scale > 0, scale / lambda_h, 1.0)
    rounding, Y, v = label_error(Y, q.dtype), Y.astype(q.dtype), q / length
    options = {"loss": LOSSES[loss_name], "length": length, "scale": scale, "rounding": rounding}
    each_class = partial(_certify_etf, v, Y, _Classes(len(Y)), **options)
    if loss_name == "cross-entropy" and len(Y) >= MANY and Y.ndim == 2:
        few, three, labels = _three(v, Y)
        by_three = partial(_certify_etf, three, labels, _Classes(len(Y), True), **options)
        found = jax.lax.cond(few, by_three, each_class)
    else:
        found = each_class()
    return Certificate(length * found.distance, lambda_h * length * found.gradient_norm)


class _Classes(NamedTuple):
    """K classes, a row each; three: or two, and in a third row those that all others are like."""

    K: int
    three: bool = False

    @property
    def sizes(self):
        """Of how many classes each row is."""
        return np.array([[1.0], [1.0], [self.K - 2.0]]) if self.three else 1.0

    def total(self, v):
        """Σ over the classes."""
        return jnp.sum(self.sizes * v if self.three else v, 0)

    def norm(self, v):
        """‖v‖."""
        return jnp.sqrt(self.total(v * v))

    def local(self, loss, z, y):
        """∂ℓ/∂z and c of a class of each row."""
        slope, curvature = loss.local(z + np.log(self.sizes), y)
        return slope / self.sizes, curvature / self.sizes


def _three(v, Y):
    """Whether the classes that labels leave without mass have equal entries in v; and if so, both as three rows.

    Every number is then what it is class by class, but for rounding: sums have three terms instead of K, and log ω
    moves logits by less than 2 log K ε, of the 2 K ε that `probability_error` allows.
    """
    few, labels = triple(Y)
    k = jax.lax.broadcasted_iota(jnp.int32, Y.shape, 0)
    others = (k != labels.places[0]) & (k != labels.places[1])
    rest = jnp.max(jnp.where(others, v, -jnp.inf), 0)
    few &= jnp.all(rest == jnp.min(jnp.where(others, v, jnp.inf), 0))
    return few, jnp.concatenate([jnp.take_along_axis(v, labels.places, 0), rest[None]]), labels.Y


def _certify_etf(v, y, classes, *, loss, length, scale, rounding) -> Certificate:
    """In the units of `ufm.model.rows`: ∇f = r + v, Q = a (diag c − coupling c cᵀ) + 1, z = a v. Batch last."""
    unit, K, total = jnp.finfo(v.dtype).eps, classes.K, classes.total
    centred, mass = v - total(v) / K, total(jnp.abs(v))
    a = scale * length
    z, largest, pull = a * centred, largest_class(y), jnp.where(scale > 0, 1.0, 0.0)
    r, c = classes.local(loss, z, y)
    spread_z = jnp.max(jnp.abs(relative_logits(z, y)), 0)
    eta = probability_error(loss, K, 16.0 * unit * spread_z + 4.0 * unit * a * mass, unit)
    # the entry of the gradient at the largest label is minus the others, exactly
    F = sum_zero(pull * (r - (1.0 - loss.coupling) * total(r) / K) + centred, largest, total)
    step = _isometric_step(F, c, a, loss.coupling, classes)
    spread = step - loss.coupling * total(c * step)
    rho = sum_zero(F + a * c * spread + step, largest, total)
    logit_part = eta * c if loss.concordance else 16.0 * unit * (jnp.abs(z) + a * mass)
    relative, absolute = rounding
    labels = relative * y + absolute
    # of the mean residual, the largest entry's share too
    labels = labels + (1.0 - loss.coupling) * total(labels) / K
    e = pull * (logit_part + 8.0 * unit * (c + y) + labels)
    e = e + 8.0 * unit * (jnp.abs(centred) + mass)
    e_step = 8.0 * (K + 4) * unit * (a * c + 1.0) * jnp.max(jnp.abs(step), 0)
    wrong = jnp.where(largest, 0.0, jnp.abs(rho) + e + e_step)
    return _assemble_etf(loss, F, step, spread, wrong, e, eta, c, a, largest, centred, classes)


def _isometric_step(F, c, a, coupling, classes):
    """Newton step −Q⁻¹F for Q = a (diag c − coupling c cᵀ) + 1 on 1⊥."""
    d = a * c + 1.0
    step = (coupling * c * classes.total(F / d) / classes.total(c / d) - F) / d
    return step - classes.total(step) / classes.K


def _assemble_etf(loss, F, step, spread, wrong, e, eta, c, a, largest, centred, classes) -> Certificate:
    """Norms of Q⁻¹ in closed form: with u = 1/(a c + 1) and Δ = u_k − u_top, by Sherman–Morrison

    Q⁻¹(e_k − e_top) = u_k e_k − u_top e_top − Δ (c∘u)/Σ(c u),
    ‖e_k − e_top‖²_{Q⁻¹} = u_k + u_top + Δ²/(a Σ(c u)).
    """
    K, total, unit = classes.K, classes.total, jnp.finfo(c.dtype).eps
    u = 1.0 / (a * c + 1.0)
    u_top, u_big = total(jnp.where(largest, u, 0.0)), jnp.max(u, 0)
    mass, delta = total(c * u), jnp.abs(u - u_top) * loss.coupling
    euclid = jnp.sqrt(u**2 + u_top**2) + delta * classes.norm(c * u) / mass
    tilt = delta / jnp.maximum(a, jnp.finfo(c.dtype).tiny) * delta / mass
    energy = jnp.sqrt(u + u_top + tilt)
    widest = loss.coupling * (u_big - jnp.min(u, 0))
    norm, defect = classes.norm(F), total(wrong * euclid)
    norm_error = 2.0 * total(jnp.where(largest, 0.0, e))
    size = classes.norm(centred) + 2.0 * unit * total(jnp.abs(centred))
    local = Local(
        newton_norm=classes.norm(step),
        newton_q=jnp.sqrt(total((a * c) * spread**2) + total(step**2)),
        newton_range=a * (jnp.ptp(step, 0) + 1.5 * defect),  # a range is at most √2 times a norm
        defect=defect,
        defect_q=total(wrong * energy),
        eta=eta,
        ratio=jnp.sqrt(a * (2.0 * a * u_big + widest**2 / mass)),
        least=1.0 + a * jnp.min(c, 0),
        everywhere=everywhere(loss, norm + norm_error, size, K, a),
        underflow=underflow(2 * K, c.dtype),
    )
    return Certificate(combine(local, loss.concordance), norm + norm_error + local.underflow)


def certify_any(H, Y, W, lambda_h, *, loss_name: str) -> Certificate:
    """Candidates H (N, d) with labels Y (N, K) against any explicit classifier W (K, d), which is not traced."""
    checked.choice("loss_name", loss_name, checked.LOSS_NAMES)
    _require_float64()
    certify = partial(certify_rows, row_space(np.asarray(W), float(lambda_h)), loss_name=loss_name)
    if any(isinstance(part, jax.core.Tracer) for part in (H, Y)):
        return certify(H.T, Y.T)
    return _of_common_width(certify, H.T, Y.T)


def _of_common_width(certify, *columns) -> Certificate:
    """Of columns filled up by the last one, so that few shapes are compiled."""
    count = columns[0].shape[1]
    missing = common_width(count) - count
    filled = (np.pad(part, ((0, 0), (0, missing)), mode="edge") for part in map(np.asarray, columns))
    return Certificate(*(part[:count] for part in map(np.asarray, certify(*filled))))


def certify_features(
    problem: Problem, H: Shaped[np.ndarray, "N d"], Y: Float[np.ndarray, "N K"]
) -> Certificate:
    """Bounds for ANY features H with soft labels Y, wherever they came from, in any type that doubles hold.

    The truth is the optimum for the exact simplex ETF, or for an explicit W as it stands in doubles; the bound is
    computed in float64. Raises InputError when shapes do not match. The traced functions of arrays below it:
    `ufm.certify.certify_etf` and `certify_rows` (with `ufm.model.row_space`).
    """
    checked.instance("problem", problem, Problem)
    Y = normalise(Y, "labels Y", ("N", problem.classes))
    # where they are not finite the bound is infinite
    H = checked.doubles("features H", H, (len(Y), problem.d))
    with jax.enable_x64(True):
        if problem.classifier is None:
            return _certify_in_space(problem, H, Y)
        return certify_any(H, Y, problem.classifier, problem.lambda_h, loss_name=problem.loss)


def _require_float64():
    if jnp.result_type(float) != jnp.float64:
        raise RuntimeError("certifying float64 features needs jax.config.update('jax_enable_x64', True)")


def _certify_in_space(problem, H, Y) -> Certificate:
    """Split h into its part in the ETF's row space, certified there, and the rest, which h* lacks."""
    basis = etf_basis(problem.classes, problem.dim)
    # what is infinite, or becomes so, has an infinite bound
    with np.errstate(invalid="ignore", over="ignore"):
        q = H @ basis.T
        outside, size = _norms(H - q @ basis), _norms(H)
    root = np.sqrt(problem.gain)
    inside = _of_common_width(
        lambda q, Y: certify_etf(q, Y, root, problem.lambda_h, loss_name=problem.loss), q.T, Y.T
    )
    rounding = (problem.dim + 8) * EPS * size
    distance = np.nan_to_num(
        np.hypot(np.asarray(inside.distance), outside) + rounding, nan=np.inf, posinf=np.inf
    )
    slope = np.hypot(np.asarray(inside.gradient_norm), problem.lambda_h * (outside + rounding))
    return Certificate(distance, np.nan_to_num(slope, nan=np.inf, posinf=np.inf))


def _norms(rows) -> np.ndarray:
    """Euclidean norms of rows whose squares may underflow."""
    top = np.max(np.abs(rows), 1)
    # infinite ones come out as NaN, and are judged as such
    with np.errstate(invalid="ignore", over="ignore"):
        return top * np.linalg.norm(rows / np.where(top > 0, top, 1.0)[:, None], axis=1)
