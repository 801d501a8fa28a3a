"""One-hot labels and sets of labels whose features have penalties of their own: temperatures, and labels of mass r.

Temperatures. Class k of weight q_k has the loss CE(softmax(δ_k z)), that is ρ = 1/δ_k² in logits δ_k z; d ≥ K − 1,
no bias, c² = λ_W λ_H. W Wᵀ = g Π is optimal iff for every class, s_k being its gap of logits δ_k z,

    (e^s + K − 1)/s = K q_k/(g λ_W),      δ_k = s_k √(λ_H q_k/λ_W)/g.

The left side has one minimum, e^{s*} at (s* − 1) e^{s*} = K − 1: no temperatures restore a g above
K q_k e^{−s*}/λ_W of the rarest class, whatever λ_H, and below that every class has two, on either side of s*.

Sets. Sets S of r classes, all of a size as likely, chances P_r, pick-all-label loss Σ_{k∈S} CE(z, k), d ≥ K − 1:

    W Wᵀ = λ_H a Π,  z = x_r (1_S − r/K),  x_r (r e^{x_r} + K − r) = a K,  E[r(K−r) x_r²] = K (K−1) c² a²,

and W = 0 iff E[r(K−r)] ≤ K (K−1) c². (Collapse for sets: Li et al. 2023; constants and temperatures new here, cf.
vector-scaling losses, Behnia et al. 2023; `proofs/restored_temperatures.py`, `proofs/multi_label.py`.)
"""

from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float

import ufm.rules.numbers as checked
from ufm.model.roots import bracketed_root
from ufm.rules.errors import InputError


class Temperatures(NamedTuple):
    """δ (K) of gaps above s* and below it, both exact, and the largest g that any temperatures restore."""

    upper: Float[np.ndarray, " K"]
    lower: Float[np.ndarray, " K"]
    largest_gain: float


def restoring_temperatures(weights, gain: float, lambda_w: float, lambda_h: float) -> Temperatures:
    """Temperatures at which the optimum of class weights q is W Wᵀ = gain · Π; each class may have either.

    Raises InputError where there are none, saying the largest gain.
    """
    q = checked.array("weights", weights, ("K",))
    checked.weights("weights", q, len(q))
    for name, value in (("gain", gain), ("lambda_w", lambda_w), ("lambda_h", lambda_h)):
        checked.penalty(name, value)
    K, least = len(q), 1 + float(scipy.special.lambertw((len(q) - 1) / np.e).real)
    largest = K * float(q.min()) * float(np.exp(-least)) / lambda_w
    if gain > largest:
        raise InputError(f"no temperatures restore a gain above {largest:.6g}, got {gain!r}")
    unit = np.sqrt(lambda_h * q / lambda_w) / gain
    gaps = np.array([_gaps(K, least, float(K * share / (gain * lambda_w))) for share in q])
    return Temperatures(unit * gaps[:, 0], unit * gaps[:, 1], largest)


def _gaps(K: int, least: float, level: float) -> tuple[float, float]:
    """The two s with (e^s + K − 1)/s = level ≥ e^{s*}: logarithms, so that neither over- nor underflows."""

    def excess(s: float) -> float:
        return float(np.logaddexp(s, np.log(K - 1)) - np.log(s) - np.log(level))

    if excess(least) >= 0:  # by rounding
        return least, least
    low, high = K / level / 2, least + 1
    while excess(high) < 0:
        high *= 2
    return bracketed_root(excess, least, high), bracketed_root(excess, min(low, least), least)


def temperature_gains(weights, delta, lambda_w: float, lambda_h: float) -> Float[np.ndarray, " K"] | str:
    """The g that each class asks for, q s t/λ_W with t = c/(δ √q) and e^s = K/t − K + 1; or why there is none."""
    q, K = np.asarray(weights, float), len(weights)
    t = np.sqrt(lambda_w * lambda_h / q) / np.asarray(delta, float)
    if not (t < 1).all():
        return "c/(δ_k √q_k) is not below 1"
    return q * t * np.log1p(K * (1 - t) / t) / lambda_w


class SetOptimum(NamedTuple):
    """a = g/λ_H, and of each size of a set the gap of logits and the probability of a class outside."""

    sharpness: float
    gaps: Float[np.ndarray, " R"]
    wrong: Float[np.ndarray, " R"]


def set_optimum(classes: int, sizes, chances, lambda_w: float, lambda_h: float) -> SetOptimum:
    """The joint optimum of sets of r = sizes classes with probabilities `chances`, in the convention of the
    sum over S.
    """
    K, r, P = classes, np.asarray(sizes, float), np.asarray(chances, float)
    moment, c2 = r * (K - r), lambda_w * lambda_h
    if P @ moment <= K * (K - 1) * c2:
        return SetOptimum(0.0, np.zeros(len(r)), np.full(len(r), 1 / K))

    def excess(log_a: float) -> float:
        x = _set_gaps(K, r, log_a)
        return float(np.log(K * (K - 1) * c2) - np.log(P @ (moment * (x / np.exp(log_a)) ** 2)))

    high = 0.0
    while excess(high) < 0:
        high += 4.0
    low = -1.0
    while excess(low) > 0:
        low -= 4.0
    log_a = bracketed_root(excess, low, high)
    gaps = _set_gaps(K, r, log_a)
    return SetOptimum(float(np.exp(log_a)), gaps, 1 / (r * np.exp(gaps) + K - r))


def _set_gaps(K: int, sizes, log_a: float) -> Float[np.ndarray, " R"]:
    """x_r > 0 with x (r e^x + K − r) = a K."""
    level, found = log_a + np.log(K), []
    for r in sizes:

        def excess(log_x: float, r=r) -> float:
            return log_x + float(np.log(r * np.exp(np.exp(log_x)) + K - r)) - level

        low, high = log_a - 1 - np.log1p(np.exp(log_a)) - 3, np.log(max(level, 0.0) + 2)
        found.append(np.exp(bracketed_root(excess, min(low, high - 1), high)))
    return np.array(found)
