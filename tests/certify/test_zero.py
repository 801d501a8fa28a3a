"""Whether W = 0 is the optimum: the certificate against 40 digits, and optima on both sides of its threshold."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from mpmath import mp, mpf

from ufm.agree.flatness import excess
from ufm.certify.classifier import certify_zero
from ufm.certify.joint import certify_joint
from ufm.model.atoms import FiniteLaw, JointProblem
from ufm.optimize.joint import solve_joint
from ufm.theory.thresholds import triviality

CE, SE, BCE = "cross-entropy", "squared-error", "binary-cross-entropy"
LABELS = np.random.default_rng(5).dirichlet((0.2, 0.5, 1.0), 9)
WEIGHTS = np.random.default_rng(6).dirichlet(np.ones(9))
RHO = np.geomspace(0.3, 4.0, 9)
KINDS = [(loss, bias) for loss in (CE, SE, BCE) for bias in (None, 0.0, 0.3)]
OWN = [(loss, bias, rho) for loss, bias in KINDS for rho in (None, RHO)]


def problem(loss, bias, rho, product=1.0, dim=3):
    law = FiniteLaw(LABELS, WEIGHTS, rho=rho)
    return JointProblem(law, 2 * np.sqrt(product), np.sqrt(product) / 2, dim, bias, loss)


def digits(values):
    return [mpf(float(value)) for value in values]


def bias_alone(loss, bias):
    """p₀ in 40 digits, by the scalar equation of each loss and of the free normaliser."""
    mean = [sum(w * y for w, y in zip(digits(WEIGHTS), digits(column))) for column in LABELS.T]
    total = sum(digits(WEIGHTS))
    mean = [m / total for m in mean]
    if bias is None:
        return [{CE: mpf(1) / 3, SE: mpf(0), BCE: mpf(1) / 2}[loss]] * 3
    if bias == 0 or loss == SE:
        return [m / (1 + mpf(bias)) for m in mean]

    def own(m, t):  # the root of λ_b b + e^{b − t} = m, or λ_b b + σ(b) = m
        fit = mp.exp if loss == CE else (lambda b: 1 / (1 + mp.exp(-b)))
        b = mp.findroot(lambda b: mpf(bias) * b + fit(b - t) - m, mpf(0))
        return fit(b - t)

    if loss == BCE:
        return [own(m, mpf(0)) for m in mean]
    t = mp.findroot(lambda t: sum(own(m, t) for m in mean) - 1, mp.log(3))
    return [own(m, t) for m in mean]


@cache
def exact(loss, bias, weighted):
    """λ_max(M₀) in 40 digits."""
    with mp.workdps(40):
        p, M = bias_alone(loss, bias), mp.zeros(3)
        for w, y, rho in zip(digits(WEIGHTS), LABELS, RHO if weighted else np.ones(9)):
            r = [a - b for a, b in zip(digits(y), p)]
            M += mp.matrix(3, 3) + w / mpf(float(rho)) * mp.matrix(r) * mp.matrix(r).T
        return max(mp.eigsy(M, eigvals_only=True))


@pytest.mark.parametrize(("loss", "bias", "rho"), OWN)
def test_the_threshold_is_that_of_forty_digits(loss, bias, rho):
    """The certificate within its rounding, which is small; the theory, which shares no code with it, as well."""
    edge = exact(loss, bias, rho is not None)
    task = problem(loss, bias, rho, float(edge))
    found = excess(task)
    assert abs(found.excess - float(edge / mpf(task.product) - 1)) <= found.rounding < 2e-13
    assert triviality(task.atoms, 1.0, loss, bias).value == pytest.approx(float(edge), rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "bias"), KINDS)
def test_optima_on_both_sides(loss, bias):
    """Beyond it the certified optimum is zero, before it it is not and costs less; the certificate says which."""
    edge = float(exact(loss, bias, True))
    for share, zero in ((1.02, True), (0.98, False)):
        task = problem(loss, bias, RHO, share * edge)
        found = solve_joint(task)
        told = excess(task)
        assert certify_joint(task, found).relative_gap < 1e-9
        assert (np.linalg.norm(found.W) == 0) == zero == (told.excess < 0) and abs(
            told.excess
        ) > told.rounding


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "bias"), KINDS)
def test_one_dimension_is_enough_to_leave_zero(loss, bias):
    """The rank one of the largest singular vectors lowers L below that of W = 0, and none does beyond."""
    edge = float(exact(loss, bias, False))
    before, beyond = (solve_joint(problem(loss, bias, None, share * edge, 1)) for share in (0.95, 1.05))
    assert np.linalg.norm(before.W) > 1e-2 > 1e-6 > np.linalg.norm(beyond.W)
    assert before.objective < beyond.objective * (1 - 1e-6)


@pytest.mark.parametrize("loss", [CE, SE, BCE])
def test_a_bias_that_is_off_widens_the_bound_enough(loss):
    """At any bias the truth is inside; away from the best one λ_max itself is not what it is there."""
    task, seen = problem(loss, 0.3, RHO, 0.01), []
    true = float(exact(loss, 0.3, True) / mpf(task.product) - 1)
    for size in (1e-9, 1e-3, 0.1, 3.0):
        b = np.random.default_rng(1).standard_normal(3) * size
        found = certify_zero(task, b)
        assert abs(found.excess - true) <= found.rounding
        seen.append(abs(found.excess - true))
    assert max(seen) > 0.1


def test_what_a_bias_does_is_not_left_out():
    """Thresholds of one law, no two of them alike: without its bias or by another loss each is wrong."""
    edges = sorted(float(exact(loss, bias, True)) for loss, bias in KINDS)
    alike = [a for a, b in pairwise(edges) if b < a * 1.001]
    assert len(alike) == 2  # a free bias predicts E y under every loss
