"""Every derivative that the library returns, against 40 digits: its error within its bound, the bound small.

The oracle solves (I + aS) dz = b by elimination at 150 digits; the code never forms that matrix.
"""

import jax
import numpy as np
import pytest
from mpmath import mp, mpf

from tests import oracle
from ufm.model.laws import Patterns, mixup, pattern_rule
from ufm.model.problem import Problem
from ufm.theory.features import two_hot_optimum
from ufm.theory.multiplier import _moment_parts, _scores, pattern_multiplier, pattern_slopes, residual_moment
from ufm.theory.predict import predict_features, predict_pairs

SHARPNESS = (1e-6, 1.0, 1e3, 1e6, 1e16, 1e30)
LAM = (0.0, 1e-9, 0.3, 0.5, 1.0)
EPS = float(np.finfo(float).eps)


def problem_at(K, a, loss="cross-entropy", m=1.3):
    return Problem(K, multiplier=m, lambda_h=m * m * K / (K - 1) / a, loss=loss)


def exact_sharpness(problem):
    K = problem.classes
    return mpf(problem.multiplier) ** 2 * K / ((K - 1) * mpf(problem.lambda_h))


def exact_response(y, a, loss):
    """∂z/∂a and ∂z/∂y·v of one label, v = e_0 − e_1, in mpf."""
    K = len(y)
    label = oracle.exact_label(y)
    mixed = [mpf(v) for v in (1, -1, *[0] * (K - 2))]
    if loss == "squared-error":
        return [(v - mpf(1) / K) / (1 + a) ** 2 for v in label], [a / (1 + a) * v for v in mixed]
    z = oracle.optimal_logits(y, a)
    p = [v - x / a for v, x in zip(label, z)]
    matrix = mp.eye(K) + a * (mp.diag(p) - mp.matrix(p) * mp.matrix(p).T)
    return tuple(mp.lu_solve(matrix, mp.matrix(b)) for b in ([x / a for x in z], [a * v for v in mixed]))


def error_of(found, dz, problem):
    """‖found − Wᵀ dz/g‖ and ‖Wᵀ dz/g‖, W the doubles."""
    g = exact_sharpness(problem) * mpf(problem.lambda_h)
    exact = [mp.fdot(dz, map(mpf, map(float, column))) / g for column in problem.W.T]
    return mp.norm([mpf(float(u)) - v for u, v in zip(found, exact)]), mp.norm(exact)


def labels_of(K):
    """With zeros and without, close to a vertex, close to even, two equal entries."""
    rng = np.random.default_rng(K)
    rows = [
        np.eye(K)[0],
        [0.3, 0.7, *[0.0] * (K - 2)],
        [0.5, 0.5, *[0.0] * (K - 2)],
        rng.dirichlet(np.ones(K)),
        rng.dirichlet(np.full(K, 0.05)),
        rng.dirichlet(np.full(K, 1e4)),
        [1 - 1e-9, *[1e-9 / (K - 1)] * (K - 1)],
        [0.9, *[0.1 / (K - 1)] * (K - 1)],
    ]
    return np.array(rows)


def holds(found, bound, dz, problem, spread=1.0):
    """Error within the bound, the bound within what a and the label's distance `spread` from 1/K leave."""
    error, size = error_of(found, dz, problem)
    assert error <= bound and bound * spread <= small(problem) * size


def small(problem):
    """What a bound may be of the derivative: the logits have terms of size log aK, and so has their exponential."""
    return 1000 * EPS * (1 + np.log1p(problem.sharpness * problem.classes)) ** 2


@pytest.mark.parametrize("loss", ["cross-entropy", "squared-error"])
@pytest.mark.parametrize("K", [2, 3, 10])
def test_the_derivative_along_a_of_any_label(K, loss):
    for a in SHARPNESS:
        problem, Y = problem_at(K, a, loss), labels_of(K)
        found = predict_features(problem, Y)
        with mp.workdps(150):
            for y, got, bound in zip(Y, found.d_a, found.rounding_d_a):
                dz, _ = exact_response(y, exact_sharpness(problem), loss)
                holds(got, bound, dz, problem, min(1.0, K * np.abs(y - 1 / K).max()))


@pytest.mark.parametrize("loss", ["cross-entropy", "squared-error"])
@pytest.mark.parametrize("K", [2, 3, 10])
def test_the_derivatives_of_pairs(K, loss):
    for a in SHARPNESS:
        problem = problem_at(K, a, loss)
        found = predict_pairs(problem, 0, 1, LAM)
        with mp.workdps(150):
            for n, lam in enumerate(LAM):
                y = [lam, 1 - lam, *[0.0] * (K - 2)]
                d_a, d_lam = exact_response(y, exact_sharpness(problem), loss)
                if K > 2 or lam != 0.5:  # there the derivative along a is zero
                    holds(found.d_a[n], found.rounding_d_a[n], d_a, problem)
                holds(found.d_lam[n], found.rounding_d_lam[n], d_lam, problem)


@pytest.mark.parametrize("a", [1.0, 1e6])
def test_the_derivatives_of_two_labels(a):
    """The quick case of the two tests above."""
    problem, Y = problem_at(3, a), np.array([[0.3, 0.7, 0.0], [0.2, 0.7, 0.1]])
    dense, pair = predict_features(problem, Y), predict_pairs(problem, 0, 1, [0.3])
    with mp.workdps(60):
        ways = [exact_response(y, exact_sharpness(problem), problem.loss) for y in Y]
        for n, (d_a, _) in enumerate(ways):
            holds(dense.d_a[n], dense.rounding_d_a[n], d_a, problem)
        holds(pair.d_a[0], pair.rounding_d_a[0], ways[0][0], problem)
        holds(pair.d_lam[0], pair.rounding_d_lam[0], ways[0][1], problem)


@pytest.mark.parametrize("loss", ["cross-entropy", "squared-error"])
def test_a_label_of_one_class_has_the_same_derivative_as_a_pair_and_none_along_lam(loss):
    problem = problem_at(3, 1e6, loss)
    dense, pair = predict_features(problem, np.eye(3)[[1]]), predict_pairs(problem, 1, 1, 0.3)
    assert np.linalg.norm(dense.d_a - pair.d_a) <= dense.rounding_d_a + pair.rounding_d_a
    assert not pair.d_lam.any() and not pair.rounding_d_lam.any()


@pytest.mark.parametrize("loss", ["cross-entropy", "squared-error"])
@pytest.mark.parametrize("off", [0.0, 3e-13])
def test_a_given_classifier_that_is_almost_an_etf(loss, off):
    """∂h/∂a at fixed W, which is −(λ_H/a) ∂h/∂λ_H, by differences of the oracle for this very W."""
    K = 3
    rng = np.random.default_rng(5)
    W = problem_at(K, 1.0).W + off * rng.standard_normal((K, K))
    y = [0.2, 0.7, 0.1]
    for lambda_h in (1.0, 1e-3):
        problem = Problem(K, classifier=W, lambda_h=lambda_h, loss=loss)
        found = predict_features(problem, np.array([y]))
        with mp.workdps(90):
            step = mpf(10) ** -12
            high, low = (oracle.optimal_feature(W, y, lambda_h * (1 + s), loss) for s in (step, -step))
            a = mp.fsum(mpf(float(w)) ** 2 for w in W.ravel()) / (K - 1) / mpf(lambda_h)
            exact = [-(u - v) / (2 * step * a) for u, v in zip(high, low)]
            error = mp.norm([mpf(float(u)) - v for u, v in zip(found.d_a[0], exact)])
        assert error <= found.rounding_d_a[0]
        assert off == 0 or error > 1e-3 * off * np.linalg.norm(found.d_a)  # it does measure W


jacobian = jax.jit(jax.jacfwd(two_hot_optimum, (0, 1)))


@pytest.mark.parametrize("K", [2, 3, 10])
def test_the_derivatives_of_the_jax_function(K):
    """x and gap along λ and along a, within 1e-13 of each; p, within 1e-13 of the largest of the three."""
    for a in (1e-6, 1.0, 1e6, 1e16):
        for lam in (1e-9, 0.3):
            found = jacobian(lam, a, K)
            with mp.workdps(150):
                exact = exact_two_hot(K, lam, mpf(a))
                for along in (0, 1):
                    largest = max(abs(exact[name][along]) for name in ("p_i", "p_j"))
                    for name, pair in exact.items():
                        if pair:
                            size = largest if name.startswith("p") else abs(pair[along])
                            error = abs(mpf(float(getattr(found, name)[along])) - pair[along])
                            assert error <= mpf("1e-13") * size, (name, along, a, lam)


def exact_two_hot(K, lam, a):
    """(∂/∂λ, ∂/∂a) of gap, p_i, p_j and, for K ≥ 3, x_i, x_j, p_other."""
    y = [lam, 1 - lam, *[0.0] * (K - 2)]
    z, label = oracle.optimal_logits(y, a), oracle.exact_label(y)
    p = [v - x / a for v, x in zip(label, z)]
    along_a, along_lam = exact_response(y, a, "cross-entropy")
    found = {"gap": [], "p_i": [], "p_j": [], "x_i": [], "x_j": [], "p_other": []}
    for dz in (along_lam, along_a):
        t = mp.fdot(p, dz)
        found["gap"].append(dz[0] - dz[1])
        found["p_i"].append(p[0] * (dz[0] - t))
        found["p_j"].append(p[1] * (dz[1] - t))
        if K > 2:
            found["x_i"].append(dz[0] - dz[2])
            found["x_j"].append(dz[1] - dz[2])
            found["p_other"].append(p[2] * (dz[2] - t))
    return found


def few_patterns(K):
    """One class, and mixtures close to the edges and to ½, with the scores of mixup at α = 0.7."""
    lam = np.array([1.0, 1e-12, 1e-4, 0.1, 0.37, 0.5])
    values = np.stack([lam, 1 - lam, 0 * lam], 1)
    counts = np.tile([1.0, 1.0, K - 2.0], (len(lam), 1))
    counts[0] = [1.0, 0.0, K - 1.0]
    weights = np.array([1 / K, *np.full(5, (1 - 1 / K) / 5)])
    scores = np.array([0.0, *np.log(lam * (1 - lam))[1:]])
    scores[1:] -= scores[1:].mean()
    return Patterns(values, counts, weights), scores


def exact_moments(patterns, scores, K, a):
    """F = E‖r‖², ∂F/∂a and ∂F/∂α in mpf."""
    found = [mpf(0)] * 3
    for (lam, *_), weight, score in zip(patterns.values, patterns.weights, scores):
        y = [lam, 1 - lam, *[0.0] * (K - 2)]
        r = [v / a for v in oracle.optimal_logits(y, a)]
        dz, _ = exact_response(y, a, "cross-entropy")
        square, slope = mp.fdot(r, r), 2 * mp.fdot(r, [(u - v) / a for u, v in zip(dz, r)])
        found = [
            f + mpf(float(weight)) * g for f, g in zip(found, (square, slope, mpf(float(score)) * square))
        ]
    return found


@pytest.mark.parametrize("K", [2, 3, 10])
@pytest.mark.parametrize("a", [1e-3, 1.0, 1e4, 1e10, 1e16])
def test_the_slopes_of_the_multiplier(K, a):
    patterns, scores = few_patterns(K)
    lambda_h = 0.37
    lambda_w = residual_moment(patterns, a) / (K - 1) / lambda_h
    found = pattern_slopes(
        patterns, scores, pattern_multiplier(patterns, lambda_w, lambda_h), lambda_w, lambda_h
    )
    with mp.workdps(90):
        w, h = mpf(lambda_w), mpf(lambda_h)
        root = mpf(a)
        for _ in range(3):  # Newton on log F; the start is off by rounding over the slope
            F, slope, _ = exact_moments(patterns, scores, K, root)
            root *= mp.exp(mp.log((K - 1) * w * h / F) * F / (root * slope))
        F, slope, d_alpha = exact_moments(patterns, scores, K, root)
        m = mp.sqrt(root * (K - 1) * h / K)
        per_a = m / (2 * root)
        exact = (
            -d_alpha / slope * per_a,
            (K - 1) * h / slope * per_a,
            (K - 1) * w / slope * per_a + m / (2 * h),
        )
        for got, bound, value in zip(found, found.rounding, exact):
            assert abs(mpf(got) - value) <= bound
        assert bound_is_small(found, a, K)


def bound_is_small(found, a, K):
    """Close to the threshold 1/a of the rounding of λ_W λ_H; beyond, some 1e3 ε and, along α, what cancels in E."""
    sizes = [abs(v) for v in found[:3]]
    limit = 2e4 * EPS * (1 + K / a)
    return all(bound <= limit * size for bound, size in zip(found.rounding, sizes))


@pytest.mark.parametrize("alpha", [0.02, 0.3])
def test_scores_are_slopes_of_log_weights(alpha):
    """By differences of the rule itself: its ends too, where the tail of λ is lumped."""
    step = 1e-5 * alpha
    low, here, high = (pattern_rule(mixup(a), 3) for a in (alpha - step, alpha, alpha + step))
    np.testing.assert_array_equal(low.values, high.values)
    slopes = (np.log(high.weights) - np.log(low.weights)) / (2 * step)
    found = _scores(here, alpha)
    np.testing.assert_allclose(found, slopes, rtol=0, atol=1e-8 * np.abs(slopes).max())
    assert not found[here.counts[:, 1] == 0].any()


@pytest.mark.parametrize("a", [1e-6, 1.0, 1e3, 1e12])
def test_a_moment_and_its_slope_are_within_bounds_of_some_units(a):
    """‖y − p‖² and its derivative along a, to 60 digits: the bounds hold, and are a few hundred units at any a."""
    values = np.array([[0.3, 0.7, 0.0], [0.5, 0.5, 0.0], [0.6, 0.3, 0.05]])
    counts = np.tile([1.0, 1.0, 2.0], (3, 1))
    counts[2] = [1, 1, 2]
    found = [np.asarray(part) for part in _moment_parts(values, counts, np.full(3, a))]

    def moment(n, a):
        return mp.fsum((x / a) ** 2 for x in oracle.optimal_logits(np.repeat(values[n], [1, 1, 2]), a))

    with mp.workdps(90):
        for n, (value, slope, value_error, slope_error) in enumerate(zip(*found)):
            step = mpf(a) * mpf(10) ** -30
            exact = moment(n, mpf(a))
            rise = (moment(n, mpf(a) + step) - moment(n, mpf(a) - step)) / (2 * step)
            assert abs(exact - mpf(float(value))) <= value_error <= 3e-12 * exact
            assert abs(rise - mpf(float(slope))) <= slope_error <= 3e-11 * abs(rise)
