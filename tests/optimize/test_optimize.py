"""The numerical route: methods agree, it converges from zero for every valid input, it has the symmetries.

Allowed differences are certified distances (`certify_features`, tested on its own against the oracle) or roundings.
"""

import jax
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.problems import CLASSIFIERS, labels
from tests.shapes import certified, optimum
from ufm.loss import LOSSES, objective
from ufm.model.problem import Problem
from ufm.optimize import features as features_module
from ufm.optimize.coordinates import Conditioned, Reduced, condition_classifier
from ufm.optimize.features import METHODS, solve_features
from ufm.optimize.newton import descend_newton, local_model
from ufm.rules.errors import InputError
from ufm.rules.numbers import LOSS_NAMES
from ufm.rules.soft_labels import normalise

RNG = np.random.default_rng(6)
EPS = np.finfo(float).eps
losses = pytest.mark.parametrize("loss", LOSS_NAMES)


def two_hot(K, lam, i=0, j=1):
    y = np.zeros(K)
    y[i], y[j] = lam, 1 - lam
    return y


def bounds(problem, found, Y):
    return np.asarray(certified(problem, found.H, Y).distance, float)


# --- the methods ------------------------------------------------------------------------------------------


@pytest.mark.slow
@losses
@pytest.mark.parametrize("classifier", [None, "random 4x3"])
def test_methods_agree(classifier, loss):
    """Every pair of answers is no further apart than its certified distances; all of those are small."""
    given = {"multiplier": 1.3} if classifier is None else {"classifier": CLASSIFIERS[classifier]}
    problem, Y = Problem(4, lambda_h=0.1, loss=loss, **given), labels(4)
    limits = METHODS | {"gd": 2000}
    found = {
        method: solve_features(problem, Y, method=method, max_steps=limits[method]) for method in METHODS
    }
    radius = {method: bounds(problem, solution, Y) for method, solution in found.items()}
    for method in METHODS:
        assert (radius[method] <= 1e-6).all(), method
        apart = np.linalg.norm(found[method].H - found["newton"].H, axis=1)
        assert (apart <= radius[method] + radius["newton"]).all(), method


def test_an_unknown_method_is_named():
    with pytest.raises(ValueError, match="method must be one of newton, lbfgs, gd, got 'sgd'"):
        solve_features(Problem(3, multiplier=1.0), labels(3), method="sgd")


@pytest.mark.parametrize("method", ["newton", "lbfgs"])
@pytest.mark.parametrize(
    "option", [{"record": True}, {"transform": optax.sgd(0.1)}], ids=["record", "transform"]
)
def test_options_of_gradient_descent_are_refused_by_other_methods(method, option):
    with pytest.raises(ValueError, match=f"record and transform belong to method=\"gd\", not to '{method}'"):
        solve_features(Problem(3, multiplier=1.0), labels(3), method=method, **option)


@losses
@pytest.mark.parametrize("method", METHODS)
def test_no_step_returns_the_start(method, loss):
    found = solve_features(Problem(3, multiplier=1.0, loss=loss), labels(3), method=method, max_steps=0)
    assert not found.H.any() and not found.logits.any()
    assert found.steps == 0 and not found.converged


def test_a_step_limit_is_kept():
    problem = Problem(3, multiplier=1.67, lambda_h=1e-6)
    for method in METHODS:
        assert solve_features(problem, labels(3), method=method, max_steps=3).steps == 3


# --- convergence from zero --------------------------------------------------------------------------------


@losses
def test_newton_converges_for_many_classes(loss):
    """Certified within 1e-8 of the larger of the feature and the same-class feature, in at most 60 steps."""
    K = 1000
    Y = np.stack([np.eye(K)[0], two_hot(K, 1e-9), two_hot(K, 0.3), two_hot(K, 0.5)])
    for lambda_h in (1e-8, 1e-2, 1e3):
        problem = Problem(K, multiplier=3.0, lambda_h=lambda_h, loss=loss)
        found = optimum(problem, Y)
        unit = np.linalg.norm(found.H, axis=1).max()
        assert found.converged and found.steps <= 60
        assert (bounds(problem, found, Y) <= 1e-8 * unit).all()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_float32_solves_stay_finite(name):
    """A factorisation that breaks down in float32 must not turn a feature into NaN."""
    W = CLASSIFIERS[name]
    for lambda_h in (1e-6, 1e-3, 1.0):
        found = solve_features(
            Problem(len(W), classifier=W, lambda_h=lambda_h), labels(len(W)), dtype=np.float32
        )
        assert np.isfinite(found.H).all(), lambda_h


@losses
@given(seed=st.integers(0, 10**6), log_lambda=st.floats(-8, 3), log_m=st.floats(-3, 2))
@settings(deadline=None, max_examples=25)
def test_newton_converges_for_random_problems(loss, seed, log_lambda, log_m):
    rng = np.random.default_rng(seed)
    problem = Problem(4, multiplier=10**log_m, lambda_h=10**log_lambda, loss=loss)
    Y = normalise(rng.dirichlet(np.full(4, 0.4), 5))
    found = solve_features(problem, Y)
    unit = max(np.linalg.norm(found.H, axis=1).max(), 1e-300)
    assert found.converged and (bounds(problem, found, Y) <= 1e-8 * unit).all()


def values(problem, Y, H):
    """The objective of every feature."""
    rows = (map(jax.numpy.asarray, (h, problem.W, y)) for h, y in zip(H, Y))
    return [float(objective(LOSSES["cross-entropy"], *row, problem.lambda_h)) for row in rows]


@pytest.mark.parametrize("lambda_h", [1e-8, 1e-3])
def test_every_newton_step_lowers_the_objective(lambda_h):
    """Damping makes it monotone from zero; the decrease ends at rounding level, (K + 8) ε of log K."""
    problem, Y = Problem(4, multiplier=3.0, lambda_h=lambda_h), labels(4)
    where = features_module.frame(problem)
    found = []
    for steps in range(25):
        q = descend_newton(
            where.coordinates, jax.numpy.zeros(Y.T.shape), Y.T, lambda_h, steps, loss_name="cross-entropy"
        )
        found.append(values(problem, Y, (where.lift @ np.asarray(q.q)).T))
    assert (np.diff(found, axis=0) <= 12 * EPS * np.log(4)).all()
    assert (np.diff(found[:4], axis=0)[:, :3] < -1e-4).all()


@pytest.mark.parametrize("classes", [2, 4, 100])
@pytest.mark.parametrize("lambda_h", [1e-6, 1e-3, 1.0, 1e3])
def test_the_leap_saves_steps(classes, lambda_h):
    """From where it lands at most six Newton steps are left; from zero it takes up to 18."""
    problem, Y = Problem(classes, multiplier=1.67, lambda_h=lambda_h), labels(classes)
    found = solve_features(problem, Y)
    assert found.converged and found.steps <= 7
    if lambda_h <= 1e-3:
        landed = values(problem, Y, solve_features(problem, Y, max_steps=1).H)
        assert (landed[:2] <= np.array(values(problem, Y, 0 * found.H))[:2] - 0.1).all()
        zero = features_module.etf_coordinates(problem, np.float64).zero(Y.T)
        start = descend_newton(
            features_module.etf_coordinates(problem, np.float64),
            zero,
            Y.T,
            lambda_h,
            200,
            loss_name="cross-entropy",
        )
        assert int(start.steps) >= found.steps + 2


# --- classifiers that are nearly isometric --------------------------------------------------------------------


@pytest.mark.parametrize(
    "W, conditioned",
    [
        (Problem(4, multiplier=2.0).W, True),
        (np.random.default_rng(2).normal(size=(4, 40)), True),
        (
            np.random.default_rng(2).normal(size=(4, 40)) + 100.0,
            True,
        ),  # a common shift of the rows means nothing
        (CLASSIFIERS["random 4x3"][:, :2], False),
        (CLASSIFIERS["ill-conditioned 4x4"], False),
        (CLASSIFIERS["equal rows 4x4"], False),
        (CLASSIFIERS["zero 4x4"], False),
    ],
    ids=["ETF", "wide", "shifted", "narrow", "ill-conditioned", "equal rows", "zero"],
)
def test_which_classifiers_are_well_conditioned(W, conditioned):
    found = condition_classifier(W, np.float64)
    assert (found is not None) == conditioned
    if conditioned:
        (coordinates, lift), centred = found, W - W.mean(0)
        np.testing.assert_allclose(lift.T @ lift, np.eye(lift.shape[1]), rtol=0, atol=1e-13)
        np.testing.assert_allclose(coordinates.matrix, W @ lift, rtol=0, atol=1e-13 * np.abs(W).max())
        np.testing.assert_allclose(centred @ lift @ lift.T, centred, rtol=0, atol=1e-12 * np.abs(W).max())
        back = centred @ lift @ np.asarray(coordinates.inverse)
        np.testing.assert_allclose(back, np.eye(4) - 1 / 4, rtol=0, atol=1e-11)
        assert float(coordinates.gain) == pytest.approx(np.sum(centred**2) / 3, rel=1e-12)


@given(seed=st.integers(0, 10**6), log_lambda=st.floats(-8, 2))
@settings(deadline=None, max_examples=10)
def test_conjugate_gradients_and_factorisation_take_the_same_step(seed, log_lambda):
    """Far from the optimum to the tenth that is promised; the full solve agrees within certified distances."""
    rng = np.random.default_rng(seed)
    W, lambda_h = rng.normal(size=(5, 30)) + rng.normal(), 10**log_lambda
    coordinates, _ = condition_classifier(W, np.float64)
    q = jax.numpy.asarray(rng.normal(size=(4, 6)))
    Y = jax.numpy.asarray(normalise(rng.dirichlet(np.full(5, 0.4), 6)).T)
    gradient, (_, c) = local_model(LOSSES["cross-entropy"], coordinates, q, Y, lambda_h)
    step, exact = (
        np.asarray(each.newton_step(gradient, c, 1.0, lambda_h))
        for each in (coordinates, Reduced(coordinates.matrix))
    )
    A = np.asarray(coordinates.matrix)
    for n in range(6):
        H = A.T @ (np.diag(c[:, n]) - np.outer(c[:, n], c[:, n])) @ A + lambda_h * np.eye(4)
        wrong, size = step[:, n] - exact[:, n], exact[:, n]
        # the promise is in another norm: at worst cond(W)² ≤ 20 apart
        assert wrong @ H @ wrong <= 0.1**2 * 20 * (size @ H @ size)


@pytest.mark.parametrize("lambda_h", [1e-8, 1e-3, 10.0])
def test_both_routes_to_any_classifier_agree(monkeypatch, lambda_h):
    W = np.random.default_rng(3).normal(size=(4, 12))
    problem, Y = Problem(4, classifier=W, lambda_h=lambda_h), labels(4)
    assert isinstance(features_module.frame(problem).coordinates, Conditioned)
    one = solve_features(problem, Y)
    monkeypatch.setattr(features_module, "condition_classifier", lambda *_: None)
    other = solve_features(problem, Y)
    apart = np.linalg.norm(one.H - other.H, axis=1)
    assert (apart <= bounds(problem, one, Y) + bounds(problem, other, Y)).all()
    assert apart.max() <= 1e-11 * np.linalg.norm(other.H, axis=1).max()


# --- chunks, dimensions, precision ------------------------------------------------------------------------


@pytest.mark.parametrize("entries, size", [(1, 16), (128, 32)], ids=["chunks", "chunks of two tiles"])
def test_chunks_do_not_change_the_answer(monkeypatch, entries, size):
    """Fifty labels at once, and in chunks of one or two tiles of 16 of which the last is padded."""
    problem = Problem(4, multiplier=1.67, lambda_h=1e-5)
    Y = normalise(RNG.dirichlet(np.full(4, 0.4), 50))
    whole = solve_features(problem, Y)
    monkeypatch.setattr(features_module, "CHUNK_ENTRIES", entries)
    monkeypatch.setattr(features_module, "TILE", 16)
    monkeypatch.setattr(features_module, "TILE_ENTRIES", 1)
    assert features_module.chunk_size(problem) == size
    assert features_module.call_size(16, 4, 50, 1) == size
    parts = solve_features(problem, Y)
    assert parts.H.shape == whole.H.shape == (50, 4)
    apart = np.linalg.norm(whole.H - parts.H, axis=1)
    assert (apart <= bounds(problem, whole, Y) + bounds(problem, parts, Y)).all()
    assert apart.max() <= 64 * EPS * np.linalg.norm(whole.H, axis=1).max()


def test_a_feature_does_not_depend_on_its_neighbours():
    problem, Y = Problem(4, multiplier=1.67, lambda_h=1e-5), labels(4)
    together, alone = (
        solve_features(problem, Y),
        [solve_features(problem, Y[n : n + 1]).H[0] for n in range(len(Y))],
    )
    np.testing.assert_allclose(together.H, alone, rtol=0, atol=64 * EPS * np.abs(together.H).max())


def test_chunk_size_bounds_memory():
    """An ETF counts its K logits; an explicit classifier its K x r and r x r matrices, also where r is small."""
    limit = features_module.CHUNK_ENTRIES
    assert features_module.chunk_size(Problem(10, multiplier=1.0)) * 10 <= limit
    assert features_module.chunk_size(Problem(10**6, multiplier=1.0)) == 16
    assert features_module.chunk_size(Problem(1000, classifier=np.ones((1000, 2)))) * 1000 <= limit
    assert features_module.chunk_size(Problem(100, classifier=np.ones((100, 100)))) * 20000 <= 16 * limit
    for K, r in ((10, 10), (100, 100), (1000, 1000)):
        tile = features_module.tile_size(Reduced(np.ones((K, r))), K)
        assert tile * (K * r + r * r) <= 2 * max(features_module.MATRIX_ENTRIES, K * r)
        assert features_module.chunk_size(Problem(K, multiplier=1.0)) % tile == 0


def test_spare_dimensions_stay_empty():
    Y = labels(4)
    small, large = (solve_features(Problem(4, multiplier=1.5, dim=d, lambda_h=1e-3), Y) for d in (3, 9))
    assert not large.H[:, 3:].any()
    np.testing.assert_allclose(large.H[:, :3], small.H, rtol=0, atol=1e-13)


@pytest.mark.parametrize("method", METHODS)
def test_float32_answers_are_float32_and_close(method):
    problem, Y = Problem(4, multiplier=1.3, lambda_h=0.02), labels(4)
    single = solve_features(problem, Y, method=method, dtype=np.float32)
    assert single.H.dtype == np.float32
    double = solve_features(problem, Y)
    apart = np.linalg.norm(single.H - double.H, axis=1)
    assert (apart <= bounds(problem, single, Y) + bounds(problem, double, Y)).all() and apart.max() < 1e-3


def test_float64_needs_x64_mode():
    with jax.enable_x64(False), pytest.raises(RuntimeError, match="jax_enable_x64"):
        solve_features(Problem(3, multiplier=1.0), labels(3))


def test_labels_must_match():
    with pytest.raises(ValueError, match=r"labels must be .* of shape \(N, 3\)"):
        solve_features(Problem(3, multiplier=1.0), labels(4))


def test_logits_are_those_of_the_features():
    problem, Y = Problem(4, multiplier=1.5, dim=6, lambda_h=1e-3), labels(4)
    found = solve_features(problem, Y)
    np.testing.assert_allclose(
        found.logits, found.H @ problem.W.T, rtol=0, atol=1e-13 * np.abs(found.logits).max()
    )


# --- trajectories -----------------------------------------------------------------------------------------


@losses
@pytest.mark.parametrize("classifier", [None, "random 4x3"])
def test_recorded_trajectory(classifier, loss):
    """Recorded objective and gradient norm are those of the recorded point; the last point is the answer."""
    given = {"multiplier": 1.3} if classifier is None else {"classifier": CLASSIFIERS[classifier]}
    problem, Y = Problem(4, lambda_h=0.02, loss=loss, **given), labels(4)
    rate = 1 / (np.linalg.norm(problem.W, 2) ** 2 + problem.lambda_h)
    found = solve_features(
        problem, Y, method="gd", transform=optax.sgd(float(rate)), max_steps=30, record=True
    )
    trace = found.trace
    lift = features_module.frame(problem).lift
    assert trace.q.shape == (30, lift.shape[1], len(Y)) and trace.objective.shape == (30, len(Y))
    np.testing.assert_allclose((lift @ np.asarray(trace.q[-1])).T, found.H, rtol=0, atol=1e-14)
    for step in (0, 7, 29):
        H = (lift @ np.asarray(trace.q[step])).T
        values = [
            float(objective(LOSSES[loss], *map(jax.numpy.asarray, (h, problem.W, y)), problem.lambda_h))
            for h, y in zip(H, Y)
        ]
        np.testing.assert_allclose(trace.objective[step], values, rtol=1e-13)
        slopes = certified(problem, H, Y).gradient_norm
        np.testing.assert_allclose(trace.gradient_norm[step], slopes, rtol=1e-10, atol=1e-13)
        assert (np.asarray(trace.gradient_norm[step]) <= np.asarray(slopes) * (1 + 1e-12)).all()
    # steps of 1/L never increase the objective
    assert (np.diff(np.asarray(trace.objective), axis=0) <= 32 * EPS).all()
    np.testing.assert_allclose(
        solve_features(problem, Y, method="gd", transform=optax.sgd(float(rate)), max_steps=30).H,
        found.H,
        rtol=0,
        atol=1e-14,
    )


def test_what_is_no_transformation_is_refused():
    with pytest.raises(InputError, match="transform must be an optax transformation, got int"):
        solve_features(Problem(3, 1.0), np.eye(3), method="gd", transform=3)


def test_any_optax_transformation():
    problem, Y = Problem(4, multiplier=1.3, lambda_h=0.05), labels(4)
    transform = optax.adam(optax.cosine_decay_schedule(0.2, 3000))
    found = solve_features(problem, Y, method="gd", transform=transform, max_steps=3000)
    assert (bounds(problem, found, Y) <= 1e-3).all() and found.steps == 3000


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("transform", [optax.polyak_sgd(), optax.lbfgs()], ids=["polyak", "lbfgs"])
def test_transformations_that_ask_for_the_objective(transform, record):
    """Polyak's step needs the value, the line search of L-BFGS the function itself, of each feature apart."""
    problem, Y = Problem(4, multiplier=1.3, lambda_h=0.1), labels(4)
    found = solve_features(problem, Y, method="gd", transform=transform, max_steps=100, record=record)
    assert (bounds(problem, found, Y) <= 1e-4).all()
    assert (found.trace is not None) == record


# --- symmetries -------------------------------------------------------------------------------------------


@losses
@given(seed=st.integers(0, 10**6), log_lambda=st.floats(-6, 1))
@settings(deadline=None, max_examples=20)
def test_permuting_classes_permutes_logits(loss, seed, log_lambda):
    """Against an ETF; distances in z are √g times distances in h."""
    rng = np.random.default_rng(seed)
    problem = Problem(4, multiplier=1.67, lambda_h=10**log_lambda, loss=loss)
    Y = normalise(rng.dirichlet(np.full(4, 0.4), 5))
    order = rng.permutation(4)
    one, other = solve_features(problem, Y), solve_features(problem, Y[:, order])
    slack = bounds(problem, one, Y) + bounds(problem, other, Y[:, order])
    apart = np.linalg.norm(one.logits[:, order] - other.logits, axis=1)
    # permuting may move the 1 − Σ others convention to another of two tied entries: one ulp of y, times a
    assert (apart <= np.sqrt(problem.gain) * slack + 4 * EPS * np.abs(one.logits).max()).all()


@losses
@pytest.mark.parametrize("lam", [0.0, 2.0**-30, 0.25, 0.375, 0.5])
def test_swapping_the_pair_swaps_the_logits(lam, loss):
    """λ e_0 + (1−λ) e_1 against (1−λ) e_0 + λ e_1; λ and 1 − λ are exact here."""
    problem = Problem(4, multiplier=1.67, lambda_h=1e-5, loss=loss)
    Y = np.stack([two_hot(4, lam), two_hot(4, 1 - lam)])
    found = optimum(problem, Y)
    apart = np.linalg.norm(found.logits[0][[1, 0, 2, 3]] - found.logits[1])
    assert (
        apart
        <= np.sqrt(problem.gain) * bounds(problem, found, Y).sum() + 4 * EPS * np.abs(found.logits).max()
    )


@losses
@given(seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=20)
def test_rotating_the_classifier_rotates_the_features(loss, seed):
    """h(WQ) = h(W) Q, up to certified distances and the worth of rounding W Q, ε‖W‖(1 + ‖W‖‖h‖)/λ_H."""
    rng = np.random.default_rng(seed)
    W, Q = rng.normal(size=(4, 3)), np.linalg.qr(rng.normal(size=(3, 3)))[0]
    Y = normalise(rng.dirichlet(np.full(4, 0.4), 5))
    problems = [Problem(4, classifier=V, lambda_h=1e-2, loss=loss) for V in (W, W @ Q)]
    one, other = (solve_features(problem, Y) for problem in problems)
    slack = bounds(problems[0], one, Y) + bounds(problems[1], other, Y)
    size = np.linalg.norm(W, 2)
    rounding = 16 * EPS * size * (1 + size * np.linalg.norm(one.H, axis=1)) / 1e-2
    assert (np.linalg.norm(one.H @ Q - other.H, axis=1) <= slack + rounding).all()


def test_an_etf_given_as_an_array_has_the_features_of_the_built_in_one():
    built, Y = Problem(4, multiplier=1.5, lambda_h=1e-3, dim=5), labels(4)
    given_ = Problem(4, classifier=built.W, lambda_h=1e-3)
    one, other = solve_features(built, Y), solve_features(given_, Y)
    apart = np.linalg.norm(one.H - other.H, axis=1)
    # W in floats is off an exact ETF by a few ε, worth ε g/λ_H at most
    assert (apart <= bounds(built, one, Y) + bounds(given_, other, Y) + 8 * EPS * built.sharpness).all()
