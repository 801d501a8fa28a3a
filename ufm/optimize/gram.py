"""The joint problem as a convex one in the Gram matrix: Newton's method on G and b, where d ≥ rank G.

With z = B z̃ + B b̃, B an isometry (onto 1⊥ for cross-entropy, the identity for squared error), minimising
over features and over all W = B V with V Vᵀ = G leaves

    φ(G, b̃) = (λ_W/2) tr G + (λ_b/2)‖b̃‖² + E min_z̃ [ ℓ(B (z̃ + b̃), y) + (λ_H/2) z̃ᵀ G⁻¹ z̃ ],

jointly convex; λ_H may be each label's own. Let r̃ = Bᵀ(y − p), FᵀF the Hessian of ℓ in z̃ and
S = Fᵀ (I + F G Fᵀ/λ_H)⁻¹ F. Steps are relative, dG = V D Vᵀ with V = G^{1/2} and h = Vᵀ r̃/λ_H the optimal
features, so that

    ∇_D φ = ½ (λ_W VᵀV − λ_H E h hᵀ),   ∇_b φ = λ_b b̃ − E r̃,
    D²φ = E uᵀ S u + λ_b ‖db̃‖²,  u = V D h + db̃,     dr̃ = −S u,     dz̃ = V (D h + Vᵀ dr̃/λ_H).

For large G, M̃ = E r̃ r̃ᵀ/λ_H falls like G⁻², where a Newton step towards M̃ = λ_W is too short by up to half
every time. Hence it is stretched: in the eigenvectors of M̃, u_i = √(μ_i/λ_W), its entry (i, j) by
2 u_i u_j/(1 + (u_i + u_j)/2), which is exact for M̃ ∝ G⁻², and 1 at the optimum. Directions that would
lose more than nine tenths of G keep one tenth. Newton systems have K(K−1)/2 unknowns and are dense.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_factor, cho_solve
from jax.sharding import Mesh
from jaxtyping import Array, Float

from ufm.loss import LOSSES
from ufm.model.atoms import JointProblem
from ufm.model.etf import etf_basis
from ufm.optimize.coordinates import Reduced
from ufm.optimize.factor import half_solve_each
from ufm.optimize.line_search import backtrack
from ufm.optimize.newton import descend_newton
from ufm.runtime.devices import ALL, CUT, CUT_LAST, agree, cut, each_step, one_device, share, total

INNER_STEPS = 4  # Newton steps on the features after each step of G; the last time, all they need
STRETCH = 8.0  # longest step in Newton steps
LEAST = 0.1  # share of G that a step leaves in every direction
RIDGE = 1e-13  # of the Newton system's mean curvature: directions that the labels do not see
FULLY = 200
THIN = 1e-3  # G is about to lose a direction: its optimum lies on the boundary, or nearly
SETTLED = 1e-12  # predicted relative decrease at which the next step is the last


class Penalties(NamedTuple):
    """λ_W, λ_H and λ_b (0: free bias; ignored without a bias); the λ_H of each label (n), if not one for all."""

    w: Array | np.floating
    h: Array | np.floating
    b: Array | np.floating
    own: Array | None = None

    @property
    def each(self):
        """λ_H label by label."""
        return self.h if self.own is None else self.own


class Atoms(NamedTuple):
    """What stays fixed in a run: labels (K, n), weights (n), penalties."""

    Y: Float[Array, "K n"]
    weight: Float[Array, "n"]
    penalties: Penalties


def cut_law(problem: JointProblem, mesh: Mesh) -> Atoms:
    """Labels and weights cut among the devices; the last label is repeated with weight 0 to fill them."""
    law, (lambda_w, lambda_h, lambda_b) = problem.atoms, problem.penalties
    missing = -len(law.weights) % mesh.size
    own = None if law.rho is None else cut(np.pad(lambda_h * law.rho, (0, missing), mode="edge"), mesh, CUT)
    penalties = Penalties(np.float64(lambda_w), np.float64(lambda_h), np.float64(lambda_b or 0.0), own)
    Y = np.pad(law.labels.T, ((0, 0), (0, missing)), mode="edge")
    return Atoms(cut(Y, mesh, CUT_LAST), cut(np.pad(law.weights, (0, missing)), mesh, CUT), penalties)


class GramPoint(NamedTuple):
    """V (k, k) with G = V Vᵀ, b̃ (k), features h (k, n) and φ (an upper bound until h is optimal).

    thin: the least singular value of V, as a share of the largest or of the size natural to W.
    """

    V: Float[Array | np.ndarray, "k k"]
    b: Float[Array | np.ndarray, "k"]
    h: Float[Array, "k n"]
    objective: Array | np.ndarray | float
    thin: Array | np.ndarray | float


class GramStep(NamedTuple):
    """D (k, k), db̃ (k), the change of the logits dz̃ (k, n), and the slope ⟨∇φ, step⟩."""

    D: Float[Array | np.ndarray, "k k"]
    b: Float[Array | np.ndarray, "k"]
    z: Float[Array, "k n"]
    slope: Array | np.ndarray | float


POINT = GramPoint._make((ALL, ALL, CUT_LAST, ALL, ALL))  # how they are cut among devices, field by field
STEP = GramStep._make((ALL, ALL, CUT_LAST, ALL))
LAW = (CUT_LAST, CUT, Penalties(ALL, ALL, ALL, CUT))  # type: ignore[arg-type] # labels, weights, penalties


def logit_basis(classes: int, loss_name: str) -> np.ndarray:
    """The isometry B (K, k): onto 1⊥ where constants added to the logits change nothing, else I."""
    return etf_basis(classes, classes - 1) if LOSSES[loss_name].coupling else np.eye(classes)


@partial(jax.jit, static_argnames=("loss_name", "axis"))
def gram_project(G, b, z, B, Y, weight, penalties, inner_steps, *, loss_name: str, axis=None) -> GramPoint:
    """Factor G, move the features from the logits z̃ towards their optimum, evaluate φ. axis: see `total`."""
    value, vector = agree(jnp.linalg.eigh(G), axis)
    root = jnp.sqrt(jnp.maximum(value, jnp.finfo(G.dtype).eps * value[-1]))
    V = vector * root
    start, shift = (vector.T @ z) / root[:, None], (B @ b)[:, None]
    h = descend_newton(Reduced(B @ V), start, Y, penalties.each, inner_steps, shift, loss_name=loss_name).q
    fit = jax.vmap(LOSSES[loss_name].value, (1, 1))(B @ (V @ h) + shift, Y)
    each = fit + 0.5 * penalties.each * jnp.sum(h * h, 0)
    ridge = 0.5 * penalties.w * jnp.sum(V * V) + 0.5 * penalties.b * jnp.sum(b * b)
    natural = (penalties.h / penalties.w) ** 0.25  # the size of W that makes logits of order one
    thin = root[0] / jnp.maximum(root[-1], natural)
    return GramPoint(V, b, h, total(jnp.sum(weight * each), axis) + ridge, thin)


@partial(jax.jit, static_argnames=("loss_name", "bias", "axis"))
def gram_newton(
    point: GramPoint, B, Y, weight, penalties, *, loss_name: str, bias: bool, axis=None
) -> GramStep:
    """The stretched Newton step at a point whose features are (nearly) optimal."""
    loss, (V, b, h, *_) = LOSSES[loss_name], point
    Z = B @ (V @ h + b[:, None])
    r, lam = -B.T @ jax.vmap(jax.grad(loss.value), (1, 1), 1)(Z, Y), penalties.each
    c = jax.vmap(loss.curvature, 1, 0)(Z)
    T = half_curvature(V, B, lam, loss.coupling, c)
    square, mean, M, curvature = total(
        (
            (h * weight * lam) @ h.T,
            r @ weight,
            (r * weight / lam) @ r.T,
            gram_curvature(T @ V, T, h, weight, bias),
        ),
        axis,
    )
    gradient = 0.5 * (penalties.w * V.T @ V - square)
    slope_b = penalties.b * b - mean
    D, db = _solve_newton(curvature, gradient, slope_b, penalties.b)
    D, db, slope = lengthen_step(D, db, V, M, gradient, slope_b, penalties.w)
    u = V @ (D @ h) + db[:, None]
    pull = jnp.einsum("nsk,nst,tn->kn", T, T, u, optimize="optimal")
    dz = V @ (D @ h - V.T @ pull / lam)
    return GramStep(D, db, dz, slope)


def lengthen_step(D, db, V, M, gradient, slope_b, lambda_w, xp=jnp):
    """The step stretched and kept positive, or where that leaves no descent a share of it; and its slope.

    xp: the module of the arrays, numpy where nothing should be compiled.
    """

    def slope(D, db):
        return xp.sum(gradient * D) + slope_b @ db

    far = _keep_positive(_stretch(D, V, M, lambda_w, xp), xp)
    share = xp.minimum(1.0, (LEAST - 1) / xp.minimum(xp.linalg.eigvalsh(D)[0], LEAST - 1))
    better = slope(far, db) < 0.1 * share * slope(D, db)  # changing D alone need not keep a descent
    D, db = xp.where(better, far, share * D), xp.where(better, db, share * db)
    return D, db, slope(D, db)


def half_curvature(V, B, lambda_h, coupling, c, half_solve=half_solve_each):
    """T (n, K, k) with Tᵀ T = S for each label: no difference of large numbers, whatever G/λ_H. c: (n, K).

    lambda_h: one, or (n).
    """
    F = jnp.sqrt(c)[:, :, None] * (B - coupling * (c @ B)[:, None])
    FV = F @ V
    inner = jnp.eye(c.shape[1]) + FV @ jnp.swapaxes(FV, 1, 2) / jnp.reshape(lambda_h, (-1, 1, 1))
    return jnp.moveaxis(half_solve(jnp.moveaxis(inner, 0, -1), jnp.moveaxis(F, 0, -1)), -1, 0)


class GramCurvature(NamedTuple):
    """D²φ without its ridges: E h_a h_b S_xy (xa, yb), and with a bias E h_a (S V)_xt and E S; else empty."""

    inner: Array
    mixed: Array
    corner: Array


def gram_curvature(TV, T, h, weight, bias) -> GramCurvature:
    """The sums over the labels that D²φ is made of."""
    k = len(h)
    _, pair = symmetric_basis(k)
    i, j = np.triu_indices(k)
    S = jnp.swapaxes(TV, 1, 2) @ TV
    moments = (h[i] * h[j] * weight) @ S[:, i, j]
    inner = moments[pair[None, :, None, :], pair[:, None, :, None]].reshape(k * k, k * k)
    if not bias:
        return GramCurvature(inner, jnp.zeros((k * k, 0)), jnp.zeros((0, 0)))
    mixed = jnp.einsum("n,an,nsx,nst->xat", weight, h, TV, T, optimize="optimal").reshape(k * k, k)
    return GramCurvature(inner, mixed, jnp.einsum("n,nsx,nst->xt", weight, T, T, optimize="optimal"))


def _solve_newton(curvature: GramCurvature, gradient, slope_b, lambda_b):
    """D and db̃ at the minimum of the quadratic model ⟨∇φ, ·⟩ + ½ D²φ over symmetric D."""
    k, size = len(gradient), len(curvature.corner)
    E, _ = symmetric_basis(k)
    hessian = gram_hessian(curvature, k, lambda_b)
    slope = jnp.concatenate([E @ gradient.ravel(), slope_b[:size]])
    ridge = RIDGE * jnp.trace(hessian) / len(slope)
    step = -cho_solve(cho_factor(hessian + ridge * jnp.eye(len(slope))), slope)
    D = (step[: len(E)] @ E).reshape(k, k)
    return D, step[len(E) :] if size else jnp.zeros(k)


def gram_hessian(curvature: GramCurvature, k: int, lambda_b):
    """D²φ over the coordinates of symmetric D and db̃."""
    E, _ = symmetric_basis(k)
    inner, mixed = E @ curvature.inner @ E.T, E @ curvature.mixed
    corner = curvature.corner + lambda_b * jnp.eye(len(curvature.corner))
    return jnp.block([[inner, mixed], [mixed.T, corner]])


def _stretch(D, V, M, lambda_w, xp=jnp):
    """The step lengthened in the eigenvectors of M̃, as the module's docstring says; never shortened."""
    value, vector = xp.linalg.eigh(M)
    u = xp.sqrt(xp.maximum(value, 0.0) / lambda_w)
    factor = xp.clip(2 * xp.outer(u, u) / (1 + 0.5 * (u[:, None] + u)), 1.0, STRETCH)
    frame = vector.T @ V
    inverse = xp.linalg.inv(frame)
    return inverse @ (factor * (frame @ D @ frame.T)) @ inverse.T


def _keep_positive(D, xp=jnp):
    """D with its eigenvalues raised to LEAST − 1, so that V (1 + D) Vᵀ stays positive."""
    value, vector = xp.linalg.eigh(0.5 * (D + D.T))
    return (vector * xp.maximum(value, LEAST - 1)) @ vector.T


def symmetric_basis(k: int):
    """Orthonormal basis (k(k+1)/2, k²) of the symmetric matrices, and the index (k, k) of each pair."""
    i, j = np.triu_indices(k)
    n = np.arange(len(i))
    E = np.zeros((len(i), k, k))
    E[n, i, j] = E[n, j, i] = np.where(i == j, 1.0, np.sqrt(0.5))
    pair = np.zeros((k, k), int)
    pair[i, j] = pair[j, i] = n
    return E.reshape(len(i), k * k), pair


@partial(jax.jit, static_argnames=("loss_name", "axis"))
def gram_move(
    point: GramPoint,
    step: GramStep,
    length,
    B,
    Y,
    weight,
    penalties,
    inner_steps,
    *,
    loss_name: str,
    axis=None,
) -> GramPoint:
    """The point after a share of the step, its features started from the logits that the step predicts."""
    V = point.V
    G = V @ (jnp.eye(len(V)) + length * step.D) @ V.T
    b, z = point.b + length * step.b, V @ point.h + length * step.z
    return gram_project(G, b, z, B, Y, weight, penalties, inner_steps, loss_name=loss_name, axis=axis)


class GramRun(NamedTuple):
    """Where the descent in G stopped: the point, the number of steps, and whether at an interior optimum.

    slope: ‖∇φ‖ over (W, b) there, where it is known.
    """

    point: GramPoint
    steps: int
    settled: bool
    slope: float | None = None


def descend_gram(
    B, atoms: Atoms, *, loss_name: str, bias: bool, max_steps: int = 60, mesh: Mesh | None = None
) -> GramRun:
    """Newton on φ from G = √(λ_H/λ_W) I and b = 0, with backtracking: every step lowers φ.

    The labels are cut evenly among the devices of the mesh (None: one); sums over them are all that these exchange.
    """
    k, mesh = B.shape[1], mesh or one_device()
    static = {"loss_name": loss_name}
    newton_step = share(gram_newton, mesh, (POINT, ALL, *LAW), STEP, bias=bias, **static)
    moved = share(gram_move, mesh, (POINT, STEP, ALL, ALL, *LAW, ALL), POINT, **static)

    def move(point, step, length, inner_steps=INNER_STEPS):
        return moved(point, step, length, B, *atoms, inner_steps)

    start = _start(k, atoms, mesh)
    point = move(*start, 0.0)
    for count in each_step(max_steps, mesh):
        step = newton_step(point, B, *atoms)
        if -float(step.slope) <= SETTLED * abs(float(point.objective)):
            last = move(point, step, 1.0, FULLY)
            fallen = float(last.objective) <= float(point.objective) * (1 + SETTLED)
            return GramRun(last if fallen else point, count + 1, fallen)
        trial = backtrack(partial(move, point, step), _objective, _objective(point), float(step.slope))
        if trial is None:
            return GramRun(point, count, False)
        point = trial
        if float(point.thin) < THIN:
            return GramRun(point, count + 1, False)
    return GramRun(point, max_steps, False)


def _objective(point: GramPoint) -> float:
    return float(point.objective)


def _start(k: int, atoms: Atoms, mesh: Mesh) -> tuple[GramPoint, GramStep]:
    """G = √(λ_H/λ_W) I, no features yet, and no step."""
    root = (float(atoms.penalties.h) / float(atoms.penalties.w)) ** 0.25
    zero = cut(np.zeros((k, atoms.Y.shape[1])), mesh, CUT_LAST)
    none = np.zeros(())  # arrays, as later points have them: one program serves all
    point = GramPoint(root * np.eye(k), np.zeros(k), zero, none, none)
    return point, GramStep(np.zeros((k, k)), np.zeros(k), zero, none)
