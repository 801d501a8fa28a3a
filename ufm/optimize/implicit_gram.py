"""The joint optimum as a traced function of arrays: the optimal Gram matrix G = W Wᵀ and its derivatives.

For d ≥ rank G the problem is convex in G (`ufm.optimize.gram`, whose coordinates and symbols these are). Where
G is regular, the derivative of the optimum along (dπ, dY, dλ_W, dλ_H, dλ_b) is one linear system in (D, db̃), with
dG = V D Vᵀ:

    D²φ (D, db̃) = −(∂∇_D φ, ∂∇_b φ),
    ∂∇_D φ = ½ (dλ_W VᵀV − dλ_H E hhᵀ − λ_H Σ dπ hhᵀ − λ_H E(∂h hᵀ + h ∂hᵀ)),   ∂∇_b φ = dλ_b b̃ − Σ dπ r̃ − E ∂r̃,
    (VᵀPV + λ_H) ∂h = VᵀBᵀdy − h dλ_H,   ∂r̃ = Bᵀdy − P V ∂h,   P = BᵀSB:

∂ at fixed V and b̃, where features answer at once. Then with u = V D h + db̃

    dr̃ = ∂r̃ − S u,    dz̃ = V (D h + Vᵀdr̃/λ_H − h dλ_H/λ_H).

W itself has no derivative: it is free up to a rotation of feature space. Nothing is differentiated, NaN is returned
and the status says why, where G has lost a direction or nearly so (minority collapse: the least singular value of V
below THIN of the largest or of its natural size), where λ_W λ_H is at the threshold of triviality within rounding,
and where the last Newton step, which estimates the relative error of G, is above √ε. Beyond triviality G and its
derivatives are zero exactly (without a bias, or with a free one). How far any point is from the optimum is for
`ufm.certify_joint` to say.

First derivatives, forward and reverse. Under `vmap` the problems are solved one after the other, each alone.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

import ufm.rules.numbers as checked
from ufm.loss import LOSSES
from ufm.optimize.factor import cholesky_plain, half_solve_plain, substitute_lower, substitute_upper
from ufm.optimize.gram import (
    FULLY,
    INNER_STEPS,
    SETTLED,
    THIN,
    GramPoint,
    GramStep,
    Penalties,
    gram_curvature,
    gram_hessian,
    gram_move,
    gram_newton,
    half_curvature,
    logit_basis,
    symmetric_basis,
)
from ufm.rules.brief import shown
from ufm.rules.soft_labels import probable
from ufm.rules.status import Status

MAX_STEPS = 100  # shorter trials count too
AT = 64.0  # units of rounding of λ_W λ_H, a label, that count as the threshold


class GramOptimum(NamedTuple):
    """G = W Wᵀ (K, K), b (K), logits Z (n, K), L, the status (`ufm.rules.status`), ‖D‖ of the last Newton step."""

    G: Float[Array, "K K"]
    b: Float[Array, "K"]
    Z: Float[Array, "n K"]
    objective: Float[Array, ""]
    status: Int[Array, ""]
    error: Float[Array, ""]

    def __repr__(self) -> str:
        return shown(self)


class _Problem(NamedTuple):
    """Labels (K, n), weights (n), and the penalties."""

    Y: Float[Array, "K n"]
    weight: Float[Array, "n"]
    penalties: Penalties


class _Answer(NamedTuple):
    """G̃ (k, k), b̃ (k), z̃ (k, n), the status and the size of the last step."""

    G: Array
    b: Array
    z: Array
    status: Array
    error: Array


class _Walk(NamedTuple):
    """A point, the next step, the share of it that is tried, and whether it ended."""

    point: GramPoint
    step: GramStep
    length: Array | float
    done: Array
    tried: Array | int


class _Kind(NamedTuple):
    """What is static: the loss, and the kind of bias, "none", "free" or "penalised"."""

    loss: str
    bias: str


@partial(jax.jit, static_argnames=("bias", "loss"))
def optimal_gram(
    labels: Float[Array | np.ndarray, "n K"],
    weights: Float[Array | np.ndarray, "n"],
    lambda_w,
    lambda_h,
    lambda_b=0.0,
    *,
    bias: str = "none",
    loss: str = "cross-entropy",
) -> GramOptimum:
    """The joint optimum of a finite law for d ≥ K − 1 (squared error: K), as `solve_joint` finds it.

    Derivatives in labels, weights and penalties. bias: "none", "free", or "penalised" with λ_b > 0. Needs float64.
    """
    kind = _Kind(
        checked.choice("loss", loss, checked.LOSS_NAMES),
        checked.choice("bias", bias, ("none", "free", "penalised")),
    )
    dtype = jnp.result_type(float)
    labels, weights, *sizes = (jnp.asarray(x, dtype) for x in (labels, weights, lambda_w, lambda_h, lambda_b))
    sizes[2] = sizes[2] if bias == "penalised" else jnp.zeros((), dtype)
    problem = _Problem(labels.T, weights, Penalties(*sizes))
    found = _optimum(kind, problem)
    B, loss_of = jnp.asarray(logit_basis(labels.shape[1], loss)), LOSSES[loss]
    z, (lambda_w, _, lambda_b, _) = B @ (found.z + found.b[:, None]), problem.penalties
    # at the optimum λ_H G⁻¹z̃ = r̃, so that the features' penalty is E r̃ᵀz̃/2
    r = -B.T @ jax.grad(lambda z: jnp.sum(loss_of.value(z, problem.Y)))(z)
    each = loss_of.value(z, problem.Y) + 0.5 * jnp.sum(r * found.z, 0)
    ridge = 0.5 * lambda_w * jnp.trace(found.G) + 0.5 * lambda_b * jnp.sum(found.b**2)
    return GramOptimum(B @ found.G @ B.T, B @ found.b, z.T, weights @ each + ridge, found.status, found.error)


def _accept(kind: _Kind, problem: _Problem):
    """Whether the problem is valid, and a valid one."""
    Y, weight, penalties = problem
    sizes = jnp.stack(penalties[:3] if kind.bias == "penalised" else penalties[:2])
    eps = float(jnp.finfo(Y.dtype).eps)
    of_labels = jnp.all(probable(jnp.min(Y, 0), jnp.sum(Y, 0), len(Y), eps))
    of_weights = (jnp.min(weight) >= 0) & (jnp.abs(jnp.sum(weight) - 1.0) <= checked.SUM)
    valid = jnp.all(jnp.isfinite(sizes)) & (sizes > 0).all() & of_labels & of_weights
    safe = _Problem(
        jnp.full_like(Y, 1.0 / len(Y)), jnp.full_like(weight, 1.0 / len(weight)), Penalties(*jnp.ones(3))
    )
    return valid, jax.tree.map(lambda given, good: jnp.where(valid, given, good), problem, safe)


def _nothing(kind: _Kind, B, problem: _Problem):
    """λ_max(E r̃ r̃ᵀ) at W = 0, the threshold of λ_W λ_H (∞: not known here), and b̃ there."""
    Y, weight, _ = problem
    if kind.bias == "penalised":
        return jnp.inf, jnp.zeros(B.shape[1])
    mean = Y @ weight
    level = jnp.log(mean) if kind.loss == "cross-entropy" else mean
    b = B.T @ level if kind.bias == "free" else jnp.zeros(B.shape[1])
    flat = jnp.full_like(mean, 1.0 / len(mean)) if kind.loss == "cross-entropy" else jnp.zeros_like(mean)
    r = B.T @ (Y - (mean if kind.bias == "free" else flat)[:, None])
    return jnp.linalg.eigvalsh((r * weight) @ r.T)[-1], b


def _solve(kind: _Kind, problem: _Problem) -> _Answer:
    """G and all else without a derivative."""
    valid, problem = _accept(kind, problem)
    Y, _, penalties = problem
    B = jnp.asarray(logit_basis(len(Y), kind.loss))
    threshold, level = _nothing(kind, B, problem)
    product, eps = penalties.w * penalties.h, jnp.finfo(Y.dtype).eps
    near = jnp.abs(product - threshold) <= AT * Y.shape[1] * eps * product
    trivial = (product > threshold) | near
    point, step = _descend(kind, B, problem, trivial | ~valid)
    error = jnp.where(trivial, 0.0, jnp.linalg.norm(step.D))
    status = jnp.where(error <= jnp.sqrt(eps), Status.SOLVED, Status.UNCERTIFIED)
    status = jnp.where(~(point.thin >= THIN), Status.BOUNDARY, status)
    status = jnp.where(trivial, jnp.where(near, Status.THRESHOLD, Status.SOLVED), status)
    status = jnp.where(valid, status, Status.INVALID).astype(jnp.int32)
    V, keep = point.V, jnp.where(valid, 1.0, jnp.nan)
    G, z = jnp.where(trivial, 0.0, V @ V.T), jnp.where(trivial, 0.0, V @ point.h)
    return _Answer(keep * G, keep * jnp.where(trivial, level, point.b), keep * z, status, error)


def _descend(kind: _Kind, B, problem: _Problem, done) -> tuple[GramPoint, GramStep]:
    """Newton on φ from G = √(λ_H/λ_W) I, as `descend_gram`, in one program; a point and the next step there."""
    law, penalties = (B, *problem), problem.penalties
    newton = partial(gram_newton, loss_name=kind.loss, bias=kind.bias != "none")

    def advance(walk: _Walk) -> _Walk:
        point, step, length = walk.point, walk.step, walk.length
        first, small = walk.tried == 0, SETTLED * jnp.abs(point.objective)
        settled = (-step.slope <= small) & ~first
        inner = jnp.where(settled, FULLY, INNER_STEPS)
        trial = gram_move(point, step, length, *law, inner, loss_name=kind.loss)
        least = point.objective + jnp.where(settled, small, 1e-4 * length * step.slope)
        fallen = (trial.objective <= least) | first
        point = jax.tree.map(lambda new, old: jnp.where(fallen, new, old), trial, point)
        done = settled | (~fallen & (length < 1e-6)) | (fallen & (trial.thin < THIN))
        return _Walk(point, newton(point, *law), jnp.where(fallen, 1.0, 0.5 * length), done, walk.tried + 1)

    def unfinished(walk: _Walk):
        return ~walk.done & (walk.tried < MAX_STEPS)

    k, n = B.shape[1], problem.Y.shape[1]
    flat, nothing = jnp.zeros((k, n)), jnp.zeros(k)
    start = GramPoint((penalties.h / penalties.w) ** 0.25 * jnp.eye(k), nothing, flat, *jnp.zeros(2))
    still = GramStep(jnp.zeros((k, k)), nothing, flat, jnp.zeros(()))
    last = jax.lax.while_loop(unfinished, advance, _Walk(start, still, 0.0, done, 0))
    return last.point, last.step


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _optimum(kind: _Kind, problem: _Problem) -> _Answer:
    return jax.custom_batching.sequential_vmap(partial(_solve, kind))(problem)


@_optimum.defjvp
def _optimum_jvp(kind: _Kind, primals, tangents):
    found = _optimum(kind, primals[0])
    at = _linearise(kind, _accept(kind, primals[0])[1], found)
    dG, db, dz = _tangent(at, tangents[0])
    none = np.zeros(jnp.shape(found.status), jax.dtypes.float0)
    slopes = dG * at.keep, db * at.keep, dz * at.keep
    return found, _Answer(*slopes, none, jnp.zeros_like(found.error))  # type: ignore[arg-type] # of an integer


class _Linear(NamedTuple):
    """The optimum as its derivative sees it; keep: 1 where there is one, else NaN."""

    problem: _Problem
    B: Array
    V: Array
    b: Array
    h: Array
    r: Array
    c: Array
    T: Array
    factor: Array
    coupling: float
    bias: bool
    keep: Array


def _linearise(kind: _Kind, problem: _Problem, found: _Answer) -> _Linear:
    Y, weight, (_, lambda_h, lambda_b, _) = problem
    loss, B, bias = LOSSES[kind.loss], jnp.asarray(logit_basis(len(Y), kind.loss)), kind.bias != "none"
    k, solved = B.shape[1], found.status == Status.SOLVED
    zero = ~jnp.any(found.G != 0)
    usable = solved & ~zero
    L = cholesky_plain(jnp.where(usable, found.G, jnp.eye(k)))
    V, b = jnp.where(usable, L, 0.0), jnp.where(solved, found.b, 0.0)
    h = jnp.where(usable, substitute_lower(L, jnp.where(usable, found.z, 0.0)), 0.0)
    Z = B @ (V @ h + b[:, None])
    r = -B.T @ jax.grad(lambda z: jnp.sum(loss.value(z, Y)))(Z)
    c = loss.curvature(Z)
    T = half_curvature(V, B, lambda_h, loss.coupling, c.T, half_solve_plain)
    hessian = gram_hessian(gram_curvature(T @ V, T, h, weight, bias), k, lambda_b)
    inner = jnp.arange(len(hessian)) < k * (k + 1) // 2
    hessian = hessian + jnp.diag(jnp.where(zero & inner, 1.0, 0.0))  # G = 0 does not move
    factor = cholesky_plain(hessian)
    pivots = jnp.diagonal(factor) ** 2
    regular = jnp.min(pivots) > len(hessian) * jnp.finfo(Y.dtype).eps * jnp.max(pivots)
    keep = jnp.where(solved & regular, 1.0, jnp.nan)
    return _Linear(problem, B, V, b, h, r, c, T, factor, loss.coupling, bias, keep)


def _tangent(at: _Linear, d: _Problem):
    """dG̃, db̃, dz̃ along a tangent of the problem: the formulas of the docstring, linear in it."""
    (_, weight, (_, lambda_h, *_)), V, h = at.problem, at.V, at.h
    d_w, d_h, d_b, _ = d.penalties
    k = len(V)
    pull = at.B.T @ d.Y

    def curve(v):  # P v = BᵀSB v
        moved = at.B @ v
        return at.B.T @ (at.c * (moved - at.coupling * jnp.sum(at.c * moved, 0)))

    def answer(v):  # S v = (P⁻¹ + VVᵀ/λ_H)⁻¹ v
        return jnp.einsum("nsk,nst,tn->kn", at.T, at.T, v, optimize="optimal")

    # Q⁻¹VᵀP = VᵀS/λ_H, so that Q⁻¹ g for g = VᵀBᵀdy − h dλ_H is (g − Vᵀ S V g/λ_H)/λ_H
    force = V.T @ pull - h * d_h
    moved_h = (force - V.T @ answer(V @ force) / lambda_h) / lambda_h
    moved_r = pull - curve(V @ moved_h)
    heavy = h * weight
    cross = moved_h @ heavy.T
    square = d_h * heavy @ h.T + lambda_h * ((h * d.weight) @ h.T + cross + cross.T)
    slope = 0.5 * (d_w * V.T @ V - square)
    E, _ = symmetric_basis(k)
    right = E @ slope.ravel()
    if at.bias:
        right = jnp.concatenate([right, d_b * at.b - at.r @ d.weight - moved_r @ weight])
    step = -substitute_upper(at.factor, substitute_lower(at.factor, right[:, None]))[:, 0]
    D = (step[: len(E)] @ E).reshape(k, k)
    db = step[len(E) :] if at.bias else jnp.zeros(k)
    d_r = moved_r - answer(V @ (D @ h) + db[:, None])
    return V @ D @ V.T, db, V @ (D @ h + V.T @ d_r / lambda_h - h * d_h / lambda_h)
