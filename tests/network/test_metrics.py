"""Every neural-collapse metric equals its definition written out, also where collapse leaves only a few ulps."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ufm.agree.geometry import duality_distance
from ufm.model.etf import simplex_etf
from ufm.network.collapse.conventions import CONVENTIONS, Convention
from ufm.network.collapse.metrics import (
    all_metrics,
    angle_deviation,
    cdnv,
    nc1,
    norm_variation,
    simplex_deviation,
)
from ufm.network.collapse.statistics import class_statistics
from ufm.network.read.activations import from_arrays

PLAIN, PAPYAN, ZHU, CENTRED = (CONVENTIONS[name] for name in ("plain", "papyan", "zhu", "centred"))
SIZES = [(4, 2), (4, 3), (4, 4), (4, 9), (2, 1), (2, 5), (7, 3)]  # (K, d): d below, at and above K − 1


def statistics(H, y, K, W=None, b=None, weights=None, rows=7):
    """Class statistics of arrays, in blocks of a few rows."""
    weights = np.ones(len(y)) if weights is None else np.asarray(weights, float)

    def stream():
        for n in range(0, len(y), rows):
            yield np.array(H[n : n + rows], float), np.asarray(y)[n : n + rows], weights[n : n + rows]

    return class_statistics(stream, K, W, b)


def sample(K, d, seed=0, spread=0.7, offset=0.0):
    """Unbalanced classes around random means: H, y, W, b."""
    rng = np.random.default_rng([seed, K, d])
    y = rng.permutation(np.repeat(np.arange(K), rng.integers(3, 12, K)))
    H = offset + rng.normal(size=(K, d))[y] + spread * rng.normal(size=(len(y), d))
    return H, y, rng.normal(size=(K, d)), rng.normal(size=K)


def brute(H, y, W, b, convention) -> dict:
    """The definitions with d × d matrices and loops, for well-conditioned data."""
    K, N = len(W), len(H)
    means = np.array([H[y == k].mean(0) for k in range(K)])
    centre = means.mean(0) if convention.centre == "class" else H.mean(0)
    M = (means - centre).T
    if convention.centre_rows:
        W, b = W - W.mean(0), b - b.mean()
    within = sum(np.outer(h - means[k], h - means[k]) for h, k in zip(H, y)) / N
    between = sum(np.outer(m, m) for m in M.T) / K
    variance = [np.mean([(h - means[k]) @ (h - means[k]) for h in H[y == k]]) for k in range(K)]
    pairs = [(k, l) for k in range(K) for l in range(K) if k != l]
    S = (np.eye(K) - np.ones((K, K)) / K) / np.sqrt(K - 1)

    def cos(a, c):
        return a @ c / np.linalg.norm(a) / np.linalg.norm(c)

    def variation(V):
        return np.std(np.linalg.norm(V, axis=1), ddof=convention.ddof) / np.linalg.norm(V, axis=1).mean()

    def angles(V):
        return np.mean([abs(cos(V[k], V[l]) + 1 / (K - 1)) for k, l in pairs])

    def gram(G):
        return np.linalg.norm(G / np.linalg.norm(G) - S)

    duality = np.linalg.norm(W.T / np.linalg.norm(W) - M / np.linalg.norm(M))
    return {
        "nc1": np.trace(within @ np.linalg.pinv(between, rcond=1e-10)) / (K if convention.per_class else 1),
        "nc1_ratio": np.trace(within) / np.trace(between),
        "cdnv": np.mean(
            [(variance[k] + variance[l]) / 2 / np.sum((means[k] - means[l]) ** 2) for k, l in pairs]
        ),
        "nc2_norms_means": variation(M.T),
        "nc2_norms_rows": variation(W),
        "nc2_angles_means": angles(M.T),
        "nc2_angles_rows": angles(W),
        "nc2_simplex_means": gram(M.T @ M),
        "nc2_simplex_rows": gram(W @ W.T),
        "nc3_distance": duality**2 if convention.squared else duality,
        "nc3_product": gram(W @ M),
        "nc4_bias": np.linalg.norm(W @ centre + convention.bias_sign * b),
    }


def disagreement(H, y, W, b) -> float:
    """NC4 by loops: share of samples whose nearest class mean is not the decision."""
    means = np.array([H[y == k].mean(0) for k in range(len(W))])
    nearest = [np.argmin([np.linalg.norm(h - m) for m in means]) for h in H]
    return float(np.mean([k != np.argmax(W @ h + b) for h, k in zip(H, nearest)]))


@pytest.mark.parametrize("K, d", SIZES)
@pytest.mark.parametrize("name", CONVENTIONS)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_metric_is_its_definition(K, d, name, seed):
    H, y, W, b = sample(K, d, seed)
    found = all_metrics(statistics(H, y, K, W, b), W, b, CONVENTIONS[name])
    expected = brute(H, y, W, b, CONVENTIONS[name]) | {"nc4_disagreement": disagreement(H, y, W, b)}
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-12, abs=1e-13), key


def exact_nc1(H, y, K, centre="class") -> mpmath.mpf:
    """Tr(Σ_W Σ_B⁺)/K in 80 digits. With M̊ p = 0, p > 0: M̊ M̊ᵀ = D Dᵀ for D = M̊ P, P an orthonormal basis of p⊥."""
    with mpmath.workdps(80):
        rows = [[mpmath.mpf(float(v)) for v in h] for h in H]
        counts = [int(np.sum(y == k)) for k in range(K)]
        d, N = len(rows[0]), len(rows)
        means = [
            [mpmath.fsum(r[c] for r, t in zip(rows, y) if t == k) / counts[k] for c in range(d)]
            for k in range(K)
        ]
        p = [mpmath.mpf(1) / K] * K if centre == "class" else [mpmath.mpf(n) / N for n in counts]
        mean = [mpmath.fsum(p[k] * means[k][c] for k in range(K)) for c in range(d)]
        M = mpmath.matrix(d, K)
        for c in range(d):
            for k in range(K):
                M[c, k] = means[k][c] - mean[c]
        R = mpmath.matrix(d, N)
        for n in range(N):
            for c in range(d):
                R[c, n] = rows[n][c] - means[y[n]][c]
        if d < K - 1:
            inverse = (M * M.T / K) ** -1
            return mpmath.fsum((R.T * inverse * R)[n, n] for n in range(N)) / N / K
        basis = mpmath.qr(
            mpmath.matrix([[q] + [mpmath.mpf(k == l) for l in range(K - 1)] for k, q in enumerate(p)])
        )
        D = M * basis[0][:, 1:]
        middle = (D.T * D) ** -1
        T = middle * (D.T * R)
        return mpmath.fsum(v**2 for v in T) * K / N / K


@pytest.mark.parametrize("K, d", [(4, 2), (4, 3), (4, 8), (2, 1)])
@pytest.mark.parametrize("convention", [PLAIN, ZHU])
@pytest.mark.parametrize(
    "spread, offset",
    [(3e-8, 0), (1e-12, 0), (1e-15, 0), (2e-15, 3.0), (1e-8, 1e6), (1e-3, 1e12), (1.0, -1e9)],
)
def test_near_collapse_is_measured_to_its_size(K, d, convention, spread, offset):
    """NC1 from 1 down to 1e-30, also of features far from the origin, against 80 digits on the same numbers."""
    H, y, _, _ = sample(K, d, 3, spread, offset)
    found = nc1(statistics(H, y, K), convention)
    exact = exact_nc1(H, y, K, convention.centre)
    assert exact > 0 and abs(found - exact) <= 1e-9 * exact


def test_nc1_of_1e_15():
    H, y, _, _ = sample(4, 8, 3, 1e-7)
    found = nc1(statistics(H, y, 4), PLAIN)
    assert 1e-16 < found < 1e-13


def test_the_textbook_formula_fails_there():
    """Negative control: E‖h‖² − ‖μ‖² and a pseudo-inverse with a cut-off are useless near collapse."""
    H, y, _, _ = sample(4, 8, 3, 1e-15, 3.0)
    means = np.array([H[y == k].mean(0) for k in range(4)])
    within = sum(np.outer(h, h) - np.outer(means[k], means[k]) for h, k in zip(H, y)) / len(y)
    M = means - means.mean(0)
    naive = np.trace(within @ np.linalg.pinv(M.T @ M / 4)) / 4
    assert abs(naive - exact_nc1(H, y, 4)) > 0.5 * exact_nc1(H, y, 4)


@pytest.mark.parametrize("K, d", SIZES)
@pytest.mark.parametrize("offset", [0.0, 0.1, 1e8])
def test_exact_collapse_is_zero(K, d, offset):
    H, y, W, _ = sample(K, d, 5, 0.0, offset)
    found = all_metrics(statistics(H, y, K, W), W, None, PLAIN)
    assert found["nc1"] == found["nc1_ratio"] == found["cdnv"] == 0


@pytest.mark.parametrize("K, d", [(2, 1), (2, 4), (3, 2), (5, 5), (10, 64)])
@pytest.mark.parametrize("name", CONVENTIONS)
def test_neural_collapse_is_zero_in_every_metric(K, d, name):
    W, y = simplex_etf(K, d, 1.7), np.arange(3 * K) % K
    b = np.zeros(K)
    for key, value in all_metrics(statistics(2.5 * W[y], y, K, W, b), W, b, CONVENTIONS[name]).items():
        assert 0 <= value < 1e-14, key


@pytest.mark.parametrize("seed", range(5))
def test_presets_differ_by_what_they_state(seed):
    """Balanced classes, so that both centrings agree: 1/K, square, ddof, centred W, sign of b are left."""
    K, d = 5, 8
    rng = np.random.default_rng(seed)
    y, W, b = np.arange(40) % K, rng.normal(size=(K, d)), rng.normal(size=K)
    stats = statistics(rng.normal(size=(K, d))[y] + rng.normal(size=(40, d)), y, K, W, b)
    plain, papyan, zhu, centred = (all_metrics(stats, W, b, c) for c in (PLAIN, PAPYAN, ZHU, CENTRED))
    besides = {
        "papyan": {
            "nc1": K * plain["nc1"],
            "nc3_distance": plain["nc3_distance"] ** 2,
            "nc2_norms_means": plain["nc2_norms_means"] * np.sqrt(K / (K - 1)),
            "nc2_norms_rows": plain["nc2_norms_rows"] * np.sqrt(K / (K - 1)),
        },
        "zhu": {"nc4_bias": np.linalg.norm(W @ stats.means.mean(0) - b)},
    }
    for name, found in {"papyan": papyan, "zhu": zhu}.items():
        for key, value in (plain | besides[name]).items():
            assert found[key] == pytest.approx(value, rel=1e-13), (name, key)
    assert centred == all_metrics(stats, W - W.mean(0), b - b.mean(), PLAIN)
    assert centred["nc3_distance"] != pytest.approx(plain["nc3_distance"], rel=1e-6)


def test_centrings_differ_when_classes_are_unbalanced():
    H, y, W, b = sample(4, 9)
    stats = statistics(H, y, 4, W, b)
    assert nc1(stats, PLAIN) != pytest.approx(nc1(stats, ZHU), rel=1e-6)
    assert nc1(stats, ZHU) == pytest.approx(nc1(stats, replace(PLAIN, centre="sample")), rel=1e-15)


FINITE = st.floats(-1e6, 1e6, allow_subnormal=False) | st.integers(-2, 2).map(float)


@settings(deadline=None, max_examples=150)
@given(st.data(), st.sampled_from([1, 2, 5]), st.sampled_from(sorted(CONVENTIONS)))
def test_no_metric_is_ever_negative_or_nan(data, d, name):
    """Ties, coinciding class means and vanishing rows included."""
    K, N = 3, 8
    H, W = (
        data.draw(hnp.arrays(float, (N, d), elements=FINITE)),
        data.draw(hnp.arrays(float, (K, d), elements=FINITE)),
    )
    y = np.arange(N) % K
    for key, value in all_metrics(statistics(H, y, K, W), W, None, CONVENTIONS[name]).items():
        assert value is None or (np.isfinite(value) and value >= 0), key


@settings(deadline=None, max_examples=50)
@given(hnp.arrays(float, (9, 4), elements=st.floats(-1e-14, 1e-14)), st.floats(-1e3, 1e3))
def test_nc1_near_collapse_is_never_negative(noise, offset):
    y = np.arange(9) % 3
    assert nc1(statistics(offset + np.eye(3, 4)[y] + noise, y, 3), PLAIN) >= 0


@pytest.mark.parametrize("rows", [1, 2, 5, 1000])
def test_blocks_do_not_matter(rows):
    H, y, W, b = sample(4, 9)
    found, whole = statistics(H, y, 4, W, b, rows=rows), statistics(H, y, 4, W, b, rows=len(y))
    for name in CONVENTIONS:
        few, one = (all_metrics(s, W, b, CONVENTIONS[name]) for s in (found, whole))
        assert few == {key: pytest.approx(value, rel=1e-12) for key, value in one.items()}


def test_a_weight_counts_like_copies_of_the_sample():
    H, y, W, b = sample(3, 4)
    times = 1 + np.arange(len(y)) % 3
    weighted = statistics(H, y, 3, W, b, weights=times)
    copied = statistics(np.repeat(H, times, 0), np.repeat(y, times), 3, W, b)
    assert weighted.mass.tolist() == copied.mass.tolist() and weighted.count == len(y)
    for convention in CONVENTIONS.values():
        few, many = (all_metrics(s, W, b, convention) for s in (weighted, copied))
        assert few == {key: pytest.approx(value, rel=1e-12) for key, value in many.items()}


def test_mixed_and_weightless_samples_are_skipped():
    H, y, W, b = sample(3, 4)
    out = np.arange(len(y)) % 5 == 0
    mixed = statistics(np.where(out[:, None], 1e6, H), np.where(out, -1, y), 3, W, b)
    light = statistics(np.where(out[:, None], 1e6, H), y, 3, W, b, weights=~out)
    kept = statistics(H[~out], y[~out], 3, W, b)
    assert (mixed.count, mixed.skipped) == (light.count, light.skipped) == (np.sum(~out), np.sum(out))
    for found in (mixed, light):
        assert all_metrics(found, W, b, PLAIN) == pytest.approx(all_metrics(kept, W, b, PLAIN), rel=1e-12)


def test_statistics_of_activations():
    """The stream of ufm.network.read.activations: same-class mixtures are pure, others are not."""
    H, y, W, b = sample(3, 4)
    lam = np.full(len(y), 0.3)
    mixed = np.arange(len(y)) % 4 == 0
    found = from_arrays(H=H, W=W, b=b, i=y, j=np.where(mixed, (y + 1) % 3, y), lam=lam)
    stats = class_statistics(lambda: found.pure_chunks(5), found.classes, found.W, found.b)
    kept = statistics(H[~mixed], y[~mixed], 3, W, b)
    assert stats.skipped == mixed.sum()
    assert all_metrics(stats, W, b, PLAIN) == pytest.approx(all_metrics(kept, W, b, PLAIN), rel=1e-12)


def test_a_block_is_gone_over_in_parts_of_any_size(monkeypatch):
    """Of one row, of three, of all: each row has its own class's centre taken off it."""
    H, y, W, b = sample(4, 6)
    whole = all_metrics(statistics(H, y, 4, W, b, rows=len(y)), W, b, PLAIN)
    for rows in (1, 3):
        monkeypatch.setattr("ufm.network.collapse.statistics.PART", 8 * 6 * rows)
        parts = all_metrics(statistics(H, y, 4, W, b, rows=len(y)), W, b, PLAIN)
        assert parts == whole


@pytest.mark.parametrize("factor", [1e-100, 1e-3, 1e100])
def test_scale_and_rotation_of_the_features_do_not_matter(factor):
    H, y, W, _ = sample(4, 6)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    plain, turned = (
        all_metrics(statistics(f, y, 4, V), V, None, PLAIN)
        for f, V in ((H, W), (factor * H @ turn, W @ turn))
    )
    del plain["nc4_bias"], turned["nc4_bias"]
    assert turned == pytest.approx(plain, rel=1e-11)


def test_coinciding_classes_leave_the_other_directions():
    """Two class means that are one point: the rank falls, and nothing is divided by its rounding."""
    rng = np.random.default_rng(0)
    means, y = rng.normal(size=(4, 6)), np.arange(40) % 4
    means[3] = means[2]
    noise = rng.normal(size=(40, 6))
    for k in range(4):
        noise[y == k] -= noise[y == k].mean(0)
    H = means[y] + noise
    stats = statistics(H, y, 4)
    assert len(stats.axes["class"].values) == 2
    M = means - means.mean(0)
    within, between = noise.T @ noise / 40, M.T @ M / 4
    assert nc1(stats, PLAIN) == pytest.approx(
        np.trace(within @ np.linalg.pinv(between, rcond=1e-8)) / 4, rel=1e-10
    )
    assert cdnv(statistics(means[y], y, 4)) is None


def test_undefined_metrics_are_none():
    y, W = np.arange(9) % 3, np.zeros((3, 4))
    found = all_metrics(statistics(np.ones((9, 4)), y, 3, W), W, None, PLAIN)
    defined = {key: value for key, value in found.items() if value is not None}
    assert defined == {"nc4_disagreement": 0.0, "nc4_bias": 0.0}
    assert (
        norm_variation(W)
        is angle_deviation(W)
        is simplex_deviation(W @ W.T)
        is duality_distance(W, W)
        is None
    )
    assert all_metrics(statistics(np.eye(9, 4), y, 3), W, None, PLAIN)["nc4_disagreement"] is None


def test_worst_cases_are_known():
    """The scale of the simplex distances: antipodal frames are farthest."""
    W = simplex_etf(4, 5)
    assert simplex_deviation(-W @ W.T) == pytest.approx(2)
    assert duality_distance(W, -W) == pytest.approx(2) and duality_distance(
        W, -W, squared=True
    ) == pytest.approx(4)


def test_bad_input_is_named():
    H, y, W, b = sample(4, 3)
    with pytest.raises(ValueError, match="none for 2 of 6 classes, numbers 4, 5"):
        statistics(H, y, 6)
    with pytest.raises(ValueError, match="none for 4 of 4 classes"):
        statistics(H, -np.ones(len(y), int), 4)
    with pytest.raises(ValueError, match="rescale H and W"):
        statistics(1e200 * H, y, 4)
    with pytest.raises(ValueError, match="rescale H and W"):
        statistics(np.where(np.arange(len(y))[:, None] == 3, np.nan, H), y, 4)
    for entry in (1e200, -1e200):
        with pytest.raises(ValueError, match="rescale H and W"):
            statistics(np.where(np.arange(H.size).reshape(H.shape) == 5, entry, H), y, 4)
    with pytest.raises(ValueError, match=r"W must be an array of real numbers of shape \(4, 3\)"):
        all_metrics(statistics(H, y, 4), W[:, :2], b, PLAIN)
    with pytest.raises(ValueError, match="W must be finite"):
        all_metrics(statistics(H, y, 4), 1e200 * W, b, PLAIN)
    for bad in ({"centre": "median"}, {"ddof": 2}, {"bias_sign": 0}):
        with pytest.raises(ValueError, match="must be"):
            Convention("mine", **bad)
    with pytest.raises(ValueError, match="centre must be one of class, sample"):
        statistics(H, y, 4).centred("median")


def test_presets_name_their_source():
    assert set(CONVENTIONS) == {"plain", "centred", "papyan", "zhu"}
    assert all(name == convention.name and convention.source for name, convention in CONVENTIONS.items())
