"""Numerical optimum against closed form: they agree where they should, and every planted error is found.

A planted error must come out `fails` (or leave the closed form's hypotheses) and never `agrees`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ufm.agree.kernel as kernel
import ufm.optimize.features as solver
import ufm.theory.features as closed_form
from tests.agree.spoilt import misinform, spoil_optima
from tests.shapes import ROWS, calls, optimum
from ufm.agree import features as agreement
from ufm.agree.features import Settings, check_features
from ufm.agree.stream import sources
from ufm.agree.stream.placed import Placed, dense
from ufm.model import cases
from ufm.model.cases import LabelCases, PairCases, choose_cases
from ufm.model.etf import simplex_etf
from ufm.model.laws import kway, mixup, smooth, soft
from ufm.model.problem import Problem
from ufm.optimize.features import METHODS, solve_features
from ufm.rules.soft_labels import normalise
from ufm.theory.predict import predict_pairs

RNG = np.random.default_rng(8)
EPS = float(np.finfo(float).eps)
LAM = np.array([0.0, 1e-9, 0.1, 0.3, 0.5, 0.9, 1.0])
INNER = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 0.9])  # as many: what is compiled for one serves the other
losses = pytest.mark.parametrize("loss", ["cross-entropy", "squared-error"])


class FewPairs(PairCases):
    """Eight same-class and eight different-class pairs of many classes, instead of all K²."""

    @property
    def per_lam(self):
        return 16

    def _pair(self, pair):
        i = (37 * pair) % self.classes
        return i, np.where(pair < 8, i, (i + 1 + 11 * pair) % self.classes)


def pair_cases(K, lam=LAM):
    return (FewPairs if K > 20 else PairCases)(K, lam)


def label_cases(Y):
    return LabelCases("labels", Y, np.arange(len(Y)))


def words(report):
    return {row.verdict.word for row in report.rows}


# --- agreement --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("K", [2, 3, 10, 100])
def test_the_grid_of_the_issue(K, m):
    """Worst error ≤ 1e-11, worst bound ≤ 1e-8, and every row agrees; λ_H from 1e-6 to 1."""
    for lambda_h in np.geomspace(1e-6, 1, 7):
        report = check_features(Problem(K, multiplier=m, lambda_h=float(lambda_h)), pair_cases(K))
        assert words(report) == {"agrees"}, lambda_h
        assert report.worst_error <= 1e-11 and report.worst_bound <= 1e-8
        assert report.worst_error <= report.worst_bound + max(row.theory_bound for row in report.rows)
        assert len(report.rows) == 14 and report.count == pair_cases(K).count


@losses
@pytest.mark.slow
def test_all_pairs_of_a_hundred_classes(loss):
    report = check_features(Problem(100, multiplier=1.67, lambda_h=5e-4, loss=loss), PairCases(100, LAM))
    assert words(report) == {"agrees"} and report.worst_error <= 1e-11 and report.count == 70_000


@losses
@given(
    seed=st.integers(0, 10**6),
    log_m=st.floats(-3, 1.5),
    log_lambda=st.floats(-6, 2),
    concentration=st.sampled_from([0.02, 0.5, 50.0]),
)
@settings(deadline=None, max_examples=10)
def test_numeric_is_analytic_for_any_soft_label(loss, seed, log_m, log_lambda, concentration):
    Y = normalise(np.random.default_rng(seed).dirichlet(np.full(4, concentration), ROWS))
    problem = Problem(4, multiplier=10**log_m, lambda_h=10**log_lambda, loss=loss, law=soft(Y))
    report = check_features(problem, label_cases(Y))
    assert words(report) == {"agrees"}, [row.verdict for row in report.rows]
    assert report.worst_error <= 1e-11


@losses
@pytest.mark.parametrize("K", [2, 3, 6])
@given(
    lam=st.lists(st.floats(0, 1) | st.floats(-18, 0).map(lambda v: 10.0**v), min_size=7, max_size=7),
    log_m=st.floats(-3, 1.5),
    log_lambda=st.floats(-6, 2),
)
@settings(deadline=None, max_examples=10)
def test_numeric_is_analytic_for_any_pair(K, loss, lam, log_m, log_lambda):
    problem = Problem(K, multiplier=10**log_m, lambda_h=10**log_lambda, loss=loss)
    report = check_features(problem, PairCases(K, np.array(lam)))
    assert words(report) == {"agrees"}, [row.verdict for row in report.rows]
    assert report.worst_error <= 1e-11


@pytest.mark.parametrize(
    "law", [kway(0.7, 3), mixup(1.0, smoothing=0.1), smooth(0.2)], ids=lambda law: law.name
)
def test_other_laws(law):
    report = check_features(
        Problem(4, multiplier=1.5, lambda_h=1e-3, law=law),
        choose_cases(law, 4, samples=None if law.name == "smoothing" else ROWS),
    )
    assert words(report) == {"agrees"} and report.worst_error <= 1e-11
    assert all(row.classes is None and row.lam is None and len(row.numeric.coef) == 4 for row in report.rows)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_agrees(method):
    report = check_features(Problem(3, multiplier=1.2, lambda_h=0.02), PairCases(3, LAM), Settings(method))
    assert words(report) == {"agrees"}


@losses
def test_single_precision_agrees_at_its_own_tolerance(loss):
    problem = Problem(4, multiplier=1.2, lambda_h=0.02, loss=loss)
    report = check_features(problem, PairCases(4, LAM), Settings(dtype=np.float32, tol=1e-2))
    assert words(report) == {"agrees"} and report.worst_bound > 1e-9


def test_an_etf_given_as_an_array_in_any_position_agrees():
    Q = np.linalg.qr(RNG.normal(size=(4, 4)))[0]
    problem = Problem(4, classifier=simplex_etf(4, 4, 1.5) @ Q, lambda_h=1e-3)
    assert words(check_features(problem, PairCases(4, LAM))) == {"agrees"}


def test_ball_arithmetic_proves():
    problem = Problem(4, multiplier=1.67, lambda_h=5e-4)
    report = check_features(problem, PairCases(4, LAM), Settings(rigorous=True))
    assert words(report) == {"proved"} and report.verdict == "proved"


@pytest.mark.parametrize("K, d, lam", [(3, 5, 0.3), (2, 4, 0.5)])
def test_ball_arithmetic_confirms_the_rounding_of_a_given_etf_under_squared_error(K, d, lam):
    """Σ_k w_k is 1e-15 and λ_H 1e-8: the optimum is 1e-8 off the closed form, and its bound says so."""
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(d, d)))[0]
    W = simplex_etf(K, d, 1.3) @ Q + 1e-15
    problem = Problem(K, classifier=W, lambda_h=1e-8, loss="squared-error")
    report = check_features(problem, PairCases(K, np.array([lam])), Settings(rigorous=True, tol=1e-3))
    assert words(report) == {"proved"}


def understate(share, stream, monkeypatch):
    """The same candidates with a share of their bounds."""
    right = stream.run

    def run(*given, **more):
        found, steps = right(*given, **more)
        bound = found.certificate
        return found._replace(certificate=bound._replace(distance=share * bound.distance)), steps

    monkeypatch.setattr(stream, "run", run)


@pytest.mark.parametrize("claim, word", [(1.0, "out of hypothesis"), (0.0, "fails")])
def test_ball_arithmetic_judges_the_bound_also_where_no_closed_form_applies(claim, word, monkeypatch):
    """The numerical feature alone is enclosed: its bound is confirmed, or contradicted where it understates."""
    understate(claim, kernel.RowsStream, monkeypatch)
    problem = Problem(4, classifier=np.random.default_rng(0).normal(size=(4, 4)), lambda_h=0.01)
    report = check_features(problem, PairCases(4, LAM), Settings(rigorous=True))
    assert words(report) == {word}
    assert all(row.error is None and row.theory is None for row in report.rows)


# --- planted errors ---------------------------------------------------------------------------------------


def assert_caught(report, rows=lambda row: True):
    """No row that the error touches agrees: all fail, and so does the summary."""
    touched = [row for row in report.rows if rows(row)]
    assert touched and {row.verdict.word for row in touched} == {"fails"}
    assert report.verdict == "fails"


def is_mixed(row):
    return row.kind == "different" and 0 < row.lam < 1


def problems():
    yield Problem(2, multiplier=1.3, lambda_h=1e-2), PairCases(2, LAM)
    yield Problem(3, multiplier=1.67, lambda_h=1e-6), PairCases(3, LAM)
    yield Problem(10, multiplier=0.5, lambda_h=1.0), PairCases(10, LAM)


def recompile(monkeypatch):
    """Programs traced anew from the patched formulas, instead of the cached ones."""

    def patterns(values, counts, a, loss):
        return closed_form.label_optimum(values, counts, a, loss)

    def dense(a, labels, *, loss):
        best = closed_form.label_optimum(labels.T, jnp.ones_like(labels.T), a, loss)
        return best.x.T, best.p.T

    def pairs(same, lam, a, classes, loss):
        return sources.two_hot_or_same(same, lam, a, classes, loss)

    monkeypatch.setattr(closed_form, "_label_optimum", jax.jit(patterns, static_argnames="loss"))
    monkeypatch.setattr(sources, "_dense", dense)
    monkeypatch.setattr(sources, "_pairs", jax.jit(pairs, static_argnames=("classes", "loss")))


def bisect(low, high, is_below):
    """Eighty halvings of [low, high], towards where `is_below` turns false."""

    def halve(_, ends):
        low, high = ends
        middle = (low + high) / 2
        below = is_below(middle)
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    return sum(jax.lax.fori_loop(0, 80, halve, (low, high))) / 2


def wrong_root(equation):
    """`excess_logit` of another increasing equation, on [0, b + o + 1]."""
    return lambda o, b: bisect(jnp.zeros_like(b + o), b + o + 1.0, lambda x: equation(x, o) < b)


def wrong_reference(b, counts):
    """The root o of Σ x = (K − 1) o instead of K o, x right."""
    K, a = jnp.sum(counts, -1), jnp.sum(counts * b, -1)

    def is_below(log_o):
        o = jnp.exp(log_o)
        return jnp.sum(counts * closed_form.excess_logit(o[..., None], b), -1) > (K - 1.0) * o

    return jnp.exp(bisect(jnp.full_like(a, -60.0), jnp.log(a) + 1.0, is_below))


MUTATIONS = {
    "constant: e^x for e^x − 1": ("excess_logit", wrong_root(lambda x, o: x + o * jnp.exp(x))),
    "constant: 2x for x": ("excess_logit", wrong_root(lambda x, o: 2 * x + o * jnp.expm1(x))),
    "sign: 1 − e^−x for e^x − 1": ("excess_logit", wrong_root(lambda x, o: x - o * jnp.expm1(-x))),
    "constant: K − 1 for K": ("reference_mass", wrong_reference),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_wrong_formula_fails(name, monkeypatch):
    monkeypatch.setattr(closed_form, *MUTATIONS[name])
    recompile(monkeypatch)
    for problem, pairs in problems():
        if name == "constant: K − 1 for K" and problem.classes == 2:
            continue  # K − 1 = 1 leaves Σ x = o without a root
        assert_caught(
            check_features(problem, pairs), is_mixed_off_centre if problem.classes == 2 else is_mixed
        )
    Y = normalise(RNG.dirichlet(np.ones(4), 5))
    problem = Problem(4, multiplier=1.5, lambda_h=1e-3, law=soft(Y))
    assert_caught(check_features(problem, label_cases(Y)))


def is_mixed_off_centre(row):
    """At λ = ½ two classes have the zero optimum, whatever the constants."""
    return is_mixed(row) and row.lam != 0.5


def distort(monkeypatch, change):
    """Change the logits (x_i, x_j) of every pair after the closed form is evaluated."""
    table = sources._pair_table

    def distorted(problem, lam):
        x_i, x_j, *p = table(problem, lam)
        return *change(np.asarray(x_i), np.asarray(x_j)), *p

    monkeypatch.setattr(sources, "_pair_table", distorted)


DISTORTIONS = {
    "sign of x_j": lambda x_i, x_j: (x_i, -x_j),
    "sign of both": lambda x_i, x_j: (-x_i, -x_j),
    "a factor 1 + 1e-9": lambda x_i, x_j: ((1 + 1e-9) * x_i, (1 + 1e-9) * x_j),
    "classes exchanged": lambda x_i, x_j: (x_j, x_i),
    "an offset of x_i": lambda x_i, x_j: (x_i + 1e-8 * np.max(x_i), x_j),
    "not a number": lambda x_i, x_j: (x_i * np.nan, x_j),
}


@pytest.mark.parametrize("name", DISTORTIONS)
def test_a_distorted_answer_fails(name, monkeypatch):
    distort(monkeypatch, DISTORTIONS[name])
    for problem, pairs in problems():
        report = check_features(problem, pairs)
        assert_caught(report, is_mixed_off_centre)
        if name == "not a number":
            assert report.worst_error == np.inf


@pytest.mark.parametrize("factor", [10.0, 1 / 10, 2.0, 0.5, 10 / 9, 1 + 1e-8])
def test_wrong_normalisation_of_lambda_h_in_the_theory_fails(factor, monkeypatch):
    """λ_H/K, K λ_H, λ_H/2, 2λ_H, λ_H (K−1)/K: the slips that conventions invite, and one of 1e-8."""
    right = Problem.sharpness.func
    monkeypatch.setattr(Problem, "sharpness", property(lambda self: factor * right(self)))
    for problem, pairs in problems():
        assert_caught(check_features(problem, pairs), is_mixed_off_centre)
    Y = normalise(RNG.dirichlet(np.ones(4), 5))
    assert_caught(check_features(Problem(4, multiplier=1.5, lambda_h=1e-3, law=soft(Y)), label_cases(Y)))


@pytest.mark.parametrize("factor", [10.0, 0.5, 1 + 1e-8])
def test_wrong_normalisation_of_lambda_h_in_the_optimiser_is_never_agreement(factor, monkeypatch):
    """The certificate speaks of the problem as stated, so the answer is far from certified."""
    misinform(lambda coordinates, lambda_h: (coordinates, factor * lambda_h), monkeypatch)
    for problem, pairs in problems():
        report = check_features(problem, pairs, Settings(tol=1e-11))
        assert {row.verdict.word for row in report.rows if is_mixed_off_centre(row)} <= {"fails", "undecided"}
        assert report.verdict in ("fails", "undecided")


def test_labels_mixed_the_wrong_way_in_one_route_fail(monkeypatch):
    right = cases.PairCases.take

    def swapped(self, n):
        chunk = right(self, n)
        return chunk._replace(lam=chunk.colam, colam=chunk.lam)

    monkeypatch.setattr(cases.PairCases, "take", swapped)
    for problem, pairs in problems():
        report = check_features(problem, pairs)
        assert_caught(report, lambda row: row.kind == "different" and row.lam != 0.5)
        assert {row.verdict.word for row in report.rows if row.kind == "same"} == {"agrees"}


@pytest.mark.parametrize("row", [0, 3])
@pytest.mark.parametrize("size", [1e-6, 1e-9, 3e-12])
def test_one_perturbed_row_of_the_classifier_leaves_the_hypotheses(row, size):
    W = simplex_etf(4, 4, 1.67)
    W[row] *= 1 + size
    problem = Problem(4, classifier=W, lambda_h=1e-3)
    report = check_features(problem, PairCases(4, LAM))
    assert report.verdict == "out of hypothesis" and words(report) == {"out of hypothesis"}
    assert all("not a simplex ETF" in row.verdict.reason for row in report.rows)
    assert all(row.error is None and row.theory is None for row in report.rows) and report.worst_error is None
    assert report.worst_bound <= 1e-8, "the numerical optimum keeps its certificate"


def test_a_perturbed_row_that_is_taken_for_an_etf_fails(monkeypatch):
    """Were 1e-6 overlooked, its own bound must not cover it: the error would show."""
    W = simplex_etf(4, 4, 1.67)
    W[1] *= 1 + 1e-6
    problem = Problem(4, classifier=W, lambda_h=1e-3)
    monkeypatch.setattr(Problem, "is_etf", True)
    monkeypatch.setattr(Problem, "etf_distance", 0.0)
    assert_caught(check_features(problem, PairCases(4, LAM)), is_mixed)


def test_a_wrong_classifier_in_the_optimiser_is_never_agreement(monkeypatch):
    """The optimiser sees a gain off by 1e-6, the certificate does not."""

    def change(coordinates, lambda_h):
        return coordinates._replace(scale=coordinates.scale * (1 + 1e-6)), lambda_h

    misinform(change, monkeypatch)
    report = check_features(
        Problem(4, multiplier=1.67, lambda_h=1e-3), PairCases(4, LAM), Settings(tol=1e-11)
    )
    assert {row.verdict.word for row in report.rows if is_mixed(row)} <= {"fails", "undecided"}


def test_ball_arithmetic_does_not_prove_a_distorted_answer(monkeypatch):
    distort(monkeypatch, DISTORTIONS["a factor 1 + 1e-9"])
    problem = Problem(4, multiplier=1.67, lambda_h=5e-4)
    assert_caught(check_features(problem, PairCases(4, LAM), Settings(rigorous=True)), is_mixed)


@pytest.mark.parametrize("dishonest", [0.0, 1e-3])
def test_ball_arithmetic_contradicts_bounds_that_understate(dishonest, monkeypatch):
    """Bounds scaled down until they are wrong: float arithmetic alone may not notice, balls do."""
    understate(dishonest, kernel.EtfStream, monkeypatch)
    report = check_features(
        Problem(4, multiplier=1.67, lambda_h=5e-4), PairCases(4, LAM), Settings(rigorous=True)
    )
    assert "fails" in words(report)


# --- truncation, zero optima ------------------------------------------------------------------------------


@losses
@pytest.mark.parametrize("method", METHODS)
def test_no_step_never_agrees(method, loss):
    problem = Problem(3, multiplier=1.67, lambda_h=1e-3, loss=loss)
    report = check_features(problem, PairCases(3, LAM), Settings(method, max_steps=0))
    assert words(report) <= {"undecided", "fails"} and report.verdict == "undecided" and report.steps == 0


@losses
@pytest.mark.parametrize("rigorous", [False, True])
def test_no_step_never_agrees_even_where_zero_is_the_optimum(loss, rigorous):
    problem = Problem(3, multiplier=0.0, lambda_h=1e-3, loss=loss)
    report = check_features(problem, PairCases(3, LAM), Settings(max_steps=0, rigorous=rigorous))
    assert words(report) == {"undecided"}
    uniform = check_features(
        Problem(4, multiplier=1.0, lambda_h=1e-3),
        label_cases(np.full((ROWS, 4), 0.25)),
        Settings(max_steps=0),
    )
    assert words(uniform) == {"undecided"}


@losses
@pytest.mark.parametrize("given", [{"multiplier": 0.0}, {"classifier": np.zeros((3, 2))}], ids=["etf", "any"])
def test_the_zero_optimum_agrees_absolutely(given, loss):
    """W = 0: errors and bounds are absolute, since there is no length to divide by."""
    report = check_features(Problem(3, lambda_h=1e-3, loss=loss, **given), PairCases(3, LAM))
    if "multiplier" in given:
        assert words(report) == {"agrees"} and report.worst_error == 0
    assert report.worst_bound <= 1e-12 and all(row.numeric.norm == 0 for row in report.rows)


def test_any_label_against_the_zero_classifier_is_uniform():
    report = check_features(Problem(3, multiplier=0.0), label_cases(np.array([[0.2, 0.3, 0.5]])))
    assert words(report) == {"agrees"} and report.worst_error == 0
    np.testing.assert_allclose(report.rows[0].theory.p, 1 / 3, rtol=1e-15)


def test_ball_arithmetic_finds_the_same_errors_in_the_same_unit():
    """Features of length 10 and more, two steps from where they begin; the tolerance is the one that is told."""
    problem, cases = Problem(3, multiplier=0.1, lambda_h=1e-5), PairCases(3, np.array([0.3]))
    plain, exact = (check_features(problem, cases, Settings(max_steps=2, rigorous=r)) for r in (False, True))
    for one, other in zip(plain.rows, exact.rows):
        assert one.numeric.norm > 5 and one.error > 1e-6
        assert other.error == pytest.approx(one.error, rel=1e-9)
        assert "exceeds the tolerance 1e-06" in one.verdict.reason


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_truncated_solves_are_undecided_and_honest(steps):
    """No false alarm either: the error stays within the certified bound."""
    problem = Problem(3, multiplier=1.67, lambda_h=1e-6)
    report = check_features(problem, PairCases(3, LAM), Settings(max_steps=steps))
    assert "fails" not in words(report) and report.verdict == "undecided"
    assert all(row.error <= row.bound + row.theory_bound for row in report.rows)


# --- rows: units, worst features, conventions -------------------------------------------------------------


@pytest.mark.parametrize("K", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_errors_are_relative_to_the_larger_of_feature_and_same_class_feature(K):
    """Recomputed for a truncated solve, all pairs, from `solve_features` and `predict_pairs`."""
    m, lambda_h, lam = 1.67, 0.05, INNER
    problem = Problem(K, multiplier=m, lambda_h=lambda_h)
    report = check_features(problem, PairCases(K, lam), Settings(max_steps=2))
    i, j = (part.ravel() for part in np.indices((K, K)))
    reference = np.linalg.norm(predict_pairs(problem, 0, 0, 1.0).H)
    for row in report.rows:
        here = (i == j) if row.kind == "same" else (i != j)
        Y = np.zeros((here.sum(), K))
        n = np.arange(len(Y))
        Y[n, j[here]] = 1 - row.lam
        Y[n, i[here]] = 1.0 if row.kind == "same" else row.lam
        H = np.concatenate([solve_features(problem, part, max_steps=2).H for (part,) in calls(Y)])[: len(Y)]
        theory = predict_pairs(problem, i[here], j[here], row.lam).H
        errors = np.linalg.norm(H - theory, axis=1)
        units = np.maximum(np.linalg.norm(theory, axis=1), reference)
        assert row.error == pytest.approx((errors / units).max(), rel=1e-9)
        assert row.error > 1e-9, "truncated on purpose"


def test_the_same_class_norm_of_any_classifier_is_the_largest_numerical_one():
    W = RNG.normal(size=(4, 4))
    problem = Problem(4, classifier=W, lambda_h=0.01)
    comparison = agreement.Comparison(problem, PairCases(4, LAM), Settings())
    longest = np.linalg.norm(optimum(problem, np.eye(4)).H, axis=1).max()
    assert comparison.reference == pytest.approx(longest, rel=1e-10)


@pytest.mark.parametrize("order", [1, -1])
def test_the_same_class_norm_is_found_in_batches(order, monkeypatch):
    """Forty classes in batches of 16, the last one padded: the longest feature may lie in any of them."""
    W = np.random.default_rng(0).normal(size=(40, 3))[::order]
    problem, pairs = Problem(40, classifier=W, lambda_h=0.1), PairCases(40, np.array([0.3]))
    whole = agreement.Comparison(problem, pairs, Settings())
    right, widths = kernel.RowsStream.run, []

    def run(self, Y, *rest, **more):
        widths.append(Y.shape[1])
        return right(self, Y, *rest, **more)

    monkeypatch.setattr(kernel.RowsStream, "run", run)
    monkeypatch.setattr(agreement, "chunk_size", lambda problem: 16)
    assert agreement.Comparison(problem, pairs, Settings()).reference == pytest.approx(
        whole.reference, rel=1e-12
    )
    assert widths == [16, 16, 16]


@pytest.mark.parametrize("width", [16, 1024])
def test_the_worst_pair_is_reported(width, monkeypatch):
    """One pair of one λ is spoilt: its row names it, also when later batches hold better pairs of that λ."""
    monkeypatch.setattr(agreement, "chunk_size", lambda r: width)
    spoil_optima(lambda Y: (Y[2] == 0.3) & (Y[1] == 0.7), monkeypatch)
    report = check_features(Problem(5, multiplier=1.5, lambda_h=1e-2), PairCases(5, np.array([0.3, 0.6])))
    by = {(row.kind, row.lam): row for row in report.rows}
    assert by["different", 0.3].classes == (2, 1)
    assert by["different", 0.3].error > 1e-4
    assert by["different", 0.3].verdict.word == "undecided"  # its certificate knows
    assert {row.verdict.word for key, row in by.items() if key != ("different", 0.3)} == {"agrees"}


def test_batches_do_not_change_the_rows(monkeypatch):
    """Streams of 16 features and of all of them give the same rows, and progress counts to the end."""
    problem, pairs = Problem(4, multiplier=1.67, lambda_h=1e-3), PairCases(4, LAM)
    whole = check_features(problem, pairs)
    monkeypatch.setattr(agreement, "chunk_size", lambda r: 16)
    seen = []
    parts = check_features(problem, pairs, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (pairs.count, pairs.count) and len(seen) == 7
    for one, other in zip(whole.rows, parts.rows):
        assert (one.kind, one.lam, one.verdict.word) == (other.kind, other.lam, other.verdict.word)
        np.testing.assert_allclose(one.numeric.coef, other.numeric.coef, rtol=1e-11, atol=1e-11)
        assert one.bound == pytest.approx(other.bound, rel=0.5)


@pytest.mark.parametrize("spoilt", [False, True])
def test_tiles_do_not_change_the_rows(spoilt, monkeypatch):
    """A batch of 64 in tiles of 8, from pairs to bounds; one spoilt feature is found in its tile."""
    if spoilt:
        spoil_optima(lambda Y: (Y[2] == 0.3) & (Y[1] == 0.7), monkeypatch)
    problem, pairs = Problem(4, multiplier=1.67, lambda_h=1e-3), PairCases(4, LAM)
    whole = check_features(problem, pairs)
    monkeypatch.setattr(solver, "TILE", 8)
    monkeypatch.setattr(solver, "TILE_ENTRIES", 1)
    monkeypatch.setattr(agreement, "chunk_size", lambda r: 64)
    tiles, kept = [], {}
    right = kernel.by_tiles
    monkeypatch.setattr(
        kernel, "by_tiles", lambda *a, tile=0, **more: tiles.append(tile) or right(*a, tile=tile, **more)
    )
    parts = check_features(problem, pairs, keep=lambda n, H: kept.update(zip(n.tolist(), H)))
    assert set(tiles) == {8}
    for one, other in zip(whole.rows, parts.rows):
        assert (one.kind, one.lam, one.classes) == (other.kind, other.lam, other.classes) or one.error < 1e-14
        assert one.verdict.word == other.verdict.word
        assert one.bound == pytest.approx(other.bound, rel=0.5) and abs(one.error - other.error) < 1e-14
    assert (max(row.error for row in parts.rows) > 1e-4) == spoilt
    exact = predict_pairs(
        problem, *pairs.take(np.arange(pairs.count))[:2], pairs.take(np.arange(pairs.count)).lam
    ).H
    off = [np.linalg.norm(kept[n] - exact[n]) for n in range(pairs.count)]
    assert sorted(off)[-2] < 1e-12 and (off[-1] > 1e-4 or max(off) < 1e-12 or spoilt)


def test_what_is_placed_is_the_label():
    """λ in row i and 1 − λ in row j; where i = j the first alone. An array stays what it is."""
    pairs = PairCases(3, np.array([0.25]))
    c = pairs.take(np.arange(pairs.count))
    Y = np.asarray(dense(Placed(np.where(c.i == c.j, 1.0, c.lam), c.colam, c.i, c.j), 3)).T
    by_hand = [[1.0, 0, 0], [0.25, 0.75, 0], [0.25, 0, 0.75]]
    np.testing.assert_array_equal(Y[:3], by_hand)
    assert (Y.sum(1) == 1).all() and dense(Y, 3) is Y


def test_shown_numbers_are_those_of_the_feature():
    """coef, p and norm of both sides against `predict_pairs`; same-class rows have no second class."""
    problem = Problem(4, multiplier=1.67, lambda_h=1e-2)
    report = check_features(problem, PairCases(4, INNER))
    for row in report.rows:
        i, j = row.classes
        found = predict_pairs(problem, i, j, row.lam)
        coef = found.coef[0] - found.coef[0][next(k for k in range(4) if k not in (i, j))]
        for side in (row.theory, row.numeric):
            assert side.norm == pytest.approx(np.linalg.norm(found.H[0]), rel=1e-10)
            assert side.coef[0] == pytest.approx(coef[i], rel=1e-10)
            assert side.p[0] == pytest.approx(found.p[0, i], rel=1e-9)
            if i == j:
                assert side.coef[1] == 0 and np.isnan(side.p[1])
            else:
                assert side.coef[1] == pytest.approx(coef[j], rel=1e-10)
                assert side.p[1] == pytest.approx(found.p[0, j], rel=1e-9)
        assert (i == j) == (row.kind == "same")


def test_two_classes_have_one_coefficient():
    """h = coef_i w_i: only coef_i − coef_j means anything."""
    problem = Problem(2, multiplier=1.67, lambda_h=1e-2)
    for row in check_features(problem, PairCases(2, INNER)).rows:
        i, j = row.classes
        h = predict_pairs(problem, i, j, row.lam).H[0]
        for side in (row.theory, row.numeric):
            assert side.coef[1] == 0
            if i != j:
                np.testing.assert_allclose(side.coef[0] * problem.W[i], h, atol=1e-12)
                assert np.isnan(side.p[2])


def test_settings_have_defaults_by_method():
    assert Settings().steps == METHODS["newton"] and Settings("gd").steps == METHODS["gd"]
    assert Settings(max_steps=0).steps == 0
