"""The certificate of global optimality is honest: no gap it reports is below the true suboptimality.

The truth is bracketed by a converged optimum of the same problem with its own certificate: min L lies in
[L* − gap*, L*], so L − min L ≥ L − L* for every point. Dimensions d < K−1 are judged against the optimum over
all d, which is at most theirs: a stronger demand.
"""

from dataclasses import replace
from functools import partial
from math import fsum

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax, xlogy

from tests.optimize.test_joint import CE, SE, padded, problem, solved
from ufm.certify.dual import Moments, _dual_value, _first_sums, centred, dual_gap, entropies, over
from ufm.certify.joint import certify_joint
from ufm.certify.sample import Block, Sample, TwoHot, exact_sum
from ufm.enclose.joint import enclose_joint
from ufm.loss import LOSSES
from ufm.model.atoms import FiniteLaw, JointProblem, Point, finite_law
from ufm.model.laws import LabelLaw, onehot
from ufm.model.penalties import Penalties
from ufm.network.measures.curve import label_values
from ufm.theory.polygon import polygon_escape, regular_polygon

K, N = 4, 256
EPS = np.finfo(float).eps
UNEVEN = LabelLaw("mixup", alpha=1.0, class_weights=(0.5, 0.3, 0.15, 0.05))
KINDS = [(loss, lambda_b) for loss in (CE, SE) for lambda_b in (None, 0.0, 0.05)]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}")
def case(request):
    """A problem of uneven mixup, its optimum, and the optimum's certificate."""
    loss, lambda_b = request.param
    task = problem(UNEVEN, K, 3 if loss == CE else K, 1e-3, lambda_b=lambda_b, loss=loss)
    found = solved(task)
    return task, found, certify_joint(task, found)


def certify(task, W, H, b):
    return certify_joint(task, Point(W, H, None if task.lambda_b is None else b))


def check_honest(certificate, best):
    """gap ≥ L − L* (L* is off by its own rounding only), and L − D ≥ 0 up to the stated rounding."""
    assert certificate.gap >= certificate.objective - best.objective - best.rounding
    assert certificate.objective - certificate.dual_objective >= -certificate.rounding
    # and the dual value itself never passes the least objective known
    assert certificate.dual_objective <= best.objective + certificate.rounding + best.rounding


def perturbed(found, rng, size):
    """The optimum plus noise of a relative size, in W, H and b, or in one of them."""
    noise = [size * rng.standard_normal(part.shape) for part in (found.W, found.H, found.b)]
    keep = rng.integers(0, 4)
    W, H, b = (
        part + delta * np.abs(part).max() * (keep in (3, k))
        for k, (part, delta) in enumerate(zip((found.W, found.H, found.b), noise))
    )
    return W, H, b


def test_perturbed_optima(case):
    """200 points for each loss and bias, at distances from 1e-9 to 10."""
    task, found, best = case
    rng = np.random.default_rng(1)
    gaps = []
    for size in np.repeat(10.0 ** np.linspace(-9, 1, 20), 10):
        certificate = certify(task, *perturbed(found, rng, size))
        check_honest(certificate, best)
        gaps.append(certificate.gap)
    # the gap is of first order in the distance, through θ and E r: 1e-9 moves it by about as much
    assert min(gaps) < 1e-8 and max(gaps) > 1


def gradient_steps(task, dim, rng, records):
    """Points of plain gradient descent on (W, H, b) from a random start of a random size."""
    Y, weights = jnp.asarray(task.atoms.labels), jnp.asarray(task.atoms.weights)
    value = LOSSES[task.loss].value

    def objective(point):
        W, H, b = point
        fit = jax.vmap(value)(H @ W.T + b, Y) + 0.5 * task.lambda_h * jnp.sum(H * H, 1)
        return weights @ fit + 0.5 * task.lambda_w * jnp.sum(W * W) + 0.5 * (task.lambda_b or 0) * b @ b

    @jax.jit
    def advance(point, steps):
        def step(_, point):
            slopes = jax.grad(objective)(point)
            # H's gradient is scaled by 1/π, as the samples of a network are not weighted
            scale = (1.0, 0.05 / jnp.maximum(weights, 1e-3)[:, None], 1.0 * (task.lambda_b is not None))
            return tuple(p - 0.1 * s * g for p, s, g in zip(point, scale, slopes))

        return jax.lax.fori_loop(0, steps, step, point)

    for _ in range(records // 10):
        size = 10 ** rng.uniform(-2, 0.5)
        bias = rng.standard_normal(K) * (task.lambda_b is not None)
        point = tuple(size * x for x in (rng.standard_normal((K, dim)), rng.standard_normal((N, dim)), bias))
        for steps in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500):
            point = advance(point, steps)
            yield tuple(np.asarray(part) for part in point)


@pytest.mark.slow
@pytest.mark.parametrize("dim", [1, 2, 4])
def test_half_trained_points(case, dim):
    """70 points a case and dimension, d < K−1 among them, judged against the optimum over all d."""
    task, _, best = case
    gaps = []
    for point in gradient_steps(task, dim, np.random.default_rng(dim), 70):
        certificate = certify(task, *point)
        check_honest(certificate, best)
        gaps.append(certificate.gap)
    assert len(gaps) == 70 and np.isfinite(gaps).all()


def test_the_optimum_is_recognised(case):
    task, found, best = case
    assert best.gap <= 1e-9 * best.objective
    assert best.stationarity <= 1e-8 and best.imbalance <= 1e-8
    # without a bias, or with E r = 0, optimality says λ_max(M) ≤ c²; the penalised bias has E r = λ_b b
    assert abs(best.lambda_max_ratio) <= 1e-6
    expected = 0.0 if task.lambda_b == 0 else np.linalg.norm((task.lambda_b or 0) * found.b)
    if task.lambda_b is not None:
        assert best.mean_residual == pytest.approx(expected, abs=1e-8)


def test_d_too_small_leaves_a_gap():
    """Exchangeable and d < K−1: the certificate bounds, and cannot close."""
    task = problem(LabelLaw("mixup", alpha=1.0), K, 3, 1e-3)
    full = solved(task)
    flat = replace(task, dim=2)
    left, size, right = np.linalg.svd(full.W, full_matrices=False)
    W = (left * size)[:, :2]
    certificate = certify(flat, W, full.H @ right[:2].T, np.zeros(K))
    check_honest(certificate, certify_joint(task, full))
    assert certificate.gap > 1e-3


# --- the free bias needs its own certificate --------------------------------------------------------------


@pytest.fixture(scope="module")
def without_bias():
    """Uneven mixup: the optimum without a bias is a critical point that a free bias improves on."""
    task = problem(UNEVEN, K, 3, 1e-3)
    free = problem(UNEVEN, K, 3, 1e-3, lambda_b=0.0)
    return task, solved(task), free, solved(free)


def test_the_bias_free_certificate_would_be_wrong_for_a_free_bias(without_bias):
    """At the bias-free optimum its own gap closes, but L falls by far more than that once b is free."""
    task, found, free, best = without_bias
    own = certify_joint(task, found)
    lost = found.objective - best.objective
    assert lost > 1e-4 > 1e3 * own.gap  # passing this gap off for the free bias would be false
    certificate = certify(free, found.W, found.H, np.zeros(K))
    assert certificate.gap >= lost
    assert certificate.mean_residual > 1e-3  # what the extra constraint of the dual is about


def test_the_free_bias_removes_the_mean(without_bias):
    """E r'' = 0 and p'' = y − r'' ∈ Δ, for the residual that the dual is evaluated at."""
    task, found, _, _ = without_bias
    Y, weights = task.atoms.labels, task.atoms.weights
    rng = np.random.default_rng(0)
    for size in (1e-3, 1.0, 10.0):
        block = Block(found.H, Y, found.H @ found.W.T + size * rng.standard_normal((N, K)), weights, CE)
        sample = Sample(lambda block=block: [block])
        first = sample.read(partial(_first_sums, widest=1.0, shift=0.0))
        label, *_, mean = first.parts[0][4:]
        r = centred(mean, label, first.units, CE)(block)
        assert np.abs(weights @ r).max() <= 16 * EPS
        p = Y - r
        assert p.min() >= -4 * EPS and np.abs(p.sum(1) - 1).max() <= 16 * EPS


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
def test_an_exact_sum_is_exact(n):
    """One rounding, where terms of both signs cancel to a thousandth of a millionth of the largest."""
    rng = np.random.default_rng(n)
    rows = rng.standard_normal((n, 3)) * 10.0 ** rng.integers(-8, 8, (n, 3))
    rows = np.concatenate([rows, -rows[::-1], 1e-3 * rows])
    exact = np.array([fsum(column) for column in rows.T])
    assert (np.abs(exact_sum(rows) - exact) <= EPS * np.abs(exact)).all()


def test_a_class_that_no_label_names():
    """E y_k = 0: only p'' = E y has the right mean; the bound stays valid."""
    labels = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.3, 0.7, 0.0, 0.0]])
    law = padded(FiniteLaw(labels, np.array([0.5, 0.3, 0.2]), False))
    task = JointProblem(law, 0.05, 0.05, 3, 0.0)
    rng = np.random.default_rng(0)
    points = [
        (rng.standard_normal((K, 3)), rng.standard_normal((N, 3)), rng.standard_normal(K)) for _ in range(20)
    ]
    lowest = min(certify(task, *point).objective for point in points)
    for point in points:
        certificate = certify(task, *point)
        assert certificate.dual_objective <= lowest + certificate.rounding
    # W = 0 with b → (log q_1, log q_2, −∞, −∞) reaches H(E y); no dual value may pass it
    mean = law.weights @ law.labels
    assert certificate.dual_objective <= -np.sum(xlogy(mean, mean)) + certificate.rounding


# --- an independent dual, and rigour ----------------------------------------------------------------------


@pytest.mark.parametrize("delta", [0.0, 0.2])
@pytest.mark.parametrize("loss", [CE, SE])
def test_three_values_a_row_are_rows_in_full(loss, delta):
    """Whatever a bound takes of two-hot rows, with one class among them and a weight each."""
    classes, n, rng = 7, 40, np.random.default_rng(3)
    i = rng.integers(0, classes, n)
    j, lam = (i + rng.integers(1, classes, n)) % classes, rng.uniform(size=n)
    lam[:5] = 1.0
    H, Y = rng.normal(size=(n, 3)), label_values(lam, delta, classes)
    weights = rng.uniform(0.1, 2, n)
    few = TwoHot(H, Y, 2 * H, weights, loss, i=i, j=j, classes=classes)
    full = []
    for part in (H, Y):
        rows = np.repeat(part[:, 2:], classes, 1)
        rows[np.arange(n), i], rows[np.arange(n), j] = part[:, 0], part[:, 1]
        full.append(rows)
    dense = Block(*full, 2 * full[0], weights, loss)
    for one, other in zip(*(_first_sums(block, 0.7, 0.0) for block in (few, dense))):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    layer = np.eye(classes), np.zeros(classes), Penalties(0.1, 0.1, None), loss
    one, other = (dual_gap(Sample(lambda block=block: [block]), *layer) for block in (few, dense))
    assert one.dual_objective == pytest.approx(other.dual_objective, rel=1e-10)


@pytest.mark.parametrize("loss", [CE, SE])
def test_the_dual_value_is_the_formula(loss):
    """E Entropy(y − θ r) with θ = min(1, c/√λ_max(M)), or E[θ r·y − ½θ²‖r‖²]; written out once more."""
    law = finite_law(UNEVEN, K, 8)
    rng = np.random.default_rng(2)
    for product in (1e-4, 1e-2, 10.0):
        r = law.labels - rng.dirichlet(np.ones(K), len(law.weights))
        M = (r * law.weights[:, None]).T @ r
        theta = min(1.0, np.sqrt(product / np.linalg.eigvalsh(M)[-1]))
        block = Block(0 * r, law.labels, 0 * r, law.weights, loss)
        vars(block)["found"] = np.zeros(len(r)), r
        sample = Sample(lambda block=block: [block])
        first = sample.read(partial(_first_sums, widest=0.0, shift=0.0))
        moments = Moments(*first.parts[0][5:])
        value, rounding = over(sample, _dual_value(first, moments, None, product, None, loss))
        if loss == CE:
            p = law.labels - theta * r
            expected = -law.weights @ np.sum(xlogy(p, np.clip(p, 1e-300, None)), 1)
        else:
            linear, square = law.weights @ np.sum(r * law.labels, 1), law.weights @ np.sum(r * r, 1)
            theta = min(theta, linear / square)
            expected = theta * linear - theta**2 * square / 2
        # θ is lowered by (n + 8K) ε of tr M/λ_max ≤ K; the dual's slope in θ is at most |log p| ≤ 20 here
        assert value == pytest.approx(expected, abs=rounding + 20 * K * (len(r) + 8 * K) * EPS)


def test_the_slope_of_an_entropy_covers_what_rounding_moves():
    """p = y − θ r is known to units of y and p; its entropy moves by 1 + |log p| as much, most where y cancels."""
    Y, theta, unit = np.array([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]]), 0.5, 1e-9
    p = np.array([[1e-5, 0.6, 0.4 - 1e-5], [1 - 2e-4, 1e-4, 1e-4]])
    sums = partial(np.sum, axis=1)
    value, slope = entropies((Y - p) / theta, Y, theta, sums)
    np.testing.assert_allclose(value, -np.sum(xlogy(p, p), 1), rtol=1e-12)
    for sign in (1, -1):
        moved = entropies((Y - p - sign * unit * (Y + p) * np.sign(-1 - np.log(p))) / theta, Y, theta, sums)[
            0
        ]
        assert (np.abs(moved - value) <= 1.001 * unit * slope).all()
        assert (np.abs(moved - value) >= 0.1 * unit * slope).all()


def test_rigorous_and_float_certificates_agree(case):
    """L to its rounding; the gaps to rounding and to what each lowers θ by, near and far from the optimum."""
    task, found, best = case
    rng = np.random.default_rng(3)
    for size in (0.0, 1e-6, 1e-3, 0.3):
        W, H, b = perturbed(found, rng, size) if size else (found.W, found.H, found.b)
        certificate = certify(task, W, H, b)
        bias = None if task.lambda_b is None else b
        balls = enclose_joint(
            W,
            H,
            task.atoms.labels,
            task.atoms.weights,
            task.lambda_w,
            task.lambda_h,
            bias,
            task.lambda_b,
            task.loss,
        )
        low, high = balls.objective
        assert low - certificate.rounding <= certificate.objective <= high + certificate.rounding
        assert certificate.dual_objective - certificate.rounding <= best.objective + best.rounding
        # Rigorously: no better point exists than L − gap, and the float bound is no smaller than L − L*.
        assert balls.dual[0] <= best.objective + best.rounding
        assert balls.gap[1] >= high - best.objective - best.rounding
        if not task.lambda_b:  # else the float certificate takes the better of two duals
            logs = np.abs(H @ W.T + b).max() * 2 + np.log(K) + 1
            lowered = 2 * logs * K * (N + 8 * K) * EPS
            if task.lambda_b == 0:  # and the float certificate mixes in a floor of E y for its own rounding
                lowered += 2 * logs * K * 16 * N * EPS / np.min(task.atoms.weights @ task.atoms.labels)
            assert balls.gap[1] <= certificate.gap + lowered
            assert certificate.gap <= balls.gap[1] + 2 * certificate.rounding + lowered


# --- input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, word",
    [({"b": np.ones(K)}, "lambda_b"), ({"H": np.full((N, 3), np.nan)}, "NaN"), ({"H": np.ones((3, 3))}, "H")],
)
def test_bad_input_is_refused(change, word):
    task = problem(UNEVEN, K, 3, 1e-3)
    with pytest.raises(ValueError, match=word):
        certify_joint(task, Point(**{"W": np.ones((K, 3)), "H": np.ones((N, 3)), **change}))


@pytest.mark.parametrize("loss", [CE, "binary-cross-entropy"])
def test_logits_whose_terms_cancel_round_by_the_size_of_the_terms(loss):
    """w·h = 1e8 − 1e8 + O(1): ball arithmetic finds L within the stated rounding of what floats say."""
    rng = np.random.default_rng(5)
    law = finite_law(onehot(), 3, 4)
    problem = JointProblem(law, 1e-12, 1e-12, 6, None, loss)
    for _ in range(6):
        W, H = rng.normal(size=(3, 6)), rng.normal(size=(len(law.labels), 6))
        W[:, 0], W[:, 1] = 1e4 * (1 + 1e-3 * rng.random(3)), -1e4
        H[:, 0] = H[:, 1] = 1e4 * rng.random(len(H))
        W[:, 1] = -W[:, 0]
        found = certify_joint(problem, Point(W, H))
        balls = enclose_joint(W, H, law.labels, law.weights, 1e-12, 1e-12, loss=loss)
        assert balls.objective[0] - found.rounding <= found.objective <= balls.objective[1] + found.rounding


def test_the_escape_is_the_curvature_in_a_dimension_more():
    """The K-gon, critical in two dimensions, is a strict saddle in three."""
    flat, best = JointProblem(finite_law(onehot(), 5), 0.01, 0.01, 2), regular_polygon(5, 0.01, 0.01)
    angle = 2 * np.pi * np.arange(5) / 5
    W = best.multiplier * np.stack([np.cos(angle), np.sin(angle)], 1)
    H = np.sqrt(5) * flat.atoms.labels @ W  # λ_W ‖W‖² = λ_H E‖h‖²
    told = certify_joint(flat, Point(W, H))
    assert told.stationarity < 1e-12
    assert told.escape == pytest.approx(polygon_escape(5, 0.01, 0.01).curvature, rel=1e-9)
    r, size = flat.atoms.labels - softmax(H @ W.T, 1), 1e-3
    W = np.hstack([W, size / 0.1 * told.leading[:, None]])
    H = np.hstack([H, size / (0.1 * np.sqrt(told.spectrum[-1])) * (r @ told.leading)[:, None]])
    moved = certify_joint(replace(flat, dim=3), Point(W, H)).objective - told.objective
    assert moved == pytest.approx(told.escape * size**2, rel=1e-3) and moved < 0
