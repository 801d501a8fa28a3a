"""How far ANY classifier, features and bias are from the global optimum: the maximum-entropy dual.

For L(W, h, b) = E[ℓ(W h + b, y) + (λ_H ρ/2)‖h‖²] + (λ_W/2)‖W‖² (+ (λ_b/2)‖b‖²), c² = λ_W λ_H,

    min L = max { E D(r) − pen(E r) : E r rᵀ/ρ ⪯ c² I },      r = y − p,
    cross-entropy: D = Entropy(p), p ∈ Δ;      squared error: D = r·y − ½‖r‖²,
    binary cross-entropy: D = Σ_k Entropy(p_k, 1 − p_k), p ∈ [0, 1]^K,
    pen(e) = 0 without a bias, ‖e‖²/(2λ_b) with a penalised one, and the constraint e = 0 with a free one.

Weak duality holds for any d, so L − D(any feasible r) bounds the distance to the global minimum. The
feasible residual is made from the candidate's own r = y − p: for a free bias its mean is removed
(by mixing p with a constant distribution), then it is shrunk towards zero by θ ≤ c/√λ_max(E r rᵀ/ρ).
For d ≥ K−1 the gap closes exactly at global minima. Rounding is added to the gap, never subtracted.

E runs over a `Sample`: an array, a process's part of one, or blocks of a stream that is read two or three times.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float

from ufm.certify.sample import BINARY, Block, Change, Means, Part, Sample
from ufm.model.penalties import Penalties
from ufm.model.rows import EPS

T = TypeVar("T")
FREE = 0.0  # λ_b of a free bias; no bias is None


@dataclass(frozen=True)
class DualGap:
    """objective L; dual_objective ≤ min L; gap ≥ L − min L, rounding included; rounding, its share.

    lambda_max_ratio: λ_max(M)/(λ_W λ_H) − 1 of M = E r rᵀ/ρ, with stationarity ≤ 0 iff globally optimal (without a
    bias, or with E r = 0); mean_residual: ‖E r‖; spectrum: eigenvalues of M; leading: an eigenvector of the
    largest; count: samples.
    """

    objective: float
    dual_objective: float
    gap: float
    rounding: float
    lambda_max_ratio: float
    mean_residual: float
    spectrum: np.ndarray
    leading: np.ndarray
    count: int

    @property
    def relative_gap(self) -> float:
        """gap/L: 0 at a global minimum, at most 1 (the dual value is never below 0)."""
        return self.gap / abs(self.objective)

    @property
    def escape(self) -> float:
        """1 − √λ_max(M)/c: below zero the curvature of L in a dimension v that W and features leave free, along
        dW = α u vᵀ, dh = β (uᵀr/ρ) v, in units of the penalties: logits stay, and E rᵀdW dh = αβ λ_max(M)."""
        return 1.0 - float(np.sqrt(1.0 + self.lambda_max_ratio))


class Moments(NamedTuple):
    """E r rᵀ/ρ, E r·y, E‖r‖² and E r of some residual r; the second and third of a squared error alone, else 0."""

    M: Float[np.ndarray, "K K"]
    linear: float
    square: float
    mean: Float[np.ndarray, " K"]


Steps = Generator[
    tuple[Part, ...], Means, T
]  # yields what is to be summed in the next reading, is sent its means


def dual_gap(
    sample: Sample,
    W: Float[np.ndarray, "K d"],
    b: Float[np.ndarray, " K"],
    penalties: Penalties,
    loss: str,
    dim: int | None = None,
) -> DualGap:
    """Bound the suboptimality of W, b and the features of the sample. dim: d, where these are in fewer coordinates,
    to which they were brought by one product more: its rounding is granted too.

    It is read twice, three times with a bias (squared error: once, twice).
    """
    return over(sample, dual_steps(W, b, penalties, loss, dim))


def over(sample: Sample, steps: Steps[T]) -> T:
    """What the steps return, of a sample that nobody else reads."""
    try:
        parts = next(steps)
        while True:
            parts = steps.send(sample.read(*parts))
    except StopIteration as end:
        return end.value


def dual_steps(
    W: Float[np.ndarray, "K d"],
    b: Float[np.ndarray, " K"],
    penalties: Penalties,
    loss: str,
    dim: int | None = None,
) -> Steps[DualGap]:
    """`dual_gap` for a sample that others read too."""
    widest, shift = np.linalg.norm(W, axis=1).max(), np.abs(b).max()
    first = yield (partial(_first_sums, widest=widest, shift=shift, exact=penalties.lambda_b is not None),)
    fit, square, size, logits, label, *plain = first.parts[0]
    moments, product = Moments(*plain), penalties.lambda_w * penalties.lambda_h
    ridge = penalties.lambda_w * float(np.sum(W * W)) + (penalties.lambda_b or 0.0) * float(b @ b)
    objective = float(fit + 0.5 * (penalties.lambda_h * square + ridge))
    dual, slack = yield from _dual_value(first, moments, label, product, penalties.lambda_b, loss)
    K, d = len(W), W.shape[1] + (dim or 0)
    # sums of positive terms; the logits' own rounding moves L by at most 2|dz| a label and D by as much again
    terms = first.count + K + K * d + d
    rounding = float(EPS * ((K + 16) * size + terms * objective + 8 * (d + 4) * logits)) + slack
    spectrum, vectors = np.linalg.eigh(moments.M)
    return DualGap(
        objective=objective,
        dual_objective=dual,
        gap=max(objective - dual, 0.0) + rounding,
        rounding=rounding,
        lambda_max_ratio=float(spectrum[-1] / product - 1),
        mean_residual=float(np.linalg.norm(moments.mean)),
        spectrum=spectrum,
        leading=vectors[:, -1],
        count=first.count,
    )


def _first_sums(block: Block, widest: float, shift: float, exact: bool = True) -> tuple:
    """Of ℓ, ρ‖h‖², |ℓ| + scale of the logits, what these are sums of, y, and moments of the candidate's residual.

    The terms of w_k·h + b_k, which may cancel, add up to at most ‖w_k‖ ‖h‖ + |b_k|. widest, shift: the largest
    ‖w_k‖ and |b_k|. exact: sums of y and r with one rounding, which a bias asks for.
    """
    fit, square = block.found[0], block.squares
    summands = block.terms * (1.0 + np.sqrt(square) * widest + shift)
    if block.loss == "squared-error":  # whose slope is the residual, of any size
        summands = summands * np.maximum(1.0, np.sqrt(block.over_classes(block.residual**2)))
    rows = fit, block.rho * square, np.abs(fit) + block.size, summands
    return *map(block.sum, rows), block.total(block.Y, exact), *_moment_sums(block, plain, exact)


def _moment_sums(block: Block, change: Change, exact: bool = True) -> tuple:
    r, linear, square = change(block), np.zeros(()), np.zeros(())
    if block.loss == "squared-error":
        linear, square = (block.sum(block.over_classes(r * other)) for other in (block.Y, r))
    return block.moment(r), linear, square, block.total(r, exact)


def plain(block: Block):
    """The candidate's residual as it is."""
    return block.residual


def _shifted(block: Block, shift):
    return block.residual - shift


def _mixed(block: Block, t, s):
    return (1 - t) * block.residual + t * (block.Y - s)


def _dual_value(first: Means, moments: Moments, label, product, lambda_b, loss) -> Steps[tuple[float, float]]:
    """A feasible dual value and its rounding, from the candidate's residual."""
    terms = max(first.count, first.units)
    own = _Feasible(moments, plain, terms, product, loss)
    if lambda_b is None:
        sums: list[list] = (yield own.parts).parts if own.parts else []
        return own.value(sums, None)
    # E r = 0 is feasible for a penalised bias too, at no penalty
    change, penalised = centred(moments.mean, label, first.units, loss), lambda_b != FREE
    parts = own.parts if penalised else ()
    found, *sums = (yield (partial(_moment_sums, change=change), *parts)).parts
    other = _Feasible(Moments(*found), change, terms, product, loss)
    free = other.value((yield other.parts).parts if other.parts else [], FREE)
    if not penalised:
        return free
    return max(free, own.value(sums, lambda_b), key=lambda pair: pair[0])


class _Feasible:
    """A residual after shrinking it to E r rᵀ/ρ ⪯ c² I. parts: what its dual value takes of another reading."""

    def __init__(self, moments: Moments, change: Change, count: int, product: float, loss: str):
        self.moments, self.count, self.loss = moments, count, loss
        self.theta = shrinkage(moments.M, count, product)
        self.parts: tuple[Part, ...] = ()
        if loss != "squared-error":
            self.theta = min(self.theta, 1.0)
            self.parts = (partial(_entropy_sums, change=change, theta=self.theta),)

    def value(self, sums: list[list], lambda_b: float | None) -> tuple[float, float]:
        """The dual value and its rounding."""
        moments, n, K = self.moments, self.count, len(self.moments.M)
        if self.loss == "squared-error":
            square, linear = float(moments.square), float(moments.linear)
            value = squared_value(linear, square, moments.mean, self.theta, lambda_b)
            return value, EPS * (n * K + 16) * (abs(linear) + square + abs(value))
        entropy, slope = map(float, sums[0])
        value = entropy - mean_penalty(self.theta * moments.mean, lambda_b)
        return value, EPS * ((K + 16) * slope + n * entropy + 8 * abs(value))


def shrinkage(M: Float[np.ndarray, "K K"], n: int, product: float) -> float:
    """θ with θ² M ⪯ c² I in spite of the rounding of M = E r rᵀ/ρ, a mean of n terms."""
    largest = float(np.linalg.eigvalsh(M)[-1]) + EPS * (n + 8 * len(M)) * float(np.trace(M)) + 1e-300
    return float(np.sqrt(product / largest) * (1 - 4 * EPS))


def _entropy_sums(block: Block, change: Change, theta: float) -> tuple:
    return tuple(map(block.sum, loss_entropies(block, change(block), theta)))


def loss_entropies(block: Block, r, theta: float) -> tuple:
    """`entropies` of the residuals of a block; under binary cross-entropy of every p_k and 1 − p_k."""
    own = entropies(r, block.Y, theta, block.over_classes)
    if block.loss != BINARY:
        return own
    other = entropies(-r, 1 - block.Y, theta, block.over_classes)  # 1 − p as exact as p
    return own[0] + other[0], own[1] + other[1]


def entropies(
    r: Float[np.ndarray, "n K"],
    Y: Float[np.ndarray, "n K"],
    theta: float,
    over_classes: Callable,
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Ent(p) of p = y − θ r, and how fast it moves with rounding: p is off by ε a unit of y and p, with slope
    |log p| + 1 = 1 − log p."""
    p = Y - theta * r
    np.clip(p, 0.0, 1.0, out=p)
    log_p = np.log(np.where(p > 0, p, 1.0))
    entropy = -over_classes(p * log_p)
    p += Y  # in place, as a row has K numbers
    np.subtract(1, log_p, out=log_p)
    p *= log_p
    return entropy, over_classes(p)


def squared_value(
    linear: float, square: float, mean: Float[np.ndarray, " K"], theta: float, lambda_b: float | None
) -> float:
    """Largest of θ E r·y − θ² E‖r‖²/2 − pen(θ E r) over 0 ≤ θ ≤ the given one: the dual of squared error."""
    cost = square + (float(mean @ mean) / lambda_b if lambda_b else 0.0)
    theta = max(0.0, min(theta, linear / cost if cost > 0 else 0.0))
    return theta * linear - 0.5 * theta**2 * cost


def mean_penalty(mean: Float[np.ndarray, " K"], lambda_b: float | None) -> float:
    """‖E r‖²/(2λ_b) for a penalised bias."""
    return float(mean @ mean) / (2 * lambda_b) if lambda_b else 0.0


def centred(mean: Float[np.ndarray, " K"], label: Float[np.ndarray, " K"], units: int, loss: str) -> Change:
    """A residual with E r = 0: less its mean under squared error, mixed as in `centring` under cross-entropy."""
    if loss == "squared-error":
        return partial(_shifted, shift=mean)
    t, s = centring(mean, label, units, loss)
    return partial(_mixed, t=t, s=s)


def centring(
    mean: Float[np.ndarray, " K"], target: Float[np.ndarray, " K"], units: int, loss: str
) -> tuple[float, Float[np.ndarray, " K"]]:
    """(t, s) with E[(1−t) r + t (y − s)] = 0, mean = E r, target = E y: p'' = (1−t) p + t s has E p'' = E y.

    s is a distribution, or under binary cross-entropy K of them, (s_k, 1 − s_k). The least t in (0, 1] that leaves
    s ≥ 0 (t = 1, s = E y always does), and enough more that the rounding of the mean, `units` ε, cannot make the
    exact s negative.
    """
    sides = [(mean, target), *([(-mean, 1 - target)] if loss == BINARY else [])]
    t = min(1.0, max(_least_share(*side, units) for side in sides))
    s = np.clip(target + (1 - t) / t * mean, 0.0, None)
    return t, np.minimum(s, 1.0) if loss == BINARY else s / s.sum()


def _least_share(mean, target, units: int) -> float:
    """The least t with target + (1−t)/t · mean ≥ 0, and what its rounding asks for beyond."""
    short = np.where(mean < 0, -mean, 0.0)
    need = np.max(np.where(short > 0, short / np.where(short > 0, short + target, 1.0), 0.0))
    return float(need + units * EPS / np.min(target, where=target > 0, initial=1.0))
