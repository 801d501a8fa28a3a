"""Closed forms of problems of another shape: check values, edges and thresholds."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy
from mpmath import mp, mpf
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar

from proofs.support_svm import set_law
from ufm.theory.geometry.onehot import class_optimum
from ufm.theory.geometry.susceptibility import onehot_response
from ufm.theory.polygon import polygon_escape
from ufm.theory.theorems.free.quadratic import polygon_point
from ufm.theory.variants.budgets import collapse_budget
from ufm.theory.variants.constrained import (
    code_distance,
    constrained_gap,
    contrastive_loss,
    gap_loss,
    orthogonal_simplices,
    rectified_gaps,
    rectified_objective,
)
from ufm.theory.variants.deep import (
    deep_cross_entropy,
    deep_squared_error,
    line_angle,
    line_fit,
    line_slope,
    root_of_product,
)
from ufm.theory.variants.losses import (
    focal_loss,
    focal_optimum,
    focal_slope,
    focal_threshold,
    ordinal_losses,
    ordinal_optimum,
    ordinal_slopes,
    steepest_log,
)
from ufm.theory.variants.margins import margin_gram, margin_objective
from ufm.theory.variants.ray import ray_gap, ray_time

UNEVEN = np.array([0.5, 0.3, 0.19, 0.01])


def test_check_values_of_constraints():
    assert gap_loss(4, constrained_gap(4, 1.3 * 2)) == pytest.approx(0.08953241286659256, rel=4e-15)
    assert gap_loss(4, constrained_gap(4, np.sqrt(5))) == pytest.approx(0.1416398940888341, rel=4e-15)
    assert contrastive_loss(3, 2, 1.3) == pytest.approx(1.652352095677021, rel=4e-15)
    with np.errstate(all="raise"):  # one copy: only the others are left in the sum
        assert contrastive_loss(3, 1, 1.3) == pytest.approx(3 * (np.log(2) - 1.5 * 1.69), rel=4e-15)


def test_check_values_of_features_that_are_never_negative():
    check = [3.067815578028591, 2.770941488858639, 2.493178086157287, 0.0]
    assert rectified_gaps(UNEVEN, 0.1, 0.1) == pytest.approx(check, rel=4e-15)


@pytest.mark.parametrize(
    "major, minor, imbalance, check",
    [
        (1, 2, 2.0, 0.24006724124196968),
        (2, 2, 10.0, 1.2266158178644724),
        (5, 3, 1.5, 0.6170984947309471),
        (4, 3, 1e12, 10.774802948515584),
    ],
)
def test_check_values_of_the_budget_up_to_which_rare_classes_collapse(major, minor, imbalance, check):
    assert collapse_budget(major, minor, imbalance) == pytest.approx(check, rel=4e-15)


def test_the_budget_of_a_collapse_grows_from_zero_with_the_logarithm_of_the_imbalance():
    assert collapse_budget(2, 2, 1.0) == 0.0
    budgets = [collapse_budget(2, 3, R) for R in (1 + 1e-12, 2.0, 10.0, 1e10, 1e290, 1e300)]
    assert 0 < budgets[0] < 1e-11 and budgets == sorted(budgets)
    rate = (1 + np.sqrt(3 / 5)) / (2 * np.sqrt(10))  # ((a−1) + √(b/K))/(2√(aK))
    assert (budgets[-1] - budgets[-2]) / np.log(1e10) == pytest.approx(rate, rel=0.01)


@pytest.mark.parametrize("K", [2, 3, 10])
def test_a_class_dies_at_its_threshold(K):
    """c² = (K−1) q/K; and below it the gap minimises the class's own share of the objective."""
    q, edge = np.full(K, 1 / K), np.sqrt((K - 1) / K**2)
    assert rectified_gaps(q, edge * (1 - 1e-9), edge)[0] > 0 == rectified_gaps(q, edge * (1 + 1e-9), edge)[0]
    gap = rectified_gaps(q, 0.1 * edge, edge)
    best = minimize_scalar(
        lambda x: rectified_objective(q, np.full(K, x), 0.1 * edge, edge), (0.1, 3), tol=1e-12
    )
    assert gap[0] == pytest.approx(best.x, rel=1e-6)


@pytest.mark.parametrize(
    "decay, branch, value", [(0.02, "polygon", 0.18551359984727), (0.1, "polygon", 0.71030466308)]
)
def test_check_values_of_three_factors(decay, branch, value):
    found = deep_cross_entropy(4, 3, decay, decay)
    assert (found.branch, found.objective) == (branch, pytest.approx(value, rel=1e-11))
    simplex = {0.02: 0.18565339611950, 0.1: 0.72886716321}[decay]
    cost = 1.5 * decay

    def of_simplex(x):
        return np.log1p(3 * np.exp(-x)) + 3 * cost * (abs(x) / 2) ** (2 / 3)

    assert minimize_scalar(
        of_simplex, bounds=(1, 9), method="bounded", options={"xatol": 1e-9}
    ).fun == pytest.approx(simplex, rel=1e-11)


# K, N, Λ^{1/N}, and the least that descents over all factors found, which know no branch
LINES = (
    (3, 3, 0.26, 1.067168437),
    (3, 3, 0.4 ** (1 / 3) * 0.2 ** (2 / 3), 1.0538678),
    (4, 3, 0.2539, 1.3853842),
    (4, 4, 0.201, 1.3812577),
    (4, 6, 0.15, 1.3695991),
)


@pytest.mark.parametrize("K, N, root, check", LINES)
def test_check_values_of_one_direction(K, N, root, check):
    found = deep_cross_entropy(K, N, root, root)
    digits = len(f"{check}".split(".")[1])
    assert (found.branch, found.objective) == ("line", pytest.approx(check, abs=0.6 * 10**-digits))
    without = [one for one in (deep_cross_entropy(K, N, root * s, root * s).branch for s in (0.7, 1.3))]
    assert without == ["etf" if K == 3 else "polygon", "zero"]  # it is the last that lives


def test_of_two_factors_no_line_is_claimed():
    """Just below c = 1/√3 the line ties with the simplex up to rounding, and the simplex is what is proved."""
    for root in (0.5773502688010825, *np.linspace(0.57735026, 3**-0.5, 40)):
        assert deep_cross_entropy(3, 2, root, root).branch in ("etf", "zero")


@pytest.mark.parametrize("K, N, root, _", LINES)
def test_no_other_line_is_lower_than_the_one_that_is_claimed(K, N, root, _):
    """Z = σ√K v uᵀ with any odd unit vectors u and v; the claim's own is among them, to 40 digits."""
    found = deep_cross_entropy(K, N, root, root)
    at = (0.0, 0.0)
    if K == 4:
        half = found.angle / 2  # u ∝ (a+b, a−b, …) has the angle π/4 − ψ/2
        at = (half, np.pi / 4 - half)
    sigma = found.scale * (2 / np.sqrt(3) if K == 3 else np.sqrt(2))

    def value(sigma, first, second, maths=np):
        def odd(angle):
            if K == 3:
                return [1 / maths.sqrt(mpf(2)), 0, -1 / maths.sqrt(mpf(2))]
            a, b = maths.cos(angle) / maths.sqrt(mpf(2)), maths.sin(angle) / maths.sqrt(mpf(2))
            return [a, b, -b, -a]

        v, u = odd(first), odd(second)
        z = [[sigma * mp.sqrt(K) * x * (y - own) for y in u] for x, own in zip(v, u)]
        fit = sum(mp.log(sum(mp.exp(one) for one in row)) for row in z) / K
        return fit + mpf(N) / 2 * mpf(root) * mpf(sigma) ** (mpf(2) / N)

    with mp.workdps(40):
        own = value(mpf(float(sigma)), *(mpf(float(angle)) for angle in at), maths=mp)
        assert float(abs(own - found.objective)) < 2e-15
        rng = np.random.default_rng(0)
        others = [
            (sigma * np.exp(rng.normal() * r), *(at + rng.normal(size=2) * r)) for r in (1e-2, 0.1, 1) * 40
        ]
        assert min(value(*(mpf(float(x)) for x in other), maths=mp) for other in others) > own


@pytest.mark.parametrize("power", [1e-3, 0.25, 0.5, 2 / 3, 0.999])
def test_a_line_has_one_local_minimum_beside_zero(power):
    """slope x^{1−power} rises, then falls: at most two critical points, and the outer one is the minimum."""
    sizes = np.exp(np.linspace(np.log(1e-6), np.log(300), 900))
    e = np.exp(-sizes)
    for slopes in ((e + 2 * e * e) / (1 + e + e * e), np.array([line_slope(m) for m in sizes])):
        signs = np.sign(np.diff(np.log(np.maximum(slopes, 1e-300)) + (1 - power) * np.log(sizes)))
        assert np.sum(np.diff(signs[signs != 0]) != 0) <= 1


@pytest.mark.parametrize("m", [1e-6, 0.1, 1.0, 3.0, 20.0])
def test_the_angle_of_a_line_of_four_classes_fits_best(m):
    grid = np.linspace(0, np.pi / 2, 2001)
    parts = m * np.stack([(1 + np.cos(grid)) / 2, *[np.sin(grid) / 2] * 2, (1 - np.cos(grid)) / 2])
    fits = np.sum(np.log1p(np.exp(-2 * parts)), 0) / 2 + parts[3]
    assert fits.min() >= line_fit(m) * (1 - 4 * np.finfo(float).eps) and 0 < line_angle(m) < np.pi / 4 + 1e-9
    step = 1e-4 * m
    assert (line_fit(m - step) - line_fit(m + step)) / (2 * step) == pytest.approx(line_slope(m), rel=1e-5)


def test_check_values_of_directions_under_squared_error():
    found = deep_squared_error(4, 3, 0.02, 0.02)
    assert found.objective == pytest.approx(0.0743031255232149, rel=4e-15)
    assert found.scale == pytest.approx(0.94871, abs=5e-6)
    assert deep_squared_error(4, 3, 0.05, 0.05).objective == pytest.approx(0.180680036488998, rel=4e-15)


def test_two_factors_are_the_joint_problem():
    best, found = class_optimum(4, 0.02, 0.05), deep_cross_entropy(4, 2, 0.02, 0.05)
    assert found.branch == "etf" and found.scale == pytest.approx(best.gap, rel=1e-13)
    assert root_of_product(2, 0.02, 0.05) == pytest.approx(np.sqrt(0.001), rel=1e-15)
    assert deep_cross_entropy(4, 2, 0.5, 0.51).branch == "zero"  # ĉ > 1


def test_a_deep_product_jumps_to_zero():
    """Three factors: at the largest penalty that keeps squared error alive s is far from zero."""
    edges = np.linspace(0.1, 0.2, 41)
    alive = [edge for edge in edges if deep_squared_error(4, 3, edge, edge).branch == "modes"]
    assert 0.1 < max(alive) < 0.2 and deep_squared_error(4, 3, max(alive), max(alive)).scale > 0.4


@pytest.mark.parametrize("size, dim", [(5, 3), (6, 3), (7, 4), (8, 4), (4, 2)])
def test_codes_of_orthogonal_simplices(size, dim):
    gram = orthogonal_simplices(size, dim) @ orthogonal_simplices(size, dim).T
    apart = gram[~np.eye(size, dtype=bool)]
    assert np.diag(gram) == pytest.approx(1) and apart.max() == pytest.approx(0, abs=1e-15)
    assert code_distance(size, dim) == 1


@pytest.mark.parametrize("size, dim", [(2, 1), (4, 3), (4, 9)])
def test_a_code_in_enough_dimensions_is_a_simplex(size, dim):
    W = orthogonal_simplices(size, dim)
    assert (W @ W.T)[0, 1] == pytest.approx(-1 / (size - 1))
    assert code_distance(size, dim) == size / (size - 1)


def test_check_values_of_support_vector_machines():
    q = (0.5, 0.3, 0.15, 0.05)
    assert margin_objective(np.eye(4), q, 1.0, 1.0) == pytest.approx(1.4364793580, abs=5e-11)
    law = set_law(4, {1: 0.4, 2: 0.6})
    value = margin_objective(law.labels, law.probabilities, 1.0, 1.0)
    assert value == pytest.approx(1.643167672515, abs=5e-13)
    assert margin_objective(np.eye(4), q, 0.1, 0.4) == pytest.approx(0.2 * 1.4364793580, abs=5e-11)
    gram = margin_gram(np.eye(4), q, 0.5, 2.0)
    flat = np.eye(4) - 0.25
    assert gram @ gram == pytest.approx(4 * flat @ np.diag(q) @ flat, abs=1e-14)


def test_small_penalties_approach_their_limit_as_two_over_x():
    """ρ − 1 falls like 2/x, x = log(√K/c − K + 1): at c = 1e-100 it is still a hundredth."""
    for c in (1e-8, 1e-30, 1e-100):
        best = class_optimum(4, c, c)
        ratio = onehot_response(4, c, c) / best.gain / 2
        assert (ratio - 1) * best.gap == pytest.approx(2, rel=4 / best.gap)
    assert ratio - 1 == pytest.approx(2 / 231, rel=0.02)


def test_check_value_of_the_ray():
    assert ray_time(10, 0.1, 5.0) == pytest.approx(38.50814760931288, rel=4e-15)
    assert ray_gap(10, 0.1, 38.50814760931288, "cross-entropy") == pytest.approx(5.0, rel=1e-14)
    assert ray_gap(10, 0.1, 0.0, "cross-entropy") == pytest.approx(0.1, rel=1e-14)
    assert ray_gap(3, 0.1, 0.0, "squared-error") == pytest.approx(0.1, rel=1e-14)


@pytest.mark.parametrize("loss, time, value", [("cross-entropy", 2.0, 1.921), ("squared-error", 1.0, 0.830)])
def test_a_ray_starts_with_features_that_are_a_simplex_too(loss, time, value):
    """W₀W₀ᵀ = x₀Π = W₀H₀ᵀ is not enough where d > K − 1: H₀ may have more, which is `value` later, off the ray."""
    start, W = 0.3, np.sqrt(0.15) * np.array([[1.0, 0], [-1, 0]])

    def end(H):
        def speed(_, v):
            W, H = v.reshape(2, 2, 2)
            z = H @ W.T
            r = np.eye(2) - (scipy.special.softmax(z, 1) if loss == "cross-entropy" else z)
            return np.concatenate([(r.T @ H).ravel(), (r @ W).ravel()]) / 2

        v = solve_ivp(speed, (0, time), np.stack([W, H]).ravel(), rtol=1e-10, atol=1e-12).y[:, -1]
        z = v[4:].reshape(2, 2) @ v[:4].reshape(2, 2).T
        return np.trace(z - z.mean(1, keepdims=True))  # of x Π: x

    more = np.array([[0.0, 1], [0, -1]])
    for H in (W, W + more):
        assert pytest.approx(start * (np.eye(2) - 0.5)) == W @ W.T and pytest.approx(W @ W.T) == W @ H.T
    assert end(W) == pytest.approx(ray_gap(2, start, time, loss), rel=1e-7)
    assert end(W + more) == pytest.approx(value, abs=1e-3)


def test_the_ray_grows_like_a_logarithm():
    with mp.workdps(30):
        for time in (1e3, 1e6, 1e9):
            x = mpf(ray_gap(4, 0.1, time, "cross-entropy"))
            assert abs(mp.log(2 * mpf(time) * x) / x - 1) < 3 / x


@pytest.mark.parametrize("K, c", [(4, 0.01), (5, 0.05)])
def test_the_way_out_of_a_polygon_is_that_of_the_whole_hessian(K, c):
    """By automatic differentiation over W and all features in three dimensions, and a step along it lowers L."""
    W, H = polygon_point(K, c, c)
    pad = [np.pad(part, ((0, 0), (0, 1))).ravel() for part in (W * np.sqrt(c), H * np.sqrt(c / K))]

    def objective(x):
        W, H = x[: 3 * K].reshape(K, 3) / np.sqrt(c), x[3 * K :].reshape(K, 3) / np.sqrt(c / K)
        Z = H @ W.T
        return jnp.mean(jax.nn.logsumexp(Z, axis=1) - jnp.diag(Z)) + 0.5 * jnp.sum(x * x)

    x = np.concatenate(pad)
    value, vector = np.linalg.eigh(np.asarray(jax.jit(jax.hessian(objective))(x)))
    found = polygon_escape(K, c, c)
    assert value[0] == pytest.approx(found.curvature, rel=1e-9) and found.curvature < 0 < found.mode - 1
    assert objective(x + 0.1 * vector[:, 0]) < objective(x) - 1e-4


# --- other losses -------------------------------------------------------------------------------


def test_check_values_of_the_focal_loss():
    """K = 10, γ = 2, c = 0.01; and 1/p*, which is not monotone in γ."""
    x = focal_optimum(10, 2.0, 0.01, 0.01).gap
    assert x == pytest.approx(3.477308931949912, rel=4e-15)
    assert np.exp(x) / (np.exp(x) + 9) == pytest.approx(0.7824641351024899, rel=4e-15)
    sizes = [23.14697819494782, 17.28716673022639, 17.39223954269657, 19.90603979487982]
    assert [float(np.exp(-steepest_log(focus))) for focus in (1.0, 2.0, 3.0, 5.0)] == pytest.approx(
        sizes, rel=4e-15
    )


def test_without_focus_it_is_cross_entropy():
    """γ → 0; p* is below all floats by then."""
    found = focal_optimum(4, 1e-12, 0.02, 0.05)
    assert found.gap == pytest.approx(class_optimum(4, 0.02, 0.05).gap, rel=1e-10) and not found.jumps
    assert steepest_log(1e-3) < -745 and np.isfinite(steepest_log(1e6))


@pytest.mark.parametrize("K, focus", [(2, 2.0), (17, 2.0), (18, 2.0), (23, 1.0), (24, 1.0), (40, 2.0)])
def test_the_simplex_jumps_to_zero_beyond_its_class_count(K, focus):
    """By a grid of gaps, which knows no p*: at the threshold zero and the simplex cost the same, and the best gap
    is next to zero iff K ≤ 1/p*; a little below and beyond it, one of them is better."""
    c, x = focal_threshold(K, focus), np.linspace(0.0, 6.0, 60001)
    first = float(np.sqrt(K) / (K - 1) * focal_slope(K, focus, 0.0))
    fit = np.array([focal_loss(K, focus, gap) for gap in x])

    def best(share):
        return x[np.argmin(fit + share * c * (K - 1) / np.sqrt(K) * x)]

    jumps = bool(np.log(K) > -steepest_log(focus))
    assert best(1 + 1e-6) == 0 < best(1 - 1e-4)
    assert jumps == (best(1 - 1e-9) > 0.03) and (c > first * (1 + 1e-6)) == jumps
    assert focal_optimum(K, focus, c * (1 - 1e-4), c * (1 - 1e-4)).gap == pytest.approx(
        best(1 - 1e-4), abs=2e-4
    )


def test_check_value_of_ordered_classes():
    found = ordinal_optimum((0.1, 0.4, 0.3, 0.2), (-1.0, 0.5, 2.0), 0.02, 0.03)
    assert found.objective == pytest.approx(0.79800466778686, abs=5e-15)
    assert (np.diff(found.scores) > 0).all()


def test_two_ordered_classes_have_an_elementary_score():
    """θ = 0, equal weights: z = ∓log(1/c − 1), zero from c = 1/2 on."""
    assert ordinal_optimum((0.5, 0.5), (0.0,), 0.1, 0.1).scores == pytest.approx(
        [-np.log(9), np.log(9)], rel=1e-14
    )
    below, beyond = (ordinal_optimum((0.5, 0.5), (0.0,), c, c).size for c in (0.5 - 1e-9, 0.5 + 1e-9))
    assert below == pytest.approx(4e-9, rel=1e-6) and beyond == 0


def test_ordered_classes_lie_midway_where_penalties_are_small_and_die_at_their_threshold():
    q, thresholds = np.array([0.1, 0.4, 0.3, 0.2]), (-1.0, 0.5, 2.0)
    assert ordinal_optimum(q, thresholds, 1e-12, 1e-12).scores[1:3] == pytest.approx([-0.25, 1.25], abs=1e-10)
    edge = float(np.sqrt(q @ ordinal_slopes(np.zeros(4), thresholds) ** 2))
    found = [ordinal_optimum(q, thresholds, c, c) for c in (edge * (1 - 1e-9), edge * (1 + 1e-9))]
    assert 0 < found[0].size < 1e-7 and found[1].size == 0
    assert found[1].objective == float(q @ ordinal_losses(np.zeros(4), thresholds))


def test_losses_of_ordered_classes_are_those_of_their_probabilities():
    """−log(σ(θ_k − z) − σ(θ_{k−1} − z)) with 40 digits, thresholds close, far and of a huge score."""
    with mp.workdps(40):
        for thresholds, z in (
            ((-1.0, 0.5), 0.3),
            ((0.0, 1e-9), -2.0),
            ((-30.0, 40.0), 3.0),
            ((0.0, 1.0), 300.0),
        ):
            ends = [-mp.inf, *map(mpf, thresholds), mp.inf]
            below = [1 / (1 + mp.exp(mpf(z) - end)) for end in ends]
            exact = [float(-mp.log(high - low)) for low, high in pairwise(below) if high != low]
            found = ordinal_losses(np.full(3, z), thresholds)
            assert found[: len(exact)] == pytest.approx(exact, rel=1e-13)
