"""The equations of the closed forms: each agrees with an oracle that does not use it, is what a route calls, and no
planted fault passes. Coq proves the same functions, and refuses the same faults (`proofs/engine/formal.py`)."""

from functools import partial

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from proofs.engine.coq import formulas
from proofs.engine.faults import FAULTS, mutated
from ufm.theory import features, implicit, multiplier, sharpness
from ufm.theory.formulas import equations, values
from ufm.theory.geometry import design, onehot

K, A, LABEL = 4, mp.mpf(7), [mp.mpf(n) / 10 for n in (5, 3, 2, 0)]
W, H, EPS = mp.mpf("0.001"), mp.mpf("0.004"), mp.mpf("0.1")


@pytest.fixture(autouse=True)
def digits():
    with mp.workdps(30):
        yield


def answer():
    """p, o and x of LABEL at sharpness A through Lambert's W: a p_k = W(e^{a y_k + t}), o = W(e^t)."""

    def at(t):
        return [mp.lambertw(mp.exp(A * y + t)).real for y in LABEL]

    t = mp.findroot(lambda t: mp.fsum(at(t)) - A, (0, 1), solver="anderson")
    o = mp.lambertw(mp.exp(t)).real
    return [u / A for u in at(t)], o, [mp.log(u / o) for u in at(t)]


def onehot_sharpness():
    """x, a and E‖y − p‖² of one-hot labels: s = e^x + K − 1 = √(K/c²), a = x s/K, K (K−1)/s²."""
    total = mp.sqrt(K / (W * H))
    x = mp.log(total - K + 1)
    return x, x * total / K, K * (K - 1) / total**2


def excess_error(f):
    _, o, x = answer()
    return max(abs(f["excess"](one, o, A * y, mp.expm1)) for one, y in zip(x, LABEL))


def slope_error(f):
    at = partial(mp.diff, lambda x: x + 2 * (mp.exp(x) - 1))
    return abs(f["excess_slope"](mp.mpf(1), mp.mpf(2), mp.exp) - at(1))


def mass_error(f):
    _, o, x = answer()
    return abs(f["mass"](mp.fsum(x), o, K))


def log_omega_error(f):
    return abs(f["log_omega"](mp.log(mp.lambertw(mp.exp(3)).real), mp.mpf(3), mp.exp))


def difference_error(f):
    """Of the entries 0.5 and 0.3: p_i + p_j = A/a, and z_i − z_j = a (y_i − y_j) − a (p_i − p_j)."""
    p, _, x = answer()
    target = A * (LABEL[0] - LABEL[1])
    return abs(f["difference"](x[0] - x[1], A * (p[0] + p[1]), target, mp.tanh))


def goal_error(f):
    return abs(f["goal"](K, W * H) - onehot_sharpness()[2])


def affine_error(f):
    return abs(f["affine_sharpness"](mp.mpf("0.25"), W * H, mp.sqrt) - (mp.sqrt(0.25) / mp.sqrt(W * H) - 1))


def least_error(f):
    """One-hot labels of two classes, c = σ (1 − 1e-16), σ² = ½: there the bound is a, to first order."""
    with mp.workdps(60):
        ratio = 1 / (1 - mp.mpf("1e-16"))  # σ/c
        total = 2 * ratio  # e^x + 1 = √2/c
        a = mp.log(total - 1) * total / 2
        return abs(f["least_sharpness"](ratio - 1) / a - 1)


def most_error(f):
    """(λ_H/2) E‖h‖² = a E‖r‖²/2 is log K there."""
    return abs(f["most_sharpness"](K, W * H, mp.log) * (K - 1) * W * H / 2 - mp.log(K))


def multiplier_error(f):
    rows = np.sqrt(7.0 * 0.25) * (np.eye(K) - 1 / K)  # W Wᵀ = a λ_H Π
    return abs(f["multiplier_square"](7.0, K, 0.25) - float(rows[0] @ rows[0]))


def mixed_square_error(f):
    alpha = mp.mpf("2.5")
    moment = mp.quad(lambda t: (t**2 + (1 - t) ** 2) * (t * (1 - t)) ** (alpha - 1), [0, 0.5, 1])
    return abs(f["mixed_square"](alpha) - moment / mp.beta(alpha, alpha))


def spread_error(f):
    """All K² pairs at λ = 0.3."""
    basis = np.eye(K)
    square = np.mean([np.sum((0.3 * one + 0.7 * other) ** 2) for one in basis for other in basis])
    return abs(f["label_spread"](0.09 + 0.49, 1 / K, K) - (square - 1 / K) / (K - 1))


def class_errors(f):
    """At y = (1−ε) e + ε/K, r = y − p: E rrᵀ = c² Π, the gap is log(p_own/p_wrong), and g r/λ_H the logits."""
    share = f["wrong_share"](K, W, H, EPS, mp.sqrt)
    wrong = share / K
    own, r = 1 - (K - 1) * wrong, EPS / K - wrong
    moment = abs(K * r**2 - W * H)  # of the off-diagonal entries: r = −ĉ/K
    gap = f["class_gap"](K, share, mp.log1p)
    gain = f["class_gain"](gap, K, W, H, mp.sqrt)
    return moment, abs(gap - mp.log(own / wrong)), abs(gain * -r * K / H - gap)


def affine_logit_error(f):
    """x of one-hot labels under squared error: a (y − x) = x at the own class."""
    x = f["affine_logit"](mp.mpf(1), A)
    return abs(A * (1 - x) - x)


def design_error(f):
    """Σ q_k r_k r_kᵀ = c² Π."""
    q, c = np.array([0.1, 0.2, 0.3, 0.4]), 0.3
    r = f["design_residual"](c, q[:, None], np.eye(K), K, np.sqrt)
    return float(np.abs(np.einsum("k,ki,kj", q, r, r) - c**2 * (np.eye(K) - 1 / K)).max())


ERRORS = {
    "excess": excess_error,
    "excess_slope": slope_error,
    "mass": mass_error,
    "log_omega": log_omega_error,
    "difference": difference_error,
    "goal": goal_error,
    "affine_sharpness": affine_error,
    "least_sharpness": least_error,
    "most_sharpness": most_error,
    "multiplier_square": multiplier_error,
    "mixed_square": mixed_square_error,
    "label_spread": spread_error,
    "wrong_share": lambda f: class_errors(f)[0],
    "class_gap": lambda f: class_errors(f)[1],
    "class_gain": lambda f: class_errors(f)[2],
    "affine_logit": affine_logit_error,
    "design_residual": design_error,
}


@pytest.mark.parametrize("name", ERRORS)
def test_each_equation_agrees_with_its_oracle(name):
    assert ERRORS[name](formulas()) < 1e-14


def test_every_equation_has_an_oracle():
    assert set(ERRORS) == set(formulas())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.function}: {fault.new}")
def test_no_planted_fault_agrees(fault):
    assert not ERRORS[fault.function](mutated(fault)) < 1e-6


def test_ten_faults_are_planted():
    assert len({fault.function for fault in FAULTS}) >= 10


def traced(route, *arguments):
    """Let JAX read a route; nothing is compiled."""
    jax.make_jaxpr(route)(*arguments)


def of_labels():
    labels = sharpness.Labels(jnp.array([[0.7], [0.3]]), jnp.ones((2, 1)), jnp.zeros(1), jnp.ones(1))
    traced(lambda c: sharpness.joint_sharpness(labels, c, 0.2, classes=3, loss="cross-entropy"), 0.01)


def of_multiplier():
    patterns = multiplier.Patterns(np.array([[1.0, 0.0]]), np.array([[1.0, 2.0]]), np.ones(1))
    multiplier.pattern_multiplier(patterns, 0.1, 0.1)


ROUTES = {  # which route calls what
    "features": (
        lambda: traced(lambda lam: features.two_hot_optimum(lam, 5.0, 3), 0.3),
        "excess excess_slope mass difference",
    ),
    "squared error": (
        lambda: traced(lambda y: features.label_optimum(y, 1.0, 5.0, "squared-error"), jnp.ones(3) / 3),
        "affine_logit",
    ),
    "sharpness": (of_labels, "excess log_omega mass goal affine_sharpness least_sharpness most_sharpness"),
    "threshold": (lambda: implicit._spread(1.0, 3, "all"), "mixed_square label_spread"),
    "one-hot": (lambda: onehot.class_optimum(3, 0.01, 0.01, 0.1), "wrong_share class_gap class_gain"),
    "design": (lambda: design.design(np.eye(3) - 1 / 3, np.ones(3) / 3, 0.01, 0.01), "design_residual"),
    "multiplier": (of_multiplier, "multiplier_square"),
}


@pytest.mark.parametrize("route", ROUTES)
def test_the_routes_iterate_on_these_functions(monkeypatch, route):
    run, names = ROUTES[route]
    called = set()

    def watched(name, function):
        def call(*arguments):
            called.add(name)
            return function(*arguments)

        return call

    for name, function in formulas().items():
        file = equations if hasattr(equations, name) else values
        monkeypatch.setattr(file, name, watched(name, function))
        if hasattr(features, name):
            monkeypatch.setattr(features, name, watched(name, function))
    monkeypatch.setattr(multiplier, "_solve_sharpness", lambda *_: 2.0)
    run()
    assert called >= set(names.split())


def test_every_equation_is_called_by_a_route():
    assert {name for _, names in ROUTES.values() for name in names.split()} == set(formulas())
