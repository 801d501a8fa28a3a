"""What findings of theorems are made of: units, roundings and edges, each against what it is to hold."""

import numpy as np
import pytest
from mpmath import mp, mpf

from proofs.tools.settings import joint, shaped
from ufm.agree.theorem import check_theorem
from ufm.agree.verdict import AGREES
from ufm.model.laws import mixup, onehot, soft
from ufm.model.problem import Problem
from ufm.theory.geometry.hierarchy import hierarchical_labels, hierarchy_optimum, read_hierarchy
from ufm.theory.multiplier import pattern_multiplier
from ufm.theory.theorems.catalogue import THEOREMS
from ufm.theory.theorems.fixed import soft_labels
from ufm.theory.theorems.free import response
from ufm.theory.theorems.joint import closed_form_divergence, predictions
from ufm.theory.theorems.theorem import JointOptimum, Setting, VariantOptimum
from ufm.theory.theorems.variants.deep import deep_finding, factors_of
from ufm.theory.theorems.variants.found import certified_finding, evaluated
from ufm.theory.theorems.variants.limits import ray_finding
from ufm.theory.variants.deep import deep_cross_entropy
from ufm.theory.variants.ray import ray_gap

EPS = float(np.finfo(float).eps)


def optimum(W, H, objective=1.0, lower=None, violation=0.0, evaluate=None):
    return VariantOptimum(W, H, objective, lower, 0.0, violation, (objective,), evaluate, None)


def test_the_gradient_is_the_distance_where_the_penalty_is_all():
    """a → 0: the objective is λ_H/2 ‖h − h*‖², and the inequality of strong convexity an equality to order a."""
    a = 1e-4
    where = Setting(Problem(3, multiplier=float(np.sqrt(a * 2 / 3)), lambda_h=1.0))
    Y = soft_labels(where)
    z = a * (Y - 1 / 3)  # of the optimum, to order a²
    found = THEOREMS["strong-convexity"].claim.measure(where, Y, z)
    moves = np.array([0.01, 0.3, 3.0]) * np.abs(z).max(1).max()
    assert (np.abs(found) <= 20 * a * (a + moves)).all()


@pytest.mark.parametrize("name", ["affine-limit", "many-classes"])
def test_features_are_affine_to_first_order_of_the_sharpness(name):
    a = 1e-4
    where = Setting(Problem(3, multiplier=float(np.sqrt(a * 2 / 3)), lambda_h=1.0))
    Y = soft_labels(where)
    claim, z = THEOREMS[name].claim, a * (Y - 1 / 3)
    assert (np.abs(claim.measure(where, Y, z)) <= a**2).all()
    assert (claim.measure(where, Y, z + a * np.eye(3)[0]).max(1) >= 0.5 * a).all(), "what is off is seen"


@pytest.mark.parametrize("size", [1.0, 1e4])
def test_the_rounding_of_an_objective_covers_what_floats_lose(size):
    """Of logits that cancel: their products are of size ‖h‖ ‖w‖, and so is what is lost of log Σ e^z − z_1."""
    rng = np.random.default_rng(0)
    W, H = size * rng.normal(size=(3, 8)), size * rng.normal(size=(5, 8))
    W -= np.outer(W @ H[0], H[0]) / (H[0] @ H[0])  # the logits of the first feature vanish
    Z = H[:1] @ W.T
    value = float(np.log(np.sum(np.exp(Z))) - Z[0, 0])
    with mp.workdps(50):
        exact = [mp.fdot(w.tolist(), H[0].tolist()) for w in W]
        off = abs(mp.log(mp.fsum(map(mp.exp, exact))) - exact[0] - mpf(value))
    bound = evaluated(optimum(W, H))
    assert off <= bound and bound >= EPS * size**2
    assert evaluated(optimum(np.zeros((0, 8)), H)) >= EPS * size**2, "losses on pairs of features"


def test_a_divergence_as_large_as_the_gap_is_no_contradiction():
    """E KL(p* ‖ p) ≤ gap: at the edge, twice the rounding included, it is none; a little above it is."""
    best = optimum(np.zeros((2, 1)), np.zeros((1, 1)), 1.0, 0.5)
    edge = 0.5 + 2 * evaluated(best)
    assert evaluated(best) == 32 * EPS  # a power of two: the sum is exact
    assert not certified_finding(best, 1.0, edge).exceeds
    beyond = certified_finding(best, 1.0, edge + EPS)
    assert beyond.exceeds and beyond.error == pytest.approx(0.5)


def test_an_objective_of_zero_is_judged_absolutely():
    found = certified_finding(optimum(np.zeros((2, 1)), np.zeros((1, 1)), 0.0, 0.0), 0.25)
    assert found.error == 0.25 and found.unit == 1 and found.rounding == 32 * EPS


def test_the_rounding_of_a_deep_product_grows_with_its_logits():
    where = shaped("deep-linear", (3,), 3, onehot(), 0.02, 0.02, free_dim=3)
    best = deep_cross_entropy(3, 3, 0.02, 0.02)

    def rounding(scale):
        claim = best._replace(scale=scale)
        parts = factors_of(where, claim)
        point = optimum(parts[0], parts[-1], best.objective, evaluate=lambda *_: (best.objective, 0.0, 0.0))
        return deep_finding(where, point, lambda _: claim).rounding

    for scale in (1.0, 1e3, 1e6):  # a logit of the claim is known to ε of its size
        assert 3 * EPS * scale <= rounding(scale) <= 1e-11 * scale


@pytest.mark.parametrize("share", [1e-3, 1.0, 1e3])
def test_entries_that_are_off_move_the_ray_within_its_bound(share):
    """All entries of W and of h off by δ, each to where it moves a logit most; W large or small beside h."""
    where = shaped("gradient-flow", (0.1, 5.0), 3, onehot(), loss="squared-error", free_dim=3)
    x, off = ray_gap(3, 0.1, 5.0, "squared-error"), 1e-7
    W, H = share * (np.eye(3) - 1 / 3), x / share * (where.joint.atoms.labels - 1 / 3)
    spoilt = optimum(W + off * np.sign(H[0]), H + off * np.sign(W[0]), violation=off)
    found = ray_finding(where, spoilt)
    assert found.predicted == x and found.bound / 100 < found.error <= found.bound + 1e-12
    assert ray_finding(where, optimum(W, H)).error < 1e-14


@pytest.mark.parametrize("share, is_open", [(0.5, False), (2.0, True)])
def test_a_multiplier_is_told_where_the_gap_is_below_what_a_hundredth_costs(share, is_open):
    """E KL of the closed form at 1.01 m or 0.99 m, the nearer one, against the gap; rounding is far below."""
    where = joint(3, mixup(1.0), 0.02, 0.02)
    atoms, claim = where.joint.atoms, THEOREMS["joint-etf"].claim
    best = pattern_multiplier(atoms.patterns, 0.02, 0.02)
    Z = best.sharpness * (atoms.labels - predictions(atoms.labels, best.sharpness))
    W = best.value * np.sqrt(3 / 2) * (np.eye(3) - 1 / 3)
    costs = [
        closed_form_divergence(atoms.labels, atoms.weights, Z, best.sharpness * side**2, "cross-entropy")
        for side in (0.99, 1.01)
    ]
    given = JointOptimum(W, Z, W[0], Z, Z, W, 1.0, share * min(costs), None, lambda group: (1.0, 0.0))
    found = claim.judge(where, given)
    assert (found.open is not None) == is_open and found.error < 1e-7 and min(costs) > 1e-7
    assert found.numeric == pytest.approx(found.predicted, rel=1e-12) == best.value


# --- edges ------------------------------------------------------------------------------------------------


def test_at_its_threshold_the_optimum_is_zero():
    """λ_W λ_H = the variance of the labels, exactly; a hair below it is alive."""
    variance = joint(3, mixup(1.0), 1.0, 1.0).joint.atoms.patterns.variance
    at, below = (joint(3, mixup(1.0), v, 1.0) for v in (variance, float(np.nextafter(variance, 0))))
    assert "at or above its threshold" in response.ALIVE.broken(at)
    assert response.ALIVE.broken(below) is None
    assert response.ALIVE.broken(joint(3, mixup(1.0), 0.0, 1.0)) is None


@pytest.mark.parametrize("decay, alive", [(0.4, (True, False)), (0.5, (False, False))])
def test_superclasses_are_held_against_their_moments_where_some_are_dead(decay, alive):
    """Between groups, within them: which are alive is decided by λ_max of their labels on either side."""
    labels = hierarchical_labels(2, 2, 0.2, 0.1)
    best = hierarchy_optimum(2, 4, 0.2, 0.1, decay, decay)
    assert (best.between > 0, best.within > 0) == alive
    found = check_theorem(THEOREMS["superclass-collapse"], joint(4, soft(labels), decay, decay))
    assert found.verdict.word == AGREES, found


def test_a_hierarchy_with_one_label_off_is_none():
    labels = hierarchical_labels(2, 2, 0.2, 0.1)
    assert not isinstance(read_hierarchy(labels), str)
    labels[3, :2] += [1e-10, -1e-10]  # all other entries are exact
    assert "the labels are not" in read_hierarchy(labels)
