"""Binary cross-entropy, one class against the rest, with W, features and bias free: solver, bounds, refusals.

Constants are those of the closed forms for one-hot and smoothed labels, worked out in 40 digits; for mixed labels
the oracle is a quasi-Newton method on all variables, which shares nothing with the package. A gap g means: σ(z) is
off by at most √(g/2) in the mean (Pinsker): at 1e-11 W Wᵀ agrees to some 1e-6, and Newton's last step squares that.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp
from scipy.optimize import minimize

from tests import shapes
from tests.shapes import ATOMS
from ufm.certify.joint import certify_joint
from ufm.enclose.joint import enclose_joint
from ufm.loss import LOSSES, binary_cross_entropy
from ufm.model.atoms import JointProblem, Point, finite_law
from ufm.model.laws import mixup, onehot, smooth
from ufm.model.problem import Problem
from ufm.optimize.coordinates import Reduced
from ufm.optimize.joint import solve_joint
from ufm.optimize.newton import descend_newton
from ufm.rules.errors import InputError

BCE = "binary-cross-entropy"
padded = partial(shapes.padded, width=ATOMS)


def problem(law, K, lambda_b, lambda_w=0.01, lambda_h=0.01, dim=None):
    return JointProblem(padded(finite_law(law, K, 4)), lambda_w, lambda_h, dim, lambda_b, BCE)


def solved(task):
    found = solve_joint(task)
    certificate = certify_joint(task, found)
    assert found.converged and certificate.gap <= 1e-10 * certificate.objective
    return found


def enclosed(task, point):
    b = None if task.lambda_b is None else point.b
    parts = point.W, point.H, task.atoms.labels, task.atoms.weights, task.lambda_w, task.lambda_h
    return enclose_joint(*parts, b=b, lambda_b=task.lambda_b, loss=BCE)


@pytest.mark.parametrize("z", [0.0, 3.0, -30.0, 300.0, -900.0])
@pytest.mark.parametrize("y", [0.0, 0.3, 1.0])
def test_value_and_slope_are_those_of_forty_digits(z, y):
    mp.dps = 420  # e^−900 beside one
    value = y * mp.log1p(mp.exp(-z)) + (1 - mp.mpf(y)) * mp.log1p(mp.exp(z))
    slope = 1 / (1 + mp.exp(-mp.mpf(z))) - mp.mpf(y)
    fit, pull = jax.value_and_grad(binary_cross_entropy)(jnp.array([z]), jnp.array([y]))
    # what z itself is off by in units of its last place moves e^z by |z| of them
    assert abs(float(fit) - value) <= 4e-16 * (1 + abs(z)) * value + 1e-320
    assert abs(float(pull[0]) - slope) <= 4e-16 * (1 + abs(z)) * (abs(slope) + y * (1 - y)) + 1e-320


@pytest.mark.parametrize("epsilon", [0.0, 0.1])
@pytest.mark.parametrize("K", [2, 5])
def test_a_free_bias_gives_the_probabilities_of_softmax(K, epsilon):
    """σ(other) = (ĉ + ε)/K, and W a simplex ETF."""
    task = problem(smooth(epsilon) if epsilon else onehot(), K, 0.0)
    found, c = solved(task), np.sqrt(K) * 0.01
    p = (c + epsilon) / K
    own, other = np.log((1 - (K - 1) * p) / ((K - 1) * p)), np.log(p / (1 - p))
    logits, top = found.H @ found.W.T + found.b, task.atoms.labels > 0.5
    assert np.allclose(logits, np.where(top, own, other), atol=1e-9, rtol=0)
    assert np.allclose(found.b, (own + (K - 1) * other) / K, atol=1e-9, rtol=0)
    gram = found.W @ found.W.T
    assert np.allclose(gram, (own - other) / np.sqrt(K) * (np.eye(K) - 1 / K), atol=1e-9, rtol=0)


def test_constants_of_five_classes():
    with_bias = solved(problem(onehot(), 5, 0.0))
    logits = with_bias.H @ with_bias.W.T
    assert np.ptp(logits, 1) == pytest.approx(9.410951279517551, abs=1e-9)
    assert with_bias.b == pytest.approx(np.full(5, -3.523216720432033), abs=1e-9)
    without = solved(problem(onehot(), 5, None))
    spectrum = np.linalg.eigvalsh(without.W @ without.W.T)
    assert spectrum == pytest.approx([4.027394145762383] * 4 + [6.499471533146047], abs=1e-9)


@pytest.mark.parametrize("share", [0.98, 1.02])
def test_zero_at_and_beyond_the_threshold(share):
    """ε + ĉ = 1 with a free bias."""
    penalty = share * 0.7 / np.sqrt(5)
    found = solve_joint(problem(smooth(0.3), 5, 0.0, penalty, penalty))
    assert (np.linalg.norm(found.W) == 0) == (share > 1)
    assert found.b == pytest.approx(np.full(5, np.log(0.2 / 0.8)), abs=1e-9) or share < 1


@pytest.mark.parametrize("lambda_b", [None, 0.0, 0.3])
def test_mixed_labels_against_another_method(lambda_b):
    task = problem(mixup(1.0), 3, lambda_b, 0.02, 0.01)
    found, (Y, weight) = solved(task), (task.atoms.labels, task.atoms.weights)
    n, bias = len(Y), lambda_b is not None

    def split(x):
        return x[:9].reshape(3, 3), x[9 : 9 + 3 * n].reshape(n, 3), x[-3:] * bias

    def objective(x):
        W, H, b = split(x)
        Z = H @ W.T + b
        fit = np.sum(np.logaddexp(0, Z) - Y * Z, 1) + 0.005 * np.sum(H**2, 1)
        r = (1 / (1 + np.exp(-Z)) - Y) * weight[:, None]
        value = weight @ fit + 0.01 * np.sum(W**2) + 0.5 * (lambda_b or 0) * b @ b
        slope_b = (r.sum(0) + (lambda_b or 0) * b) * bias
        slopes = r.T @ H + 0.02 * W, r @ W + 0.01 * H * weight[:, None], slope_b
        return value, np.concatenate([part.ravel() for part in slopes])

    start = np.random.default_rng(0).normal(size=12 + 3 * n)
    other = minimize(
        objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 4000, "ftol": 1e-15, "gtol": 1e-9}
    )
    assert found.objective <= other.fun * (1 + 1e-12) and other.fun <= found.objective * (1 + 1e-8)
    W, _, b = split(other.x)
    assert np.allclose(W @ W.T, found.W @ found.W.T, atol=2e-3) and np.allclose(b, found.b, atol=2e-3)


@pytest.mark.parametrize("lambda_b", [None, 0.0, 0.3])
@pytest.mark.parametrize("size", [1e-3, 0.3, 10.0])
def test_no_bound_lies(lambda_b, size):
    """The gap of spoilt points covers their distance to the optimum, and is that of ball arithmetic."""
    task = problem(mixup(1.0), 3, lambda_b, 0.02, 0.01)
    best = solved(task)
    floor = enclosed(task, best).objective[0] - enclosed(task, best).gap[1]  # certainly ≤ min L
    rng = np.random.default_rng(1)
    for _ in range(3):
        W, H = (part + size * rng.normal(size=part.shape) for part in (best.W, best.H))
        b = best.b + size * rng.normal(size=3) * (lambda_b is not None)
        point = Point(W, H, b)
        claimed, balls = certify_joint(task, point), enclosed(task, point)
        assert (
            balls.objective[0] - claimed.rounding
            <= claimed.objective
            <= balls.objective[1] + claimed.rounding
        )
        assert (
            claimed.gap >= balls.objective[0] - best.objective
            and balls.gap[1] >= balls.objective[0] - best.objective
        )
        assert claimed.objective - claimed.gap <= floor + claimed.rounding + best.objective * 1e-9
        assert abs(claimed.gap - balls.gap[1]) <= 1e-6 * (1 + claimed.gap)


def test_logits_that_move_together_are_a_step():
    """All rows of W equal: z = 1 h. A loss that saw ranges only would stop at once, at h = 0."""
    W, y = np.ones((4, 1)) / 2, np.eye(4)[:, :1]
    q = descend_newton(Reduced(W), np.zeros((1, 1)), y, 1e-3, 100, loss_name=BCE).q
    z = float(q[0, 0]) / 2
    assert q[0, 0] != 0 and 0.5 * (4 / (1 + np.exp(-z)) - 1) + 1e-3 * float(q[0, 0]) == pytest.approx(
        0, abs=1e-12
    )


def test_curvature_changes_no_faster_than_said():
    """|c'| ≤ M |v|∞ c for the logistic curvature, with M = 1 reached at both ends."""
    z, step = jnp.linspace(-40, 40, 801), 1e-6
    c = np.asarray(LOSSES[BCE].curvature(z))
    slope = (np.asarray(LOSSES[BCE].curvature(z + step)) - c) / (step * c)
    assert np.abs(slope).max() <= LOSSES[BCE].concordance * (1 + 1e-5) and np.abs(slope).max() >= 1 - 1e-5


def test_it_is_refused_where_nothing_certifies_it():
    with pytest.raises(InputError, match="free classifier"):
        Problem(3, 1.0, loss=BCE)
