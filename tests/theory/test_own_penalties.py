"""Temperatures that restore an ETF, and sets of classes: digits, both branches, the largest gain, the problem."""

from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp

from ufm.certify.joint import certify_joint
from ufm.model.atoms import FiniteLaw, JointProblem, multi_label
from ufm.optimize.joint import solve_joint
from ufm.rules.errors import InputError
from ufm.theory.geometry.own_penalties import restoring_temperatures, set_optimum, temperature_gains

Q = np.array([0.4, 0.3, 0.2, 0.1])


def test_digits():
    delta = restoring_temperatures(Q, 1.5, 0.01, 0.01).upper
    assert delta == pytest.approx([2.75917, 2.26414, 1.70199, 1.01951], abs=5e-6)
    best = set_optimum(4, [1, 2], [0.6, 0.4], 0.02, 0.02)
    assert best.sharpness == pytest.approx(115.2434976492648, rel=1e-14)
    assert best.gaps == pytest.approx([4.581128901227854, 4.029032947300762], rel=1e-14)


@pytest.mark.parametrize("lower", [(), (1, 3), (0, 1, 2, 3)])
def test_every_choice_of_the_two_temperatures_restores(lower):
    found = restoring_temperatures(Q, 1.5, 0.01, 0.01)
    delta = np.where(np.isin(np.arange(4), lower), found.lower, found.upper)
    task = JointProblem(FiniteLaw(np.eye(4), Q, rho=delta**-2), 0.01, 0.01)
    best = solve_joint(task)
    assert certify_joint(task, best).gap <= 1e-10 * best.objective
    assert np.abs(best.W @ best.W.T - 1.5 * (np.eye(4) - 1 / 4)).max() <= 1e-9
    alike = solve_joint(JointProblem(task.atoms if not lower else FiniteLaw(np.eye(4), Q), 0.01, 0.01))
    assert (np.abs(alike.W @ alike.W.T - best.W @ best.W.T).max() > 0.1) == bool(lower)  # negative control


def test_no_temperature_restores_more_than_the_largest_gain():
    """Every δ of the rarest class asks for less, and the largest gain is reached."""
    largest = restoring_temperatures(Q, 1.0, 0.01, 0.02).largest_gain
    delta = np.geomspace(0.045, 50, 100_000)  # t < 1
    t = np.sqrt(0.01 * 0.02 / 0.1) / delta
    asked = 0.1 * t * np.log(4 / t - 3) / 0.01
    assert asked.max() <= largest * (1 + 1e-12) and asked.max() == pytest.approx(largest, rel=1e-8)
    edge = restoring_temperatures(Q, largest, 0.01, 0.02)
    assert edge.upper[3] == pytest.approx(edge.lower[3], rel=1e-6) and edge.upper[0] > 2 * edge.lower[0]
    with pytest.raises(InputError, match="above"):
        restoring_temperatures(Q, 1.001 * largest, 0.01, 0.02)
    assert isinstance(temperature_gains(Q, np.full(4, 1e-3), 0.01, 0.01), str)


def test_the_problem_of_sets_is_the_sum_over_their_classes():
    """L-BFGS on E[Σ_{k∈S} CE + (λ_H/2)‖h‖²] + (λ_W/2)‖W‖² + (λ_b/2)‖b‖² itself."""
    members = np.array([np.isin(np.arange(3), s) for r in (1, 2) for s in combinations(range(3), r)], float)
    weights = np.array([0.3, 0.1, 0.1, 0.2, 0.2, 0.1])
    task = multi_label(members, weights, 0.02, 0.03, lambda_b=0.2)

    def objective(x):
        W, H, b = x[:9].reshape(3, 3), x[9:27].reshape(6, 3), x[27:]
        Z = H @ W.T + b
        sizes = members.sum(1)
        fit = sizes * logsumexp(Z, axis=1) - np.sum(members * Z, 1) + 0.015 * np.sum(H**2, 1)
        r = (sizes[:, None] * np.exp(Z - logsumexp(Z, axis=1)[:, None]) - members) * weights[:, None]
        slopes = r.T @ H + 0.02 * W, r @ W + 0.03 * H * weights[:, None], r.sum(0) + 0.2 * b
        return weights @ fit + 0.01 * np.sum(W**2) + 0.1 * b @ b, np.concatenate([s.ravel() for s in slopes])

    start = np.random.default_rng(0).normal(size=30)
    other = minimize(objective, start, jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-10})
    best = solve_joint(task)
    assert best.objective * (weights @ members.sum(1)) == pytest.approx(other.fun, rel=1e-9)


def test_sets_in_the_wrong_form_are_refused():
    for members in ([[0.5, 0.5, 1.0]], [[0.0, 0, 0]], [[2.0, 0, 0]]):
        with pytest.raises(InputError, match="0 or 1"):
            multi_label(np.array(members), np.ones(1), 0.1, 0.1)


@pytest.mark.parametrize("decay", [1e-60, 1e-6, 0.5, 0.5773, 0.5774, 3.0])
def test_sets_satisfy_their_equations_over_all_scales(decay):
    best = set_optimum(3, [1, 2, 3], [0.5, 0.3, 0.2], decay, decay)
    r, P = np.array([1, 2, 3]), np.array([0.5, 0.3, 0.2])
    zero = P @ (r * (3 - r)) <= 6 * decay**2
    assert (best.sharpness == 0) == zero
    if not zero:
        x, a = best.gaps, best.sharpness
        assert x * (r * np.exp(x) + 3 - r) == pytest.approx(3 * a, rel=1e-12)
        assert P @ (r * (3 - r) * (x / a) ** 2) == pytest.approx(6 * decay**2, rel=1e-12)


@pytest.mark.parametrize("share, count", [(1 - 1e-6, 2), (1.0, 1)])
def test_the_largest_gain_leaves_its_class_one_temperature(share, count):
    """At equality the two roots are one."""
    largest = restoring_temperatures(Q, 1.5, 0.01, 0.01).largest_gain
    found = restoring_temperatures(Q, share * largest, 0.01, 0.01)
    apart = found.upper / found.lower - 1
    assert (apart[3] > 1e-4) == (count == 2) and apart[3] < 1e-2 and (apart[:3] > 0.1).all()
    with pytest.raises(InputError, match="no temperatures"):
        restoring_temperatures(Q, (1 + 1e-9) * largest, 0.01, 0.01)
