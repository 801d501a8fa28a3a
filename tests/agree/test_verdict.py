"""The rule from errors and bounds to a word: every branch, and which branch wins where two apply."""

import math

import pytest

from ufm.agree.verdict import (
    AGREES,
    EXIT_CODES,
    FAILS,
    ORDER,
    OUT_OF_HYPOTHESIS,
    PROVED,
    UNDECIDED,
    exit_code,
    judge,
    worst_verdict,
)

GOOD = {"error": 1e-13, "bound": 1e-12, "theory_bound": 1e-14, "tol": 1e-6, "exceeds": False}


def word(**changes):
    return judge(**(GOOD | changes)).word


def test_a_small_error_within_small_bounds_agrees():
    found = judge(**GOOD)
    assert found.word == AGREES
    assert "1.00e-13" in found.reason and "1.00e-12" in found.reason


def test_ball_arithmetic_turns_agrees_into_proved_or_fails():
    assert word(enclosed=True) == PROVED
    assert word(enclosed=None) == AGREES
    assert word(enclosed=False) == FAILS


@pytest.mark.parametrize("error", [1.02e-12, 1.0, math.inf, math.nan])
def test_an_error_above_both_bounds_fails(error):
    assert word(error=error) == FAILS


def test_the_theory_bound_counts_towards_the_allowance():
    """bound 1e-12 + theory bound 1e-14: the sum itself is still allowed."""
    assert word(error=1.005e-12) == AGREES
    assert word(error=1.005e-12, theory_bound=0.0) == FAILS


@pytest.mark.parametrize(("error", "said"), [(1.81e-12, True), (0.5e-12, False)])
def test_a_reason_calls_no_number_within_a_smaller_one(error, said):
    """What exceeds the certified bound is within it and the rounding together, and that is what is said."""
    reason = judge(**(GOOD | {"error": error, "bound": 0.927e-12, "theory_bound": 1e-12})).reason
    assert ("plus rounding 1.00e-12" in reason) == said and f"{error:.2e} within certified bound" in reason


def test_one_feature_that_exceeds_its_own_bounds_fails_the_row():
    """The row's worst error and worst bound may belong to different features."""
    assert word(exceeds=True) == FAILS
    assert "of the row" in judge(**(GOOD | {"exceeds": True})).reason


@pytest.mark.parametrize("bound", [1.1e-6, math.inf, math.nan])
def test_a_bound_above_the_tolerance_is_never_agreement(bound):
    assert word(bound=bound) in ((FAILS,) if math.isnan(bound) else (UNDECIDED,))
    assert word(bound=bound, enclosed=True) in ((FAILS,) if math.isnan(bound) else (UNDECIDED,))


def test_the_tolerance_itself_is_allowed():
    assert word(bound=1e-6) == AGREES
    assert word(bound=math.nextafter(1e-6, 1)) == UNDECIDED
    assert word(theory_bound=1e-6) == AGREES
    assert word(theory_bound=math.nextafter(1e-6, 1)) == UNDECIDED


def test_a_loose_theory_bound_is_undecided_too():
    found = judge(**(GOOD | {"theory_bound": 1e-3}))
    assert found.word == UNDECIDED and "closed form" in found.reason


def test_a_stalled_solve_is_undecided_with_its_reason_even_at_zero_error():
    found = judge(0.0, 0.0, 0.0, 1e-6, exceeds=False, stalled="no step was taken")
    assert found == (UNDECIDED, "no step was taken")
    assert word(stalled="no step was taken", enclosed=True) == UNDECIDED


def test_a_wrong_formula_does_not_hide_behind_a_stalled_solve_or_a_loose_bound():
    assert word(error=1.0, stalled="no step was taken") == FAILS
    assert word(error=1.0, bound=0.1) == FAILS
    assert word(error=0.05, bound=0.1) == UNDECIDED


@pytest.mark.parametrize(
    "change", [{}, {"error": 1.0}, {"error": None}, {"exceeds": True}, {"theory_bound": 1.0}]
)
def test_a_violated_assumption_is_named_and_no_claim_is_judged(change):
    found = judge(**(GOOD | change), violated="not a simplex ETF")
    assert found == (OUT_OF_HYPOTHESIS, "not a simplex ETF")


@pytest.mark.parametrize("bound", [1.1e-6, 4.5, math.inf, math.nan])
@pytest.mark.parametrize("change", [{}, {"error": None}, {"enclosed": True}])
def test_an_unmet_bound_is_undecided_outside_the_hypotheses_too_and_both_are_said(bound, change):
    """Where something was solved, `out of hypothesis` (exit 0) must not hide that it is no optimum."""
    found = judge(**(GOOD | change | {"bound": bound}), violated="not a simplex ETF")
    assert found.word == UNDECIDED and exit_code(found.word) == 3
    assert "exceeds the tolerance 1e-06" in found.reason and "not a simplex ETF" in found.reason


def test_a_solve_that_took_no_step_is_undecided_outside_the_hypotheses_too():
    found = judge(**GOOD, violated="not a simplex ETF", stalled="no step was taken")
    assert found.word == UNDECIDED
    assert "no step was taken" in found.reason and "not a simplex ETF" in found.reason


def test_a_bound_that_balls_contradict_fails_even_outside_the_hypotheses():
    assert judge(**(GOOD | {"enclosed": False}), violated="not a simplex ETF").word == FAILS


def test_the_worst_of_several():
    assert worst_verdict([PROVED, AGREES]) == AGREES
    assert worst_verdict([AGREES, OUT_OF_HYPOTHESIS]) == OUT_OF_HYPOTHESIS
    assert worst_verdict([OUT_OF_HYPOTHESIS, UNDECIDED]) == UNDECIDED
    assert worst_verdict([UNDECIDED, FAILS, PROVED]) == FAILS
    assert worst_verdict(iter([PROVED])) == PROVED


def test_nothing_compared_is_not_agreement():
    assert worst_verdict([]) == UNDECIDED


def test_the_order_holds_each_word_once():
    assert sorted(ORDER) == sorted({FAILS, UNDECIDED, OUT_OF_HYPOTHESIS, AGREES, PROVED})


def test_exit_codes():
    assert {word: exit_code(word) for word in ORDER} == {
        FAILS: 1,
        UNDECIDED: 3,
        OUT_OF_HYPOTHESIS: 0,
        AGREES: 0,
        PROVED: 0,
    }
    assert 2 not in EXIT_CODES.values()  # reserved for usage errors
