"""Mixup geometry: definitions written out, exact optima, controls, and intervals that mean something."""

from dataclasses import fields

import numpy as np
import pytest

from ufm.model.etf import simplex_etf
from ufm.model.problem import Problem
from ufm.network.measures.channels import channel_geometry
from ufm.network.measures.directions import in_plane
from ufm.network.measures.mixed import lambda_bin
from ufm.network.read.activations import from_arrays
from ufm.network.resample import BLOCK, Curve, Estimate, Replicated, curve, poisson_weights
from ufm.optimize.features import solve_features
from ufm.theory.predict import predict_features

pytestmark = pytest.mark.slow  # networks and optima of many shapes

BINS = 5


def pairs(N, K, seed=0):
    """Random i, j, lam with every kind: same class, λ = 0 and 1, edges of bins."""
    rng = np.random.default_rng([seed, N, K])
    lam = rng.beta(1, 1, N)
    lam[:8] = [0, 1, 0.2, 0.4, 0.5, 0.6, 0.8, 1]
    return rng.integers(0, K, N), rng.integers(0, K, N), lam


def dense(i, j, lam, K):
    Y = np.zeros((len(i), K))
    np.add.at(Y, (np.arange(len(i)), j), 1 - lam)
    np.add.at(Y, (np.arange(len(i)), i), lam)
    return Y / Y.sum(1, keepdims=True)


def geometry(H, W, i, j, lam, *args, rows=None, weights=None, **settings):
    weights = np.ones(len(H)) if weights is None else weights
    found = from_arrays(H=H, W=W, i=i, j=j, lam=lam, weights=weights)
    return channel_geometry(lambda: found.chunks(rows), W, *args, **settings)


def noise(N=300, K=4, d=6, seed=1):
    rng = np.random.default_rng([seed, N, K, d])
    i, j, lam = pairs(N, K, seed)
    return rng.normal(size=(N, d)) + 0.3, rng.normal(size=(K, d)), i, j, lam, rng.normal(size=(K, d))


def brute(H, W, i, j, lam, means, centre, weights, window=0.05) -> dict:
    """The definitions with loops, one sample at a time."""
    V = W - W.mean(0)
    middle = {"mean": np.average(H, axis=0, weights=weights), "class": means.mean(0), "none": 0 * H[0]}
    c = middle[centre]
    rows = [[] for _ in range(BINS)]
    tt = tx = 0.0
    same = np.zeros(BINS)
    cosine = np.zeros(BINS)
    for h, p, q, l, weight in zip(H, i, j, lam, weights):
        b = min(int(l * BINS), BINS - 1)
        if p == q or l in (0, 1):
            v = V[q] if l == 0 else V[p]
            same[b] += weight
            cosine[b] += weight * ((h - c) @ v / np.linalg.norm(h - c) / np.linalg.norm(v))
            continue
        u = (V[p] + V[q]) / np.linalg.norm(V[p] + V[q])
        span = np.stack([V[p], V[q]], 1)
        outside = (h - c) - span @ np.linalg.lstsq(span, h - c, rcond=None)[0]
        x = h @ (W[p] - W[q]) / np.linalg.norm(W[p] - W[q])
        line = l * means[p] + (1 - l) * means[q]
        bend = np.linalg.norm(h - line) / np.linalg.norm(means[p] - c)
        t = np.log(l / (1 - l))
        if window <= l <= 1 - window:
            tt, tx = tt + weight * t * t, tx + weight * t * x
        row = [1, l, t, x, outside @ outside, (h - c) @ (h - c), (h - c) @ u, (line - c) @ u, bend]
        rows[b].append(weight * np.array(row))
    n, l, t, x, out, size, along, straight, bend = np.array([np.sum(r, 0) for r in rows]).T
    return {
        "same": same,
        "different": n,
        "lam": l / n,
        "logit": t / n,
        "alignment": cosine / same,
        "outside": out / size,
        "displacement": x / n,
        "amplification": along / straight,
        "nonlinearity": bend / n,
        "slope": tx / tt,
    }


@pytest.mark.promise("channels")
@pytest.mark.parametrize("centre", ["class", "mean", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_measure_equals_its_definition(centre, weighted):
    H, W, i, j, lam, means = noise()
    weights = np.random.default_rng(3).uniform(0.1, 2, len(H)) if weighted else np.ones(len(H))
    found = geometry(H, W, i, j, lam, means, centre=centre, bins=BINS, weights=weights, replicates=5)
    for name, value in brute(H, W, i, j, lam, means, centre, weights).items():
        got = getattr(found, name)
        got = got.value if isinstance(got, Curve | Estimate) else got
        np.testing.assert_allclose(got, value, rtol=1e-12, atol=1e-12, err_msg=name)
    assert found.predicted is None and found.slope_predicted is None and found.skipped == 0


@pytest.mark.parametrize("rows", [1, 7, 1000, 1024, 1500])
def test_chunks_change_nothing(rows):
    """Not even the bootstrap draws."""
    H, W, i, j, lam, means = noise(N=2100 if rows > 7 else 60)
    found, whole = (geometry(H, W, i, j, lam, means, 3.0, rows=r, replicates=20) for r in (rows, None))
    for part in fields(found):
        one, other = getattr(found, part.name), getattr(whole, part.name)
        if isinstance(one, dict):
            one, other = list(one.values()), list(other.values())
        if not isinstance(one, str):
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13, err_msg=part.name)


OPTIMA = [(3, 5, 10.0), (3, 5, 2000.0), (5, 8, 100.0), (2, 4, 30.0)]


@pytest.mark.promise("channels")
@pytest.mark.parametrize("K, d, a", OPTIMA)
@pytest.mark.parametrize("solver", [solve_features, predict_features])
def test_optimum_matches_prediction(K, d, a, solver):
    """Blind and closed-form optima: displacement to 1e-10, nothing outside the span, aligned with w_c."""
    m = 1.7
    problem = Problem(K, m, lambda_h=m * m * K / (K - 1) / a, dim=d)
    i, j, lam = pairs(400, K)
    H = solver(problem, dense(i, j, lam, K)).H
    means = solver(problem, np.eye(K)).H
    found = geometry(H, problem.W, i, j, lam, means, a, centre="none", bins=8, replicates=10)
    for name, value in found.predicted.items():
        np.testing.assert_allclose(getattr(found, name).value, value, rtol=1e-10, atol=1e-10, err_msg=name)
    assert np.nanmax(found.outside.value) <= 1e-12
    np.testing.assert_allclose(found.alignment.value[found.same > 0], 1, rtol=1e-12)
    assert found.slope.value == pytest.approx(found.slope_predicted, rel=1e-10)
    assert found.slope_limit == pytest.approx(np.sqrt((K - 1) / (2 * K)) / m, rel=1e-14)


def test_overall_is_one_bin():
    """Everything in one bin by definition; the displacement's sign makes its mean no sum of bins by chance."""
    H, W, i, j, lam, means = noise()
    several = geometry(H, W, i, j, lam, means, 40.0, bins=BINS, replicates=20)
    one = geometry(H, W, i, j, lam, means, 40.0, bins=1, replicates=20)
    for name in ("alignment", "outside", "displacement", "amplification", "nonlinearity"):
        np.testing.assert_allclose(several.overall[name], np.array(getattr(one, name))[:, 0], rtol=1e-12)
    for name, value in several.predicted_overall.items():
        assert value == pytest.approx(one.predicted[name][0], rel=1e-12)


def test_displacement_tends_to_the_limit():
    """At a = 1e12 the slope is the limit's but for 1/a."""
    i, j, lam = pairs(300, 4)
    problem = Problem(4, 2.0, lambda_h=4 * 4 / 3 / 1e12)
    H = predict_features(problem, dense(i, j, lam, 4)).H
    found = geometry(H, problem.W, i, j, lam, None, 1e12, centre="none", replicates=2)
    assert found.slope.value == pytest.approx(found.slope_limit, rel=1e-6)
    assert np.isnan(found.nonlinearity.value).all()


def test_squared_error_is_straight():
    problem = Problem(3, 1.3, lambda_h=0.2, dim=6, loss="squared-error")
    i, j, lam = pairs(300, 3)
    H, means = (solve_features(problem, Y).H for Y in (dense(i, j, lam, 3), np.eye(3)))
    found = geometry(H, problem.W, i, j, lam, means, centre="none", replicates=2)
    np.testing.assert_allclose(found.nonlinearity.value, 0, atol=1e-12)
    np.testing.assert_allclose(found.amplification.value, 1, rtol=1e-12)


def test_a_bias_of_all_features_is_taken_out_by_the_mean():
    """A common offset orthogonal to W spoils alignment and span unless the features are centred."""
    K, d = 3, 6
    problem = Problem(K, 1.0, lambda_h=0.01, dim=d)
    i, j, lam = np.repeat([0, 1, 2], 60), np.tile([0, 1, 2], 60), np.repeat([0.3, 0.5, 0.7], 60)
    H = predict_features(problem, dense(i, j, lam, K)).H + 5 * np.eye(d)[-1]
    plain, centred = (
        geometry(H, problem.W, i, j, lam, centre=centre, replicates=2) for centre in ("none", "mean")
    )
    assert np.nanmax(plain.alignment.value) < 0.9 < np.nanmin(centred.alignment.value)
    assert np.nanmin(plain.outside.value) > 0.1 > np.nanmax(centred.outside.value)


@pytest.mark.promise("channels")
@pytest.mark.parametrize("control", ["labels", "rows"])
def test_wrong_labels_and_permuted_rows_are_told_apart(control):
    K, a = 5, 200.0
    problem = Problem(K, 1.0, lambda_h=K / (K - 1) / a)
    i, j, lam = pairs(600, K)
    H, W = predict_features(problem, dense(i, j, lam, K)).H, problem.W
    if control == "labels":
        turn = np.random.default_rng(0).permutation(len(i))
        i, j, lam = i[turn], j[turn], lam[turn]
    else:
        W = W[[1, 2, 3, 4, 0]]
    found = geometry(H, W, i, j, lam, None, a, centre="none", replicates=20)
    assert np.nanmin(found.outside.value) > 0.2 and np.nanmax(found.alignment.value) < 0.6
    assert found.slope.high < 0.5 * found.slope_predicted


def test_soft_two_hot_rows_count_and_others_are_skipped():
    H, W, i, j, lam, _ = noise(N=50)
    lam[lam == 0.5] = 0.45  # a tie has no order
    Y = np.vstack([dense(i, j, lam, 4), [[0.2, 0.3, 0.5, 0.0]]])
    H = np.vstack([H, H[:1]])
    soft = from_arrays(H=H, W=W, Y=Y)
    found = channel_geometry(soft.chunks, W, bins=1, replicates=2, centre="none")
    given = geometry(H[:-1], W, i, j, lam, bins=1, replicates=2, centre="none")
    assert found.skipped == 1
    for name in ("slope", "outside", "alignment"):
        np.testing.assert_allclose(getattr(found, name).value, getattr(given, name).value, rtol=1e-9)
    first = next(iter(soft.chunks())).labels[:3]
    assert (first[0] <= first[1]).all() and first[0][-1] == -1


def normal_sample(N, seed):
    """Displacement t·s plus noise, so that the slope is √½·… known: h = s (w_i − w_j)-direction."""
    rng = np.random.default_rng([seed, N])
    W = simplex_etf(3, 4)
    i = rng.integers(0, 3, N)
    j, lam = (i + 1) % 3, rng.uniform(0.1, 0.9, N)
    u = (W[i] - W[j]) / np.linalg.norm(W[i] - W[j], axis=1, keepdims=True)
    H = 0.7 * np.log(lam / (1 - lam))[:, None] * u + rng.normal(size=(N, 4))
    return H, W, i, j, lam


def test_intervals_cover_and_shrink():
    """Coverage of 95 % intervals over 120 seeded data sets, and width falling like 1/√N."""
    found = [
        geometry(*normal_sample(150, seed), bins=1, centre="none", seed=seed).slope for seed in range(120)
    ]
    inside = np.mean([curve.low <= 0.7 <= curve.high for curve in found])
    assert 0.88 <= inside <= 1
    wide = np.mean([curve.high - curve.low for curve in found])
    large = geometry(*normal_sample(15000, 1), bins=1, centre="none").slope
    assert (large.high - large.low) / wide == pytest.approx(0.1, rel=0.2)


def test_the_interval_of_the_amplification_knows_that_class_means_are_estimates():
    """Six pure samples a class: with class means held fixed the nominal 95 % interval covered half as often."""
    K, d, a, hits, runs = 6, 8, 60.0, 0, 40
    problem = Problem(K, 1.5, lambda_h=1.5**2 * K / (K - 1) / a, dim=d)
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        i, j = rng.integers(0, K, (2, 250))
        i[:K] = j[:K] = np.arange(K)
        lam = rng.beta(1, 1, 250)
        exact = predict_features(problem, dense(i, j, lam, K)).H
        H = exact + 0.5 * rng.normal(size=exact.shape)
        means = np.stack([H[(i == k) & (j == k)].mean(0) for k in range(K)])
        found = geometry(H, problem.W, i, j, lam, means, a, bins=1, seed=seed)
        truth = found.predicted["amplification"][0]
        hits += found.amplification.low[0] <= truth <= found.amplification.high[0]
    assert hits >= 0.8 * runs


def test_frequencies_of_classes_do_not_move_the_centre():
    """An exact optimum with one class in nine of ten samples: with the mean of all features it looks wrong."""
    K, a = 4, 300.0
    problem = Problem(K, 1.5, lambda_h=1.5**2 * K / (K - 1) / a)
    rng = np.random.default_rng(0)
    i, j = rng.choice(K, (2, 2000), p=[0.7, 0.1, 0.1, 0.1])
    lam = rng.beta(1, 1, 2000)
    H = predict_features(problem, dense(i, j, lam, K)).H + 5.0  # and an offset common to all
    means = np.stack([H[(i == k) & (j == k)].mean(0) for k in range(K)])
    found, moved = (
        geometry(H, problem.W, i, j, lam, means, a, centre=centre, bins=1, replicates=2)
        for centre in ("class", "mean")
    )
    assert found.overall["outside"].value <= 1e-20 and found.overall["alignment"].value >= 1 - 1e-12
    expected = found.predicted_overall["amplification"]
    assert found.overall["amplification"].value == pytest.approx(expected, rel=1e-10)
    assert abs(moved.overall["amplification"].value / expected - 1) > 0.1


def test_samples_that_do_not_count_are_counted():
    H, W, i, j, lam, means = noise()
    W[1] = W[0]
    lost = np.isin(i, (0, 1)) & np.isin(j, (0, 1)) & (i != j) & (lam > 0) & (lam < 1)
    found = geometry(H, W, i, j, lam, means, bins=BINS, replicates=2)
    assert found.skipped == lost.sum() > 0
    assert sum(found.rows) + found.skipped == len(H)
    assert found.rows == (int(found.same.sum()), int(found.different.sum()))


def test_bootstrap_weights_are_poisson():
    weights = poisson_weights(0, BLOCK, 400, seed=5)
    assert (weights[:, 0] == 1).all()
    draws = weights[:, 1:].ravel()
    assert draws.mean() == pytest.approx(1, abs=0.01) and draws.var() == pytest.approx(1, abs=0.02)
    np.testing.assert_array_equal(
        poisson_weights(BLOCK + 7, 9, 400, 5), poisson_weights(BLOCK, 30, 400, 5)[7:16]
    )
    assert (poisson_weights(BLOCK, BLOCK, 400, 5) != weights).any()


@pytest.mark.promise("channels")
def test_an_interval_holds_the_central_level_of_the_replicates():
    """90 % of 0 … 100 is 5 … 95, whatever the estimate; bins without replicates have no ends."""
    mixed = np.random.default_rng(0).permutation(np.arange(101.0))
    found = curve(np.array([[7.0, *mixed], [7.0, *np.full(101, np.nan)]]), 0.9)
    np.testing.assert_allclose(found.value, 7.0)
    np.testing.assert_allclose([found.low[0], found.high[0]], [5.0, 95.0], rtol=1e-12)
    assert np.isnan([found.low[1], found.high[1]]).all()


@pytest.mark.promise("channels")
def test_a_replicate_is_the_sum_of_its_draws():
    """By bin, however the samples come in blocks; the first column is the sum."""
    rng, n = np.random.default_rng(0), 2 * BLOCK + 100
    values, where = rng.normal(size=(n, 2)), rng.integers(0, 3, n)
    found = []
    for rows in (n, 700):
        sums = Replicated(2, 3, 5, seed=4)
        for start in range(0, n, rows):
            some = np.flatnonzero(where[start : start + rows] != 1)  # bin 1 stays empty
            sums.add(start, some, where[start + some], values[start + some])
        found.append(sums.sums())
    draws = np.concatenate([poisson_weights(s, min(BLOCK, n - s), 5, 4) for s in range(0, n, BLOCK)])
    expected = np.stack([(draws * (where == b)[:, None]).T @ values * (b != 1) for b in range(3)])
    for sums in found:
        np.testing.assert_allclose(sums, expected, atol=1e-11)


@pytest.mark.promise("channels")
@pytest.mark.parametrize("ordered", [False, True])
def test_samples_beyond_the_groups_join_them(monkeypatch, ordered):
    """Deviations of replicated means over 16 times as many samples as groups: those of independent samples, σ/√n,
    even where neighbours are alike; groups of neighbours (control) would have four times as much."""
    monkeypatch.setattr("ufm.network.resample.MOST", 1)
    rng, n = np.random.default_rng(1), 16 * BLOCK
    values = rng.normal(size=n)
    values = np.sort(values) if ordered else values
    sums = Replicated(2, 1, 400, seed=0)
    sums.add(0, np.arange(n), np.zeros(n, int), np.stack([values, np.ones(n)], 1))
    total, count = sums.sums()[0].T
    assert total[0] == pytest.approx(values.sum(), abs=1e-9) and count[0] == n
    # 400 replicates: 3.5% of a deviation; 1024 groups: 2.2%
    assert np.std(total[1:] / count[1:]) == pytest.approx(values.std() / np.sqrt(n), rel=0.16)
    apart = values - values.mean()
    neighbours = np.sqrt(np.sum(apart.reshape(BLOCK, -1).sum(1) ** 2)) / n
    assert not ordered or neighbours > 3 * values.std() / np.sqrt(n)


@pytest.mark.parametrize("K", [2, 3])
def test_a_network_without_mixed_samples(K):
    """Plain class labels: alignment in the last bin, everything else undefined, nothing raised."""
    problem = Problem(K, 1.0, lambda_h=0.1)
    y = np.arange(18) % K
    plain = from_arrays(H=predict_features(problem, np.eye(K)[y]).H, W=problem.W, y=y)
    means = predict_features(problem, np.eye(K)).H
    found = channel_geometry(plain.chunks, problem.W, means, 10.0, replicates=5)
    assert found.alignment.value[-1] == pytest.approx(1, rel=1e-12) and found.same[-1] == 18
    assert np.isnan(found.alignment.value[:-1]).all() and not found.different.any()
    assert np.isnan(found.slope.value) and np.isnan(found.slope_predicted)
    assert np.isnan(found.displacement.high).all() and np.isnan(found.predicted["displacement"]).all()


@pytest.mark.promise("channels")
def test_bins_hold_their_lower_edge():
    np.testing.assert_array_equal(lambda_bin(np.array([0, 0.2, 0.3, 0.6, 0.7, 1.0]), 10), [0, 2, 3, 6, 7, 9])


@pytest.mark.promise("channels")
@pytest.mark.parametrize(
    "settings, words",
    [
        ({"centre": "median"}, "centre must be"),
        ({"window": 0.5}, "window"),
        ({"level": 1.0}, "level"),
        ({"a": -1.0}, "a must be"),
        ({"bins": 0}, "bins"),
    ],
)
def test_bad_settings_are_refused(settings, words):
    H, W, i, j, lam, _ = noise(N=20)
    with pytest.raises(ValueError, match=words):
        geometry(H, W, i, j, lam, **settings)


def test_rows_of_W_that_differ_by_less_than_their_means_rounding_are_no_nan():
    """v_i = v_j then, and there is no direction between them."""
    v = np.array([[1.0, 2.0, 0.5]])
    found, inverse = in_plane(np.array([[0.3, -1.0, 2.0]]), np.zeros(3), v, v)
    assert found["across"] == 0 and inverse == pytest.approx(1 / np.linalg.norm(2 * v))
    along = (v / np.linalg.norm(v))[0] @ [0.3, -1.0, 2.0]
    assert found["outside"] == pytest.approx(0.3**2 + 1 + 4 - along**2, rel=1e-12)
