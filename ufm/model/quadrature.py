"""Quadrature for the subject's integrands: smooth in logit λ, with layers at λ = 0 and 1."""

import math
from functools import cache
from math import exp, log

import numpy as np

from ufm.model.roots import bracketed_root

NODES, PANEL = 16, 4.0  # Gauss–Legendre nodes a panel, widest panel in units of logit λ
REACH = 80.0  # |logit λ| beyond which an integrand equals its value at the end (a ≤ 1e20)
DROP = 42.0  # the density is cut where it has fallen by e^−42


def panels(low: float, high: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Composite Gauss–Legendre rule on [low, high]."""
    x, w = _legendre()
    edges = np.linspace(low, high, count + 1)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (1 + x)).ravel(), (half * w).ravel()


@cache
def _legendre() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(NODES)


def _count(width: float, refine: int) -> int:
    return refine * max(8, int(np.ceil(width / PANEL)))


def beta_rule(a: float, b: float, refine: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes λ, 1−λ and weights of Beta(a, b): panels in t = logit λ, tails lumped at λ = 0, 1.

    The density of t is ∝ λ^a (1−λ)^b. A tail beyond |t| = REACH is ∝ e^{−a|t|} and its mass
    goes to the end point exactly, so a, b → 0 (λ ∈ {0, 1}) and a, b → ∞ (λ = a/(a+b)) both work.
    """

    mode = log(a / b)

    def log_density(t, of=math):  # relative to the mode, in a form that does not cancel for large a, b
        u = t - mode
        return a * u - (a + b) * of.log1p(a / (a + b) * of.expm1(u))

    ends = [_cut(log_density, mode, sign) for sign in (-1, 1)]
    sides = [panels(min(mode, e), max(mode, e), _count(abs(e - mode), refine)) for e in ends]
    t, w = (np.concatenate(parts) for parts in zip(*sides))
    # times ab/(a+b), so that tails stay finite as a, b → 0
    scale = a * b / (a + b)
    weight = w * scale * np.exp(log_density(t, np))
    hit = [abs(e - mode) == REACH for e in ends]
    tails = [h * exp(log_density(e)) * s / (a + b) for h, e, s in zip(hit, ends, (b, a))]
    lam = np.concatenate([[0.0], np.exp(-np.logaddexp(0, -t)), [1.0]])
    colam = np.concatenate([[1.0], np.exp(-np.logaddexp(0, t)), [0.0]])
    weight = np.concatenate([tails[:1], weight, tails[1:]])
    keep = weight > 0
    return lam[keep], colam[keep], weight[keep] / weight.sum()


def _cut(log_density, mode: float, sign: int) -> float:
    """Where the density has fallen by e^−DROP on one side of the mode, at most REACH away."""
    end = mode + sign * REACH
    if log_density(end) > -DROP:
        return end
    return bracketed_root(lambda t: log_density(t) + DROP, mode, end)


def graded_rule(refine: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [0, ½], graded geometrically towards 0: u = ½ e^−τ, 0 ≤ τ ≤ 45."""
    tau, w = panels(0.0, 45.0, _count(45.0, refine))
    u = 0.5 * np.exp(-tau)
    return u, w * u


def gauss(x: np.ndarray, weight: np.ndarray, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """N-point Gauss rule of a discrete measure, by Lanczos with full reorthogonalisation.

    Stops early when the measure has fewer points of support.
    """
    centre, spread = np.average(x, weights=weight), np.ptp(x) or 1.0
    y = (x - centre) / spread
    steps = min(nodes, len(x))
    basis = np.empty((steps + 1, len(x)))
    basis[0] = np.sqrt(weight / weight.sum())
    diagonal, off = [], []
    for n in range(steps):
        v, known = y * basis[n], basis[: n + 1]
        diagonal.append(float(v @ basis[n]))
        for _ in range(2):
            v = v - known.T @ (known @ v)
        off.append(float(np.linalg.norm(v)))
        if off[-1] < 1e-13:
            break
        basis[n + 1] = v / off[-1]
    n = len(diagonal)
    jacobi = np.diag(diagonal) + np.diag(off[: n - 1], 1) + np.diag(off[: n - 1], -1)
    node, vectors = np.linalg.eigh(jacobi)
    return centre + spread * node, vectors[0] ** 2


def beta_gauss(alpha: float, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """N-point Gauss rule of Beta(α, α) on [0, 1] (Golub–Welsch): exact to degree 2N − 1, for every α > 0.

    Symmetric to the last bit: above ½ a node is 1 − λ as floats have it.
    Jacobi matrix on [−1, 1]: zero diagonal, b_1² = 1/(2α+1), b_n² = n(n+2α−2)/((2n+2α−1)(2n+2α−3)).
    """
    n = np.arange(2, max(nodes, 2))
    off = n * (n + 2 * alpha - 2) / ((2 * n + 2 * alpha - 1) * (2 * n + 2 * alpha - 3))
    off = np.append(1 / (2 * alpha + 1), off)[: nodes - 1]
    node, vectors = np.linalg.eigh(np.diag(np.sqrt(off), 1) + np.diag(np.sqrt(off), -1))
    weight = vectors[0] ** 2
    node, weight = 0.5 * (node - node[::-1]), 0.5 * (weight + weight[::-1])
    lam = np.clip((1 + node) / 2, 0.0, 1.0)
    return np.where(node > 0, 1.0 - lam[::-1], lam), weight


def edge_gauss(rule, nodes: int):
    """N-point rational Gauss rule of a law of λ: exact for polynomials of degree 2N − 1 in u = tanh(logit(λ)/12)
    over D(u)², D = ((1+u)⁶ + (1−u)⁶)/2.

    As λ = (1+u)⁶/2D, from 7 nodes on E λ, E λ², and so E‖y‖² and every threshold of it, are those of the law; and
    polynomials in u resolve the edge layers at λ = 0 and 1: E‖y − p‖² at α = 1 and a up to 1e6 is known to 1e-8 by
    32 nodes and to 3e-11 by 48, where a rule in λ needs hundreds.
    A law symmetric about λ = ½ gets a rule that is so to the last bit, mirror nodes being equal.
    """
    lam, colam, weight = rule
    inside = (lam > 0) & (colam > 0)
    with np.errstate(divide="ignore"):
        t = np.where(inside, np.log(lam) - np.log(colam), np.where(lam > 0, REACH, -REACH))
    u = np.tanh(t / 12)
    u, weight = gauss(u, weight / _denominator(u), nodes)
    if np.allclose(u, -u[::-1], rtol=0, atol=1e-9) and np.allclose(weight, weight[::-1], atol=1e-9):
        u, weight = 0.5 * (u - u[::-1]), 0.5 * (weight + weight[::-1])
    weight = weight * _denominator(u)
    t = 12 * np.arctanh(np.clip(u, -1 + 1e-12, 1 - 1e-12))
    return np.exp(-np.logaddexp(0, -t)), np.exp(-np.logaddexp(0, t)), weight / weight.sum()


def _denominator(u: np.ndarray) -> np.ndarray:
    return (0.5 * ((1 + u) ** 6 + (1 - u) ** 6)) ** 2


def compress(lam, colam, weight, refine: int = 1):
    """Replace many points by a Gauss rule in each panel of logit λ (same accuracy, few nodes)."""
    keep = weight > weight.max() * 1e-40
    lam, colam, weight = lam[keep], colam[keep], weight[keep]
    inside = (lam > 0) & (colam > 0)
    with np.errstate(divide="ignore"):
        t = np.where(inside, np.log(lam) - np.log(colam), np.where(lam > 0, REACH, -REACH))
    t = np.clip(t, -REACH, REACH)
    width = PANEL / (2 * refine)
    cell = np.floor(t / width)
    rules = []
    for c in np.unique(cell):
        here = cell == c
        x, share = gauss(t[here], weight[here], NODES)
        rules.append((x, share * weight[here].sum()))
    node, mass = (np.concatenate(parts) for parts in zip(*rules))
    return np.exp(-np.logaddexp(0, -node)), np.exp(-np.logaddexp(0, node)), mass / mass.sum()


def product_rule(sticks) -> tuple[np.ndarray, np.ndarray]:
    """Points of a simplex by stick breaking: v_1 = s_1, v_2 = (1−s_1) s_2, …, the rest last."""
    values, left, weight = np.zeros((1, 0)), np.ones(1), np.ones(1)
    for lam, colam, w in sticks:
        values = np.repeat(values, len(lam), 0)
        part = np.outer(left, lam).ravel()
        left = np.outer(left, colam).ravel()
        weight = np.outer(weight, w).ravel()
        values = np.concatenate([values, part[:, None]], 1)
    return np.concatenate([values, left[:, None]], 1), weight
