"""Parts of a verdict one by one: units, edges, and roundings that go with what they round."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp, mpf

from ufm.agree.features import Comparison, Settings, check_features
from ufm.agree.finite_data import _susceptibility
from ufm.agree.flatness import excess_moment
from ufm.agree.geometry import collapsed_groups
from ufm.agree.sweep.block import Shape, _closed_form, _labels
from ufm.agree.verdict import exceeded
from ufm.model.atoms import JointProblem, finite_law
from ufm.model.cases import LabelCases, PairCases
from ufm.model.laws import mixup
from ufm.model.problem import Problem
from ufm.theory.predict import predict_features, predict_pairs

LAM = np.array([0.6, 0.3])


def test_an_error_of_just_the_bounds_is_within_them():
    """The last: of bounds so unequal that their sum is one of them."""
    error = np.array([1.0, 0.0, np.nextafter(1.0, 2.0), np.nan, 1.0 + 1e-15])
    bound, theory_bound = np.array([0.75, 0.0, 0.75, 0.75, 1.0]), np.array([0.25, 0.0, 0.25, 0.25, 1e-300])
    assert exceeded(error, bound, theory_bound).tolist() == [False, False, True, True, True]


def test_the_rounding_of_a_moment_goes_with_its_labels():
    """Labels four times as large and c² sixteen times: λ_max/c² − 1 and its rounding are the same to the bit."""
    rng = np.random.default_rng(0)
    labels, weights = rng.dirichlet(np.ones(5), 30), rng.dirichlet(np.ones(30))
    found = excess_moment(labels, weights, 0.01, slice(None))
    assert excess_moment(4 * labels, weights, 0.16, slice(None)) == found
    assert 1e-16 < found[1] < 1e-11 * (1 + abs(found[0]))


def test_classes_that_are_alone_are_no_group():
    W = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1e-7], [0.0, -1.0]])
    assert collapsed_groups(W) == [[0, 2]] and collapsed_groups(W[1:]) == []


@pytest.mark.parametrize(
    "more, known",
    [
        ({}, True),
        ({"dim": 3}, True),
        ({"dim": 2}, False),
        ({"loss": "squared-error"}, False),
        ({"lambda_b": 0.1}, True),
    ],
)
def test_the_response_to_draws_is_told_where_its_theorem_holds(more, known):
    """Cross-entropy and d ≥ K − 1: each is needed; a bias may be there."""
    problem = JointProblem(finite_law(mixup(1.0), 4, 4), 0.1, 0.1, **({"dim": 4} | more))
    assert (_susceptibility(problem, 10.0) is not None) == known


@pytest.mark.parametrize(
    "cases",
    [
        PairCases(3, LAM),
        PairCases(3, LAM[1:]),
        LabelCases("soft", np.array([[0.5, 0.3, 0.2], [0.0, 0.0, 1.0]]), np.zeros(2, int)),
    ],
)
def test_the_unit_is_the_feature_of_one_class(cases):
    problem = Problem(3, multiplier=0.4, lambda_h=0.05)
    one = np.linalg.norm(predict_pairs(problem, 0, 0, 1.0).H)
    assert Comparison(problem, cases, Settings()).reference == pytest.approx(one, rel=1e-13)


def test_what_is_relative_does_not_know_the_length_of_features():
    """At one sharpness m and λ_H only say how long features are: relative bounds do not move."""
    found = []
    for m in (1e-3, 1.0, 1e3):
        problem = Problem(3, multiplier=m, lambda_h=m * m / 100)
        found.append(Comparison(problem, PairCases(3, LAM), Settings()).run(np.arange(8)))
    for batch in found:
        np.testing.assert_allclose(batch.theory_bound, found[1].theory_bound, rtol=1e-6)
        assert (batch.theory_bound > 1e-16).all() and (batch.theory_bound < 1e-12).all()


@pytest.mark.parametrize("m", [1e-4, 1e4])
def test_ball_arithmetic_holds_bounds_of_features_of_any_length(m):
    """Features of length 1e5 and of 1e-5: bounds are relative to it where they are shown, absolute in the proof."""
    problem = Problem(3, multiplier=m, lambda_h=m * m / 100)
    rows = check_features(problem, PairCases(3, LAM[:1]), Settings(rigorous=True)).rows
    assert {row.verdict.word for row in rows} == {"proved"}
    assert all(abs(np.log10(row.numeric.norm * m) - 1) < 1.5 for row in rows)


@pytest.mark.parametrize("a", [0.1, 10.0, 1e4])
def test_two_classes_of_a_sweep_know_their_gap_next_to_a_half(a):
    """D + a tanh(D/2) = a(2λ − 1) to the last digits of D, of size 1e-9 a/(1 + a/2) at λ = ½ + 1e-9."""
    shape, lam = Shape(2, "cross-entropy", "all", False), np.array([0.0, 0.5, 0.5 + 1e-9, 0.51, 0.3])
    with jax.disable_jit():
        found = _closed_form(_labels(jnp.asarray(lam), 0.0, shape), a, shape)
    for value, (x_i, x_j, _) in zip([1.0, *lam.tolist()], np.asarray(found.x).T):
        with mp.workdps(40):
            D, target = mpf(x_i) - mpf(x_j), a * (2 * mpf(value) - 1)
            step = (D + a * mp.tanh(D / 2) - target) / (1 + a / 2 * mp.sech(D / 2) ** 2)  # Newton's
            assert abs(step) <= 1e-14 * abs(D)
    assert found.x[1, 0] == 0 and found.unit == found.x[0, 0], "of one class the first alone"


@pytest.mark.parametrize("m", [0.0, 1.3])
def test_labels_of_a_batch_have_each_its_own_closed_form(m):
    problem, Y = Problem(3, multiplier=m, lambda_h=0.05), np.random.default_rng(0).dirichlet(np.ones(3), 4)
    source = Comparison(problem, LabelCases("soft", Y, np.arange(4)), Settings()).source
    known, n = predict_features(problem, Y), np.array([2, 0, 3])
    for k, side in zip(n, source.theory(n, np.ones(3))):
        np.testing.assert_allclose(side.p, known.p[k], rtol=1e-13)
        assert np.isnan(side.coef).all() if m == 0 else np.allclose(side.coef, known.coef[k], rtol=1e-12)
