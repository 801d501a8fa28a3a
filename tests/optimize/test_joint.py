"""The joint optimum, solved blind, against the theorems and closed forms of THEORY §3 to §5.

Laws are padded to ATOMS labels by copies of weight zero, which change no sum, so that jit compiles once
a (K, rank, loss, bias).

Tolerances. A relative gap g means E KL(p* ‖ p) ≤ g L for the predictions, and L is locally quadratic about
the optimum, so quantities of order one agree to about √(g L): 3e-5 for the demanded g = 1e-9. Newton's last
step squares that to rounding, times the conditioning: 1e-9 (ROUNDED).
"""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.optimize import brentq

from tests import shapes
from tests.shapes import ATOMS
from ufm.agree import joint as joint_agreement
from ufm.agree.geometry import collapsed_groups
from ufm.agree.joint import check_joint
from ufm.certify.joint import certify_joint
from ufm.model.atoms import FiniteLaw, JointProblem, Point, drawn_law, finite_law
from ufm.model.etf import etf_deviation, etf_multiplier
from ufm.model.laws import LabelLaw, cutmix, kway, mixup, onehot, smooth, soft
from ufm.optimize.joint import solve_joint
from ufm.theory.multiplier import pattern_multiplier
from ufm.theory.thresholds import cyclic_variance, minority_collapse, triviality

padded = partial(shapes.padded, width=ATOMS)
GAP, ETF, ROUNDED = 1e-9, 1e-8, 1e-9  # relative gap and deviation as demanded; closed forms
CE, SE = "cross-entropy", "squared-error"


def problem(law, K, dim, product, *, nodes=8, lambda_b=None, loss=CE, ratio=2.0):
    """λ_W = √(product · ratio), λ_H = √(product/ratio)."""
    atoms = padded(finite_law(law, K, nodes))
    return JointProblem(atoms, np.sqrt(product * ratio), np.sqrt(product / ratio), dim, lambda_b, loss)


def solved(task):
    """The solution of a problem, certified: gap ≤ GAP of the objective (of 1e-3 where that vanishes)."""
    found = solve_joint(task)
    certificate = certify_joint(task, found)
    assert certificate.gap <= GAP * max(certificate.objective, 1e-3)
    return found


def gram(found):
    return found.W @ found.W.T


def centring(K):
    return np.eye(K) - 1 / K


def close(left, right, tolerance=ROUNDED):
    return np.max(np.abs(left - right)) <= tolerance * max(1.0, np.max(np.abs(right)))


# --- exchangeable laws: the ETF is a theorem --------------------------------------------------------------

EXCHANGEABLE = [
    (mixup(0.2), 4, 3, None),
    (mixup(1.0), 4, 3, None),
    (mixup(5.0), 4, 3, None),
    (cutmix(1.0), 4, 3, None),
    (kway(1.0), 4, 3, None),
    (mixup(1.0, smoothing=0.1), 4, 3, None),
    (mixup(1.0, pairs="different"), 4, 3, None),
    (mixup(1.0), 4, 3, 0.0),
    (cutmix(0.2), 4, 3, 0.5),
]
MORE_CLASSES = [
    (mixup(1.0), 2, 1, None),
    (kway(0.5, ways=3), 3, 2, None),
    (mixup(1.0, smoothing=0.1), 6, 5, None),
    (mixup(0.2), 4, 5, None),
]


@pytest.fixture
def discrete_only(monkeypatch):
    """Skip the multiplier of the continuous law, which has tests of its own and is slow for three classes."""
    monkeypatch.setattr(joint_agreement, "_continuous", lambda problem: None)


def check_etf(law, K, dim, lambda_b, loss=CE):
    task = problem(law, K, dim, 2e-4, lambda_b=lambda_b, loss=loss)
    report = check_joint(task)
    theory = pattern_multiplier(task.atoms.patterns, task.lambda_w, task.lambda_h, loss)
    assert report.verdict.word == "agrees"
    assert report.relative_gap <= GAP
    assert report.etf_deviation <= ETF
    assert theory.value > 0.1
    assert report.multiplier == pytest.approx(theory.value, rel=1e-9)
    assert close(report.solution.b - report.solution.b.mean(), np.zeros(K))


@pytest.mark.parametrize("law, K, dim, lambda_b", EXCHANGEABLE, ids=lambda x: getattr(x, "name", str(x)))
def test_exchangeable_laws_lead_to_the_etf(discrete_only, law, K, dim, lambda_b):
    check_etf(law, K, dim, lambda_b)


@pytest.mark.slow
@pytest.mark.parametrize("law, K, dim, lambda_b", MORE_CLASSES, ids=lambda x: getattr(x, "name", str(x)))
def test_exchangeable_laws_of_other_sizes(discrete_only, law, K, dim, lambda_b):
    check_etf(law, K, dim, lambda_b)


@pytest.mark.slow
@pytest.mark.parametrize(
    "K", [pytest.param(K, marks=[pytest.mark.long] * (K in (4, 6, 7, 8, 9))) for K in range(2, 11)]
)
def test_exchangeable_laws_of_all_sizes(K):
    """Blind: relative gap ≤ 1e-9, deviation ≤ 1e-8, multiplier of the same discrete law to 1e-9; d = K − 1."""
    laws = [mixup(0.2), mixup(1.0), mixup(5.0), cutmix(1.0), kway(1.0, 3), mixup(1.0, smoothing=0.1)]
    finite = [finite_law(law, K, 8) for law in laws]
    size = max(len(atoms.weights) for atoms in finite)
    for law, atoms in zip(laws, finite):
        extra = size - len(atoms.weights)
        labels = np.concatenate([atoms.labels, np.repeat(atoms.labels[:1], extra, 0)])
        padded_law = FiniteLaw(labels, np.pad(atoms.weights, (0, extra)), True)
        task = JointProblem(padded_law, 1e-2, 1e-2, K - 1)
        found = solve_joint(task)
        certificate = certify_joint(task, found)
        assert certificate.gap <= GAP * certificate.objective, law.name
        theory = pattern_multiplier(atoms.patterns, 1e-2, 1e-2).value
        assert theory > 0.1
        assert etf_deviation(found.W) <= ETF, law.name
        assert etf_multiplier(found.W) == pytest.approx(theory, rel=1e-9), law.name


def test_squared_error_with_a_free_bias_leads_to_the_etf():
    check_etf(mixup(1.0), 4, 4, 0.0, SE)


@pytest.mark.parametrize("share", [1e-3, -1e-3])
def test_a_wrong_multiplier_fails(monkeypatch, share):
    """Negative control: a theory whose m is off by a thousandth is refuted, not excused."""
    right = joint_agreement.pattern_multiplier

    def wrong(*args):
        found = right(*args)
        return found._replace(value=found.value * (1 + share), sharpness=found.sharpness * (1 + share) ** 2)

    monkeypatch.setattr(joint_agreement, "pattern_multiplier", wrong)
    report = check_joint(problem(mixup(1.0), 4, 3, 2e-4))
    assert report.verdict.word == "fails"
    assert report.error > report.bound


# --- laws that are not exchangeable -----------------------------------------------------------------------


def test_cyclic_pairs_break_the_etf():
    """THEORY §3: K = 4, λ ~ Beta(1, 1), λ_W = λ_H = 0.01; eigenvalues of W Wᵀ given to five decimals."""
    report = check_joint(problem(mixup(1.0, pairs="cyclic"), 4, 3, 1e-4, nodes=64, ratio=1.0))
    values = np.linalg.eigvalsh(gram(report.solution))
    assert report.relative_gap <= GAP
    assert report.verdict.word == "out of hypothesis"
    assert np.abs(values - [0, 0.29446, 3.09021, 3.09021]).max() <= 0.5e-5


def user_labels():
    return soft(np.random.default_rng(5).dirichlet(np.full(4, 0.5), 40))


ODD = [
    LabelLaw("mixup", alpha=1.0, class_weights=(0.5, 0.3, 0.15, 0.05)),
    LabelLaw("cutmix", alpha=0.5, class_weights=(0.4, 0.4, 0.1, 0.1)),
    user_labels(),
]


@pytest.mark.parametrize("law", ODD, ids=lambda law: law.name)
@pytest.mark.parametrize("lambda_b", [None, 0.0])
def test_other_laws_are_solved_and_out_of_hypothesis(law, lambda_b):
    report = check_joint(problem(law, 4, 3, 2e-4, lambda_b=lambda_b))
    assert report.relative_gap <= GAP
    assert report.verdict.word == "out of hypothesis" and "exchangeable" in report.verdict.reason
    assert report.etf_deviation > 1e-3
    assert report.error is None


def test_a_finite_draw_is_out_of_hypothesis():
    atoms = padded(drawn_law(mixup(1.0), 4, 200, 0))
    report = check_joint(JointProblem(atoms, 0.01, 0.01, 3))
    assert report.relative_gap <= GAP
    assert report.verdict.word == "out of hypothesis"
    assert 1e-3 < report.etf_deviation < 1


# --- thresholds, on both sides ----------------------------------------------------------------------------


@pytest.mark.parametrize("law", [mixup(1.0), mixup(0.2, pairs="cyclic"), ODD[0], user_labels()])
@pytest.mark.parametrize("dim", [2, 3])
def test_triviality_on_both_sides(law, dim):
    """W = 0, exactly, and h = 0 beyond λ_max of the label covariance, whatever d; not before it."""
    threshold = triviality(problem(law, 4, dim, 1.0).atoms, 1.0).value
    beyond, before = (problem(law, 4, dim, factor * threshold) for factor in (1.01, 0.99))
    found = solved(beyond)
    assert not found.W.any()
    assert np.abs(found.H).max() < 1e-100  # the remainder of a Newton step that converges to zero
    alive = solve_joint(before)
    # To first order ‖W‖² is a multiple, of order one, of the distance 0.01 to the threshold.
    assert np.linalg.norm(alive.W) > 1e-2
    assert alive.objective < found.objective


def test_triviality_of_mixup_is_the_formula():
    """(α+1)/((2α+1)K); the finite law shares it up to the error of its nodes (`test_finite`)."""
    for alpha in (0.2, 1.0, 5.0):
        value = triviality(finite_law(mixup(alpha), 4, 48), 1.0).value
        assert value == pytest.approx((alpha + 1) / ((2 * alpha + 1) * 4), abs=1e-9)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("K", [3, 4, 7])
def test_the_threshold_of_cyclic_pairs_is_the_eigenvalue(K, smoothing):
    law = mixup(1.0, "cyclic", smoothing)
    nodes = np.linalg.eigvalsh(finite_law(law, K, 64).covariance)[-1]
    assert cyclic_variance(law, K) == pytest.approx(nodes, rel=1e-3)


def test_smoothing_lowers_the_collapse_threshold():
    """(1−δ)² ρ q_B, of the continuous law and of its finite version, whose eigenvalue it is."""
    law = LabelLaw("mixup", alpha=1.0, smoothing=0.2, class_weights=(0.6, 0.2, 0.2))
    (found,) = minority_collapse(law, 3, 1.0)
    assert found.value == pytest.approx(0.64 * 2 / 3 * 0.2, rel=1e-12)
    (finite,) = minority_collapse(law, 3, 1.0, finite_law(law, 3, 48))
    assert finite.value == pytest.approx(found.value, rel=1e-3)


COLLAPSING = [
    (LabelLaw("mixup", alpha=1.0, class_weights=(0.4, 0.4, 0.1, 0.1)), 2 / 3),
    (LabelLaw("onehot", pairs="same", class_weights=(0.4, 0.4, 0.1, 0.1)), 1.0),
]


@pytest.mark.parametrize("law, rho", COLLAPSING, ids=["mixup", "onehot"])
def test_minority_collapse_on_both_sides(law, rho):
    """Classes of weight q_B share one row and one pure feature iff ρ q_B ≤ λ_W λ_H."""
    named = {round(t.value / rho, 3): t for t in minority_collapse(law, 4, 1.0)}
    assert named[0.1].value == pytest.approx(rho * 0.1, rel=1e-12)
    beyond, before = (problem(law, 4, 3, factor * rho * 0.1, nodes=32) for factor in (1.01, 0.99))
    found = solved(beyond)
    assert collapsed_groups(found.W) == [[2, 3]]
    size = np.linalg.norm(found.W)
    assert np.linalg.norm(found.W[2] - found.W[3]) <= 1e-12 * size
    pure = [np.flatnonzero(beyond.atoms.labels[:, k] == 1.0)[0] for k in (2, 3)]
    assert np.linalg.norm(found.H[pure[0]] - found.H[pure[1]]) <= 1e-12 * np.linalg.norm(found.H[pure[0]])
    alive = solved(before)
    assert collapsed_groups(alive.W) == []
    assert np.linalg.norm(alive.W[2] - alive.W[3]) > 1e-3 * size


# --- one-hot and smoothing, closed forms ------------------------------------------------------------------


@pytest.mark.parametrize("lambda_b", [None, 0.0])
@pytest.mark.parametrize("product", [1e-6, 1e-3, 0.2])
def test_one_hot_cross_entropy(product, lambda_b):
    """x = log(√(K/c²) − K + 1), W Wᵀ = x √(λ_H/(K λ_W)) Π."""
    K, task = 4, problem(onehot(), 4, 3, product, lambda_b=lambda_b)
    found = solved(task)
    x = np.log(np.sqrt(K / product) - K + 1)
    logits = found.W @ found.H[np.argmax(task.atoms.labels[:K], 0)].T
    assert close(logits, x * centring(K))
    assert close(gram(found), x * np.sqrt(task.lambda_h / (K * task.lambda_w)) * centring(K))


@pytest.mark.parametrize("epsilon", [0.02, 0.3])
def test_label_smoothing(epsilon):
    """x = log(K/(√K c + ε) − K + 1); zero once ε + √K c ≥ 1."""
    K, c = 4, 0.03
    task = problem(smooth(epsilon), K, 3, c**2)
    x = np.log(K / (np.sqrt(K) * c + epsilon) - K + 1)
    found = solved(task)
    assert close(gram(found), x * np.sqrt(task.lambda_h / (K * task.lambda_w)) * centring(K))
    edge = (1 - epsilon) / np.sqrt(K)
    assert not solved(problem(smooth(epsilon), K, 3, (1.01 * edge) ** 2)).W.any()
    assert solved(problem(smooth(epsilon), K, 3, (0.99 * edge) ** 2)).W.any()


def class_logits(found, K=4):
    """W H̄ + b, a column a class (one-hot: the first K atoms are the classes)."""
    return found.W @ found.H[:K].T + found.b[:, None]


def test_one_hot_atoms_come_first():
    atoms = problem(onehot(), 4, 3, 0.1).atoms
    assert sorted(map(tuple, atoms.labels[:4])) == sorted(map(tuple, np.eye(4)))


def test_squared_error_without_bias_is_an_orthogonal_frame():
    """W H̄ = (1 − √K c) I, and zero once √K c ≥ 1."""
    K, c = 4, 0.1
    task = problem(onehot(), K, K, c**2, loss=SE)
    found = solved(task)
    labels = task.atoms.labels[:K].T
    assert close(class_logits(found), (1 - np.sqrt(K) * c) * labels)
    assert not solved(problem(onehot(), K, K, (1.01 / np.sqrt(K)) ** 2, loss=SE)).W.any()


def test_squared_error_with_a_free_bias():
    """W H̄ = (1 − √K c) Π, b = 1/K."""
    K, c = 4, 0.1
    task = problem(onehot(), K, K, c**2, lambda_b=0.0, loss=SE)
    found = solved(task)
    labels = task.atoms.labels[:K].T
    assert close(found.b, np.full(K, 1 / K))
    assert close(class_logits(found), (1 - np.sqrt(K) * c) * (labels - 1 / K) + 1 / K)


@pytest.mark.parametrize("factor", [0.5, 0.99, 1.01, 2.0])
def test_squared_error_with_a_penalised_bias(factor):
    """ĉ = √K c. ETF with b = 1/(K(1+λ_b)) up to λ_b = ĉ/(1−ĉ); then 1 − ĉ − ĉ/λ_b along 1, b = c/(√K λ_b)."""
    K, c = 4, 0.1
    hat = np.sqrt(K) * c
    lambda_b = factor * hat / (1 - hat)
    found = solved(problem(onehot(), K, K, c**2, lambda_b=lambda_b, loss=SE))
    product = np.sort(np.linalg.eigvalsh(gram(found))) * np.sqrt(2.0 * K)  # √(K λ_W/λ_H) W Wᵀ ~ W H̄
    along, bias = (0.0, 1 / (K * (1 + lambda_b))) if factor < 1 else (1 - hat - hat / lambda_b, None)
    assert close(product, np.sort([along, *[1 - hat] * (K - 1)]))
    assert close(found.b, np.full(K, bias or c / (np.sqrt(K) * lambda_b)))


def test_squared_error_imbalanced_without_bias():
    """‖w_k‖² = (√(n_k λ_H'/λ_W) − N λ_H')₊ of the form with ½/N and all features: λ_H = N λ_H', q = n/N."""
    q = np.array([0.6, 0.25, 0.1, 0.05])
    law = LabelLaw("onehot", pairs="same", class_weights=tuple(q))
    task = problem(law, 4, 4, 0.06, loss=SE, ratio=0.5)
    found = solved(task)
    expected = np.maximum(np.sqrt(q * task.lambda_h / task.lambda_w) - task.lambda_h, 0.0)
    assert (expected == 0).any() and (expected > 0).sum() > 1
    assert close(gram(found), np.diag(expected))
    assert np.abs(found.W[expected == 0]).max() <= 16 * np.finfo(float).eps


@pytest.mark.slow
def test_one_hot_in_the_plane_is_a_polygon():
    """d = 2: 1 − Σ p_l cos(2πl/K) = √K c, p = softmax(t cos(2πl/K)), m² = t √(λ_H/(K λ_W))."""
    K, task = 5, problem(onehot(), 5, 2, 1e-3)
    angles = 2 * np.pi * np.arange(K) / K

    def deficit(t):
        p = np.exp(t * (np.cos(angles) - 1))
        return 1 - p @ np.cos(angles) / p.sum() - np.sqrt(K * 1e-3)

    square = brentq(deficit, 1e-6, 1e3, xtol=1e-14, rtol=1e-14) * np.sqrt(task.lambda_h / (K * task.lambda_w))
    report = check_joint(task, starts=6)
    values = gram(report.solution)
    # no gap closes here: stationarity alone, ‖∇L‖ ~ 1e-12 over a Hessian of order λ_W
    tolerance = 1e-7
    assert close(np.diag(values), np.full(K, square), tolerance)
    order = np.argsort(np.arctan2(report.solution.W[:, 1], report.solution.W[:, 0]))
    ordered = values[np.ix_(order, order)]
    assert close(ordered, square * np.cos(angles[:, None] - angles), tolerance)
    assert report.verdict.word == "undecided" and report.error is None
    assert "dim = 2" in report.verdict.reason and "exceeds the tolerance" in report.verdict.reason
    assert report.relative_gap > 1e-3  # the certificate cannot close below K − 1


# --- the certificate says no ------------------------------------------------------------------------------


def test_a_wrong_classifier_has_a_large_gap():
    """Another ETF, and a random W, of the right size, each with its own optimal features or without."""
    task = problem(mixup(1.0), 4, 3, 2e-4)
    found = solved(task)
    rng = np.random.default_rng(0)
    flipped = -found.W
    random = rng.standard_normal(found.W.shape) * np.linalg.norm(found.W) / np.sqrt(found.W.size)
    for W in (flipped, random, 1.5 * found.W, 0 * found.W):
        certificate = certify_joint(task, Point(W, found.H))
        assert certificate.gap > 1e-3 * certificate.objective


def test_every_start_finds_the_same_optimum():
    """No spurious minimum at d ≥ K − 1: other seeds, the same objective and Gram matrix."""
    task = problem(ODD[0], 4, 3, 2e-4)
    first, *others = (solve_joint(task, seed=s) for s in range(4))
    for other in others:
        assert other.objective == pytest.approx(first.objective, rel=1e-12)
        assert close(gram(other), gram(first))


def test_bad_input_is_refused():
    task = problem(onehot(), 4, 3, 0.1)
    for name, value in (("dim", 0), ("lambda_w", 0.0), ("lambda_h", float("nan")), ("lambda_b", -1.0)):
        with pytest.raises(ValueError, match=name):
            replace(task, **{name: value})
    with pytest.raises(ValueError, match="starts"):
        solve_joint(task, starts=0)
