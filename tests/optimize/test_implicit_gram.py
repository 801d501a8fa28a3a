"""The traced joint optimum: its derivative against differences, every reason, and the others left alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.shapes import padded
from ufm.agree.joint import check_joint
from ufm.model.atoms import JointProblem, finite_law
from ufm.model.laws import soft
from ufm.optimize.implicit_gram import optimal_gram
from ufm.rules.status import Status

RNG = np.random.default_rng(0)
LABELS, WEIGHTS = RNG.dirichlet([0.5] * 3, 6), RNG.dirichlet([2.0] * 6)
POINT = LABELS, WEIGHTS, 0.01, 0.02
TURN, SHIFT = RNG.normal(size=(6, 3)), RNG.normal(size=6)
TANGENT = 0.01 * (TURN - TURN.mean(1, keepdims=True)), 0.01 * (SHIFT - SHIFT.mean()), 1e-3, 2e-3


@jax.jit
@jax.vmap
def along(*point):
    """The optimum and its derivative along TANGENT; five problems a call, one compilation."""
    found, slopes = jax.jvp(optimal_gram, point, TANGENT)
    return found, (slopes.G, slopes.Z, slopes.objective)


def batch(points):
    return [np.stack(part) for part in zip(*points)]


def moved(step):
    return [x + step * t for x, t in zip(POINT, TANGENT)]


def test_the_derivative_is_that_of_the_certified_optimum():
    """A central difference is off by its curvature, seen in a doubled step, and by what is not settled."""
    step = 1e-3
    found, slopes = along(*batch([moved(s * step) for s in (0, 1, -1, 2, -2)]))
    assert (found.status == Status.SOLVED).all()
    values = found.G, found.Z, found.objective
    open_ = 4 * float(found.error.max()) / step
    for value, slope in zip(values, slopes):
        near = (value[1] - value[2]) / (2 * step)
        far = (value[3] - value[4]) / (4 * step)
        error = np.linalg.norm(slope[0] - near)
        assert error <= np.linalg.norm(near - far) + open_ * np.linalg.norm(value[0])
        assert error < 1e-5 * np.linalg.norm(near), "the bound says something"
    law = padded(finite_law(soft(LABELS, WEIGHTS), 3), 64)  # what test_gram compiles for
    report = check_joint(JointProblem(law, POINT[2], POINT[3], 2))
    gap = report.certificate.gap
    assert abs(float(found.objective[0]) - report.certificate.objective) <= gap + 1e-15
    W = report.solution.W
    assert np.linalg.norm(W @ W.T - found.G[0]) <= 10 * np.sqrt(gap) * np.linalg.norm(found.G[0])
    # the envelope: L moves as its explicit terms do
    H = np.linalg.norm(report.solution.H[: len(LABELS)], axis=1) ** 2
    fit = -np.sum(LABELS * jax.nn.log_softmax(found.Z[0]), 1)
    explicit = 0.5 * TANGENT[2] * np.trace(found.G[0]) + 0.5 * TANGENT[3] * WEIGHTS @ H
    explicit += TANGENT[1] @ (fit + 0.5 * POINT[3] * H) - WEIGHTS @ np.sum(
        TANGENT[0] * np.asarray(found.Z[0]), 1
    )
    assert float(slopes[2][0]) == pytest.approx(float(explicit), rel=1e-7)


def test_every_reason_and_the_others_left_alone():
    """Triviality on both sides and at it, a collapsed minority, NaN: each beside a good problem."""
    uneven, even = np.array([0.6, 0.2, 0.2, 0, 0, 0]), np.array([1.0, 1.0, 1.0, 0, 0, 0]) / 3
    labels = np.concatenate([np.eye(3), np.eye(3)])
    cases = [
        (labels, uneven, 0.3, 0.19 / 0.3, Status.SOLVED),  # minority collapse from λ_W λ_H = 0.2 on
        (labels, uneven, 0.3, 0.21 / 0.3, Status.BOUNDARY),
        (labels, even, 1.0, (1 - 1e-3) / 3, Status.SOLVED),  # triviality from 1/K on
        (labels, even, 1.0, 1 / 3, Status.THRESHOLD),
        (labels, even, 1.0, 1.01 / 3, Status.SOLVED),
        (labels, uneven, 0.3, np.nan, Status.INVALID),
        (labels, 2 * even, 0.3, 0.1, Status.INVALID),
        (1.5 * labels, even, 0.3, 0.1, Status.INVALID),
        (labels, even, -0.3, 0.1, Status.INVALID),
    ]
    alone, slope = along(*batch([POINT] * 5))
    for n in range(0, len(cases), 4):
        part = cases[n : n + 4]
        part = part + part[:1] * (4 - len(part))
        found, slopes = along(*batch([POINT, *(case[:4] for case in part)]))
        assert found.status[1:].tolist() == [case[4] for case in part]
        for here, there in zip(jax.tree.leaves((found, slopes)), jax.tree.leaves((alone, slope))):
            np.testing.assert_array_equal(here[0], there[0])
        for k, case in enumerate(part, 1):
            wanted = np.isfinite if case[4] == Status.SOLVED else np.isnan
            assert all(wanted(np.asarray(s[k])).all() for s in slopes[:2]), case
            if case[3] == 1.01 / 3:
                assert not slopes[0][k].any() and not found.G[k].any()


@pytest.mark.slow
@pytest.mark.parametrize(
    "loss, bias", [("cross-entropy", "free"), ("squared-error", "none"), ("squared-error", "penalised")]
)
def test_reverse_is_forward_and_both_are_the_difference(loss, bias):
    point, tangent = (*POINT, 0.5), (*TANGENT, 0.05)

    def values(*point):
        best = optimal_gram(*point, loss=loss, bias=bias)
        return best.G, best.b, best.Z, best.objective

    turned = [RNG.normal(size=x.shape) for x in jax.eval_shape(values, *point)]

    @jax.jit
    def both(*point):
        value, slope = jax.jvp(values, point, tangent)
        return value, slope, jax.vjp(values, *point)[1](tuple(jnp.asarray(x) for x in turned))

    _, slopes, back = both(*point)
    forward = sum(float(np.sum(a * b)) for a, b in zip(turned, slopes))
    backward = sum(float(np.sum(np.asarray(a) * b)) for a, b in zip(back, tangent))
    assert backward == pytest.approx(forward, rel=1e-11)
    ends = [both(*(x + s * t for x, t in zip(point, tangent)))[0] for s in (1e-3, -1e-3, 2e-3, -2e-3)]
    for k, slope in enumerate(slopes):
        near, far = (ends[0][k] - ends[1][k]) / 2e-3, (ends[2][k] - ends[3][k]) / 4e-3
        assert np.linalg.norm(slope - near) <= np.linalg.norm(near - far) + 1e-10 * np.linalg.norm(ends[0][k])
