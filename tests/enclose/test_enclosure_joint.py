"""The gap in balls: L and the dual value against 50-digit mpmath, validity, and negative controls."""

import itertools

import numpy as np
import pytest
from flint import arb, ctx
from mpmath import mp, mpf

from tests.oracle import exact_label
from ufm.enclose import joint as enclosure_joint
from ufm.enclose.joint import enclose_joint
from ufm.model.etf import simplex_etf

CE, SE = "cross-entropy", "squared-error"
KINDS = [(loss, lambda_b) for loss in (CE, SE) for lambda_b in (None, 0.0, 0.2)]
LABELS = [[0.1, 0.9, 0.0], [0.0, 0.0, 1.0], [0.3, 0.3, 0.4], [0.7, 0.1, 0.2]]  # none sums to 1 in binary
WEIGHTS = [0.1, 0.2, 0.3, 0.7]  # normalised by their exact sum


@pytest.fixture(autouse=True)
def _digits():
    with mp.workdps(50):
        yield


def point(seed, scale=1.0, d=2):
    rng = np.random.default_rng(seed)
    W, H, b = (scale * rng.standard_normal(shape) for shape in ((3, d), (4, d), 3))
    return W, H, b


def enclose(W, H, b, loss, lambda_b, /, **changes):
    given = {
        "labels": LABELS,
        "weights": WEIGHTS,
        "lambda_w": 0.1,
        "lambda_h": 0.03,
        "b": None if lambda_b is None else b,
        "lambda_b": lambda_b,
        "loss": loss,
    }
    return enclose_joint(W, H, **{**given, **changes})


# --- the same numbers from mpmath -------------------------------------------------------------------------


def mean(weights, values):
    return mp.fsum(w * v for w, v in zip(weights, values)) / mp.fsum(weights)


def mp_problem(W, H, b, lambda_b):
    """Logits, labels, weights as mpf; b = 0 without a bias."""
    rows = [[mpf(x) for x in row] for row in W]
    shift = [mpf(x) for x in b] if lambda_b is not None else [mpf(0)] * 3
    Z = [[mp.fdot(w, map(mpf, h)) + s for w, s in zip(rows, shift)] for h in H]
    return Z, [exact_label(y) for y in LABELS], [mpf(w) for w in WEIGHTS]


def softmax(z):
    total = mp.fsum(map(mp.exp, z))
    return [mp.exp(x) / total for x in z]


def mp_objective(W, H, b, loss, lambda_b):
    Z, Y, weights = mp_problem(W, H, b, lambda_b)
    losses = []
    for z, y, h in zip(Z, Y, H):
        if loss == CE:
            fit = mp.log(mp.fsum(map(mp.exp, z))) - mp.fdot(y, z)
        else:
            fit = mp.fsum((u - v) ** 2 for u, v in zip(z, y)) / 2
        losses.append(fit + mpf(0.03) / 2 * mp.fsum(mpf(x) ** 2 for x in h))
    ridge = mpf(0.1) / 2 * mp.fsum(mpf(x) ** 2 for x in np.ravel(W))
    bias = mpf(lambda_b or 0) / 2 * mp.fsum(mpf(x) ** 2 for x in b)
    return mean(weights, losses) + ridge + bias


def mp_dual(W, H, b, loss, lambda_b):
    """D(θ r) at the largest feasible θ (cross-entropy: ≤ 1; squared error: the best one).

    lambda_b = 0 centres the residual first.
    """
    Z, Y, weights = mp_problem(W, H, b, lambda_b)
    P = [softmax(z) for z in Z] if loss == CE else Z
    R = [[u - v for u, v in zip(y, p)] for y, p in zip(Y, P)]
    if lambda_b == 0:
        e, target = ([mean(weights, column) for column in zip(*rows)] for rows in (R, Y))
        t = max(-x / (y - x) for x, y in zip(e, target)) if loss == CE else mpf(0)
        s = [y + (1 - t) / t * x for x, y in zip(e, target)] if loss == CE else None
        if loss == CE:
            R = [[(1 - t) * u + t * (y - v) for u, y, v in zip(r, y_, s)] for r, y_ in zip(R, Y)]
        else:
            R = [[u - x for u, x in zip(r, e)] for r in R]
    M = mp.matrix(3, 3)
    for k, l in itertools.product(range(3), repeat=2):
        M[k, l] = mean(weights, [r[k] * r[l] for r in R])
    bound = mp.sqrt(mpf(0.1) * mpf(0.03) / max(mp.eigsy(M, eigvals_only=True)))
    e = [mean(weights, column) for column in zip(*R)]
    penalty = mp.fsum(x**2 for x in e) / (2 * mpf(lambda_b)) if lambda_b else mpf(0)
    if loss == CE:
        theta = min(1, bound)
        terms = [[y - theta * r for y, r in zip(y_, r_)] for y_, r_ in zip(Y, R)]
        entropy = [-mp.fsum(p * mp.log(p) for p in row if p > 0) for row in terms]
        return mean(weights, entropy) - theta**2 * penalty
    linear = mean(weights, [mp.fdot(r, y) for r, y in zip(R, Y)])
    square = mean(weights, [mp.fdot(r, r) for r in R]) + 2 * penalty
    theta = max(0, min(bound, linear / square))
    return theta * linear - theta**2 * square / 2


@pytest.mark.parametrize("loss, lambda_b", KINDS)
@pytest.mark.parametrize("scale", [0.0, 0.1, 1.0, 5.0])
def test_against_mpmath(loss, lambda_b, scale):
    """L lies inside, to adjacent doubles; D is the formula's, up to the share 2⁻³⁸ that t and θ give away."""
    for seed in range(3):
        W, H, b = point(seed, scale)
        found = enclose(W, H, b, loss, lambda_b)
        exact = mp_objective(W, H, b, loss, lambda_b)
        low, high = found.objective
        assert low <= exact <= high and high <= np.nextafter(np.nextafter(low, np.inf), np.inf)
        dual = mp_dual(W, H, b, loss, lambda_b)
        if lambda_b:  # residuals of mean zero are feasible too, and cost no penalty
            dual = max(dual, mp_dual(W, H, b, loss, 0.0))
        # dD/dθ ≤ |log p| + pen ≤ 100 at these scales
        assert abs(dual - found.dual[0]) <= mpf(100) * 2.0**-38
        assert found.gap[0] <= exact - found.dual[0] and found.gap[1] >= exact - found.dual[1]
        assert 0 <= found.gap[0] <= found.gap[1]


def test_weights_count_up_to_a_factor_only():
    W, H, b = point(0)
    one = enclose(W, H, b, CE, 0.0)
    other = enclose(W, H, b, CE, 0.0, weights=[4 * w for w in WEIGHTS])  # exact in binary
    assert one == other


def test_the_largest_label_entry_is_the_rest():
    """Its own double does not count; that of another entry does."""
    W, H, b = point(1, 1e3)
    up = np.array(LABELS)
    up[0] = [0.1, np.nextafter(0.9, 1.0), 0.0]
    assert enclose(W, H, b, CE, None, labels=up) == enclose(W, H, b, CE, None)
    up[0] = [0.1 + 1e-13, 0.9, 0.0]
    assert enclose(W, H, b, CE, None, labels=up) != enclose(W, H, b, CE, None)


# --- validity ---------------------------------------------------------------------------------------------


def etf_optimum(K, product):
    """One-hot cross-entropy: the optimum of THEORY §5, logit gap x, λ_W = λ_H = c; W Hᵀ = x Π."""
    c = np.sqrt(product)
    x = np.log(np.sqrt(K) / c - K + 1)
    W = simplex_etf(K, K - 1, np.sqrt(x / np.sqrt(K) * (K - 1) / K))
    return W, np.sqrt(K) * W, c


@pytest.mark.parametrize("K", [2, 3, 6])
@pytest.mark.parametrize("lambda_b", [None, 0.0, 0.3])
def test_a_closed_form_optimum_closes_the_gap(K, lambda_b):
    """The closed form is off by its rounding δ ~ 20 ε; the gap is of first order in it, over x K."""
    W, H, c = etf_optimum(K, 1e-4)
    bias = None if lambda_b is None else np.zeros(K)
    found = enclose_joint(W, H, np.eye(K), np.full(K, 1 / K), c, c, bias, lambda_b)
    assert found.gap[1] <= 1000 * np.finfo(float).eps
    W, H = 1.001 * W, 0.999 * H
    off = enclose_joint(W, H, np.eye(K), np.full(K, 1 / K), c, c, bias, lambda_b)
    assert off.gap[0] > 1e-9 and off.gap[1] >= off.objective[0] - found.objective[1]


@pytest.mark.parametrize("loss, lambda_b", KINDS)
def test_no_point_passes_another_points_dual_value(loss, lambda_b):
    """Weak duality among random points, of dimensions 1 to 3: max D ≤ min L, in outward doubles."""
    found = [
        enclose(*point(seed, scale, d), loss, lambda_b)
        for seed, scale, d in itertools.product(range(5), (0.0, 0.3, 1.0, 3.0, 30.0), (1, 2, 3))
    ]
    assert max(e.dual[0] for e in found) <= min(e.objective[1] for e in found)
    # and a dual value is not bought with a vacuous bound: some are better than 0
    assert max(e.dual[0] for e in found) > 0


@pytest.mark.parametrize("scale", [1e-200, 1e3, 1e9, 1e60])
@pytest.mark.parametrize("loss, lambda_b", KINDS)
def test_extreme_sizes_stay_valid(loss, lambda_b, scale):
    """Predictions that underflow, squares that overflow: a bound still, if a useless one."""
    W, H, b = point(0, scale)
    found = enclose(W, H, b, loss, lambda_b)
    best = enclose(*point(0, 0.0), loss, lambda_b)
    assert found.dual[0] <= best.objective[1]
    assert found.gap[1] >= found.objective[0] - best.objective[1]


# --- controls: what is verified matters -------------------------------------------------------------------


def test_without_the_check_of_theta_the_bound_would_be_false(monkeypatch):
    """θ = 1 at an infeasible point makes a dual value above a known objective."""
    W, H, b = point(3, 0.1)
    least = min(enclose(*point(s, 0.3), CE, None).objective[1] for s in range(20))
    assert enclose(W, H, b, CE, None).dual[0] <= least
    monkeypatch.setattr(enclosure_joint, "_is_below", lambda *_: True)
    assert enclose(W, H, b, CE, None).dual[0] > least


def test_without_removing_the_mean_the_bound_would_be_false(monkeypatch):
    """One-hot, uneven q, λ so large that W = 0: L = log K at b = 0, but Entropy(q) at b = log q."""
    q = np.array([0.5, 0.25, 0.25])
    zero = np.zeros((3, 2))
    given = (zero, zero, np.eye(3), q, 2.0, 2.0)
    least = enclose_joint(*given, np.log(q), 0.0)
    assert least.gap[1] <= 1e-15
    honest = enclose_joint(*given, np.zeros(3), 0.0)
    assert honest.gap[1] >= honest.objective[0] - least.objective[1] > 0.05
    unpenalised = enclosure_joint._predictions

    def skipped(problem, logits):
        return unpenalised(problem._replace(lambda_b=None), logits)

    monkeypatch.setattr(enclosure_joint, "_predictions", skipped)
    false = enclose_joint(*given, np.zeros(3), 0.0)
    assert false.dual[0] > least.objective[1]


def test_a_class_without_labels():
    """E y_k = 0 and a free bias: only p'' = E y has the mean; valid, and the value is the entropy of E y."""
    labels = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    W, H, b = point(0, 0.0)
    found = enclose_joint(W, H[:2], labels, [0.5, 0.5], 1.0, 1.0, b, 0.0)
    assert found.dual[0] <= np.log(2) <= found.dual[1] + 1e-16


def test_pivots_decide_definiteness():
    """product I − θ² M ≻ 0 iff θ² λ_max(M) < product; on the boundary balls cannot tell: no."""
    rng = np.random.default_rng(0)
    with ctx.workprec(128):
        for size in (1, 2, 5, 12):
            A = rng.standard_normal((size, size))
            M = A @ A.T
            top = np.linalg.eigvalsh(M)[-1]
            moment = [[arb(x) for x in row] for row in M.tolist()]
            assert enclosure_joint._is_below(moment, arb(1.0001 * top), arb(1))
            assert not enclosure_joint._is_below(moment, arb(0.9999 * top), arb(1))
            assert enclosure_joint._is_below(moment, arb(0.9999 * top), arb(0.9))
        same = [[arb(1), arb(0)], [arb(0), arb(1)]]
        assert not enclosure_joint._is_below(same, arb(1), arb(1))


@pytest.mark.parametrize("radius", ["0.125", "1e-30", "0.5"])
def test_entropy_of_a_ball_that_reaches_zero(radius):
    """−x log x of every x of the ball that lies in [0, 1] is inside."""
    with ctx.workprec(128):
        ball = arb(0, radius)
        found = enclosure_joint._entropy_term(ball)
        top = float(radius)
        for x in [top * share for share in (1.0, 0.9, 0.5, 0.1, 1e-3, 1e-30)]:
            assert found.contains(-arb(x) * arb(x).log())
        assert found.contains(0)


# --- input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, word",
    [
        ({"labels": [[0.5, 0.4, 0.0]] * 4}, "sum"),
        ({"labels": [[1.5, -0.5, 0.0]] * 4}, "labels must"),
        ({"weights": [1.0, 1.0, 1.0]}, "weights"),
        ({"weights": [1.0, 1.0, 1.0, -1.0]}, "weights"),
        ({"weights": [0.0] * 4}, "weights"),
        ({"lambda_w": 0.0}, "lambda_w"),
        ({"lambda_h": float("inf")}, "lambda_h"),
        ({"lambda_b": -1.0}, "lambda_b"),
        ({"b": [1.0, 0.0, 0.0], "lambda_b": None}, "without lambda_b"),
        ({"b": [1.0, 0.0], "lambda_b": 0.0}, "b must be"),
        ({"loss": "hinge"}, "loss"),
    ],
)
def test_bad_input_is_refused(changes, word):
    with pytest.raises(ValueError, match=word):
        enclose(*point(0), CE, 0.0, **changes)


def test_features_that_are_not_finite_are_refused():
    W, H, b = point(0)
    with pytest.raises(ValueError, match="H holds"):
        enclose(W, np.where(H > 0, np.nan, H), b, CE, 0.0)
    with pytest.raises(ValueError, match="W holds"):
        enclose(np.full_like(W, np.inf), H, b, CE, 0.0)
