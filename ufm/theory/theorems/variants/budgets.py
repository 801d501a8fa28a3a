"""The theorem on minority collapse under budgets: a side of a threshold, held against the budgets' multiplier.

At the optimum √λ_max(E rrᵀ), r = y − p, is the multiplier c of the budgets, and the small classes are one point iff
q_B ≤ c². At any point it is off by √(E‖p − p*‖²) ≤ √(2 gap) at most (Pinsker), so that it decides both sides,
whatever the closed form says.
"""

from functools import partial

import numpy as np

import ufm.theory.theorems.assumptions as given
from ufm.theory.theorems.joint import (
    EPS,
    apart_finding,
    held_against_moment,
    merged_divergence,
    root_finding,
)
from ufm.theory.theorems.theorem import (
    Assumption,
    Finding,
    JointOptimum,
    Setting,
    Theorem,
    VariantClaim,
    VariantOptimum,
)
from ufm.theory.theorems.variants.found import as_joint
from ufm.theory.variants.budgets import collapse_budget


def _two_weights(setting: Setting) -> str | None:
    law = setting.law
    if law.name != "onehot" or law.labels is not None or law.smoothing:
        return "the labels are not one-hot"
    counts = np.unique(law.class_weights or 1.0, return_counts=True)[1]
    if len(counts) != 2:
        return f"the number of class weights is {len(counts)}, not 2"
    return None if counts[0] > 1 else "one class alone has the smaller weight"


TWO_WEIGHTS = Assumption(
    r"labels $e_k$, $a$ classes of weight $q_A$ and $b \ge 2$ of weight $q_B < q_A$",
    _two_weights,
    ("balance", ("weighted",)),
)


def _of_multiplier(share: float, found: JointOptimum, _) -> tuple[float, float]:
    """share/c² − 1 of the multiplier c, and how much more it may be at the optimum."""
    c = float(np.sqrt(np.linalg.eigvalsh(found.M)[-1]))
    off = float(np.sqrt(2 * found.gap)) + 64 * EPS * len(found.M)
    most = share / (c - off) ** 2 if off < c else np.inf
    return share / c**2 - 1, most - share / c**2


def budget_finding(setting: Setting, optimum: VariantOptimum, share=lambda K: 1.0) -> Finding:
    """The small classes are one point iff √(E_W E_H) is at most the closed form, times share(K)."""
    q = np.asarray(setting.law.class_weights)
    group = np.flatnonzero(q == q.min())
    budget = float(np.sqrt(np.prod(setting.shaped.variant.numbers)))
    most = collapse_budget(len(q) - len(group), len(group), q.max() / q.min())
    found = as_joint(setting, optimum, optimum.H @ optimum.W.T)
    found = found._replace(excess=partial(_of_multiplier, float(q.min()), found))
    divergence = merged_divergence(setting.joint.atoms.weights, found, group)
    flat = budget <= share(len(q)) * most
    finding = (
        root_finding(0.0, float(np.sqrt(divergence)), divergence, found)
        if flat
        else apart_finding(divergence, found)
    )
    return held_against_moment(finding, flat, found, group)


LAYER_PEELED_MINORITY = Theorem(
    name="layer-peeled-minority",
    title="Under budgets the rare classes are one point up to the root of one equation",
    statement=r"\tfrac1K\|W\|^2 \le E_W,\ \mathbb{E}\|h\|^2 \le E_H,\ \rho = \sqrt{q_B/q_A}: \quad"
    r" w_k = w_l \ (k, l \in B) \iff \sqrt{E_WE_H} \le"
    r" \sqrt{\tfrac{q_A}{K}}\big((a-1)\log\tfrac ps + \tfrac{ax}{\mu}\big), \quad"
    r" b\mu^2 + a\tau^2 = K,\ s = \tfrac{\rho(K - b\mu)}{aK},\ p = s + 1 - \rho, \quad"
    r" x = \tfrac1a\log(ps^{a-1}) - \log\tfrac{\rho\mu}{K} ="
    r" \tfrac{b\rho\mu}{a\tau}\log\big(\tfrac{K - a\tau}{b\tau}\big)",
    assumptions=(given.CROSS_ENTROPY, TWO_WEIGHTS, given.ROOM),
    claim=VariantClaim("layer-peeled", budget_finding),
    quantity="√ of the mean divergence from predictions equal on B: zero up to the budget, not beyond, as the"
    " multiplier λ_max(E rrᵀ) of the best point decides",
    source="re-derived here; the phenomenon: Fang et al. 2021 (arXiv:2101.12699)",
)
