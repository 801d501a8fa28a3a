"""Newton's method where it once stalled: classes without mass, sharp problems, ill-conditioned classifiers.

Truth is the 40-digit oracle. Allowed is what the rounding of one gradient is worth: logits are rounded by
e = (K + d) ε max‖w_k‖‖h‖, which Q⁻¹ ⪯ 1/λ_H turns into e/√λ_H at most, and the classifier by ε‖W‖, which
moves h by ε‖W‖‖y − p‖/λ_H.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp, mpf

import ufm.optimize.coordinates as module_coordinates
import ufm.optimize.newton as module
from tests import oracle
from tests.shapes import ROWS
from ufm.loss import LOSSES
from ufm.model.problem import Problem
from ufm.optimize.coordinates import (
    Conditioned,
    Isometric,
    Reduced,
    condition_classifier,
    reduce_classifier,
)
from ufm.optimize.factor import solve_ridge_each
from ufm.optimize.features import solve_features
from ufm.optimize.line_search import ENOUGH, lengthen
from ufm.optimize.many.orbits import _EachItsOwn
from ufm.optimize.newton import descend_newton, local_model
from ufm.rules.soft_labels import normalise

EPS = np.finfo(float).eps
CE = "cross-entropy"
MOST = 60  # steps


def graded(K, d, condition, seed):
    """Singular values from 1 down to 1/condition, singular vectors at random."""
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.normal(size=(n, min(K, d))))[0] for n in (K, d))
    return left * np.geomspace(1, 1 / condition, min(K, d)) @ right.T


def scaled_rows(K, d, condition, seed):
    """Rows of norms from 1 down to 1/condition: the small ones are hidden behind the large."""
    return np.random.default_rng(seed).normal(size=(K, d)) * np.geomspace(1, 1 / condition, K)[:, None]


def soft(K, seed=0):
    """One-hot, two-hot, two-hot near an edge, soft: as many rows as in other tests, so that shapes are few."""
    Y = np.zeros((ROWS, K))
    Y[0, 1] = 1
    Y[1, :2] = 0.7, 0.3
    Y[2, [0, -1]] = 1e-9, 1 - 1e-9
    Y[3:] = np.random.default_rng(seed).dirichlet(np.full(K, 0.3), ROWS - 3)
    return normalise(Y)


def penalty(W, sharpness):
    """λ_H with this mean eigenvalue of W Wᵀ over λ_H."""
    return float(np.sum(W**2) / (len(W) - 1) / sharpness)


LINE = {s: (np.array([[0.0], [1.0], [-s]]), 1e-3) for s in (300.0, 3000.0, 3e6)}
PLANE = {
    "condition 11, a = 1e7": (graded(4, 2, 11.0, 4), 1e7),
    "condition 1e8, a = 1e12": (graded(4, 2, 1e8, 5), 1e12),
    "rows to 1e-8, a = 1e12": (scaled_rows(4, 2, 1e8, 6), 1e12),
    "condition 1e4, a = 1e-6": (graded(4, 2, 1e4, 7), 1e-6),
}
SPACE = {
    "condition 1e8, a = 1e12": (graded(4, 4, 1e8, 8), 1e12),
    "condition 1e8, a = 1e17": (graded(4, 4, 1e8, 9), 1e17),
    "rows to 1e-4, a = 1e8": (scaled_rows(4, 4, 1e4, 10), 1e8),
}
TABLE = {f"line {name:g}": given for name, given in LINE.items()} | {
    f"{word} {name}": (W, penalty(W, a))
    for word, rows in (("plane", PLANE), ("space", SPACE))
    for name, (W, a) in rows.items()
}


def descend(run, W, lambda_h):
    """Features of `soft` labels from zero without the leap, and how the descent ended."""
    coordinates, lift = reduce_classifier(W, np.float64)
    Y = jnp.asarray(soft(len(W)).T)
    end = run(coordinates, coordinates.zero(Y), Y, lambda_h, 200, loss_name=CE)
    return (lift @ np.asarray(end.q)).T, end


def excess(W, lambda_h, H):
    """The largest error of the features in units of what is allowed."""
    truth = [oracle.optimal_feature(W, y, lambda_h) for y in soft(len(W))]
    return max(_excess(W, lambda_h, *row) for row in zip(soft(len(W)), H, truth))


def _excess(W, lambda_h, y, h, exact):
    best = np.array(exact, float)
    p = np.exp(W @ best - np.max(W @ best))
    logits = sum(W.shape) * EPS * np.linalg.norm(W, axis=1).max() * np.linalg.norm(best)
    matrix = EPS * np.linalg.norm(W, 2) * np.linalg.norm(y - p / p.sum()) / lambda_h
    allowed = 8 * (logits + EPS) / np.sqrt(lambda_h) + 8 * matrix + 8 * EPS * np.linalg.norm(best)
    return float(mp.norm([mpf(float(u)) - v for u, v in zip(h, exact)]) / allowed)


@pytest.mark.parametrize("name", TABLE)
def test_newton_ends_at_the_optimum_from_zero(name):
    H, end = descend(descend_newton, *TABLE[name])
    assert excess(*TABLE[name], H) <= 1
    assert np.asarray(end.done).all() and int(end.steps) <= MOST


@pytest.mark.parametrize("name", TABLE)
def test_newton_ends_at_the_optimum_from_the_leap(name):
    W, lambda_h = TABLE[name]
    found = solve_features(Problem(len(W), classifier=W, lambda_h=lambda_h), soft(len(W)))
    assert excess(W, lambda_h, found.H) <= 1
    assert found.converged and found.steps <= MOST


@pytest.mark.parametrize("name", ["line 3000", "plane rows to 1e-8, a = 1e12"])
def test_the_damping_alone_stalls(name, monkeypatch):
    """Negative control: without the search the steps of the module's first bound, which are as short as before."""
    monkeypatch.setattr(module, "lengthen", lambda derivative, slope, shortest, wanted: shortest)
    H, end = descend(descend_newton.__wrapped__, *TABLE[name])
    assert excess(*TABLE[name], H) > 1e3 and not np.asarray(end.done).all()


@pytest.mark.parametrize("sharpness", [1e-6, 1e6, 1e12])
@pytest.mark.parametrize("kind", [Conditioned, Reduced])
def test_any_number_of_classes_against_the_closed_form(kind, sharpness):
    """A simplex ETF as a matrix, by conjugate gradients and by factorisation; its optimum is a scalar equation."""
    K, lambda_h = 10, 1e-3
    W = Problem(K, multiplier=float(np.sqrt(sharpness * lambda_h * (K - 1) / K)), lambda_h=lambda_h).W
    coordinates, _ = condition_classifier(W, np.float64)
    coordinates = coordinates if kind is Conditioned else Reduced(coordinates.matrix)
    Y = soft(K)
    q = coordinates.zero(jnp.asarray(Y.T))
    end = descend_newton(coordinates, q, Y.T, lambda_h, 200, loss_name=CE)
    logits = np.asarray(coordinates.logits(end.q)).T
    assert np.asarray(end.done).all() and int(end.steps) <= MOST
    for z, y in zip(logits, Y):
        exact = np.array(oracle.optimal_logits(y, sharpness), float)
        # W is an ETF up to ε, which is worth ε √a of the logits at most: see the module's docstring
        assert np.linalg.norm(z - exact) <= 8 * 2 * K * EPS * (1 + np.sqrt(sharpness)) * np.linalg.norm(exact)


def paired(seed=0):
    """Coordinates of a well-conditioned W whose rows have much in common, a point, and labels."""
    rng = np.random.default_rng(seed)
    coordinates, _ = condition_classifier(rng.normal(size=(5, 30)) + 3.0, np.float64)
    return coordinates, jnp.asarray(rng.normal(size=(4, ROWS))), jnp.asarray(soft(5).T)


def test_pairs_are_another_name_for_the_same_features():
    """Lengths, products, logits up to a constant, the gradient and Newton's step, there and back."""
    coordinates, q, Y = paired()
    pairs, walk, loss = coordinates.enter(q), coordinates.path(1.0), LOSSES[CE]
    np.testing.assert_allclose(coordinates.leave(pairs), q, rtol=0, atol=1e-12)
    np.testing.assert_allclose(walk.inner(pairs, pairs), jnp.sum(q * q, 0), rtol=1e-12)
    z = coordinates.logits(q)
    np.testing.assert_allclose(walk.logits(pairs), z - jnp.mean(z, 0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(walk.settle(2.0 * pairs), 2.0 * pairs, rtol=0, atol=1e-11)
    (slope, (_, c)), (force, _) = (local_model(loss, *at, Y, 0.1) for at in ((coordinates, q), (walk, pairs)))
    np.testing.assert_allclose(coordinates.leave(walk.logits(force)), slope, rtol=0, atol=1e-12)
    steps = (
        walk.newton_step(force, c, 1.0, 0.1),
        coordinates.enter(coordinates.newton_step(slope, c, 1.0, 0.1)),
    )
    np.testing.assert_allclose(*steps, rtol=0, atol=1e-11)
    # negative control: pairs whose halves do not belong together are seen
    assert float(jnp.abs(walk.inner(pairs.at[0].add(1.0), pairs) - jnp.sum(q * q, 0)).max()) > 1e-3


KINDS = {
    "ETF": (Isometric(np.asarray(1.7)), 5),
    "centred": (Isometric(np.asarray(1.7)).path(1.0), 5),
    "any W": (Reduced(jnp.asarray(graded(5, 3, 4.0, 0))), 3),
    "conditioned": (condition_classifier(graded(5, 6, 4.0, 1), np.float64)[0], 4),
    "a matrix a label": (_EachItsOwn(jnp.asarray(np.random.default_rng(2).normal(size=(5, 3, ROWS)))), 3),
}

# losses that do not walk there
ELSEWHERE = {("centred", name) for name, loss in LOSSES.items() if not loss.coupling}


@pytest.mark.parametrize(
    "kind, loss_name", [(kind, name) for kind in KINDS for name in LOSSES if (kind, name) not in ELSEWHERE]
)
def test_the_gradient_is_that_of_the_objective(kind, loss_name):
    """Of every kind of coordinates: by differentiating ℓ(z(q) + shift, y) + λ ‖q‖²/2."""
    coordinates, unknowns = KINDS[kind]
    loss, Y, rng = LOSSES[loss_name], jnp.asarray(soft(5).T), np.random.default_rng(3)
    q, shift = rng.normal(size=(unknowns, ROWS)), rng.normal(size=(5, 1))
    q -= q.mean(0) * (kind == "centred")

    def objective(q):
        return jnp.sum(loss.value(coordinates.logits(q) + shift, Y)) + 0.15 * jnp.sum(q * q)

    found, (z, c) = local_model(loss, coordinates, jnp.asarray(q), Y, 0.3, shift)
    np.testing.assert_allclose(found, jax.grad(objective)(jnp.asarray(q)), rtol=0, atol=1e-13)
    np.testing.assert_allclose(z, coordinates.logits(q), rtol=0, atol=1e-15)
    np.testing.assert_allclose(c, loss.curvature(z + shift), rtol=0, atol=1e-15)


def test_a_round_of_conjugate_gradients_is_one_product():
    """What a step costs against a matrix: in pairs one product a round and none beside, in q two more."""

    def products(coordinates, q):
        force, (_, c) = local_model(LOSSES[CE], coordinates, q, Y, 0.1)
        text = str(jax.make_jaxpr(lambda g: coordinates.newton_step(g, c, 1.0, 0.1))(force))
        return text.count("dot_general")

    coordinates, q, Y = paired()
    assert products(coordinates.path(1.0), coordinates.enter(q)) == 1
    assert products(coordinates, q) == 3


def test_a_classifier_that_changed_is_another(monkeypatch):
    """The last decomposition is used again for equal numbers alone, of the same type."""
    counted, right = [], module_coordinates._condition
    monkeypatch.setattr(module_coordinates, "_condition", lambda *a: counted.append(1) or right(*a))
    W = np.random.default_rng(1).normal(size=(3, 20))
    first = condition_classifier(W, np.float64)
    assert condition_classifier(W.copy(), np.float64) is first and len(counted) == 1
    W[0, 0] += 1.0
    other = condition_classifier(W, np.float64)
    np.testing.assert_allclose(other[0].matrix, W @ other[1], rtol=0, atol=1e-13)
    condition_classifier(W, np.float32)
    assert len(counted) == 3


def test_float32_stays_finite_and_near():
    """ε is 2^29 times larger, and so is what it is worth, for every problem of the table that float32 can hold."""
    for W, lambda_h in TABLE.values():
        Y = soft(len(W))
        problem = Problem(len(W), classifier=W, lambda_h=lambda_h)
        single, double = solve_features(problem, Y, dtype=np.float32), solve_features(problem, Y)
        size = np.linalg.norm(double.H, axis=1)
        a = np.linalg.norm(W, 2) ** 2 / lambda_h
        assert np.isfinite(single.H).all()
        assert (np.linalg.norm(single.H - double.H, axis=1) <= 64 * 2.0**-23 * (1 + a) * size).all()


# --- its parts --------------------------------------------------------------------------------------------

LINES = {
    "exponential": lambda t: jnp.expm1(40 * t - 30.0),
    "far": lambda t: 1e-9 * t - 1.0,
    "kink": lambda t: jnp.where(t < 1e-7, -1.0, 1e6) + 1e-3 * t,
    "undefined beyond": lambda t: jnp.where(t < 1e-3, 1e3 * t - 1.0, jnp.nan),
}


@pytest.mark.parametrize("name", LINES)
def test_the_search_ends_before_the_minimum(name):
    """Where φ' jumps no t has a tenth of the slope; the end is then within a share 2^-20 of the jump."""
    derivative = LINES[name]
    start = jnp.array([1e-10, 1e-10])
    t, closed = map(float, lengthen(derivative, derivative(0 * start), start, jnp.array([True, False])))
    assert closed == 1e-10 and t >= 1e-10 and derivative(t) <= 0
    assert derivative(t) >= ENOUGH * derivative(0.0) or derivative(t * (1 + 2.0**-20)) > 0


@pytest.mark.parametrize("share", [1e-3, 1e-12, 1e-20, 1e-26])
def test_a_solve_keeps_a_ridge_below_rounding(share):
    """y = x/λ for the x that F maps to zero, at λ = share · trace: lost in FᵀF + λ below ε, kept in [F; √λ]."""
    F = graded(5, 3, 2.0, 0) @ (np.eye(3) - 1 / 3)
    lam = share * np.sum(F**2)
    x = np.full(3, 3**-0.5)
    many = jnp.array([lam, 1e3 * lam])  # the same of a system among others
    alone = np.asarray(solve_ridge_each(jnp.asarray(F[None]), lam, jnp.asarray(x[:, None])))[:, 0]
    among = np.asarray(solve_ridge_each(jnp.asarray([F, F]), many, jnp.asarray([x, x]).T))
    for times, y in ((1, alone), (1, among[:, 0]), (1e3, among[:, 1])):
        error, own = abs(np.sqrt(times * lam * (x @ y)) - 1), times * share
        assert error <= 8 * 3 * EPS * (1 / own if own > 1e-13 else own**-0.5)
