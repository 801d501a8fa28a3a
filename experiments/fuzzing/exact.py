"""The optimum of one label to 40 digits in mpmath; imports no ufm, and shares no equation with its closed form.

Simplex ETF, z = W h*, a = m²K/((K−1) λ_H), any soft label y. Cross-entropy: z = a (y − p) says that
v_k = log(a p_k) solves e^v + v = a y_k + t, with t fixed by Σ e^{v_k} = a; the left side is increasing and
convex in t, so Newton from its right falls to the root. Squared error: z = a (y − 1/K)/(1 + a).
The largest entry of a label (the first of them) *is* one minus the others.
"""

from collections import Counter
from collections.abc import Sequence

from mpmath import mp, mpf

DIGITS = 40
PATIENCE = 1000  # Newton steps of an increasing convex function; ten are usual


def working_digits(*sizes) -> int:
    """40 digits and as many more as numbers of these sizes can cancel."""
    return DIGITS + 15 + 2 * sum(abs(int(mp.log10(size))) for size in sizes if size)


def complete(y: Sequence[float]) -> list:
    """The label as mpf whose sum is one; call at the precision that is to hold it."""
    entries = [mpf(float(value)) for value in y]
    top = entries.index(max(entries))
    entries[top] = 0
    entries[top] = 1 - mp.fsum(entries)
    return entries


def sharpness(multiplier: float, classes: int, lambda_h: float):
    """a = m² K/((K−1) λ_H), exact but for one rounding at the current precision."""
    return mpf(multiplier) ** 2 * classes / ((classes - 1) * mpf(lambda_h))


def etf_logits(label: Sequence, a, loss: str) -> list:
    """z with Σ z = 0 for a label of mpf with Σ y = 1 (its entries may leave [0, 1] a little)."""
    if loss == "squared-error":
        return [a * (y - mpf(1) / len(label)) / (1 + a) for y in label]
    if a == 0:
        return [mpf(0)] * len(label)
    logs = _log_masses(Counter(label), a)
    mean = mp.fsum(logs[y] for y in label) / len(label)
    return [logs[y] - mean for y in label]


def _log_masses(counts: Counter, a) -> dict:
    """v for each distinct entry of the label."""
    t = a + mp.log(a) - a * max(counts)  # the largest mass alone is a here
    logs = {y: None for y in counts}
    for _ in range(PATIENCE):
        logs = {y: _log_omega(a * y + t, start) for y, start in logs.items()}
        masses = {y: mp.exp(v) for y, v in logs.items()}
        excess = mp.fsum(n * masses[y] for y, n in counts.items()) - a
        if abs(excess) <= a * mp.eps ** mpf(0.9):
            return logs
        t -= excess / mp.fsum(n * masses[y] / (1 + masses[y]) for y, n in counts.items())
    raise ArithmeticError("oracle: no root found")


def _log_omega(x, start=None):
    """The root v of e^v + v = x, by Newton from the right."""
    v = (
        min(x, mp.log(x) if x > 1 else x) if start is None else start
    )  # t only falls: the last root is to the right
    for _ in range(PATIENCE):
        mass = mp.exp(v)
        step = (mass + v - x) / (1 + mass)
        v -= step
        if abs(step) <= mp.eps**0.6 * (1 + abs(v)):  # what is left is its square
            return v
    raise ArithmeticError("oracle: no root found")


def etf_feature(z: Sequence, gain) -> list:
    """The K − 1 entries of h = Eᵀ z/√g that are not zero; columns of E: e_1 + … + e_j − j e_{j+1}, of length 1."""
    found, total = [], mpf(0)
    for j in range(1, len(z)):
        total += z[j - 1]
        found.append((total - j * z[j]) / mp.sqrt(gain * j * (j + 1)))
    return found


def derivative(function, at, scale) -> list:
    """Central difference of a list of mpf, by a step of 1e-25 of the scale on which it varies: error 1e-50."""
    step = mpf(10) ** -25 * scale
    pairs = zip(function(at + step), function(at - step), strict=True)
    return [(high - low) / (2 * step) for high, low in pairs]


def gradient(W: Sequence[Sequence], h: Sequence, label: Sequence, lambda_h, loss: str) -> list:
    """∇f(h) = Wᵀ(p − y) + λ_H h (squared error: Wᵀ(W h − y) + λ_H h), at the current precision."""
    z = [mp.fdot(row, h) for row in W]
    if loss == "cross-entropy":
        top = max(z)
        masses = [mp.exp(x - top) for x in z]
        total = mp.fsum(masses)
        z = [mass / total for mass in masses]
    residual = [x - y for x, y in zip(z, label, strict=True)]
    return [mp.fdot(residual, column) + lambda_h * x for column, x in zip(zip(*W), h, strict=True)]


def distance(candidate: Sequence[float], optimum: Sequence):
    """Euclidean distance of doubles to mpf; entries that the shorter one lacks are zero. Infinity for NaN."""
    values = [mpf(float(value)) for value in candidate]
    if not all(mp.isfinite(value) for value in values):
        return mp.inf
    short = len(values) - len(optimum)
    return mp.norm([x - y for x, y in zip(values, [*optimum, *[mpf(0)] * short], strict=True)])
