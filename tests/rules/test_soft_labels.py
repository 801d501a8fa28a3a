"""One rule for soft labels: the rounding of the type they were made in, and no more, wherever they come from."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.special import softmax

from tests.optimize.test_gram import padded
from ufm import certify_features, certify_joint, enclose_etf, soft, solve, solve_features, solve_joint
from ufm.enclose.joint import enclose_joint
from ufm.model.atoms import FiniteLaw, JointProblem, Point
from ufm.model.problem import Problem
from ufm.network.measures.calibration import calibrate
from ufm.network.read.activations import from_arrays
from ufm.rules.errors import InputError
from ufm.rules.numbers import SUM
from ufm.rules.soft_labels import CAST, allowed, complete, normalise, repair, rounding, said

RNG = np.random.default_rng(0)
PROBLEM = Problem(3, multiplier=1.0, lambda_h=0.1)
W, H = RNG.normal(size=(3, 3)), RNG.normal(size=(8, 3))
SHARES = np.full(8, 1 / 8)
EPS = np.finfo(float).eps


def made(dtype, K=3, count=8, spread=3.0):
    """A softmax computed in this type throughout, its sum by pairs."""
    z = (spread * RNG.normal(size=(count, K))).astype(dtype)
    e = np.exp(z - z.max(1, keepdims=True))
    return (e / e.sum(1, keepdims=True, dtype=dtype)).astype(dtype)


def before(Y):
    """What exact labels became before there was a rule for others."""
    Y = np.array(Y, float)
    rows, top = np.arange(len(Y)), Y.argmax(1)
    Y[rows, top] = 0.0
    Y[rows, top] = np.maximum(1.0 - Y.sum(1), 0.0)
    return Y


@pytest.mark.parametrize("spread", [0.1, 3.0, 10.0])
@pytest.mark.parametrize("K", [2, 10, 1000])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_softmax_misses_one_by_no_more_than_the_stated_rounding(dtype, K, spread):
    """The sum taken exactly, by fractions."""
    Y = made(dtype, K, 2000 if K < 1000 else 300, spread)
    off = max(abs(float(sum(map(Fraction, row.astype(float).tolist())) - 1)) for row in Y[:100])
    assert off <= rounding(dtype, K)
    assert np.abs(Y.sum(1, dtype=float) - 1).max() <= allowed(dtype, K)


def test_the_rounding_is_met_within_a_factor():
    Y = made(np.float16, 1000, 300)
    assert np.abs(Y.sum(1, dtype=float) - 1).max() >= 0.05 * rounding(np.float16, 1000)


def test_a_hundred_thousand_rows_of_a_thousand_classes_are_read():
    """Three of them were refused, the type's own rounding being taken for a bound of the sum."""
    parts = [made(np.float32, 1000, 2000) for _ in range(10)]
    for cast in (np.float32, np.float64):
        for part in parts:
            found, off = repair(part.astype(cast))
            assert off < CAST and np.abs(found.sum(1) - 1).max() <= 4 * EPS


LOOSE = {
    "float16": made(np.float16),
    "float32": made(np.float32),
    "float32, cast": made(np.float32).astype(float),
    "five decimals": np.array([[0.33333, 0.33333, 0.33333]] * 8),
    "a negative rounding": np.array([[1 + 1e-7, -1e-7, 0.0]] * 8),
}


def chunked(Y):
    return next(from_arrays(H=H, W=W, Y=Y).chunks()).labels.dense()


@pytest.mark.parametrize("name", LOOSE)
@pytest.mark.filterwarnings("ignore:labels sum to one")
def test_every_door_takes_them_and_makes_the_same_of_them(name):
    Y = LOOSE[name]
    exact = normalise(Y)
    assert np.abs(exact.sum(1) - 1).max() <= 2 * EPS and exact.min() >= 0
    assert np.abs(exact - Y).max() <= allowed(Y.dtype, 3)
    assert np.array_equal(soft(Y).labels, exact) and np.array_equal(chunked(Y), exact)
    found = [solve_features(PROBLEM, part).H for part in (Y, exact)]
    assert np.array_equal(*found)
    assert np.array_equal(*(certify_features(PROBLEM, found[0], part).distance for part in (Y, exact)))
    joint = [
        certify_joint(JointProblem(FiniteLaw(part, SHARES), 0.1, 0.1), Point(W, H)) for part in (Y, exact)
    ]
    assert abs(joint[0].gap - joint[1].gap) <= 1e-14
    gaps = [enclose_joint(W, H, part, SHARES, 0.1, 0.1).gap for part in (Y, exact)]
    assert np.allclose(*gaps, rtol=0, atol=1e-14)
    balls = [enclose_etf(part[0], 1.0, 0.1).norm() for part in (Y, exact)]
    assert np.allclose(*balls, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", ["float16", "float32"])
@pytest.mark.filterwarnings("ignore:labels sum to one")
def test_the_joint_optimum_of_loose_labels_is_that_of_the_normalised_ones(name):
    found = [
        solve_joint(JointProblem(padded(FiniteLaw(part, SHARES)), 0.1, 0.1))
        for part in (LOOSE[name], normalise(LOOSE[name]))
    ]
    assert found[0].objective == pytest.approx(found[1].objective, rel=1e-14)


@pytest.mark.parametrize("name", LOOSE)
def test_it_is_said_in_one_line(name):
    with pytest.warns(UserWarning, match=r"labels sum to one within [\de.-]+: normalised"):
        normalise(LOOSE[name])
    assert from_arrays(H=H, W=W, Y=LOOSE[name]).notes == (said(repair(LOOSE[name])[1]),)


EXACT_ROWS = {
    "drawn": RNG.dirichlet(np.full(5, 0.3), 200),
    "one-hot": np.eye(4, dtype=int),
    "two-hot": np.array([[0.1, 0.9], [0.3, 0.7], [1e-9, 1 - 1e-9], [1 / 3, 2 / 3]]),
    "even": np.full((2, 7), 1 / 7),
    "off by less than 1e-9": np.array([[0.5, 0.5 + 0.9 * SUM], [0.5 - 0.9 * SUM, 0.5]]),
    "one and a rounding": np.array([[1 + EPS, 0.0]]),
}


@pytest.mark.parametrize("name", EXACT_ROWS)
def test_exact_labels_keep_every_bit_and_nothing_is_said(name, recwarn):
    Y = EXACT_ROWS[name]
    found, off = repair(Y)
    assert off == 0.0 and said(off) is None
    np.testing.assert_array_equal(found, before(Y))
    np.testing.assert_array_equal(normalise(Y), before(Y))
    np.testing.assert_array_equal(soft(Y).labels, before(before(Y)))
    assert not recwarn.list


BAD = {
    "beyond the cast": np.array([[0.5, 0.5 + 2e-5, 0.0]] * 8),
    "float16, cast": np.array([[0.6, 0.3, 0.1]] * 8) * (1 + 1e-3),
    "a negative that no rounding makes": np.array([[1 + 1e-5, -1e-5, 0.0]] * 8),
    "percent": np.array([[50.0, 30.0, 20.0]] * 8),
    "logits": RNG.normal(size=(8, 3)),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_beyond_is_refused_at_every_door(name):
    Y = BAD[name]
    doors = (
        lambda: soft(Y),
        lambda: from_arrays(H=H, W=W, Y=Y),
        lambda: solve_features(PROBLEM, Y),
        lambda: certify_features(PROBLEM, H, Y),
        lambda: FiniteLaw(Y, SHARES),
        lambda: enclose_joint(W, H, Y, SHARES, 0.1, 0.1),
        lambda: enclose_etf(Y[0], 1.0, 0.1),
    )
    for door in doors:
        with pytest.raises(
            InputError, match=r"must be >= 0 and sum to 1 .*(divide each row by its sum|negative entries)"
        ):
            door()


def test_a_command_says_in_one_line_that_it_divided_labels_by_their_sums(call_main, tmp_path, monkeypatch):
    """And says nothing of labels that need none of it; the wrong flag ends the command before any work."""
    monkeypatch.chdir(tmp_path)
    Y = made(np.float64)
    for kind, lines in ((np.float64, 0), (np.float32, 1)):
        np.save("Y.npy", (Y * (1 + 1e-7 * (kind == np.float32))).astype(kind))
        code, _, err = call_main(solve.main, "--classes", 3, "--labels", "Y.npy", "--tol", 0)
        assert code == 2 and err.count("labels sum to one within") == lines == len(err.splitlines()) - 1, err


def test_complete_is_the_convention():
    np.testing.assert_array_equal(complete(np.array([[0.2, 0.3, 0.4]])), [[0.2, 0.3, 0.5]])


# --- probabilities in the place of logits --------------------------------------------------------------


def held_out(logits):
    y = np.arange(8) % 3
    return from_arrays(H=H, W=W, i=y, j=y, lam=np.ones(8), logits=logits, y_logits=np.arange(100) % 3)


Z = 3 * RNG.normal(size=(100, 3))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_probabilities_saved_as_logits_are_refused_and_it_is_said_what_to_save(dtype):
    with pytest.raises(InputError, match=r"logits are probabilities.*before its softmax"):
        held_out(softmax(Z, axis=1).astype(dtype))
    with pytest.raises(InputError, match="logits are probabilities"):
        held_out((100 * softmax(Z, axis=1)).astype(dtype))
    held_out((50 * softmax(Z, axis=1)).astype(dtype))  # which sum to no whole


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_library_refuses_probabilities_too(dtype):
    with pytest.raises(InputError, match="logits are probabilities"):
        calibrate(lambda: [(softmax(Z, axis=1).astype(dtype), np.zeros(100, int))])


def test_logits_that_only_resemble_probabilities_are_taken():
    """Logarithms of probabilities, positive logits, and rows of which one is none."""
    p = softmax(Z, axis=1)
    one = p.copy()
    one[57] = [0.5, 0.6, -0.1]
    for logits in (Z, np.log(p), np.abs(Z), one, 2 * p):
        assert held_out(logits).held_out == 100


@pytest.mark.parametrize(
    "row, cure",
    [
        ([1.5, -0.5, 0.0], "negative entries"),
        ([2.0, -1e-3, 0.0], "negative entries"),
        ([0.0, 0.0, 0.0], "all of it is zero"),
        ([1.7e308, 1.7e308, 0.0], "its sum overflows"),
        ([2.0, 2.0, 0.0], "divide each row by its sum"),
        ([np.nan, 1.0, 0.0], "holds NaN or infinity in row 1"),
        ([np.inf, 1.0, 0.0], "holds NaN or infinity in row 1"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_is_wrong_with_a_row_is_said(row, cure):
    """Dividing it by its sum is the advice where that makes it a label, and nowhere else."""
    for door in (soft, normalise):
        with pytest.raises(InputError, match=cure) as refused:
            door(np.array([[0.2, 0.3, 0.5], row]))
        assert ("divide" in str(refused.value)) == cure.startswith("divide")


@pytest.mark.parametrize("order", ["C", "F"])
def test_labels_are_completed_in_either_order_of_memory(order):
    """In place means in the checked copy: the caller's own array, and its order, stay as they are."""
    given = np.asarray([[0.1, 0.2, 0.7], [0.6 + 1e-10, 0.4, 0.0]], order=order)
    kept = given.copy()
    found = normalise(given)
    np.testing.assert_array_equal(given, kept)
    np.testing.assert_array_equal(found[:, 1:], [[0.2, 1.0 - (0.1 + 0.2)], [0.4, 0.0]])
    assert found[1, 0] == 1.0 - 0.4 != given[1, 0]
