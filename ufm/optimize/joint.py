"""The joint optimum over classifier, features and bias, by variable projection; see `gram` for d ≥ K − 1.

    L(W, h, b) = Σ_n π_n [ ℓ(W h_n + b, y_n) + (λ_n/2)‖h_n‖² ] + (λ_W/2)‖W‖_F² + (λ_b/2)‖b‖²,   λ_n = λ_H ρ_n

Features are solved exactly inside (batched Newton, warm-started), and W (K x r, r = min(K, d)) with
the bias is moved by Newton steps on the reduced objective φ(W, b) = min_h L. With r_n = y_n − p_n,
M = Σ π r rᵀ/λ_n, P_n the Hessian of ℓ in the logits and Q_n = Wᵀ P_n W + λ_n,

    ∇_W φ = (λ_W − M) W,     ∇_b φ = λ_b b − Σ π r,
    D²φ = ⟨dW, (λ_W − M) dW⟩ + Σ π u_nᵀ (P_n − P_n W Q_n⁻¹ Wᵀ P_n) u_n + λ_b ‖db‖²,
    u_n = dW h_n + W dWᵀ r_n/λ_n + db.

Directions of negative curvature are followed (|H| in place of H), so that strict saddles repel; by
the theory of this model they are the only critical points besides global minima when d ≥ K − 1.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

import ufm.rules.numbers as checked
from ufm.loss import LOSSES
from ufm.model.atoms import JointProblem, Point, is_convex, is_dense
from ufm.model.variants.orbits import OrbitProblem
from ufm.optimize.coordinates import Reduced
from ufm.optimize.features import require_dtype
from ufm.optimize.gram import LAW, Atoms, Penalties, cut_law, descend_gram, half_curvature, logit_basis
from ufm.optimize.line_search import backtrack
from ufm.optimize.newton import descend_newton
from ufm.rules.brief import shown
from ufm.runtime.devices import ALL, CUT_LAST, cut, each_step, one_device, own_columns, own_rows, share, total

INNER_STEPS = 200
ROUNDING = 1e-11  # predicted decreases below this share of L are judged by ‖∇φ‖ instead
SMALL = 1e-7  # singular values of W below this (relative, W being of order one) are tried as zeros
UNKNOWNS = 4000  # of W, up to which it takes over from G: its Hessian is dense, 128 MiB
FLAT = 1e-10  # eigenvalues below this share of the largest are not divided by (rotations of W)


class JointPoint(NamedTuple):
    """W (K, r), b (K), the features H (r, n) that are optimal for them, and L."""

    W: Float[Array, "K r"]
    b: Float[Array, "K"]
    H: Float[Array, "r n"]
    objective: Array | np.ndarray | float


@partial(jax.jit, static_argnames=("loss_name", "axis"))
def project(W, b, H, Y, weight, penalties: Penalties, *, loss_name: str, axis=None) -> JointPoint:
    """Solve the features for W, b from the warm start H, and evaluate L. axis: see `ufm.runtime.devices.total`."""
    loss = LOSSES[loss_name]
    found = descend_newton(Reduced(W), H, Y, penalties.each, INNER_STEPS, b[:, None], loss_name=loss_name)
    fit = jax.vmap(loss.value, (1, 1))(W @ found.q + b[:, None], Y)
    per_label = fit + 0.5 * penalties.each * jnp.sum(found.q**2, 0)
    ridge = 0.5 * penalties.w * jnp.sum(W * W) + 0.5 * penalties.b * jnp.sum(b * b)
    return JointPoint(W, b, found.q, total(jnp.sum(weight * per_label), axis) + ridge)


@partial(jax.jit, static_argnames=("loss_name", "bias", "axis"))
def reduced_slope(
    point: JointPoint, Y, weight, penalties: Penalties, *, loss_name: str, bias: bool, axis=None
):
    """‖∇φ‖ at a projected point."""
    R = -jax.vmap(jax.grad(LOSSES[loss_name].value), (1, 1), 1)(point.W @ point.H + point.b[:, None], Y)
    M, mean = total(((R * weight / penalties.each) @ R.T, R @ weight), axis)
    slope_w = penalties.w * point.W - M @ point.W
    slope_b = penalties.b * point.b - mean
    return jnp.sqrt(jnp.sum(slope_w**2) + bias * jnp.sum(slope_b**2))


@partial(jax.jit, static_argnames=("loss_name", "bias", "axis"))
def reduced_newton(
    point: JointPoint, Y, weight, penalties: Penalties, *, loss_name: str, bias: bool, axis=None
):
    """Step of φ at a projected point as a flat vector over (W, b), its slope and ‖∇φ‖."""
    gradient, hessian = reduced_derivatives(point, Y, weight, penalties, LOSSES[loss_name], axis)
    size = gradient.shape[0] if bias else point.W.size
    gradient, hessian = gradient[:size], hessian[:size, :size]
    value, vector = jnp.linalg.eigh(hessian)
    curvature = jnp.abs(value)
    curvature = jnp.maximum(curvature, FLAT * jnp.max(curvature))
    step = -vector @ ((vector.T @ gradient) / curvature)
    pad = (0, point.W.size + point.b.size - size)
    return jnp.pad(step, pad), gradient @ step, jnp.linalg.norm(gradient)


def reduced_derivatives(point: JointPoint, Y, weight, penalties: Penalties, loss, axis=None):
    """∇φ and D²φ over (vec W, b), the formulas of the module's docstring."""
    W, b, *_ = point
    K, r = W.shape
    parts = total(_sums(point, Y, weight, penalties.each, loss), axis)
    inactive = penalties.w * jnp.eye(K) - parts.M
    gradient = jnp.concatenate([(inactive @ W).ravel(), penalties.b * b - parts.mean])
    ridge = jnp.einsum("lm,st->lsmt", inactive, jnp.eye(r))
    hessian, mixed = (parts.inner + ridge).reshape(K * r, K * r), parts.mixed.reshape(K * r, K)
    corner = parts.corner + penalties.b * jnp.eye(K)
    return gradient, jnp.block([[hessian, mixed], [mixed.T, corner]])


class _Sums(NamedTuple):
    """M = E r rᵀ/λ, E r, and E of what a label adds to D²φ over (W, W), (W, b) and (b, b)."""

    M: Float[Array, "K K"]
    mean: Float[Array, "K"]
    inner: Float[Array, "K r K r"]
    mixed: Float[Array, "K r K"]
    corner: Float[Array, "K K"]


def _sums(point: JointPoint, Y, weight, lam, loss) -> _Sums:
    W, b, H, _ = point
    Z = W @ H + b[:, None]
    R = -jax.vmap(jax.grad(loss.value), (1, 1), 1)(Z, Y)
    c = jax.vmap(loss.curvature, 1, 0)(Z)
    T = half_curvature(W, jnp.eye(len(W)), lam, loss.coupling, c)
    S = jnp.swapaxes(T, 1, 2) @ T  # P − P W Q⁻¹ Wᵀ P: of a label's fit after its feature adapted
    h, res = H.T, R.T / jnp.reshape(lam, (-1, 1))
    SW, weighted = S @ W, weight[:, None, None] * S
    moment = partial(jnp.einsum, optimize="optimal")
    cross = moment("n,ns,nlt,nm->lsmt", weight, h, SW, res)
    inner = (
        moment("nlm,ns,nt->lsmt", weighted, h, h)
        + cross
        + cross.transpose(2, 3, 0, 1)
        + moment("n,nl,nm,nst->lsmt", weight, res, res, jnp.swapaxes(SW, 1, 2) @ W)
    )
    mixed = moment("nlk,ns->lsk", weighted, h) + moment("n,nl,nks->lsk", weight, res, SW)
    return _Sums((R * weight) @ res, R @ weight, inner, mixed, jnp.sum(weighted, 0))


POINT = JointPoint._make((ALL, ALL, CUT_LAST, ALL))  # how W, b, H and objective are cut among devices


class JointRun(NamedTuple):
    """A critical point of φ: the projected point, ‖∇φ‖, outer steps, whether the steps became negligible."""

    point: JointPoint
    gradient_norm: float
    steps: int
    converged: bool


def descend_jointly(
    W, b, H, atoms: Atoms, *, loss_name: str, bias: bool, max_steps: int = 200, mesh: Mesh | None = None
) -> JointRun:
    """Newton on φ from W and b, with backtracking; L falls until its rounding, then ‖∇φ‖ does."""
    mesh = mesh or one_device()
    call = _Calls(atoms, mesh, loss_name, bias)
    point = call.project(W, b, H)
    best, least = point, np.inf
    for count in each_step(max_steps, mesh):
        step, *sizes = map(np.asarray, call.newton(point))
        slope, norm = map(float, sizes)
        settled = -slope <= ROUNDING * abs(float(point.objective))
        if settled and norm >= least:
            return JointRun(best, least, count, True)
        best, least = point, norm
        whole = call.move(point, step, 1.0)
        trial = whole if settled else call.backtrack(point, step, slope, whole)
        if trial is None:
            return JointRun(best, least, count, False)
        point = trial
    return JointRun(best, least, max_steps, False)


def descend_convexly(atoms: Atoms, *, loss_name: str, bias: bool, mesh: Mesh | None = None) -> JointRun:
    """Newton on G = W Wᵀ; where a direction of G vanishes at the optimum, W takes over to finish it."""
    mesh, B = mesh or one_device(), logit_basis(len(atoms.Y), loss_name)
    run = _descent(atoms, loss_name)(B, atoms, loss_name=loss_name, bias=bias, mesh=mesh)
    W, b = B @ np.asarray(run.point.V), B @ np.asarray(run.point.b)
    if not run.settled and W.size <= UNKNOWNS:
        last = descend_jointly(W, b, run.point.h, atoms, loss_name=loss_name, bias=bias, mesh=mesh)
        return last._replace(steps=run.steps + last.steps)
    point, call = JointPoint(W, b, run.point.h, run.point.objective), _Calls(atoms, mesh, loss_name, bias)
    slope = float(call.slope(point)) if run.slope is None else run.slope
    return JointRun(point, slope, run.steps, run.settled)


def _descent(atoms: Atoms, loss_name: str):
    """With or without matrices a label; what many classes ask for is loaded for them alone."""
    K, n = atoms.Y.shape
    if is_dense(n, K, K, loss_name):
        return descend_gram
    from ufm.optimize.many.descent import descend_many

    return descend_many


def _by_orbits(problem: OrbitProblem) -> "JointSolution":
    """By Newton on the few numbers of a W with the law's symmetry."""
    from ufm.optimize.many.orbits import descend_orbits

    (W, b, H, objective, _), steps, settled, slope = descend_orbits(problem)
    assert slope is not None
    point = JointPoint(jnp.asarray(W), jnp.asarray(b), jnp.asarray(H), objective)
    return _joint_solution([JointRun(point, slope, steps, settled)], problem.classes, slice(0, H.shape[1]))


class _Calls:
    """The compiled programs of a run, its labels cut among the devices of a mesh."""

    def __init__(self, atoms: Atoms, mesh: Mesh, loss_name: str, bias: bool):
        self.atoms, static = atoms, {"loss_name": loss_name, "bias": bias}
        self._project = share(project, mesh, (ALL, ALL, CUT_LAST, *LAW), POINT, loss_name=loss_name)
        self._newton = share(reduced_newton, mesh, (POINT, *LAW), (ALL, ALL, ALL), **static)
        self._slope = share(reduced_slope, mesh, (POINT, *LAW), ALL, **static)

    def project(self, W, b, H) -> JointPoint:
        """The features that are optimal for W and b, from the start H."""
        return self._project(W, b, H, *self.atoms)

    def newton(self, point: JointPoint):
        """Step, slope and ‖∇φ‖."""
        return self._newton(point, *self.atoms)

    def slope(self, point: JointPoint):
        """‖∇φ‖."""
        return self._slope(point, *self.atoms)

    def move(self, point: JointPoint, step, length) -> JointPoint:
        """The projected point after a share of the step."""
        W, b = np.asarray(point.W), np.asarray(point.b)
        dW, db = step[: W.size].reshape(W.shape), step[W.size :]
        return self.project(W + length * dW, b + length * db, point.H)

    def backtrack(self, point: JointPoint, step, slope: float, whole: JointPoint) -> JointPoint | None:
        """The first share of the step that lowers L enough, `whole` being the point after all of it."""

        def move(length):
            return whole if length == 1.0 else self.move(point, step, length)

        return backtrack(move, lambda at: float(at.objective), float(point.objective), slope)


@dataclass(frozen=True, eq=False, kw_only=True)
class JointSolution(Point):
    """A critical point of the joint problem: W (K, d), H (n, d), b (K), L, and how it was found.

    minima: the objectives and Gram matrices W Wᵀ of all distinct points reached, best first.
    converged is the method's own opinion; use `certify_joint`.
    """

    b: np.ndarray
    objective: float
    gradient_norm: float
    steps: int
    converged: bool
    minima: list[tuple[float, np.ndarray]]

    __repr__ = shown


def solve_joint(
    problem: JointProblem | OrbitProblem, *, starts: int = 1, seed: int = 0, mesh: Mesh | None = None
) -> JointSolution:
    """Minimise L over classifier, features and bias for a finite label law (float64).

    Where d allows every Gram matrix (d ≥ K−1; squared error d ≥ K) the problem is convex in W Wᵀ and the first run
    solves that; all others, and all below that dimension, descend from random W, and `starts` of them are
    compared. Symmetry is not used, but for an `OrbitProblem`: one run, whose H has a row a representative.
    The devices of the mesh (None: one) divide the labels; each process gets the H of its own (`own_rows`).
    W Wᵀ as a traced function of arrays, with derivatives: `ufm.optimal_gram`.
    """
    if isinstance(problem, OrbitProblem):
        return _by_orbits(problem)
    checked.instance("problem", problem, JointProblem)
    K, dim, loss = problem.classes, problem.d, problem.loss
    checked.integer("starts", starts, 1)
    checked.integer("seed", seed, 0, checked.MAX_SEED)
    require_dtype(np.float64)
    mesh, lambda_b = mesh or one_device(), problem.lambda_b
    atoms = cut_law(problem, mesh)
    rng, bias = np.random.default_rng(seed), lambda_b is not None
    runs: list[JointRun] = []
    for _ in range(starts):
        W = rng.standard_normal((K, min(K, dim))) / np.sqrt(K)
        if not runs and is_convex(K, dim, loss):
            run = descend_convexly(atoms, loss_name=loss, bias=bias, mesh=mesh)
        else:
            zero = cut(np.zeros((W.shape[1], atoms.Y.shape[1])), mesh, CUT_LAST)
            run = descend_jointly(W, np.zeros(K), zero, atoms, loss_name=loss, bias=bias, mesh=mesh)
        runs.append(_drop_small(run, _Calls(atoms, mesh, loss, bias)))
    runs.sort(key=lambda run: float(run.point.objective))
    found = _joint_solution(runs, dim, own_rows(len(problem.atoms.weights), mesh))
    if lambda_b == 0 and LOSSES[loss].coupling:  # then the mean of b changes nothing: leave it out
        return replace(found, b=found.b - found.b.mean())
    return found


def fit_classifier(problem: JointProblem, W: Float[np.ndarray, "K d"]) -> Point:
    """The features and the bias that are optimal for a given W: Newton on b, whose features are solved inside."""
    bias, atoms = problem.lambda_b is not None, cut_law(problem, one_device())
    call = _Calls(atoms, one_device(), problem.loss, bias)
    point = call.project(W, np.zeros(len(W)), np.zeros((W.shape[1], len(problem.atoms.labels))))
    for _ in range(60 * bias):
        slope, curvature = map(np.asarray, bias_derivatives(point, *atoms, loss_name=problem.loss))
        db = -np.linalg.lstsq(curvature, slope, rcond=FLAT)[0]
        step, fall = np.concatenate([np.zeros(W.size), db]), float(db @ slope)
        settled = -fall <= 1e-15 * abs(float(point.objective))
        trial = call.move(point, step, 1.0)  # of a last step L knows nothing, its slope does
        moved = trial if settled else call.backtrack(point, step, fall, trial)
        point = moved or point
        if settled or moved is None:
            break
    return Point(W, np.asarray(point.H).T, np.asarray(point.b) if bias else None)


@partial(jax.jit, static_argnames=("loss_name",))
def bias_derivatives(point: JointPoint, Y, weight, penalties: Penalties, *, loss_name: str):
    """∇_b φ and D²φ over b, which is convex."""
    *_, corner = parts = _sums(point, Y, weight, penalties.each, LOSSES[loss_name])
    return penalties.b * point.b - parts.mean, corner + penalties.b * jnp.eye(len(point.b))


def _drop_small(run: JointRun, call: _Calls) -> JointRun:
    """Set singular values of W that are zero up to convergence to exactly zero, where L does not rise."""
    left, size, right = np.linalg.svd(np.asarray(run.point.W), full_matrices=False)
    kept = np.where(size > SMALL * max(1.0, size[0]), size, 0.0)
    if kept.all():
        return run
    point = call.project(left * kept @ right, run.point.b, run.point.H)
    if float(point.objective) > float(run.point.objective) * (1 + 1e-13):
        return run
    # where W is zero the features are too, exactly
    return run._replace(point=point if kept.any() else point._replace(H=point.H * 0.0))


def _joint_solution(runs: list[JointRun], dim: int, own: slice) -> JointSolution:
    best = runs[0]
    W, H = np.asarray(best.point.W), own_columns(best.point.H).T[: own.stop - own.start]
    pad = ((0, 0), (0, dim - W.shape[1]))
    return JointSolution(
        W=np.pad(W, pad),
        H=np.pad(H, pad),
        b=np.asarray(best.point.b),
        objective=float(best.point.objective),
        gradient_norm=best.gradient_norm,
        steps=best.steps,
        converged=best.converged,
        minima=_distinct(runs),
    )


def _distinct(runs: list[JointRun]) -> list[tuple[float, np.ndarray]]:
    """Objectives that differ by more than 1e-9 relative, each with one Gram matrix."""
    found: list[tuple[float, np.ndarray]] = []
    for run in runs:
        value = float(run.point.objective)
        if not found or value > found[-1][0] * (1 + 1e-9):
            W = np.asarray(run.point.W)
            found.append((value, W @ W.T))
    return found
