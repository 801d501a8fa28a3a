"""How far features are from the optimum of the unconstrained features model for their own W and λ_H.

    excess = E[f_y(h) − min f_y],   f_y(h) = ℓ(W h, y) + (λ_H/2) ‖h‖²    (W given, so λ_W plays no part)

The minimum is taken at a candidate ĥ (closed form if W is a simplex ETF, else blind Newton), and
f(ĥ) − min f ≤ min(L δ²/2, ‖∇f(ĥ)‖²/(2 λ_H)), δ ≥ ‖ĥ − h*‖ certified, L = λ_H + c ‖W‖₂² (c = ½ for
cross-entropy, 1 for squared error): smoothness and strong convexity.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ufm.activations import Chunk
from ufm.certificate import certify
from ufm.objective import LOSSES, objective
from ufm.optimize.features import solve_features
from ufm.problem import Problem
from ufm.resample import Reservoir, pieces
from ufm.theory.predict import predict_features

CURVATURE = {"cross-entropy": 0.5, "squared-error": 1.0}  # largest eigenvalue of ∂²ℓ/∂z²


@dataclass(frozen=True)
class Excess:
    """Mean excess over a subsample: the true mean lies within `bound` of `excess`.

    The bound holds the certified gap of the candidate optimum and the rounding of f. optimum: mean of
    f at the candidates. at_zero: mean excess of h = 0, a scale. solver: "closed form" or "newton". sample: samples.
    """

    excess: float
    bound: float
    optimum: float
    at_zero: float
    solver: str
    sample: int


def feature_excess(
    chunks: Callable[[], Iterable[Chunk]],
    W: Float[np.ndarray, "K d"],
    lambda_h: float,
    *,
    loss: str = "cross-entropy",
    size: int = 500,
    seed: int = 0,
) -> Excess:
    """Excess of the UFM objective on a seeded random subsample of `size` samples; reads the stream once.

    The model has no bias. Raises ValueError for λ_H <= 0 or a stream without positive weights, RuntimeError
    without float64.
    """
    problem = Problem(len(W), classifier=W, lambda_h=lambda_h, loss=loss)
    H, Y, weights = _subsample(chunks(), size, seed)
    weights = weights / weights.sum()
    closed = problem.is_etf
    best = (predict_features if closed else solve_features)(problem, Y).H
    f, least, zero = (_values(A, Y, problem) for A in (H, best, np.zeros_like(H)))
    slack = _gap(problem, best, Y) + _rounding(problem, H, f) + _rounding(problem, best, least)
    return Excess(
        float(weights @ (f - least)),
        float(weights @ slack),
        float(weights @ least),
        float(weights @ (zero - least)),
        "closed form" if closed else "newton",
        len(H),
    )


def _subsample(chunks: Iterable[Chunk], size: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """H, soft labels and weights of the subsample."""
    reservoir = Reservoir(size, seed)
    for chunk in chunks:
        for piece in pieces(chunk):
            reservoir.add(piece.start, piece.weights > 0, piece.H, piece.labels.dense(), piece.weights)
    if len(reservoir.keys) == 0:
        raise ValueError("the stream has no samples of positive weight")
    return tuple(reservoir.rows)


def _values(H, Y, problem: Problem) -> np.ndarray:
    return np.asarray(_objectives(H, Y, problem.W, problem.lambda_h, problem.loss))


@partial(jax.jit, static_argnames="loss")
def _objectives(H, Y, W, lambda_h, loss):
    W = jnp.asarray(W)
    return jax.vmap(lambda h, y: objective(LOSSES[loss], h, W, y, lambda_h))(H, Y)


def _gap(problem: Problem, best, Y) -> np.ndarray:
    """Upper bound of f(ĥ) − min f."""
    certificate = certify(problem, best, Y)
    smooth = problem.lambda_h + CURVATURE[problem.loss] * np.linalg.norm(problem.W, 2) ** 2
    distance, slope = np.asarray(certificate.distance), np.asarray(certificate.gradient_norm)
    return np.minimum(smooth / 2 * distance**2, slope**2 / (2 * problem.lambda_h))


def _rounding(problem: Problem, H, f) -> np.ndarray:
    """Bound on the rounding of f(h): of the logits (ℓ moves by at most 2, or 2‖z‖+2, times as much) and of sums."""
    K, d = problem.W.shape
    unit, norm = np.finfo(float).eps, np.linalg.norm(H, axis=1)
    logits = np.linalg.norm(problem.W, axis=1).max() * norm
    moved = 2.0 if problem.loss == "cross-entropy" else np.sqrt(K) * (2 * np.sqrt(K) * logits + 2)
    return unit * ((d + 8) * logits * moved + (K + d + 16) * np.abs(f) + 4 * (K + 4) * logits)
