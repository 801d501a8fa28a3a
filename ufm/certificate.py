"""Certified distance of ANY candidate feature to the true optimum, rounding included.

f(h) = ℓ(W h, y) + (λ_H/2)‖h‖² is λ_H-strongly convex, so ‖h − h*‖ ≤ ‖∇f(h)‖/λ_H always; where λ_H
is small that is loose by orders of magnitude. Sharpened by local curvature: let Q be the Hessian
at h, F = ∇f(h), ν = ‖F‖_{Q⁻¹}, and R = sup range(W v)/‖v‖_Q. The third derivative of log-sum-exp
obeys |D³[u,u,v]| ≤ range(v) D²[u,u], hence along δ = h* − h with s = range(W δ)

    Q e^{−ts} ⪯ ∇²f(h + tδ) ⪯ Q e^{ts},   ‖δ‖_Q (1 − e^{−s})/s ≤ ν.

So if R ν < 1 then ‖δ‖_Q ≤ x := −log(1 − Rν)/R, and with the Newton step n = −Q⁻¹F

    ‖δ‖ ≤ ‖n‖ + x ((e^s − 1 − s)/s) / √λ_min(Q),   s ≤ R x,

which tends to the true distance as h → h*. (Re-derived; self-concordant-like calculus of
Bach 2010 and Sun & Tran-Dinh 2019.) Rounding enters in three places, each bounded: the
probabilities (relative η), the gradient (entrywise e), and the linear solve (residual ρ of the
computed n, so the solver need not be trusted). Assumed of the arithmetic: IEEE rounding of
+ − × ÷ √, and exp accurate to 8 units in the last place.

Imports neither theory nor optimize: it judges a candidate wherever it came from.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import ufm.checked as checked
from ufm.etf import etf_basis
from ufm.labels import normalise
from ufm.objective import LOSSES, relative_logits
from ufm.problem import Problem

SLACK = 1e-3  # relative allowance for rounding in the positive sums that make up the bound itself


class Certificate(NamedTuple):
    """Per candidate: ‖h − h*‖ ≤ distance, and the Euclidean norm of the gradient ∇f(h)."""

    distance: Float[Array, "*batch"]
    gradient_norm: Float[Array, "*batch"]


class _Local(NamedTuple):
    """Everything the final bound needs: all are upper bounds, `least` a lower bound of λ_min(Q)."""

    newton_norm: Array  # ‖ñ‖₂ of the computed Newton step
    newton_q: Array  # ‖ñ‖_Q
    defect: Array  # ‖Q⁻¹(F + Qñ)‖₂: rounding and inexact solve
    defect_q: Array  # ‖F + Qñ‖_{Q⁻¹}
    eta: Array  # log-relative error of the probabilities in Q
    ratio: Array  # R = sup range(W v)/‖v‖_Q
    least: Array  # ≤ λ_min(Q)
    everywhere: Array  # a bound that holds without local information
    underflow: Array  # what squares below the smallest normal number can hide in a norm


def _combine(local: _Local, concordance: float) -> Array:
    """The bound of the module's docstring from its ingredients; where it does not apply, `everywhere`."""
    wrong = 4.0 * local.eta  # Q is within e^{±4η} of the exact Hessian at h
    nu = (local.newton_q + local.defect_q) * jnp.exp(wrong)
    R = concordance * local.ratio
    applies = (R * nu < 1) & (local.eta < 0.05)
    nu = nu + local.underflow
    x = nu if concordance == 0 else -jnp.log1p(-jnp.where(applies, R * nu, 0.5)) / R
    s = R * x
    bend = 0.5 * s * jnp.exp(s + wrong) + jnp.expm1(wrong)  # (e^s − 1 − s)/s ≤ (s/2) e^s
    refined = local.newton_norm + local.underflow + local.defect + x * bend / jnp.sqrt(local.least)
    near = jnp.where(applies, jnp.minimum(refined, x / jnp.sqrt(local.least)), jnp.inf)
    bound = (1.0 + SLACK) * jnp.fmin(near, local.everywhere + local.underflow / local.least)
    return jnp.where(jnp.isnan(bound), jnp.inf, bound)


def _residual(loss, z, y):
    """r = ∂ℓ/∂z by autodiff, and the index mask of the label's largest entry."""
    return jax.grad(loss.value)(z, y), jnp.arange(z.shape[0]) == jnp.argmax(y)


def _probability_error(loss, K, logit_error, unit):
    """η: log-relative error of the computed curvature weights; 0 when they are constants."""
    return loss.concordance * (2.0 * logit_error + (16.0 + 2.0 * K) * unit)


def _underflow(vector):
    """√n √tiny, or 0 for a vector of exact zeros."""
    tiny = jnp.finfo(vector.dtype).tiny
    return jnp.where(jnp.any(vector != 0), jnp.sqrt(2.0 * vector.size * tiny), 0.0)


def _everywhere(loss, gradient_norm, h_norm, K, lambda_h):
    """min(‖∇f‖/λ_H, ‖h‖ + √(2 ℓ(0)/λ_H)): strong convexity, and f(h*) ≤ f(0)."""
    return jnp.minimum(gradient_norm / lambda_h, h_norm + jnp.sqrt(2.0 * loss.start(K) / lambda_h))


@partial(jax.jit, static_argnames=("loss_name",))
def certify_etf(q, Y, scale, lambda_h, *, loss_name: str) -> Certificate:
    """Candidates h = V q, q (K, B) float, against the exact simplex ETF W Wᵀ = scale² Π.

    The candidate is the exact real vector V (q − mean q), V the isometry of 1⊥ into feature
    space, so ‖h‖ = ‖q − mean q‖ and z = scale (q − mean q). O(K) a feature.
    """
    checked.choice("loss_name", loss_name, LOSSES)
    one = partial(_certify_etf, loss=LOSSES[loss_name], scale=scale, lambda_h=lambda_h)
    return jax.vmap(one, (1, 1), 0)(q, Y)


def _certify_etf(q, y, *, loss, scale, lambda_h) -> Certificate:
    unit, K = jnp.finfo(q.dtype).eps, q.shape[0]
    centred, mass_q = q - jnp.mean(q), jnp.sum(jnp.abs(q))
    z, g = scale * centred, scale * scale
    r, largest = _residual(loss, z, y)
    c = loss.curvature(z)
    spread_z = jnp.max(jnp.abs(relative_logits(z, y)))
    eta = _probability_error(loss, K, 16.0 * unit * spread_z + 4.0 * unit * scale * mass_q, unit)
    # the entry of the gradient at the largest label is minus the others, exactly
    F = _sum_zero(scale * (r - (1.0 - loss.coupling) * jnp.mean(r)) + lambda_h * centred, largest)
    step = _isometric_step(F, c, g, loss.coupling, lambda_h)
    spread = step - loss.coupling * jnp.sum(c * step)
    rho = _sum_zero(F + g * c * spread + lambda_h * step, largest)
    logit_part = eta * c if loss.concordance else 16.0 * unit * (jnp.abs(z) + scale * mass_q)
    e = scale * (logit_part + 8.0 * unit * (c + y) + jnp.finfo(q.dtype).tiny)
    e = e + 8.0 * unit * lambda_h * (jnp.abs(centred) + mass_q)
    e_step = 8.0 * (K + 4) * unit * (g * c + lambda_h) * jnp.max(jnp.abs(step))
    wrong = jnp.where(largest, 0.0, jnp.abs(rho) + e + e_step)
    return _assemble_etf(loss, F, step, spread, wrong, e, eta, c, g, largest, centred, lambda_h)


def _isometric_step(F, c, g, coupling, lambda_h):
    """Newton step −Q⁻¹F for Q = g (diag c − coupling c cᵀ) + λ_H on 1⊥."""
    d = g * c + lambda_h
    step = (coupling * c * jnp.sum(F / d) / jnp.sum(c / d) - F) / d
    return step - jnp.mean(step)


def _assemble_etf(loss, F, step, spread, wrong, e, eta, c, g, largest, centred, lambda_h) -> Certificate:
    """Norms of Q⁻¹ in closed form: with u = 1/(g c + λ) and Δ = u_k − u_top, by Sherman–Morrison

    Q⁻¹(e_k − e_top) = u_k e_k − u_top e_top − Δ (c∘u)/Σ(c u),
    ‖e_k − e_top‖²_{Q⁻¹} = u_k + u_top + (λ/g) Δ²/Σ(c u).
    """
    K = c.shape[0]
    unit = jnp.finfo(c.dtype).eps
    u = 1.0 / (g * c + lambda_h)
    u_top, u_big = jnp.sum(jnp.where(largest, u, 0.0)), jnp.max(u)
    mass, delta = jnp.sum(c * u), jnp.abs(u - u_top) * loss.coupling
    euclid = jnp.sqrt(u**2 + u_top**2) + delta * jnp.linalg.norm(c * u) / mass
    tilt = delta / jnp.maximum(g, jnp.finfo(c.dtype).tiny) * delta / mass
    energy = jnp.sqrt(u + u_top + lambda_h * tilt)
    widest = loss.coupling * (u_big - jnp.min(u))
    norm = jnp.linalg.norm(F)
    norm_error = 2.0 * jnp.sum(jnp.where(largest, 0.0, e))
    h_norm = jnp.linalg.norm(centred) + 2.0 * unit * jnp.sum(jnp.abs(centred))
    local = _Local(
        newton_norm=jnp.linalg.norm(step),
        newton_q=jnp.sqrt(g * jnp.sum(c * spread**2) + lambda_h * jnp.sum(step**2)),
        defect=jnp.sum(wrong * euclid),
        defect_q=jnp.sum(wrong * energy),
        eta=eta,
        ratio=jnp.sqrt(2.0 * g * u_big + lambda_h * widest**2 / mass),
        least=lambda_h + g * jnp.min(c),
        everywhere=_everywhere(loss, norm + norm_error, h_norm, K, lambda_h),
        underflow=_underflow(jnp.concatenate([F, centred])),
    )
    return Certificate(_combine(local, loss.concordance), norm)


def _sum_zero(v, largest):
    """v with its entry at `largest` replaced by minus the sum of the others."""
    rest = jnp.where(largest, 0.0, v)
    return jnp.where(largest, -jnp.sum(rest), rest)


@partial(jax.jit, static_argnames=("loss_name",))
def certify_features(H, Y, W, lambda_h, *, loss_name: str) -> Certificate:
    """Candidates H (N, d) with labels Y (N, K) against any explicit classifier W (K, d)."""
    checked.choice("loss_name", loss_name, LOSSES)
    _, _, Vt = jnp.linalg.svd(W, full_matrices=False)
    one = partial(_certify_any, W=W, basis=Vt.T, lambda_h=lambda_h, loss=LOSSES[loss_name])
    return jax.vmap(one)(H, Y)


def _certify_any(h, y, *, W, basis, lambda_h, loss) -> Certificate:
    unit, (K, d) = jnp.finfo(h.dtype).eps, W.shape
    dot = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
    rows, h_norm = jnp.linalg.norm(W, axis=1), jnp.linalg.norm(h)
    z = dot(W, h)
    z_error = (d + 8) * unit * jnp.max(rows) * h_norm
    r, largest = _residual(loss, z, y)
    c = loss.curvature(z)
    eta = _probability_error(loss, K, 2.0 * z_error + 8.0 * unit * jnp.max(jnp.abs(z)), unit)

    def pull(v):
        return dot(v, W)

    def hessian(v):
        image = dot(W, v)
        return pull(c * (image - loss.coupling * jnp.sum(c * image))) + lambda_h * v

    r = _sum_zero(r, largest) if loss.coupling else r
    F = pull(r) + lambda_h * h
    step = _dense_step(F, c, W, basis, loss.coupling, lambda_h)
    rho = F + hessian(step)
    # entrywise error of r, and what it is worth: as a vector of R^d, and in the norm of Q⁻¹
    r_error = (eta * c if loss.concordance else z_error) + 8.0 * unit * (c + y) + jnp.finfo(h.dtype).tiny
    top = jnp.sum(jnp.where(largest, rows, 0.0))
    c_top = jnp.sum(jnp.where(largest, c, 0.0))
    apart = jnp.where(largest, 0.0, rows + top) if loss.coupling else rows
    cheap = jnp.sqrt(1.0 / c + 1.0 / c_top) if loss.coupling else jnp.sqrt(1.0 / c)
    fit_error = jnp.sum(r_error * apart)
    worth = jnp.minimum(apart / jnp.sqrt(lambda_h), jnp.where(apart == 0, 0.0, cheap))
    fit_error_q = jnp.sum(r_error * worth)
    step_norm = jnp.linalg.norm(step)
    sums = 8.0 * (K + d) * unit
    matvec = sums * (jnp.sum(jnp.abs(r) * rows) + lambda_h * h_norm)
    matvec_step = sums * (jnp.sum(c * rows) * jnp.max(rows) + lambda_h) * step_norm
    plain = jnp.linalg.norm(rho) + matvec + matvec_step
    norm = jnp.linalg.norm(F)
    local = _Local(
        newton_norm=step_norm,
        newton_q=jnp.sqrt(jnp.maximum(dot(step, hessian(step)), 0.0) + matvec_step * step_norm),
        defect=plain / lambda_h + fit_error_q / jnp.sqrt(lambda_h),
        defect_q=plain / jnp.sqrt(lambda_h) + fit_error_q,
        eta=eta,
        ratio=_range_ratio(W, c, loss, lambda_h),
        least=lambda_h,
        everywhere=_everywhere(loss, norm + fit_error + matvec, h_norm * (1 + d * unit), K, lambda_h),
        underflow=_underflow(jnp.concatenate([F, h])),
    )
    return Certificate(_combine(local, loss.concordance), norm)


def _dense_step(F, c, W, basis, coupling, lambda_h):
    """An approximate −Q⁻¹F: exact solve in the row space of W (its basis), scaling outside it."""
    dot = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
    B = dot(W, basis)
    weighted = c[:, None] * B
    mean = jnp.sum(weighted, 0)
    Q = dot(B.T, weighted) - coupling * jnp.outer(mean, mean)
    Q = Q + (lambda_h + 4 * jnp.finfo(W.dtype).eps * jnp.trace(Q)) * jnp.eye(B.shape[1], dtype=W.dtype)
    inside = dot(basis.T, F)
    solved = jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(Q), inside)
    solved = jnp.where(jnp.all(jnp.isfinite(solved)), solved, inside / (lambda_h + jnp.trace(Q)))
    return -(dot(basis, solved) + (F - dot(basis, inside)) / lambda_h)


def _range_ratio(W, c, loss, lambda_h):
    """R² ≤ min(max ‖w_k − w_l‖²/λ_H, 2/min c): range(W v)² against ‖v‖²_Q."""
    centred = W - jnp.mean(W, 0)
    diameter = 2.0 * jnp.max(jnp.linalg.norm(centred, axis=1))
    return jnp.minimum(diameter / jnp.sqrt(lambda_h), jnp.sqrt(2.0 / jnp.min(c)))


def certify(problem: Problem, H: Float[np.ndarray, "N d"], Y: Float[np.ndarray, "N K"]) -> Certificate:
    """Bounds for ANY features H with soft labels Y, wherever they came from; in the dtype of H.

    Against the built-in ETF the truth is the optimum for the exact simplex ETF, otherwise for
    the given classifier as it stands in floats. Raises InputError when shapes do not match.
    """
    checked.instance("problem", problem, Problem)
    Y = normalise(Y, "labels Y", ("N", problem.classes))
    H = checked.numbers(
        "features H", H, (len(Y), problem.dim)
    )  # where they are not finite the bound is infinite
    checked.precision("the type of features H", H.dtype)
    if H.dtype == np.float64 and jnp.result_type(float) != jnp.float64:
        raise RuntimeError("certifying float64 features needs jax.config.update('jax_enable_x64', True)")
    dtype, lambda_h = H.dtype, jnp.asarray(problem.lambda_h, H.dtype)
    if problem.classifier is not None:
        arrays = (jnp.asarray(a, dtype) for a in (H, Y, problem.classifier))
        return certify_features(*arrays, lambda_h, loss_name=problem.loss)
    return _certify_in_space(problem, H, Y)


def _certify_in_space(problem, H, Y) -> Certificate:
    """Split h into its part in the ETF's row space, certified there, and the rest, which h* lacks."""
    basis = etf_basis(problem.classes, problem.dim)
    q = H.astype(np.float64) @ basis.T
    outside = np.linalg.norm(H - q @ basis, axis=1)
    q, dtype = q.astype(H.dtype), H.dtype
    inside = certify_etf(
        jnp.asarray(q.T),
        jnp.asarray(Y.T, dtype),
        jnp.asarray(np.sqrt(problem.gain), dtype),
        jnp.asarray(problem.lambda_h, dtype),
        loss_name=problem.loss,
    )
    rounding = (problem.dim + 8) * np.finfo(dtype).eps * np.linalg.norm(H, axis=1)
    distance = np.nan_to_num(
        np.hypot(np.asarray(inside.distance), outside) + rounding, nan=np.inf, posinf=np.inf
    )
    slope = np.hypot(np.asarray(inside.gradient_norm), problem.lambda_h * outside)
    return Certificate(distance, slope)
