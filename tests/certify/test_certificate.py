"""Honesty of the certificate, tested apart from convergence: the true distance never exceeds the bound.

The truth is the 40-digit oracle for the exact parameters: doubles m, λ_H, labels and W as given, also where
the candidate is float32. Candidates are truncated solves, random points near and far, spoilt ones, and zero.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

from tests import oracle
from tests.problems import CLASSIFIERS, DIGITS, errors, labels, norms, rounded, singular
from tests.shapes import certified, optimum
from ufm.certify.features import certify_any, certify_etf, certify_features
from ufm.model.problem import Problem
from ufm.optimize.features import solve_features
from ufm.rules.errors import InputError
from ufm.rules.numbers import LOSS_NAMES
from ufm.rules.soft_labels import normalise

RNG = np.random.default_rng(5)
WIDE = np.random.default_rng(8).normal(size=(3, 6))
losses = pytest.mark.parametrize("loss", LOSS_NAMES)
dtypes = pytest.mark.parametrize("dtype", [np.float64, np.float32])


def assert_honest(problem, H, Y):
    """True distances and bounds, after checking that no bound understates."""
    true, found = errors(problem, H, Y), certified(problem, H, Y)
    for error, bound in zip(true, np.asarray(found.distance).tolist()):
        assert bound == np.inf if mp.isnan(error) else error <= mpf(bound), (float(error), bound)
    return np.array([float(e) for e in true]), np.asarray(found.distance, float)


# --- truncated solves -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method, steps", [("lbfgs", 2), ("lbfgs", 5), ("gd", 1), ("gd", 60)])
def test_truncated_solves_of_other_methods(method, steps):
    problem = Problem(4, multiplier=1.67, lambda_h=1e-3)
    Y = labels(4)
    errors, _ = assert_honest(problem, optimum(problem, Y, method=method, max_steps=steps).H, Y)
    assert errors.max() > 1e-3, "these solves are meant to be truncated"


# --- random candidates, near and far ----------------------------------------------------------------------


def nearby(problem, Y, radius, dtype):
    """The optimum in floats, moved by about `radius` in a random direction."""
    best = rounded(problem, Y)
    return (best + radius * RNG.normal(size=best.shape)).astype(dtype)


@pytest.mark.parametrize("least", [1e-3, 1e-8, 1e-14])
@pytest.mark.parametrize("lambda_h", [1e-12, 1e-6])
def test_ill_conditioned_hessians(least, lambda_h):
    """Condition numbers ‖W‖²/λ_H up to 1e16: the solve inside the certificate is far from exact."""
    W = 40 * singular(4, 4, least)
    problem, Y = Problem(4, classifier=W, lambda_h=lambda_h), labels(4)[1:4]
    for radius in (1e-12, 1e-6, 1.0):
        assert_honest(problem, nearby(problem, Y, radius, np.float64), Y)
    assert_honest(problem, optimum(problem, Y).H, Y)


@losses
@given(
    seed=st.integers(0, 10**6),
    radius=st.floats(-16, 4),
    log_lambda=st.floats(-8, 2),
    log_m=st.floats(-2, 1),
    concentration=st.sampled_from([0.05, 0.5, 20.0]),
)
@settings(deadline=None, max_examples=30)
def test_any_candidate_any_soft_label(loss, seed, radius, log_lambda, log_m, concentration):
    rng = np.random.default_rng(seed)
    problem = Problem(4, multiplier=10**log_m, lambda_h=10**log_lambda, dim=4, loss=loss)
    Y = normalise(rng.dirichlet(np.full(4, concentration), 1))
    exact = rounded(problem, Y)
    assert_honest(problem, exact + 10**radius * rng.normal(size=exact.shape), Y)


@losses
@given(
    seed=st.integers(0, 10**6), radius=st.floats(-16, 4), log_lambda=st.floats(-8, 2), least=st.floats(-12, 0)
)
@settings(deadline=None, max_examples=30)
def test_any_candidate_any_classifier(loss, seed, radius, log_lambda, least):
    rng = np.random.default_rng(seed)
    W = 3 * np.linalg.qr(rng.normal(size=(4, 3)))[0] * np.geomspace(1, 10**least, 3)
    problem = Problem(
        4, classifier=W @ np.linalg.qr(rng.normal(size=(3, 3)))[0], lambda_h=10**log_lambda, loss=loss
    )
    Y = normalise(rng.dirichlet(np.full(4, 0.5), 1))
    exact = rounded(problem, Y)
    assert_honest(problem, exact + 10**radius * rng.normal(size=exact.shape), Y)


@pytest.mark.parametrize("K", [1000])
@dtypes
def test_many_classes(K, dtype):
    """Rounding in sums over classes: two-hot labels, solved and moved."""
    problem, Y = Problem(K, multiplier=2.0, lambda_h=1e-5), np.zeros((1, K))
    Y[0, :2] = 0.3, 0.7
    H = optimum(problem, Y, dtype=dtype).H
    _, bounds = assert_honest(problem, H, Y)
    assert_honest(problem, H + dtype(1e-3) * RNG.normal(size=H.shape).astype(dtype), Y)
    assert bounds[0] <= (1e-8 if dtype == np.float64 else 0.1) * norms(problem, Y)[0]


@pytest.mark.parametrize("kind", ["etf", "any"])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e8])
def test_a_part_outside_the_row_space_is_never_understated(size, kind):
    """The optimum is left by that part alone, whose length is known to rounding: what is missing is not hidden."""
    given = {"multiplier": 1.5, "dim": 6} if kind == "etf" else {"classifier": WIDE}
    problem, Y = Problem(3, lambda_h=1e-2, **given), labels(3)[2:4]
    away = np.random.default_rng(6).normal(size=(2, 6))
    away -= away @ np.linalg.pinv(problem.W) @ problem.W
    errors, bounds = assert_honest(problem, rounded(problem, Y) + size * away, Y)
    assert (bounds <= errors * (1 + 1e-5)).all()


@losses
def test_common_offset_of_isometric_coordinates_is_ignored(loss):
    """certify_etf speaks of q − mean q: a large mean costs accuracy, never honesty."""
    K, scale, lambda_h = 4, 2.0, 1e-3
    y = labels(K)[3]
    with mp.workdps(DIGITS):
        exact = [v / scale for v in oracle.optimal_logits(y, mpf(scale) ** 2 / mpf(lambda_h), loss)]
    offsets = np.array([0.0, 1.0, 1e6, 1e9, 1e12])
    q = np.array([[float(v)] for v in exact]) + offsets
    given = (q, np.tile(y[:, None], len(offsets)), scale, lambda_h)
    found = certify_etf(*(jnp.asarray(part) for part in given), loss_name=loss)
    for column, bound in zip(q.T, np.asarray(found.distance)):
        with mp.workdps(DIGITS):
            values = [mpf(v) for v in column.tolist()]
            mean = mp.fsum(values) / K
            true = mp.norm([u - mean - v for u, v in zip(values, exact)])
        assert true <= float(bound)


# --- what is flushed to zero is not zero ------------------------------------------------------------------

TINY_W = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])


@losses
@dtypes
@pytest.mark.parametrize(
    "given, lambda_h",
    [
        ({"multiplier": 1e-40, "dim": 2}, 1e-10),  # the scale is 0 in float32
        ({"multiplier": 1e-45, "dim": 2}, 1e-12),
        ({"multiplier": 1.5, "dim": 2}, 1e-50),  # λ_H is
        ({"multiplier": 1e20, "dim": 2}, 1e3),
        ({"multiplier": 1e45, "dim": 2}, 1.0),  # the scale is infinite there
        ({"classifier": 1e-46 * TINY_W}, 1e-10),
        ({"classifier": 1e-45 * TINY_W}, 1e-60),
        ({"classifier": TINY_W}, 1e-50),
        ({"classifier": 1e45 * TINY_W}, 1e60),
        ({"classifier": np.diag([1.0, 1e-46])[[0, 1, 1]]}, 1e-3),  # a part of W is
    ],
    ids=str,
)
def test_problems_that_float32_cannot_hold(given, lambda_h, dtype, loss):
    """The bound of zero is the optimum's own length; that of the optimum rounded is its rounding."""
    problem, Y = Problem(3, lambda_h=lambda_h, loss=loss, **given), labels(3)[2:4]
    errors, bounds = assert_honest(problem, np.zeros((2, 2), dtype), Y)
    assert (errors > 0).all() and (bounds >= errors).all() and np.isfinite(bounds).all()
    for radius in (0.0, 1e-9, 1.0):
        with np.errstate(all="ignore"):
            exact = rounded(problem, Y)
            assert_honest(problem, ((1 + radius) * exact).astype(dtype), Y)


@pytest.mark.parametrize("size", [5e-324, 1e-310, 1e-200, 1e-160, 1e160, 1e300])
@pytest.mark.filterwarnings("error")
def test_a_classifier_whose_squares_leave_the_range_is_refused_and_not_taken_for_zero(size):
    """Zero itself is a problem that has an answer."""
    with pytest.raises(InputError, match=r"row norm .*or W be 0"):
        Problem(3, classifier=size * TINY_W)
    assert Problem(3, classifier=0.0 * TINY_W).sharpness == 0


@losses
@pytest.mark.parametrize(
    "given",
    [{"multiplier": 0.0, "dim": 3}, {"classifier": np.zeros((3, 3))}, {"multiplier": 1.5, "dim": 3}],
    ids=["zero", "any zero", "etf"],
)
def test_a_part_outside_the_row_space_whose_square_underflows(given, loss):
    problem, Y = Problem(3, lambda_h=1e-3, loss=loss, **given), labels(3)[:2]
    for size in (5e-324, 1e-310, 1e-170, 1e-160, 1e-100):
        assert_honest(problem, np.array([[0, 0, size]] * 2), Y)


def test_labels_in_float32_are_not_the_labels():
    """certify_etf knows by their type that labels are rounded: by float32 at 1e-46, to zero."""
    K, scale, lambda_h = 3, 2.0, 1e-3
    for label in ([0.3, 0.7, 0.0], [1e-46, 1.0, 0.0], [1 / 3, 0.1, 1 - 0.1 - 1 / 3]):
        for loss in LOSS_NAMES:
            y = np.array(label)
            with mp.workdps(DIGITS):
                z = oracle.optimal_logits(y, mpf(scale) ** 2 / mpf(lambda_h), loss)
            rounded = jnp.asarray(y[:, None], jnp.float32)
            inner = oracle.optimal_logits(
                np.asarray(rounded, float)[:, 0], mpf(scale) ** 2 / mpf(lambda_h), loss
            )
            q = np.array([[float(v / scale)] for v in inner])
            found = certify_etf(jnp.asarray(q), rounded, scale, lambda_h, loss_name=loss)
            with mp.workdps(DIGITS):
                values = [mpf(float(v)) for v in q[:, 0]]
                mean = mp.fsum(values) / K
                true = mp.norm([u - mean - v / scale for u, v in zip(values, z)])
            assert true <= float(found.distance[0])


# --- candidates that are not numbers, zero problems -------------------------------------------------------


@losses
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
def test_spoilt_candidates_have_an_infinite_or_honest_bound(bad, loss):
    for problem in (
        Problem(4, multiplier=1.5, lambda_h=1e-3, dim=5, loss=loss),
        Problem(4, classifier=CLASSIFIERS["random 4x3"], lambda_h=1e-3, loss=loss),
    ):
        Y = labels(4)[2:4]
        H = np.zeros((2, problem.dim))
        H[0, 1] = bad
        found = np.asarray(certified(problem, H, Y).distance)
        assert np.isfinite(found[1]), "one spoilt feature must not spoil its neighbours"
        assert found[0] == np.inf if not np.isfinite(bad) else found[0] >= abs(bad) * (1 - 1e-12)


@losses
def test_multiplier_zero(loss):
    """W = 0: the optimum is h = 0; the bound is ‖h‖ up to its slack."""
    problem, Y = Problem(3, multiplier=0.0, lambda_h=1e-3, loss=loss), labels(3)
    assert (np.asarray(certified(problem, np.zeros((5, 3)), Y).distance) <= 1e-12).all()
    H = RNG.normal(size=(5, 3))
    found = np.asarray(certified(problem, H, Y).distance)
    length = np.linalg.norm(H, axis=1)
    assert (found >= length * (1 - 1e-15)).all() and (found <= 1.01 * length).all()


@dtypes
@losses
@pytest.mark.parametrize(
    "given", [{"multiplier": 0.0, "dim": 2}, {"classifier": np.zeros((3, 2))}], ids=["etf", "any"]
)
def test_tiny_candidates_whose_squares_underflow(given, loss, dtype):
    """h = 0 is optimal for W = 0; a candidate of length 1e-30 (1e-170 in float64) is not it."""
    problem, Y = Problem(3, lambda_h=1e-3, loss=loss, **given), labels(3)
    for size in (1e-10, 1e-20, 1e-30) if dtype == np.float32 else (1e-100, 1e-160, 1e-170, 1e-250):
        assert_honest(problem, np.full((5, 2), size, dtype), Y)


@losses
@pytest.mark.parametrize("d", [2, 5])
@pytest.mark.parametrize("kind", ["etf", "any"])
def test_a_gradient_whose_squares_underflow(kind, d, loss):
    """W = 0: ∇f = λ_H h, along every axis, those outside of the coordinates of any W among them."""
    problem = Problem(
        3,
        lambda_h=1.0,
        loss=loss,
        **({"multiplier": 0.0, "dim": d} if kind == "etf" else {"classifier": np.zeros((3, d))}),
    )
    H = np.concatenate([size * np.eye(d) for size in (1e-100, 1e-160, 1e-170)])
    Y = normalise(np.tile([0.3, 0.7, 0.0], (len(H), 1)))
    assert (np.asarray(certified(problem, H, Y).gradient_norm) >= H.max(1)).all()
    assert (np.asarray(certified(problem, 0 * H, Y).gradient_norm) < 1e-150).all()


def test_gradient_norm_is_that_of_the_objective():
    W, lambda_h = CLASSIFIERS["random 4x3"], 0.1
    Y, H = labels(4), RNG.normal(size=(5, 3))
    Z = H @ W.T
    P = np.exp(Z) / np.exp(Z).sum(1, keepdims=True)
    expected = np.linalg.norm((P - Y) @ W + lambda_h * H, axis=1)
    found = certify_features(Problem(4, classifier=W, lambda_h=lambda_h), H, Y).gradient_norm
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_etf_gradient_norm_counts_the_part_outside_the_row_space():
    problem, Y = Problem(4, multiplier=1.5, lambda_h=0.1, dim=6), labels(4)
    H = RNG.normal(size=(5, 6))
    Z = H @ problem.W.T
    P = np.exp(Z) / np.exp(Z).sum(1, keepdims=True)
    expected = np.linalg.norm((P - Y) @ problem.W + 0.1 * H, axis=1)
    np.testing.assert_allclose(certified(problem, H, Y).gradient_norm, expected, rtol=1e-12)


# --- usefulness -------------------------------------------------------------------------------------------


@losses
@pytest.mark.parametrize(
    "classifier, lambda_h, move",
    [
        (None, 1e-8, 1e-9),
        (None, 1e-4, 1e-7),
        (None, 1.0, 1e-7),
        ("random 4x3", 1e-4, 1e-7),
        ("random 4x3", 1.0, 1e-7),
    ],
)
def test_bound_tends_to_the_true_distance(classifier, lambda_h, move, loss):
    """Close to the optimum, above rounding: bound/error → 1 + 1e-3 (the stated slack), within 1 % here."""
    given = {"multiplier": 1.5} if classifier is None else {"classifier": CLASSIFIERS[classifier]}
    problem, Y = Problem(4, lambda_h=lambda_h, loss=loss, **given), labels(4)[2:4]
    exact = rounded(problem, Y)
    errors, bounds = assert_honest(problem, exact * (1 + move), Y)
    ratio = bounds / errors
    assert (ratio >= 1).all() and (ratio <= 1.01).all(), ratio


@losses
def test_median_ratio_over_truncated_solves(loss):
    """Over steps 1 … of Newton, where the error is above 1e-13 of the feature: median bound/error ≤ 1000."""
    ratios = []
    for lambda_h in (1e-6, 1e-3, 1.0):
        problem, Y = Problem(10, multiplier=1.67, lambda_h=lambda_h, loss=loss, dim=12), labels(10)
        size = np.maximum(norms(problem, Y), 1e-300)
        for steps in range(1, 20):
            errors, bounds = assert_honest(problem, optimum(problem, Y, max_steps=steps).H, Y)
            above = errors > 1e-13 * size
            ratios += (bounds[above] / errors[above]).tolist()
    assert len(ratios) > 3 and np.median(ratios) <= 1e3


def singular_bound(problem, y):
    """How far rounding can leave any judge of the rounded optimum, for squared error, from the SVD of W.

    In singular coordinates h = V q, curvature is σ² + λ, and N roundings of Wᵀr, of λ h and of W h are worth
    N ε (σ (‖r‖₁ + K √r Σ σ|q|) + λ|q|)/(σ² + λ) in q. N: sums of K and of r terms, and four times the departure
    of a computed V from orthogonality (how B moves), each counted once for the gradient and once for the logits.
    """
    W, lam = problem.classifier, problem.lambda_h
    (K, d), sv, V = W.shape, *np.linalg.svd(W, full_matrices=False)[1:]
    r, eps = len(sv), np.finfo(float).eps
    h = rounded(problem, y[None])[0]
    residual, q = W @ h - y, np.abs(V @ h)
    sv = np.maximum(sv, eps * sv[0])
    roundings = (2 * K + 8) + (r + 8) + 2 * (4 * np.linalg.norm(V @ V.T - np.eye(r)) / eps + 2 * d + r)
    moved = np.sqrt(r) * sv * (np.abs(residual).sum() + K * np.sqrt(r) * (sv @ q)) + lam * q
    return roundings * eps * (np.sum(moved / (sv**2 + lam)) + np.sqrt(r) * np.linalg.norm(h))


@pytest.mark.parametrize("lambda_h", [2e-10, 1e-3])
@pytest.mark.parametrize("least", [1e-1, 1e-4, 1e-8, 1e-12])
def test_the_bound_closes_for_ill_conditioned_classifiers(least, lambda_h):
    """Squared error, K = 4, d = 2, ‖W‖ = 26: what rounding can do is divided by curvature, not by λ_H."""
    W = 26 * singular(4, 2, least)
    problem, Y = Problem(4, classifier=W, lambda_h=lambda_h, loss="squared-error"), labels(4)
    exact = rounded(problem, Y)
    for H in (exact, optimum(problem, Y).H):
        errors, bounds = assert_honest(problem, H, Y)
        allowed = 1.01 * errors + [singular_bound(problem, y) for y in Y]
        assert (bounds <= allowed).all(), bounds / allowed


@pytest.mark.parametrize("lambda_h", [1e-10, 1e-5])
def test_the_bound_closes_for_a_gaussian_classifier_and_cross_entropy(lambda_h):
    """Moved by 1e-9 of its length in any direction: bound/error is 1.001 and what bends, (s/2) ‖δ‖_Q/‖δ‖ at most.

    s = range(Wδ), ‖δ‖_Q ≤ √(1 + ‖W‖²/(2λ)) ‖δ‖ in units of λ; rounding is below 1e-3 of such a move.
    """
    W = np.random.default_rng(3).normal(size=(4, 3))
    problem, Y = Problem(4, classifier=W, lambda_h=lambda_h), labels(4)[2:4]
    exact = rounded(problem, Y)
    stiffest = np.sqrt(1 + np.linalg.norm(W, 2) ** 2 / (2 * lambda_h))
    for way in np.eye(3):
        move = 1e-9 * norms(problem, Y)[:, None] * way
        errors, bounds = assert_honest(problem, exact + move, Y)
        bend = np.ptp(move @ W.T, 1) / 2 * stiffest
        assert (bounds <= (1.002 + bend) * errors).all() and bend.max() < 0.1, bounds / errors


@losses
@pytest.mark.parametrize("a", [1e12, 1e18, 1e24])
def test_the_bound_closes_at_any_sharpness(a, loss):
    """A stiff error of a few ulp has a small range, however soft other directions are.

    Rounding, in logits: each of K − 1 classes moves by η ≤ (64 + 8K) ε max|z| + (16 + 2K) ε, by 16 ε for p and
    y, and by 8 (1 + K) ε max|z| for the ridge, whatever its curvature; the top class and the others as much again.
    """
    K = 4
    problem, Y = Problem(K, multiplier=np.sqrt(a * 0.75), lambda_h=1.0, dim=K, loss=loss), labels(K)[1:4]
    exact = rounded(problem, Y)
    size = np.maximum(norms(problem, Y), 1 / np.sqrt(problem.gain))
    rounding = 2 * (K - 1) * (104 + 18 * K) * np.finfo(float).eps * size
    for H in (exact, optimum(problem, Y).H):
        errors, bounds = assert_honest(problem, H, Y)
        allowed = 1.01 * errors + rounding
        assert (bounds <= allowed).all(), bounds / allowed


def test_sharper_than_strong_convexity_by_orders_of_magnitude():
    """At λ_H = 1e-8, ‖∇‖/λ_H overstates a move along the stiff directions by about a/4."""
    problem, Y = Problem(10, multiplier=1.67, lambda_h=1e-8, dim=10), labels(10)[2:3]
    exact = rounded(problem, Y)
    H = exact + 1e-9 * (problem.W[0] - problem.W[1])
    errors, bounds = assert_honest(problem, H, Y)
    naive = np.asarray(certified(problem, H, Y).gradient_norm) / problem.lambda_h
    assert (bounds <= 2 * errors).all() and (bounds < 1e-4 * naive).all()


def test_far_bound_does_not_exceed_the_trivial_one():
    """f(h*) ≤ f(0) gives ‖h − h*‖ ≤ ‖h‖ + √(2 log K/λ_H) whatever happens."""
    problem, Y = Problem(4, multiplier=1.5, lambda_h=1e-8), labels(4)
    H = 1e3 * RNG.normal(size=(5, 4))
    found = np.asarray(certified(problem, H, Y).distance)
    allowed = np.linalg.norm(H, axis=1) + np.sqrt(2 * np.log(4) / 1e-8)
    assert (found <= 1.01 * allowed).all()


# --- input ------------------------------------------------------------------------------------------------


def test_bad_input():
    problem = Problem(4, multiplier=1.5, lambda_h=1e-3, dim=5)
    Y = labels(4)
    for H, y in ((np.zeros((5, 4)), Y), (np.zeros((4, 5)), Y), (np.zeros((5, 5)), np.full((5, 3), 1 / 3))):
        # in the test run shapes that disagree with each other are caught by jaxtyping already, a TypeError
        with pytest.raises((ValueError, TypeError), match=r"features H must be|Y"):
            certify_features(problem, H, y)
    with pytest.raises(InputError, match="numbers that are no doubles"):
        certify_features(problem, np.full((5, 5), np.longdouble(1) / 3), Y)


def test_any_type_that_doubles_hold_is_judged_as_it_stands():
    problem, Y = Problem(4, multiplier=1.5, lambda_h=1e-3, dim=5), labels(4)
    H = solve_features(problem, Y).H
    for kind in (np.float16, np.float32, np.longdouble, jnp.bfloat16):
        given = H.astype(kind)
        found, expected = (certify_features(problem, part, Y) for part in (given, given.astype(float)))
        np.testing.assert_array_equal(found.distance, expected.distance)
        assert (np.asarray(found.distance) >= errors(problem, given.astype(float), Y)).all()


@losses
@pytest.mark.parametrize("a", [1e12, 1e24, 1e30])
def test_an_etf_of_any_sharpness_has_an_honest_bound(a, loss):
    """What Newton leaves there (4e-6 at 1e30, seen once) is within the bound: `undecided` where it matters."""
    problem = Problem(3, multiplier=1.5, lambda_h=1.5**2 * 1.5 / a, loss=loss)
    errors, bounds = assert_honest(problem, optimum(problem, labels(3)).H, labels(3))
    assert (errors <= bounds).all() and np.isfinite(bounds).all()


@pytest.mark.parametrize("size", [np.inf, -np.inf, np.nan, 1e300])
@pytest.mark.parametrize("given", [{"multiplier": 1.5, "dim": 3}, {"classifier": CLASSIFIERS["random 4x3"]}])
@pytest.mark.filterwarnings("error")
def test_a_feature_that_is_no_number_has_no_bound_and_gives_no_warning(size, given):
    problem, Y = Problem(4, lambda_h=1e-3, **given), labels(4)
    H = np.zeros((5, 3))
    plain = np.asarray(certify_features(problem, H, Y).distance)
    H[1, 0] = size
    found = certified(problem, H, Y)
    assert found.distance[1] >= 1e299 and found.gradient_norm[1] > 0
    np.testing.assert_array_equal(np.delete(np.asarray(found.distance), 1), np.delete(plain, 1))


@pytest.mark.parametrize("given", [{"multiplier": 1.5, "dim": 5}, {"classifier": CLASSIFIERS["random 4x3"]}])
def test_features_are_certified_as_they_stand_without_x64_mode(given):
    problem, Y = Problem(4, lambda_h=1e-3, **given), labels(4)
    H = RNG.normal(size=(5, problem.dim))
    expected = certify_features(problem, H, Y)
    with jax.enable_x64(False):
        found = certify_features(problem, H, Y)
    for part, other in zip(found, expected):
        np.testing.assert_array_equal(np.asarray(part), np.asarray(other))


def test_traced_certificates_need_x64_mode():
    """Without it JAX would round to float32 in silence and the bound would speak of another candidate."""
    Y, W = labels(4), CLASSIFIERS["random 4x3"]
    with jax.enable_x64(False):
        with pytest.raises(RuntimeError, match="jax_enable_x64"):
            certify_etf(np.zeros((4, 5)), Y.T, 1.0, 0.1, loss_name="cross-entropy")
        with pytest.raises(RuntimeError, match="jax_enable_x64"):
            certify_any(np.zeros((5, 3)), Y, W, 0.1, loss_name="cross-entropy")


def test_a_float32_candidate_has_the_bound_of_its_own_error():
    """It is judged in float64: the bound is its distance, and no rounding of float32 is added."""
    problem, Y = Problem(4, multiplier=1.5, lambda_h=1e-3, dim=5), labels(4)[2:4]
    errors, bounds = assert_honest(problem, optimum(problem, Y, dtype=np.float32).H, Y)
    assert (errors > 1e-9).all() and (bounds <= 1.01 * errors).all()


def test_more_candidates_than_a_tile_holds_have_the_bounds_of_few():
    problem, Y = Problem(4, classifier=CLASSIFIERS["random 4x3"], lambda_h=0.1), np.tile(labels(4), (14, 1))
    H = RNG.normal(size=(70, 3))
    many, few = certify_features(problem, H, Y), certify_features(problem, H[65:], Y[65:])
    for whole, part in zip(many, few):
        np.testing.assert_allclose(whole[65:], part, rtol=1e-12)


def test_batches_do_not_mix_features():
    """The bound of a feature is the same alone and among others."""
    problem, Y = Problem(4, classifier=CLASSIFIERS["random 4x3"], lambda_h=0.1), labels(4)
    H = RNG.normal(size=(5, 3))
    together = certify_features(problem, H, Y).distance
    alone = [certified(problem, H[n : n + 1], Y[n : n + 1]).distance[0] for n in range(5)]
    np.testing.assert_allclose(together, alone, rtol=1e-12)
