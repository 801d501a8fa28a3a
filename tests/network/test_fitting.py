"""R² and excess: definitions written out, exact optima, and controls that must be told apart."""

from functools import partial

import numpy as np
import pytest
from scipy.optimize import minimize

import ufm.network.measures.excess
from tests.activations import mixup
from ufm.model.etf import simplex_etf
from ufm.model.problem import Problem
from ufm.network.measures.excess import feature_excess
from ufm.network.measures.fitting import FLAT, closed_logits, fit_sharpness
from ufm.network.read.activations import from_arrays
from ufm.network.read.label_rows import LabelBlock
from ufm.network.resample import BLOCK, Reservoir
from ufm.optimize.features import solve_features
from ufm.theory.predict import predict_features

pytestmark = pytest.mark.slow  # many fits


def etf_problem(K, a, m=1.7, d=None, loss="cross-entropy"):
    return Problem(K, m, lambda_h=m * m * K / (K - 1) / a, dim=d, loss=loss)


def fit(H, W, b=None, lambda_h=None, rows=None, size=2000, seed=0, **labels):
    found = from_arrays(H=H, W=W, **labels)
    return fit_sharpness(lambda: found.chunks(rows), W, b, lambda_h, size=size, seed=seed)


def excess(H, W, lambda_h, rows=None, weights=None, **settings):
    labels = {"Y": settings.pop("Y"), "weights": np.ones(len(H)) if weights is None else weights}
    found = from_arrays(H=H, W=W, **labels)
    return feature_excess(lambda: found.chunks(rows), W, lambda_h, **settings)


@pytest.mark.promise("fitting")
@pytest.mark.parametrize("K, d, a", [(3, 5, 4.0), (3, 5, 60.0), (5, 8, 300.0), (2, 4, 20.0)])
def test_optimum_is_explained_in_full(K, d, a):
    problem = etf_problem(K, a, d=d)
    i, j, lam, Y = mixup(240, K)
    H = solve_features(problem, Y).H
    found = fit(H, problem.W, None, problem.lambda_h, i=i, j=j, lam=lam)
    assert found.r2 == pytest.approx(1, abs=1e-12) and found.a == pytest.approx(a, rel=1e-6)
    assert found.r2_known == pytest.approx(1, abs=1e-12) and found.a_known == pytest.approx(a, rel=1e-12)
    assert found.a_identified and found.r2_linear < found.r2 - 1e-3
    soft = fit(H, problem.W, Y=Y)
    assert soft.a == pytest.approx(a, rel=1e-6) and soft.r2 == pytest.approx(1, abs=1e-12)


@pytest.mark.promise("fitting")
def test_a_is_found_over_seven_decades():
    for a in (1e-2, 0.7, 9.0, 2e3, 1e5):
        problem = etf_problem(3, a)
        Y = mixup(240, 3)[3]
        found = fit(predict_features(problem, Y).H, problem.W, Y=Y)
        assert found.a == pytest.approx(a, rel=1e-10) and not found.at_end, a


def test_labels_of_many_classes_have_the_r2_of_its_definition():
    rng = np.random.default_rng(4)
    Y, noise = rng.dirichlet(np.ones(4), 240), 0.3 * rng.normal(size=(240, 4))
    problem = etf_problem(4, 12.0)
    noise -= noise.mean(1, keepdims=True)
    z = implicit(Y, 12.0) + noise
    found = fit(z @ problem.W / problem.gain, problem.W, None, problem.lambda_h, Y=Y)
    total = np.sum((z - z.mean(0)) ** 2)
    for a, value in [(found.a, found.r2), (found.a / 2, found.r2_half), (12.0, found.r2_known)]:
        assert value == pytest.approx(1 - np.sum((z - implicit(Y, a)) ** 2) / total, abs=1e-10)
    slope = np.sum(z * (Y - 1 / 4)) / np.sum((Y - 1 / 4) ** 2)
    assert found.r2_linear == pytest.approx(1 - np.sum((z - slope * (Y - 1 / 4)) ** 2) / total, abs=1e-12)
    assert 0.5 < found.r2_linear < found.r2 < 0.99
    clean = fit(implicit(Y, 12.0) @ problem.W / problem.gain, problem.W, Y=Y)
    assert clean.a == pytest.approx(12.0, rel=1e-10)


@pytest.mark.promise("fitting")
def test_every_r2_equals_its_definition():
    """On noise, with a bias, weights and an uncentred W: all samples, not the subsample, are counted."""
    rng = np.random.default_rng(1)
    N, K, d = 240, 4, 6
    i, j, lam, Y = mixup(N, K)
    W, b, weights = rng.normal(size=(K, d)), rng.normal(size=K), rng.uniform(0, 2, N)
    H = 4 * Y @ W + rng.normal(size=(N, d))
    found = fit(H, W, b, 0.3, size=50, rows=37, i=i, j=j, lam=lam, weights=weights)
    z = H @ W.T + b
    z -= z.mean(1, keepdims=True)
    total = sum(w * np.sum(v**2) for w, v in zip(weights, z - np.average(z, axis=0, weights=weights)))

    def r2(model):
        return 1 - sum(w * np.sum(v**2) for w, v in zip(weights, z - model)) / total

    m2 = np.sum((W - W.mean(0)) ** 2) / K
    assert found.a_known == pytest.approx(m2 * K / (K - 1) / 0.3, rel=1e-12)
    for a, value in [(1, found.r2), (0.5, found.r2_half), (2, found.r2_double), (None, found.r2_known)]:
        a = found.a_known if a is None else a * found.a
        assert value == pytest.approx(r2(implicit(Y, a)), abs=1e-10)
    best = minimize(lambda s: -r2(s[0] * (Y - 1 / K)), [1.0], tol=1e-14)
    assert found.r2_linear == pytest.approx(-best.fun, abs=1e-12)
    assert (found.sample, found.count) == (50, N)
    whole = fit(H, W, b, size=N, i=i, j=j, lam=lam, weights=weights)
    assert all(whole.r2 >= r2(implicit(Y, whole.a * t)) for t in (0.99, 1.01))


def implicit(Y, a, steps=200):
    """z = a (y − p) by bisection on t in a p_k = ω(a y_k + t), in its own words."""
    from scipy.special import wrightomega

    low, high = np.full((len(Y), 1), -a - 50.0), np.full((len(Y), 1), a + 50.0)
    for _ in range(steps):
        t = (low + high) / 2
        more = wrightomega(a * Y + t).real.sum(1, keepdims=True) < a
        low, high = np.where(more, t, low), np.where(more, high, t)
    z = np.log(wrightomega(a * Y + t).real)
    return z - z.mean(1, keepdims=True)


def test_closed_logits_of_all_kinds_of_labels_and_their_slope():
    """Two-hot and general soft rows mixed, more of them than one block."""
    i, j, lam, Y = mixup(BLOCK + 30, 4)
    rng = np.random.default_rng(2)
    soft = rng.dirichlet(np.ones(4), len(Y))
    keep = rng.random(len(Y)) < 0.5
    i, j, lam = np.where(keep, i, -1), np.where(keep, j, -1), np.where(keep, lam, np.nan)
    labels = LabelBlock(i, j, lam, np.where(keep[:, None], Y, soft), 4)
    z, slope = closed_logits(labels, 30.0)
    np.testing.assert_allclose(z, implicit(labels.dense(), 30.0), atol=1e-11)
    step = 1e-5
    up, down = (closed_logits(labels, 30.0 * np.exp(t))[0] for t in (step, -step))
    np.testing.assert_allclose(slope, (up - down) / (2 * step), atol=1e-8)


def test_squared_error_features_are_linear():
    problem = etf_problem(3, 50.0, d=5, loss="squared-error")
    i, j, lam, Y = mixup(240, 3)
    found = fit(solve_features(problem, Y).H, problem.W, i=i, j=j, lam=lam)
    assert found.r2_linear == pytest.approx(1, abs=1e-12) and found.r2 < 1 - 1e-6
    assert found.linear_slope == pytest.approx(50 / 51, rel=1e-12)


@pytest.mark.parametrize("control", ["labels", "rows"])
def test_wrong_labels_and_permuted_rows_are_told_apart(control):
    problem, W = etf_problem(5, 100.0), etf_problem(5, 100.0).W
    i, j, lam, Y = mixup(240, 5)
    H = predict_features(problem, Y).H
    if control == "labels":
        turn = np.random.default_rng(0).permutation(len(i))
        i, j, lam, Y = i[turn], j[turn], lam[turn], Y[turn]
    else:
        W = W[[1, 2, 3, 4, 0]]
    found = fit(H, W, None, problem.lambda_h, i=i, j=j, lam=lam)
    assert found.r2 < 0.2 and found.r2_known < 0.2
    wrong = excess(H, W, problem.lambda_h, Y=Y, size=40)
    assert wrong.excess > 0.5 * wrong.at_zero and wrong.excess > 1000 * wrong.bound


@pytest.mark.parametrize("a, identified", [(3.0, True), (1e3, True), (1e13, False)])
def test_a_too_large_is_not_identified(a, identified):
    problem = etf_problem(4, a)
    i, j, lam, Y = mixup(240, 4)
    found = fit(predict_features(problem, Y).H, problem.W, i=i, j=j, lam=lam)
    assert found.a_identified is identified
    assert (found.r2 - max(found.r2_half, found.r2_double) > FLAT) is identified


def test_noise_and_zero_features():
    i, j, lam, _ = mixup(200, 4)
    zero = fit(np.zeros((200, 4)), simplex_etf(4), i=i, j=j, lam=lam)
    assert zero.r2 is None and zero.r2_linear is None and not zero.a_identified
    W = np.random.default_rng(0).normal(size=(4, 6))
    noise = fit(np.random.default_rng(1).normal(size=(200, 6)), W, i=i, j=j, lam=lam)
    assert abs(noise.r2) < 0.1


@pytest.mark.parametrize("rows", [1, 97, 1500])
def test_chunks_change_nothing(rows):
    N = 60 if rows == 1 else 1800
    i, j, lam, Y = mixup(N, 3)
    problem = etf_problem(3, 20.0)
    H = predict_features(problem, Y).H + np.random.default_rng(0).normal(size=(N, 3))
    one, other = (fit(H, problem.W, None, 0.1, rows=r, size=40, i=i, j=j, lam=lam) for r in (rows, None))
    for name in ("r2", "r2_linear", "a", "r2_known", "r2_double"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-9), name
    one, other = (excess(H, problem.W, 0.1, rows=r, size=40, Y=Y) for r in (rows, None))
    assert one == other


def test_subsample_is_uniform_and_keeps_rows_together():

    def offer(reservoir, first, last):
        rows = np.arange(first, last)
        reservoir.add(first, rows % 5 > 0, rows, 2.0 * rows)

    counts = np.zeros(3000)
    for seed in range(60):
        reservoir = Reservoir(300, seed)
        for start in range(0, 3000, 500):
            for n in range(start, start + 500, 125):  # never across a block of 1024
                if n // BLOCK == (n + 124) // BLOCK:
                    offer(reservoir, n, n + 125)
                else:
                    edge = (n // BLOCK + 1) * BLOCK
                    offer(reservoir, n, edge)
                    offer(reservoir, edge, n + 125)
        np.testing.assert_array_equal(reservoir.rows[0], reservoir.index)
        np.testing.assert_array_equal(2 * reservoir.rows[0], reservoir.rows[1])
        assert len(np.unique(reservoir.index)) == 300 and (reservoir.index % 5 > 0).all()
        counts[reservoir.index] += 1
    thirds = counts.reshape(3, 1000).mean(1)
    np.testing.assert_allclose(thirds, 6, rtol=0.05)


@pytest.mark.promise("fitting")
@pytest.mark.parametrize("K, d, frame", [(3, 5, "etf"), (5, 8, "any")])
@pytest.mark.parametrize("loss", ["cross-entropy", "squared-error"])
def test_excess_is_zero_at_the_optimum_and_right_beside_it(K, d, frame, loss):
    rng = np.random.default_rng([K, d])
    W = simplex_etf(K, d, 1.3) if frame == "etf" else rng.normal(size=(K, d))
    problem = Problem(K, classifier=W, lambda_h=0.05, loss=loss)
    Y = mixup(40, K)[3]
    H = solve_features(problem, Y).H
    found = excess(H, W, 0.05, loss=loss, Y=Y)
    assert abs(found.excess) <= 1e-12 and found.bound <= 1e-12
    assert found.solver == ("closed form" if frame == "etf" else "newton")
    # moved out of the row space of W the loss stays, and only the ridge grows
    out = np.linalg.svd(W)[2][-1]
    moved = excess(H + 0.7 * out, W, 0.05, loss=loss, Y=Y)
    assert moved.excess == pytest.approx(0.05 / 2 * 0.49, abs=moved.bound + 1e-15)
    assert found.at_zero > 0 and found.optimum > 0


@pytest.mark.parametrize("loss", ["cross-entropy", "squared-error"])
def test_excess_with_a_bias_against_scipy(loss):
    """min over h of ℓ(W h + b, y) + (λ/2)‖h‖² by another program; zero at its optimum; b does matter."""
    K, d, lambda_h = 4, 6, 0.02
    rng = np.random.default_rng(3)
    W, b, Y = rng.normal(size=(K, d)), rng.normal(size=K), rng.dirichlet(np.ones(K), 12)

    def f(h, y):
        z = W @ h + b
        fit = np.logaddexp.reduce(z) - y @ z if loss == "cross-entropy" else 0.5 * np.sum((z - y) ** 2)
        return fit + 0.5 * lambda_h * h @ h

    best = np.array([minimize(f, np.zeros(d), args=(y,), tol=1e-12).x for y in Y])
    least = np.mean([f(h, y) for h, y in zip(best, Y)])
    H = rng.normal(size=(12, d))
    there = np.mean([f(h, y) for h, y in zip(H, Y)])
    found = excess(H, W, lambda_h, Y=Y, b=b, loss=loss)
    assert found.excess == pytest.approx(there - least, rel=1e-8) and found.solver == "newton"
    assert 0 < found.bound <= 1e-12 * max(1.0, found.excess) and found.optimum <= least + 1e-14
    at_best = excess(best, W, lambda_h, Y=Y, b=b, loss=loss)
    assert at_best.excess + at_best.bound >= 0 and at_best.excess <= 1e-9
    without = excess(H, W, lambda_h, Y=Y, loss=loss)
    assert abs(without.excess - found.excess) > 1e-3


def test_of_many_classes_fewer_features_tell_a_wrong_penalty_and_none_a_bias(monkeypatch):
    """Every second of eight: the mean of these alone; of all (control) it is another."""
    rng = np.random.default_rng(4)
    H, W, b = rng.normal(size=(8, 4)), rng.normal(size=(3, 4)), rng.normal(size=3)
    Y = rng.dirichlet(np.ones(3), 8)
    whole = excess(H, W, 0.02, Y=Y, b=b, lambda_b=0.1)
    monkeypatch.setattr(ufm.network.measures.excess, "LOCAL", 2)
    monkeypatch.setattr(ufm.network.measures.excess, "FEW", 4)
    found, half = excess(H, W, 0.02, Y=Y, b=b, lambda_b=0.1), excess(H[::2], W, 0.02, Y=Y[::2], b=b)
    assert found.twofold == pytest.approx(half.twofold, rel=1e-9) and found.bias is None and whole.bias > 0
    assert abs(found.twofold - whole.twofold) > 1e-3 * whole.twofold
    assert found.excess == pytest.approx(whole.excess, rel=1e-9)


def test_excess_is_the_weighted_mean_over_the_subsample():
    Y = mixup(40, 3)[3]
    W, rng = simplex_etf(3), np.random.default_rng(0)
    H, weights = rng.normal(size=(40, 3)), rng.uniform(0, 1, 40)

    def value(h, y):
        return np.log(np.sum(np.exp(W @ h))) - y @ (W @ h) + 0.05 * h @ h

    best = solve_features(Problem(3, 1.0, lambda_h=0.1), Y).H
    each = [value(h, y) - value(g, y) for h, g, y in zip(H, best, Y)]
    found = excess(H, W, 0.1, Y=Y, weights=weights)
    assert found.excess == pytest.approx(np.average(each, weights=weights), rel=1e-12)
    assert found.sample == 40 and excess(H, W, 0.1, Y=Y, size=7).sample == 7


def test_rows_without_weight_count_for_nothing():
    """Neither in R² nor in a subsample, however many there are."""
    i, j, lam, Y = mixup(240, 3)
    problem = etf_problem(3, 20.0)
    H, weights = predict_features(problem, Y).H, np.zeros(240)
    H[5:], weights[:5] = 1e3, 1.0
    found = fit(H, problem.W, size=5, i=i, j=j, lam=lam, weights=weights)
    assert found.a == pytest.approx(20, rel=1e-6) and found.r2 == pytest.approx(1, abs=1e-12)
    assert (found.sample, found.count) == (5, 5)
    near = excess(H, problem.W, problem.lambda_h, Y=Y, weights=weights, size=40)
    assert near.excess <= 1e-12 and near.sample == 5
    with pytest.raises(ValueError, match="positive weight"):
        feature_excess(lambda: iter(()), problem.W, 0.1)
    with pytest.raises(ValueError, match="positive weight"):
        fit_sharpness(lambda: iter(()), problem.W)


@pytest.mark.parametrize("steps", [1, 3])
def test_bound_is_honest_when_the_solver_stops_early(monkeypatch, steps):
    """A poor candidate makes the bound wide, never wrong."""
    rng = np.random.default_rng(steps)
    W, Y, H = rng.normal(size=(5, 8)), mixup(40, 5)[3], rng.normal(size=(40, 8))
    true = excess(H, W, 0.05, Y=Y)
    monkeypatch.setattr(
        ufm.network.measures.excess, "solve_features", partial(solve_features, max_steps=steps)
    )
    early = excess(H, W, 0.05, Y=Y)
    assert 1e-12 < abs(early.excess - true.excess) <= early.bound + true.bound


@pytest.mark.promise("fitting")
def test_bad_input_is_refused():
    i, j, lam, Y = mixup(20, 3)
    H, W = np.ones((20, 3)), simplex_etf(3)
    with pytest.raises(ValueError, match="lambda_h"):
        fit(H, W, None, 0.0, i=i, j=j, lam=lam)
    with pytest.raises(ValueError, match="lambda_h"):
        excess(H, W, 0.0, Y=Y)
    with pytest.raises(ValueError, match="size"):
        fit(H, W, size=0, i=i, j=j, lam=lam)
    assert fit(H, W, size=1, i=i, j=j, lam=lam).sample == 1


def test_a_step_beyond_the_range_ends_where_the_search_does(recwarn):
    """A curve that is nearly flat in a steps by hundreds in log a: no overflow, and the end of the range."""
    from ufm.network.measures.fitting import GRID, _around

    push, size = np.array([0.0, 900.0, -900.0]), np.ones(3)
    low, high = _around(50.0, (push, size), 0.999)
    assert (
        low == pytest.approx(np.exp(GRID[0])) and high == pytest.approx(np.exp(GRID[-1])) and not recwarn.list
    )
    assert _around(50.0, (np.zeros(3), size), 0.9) == (50.0, 50.0)
