"""The proofs about features against a fixed ETF: every symbolic step holds, and wrong ones fail.

Each theorem's derived expression agrees with the shipped closed form to its stated tolerance: 1e-12, or
0.05 where exponents are compared.
"""

import numpy as np
import pytest
import sympy as sp

from proofs import (
    affine_limit,
    calibration,
    channel_limit,
    different_class,
    edge_slopes,
    feature_curvature,
    label_noise,
    mid_channel_slope,
    same_class,
    soft_label,
    squared_error_affine,
    strong_convexity,
    support_size,
    two_classes,
)
from proofs.engine.step import ProofError, identity, limit, series_order, sign
from proofs.tools.order import measured_order
from proofs.tools.roots import increasing_root
from ufm.model.etf import simplex_etf
from ufm.model.problem import Problem
from ufm.theory.predict import predict_features

pytestmark = pytest.mark.slow  # run by `proofs --check` as well

THEOREMS = {
    "same-class": same_class,
    "soft-label": soft_label,
    "different-class": different_class,
    "two-classes": two_classes,
    "channel-limit": channel_limit,
    "affine-limit": affine_limit,
    "edge-slopes": edge_slopes,
    "squared-error-affine": squared_error_affine,
    "calibration": calibration,
    "strong-convexity": strong_convexity,
    "mid-channel-slope": mid_channel_slope,
    "feature-curvature": feature_curvature,
    "label-noise": label_noise,
    "support-size": support_size,
}
ORDERS = {"channel-limit", "affine-limit", "strong-convexity"}

x, y, K = sp.symbols("x y K", positive=True)
D, lam = sp.Symbol("D", real=True), sp.Symbol("lambda", positive=True)


@pytest.mark.promise("proofs")
@pytest.mark.parametrize("name", THEOREMS)
def test_every_symbolic_step_holds(name):
    derivation = THEOREMS[name].derive()
    assert derivation.name == name
    assert derivation.count("symbolic") >= 8
    assert len({step.name for step in derivation.steps}) == len(derivation.steps)
    derivation.run()


LONG = {
    "soft-label",
    "channel-limit",
    "strong-convexity",
    "same-class",
}  # `python -m proofs --check` does them all


@pytest.mark.promise("proofs")
@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in LONG)) for n in THEOREMS])
def test_derived_expression_is_the_shipped_one(name):
    derivation = THEOREMS[name].derive()
    assert derivation.tolerance == (0.05 if name in ORDERS else 1e-12)
    found = derivation.compare(np.random.default_rng(11))
    assert len(found) >= 10
    worst = max(found, key=lambda one: one.error)
    assert worst.error <= derivation.tolerance, worst


WRONG = {
    "scalar": identity("wrong", "", (x + y) ** 2, x**2 + y**2),
    "matrix": identity("wrong", "", sp.eye(2) * x, sp.ones(2) * x),
    "entries that do not pair": identity("wrong", "", [x, y], [x, y, 0]),
    "sum of excess logits without K": identity("wrong", "", K * y - x, K * y - K * x),
    "tanh without its half": identity(
        "wrong", "", sp.tanh(D).rewrite(sp.exp), (sp.exp(D) - 1) / (sp.exp(D) + 1)
    ),
    "label without its K": identity(
        "wrong", "", different_class.LABEL.subs(D, 0), different_class.ALONG.subs(D, 0)
    ),
    "slope of x_j": identity("wrong", "", edge_slopes.SLOPE_J, edge_slopes.a * (1 + edge_slopes.x / K)),
    "squared error without its ridge": identity("wrong", "", squared_error_affine.COEFFICIENT, y / x),
    "slope of a channel without its half": identity(
        "wrong", "", mid_channel_slope.SLOPE, 1 / (1 / mid_channel_slope.a + mid_channel_slope.p)
    ),
    "curvature along a class without P": identity(
        "wrong", "", feature_curvature.ALONG, 1 + feature_curvature.x
    ),
    "noise that is its own smoothing": identity("wrong", "", label_noise.NOISE, label_noise.eta),
    "support without its K": identity("wrong", "", support_size.LIMIT_SQUARED, support_size.n),
    "sign": sign("wrong", "", two_classes.EQUATION, "positive"),
    "sign the other way": sign("wrong", "", edge_slopes.SLOPE_J, "negative"),
    "K = 2 is not K ≥ 3": sign("wrong", "", 1 - 2 / K, "positive"),
    "limit": limit("wrong", "", x / (x + sp.log(x)), x, sp.oo, 2),
    "limit that diverges": limit("wrong", "", sp.exp(x), x, sp.oo, 0),
    "coefficient": series_order("wrong", "", sp.exp(x), x, 0, {0: 1, 1: 1, 2: 1}),
    "coefficient that was left out": series_order("wrong", "", sp.exp(x), x, 0, {0: 1, 2: sp.Rational(1, 2)}),
    "second order of the logits": series_order(
        "wrong",
        "",
        affine_limit.LOGIT - affine_limit.a * affine_limit.u,
        affine_limit.a,
        0,
        {2: 0},
    ),
    "D's first correction without K": identity(
        "wrong", "", channel_limit.CORRECTION, channel_limit.CORRECTION.subs(channel_limit.K, 2)
    ),
    "deficit of the other class": identity("wrong", "", calibration.DEFICIT, calibration.DEFICIT.subs(D, -D)),
    "Lipschitz constant without its root": identity(
        "wrong", "", strong_convexity.CONSTANT, strong_convexity.CONSTANT**2
    ),
}


@pytest.mark.promise("proofs")
@pytest.mark.parametrize("step", WRONG.values(), ids=WRONG)
def test_a_wrong_step_fails(step):
    with pytest.raises(ProofError, match="wrong"):
        step.run()


@pytest.mark.parametrize("name", THEOREMS)
def test_every_step_can_fail(name, monkeypatch):
    """With the reduction replaced by one that adds one, no identity or expansion of the theorem passes."""
    kinds = ("identity", "series_order")
    steps = [
        step
        for step in THEOREMS[name].derive().steps
        if step.check and step.check.__qualname__.startswith(kinds)
    ]
    monkeypatch.setattr("proofs.engine.step.reduce_to_zero", lambda expression: expression + 1)
    for step in steps:
        with pytest.raises(ProofError):
            step.run()


@pytest.mark.parametrize("classes, sharpness, mix", [(3, 1e-3, 0.5), (10, 6197.7, 0.2), (4, 50.0, 0.999)])
def test_channel_solution_satisfies_the_two_equations(classes, sharpness, mix):
    s, across = different_class.solve(classes, sharpness, mix)
    at = {different_class.K: classes, different_class.a: sharpness, different_class.s: s}
    for side, share in ((across, mix), (-across, 1 - mix)):
        left = different_class.LABEL.subs({**at, different_class.D: side})
        assert abs(float(left) / (sharpness * share) - 1) < 1e-12


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_distance_and_lipschitz_bounds_hold(classes):
    rng, m = np.random.default_rng(classes), 1.3
    W = simplex_etf(classes, multiplier=m)
    for ridge in (1e-3, 0.1, 10.0):
        problem = Problem(classes=classes, multiplier=m, lambda_h=ridge)
        Y = rng.dirichlet(np.ones(classes), 2)
        H = predict_features(problem, Y).H
        constant = m * np.sqrt(classes / (classes - 1)) / ridge
        assert np.linalg.norm(H[0] - H[1]) <= constant * np.linalg.norm(Y[0] - Y[1])
        for _ in range(10):
            h = H[0] + rng.normal(size=classes) * 10 ** rng.uniform(-3, 1)
            p = np.exp(W @ h - np.logaddexp.reduce(W @ h))
            gradient = W.T @ (p - Y[0]) + ridge * h
            assert np.linalg.norm(h - H[0]) <= np.linalg.norm(gradient) / ridge * (1 + 1e-9)


def test_measured_order():
    points = np.geomspace(1e-3, 1e-1, 5)
    assert measured_order(points, 7 * points**3) == pytest.approx(3)
    assert measured_order(points, -points) == pytest.approx(1)


def test_root_needs_a_sign_change():
    with pytest.raises(ValueError, match="sign change"):
        increasing_root(lambda x: x + 1, 0, 1)
