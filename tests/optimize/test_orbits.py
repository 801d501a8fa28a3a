"""The joint problem of a law given by its orbits: what the whole law has, and bounds of any point of it."""

import numpy as np
import pytest

from ufm.certify.joint import certify_joint
from ufm.model.atoms import FiniteLaw, JointProblem, Point, finite_law
from ufm.model.laws import LabelLaw, mixup, onehot
from ufm.model.variants.orbits import OrbitLaw, OrbitProblem, orbit_law
from ufm.optimize.joint import solve_joint
from ufm.optimize.many import orbits as descent
from ufm.rules.errors import InputError

CE, SE = "cross-entropy", "squared-error"
K, NODES, GAP = 5, 4, 1e-10
TWO = (0.3, 0.3, 0.2, 0.1, 0.1)  # groups of two, one and two classes
LAWS = {
    "balanced": mixup(1.0),
    "three groups": LabelLaw("mixup", alpha=1.0, class_weights=TWO),
    "different": LabelLaw("mixup", alpha=0.5, class_weights=TWO, pairs="different"),
    "smoothed": LabelLaw("mixup", alpha=1.0, class_weights=TWO, smoothing=0.1),
    "same": LabelLaw("onehot", class_weights=(0.32, 0.32, 0.32, 0.02, 0.02)),
}
PROBLEMS = {
    "balanced": ("balanced", (1e-3, 2e-3), {}),
    "groups": ("three groups", (1e-3, 2e-3), {}),
    "sharp": ("three groups", (1e-6, 1e-6), {}),
    "free bias": ("different", (2e-3, 1e-3), {"lambda_b": 0.0}),
    "penalised bias": ("smoothed", (2e-3, 1e-3), {"lambda_b": 0.1}),
    "squared error": ("three groups", (1e-3, 1e-3), {"lambda_b": 0.0, "loss": SE}),
    "collapsed": ("same", (0.25, 0.25), {}),
    "trivial": ("three groups", (1.0, 1.0), {}),
}


def pair(name: str) -> tuple[OrbitProblem, JointProblem]:
    """The problem by orbits, and of the whole law."""
    law, penalties, options = PROBLEMS[name]
    orbits, whole = orbit_law(LAWS[law], K, NODES), finite_law(LAWS[law], K, NODES)
    return OrbitProblem(orbits, *penalties, **options), JointProblem(whole, *penalties, **options)


@pytest.mark.parametrize("name", LAWS)
def test_orbits_have_the_moments_of_the_law(name):
    """E y, E yyᵀ and E (y∘y)(y∘y)ᵀ."""
    law, orbits = finite_law(LAWS[name], K, NODES), orbit_law(LAWS[name], K, NODES)
    for power in (1, 2):
        Y, Z = law.labels**power, orbits.representatives**power
        assert np.allclose(orbits.average(orbits.masses @ Z), law.weights @ Y, rtol=1e-13)
        own, whole = (Z.T * orbits.masses) @ Z, (Y.T * law.weights) @ Y
        assert np.allclose(orbits.average_matrix(own), whole, rtol=1e-13)
        assert not np.allclose(own, whole, rtol=1e-3)


def test_averages_are_those_over_all_permutations():
    rng, groups = np.random.default_rng(0), np.array([1, 0, 0, 2])
    law, M = OrbitLaw(np.eye(4)[:1], np.ones(1), groups), rng.standard_normal((4, 4))
    swap = np.array([0, 2, 1, 3])
    assert np.allclose(law.average_matrix(M), (M + M[np.ix_(swap, swap)]) / 2, rtol=1e-14)
    assert np.allclose(law.average(M[0]), (M[0] + M[0, swap]) / 2, rtol=1e-14)


SLOW = ("free bias", "penalised bias", "squared error")  # programs of their own


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in PROBLEMS])
def test_the_optimum_is_that_of_the_whole_law_and_certified(name):
    by_orbits, whole = pair(name)
    found, plain = solve_joint(by_orbits), solve_joint(whole)
    certificate, other = certify_joint(by_orbits, found), certify_joint(whole, plain)
    assert found.converged and certificate.relative_gap < GAP
    assert certificate.objective == pytest.approx(found.objective, rel=1e-13)
    assert found.objective == pytest.approx(
        plain.objective, rel=certificate.relative_gap + other.relative_gap
    )
    assert np.allclose(found.W @ found.W.T, plain.W @ plain.W.T, atol=1e-5)
    assert certificate.dual_objective <= plain.objective * (1 + 1e-15)


def test_what_the_optimum_has_not_is_lost(monkeypatch):
    W = solve_joint(pair("collapsed")[0]).W
    assert 0 < np.linalg.matrix_rank(W, 1e-6) < K - 1
    assert np.abs(solve_joint(pair("trivial")[0]).W).max() < 1e-6
    monkeypatch.setattr(descent, "_thinned", thrown_away)
    found = solve_joint(pair("groups")[0])
    assert not found.converged and certify_joint(pair("groups")[0], found).relative_gap > GAP


def thrown_away(at, penalties):
    """Next to nothing in the place of one group, though φ falls along it."""
    v = np.array(at.place.v)
    if v[0] <= descent.NOTHING:
        return None
    return at.place._replace(v=np.r_[descent.NOTHING * 1e-3, v[1:]])


def spread_out(problem: OrbitProblem, point: Point) -> tuple[JointProblem, Point]:
    """All permutations of a balanced law as labels of their own, with the point's features."""
    from itertools import permutations

    law, H = problem.orbits, point.H
    orders = [np.array(order) for order in permutations(range(K))]
    labels = np.concatenate([law.representatives[:, order] for order in orders])
    features = np.concatenate([H[:, order] for order in orders])
    weights = np.tile(law.masses, len(orders)) / len(orders)
    whole = JointProblem(FiniteLaw(labels, weights), *problem.penalties[:2], lambda_b=problem.lambda_b)
    return whole, Point(point.W, features, point.b)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("lambda_b", [None, 0.0, 0.1])
def test_a_bound_of_any_point_is_that_of_all_its_images(seed, lambda_b):
    """Wrong W, b and features that no stabiliser leaves alone: L and the dual value are those of all σ h, σ y."""
    rng = np.random.default_rng(seed)
    problem = OrbitProblem(orbit_law(mixup(1.0), K, 3), 2e-3, 1e-3, lambda_b)
    W = 1.5 * np.eye(K) + rng.uniform(-0.2, 0.2)
    b = None if lambda_b is None else np.full(K, 0.3)
    point = Point(W, rng.standard_normal((len(problem.orbits.masses), K)), b)
    found, whole = certify_joint(problem, point), certify_joint(*spread_out(problem, point))
    least = solve_joint(problem).objective
    for name in ("objective", "dual_objective", "stationarity", "lambda_max_ratio"):
        assert getattr(found, name) == pytest.approx(getattr(whole, name), rel=1e-10, abs=1e-13), name
    assert found.dual_objective <= least <= found.objective and found.relative_gap > 0.01


@pytest.mark.parametrize("slip", [1e-3, -1e-3])
def test_a_wrong_point_is_not_certified(slip):
    """The optimum with W a little off: its gap grows as the square, and is no less than what L says."""
    problem, _ = pair("groups")
    found = solve_joint(problem)
    wrong = certify_joint(problem, Point(found.W * (1 + slip), found.H, found.b))
    assert wrong.gap >= wrong.objective - found.objective > 0 and wrong.relative_gap > 100 * GAP


def test_a_point_without_the_symmetry_is_refused():
    problem, _ = pair("groups")
    found = solve_joint(problem)
    W = found.W.copy()
    W[0, 0] += 1e-3
    with pytest.raises(InputError, match="W must be unchanged"):
        certify_joint(problem, Point(W, found.H, None))
    free = OrbitProblem(problem.orbits, 1e-3, 2e-3, 0.0)
    with pytest.raises(InputError, match="b must be unchanged"):
        certify_joint(free, Point(found.W, found.H, np.arange(K) / 10.0))


def test_impossible_orbits_are_refused():
    for law in (LabelLaw("mixup", alpha=1.0, pairs="cyclic"), LabelLaw("kway", alpha=1.0, ways=3)):
        with pytest.raises(InputError, match="orbits are those"):
            orbit_law(law, K)
    with pytest.raises(InputError, match="groups must be 2"):
        OrbitLaw(np.eye(2), np.ones(2) / 2, np.zeros(3, int))
    with pytest.raises(InputError, match="without a gap"):
        OrbitLaw(np.eye(2), np.ones(2) / 2, np.array([0, 2]))
    with pytest.raises(InputError, match="lambda_w"):
        OrbitProblem(orbit_law(onehot(), K), 0.0, 1.0)
    with pytest.raises(InputError, match="loss"):
        OrbitProblem(orbit_law(onehot(), K), 1.0, 1.0, loss="binary-cross-entropy")


def test_a_thousand_classes_of_two_kinds(monkeypatch):
    """Certified, and no array has a number a pair of labels' classes: L is that of d = K = 1000."""
    q = np.repeat([3.0, 1.0], [400, 600])
    law = orbit_law(LabelLaw("mixup", alpha=1.0, class_weights=tuple(q / q.sum())), 1000, 4)
    problem = OrbitProblem(law, 5e-5, 5e-5)
    found = solve_joint(problem)
    assert found.converged and certify_joint(problem, found).relative_gap < 1e-9
    assert np.linalg.matrix_rank(found.W) == 999
    monkeypatch.setattr(descent, "STEPS", 1)  # negative control
    assert certify_joint(problem, solve_joint(problem)).relative_gap > 1e-3
