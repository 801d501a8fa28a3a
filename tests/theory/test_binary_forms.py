"""Closed forms under binary cross-entropy: constants to their digits, and the optimality conditions in numpy."""

import numpy as np
import pytest
from scipy.special import expit

from ufm.theory.geometry.binary import FRAME, MEAN, SIMPLEX, ZERO, biased_optimum, unbiased_optimum
from ufm.theory.geometry.onehot import class_optimum
from ufm.theory.theorems.free.binary import binary_divergence


def test_constants_of_five_classes():
    best = biased_optimum(5, 0.01, 0.01)
    assert best.own - best.other == pytest.approx(9.410951279517551, abs=1e-14)
    assert best.bias == pytest.approx(-3.523216720432033, abs=1e-14)
    free = unbiased_optimum(5, 0.01, 0.01)
    assert (free.across, free.along) == pytest.approx((4.027394145762383, 6.499471533146047), abs=1e-14)
    assert free.phase == FRAME


def conditions(K, lambda_w, lambda_h, epsilon, best, bias):
    """Largest violation of: z − b = G r/λ_H; E rrᵀ ⪯ c² I; equal to c² on the range of G; E r = 0 with a bias."""
    y = (1 - epsilon) * np.eye(K) + epsilon / K
    z = np.where(np.eye(K, dtype=bool), best.own, best.other)
    r, flat = y - expit(z), np.eye(K) - 1 / K
    G, M = best.across * flat + best.along / K, r.T @ r / K
    c2 = lambda_w * lambda_h
    off = [np.abs(r @ G / lambda_h - (z - best.bias)).max() / (1 + np.abs(z).max())]
    if bias:
        off.append(np.abs(r.mean(0)).max())
        M = flat @ M @ flat
    off.append(max(np.linalg.eigvalsh(M)[-1] / c2 - 1, 0))
    off.append(np.abs(M @ G - c2 * G).max() / (c2 * (np.abs(G).max() + 1e-300)))
    return max(off)


@pytest.mark.parametrize("bias", [True, False])
def test_they_satisfy_the_optimality_conditions_in_every_phase(bias):
    rng, seen = np.random.default_rng(3), set()
    for _ in range(400):
        K, epsilon = int(rng.integers(2, 9)), float(rng.choice([0.0, 0.2]))
        lambda_w, share = float(10 ** rng.uniform(-3, 1)), float(10 ** rng.uniform(-2, 0.7))
        lambda_h = share**2 / K / lambda_w
        best = (biased_optimum if bias else unbiased_optimum)(K, lambda_w, lambda_h, epsilon)
        seen.add(best.phase)
        assert conditions(K, lambda_w, lambda_h, epsilon, best, bias) <= 1e-10, (K, epsilon, share, best)
    assert seen == ({SIMPLEX, ZERO} if bias else {FRAME, SIMPLEX, MEAN, ZERO})


def test_with_a_bias_the_probabilities_are_those_of_softmax_and_without_one_not():
    soft = class_optimum(4, 0.02, 0.01, 0.1).wrong
    assert expit(biased_optimum(4, 0.02, 0.01, 0.1).other) == pytest.approx(soft, rel=1e-14)
    assert abs(expit(unbiased_optimum(4, 0.02, 0.01, 0.1).other) - soft) > 5e-3


def test_the_divergence_is_that_of_coins():
    from mpmath import mp, mpf

    z, Z = np.array([[3.0, -40.0, 0.0]]), np.array([[3.0 + 1e-6, -41.0, 2.0]])
    with mp.workdps(60):
        coins = [[1 / (1 + mp.exp(-mpf(float(x)))) for x in row[0]] for row in (z, Z)]
        exact = sum(p * mp.log(p / q) + (1 - p) * mp.log((1 - p) / (1 - q)) for p, q in zip(*coins))
        tiny = mpf(1e-6) ** 2 / 2 * coins[0][0] * (1 - coins[0][0])
    assert binary_divergence(np.ones(1), z, Z) == pytest.approx(float(exact), rel=1e-12)
    assert binary_divergence(np.ones(1), z[:, :1], Z[:, :1]) == pytest.approx(float(tiny), rel=1e-5)


@pytest.mark.parametrize("K, epsilon, decay", [(2, 0.0, 0.01), (2, 0.1, 0.2), (3, 0.0, 0.5), (3, 0.3, 0.35)])
def test_a_simplex_is_fixed_by_the_difference_of_its_probabilities(K, epsilon, decay):
    """s = 0 and σ(u) − σ(v) = 1 − ε − ĉ; two classes are a simplex whatever the penalties."""
    best = unbiased_optimum(K, decay, decay, epsilon)
    assert best.phase == SIMPLEX and best.along == 0
    assert best.own + (K - 1) * best.other == pytest.approx(0, abs=1e-13)
    share = np.sqrt(K) * decay
    assert expit(best.own) - expit(best.other) == pytest.approx(1 - epsilon - share, rel=1e-12)
    if K > 2:
        assert unbiased_optimum(K, 1e-3, 1e-3, 0.0).phase == FRAME
