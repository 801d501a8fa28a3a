"""Minority collapse under budgets ‖W‖²/K ≤ E_W, E‖h‖² ≤ E_H: one-hot, a classes of weight q_A, b of q_B < q_A.

The optimum is that of some penalties, whose c² = λ_W λ_H falls as the budgets grow; the b small classes are one
point iff c² ≥ q_B. At c² = q_B, with ρ = √(q_B/q_A), a sample of a large class gives each small one ρμ/K, each
other large one s, its own p; a sample of a small class gives each large one τ/K:

    bμ² + aτ² = K,   s = ρ(K − bμ)/(aK),   p = s + 1 − ρ,
    x = (log p + (a−1) log s)/a − log(ρμ/K) = bρμ/(aτ) log((K − aτ)/(bτ)),
    √(E_W E_H) = √(q_A/K) ((a−1) log(p/s) + a x/μ).

x, the gap between large and small classes, rises in τ on the left and falls on the right: one root, 0 < τ < 1.
(Re-derived here; no earlier source known.)
"""

import numpy as np

from ufm.model.roots import bracketed_root

LOWEST = -700.0  # of log τ, which is above log ρ or so


def collapse_budget(major: int, minor: int, imbalance: float) -> float:
    """√(E_W E_H) up to which the b = `minor` ≥ 2 classes are one point beside a = `major` ones; R = q_A/q_B ≥ 1.

    0 at R = 1, where nothing collapses before W = 0; it grows like ((a−1) + √(b/K)) log R/(2√(aK)).
    """
    a, b = major, minor
    K, rho = a + b, imbalance**-0.5

    def gaps(log_tau: float):
        """μ, log(p/s), x and log((K − aτ)/(bτ)); differences from τ = μ = 1 without cancellation."""
        less = -np.expm1(log_tau)  # 1 − τ
        mu = np.sqrt(1 - a / b * np.expm1(2 * log_tau))
        more = -a / b * np.expm1(2 * log_tau) / (1 + mu)  # μ − 1
        ahead = np.log1p(-np.expm1(-0.5 * np.log(imbalance)) * a * K / (rho * (a - b * more)))
        return mu, ahead, ahead / a + np.log1p(-K * more / (a * mu)), np.log1p(a / b * less) - log_tau

    def mismatch(log_tau: float) -> float:
        mu, _, x, back = gaps(log_tau)
        return float(a * np.exp(log_tau) * x - b * rho * mu * back)

    mu, ahead, x, _ = gaps(bracketed_root(mismatch, LOWEST, 0.0))
    return float(np.sqrt(1 / (a + b / imbalance) / K) * ((a - 1) * ahead + a * x / mu))
