"""Calibration: of held-out predictions, and of predictions on mixed samples against the theory.

Held out: confidence c = max softmax(z), the predicted class the first at the maximum. ECE is the standard one
(Guo et al., ICML 2017): M = 15 bins of equal width, ((m−1)/M, m/M], Σ_m (n_m/N) |accuracy_m − mean c_m|.
NLL is the mean of −log p_y in nats. The fitted temperature minimises it, with z/T in place of z.

Mixed samples y = λ e_i + (1−λ) e_j, i ≠ j: by λ-bin, the mean probability of class i, of j and of all others
together, and what the optimum against an ETF has at sharpness a (y − p = z/a).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import exp, log

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp, softmax

import ufm.rules.numbers as checked
from ufm.model.roots import bracketed_root
from ufm.network.measures.mixed import lambda_bin, lambda_edges
from ufm.network.read.activations import Chunk
from ufm.network.read.together import Measure, Rows, alone
from ufm.network.resample import Estimate, Replicated, check_bootstrap, curve
from ufm.rules.errors import InputError
from ufm.rules.soft_labels import PROBABILITIES, are_probabilities

Held = Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]]  # blocks of (logits (n, K), class (n))
TEMPERATURES = (1e-3, 1e3)  # where a fitted temperature is looked for


@dataclass(frozen=True, eq=False)
class Reliability:
    """Held-out predictions by confidence bin, and in all.

    edges (M+1); counts, confidence, accuracies (M): samples, mean confidence and accuracy (NaN: empty bin).
    accuracy, ece, nll over all samples.
    """

    edges: Float[np.ndarray, " E"]
    counts: Float[np.ndarray, " M"]
    confidence: Float[np.ndarray, " M"]
    accuracies: Float[np.ndarray, " M"]
    accuracy: float
    ece: float
    nll: float


@dataclass(frozen=True, eq=False)
class Calibration:
    """As observed; the temperature T with the least NLL; and the same predictions at z/T.

    temperature and fitted are None where no T in 1e-3 … 1e3 has the least NLL: every sample is classified
    right (T → 0), or the logits tell the classes no better than chance (T → ∞).
    """

    observed: Reliability
    temperature: float | None
    fitted: Reliability | None


@dataclass(frozen=True, eq=False)
class MixedCalibration:
    """Mean probabilities of mixed samples by λ-bin; NaN where a bin is empty.

    edges (B+1) of λ; counts (B) weight; lam (B) mean λ; first, second, others (B): mean p_i, p_j and the rest.
    predicted: p_i, p_j and the rest at the given a, as rows (3, B), or None. deviation: the weighted mean over
    bins of |mean p_i − predicted|, with its bootstrap interval (NaN ends without replicates), or None.
    """

    edges: Float[np.ndarray, " E"]
    counts: Float[np.ndarray, " B"]
    lam: Float[np.ndarray, " B"]
    first: Float[np.ndarray, " B"]
    second: Float[np.ndarray, " B"]
    others: Float[np.ndarray, " B"]
    predicted: Float[np.ndarray, "3 B"] | None
    deviation: Estimate | None


def calibrate(held: Held, bins: int = 15) -> Calibration:
    """Calibration of a stream of held-out (logits, class), e.g. `activations.held_out_chunks`.

    Read once for each step of the temperature's root finder, about 20 times. Raises InputError if empty.
    """
    observed = reliability(held, 1.0, bins)
    T = fit_temperature(held)
    return Calibration(observed, T, None if T is None else reliability(held, T, bins))


def reliability(held: Held, temperature: float = 1.0, bins: int = 15) -> Reliability:
    """Reliability bins, accuracy, ECE and NLL of softmax(z/T). InputError for probabilities in place of z."""
    checked.integer("bins", bins, 1)
    checked.positive("temperature", temperature)
    edges = np.arange(bins + 1) / bins
    sums, loss, logits = np.zeros((3, bins)), 0.0, False
    for z, label in held():
        logits = logits or not are_probabilities(z, z.dtype)
        z = z / temperature
        top, rows = z.argmax(1), np.arange(len(z))
        total = logsumexp(z, axis=1)
        confidence = np.exp(z[rows, top] - total)
        loss += float(np.sum(total - z[rows, label]))
        where = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
        for part, value in zip(sums, (None, confidence, top == label)):
            part += np.bincount(where, value, bins)
    N = sums[0].sum()
    if N == 0:
        raise InputError("no held-out logits")
    if not logits:
        raise InputError(PROBABILITIES)
    confidence, accuracies = _means(sums[1:], sums[0])
    ece = float(np.abs(sums[1] - sums[2]).sum() / N)
    return Reliability(edges, sums[0], confidence, accuracies, float(sums[2].sum() / N), ece, loss / N)


def fit_temperature(held: Held) -> float | None:
    """The T in 1e-3 … 1e3 that minimises the NLL of softmax(z/T), or None if the least lies outside.

    The NLL is convex in β = 1/T, with derivative E[Σ_k p_k(β z) (z_k − z_y)]: its root, in log T.
    """

    def slope(log_t: float) -> float:
        total = 0.0
        for z, label in held():
            z = z - z[np.arange(len(z)), label][:, None]
            total += float(np.sum(softmax(z * exp(-log_t), axis=1) * z))
        return total

    low, high = map(log, TEMPERATURES)
    if not slope(low) > 0 > slope(high):
        return None
    return exp(bracketed_root(slope, low, high))


def mixed_calibration(
    chunks: Callable[[], Iterable[Chunk]],
    W: Float[np.ndarray, "K d"],
    b: Float[np.ndarray, " K"] | None = None,
    a: float | None = None,
    bins: int = 10,
    *,
    replicates: int = 0,
    level: float = 0.95,
    seed: int = 0,
) -> MixedCalibration:
    """Probabilities softmax(W h + b) of the mixed samples (i ≠ j, 0 < λ < 1) of a stream against λ; read once."""
    W = checked.array("W", W, ("K", "d"))
    b = None if b is None else checked.array("b", b, (len(W),))
    if a is not None:
        checked.positive("a", a)
    check_bootstrap(replicates, level, seed)
    return alone(calibrating(a, bins, replicates, level, seed), chunks, W, b)


def calibrating(
    a: float | None, bins: int = 10, replicates: int = 0, level: float = 0.95, seed: int = 0
) -> Measure[MixedCalibration]:
    """`mixed_calibration` as one measure of several."""
    edges = lambda_edges(bins)
    sums = Replicated(5 if a is None else 8, bins, replicates, seed)

    def add(rows: Rows) -> None:
        i, j, lam = rows.labels[:3]
        use = np.flatnonzero((i != j) & (lam > 0) & (lam < 1) & rows.use)
        parts = np.stack(_probabilities(rows, use, a), 1) * rows.weights[use, None]
        sums.add(rows.start, use, lambda_bin(lam[use], bins), parts)

    yield add
    return _calibrated(np.moveaxis(sums.sums(), 2, 0), edges, level)


def _calibrated(sums: Float[np.ndarray, "r B R1"], edges, level: float) -> MixedCalibration:
    mass = sums[0]
    means = _means(sums[1:], mass)
    lam, first, second, others, *predicted = means[:, :, 0]
    observed = edges, mass[:, 0], lam, first, second, others
    if not predicted:
        return MixedCalibration(*observed, predicted=None, deviation=None)
    away = np.where(mass > 0, mass * np.abs(means[1] - means[4]), 0.0).sum(0)
    total = mass.sum(0)
    deviation = None
    if total[0] > 0:
        deviation = Estimate(*map(float, curve(away / np.where(total > 0, total, np.nan), level)))
    return MixedCalibration(*observed, predicted=np.stack(predicted), deviation=deviation)


def _probabilities(rows: Rows, use: np.ndarray, a: float | None) -> list[np.ndarray]:
    """1, λ, observed p_i, p_j, rest, and with a the predicted three."""
    i, j, lam = (part[use] for part in rows.labels[:3])
    place, p = np.arange(len(use)), rows.z[use]
    p -= p.max(1, keepdims=True)  # softmax in place, a row of K a sample
    np.exp(p, out=p)
    p /= p.sum(1, keepdims=True)
    first, second = p[place, i], p[place, j]
    p[place, i] = p[place, j] = 0.0
    found = [np.ones(len(use)), lam, first, second, p.sum(1)]
    if a is None:
        return found
    best, K = rows.solved(a).best, rows.labels.classes
    return [*found, best.p_i[use], best.p_j[use], (K - 2) * best.p_other[use]]


def _means(sums: Float[np.ndarray, "r *B"], mass: Float[np.ndarray, "*B"]) -> Float[np.ndarray, "r *B"]:
    return np.where(mass > 0, sums / np.where(mass > 0, mass, 1.0), np.nan)
