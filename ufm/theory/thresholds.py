"""Thresholds of λ_W λ_H at which the joint optimum changes its shape, known before solving.

Triviality, any law, loss, bias and dimension: W = 0 iff λ_max(E[(y − p₀)(y − p₀)ᵀ/ρ]) ≤ λ_W λ_H, p₀ what the best
bias alone predicts: without one 1/K, 0 (squared error), 1/2 (binary cross-entropy); E y with a free one. A
penalised one is b = (E y − p₀)/λ_b: logits of the label E y at sharpness 1/λ_b, or of two classes at 1/(2λ_b) each.
Minority collapse, mixup with i, j drawn independently from class weights q: classes of the same weight q_B
collapse onto one point if, for d ≥ K − 1 exactly if, ρ q_B ≤ λ_W λ_H, ρ = E[λ² + (1−λ)²]; one-hot: ρ = 1; with
smoothing δ, (1−δ)² ρ q_B.
(Re-derived; for one-hot labels Fang et al. 2021, Dang et al. 2023.)
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ufm.model.atoms import FiniteLaw
from ufm.model.laws import LabelLaw, mixing_rule
from ufm.model.quadrature import edge_gauss
from ufm.theory.features import solve_patterns


class Threshold(NamedTuple):
    """Below `value` of λ_W λ_H the named thing is alive; ratio = λ_W λ_H/value: ≥ 1 is beyond it."""

    name: str
    value: float
    ratio: float


def triviality(
    law: FiniteLaw, product: float, loss: str = "cross-entropy", lambda_b: float | None = None
) -> Threshold:
    """λ_max of E[(y − p₀)(y − p₀)ᵀ/ρ]: at and above it W = 0."""
    r = law.labels - bias_predictions(law, loss, lambda_b)
    value = float(np.linalg.eigvalsh((r * law.pulls[:, None]).T @ r)[-1])
    return Threshold("trivial", value, product / value if value > 0 else float("inf"))


def bias_predictions(law: FiniteLaw, loss: str, lambda_b: float | None) -> Float[np.ndarray, " K"]:
    """p₀ (K), what the best bias predicts of every label where W = 0."""
    K, mean = law.classes, law.weights @ law.labels
    if lambda_b is None:
        return np.full(K, {"cross-entropy": 1 / K, "squared-error": 0.0}.get(loss, 0.5))
    if lambda_b == 0:
        return mean
    if loss == "squared-error":
        return mean / (1 + lambda_b)
    if loss == "cross-entropy":
        return _shares(mean[None], 1 / lambda_b)[0]
    return _shares(np.stack([mean, 1 - mean], 1), 0.5 / lambda_b)[:, 0]


def _shares(labels, a: float) -> np.ndarray:
    return np.asarray(solve_patterns(labels, np.ones_like(labels), a).p)


def minority_collapse(
    law: LabelLaw, classes: int, product: float, atoms: FiniteLaw | None = None
) -> list[Threshold]:
    """One threshold for each group of two or more classes of equal weight; empty where no theorem applies.

    ρ q_B of the continuous law, or of its finite version `atoms`: there ½ E(y_k − y_l)², k, l in the group.
    """
    if law.class_weights is None or law.exchangeable or not (law.pairs == "all" or law.name == "onehot"):
        return []
    weights, sizes = np.unique(law.class_weights, return_counts=True)
    found = []
    for q, n in zip(weights, sizes):
        if n > 1:
            value = _swap_moment(law, atoms, q)
            if value is None:
                continue
            found.append(Threshold(f"collapse of the {n} classes of weight {q:g}", value, product / value))
    return found


def _swap_moment(law: LabelLaw, atoms: FiniteLaw | None, q: float) -> float | None:
    """½ E(y_k − y_l)² for two classes of weight q; None where drawn labels break their symmetry."""
    if atoms is None:
        return (1 - law.smoothing) ** 2 * mixing_concentration(law) * q
    group = np.flatnonzero(np.asarray(law.class_weights) == q)
    means = atoms.weights @ atoms.labels[:, group]
    if np.ptp(means) > 1e-12:
        return None
    apart = atoms.labels[:, group[0]] - atoms.labels[:, group[1]]
    return float(0.5 * atoms.weights @ apart**2)


def cyclic_variance(law: LabelLaw, classes: int) -> float:
    """λ_max of the label covariance of cyclic pairs, K ≥ 3: its slowest Fourier mode,
    (ρ + (1−ρ) cos(2π/K))/K, the others being (ρ + (1−ρ) cos(2πn/K))/K."""
    rho = mixing_concentration(law)
    return (1 - law.smoothing) ** 2 * (rho + (1 - rho) * np.cos(2 * np.pi / classes)) / classes


def mixing_concentration(law: LabelLaw) -> float:
    """ρ = E[λ² + (1−λ)²]; mixup: (α+1)/(2α+1); one-hot: 1."""
    rule = mixing_rule(law)
    return float(rule.weight @ (rule.lam**2 + rule.colam**2))


def concentration_error(law: LabelLaw, nodes: int) -> float:
    """How far a rule of so many nodes moves ρ, relatively."""
    lam, colam, weight = edge_gauss(mixing_rule(law), nodes)
    return abs(float(weight @ (lam**2 + colam**2)) / mixing_concentration(law) - 1)
