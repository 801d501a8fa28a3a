"""The traced closed form and the jointly optimal sharpness: derivatives, limits, thresholds, and bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp, mpf

from tests.oracle import optimal_logits
from ufm.model.laws import label_variance, mixup
from ufm.model.problem import Problem
from ufm.rules.status import Status
from ufm.theory.closed_form import closed_form_features, closed_form_logits
from ufm.theory.implicit import optimal_sharpness
from ufm.theory.multiplier import joint_multiplier, multiplier_slopes
from ufm.theory.predict import predict_features

EPS = np.finfo(float).eps
LABELS = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.6, 0.4, 0.0], [0.5, 0.3, 0.2]])


@jax.jit
def along_a(Y, a):
    """z, ∂z/∂a and ∂²z/∂a²."""

    def slope(a):
        return jax.jvp(lambda a: closed_form_logits(Y, a).z, (a,), (jnp.ones_like(a),))

    (z, first), (_, second) = jax.jvp(slope, (a,), (jnp.ones_like(a),))
    return z, first, second


def test_derivatives_along_a_to_40_digits():
    """In units of 1/a and 1/a², every a from 1e-8 to 1e20."""
    a = np.repeat([1e-8, 1.0, 1e4, 1e12, 1e20], len(LABELS))
    found = along_a(np.tile(LABELS, (5, 1)), a)
    for n in range(len(a)):
        with mp.workdps(90):
            step = mpf(10) ** -15
            low, mid, high = (optimal_logits(LABELS[n % 4], mpf(a[n]) * (1 + s * step)) for s in (-1, 0, 1))
            exact = (
                [float(x) for x in mid],
                [float((u - v) / (2 * step)) for u, v in zip(high, low)],
                [float((u - 2 * x + v) / step**2) for u, x, v in zip(high, mid, low)],
            )
        for k, (here, there) in enumerate(zip(found, exact)):
            error = np.linalg.norm(a[n] ** k * np.asarray(here[n]) - there)
            assert error <= 64 * EPS * np.linalg.norm(exact[max(k - 1, 0)]), (k, a[n], LABELS[n % 4])


def test_at_zero_sharpness_and_for_bad_input():
    """a = 0: z = 0, ∂z/∂a = y − 1/K. What is no problem is NaN, derivative too, and the rest is untouched."""
    z, slope, second = along_a(LABELS, np.zeros(4))
    assert not z.any()
    np.testing.assert_allclose(slope, LABELS - 1 / 3, atol=2 * EPS)
    # z = a (y − p), p = 1/K + z/K + …
    np.testing.assert_allclose(second, -2 / 3 * (LABELS - 1 / 3), atol=4 * EPS)
    bad = LABELS.copy()
    bad[1], bad[3] = [np.nan, 1, 0], [0.5, 0.4, 0.2]
    found = along_a(bad, np.array([1.0, 1.0, -1.0, 1.0]))
    good = along_a(LABELS, np.ones(4))
    for here, there in zip(found, good):
        assert np.isnan(here[1:]).all()
        np.testing.assert_array_equal(here[0], there[0])


def test_squared_error_is_affine_in_the_label():
    affine = closed_form_logits(LABELS, 3.0, loss="squared-error")
    np.testing.assert_allclose(affine.z, 0.75 * (LABELS - 1 / 3), atol=2 * EPS)
    np.testing.assert_allclose(affine.residual, affine.z / 3, atol=2 * EPS)


@pytest.mark.parametrize("loss", ["cross-entropy", "squared-error"])
@pytest.mark.parametrize("a", [0.2, 5.0])
def test_a_residual_is_the_label_less_the_prediction(a, loss):
    found = closed_form_logits(LABELS, a, loss=loss)
    np.testing.assert_allclose(found.p, LABELS - found.residual, atol=4 * EPS)
    np.testing.assert_allclose(found.z, a * found.residual, atol=16 * EPS)


@pytest.mark.parametrize("loss, dim", [("cross-entropy", 4), ("squared-error", None)])
def test_features_are_those_of_the_problem(loss, dim):
    """On both sides of a = 1, the classifier zero, λ_H away from one."""
    for m, lambda_h in ((0.0, 7.0), (0.3, 7.0), (1.5, 1e-3)):
        exact = predict_features(Problem(3, m, lambda_h=lambda_h, dim=dim, loss=loss), LABELS)
        found = closed_form_features(LABELS, m, lambda_h, dim=dim, loss=loss)
        np.testing.assert_allclose(found, exact.H, rtol=0, atol=1e-13 * np.abs(exact.H).max())


def test_labels_come_in_any_number_of_axes():
    a = np.array([0.5, 2.0, 2.0, 30.0])
    rows, table = closed_form_logits(LABELS, a), closed_form_logits(LABELS.reshape(2, 2, 3), a.reshape(2, 2))
    for flat, shaped in zip(rows, table):
        np.testing.assert_allclose(shaped, np.reshape(flat, (2, 2, 3)), rtol=1e-14, atol=1e-15)
    alone = closed_form_logits(LABELS[3], 30.0)
    np.testing.assert_allclose(alone.z, rows.z[3], rtol=1e-14)
    assert not np.isnan(alone.p).any()


@jax.jit
@jax.vmap
def joint(*point):
    """The optimum and the four derivatives of m; six problems a call, one compilation."""
    TRACES.append(1)

    def multiplier(*point):
        found = optimal_sharpness(*point, classes=3)
        return found.multiplier, found

    return jax.jacfwd(multiplier, (0, 1, 2, 3), has_aux=True)(*point)


TRACES: list[int] = []
WIDTH = 6


def solve(points):
    points = points + points[:1] * (WIDTH - len(points))
    slopes, found = joint(*(np.array(part, float) for part in zip(*points)))
    return found, np.stack(slopes, 1)


def test_sharpness_and_slopes_are_those_root_by_root():
    """m to the 1e-12 of its rule, and its derivative in x to 1e-12 m/x."""
    points = [
        (5e-4, 5e-4, 0.05, 0),
        (1e-2, 1e-3, 0.3, 0),
        (0.1, 0.2, 1.0, 0),
        (1e-6, 1e-5, 30.0, 0),
        (1e-5, 1.0, 1.0, 0),
    ]
    found, slopes = solve(points)
    assert (found.status == Status.SOLVED).all()
    for n, (w, h, alpha, _) in enumerate(points):
        m, exact = joint_multiplier(mixup(alpha), 3, w, h), multiplier_slopes(alpha, 3, w, h)
        assert float(found.a[n]) == pytest.approx(m.sharpness, rel=1e-12)
        assert float(found.multiplier[n]) == pytest.approx(m.value, rel=1e-12)
        for k, (x, slope) in enumerate(zip((w, h, alpha), (exact.lambda_w, exact.lambda_h, exact.alpha))):
            assert abs(slopes[n, k] - slope) <= 1e-12 * m.value / x + exact.rounding[(k + 1) % 3]


def test_the_slope_along_smoothing_is_a_difference():
    step = 1e-4
    found, slopes = solve([(1e-2, 1e-3, 1.0, 0.1 + s * step) for s in (0, 1, -1, 2, -2)])
    m = found.multiplier
    near, far = (m[1] - m[2]) / (2 * step), (m[3] - m[4]) / (4 * step)
    assert abs(slopes[0, 3] - near) <= abs(near - far) + 1e-12 * m[0] / step
    assert abs(slopes[0, 3] - near) < 1e-5 * abs(near)


def test_both_sides_of_the_threshold_and_at_it():
    """Beyond it zero, derivative and all; within rounding of it NaN; a bad problem leaves the others alone."""
    s2 = label_variance(mixup(1.0), 3)
    shares = (1 - 1e-6, 1.0, 1 + 1e-15, 1.01)
    found, slopes = solve(
        [(share * s2, 1.0, 1.0, 0) for share in shares] + [(np.nan, 1, 1, 0), (0.01, 1, -1, 0)]
    )
    wanted = [
        Status.SOLVED,
        Status.THRESHOLD,
        Status.THRESHOLD,
        Status.SOLVED,
        Status.INVALID,
        Status.INVALID,
    ]
    assert found.status.tolist() == wanted
    assert np.isfinite(slopes[0]).all() and slopes[0].all()
    assert np.isnan(slopes[[1, 2, 4, 5]]).all()
    assert not slopes[3].any() and found.a[3] == found.multiplier[3] == 0
    # below it a = 2 (1 − c²/σ²)·K/2 to first order, so that m moves like a square root
    assert float(slopes[0, 0]) * 2e-6 * s2 == pytest.approx(-float(found.multiplier[0]), rel=1e-5)


def test_the_threshold_is_met_in_its_own_units():
    """It is 1e-9 here: half of it is far below it."""
    smoothing = 1 - 1e-4
    s2 = label_variance(mixup(1.0), 3) * (1 - smoothing) ** 2
    found, _ = solve([(0.5 * s2, 1.0, 1.0, smoothing), (2 * s2, 1.0, 1.0, smoothing)])
    assert (found.status == Status.SOLVED).all() and found.a[0] > 0 == found.a[1]
    np.testing.assert_allclose(found.threshold[:2], s2, rtol=1e-9)


def test_a_sweep_of_alpha_compiles_once():
    solve([(1e-3, 1e-3, 0.1 * (1 + k), 0) for k in range(WIDTH)])
    solve([(1e-3, 1e-3, 5.0 + k, 0.01 * k) for k in range(WIDTH)])
    assert len(TRACES) == 1
