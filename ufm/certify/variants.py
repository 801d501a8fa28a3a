"""A lower bound on the minimum of a problem of another shape, from any candidate: where its relaxation is convex.

With r = y − p, p the candidate's predictions, and D(r) as in `dual` (the entropy of p, or r·y − ½‖r‖²), all W, h
have

    E ℓ(W h, y) ≥ E D(r) − E rᵀW h,   E rᵀW h ≤ ‖W‖ √(E‖h‖²) √λ_max(E r rᵀ).

norm-constrained, layer-peeled: ‖W‖² E‖h‖² ≤ K R_W² R_H², K E_W E_H. relu-features: for h ≥ 0 the penalties outweigh
E rᵀW h if c² I − A is copositive, A_kl = √(q_k q_l) r_k·r_l; less than λ_max(max(A, 0)) ≤ c², to which r is shrunk.
max-margin: multipliers m ≥ 0 with ‖Σ m a eₙᵀ/√q‖ ≤ c give Σ m b. contrastive: the loss is convex in the Gram matrix
X of the features, so f(X) ≥ f(X̂) + ⟨S, X − X̂⟩ and ⟨S, X⟩ ≥ ρ² Σ ν for diag ν ⪯ S. ordinal: ℓ is convex, so
ℓ(z) ≥ t (ℓ(ẑ) + ℓ'(ẑ)(z − ẑ)) + (1−t) min ℓ, 0 ≤ t ≤ 1, and c √(E z²) outweighs t E ℓ'(ẑ) z as soon as
t √(E ℓ'(ẑ)²) ≤ c. For deep-linear, softmax-codes and focal no bound is known here (not convex): what is found there
is found, and no more. logit-adjusted: E D(r) − E r·τ log E y of residuals shrunk to λ_max(E r rᵀ) ≤ c².
"""

from collections.abc import Callable

import numpy as np
from scipy.special import expit, log_softmax, softmax

from ufm.model.rows import EPS
from ufm.model.variants.problem import VariantProblem, margins

UNITS = 64  # of rounding, of the sum of absolute terms


def lower_bound(problem: VariantProblem, W, H, multipliers=()) -> float | None:
    """A number that no feasible point goes below, rounding included; None where none is known."""
    bound = BOUNDS.get(problem.variant.kind)
    if bound is None:
        return None
    value, size = bound(problem, np.asarray(W, float), np.asarray(H, float), np.asarray(multipliers, float))
    return value - UNITS * EPS * sum(problem.size) * (size + abs(value))


def _size(H, W) -> float:
    """One, or the largest a logit can be made of."""
    return 1 + H.shape[1] * float(np.abs(H).max() * np.abs(W).max())


def _residuals(problem: VariantProblem, W, H, share: float = 1.0):
    """r = share (y − p), and E D(r)."""
    Y, q = problem.joint.atoms.labels, problem.joint.atoms.weights
    Z = H @ W.T
    if problem.joint.loss == "squared-error":
        r = share * (Y - Z)
        return r, float(q @ np.sum(r * Y - r**2 / 2, 1))
    P = softmax(Z, 1)
    if share == 1:
        return Y - P, float(-q @ np.sum(P * log_softmax(Z, 1), 1))
    P = Y - share * (Y - P)
    logs = np.log(P, out=np.zeros_like(P), where=P > 0)
    return Y - P, float(-q @ np.sum(P * logs, 1))


def _budget(problem: VariantProblem, W, H, _):
    """E D(r) − √(K …) √λ_max(E r rᵀ)."""
    one, other = problem.variant.numbers
    product = one * other if problem.variant.kind == "norm-constrained" else float(np.sqrt(one * other))
    r, value = _residuals(problem, W, H)
    q, K = problem.joint.atoms.weights, problem.joint.classes
    most = float(np.sqrt(K) * product * np.linalg.norm(r * np.sqrt(q)[:, None], 2))
    return value - most, most + _size(H, W)


def _nonnegative(problem: VariantProblem, W, H, _):
    """E D of the residuals shrunk until no h ≥ 0 gains from them."""
    r, _ = _residuals(problem, W, H)
    scaled = r * np.sqrt(problem.joint.atoms.weights)[:, None]
    most = float(np.linalg.eigvalsh(np.maximum(scaled @ scaled.T, 0.0))[-1])
    share = min(1.0, float(np.sqrt(problem.joint.product / most)) * (1 - 8 * EPS)) if most > 0 else 1.0
    return _residuals(problem, W, H, share)[1], _size(H, W)


def _adjusted(problem: VariantProblem, W, H, _):
    """E D(r) − E r·o of residuals shrunk to λ_max(E r rᵀ) ≤ c², o = τ log E y."""
    Y, q = problem.joint.atoms.labels, problem.joint.atoms.weights
    prior = problem.variant.numbers[0] * np.log(q @ Y)
    r = Y - softmax(H @ W.T + prior, 1)
    size = float(np.linalg.norm(r * np.sqrt(q)[:, None], 2))
    share = min(1.0, float(np.sqrt(problem.joint.product)) / size * (1 - 8 * EPS)) if size > 0 else 1.0
    P = Y - share * r
    logs = np.log(P, out=np.zeros_like(P), where=P > 0)
    return float(-q @ np.sum(P * logs + share * r * prior, 1)), _size(H, W) + float(np.abs(prior).max())


def _margins(problem: VariantProblem, W, H, multipliers):
    """Σ m b, of the multipliers brought to ‖Λ‖ ≤ c."""
    joint = problem.joint
    a, i, j, least = margins(joint.atoms.labels)
    if multipliers.shape != a.shape:
        return 0.0, 0.0
    m, columns = np.maximum(multipliers, 0.0), np.zeros(joint.atoms.labels.shape)
    np.add.at(columns, (a, i), m)
    np.add.at(columns, (a, j), -m)
    size = float(np.linalg.norm(columns / np.sqrt(joint.atoms.weights)[:, None], 2))
    share = min(1.0, float(np.sqrt(joint.product)) / size) if size > 0 else 1.0
    return share * float(m @ least), float(np.abs(m).sum())


def _pairs(problem: VariantProblem, W, H, _):
    """The tangent of the loss at X̂ = H Hᵀ, least over X ⪰ 0 with diagonal ρ²."""
    copies, radius = int(problem.variant.numbers[0]), problem.variant.numbers[1]
    N = problem.joint.classes * copies
    one = np.eye(N, dtype=bool)
    same = np.arange(N)[:, None] // copies == np.arange(N) // copies
    X = H @ H.T
    logits = np.where(one, -np.inf, X)
    p, positive = softmax(logits, 1), (same & ~one) / (copies - 1)
    fit = -float(np.sum(log_softmax(logits, 1)[positive > 0])) / (copies - 1)
    S = (p - positive + (p - positive).T) / 2
    nu = np.sum(S * X, 1) / radius**2
    nu = nu + np.linalg.eigvalsh(S - np.diag(nu))[0]
    return fit - float(np.sum(S * X)) + radius**2 * float(nu.sum()), float(np.abs(S * X).sum()) + N * _size(
        H, H
    )


def _scores(problem: VariantProblem, w, H, _):
    """Tangents of the losses of one score, flattened until the penalties outweigh their slopes."""
    joint, inner = problem.joint, np.asarray(problem.variant.numbers)
    low, high = np.concatenate([[-np.inf], inner]), np.concatenate([inner, [np.inf]])
    own = np.argmax(joint.atoms.labels, 1)
    a, b, z, q = low[own], high[own], H @ w[0], joint.atoms.weights
    within = -np.log(-np.expm1(a - b))
    tangent = np.logaddexp(0.0, z - b) + np.logaddexp(0.0, a - z) + within
    slope = expit(z - b) - expit(a - z)
    least = 2 * np.logaddexp(0.0, (a - b) / 2) + within  # midway; 0 of the outer classes
    steepness = float(np.sqrt(q @ slope**2))
    share = min(1.0, float(np.sqrt(joint.product)) * (1 - 8 * EPS) / steepness) if steepness > 0 else 1.0
    size = float(np.abs(inner).max()) + float(q @ (np.abs(tangent) + within)) + _size(H, w)
    return share * float(q @ (tangent - slope * z)) + (1 - share) * float(q @ least), size


BOUNDS: dict[str, Callable] = {
    "norm-constrained": _budget,
    "layer-peeled": _budget,
    "relu-features": _nonnegative,
    "max-margin": _margins,
    "contrastive": _pairs,
    "logit-adjusted": _adjusted,
    "ordinal": _scores,
}
