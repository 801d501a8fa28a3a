"""How far features are from the optimum of the unconstrained features model for their own W and λ_H.

    excess = E[f_y(h) − min f_y],   f_y(h) = ℓ(W h + b, y) + (λ_H/2) ‖h‖²   (W, b given, so λ_W plays no part)
 The minimum is taken at a candidate ĥ (closed form if W is a simplex ETF and b = 0, else blind Newton), and f(ĥ) −
min f ≤ min(L δ²/2, ‖∇f(ĥ)‖²/(2 λ_H)), δ ≥ ‖ĥ − h*‖ certified, L = λ_H + c ‖W‖₂² (c = ½ for cross-entropy, 1 for
squared error): smoothness and strong convexity. With a bias, or many classes, the second bound alone serves.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

import ufm.rules.numbers as checked
from ufm.certify.features import certify_features
from ufm.loss import LOSSES
from ufm.model.problem import Problem
from ufm.network.read.activations import Chunk
from ufm.network.read.together import Measure, alone
from ufm.network.resample import Reservoir
from ufm.optimize.features import Frame, frame, require_dtype, solve_features, tile_size
from ufm.optimize.newton import descend_newton
from ufm.rules.errors import InputError
from ufm.runtime.programs import program
from ufm.theory.predict import predict_features

STEPS = 200  # of Newton's method
EPS = float(np.finfo(np.float64).eps)
LOCAL = 64  # classes up to which the sharper bound is worth its K³ a feature
FEW = 100  # features that are solved for with another λ_H where there are more classes
CURVATURE = {"cross-entropy": 0.5, "squared-error": 1.0}  # largest eigenvalue of ∂²ℓ/∂z²


@dataclass(frozen=True)
class Excess:
    """Mean excess over a subsample, within `bound` of the exact one of these samples.

    The bound holds the certified gap of the candidate optimum and the rounding of f. error: standard error of
    `excess` as an estimate for all samples. optimum: mean of f at the candidates. at_zero: mean excess of h = 0, a
    scale; ratio_error: standard error of excess/at_zero. twofold: the lesser mean excess of the features that are
    optimal for 2 λ_H or λ_H/2 (of many classes, of FEW of them): one as large does not tell λ_H from them. bias: by
    how much another bias, with its own optimal features, would lower the mean (None without a bias in the problem,
    and where so few samples of many classes do not tell). solver: "closed form" or "newton". sample: samples.
    """

    excess: float
    bound: float
    error: float
    ratio_error: float
    optimum: float
    at_zero: float
    twofold: float
    bias: float | None
    solver: str
    sample: int


def feature_excess(
    chunks: Callable[[], Iterable[Chunk]],
    W: Float[np.ndarray, "K d"],
    lambda_h: float,
    *,
    b: Float[np.ndarray, " K"] | None = None,
    lambda_b: float | None = None,
    loss: str = "cross-entropy",
    size: int = 500,
    seed: int = 0,
    dim: int | None = None,
) -> Excess:
    """Excess of the UFM objective on a seeded random subsample of `size` samples; reads the stream once. dim: d,
    where W and features are in fewer coordinates.

    Raises InputError for λ_H <= 0 or a stream without positive weights, RuntimeError without float64.
    """
    W = checked.array("W", W, ("K", "d"))
    problem = Problem(len(W), classifier=W, lambda_h=lambda_h, loss=loss)
    b = np.zeros(len(W)) if b is None else checked.array("b", b, (len(W),))
    checked.integer("size", size, 1)
    checked.integer("seed", seed, 0, checked.MAX_SEED)
    checked.bias_penalty("lambda_b", lambda_b)
    return excess_of(alone(sampled(size, seed), chunks, W, b), problem, b, lambda_b, dim)


class Subsample(NamedTuple):
    """Features, labels and weights of the rows that are drawn."""

    H: Float[np.ndarray, "n d"]
    Y: Float[np.ndarray, "n K"]
    weights: Float[np.ndarray, " n"]


def sampled(size: int = 500, seed: int = 0) -> Measure[Subsample]:
    """The subsample as one measure of several."""
    reservoir = Reservoir(size, seed)
    yield lambda rows: reservoir.add(rows.start, rows.use, rows.H, rows.Y, rows.weights)
    if len(reservoir.index) == 0:
        raise InputError("the stream has no samples of positive weight")
    return Subsample(*reservoir.rows)


def excess_of(
    rows: Subsample,
    problem: Problem,
    b: Float[np.ndarray, " K"],
    lambda_b: float | None,
    dim: int | None = None,
) -> Excess:
    """`feature_excess` of these rows; problem: of W, λ_H and the loss."""
    H, Y, weights = rows
    weights = weights / weights.sum()
    closed = problem.is_etf and not b.any()
    best, where = best_features(problem, b, Y, closed), frame(problem)
    f, least, zero = (_values(A, Y, problem, b) for A in (H, best, np.zeros_like(H)))
    slack = _gap(problem, best, Y, b) + _rounding(problem, b, H, f, dim) + _rounding(problem, b, best, least)
    excess, at_zero = float(weights @ (f - least)), float(weights @ (zero - least))
    error = _standard_error(f - least, weights)
    ratio = excess / at_zero if at_zero > 0 else 0.0
    ratio_error = _standard_error(f - least - ratio * (zero - least), weights) / (at_zero or 1.0)
    return Excess(
        excess,
        float(weights @ slack),
        error,
        ratio_error,
        float(weights @ least),
        at_zero,
        min(_wrong(problem, where, b, Y, best, factor, least, weights) for factor in (0.5, 2.0)),
        None
        if lambda_b is None or problem.classes > LOCAL
        else _bias_share(problem, where, b, Y, weights, lambda_b, best),
        "closed form" if closed else "newton",
        len(H),
    )


def _standard_error(values, weights) -> float:
    """√Σ w² (v − v̄)² of the weighted mean v̄, Σ w = 1."""
    return float(np.sqrt(np.sum((weights * (values - weights @ values)) ** 2)))


def _wrong(problem: Problem, where: Frame, b, Y, best, factor: float, least, weights) -> float:
    """Mean excess of the features that are optimal for λ_H times a factor; of many classes from fewer of them."""
    some = slice(None, None, max(1, len(Y) // FEW) if problem.classes > LOCAL else 1)
    other = Problem(
        problem.classes, classifier=problem.W, lambda_h=problem.lambda_h * factor, loss=problem.loss
    )
    wrong = _descended(other, where, best[some], Y[some], b)
    return float(np.average(_values(wrong, Y[some], problem, b) - least[some], weights=weights[some]))


def _bias_share(problem: Problem, where: Frame, b, Y, weights, lambda_b: float, best) -> float:
    """φ(b) − min φ, φ(b) = E min_h f + (λ_b/2)‖b‖², convex in b with ∇φ = E[p − y] + λ_b b."""

    def reduced(b):
        H = _descended(problem, where, best, Y, b)
        slope = weights @ np.asarray(_residuals(H @ problem.W.T + b, Y, loss=problem.loss)) + lambda_b * b
        return float(weights @ _values(H, Y, problem, b)) + lambda_b / 2 * float(b @ b), slope

    found = minimize(reduced, b, jac=True, method="L-BFGS-B", options={"maxiter": 50})
    return max(0.0, reduced(b)[0] - float(found.fun))


@program("loss")
def _residuals(Z, Y, *, loss):
    """∂ℓ/∂z of each row."""
    return jax.vmap(jax.grad(LOSSES[loss].value))(Z, Y)


def best_features(problem: Problem, b, Y, closed: bool) -> np.ndarray:
    """Features (n, d) that are optimal for W, b and labels Y (n, K), or nearly: what they lack is certified apart.

    closed: by the closed form, which asks for an ETF and b = 0; else by Newton's method from zero.
    """
    if closed:
        return predict_features(problem, Y).H
    if not b.any():
        return solve_features(problem, Y).H
    require_dtype(np.float64)
    return _descended(problem, frame(problem), np.zeros((len(Y), problem.d)), Y, b)


def _descended(problem: Problem, where: Frame, start, Y, b) -> np.ndarray:
    """Optimal features by Newton's method from others, as many at a time as their matrices are small."""
    (coordinates, lift), parts = where, []
    width = min(tile_size(coordinates, len(b)), len(Y))
    for n in range(0, len(Y), width):
        some = np.minimum(np.arange(n, n + width), len(Y) - 1)  # the last one fills up: one width is compiled
        q = jnp.asarray((start[some] @ lift).T)
        found = descend_newton(
            coordinates, q, Y[some].T, problem.lambda_h, STEPS, b[:, None], loss_name=problem.loss
        )
        parts.append((lift @ np.asarray(found.q)).T)
    return np.concatenate(parts)[: len(Y)]


def _values(H, Y, problem: Problem, b) -> np.ndarray:
    return np.asarray(_objectives(H, Y, problem.W, b, problem.lambda_h, loss=problem.loss))


@program("loss")
def _objectives(H, Y, W, b, lambda_h, *, loss):
    return jax.vmap(lambda h, y: _objective(h, y, W, b, lambda_h, loss))(H, Y)


@program("loss")
def _slopes(H, Y, W, b, lambda_h, *, loss):
    return jax.vmap(jax.grad(lambda h, y: _objective(h, y, W, b, lambda_h, loss)))(H, Y)


def _objective(h, y, W, b, lambda_h, loss):
    return LOSSES[loss].value(W @ h + b, y) + 0.5 * lambda_h * jnp.sum(h * h)


def _gap(problem: Problem, best, Y, b) -> np.ndarray:
    """Upper bound of f(ĥ) − min f."""
    if b.any() or problem.classes > LOCAL:
        slope = np.linalg.norm(_slopes(best, Y, problem.W, b, problem.lambda_h, loss=problem.loss), axis=1)
        return (slope + _slope_rounding(problem, b, best)) ** 2 / (2 * problem.lambda_h)
    certificate = certify_features(problem, best, Y)
    smooth = problem.lambda_h + CURVATURE[problem.loss] * np.linalg.norm(problem.W, 2) ** 2
    distance, slope = np.asarray(certificate.distance), np.asarray(certificate.gradient_norm)
    return np.minimum(smooth / 2 * distance**2, slope**2 / (2 * problem.lambda_h))


def _scale(problem: Problem, b, H) -> np.ndarray:
    """Largest logit by Cauchy–Schwarz, for each row of H."""
    return np.linalg.norm(problem.W, axis=1).max() * np.linalg.norm(H, axis=1) + np.abs(b).max()


def _slope_rounding(problem: Problem, b, H) -> np.ndarray:
    """Bound on the rounding of ∇f = Wᵀ (∂ℓ/∂z) + λ_H h: logits are off by (d+8) ε of their scale, ∂ℓ/∂z by as much
    and by (K+8) ε, λ_H h by ε."""
    K, d = problem.W.shape
    logits = _scale(problem, b, H)
    moved = np.sqrt(K) * ((d + 8) * logits + (K + 8) * (2 + logits))
    largest = np.sqrt(max(np.linalg.eigvalsh(problem.W @ problem.W.T)[-1], 0.0))  # sooner than by an SVD
    return EPS * (1.01 * largest * moved + 4 * problem.lambda_h * np.linalg.norm(H, axis=1))


def _rounding(problem: Problem, b, H, f, dim: int | None = None) -> np.ndarray:
    """Bound on the rounding of f(h): of the logits (ℓ moves by at most 2, or 2‖z‖+2, times as much) and of sums."""
    K, d = problem.classes, problem.W.shape[1] + (dim or 0)
    logits = _scale(problem, b, H)
    moved = 2.0 if problem.loss == "cross-entropy" else np.sqrt(K) * (2 * np.sqrt(K) * logits + 2)
    return EPS * ((d + 8) * logits * moved + (K + d + 16) * np.abs(f) + 4 * (K + 4) * logits)
