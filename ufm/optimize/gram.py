"""The joint problem as a convex one in the Gram matrix: Newton's method on G and b, where d ≥ rank G.

With z = B z̃ + B b̃, B an isometry (onto 1⊥ for cross-entropy, the identity for squared error), minimising
over features and over all W = B V with V Vᵀ = G leaves

    φ(G, b̃) = (λ_W/2) tr G + (λ_b/2)‖b̃‖² + E min_z̃ [ ℓ(B (z̃ + b̃), y) + (λ_H/2) z̃ᵀ G⁻¹ z̃ ],

jointly convex. Let r̃ = Bᵀ(y − p), FᵀF the Hessian of ℓ in z̃ and S = Fᵀ (I + F G Fᵀ/λ_H)⁻¹ F. Steps are
relative, dG = V D Vᵀ with V = G^{1/2} and h = Vᵀ r̃/λ_H the optimal features, so that

    ∇_D φ = ½ (λ_W VᵀV − λ_H E h hᵀ),   ∇_b φ = λ_b b̃ − E r̃,
    D²φ = E uᵀ S u + λ_b ‖db̃‖²,  u = V D h + db̃,     dr̃ = −S u,     dz̃ = V (D h + Vᵀ dr̃/λ_H).

For large G, M̃ = E r̃ r̃ᵀ falls like G⁻², where a Newton step towards M̃ = λ_W λ_H is too short by up to half
every time. Hence it is stretched: in the eigenvectors of M̃, u_i = √(μ_i/(λ_W λ_H)), its entry (i, j) by
2 u_i u_j/(1 + (u_i + u_j)/2), which is exact for M̃ ∝ G⁻², and 1 at the optimum. Directions that would
lose more than nine tenths of G keep one tenth. Newton systems have K(K−1)/2 unknowns and are dense.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ufm.etf import etf_basis
from ufm.objective import LOSSES
from ufm.optimize.coordinates import Reduced
from ufm.optimize.newton import newton

INNER_STEPS = 4  # Newton steps on the features after each step of G; the last time, all they need
STRETCH = 8.0  # longest step in Newton steps
LEAST = 0.1  # share of G that a step leaves in every direction
RIDGE = 1e-13  # of the Newton system's mean curvature: directions that the labels do not see
ALL = 200
THIN = 1e-3  # G is about to lose a direction: its optimum lies on the boundary, or nearly
SETTLED = 1e-12  # predicted relative decrease at which the next step is the last


class Penalties(NamedTuple):
    """λ_W, λ_H and λ_b (0: free bias; ignored without a bias)."""

    w: Array
    h: Array
    b: Array


class Atoms(NamedTuple):
    """What stays fixed in a run: labels (K, n), weights (n), penalties."""

    Y: Float[Array, "K n"]
    weight: Float[Array, "n"]
    penalties: Penalties


class GramPoint(NamedTuple):
    """V (k, k) with G = V Vᵀ, b̃ (k), features h (k, n) and φ (an upper bound until h is optimal).

    thin: the least singular value of V, as a share of the largest or of the size natural to W.
    """

    V: Float[Array, "k k"]
    b: Float[Array, "k"]
    h: Float[Array, "k n"]
    objective: Array
    thin: Array


class GramStep(NamedTuple):
    """D (k, k), db̃ (k), the change of the logits dz̃ (k, n), and the slope ⟨∇φ, step⟩."""

    D: Float[Array, "k k"]
    b: Float[Array, "k"]
    z: Float[Array, "k n"]
    slope: Array


def logit_basis(classes: int, loss_name: str) -> np.ndarray:
    """The isometry B (K, k): onto 1⊥ where constants added to the logits change nothing, else I."""
    return etf_basis(classes, classes - 1) if LOSSES[loss_name].coupling else np.eye(classes)


@partial(jax.jit, static_argnames=("loss_name",))
def gram_project(G, b, z, B, Y, weight, penalties, inner_steps, *, loss_name: str) -> GramPoint:
    """Factor G, move the features from the logits z̃ towards their optimum, evaluate φ."""
    value, vector = jnp.linalg.eigh(G)
    root = jnp.sqrt(jnp.maximum(value, jnp.finfo(G.dtype).eps * value[-1]))
    V = vector * root
    start, shift = (vector.T @ z) / root[:, None], (B @ b)[:, None]
    h = newton(Reduced(B @ V), start, Y, penalties.h, inner_steps, shift, loss_name=loss_name).q
    fit = jax.vmap(LOSSES[loss_name].value, (1, 1))(B @ (V @ h) + shift, Y)
    each = fit + 0.5 * penalties.h * jnp.sum(h * h, 0)
    ridge = 0.5 * penalties.w * jnp.sum(V * V) + 0.5 * penalties.b * jnp.sum(b * b)
    natural = (penalties.h / penalties.w) ** 0.25  # the size of W that makes logits of order one
    thin = root[0] / jnp.maximum(root[-1], natural)
    return GramPoint(V, b, h, jnp.sum(weight * each) + ridge, thin)


@partial(jax.jit, static_argnames=("loss_name", "bias"))
def gram_newton(point: GramPoint, B, Y, weight, penalties, *, loss_name: str, bias: bool) -> GramStep:
    """The stretched Newton step at a point whose features are (nearly) optimal."""
    loss, (V, b, h, *_) = LOSSES[loss_name], point
    Z = B @ (V @ h + b[:, None])
    r = -B.T @ jax.vmap(jax.grad(loss.value), (1, 1), 1)(Z, Y)
    c = jax.vmap(loss.curvature, 1, 0)(Z)
    T = jax.vmap(partial(_half_curvature, V, B, penalties.h, loss.coupling))(c)
    gradient = 0.5 * (penalties.w * V.T @ V - penalties.h * (h * weight) @ h.T)
    slope_b = penalties.b * b - r @ weight
    D, db = _solve_newton(T @ V, T, h, weight, gradient, slope_b, penalties.b, bias)

    def slope(D, db):
        return jnp.sum(gradient * D) + slope_b @ db

    far = _keep_positive(_stretch(D, V, (r * weight) @ r.T, penalties))
    share = jnp.minimum(1.0, (LEAST - 1) / jnp.minimum(jnp.linalg.eigvalsh(D)[0], LEAST - 1))
    better = slope(far, db) < 0.1 * share * slope(D, db)  # changing D alone need not keep a descent
    D, db = jnp.where(better, far, share * D), jnp.where(better, db, share * db)
    u = V @ (D @ h) + db[:, None]
    pull = jnp.einsum("nsk,nst,tn->kn", T, T, u, optimize="optimal")
    dz = V @ (D @ h - V.T @ pull / penalties.h)
    return GramStep(D, db, dz, slope(D, db))


def _half_curvature(V, B, lambda_h, coupling, c):
    """T (K, k) with Tᵀ T = S for one label: no difference of large numbers, whatever G/λ_H."""
    F = jnp.sqrt(c)[:, None] * (B - coupling * (c @ B))
    FV = F @ V
    L = jnp.linalg.cholesky(jnp.eye(len(c)) + FV @ FV.T / lambda_h)
    return jax.scipy.linalg.solve_triangular(L, F, lower=True)


def _solve_newton(TV, T, h, weight, gradient, slope_b, lambda_b, bias):
    """D and db̃ at the minimum of the quadratic model ⟨∇φ, ·⟩ + ½ D²φ over symmetric D."""
    k = len(h)
    E, pair = symmetric_basis(k)
    i, j = np.triu_indices(k)
    S = jnp.swapaxes(TV, 1, 2) @ TV
    moments = (h[i] * h[j] * weight) @ S[:, i, j]
    # entry (x, a), (y, b): E h_a h_b S_xy
    hessian = moments[pair[None, :, None, :], pair[:, None, :, None]].reshape(k * k, k * k)
    hessian, slope = E @ hessian @ E.T, E @ gradient.ravel()
    if bias:
        mixed = jnp.einsum("n,an,nsx,nst->xat", weight, h, TV, T, optimize="optimal")
        mixed = E @ mixed.reshape(k * k, k)
        corner = jnp.einsum("n,nsx,nst->xt", weight, T, T, optimize="optimal") + lambda_b * jnp.eye(k)
        hessian = jnp.block([[hessian, mixed], [mixed.T, corner]])
        slope = jnp.concatenate([slope, slope_b])
    ridge = RIDGE * jnp.trace(hessian) / len(slope)
    factor = jax.scipy.linalg.cho_factor(hessian + ridge * jnp.eye(len(slope)))
    step = -jax.scipy.linalg.cho_solve(factor, slope)
    D = (step[: len(E)] @ E).reshape(k, k)
    return D, step[len(E) :] if bias else jnp.zeros(k)


def _stretch(D, V, M, penalties):
    """The step lengthened in the eigenvectors of M̃, as the module's docstring says; never shortened."""
    value, vector = jnp.linalg.eigh(M)
    u = jnp.sqrt(jnp.maximum(value, 0.0) / (penalties.w * penalties.h))
    factor = jnp.clip(2 * jnp.outer(u, u) / (1 + 0.5 * (u[:, None] + u)), 1.0, STRETCH)
    frame = vector.T @ V
    inverse = jnp.linalg.inv(frame)
    return inverse @ (factor * (frame @ D @ frame.T)) @ inverse.T


def _keep_positive(D):
    """D with its eigenvalues raised to LEAST − 1, so that V (1 + D) Vᵀ stays positive."""
    value, vector = jnp.linalg.eigh(0.5 * (D + D.T))
    return (vector * jnp.maximum(value, LEAST - 1)) @ vector.T


def symmetric_basis(k: int):
    """Orthonormal basis (k(k+1)/2, k²) of the symmetric matrices, and the index (k, k) of each pair."""
    i, j = np.triu_indices(k)
    n = np.arange(len(i))
    E = np.zeros((len(i), k, k))
    E[n, i, j] = E[n, j, i] = np.where(i == j, 1.0, np.sqrt(0.5))
    pair = np.zeros((k, k), int)
    pair[i, j] = pair[j, i] = n
    return E.reshape(len(i), -1), pair


def _move(point, step, length, project, inner_steps):
    """The point after a share of the step, its features started from the logits that the step predicts."""
    V = point.V
    G = V @ (jnp.eye(len(V)) + length * step.D) @ V.T
    z = V @ point.h + length * step.z
    return project(G, point.b + length * step.b, z, inner_steps=inner_steps)


class GramRun(NamedTuple):
    """Where the descent in G stopped: the point, the number of steps, and whether at an interior optimum."""

    point: GramPoint
    steps: int
    settled: bool


def descend_gram(B, atoms: Atoms, *, loss_name: str, bias: bool, max_steps: int = 60) -> GramRun:
    """Newton on φ from G = √(λ_H/λ_W) I and b = 0, with backtracking: every step lowers φ."""
    k, penalties = B.shape[1], atoms.penalties
    zero = jnp.zeros((k, atoms.Y.shape[1]))
    project = partial(
        gram_project, B=B, Y=atoms.Y, weight=atoms.weight, penalties=penalties, loss_name=loss_name
    )
    point = project(
        jnp.sqrt(penalties.h / penalties.w) * jnp.eye(k), jnp.zeros(k), zero, inner_steps=INNER_STEPS
    )
    for count in range(max_steps):
        step = gram_newton(point, B, *atoms, loss_name=loss_name, bias=bias)
        if -float(step.slope) <= SETTLED * abs(float(point.objective)):
            last = _move(point, step, 1.0, project, ALL)
            fallen = float(last.objective) <= float(point.objective) * (1 + SETTLED)
            return GramRun(last if fallen else point, count + 1, fallen)
        trial = _backtrack(point, step, project)
        if trial is None:
            return GramRun(point, count, False)
        point = trial
        if float(point.thin) < THIN:
            return GramRun(point, count + 1, False)
    return GramRun(point, max_steps, False)


def _backtrack(point, step, project) -> GramPoint | None:
    """The first of the steps 1, ½, ¼, … that lowers φ by a share of its prediction; None if none does."""
    length = 1.0
    while length > 1e-6:
        trial = _move(point, step, length, project, INNER_STEPS)
        if float(trial.objective) < float(point.objective) + 1e-4 * length * float(step.slope):
            return trial
        length /= 2
    return None
