"""Laws with superclasses: digits, the law without a preference, all kinds of optimum, and which laws have them."""

from itertools import product

import numpy as np
import pytest

from ufm.model.atoms import JointProblem, finite_law
from ufm.model.laws import mixup
from ufm.optimize.joint import solve_joint
from ufm.theory.geometry.groups import (
    block_optimum,
    cyclic_projections,
    group_optimum,
    grouped_mixup,
    moments,
    projections,
    read_cycle,
    read_groups,
)
from ufm.theory.geometry.hierarchy import hierarchical_labels, hierarchy_optimum

NODES, SHARES = np.polynomial.legendre.leggauss(12)
LAM, SHARES = (NODES + 1) / 2, SHARES / 2


@pytest.mark.parametrize(
    "groups, within, gains", [(2, 0.8, (2.02886858, 3.20346144)), (3, 0.9, (1.54807941, 3.04487111))]
)
def test_digits_of_mixup_that_prefers_the_own_group(groups, within, gains):
    labels, weights = grouped_mixup(groups, 2, within, LAM, SHARES)
    found = group_optimum(labels, weights, np.arange(2 * groups) // 2, 0.01, 0.01)
    assert (found.within, found.between) == pytest.approx(gains, abs=5e-9)


@pytest.mark.parametrize(
    "within, decay, kind",
    [(0.8, 0.01, (1, 1)), (0.8, 0.45, (0, 1)), (0.2, 0.4, (1, 0)), (0.8, 0.6, (0, 0)), (0.0, 0.35, (1, 0))],
)
def test_the_conditions_in_every_kind_of_optimum(within, decay, kind):
    labels, weights = grouped_mixup(2, 2, within, LAM, SHARES)
    P = projections([0, 0, 1, 1])
    found = group_optimum(labels, weights, [0, 0, 1, 1], decay, decay)
    gains, ranks = np.array([found.within, found.between]), np.array([2, 1])
    shares = moments(labels - found.p, weights, P) / (decay**2 * ranks)
    assert tuple((gains > 0).astype(int)) == kind
    assert shares[gains > 0] == pytest.approx(1, abs=1e-12) and (shares <= 1 + 1e-12).all()
    z = (labels - found.p) @ (gains[0] * P[0] + gains[1] * P[1]) / decay
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    assert np.abs(p - found.p).max() <= 1e-13


CYCLES = [(4, 0.01, 2), (5, 0.05, 2), (6, 0.22, 2), (7, 0.35, 1), (5, 0.4, 0), (2, 0.1, 1)]


@pytest.mark.parametrize(
    "classes, decay, alive", [pytest.param(*one, marks=[pytest.mark.slow] * (one[0] > 4)) for one in CYCLES]
)
def test_gains_of_cyclic_pairs_are_those_of_a_full_solve(classes, decay, alive):
    """A gain each frequency, in order as they die; and W Wᵀ of the blind solver, which knows no symmetry."""
    law = finite_law(mixup(1.0, "cyclic" if classes > 2 else "all"), classes, 4)
    P = cyclic_projections(classes)
    found = block_optimum(law.labels, law.weights, P, decay, decay)
    assert (found.gains > 0).sum() == alive and (np.diff(found.gains) <= 0).all()
    ranks = np.trace(P, axis1=1, axis2=2)
    shares = moments(law.labels - found.p, law.weights, P) / (decay**2 * ranks)
    assert shares[:alive] == pytest.approx(1, abs=1e-12) and (shares[alive:] < 1).all()
    W = solve_joint(JointProblem(law, decay, decay)).W
    G = np.einsum("f,fkl->kl", found.gains, P)
    assert np.abs(W @ W.T - G).max() <= 1e-6 * max(1.0, G.max())
    etf = np.trace(G) / (classes - 1) * (np.eye(classes) - 1 / classes)
    assert alive == 0 or classes == 2 or np.abs(W @ W.T - etf).max() > 0.02 * G.max()


@pytest.mark.parametrize("classes", range(3, 11))
def test_the_conditions_of_every_frequency_hold(classes):
    """Labels smoothed over neighbours, and any circulant ones: a gain that was alive may die when another comes."""
    rng, P = np.random.default_rng(classes), cyclic_projections(classes)
    ranks, died = np.trace(P, axis1=1, axis2=2), 0
    rows = [np.r_[1 - eta, eta / 2, np.zeros(classes - 3), eta / 2] for eta in (0.05, 0.3, 0.5, 0.9)]
    rows += list(rng.dirichlet(np.full(classes, 0.5), 4))
    for row, (lambda_w, lambda_h) in product(rows, ((0.01, 0.001), (0.05, 0.01), (1e-4, 1e-4))):
        Y, q = np.stack([np.roll(row, k) for k in range(classes)]), np.full(classes, 1 / classes)
        gains, p = block_optimum(Y, q, P, lambda_w, lambda_h)
        shares = moments(Y - p, q, P) / (lambda_w * lambda_h * ranks)
        alone = moments(Y - 1 / classes, q, P) / (lambda_w * lambda_h * ranks)
        assert shares[gains > 0] == pytest.approx(1, abs=1e-9) and (shares[gains == 0] <= 1 + 1e-9).all()
        died += int(((gains == 0) & (alone > 1)).sum())
    assert (died > 0) == (classes > 3)


def test_digits_of_cyclic_pairs():
    """Of the theorem necessity: K = 4, λ uniform, λ_W = λ_H = 0.01."""
    law = finite_law(mixup(1.0, "cyclic"), 4, 24)
    found = block_optimum(law.labels, law.weights, cyclic_projections(4), 0.01, 0.01)
    assert found.gains == pytest.approx([3.09021, 0.29446], abs=5e-6)


def test_which_laws_have_a_cycle():
    row = np.array([0.6, 0.25, 0.1, 0.05, 0.0])
    turned = np.stack([np.roll(row, k) for k in range(5)])
    assert read_cycle(turned, np.full(5, 0.2)) is None
    assert "changes the label law" in read_cycle(turned, np.array([0.24, 0.16, 0.2, 0.2, 0.2]))
    assert "changes the label law" in read_cycle(turned[:, [0, 2, 1, 3, 4]], np.full(5, 0.2))


@pytest.mark.parametrize("decay", [0.01, 0.3, 0.9])
def test_hierarchical_labels_are_such_a_law(decay):
    labels = hierarchical_labels(3, 2, 0.2, 0.1)
    groups = read_groups(labels, np.full(6, 1 / 6))
    found, known = (
        group_optimum(labels, np.full(6, 1 / 6), groups, decay, decay),
        hierarchy_optimum(2, 6, 0.2, 0.1, decay, decay),
    )
    assert (found.within, found.between) == pytest.approx((known.within, known.between), rel=1e-12, abs=1e-13)


def test_which_laws_have_groups():
    order = np.array([2, 0, 3, 1])
    labels, weights = grouped_mixup(2, 2, 0.8, [0.3], [1.0])
    groups = read_groups(labels[:, order], weights)
    assert groups[0] == groups[2] and groups[1] == groups[3] and groups[0] != groups[1]
    cyclic = finite_law(mixup(1.0, "cyclic"), 4, 6)
    assert read_groups(cyclic.labels, cyclic.weights).tolist() == [0, 1, 0, 1]
    spoilt = weights * np.r_[1.01, np.ones(len(weights) - 1)]
    assert isinstance(read_groups(labels, spoilt / spoilt.sum()), str)
    even, shares = grouped_mixup(2, 2, 0.5, LAM, SHARES)  # no preference: m/K
    assert "alike" in read_groups(even, shares)
    same = group_optimum(even, shares, [0, 0, 1, 1], 0.01, 0.01)
    assert same.within == pytest.approx(same.between, rel=1e-12)
    assert isinstance(read_groups(np.eye(4)[[0, 1]], np.full(2, 0.5)), str)
