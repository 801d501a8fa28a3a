"""Label laws and their quadrature, against exact formulas, ball-arithmetic integrals and direct simulation.

Both routes share these files, so nothing here may come from them: moments are textbook ones, integrals are
flint's `acb.integral` or Gauss rules of another parametrisation.
"""

import itertools

import numpy as np
import pytest
from flint import acb, arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp
from scipy.special import eval_jacobi, roots_jacobi, roots_legendre

from ufm.model.cases import LabelCases, PairCases, choose_cases, draw_lam
from ufm.model.laws import (
    LabelLaw,
    cutmix,
    gauss_lam,
    kway,
    label_variance,
    mixing_rule,
    mixup,
    onehot,
    pattern_rule,
    second_moment,
    smooth,
    soft,
)
from ufm.model.quadrature import beta_rule, compress, gauss, graded_rule, panels
from ufm.rules.soft_labels import normalise

RNG = np.random.default_rng(3)
EPS = np.finfo(float).eps
ALPHAS = [1e-12, 1e-3, 0.2, 1.0, 3.5, 1e3, 1e6]
# A weight is the exponential of a number of size ≤ 42, with a rounding error of ≤ 2 ulps of it, and is divided
# by a sum of up to a thousand such: relative error ≤ (2·42 + 10) ε. Averages of positive terms inherit it.
WEIGHT_ERROR = 100 * EPS


def average(rule, f):
    return float(np.sum(rule.weight * f(rule.lam)))


# --- the law of λ -----------------------------------------------------------------------------------------


def beta_moment(alpha, n):
    """E λⁿ = Π (α + k)/(2α + k)."""
    return float(mp.fprod((mp.mpf(alpha) + k) / (2 * mp.mpf(alpha) + k) for k in range(n)))


@pytest.mark.parametrize("alpha", ALPHAS)
def test_moments_of_the_mixing_weight(alpha):
    rule = mixing_rule(mixup(alpha))
    for n in (0, 1, 2, 3, 10, 40):
        assert average(rule, lambda lam, n=n: lam**n) == pytest.approx(
            beta_moment(alpha, n), rel=WEIGHT_ERROR
        )


@pytest.mark.parametrize("alpha", ALPHAS)
def test_nodes_are_a_symmetric_probability_measure_with_exact_complements(alpha):
    lam, colam, weight = mixing_rule(mixup(alpha))
    assert (weight > 0).all() and weight.sum() == pytest.approx(1, rel=1e3 * EPS)
    assert (lam >= 0).all() and (colam >= 0).all() and (np.diff(lam) >= 0).all()
    np.testing.assert_allclose(lam + colam, 1, rtol=4 * EPS)
    # logits are mirrored to a few ulps of at most 80, so λ is to relative 1e-13
    np.testing.assert_allclose(lam[::-1], colam, rtol=1e-13)
    # α t and 2α log cosh-like terms cancel: the exponent's error is ε times the size of those terms
    reach = np.ptp(np.log(lam[lam * colam > 0]) - np.log(colam[lam * colam > 0]))
    np.testing.assert_allclose(weight[::-1], weight, rtol=2 * WEIGHT_ERROR + 8 * alpha * reach * EPS)


def test_the_limit_of_small_alpha_is_a_fair_coin():
    rule = mixing_rule(mixup(1e-12))
    ends = (rule.lam == 0) | (rule.lam == 1)
    assert rule.weight[ends].sum() == pytest.approx(1, abs=200e-12)  # the rest: α · 2 · 80 / 2
    assert rule.weight[rule.lam == 1].sum() == pytest.approx(0.5, abs=200e-12)


def test_the_limit_of_large_alpha_is_a_point_of_the_right_width():
    """Var λ = 1/(4 (2α + 1)), from nodes within 4e-4 of ½: the spread keeps ε/4e-4 relative accuracy."""
    rule = mixing_rule(mixup(1e6))
    variance = average(rule, lambda lam: (lam - 0.5) ** 2)
    # the weight's exponent is a difference of terms of size α·1e-2: error 1e4 ε
    assert variance == pytest.approx(1 / (4 * (2e6 + 1)), rel=2e4 * EPS)


def ball_average(alpha, f):
    """E f(λ) over Beta(α, α) as a ball: integrals over t = logit λ, |t| ≤ T, and a bound on the tails.

    f(λ, analytic) must be bounded by 1e2 in modulus on [0, 1]. Tails: the density is ≤ e^{−α|t|}, so they
    add at most 2·100·e^{−αT}/α to either integral.
    """
    reach = 75 / alpha
    tail = arb(0, (200 * (-arb(alpha) * reach).exp() / arb(alpha)).upper())

    def integral(g):
        def integrand(t, analytic):
            lam, colam = 1 / (1 + (-t).exp()), 1 / (1 + t.exp())
            return g(lam, analytic) * (arb(alpha) * (lam * colam).log(analytic)).exp()

        ends = [-reach, -40.0, 0.0, 40.0, reach] if reach > 40 else [-reach, 0.0, reach]
        parts = [
            acb.integral(integrand, u, v, rel_tol=1e-25, abs_tol=1e-35) for u, v in itertools.pairwise(ends)
        ]
        return sum(part.real for part in parts) + tail

    with ctx.workprec(160):
        return integral(f) / integral(lambda lam, analytic: acb(1))


LAYERS = {
    "log(1 + cλ)": (
        lambda c: lambda lam: np.log1p(c * lam),
        lambda c: lambda lam, analytic: (1 + c * lam).log(analytic),
    ),
    "1/(1 + cλ)": (lambda c: lambda lam: 1 / (1 + c * lam), lambda c: lambda lam, _: 1 / (1 + c * lam)),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.5])
@pytest.mark.parametrize("c", [1.0, 1e4, 1e12])
def test_edge_layers_against_ball_arithmetic(alpha, c, name):
    """Layers of width 1/c at λ = 0. Allowed: rounding, and the two tails that are cut at density e^−42."""
    floats, balls = LAYERS[name]
    truth = ball_average(alpha, balls(c))
    coarse, fine = (average(mixing_rule(mixup(alpha), n), floats(c)) for n in (1, 2))
    slack = WEIGHT_ERROR * fine + 2 * np.exp(-42) * max(floats(c)(0.0), floats(c)(1.0))
    assert truth.rad() < 1e-3 * slack, "the reference must be sharper than what it checks"
    assert abs(arb(fine) - truth) < slack
    assert abs(arb(coarse) - truth) < slack, "the default rule has converged"


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_both_edges_are_treated_alike(alpha):
    """1 − λ comes with full relative accuracy of its own."""
    rule = mixing_rule(mixup(alpha))
    at_zero = np.sum(rule.weight * np.log1p(1e12 * rule.lam))
    at_one = np.sum(rule.weight * np.log1p(1e12 * rule.colam))
    assert at_zero == pytest.approx(at_one, rel=2 * WEIGHT_ERROR)


@pytest.mark.parametrize("a, b", [(0.3, 0.6), (2.0, 4.0), (1e-12, 2e-12), (5e5, 1e6)])
def test_unequal_beta_rules(a, b):
    """E s = a/(a+b), E s² = a(a+1)/((a+b)(a+b+1)): the sticks of Dirichlet weights."""
    lam, colam, weight = beta_rule(a, b)
    assert np.sum(weight * lam) == pytest.approx(a / (a + b), rel=WEIGHT_ERROR)
    assert np.sum(weight * colam) == pytest.approx(b / (a + b), rel=WEIGHT_ERROR)
    second = a * (a + 1) / ((a + b) * (a + b + 1))
    assert np.sum(weight * lam**2) == pytest.approx(second, rel=WEIGHT_ERROR)


# --- the Gauss rule ---------------------------------------------------------------------------------------


def gauss_error(nodes):
    """Nodes and weights come from an eigenproblem of norm ≤ 1 and size n: a few n ε; a polynomial of degree
    2n − 1, of modulus ≤ 1 on [0, 1], has slope ≤ 4n near the nodes that carry weight."""
    return (10 * nodes**2 + 20) * EPS


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.5])
@pytest.mark.parametrize("nodes", [1, 2, 5, 12])
def test_gauss_rule_has_exact_moments_to_degree_2n_minus_1_and_no_further(alpha, nodes):
    rule = gauss_lam(mixup(alpha), nodes)
    assert len(rule.lam) == nodes
    for degree in range(2 * nodes):
        found = average(rule, lambda lam, n=degree: lam**n)
        assert abs(found - beta_moment(alpha, degree)) <= gauss_error(nodes)
    first_missed = average(rule, lambda lam: lam ** (2 * nodes))
    if nodes <= 5:  # beyond, the defect (leading coefficient)⁻² is below rounding
        assert beta_moment(alpha, 2 * nodes) - first_missed > 1e-9


@pytest.mark.parametrize("nodes", [1, 8, 16, 32, 64])
@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.5])
def test_gauss_rule_integrates_oscillating_polynomials_of_degree_2n_minus_1(alpha, nodes):
    """Monomials say little: Jacobi polynomials of degree 1 … 2n − 1 all average to zero."""
    rule = gauss_lam(mixup(alpha), nodes)
    for degree in range(1, 2 * nodes):
        values = eval_jacobi(degree, alpha - 1, alpha - 1, 2 * rule.lam - 1)
        size = np.abs(eval_jacobi(degree, alpha - 1, alpha - 1, np.linspace(-1, 1, 4001))).max()
        assert abs(np.sum(rule.weight * values)) <= gauss_error(nodes) * size


@pytest.mark.parametrize("alpha, nodes", [(1.0, 8), (1.0, 32), (0.2, 16), (5.0, 24)])
def test_gauss_rule_is_gauss_jacobi(alpha, nodes):
    x, w = roots_jacobi(nodes, alpha - 1, alpha - 1)
    rule = gauss_lam(mixup(alpha), nodes)
    np.testing.assert_allclose(rule.lam, (1 + x) / 2, rtol=0, atol=gauss_error(nodes))
    np.testing.assert_allclose(rule.weight, w / w.sum(), rtol=0, atol=gauss_error(nodes))


def test_gauss_rule_of_a_law_with_two_points_has_two_nodes():
    rule = gauss_lam(mixup(1e-14), 64)
    heavy = rule.weight > 1e-9
    np.testing.assert_allclose(rule.lam[heavy], [0, 1], atol=1e-9)
    assert ((rule.lam >= 0) & (rule.lam <= 1)).all()


def test_gauss_rule_of_a_point_mass():
    assert gauss_lam(onehot(), 5).lam.tolist() == [1.0]


def test_gauss_of_a_discrete_measure_reproduces_it():
    x, w = np.array([0.0, 0.1, 0.7]), np.array([0.2, 0.5, 0.3])
    node, weight = gauss(x, w, 10)
    np.testing.assert_allclose(node, x, atol=10 * EPS)
    np.testing.assert_allclose(weight, w, atol=10 * EPS)


def test_panels_and_graded_rule_integrate_what_they_are_for():
    x, w = panels(-1.0, 3.0, 3)
    assert np.sum(w * x**20) == pytest.approx((3**21 + 1) / 21, rel=100 * EPS)
    u, w = graded_rule()
    assert np.sum(w) == pytest.approx(0.5, rel=1e-14)
    # ∫ log u over [0, ½] = (log ½ − 1)/2; what is cut off below ½ e^{−45} is under 1e-18
    assert np.sum(w * np.log(u)) == pytest.approx((np.log(0.5) - 1) / 2, rel=1e-14)


def test_compress_keeps_averages():
    lam, colam, weight = mixing_rule(mixup(0.7), 4)
    packed = compress(lam, colam, weight)
    assert len(packed[0]) < len(lam) / 2
    for c in (1.0, 1e6, 1e12):
        full, few = (np.sum(w * np.log1p(c * x)) for x, w in ((lam, weight), (packed[0], packed[2])))
        assert few == pytest.approx(full, rel=2 * WEIGHT_ERROR)


# --- CutMix, from its definition --------------------------------------------------------------------------


def legendre(low, high, nodes):
    x, w = roots_legendre(nodes)
    return low + (high - low) * (1 + x) / 2, (high - low) / 2 * w


def clipped(centre, side):
    return np.minimum(centre + side / 2, 1) - np.maximum(centre - side / 2, 0)


def axis_rule(side):
    """Clipped length along one axis, centre uniform: Gauss rules between the kinks side/2, 1 − side/2."""
    edges = [0.0, side / 2, 1 - side / 2, 1.0]
    parts = [legendre(u, v, 40) for u, v in itertools.pairwise(edges)]
    centre, weight = (np.concatenate(p) for p in zip(*parts))
    return clipped(centre, side), weight


def cutmix_average(alpha, f):
    """E f(λ): λ₀ = 1 − w², w on a Gauss–Jacobi rule for w^{2α−1}(1−w)^{α−1}; the box centre on two axes."""
    x, weight = roots_jacobi(60, alpha - 1, 2 * alpha - 1)
    side = (1 + x) / 2
    weight = weight * (1 + side) ** (alpha - 1)
    total = 0.0
    for w, mass in zip(side, weight / weight.sum()):
        length, share = axis_rule(w)
        total += mass * np.einsum("i,j,ij", share, share, f(1 - np.outer(length, length)))
    return total


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.5])
def test_cutmix_law_from_its_definition(alpha):
    """Smooth functions; the reference moves by less than 1e-13 from 40 to 60 nodes an axis: allow 1e-12."""
    rule = mixing_rule(cutmix(alpha))
    for f in (lambda v: v, lambda v: v**2, lambda v: v**7, lambda v: np.log1p(5 * v), np.cos):
        assert average(rule, f) == pytest.approx(cutmix_average(alpha, f), rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_cutmix_edge_layers_have_converged(alpha):
    """λ has an atom near 1 − λ₀-small and layers at both ends: compare panels of half the width."""
    coarse, fine = (mixing_rule(cutmix(alpha), n) for n in (1, 2))
    for c in (1.0, 1e4, 1e12):
        for part in ("lam", "colam"):
            values = [np.sum(r.weight * np.log1p(c * getattr(r, part))) for r in (coarse, fine)]
            assert values[0] == pytest.approx(values[1], rel=2 * WEIGHT_ERROR)


@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_cutmix_against_monte_carlo(alpha):
    """A million boxes in plain numpy: every average within five standard errors."""
    n = 10**6
    side = np.sqrt(1 - RNG.beta(alpha, alpha, n))
    x, y = RNG.random((2, n))
    lam = 1 - clipped(x, side) * clipped(y, side)
    rule = mixing_rule(cutmix(alpha))
    for f in (lambda v: v, lambda v: v * (1 - v), lambda v: np.log1p(1e3 * v), lambda v: (v < 0.25) * 1.0):
        draws = f(lam)
        assert abs(average(rule, f) - draws.mean()) <= 5 * draws.std() / np.sqrt(n) + steps(rule, f)


def steps(rule, f):
    """A rule resolves a jump only up to the weight of the nodes beside it."""
    jump = np.abs(np.diff(f(np.sort(rule.lam)))).max() > 0.5
    return 2 * rule.weight.max() if jump else 0.0


@pytest.mark.parametrize("law", [mixup(0.4), mixup(1e-12), mixup(1e6), cutmix(1.0), cutmix(0.3)])
def test_draws_follow_the_law(law):
    draws, rule = draw_lam(law, 40_000, seed=1), mixing_rule(law)
    assert ((draws >= 0) & (draws <= 1)).all()
    for f in (lambda v: v, lambda v: v * (1 - v)):
        mean = average(rule, f)
        spread = np.sqrt(average(rule, lambda v, f=f, mean=mean: (f(v) - mean) ** 2))
        assert abs(f(draws).mean() - mean) <= 5 * spread / 200 + 1e-12


# --- patterns: moments of whole labels --------------------------------------------------------------------


def mixed(alpha):
    return (alpha + 1) / (2 * alpha + 1)  # E[λ² + (1−λ)²]


@pytest.mark.parametrize("K", [2, 3, 10, 10**6])
@pytest.mark.parametrize("alpha", ALPHAS)
def test_mixup_moment_and_threshold(K, alpha):
    """E‖y‖² = 1/K + (1 − 1/K)(α+1)/(2α+1); threshold (α+1)/((2α+1)K), free of cancellation at large K."""
    exact = 1 / K + (1 - 1 / K) * mixed(alpha)
    assert second_moment(mixup(alpha), K) == pytest.approx(exact, rel=WEIGHT_ERROR)
    assert label_variance(mixup(alpha), K) == pytest.approx(mixed(alpha) / K, rel=WEIGHT_ERROR)


@pytest.mark.parametrize("K", [2, 3, 10])
def test_moments_of_restricted_pairs(K):
    assert second_moment(mixup(0.7, "same"), K) == 1
    assert second_moment(mixup(0.7, "different"), K) == pytest.approx(mixed(0.7), rel=WEIGHT_ERROR)
    assert label_variance(mixup(0.7, "same"), K) == pytest.approx(1 / K, rel=8 * EPS)
    assert label_variance(mixup(0.7, "same", 0.2), K) == pytest.approx(0.8**2 / K, rel=8 * EPS)
    assert second_moment(mixup(0.7, "cyclic"), K) == pytest.approx(mixed(0.7), rel=WEIGHT_ERROR)
    different = (mixed(0.7) - 1 / K) / (K - 1)
    for pairs in ("different", "cyclic"):
        assert label_variance(mixup(0.7, pairs), K) == pytest.approx(different, rel=1e3 * EPS)
        assert label_variance(mixup(0.7, pairs, 0.2), K) == pytest.approx(0.8**2 * different, rel=1e3 * EPS)


@pytest.mark.parametrize("K", [2, 10, 1000])
@pytest.mark.parametrize("delta", [0.0, 0.1, 0.9])
def test_smoothing_shrinks_every_variance(K, delta):
    """Cov of (1−δ) y + δ/K is (1−δ)² that of y."""
    plain = [onehot(), mixup(0.5), kway(0.5, 2), kway(1.0, 3)]
    smoothed = [smooth(delta), mixup(0.5, smoothing=delta), kway(0.5, 2, delta), kway(1.0, 3, delta)]
    for law, other in zip(plain, smoothed):
        expected = (1 - delta) ** 2 * label_variance(law, K)
        # y − 1/K of the smoothed label cancels: entries of size ≤ 1/K + δ keep ε of that
        assert label_variance(other, K) == pytest.approx(expected, rel=1e3 * EPS / (1 - delta))
    assert label_variance(onehot(), K) == pytest.approx(1 / K, rel=8 * EPS)


@pytest.mark.parametrize("rule", [mixing_rule, lambda law: draw_lam(law, 3, 0)])
def test_a_law_whose_mixing_is_not_written_has_no_other_ones(rule):
    law = mixup(1.0)
    object.__setattr__(law, "name", "newmix")
    with pytest.raises(NotImplementedError, match="newmix"):
        rule(law)


def test_cutmix_threshold():
    """E[λ² + (1−λ)²]/K for all pairs, as for mixup, but λ is not Beta-distributed."""
    share = cutmix_average(1.0, lambda v: v**2 + (1 - v) ** 2)
    assert label_variance(cutmix(1.0), 5) == pytest.approx(share / 5, rel=1e-12)


def kway_threshold(alpha, ways, K):
    return (alpha + 1) / ((ways * alpha + 1) * K)


@pytest.mark.parametrize("K", [2, 3, 10, 1000])
@pytest.mark.parametrize("ways", [2, 3])
@pytest.mark.parametrize("alpha", [1e-12, 0.2, 1.0, 1e6])
def test_kway_threshold(K, ways, alpha):
    """(α+1)/((kα+1)K), two or three sticks: relative error of a product of two rules."""
    found = label_variance(kway(alpha, ways), K)
    assert found == pytest.approx(kway_threshold(alpha, ways, K), rel=2 * WEIGHT_ERROR)


@pytest.mark.parametrize("K", [3, 10])
@pytest.mark.parametrize("ways", [4, 5])
@pytest.mark.parametrize("alpha", [0.1, 1.0, 1e6])
def test_kway_threshold_of_many_ways(K, ways, alpha):
    """Four distinct classes or more by quasi-random points: the docstring states errors of about 1e-4."""
    found = label_variance(kway(alpha, ways), K)
    assert found == pytest.approx(kway_threshold(alpha, ways, K), rel=5e-4)


@pytest.mark.parametrize("alpha", [1e-12, 1e-6, 1e-3])
def test_kway_of_many_ways_and_tiny_alpha_is_nearly_one_hot(alpha):
    """One weight carries everything as α → 0. (Underflow of gamma quantiles must not make weights equal.)"""
    assert label_variance(kway(alpha, 4), 10) == pytest.approx(kway_threshold(alpha, 4, 10), rel=5e-4)


@pytest.mark.parametrize("K", [2, 3, 10])
@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_kway_of_two_is_mixup(K, alpha):
    """Moments of every order n of the label: E Σ y_kⁿ, and the edge-layer average E Σ log(1 + 1e6 y_k)."""
    two, pair = pattern_rule(kway(alpha, 2), K), pattern_rule(mixup(alpha), K)
    for f in (lambda y: y**3, lambda y: y**9, lambda y: np.log1p(1e6 * y)):
        values = [np.sum(p.weights * np.sum(p.counts * f(p.values), 1)) for p in (two, pair)]
        assert values[0] == pytest.approx(values[1], rel=2 * WEIGHT_ERROR)


@pytest.mark.parametrize("K", [2, 3, 10])
def test_kway_third_moment(K):
    """E Σ_k y_k³ from Dirichlet moments: n equal, a pair, or three distinct draws of classes."""
    alpha, k = 0.7, 3
    total = k * alpha * (k * alpha + 1) * (k * alpha + 2)
    cube, square, plain = alpha * (alpha + 1) * (alpha + 2), alpha**2 * (alpha + 1), alpha**3
    exact = (k * cube + 3 * k * (k - 1) * square / K + k * (k - 1) * (k - 2) * plain / K**2) / total
    p = pattern_rule(kway(alpha, k), K)
    assert np.sum(p.weights * np.sum(p.counts * p.values**3, 1)) == pytest.approx(exact, rel=2 * WEIGHT_ERROR)


LAWS = [mixup(0.6), mixup(1e-12), cutmix(1.0), kway(0.5, 3), kway(2.0, 4), onehot(), smooth(0.1)]
LAWS += [mixup(1.0, "different"), cutmix(0.4, "same", 0.3)]


@pytest.mark.parametrize("K", [2, 5])
@pytest.mark.parametrize("law", LAWS, ids=lambda law: f"{law.name}-{law.alpha}-{law.pairs}")
def test_patterns_are_labels_of_k_classes(law, K):
    values, counts, weights = pattern_rule(law, K)
    assert (weights >= 0).all() and weights.sum() == pytest.approx(1, rel=1e-12)
    assert (values >= 0).all()
    np.testing.assert_allclose(counts.sum(1), K)
    np.testing.assert_allclose((counts * values).sum(1), 1, rtol=1e-13)
    assert law.exchangeable


def test_user_labels_are_equally_likely_and_not_assumed_exchangeable():
    Y = RNG.dirichlet(np.ones(4), 6)
    law = soft(Y)
    assert not law.exchangeable and not law.two_hot
    assert second_moment(law, 4) == pytest.approx(np.mean(np.sum(Y**2, 1)), rel=16 * EPS)


# --- draws of labels and the choice of cases --------------------------------------------------------------


@pytest.mark.parametrize(
    "law", [kway(0.5, 3), kway(2.0, 5), mixup(0.5, smoothing=0.2), cutmix(1.0, "same", 0.1)]
)
def test_drawn_labels_have_the_moment_of_their_law(law):
    Y = choose_cases(law, 4, samples=20_000, seed=5).labels
    assert (Y >= 0).all()
    np.testing.assert_allclose(Y.sum(1), 1, rtol=8 * EPS)
    squares = np.sum(Y**2, 1)
    assert abs(squares.mean() - second_moment(law, 4)) <= 5 * squares.std() / np.sqrt(len(Y)) + 1e-12
    np.testing.assert_allclose(Y.mean(0), 0.25, atol=5 * np.sqrt(0.25 / len(Y)))


@pytest.mark.parametrize("K", [2, 5])
def test_different_pairs_with_smoothing_are_different(K):
    """Two entries above the floor, and every ordered pair about equally often."""
    Y = choose_cases(mixup(1.0, "different", 0.1), K, samples=4000, seed=0).labels
    above = (Y > 0.1 / K * (1 + 1e-9)).sum(1)
    assert (above == 2).all()


def test_the_same_seed_draws_the_same_and_another_does_not():
    first, again, other = (choose_cases(mixup(1.0), 3, seed=s).lam for s in (4, 4, 5))
    assert (first == again).all() and len(first) == 64 and (first != other).any()


def test_choices_of_cases():
    assert isinstance(choose_cases(onehot(), 3), PairCases) and choose_cases(onehot(), 3).count == 3
    smoothed = choose_cases(smooth(0.1), 3)
    assert isinstance(smoothed, LabelCases) and smoothed.count == 3 and len(smoothed.kinds) == 1
    assert choose_cases(mixup(1.0), 3, quadrature=5).count == 5 * 9
    assert choose_cases(mixup(1.0, "different"), 3, lam=np.array([0.2, 0.7])).count == 2 * 6
    np.testing.assert_array_equal(choose_cases(mixup(1.0), 3, lam=np.array([0.7, 0.2, 0.7])).lam, [0.2, 0.7])


@pytest.mark.parametrize("pairs", ["all", "different", "same"])
@pytest.mark.parametrize("K", [2, 4])
def test_a_stream_visits_every_ordered_pair_at_every_weight_once(pairs, K):
    cases = PairCases(K, np.array([0.1, 0.5, 0.9]), pairs)
    chunk = cases.take(np.arange(cases.count))
    allowed = {
        (i, j)
        for i in range(K)
        for j in range(K)
        if {"all": True, "same": i == j, "different": i != j}[pairs]
    }
    seen = list(zip(chunk.i.tolist(), chunk.j.tolist(), chunk.lam.tolist()))
    assert set(seen) == {(i, j, lam) for i, j in allowed for lam in cases.lam.tolist()}
    assert len(seen) == len(set(seen)) == cases.count
    for i, j, lam, row in zip(chunk.i, chunk.j, chunk.lam, chunk.row):
        assert cases.kinds[row] == ("same" if i == j else "different", lam)
    np.testing.assert_array_equal(chunk.colam, 1 - chunk.lam)


@pytest.mark.parametrize(
    "law, choice, message",
    [
        (mixup(1.0), {"lam": [0.5], "samples": 3}, "lam and samples exclude each other"),
        (mixup(1.0), {"samples": 3, "quadrature": 3}, "samples and quadrature exclude each other"),
        (onehot(), {"samples": 3}, "onehot labels have no mixing weight"),
        (smooth(0.1), {"lam": [0.5]}, "smoothing labels have no mixing weight"),
        (kway(1.0), {"quadrature": 4}, "kway labels are drawn: give samples instead of quadrature"),
        (mixup(1.0, smoothing=0.1), {"lam": [0.5]}, "mixup labels with smoothing are drawn"),
        (mixup(1.0), {"samples": 0}, "samples must be an integer, at least 1"),
        (mixup(1.0), {"quadrature": 0}, "quadrature must be an integer, at least 1"),
        (mixup(1.0), {"lam": [1.5]}, r"lam must lie in \[0, 1\]"),
        (mixup(1.0), {"lam": [np.nan]}, r"lam must lie in \[0, 1\]"),
        (mixup(1.0), {"lam": []}, "lam must be an array"),
    ],
)
def test_impossible_choices_are_refused(law, choice, message):
    choice = {name: np.array(v) if name == "lam" else v for name, v in choice.items()}
    with pytest.raises(ValueError, match=message):
        choose_cases(law, 4, **choice)


# --- validation -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("build", [mixup, cutmix, kway])
def test_bad_alpha(build, alpha):
    with pytest.raises(ValueError, match="alpha must be a positive finite number"):
        build(alpha)


def test_bad_laws():
    with pytest.raises(ValueError, match="pairs must be one of"):
        mixup(1.0, "some")
    for delta in (-0.1, 1.0, np.nan):
        with pytest.raises(ValueError, match="smoothing must lie in"):
            smooth(delta)
    with pytest.raises(ValueError, match="ways must be an integer, at least 2"):
        kway(1.0, 1)
    with pytest.raises(ValueError, match="at most 6, got 7"):
        kway(1.0, 7)
    with pytest.raises(ValueError, match="alpha must be at most 1e"):
        mixup(2e9)
    with pytest.raises(ValueError, match="unknown label law 'mixpu'"):
        LabelLaw("mixpu", alpha=1.0)


@pytest.mark.parametrize("weights", [(0.5, 0.5 + 2e-9), (1.0, 0.0), (1.5, -0.5), (1.0,), (np.nan, 0.5)])
def test_bad_class_weights(weights):
    with pytest.raises(ValueError, match="class weights must be positive and sum to 1"):
        LabelLaw("mixup", alpha=1.0, class_weights=weights)


def test_class_weights_sum_to_one_and_belong_to_pairs():
    q = LabelLaw("mixup", alpha=1.0, class_weights=(0.3 + 5e-10, 0.7)).class_weights
    assert abs(sum(q) - 1) <= 2 * EPS
    with pytest.raises(ValueError, match="class weights do not apply to kway labels"):
        LabelLaw("kway", alpha=1.0, class_weights=(0.5, 0.5))


def test_exchangeable_laws():
    assert mixup(1.0).exchangeable and mixup(1.0, "different").exchangeable and kway(1.0).exchangeable
    assert LabelLaw("mixup", alpha=1.0, class_weights=(0.5, 0.5)).exchangeable
    assert not LabelLaw("mixup", alpha=1.0, class_weights=(0.6, 0.4)).exchangeable
    assert not mixup(1.0, "cyclic").exchangeable


@pytest.mark.parametrize("name", ["mixup", "cutmix", "kway"])
def test_mixing_laws_need_alpha(name):
    with pytest.raises(ValueError, match=f"{name} labels need alpha"):
        LabelLaw(name)


@pytest.mark.parametrize(
    "labels, message",
    [
        (np.ones((2, 1)), "N x K array"),
        (np.ones(3), r"of shape \(N, K\)"),
        (np.ones((0, 3)), r"of shape \(N, K\)"),
        (np.array([["a", "b"]]), "real numbers"),
        (np.array([[0.5 + 0j, 0.5]]), "real numbers"),
        (np.array([[0.5, 0.5], [np.nan, 1.0]]), "NaN or infinity in row 1"),
        (np.array([[0.5, np.inf]]), "NaN or infinity"),
        (np.array([[0.5, 0.5], [0.7, 0.7]]), "row 1 sums to 1.4"),
        (np.array([[1.5, -0.5]]), "row 0"),
        (np.array([[0.5, 0.5 + 2e-5]]), "row 0"),
    ],
)
def test_bad_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        normalise(labels)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6).filter(lambda v: sum(v) > 1e-3))
@settings(deadline=None, max_examples=30)
def test_normalise_defines_the_first_largest_entry_and_keeps_the_rest(entries):
    raw = np.array([entries]) / np.sum(entries)
    before, found = raw.copy(), normalise(raw)
    top = int(np.argmax(raw))
    np.testing.assert_array_equal(raw, before)  # the caller's array is left alone
    others = np.arange(raw.shape[1]) != top
    np.testing.assert_array_equal(found[0, others], raw[0, others])
    assert found[0, top] == 1 - found[0, others].sum()
    # a tie for the largest may pass its title on by one rounding, once
    np.testing.assert_allclose(normalise(found), found, rtol=0, atol=2 * EPS)


@given(st.integers(2, 6), st.integers(0, 10**6))
@settings(deadline=None, max_examples=30)
def test_labels_that_sum_to_one_up_to_rounding_are_accepted(K, seed):
    """Also where rounding left the only entry at 1 + ε: rows may sum to one within 1e-9."""
    Y = np.zeros((1, K))
    Y[0, seed % K] = 1 + EPS
    assert normalise(Y)[0, seed % K] == 1


def test_integer_labels_are_welcome():
    np.testing.assert_array_equal(normalise(np.eye(3, dtype=int)), np.eye(3))


def test_two_hot_laws():
    assert mixup(1.0).two_hot and cutmix(1.0).two_hot and onehot().two_hot
    assert not kway(1.0).two_hot and not mixup(1.0, smoothing=0.1).two_hot and not smooth(0.1).two_hot
    assert isinstance(mixup(1.0), LabelLaw)
