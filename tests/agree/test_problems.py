"""Every route over the table of named problems: *converged* and *honest* are two tests over one solve.

Converged is what the optimiser promises; honest is what the certificate does, also for candidates that no solver
would return. The closed form and the ball arithmetic are held against the same 40 digits.
"""

from dataclasses import replace

import numpy as np
import pytest
from flint import arb, ctx
from mpmath import mp, mpf

from tests.problems import TABLE, errors, etf_logits, exact, norms, rounded, solved, tagged
from tests.shapes import certified
from ufm.agree.features import check_features
from ufm.enclose.features import enclose_etf, enclose_features
from ufm.model.cases import LabelCases
from ufm.theory.predict import predict_features

EPS = float(np.finfo(float).eps)
STEPS = (0, 1, 2, 3, 5, 9, 200)
DISTANCES = (1e-17, 1e-15, 1e-13, 1e-10, 1e-6, 1e-3, 0.1, 1.0, 30.0, 1e4, 1e12)
every = pytest.mark.parametrize("named", TABLE.values(), ids=str)


def one_gradient(problem, size):
    """What the rounding of one gradient is worth: (K + d) ε (‖W‖ + λ_H ‖h‖)/λ_H."""
    norm = np.linalg.norm(problem.W, 2)
    reach = 1 + norm * size
    return 8 * sum(problem.W.shape) * EPS * (norm * reach / problem.lambda_h + reach)


@every
def test_converged(named):
    """Newton ends within the rounding of one gradient; against an ETF, certified within 1e-8 of the largest."""
    Y = named.labels
    for problem in named.each():
        found, size = solved(named.name, problem.lambda_h), norms(problem, Y)
        slack = one_gradient(problem, size)
        assert all(error <= most for error, most in zip(errors(problem, found.H, Y), slack)), problem.lambda_h
        bound = np.asarray(certified(problem, found.H, Y).distance)
        if "given" not in named.tags:
            assert found.converged and found.steps <= 60
            assert (bound <= (1e-8 * size.max() or 1e-12)).all(), problem.lambda_h
        assert (bound <= 2.1 * np.sqrt(2 * np.log(problem.classes) / problem.lambda_h)).all()


def candidates(named, problem, dtype):
    """Truncated solves; the optimum in floats, and moved by all distances in random directions."""
    rng = np.random.default_rng(1)
    for steps in STEPS:
        yield solved(named.name, problem.lambda_h, steps, dtype).H
    best = rounded(problem, named.labels)
    for radius in DISTANCES:
        yield (best + radius * rng.normal(size=best.shape)).astype(dtype)


def assert_honest(named, dtype):
    Y = named.labels
    for problem in named.each():
        for H in candidates(named, problem, dtype):
            assert H.dtype == dtype
            for error, bound in zip(errors(problem, H, Y), np.asarray(certified(problem, H, Y).distance)):
                honest = bound == np.inf if mp.isnan(error) else error <= mpf(float(bound))
                assert honest, (problem.lambda_h, float(error), bound)


@every
def test_honest(named):
    """No bound is below the true distance, near or far, solved or not."""
    assert_honest(named, np.float64)


@pytest.mark.parametrize(
    "named",
    [n for n in tagged("cross-entropy") if not n.name.startswith(("wide", "multiplier"))],
    ids=str,
)
def test_honest_in_single_precision(named):
    """Judged as the candidate that float32 holds, against the problem in doubles; on the harder loss."""
    assert_honest(named, np.float32)


@pytest.mark.parametrize("named", tagged("etf"), ids=str)
def test_the_closed_form_is_within_its_rounding(named):
    for problem in (*named.each(), *(replace(named.problem, lambda_h=value) for value in (1e-10, 1e3))):
        found, size = predict_features(problem, named.labels), norms(problem, named.labels)
        for error, bound in zip(errors(problem, found.H, named.labels), found.rounding):
            assert error <= bound, problem.lambda_h
        if "given" not in named.tags:
            assert (found.rounding <= 20 * problem.classes * 1e-13 * size.max()).all(), problem.lambda_h


@pytest.mark.parametrize("named", [n for n in TABLE.values() if "etf" not in n.tags], ids=str)
def test_the_closed_form_is_refused_where_it_does_not_apply(named):
    with pytest.raises(ValueError, match=r"not a simplex ETF|no simplex ETF of"):
        predict_features(named.problem, named.labels)


def meets(ball, value, slack) -> bool:
    """The ball and the oracle's value, the latter widened by its own error."""
    return ball.overlaps(arb(mp.nstr(value, 75)) + arb(0, arb(mp.nstr(slack, 5))))


@every
def test_balls_hold_the_answer(named):
    """And are as small as asked."""
    for problem in named.each():
        for y in named.labels[1:4]:
            given = (problem.loss,)
            if problem.classifier is None:
                found = enclose_etf(y, problem.multiplier, problem.lambda_h, *given)
                balls, answer = found.logits, etf_logits(problem, y)
            else:
                found = enclose_features(y, problem.classifier, problem.lambda_h, *given)
                balls, answer = found.feature, exact(problem, y)
            with ctx.workprec(400), mp.workdps(80):
                slack = mpf(10) ** -38 * max(map(abs, answer))
                assert all(meets(ball, value, slack) for ball, value in zip(balls, answer, strict=True))
            assert found.radius <= 1e-30 * found.norm()[0], problem.lambda_h


@pytest.mark.parametrize("name", ["four classes", "multiplier zero", "an ETF in any position", "random 4x3"])
@pytest.mark.parametrize("loss", ["cross-entropy", "squared-error"])
def test_the_routes_agree(name, loss):
    """The verdict that a user reads: `agrees` where the closed form holds, else `out of hypothesis`."""
    named = TABLE[f"{name}, {loss}"]
    cases = LabelCases("labels", named.labels, np.arange(len(named.labels)))
    for problem in named.each():
        report = check_features(problem, cases)
        word = "agrees" if "etf" in named.tags else "out of hypothesis"
        assert {row.verdict.word for row in report.rows} == {word}, problem.lambda_h
