"""Each measure beside the classical ones equals its definition in loops, and is None where it is undefined."""

import numpy as np
import pytest

from tests.network.test_metrics import brute, sample, statistics
from ufm.model.etf import simplex_etf
from ufm.network.collapse.angles import (
    cosine_margins,
    cosines,
    equinorm_difference,
    moments,
    ood_cosines,
    ood_orthogonality,
    uniform_duality,
)
from ufm.network.collapse.classes import cdnv_grid, class_values
from ufm.network.collapse.conventions import CONVENTIONS, PRESETS
from ufm.network.collapse.metrics import all_metrics, cdnv
from ufm.network.collapse.spectrum import (
    class_rank,
    numerical_rank,
    squared_error,
    variability_index,
    within,
)
from ufm.network.collapse.uniformity import KERNELS, kernel_pairs, uniformity, uniformity_gap
from ufm.rules.errors import InputError

SIZES = [(4, 2), (4, 3), (4, 9), (2, 5), (7, 3)]


def unit(v):
    return v / np.linalg.norm(v)


def class_means(H, y, K):
    return np.array([H[y == k].mean(0) for k in range(K)])


# GNC2


@pytest.mark.parametrize("K, d", SIZES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_of_all_pairs(K, d, kernel):
    V, expected = sample(K, d)[2], []
    for k in range(K):
        for l in range(k + 1, K):
            r = np.linalg.norm(unit(V[k]) - unit(V[l]))
            power = np.sign(d - 2) * r ** -(d - 2)
            expected.append({"distance": r, "log": np.log(1 / r), "riesz": power}[kernel])
    assert kernel_pairs(V, kernel) == pytest.approx(expected, rel=1e-12)
    found = uniformity(V, kernel)
    assert found.mean == pytest.approx(np.mean(expected), rel=1e-12)
    assert found.variance == pytest.approx(np.mean((expected - np.mean(expected)) ** 2), rel=1e-10)


def test_the_exponent_of_riesz():
    V = sample(4, 5)[2]
    distance = kernel_pairs(V, "distance")
    assert kernel_pairs(V, "riesz", 1.0) == pytest.approx(1 / distance)
    assert kernel_pairs(V, "riesz", -2.0) == pytest.approx(-(distance**2))


@pytest.mark.parametrize("kernel, s", [("log", None), ("riesz", 1.0), ("riesz", 3.0)])
def test_a_simplex_has_the_least_energy(kernel, s):
    W = simplex_etf(5, 7)
    assert uniformity_gap(W, kernel, s) == pytest.approx(0, abs=1e-13)
    assert uniformity(W, kernel, s).variance < 1e-25
    for seed in range(10):
        moved = W + 0.1 * np.random.default_rng(seed).normal(size=W.shape)
        assert uniformity_gap(moved, kernel, s) > 1e-5


def test_no_gap_where_the_least_energy_is_unknown():
    for K in (7, 5):
        V = sample(K, 3)[2]
        assert uniformity_gap(V) is None and uniformity(V) is not None
    W = simplex_etf(4, 5)
    for kernel, s in (("distance", None), ("riesz", 0.0), ("riesz", -1.0)):
        assert uniformity_gap(W, kernel, s) is None
    assert uniformity_gap(W[:, :4], "riesz") == pytest.approx(0, abs=1e-13)  # s = d − 2


def test_directions_that_coincide_have_no_energy():
    V = np.array([[1.0, 0, 0], [2.0, 0, 0], [0, 1.0, 0]])
    assert uniformity(V, "log") is uniformity(V, "riesz") is None
    assert uniformity(V, "distance").mean == pytest.approx(2 * np.sqrt(2) / 3)
    assert uniformity(np.zeros((3, 2)), "distance") is None


# angles


def test_moments_are_those_of_a_sample():
    assert moments(np.array([1.0, 3.0])) == (2.0, 1.0, 0.5)
    assert moments(np.array([1.0, 3.0]), 1) == (2.0, 2.0, pytest.approx(np.sqrt(2) / 2))
    assert moments(np.array([-1.0, 1.0])).variation is None
    assert moments(np.array([np.nan])) is moments(np.array([1.0]), 1) is moments(np.array([])) is None


@pytest.mark.parametrize("K, d", SIZES)
@pytest.mark.parametrize("dot", [False, True])
@pytest.mark.parametrize("ddof", [0, 1])
def test_uniform_duality(K, d, dot, ddof):
    _, _, W, _ = sample(K, d)
    M = sample(K, d, 1)[2]
    M = M - M.mean(0)
    values = [w @ m if dot else unit(w) @ unit(m) for w, m in zip(W, M)]
    found = uniform_duality(W, M, dot, ddof)
    assert found.mean == pytest.approx(np.mean(values)) and found.variance == pytest.approx(
        np.var(values, ddof=ddof)
    )


def test_duality_of_scaled_means_is_uniform():
    W = simplex_etf(5, 6)
    assert cosines(1e-200 * W, 1e200 * W) == pytest.approx(np.ones(5))
    assert uniform_duality(W, 3 * W) == (pytest.approx(1), pytest.approx(0, abs=1e-30), pytest.approx(0))
    assert uniform_duality(np.zeros((5, 6)), W) is None
    assert uniform_duality(np.zeros((5, 6)), W, dot=True) == (0, 0, None)


@pytest.mark.parametrize("K, d", SIZES)
def test_cosine_margins(K, d):
    H, y, W, _ = sample(K, d)
    V, c, expected = W - W.mean(0), H.mean(0), []
    for h, k in zip(H, y):
        cosine = [unit(h - c) @ unit(v) for v in V]
        expected.append(cosine[k] - max(cosine[l] for l in range(K) if l != k))
    assert cosine_margins(H, y, W, c) == pytest.approx(sorted(expected), rel=1e-11, abs=1e-13)


def test_the_margin_of_collapse_is_the_largest():
    W, y = simplex_etf(5, 6), np.arange(10) % 5
    assert cosine_margins(2 * W[y], y, W, np.zeros(6)) == pytest.approx(np.full(10, 5 / 4))
    assert np.isnan(cosine_margins(np.zeros((2, 6)), y[:2], W, np.zeros(6))).all()


def test_orthogonality_to_other_data():
    means = sample(4, 5)[2]
    other = np.arange(1.0, 6)
    values = [abs(unit(m) @ unit(other)) for m in means]
    assert ood_cosines(means, other) == pytest.approx(values)
    assert ood_orthogonality(means, other) == pytest.approx(np.mean(values))
    assert ood_orthogonality(np.eye(4, 5), np.eye(5)[4]) == 0
    assert ood_orthogonality(means, np.zeros(5)) is ood_orthogonality(0 * means, other) is None


@pytest.mark.parametrize("ddof", [0, 1])
def test_difference_of_norm_variations(ddof):
    W, M = sample(4, 5)[2], sample(4, 5, 1)[2]
    cv = [np.std([np.linalg.norm(v) for v in V], ddof=ddof) for V in (W, M)]
    cv = [c / np.mean([np.linalg.norm(v) for v in V]) for c, V in zip(cv, (W, M))]
    assert equinorm_difference(W, M, ddof) == pytest.approx(abs(cv[0] - cv[1]))
    with pytest.raises(InputError, match="ddof must be"):
        equinorm_difference(W, M, 2)
    assert equinorm_difference(0 * W, M) is equinorm_difference(W, 0 * M) is None


# classes


@pytest.mark.parametrize("K, d", SIZES)
@pytest.mark.parametrize("exponent", [1.0, 0.5, 2.0])
def test_cdnv_with_an_exponent(K, d, exponent):
    H, y, _, _ = sample(K, d)
    means, stats = class_means(H, y, K), statistics(H, y, K)
    v = [np.mean([np.sum((h - means[k]) ** 2) for h in H[y == k]]) for k in range(K)]
    grid = np.zeros((K, K))
    for k in range(K):
        for l in range(K):
            if k != l:
                grid[k, l] = (v[k] + v[l]) / 2 / np.linalg.norm(means[k] - means[l]) ** (2 * exponent)
    assert cdnv_grid(stats, exponent) == pytest.approx(grid, rel=1e-12)
    assert cdnv(stats, exponent) == pytest.approx(grid.sum() / (K * (K - 1)), rel=1e-12)


def test_values_of_each_class():
    K, d = 4, 5
    H, y, W, b = sample(K, d)
    stats, means = statistics(H, y, K, W, b), class_means(H, y, K)
    found = class_values(stats, W)
    for k in range(K):
        mine, m = H[y == k], means[k] - means.mean(0)
        v = [np.mean([np.sum((h - means[l]) ** 2) for h in H[y == l]]) for l in range(K)]
        pairs = [(v[k] + v[l]) / 2 / np.sum((means[k] - means[l]) ** 2) for l in range(K) if l != k]
        nearest = [np.argmin([np.linalg.norm(h - c) for c in means]) for h in mine]
        wrong = [n != np.argmax(W @ h + b) for h, n in zip(mine, nearest)]
        expected = {
            "samples": len(mine),
            "scatter": v[k],
            "cdnv": np.mean(pairs),
            "norm_means": np.linalg.norm(m),
            "norm_rows": np.linalg.norm(W[k]),
            "cosine": unit(W[k]) @ unit(m),
            "disagreement": np.mean(wrong),
        }
        assert {name: part[k] for name, part in found.items()} == pytest.approx(expected, rel=1e-11)
    assert np.average(found["disagreement"], weights=found["samples"]) == pytest.approx(stats.disagreement)
    assert "cosine" not in class_values(stats)
    weighted = class_values(stats, centre="sample")["norm_means"]
    assert weighted == pytest.approx(np.linalg.norm(means - H.mean(0), axis=1), rel=1e-12)


@pytest.mark.filterwarnings("error")
def test_undefined_values_of_a_class_are_nan():
    H, y = np.ones((6, 2)), np.arange(6) % 3
    found = class_values(statistics(H, y, 3), np.eye(3, 2))
    assert cdnv_grid(statistics(H, y, 3)) is None
    assert all(np.isnan(found[name]).all() for name in ("cdnv", "cosine", "disagreement"))


# ranks, VCI, squared error


def test_ranks_by_their_definitions():
    V = sample(6, 4)[2]
    s = np.sqrt(np.linalg.eigvalsh(V.T @ V))[::-1]
    assert numerical_rank(V) == pytest.approx(np.sum(V**2) / np.linalg.norm(V, 2) ** 2)
    assert numerical_rank(V, "nuclear") == pytest.approx((s.sum() / np.linalg.norm(V)) ** 2)
    assert numerical_rank(V, "threshold") == 4 == numerical_rank(1e-150 * V, "threshold")
    W = simplex_etf(5, 9)
    for kind in ("stable", "nuclear", "threshold"):
        assert numerical_rank(W, kind) == pytest.approx(4) and numerical_rank(0 * W, kind) is None


def test_the_threshold_of_a_rank_grows_with_size():
    """s = 100 and 1e-12 beside ε · 100 · 100 = 2e-12."""
    sign = (-1.0) ** np.arange(100)
    V = np.ones((100, 100))
    assert numerical_rank(V + 1e-14 * np.outer(sign, sign), "threshold") == 1
    assert numerical_rank(V + 1e-12 * np.outer(sign, sign), "threshold") == 2


def test_the_rank_of_each_class():
    H, y, _, _ = sample(3, 4)
    ranks = [numerical_rank(H[y == k], "nuclear") for k in range(3)]
    assert class_rank(H, y, 3) == pytest.approx(np.mean(ranks))
    assert class_rank(np.eye(3)[y], y, 3) == pytest.approx(1)
    assert class_rank(H, y, 4) is class_rank(0 * H, y, 3) is None


@pytest.mark.parametrize("K, d", SIZES)
@pytest.mark.parametrize("centre", ["class", "sample"])
def test_variability_index(K, d, centre):
    H, y, _, _ = sample(K, d)
    means = class_means(H, y, K)
    inner = sum(np.outer(h - means[k], h - means[k]) for h, k in zip(H, y)) / len(H)
    M = means - (means.mean(0) if centre == "class" else H.mean(0))
    between = sum(np.outer(m, m) for m in M) / K
    assert within(H, y, K).covariance == pytest.approx(inner, rel=1e-12, abs=1e-14)
    expected = 1 - np.trace(np.linalg.pinv(inner + between) @ between) / min(d, K - 1)
    assert variability_index(H, y, K, centre) == pytest.approx(expected, rel=1e-9)


def test_the_variability_index_of_a_map_of_the_features():
    H, y, _, _ = sample(4, 6)
    turn = np.random.default_rng(0).normal(size=(6, 6))
    assert variability_index(H @ turn, y, 4) == pytest.approx(variability_index(H, y, 4), rel=1e-9)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(60, 60)))[0]
    zero = np.hstack([H, np.zeros((len(H), 54))])
    for flat in (zero, zero @ turn):
        assert variability_index(flat, y, 4) == pytest.approx(variability_index(H, y, 4), rel=1e-9)


@pytest.mark.parametrize("spread", [1e-3, 1e-6, 1e-9])
def test_the_variability_index_near_collapse(spread):
    """One dimension, two classes: VCI = v/(v + Δ²/4) of within-class variance v, however small."""
    noise = spread * np.array([1.0, -1, 1, -1])
    H = np.array([1.0, 1, -1, -1])[:, None] + noise[:, None]
    assert variability_index(H, np.array([0, 0, 1, 1]), 2) == pytest.approx(
        spread**2, rel=3 * spread**2 + 1e-6
    )


def test_no_variability_index_of_one_point():
    assert variability_index(np.ones((6, 2)), np.arange(6) % 3, 3) is None
    assert variability_index(np.eye(3)[np.arange(6) % 3], np.arange(6) % 3, 3) == 0


@pytest.mark.parametrize("K, d", SIZES)
@pytest.mark.parametrize("lam", [0.0, 0.01])
@pytest.mark.parametrize("bias", [False, True])
def test_the_parts_of_a_squared_error(K, d, lam, bias):
    H, y, W, b = sample(K, d)
    X = np.hstack([H, np.ones((len(H), 1))]) if bias else H
    V = np.hstack([W, b[:, None]]) if bias else W
    second = sum(np.outer(x, x) for x in X) / len(X) + lam * np.eye(X.shape[1])
    best = sum(np.outer(np.eye(K)[k], x) for x, k in zip(X, y)) / len(X) @ np.linalg.inv(second)
    means = class_means(X, y, K)

    def penalty(A):
        return lam / 2 * np.sum(A**2)

    loss = sum(np.sum((V @ x - np.eye(K)[k]) ** 2) for x, k in zip(X, y)) / 2 / len(X) + penalty(V)
    nc1 = sum(np.sum((best @ (x - means[k])) ** 2) for x, k in zip(X, y)) / 2 / len(X) + penalty(best)
    nc23 = sum(np.sum((best @ means[k] - np.eye(K)[k]) ** 2) for k in y) / 2 / len(X)
    perp = sum(np.sum(((V - best) @ x) ** 2) for x in X) / 2 / len(X) + penalty(V - best)
    found = squared_error(H, y, W, b if bias else None, lam)
    assert found == pytest.approx((loss, nc1, nc23, perp), rel=1e-8)
    assert found.loss == pytest.approx(found.nc1 + found.nc23 + found.perp, rel=1e-8)


def test_the_parts_as_the_notebook_has_them():
    """Balanced classes: the formulas of the published notebook, with matrices."""
    K, d, lam = 3, 4, 0.05
    rng = np.random.default_rng(0)
    y = np.arange(30) % K
    H, W, b = (
        rng.normal(size=(K, d))[y] + 0.3 * rng.normal(size=(30, d)),
        rng.normal(size=(K, d)),
        rng.normal(size=K),
    )
    M = class_means(H, y, K).T
    mu = M.mean(1, keepdims=True)
    Sw = sum(np.outer(h - M[:, k], h - M[:, k]) for h, k in zip(H, y)) / 30
    Sb = (M - mu) @ (M - mu).T / K
    inverse = np.linalg.inv(Sw + Sb + lam / (lam + 1) * mu @ mu.T + lam * np.eye(d))
    best = (M.T - mu.T / (1 + lam)) @ inverse / K
    bias = (np.ones(K) / K - best @ mu[:, 0]) / (1 + lam)
    found = squared_error(H, y, W, b, lam)
    nc1 = (np.trace(best @ (Sw + lam * np.eye(d)) @ best.T) + lam * bias @ bias) / 2
    assert found.nc1 == pytest.approx(nc1, rel=1e-9)
    assert found.nc23 == pytest.approx(np.sum((best @ M + bias[:, None] - np.eye(K)) ** 2) / 2 / K, rel=1e-9)


# presets


@pytest.mark.parametrize("K, d", SIZES)
@pytest.mark.parametrize("name", sorted(set(PRESETS) - set(CONVENTIONS)))
def test_presets_by_their_definitions(K, d, name):
    H, y, W, b = sample(K, d)
    how = PRESETS[name]
    found, expected = all_metrics(statistics(H, y, K, W, b), W, b, how), brute(H, y, W, b, how)
    if how.by_dim:  # Σ_B is larger by K/d
        expected["nc1"] *= d / K
        expected["nc1_ratio"] *= d / K
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-11)


def test_presets_name_their_source():
    assert set(PRESETS) == {*CONVENTIONS, "kothapalli", "markou", "wu", "wu-by-dim"}
    assert all(name == convention.name and convention.source for name, convention in PRESETS.items())
