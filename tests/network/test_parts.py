"""Parts of a comparison one by one: labels as rows, roundings of the excess, edges of verdicts."""

from types import SimpleNamespace

import numpy as np
import pytest

from ufm.certify.joint import certify_joint
from ufm.model.atoms import FiniteLaw, JointProblem, Point
from ufm.model.penalties import Penalties
from ufm.model.problem import Problem
from ufm.network import optimum, reduced
from ufm.network.findings import SOLVED, _excess
from ufm.network.measures import directions, excess
from ufm.network.read import mapped
from ufm.network.read.activations import from_arrays
from ufm.network.read.label_law import label_kind
from ufm.network.read.label_rows import LabelBlock, class_numbers
from ufm.network.read.together import Layer, Rows
from ufm.network.resemblance import INCONCLUSIVE, NOT_APPLICABLE, REPRODUCED
from ufm.network.suboptimality import Gap
from ufm.rules.errors import InputError

EPS = float(np.finfo(float).eps)

# --- labels -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delta", [0.0, 0.1])
def test_soft_rows_of_one_or_two_classes_have_their_names(delta):
    """The first and the last class too; three classes have none, nor what smoothing made of nothing."""
    Y = np.zeros((5, 5))
    Y[[0, 1, 2, 2], [0, 4, 0, 4]] = [1.0, 1.0, 0.25, 0.75]
    Y[3, [1, 3]] = [0.5, 0.5]
    Y[4, :3] = [0.2, 0.3, 0.5]
    nothing = np.full(5, -1)
    given = LabelBlock(nothing, nothing, np.full(5, np.nan), (1 - delta) * Y + delta / 5, 5)
    found = given.named(delta)
    assert found.i.tolist() == [0, 4, 0, 1, -1] and found.j.tolist() == [0, 4, 4, 3, -1]
    np.testing.assert_allclose(found.lam[:4], [1, 1, 0.25, 0.5], atol=1e-12)
    np.testing.assert_allclose(found.dense(), given.soft, atol=1e-12)
    assert found.pure().tolist() == [0, 4, -1, -1, -1]


def test_the_rarest_class_is_that_of_the_least_mean_label():
    """Of rows of two classes, of one (i = j at any λ) and of soft rows, by their weights; K times it."""
    i, j, lam = np.array([0, 1, 2, 0, -1]), np.array([1, 2, 2, 0, -1]), np.array([0.3, 1.0, 0.2, 0.7, np.nan])
    soft = np.tile([0.2, 0.5, 0.3], (5, 1))
    weights = np.array([1.0, 2.0, 0.5, 0.25, 4.0])
    Y = np.array([[0.3, 0.7, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.2, 0.5, 0.3]])
    labels = LabelBlock(i, j, lam, soft, 3)
    np.testing.assert_allclose(labels.dense(), Y)
    found = label_kind([(labels, weights)], 3, None)
    mean = weights @ Y / weights.sum()
    assert found.rarest == pytest.approx(3 * mean.min(), rel=1e-14)
    assert (found.most, found.delta) == (3, 0.0) and found.pure == pytest.approx(2.75 / 7.75)
    none = label_kind([(LabelBlock(i[:4], j[:4], lam[:4], None, 3), weights[:4])], 3, None)
    assert none.rarest == pytest.approx(3 * (weights[:4] @ Y[:4]).min() / 3.75, rel=1e-14) and none.pair


@pytest.mark.parametrize(
    "value, words", [(-100, "a loss ignores -100"), (3, "y - 1, if classes count from 1"), (7, "names=")]
)
def test_a_number_that_is_no_class_is_told_with_what_may_be_meant(value, words):
    with pytest.raises(InputError, match=words):
        class_numbers("y", np.array([0, 2, value]), 3, 0)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_rows_of_one_class_are_checked_when_they_alone_are_read(bad):
    H = np.ones((4, 3))
    H[2, 1] = bad
    given = from_arrays(H=H, W=np.eye(3), y=np.array([0, 1, 2, 0]))
    with pytest.raises(InputError, match="H"):
        list(given.clean_chunks())


# --- the optimum of the labels ----------------------------------------------------------------------------


@pytest.mark.parametrize("count", [34, 35])
def test_nodes_are_even_in_the_logit_and_in_the_angle(count):
    """With both ends; half of the others from −11 to 11 in logit λ, half between 0 and π in arccos(1 − 2λ)."""
    found = optimum.lambda_nodes(count)
    np.testing.assert_allclose(found, 1 - found[::-1], atol=1e-12)
    assert found[0] == 0 and found[-1] == 1 and len(found) <= count
    inner = found[1:-1]
    even = np.linspace(-11, 11, (count - 2) // 2)
    assert all(np.isclose(np.log(inner) - np.log1p(-inner), t, atol=1e-9).any() for t in even)
    steps = count - 1 - (count - 2) // 2
    assert all(np.isclose(np.arccos(1 - 2 * inner), np.pi * k / steps).any() for k in range(1, steps))


@pytest.mark.parametrize("d, few", [(16, True), (15, False)])
def test_features_are_reduced_where_that_halves_them(d, few):
    """To at most K rows of W, K means, one mean of all and one length: 2K + 2."""
    given = from_arrays(H=np.ones((3, d)), W=np.eye(3, d), y=np.arange(3))
    assert reduced.worthwhile(given) == few


@pytest.mark.parametrize("room, in_memory", [(0, True), (-1, False)])
def test_reduced_features_beyond_a_bound_go_to_a_file(monkeypatch, room, in_memory):
    """Eight bytes a number, one column more than directions; the rows are the same."""
    H, Q = np.random.default_rng(0).normal(size=(7, 5)), np.eye(5)[:, :2]
    monkeypatch.setattr(mapped, "MEMORY", 8 * 7 * 3 + room)
    found = reduced.Reducer(from_arrays(H=H, W=np.eye(3, 5), y=np.zeros(7, int)), Q)
    found.add(H, np.sum(H**2, 1), H @ Q)
    assert isinstance(found.rows, np.memmap) != in_memory
    np.testing.assert_allclose(found.rows[:, :2], H[:, :2])
    np.testing.assert_allclose(found.rows[:, 2], np.linalg.norm(H[:, 2:], axis=1))


def test_a_candidate_is_gone_over_in_blocks(monkeypatch):
    """Five labels in two blocks, read two at a time, one of them of weight zero: objective, gap and E‖h‖²."""
    monkeypatch.setattr(optimum, "ROWS", 2)
    rng = np.random.default_rng(0)
    Y, weights = rng.dirichlet(np.ones(3), 5), np.array([0.1, 0.4, 0.0, 0.2, 0.3])
    W = rng.normal(size=(3, 3))
    none = np.full(3, -1)

    def labels():
        for part in (slice(0, 3), slice(3, 5)):
            some = none[part if part.start == 0 else slice(0, 2)]
            yield LabelBlock(some, some, np.full(len(some), np.nan), Y[part], 3), weights[part]

    candidate = optimum._Candidate(W, np.zeros(3), lambda block: block.dense() @ W, 5, "by hand")
    gap, square = optimum._over(candidate, labels, Penalties(0.1, 0.2, None))
    some = weights > 0
    problem = JointProblem(FiniteLaw(Y[some], weights[some]), 0.1, 0.2)
    known = certify_joint(problem, Point(W, Y[some] @ W))
    assert (gap.objective, gap.gap) == pytest.approx((known.objective, known.gap), rel=1e-12)
    assert gap.count == 4 and square == pytest.approx(weights @ np.sum((Y @ W) ** 2, 1), rel=1e-12)


# --- the plane of two classes -----------------------------------------------------------------------------


def test_lengths_from_logits_are_those_of_vectors(monkeypatch):
    """With a bias, a centre, and two rows of W that are nearly one: there numbers alone (control) lose digits."""
    rng = np.random.default_rng(0)
    W, H, b, centre = (
        rng.normal(size=(4, 9)),
        rng.normal(size=(60, 9)),
        rng.normal(size=4),
        rng.normal(size=9),
    )
    W[1] = W[0] + 1e-6 * rng.normal(size=9)
    i = rng.integers(0, 4, 60)
    j, lam = (i + rng.integers(1, 4, 60)) % 4, rng.uniform(size=60)
    (chunk,) = from_arrays(H=H, W=W, b=b, i=i, j=j, lam=lam).chunks()
    rows, frame = Rows(chunk, Layer(W, b)), directions.Frame(W, None, centre, None)
    wanted, inverse = directions.in_plane(H, centre, frame.V[i], frame.V[j])

    def off():
        found, own = directions.lengths(rows, np.arange(60), H - centre, frame)
        return max(np.abs(found[name] / wanted[name] - 1).max() for name in wanted), np.abs(
            own / inverse - 1
        ).max()

    assert max(off()) < 1e-10
    monkeypatch.setattr(directions, "CANCELS", 1e-16)
    assert max(off()) > 1e-8


# --- excess and gap ---------------------------------------------------------------------------------------


def test_half_is_the_largest_curvature_of_cross_entropy(monkeypatch):
    """Two classes at p = ½, off along w_1 − w_2: the objective is above its least by what the bound says."""
    W, off = np.array([[3.0, 0.0], [-3.0, 0.0]]), 1e-4
    problem, Y = Problem(2, classifier=W, lambda_h=0.1), np.array([[0.5, 0.5]])
    known = SimpleNamespace(distance=np.array([off]), gradient_norm=np.array([np.inf]))
    monkeypatch.setattr(excess, "certify_features", lambda *_: known)
    (bound,) = excess._gap(problem, np.array([[off, 0.0]]), Y, np.zeros(2))
    true = np.log(np.cosh(3 * off)) + 0.05 * off**2
    assert true <= bound <= 1.001 * true


@pytest.mark.parametrize("loss", ["cross-entropy", "squared-error"])
@pytest.mark.parametrize("size", [1.0, 1e3])
def test_the_rounding_of_an_objective_grows_with_dimensions_and_logits(loss, size):
    """A logit is a sum of d products; the slope of squared error is the residual."""
    d = 500
    W, H = np.ones((2, d)), size * np.ones((1, d))
    logits = d * size
    problem = Problem(2, classifier=W + np.eye(2, d), lambda_h=0.1, loss=loss)
    (found,) = excess._rounding(problem, np.zeros(2), H, np.zeros(1))
    least = EPS * d * logits * (logits if loss == "squared-error" else 1)
    assert least <= found <= 100 * least
    (more,) = excess._rounding(problem, np.zeros(2), H, np.zeros(1), dim=9 * d)
    assert more == pytest.approx(10 * found, rel=0.05)


def test_the_rounding_of_a_slope_is_that_of_probabilities_where_logits_vanish():
    problem = Problem(3, classifier=np.eye(3), lambda_h=0.1)
    (found,) = excess._slope_rounding(problem, np.zeros(3), np.zeros((1, 3)))
    assert 3 * EPS <= found <= 1000 * EPS


def lost(bound, optimum):
    """The verdict where the excess of h = 0 is within the bound."""
    return _excess(excess.Excess(0.0, bound, 0.0, 0.0, optimum, bound, 1.0, None, "newton", 40))


@pytest.mark.parametrize("optimum", [-1e3, 1e-3, 1.0])
def test_zero_is_the_optimum_where_this_is_known_to_a_millionth(optimum):
    edge = SOLVED * abs(optimum)
    assert lost(edge, optimum).word == NOT_APPLICABLE
    unknown = lost(2 * edge, optimum)
    assert unknown.word == INCONCLUSIVE and "known only within" in unknown.reason


def test_an_excess_is_a_share_of_that_of_zero():
    def verdict(value, twofold):
        return _excess(excess.Excess(value, 0.0, 0.0, 0.0, 1.0, 2.0, twofold, None, "newton", 40))

    assert verdict(1e-9, 1.0).word == REPRODUCED and verdict(1e-9, 1.0).value == 5e-10
    told = verdict(1e-9, 1e-9)
    assert told.word == INCONCLUSIVE and "twice or half this lambda_H" in told.reason


@pytest.mark.parametrize("objective", [-4.0, 0.5])
def test_a_gap_is_a_share_of_the_objective(objective):
    gap = Gap(objective, objective - 0.25, objective - 0.125, 0.0, None, 0.0)
    assert gap.relative == 0.25 / abs(objective) and gap.least == 0.125 / abs(objective)
