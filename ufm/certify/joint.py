"""Certificate of global optimality for ANY classifier, features and bias: the maximum-entropy dual.

For L(W, h, b) = E_π[ℓ(W h + b, y) + (λ_H/2)‖h‖²] + (λ_W/2)‖W‖² (+ (λ_b/2)‖b‖²), c² = λ_W λ_H,

    min L = max { E_π[D(r)] − pen(E_π r) : E_π[r rᵀ] ⪯ c² I },      r = y − p,
    cross-entropy: D = Entropy(p), p ∈ Δ;      squared error: D = r·y − ½‖r‖²,
    pen(e) = 0 without a bias, ‖e‖²/(2λ_b) with a penalised one, and the constraint e = 0 with a free one.

Weak duality holds for any d, so L − D(any feasible r) bounds the distance to the global minimum. The
feasible residual is made from the candidate's own r = y − p: for a free bias its mean is removed
(by mixing p with a constant distribution), then it is shrunk towards zero by θ ≤ c/√λ_max(E r rᵀ).
For d ≥ K−1 the gap closes exactly at global minima. Rounding is added to the gap, never subtracted.

Imports neither theory nor optimize. Runs in numpy float64.
"""

from math import fsum
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

import ufm.rules.numbers as checked
from ufm.loss import LOSSES
from ufm.rules.errors import InputError
from ufm.rules.soft_labels import accept
from ufm.runtime.devices import exactly
from ufm.runtime.processes import ALONE, Group

EPS = float(np.finfo(np.float64).eps)
FREE = 0.0  # λ_b of a free bias; no bias is None


class JointCertificate(NamedTuple):
    """objective L; dual_objective; gap ≥ L − min L, rounding included; rounding, its share.

    lambda_max_ratio: λ_max(M)/(λ_W λ_H) − 1; with stationarity, ≤ 0 iff globally optimal (without
    a bias, or with E r = 0); stationarity: ‖∇L‖ over (W, √π h, b); imbalance: that of λ_W WᵀW and
    λ_H E h hᵀ, relative to the first; mean_residual: ‖E r‖; spectrum: eigenvalues of M = E r rᵀ.
    """

    objective: float
    dual_objective: float
    gap: float
    rounding: float
    lambda_max_ratio: float
    stationarity: float
    imbalance: float
    mean_residual: float
    spectrum: np.ndarray


def certify_joint(
    W: Float[np.ndarray, "K d"],
    H: Float[np.ndarray, "n d"],
    labels: Float[np.ndarray, "n K"],
    weights: Float[np.ndarray, "n"],
    lambda_w: float,
    lambda_h: float,
    *,
    b: Float[np.ndarray, "K"] | None = None,
    lambda_b: float | None = None,
    loss: str = "cross-entropy",
    group: Group = ALONE,
) -> JointCertificate:
    """Bound the suboptimality of any point. lambda_b: None no bias, 0 free, > 0 penalised.

    The processes of a group may divide the n labels among them, weights as in the whole; sums cross, no label does.
    Raises InputError for shapes that do not match, labels that are no probabilities (`ufm.rules.soft_labels`),
    weights that do not sum to one, a bias given without lambda_b, or penalties that are not positive and finite.
    """
    W, H, Y, weights, b, penalties = _check(
        W, H, labels, weights, lambda_w, lambda_h, b, lambda_b, loss, group
    )
    lambda_w, lambda_h, lambda_b = penalties
    Z, law = H @ W.T + b, _Law(Y, weights, int(group.total(len(Y))), group)
    residual, size = residuals(Z, Y, loss)
    objective, objective_error = _objective(W, H, Z, law, b, penalties, loss)
    dual, dual_error = _dual_value(residual, law, lambda_w * lambda_h, lambda_b, loss)
    # the logits' own rounding moves L by at most 2|dz| a label and D by as much again
    rounding = objective_error + dual_error + 8 * EPS * (H.shape[1] + 4) * float(law.mean(size))
    spectrum = np.linalg.eigvalsh(law.product(residual, residual))
    mean = law.mean(residual)
    slope_h = float(law.mean(np.sum((lambda_h * H - residual @ W) ** 2, 1)))
    slopes = (
        lambda_w * W - law.product(residual, H),
        (mean - (lambda_b or 0.0) * b) * (lambda_b is not None),
    )
    return JointCertificate(
        objective=objective,
        dual_objective=dual,
        gap=max(objective - dual, 0.0) + rounding,
        rounding=rounding,
        lambda_max_ratio=float(spectrum[-1] / (lambda_w * lambda_h) - 1),
        stationarity=float(np.sqrt(slope_h + sum(np.sum(s * s) for s in slopes))),
        imbalance=_imbalance(lambda_w * W.T @ W, lambda_h * law.product(H, H)),
        mean_residual=float(np.linalg.norm(mean)),
        spectrum=spectrum,
    )


class _Law(NamedTuple):
    """Labels (n, K) and weights (n), or a process's own part of both: sums run over all. n: labels in all."""

    Y: np.ndarray
    weights: np.ndarray
    n: int
    group: Group

    def mean(self, rows):
        """E of what is given for each label."""
        return self.group.total(self.weights @ rows)

    def product(self, left, right) -> np.ndarray:
        """E left rightᵀ."""
        return self.group.total((left * self.weights[:, None]).T @ right)

    def exact_mean(self, rows) -> np.ndarray:
        """E of rows (n, K) whose sums are exact but for the products, and one rounding a process."""
        return self.group.total(np.array([fsum(column) for column in (self.weights[:, None] * rows).T]))


def _check(W, H, labels, weights, lambda_w, lambda_h, b, lambda_b, loss, group):
    """All of it as float64 arrays and numbers; a process of a group may have no label of its own."""
    W = checked.array("W", W, ("K", "d"))
    K, d = W.shape
    n = 0 if group.count > 1 and np.size(weights) == 0 else "n"
    H = checked.array("H", H, (n, d))
    b, lambda_b = check_bias(b, lambda_b, K)
    penalties = checked.penalty("lambda_w", lambda_w), checked.penalty("lambda_h", lambda_h), lambda_b
    checked.choice("loss", loss, checked.LOSS_NAMES)
    weights = checked.weights("weights", weights, len(H), group.total)
    Y = np.zeros((0, K)) if n == 0 else accept(labels, "labels", (len(H), K))
    return W, H, Y, weights, b, penalties


def check_bias(b, lambda_b, classes: int) -> tuple[Float[np.ndarray, " K"], float | None]:
    """The bias, zeros without one, and its penalty; InputError for a bias that has none."""
    b = np.zeros(classes) if b is None else checked.array("b", b, (classes,))
    lambda_b = checked.bias_penalty("lambda_b", lambda_b)
    if lambda_b is None and b.any():
        raise InputError("a bias is given: say lambda_b = 0 (free) or its penalty")
    return b, lambda_b


def residuals(
    Z: Float[np.ndarray, "n K"], Y: Float[np.ndarray, "n K"], loss: str
) -> tuple[Float[np.ndarray, "n K"], Float[np.ndarray, " n"]]:
    """r = −∂ℓ/∂z, each largest-label entry minus the others; and the scale of each row of logits."""
    with exactly():
        residual = -np.asarray(_vmapped(loss)[0](Z, Y))
    return residual, 1.0 + np.abs(Z).max(1)


def losses(Z: Float[np.ndarray, "n K"], Y: Float[np.ndarray, "n K"], loss: str) -> Float[np.ndarray, " n"]:
    """ℓ of each row."""
    with exactly():
        return np.asarray(_vmapped(loss)[1](Z, Y))


def _vmapped(loss: str):
    if loss not in _COMPILED:
        value = LOSSES[loss].value
        _COMPILED[loss] = (jax.jit(jax.vmap(jax.grad(value))), jax.jit(jax.vmap(value)))
    return _COMPILED[loss]


_COMPILED: dict = {}


def _objective(W, H, Z, law: _Law, b, penalties, loss):
    """L and a bound on the rounding of its sums (positive terms, so relative)."""
    lambda_w, lambda_h, lambda_b = penalties
    fit = losses(Z, law.Y, loss)
    parts = (
        law.mean(fit),
        0.5 * lambda_h * float(law.mean(np.sum(H * H, 1))),
        0.5 * lambda_w * float(np.sum(W * W)),
    )
    total = float(sum(parts)) + 0.5 * (lambda_b or 0.0) * float(b @ b)
    terms = law.n + Z.shape[1] + W.size + H.shape[1]
    scale = float(law.mean(np.abs(fit) + 1.0 + np.abs(Z).max(1)))
    return total, EPS * (Z.shape[1] + 16) * scale + EPS * terms * total


def _dual_value(residual, law: _Law, product, lambda_b, loss):
    """A feasible dual value and its rounding, from the candidate's residual."""
    if lambda_b is None:
        return _feasible_value(residual, law, product, None, loss)
    centred = _centred_residual(residual, law, loss)
    free = _feasible_value(centred, law, product, FREE, loss)
    if lambda_b == FREE:
        return free
    # E r = 0 is feasible for a penalised bias too, at no penalty
    return max(free, _feasible_value(residual, law, product, lambda_b, loss), key=lambda pair: pair[0])


def _feasible_value(r, law: _Law, product, lambda_b, loss):
    """The dual value of a residual after shrinking it to E r rᵀ ⪯ c² I, and its rounding."""
    n, K = law.n, r.shape[1]
    theta = shrinkage(law.product(r, r), n, product)
    if loss == "squared-error":
        return _squared_dual(r, law, theta, lambda_b)
    theta = min(theta, 1.0)
    entropy, slope = (float(law.mean(part)) for part in entropies(r, law.Y, theta))
    value = entropy - mean_penalty(theta * law.mean(r), lambda_b)
    return value, EPS * ((K + 16) * slope + n * entropy + 8 * abs(value))


def shrinkage(M: Float[np.ndarray, "K K"], n: int, product: float) -> float:
    """θ with θ² M ⪯ c² I in spite of the rounding of M = E r rᵀ, a mean of n terms."""
    largest = float(np.linalg.eigvalsh(M)[-1]) + EPS * (n + 8 * len(M)) * float(np.trace(M)) + 1e-300
    return float(np.sqrt(product / largest) * (1 - 4 * EPS))


def entropies(
    r: Float[np.ndarray, "n K"], Y: Float[np.ndarray, "n K"], theta: float
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Ent(p) of p = y − θ r, and how fast it moves with rounding: p is off by ε a unit of y and p, with slope
    |log p| + 1."""
    p = np.clip(Y - theta * r, 0.0, 1.0)
    log_p = np.log(np.where(p > 0, p, 1.0))
    return -np.sum(p * log_p, 1), np.sum((Y + p) * (1 + np.abs(log_p)), 1)


def _squared_dual(r, law: _Law, theta, lambda_b):
    linear, square = float(law.mean(np.sum(r * law.Y, 1))), float(law.mean(np.sum(r * r, 1)))
    value = squared_value(linear, square, law.mean(r), theta, lambda_b)
    return value, EPS * (law.n * r.shape[1] + 16) * (abs(linear) + square + abs(value))


def squared_value(
    linear: float, square: float, mean: Float[np.ndarray, " K"], theta: float, lambda_b
) -> float:
    """Largest of θ E r·y − θ² E‖r‖²/2 − pen(θ E r) over 0 ≤ θ ≤ the given one: the dual of squared error."""
    cost = square + (float(mean @ mean) / lambda_b if lambda_b else 0.0)
    theta = max(0.0, min(theta, linear / cost if cost > 0 else 0.0))
    return theta * linear - 0.5 * theta**2 * cost


def mean_penalty(mean: Float[np.ndarray, " K"], lambda_b: float | None) -> float:
    """‖E r‖²/(2λ_b) for a penalised bias."""
    return float(mean @ mean) / (2 * lambda_b) if lambda_b else 0.0


def _centred_residual(r, law: _Law, loss):
    """A residual with E r = 0. Squared error: subtract the mean; cross-entropy: see `centring`."""
    mean = law.exact_mean(r)
    if loss == "squared-error":
        return r - mean
    t, s = centring(mean, law.mean(law.Y), 16 + law.group.count)
    return (1 - t) * r + t * (law.Y - s)


def centring(
    mean: Float[np.ndarray, " K"], target: Float[np.ndarray, " K"], units: int
) -> tuple[float, Float[np.ndarray, " K"]]:
    """(t, s) with E[(1−t) r + t (y − s)] = 0, mean = E r, target = E y: p'' = (1−t) p + t s has E p'' = E y.

    s is a distribution. The least t in (0, 1] that leaves s ≥ 0 (t = 1, s = E y always does), and enough more
    that the rounding of the mean, `units` ε, cannot make the exact s negative.
    """
    short = np.where(mean < 0, -mean, 0.0)
    # s = target + (1−t)/t · mean ≥ 0
    need = np.max(np.where(short > 0, short / np.where(short > 0, short + target, 1.0), 0.0))
    t = min(1.0, need + units * EPS / float(np.min(target, where=target > 0, initial=1.0)))
    s = np.clip(target + (1 - t) / t * mean, 0.0, None)
    return t, s / s.sum()


def _imbalance(left, right) -> float:
    size = np.linalg.norm(left)
    return float(np.linalg.norm(left - right) / size) if size > 0 else float(np.linalg.norm(right))
