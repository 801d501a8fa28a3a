"""Features that are penalised label by label, λ_H ρ_n: solver, dual bound and balls; temperatures and masses.

The oracles share nothing with the package: a quasi-Newton method on all variables, and the change of variables
h → h/√ρ, by which a penalty of its own is a temperature 1/√ρ of the logits.
"""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from ufm.agree.joint import enclose_solution
from ufm.certify.classifier import certify_classifier
from ufm.certify.joint import certify_joint
from ufm.enclose.joint import enclose_joint
from ufm.model.atoms import FiniteLaw, JointProblem, Point
from ufm.model.laws import mixup
from ufm.optimize.joint import fit_classifier, solve_joint
from ufm.rules.errors import InputError
from ufm.theory.thresholds import triviality

LABELS = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0.3, 0.7, 0], [0.2, 0.2, 0.6], [0.5, 0, 0.5]])
WEIGHTS = np.array([0.3, 0.2, 0.1, 0.2, 0.1, 0.1])
RHO = np.array([0.3, 2.0, 1.0, 0.05, 5.0, 1.3])


def problem(lambda_b=None, loss="cross-entropy", dim=3, rho=RHO, lambda_h=0.02):
    return JointProblem(FiniteLaw(LABELS, WEIGHTS, rho=rho), 0.01, lambda_h, dim, lambda_b, loss)


def enclosed(task, point):
    b = None if task.lambda_b is None else point.b
    parts = point.W, point.H, task.atoms.labels, task.atoms.weights, task.lambda_w, task.lambda_h
    return enclose_joint(*parts, b=b, lambda_b=task.lambda_b, loss=task.loss, rho=task.atoms.rho)


def by_temperatures(lambda_b) -> float:
    """min of E[CE(W h/√ρ + b, y) + (λ_H/2)‖h‖²] + penalties, over all variables at once."""
    bias, delta = lambda_b is not None, 1 / np.sqrt(RHO)

    def objective(x):
        W, H, b = x[:9].reshape(3, 3), x[9:27].reshape(6, 3), x[27:] * bias
        Z = delta[:, None] * (H @ W.T) + b
        r = (softmax(Z, 1) - LABELS) * WEIGHTS[:, None]
        fit = logsumexp(Z, axis=1) - np.sum(LABELS * Z, 1) + 0.01 * np.sum(H**2, 1)
        value = WEIGHTS @ fit + 0.005 * np.sum(W**2) + 0.5 * (lambda_b or 0) * b @ b
        pull = delta[:, None] * r
        parts = pull.T @ H + 0.01 * W, pull @ W + 0.02 * H * WEIGHTS[:, None], r.sum(0) + (lambda_b or 0) * b
        return value, np.concatenate([part.ravel() for part in (parts[0], parts[1], parts[2] * bias)])

    starts = (np.random.default_rng(seed).normal(size=30) for seed in range(2))
    options = {"maxiter": 4000, "ftol": 1e-15, "gtol": 1e-10}
    return min(minimize(objective, x, jac=True, method="L-BFGS-B", options=options).fun for x in starts)


@pytest.mark.parametrize("lambda_b", [None, 0.0, 0.3])
def test_against_temperatures_and_another_method(lambda_b):
    task = problem(lambda_b)
    found = solve_joint(task)
    certificate = certify_joint(task, found)
    assert found.converged and certificate.gap <= 1e-10 * found.objective
    assert certificate.stationarity <= 1e-12 and certificate.imbalance <= 1e-10
    other = by_temperatures(lambda_b)
    assert found.objective <= other * (1 + 1e-12) and other <= found.objective * (1 + 1e-9)
    alike = solve_joint(problem(lambda_b, rho=None))  # negative control
    assert abs(alike.objective - other) > 1e-3


@pytest.mark.parametrize("loss", ["squared-error", "binary-cross-entropy"])
@pytest.mark.parametrize("lambda_b", [None, 0.3])
def test_other_losses_close_their_gaps(loss, lambda_b):
    task = problem(lambda_b, loss)
    found = solve_joint(task)
    assert found.converged and certify_joint(task, found).gap <= 1e-10 * found.objective
    assert enclose_solution(task, found) <= 1e-10 * found.objective


@pytest.mark.parametrize(
    "loss, lambda_b", [("cross-entropy", None), ("cross-entropy", 0.3), ("squared-error", 0.3)]
)
def test_no_bound_lies(loss, lambda_b):
    """Gaps of spoilt points cover their distance to the optimum, and are those of ball arithmetic."""
    task = problem(lambda_b, loss)
    best = solve_joint(task)
    rng = np.random.default_rng(1)
    for size in (1e-3, 0.3, 10.0):
        W, H = (part + size * rng.normal(size=part.shape) for part in (best.W, best.H))
        point = Point(W, H, best.b + size * rng.normal(size=3) * (lambda_b is not None))
        claimed, balls = certify_joint(task, point), enclosed(task, point)
        assert claimed.gap >= balls.objective[0] - best.objective
        assert abs(claimed.gap - balls.gap[1]) <= 1e-6 * (1 + claimed.gap)
        given = certify_classifier(task, fit_classifier(task, W))
        assert given.dual <= given.objective and given.objective - given.dual <= 1e-7 * given.objective


def test_equal_penalties_are_one_penalty():
    other = solve_joint(problem(rho=np.full(6, 4.0), lambda_h=0.005))
    assert other.objective == pytest.approx(solve_joint(problem(rho=None)).objective, rel=1e-13)


def test_what_is_refused():
    for rho, words in ((-RHO, "positive"), (RHO[:5], "shape"), (RHO * np.nan, "NaN")):
        with pytest.raises(InputError, match=words):
            FiniteLaw(LABELS, WEIGHTS, rho=rho)
    with pytest.raises(InputError, match="exchangeable"):
        FiniteLaw(np.eye(3), np.full(3, 1 / 3), True, rho=np.ones(3))
    assert FiniteLaw(LABELS, WEIGHTS, law=mixup(1.0), rho=RHO).law is None


@pytest.mark.parametrize("share", [0.98, 1.02])
def test_the_threshold_of_zero_sees_the_penalties(share):
    """λ_max of E(y − 1/K)(y − 1/K)ᵀ/ρ; without ρ it would be another."""
    centred = LABELS - 1 / 3
    edge = np.linalg.eigvalsh((centred * (WEIGHTS / RHO)[:, None]).T @ centred)[-1]
    task = JointProblem(FiniteLaw(LABELS, WEIGHTS, rho=RHO), share * edge, 1.0, 3)
    assert triviality(task.atoms, task.product).ratio == pytest.approx(share, rel=1e-12)
    assert (np.linalg.norm(solve_joint(task).W) == 0) == (share > 1)
    assert abs(triviality(FiniteLaw(LABELS, WEIGHTS), 1.0).value / edge - 1) > 0.1
