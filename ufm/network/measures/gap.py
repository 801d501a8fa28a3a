"""The certificate of `ufm.certify.joint` for a stream of samples: how far a network is from the joint optimum.

The same dual value from the same formulas, with means over the samples gathered block by block, so that memory
does not depend on their number; a mean of n terms is granted n ε of rounding.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

import ufm.rules.numbers as checked
from ufm.certify.joint import (
    EPS,
    FREE,
    centring,
    check_bias,
    entropies,
    losses,
    mean_penalty,
    residuals,
    shrinkage,
    squared_value,
)
from ufm.network.read.activations import Chunk
from ufm.rules.errors import InputError


class StreamCertificate(NamedTuple):
    """objective L; dual_objective ≤ min L; gap ≥ L − min L, rounding included; rounding, its share.

    lambda_max_ratio: λ_max(E r rᵀ)/(λ_W λ_H) − 1. count: samples of positive weight.
    """

    objective: float
    dual_objective: float
    gap: float
    rounding: float
    lambda_max_ratio: float
    count: int  # type: ignore[assignment] # hides the count of a tuple, which nobody needs here

    @property
    def relative_gap(self) -> float:
        """gap/L: 0 at a global minimum, at most 1 (the dual value is never below 0)."""
        return self.gap / abs(self.objective)


class _Point(NamedTuple):
    chunks: Callable[[], Iterable[Chunk]]
    W: Float[np.ndarray, "K d"]
    b: Float[np.ndarray, " K"]
    loss: str


class _Means(NamedTuple):
    """Weighted means over the samples: of ℓ, ‖h‖², |ℓ| + scale of the logits, that scale; E r, E y; n."""

    fit: float
    square: float
    size: float
    logits: float
    residual: Float[np.ndarray, " K"]
    label: Float[np.ndarray, " K"]
    n: int


class _Moments(NamedTuple):
    """E r rᵀ, E r·y and E r of some residual r."""

    M: Float[np.ndarray, "K K"]
    linear: float
    mean: Float[np.ndarray, " K"]


def certify_stream(
    chunks: Callable[[], Iterable[Chunk]],
    W: Float[np.ndarray, "K d"],
    lambda_w: float,
    lambda_h: float,
    *,
    b: Float[np.ndarray, " K"] | None = None,
    lambda_b: float | None = None,
    loss: str = "cross-entropy",
) -> StreamCertificate:
    """Bound the suboptimality of W, b and the features of a stream; read two to five times.

    lambda_b: None no bias, 0 free, > 0 penalised. Raises InputError as `ufm.certify.joint.certify_joint` does.
    """
    W = checked.array("W", W, ("K", "d"))
    lambda_w, lambda_h = checked.penalty("lambda_w", lambda_w), checked.penalty("lambda_h", lambda_h)
    b, lambda_b = check_bias(b, lambda_b, len(W))
    checked.choice("loss", loss, checked.LOSS_NAMES)
    point = _Point(chunks, W, b, loss)
    means = _means(point)
    penalty = 0.5 * lambda_w * float(np.sum(W * W)) + 0.5 * (lambda_b or 0.0) * float(b @ b)
    objective = means.fit + 0.5 * lambda_h * means.square + penalty
    terms = means.n + len(W) + W.size + W.shape[1]
    plain = _moments(point, _as_it_is)
    dual, slack = _dual(point, means, plain, lambda_w * lambda_h, lambda_b)
    rounding = EPS * ((len(W) + 16) * means.size + terms * objective + 8 * (W.shape[1] + 4) * means.logits)
    rounding += slack
    largest = float(np.linalg.eigvalsh(plain.M)[-1])
    gap = max(objective - dual, 0.0) + rounding
    return StreamCertificate(objective, dual, gap, rounding, largest / (lambda_w * lambda_h) - 1, means.n)


def _blocks(point: _Point):
    """(H, Y, logits, weights) of each block, rows without weight left out."""
    for chunk in point.chunks():
        use = slice(None) if (chunk.weights > 0).all() else chunk.weights > 0
        H, Y = chunk.H[use], chunk.labels.dense()[use]
        if len(H):
            yield H, Y, H @ point.W.T + point.b, chunk.weights[use]


def _means(point: _Point) -> _Means:
    mass, count, sums = 0.0, 0, [np.zeros(())] * 6
    for H, Y, Z, weights in _blocks(point):
        r, scale = residuals(Z, Y, point.loss)
        fit = losses(Z, Y, point.loss)
        rows = fit, np.einsum("nd,nd->n", H, H), np.abs(fit) + scale, scale, r, Y
        sums = [total + weights @ part for total, part in zip(sums, rows)]
        mass, count = mass + float(weights.sum()), count + len(H)
    if count == 0:
        raise InputError("the stream has no samples of positive weight")
    fit, square, size, logits, residual, label = (part / mass for part in sums)
    return _Means(float(fit), float(square), float(size), float(logits), residual, label, count)


def _as_it_is(r, Y):
    return r


def _mixed(r, Y, t, s):
    return (1 - t) * r + t * (Y - s)


def _shifted(r, Y, mean):
    return r - mean


def _moments(point: _Point, change) -> _Moments:
    """Moments of the changed residual."""
    mass, M, linear, mean = 0.0, np.zeros(()), 0.0, np.zeros(())
    for _, Y, Z, weights in _blocks(point):
        r = change(residuals(Z, Y, point.loss)[0], Y)
        heavy = weights[:, None] * r
        M, linear = M + heavy.T @ r, linear + float(np.einsum("nk,nk->", heavy, Y))
        mean, mass = mean + heavy.sum(0), mass + float(weights.sum())
    return _Moments(M / mass, linear / mass, mean / mass)


def _dual(point, means: _Means, plain: _Moments, product, lambda_b) -> tuple[float, float]:
    """A feasible dual value and its rounding; see `ufm.certify.joint` for the three kinds of bias."""
    if lambda_b is None:
        return _value(point, means, plain, _as_it_is, product, None)
    if point.loss == "squared-error":
        change = partial(_shifted, mean=means.residual)
    else:
        t, s = centring(means.residual, means.label, 16 + means.n)
        change = partial(_mixed, t=t, s=s)
    free = _value(point, means, _moments(point, change), change, product, FREE)
    if lambda_b == FREE:
        return free
    penalised = _value(point, means, plain, _as_it_is, product, lambda_b)
    return max(free, penalised, key=lambda pair: pair[0])


def _value(point, means: _Means, moments: _Moments, change, product, lambda_b) -> tuple[float, float]:
    n, K = means.n, len(point.W)
    theta = shrinkage(moments.M, n, product)
    if point.loss == "squared-error":
        square = float(np.trace(moments.M))
        value = squared_value(moments.linear, square, moments.mean, theta, lambda_b)
        return value, EPS * (n * K + 16) * (abs(moments.linear) + square + abs(value))
    theta, mass, sums = min(theta, 1.0), 0.0, np.zeros(2)
    for _, Y, Z, weights in _blocks(point):
        r = change(residuals(Z, Y, point.loss)[0], Y)
        sums += [weights @ part for part in entropies(r, Y, theta)]
        mass += float(weights.sum())
    entropy, slope = sums / mass
    value = float(entropy) - mean_penalty(theta * moments.mean, lambda_b)
    # a centred residual is exact but for the rounding of the mean, n ε
    moved = K + 16 + (n if lambda_b == FREE else 0)
    return value, float(EPS * (moved * slope + n * entropy + 8 * abs(value)))
