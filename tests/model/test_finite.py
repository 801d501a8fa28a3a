"""Finite laws: moments, exchangeability, class weights, merged atoms; the scalar equation in 40 digits."""

import itertools
from math import log

import numpy as np
import pytest
from mpmath import mp, mpf

from tests.oracle import optimal_two_hot
from ufm.model.atoms import FiniteLaw, drawn_law, finite_law, given_lam
from ufm.model.etf import simplex_etf
from ufm.model.laws import (
    LabelLaw,
    cutmix,
    gauss_lam,
    kway,
    label_variance,
    mixing_rule,
    mixup,
    onehot,
    second_moment,
    smooth,
    soft,
)
from ufm.model.quadrature import beta_rule, edge_gauss
from ufm.theory.features import solve_patterns
from ufm.theory.multiplier import joint_multiplier, pattern_multiplier, residual_moment

EPS = np.finfo(float).eps
LAWS = [
    mixup(0.2),
    mixup(1.0),
    mixup(5.0, pairs="different"),
    cutmix(1.0),
    kway(1.0, ways=3),
    kway(0.5, ways=2),
    onehot(),
    smooth(0.2),
    mixup(1.0, smoothing=0.1),
]
# weights are sums of ≤ 1000 terms of relative error 100 ε (`test_labels`), a label's sum is defined to one
SUMS = 1000 * EPS


def name(law):
    return f"{law.name}-{law.alpha}-{law.pairs}-{law.smoothing}"


def table(law: FiniteLaw):
    """Atoms as a dictionary from rounded labels to weights."""
    found = {}
    for y, weight in zip(np.round(law.labels, 12), law.weights):
        key = tuple((y + 0.0).tolist())
        found[key] = found.get(key, 0.0) + weight
    return found


def same_tables(one, other):
    keys = set(one) | set(other)
    return all(abs(one.get(key, 0.0) - other.get(key, 0.0)) <= SUMS for key in keys)


@pytest.mark.parametrize("law", LAWS, ids=name)
@pytest.mark.parametrize("K", [2, 3, 4])
def test_an_exchangeable_law_is_one_after_discretisation(law, K):
    """Every permutation of the classes maps atoms to atoms of the same weight."""
    finite = finite_law(law, K, 9)
    assert finite.exchangeable and finite.classes == K
    original = table(finite)
    for order in itertools.permutations(range(K)):
        shuffled = FiniteLaw(finite.labels[:, order], finite.weights, True)
        assert same_tables(table(shuffled), original)


@pytest.mark.parametrize("law", LAWS, ids=name)
def test_labels_and_weights_are_probabilities(law):
    finite = finite_law(law, 4, 12)
    assert (finite.weights > 0).all() and abs(finite.weights.sum() - 1) <= SUMS
    assert (finite.labels >= 0).all() and np.abs(finite.labels.sum(1) - 1).max() <= 4 * EPS
    assert np.abs(finite.weights @ finite.labels - 1 / 4).max() <= SUMS


@pytest.mark.parametrize("law", LAWS, ids=name)
def test_second_moment_converges_to_the_law(law):
    """E‖y‖², for α ≥ 0.2 a factor > 1000 every 16 nodes (from 2e-7 at 32); k-way has √nodes a stick."""
    if law.name == "kway":
        errors = [abs(_second(finite_law(law, 3, n)) - second_moment(law, 3)) for n in (9, 36, 400)]
        assert errors[0] > errors[2] or errors[0] <= SUMS
        assert errors[2] <= 1e-5
        return
    for nodes, error in ((32, 1e-6), (48, 1e-9)):
        assert _second(finite_law(law, 4, nodes)) == pytest.approx(second_moment(law, 4), abs=error)


def _second(finite):
    return float(finite.weights @ np.sum(finite.labels**2, 1))


@pytest.mark.parametrize("law", LAWS[:4], ids=name)
def test_rule_integrates_edge_layers(law):
    """E 1/(1 + a λ(1−λ)), a layer of width 1/a at both ends, against the converged rule."""
    rule = mixing_rule(law)
    finite = finite_law(LabelLaw(law.name, alpha=law.alpha, pairs="different"), 2, 48)
    lam, colam = finite.labels.T
    for a in (10.0, 1e4):
        exact = rule.weight @ (1 / (1 + a * rule.lam * rule.colam))
        assert finite.weights @ (1 / (1 + a * lam * colam)) == pytest.approx(exact, abs=1e-6)


# --- shares of the pairs ----------------------------------------------------------------------------------


def pair_weights(law, K, nodes=8):
    """(K, K) weights of the unordered pairs of classes that atoms mix."""
    finite = finite_law(law, K, nodes)
    found = np.zeros((K, K))
    for y, weight in zip(finite.labels, finite.weights):
        mixed = np.flatnonzero(y > 0)
        found[mixed[0], mixed[-1]] += weight
    return found


@pytest.mark.parametrize("pairs", ["all", "different", "cyclic"])
@pytest.mark.parametrize("q", [None, (0.5, 0.3, 0.15, 0.05)])
def test_pairs_have_the_stated_probabilities(pairs, q):
    """all: q_i q_j; different: the same given i ≠ j; cyclic: (i, i+1) with q_i."""
    K = 4
    weights = np.full(K, 1 / K) if q is None else np.array(q)
    share = np.outer(weights, weights)
    if pairs == "different":
        share = share - np.diag(np.diag(share))
        share /= share.sum()
    if pairs == "cyclic":
        share = np.zeros((K, K))
        share[np.arange(K), (np.arange(K) + 1) % K] = weights
    expected = np.triu(share + share.T) - np.diag(np.diag(share))
    found = pair_weights(LabelLaw("mixup", alpha=1.0, pairs=pairs, class_weights=q), K)
    assert np.abs(found - expected).max() <= SUMS


def test_class_weights_of_onehot_labels():
    q = (0.5, 0.3, 0.2)
    finite = finite_law(LabelLaw("onehot", pairs="same", class_weights=q), 3)
    assert same_tables(table(finite), {tuple(e): w for e, w in zip(np.eye(3).tolist(), q)})
    assert not finite.exchangeable


def test_exchangeable_only_where_it_is():
    assert finite_law(LabelLaw("mixup", alpha=1.0, class_weights=(0.5, 0.5)), 2, 8).exchangeable
    for law in (
        LabelLaw("mixup", alpha=1.0, class_weights=(0.6, 0.4)),
        mixup(1.0, pairs="cyclic"),
        soft(np.eye(2)),
    ):
        assert not finite_law(law, 2, 8).exchangeable


def test_class_weights_must_match_the_classes():
    with pytest.raises(ValueError, match="class weights"):
        finite_law(LabelLaw("mixup", alpha=1.0, class_weights=(0.6, 0.4)), 3)


@pytest.mark.parametrize("law", [mixup(1.0), cutmix(0.5), kway(1.0)], ids=name)
def test_mirrored_atoms_are_merged(law):
    """(i, j, λ) and (j, i, 1−λ) are one label: no two atoms agree to 1e-12."""
    finite = finite_law(law, 3, 9)
    distances = np.abs(finite.labels[:, None] - finite.labels[None]).max(2) + np.eye(len(finite.weights))
    assert distances.min() > 1e-12
    if law.name == "mixup":  # a symmetric law: 9 nodes an unordered pair, and the pure classes
        assert len(finite.weights) == 3 + 3 * 9


def test_given_mixing_weights():
    """λ uniform over the given values."""
    lam = np.array([0.25, 0.5])
    finite = given_lam(mixup(1.0, pairs="different"), 2, lam)
    assert same_tables(table(finite), {(0.25, 0.75): 0.25, (0.75, 0.25): 0.25, (0.5, 0.5): 0.5})


@pytest.mark.parametrize(
    "law",
    [mixup(0.5), mixup(1.0, pairs="cyclic"), LabelLaw("mixup", alpha=1.0, class_weights=(0.6, 0.3, 0.1))],
    ids=name,
)
def test_draws_follow_the_law(law):
    """N = 20 000: covariances within 5 standard errors of the quadrature's (entries of y lie in [0, 1])."""
    N = 20_000
    drawn, finite = drawn_law(law, 3, N, 1), finite_law(law, 3, 32)
    assert not drawn.exchangeable and drawn.labels.shape == (N, 3)
    assert np.abs(drawn.covariance - finite.covariance).max() <= 5 * 0.5 / np.sqrt(N)
    assert np.array_equal(drawn_law(law, 3, 50, 7).labels, drawn_law(law, 3, 50, 7).labels)
    assert not np.array_equal(drawn_law(law, 3, 50, 7).labels, drawn_law(law, 3, 50, 8).labels)


DRAWN_TOO = [
    mixup(1.0, pairs="cyclic", smoothing=0.1),
    LabelLaw("mixup", alpha=1.0, class_weights=(0.6, 0.3, 0.1), smoothing=0.1),
    LabelLaw("onehot", pairs="same", class_weights=(0.6, 0.3, 0.1)),
    onehot(),
    smooth(0.1),
]


@pytest.mark.parametrize("law", DRAWN_TOO, ids=name)
def test_draws_keep_smoothing_pairs_and_weights(law):
    drawn, finite = drawn_law(law, 3, 20_000, 1), finite_law(law, 3, 32)
    assert np.abs(drawn.covariance - finite.covariance).max() <= 5 * 0.5 / np.sqrt(20_000)


def test_covariance_of_an_exchangeable_law_is_a_projection():
    """E[(y − 1/K)(y − 1/K)ᵀ] = σ² Π = σ² W Wᵀ of an ETF."""
    finite = finite_law(cutmix(1.0), 4, 12)
    sigma2 = (_second(finite) - 1 / 4) / 3
    etf = simplex_etf(4, 3, np.sqrt(3 / 4))
    assert np.abs(finite.covariance - sigma2 * etf @ etf.T).max() <= SUMS


# --- the scalar equation ----------------------------------------------------------------------------------


def exact_residual(alpha, K, a):
    """E‖y − p_a(y)‖² of mixup over all pairs in mpmath, an algorithm of its own.

    f(λ) − f(0) falls like e^{−|t|} in t = logit λ, so E f = f(0) + ∫ (f − f(0)) (λ(1−λ))^α/B(α, α) dt by the
    trapezoid rule on the whole line, which converges geometrically; step by step until terms are negligible.
    """
    with mp.workdps(40):
        alpha, a = mpf(alpha), mpf(a)
        step = mpf(1) / 4 if alpha < 10 else mpf(1) / 32
        beta = mp.beta(alpha, alpha)

        def square(lam):  # ‖z‖²/a², z = a (y − p)
            xi, xj, *_ = optimal_two_hot(K, lam, a)
            return (xi**2 + xj**2 - (xi + xj) ** 2 / K) / a**2

        edge = square(mpf(0))
        middle = square(mpf(1) / 2)
        total, n = (middle - edge) * mpf(2) ** (-2 * alpha), 0
        while True:
            n += 1
            lam = 1 / (1 + mp.exp(-n * step))
            term = 2 * (square(1 - lam) - edge) * (lam * (1 - lam)) ** alpha
            total += term
            if n * step > mp.log(a) and abs(term) <= abs(total) * mpf(10) ** -17:
                break
        mixed = edge + step * total / beta
        return edge / K + (1 - mpf(1) / K) * mixed


def relative_error_of_m(alpha, K, product):
    """|m/m* − 1| to first order: half that of a, by the exact equation and its slope in log a."""
    lam = float(np.sqrt(product))
    found = joint_multiplier(mixup(alpha), K, lam, lam)
    target = (K - 1) * mpf(lam) * mpf(lam)
    with mp.workdps(40):
        excess = mp.log(exact_residual(alpha, K, found.sharpness) / target)
        further = mp.log(exact_residual(alpha, K, found.sharpness * (1 + 1e-3)) / target)
        slope = (further - excess) / mp.log(1 + mpf(1e-3))
        assert slope < 0
        assert found.value == pytest.approx(
            float(mp.sqrt(mpf(found.sharpness) * (K - 1) * mpf(lam) / K)), rel=8 * EPS
        )
        return float(abs(excess / slope)) / 2


@pytest.mark.parametrize("alpha, product", [(1.0, 1e-6)])
def test_the_multiplier_of_the_continuous_law(alpha, product):
    assert relative_error_of_m(alpha, 10, product) <= 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("alpha, product", [(0.05, 1e-10), (0.05, 1e-3), (0.2, 1e-7), (50.0, 1e-10)])
def test_the_multiplier_of_other_continuous_laws(alpha, product):
    assert relative_error_of_m(alpha, 10, product) <= 1e-12


def test_the_oracle_for_the_multiplier_can_say_no():
    """The same equation at α off by 1e-9 is no longer met to 1e-12."""
    lam = 1e-3
    found = joint_multiplier(mixup(1.0 + 1e-9), 10, lam, lam)
    exact = exact_residual(1.0, 10, found.sharpness)
    assert abs(exact / (9 * mpf(lam) ** 2) - 1) > 1e-11


def test_the_check_value():
    """THEORY §3: K = 10, α = 1, λ_W = λ_H = 5e-4: a ≈ 6197.719470182, m ≈ 1.67002208416."""
    found = joint_multiplier(mixup(1.0), 10, 5e-4, 5e-4)
    assert found.sharpness == pytest.approx(6197.719470182, abs=1e-9)
    assert found.value == pytest.approx(1.67002208416, abs=1e-11)


def test_one_hot_multiplier_is_the_closed_form():
    """x = log(√(K/c²) − K + 1), m² = x √(λ_H/(K λ_W)) (K−1)/K; K up to 10⁶."""
    for K in (2, 10, 1_000_000):
        for product in (1e-10 / K, 0.3 / K):
            lw, lh = np.sqrt(product) * 2, np.sqrt(product) / 2
            x = log(np.sqrt(K / product) - K + 1)
            found = joint_multiplier(onehot(), K, lw, lh)
            # x is a difference of numbers up to K large against its argument: 1 + (rest)/x·…
            condition = 1 + (np.sqrt(K / product) + K) / ((np.sqrt(K / product) - K + 1) * x)
            square = x * np.sqrt(lh / (K * lw)) * (K - 1) / K
            assert found.value**2 == pytest.approx(square, rel=64 * EPS * condition)


def test_residual_moment_falls_and_starts_at_the_variance():
    patterns = finite_law(mixup(1.0), 4, 16).patterns
    values = [residual_moment(patterns, a) for a in 10.0 ** np.arange(-6, 8)]
    assert all(u > v for u, v in itertools.pairwise(values))
    start = _second(finite_law(mixup(1.0), 4, 16)) - 1 / 4
    assert values[0] == pytest.approx(start, rel=1e-5)


def test_the_multiplier_vanishes_at_its_threshold():
    patterns = finite_law(mixup(1.0), 4, 16).patterns
    edge = pattern_multiplier(patterns, 1.0, 1.0).threshold
    assert edge == pytest.approx((_second(finite_law(mixup(1.0), 4, 16)) - 1 / 4) / 3, rel=SUMS)
    for loss in ("cross-entropy", "squared-error"):
        assert pattern_multiplier(patterns, 1.0, edge, loss) == (0.0, 0.0, edge)
        assert pattern_multiplier(patterns, 1.0, 1.0001 * edge, loss).value == 0
        assert pattern_multiplier(patterns, 1.0, 0.9999 * edge, loss).value > 0
    with pytest.raises(ValueError, match="lambda_w"):
        pattern_multiplier(patterns, 0.0, 1.0)


# --- the rule for λ: the law's own mean and second moment --------------------------------------------

ALPHAS = (0.01, 0.05, 0.1, 0.3, 0.5, 1.0, 2.0, 5.0, 20.0, 100.0)


def off(a: float, b: float, nodes: int) -> float:
    """How far the N-point rule of Beta(a, b) is from E λ, E λ(1−λ), E (1−λ)² in 40 digits, relative to each."""
    with mp.workdps(40):
        s, a_, b_ = mpf(a) + mpf(b), mpf(a), mpf(b)
        exact = a_ / s, a_ * b_ / (s * (s + 1)), b_ * (b_ + 1) / (s * (s + 1))
        lam, colam, weight = edge_gauss(beta_rule(a, b), nodes)
        found = weight @ lam, weight @ (lam * colam), weight @ colam**2
        return max(float(abs(value / true - 1)) for value, true in zip(found, exact))


@pytest.mark.parametrize("alpha", ALPHAS)
def test_second_moments_are_the_laws_own_from_seven_nodes_on(alpha):
    """λ_W λ_H is held against them: a rule in tanh(logit λ/12) alone, without the denominator, misses by 2e-4."""
    for nodes in (7, 24, 32, 96):
        assert off(alpha, alpha, nodes) < 1e-13
        assert off(alpha, 2 * alpha, nodes) < 1e-13  # a stick of three classes
    assert alpha > 2 or off(alpha, alpha, 5) > 1e-9  # five nodes are too few: the claim is not empty


@pytest.mark.parametrize(
    "law", [mixup(0.05), cutmix(0.3), kway(0.3, ways=3), mixup(0.3, smoothing=0.2)], ids=name
)
def test_a_finite_law_has_the_second_moment_of_its_law(law):
    atoms = finite_law(law, 3, 24)
    assert abs(atoms.patterns.variance / label_variance(law, 3) - 1) < 1e-12
    few = finite_law(law, 3, 4)
    assert law.name == "kway" or abs(few.patterns.variance / label_variance(law, 3) - 1) > 1e-6


def mean_square(K: int, a: float, lam, colam, weight) -> float:
    """E‖y − p_a(y)‖² over mixtures of two different classes."""
    values = np.stack([lam, colam, 0 * lam], 1)
    counts = np.tile([1.0, 1.0, K - 2.0], (len(lam), 1))
    p = np.asarray(solve_patterns(values, counts, a).p)
    return float(weight @ np.sum(counts * (values - p) ** 2, 1))


@pytest.mark.parametrize(("K", "a"), [(3, 1e2), (10, 1e2), (10, 1e4), (3, 1e6)])
def test_the_rule_resolves_the_edges_as_it_says(K, a):
    """To 1e-8 by 32 nodes and 3e-11 by 48, at α = 1; a Gauss rule in λ of 48 nodes misses layers by more."""
    fine = mixing_rule(mixup(1.0), 4)
    true = mean_square(K, a, *fine)
    for nodes, most in ((32, 1.2e-8), (48, 3e-11)):
        assert abs(mean_square(K, a, *edge_gauss(fine, nodes)) / true - 1) < most
    assert a < 1e3 or abs(mean_square(K, a, *gauss_lam(mixup(1.0), 48)) / true - 1) > 1e-10
