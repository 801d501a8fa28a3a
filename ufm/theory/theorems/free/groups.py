"""Theorems on label laws with a symmetry less than all permutations: of superclasses, of a cycle of classes."""

import numpy as np
from jaxtyping import Int

import ufm.theory.theorems.assumptions as given
from ufm.theory.geometry.groups import (
    block_optimum,
    cyclic_projections,
    group_optimum,
    read_cycle,
    read_groups,
)
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


# --- cycles --------------------------------------------------------------------------------------


def _uncyclic(setting: Setting) -> str | None:
    law = setting.problem.law
    if setting.problem.lambda_w == 0 or setting.rho is not None:
        return None  # another hypothesis' to say
    if law.labels is None and law.pairs != "cyclic":
        return "the label law has no order of classes: give labels, or cyclic pairs"
    return read_cycle(setting.joint.atoms.labels, setting.joint.atoms.weights)


def circulant_finding(setting: Setting, optimum: JointOptimum) -> Finding:
    """The predictions at the roots of the equations of all frequencies; the numbers shown are √(tr G/K)."""
    joint, K = setting.joint, setting.problem.classes
    P = cyclic_projections(K)
    best = block_optimum(joint.atoms.labels, joint.atoms.weights, P, joint.lambda_w, joint.lambda_h)
    size = float(np.sqrt(best.gains @ np.trace(P, axis1=1, axis2=2) / K))
    found = predicted_finding(setting, optimum, best.p, size, float(np.linalg.norm(optimum.W) / np.sqrt(K)))
    return held_against_moment(found, size == 0, optimum)


CYCLE = Assumption(
    r"the shift $k \to k+1$ of all classes leaves the label law as it is", _uncyclic, given.BALANCED
)
CIRCULANT_LAWS = Theorem(
    name="circulant-laws",
    title="Classes on a cycle: W Wᵀ is circulant, a gain for each frequency",
    statement=r"WW^\top = \textstyle\sum_fg_fP_f, \quad \mathrm{tr}(P_f\,\mathbb{E}(y-p)(y-p)^\top) ="
    r" \lambda_W\lambda_H\,\mathrm{rank}\,P_f \ \text{for } g_f > 0, \ \le \text{for } g_f = 0, \quad p ="
    r" \mathrm{softmax}(WW^\top(y-p)/\lambda_H), \quad (P_f)_{kl} = \tfrac2K\cos(2\pi f(k-l)/K),\ 1 \le f <"
    r" \tfrac K2,\ \text{half of it at } \tfrac K2",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, CYCLE, given.ROOM),
    claim=JointClaim(circulant_finding),
    quantity="√E KL(p_theory ‖ p) of the blind joint optimum, a gain a frequency; the numbers shown are ‖W‖_F/√K",
    source="re-derived here; no earlier source known",
)

GROUPED = (SUPERCLASS_LAWS, CIRCULANT_LAWS)
