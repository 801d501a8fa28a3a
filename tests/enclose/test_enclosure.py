"""The enclosure holds the true optimum (by an independent oracle), is as tight as it says, and says no."""

import itertools
import math

import numpy as np
import pytest
from flint import arb, ctx
from mpmath import mp, mpf

from tests import oracle
from ufm.agree.rigour import logit_distance
from ufm.enclose import features as enclosure
from ufm.enclose.features import distance_between, enclose_etf, enclose_features
from ufm.enclose.given import LOSSES
from ufm.model.problem import Problem

RNG = np.random.default_rng(20240601)
MULTIPLIER = 1.5
ORACLE_ERROR = mpf(10) ** -38  # relative to the largest entry; the oracle carries 40 digits


@pytest.fixture(autouse=True)
def _precision():
    """Comparisons in these tests are made at a precision far above both sides."""
    with ctx.workprec(400), mp.workdps(80):
        yield


def ball(x, slack):
    return arb(mp.nstr(x, 75)) + arb(0, arb(mp.nstr(slack, 5)))


def agree(balls, exact):
    """Every ball meets the oracle's value, the latter widened by its own error."""
    slack = ORACLE_ERROR * max(abs(x) for x in exact)
    meets = {x: ball(x, slack) for x in set(exact)}
    return len(balls) == len(exact) and all(b.overlaps(meets[x]) for b, x in zip(balls, exact))


def disjoint(one, two):
    """Some coordinate of the optimum lies in one enclosure and cannot lie in the other."""
    return any(not u.overlaps(v) for u, v in zip(one.group_logits, two.group_logits))


def two_hot(K, lam):
    y = np.zeros(K)
    y[0], y[1] = lam, 1 - lam
    return y


def lambda_for(a, K):
    return MULTIPLIER**2 * K / ((K - 1) * a)


def stiffness(m, lambda_h, K):
    """a = m²K/((K−1) λ_H) of the exact doubles."""
    return mpf(m) ** 2 * K / ((K - 1) * mpf(lambda_h))


def isometric(logits, m, K):
    """q = z/√g as mpf."""
    return [z / (mpf(m) * mp.sqrt(mpf(K) / (K - 1))) for z in logits]


def singular(K, d, least):
    """K×d with singular values from 1 down to `least`."""
    left, right = (np.linalg.qr(RNG.normal(size=(n, min(K, d))))[0] for n in (K, d))
    return left * np.geomspace(1, least, min(K, d)) @ right.T


CLASSIFIERS = {
    "random 4x3": RNG.normal(size=(4, 3)),
    "wide 3x5": RNG.normal(size=(3, 5)),
    "tall 6x2": 3 * RNG.normal(size=(6, 2)),
    "ill-conditioned 4x4": singular(4, 4, 1e-9),
    "ill-conditioned 3x4": 1e3 * singular(3, 4, 1e-6),
    "rank one 4x3": np.outer([1.0, -2.0, 0.5, 3.0], [1.0, 2.0, -1.0]),
    "equal rows 3x3": np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [0.5, -1.0, 0.0]]),
    "one column 2x1": np.array([[3.0], [-1.0]]),
}


# --- it holds the optimum ---------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("K", [2, 3, 10, 1000])
def test_etf_holds_the_oracle_for_two_hot_labels(K, loss):
    for a, lam in itertools.product([1e-6, 1.0, 6197.7, 1e12], [0.0, 1e-9, 0.3, 0.5, 1.0]):
        y, lambda_h = two_hot(K, lam), lambda_for(a, K)
        found = enclose_etf(y, MULTIPLIER, lambda_h, loss)
        exact = oracle.optimal_logits(y, stiffness(MULTIPLIER, lambda_h, K), loss)
        assert agree(found.logits, exact), (a, lam)
        assert found.radius <= 1e-30 * found.norm()[0]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("K", [3, 10])
def test_etf_holds_the_oracle_for_random_soft_labels(K, loss):
    for a, concentration in itertools.product([0.1, 50.0, 1e6], [0.05, 1.0, 100.0]):
        y, lambda_h = RNG.dirichlet(np.full(K, concentration)), lambda_for(a, K)
        found = enclose_etf(y, MULTIPLIER, lambda_h, loss)
        assert agree(found.logits, oracle.optimal_logits(y, stiffness(MULTIPLIER, lambda_h, K), loss))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_features_hold_the_oracle(name, loss):
    W = CLASSIFIERS[name]
    for lambda_h, concentration in [(1e-3, 1.0), (2.0, 0.3)]:
        y = RNG.dirichlet(np.full(len(W), concentration))
        found = enclose_features(y, W, lambda_h, loss)
        exact = oracle.optimal_feature(W, y, lambda_h, loss)
        assert agree(found.feature, exact)
        assert agree(found.logits, list(mp.matrix(W.tolist()) * mp.matrix(exact)))
        assert found.radius <= 1e-30 * found.norm()[0]


@pytest.mark.parametrize("loss", LOSSES)
def test_both_entries_agree_on_an_exact_etf(loss):
    """K = 2 is the one simplex ETF whose rows and multiplier are both doubles: w = ±m."""
    y, lambda_h = [0.3, 0.7], 1e-3
    implicit = enclose_etf(y, 1.7, lambda_h, loss)
    explicit = enclose_features(y, [[1.7], [-1.7]], lambda_h, loss)
    assert all(u.overlaps(v) for u, v in zip(implicit.logits, explicit.logits))
    assert all(u.overlaps(v) for u, v in zip(implicit.probabilities, explicit.probabilities))
    assert implicit.norm() == pytest.approx(explicit.norm(), rel=1e-15)


def test_coefficients_are_the_stationarity_condition():
    """c = (y − p)/λ_H with Σ c = 0, for labels that sum to one exactly."""
    y, lambda_h = [0.25, 0.125, 0.625, 0.0], 1e-3
    found = enclose_etf(y, MULTIPLIER, lambda_h)
    expected = [(arb(t) - p) / arb(lambda_h) for t, p in zip(y, found.probabilities)]
    assert all(c.overlaps(e) for c, e in zip(found.coefficients(), expected))
    assert sum(found.coefficients(), arb(0)).contains(0)
    assert sum(found.probabilities, arb(0)).contains(1)


@pytest.mark.parametrize("digits", [5, 30, 200])
@pytest.mark.parametrize("first_bits", [64, 100, None])
def test_radius_is_as_requested(digits, first_bits, monkeypatch):
    """By the first precision, or by doubling from one that is too low."""
    if first_bits:
        monkeypatch.setattr(enclosure, "_first_bits", lambda model, digits: first_bits)
    found = enclose_etf(two_hot(10, 0.3), MULTIPLIER, 5e-4, digits=digits)
    assert found.radius <= 10.0**-digits * found.norm()[0]


def test_a_million_classes_need_three_unknowns():
    found = enclose_etf(two_hot(10**6, 0.3), MULTIPLIER, 5e-4)
    assert len(found.centre) == 3 and len(found.logits) == 10**6


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("error", [1e-12, 1e-6, 1e-3])
def test_radius_is_honest_about_a_bad_centre(error, loss, monkeypatch):
    """Nothing rests on Newton: a spoilt centre only widens the ball, and the ball still holds the optimum."""
    refine = enclosure._refine

    def spoilt(model, point):
        return [x + arb(error) * (3 - k) for k, x in enumerate(refine(model, point))]

    monkeypatch.setattr(enclosure, "_refine", spoilt)
    # Forty-eight classes share the coordinate that is spoilt most: the radius must count each of them.
    y, K, a = two_hot(50, 0.3), 50, stiffness(0.5, 1.0, 50)
    found, logits = enclose_etf(y, 0.5, 1.0, loss, digits=1), oracle.optimal_logits(y, a, loss)
    lower, upper = found.distance([float(x) for x in isometric(logits, 0.5, K)])
    assert agree(found.logits, logits)
    assert lower <= 1e-15 and error < upper < 100 * error


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("error", [1e-12, 1e-6, 1e-3])
def test_radius_is_honest_about_a_bad_feature(error, loss, monkeypatch):
    refine = enclosure._refine
    monkeypatch.setattr(enclosure, "_refine", lambda *given: [x + arb(error) for x in refine(*given)])
    y, W = [0.2, 0.3, 0.5, 0.0], 0.3 * CLASSIFIERS["random 4x3"]
    found, exact = enclose_features(y, W, 1.0, loss, digits=1), oracle.optimal_feature(W, y, 1.0, loss)
    assert agree(found.feature, exact)
    assert agree(found.logits, list(mp.matrix(W.tolist()) * mp.matrix(exact)))
    assert error < found.radius < 100 * error


@pytest.mark.parametrize("a", [1e60, 1e300])
def test_huge_stiffness(a):
    y = two_hot(5, 0.25)
    found = enclose_etf(y, MULTIPLIER, lambda_for(a, 5))
    assert agree(found.logits, oracle.optimal_logits(y, stiffness(MULTIPLIER, lambda_for(a, 5), 5)))


# --- it holds nothing else --------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("direction", [0.0, math.inf])
def test_one_ulp_moves_the_optimum_out(direction, loss):
    def nearby(lam, m, lambda_h):
        return enclose_etf(two_hot(10, lam), m, lambda_h, loss)

    def moved(x):
        return float(np.nextafter(x, direction))

    base = nearby(0.3, 1.67, 5e-4)
    assert disjoint(base, nearby(moved(0.3), 1.67, 5e-4))
    assert disjoint(base, nearby(0.3, moved(1.67), 5e-4))
    assert disjoint(base, nearby(0.3, 1.67, moved(5e-4)))
    assert not disjoint(base, nearby(0.3, 1.67, 5e-4))


def test_one_ulp_of_an_explicit_classifier_moves_the_optimum_out():
    y, W = [0.2, 0.3, 0.5, 0.0], CLASSIFIERS["random 4x3"]
    moved = W.copy()
    moved[2, 1] = np.nextafter(moved[2, 1], math.inf)
    assert disjoint(enclose_features(y, W, 0.01), enclose_features(y, moved, 0.01))


def test_the_largest_label_entry_is_one_minus_the_others():
    base = enclose_etf([0.1, 0.9], MULTIPLIER, 1e-3)
    assert base.centre == enclose_etf([0.1, np.nextafter(0.9, 1)], MULTIPLIER, 1e-3).centre
    assert disjoint(base, enclose_etf([np.nextafter(0.1, 1), 0.9], MULTIPLIER, 1e-3))


@pytest.mark.parametrize("wrong", [1 / 10, 10 / 9, 2.0])
def test_wrong_normalisation_of_lambda_h_is_excluded(wrong):
    """λ_H/K, λ_H K/(K−1) and 2λ_H: the slips that conventions invite."""
    y, lambda_h = two_hot(10, 0.3), 5e-4
    found = enclose_etf(y, MULTIPLIER, lambda_h)
    for factor in (1.0, wrong):
        logits = oracle.optimal_logits(y, stiffness(MULTIPLIER, lambda_h, 10) / mpf(factor))
        lower, upper = found.distance([float(x) for x in isometric(logits, MULTIPLIER, 10)])
        assert (upper < 1e-14) if factor == 1 else (lower > 1e-2)


# --- distances --------------------------------------------------------------------------------------------


def brackets(bounds, exact):
    lower, upper = bounds
    return lower <= exact <= upper and upper - lower <= 4 * np.spacing(upper)


@pytest.mark.parametrize("noise", [0.0, 1e-15, 1e-8, 1.0, 1e8])
@pytest.mark.parametrize("K", [2, 10, 1000])
def test_etf_distance_brackets_the_oracle(K, noise):
    y = two_hot(K, 0.3)
    exact = isometric(oracle.optimal_logits(y, stiffness(MULTIPLIER, 5e-4, K)), MULTIPLIER, K)
    candidate = np.array([float(x) for x in exact]) + noise * RNG.normal(size=K) + noise
    mean = mp.fsum(candidate) / K
    truth = mp.norm([mpf(c) - mean - x for c, x in zip(candidate.tolist(), exact)])
    assert brackets(enclose_etf(y, MULTIPLIER, 5e-4).distance(candidate), truth)


@pytest.mark.parametrize("noise", [0.0, 1e-15, 1e-8, 1.0])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_feature_distance_and_norm_bracket_the_oracle(name, noise):
    W = CLASSIFIERS[name]
    y = np.arange(1, len(W) + 1) / sum(range(1, len(W) + 1))
    exact, found = oracle.optimal_feature(W, y, 0.01), enclose_features(y, W, 0.01)
    candidate = np.array([float(x) for x in exact]) + noise * RNG.normal(size=W.shape[1])
    assert brackets(found.norm(), mp.norm(exact))
    truth = mp.norm([mpf(c) - x for c, x in zip(candidate.tolist(), exact)])
    assert brackets(found.distance(candidate), truth)


@pytest.mark.parametrize("shift", [False, True])
def test_distance_between_brackets(shift):
    for scale in (1e-160, 1.0, 1e150):
        a, b = scale * RNG.normal(size=(2, 7)) + 1.0
        differences = [mpf(u) - mpf(v) for u, v in zip(a.tolist(), b.tolist())]
        mean = mp.fsum(differences) / 7 if shift else 0
        truth = mp.norm([x - mean for x in differences])
        lower, upper = distance_between(a, b, isometric=shift)
        assert lower <= truth <= upper <= np.nextafter(lower, math.inf)


def test_distance_between_is_exact_where_it_can_be():
    assert distance_between([3.0, 0.0], [0.0, 4.0]) == (5.0, 5.0)
    assert distance_between([1.0, 2.0, 3.0], [8.0, 9.0, 10.0], isometric=True) == (0.0, 0.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_candidate_that_is_not_finite_is_infinitely_far(bad):
    assert enclose_etf([0.3, 0.7], 1.0, 0.1).distance([bad, 0.0]) == (math.inf, math.inf)
    assert enclose_features([0.3, 0.7], [[1.0], [2.0]], 0.1).distance([bad]) == (math.inf, math.inf)
    assert distance_between([bad], [bad]) == (math.inf, math.inf)


# --- zero optima ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("y, m", [([0.3, 0.2, 0.5], 0.0), ([0.25] * 4, 2.0), ([0.5, 0.5], 2.0)])
def test_zero_optimum_of_an_etf_is_exact(y, m, loss):
    found = enclose_etf(y, m, 0.1, loss)
    assert found.norm() == (0.0, 0.0) and found.radius == 0.0
    assert all(z.is_zero() for z in found.logits)
    assert found.distance([3.0] * len(y)) == (0.0, 0.0)


@pytest.mark.parametrize("m, lambda_h", [(1e-200, 1e300), (1.0, 1e308), (1e-300, 1.0)])
def test_an_optimum_near_underflow_is_still_enclosed(m, lambda_h):
    found = enclose_etf([0.2, 0.3, 0.5], m, lambda_h)
    assert found.radius == math.ulp(0.0)
    assert agree(found.logits, oracle.optimal_logits([0.2, 0.3, 0.5], stiffness(m, lambda_h, 3)))


def test_coefficients_at_zero_multiplier_are_the_limit():
    limit, near = (enclose_etf([0.25, 0.25, 0.5], m, 0.5).coefficients() for m in (0.0, 1e-12))
    assert all(abs(float(u) - float(v)) < 1e-20 for u, v in zip(limit, near))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("W", [np.zeros((3, 2)), np.array([[1.0], [-1.0], [0.0]])])
def test_zero_optimum_of_an_explicit_classifier_is_exact(W, loss):
    found = enclose_features([0.25, 0.25, 0.5], W, 0.1, loss)
    assert found.norm() == (0.0, 0.0) and all(x.is_zero() for x in found.feature)


# --- refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, message",
    [
        ({"lambda_h": 0.0}, "lambda_h: given 0.0; allowed: a finite number > 0"),
        ({"lambda_h": -1.0}, "lambda_h: given -1.0"),
        ({"lambda_h": math.nan}, "lambda_h: given nan"),
        ({"multiplier": -1.0}, "multiplier: given -1.0; allowed: a finite number ≥ 0"),
        ({"multiplier": math.inf}, "multiplier: given inf"),
        ({"y": [0.5, 0.6]}, "each row of y must be >= 0 and sum to 1 .*sums to 1.1"),
        ({"y": [1.5, -0.5]}, "each row of y must .* least -0.5"),
        ({"y": [math.nan, 1.0]}, "y holds NaN"),
        ({"y": [1.0]}, "K >= 2"),
        ({"y": [[0.5, 0.5]]}, r"y must be .* of shape \(K,\), .* \(1, 2\)"),
        ({"loss": "focal"}, "loss must be one of cross-entropy, squared-error, got 'focal'"),
        ({"digits": 0}, "digits must be an integer, at least 1 and at most 1000, got 0"),
    ],
)
def test_bad_input_says_what_is_allowed(change, message):
    good = {"y": [0.3, 0.7], "multiplier": 1.0, "lambda_h": 0.1}
    with pytest.raises(ValueError, match=message):
        enclose_etf(**(good | change))


@pytest.mark.parametrize("W", [np.ones((3, 2)), np.ones(2), np.ones((2, 0)), np.array([[1.0], [math.nan]])])
def test_bad_classifier(W):
    with pytest.raises(ValueError, match=r"W (must|holds)"):
        enclose_features([0.3, 0.7], W, 0.1)


def test_bad_candidates():
    etf, explicit = enclose_etf([0.3, 0.7], 1.0, 0.1), enclose_features([0.3, 0.7], [[1.0], [2.0]], 0.1)
    with pytest.raises(ValueError, match=r"candidate must be .* \(2,\), .* \(3,\)"):
        etf.distance([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"candidate must be .* \(1,\), .* \(2,\)"):
        explicit.distance([1.0, 2.0])
    with pytest.raises(ValueError, match="candidate_b must be"):
        distance_between([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="coefficients"):
        explicit.coefficients()


def test_too_little_precision_is_an_error_not_a_wide_ball(monkeypatch):
    monkeypatch.setattr(enclosure, "MAX_BITS", 128)
    with pytest.raises(ArithmeticError, match="128 bits do not reach 30 digits"):
        enclose_etf([0.3, 0.7], 1.0, 1e-12)


# --- the oracle itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lam", [0, 1, 1e-9, 0.5 - 1e-10, 0.5, 0.7])
@pytest.mark.parametrize("K", [3, 10, 10**6])
def test_oracle_satisfies_the_identities(K, lam):
    """x_i + x_j = aK p_o; x_i + (x_i + x_j)(e^{x_i} − 1)/K = aλ; same class: x (eˣ + K − 1) = aK."""
    for a in map(mpf, (1e-6, 6197.7, 1e12)):
        x_i, x_j, p_i, p_j, p_o = oracle.optimal_two_hot(K, lam, a)
        assert mp.almosteq(x_i + x_j, a * K * p_o, 1e-40)
        assert mp.almosteq(p_i + p_j + (K - 2) * p_o, 1, 1e-40)
        assert abs(x_i + (x_i + x_j) / K * mp.expm1(x_i) - a * lam) <= 1e-40 * max(1, a)
        if lam in (0, 1):
            x = max(x_i, x_j)
            assert mp.almosteq(x * (mp.exp(x) + K - 1), a * K, 1e-40)


@pytest.mark.parametrize("lam", [0, 0.3, 0.5 + 1e-10, 1])
def test_oracle_satisfies_the_two_class_identity(lam):
    """D = a (2λ − 1 − tanh(D/2)); there is no other class."""
    for a in map(mpf, (1e-6, 6197.7, 1e12)):
        x_i, x_j, _, _, p_o = oracle.optimal_two_hot(2, lam, a)
        gap = x_i - x_j
        assert abs(gap - a * (2 * mpf(lam) - 1 - mp.tanh(gap / 2))) <= 1e-40 * max(1, a)
        assert mp.isnan(p_o)


def test_a_ball_about_exactly_zero_is_squared():
    """Numerical logits that equal the midpoint of the enclosed optimum: their distance is tiny, not NaN."""
    problem = Problem(classes=3, multiplier=1.0, lambda_h=1.0, loss="squared-error")
    labels = np.random.default_rng(0).dirichlet(np.ones(3), 40)
    found = []
    for label in labels:
        ball = enclose_etf(label, 1.0, 1.0, "squared-error")
        z = np.array([float(x.mid()) for x in ball.logits])
        found += [logit_distance(problem, label, z + step) for step in (0.0, np.array([1e-12, -1e-12, 0.0]))]
    assert np.isfinite(found).all() and max(found[::2]) <= 1e-15
    np.testing.assert_allclose(found[1::2], np.sqrt(2) * 1e-12, rtol=1e-3)
