"""The descent in the Gram matrix: its derivatives, its steps, and where it ends, against a route that lacks it.

φ is written here once more by its definition (features solved by plain Newton in numpy); derivatives are taken
from that by central differences. Laws have at most ATOMS labels, padded by copies of weight zero, so that
one (K, loss, bias) compiles once.
"""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp, softmax

import ufm.optimize.gram as gram
from tests import shapes
from ufm.agree.geometry import collapsed_groups
from ufm.certify.joint import certify_joint
from ufm.model.atoms import FiniteLaw, JointProblem, finite_law
from ufm.model.laws import LabelLaw, mixup, onehot, soft
from ufm.optimize.gram import Atoms, Penalties, descend_gram, gram_newton, gram_project, logit_basis
from ufm.optimize.joint import descend_convexly, descend_jointly, solve_joint
from ufm.theory.thresholds import triviality

CE, SE = "cross-entropy", "squared-error"
LOSSES = [CE, SE]
BIASES = [None, 0.0, 0.5]
ATOMS = 64
GAP = 1e-9  # relative gap demanded
padded = partial(shapes.padded, width=ATOMS)


def atoms_of(law: FiniteLaw, lambda_w, lambda_h, lambda_b=None) -> Atoms:
    penalties = Penalties(*(jnp.asarray(v, float) for v in (lambda_w, lambda_h, lambda_b or 0.0)))
    return Atoms(jnp.asarray(law.labels.T), jnp.asarray(law.weights), penalties)


def random_law(seed, K=3, n=7) -> FiniteLaw:
    rng = np.random.default_rng(seed)
    return padded(FiniteLaw(rng.dirichlet(np.full(K, 0.5), n), rng.dirichlet(np.ones(n)), False))


# --- the derivatives --------------------------------------------------------------------------------------


def fit(Z, Y, loss):
    """ℓ of columns."""
    return logsumexp(Z, 0) - np.sum(Y * Z, 0) if loss == CE else 0.5 * np.sum((Z - Y) ** 2, 0)


def best_features(A, shift, Y, lambda_h, loss):
    """argmin over h of ℓ(A h + shift, y) + (λ_H/2)‖h‖² by Newton with halving, one label at a time."""
    H = np.zeros((A.shape[1], Y.shape[1]))
    for n, y in enumerate(Y.T):

        def value(h, y=y):
            return fit((A @ h + shift)[:, None], y[:, None], loss)[0] + 0.5 * lambda_h * h @ h

        h = H[:, n]
        for _ in range(100):
            z = A @ h + shift
            p = softmax(z) if loss == CE else z
            P = np.diag(p) - np.outer(p, p) if loss == CE else np.eye(len(z))
            step = np.linalg.solve(A.T @ P @ A + lambda_h * np.eye(len(h)), A.T @ (p - y) + lambda_h * h)
            while np.linalg.norm(step) > 1e-15 and value(h - step) > value(h) * (1 + 1e-15):
                step = step / 2
            h = h - step
            if np.linalg.norm(step) <= 1e-15 * (1 + np.linalg.norm(h)):
                break
        H[:, n] = h
    return H


def phi(V, b, B, law, lambda_w, lambda_h, lambda_b, loss):
    """(λ_W/2) tr V Vᵀ + (λ_b/2)‖b‖² + E min over h, by its definition."""
    A, shift, Y = B @ V, B @ b, law.labels[law.weights > 0].T
    weights = law.weights[law.weights > 0]
    H = best_features(A, shift, Y, lambda_h, loss)
    each = fit(A @ H + shift[:, None], Y, loss) + 0.5 * lambda_h * np.sum(H * H, 0)
    return weights @ each + 0.5 * lambda_w * np.sum(V * V) + 0.5 * (lambda_b or 0.0) * b @ b


def symmetric_root(S):
    value, vector = np.linalg.eigh(S)
    return (vector * np.sqrt(value)) @ vector.T


def point_and_phi(loss, lambda_b, seed=0):
    """A random point with optimal features; φ along V (1 + D) Vᵀ, b + db; and what the step needs."""
    law, B = random_law(seed), logit_basis(3, loss)
    lambda_w, lambda_h = 0.05, 0.04
    atoms, k = atoms_of(law, lambda_w, lambda_h, lambda_b), B.shape[1]
    rng = np.random.default_rng(seed + 1)
    root = rng.standard_normal((k, k))
    b = rng.standard_normal(k) * (lambda_b is not None)
    project = partial(
        gram_project, B=jnp.asarray(B), Y=atoms.Y, weight=atoms.weight, penalties=atoms.penalties
    )
    start = jnp.zeros((k, ATOMS))
    point = project(jnp.asarray(root @ root.T), jnp.asarray(b), start, inner_steps=200, loss_name=loss)
    V = np.asarray(point.V)

    def along(D, db):
        return phi(V @ symmetric_root(np.eye(k) + D), b + db, B, law, lambda_w, lambda_h, lambda_b, loss)

    return point, along, jnp.asarray(B), atoms


@partial(jax.jit, static_argnames=("loss", "bias"))
def ingredients(point, B, atoms, loss, bias):
    """Gradient and Newton step of the module's own functions, before stretching."""
    V, b, h, *_ = point
    spec = gram.LOSSES[loss]
    Z = B @ (V @ h + b[:, None])
    r = -B.T @ jax.vmap(jax.grad(spec.value), (1, 1), 1)(Z, atoms.Y)
    c = jax.vmap(spec.curvature, 1, 0)(Z)
    w, lambda_h, lambda_b, _ = atoms.penalties
    T = gram.half_curvature(V, B, lambda_h, spec.coupling, c)
    gradient = 0.5 * (w * V.T @ V - lambda_h * (h * atoms.weight) @ h.T)
    slope_b = lambda_b * b - r @ atoms.weight
    curvature = gram.gram_curvature(T @ V, T, h, atoms.weight, bias)
    D, db = gram._solve_newton(curvature, gradient, slope_b, lambda_b)
    return gradient, slope_b, D, db


def directions(k, bias, count, seed=5):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        D = rng.standard_normal((k, k))
        yield (D + D.T) / 4, rng.standard_normal(k) * bias


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("lambda_b", BIASES)
def test_objective_is_phi(loss, lambda_b):
    point, along, *_ = point_and_phi(loss, lambda_b)
    k = len(point.V)
    assert float(point.objective) == pytest.approx(along(np.zeros((k, k)), np.zeros(k)), rel=1e-13)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("lambda_b", BIASES)
def test_gradient_against_differences(loss, lambda_b):
    """∇_D φ = ½ (λ_W VᵀV − λ_H E h hᵀ), ∇_b φ = λ_b b − E r."""
    point, along, B, atoms = point_and_phi(loss, lambda_b)
    gradient, slope_b, *_ = ingredients(point, B, atoms, loss, lambda_b is not None)
    t = 1e-4
    for D, db in directions(len(gradient), lambda_b is not None, 4):
        slope = (along(t * D, t * db) - along(-t * D, -t * db)) / (2 * t)
        assert slope == pytest.approx(float(np.sum(gradient * D) + slope_b @ db), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("lambda_b", BIASES)
def test_newton_step_solves_with_the_hessian_of_phi(loss, lambda_b):
    """D²φ[step, ·] = −∇φ, the second differences being those of φ in G and b (G moves linearly with D)."""
    point, along, B, atoms = point_and_phi(loss, lambda_b)
    gradient, slope_b, D, db = ingredients(point, B, atoms, loss, lambda_b is not None)
    size = max(1.0, np.abs(D).max(), np.abs(db).max())
    D0, db0, t = D / size, db / size, 2e-3
    assert np.abs(D - D.T).max() <= 1e-12 * size
    for E, e in directions(len(D), lambda_b is not None, 4):
        mixed = (
            along(t * (D0 + E), t * (db0 + e))
            - along(t * (D0 - E), t * (db0 - e))
            - along(t * (E - D0), t * (e - db0))
            + along(-t * (D0 + E), -t * (db0 + e))
        ) / (4 * t * t)
        expected = -float(np.sum(gradient * E) + slope_b @ e) / size
        assert mixed == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_predicted_logits_follow_the_features(loss):
    """dz̃ is the derivative of the optimal logits along the step: the error of z̃ + t dz̃ is of second order."""
    point, _, B, atoms = point_and_phi(loss, 0.5)
    step = gram_newton(point, B, *atoms, loss_name=loss, bias=True)
    V, seen = np.asarray(point.V), np.asarray(atoms.weight) > 0
    errors = []
    for t in (1e-2, 5e-3):
        project = partial(gram_project, B=B, Y=atoms.Y, weight=atoms.weight, penalties=atoms.penalties)
        G = V @ (np.eye(len(V)) + t * np.asarray(step.D)) @ V.T
        z = V @ np.asarray(point.h) + t * np.asarray(step.z)
        new = project(jnp.asarray(G), point.b + t * step.b, jnp.asarray(z), inner_steps=200, loss_name=loss)
        errors.append(np.abs(np.asarray(new.V @ new.h) - z)[:, seen].max())
        first_order = t * np.abs(np.asarray(step.z))[:, seen].max()
        assert errors[-1] < 0.5 * first_order
    assert errors[1] <= 0.3 * errors[0] + 1e-12


def beyond_optimum(loss, lambda_b, factor):
    """A point with G a multiple of the optimal one, features solved."""
    law, B = random_law(3), jnp.asarray(logit_basis(3, loss))
    atoms = atoms_of(law, 0.02, 0.01, lambda_b)
    run = descend_gram(B, atoms, loss_name=loss, bias=lambda_b is not None)
    assert run.settled
    V, b, h, *_ = run.point
    keep = {"Y": atoms.Y, "weight": atoms.weight, "penalties": atoms.penalties, "loss_name": loss}
    return gram_project(factor * V @ V.T, b, V @ h, B, inner_steps=200, **keep), B, atoms


@pytest.mark.parametrize("loss, lambda_b", [(CE, None), (CE, 0.5)])
def test_the_step_is_newtons_where_nothing_is_stretched(loss, lambda_b):
    """Beyond the optimum M̃ ⪯ c², so the stretch is 1; and no direction loses nine tenths of G."""
    point, B, atoms = beyond_optimum(loss, lambda_b, 1.2)
    step = gram_newton(point, B, *atoms, loss_name=loss, bias=lambda_b is not None)
    gradient, slope_b, D, db = ingredients(point, B, atoms, loss, lambda_b is not None)
    assert -0.9 < np.linalg.eigvalsh(D)[0] < -0.1
    assert np.allclose(step.D, D, rtol=1e-9, atol=1e-11)
    assert np.allclose(step.b, db, rtol=1e-9, atol=1e-11)
    assert float(step.slope) == pytest.approx(float(jnp.sum(gradient * D) + slope_b @ db), rel=1e-9)


def test_the_step_is_longer_than_newtons_far_below_the_optimum():
    point, B, atoms = beyond_optimum(CE, None, 0.1)
    step = gram_newton(point, B, *atoms, loss_name=CE, bias=False)
    *_, D, _ = ingredients(point, B, atoms, CE, False)
    assert np.linalg.norm(step.D) > 1.5 * np.linalg.norm(D)
    assert float(step.slope) < 0


@pytest.mark.parametrize("loss, lambda_b", [(CE, None), (SE, 0.5)])
def test_a_step_never_takes_more_than_nine_tenths(loss, lambda_b):
    """At 50 times the optimal G Newton itself would leave the cone."""
    point, B, atoms = beyond_optimum(loss, lambda_b, 50.0)
    step = gram_newton(point, B, *atoms, loss_name=loss, bias=lambda_b is not None)
    *_, D, _ = ingredients(point, B, atoms, loss, lambda_b is not None)
    assert np.linalg.eigvalsh(D)[0] < -0.9
    assert np.linalg.eigvalsh(step.D)[0] >= -0.9 - 1e-12
    assert float(step.slope) < 0


@pytest.mark.parametrize("seed", range(4))
def test_the_stretch_is_none_at_the_optimum_and_never_shortens(seed):
    """Entries times 2 u_i u_j/(1 + (u_i + u_j)/2), clipped to [1, 8], in the eigenvectors of M̃ = E r̃ r̃ᵀ/λ_H."""
    rng = np.random.default_rng(seed)
    D, V = rng.standard_normal((2, 3, 3))
    D = D + D.T
    at_optimum = gram._stretch(jnp.asarray(D), jnp.asarray(V), 0.1 * jnp.eye(3), 0.1)
    assert np.allclose(at_optimum, D, rtol=1e-9, atol=1e-9)
    below = gram._stretch(jnp.asarray(D), jnp.asarray(V), 5e-4 * jnp.eye(3), 0.1)
    assert np.allclose(below, D, rtol=1e-9, atol=1e-9)
    large = np.asarray(gram._stretch(jnp.asarray(D), jnp.asarray(V), 0.1 * 9 * jnp.eye(3), 0.1))
    assert np.allclose(large, 2 * 9 / 4 * D, rtol=1e-8, atol=1e-8)
    huge = np.asarray(gram._stretch(jnp.asarray(D), jnp.asarray(V), 1e9 * jnp.eye(3), 0.1))
    assert np.allclose(huge, gram.STRETCH * D, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_steps_keep_a_tenth_of_every_direction(seed):
    D = np.random.default_rng(seed).standard_normal((4, 4)) * 3
    D = D + D.T
    kept = np.asarray(gram._keep_positive(jnp.asarray(D)))
    assert np.linalg.eigvalsh(kept)[0] >= gram.LEAST - 1 - 1e-12
    mild = 0.1 * D / np.abs(np.linalg.eigvalsh(D)).max()
    assert np.allclose(gram._keep_positive(jnp.asarray(mild)), mild, atol=1e-14)


def test_symmetric_basis_is_orthonormal_and_complete():
    for k in (1, 2, 5):
        E, pair = gram.symmetric_basis(k)
        assert E.shape == (k * (k + 1) // 2, k * k)
        assert np.allclose(E @ E.T, np.eye(len(E)), atol=1e-15)
        S = np.random.default_rng(k).standard_normal((k, k))
        S = S + S.T
        assert np.allclose((E.T @ (E @ S.ravel())).reshape(k, k), S, atol=1e-14)
        assert (pair == pair.T).all() and sorted(set(pair.ravel())) == list(range(len(E)))


@pytest.mark.parametrize("loss", LOSSES)
def test_half_curvature_without_cancellation(loss):
    """Tᵀ T = Fᵀ (I + F G Fᵀ/λ_H)⁻¹ F, for G/λ_H up to 1e12."""
    rng = np.random.default_rng(0)
    B = logit_basis(3, loss)
    k, spec = B.shape[1], gram.LOSSES[loss]
    c = rng.dirichlet(np.ones(3)) if loss == CE else np.ones(3)
    F = np.sqrt(c)[:, None] * (B - spec.coupling * (c @ B))
    for size in (1e-3, 1.0, 1e6):
        V = size * rng.standard_normal((k, k))
        (T,) = np.asarray(gram.half_curvature(*map(jnp.asarray, (V, B)), 1.0, spec.coupling, c[None]))
        S = np.linalg.inv(np.linalg.inv(F.T @ F) + V @ V.T)
        assert np.allclose(T.T @ T, S, rtol=1e-8, atol=0)


# --- the descent ------------------------------------------------------------------------------------------


@pytest.fixture
def watched(monkeypatch):
    """φ of every point that the descent accepted, in order; and how often a step was halved."""
    seen, right = [], gram.backtrack

    def backtrack(move, objective, value, slope):
        trial = right(move, objective, value, slope)
        seen.append((value, slope, None if trial is None else float(trial.objective)))
        return trial

    monkeypatch.setattr(gram, "backtrack", backtrack)
    return seen


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("c2, ratio", [(1e-8, 1.0), (1e-3, 1e4), (1e-3, 1e-4), (0.05, 1.0)])
def test_phi_never_rises(loss, c2, ratio, watched):
    law = random_law(11)
    atoms = atoms_of(law, np.sqrt(c2 * ratio), np.sqrt(c2 / ratio), 0.5)
    run = descend_gram(jnp.asarray(logit_basis(3, loss)), atoms, loss_name=loss, bias=True)
    assert watched
    for before, slope, after in watched:
        assert slope < 0
        assert after is None or after < before
    chain = [before for before, _, _ in watched]
    assert all(later < earlier for earlier, later in itertools.pairwise(chain))
    assert float(run.point.objective) <= chain[-1] * (1 + 1e-12)


def both_routes(law, lambda_w, lambda_h, lambda_b, loss, seed):
    """(L, G) by the Gram route with its finish, and by descent in W from a random start."""
    atoms, K, bias = atoms_of(law, lambda_w, lambda_h, lambda_b), law.classes, lambda_b is not None
    ours = descend_convexly(atoms, loss_name=loss, bias=bias)
    W = np.random.default_rng(seed).standard_normal((K, K)) / np.sqrt(K)
    zero = jnp.zeros((K, law.labels.shape[0]))
    theirs = descend_jointly(jnp.asarray(W), jnp.zeros(K), zero, atoms, loss_name=loss, bias=bias)
    for run in (ours, theirs):
        W = np.asarray(run.point.W)
        yield float(run.point.objective), W @ W.T


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("lambda_b", BIASES)
def test_same_optimum_as_descent_in_W(loss, lambda_b):
    for seed in range(4):
        (ours, G), (theirs, other) = both_routes(random_law(20 + seed), 0.02, 0.01, lambda_b, loss, seed)
        assert ours == pytest.approx(theirs, rel=1e-9)
        assert np.abs(G - other).max() <= 1e-6 * max(1.0, np.abs(other).max())


def imbalanced(q):
    return padded(finite_law(LabelLaw("mixup", alpha=1.0, class_weights=tuple(q)), 3, 6))


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("lambda_b", BIASES)
@pytest.mark.parametrize("seed", range(6))
def test_same_optimum_as_descent_in_W_for_imbalanced_mixup(loss, lambda_b, seed):
    rng = np.random.default_rng(seed)
    c, ratio = 10 ** rng.uniform(-3, -1), 10 ** rng.uniform(-2, 2)
    law = imbalanced(rng.dirichlet(np.ones(3)))
    (ours, G), (theirs, other) = both_routes(law, c * ratio, c / ratio, lambda_b, loss, seed)
    assert ours == pytest.approx(theirs, rel=1e-9)
    assert np.abs(G - other).max() <= 1e-6 * max(1.0, np.abs(other).max())


# --- certified, wherever the optimum lies -----------------------------------------------------------------


def certified(law, c2, ratio, lambda_b=None, loss=CE, dim=None):
    """solve_joint, and its gap relative to the objective (of 1e-3, where that is smaller)."""
    lambda_w, lambda_h = float(np.sqrt(c2 * ratio)), float(np.sqrt(c2 / ratio))
    task = JointProblem(law, lambda_w, lambda_h, dim, lambda_b, loss)
    found = solve_joint(task)
    bound = certify_joint(task, found)
    assert bound.gap <= GAP * max(bound.objective, 1e-3), (c2, ratio, lambda_b, bound.gap, bound.objective)
    return found


def threshold(law, loss=CE):
    """λ_max of the second moment that a small W sees: of y − 1/K, or of y under squared error without a bias."""
    if loss == CE:
        return triviality(law, 1.0).value
    return float(np.linalg.eigvalsh((law.labels * law.weights[:, None]).T @ law.labels)[-1])


SPREAD = [(share, ratio) for share in (1e-10, 1e-5, 0.3, 0.999999) for ratio in (1e-6, 1.0, 1e6)]


@pytest.mark.slow
@pytest.mark.parametrize("loss, lambda_b", [(CE, None), (CE, 0.0), (SE, None), (SE, 0.5)])
def test_extreme_penalties_certify(loss, lambda_b):
    """λ_H/λ_W from 1e-6 to 1e6, c² from 1e-10 to just below the threshold."""
    law = imbalanced((0.5, 0.3, 0.2))
    top = threshold(law, loss)
    for share, ratio in SPREAD:
        found = certified(law, share * top if share > 0.1 else share, ratio, lambda_b, loss)
        if lambda_b is None:
            assert found.W.any()


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("lambda_b", BIASES)
@pytest.mark.parametrize(
    "law", [mixup(0.2, "cyclic"), mixup(5.0, smoothing=0.2), onehot()], ids=lambda l: l.name
)
def test_extreme_penalties_of_more_laws_certify(law, loss, lambda_b):
    atoms = padded(finite_law(law, 3, 6))
    for share, ratio in SPREAD:
        certified(atoms, share * threshold(atoms, loss) if share > 0.1 else share, ratio, lambda_b, loss)


@pytest.mark.parametrize("share", [1.0 + 1e-9, 1.01, 100.0])
@pytest.mark.parametrize("ratio", [1e-6, 1.0, 1e6])
def test_beyond_triviality_the_classifier_is_exactly_zero(share, ratio):
    law = random_law(2)
    found = certified(law, share * threshold(law), ratio)
    assert not found.W.any() and not found.H.any()


def test_small_below_triviality_is_not_zero():
    law = random_law(2)
    assert certified(law, (1 - 1e-4) * threshold(law), 1.0).W.any()


@pytest.mark.parametrize("kind, rho", [("onehot", 1.0), ("mixup", 2 / 3)])
@pytest.mark.parametrize("ratio", [1e-6, 1.0, 1e6])
def test_minority_collapse_is_finished_exactly(kind, rho, ratio):
    """On the boundary W takes over, and the singular value that vanishes is dropped: the rows are equal, to the
    rounding of one product, and G has rank one less."""
    q = (0.6, 0.2, 0.2)
    law = LabelLaw(kind, alpha=1.0 if kind == "mixup" else None, pairs="all" if kind == "mixup" else "same")
    law = LabelLaw(law.name, alpha=law.alpha, pairs=law.pairs, class_weights=q)
    atoms = padded(finite_law(law, 3, 8))
    for share in (1.01, 1.5):
        found = certified(atoms, share * rho * 0.2, ratio)
        size = np.linalg.norm(found.W)
        assert size > 0
        assert np.linalg.norm(found.W[1] - found.W[2]) <= 1e-14 * size
        assert np.linalg.matrix_rank(found.W, tol=1e-13 * size) == 1
        assert collapsed_groups(found.W) == [[1, 2]]
    alive = certified(atoms, 0.99 * rho * 0.2, ratio)
    assert collapsed_groups(alive.W) == []


def test_the_boundary_is_handed_over(monkeypatch):
    """An interior optimum never starts the descent in W; one on the boundary always does."""
    import ufm.optimize.joint as joint_room

    calls, right = [], joint_room.descend_jointly

    def counted(*args, **more):
        calls.append(1)
        return right(*args, **more)

    monkeypatch.setattr(joint_room, "descend_jointly", counted)
    law = padded(finite_law(onehot(), 3, 6))
    certified(law, 1e-3, 1.0)
    assert not calls
    imbalance = LabelLaw("onehot", pairs="same", class_weights=(0.6, 0.2, 0.2))
    certified(padded(finite_law(imbalance, 3, 6)), 0.25, 1.0)
    assert calls


# --- other sizes, labels that do not span -----------------------------------------------------------------


@pytest.mark.parametrize("lambda_b", [None, pytest.param(0.5, marks=pytest.mark.slow)])
def test_two_classes(lambda_b):
    """K = 2, cross-entropy: G is one number g, M one direction, and E‖r‖² = c²."""
    law = padded(finite_law(mixup(1.0), 2, 8))
    found = certified(law, 0.01, 3.0, lambda_b)
    r = law.labels - softmax(found.H @ found.W.T + found.b, 1)
    assert law.weights @ np.sum(r * r, 1) == pytest.approx(0.01, rel=1e-9)
    assert np.allclose(found.W[0], -found.W[1], atol=1e-12)


def test_two_classes_with_one_dimension():
    law = padded(finite_law(mixup(1.0), 2, 8))
    wide, narrow = certified(law, 0.01, 1.0, dim=4), certified(law, 0.01, 1.0, dim=1)
    assert wide.objective == pytest.approx(narrow.objective, rel=1e-12)
    assert np.allclose(wide.W @ wide.W.T, narrow.W @ narrow.W.T, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    "loss, lambda_b",
    [
        pytest.param(CE, None, marks=pytest.mark.long),
        (CE, 0.0),
        (SE, None),
        pytest.param(SE, 0.5, marks=pytest.mark.long),
    ],
)
def test_twelve_classes(loss, lambda_b):
    """Systems of K(K−1)/2 unknowns: 66 and more."""
    weights = tuple(np.arange(1, 13) / 78)
    law = finite_law(LabelLaw("mixup", alpha=1.0, class_weights=weights), 12, 4)
    for c2, ratio in ((1e-5, 1.0), (1e-3, 1e3), (0.02, 1e-3)):
        certified(law, c2, ratio, lambda_b, loss)


ONE_LINE = np.array([[0.5 + t, 0.3 - t, 0.2] for t in (-0.2, -0.1, 0.0, 0.1, 0.25)])
FLAT = {
    "all equal": np.tile([0.5, 0.3, 0.2], (4, 1)),
    "all uniform": np.full((4, 3), 1 / 3),
    "on one line": ONE_LINE,
    "one class never seen": np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.5, 0.5, 0.0]]),
    "one class only": np.eye(3)[[0, 0]],
}


@pytest.mark.parametrize("name", FLAT)
@pytest.mark.parametrize(
    "loss, lambda_b", [(CE, None), (CE, 0.5), pytest.param(SE, None, marks=pytest.mark.slow), (SE, 0.0)]
)
def test_labels_that_do_not_span(name, loss, lambda_b):
    """Certified all the same. W = E r hᵀ/λ_W has at most as many dimensions as there are labels."""
    law = padded(finite_law(soft(FLAT[name]), 3))
    for c2, ratio in ((1e-6, 1.0), (1e-3, 1e3), (0.02, 1e-3)):
        found = certified(law, c2, ratio, lambda_b, loss)
        distinct = len(np.unique(FLAT[name], axis=0))
        size = max(1.0, np.linalg.norm(found.W))
        assert np.linalg.matrix_rank(found.W, tol=1e-6 * size) <= distinct
        if name == "all uniform" and loss == CE:
            assert not found.W.any()


def test_a_free_bias_alone_explains_equal_labels():
    """Cross-entropy, one label: softmax(b) = y costs nothing but the entropy; W = 0."""
    y = FLAT["all equal"][0]
    found = certified(padded(finite_law(soft(FLAT["all equal"]), 3)), 0.01, 1.0, 0.0)
    assert not found.W.any()
    assert np.allclose(softmax(found.b), y, atol=1e-8)
    assert found.objective == pytest.approx(-np.sum(y * np.log(y)), rel=1e-12)
