"""Labels made for a geometry: check values, what is feasible, and the optimum that a blind solver finds."""

import numpy as np
import pytest
from mpmath import mp, mpf

import ufm
from proofs.tools.settings import joint
from ufm.agree.theorem import check_theorem
from ufm.agree.verdict import OUT_OF_HYPOTHESIS
from ufm.certify.joint import certify_joint
from ufm.model.atoms import FiniteLaw, JointProblem
from ufm.model.laws import soft
from ufm.optimize.joint import solve_joint
from ufm.rules.errors import InputError
from ufm.theory.geometry.design import read_design
from ufm.theory.geometry.hierarchy import hierarchical_labels, hierarchy_optimum, read_hierarchy
from ufm.theory.theorems.catalogue import THEOREMS
from ufm.theory.theorems.free.design import class_smoothing

RNG = np.random.default_rng(3)
WEIGHTS = np.array([0.4, 0.3, 0.2, 0.1])


def gram(K, ratio=10.0, seed=0):
    """A centred positive matrix with eigenvalues from 1 to 1/ratio along random directions."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.svd(np.eye(K) - 1 / K)[0][:, : K - 1]
    turn = np.linalg.qr(rng.standard_normal((K - 1, K - 1)))[0]
    return basis @ turn @ np.diag(np.geomspace(1, 1 / ratio, K - 1)) @ turn.T @ basis.T


# --- check values ------------------------------------------------------------------------------------------


def test_smoothing_that_cures_imbalance():
    found = ufm.design(np.eye(4) - 0.25, WEIGHTS, 0.004, 0.004)
    check = [0.5025497073709741, 0.4271302850722273, 0.3147728024925608, 0.1375893388758432]
    assert found.feasible and class_smoothing(found.labels) == pytest.approx(check, rel=4e-15)


def test_a_ring_of_five_classes():
    row = np.array([0.62, 0.17, 0.02, 0.02, 0.17])
    labels = np.stack([np.roll(row, k) for k in range(5)])
    found = read_design(labels, np.full(5, 0.2), 0.01, 0.01)
    values = np.linalg.eigvalsh(found.G)
    assert values[3:] == pytest.approx([1.975283526889757] * 2, rel=2e-15)
    assert values[1:3] == pytest.approx([0.01105363970436372] * 2, rel=1e-12)
    assert found.mismatch < 1e-14


@pytest.mark.parametrize(
    "decay, within, between",
    [(0.01, 0.7700392716567988, 2.208061205398471), (0.3, 0.0, 0.3804188241455341), (0.4, 0.0, 0.0)],
)
def test_three_phases_of_superclasses(decay, within, between):
    """The last: ĉ = 0.98 ≥ 1 − δ."""
    found = hierarchy_optimum(2, 6, 0.2, 0.1, decay, decay)
    assert (found.within, found.between) == pytest.approx((within, between), rel=4e-15)
    assert found.own + found.sibling + 4 * found.other == pytest.approx(1, rel=1e-15)


def test_labels_of_superclasses_are_read_back():
    read = read_hierarchy(hierarchical_labels(3, 2, 0.2, 0.1))
    assert (read.inner, read.outer) == pytest.approx((0.2, 0.1), rel=1e-14)
    assert read.groups.tolist() == [0, 0, 2, 2, 4, 4]
    most = read_hierarchy(hierarchical_labels(2, 2, 0.9, 0.1))  # the own class has as much as its group
    assert most.inner + most.outer == pytest.approx(1, rel=1e-14)
    for other in (np.eye(4), np.full((4, 4), 0.25), hierarchical_labels(2, 2, 0.2, 0.1)[[0, 2, 1, 3]]):
        assert isinstance(read_hierarchy(other), str)


@pytest.mark.parametrize("groups, size, inner, value", [(2, 2, 1.6, 0.64964), (2, 3, 1.2, 0.2100)])
def test_labels_with_less_for_the_own_class_than_for_its_group_are_no_hierarchy(groups, size, inner, value):
    """Differences within a group are alive, with g_w = `value`: what the theorem would call nothing."""
    labels, K = hierarchical_labels(groups, size, inner, 0.0), groups * size
    assert "ε + δ" in read_hierarchy(labels)
    where = joint(K, soft(labels), 0.02, 0.02)
    assert check_theorem(THEOREMS["superclass-collapse"], where).verdict.word == OUT_OF_HYPOTHESIS
    best = solve_joint(where.joint)
    within = np.eye(K) - np.kron(np.eye(groups), np.full((size, size), 1 / size))
    assert np.sum((within @ best.W) ** 2) / (K - groups) == pytest.approx(value, abs=1e-4)
    assert hierarchy_optimum(size, K, inner, 0.0, 0.02, 0.02).within == 0.0


# --- the optimum --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("K, ratio", [(3, 2.0), (4, 100.0)])
def test_a_blind_solver_finds_the_geometry(K, ratio):
    """λ_W = 4 λ_H, uneven weights; ‖W Wᵀ − G‖ within what the gap allows is tested by the theorem."""
    G, weights = gram(K, ratio), WEIGHTS[:K] / WEIGHTS[:K].sum()
    decay = 2e-4 if K == 4 else 1e-3
    found = ufm.design(G, weights, 4 * decay, decay)
    problem = JointProblem(found.law, 4 * decay, decay)
    optimum = solve_joint(problem)
    assert certify_joint(problem, optimum).gap < 1e-10
    assert np.abs(optimum.W @ optimum.W.T - G).max() < 1e-6
    plain = JointProblem(FiniteLaw(np.eye(K), weights), 4 * decay, decay)  # negative control
    W = solve_joint(plain).W
    assert np.abs(W @ W.T - G).max() > 0.1


@pytest.mark.parametrize("K", [2, 3, 5])
def test_the_labels_are_those_of_forty_digits(K):
    G, weights = gram(K, 5.0, K), RNG.dirichlet(np.full(K, 5.0))
    found = ufm.design(G, weights, 2e-4, 1e-4)
    with mp.workdps(40):
        for k in range(K):
            q = mpf(float(found.weights[k]))
            z = [mp.sqrt(mpf(2e-4) / (mpf(1e-4) * q)) * mpf(float(value)) for value in G[k]]
            total = mp.fsum(map(mp.exp, z))
            c = mp.sqrt(mpf(2e-4) * mpf(1e-4) / q)
            exact = [mp.exp(z[l]) / total + c * ((l == k) - mpf(1) / K) for l in range(K)]
            assert np.abs(found.labels[k] - np.array(exact, float)).max() < 1e-14


@pytest.mark.parametrize("K", [2, 4])
def test_the_largest_c_is_where_a_label_reaches_zero(K):
    """λ_W/λ_H = 3 at every c."""
    G, weights = gram(K), np.full(K, 1 / K)
    largest = ufm.design(G, weights, 3e-6, 1e-6).largest_c
    for share, feasible in ((0.999, True), (1.001, False)):
        decay = share * largest / np.sqrt(3)
        found = ufm.design(G, weights, 3 * decay, decay)
        assert found.feasible == feasible and found.largest_c == pytest.approx(largest, rel=1e-12)
        assert (found.labels.min() >= 0) == feasible
    with pytest.raises(InputError, match="must be at most"):
        _ = found.law
    assert abs(ufm.design(G, weights, *(largest * np.sqrt([3, 1 / 3]))).labels.min()) < 1e-14


def test_the_zero_matrix_is_the_optimum_at_its_threshold():
    found = ufm.design(np.zeros((3, 3)), np.full(3, 1 / 3), 0.1, 0.1)
    assert found.largest_c == pytest.approx(1 / np.sqrt(3), rel=1e-15)
    covariance = found.law.covariance
    assert np.linalg.eigvalsh(covariance)[-1] == pytest.approx(0.01, rel=1e-13)


def test_labels_that_are_no_design_say_why():
    even = np.full(3, 1 / 3)
    assert "not one for each" in read_design(np.full((2, 3), 1 / 3), even[:2] * 1.5, 0.1, 0.1)
    assert "not positive" in read_design(np.eye(3)[[1, 2, 0]], even, 0.1, 0.1)
    assert "negative eigenvalue" in read_design(np.full((3, 3), 0.4) - 0.2 * np.eye(3), even, 0.01, 0.01)
    off = read_design(np.array([[0.8, 0.1, 0.1], [0.1, 0.7, 0.2], [0.05, 0.05, 0.9]]), even, 0.01, 0.01)
    assert off.mismatch > 1e-3


@pytest.mark.parametrize(
    "G, words",
    [
        (np.eye(3), "centred"),
        (np.array([[1.0, -1, 0], [0, 1, -1], [-1, 0, 1]]), "symmetric"),
        (1 / 3 - np.eye(3), "no negative eigenvalue"),
    ],
)
def test_another_matrix_is_refused(G, words):
    with pytest.raises(InputError, match=words):
        ufm.design(G, np.full(3, 1 / 3), 0.01, 0.01)
    with pytest.raises(InputError, match="weights must be positive"):
        ufm.design(np.eye(2) - 0.5, np.array([1.0, 0.0]), 0.01, 0.01)


def test_a_law_is_given_to_the_commands_as_it_is():
    found = ufm.design(np.eye(4) - 0.25, WEIGHTS, 0.004, 0.004)
    law = soft(found.labels, found.weights)
    assert np.abs(law.labels - found.law.labels).max() < 1e-15
    assert np.abs(law.probabilities - found.law.weights).max() < 1e-15
