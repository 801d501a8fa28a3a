"""Small penalties: logits know how many classes a label names, and no longer how much of each.

At the joint optimum of an exchangeable law E‖z‖² = a² E‖r‖² = a² (K−1) c², c² = λ_W λ_H. With n(y) the number of
non-zero entries of a label, as c → 0,

    a c √(K−1)/log a → √E[n(1 − n/K)]:      one-hot √(1−1/K), mixup √((1−1/K)(2−3/K)) for every α.

Convergence is 1/log (K = 10, α = 1: 14 % off at c = 5e-4, 5 % at 1e-30): show it beside finite values.
(New here; proved in `proofs/support_size.py`.)
"""

import numpy as np
from jaxtyping import Float

from ufm.model.laws import LabelLaw, pattern_rule
from ufm.theory.multiplier import joint_multiplier


def support_limit(law: LabelLaw, classes: int) -> float:
    """√E[n(1 − n/K)] of an exchangeable law: mixup, CutMix, k-way, one-hot, smoothed or not."""
    if law.smoothing > 0:
        return 0.0  # every label names all classes
    if law.name != "kway":
        same = {"all": 1 / classes, "same": 1.0, "different": 0.0}[law.pairs]
        return float(np.sqrt(same * (1 - 1 / classes) + (1 - same) * 2 * (1 - 2 / classes)))
    found = pattern_rule(law, classes)
    n = np.sum(found.counts * (found.values > 0), 1)
    return float(np.sqrt(found.weights @ (n * (1 - n / classes))))


def support_ratio(law: LabelLaw, classes: int, c) -> Float[np.ndarray, " n"]:
    """a c √(K−1)/log a of the jointly optimal a at λ_W = λ_H = c, for each c."""
    found = []
    for value in np.atleast_1d(c):
        a = joint_multiplier(law, classes, float(value), float(value)).sharpness
        found.append(a * value * np.sqrt(classes - 1) / np.log(a))
    return np.array(found)
