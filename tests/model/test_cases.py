"""The stream of features: every pair once a λ, draws with the law's moments, seeds that repeat."""

import numpy as np
import pytest

from ufm.model.cases import LabelCases, PairCases, check_choice, choose_cases, draw_labels, draw_lam
from ufm.model.laws import cutmix, kway, mixing_rule, mixup, onehot, second_moment, smooth, soft

LAM = np.array([0.0, 0.25, 0.7])
SIGMAS = 5  # of the mean's own standard error; seeds are fixed


def wanted(K: int, pairs: str) -> set:
    if pairs == "cyclic":
        return {(i, (i + 1) % K) for i in range(K)}
    every = {(i, j) for i in range(K) for j in range(K)}
    return {(i, j) for i, j in every if pairs == "all" or (i == j) == (pairs == "same")}


@pytest.mark.parametrize("pairs", ["all", "different", "same", "cyclic"])
@pytest.mark.parametrize("K", [2, 3, 7])
def test_every_ordered_pair_exactly_once_for_each_lam(K, pairs):
    cases = PairCases(K, LAM, pairs)
    chunk = cases.take(np.arange(cases.count))
    found = list(zip(chunk.lam.tolist(), chunk.i.tolist(), chunk.j.tolist()))
    assert len(found) == len(set(found)) == cases.count == len(LAM) * len(wanted(K, pairs))
    for lam in LAM:
        assert {(i, j) for value, i, j in found if value == lam} == wanted(K, pairs)
    assert np.array_equal(chunk.colam, 1 - chunk.lam)


@pytest.mark.parametrize("pairs", ["all", "different", "same", "cyclic"])
def test_row_of_a_feature_is_its_kind_and_lam(pairs):
    cases = PairCases(4, LAM, pairs)
    chunk = cases.take(np.arange(cases.count))
    for i, j, row, lam in zip(chunk.i, chunk.j, chunk.row, chunk.lam):
        assert cases.kinds[row] == ("same" if i == j else "different", lam)
    assert set(chunk.row.tolist()) == set(range(len(cases.kinds)))


@pytest.mark.parametrize("pairs", ["all", "different", "same", "cyclic"])
def test_a_stream_in_chunks_is_the_same_stream(pairs):
    cases = PairCases(5, LAM, pairs)
    whole = cases.take(np.arange(cases.count))
    order = np.random.default_rng(0).permutation(cases.count)
    for field, part in zip(whole, cases.take(order)):
        assert np.array_equal(field[order], part)


def test_a_large_stream_is_not_stored():
    """A million classes: 10^12 pairs, of which the last can be asked for alone."""
    cases = PairCases(10**6, LAM)
    assert cases.count == 3 * 10**12
    last = cases.take(np.array([cases.count - 1]))
    assert (last.i[0], last.j[0], last.lam[0]) == (10**6 - 1, 10**6 - 1, 0.7)


def test_given_lam_are_sorted_and_distinct():
    cases = choose_cases(mixup(1.0), 3, lam=np.array([0.8, 0.3, 0.8, 0.0, 1.0]))
    assert np.array_equal(cases.lam, [0.0, 0.3, 0.8, 1.0])


def test_default_is_64_draws():
    assert len(choose_cases(mixup(1.0), 3).lam) == 64
    assert choose_cases(kway(1.0), 3).count == 64


def test_quadrature_takes_the_nodes_of_the_gauss_rule():
    """α = 1: Gauss–Legendre on [0, 1]."""
    nodes = (np.polynomial.legendre.leggauss(7)[0] + 1) / 2
    assert np.allclose(choose_cases(mixup(1.0), 3, quadrature=7).lam, nodes, atol=1e-13)


def test_laws_without_a_weight():
    assert choose_cases(onehot(), 5).kinds == [("same", 1.0)] and choose_cases(onehot(), 5).count == 5
    smoothed = choose_cases(smooth(0.2), 5)
    assert isinstance(smoothed, LabelCases) and smoothed.kinds == [("smoothing", None)]
    assert np.allclose(smoothed.labels, 0.8 * np.eye(5) + 0.04, atol=1e-16)
    Y = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    own = choose_cases(soft(Y), 3)
    assert own.kinds == [("labels", None)] * 2 and np.allclose(own.labels, Y, atol=1e-16)


@pytest.mark.parametrize(
    "law, choice",
    [
        (mixup(1.0), {"lam": np.array([0.5]), "samples": 3}),
        (mixup(1.0), {"quadrature": 3, "samples": 3}),
        (mixup(1.0), {"lam": np.array([1.5])}),
        (mixup(1.0), {"lam": np.array([np.nan])}),
        (mixup(1.0), {"lam": np.array([])}),
        (mixup(1.0), {"samples": 0}),
        (mixup(1.0), {"quadrature": -1}),
        (onehot(), {"lam": np.array([0.5])}),
        (smooth(0.1), {"samples": 3}),
        (kway(1.0), {"quadrature": 3}),
    ],
)
def test_impossible_choices_are_refused(law, choice):
    with pytest.raises(ValueError):
        choose_cases(law, 3, **choice)


def test_the_number_of_nodes_is_limited():
    """A Gauss rule of n nodes is an n x n eigenproblem; draws are not."""
    check_choice(mixup(1.0), None, None, 2048)
    check_choice(mixup(1.0), None, 2049, None)
    with pytest.raises(
        ValueError, match="quadrature must be an integer, at least 1 and at most 2048, got 2049"
    ):
        check_choice(mixup(1.0), None, None, 2049)


# --- draws ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", [mixup(1.0), mixup(0.2), mixup(5.0), cutmix(1.0), cutmix(0.3)])
def test_drawn_weights_have_the_moments_of_the_law(law):
    """Against the law's own converged quadrature, which test_labels holds to its definition."""
    rule, lam = mixing_rule(law), draw_lam(law, 20000, 1)
    assert lam.dtype == np.float64 and ((lam >= 0) & (lam <= 1)).all()
    for power in (1, 2, 3, 4):
        exact, square = (float(rule.weight @ rule.lam**n) for n in (power, 2 * power))
        assert abs(np.mean(lam**power) - exact) < SIGMAS * np.sqrt((square - exact**2) / len(lam))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_mixup_moments_from_their_formula(alpha):
    """E λ = ½, E λ² = (α+1)/(2(2α+1)) of Beta(α, α): independent of the quadrature."""
    lam = draw_lam(mixup(alpha), 20000, 2)
    spread = np.sqrt(1 / (4 * (2 * alpha + 1)) / len(lam))
    assert abs(lam.mean() - 0.5) < SIGMAS * spread
    assert abs(np.mean(lam**2) - (alpha + 1) / (2 * (2 * alpha + 1))) < SIGMAS * spread


@pytest.mark.parametrize("alpha, centres", [(1e-12, [0, 1]), (1e6, [0.5])])
def test_extreme_draws(alpha, centres):
    lam = draw_lam(mixup(alpha), 500, 0)
    assert np.isfinite(lam).all() and np.abs(lam[:, None] - centres).min(1).max() < 4e-3
    if len(centres) == 2:
        assert 200 < (lam > 0.5).sum() < 300


@pytest.mark.parametrize(
    "law",
    [kway(1.0), kway(0.4, ways=2), kway(2.0, ways=5), mixup(1.0, smoothing=0.1), cutmix(1.0, smoothing=0.1)],
)
def test_drawn_labels_have_the_moments_of_the_law(law):
    K = 4
    Y = draw_labels(law, K, 20000, 3)
    assert Y.shape == (20000, K) and (Y >= 0).all() and np.allclose(Y.sum(1), 1, atol=1e-14)
    spread = SIGMAS / np.sqrt(len(Y))
    assert np.abs(Y.mean(0) - 1 / K).max() < spread * Y.std()
    squares = np.sum(Y**2, 1)
    # four or five distinct classes: the law's own rule is quasi-random, good to about 1e-4
    assert abs(squares.mean() - second_moment(law, K)) < spread * squares.std() + 2e-4 * (law.ways > 3)


@pytest.mark.parametrize(
    "law", [mixup(1.0, "all", 0.1), cutmix(1.0, "all", 0.1), cutmix(1.0, "different", 0.1)]
)
def test_drawn_weights_do_not_depend_on_the_drawn_classes(law):
    """The two take their randomness from different keys: the larger weight has one mean for all classes."""
    Y = draw_labels(law, 4, 20000, 0)
    top, weight = Y.argmax(1), Y.max(1)
    for c in range(4):
        own = weight[top == c]
        assert abs(own.mean() - weight.mean()) < SIGMAS * weight.std() / np.sqrt(len(own))
        assert abs(len(own) / len(Y) - 1 / 4) < SIGMAS * np.sqrt(3 / 16 / len(Y))


def test_kway_second_moment_from_its_formula():
    """Dirichlet(1, 1, 1) weights, classes with replacement: E‖y‖² = 3·(1/6) + 6·(1/12)/K."""
    squares = np.sum(draw_labels(kway(1.0, ways=3), 4, 20000, 5) ** 2, 1)
    assert abs(squares.mean() - (0.5 + 0.5 / 4)) < SIGMAS * squares.std() / np.sqrt(len(squares))


@pytest.mark.parametrize("pairs, hot", [("same", {1}), ("different", {2}), ("all", {1, 2})])
def test_drawn_pairs_are_of_the_kind_asked_for(pairs, hot):
    Y = draw_labels(mixup(1.0, pairs, smoothing=0.2), 5, 400, 0)
    assert set((Y > 0.04 + 1e-9).sum(1).tolist()) == hot


@pytest.mark.parametrize("law", [mixup(0.5, "cyclic", 0.2), cutmix(1.0, "cyclic", 0.2)])
def test_drawn_cyclic_pairs_are_neighbours(law):
    """(1−δ)(λ e_i + (1−λ) e_j) + δ/K with j = i + 1 mod K and the drawn λ on i; every i occurs."""
    K, n = 5, 200
    Y, lam = draw_labels(law, K, n, 0), draw_lam(law, n, 0)
    neighbours = np.roll(np.eye(K), 1, axis=1)
    every = 0.8 * (lam[:, None, None] * np.eye(K) + (1 - lam)[:, None, None] * neighbours) + 0.2 / K
    found = np.isclose(Y[:, None], every, rtol=0, atol=1e-14).all(2)
    assert (found.sum(1) >= 1).all() and found.any(0).all()


@pytest.mark.parametrize(
    "draw", [lambda seed: draw_lam(cutmix(1.0), 9, seed), lambda s: draw_labels(kway(1.0), 4, 9, s)]
)
def test_seeds_repeat_and_differ(draw):
    assert np.array_equal(draw(7), draw(7)) and not np.array_equal(draw(7), draw(8))


def test_one_seed_couples_the_draws_of_every_alpha():
    """Quantiles of the same uniform numbers, so that a sweep over α is smooth: the ranks agree."""
    ranks = [np.argsort(draw_lam(mixup(alpha), 50, 0)) for alpha in (0.5, 1.0, 4.0)]
    assert np.array_equal(ranks[0], ranks[1]) and np.array_equal(ranks[1], ranks[2])
    assert np.allclose(draw_lam(mixup(1.0), 50, 0), draw_lam(mixup(1 + 1e-9), 50, 0), atol=1e-8)


def test_more_draws_do_not_reuse_fewer_classes():
    """Every class and every ordered pair is drawn in the end."""
    Y = draw_labels(mixup(1.0, "different", smoothing=0.1), 3, 400, 0)
    order = np.argsort(-Y, 1)
    assert {(int(a), int(b)) for a, b, _ in order} == wanted(3, "different")
