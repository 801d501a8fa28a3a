"""The streamed certificate: the same numbers as the certificate in memory, honest bounds, any blocks."""

import numpy as np
import pytest

from tests.optimize.test_gram import imbalanced, padded
from ufm.certify.joint import certify_joint
from ufm.certify.sample import _losses_slopes
from ufm.model.atoms import FiniteLaw, JointProblem, Point, finite_law
from ufm.model.laws import mixup
from ufm.network.measures.gap import certify_stream
from ufm.network.read.activations import from_arrays
from ufm.optimize.joint import solve_joint

BIASES = [None, 0.0, 0.05]
LOSSES = ["cross-entropy", "squared-error"]


def point(K=4, d=5, n=120, seed=0):
    rng = np.random.default_rng(seed)
    Y = rng.dirichlet(np.full(K, 0.5), n)
    return rng.normal(size=(K, d)), rng.normal(size=(n, d)), Y, rng.uniform(0.1, 2, n), rng.normal(size=K)


def streamed(W, H, Y, weights, penalties, rows=None, **settings):
    found = from_arrays(H=H, W=W, Y=Y, weights=weights)
    return certify_stream(lambda: found.chunks(rows), W, *penalties, **settings)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("lambda_b", BIASES)
@pytest.mark.parametrize("penalties", [(0.1, 0.2), (1e-3, 1e-3)])
def test_it_is_the_certificate_in_memory(loss, lambda_b, penalties):
    W, H, Y, weights, b = point()
    b = None if lambda_b is None else b
    law = FiniteLaw(Y, weights / weights.sum())
    whole = certify_joint(JointProblem(law, *penalties, W.shape[1], lambda_b, loss), Point(W, H, b))
    found = streamed(W, H, Y, weights, penalties, rows=17, b=b, lambda_b=lambda_b, loss=loss)
    scale = whole.rounding + found.rounding
    assert abs(found.objective - whole.objective) <= scale < 1e-9
    assert abs(found.dual_objective - whole.dual_objective) <= scale
    assert abs(found.gap - whole.gap) <= 2 * scale
    assert found.lambda_max_ratio == pytest.approx(whole.lambda_max_ratio, rel=1e-10)
    assert found.relative_gap == found.gap / found.objective and found.count == len(H)


@pytest.mark.parametrize("rows", [1, 7, 120])
def test_blocks_change_nothing_but_rounding(rows):
    W, H, Y, weights, b = point()
    one, other = (streamed(W, H, Y, weights, (0.1, 0.1), r, b=b, lambda_b=0.0) for r in (rows, None))
    assert abs(one.gap - other.gap) <= one.rounding + other.rounding


@pytest.mark.parametrize("lambda_b", BIASES)
def test_gap_closes_at_the_optimum_and_covers_what_is_lost_elsewhere(lambda_b):
    """Class weights, so that the bias matters; 64-fold copies of each sample leave the law as it is."""
    atoms = imbalanced((0.5, 0.3, 0.2))
    best = solve_joint(JointProblem(atoms, 0.02, 0.03, 2, lambda_b))
    H, Y, weights = (np.repeat(part, 64, axis=0) for part in (best.H, atoms.labels, atoms.weights))
    b = None if lambda_b is None else best.b
    found = streamed(best.W, H, Y, weights, (0.02, 0.03), 500, b=b, lambda_b=lambda_b)
    assert 0 < found.relative_gap <= 1e-9
    rng = np.random.default_rng(1)
    for size in (1e-3, 0.3):
        moved = H + size * rng.normal(size=H.shape)
        worse = streamed(best.W, moved, Y, weights, (0.02, 0.03), 500, b=b, lambda_b=lambda_b)
        assert worse.gap >= worse.objective - found.objective > 0


@pytest.mark.parametrize("loss, reads", [("cross-entropy", (2, 3, 3)), ("squared-error", (1, 2, 2))])
def test_how_often_a_stream_is_read(loss, reads):
    W, H, Y, weights, _ = point()
    found, count = from_arrays(H=H, W=W, Y=Y, weights=weights), []

    def chunks():
        count.append(1)
        return found.chunks(50)

    for lambda_b, most in zip(BIASES, reads):
        count.clear()
        certify_stream(chunks, W, 0.1, 0.1, lambda_b=lambda_b, loss=loss)
        assert len(count) == most, lambda_b


def test_rows_without_weight_count_for_nothing():
    W, H, Y, weights, _ = point()
    weights[::3] = 0
    spoilt = H.copy()
    spoilt[::3] = 1e6
    one, other = (streamed(W, A, Y, weights, (0.1, 0.1), 11) for A in (H, spoilt))
    assert one.gap == other.gap and one.objective == other.objective and one.count == 80


def test_no_program_is_compiled_for_the_number_of_rows_that_have_weight(traced):
    W, H, Y, weights, _ = point()
    streamed(W, H, Y, weights, (0.1, 0.1), 8)
    compiled = _losses_slopes._cache_size()
    assert compiled
    weights[np.random.default_rng(0).random(120) < 0.5] = 0
    assert len({int((part > 0).sum()) for part in weights.reshape(-1, 8)} - {0, 8}) > 2
    streamed(W, H, Y, weights, (0.1, 0.1), 8)
    assert _losses_slopes._cache_size() == compiled


def test_bad_input_is_refused():
    W, H, Y, weights, b = point()
    with pytest.raises(ValueError, match="must be a positive"):
        streamed(W, H, Y, weights, (0.0, 0.1))
    with pytest.raises(ValueError, match="a bias is given"):
        streamed(W, H, Y, weights, (0.1, 0.1), b=b)
    with pytest.raises(ValueError, match="no samples"):
        certify_stream(lambda: iter([]), W, 0.1, 0.1)


def test_ordinary_mixup_law_is_a_stream_too():
    """Labels as pairs: the free optimum of plain mixup closes its gap."""
    atoms = padded(finite_law(mixup(1.0), 3, 6))
    best = solve_joint(JointProblem(atoms, 0.01, 0.01))
    found = streamed(best.W, best.H, atoms.labels, atoms.weights, (0.01, 0.01))
    assert found.relative_gap <= 1e-9 and found.lambda_max_ratio == pytest.approx(0, abs=1e-6)
