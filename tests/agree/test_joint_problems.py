"""W set free, over the named problems whose optimum is a formula: converged and honest, over one solve."""

import numpy as np
import pytest
from scipy.special import gamma
from scipy.stats import ttest_1samp

import ufm
from tests.problems import JOINT, solved_jointly
from ufm.agree.finite_data import _mean_root, interval, predicted_limit, study_draws
from ufm.agree.joint import check_joint
from ufm.certify.joint import certify_joint
from ufm.model.atoms import JointProblem, Point, drawn_law, finite_law
from ufm.model.laws import mixup
from ufm.theory.geometry.susceptibility import residuals
from ufm.theory.multiplier import joint_multiplier

GAP = 1e-9  # relative gap demanded
SIZES = (0.0, 1e-9, 1e-6, 1e-3, 0.1, 1.0, 30.0)  # of what spoils an optimum
every = pytest.mark.parametrize("named", JOINT.values(), ids=str)


def certify(task, W, H, b):
    return certify_joint(task, Point(W, H, None if task.lambda_b is None else b))


@every
def test_converged(named):
    """The objective is the exact one within a relative gap of 1e-9, and so is what the certificate says of it."""
    found = solved_jointly(named.name)
    bound = certify(named.task, found.W, found.H, found.b)
    assert abs(bound.objective - named.objective) <= GAP * named.objective + bound.rounding
    assert bound.gap <= GAP * named.objective + bound.rounding
    assert bool(found.W.any()) == ("trivial" not in named.tags)


@every
def test_honest(named):
    """No gap is below what a point loses to the exact optimum, near or far, and no dual value passes that."""
    rng, found = np.random.default_rng(2), solved_jointly(named.name)
    for size in SIZES:
        parts = [part + size * rng.normal(size=part.shape) for part in (found.W, found.H, found.b)]
        bound = certify(named.task, *parts)
        assert bound.gap >= bound.objective - named.objective - bound.rounding, size
        assert bound.dual_objective <= named.objective + bound.rounding, size


@every
def test_the_multiplier_is_the_exact_one(named):
    """The gain is g = m² K/(K − 1), of the closed form to 1e-12 and of the numerical W to √GAP."""
    task, K = named.task, named.task.atoms.classes
    told = joint_multiplier(task.law, K, task.lambda_w, task.lambda_h, task.loss).value
    assert told**2 * K / (K - 1) == pytest.approx(float(named.gain), rel=1e-12)
    W = solved_jointly(named.name).W
    assert np.allclose(
        W @ W.T, float(named.gain) * (np.eye(K) - 1 / K), rtol=0, atol=3e-5 * float(named.gain)
    )


@pytest.mark.parametrize("name", ["one-hot", "one-hot, free bias", "smoothed", "squared error", "trivial"])
def test_the_routes_agree(name):
    assert check_joint(JOINT[name].task).verdict.word == "agrees"


# --- drawn labels ---------------------------------------------------------------------------------------


def test_the_interval_of_a_mean_is_that_of_students_test():
    values = [0.3, 0.1, 0.45, 0.2]
    assert interval(values) == pytest.approx(
        tuple(ttest_1samp(values, 0).confidence_interval(0.95)), rel=1e-12
    )


@pytest.mark.parametrize(
    "pairs, product, known",
    [
        ("all", 1e-3, True),
        pytest.param("cyclic", 1e-3, False, marks=pytest.mark.slow),
        ("all", 1.0, False),
    ],
)
def test_drawn_labels_are_near_the_law(pairs, product, known):
    """No ratio where the law has no multiplier, or none but zero."""
    law = mixup(1.0, pairs)
    (found,) = study_draws(JointProblem(finite_law(law, 4, 8), product, 1.0), 8, 0)
    assert (found.draws, found.seeds) == (8, 8) and 0 <= found.worst_gap < 1e-6
    assert found.deviation_interval[0] <= found.deviation <= found.deviation_interval[1]
    assert (found.multiplier_ratio is not None) == (found.multiplier_interval is not None) == known
    if known:
        low, high = found.multiplier_interval
        assert 0.3 < low < found.multiplier_ratio < high < 3 and found.deviation > 0.01
    assert (found.limit is not None) == known


@pytest.mark.parametrize("n", [1, 2, 7])
def test_the_mean_of_a_root_of_a_sum_of_squares(n):
    exact = np.sqrt(2 * 0.3) * gamma((n + 1) / 2) / gamma(n / 2)
    assert _mean_root([(0.3, n)]) == pytest.approx(exact, rel=1e-9)
    assert n == 1 or _mean_root([(0.3, 1), (0.3, n - 1)]) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("K", [2, 3, 5])
def test_the_limit_of_many_draws_is_that_of_their_linear_response(K):
    """n labels at a time of many, each moving G by its own rrᵀ: mean and spread over n of them, 2000 times."""
    n, times, law = 50, 2000, mixup(1.0)
    answer = ufm.susceptibility(JointProblem(finite_law(law, K, 64), 0.01, 0.01))
    labels = drawn_law(law, K, n * times, 0).labels
    r = residuals(labels, np.ones_like(labels), answer.sharpness)[0].reshape(times, n, K)
    moved = np.array([answer.solve(part.T @ part / n) for part in r]) / (2 * answer.lambda_h)
    gain, flat = answer.sharpness * answer.lambda_h, np.eye(K) - 1 / K
    size = np.trace(moved, axis1=1, axis2=2) / (K - 1)
    deviation = np.linalg.norm(moved - size[:, None, None] * flat, axis=(1, 2)) / (gain * np.sqrt(K - 1))
    limit = predicted_limit(answer, n, seeds=1)
    assert deviation.mean() == pytest.approx(limit.deviation, rel=0.05, abs=1e-12)
    for seen, (low, high) in (
        (deviation.std(), limit.deviation_interval),
        (size.std() / gain / 2, limit.multiplier_interval),
    ):
        assert seen == pytest.approx((high - low) / (2 * 1.959964), rel=0.1, abs=1e-12)
