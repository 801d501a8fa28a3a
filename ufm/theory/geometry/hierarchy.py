"""Hierarchical smoothing: part of a label goes to its superclass, part to all classes; superclasses may collapse.

B groups of m classes, K = B m, y = (1−ε−δ) e_k + (ε/m) 1_group + δ/K, ε + δ ≤ 1, classes as likely,
ĉ = √(K λ_W λ_H). With
A = (1−ε−δ−ĉ)₊ and S = (1−δ−ĉ)₊ the predictions are

    p_o = (1−S)/K outside the group,  p_s = (S + m p_o − A)/m in it,  p_k = p_s + A,

and W Wᵀ = g_w P_w + g_b P_b on differences within and between groups:

    g_w = λ_H log(p_k/p_s)/ĉ,      g_b = λ_H (log(p_k/p_s) + m log(p_s/p_o))/ĉ.

Classes of a group are one for 1−ε−δ ≤ ĉ < 1−δ; all are one beyond. (New here; `proofs/superclass_collapse.py`.)
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Hierarchy(NamedTuple):
    """groups (K): the first class of each one's group; inner: ε; outer: δ."""

    groups: Int[np.ndarray, " K"]
    inner: float
    outer: float


class HierarchyOptimum(NamedTuple):
    """Probabilities of the own class, of each other one of its group, of each class outside, and the two gains."""

    own: float
    sibling: float
    other: float
    within: float
    between: float


def hierarchical_labels(groups: int, size: int, inner: float, outer: float) -> Float[np.ndarray, "K K"]:
    """Row k is the label of class k; classes of a group are neighbours."""
    K = groups * size
    block = np.kron(np.eye(groups), np.ones((size, size)))
    return (1 - inner - outer) * np.eye(K) + inner / size * block + outer / K


def hierarchy_optimum(
    size: int, classes: int, inner: float, outer: float, lambda_w: float, lambda_h: float
) -> HierarchyOptimum:
    """The joint optimum for groups of `size` classes."""
    share = float(np.sqrt(classes * lambda_w * lambda_h))
    A, S = max(1 - inner - outer - share, 0.0), max(1 - outer - share, 0.0)
    other = (1 - S) / classes
    sibling = other + (S - A) / size
    near = float(np.log1p(A / sibling))
    far = float(np.log1p((S - A) / size / other))
    return HierarchyOptimum(
        sibling + A, sibling, other, lambda_h * near / share, lambda_h * (near + size * far) / share
    )


def read_hierarchy(labels) -> Hierarchy | str:
    """The hierarchy of K labels, row k that of class k, or why there is none."""
    Y = np.asarray(labels, float)
    K = Y.shape[1]
    if len(Y) != K:
        return f"there are {len(Y)} labels, not one for each of {K} classes"
    floor = Y.min()
    near = (floor + 1e-9 < Y).astype(int)
    np.fill_diagonal(near, 1)
    size = int(near[0].sum())
    if not (1 < size < K and (near @ near == size * near).all() and (near == near.T).all()):
        return "the labels have no groups of at least two and the same number of classes"
    siblings = (near == 1) & ~np.eye(K, dtype=bool)
    inner, outer = size * (Y[siblings].mean() - floor), K * floor
    exact = (1 - inner - outer) * np.eye(K) + inner / size * near + outer / K
    if not np.abs(Y - exact).max() <= 1e-12:
        return "the labels are not (1−ε−δ) e_k + (ε/m) 1_group + δ/K"
    if inner + outer > 1 + 1e-12:  # classes of a group would be told apart by what they are not
        return f"ε + δ = {inner + outer:.6g} > 1: the own class has less than the others of its group"
    return Hierarchy(np.argmax(near, 1), float(inner), float(outer))
