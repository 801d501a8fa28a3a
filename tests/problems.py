"""Named problems with exact answers: one table for the tests of every route.

Each is one classifier and loss at every λ_H in LAMBDA_H, with the five labels of `labels(K)`. The answer is that of
`tests.oracle` for the doubles as they stand: 40 digits, no code of ufm. K and the shapes of W are few, because each
is compiled for; λ_H, m and labels are not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from mpmath import mp, mpf

from tests import oracle
from tests.shapes import ATOMS, optimum, padded
from ufm.model.atoms import JointProblem, finite_law
from ufm.model.laws import onehot, smooth
from ufm.model.problem import Problem
from ufm.optimize.features import FeatureSolution
from ufm.optimize.joint import JointSolution, solve_joint
from ufm.rules.numbers import LOSS_NAMES
from ufm.rules.soft_labels import normalise

DIGITS = 60
LAMBDA_H = (1e-8, 1e-3, 2.0)
RNG = np.random.default_rng(5)


@dataclass(frozen=True)
class Named:
    """A problem without its λ_H. tags: `etf` (the closed form holds), `given` (W is an array), `singular`
    (conditions of W beyond 1e4), `zero` (W = 0), `narrow` (d < K − 1), `spare` (d > K − 1), a loss."""

    name: str
    problem: Problem
    tags: frozenset[str]

    def __str__(self):
        return self.name

    def each(self) -> Iterator[Problem]:
        """The problem at every λ_H."""
        return (replace(self.problem, lambda_h=value) for value in LAMBDA_H)

    @property
    def labels(self) -> np.ndarray:
        """One-hot, nearly one-hot, two-hot, soft, uniform."""
        return labels(self.problem.classes)


def labels(K: int) -> np.ndarray:
    edge, pair = np.eye(K)[1], np.zeros(K)
    edge[0], edge[1] = 1e-9, 1 - 1e-9
    pair[0], pair[1] = 0.3, 0.7
    soft = np.random.default_rng(K).dirichlet(np.full(K, 0.5))
    return normalise(np.stack([np.eye(K)[0], edge, pair, soft, np.full(K, 1 / K)]))


def singular(K: int, d: int, least: float) -> np.ndarray:
    """K x d with singular values from 1 down to `least`."""
    left, right = (np.linalg.qr(RNG.normal(size=(n, min(K, d))))[0] for n in (K, d))
    return left * np.geomspace(1, least, min(K, d)) @ right.T


def turned(K: int, d: int, m: float) -> np.ndarray:
    """A simplex ETF of row norm m in any position, made here."""
    turn = np.linalg.qr(RNG.normal(size=(d, d)))[0][:K]
    return m * np.sqrt(K / (K - 1)) * (np.eye(K) - 1 / K) @ turn


CLASSIFIERS = {
    "random 4x3": RNG.normal(size=(4, 3)),
    "narrow 4x2": RNG.normal(size=(4, 2)),
    "ill-conditioned 4x4": singular(4, 4, 1e-9),
    "large, ill-conditioned 4x4": 1e3 * singular(4, 4, 1e-6),
    "rank one 4x4": np.outer([1.0, -2.0, 0.5, 3.0], [1.0, 2.0, -1.0, 0.5]),
    "equal rows 4x4": np.array([[1.0, 2, 3, 0], [1, 2, 3, 0], [0.5, -1, 0, 1], [0, 0, 0, 1]]),
    "zero 4x4": np.zeros((4, 4)),
    "an ETF in any position": turned(4, 4, 1.3),
    "wide 3x5": RNG.normal(size=(3, 5)),
}
TAGS = {"narrow 4x2": "narrow", "wide 3x5": "spare", "zero 4x4": "zero etf", "an ETF in any position": "etf"}
ETFS = {  # K, d, m
    "two classes": (2, 2, 1.67, "spare"),
    "four classes": (4, 3, 1.67, ""),
    "spare dimensions": (4, 6, 0.5, "spare"),
    "ten classes": (10, 12, 3.0, "spare"),
    "multiplier zero": (4, 3, 0.0, "zero"),
}


ONCE = {"wide 3x5", "narrow 4x2"}  # shapes of their own: with cross-entropy alone


def _table(loss: str) -> Iterator[Named]:
    for name, (K, d, m, tags) in ETFS.items():
        problem = Problem(K, multiplier=m, dim=d, loss=loss)
        yield Named(f"{name}, {loss}", problem, frozenset([loss, "etf", *tags.split()]))
    for name, W in CLASSIFIERS.items():
        problem = Problem(len(W), classifier=W, loss=loss)
        tags = TAGS.get(name, "singular" if name.endswith("4x4") else "").split()
        yield Named(f"{name}, {loss}", problem, frozenset([loss, "given", *tags]))


TABLE = {named.name: named for loss in LOSS_NAMES for named in _table(loss)}
for name in ONCE:
    del TABLE[f"{name}, squared-error"]


def tagged(*tags: str) -> list[Named]:
    """The problems that have all of the tags."""
    return [named for named in TABLE.values() if named.tags >= set(tags)]


# --- exact answers ----------------------------------------------------------------------------------------


def _gain(multiplier: float, K: int):
    return mpf(multiplier) ** 2 * K / (K - 1)


@cache
def _etf_logits(multiplier, lambda_h, loss, label) -> list:
    if multiplier == 0:
        return [mpf(0)] * len(label)
    with mp.workdps(DIGITS):
        return oracle.optimal_logits(label, _gain(multiplier, len(label)) / mpf(lambda_h), loss)


@cache
def _etf_feature(multiplier, lambda_h, loss, label) -> list:
    """K − 1 Helmert coordinates: Σ_{k<j} z_k − j z_j over √(j(j+1) g)."""
    if multiplier == 0:
        return [mpf(0)] * (len(label) - 1)
    z, sums, feature = _etf_logits(multiplier, lambda_h, loss, label), mpf(0), []
    with mp.workdps(DIGITS):
        for j in range(1, len(label)):
            sums += z[j - 1]
            feature.append((sums - j * z[j]) / mp.sqrt(j * (j + 1) * _gain(multiplier, len(label))))
        return feature


@cache
def _given_feature(shape, entries, lambda_h, loss, label):
    return oracle.optimal_feature(np.array(entries).reshape(shape), label, lambda_h, loss)


def _key(problem: Problem, y) -> tuple:
    return problem.lambda_h, problem.loss, tuple(np.asarray(y, float).tolist())


def etf_logits(problem: Problem, y) -> list:
    """z* = W h* of one label and an exact simplex ETF, as mpf."""
    return _etf_logits(problem.multiplier, *_key(problem, y))


def exact(problem: Problem, y) -> list:
    """h* of one label, as mpf."""
    if problem.classifier is None:
        found = _etf_feature(problem.multiplier, *_key(problem, y))
        return found + [mpf(0)] * (problem.d - len(found))
    W = problem.classifier
    return _given_feature(W.shape, tuple(W.ravel().tolist()), *_key(problem, y))


def rounded(problem: Problem, Y) -> np.ndarray:
    """h* of every label, in doubles."""
    return np.array([[float(v) for v in exact(problem, y)] for y in Y])


def distance(h, answer):
    """‖h − answer‖ as mpf."""
    with mp.workdps(DIGITS):
        return mp.norm([mpf(float(u)) - v for u, v in zip(h, answer)])


def errors(problem: Problem, H, Y) -> list:
    """‖h − h*‖ of every feature, as mpf."""
    return [distance(h, exact(problem, y)) for h, y in zip(H, Y)]


def norms(problem: Problem, Y) -> np.ndarray:
    """‖h*‖ of every label."""
    return np.array([float(mp.norm(exact(problem, y))) for y in Y])


# --- one solve for all tests of a problem -----------------------------------------------------------------


@cache
def solved(name: str, lambda_h: float, steps: int = 200, dtype=np.float64) -> FeatureSolution:
    """`solve_features` after at most so many steps."""
    named = TABLE[name]
    found = optimum(replace(named.problem, lambda_h=lambda_h), named.labels, max_steps=steps, dtype=dtype)
    found.H.flags.writeable = False
    return found


# --- joint problems, whose optimum is a formula -----------------------------------------------------------


@dataclass(frozen=True)
class NamedJoint:
    """W, features and perhaps a bias are free; the optimum is a simplex ETF, W Wᵀ = gain Π, or zero.

    objective and gain: their exact values, as mpf. tags: `bias`, `trivial`, a loss.
    """

    name: str
    task: JointProblem
    objective: mpf
    gain: mpf
    tags: frozenset[str]

    def __str__(self):
        return self.name


def _mixed_with_even(K, delta, lambda_w, lambda_h):
    """Cross-entropy on (1 − δ) e_k + δ/K: logits x (e_k − 1/K) with e^x = K/(√K c + δ) − K + 1, c² = λ_W λ_H.

    p_k and the others p: residual r = y − p ∝ e_k − 1/K, λ_H h = Wᵀ r, so gain = x λ_H/(y_k − p_k − (y_o − p)).
    """
    c = mp.sqrt(mpf(lambda_w) * mpf(lambda_h))
    x = mp.log(K / (mp.sqrt(K) * c + delta) - K + 1)
    total = mp.exp(x) + K - 1
    gain = x * mpf(lambda_h) / (1 - delta - (mp.exp(x) - 1) / total)
    right = 1 - delta + mpf(delta) / K
    fit = mp.log(total) - right * x
    return fit + _penalty(x * x * (1 - mpf(1) / K), gain, K, lambda_w, lambda_h), gain


def _squared(K, lambda_w, lambda_h):
    """Squared error with a free bias on one-hot labels: a = σ/c − 1, σ² = 1/K, z = a/(1 + a) (e_k − 1/K)."""
    a = 1 / mp.sqrt(K * mpf(lambda_w) * mpf(lambda_h)) - 1
    spread = 1 - mpf(1) / K
    logits = (a / (1 + a)) ** 2 * spread
    return spread / (2 * (1 + a) ** 2) + _penalty(logits, a * lambda_h, K, lambda_w, lambda_h), a * lambda_h


def _penalty(logits, gain, K, lambda_w, lambda_h):
    """(λ_H/2) ‖z‖²/gain + (λ_W/2) gain (K − 1)."""
    return mpf(lambda_h) / 2 * logits / gain + mpf(lambda_w) / 2 * gain * (K - 1)


def _joint_table() -> Iterator[NamedJoint]:
    K = 4
    atoms, even = (
        padded(finite_law(law, K), ATOMS) for law in (onehot(), smooth(0.25))
    )  # doubles, all of them
    ce, se = LOSS_NAMES

    def named(name, atoms, lambda_w, lambda_h, exact, *tags, lambda_b=None, loss=ce):
        task = JointProblem(atoms, lambda_w, lambda_h, K - 1 if loss == ce else K, lambda_b, loss)
        return NamedJoint(name, task, *exact, frozenset([loss, *tags]))

    with mp.workdps(DIGITS):
        plain, sharp = _mixed_with_even(K, 0, 0.02, 0.01), _mixed_with_even(K, 0, 1e-4, 1e-5)
        yield named("one-hot", atoms, 0.02, 0.01, plain)
        yield named("one-hot, sharp", atoms, 1e-4, 1e-5, sharp)
        yield named("one-hot, free bias", atoms, 0.02, 0.01, plain, "bias", lambda_b=0.0)
        yield named("one-hot, penalised bias", atoms, 0.02, 0.01, plain, "bias", lambda_b=0.05)
        mixed = _mixed_with_even(K, mpf(0.25), 0.02, 0.01)
        yield named("smoothed", even, 0.02, 0.01, mixed)
        yield named("trivial", atoms, 1.0, 1.0, (mp.log(K), mpf(0)), "trivial")
        square = _squared(K, 0.02, 0.01)
        yield named("squared error", atoms, 0.02, 0.01, square, "bias", lambda_b=0.0, loss=se)


JOINT = {named.name: named for named in _joint_table()}


@cache
def solved_jointly(name: str) -> JointSolution:
    """`solve_joint` of a named problem."""
    return solve_joint(JOINT[name].task)
