"""Parts of the certificates against what each of them bounds: worst cases that are planted, and exact suprema."""

import jax
import numpy as np
import pytest
from mpmath import mp, mpf

from ufm.certify.classifier import certify_classifier
from ufm.certify.curvature import hessians
from ufm.certify.dual import squared_value
from ufm.certify.explicit import _Curved, _defects, _newton, _range_ratio, _sizes
from ufm.certify.joint import certify_joint
from ufm.certify.local_bound import Local, combine
from ufm.certify.sample import WIDE, losses_residuals
from ufm.certify.values import fitted_error
from ufm.model.atoms import JointProblem, Point, finite_law
from ufm.model.laws import onehot, soft
from ufm.model.rows import EPS, row_space

RNG = np.random.default_rng(0)
SE = "squared-error"


@pytest.fixture(autouse=True)
def _eager():
    with jax.disable_jit():  # small arrays: to compile takes longer
        yield


def curved(error=0.0, r=3, K=5, a=7.0):
    """Directions, Hessians of one candidate, their Q, and s."""
    d = RNG.normal(size=(r, K, 1))
    s = np.abs(d).max((1, 2))[:, None] * np.array([[1.0], [1e-2], [1e2]][:r])
    h = hessians(d, np.full((K, 1), 1 / K), a, s, 0.0, False)
    return _Curved(d, h._replace(error=np.full(1, error))), np.asarray(h.matrix)[..., 0], s


@pytest.mark.parametrize("sign", [1, -1])
def test_an_error_of_the_hessian_moves_the_newton_equation_within_its_bound(sign):
    """|Q_exact − Q| = error s_j s_l with the signs that add up, large enough to be all of the residual."""
    error = 1e-4
    at, Q, s = curved(error)
    F = RNG.normal(size=(3, 1))
    step, rest = _newton(F, 0 * F, np.zeros((5, 1)), at, s, 0.0)
    worst = s * np.sign(step)
    exact = Q + sign * error * worst @ worst.T
    missed = np.abs(F + exact @ step)
    assert (missed <= rest).all() and (missed >= 0.99 * rest).any()
    measured = float(np.sqrt(step.T @ exact @ step)[0, 0])
    assert measured <= _sizes(step, at, s)["newton_q"][0] <= (1.01 if sign == 1 else 2) * measured


@pytest.mark.parametrize("of", ["rounding", "probabilities", "both"])
def test_a_defect_moves_the_optimum_within_its_three_measures(of):
    """Q⁻¹(ρ + Σ ε_k d_k), |ρ| and |ε_k| at most those given: its length, its length in Q, its range of logits."""
    at, Q, s = curved()
    d, a = at.directions[..., 0], 7.0
    rho = RNG.random((3, 1)) * (of != "probabilities")
    e = RNG.random((5, 1)) * (of != "rounding")
    worth = np.sqrt(np.einsum("rk,rk->k", d, np.linalg.solve(Q, d)))[:, None]
    found = _defects(rho, e, worth, at, s, a)
    for signs in RNG.choice([-1, 1], (200, 8)):
        v = rho[:, 0] * signs[:3] + d @ (e[:, 0] * signs[3:])
        moved = np.linalg.solve(Q, v)
        assert np.linalg.norm(moved) <= found["defect"][0]
        assert np.sqrt(v @ moved) <= found["defect_q"][0] * (1 + 1e-12)
        assert a * np.ptp(d.T @ moved) <= found["newton_range"][0]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rare", [0.2, 1e-4])
def test_the_range_of_logits_is_within_its_share_of_the_length(rare, seed):
    """R = sup range(z(u))/‖u‖_Q is that of the pair of classes whose difference Q resists least; close where no
    class is rare, and never more than Q = 1 alone gives."""
    W, a_of = np.random.default_rng(seed).normal(size=(5, 4)), 1e-2
    space = row_space(W, a_of)
    p = np.full(5, (1 - rare) / 4)
    p[0] = rare
    p /= p.sum()
    B, a = space.matrix, float(space.sharpness)
    Q = np.eye(B.shape[1]) + a * B.T @ (np.diag(p) - np.outer(p, p)) @ B
    apart = (B[:, None] - B[None]).reshape(25, -1)
    exact = a * np.sqrt(np.einsum("nr,nr->n", apart, np.linalg.solve(Q, apart.T).T).max())
    most = 1.1 * exact if rare == 0.2 else 2 * a * np.linalg.norm(B - B.mean(0), axis=1).max() * (1 + 1e-9)
    assert exact <= _range_ratio(space, p[:, None])[0] <= most


@pytest.mark.parametrize("concordance", [0.0, 1.0])
def test_a_stiffer_problem_has_no_wider_bound(concordance):
    """λ_min of Q four times as large, all else alike: what a step in Q leaves is at most half as long."""
    small = np.full(1, 1e-3)
    local = Local(
        *(small for _ in range(4)), small, small / 10, np.ones(1), np.ones(1), np.ones(1), 0 * small
    )
    loose, stiff = (combine(local._replace(least=np.full(1, least)), concordance)[0] for least in (1.0, 4.0))
    assert 1e-3 < stiff < loose
    local = local._replace(newton_norm=np.ones(1), everywhere=2 * np.ones(1))  # of no use: ‖δ‖_Q alone tells
    loose, stiff = (combine(local._replace(least=np.full(1, least)), concordance)[0] for least in (1.0, 4.0))
    assert float(stiff) == pytest.approx(float(loose) / 2, rel=1e-12) and loose < 0.01


def test_a_probability_moves_by_half_of_what_the_logits_move():
    """½ is the largest slope of softmax, met at p = ½ of two classes."""
    moved = 1e-3
    one, half = np.ones(1), np.full((1, 2), 0.5)
    bound = fitted_error("cross-entropy", half, one, moved * one, np.inf * one, 1.0, 0.0)
    z = np.array([moved, -moved]) / np.sqrt(2)
    true = abs(1 / (1 + np.exp(z[1] - z[0])) - 0.5)
    assert true <= bound[0, 0] <= 0.501 * moved
    assert (fitted_error("cross-entropy", half, one, one, one, 1e9, 0.0) <= 0.501).all(), "by its slope: ½ √1"


@pytest.mark.parametrize("p", [0.0, 1.0, 1e8])
def test_a_fitted_value_is_known_to_a_unit_of_its_size(p):
    nothing = np.zeros(1)
    (bound,) = fitted_error(SE, np.array([[p]]), nothing, nothing, nothing, 1.0, 0.0)[0]
    assert EPS * max(p, 0.5) <= bound <= 2 * EPS * (1 + p)


@pytest.mark.parametrize("linear", [-2.0, 0.0, 0.3, 5.0])
@pytest.mark.parametrize("most", [0.1, 1.0])
@pytest.mark.parametrize("lambda_b", [None, 0.5])
def test_the_dual_of_squared_error_is_the_best_of_all_shares(linear, most, lambda_b):
    square, mean = 0.8, np.array([0.3, -0.2, 0.1])
    theta = np.linspace(0, most, 10001)
    penalty = theta**2 * (mean @ mean) / (2 * lambda_b) if lambda_b else 0.0
    values = theta * linear - theta**2 * square / 2 - penalty
    assert squared_value(linear, square, mean, most, lambda_b) == pytest.approx(values.max(), abs=1e-8)
    assert squared_value(0.0, 0.0, 0 * mean, most, lambda_b) == 0


def test_the_rounding_of_an_objective_holds_where_losses_nearly_vanish():
    """Large logits of many classes in one dimension, L a difference of numbers of that size; both labels win."""
    K = 100
    W, H = np.random.default_rng(1).normal(size=(K, 1)), np.array([[1.1e9], [-0.7e9]])
    atoms = finite_law(soft(np.eye(K)[[np.argmax(W), np.argmin(W)]]), K, 4)
    found = certify_joint(JointProblem(atoms, 1e-30, 1e-30, 1), Point(W, H))
    with mp.workdps(60):
        total = mpf(0)
        for y, h, weight in zip(atoms.labels, H[:, 0].tolist(), atoms.weights.tolist()):
            z = [mpf(w) * h for w in W[:, 0].tolist()]
            total += mpf(weight) * (mp.log(mp.fsum(map(mp.exp, z))) - z[int(np.argmax(y))])
        squares = mp.fsum(mpf(v) ** 2 for v in W[:, 0].tolist())
        squares += mp.fsum(mpf(q) * mpf(h) ** 2 for q, h in zip(atoms.weights.tolist(), H[:, 0].tolist()))
        exact = total + mpf(1e-30) / 2 * squares
        assert abs(exact - mpf(found.objective)) <= found.rounding
    assert found.objective < 1.0
    assert found.rounding >= EPS * np.abs(H @ W.T).max()


def test_a_given_classifier_is_known_from_both_sides_under_squared_error():
    """Features by least squares close the gap; others leave it open by what they cost, no dual value above."""
    atoms = finite_law(onehot(), 3, 4)
    problem = JointProblem(atoms, 0.1, 0.2, 2, loss=SE)
    W = RNG.normal(size=(3, 2))
    best = np.linalg.solve(W.T @ W + 0.2 * np.eye(2), W.T @ atoms.labels.T).T
    found = certify_classifier(problem, Point(W, best))
    assert 0 <= found.objective - found.dual <= 1e-12
    other = certify_classifier(problem, Point(W, best + 0.1))
    assert other.dual <= found.objective < other.objective - 1e-3
    # the bound of a residual of size 1e6 gives up some units of its square
    far = certify_classifier(problem, Point(W, best + 1e6))
    assert far.dual <= found.objective - 1e12 * EPS


def test_many_numbers_have_the_losses_and_residuals_of_a_few():
    """NumPy's way against the compiled one, which takes blocks of few rows; labels of two classes and of one."""
    rng, K = np.random.default_rng(3), 512
    Z, rows = 20 * rng.normal(size=(WIDE // K + 1, K)), np.arange(WIDE // K + 1)
    Y, lam = np.zeros_like(Z), rng.choice([1.0, 0.5, 0.3], len(rows))
    Y[rows, rows % K] = lam
    Y[rows, (rows + 7) % K] += 1 - lam
    Z[0, 0] = 500.0  # nothing is left of its loss
    whole = losses_residuals(Z, Y, "cross-entropy")
    parts = [losses_residuals(Z[n : n + 171], Y[n : n + 171], "cross-entropy") for n in range(0, len(Z), 171)]
    for found, expected in zip(whole, map(np.concatenate, zip(*parts))):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    assert np.abs(whole[1].sum(1)).max() < 1e-14
