"""Calibration: definitions with loops, exact optima, and logits whose calibration is known."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from tests.activations import mixup
from ufm.model.problem import Problem
from ufm.network.measures.calibration import calibrate, fit_temperature, mixed_calibration, reliability
from ufm.network.read.activations import from_arrays
from ufm.optimize.features import solve_features


def stream(z, y, rows=50):
    return lambda: ((z[n : n + rows], y[n : n + rows]) for n in range(0, len(z), rows))


def calibrated(N, K, T=1.0, seed=0):
    """Logits z with classes drawn from softmax(z/T)."""
    rng = np.random.default_rng([seed, N, K])
    z = 2 * rng.normal(size=(N, K))
    p = np.exp(z / T)
    y = (np.cumsum(p / p.sum(1, keepdims=True), 1) < rng.random((N, 1))).sum(1)
    return z, np.minimum(y, K - 1)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("bins, rows", [(15, 50), (4, 1), (1, 999)])
def test_reliability_equals_its_definition(temperature, bins, rows):
    z, y = calibrated(400, 5)
    z[0], y[0] = 0, 0  # a tie: confidence 1/5, the first class wins
    z[1], y[1] = [900, 0, 0, 0, 0], 1  # confidence 1 and a large loss
    found = reliability(stream(z, y, rows), temperature, bins)
    p = np.exp(z / temperature - (z / temperature).max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    ece = 0.0
    for m in range(bins):
        chosen = [n for n in range(len(z)) if m / bins < p[n].max() <= (m + 1) / bins]
        assert found.counts[m] == len(chosen)
        if not chosen:
            assert np.isnan(found.confidence[m]) and np.isnan(found.accuracies[m])
            continue
        confidence = np.mean([p[n].max() for n in chosen])
        accuracy = np.mean([p[n].argmax() == y[n] for n in chosen])
        assert found.confidence[m] == pytest.approx(confidence, rel=1e-12)
        assert found.accuracies[m] == pytest.approx(accuracy, rel=1e-12)
        ece += len(chosen) / len(z) * abs(accuracy - confidence)
    loss = np.mean(
        [
            np.log(np.exp(v - v[c]).sum()) if v.max() < 99 else v.max() - v[c]
            for v, c in zip(z / temperature, y)
        ]
    )
    assert found.ece == pytest.approx(ece, rel=1e-12, abs=1e-15)
    assert found.nll == pytest.approx(loss, rel=1e-12)
    assert found.accuracy == np.mean(z.argmax(1) == y)


@pytest.mark.parametrize("K, T", [(2, 0.5), (5, 1.0), (5, 3.0)])
def test_temperature_minimises_the_loss(K, T):
    """The root of the slope is the minimum of a blind search, and near the T that the classes were drawn with."""
    z, y = calibrated(4000, K, T)
    held = stream(z, y, 1000)
    found = calibrate(held)
    blind = minimize_scalar(lambda t: reliability(held, np.exp(t)).nll, bounds=(-3, 3), method="bounded")
    assert found.temperature == pytest.approx(np.exp(blind.x), rel=1e-4)
    assert found.temperature == pytest.approx(T, rel=0.1)
    for factor in (1 - 1e-4, 1 + 1e-4):
        assert reliability(held, found.temperature * factor).nll > found.fitted.nll
    assert found.fitted.ece < 0.03 and found.fitted.accuracy == found.observed.accuracy
    assert found.fitted.nll <= found.observed.nll


def test_overconfidence_is_seen():
    z, y = calibrated(4000, 5, T=3.0)
    found = calibrate(stream(z, y, 1000))
    assert found.observed.ece > 0.2 > 4 * found.fitted.ece


def test_no_best_temperature():
    z, y = calibrated(300, 4)
    assert fit_temperature(stream(z, z.argmax(1))) is None  # all right: T → 0
    assert fit_temperature(stream(-z, z.argmax(1))) is None  # worse than chance: T → ∞
    assert fit_temperature(stream(0 * z, y)) is None
    assert calibrate(stream(z, z.argmax(1))).fitted is None


def test_temperature_scales_with_the_logits():
    z, y = calibrated(500, 3)
    T = fit_temperature(stream(z, y))
    assert fit_temperature(stream(7 * z, y)) == pytest.approx(7 * T, rel=1e-12)
    assert fit_temperature(stream(z + 100, y)) == pytest.approx(T, rel=1e-10)


def mixed(H, W, b, a, bins=6, rows=None, **labels):
    found = from_arrays(H=H, W=W, **labels)
    return mixed_calibration(lambda: found.chunks(rows), W, b, a, bins)


def test_mixed_calibration_equals_its_definition():
    rng = np.random.default_rng(0)
    i, j, lam, _ = mixup(300, 4)
    H, W, b, weights = (rng.normal(size=s) for s in ((300, 5), (4, 5), 4, 300))
    weights = np.abs(weights)
    found = mixed(H, W, b, None, i=i, j=j, lam=lam, weights=weights)
    sums = np.zeros((6, 5))
    for h, p, q, l, w in zip(H, i, j, lam, weights):
        if p != q and 0 < l < 1:
            e = np.exp(W @ h + b)
            e /= e.sum()
            sums[min(int(6 * l), 5)] += w * np.array([1, l, e[p], e[q], 1 - e[p] - e[q]])
    np.testing.assert_allclose(found.counts, sums[:, 0], rtol=1e-12)
    for n, name in enumerate(("lam", "first", "second", "others"), 1):
        np.testing.assert_allclose(getattr(found, name), sums[:, n] / sums[:, 0], rtol=1e-11)
    assert found.predicted is None and found.deviation is None


@pytest.mark.parametrize("K, d, a", [(3, 5, 8.0), (5, 8, 200.0), (2, 4, 30.0)])
def test_optimum_has_the_predicted_probabilities(K, d, a):
    problem = Problem(K, 1.4, lambda_h=1.4**2 * K / (K - 1) / a, dim=d)
    i, j, lam, Y = mixup(240, K)
    H = solve_features(problem, Y).H
    found = mixed(H, problem.W, None, a, i=i, j=j, lam=lam)
    np.testing.assert_allclose(
        found.predicted, [found.first, found.second, found.others], rtol=1e-10, atol=1e-12
    )
    np.testing.assert_allclose(found.predicted.sum(0), 1, rtol=1e-12)
    assert found.deviation.value <= 1e-10
    turn = np.random.default_rng(1).permutation(len(i))
    wrong = mixed(H, problem.W, None, a, i=i[turn], j=j[turn], lam=lam[turn])
    assert wrong.deviation.value > 0.05
    far = mixed(H, problem.W, None, a / 10, i=i, j=j, lam=lam)
    assert far.deviation.value > 100 * found.deviation.value


def test_an_empty_bin_is_no_deviation():
    """The optimum has the predicted probabilities; here all samples have one λ."""
    problem = Problem(3, 1.4, lambda_h=0.1)
    i, j, lam = np.zeros(20, int), np.ones(20, int), np.full(20, 0.35)
    H = solve_features(problem, np.tile([0.35, 0.65, 0.0], (20, 1))).H
    found = mixed(H, problem.W, None, problem.sharpness, i=i, j=j, lam=lam)
    assert (found.counts > 0).sum() == 1 and found.deviation.value <= 1e-10


def test_chunks_change_nothing():
    i, j, lam, _ = mixup(1500, 3)
    H, W = np.random.default_rng(0).normal(size=(1500, 4)), np.random.default_rng(1).normal(size=(3, 4))
    one, other = (mixed(H, W, None, 5.0, rows=rows, i=i, j=j, lam=lam) for rows in (77, None))
    for name in ("counts", "first", "others", "predicted", "deviation"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12)


def test_without_mixed_samples_bins_are_empty():
    found = mixed(np.ones((4, 3)), np.eye(3), None, 5.0, y=np.array([0, 1, 2, 0]))
    assert not found.counts.any() and np.isnan(found.first).all() and found.deviation is None


def test_bad_input_is_refused():
    z, y = calibrated(10, 3)
    with pytest.raises(ValueError, match="no held-out"):
        calibrate(lambda: iter(()))
    with pytest.raises(ValueError, match="bins"):
        reliability(stream(z, y), bins=0)
    with pytest.raises(ValueError, match="bins"):
        mixed(np.ones((2, 3)), np.eye(3), None, None, bins=0, y=np.array([0, 1]))
