"""Where the minority collapses in the layer-peeled model: ‖W‖²/K ≤ E, E‖h‖² ≤ E, one-hot labels of two weights.

A budget is a penalty with another number for its size: the optimum is that of some c² = λ_W λ_H, √(K E_W E_H)
is its nuclear norm ‖Z diag(√q)‖_*. The minority is one point iff q_B ≤ c² (`minority_collapse`). So the curve is
the nuclear norm at c² = q_B, where the minority is still one point and everything is symmetric: with a large
classes of weight q_A and b small ones, m the probability of a small class on a large one's sample, t of a large
one on a small one's, p and s of the own and of another large one on a large one's,

    p − s = 1 − c/√q_A                                  E rrᵀ = c² between large classes,
    (1/a + 1/b)(a q_A (b m)² + b q_B (a t)²) = c²       E rrᵀ = c² between large and small,
    a t (mean log p − log m) + b m log(b t/(1 − a t)) = 0     z proportional to r in that direction.
"""

import numpy as np

from ufm.model.laws import LabelLaw
from ufm.model.roots import bracketed_root
from ufm.theory.thresholds import minority_collapse


def collapse_budget(major: int, minor: int, imbalance: float) -> float:
    """√(E_W E_H) up to which the small classes are one point; imbalance: q_A/q_B > 1."""
    a, b = major, minor
    small = 1 / (a * imbalance + b)
    large, weights = imbalance * small, (imbalance * small,) * a + (small,) * b
    law = LabelLaw("onehot", class_weights=weights)
    c2 = minority_collapse(law, a + b, 1.0)[0].value
    across, ahead = 1 / a + 1 / b, 1 - np.sqrt(c2 / large)

    def probabilities(m):
        s = (1 - ahead - b * m) / a
        t = np.sqrt((c2 / across - a * large * (b * m) ** 2) / (b * small)) / a
        return s, s + ahead, t

    def logits(m):
        """Large less small classes, of a large one's sample and of a small one's."""
        s, p, t = probabilities(m)
        return (np.log(p) + (a - 1) * np.log(s)) / a - np.log(m), np.log(b * t / (1 - a * t))

    def mismatch(m):
        here, there = logits(m)
        return probabilities(m)[2] * a * here + b * m * there

    high = min((1 - ahead) / b, np.sqrt(c2 / across / (a * large)) / b)  # s = 0 or t = 0
    m = bracketed_root(mismatch, 1e-12 * high, high * (1 - 1e-12))
    s, p, _ = probabilities(m)
    here, there = logits(m)
    size = (a - 1) * np.sqrt(large) * np.log(p / s)
    size += np.sqrt((a * large * here**2 + b * small * there**2) / across)
    return float(size / np.sqrt(a + b))
