"""Closed-form features of a problem: from labels to predictions, with their own rounding bound."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

import ufm.rules.numbers as checked
from ufm.model.atoms import JointProblem, Point
from ufm.model.problem import Problem
from ufm.rules.brief import shown
from ufm.rules.errors import InputError
from ufm.rules.soft_labels import normalise
from ufm.theory.features import label_optimum, rounding, two_hot_optimum
from ufm.theory.multiplier import pattern_multiplier, require_float64
from ufm.theory.slopes import Slope, affine_slopes, dense_slope, pair_slopes

EPS = float(np.finfo(np.float64).eps)


class Prediction(NamedTuple):
    """Closed-form optima for N labels; h = Σ_k coef_k w_k.

    H (N, d); coef (N, K), z/g, so that each row sums to zero; p (N, K) probabilities (squared
    error: fitted values z + 1/K); rounding (N,): bound on ‖H − exact‖, from floating point and, for
    a classifier given in floats, from its distance to an exact ETF.
    d_a (N, d) = ∂h/∂a at fixed W; d_lam (N, d) = ∂h/∂λ for two-hot labels, else None; rounding_d_a and
    rounding_d_lam (N,): bounds of the same kind on theirs, some hundred ε of the derivative's own terms, any a.
    """

    H: Float[np.ndarray, "N d"]
    coef: Float[np.ndarray, "N K"]
    p: Float[np.ndarray, "N K"]
    rounding: Float[np.ndarray, "N"]
    d_a: Float[np.ndarray, "N d"]
    rounding_d_a: Float[np.ndarray, "N"]
    d_lam: Float[np.ndarray, "N d"] | None = None
    rounding_d_lam: Float[np.ndarray, "N"] | None = None

    def __repr__(self) -> str:
        return shown(self)


def violated_assumption(problem: Problem) -> str | None:
    """The hypothesis of the closed form that the problem breaks, or None."""
    if problem.d < problem.classes - 1:
        return f"dim = {problem.d} < {problem.classes - 1}: no simplex ETF of {problem.classes} classes fits"
    if not problem.is_etf:
        return (
            "the classifier is not a simplex ETF: relative distance "
            f"{problem.etf_distance:.1e} from the nearest one"
        )
    return None


def violated_hypothesis(problem: JointProblem) -> str | None:
    """The hypothesis of "every global optimum is a simplex ETF" that the problem breaks, or None."""
    K = problem.classes
    if problem.atoms.real:
        return "the targets are real numbers: see the theorem regression"
    if not problem.atoms.exchangeable:
        if problem.law.labels is not None:
            return "given labels are not taken to be exchangeable here (python -m ufm.verify looks)"
        return "the label law is not exchangeable (class permutations change it)"
    if problem.d < K - 1:
        return f"dim = {problem.dim} < {K - 1}: no simplex ETF of {K} classes fits"
    if problem.loss == "binary-cross-entropy":
        return "the closed form is that of softmax, not of one class against the rest"
    if problem.loss == "squared-error" and problem.lambda_b != 0:
        return "squared error leads to a simplex ETF only with a free bias"
    return None


def classifier_error(problem: Problem) -> float:
    """Bound on the relative change of an optimum when W is replaced by the nearest exact ETF.

    With δ = ‖W − W₀‖/√g and ‖WWᵀ − W₀W₀ᵀ‖ ≤ g(2δ + δ²): the residual y − p moves by at most
    twice the Gram error relative to itself (strong monotonicity), the feature by δ more.
    """
    return 6.0 * problem.etf_distance


def rounding_bound(problem: Problem, coefficient_mass, terms: int):
    """Bound on ‖h computed − h exact‖ given Σ_k |x_k|/√g and the number of distinct values.

    Squared error adds what an explicit W lets through along 1, where the residual y − W h does not
    vanish and only λ_H resists: at most ‖W − W₀‖ ‖y‖/λ_H.
    """
    return (rounding(terms, EPS) * 2.0 + classifier_error(problem)) * coefficient_mass + _leak(problem)


def _leak(problem: Problem) -> float:
    if problem.loss != "squared-error":
        return 0.0
    return problem.etf_distance * np.sqrt(problem.gain) / problem.lambda_h


def predict_features(problem: Problem, labels: Float[np.ndarray, "N K"]) -> Prediction:
    """Closed-form optimal features for any soft labels against a simplex ETF.

    Raises InputError when the classifier is not a simplex ETF. Needs float64. As traced functions of arrays, with
    derivatives: `ufm.closed_form_features`, `ufm.closed_form_logits`.
    """
    _require_hypotheses(problem)
    Y = normalise(labels, "labels", ("N", problem.classes))
    if problem.gain == 0:
        return _trivial(problem, len(Y))
    z, p, x, d_a = _solve_dense(Y, problem.sharpness, problem.etf_distance, loss=problem.loss)
    return _prediction(problem, z, p, np.asarray(x).sum(1), problem.classes, d_a)


def predict_pairs(problem: Problem, i, j, lam) -> Prediction:
    """Closed-form features of y = λ e_i + (1−λ) e_j for N triples (i, j, λ), with ∂h/∂λ."""
    _require_hypotheses(problem)
    i, j, lam = _pairs(i, j, lam, problem.classes)
    if problem.gain == 0:
        return _trivial(problem, len(lam), two_hot=True)
    K, loss, distance = problem.classes, problem.loss, problem.etf_distance
    z, p, d_a, d_lam = _solve_pairs(i, j, lam, problem.sharpness, distance, classes=K, loss=loss)
    mass = 2 * np.abs(np.asarray(z)).max(1) + 2 * np.abs(np.asarray(z).min(1))
    return _prediction(problem, z, p, mass, 3, d_a, d_lam)


def pair_features(problem: Problem, lam: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n K K d"]:
    """H[n, i, j], the optimal feature of y = λ_n e_i + (1−λ_n) e_j: all pairs at all λ, nothing else.

    One root for each λ and one for all same-class labels; then H is written once, at the speed of memory.
    """
    _require_hypotheses(problem)
    lam = checked.mixing("lam", lam)
    if problem.gain == 0:
        return np.zeros((len(lam), problem.classes, problem.classes, problem.d))
    W = problem.W / problem.gain
    return np.asarray(_spread_features(lam, problem.sharpness, W, loss=problem.loss))


@dataclass(frozen=True, eq=False, kw_only=True)
class JointPrediction(Point):
    """The closed form of the joint optimum: a simplex ETF of row norm `multiplier`, the features of all labels, b;
    sharpness a; threshold σ² of λ_W λ_H, at and above which W = 0."""

    b: Float[np.ndarray, "K"]
    multiplier: float
    sharpness: float
    threshold: float

    __repr__ = shown


def predict_joint(problem: JointProblem) -> JointPrediction:
    """The joint optimum of an exchangeable law, up to a rotation of feature space; `certify_joint` judges it.

    The multiplier is that of the finite law. Raises InputError where a hypothesis of "every global optimum is a
    simplex ETF" does not hold. Needs float64.
    """
    checked.instance("problem", problem, JointProblem, "ufm.finite_law")
    broken = violated_hypothesis(problem)
    if broken:
        raise InputError(f"no closed form: {broken}")
    found = pattern_multiplier(problem.atoms.patterns, problem.lambda_w, problem.lambda_h, problem.loss)
    K, d, loss = problem.classes, problem.d, problem.loss
    fixed = Problem(K, found.value, lambda_h=problem.lambda_h, dim=d, loss=loss)
    return JointPrediction(
        W=fixed.W,
        H=predict_features(fixed, problem.atoms.labels).H,
        b=np.full(K, 1 / K if loss == "squared-error" else 0.0),
        multiplier=found.value,
        sharpness=found.sharpness,
        threshold=found.threshold,
    )


def _pairs(i, j, lam, classes: int):
    """Classes and mixing weights (N), each checked, then broadcast."""
    i, j = checked.class_numbers("i", i, classes), checked.class_numbers("j", j, classes)
    lam = checked.mixing("lam", lam)
    sizes = {len(part) for part in (i, j, lam) if part.ndim} - {1}
    if max(part.ndim for part in (i, j, lam)) > 1 or len(sizes) > 1:
        raise InputError(
            f"i, j and lam must be numbers or arrays of N, got shapes {i.shape}, {j.shape}, {lam.shape}"
        )
    return np.broadcast_arrays(np.atleast_1d(i), j, lam)


@partial(jax.jit, static_argnames="loss")
def _spread_features(lam, a, W, *, loss):
    K = len(W)
    same = jnp.append(jnp.zeros(lam.shape, bool), True)
    x_i, x_j, *_ = two_hot_or_same(same, jnp.append(lam, 1.0), a, K, loss)
    diagonal = jnp.eye(K, dtype=bool)
    at_i = jnp.where(diagonal, x_i[-1], x_i[:-1, None, None])
    at_j = jnp.where(diagonal, 0.0, x_j[:-1, None, None])
    return at_i[..., None] * W[:, None] + at_j[..., None] * W


def _require_hypotheses(problem):
    require_float64()
    checked.instance("problem", problem, Problem)
    broken = violated_assumption(problem)
    if broken:
        raise InputError(f"no closed form: {broken}")


def _prediction(problem, z, p, mass, terms, d_a, d_lam=None) -> Prediction:
    z, g = np.asarray(z), problem.gain
    bound = rounding_bound(problem, mass / np.sqrt(g), terms)
    # at fixed W, derivatives of h = Wᵀ z/g move z alone
    slopes = [
        *_pulled(problem, d_a, 1 / problem.sharpness),
        *([] if d_lam is None else _pulled(problem, d_lam)),
    ]
    return Prediction(z / g @ problem.W, z / g, np.asarray(p), bound, *slopes)


def _pulled(problem, slope, share=1.0):
    """Wᵀ dz/g with its bound: an error of dz ⊥ 1 shrinks by √g; K products, their sum and W add (K + 18) ε."""
    dz, error = (np.asarray(part) for part in slope)
    error = error + EPS * (problem.classes + 18) * np.abs(dz).sum(1)
    error += classifier_error(problem) * np.linalg.norm(dz, axis=1)
    return dz / problem.gain @ problem.W, error / np.sqrt(problem.gain) + share * _leak(problem)


def _trivial(problem, n, two_hot=False) -> Prediction:
    """W = 0: the optimum is h = 0 whatever the label."""
    zeros, uniform = np.zeros((n, problem.dim)), np.full((n, problem.classes), 1 / problem.classes)
    exact = zeros, np.zeros(n)
    return Prediction(zeros, 0 * uniform, uniform, exact[1], *exact, *(exact if two_hot else ()))


@partial(jax.jit, static_argnames="loss")
def _solve_dense(Y, a, distance, *, loss):
    best = label_optimum(Y, jnp.ones_like(Y), a, loss)
    affine = loss == "squared-error"
    slope = affine_slopes(Y, Y, a, distance)[0] if affine else dense_slope(best, a, distance)
    return best.x - jnp.mean(best.x, -1, keepdims=True), best.p, best.x, slope


@partial(jax.jit, static_argnames=("classes", "loss"))
def _solve_pairs(i, j, lam, a, distance, *, classes, loss):
    same = i == j
    z, p = spread_pairs(two_hot_or_same(same, lam, a, classes, loss), i, j, classes)
    lam = jnp.where(same, 1.0, lam)
    if loss == "squared-error":
        values = jnp.stack([lam, 1.0 - lam, 0.0 * lam], 1)
        mixed = jnp.stack([1.0 + 0.0 * lam, -1.0 + 0.0 * lam, 0.0 * lam], 1)
        d_a, d_lam = affine_slopes(spread(values, i, j, classes), spread(mixed, i, j, classes), a, distance)
    else:
        slopes = pair_slopes(two_hot_optimum(lam, a, classes), a, classes, distance)
        d_a, d_lam = (Slope(spread(slope.z, i, j, classes), slope.error) for slope in slopes)
    return z, p, d_a, Slope(*(jnp.where(same, 0.0, part.T).T for part in d_lam))


def two_hot_or_same(same, lam, a, classes, loss):
    """(x_i, x_j, p_i, p_j, p_other) of each label; a same-class label is (x, 0) whatever λ.

    For K = 2 only x_i − x_j means anything: (gap/2, −gap/2) stays accurate near λ = ½.
    """
    best = two_hot_optimum(jnp.where(same, 1.0, lam), a, classes, loss)
    x_i, x_j = best.x_i, best.x_j
    if classes == 2:
        x_i, x_j = jnp.where(same, best.gap, best.gap / 2), jnp.where(same, 0.0, -best.gap / 2)
    return x_i, x_j, best.p_i, best.p_j, best.p_other


def spread_pairs(optimum, i, j, classes):
    """Logits z (N, K), summing to zero, and probabilities of two-hot labels from their five numbers."""
    x_i, x_j, p_i, p_j, p_other = optimum
    x = spread(jnp.stack([x_i, x_j, jnp.zeros_like(x_i)], 1), i, j, classes)
    return x - jnp.mean(x, 1, keepdims=True), spread(jnp.stack([p_i, p_j, p_other], 1), i, j, classes)


def spread(values, i, j, classes):
    """Rows (N, K) of what is at i, at j and elsewhere (N, 3); i wins where i = j."""
    at_i, at_j, other = (part[:, None] for part in values.T)
    k = jnp.arange(classes)
    return jnp.where(k == i[:, None], at_i, jnp.where(k == j[:, None], at_j, other))
