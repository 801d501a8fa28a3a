"""The simplex ETF by its defining identities: an error here would be invisible to agreement."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

from ufm.model.etf import (
    ROWWISE,
    contrasts,
    etf_basis,
    etf_deviation,
    etf_distance,
    etf_multiplier,
    frame_distance,
    gain,
    sharpness,
    simplex_etf,
)
from ufm.rules.errors import InputError

RNG = np.random.default_rng(2)
EPS = np.finfo(float).eps
SIZES = [(2, 1), (2, 2), (3, 2), (3, 7), (10, 9), (10, 64), (200, 199)]


def projector(K):
    return np.eye(K) - 1 / K


def rotation(d):
    return np.linalg.qr(RNG.normal(size=(d, d)))[0]


@pytest.mark.parametrize("K, d", SIZES)
@pytest.mark.parametrize("m", [1e-3, 1.0, 3.0])
def test_defining_identities(K, d, m):
    """W Wᵀ = (m²K/(K−1)) Π, rows sum to zero, ‖w_k‖ = m.

    Each entry of W carries three roundings and a square root, each product of rows K − 1 terms: (K + 8) ε.
    """
    W = simplex_etf(K, d, m)
    slack = (K + 8) * EPS
    g = m**2 * K / (K - 1)
    assert W.shape == (K, d) and W.dtype == np.float64
    np.testing.assert_allclose(W @ W.T, g * projector(K), rtol=0, atol=g * slack)
    np.testing.assert_allclose(W.sum(0), 0, atol=m * slack * np.sqrt(K))
    np.testing.assert_allclose(np.linalg.norm(W, axis=1), m, rtol=slack)


def test_angles_are_those_of_a_regular_simplex():
    W = simplex_etf(5)
    cosines = W @ W.T
    np.testing.assert_allclose(cosines[~np.eye(5, dtype=bool)], -1 / 4, rtol=16 * EPS)


def test_default_dimension_is_the_number_of_classes():
    assert simplex_etf(4).shape == (4, 4)


def test_zero_multiplier_is_the_zero_matrix():
    assert not simplex_etf(4, 4, 0.0).any()


@pytest.mark.parametrize("K, d", SIZES)
def test_basis_is_the_correctly_rounded_helmert_isometry(K, d):
    """Column j is (1, …, 1, −j, 0, …)/√(j(j+1)), by mpmath; two roundings an entry."""
    B = etf_basis(K, d)
    for j in {1, 2, K // 2, K - 1} - {0, K}:
        norm = mp.sqrt(mpf(j) * (j + 1))
        column = [1 / norm] * j + [-j / norm] + [mpf(0)] * (K - j - 1)
        np.testing.assert_allclose(B[:, j - 1], np.array(column, float), rtol=2 * EPS)
    assert not B[:, K - 1 :].any()


@pytest.mark.parametrize("K, d", [*SIZES, (ROWWISE, ROWWISE + 3)])  # either way of lying in memory
def test_running_sums_are_products_with_the_basis(K, d):
    """Row j sums j terms and divides by about j, so (K + 8) ε of the largest entry bounds either way's rounding."""
    q = RNG.normal(size=(K, 5))
    given, slack = q.copy(), (K + 8) * EPS * np.abs(q).max()
    found = contrasts(q, d)
    np.testing.assert_allclose(found, etf_basis(K, d).T @ q, rtol=0, atol=slack)
    assert found.shape == (d, 5) and not found[K - 1 :].any() and np.array_equal(q, given)
    assert contrasts(q.astype(np.float32), d).dtype == np.float32


@pytest.mark.parametrize("K", [3, 10])
def test_too_few_dimensions_are_refused(K):
    for build in (etf_basis, simplex_etf):
        with pytest.raises(ValueError, match=f"needs dim >= {K - 1}, got dim = {K - 2}"):
            build(K, K - 2)


@pytest.mark.parametrize("K, m", [(2, 3.0), (3, 0.1), (10, 1.67), (10**6, 2.0)])
def test_gain(K, m):
    assert gain(K, m) == pytest.approx(float(mpf(m) ** 2 * K / (K - 1)), rel=3 * EPS)


@pytest.mark.parametrize("K, d", [(2, 3), (3, 3), (10, 9), (10, 64)])
def test_an_etf_in_any_position_is_at_distance_zero(K, d):
    W = simplex_etf(K, d, 2.5) @ rotation(d)
    assert etf_distance(W) <= 100 * K * EPS
    assert etf_deviation(W) <= 100 * K * EPS
    assert etf_multiplier(W) == pytest.approx(2.5, rel=(K + 8) * EPS)


@given(scale=st.floats(-10, 1), classes=st.integers(2, 12), seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=25)
def test_the_deviation_is_within_its_share_of_the_distance(scale, classes, seed):
    """‖G − g Π‖_F ≤ (2δ + δ²) g and ‖G‖_F ≥ g (K−1)/√K, tr G = g (K−1): why `Problem.is_etf` needs no SVD."""
    noise = np.random.default_rng(seed).standard_normal((classes, classes + 2))
    W = simplex_etf(classes, classes + 2) + 10**scale * noise
    distance, share = etf_distance(W), np.sqrt(classes) / (classes - 1)
    assert etf_deviation(W) <= (2 * distance + distance**2) * share * (1 + 1e-9) + 100 * classes * EPS


@given(scale=st.floats(-10, -1), seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=25)
def test_distance_of_a_small_perturbation(scale, seed):
    """‖E‖ moves W by ‖E‖ at most, and by ‖E‖ less its part along rotations and scale to first order: ETFs of
    d = K = 4 form the orbit of O(4) times scale, of dimension at most 6 + 1 of the 16."""
    rng = np.random.default_rng(seed)
    W, E = simplex_etf(4, 4, 1.5), rng.normal(size=(4, 4))
    E *= 10.0**scale / np.linalg.norm(E)
    size = np.linalg.norm(E) / np.sqrt(gain(4, 1.5))
    orbit = np.stack([W.ravel(), *((W @ S).ravel() for S in skews(4))])
    basis = np.linalg.svd(orbit, full_matrices=False)[2]
    off = np.linalg.norm(E.ravel() - basis.T @ (basis @ E.ravel())) / np.sqrt(gain(4, 1.5))
    assert etf_distance(W + E) <= size * (1 + 10 * size) + 20 * EPS
    assert etf_distance(W + E) == pytest.approx(off, rel=10 * size, abs=20 * EPS)


def skews(d):
    for p in range(d):
        for q in range(p):
            S = np.zeros((d, d))
            S[p, q], S[q, p] = 1, -1
            yield S


@pytest.mark.parametrize("row", [0, 3])
def test_one_perturbed_row_is_seen(row):
    W = simplex_etf(10, 10, 1.67)
    W[row, 2] += 1e-6
    assert etf_distance(W) > 1e-7
    assert etf_deviation(W) > 1e-7


def test_an_uncentred_frame_is_not_an_etf():
    """Orthogonal rows (a one-hot bias-free squared-error optimum), and an ETF with a shifted origin."""
    assert etf_distance(np.eye(4)) > 0.1
    assert etf_deviation(np.eye(4)) == pytest.approx(np.linalg.norm(np.eye(4) - 4 / 3 * projector(4)) / 2)
    assert etf_distance(simplex_etf(4) + 0.01) > 1e-3


@pytest.mark.parametrize("scale", [5e-324, 2.0**-1060, 2.0**-700, 2.0**700, 2.0**1020])
@pytest.mark.filterwarnings("error")
def test_sizes_whose_squares_leave_the_range_are_measured_all_the_same(scale):
    """What is not zero has a row norm that is not zero, and is as far from an ETF as it is at scale 1."""
    W = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    assert scale * etf_multiplier(W) == pytest.approx(etf_multiplier(scale * W), rel=1e-12, abs=5e-324)
    assert etf_distance(scale * W) == pytest.approx(etf_distance(W), rel=1e-12)
    assert etf_deviation(scale * W) == pytest.approx(etf_deviation(W), rel=1e-12)


def test_sharpness_is_refused_where_it_would_under_or_overflow():
    assert sharpness(3, 2.0, 0.5) == gain(3, 2.0) / 0.5 and sharpness(3, 0.0, 1e-3) == 0
    for m, lambda_h in ((1e-200, 1.0), (5e-324, 1e-100), (1e-45, 1e30), (1e45, 1e-30), (1e300, 1.0)):
        with pytest.raises(InputError, match="row norm"):
            sharpness(3, m, lambda_h)


def test_degenerate_classifiers():
    assert etf_distance(np.zeros((3, 4))) == 0 == etf_deviation(np.zeros((3, 4)))
    assert etf_distance(RNG.normal(size=(5, 3))) == np.inf


@given(seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=20)
def test_frame_distance_ignores_orthogonal_maps_and_nothing_else(seed):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(5, 3))
    Q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert frame_distance(A @ Q, A) <= 100 * EPS
    # scaling leaves the best rotation where it was
    assert frame_distance(1.5 * A @ Q, A) == pytest.approx(0.5, rel=1e-12)
    assert frame_distance(A[::-1], A) > 1e-3


def test_frame_distance_is_the_least_over_rotations():
    """In the plane, against a search over angles and reflections (spacing 1e-3: off by ≤ 1e-6 relative)."""
    A, B = RNG.normal(size=(2, 6, 2))
    turns = np.arange(0, 2 * np.pi, 1e-3)
    c, s = np.cos(turns), np.sin(turns)
    plain = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    every = np.concatenate([plain, plain @ np.diag([1.0, -1.0])])
    searched = np.linalg.norm(A @ every - B, axis=(1, 2)).min() / np.linalg.norm(B)
    found = frame_distance(A, B)
    assert found <= searched * (1 + 4 * EPS)
    assert found == pytest.approx(searched, rel=1e-5)
