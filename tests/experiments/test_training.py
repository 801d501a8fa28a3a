"""Plain training of classifier and features: it descends, its gap is honest, it collapses where it must."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import logsumexp, softmax

from experiments.dynamics.approach import label_groups, label_variability, trace_training
from experiments.dynamics.training import MOMENTUM, Training, random_start, repeated, safe_step, train_joint
from ufm.model.atoms import FiniteLaw, JointProblem, finite_law
from ufm.model.laws import mixup, onehot
from ufm.optimize.joint import solve_joint

pytestmark = pytest.mark.slow  # long trajectories

NODES, LAM = 6, 0.01
CASES = {  # name: (law, K, what train_joint gets)
    "mixup": (mixup(1.0), 3, {"copies": 2}),
    "one-hot": (onehot(), 4, {"copies": 4}),
    "free bias": (mixup(1.0), 3, {"lambda_b": 0.0, "copies": 2}),
    "squared error": (mixup(1.0), 3, {"lambda_b": 0.0, "loss": "squared-error", "copies": 2}),
    "cyclic": (mixup(1.0, pairs="cyclic"), 4, {"copies": 2}),
    "low dimension": (onehot(), 4, {"dim": 2}),
}


@cache
def trained(name: str) -> tuple[FiniteLaw, Training, dict]:
    """Law, training and its trace; computed once."""
    law, K, settings = CASES[name]
    atoms = finite_law(law, K, NODES)
    run = train_joint(atoms, LAM, LAM, steps=2400, record_every=200, **settings)
    return atoms, run, trace_training(run, atoms)


@cache
def optimum(name: str) -> float:
    """min L: (K−1)(c σ − c²/2); log(1 + (K−1)e⁻ˣ) + c (K−1) x/√K; or by the Newton solver."""
    law, K, settings = CASES[name]
    atoms = finite_law(law, K, NODES)
    if name == "squared error":
        sigma = np.sqrt((atoms.weights @ np.sum(atoms.labels**2, 1) - 1 / K) / (K - 1))
        return (K - 1) * (LAM * sigma - LAM**2 / 2)
    if name == "one-hot":
        x = np.log(np.sqrt(K) / LAM - K + 1)
        return np.log1p((K - 1) * np.exp(-x)) + LAM * (K - 1) * x / np.sqrt(K)
    if name == "free bias":  # exchangeable: the bias changes nothing
        return optimum("mixup")
    dim = settings.get("dim")
    return solve_joint(JointProblem(atoms, LAM, LAM, dim), starts=4 if dim else 1).objective


def independent_objective(W, H, b, Y, share, lambda_b=0.0, xp=np):
    """L written out for cross-entropy, softmax and all, apart from ufm.loss."""
    Z = H @ W.T + b
    fit = (logsumexp if xp is np else jax.scipy.special.logsumexp)(Z, axis=1) - xp.sum(Y * Z, 1)
    ridge = LAM * xp.sum(W**2) + lambda_b * xp.sum(b**2) + LAM * xp.sum(share[:, None] * H**2)
    return xp.sum(share * fit) + ridge / 2


@pytest.mark.parametrize("name", CASES)
def test_records_have_their_shapes_and_descend(name):
    atoms, run, trace = trained(name)
    K, d, T = atoms.classes, CASES[name][2].get("dim", atoms.classes), 13
    assert run.W.shape == (T, K, d) and run.b.shape == (T, K) and run.objective.shape == (T,)
    assert run.H.shape == (T, run.copies * len(atoms.weights), d)
    assert run.steps.tolist() == list(range(0, 2401, 200))
    assert {len(values) for values in trace.values()} == {T}
    assert np.all(np.diff(run.objective) <= 1e-14)
    assert run.objective[-1] < run.objective[0] - 0.05
    assert run.b.any() == (run.lambda_b is not None)


@pytest.mark.parametrize("name", CASES)
def test_gap_is_honest_at_every_record(name):
    """True suboptimality ≤ gap, from the random start to the end; small at the end wherever it can close."""
    _, _, trace = trained(name)
    assert np.all(trace["objective"] - optimum(name) <= trace["gap"])
    assert np.all(trace["gap"] > 0)
    if name == "low dimension":
        assert trace["gap"][-1] > 1e-3  # d < K−1: a valid bound that cannot close
    else:
        assert trace["gap"][-1] < 1e-7
        assert abs(trace["objective"][-1] - optimum(name)) < 1e-9


@pytest.mark.parametrize("name", ["mixup", "one-hot", "free bias", "squared error"])
def test_training_collapses(name):
    """From apart to a simplex ETF, one point a label, and self-duality."""
    _, _, trace = trained(name)
    for metric, end in [("etf_deviation", 1e-4), ("within_variability", 1e-12), ("self_duality", 1e-4)]:
        assert trace[metric][0] > 0.1, metric
        assert trace[metric][-1] < end, metric


def test_cyclic_pairs_do_not_lead_to_an_etf():
    """Negative control: the same training, certified optimal, with its labels collapsed, but no ETF."""
    _, _, trace = trained("cyclic")
    assert trace["gap"][-1] < 1e-7 and trace["within_variability"][-1] < 1e-12
    assert trace["etf_deviation"][-1] > 0.5
    assert np.isnan(trace["self_duality"]).all()  # no pure labels in this law


def test_objective_is_the_independent_one():
    atoms, run, _ = trained("free bias")
    Y, share = np.repeat(atoms.labels, 2, axis=0), np.repeat(atoms.weights, 2) / 2
    for t in (0, 1, -1):
        value = independent_objective(run.W[t], run.H[t], run.b[t], Y, share)
        assert run.objective[t] == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize("metric, lambda_b", [("law", 0.3), ("euclidean", None)])
def test_steps_are_gradient_steps(metric, lambda_b):
    """Two SGD steps against jax.grad of L written out; metric "law": a feature's gradient over its weight."""
    atoms, rate, copies = finite_law(mixup(0.5), 3, 3), 0.1, 2
    settings = {"steps": 2, "record_every": 1, "copies": copies, "metric": metric, "lambda_b": lambda_b}
    run = train_joint(atoms, LAM, LAM, transform=optax.sgd(rate), seed=5, init_scale=0.7, **settings)
    Y, share = np.repeat(atoms.labels, copies, axis=0), np.repeat(atoms.weights, copies) / copies

    def value(W, H, b):
        return independent_objective(W, H, b, Y, share, lambda_b or 0.0, jnp)

    gradient = jax.jit(jax.grad(value, (0, 1, 2)))
    for t in range(2):
        W, H, b = run.W[t], run.H[t], run.b[t]
        dW, dH, db = map(np.asarray, gradient(W, H, b))
        dH = dH / share[:, None] if metric == "law" else dH
        np.testing.assert_allclose(run.W[t + 1], W - rate * dW, rtol=0, atol=1e-14)
        np.testing.assert_allclose(run.H[t + 1], H - rate * dH, rtol=0, atol=1e-13)
        np.testing.assert_allclose(run.b[t + 1], 0 * b if lambda_b is None else b - rate * db, atol=1e-15)
    assert run.learning_rate is None


def one_hot_run(seed: int = 0, lambda_h: float = LAM) -> Training:
    """Two steps, both recorded."""
    return train_joint(finite_law(onehot(), 3), LAM, lambda_h, steps=2, record_every=1, seed=seed)


def test_default_is_momentum_with_the_safe_step():
    """W after two steps, with the gradient λ_W W − E r hᵀ in numpy."""
    run, atoms = one_hot_run(1, 0.02), finite_law(onehot(), 3)
    assert run.learning_rate == safe_step(3, LAM, 0.02, None, "cross-entropy", random_start(atoms, 3, 0.1, 1))

    def slope(t):
        residual = atoms.labels - softmax(run.H[t] @ run.W[t].T, axis=1)
        return LAM * run.W[t] - (residual * atoms.weights[:, None]).T @ run.H[t]

    velocity = slope(0)
    np.testing.assert_allclose(run.W[1], run.W[0] - run.learning_rate * velocity, atol=1e-15)
    velocity = MOMENTUM * velocity + slope(1)
    np.testing.assert_allclose(run.W[2], run.W[1] - run.learning_rate * velocity, atol=1e-15)


@pytest.mark.parametrize("lambda_w, lambda_h", [(1e-3, 0.1), (0.1, 1e-3), (1e-4, 1e-4)])
def test_safe_step_is_safe(lambda_w, lambda_h):
    """Uneven and small penalties: the objective falls from record to record and nothing blows up."""
    atoms = finite_law(mixup(1.0), 3, NODES)
    run = train_joint(atoms, lambda_w, lambda_h, steps=2400, record_every=200, copies=2)
    assert np.all(np.diff(run.objective) < 0)


def test_copies_and_split_atoms_follow_the_law():
    """Copies that start together stay together: splitting atoms leaves the path alone (metric "law")."""
    atoms = finite_law(onehot(), 3)
    split = repeated(atoms, 3)
    assert split.weights.sum() == pytest.approx(1) and (split.labels[:3] == split.labels[0]).all()
    # one label, three atoms of it in the law, against copies=3: the same problem, start and path
    one = train_joint(atoms, LAM, LAM, steps=1600, record_every=400, copies=3, seed=2)
    two = train_joint(split, LAM, LAM, steps=1600, record_every=400, copies=1, seed=2)
    np.testing.assert_allclose(one.W, two.W, atol=1e-12)
    traces = trace_training(one, atoms), trace_training(two, split)
    for name in ("gap", "within_variability", "self_duality"):
        np.testing.assert_allclose(traces[0][name], traces[1][name], rtol=1e-9, atol=1e-12)


def test_seeds_differ_and_repeat():
    runs = [one_hot_run(seed) for seed in (0, 0, 1)]
    assert (runs[0].W == runs[1].W).all() and (runs[0].W != runs[2].W).any()


def test_label_variability_is_within_over_between():
    """Two labels of unequal weight, by hand."""
    Y = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    law = FiniteLaw(Y, np.array([0.25, 0.25, 0.5]), False)
    H = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 0.0]])
    assert label_variability(H, law) == pytest.approx(0.5 * 1.0 / 1.0)
    assert len(set(label_groups(law))) == 2
    assert label_variability(H * 0 + 1, law) != label_variability(H * 0 + 1, law)  # 0/0 is NaN
    alone = FiniteLaw(np.eye(3), np.full(3, 1 / 3), True)
    assert np.isnan(label_variability(np.eye(3), alone))


def test_drawn_labels_count_as_their_own_copies():
    """A drawn law repeats labels, so its features can vary within a label at copies=1."""
    atoms = FiniteLaw(np.eye(3)[[0, 2, 1, 0, 1, 1, 2, 0, 0]], np.full(9, 1 / 9), False)
    run = train_joint(atoms, LAM, LAM, steps=1600, record_every=400)
    trace = trace_training(run, atoms)
    assert trace["within_variability"][0] > 0.1 > 1e-10 > trace["within_variability"][-1]


def test_a_diverged_run_is_a_result():
    """A step far too long ends in numbers that say so, not in a traceback."""
    atoms = finite_law(onehot(), 3)
    wild = optax.sgd(1e200)
    run = train_joint(atoms, LAM, LAM, steps=6, record_every=2, transform=wild)
    trace = trace_training(run, atoms)
    assert np.isfinite(trace["gap"][0]) and trace["gap"][-1] == np.inf
    assert np.isnan(trace["etf_deviation"][-1])


@pytest.mark.parametrize(
    "bad, message",
    [
        ({"lambda_w": 0.0}, "lambda_w must be"),
        ({"lambda_b": -1.0}, "lambda_b must be"),
        ({"steps": 10, "record_every": 3}, "multiple of record_every"),
        ({"copies": 0}, "at least 1"),
        ({"init_scale": 0.0}, "init_scale must be"),
        ({"loss": "hinge"}, "loss must be one of"),
        ({"metric": "adam"}, "metric one of"),
    ],
)
def test_bad_settings_are_named(bad, message):
    settings = {"lambda_w": LAM, "lambda_h": LAM, "steps": 4, "record_every": 2} | bad
    with pytest.raises(ValueError, match=message):
        train_joint(finite_law(onehot(), 3), settings.pop("lambda_w"), settings.pop("lambda_h"), **settings)


def test_the_wrong_law_is_refused():
    run = one_hot_run()
    with pytest.raises(ValueError, match="give the law that was trained on"):
        trace_training(run, finite_law(mixup(1.0), 3, 4))
