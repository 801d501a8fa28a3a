"""Susceptibilities and small penalties: check values, central differences of certified optima, drawn labels."""

import numpy as np
import pytest

import ufm
from ufm.certify.joint import certify_joint
from ufm.model.atoms import FiniteLaw, JointProblem, finite_law
from ufm.model.laws import kway, mixup, onehot, smooth
from ufm.optimize.gram import FULLY, Penalties, gram_newton, gram_project, logit_basis
from ufm.optimize.joint import solve_joint
from ufm.rules.errors import InputError
from ufm.theory.features import two_hot_optimum
from ufm.theory.geometry.onehot import class_optimum
from ufm.theory.geometry.support import support_limit, support_ratio
from ufm.theory.geometry.susceptibility import onehot_response
from ufm.theory.multiplier import joint_multiplier

LAM = 0.01
ONE = np.eye(4)[:1]


def of_mixup(K, alpha, lambda_w=LAM, lambda_h=LAM, nodes=64):
    return ufm.susceptibility(JointProblem(finite_law(mixup(alpha), K, nodes), lambda_w, lambda_h))


@pytest.mark.parametrize(
    "K, alpha, lambdas, spread",
    [
        (3, 1.0, (0.01, 0.01), (0.27698, 5.0204, 0.0)),
        (4, 1.0, (0.01, 0.01), (0.0694, 6.636, 8.719)),
        (4, 0.3, (0.02, 0.01), (0.0392, 4.933, 2.424)),
    ],
)
def test_check_values_of_drawn_labels(K, alpha, lambdas, spread):
    """To the digits that are given: half a unit of the last."""
    found = of_mixup(K, alpha, *lambdas)
    for value, check in zip(found.spread, spread):
        digits = len(f"{check}".split(".")[1])
        assert abs(value - check) <= 0.51 * 10.0**-digits
    if K == 3:
        assert found.deviation == pytest.approx(0.6345, abs=5e-5)


@pytest.mark.parametrize("K, decay, value", [(4, 0.01, 7.054494995184729), (10, 5e-4, 16.28810128015459)])
def test_check_values_of_one_hot_labels(K, decay, value):
    assert onehot_response(K, decay, decay) == pytest.approx(value, rel=4e-15)
    found = ufm.susceptibility(JointProblem(finite_law(onehot(), K), decay, decay))
    u = np.eye(K) - 1 / K
    delta = np.eye(K)[0] - 1 / K
    assert found.response(np.eye(K)[:1], np.ones(1)) == pytest.approx(
        value * u * delta @ u, rel=1e-11, abs=1e-12
    )


def moved(atoms, labels, weights, step, bias=None):
    """W Wᵀ of the certified optimum of (1−ε) π + ε π'."""
    mixed = FiniteLaw(
        np.concatenate([atoms.labels, labels]),
        np.concatenate([(1 - step) * atoms.weights, step * weights]),
    )
    problem = JointProblem(mixed, 0.1, 0.05, lambda_b=bias)
    found = solve_joint(problem)
    assert certify_joint(problem, found).relative_gap < 1e-9
    return found.W @ found.W.T


@pytest.mark.slow
@pytest.mark.parametrize(
    "law, bias",
    [(mixup(1.0), None), (smooth(0.2), None), (mixup(1.0), 0.0), (smooth(0.2), 0.0), (mixup(1.0), 0.2)],
)
def test_the_response_is_a_central_difference_of_certified_optima(law, bias):
    """One class and one pair more often, K = 4; a difference of step 1e-3 has errors of its square."""
    atoms = finite_law(law, 4, 6)
    labels, weights = np.array([[1.0, 0, 0, 0], [0.3, 0.7, 0, 0]]), np.array([0.6, 0.4])
    found = ufm.susceptibility(JointProblem(atoms, 0.1, 0.05, lambda_b=bias))
    exact, step = found.response(labels, weights), 1e-3
    # a law of negative weight is none: the labels are added to it on both sides of twice the step
    after, before = (moved(atoms, labels, weights, size, bias) for size in (2 * step, 0.0))
    middle = moved(atoms, labels, weights, step, bias)
    slope = (4 * middle - 3 * before - after) / (2 * step)
    size = np.abs(exact).max()
    assert np.abs(slope - exact).max() < 1e-4 * size
    size_part = np.trace(exact) / 3 * (np.eye(4) - 0.25)
    assert np.abs(slope - size_part).max() > 0.05 * size  # negative control: one number is not enough


def test_the_response_is_the_first_newton_step_away_from_the_optimum():
    """Of the blind solver, which knows no symmetry: a start from the response saves it one step, no more."""
    law = finite_law(mixup(1.0), 4, 6)
    found = ufm.susceptibility(JointProblem(law, 0.1, 0.05))
    B, share, labels = logit_basis(4, "cross-entropy"), 1e-4, np.array([[1.0, 0, 0, 0], [0.3, 0.7, 0, 0]])
    Y = np.concatenate([law.labels, labels]).T
    weights = np.concatenate([(1 - share) * law.weights, share * np.array([0.6, 0.4])])
    given = (B, Y, weights, Penalties(0.1, 0.05, 0.0))
    G = found.sharpness * 0.05 * np.eye(3)
    still = np.zeros((3, len(weights)))
    point = gram_project(G, np.zeros(3), still, *given, FULLY, loss_name="cross-entropy")
    step = gram_newton(point, *given, loss_name="cross-entropy", bias=False)
    moved = B @ (point.V @ step.D @ point.V.T) @ B.T
    exact = found.response(labels, np.array([0.6, 0.4]))
    assert np.abs(moved / share - exact).max() < 2e-3 * np.abs(exact).max()


def test_a_bias_takes_up_some_of_the_norms_response():
    """One-hot, K = 4: the gap of two rows of G moves by 3.53 without a bias, by 2.65 with a free one."""

    def gap(bias):
        found = ufm.susceptibility(JointProblem(finite_law(onehot(), 4), LAM, LAM, 4, bias))
        G = found.response(ONE, np.ones(1))
        return G[0, 0] - G[1, 1]

    free, light, heavy, none = map(gap, (0.0, 0.01, 1e3, None))
    assert free == pytest.approx(2.65, abs=0.005) and none == pytest.approx(3.53, abs=0.005)
    assert free < 0.9 * light < light < 0.99 * none and heavy == pytest.approx(none, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("K", [3, 4])
@pytest.mark.parametrize("bias", [0.0, 0.01])
def test_the_response_with_a_bias_is_a_difference_of_optima(K, bias):
    """More of one class, less of one class; without its bias the answer would be off by a twentieth or more."""
    found = ufm.susceptibility(JointProblem(finite_law(onehot(), K), LAM, LAM, K, bias))
    exact, sides = found.response(ONE[:, :K], np.ones(1)), []
    for step in (1e-3, -1e-3):
        q = np.full(K, (1 - step) / K) + step * ONE[0, :K]
        problem = JointProblem(FiniteLaw(np.eye(K), q), LAM, LAM, K, bias)
        best = solve_joint(problem)
        assert certify_joint(problem, best).relative_gap < 1e-9
        sides.append(best.W @ best.W.T)
    slope = (sides[0] - sides[1]) / 2e-3
    size = np.abs(exact).max()
    assert np.abs(slope - exact).max() < 1e-5 * size
    plain = ufm.susceptibility(JointProblem(finite_law(onehot(), K), LAM, LAM)).response(
        ONE[:, :K], np.ones(1)
    )
    assert np.abs(slope - plain).max() > 0.05 * size


@pytest.mark.parametrize("bias", [None, 0.0, 0.05])
def test_the_spread_of_draws_is_that_of_single_labels(bias):
    """n drawn labels move G by the mean of n independent responses: each part's mean square is its spread."""
    atoms = finite_law(mixup(0.5), 4, 6)
    found, flat = ufm.susceptibility(JointProblem(atoms, 0.1, 0.05, lambda_b=bias)), np.eye(4) - 0.25
    squares = np.zeros(3)
    for y, weight in zip(atoms.labels, atoms.weights):
        G = found.response(y[None], np.ones(1))
        size = np.trace(G) / 3 * flat
        norms = flat @ np.diag(2 * np.diag(G - size)) @ flat
        squares += weight * np.array([np.sum(part**2) for part in (size, norms, G - size - norms)])
    assert squares == pytest.approx(np.array(found.spread), rel=1e-9)


def test_three_parts_are_solved_each_by_its_own():
    found = of_mixup(4, 1.0)
    h, flat = found.curvature, np.eye(4) - 0.25
    delta = np.diag([3.0, -1, -1, -1])
    angles = np.zeros((4, 4))
    for i, j, sign in ((0, 1, 1), (1, 2, -1), (2, 3, 1), (3, 0, -1)):
        angles[i, j] = angles[j, i] = sign
    still = found.product * flat
    for part, value in ((flat, h.size), (flat @ delta @ flat, h.norms), (angles, h.angles)):
        assert np.abs(found.solve(still + part) - part / value).max() < 1e-9 / value


@pytest.mark.parametrize("K, none", [(2, ("norms", "angles")), (3, ("angles",))])
def test_few_classes_have_fewer_parts(K, none):
    found = of_mixup(K, 1.0, 0.1, 0.1)
    for name in none:
        assert (
            getattr(found.dimension, name)
            == getattr(found.curvature, name)
            == getattr(found.spread, name)
            == 0
        )
    assert found.response(np.eye(K), np.full(K, 1 / K)).shape == (K, K)


def test_where_there_is_no_such_symmetry_it_is_said():
    with pytest.raises(InputError, match="exchangeable"):
        ufm.susceptibility(JointProblem(FiniteLaw(np.eye(3), np.full(3, 1 / 3)), 0.01, 0.01))
    with pytest.raises(InputError, match="threshold"):
        ufm.susceptibility(JointProblem(finite_law(onehot(), 3), 1.0, 1.0))
    with pytest.raises(InputError, match="dim"):
        ufm.susceptibility(JointProblem(finite_law(onehot(), 4), 0.1, 0.1, dim=2))
    with pytest.raises(InputError, match="columns"):
        of_mixup(3, 1.0).response(np.eye(4), np.full(4, 0.25))


# --- small penalties ----------------------------------------------------------------------------------------


def deficit_ratio(law, classes, c):
    """1 − p_c of a clean label under the law over that under one-hot labels, both at λ_W = λ_H = c."""
    a = joint_multiplier(law, classes, c, c).sharpness
    return float(two_hot_optimum(1.0, a, classes).p_other) / class_optimum(classes, c, c).wrong


@pytest.mark.parametrize("alpha, here, far", [(0.2, 0.954, 0.801), (1.0, 0.903, 0.784), (5.0, 0.886, 0.782)])
def test_the_deficit_of_clean_labels_falls_to_its_limit(alpha, here, far):
    """Limit 1/√(2 − 3/K) = 0.76697 at K = 10, from above, for every α."""
    limit = 1 / np.sqrt(2 - 0.3)
    assert limit == pytest.approx(0.7669649888473704, rel=1e-15)
    near, small = deficit_ratio(mixup(alpha), 10, 5e-4), deficit_ratio(mixup(alpha), 10, 1e-30)
    assert near == pytest.approx(here, abs=5.1e-4) and small == pytest.approx(far, abs=5.1e-4)
    assert near > small > limit


def test_limits_of_some_laws():
    assert support_limit(onehot(), 10) == pytest.approx(np.sqrt(0.9), rel=1e-15)
    assert support_limit(mixup(1.0, "different"), 4) == pytest.approx(1.0, rel=1e-15)
    assert support_limit(smooth(0.1), 5) == 0.0
    assert support_limit(mixup(1.0), 2) == pytest.approx(0.5, rel=1e-15)
    # three classes drawn of two: one of them with probability 1/4
    assert support_limit(kway(1.0, 3), 2) == pytest.approx(np.sqrt(0.25 * 0.5), rel=1e-12)


def test_the_limit_is_of_the_sharpness_of_the_joint_optimum():
    """A classifier held at m = 1 has a = K/((K−1)c), and a quotient that goes to zero."""
    K, c = 10, np.array([1e-8, 1e-100, 1e-300])
    a = K / (K - 1) / c
    assert (a * c * np.sqrt(K - 1) / np.log(a) < [0.2, 0.02, 0.005]).all()
    assert support_ratio(onehot(), K, 1e-30)[0] == pytest.approx(support_limit(onehot(), K), rel=0.1)


def test_the_curve_approaches_its_limit():
    law, c = mixup(1.0), [1e-3, 1e-8, 1e-16, 1e-30]
    off = np.abs(support_ratio(law, 10, c) / support_limit(law, 10) - 1)
    assert (np.diff(off) < 0).all() and off[0] > 0.1 > 0.05 > off[-1] > 0.02
