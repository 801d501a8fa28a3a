"""False theorems on optima that are known entry by entry: a convention taken for another, in both directions."""

import numpy as np

from proofs.hunt.slips import moved_threshold, slip
from ufm.theory.geometry.hierarchy import hierarchy_optimum
from ufm.theory.theorems.free.design import (
    BALANCING_SMOOTHING,
    GROUP_SMOOTHING,
    INVERSE_DESIGN,
    SUPERCLASS_COLLAPSE,
    at_atoms,
    class_labels,
    hierarchy,
)
from ufm.theory.theorems.free.exact import predicted_finding
from ufm.theory.theorems.free.onehot import LABEL_SMOOTHING, ONE_HOT_CE, RESIDUAL_NORM, smoothed_finding
from ufm.theory.theorems.theorem import Finding, JointClaim, JointOptimum, Setting, Theorem


def _smoothing_as(change) -> JointClaim:
    """The claim told a smoothing of change(ε, K), where that is one."""

    def judge(setting: Setting, optimum: JointOptimum) -> Finding:
        told = change(setting.problem.law.smoothing, setting.problem.classes)
        return smoothed_finding(setting, optimum, min(told, 1 - 1e-9))

    return JointClaim(judge)


def _scaled_number(theorem: Theorem, change) -> JointClaim:
    """The claim that a number is change(K) times what it is."""

    def judge(setting: Setting, optimum: JointOptimum) -> Finding:
        found = theorem.claim.judge(setting, optimum)
        told = float(found.predicted) * change(setting.problem.classes)
        return found._replace(predicted=told, error=abs(found.numeric - told))

    return JointClaim(judge)


def _rows(theorem: Theorem, change) -> JointClaim:
    """The claim that the predictions are change(setting, labels, weights), one row a class."""

    def judge(setting: Setting, optimum: JointOptimum) -> Finding:
        true = theorem.claim.judge(setting, optimum)
        rows = np.maximum(change(setting, *class_labels(setting)), 1e-300)
        p = at_atoms(setting, rows / rows.sum(1, keepdims=True))
        return predicted_finding(setting, optimum, p, true.predicted, true.numeric)

    return JointClaim(judge)


def _less(labels, amounts) -> np.ndarray:
    """Row k less amounts_k (e_k − 1/K)."""
    K = labels.shape[1]
    return labels - np.asarray(amounts)[:, None] * (np.eye(K) - 1 / K)


def _root(setting: Setting) -> float:
    return float(np.sqrt(setting.joint.product))


def _told_hierarchy(share) -> JointClaim:
    """The claim told that ε is share(m) times what it is."""

    def change(setting, labels, weights):
        found, p = hierarchy(setting), setting.problem
        near = found.groups[:, None] == found.groups
        size = int(near[0].sum())
        inner = min(share(size) * found.inner, 1 - found.outer)
        best = hierarchy_optimum(size, p.classes, inner, found.outer, p.lambda_w, p.lambda_h)
        return np.where(np.eye(p.classes, dtype=bool), best.own, np.where(near, best.sibling, best.other))

    return _rows(SUPERCLASS_COLLAPSE, change)


DESIGN_SLIPS = (
    slip(
        INVERSE_DESIGN,
        "design-early",
        "the weight of a class forgotten, c for c/√q_k",
        _rows(INVERSE_DESIGN, lambda s, Y, q: _less(Y, np.full(len(q), _root(s)))),
    ),
    slip(
        INVERSE_DESIGN,
        "design-late",
        "c/q_k for c/√q_k",
        _rows(INVERSE_DESIGN, lambda s, Y, q: _less(Y, _root(s) / q)),
    ),
    slip(
        BALANCING_SMOOTHING,
        "balancing-early",
        "the weight of a class forgotten, c for c/√q_k",
        _rows(BALANCING_SMOOTHING, lambda s, Y, q: _less(Y, np.full(len(q), _root(s)))),
    ),
    slip(
        BALANCING_SMOOTHING,
        "balancing-late",
        "c/q_k for c/√q_k",
        _rows(BALANCING_SMOOTHING, lambda s, Y, q: _less(Y, _root(s) / q)),
    ),
    slip(
        GROUP_SMOOTHING,
        "group-early",
        "the ridge c Π for ĉ Π",
        _rows(GROUP_SMOOTHING, lambda s, Y, q: _less(Y, np.full(len(q), _root(s)))),
    ),
    slip(
        GROUP_SMOOTHING,
        "group-late",
        "the ridge K c Π for ĉ Π",
        _rows(GROUP_SMOOTHING, lambda s, Y, q: _less(Y, np.full(len(q), _root(s) * len(q)))),
    ),
    slip(
        SUPERCLASS_COLLAPSE,
        "superclass-early",
        "ε of all of a group taken for that of the others",
        _told_hierarchy(lambda m: m / (m - 1)),
    ),
    slip(
        SUPERCLASS_COLLAPSE,
        "superclass-late",
        "ε of the others of a group taken for that of all",
        _told_hierarchy(lambda m: (m - 1) / m),
    ),
)
FREE = (
    *DESIGN_SLIPS,
    slip(ONE_HOT_CE, "onehot-early", "λ_W λ_H taken 2 % too large", moved_threshold(ONE_HOT_CE, 0.98)),
    slip(ONE_HOT_CE, "onehot-late", "λ_W λ_H taken 2 % too small", moved_threshold(ONE_HOT_CE, 1.02)),
    slip(
        LABEL_SMOOTHING,
        "smoothing-early",
        "ε of the other classes, ε/(K−1) each, taken for that of all",
        _smoothing_as(lambda epsilon, K: epsilon * K / (K - 1)),
    ),
    slip(
        LABEL_SMOOTHING,
        "smoothing-late",
        "ε of all classes, ε/K each, taken for that of the others",
        _smoothing_as(lambda epsilon, K: epsilon * (K - 1) / K),
    ),
    slip(
        RESIDUAL_NORM,
        "residual-early",
        "the root of (K−1)²/K for that of K−1",
        _scaled_number(RESIDUAL_NORM, lambda K: np.sqrt((K - 1) / K)),
    ),
    slip(
        RESIDUAL_NORM,
        "residual-late",
        "the root of K for that of K−1",
        _scaled_number(RESIDUAL_NORM, lambda K: np.sqrt(K / (K - 1))),
    ),
)
