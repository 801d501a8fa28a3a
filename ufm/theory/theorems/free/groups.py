"""A theorem on label laws whose classes come in superclasses that may be permuted."""

import numpy as np
from jaxtyping import Int

import ufm.theory.theorems.assumptions as given
from ufm.theory.geometry.groups import group_optimum, read_groups
from ufm.theory.theorems.free.exact import predicted_finding
from ufm.theory.theorems.joint import held_against_moment
from ufm.theory.theorems.theorem import Assumption, Finding, JointClaim, JointOptimum, Setting, Theorem


def superclasses(setting: Setting) -> Int[np.ndarray, " K"] | str:
    """The groups of the finite law, or why it has none. Cyclic pairs of four classes: opposite ones are a group."""
    law, K = setting.problem.law, setting.problem.classes
    if law.labels is None and not (law.pairs == "cyclic" and K == 4):
        return "the label law knows no superclasses: give labels that have some"
    return read_groups(setting.joint.atoms.labels, setting.joint.atoms.weights)


def _broken(setting: Setting) -> str | None:
    found = superclasses(setting) if setting.problem.lambda_w > 0 and setting.rho is None else None
    return found if isinstance(found, str) else None


def _superclass(setting: Setting, optimum: JointOptimum) -> Finding:
    """The predictions at the roots of the two equations; the numbers shown are the row norm √(tr G/K)."""
    groups, joint = superclasses(setting), setting.joint
    assert not isinstance(groups, str)  # the assumption holds
    K, count = len(groups), len(set(groups.tolist()))
    best = group_optimum(joint.atoms.labels, joint.atoms.weights, groups, joint.lambda_w, joint.lambda_h)
    size = np.sqrt(((K - count) * best.within + (count - 1) * best.between) / K)
    numbers = float(size), float(np.linalg.norm(optimum.W) / np.sqrt(K))
    found = predicted_finding(setting, optimum, best.p, *numbers)
    return held_against_moment(found, bool(size == 0), optimum)


SUPERCLASSES = Assumption(
    "classes in groups of as many, left as they are by permutations of the groups and within each",
    _broken,
    given.BALANCED,
)
SUPERCLASS_LAWS = Theorem(
    name="superclass-laws",
    title="Superclasses that may be permuted: two gains, two equations",
    statement=r"WW^\top = g_wP_w + g_bP_b, \quad \mathrm{tr}(P\,\mathbb{E}(y-p)(y-p)^\top) = \lambda_W\lambda_H\,"
    r"\mathrm{rank}\,P \ \text{for each } g > 0, \ \le \text{for } g = 0, \quad p ="
    r" \mathrm{softmax}(WW^\top(y-p)/\lambda_H); \quad g_w = 0 \iff \mathbb{E}\|P_wy\|^2 \le"
    r" \lambda_W\lambda_H\,\mathrm{rank}\,P_w",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, SUPERCLASSES, given.ROOM),
    claim=JointClaim(_superclass),
    quantity="√E KL(p_theory ‖ p) of the blind joint optimum; the numbers shown are ‖W‖_F/√K",
    source="re-derived here; no earlier source known",
)

GROUPED = (SUPERCLASS_LAWS,)
