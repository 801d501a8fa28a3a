"""The joint problem of a law given by its orbits: Newton's method on the few numbers of a W that has its symmetry.

φ is convex in G = W Wᵀ (`ufm.optimize.gram`) and permutations σ of the classes within groups leave it as it is, so
that E σ G σᵀ is no worse than G: with P_a the projection on differences within group a, C an isometry onto what is
constant on groups (with cross-entropy and orthogonal to 1),

    W = Σ_a v_a P_a + C U Cᵀ,     G = Σ_a v_a² P_a + C U Uᵀ Cᵀ,     b = C β.

A label is constant but on few classes, its slots; so is its feature. In coordinates of that, P_a e_i for each slot
made orthonormal and those of C, V of `gram` is diag(v) ⊕ U, and its gradient and D²φ, over D = diag(d) ⊕ Δ and db,
are those of `gram`, where a direction within group a counts K_a − 1 times.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jaxtyping import Array, Float

from ufm.loss import LOSSES
from ufm.model.variants.orbits import OrbitLaw, OrbitProblem
from ufm.optimize.coordinates import Reduced
from ufm.optimize.factor import half_solve_each, solve_ridge_each, triangle_each
from ufm.optimize.gram import (
    FULLY,
    SETTLED,
    THIN,
    GramPoint,
    GramRun,
    Penalties,
    lengthen_step,
    symmetric_basis,
)
from ufm.optimize.line_search import backtrack
from ufm.optimize.many.descent import SLACK
from ufm.optimize.newton import descend_newton

STEPS = 100
REACH = 10.0  # of a step along each eigenvector of D²φ: where the labels do not see one, φ is linear along it
NOTHING = 1e-8  # of the natural size of W
TINY = 1e-300
NULL = 1e-9  # singular values of P_a e_i that are zeros: of a group whose classes are all slots


class Orbits(NamedTuple):
    """Labels (K, n), weights (n), a basis of each label's slots (K, s, n), C (K, m), and their groups.

    group (s, A, n): 1 where a slot is of it, of those with K_a > 1; times (A): K_a − 1.
    """

    Y: Float[Array | np.ndarray, "K n"]
    weight: Float[Array | np.ndarray, "n"]
    slots: Float[Array | np.ndarray, "K s n"]
    between: Float[Array | np.ndarray, "K m"]
    group: Float[Array | np.ndarray, "s A n"]
    times: Float[Array | np.ndarray, " A"]


class Place(NamedTuple):
    """v (A), U (m, m) and β (m)."""

    v: Float[Array | np.ndarray, " A"]
    U: Float[Array | np.ndarray, "m m"]
    b: Float[Array | np.ndarray, " m"]


class Sums(NamedTuple):
    """E (ℓ + λ_H‖h‖²/2); E λ_H h hᵀ summed over each group, and of C; E r rᵀ/λ_H, its mean over each, and of C;
    E r; D²φ without λ_b."""

    objective: Array
    square: tuple[Array, Array]
    M: tuple[Array, Array]
    mean: Array
    hessian: Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class _EachItsOwn(Reduced):
    """Coordinates with a matrix a label."""

    matrix: Float[Array, "K k n"]

    @property
    def gain(self):
        """The mean eigenvalue of W Wᵀ, over K − 1 directions, a label."""
        return jnp.sum(self.matrix**2, (0, 1)) / (self.matrix.shape[0] - 1)

    def logits(self, q):
        return jnp.einsum("kjn,jn->kn", self.matrix, q, precision=jax.lax.Precision.HIGHEST)

    def gradient(self, slope, q, lambda_h):
        """∇_q of the objective, slope (K, n) that of the loss in z."""
        pulled = jnp.einsum("kjn,kn->jn", self.matrix, slope, precision=jax.lax.Precision.HIGHEST)
        return pulled + lambda_h * q

    def root(self, curvature, coupling):
        """F (K, k, n) with Fᵀ F the Hessian of ℓ."""
        mean = jnp.sum(curvature[:, None] * self.matrix, 0)
        return jnp.sqrt(curvature)[:, None] * (self.matrix - coupling * mean)

    def newton_step(self, gradient, curvature, coupling, lambda_h):
        """−(FᵀF + λ)⁻¹ gradient."""
        F = jnp.moveaxis(self.root(curvature, coupling), -1, 0)
        return -solve_ridge_each(F, lambda_h, gradient)


def orbits_of(law: OrbitLaw, coupled: bool) -> Orbits:
    """The law in these coordinates."""
    Y, groups, sizes = law.representatives, law.groups, law.sizes
    slots = [_distinct(y, groups, len(sizes)) for y in Y]
    n, s, large = len(Y), max(map(len, slots)), np.flatnonzero(sizes > 1)
    basis, place = np.zeros((law.classes, s, n)), np.zeros((s, len(large), n))
    for label, own in enumerate(slots):
        at = 0
        for number, a in enumerate(large):
            mine = own[groups[own] == a]
            part = np.equal.outer(np.arange(law.classes), mine) - (groups == a)[:, None] / sizes[a]
            left, size, _ = np.linalg.svd(part, full_matrices=False)
            found = left[:, size > NULL]
            stop = at + found.shape[1]
            basis[:, at:stop, label], place[at:stop, number, label], at = found, 1.0, stop
    between = np.equal.outer(groups, np.arange(len(sizes))) / np.sqrt(sizes)
    if coupled:  # orthogonal to 1, which is √sizes here
        _, _, rows = np.linalg.svd(np.sqrt(sizes)[None].astype(float))
        between = between @ rows[1:].T
    return Orbits(Y.T, law.masses, basis, between, place, sizes[large] - 1.0)


def _distinct(y, groups, count: int) -> np.ndarray:
    """The classes whose entry is not the one that most of their group have."""
    found = []
    for a in range(count):
        own = np.flatnonzero(groups == a)
        _, which, counts = np.unique(y[own], return_inverse=True, return_counts=True)
        found.append(own[which != np.argmax(counts)])
    return np.concatenate(found)


@partial(jax.jit, static_argnames=("loss_name",))
def settle(place: Place, h, law: Orbits, penalties, *, loss_name: str) -> tuple[Array, Sums]:
    """Optimal features (k, n) from the start h, and sums."""
    loss, (v, U, b), (Y, weight, slots, between, group, times) = LOSSES[loss_name], place, law
    lam, root, s = penalties.h, jnp.einsum("san,a->sn", group, v), slots.shape[1]

    def times_v(A):
        """A diag(v) ⊕ U of each label."""
        return jnp.concatenate([A[:, :s] * root, jnp.einsum("imn,mj->ijn", A[:, s:], U)], 1)

    wide = jnp.broadcast_to(between[:, :, None], (*between.shape, len(weight)))
    frame = _EachItsOwn(jnp.concatenate([slots, wide], 1))  # B of `gram`, a label
    coordinates, shift = _EachItsOwn(times_v(frame.matrix)), (between @ b)[:, None]
    h = descend_newton(coordinates, h, Y, lam, FULLY, shift, loss_name=loss_name).q
    z = coordinates.logits(h) + shift
    fit, back = jax.vjp(lambda z: loss.value(z, Y), z)
    r = jnp.einsum("kjn,kn->jn", frame.matrix, -back(jnp.ones_like(fit))[0])

    def second(x, each):
        """E x xᵀ, summed over each group, and of C."""
        return jnp.einsum("san,sn,n->a", group, x[:s] ** 2, each), (x[s:] * each) @ x[s:].T

    within, rest = second(r, weight / lam)
    R = triangle_each(frame.root(loss.curvature(z), loss.coupling)).R
    RV = times_v(R)
    inner = jnp.eye(len(R))[..., None] + jnp.einsum("ijn,ljn->iln", RV, RV) / lam
    T = half_solve_each(inner, jnp.einsum("ijn,jpn->ipn", R, _directions(group, root * h[:s], U, h[s:])))
    return h, Sums(
        jnp.sum(weight * (fit + 0.5 * lam * jnp.sum(h * h, 0))),
        second(h, lam * weight),
        (within / times, rest),
        r[s:] @ weight,
        jnp.einsum("ipn,iqn,n->pq", T, T, weight),
    )


def _directions(group, slots, U, rest):
    """u = V D h + db (k, p, n) for each of the p directions (d, Δ, db). slots, rest: of V h, and of h."""
    (s, n), m = slots.shape, len(U)
    basis = symmetric_basis(m)[0].reshape(m * (m + 1) // 2, m, m)
    within = jnp.pad(slots[:, None] * group, ((0, m), (0, 0), (0, 0)))
    between = jnp.einsum("ij,qjl,ln->iqn", U, basis, rest)
    bias = jnp.broadcast_to(jnp.eye(m)[..., None], (m, m, n))
    return jnp.concatenate(
        [within, jnp.pad(jnp.concatenate([between, bias], 1), ((s, 0), (0, 0), (0, 0)))], 1
    )


class _Stand(NamedTuple):
    """A place, the features that are optimal there, their sums, and φ."""

    place: Place
    h: Array
    sums: Sums
    value: float


class _Step(NamedTuple):
    """d (A), Δ (m, m), dβ (m) and the slope ⟨∇φ, step⟩."""

    d: np.ndarray
    D: np.ndarray
    b: np.ndarray
    slope: float


def descend_orbits(problem: OrbitProblem) -> GramRun:
    """`descend_gram` by symmetry: V is W itself (K, K), features have K coordinates."""
    loss, atoms, bias = problem.loss, problem.orbits, problem.lambda_b is not None
    law = orbits_of(atoms, bool(LOSSES[loss].coupling))
    lambda_w, lambda_h, lambda_b = problem.penalties
    penalties = Penalties(np.float64(lambda_w), np.float64(lambda_h), np.float64(lambda_b or 0.0))

    def stand(place: Place, h) -> _Stand:
        h, sums = settle(place, h, law, penalties, loss_name=loss)
        return _Stand(
            place, h, jax.tree.map(np.asarray, sums), _value(place, float(sums.objective), law, penalties)
        )

    def move(at: _Stand, step: _Step, length: float) -> _Stand:
        return stand(_moved(at.place, step, length), at.h)

    at, steps, settled = stand(*_start(law, penalties)), 0, False
    for count in range(STEPS):
        step, steps = _newton(at, law, penalties, bias), count + 1
        if -step.slope <= SETTLED * abs(at.value):
            last = move(at, step, 1.0)
            settled = last.value <= at.value * (1 + SETTLED)
            at = last if settled else at
            break
        trial = backtrack(partial(move, at, step), lambda at: at.value, at.value, step.slope)
        if trial is None:
            break
        thinned = _thinned(trial, penalties)
        at = trial if thinned is None else stand(thinned, trial.h)
    settled = settled and _excess(at, penalties) <= SLACK
    W = _within(atoms, at.place.v)
    return _run(at, W, law, penalties, bias, steps, settled)


def _start(law: Orbits, penalties: Penalties):
    """G = √(λ_H/λ_W) I, b = 0 and no features."""
    m, root = law.between.shape[1], (penalties.h / penalties.w) ** 0.25
    count = law.slots.shape[1] + m, len(law.weight)
    return Place(np.full(len(law.times), root), root * np.eye(m), np.zeros(m)), np.zeros(count)


def _value(place: Place, objective: float, law: Orbits, penalties: Penalties) -> float:
    """φ."""
    square = law.times @ place.v**2 + np.sum(place.U**2)
    return objective + 0.5 * float(penalties.w * square + penalties.b * np.sum(place.b**2))


def _newton(at: _Stand, law: Orbits, penalties: Penalties, bias: bool) -> _Step:
    """The stretched Newton step."""
    (v, U, b), sums, (A, m) = at.place, at.sums, (len(law.times), len(at.place.U))
    E, _ = symmetric_basis(m)
    within = 0.5 * (penalties.w * v**2 * law.times - sums.square[0])
    rest, slope_b = 0.5 * (penalties.w * U.T @ U - sums.square[1]), penalties.b * b - sums.mean
    slope, size = np.concatenate([within, E @ rest.ravel(), slope_b]), A + len(E) + m * bias
    hessian = sums.hessian[:size, :size] + np.diag(
        np.r_[np.zeros(A + len(E)), np.full(m, penalties.b)][:size]
    )
    kept = _kept(at.place, penalties, bias)
    value, vector = np.linalg.eigh(kept.T @ hessian @ kept)
    along = vector.T @ (kept.T @ slope[:size])
    step = -kept @ vector @ (along / np.maximum(np.maximum(value, np.abs(along) / REACH), TINY))
    D = _whole(step[:A], (step[A : A + len(E)] @ E).reshape(m, m))
    db = step[A + len(E) :] if bias else np.zeros(m)
    parts = _whole(v, U), _whole(*sums.M), _whole(within, rest)
    D, db, slope = lengthen_step(D, db, *parts, slope_b * bias, penalties.w, np)
    return _Step(np.diagonal(D)[:A], D[A:, A:], db, float(slope))


def _kept(place: Place, penalties: Penalties, bias: bool) -> np.ndarray:
    """The directions (p, p') of (d, Δ, dβ) in which nothing is lost."""
    _, size, right = np.linalg.svd(place.U)
    Q, v = right[~_lost(size, penalties)].T, np.eye(len(place.v))[:, ~_lost(place.v, penalties)]
    E, E_kept = (symmetric_basis(n)[0] for n in Q.shape)
    return scipy.linalg.block_diag(v, E @ np.kron(Q, Q) @ E_kept.T, np.eye(len(Q) * bias))


def _whole(diagonal, block) -> np.ndarray:
    """diag ⊕ block."""
    return scipy.linalg.block_diag(np.diag(diagonal), block)


def _moved(place: Place, step: _Step, length: float) -> Place:
    """V (1 + t D)^½: features keep their coordinates."""
    size, turn = np.linalg.eigh(np.eye(len(step.D)) + length * step.D)
    U = place.U @ (turn * np.sqrt(size)) @ turn.T
    return Place(place.v * np.sqrt(1 + length * step.d), U, place.b + length * step.b)


def _thinned(at: _Stand, penalties: Penalties) -> Place | None:
    """Without what is thin while φ falls towards its loss, None if nothing is. It is left next to nothing: V has an
    inverse."""
    (v, U, b), (M_v, M_U), natural = at.place, at.sums.M, (penalties.h / penalties.w) ** 0.25
    left, size, right = np.linalg.svd(U)
    inward = np.einsum("ij,ik,kj->j", left, M_U, left) < penalties.w
    thin, of_v = inward & (size < THIN * natural), (M_v < penalties.w) & (v < THIN * natural)
    if not (np.any(thin & ~_lost(size, penalties)) or np.any(of_v & ~_lost(v, penalties))):
        return None
    size, v = np.where(thin, NOTHING * natural, size), np.where(of_v, NOTHING * natural, v)
    return Place(v, (left * size) @ right, b)


def _lost(size, penalties: Penalties):
    """Which v, or singular values of U, `_thinned` has left next to nothing."""
    return size < 2 * NOTHING * (penalties.h / penalties.w) ** 0.25


def _excess(at: _Stand, penalties: Penalties) -> float:
    """By how much E r rᵀ/λ_H exceeds λ_W, relatively, in what is lost: ≤ 0 where it is rightly lost."""
    left, size, _ = np.linalg.svd(at.place.U)
    lost = left[:, _lost(size, penalties)]
    found = [*at.sums.M[0][_lost(at.place.v, penalties)], *np.linalg.eigvalsh(lost.T @ at.sums.M[1] @ lost)]
    return float(max(found, default=0.0) / penalties.w - 1)


def _run(at: _Stand, W, law: Orbits, penalties: Penalties, bias: bool, steps: int, settled: bool) -> GramRun:
    """In the coordinates of classes. W: what it is within groups."""
    (v, U, b), C, s = at.place, law.between, law.slots.shape[1]
    H = np.einsum("ksn,sn->kn", law.slots, np.asarray(at.h)[:s]) + C @ np.asarray(at.h)[s:]
    W = W + C @ U @ C.T
    missing = law.times @ ((penalties.w - at.sums.M[0]) * v) ** 2
    missing += np.sum((penalties.w * U - at.sums.M[1] @ U) ** 2)
    missing += bias * np.sum((penalties.b * b - at.sums.mean) ** 2)
    return GramRun(GramPoint(W, C @ b, H, at.value, 0.0), steps, settled, float(np.sqrt(missing)))


def _within(law: OrbitLaw, v) -> np.ndarray:
    """Σ_a v_a P_a."""
    each, same = np.zeros(len(law.sizes)), np.equal.outer(law.groups, law.groups)
    each[law.sizes > 1] = v
    return each[law.groups][:, None] * (np.eye(law.classes) - same / law.sizes[law.groups])
