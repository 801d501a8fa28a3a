"""Theorems on labels that are made for a geometry: one label a class, optimal predictions known entry by entry."""

import numpy as np

import ufm.theory.theorems.assumptions as given
from ufm.theory.geometry.design import DesignReading, read_design
from ufm.theory.geometry.hierarchy import Hierarchy, hierarchy_optimum, read_hierarchy
from ufm.theory.theorems.free.exact import (
    class_rows,
    gain_finding,
    one_gain,
    own_class,
    predicted_finding,
    unread,
)
from ufm.theory.theorems.joint import held_against_moment
from ufm.theory.theorems.theorem import Assumption, Finding, JointClaim, JointOptimum, Setting, Theorem

EXACT = 1e-9  # √nats: how far labels may be from a design, in double precision
NEW = "re-derived here; no earlier source known"


# --- one label a class ---------------------------------------------------------------------------


def class_labels(setting: Setting) -> tuple[np.ndarray, np.ndarray] | str:
    """Labels (K, K), row k that of class k, and their weights; or why there are none such."""
    law, K = setting.problem.law, setting.problem.classes
    if law.labels is None and law.pairs != "same":
        return "classes are mixed: there are more labels than classes"
    if law.labels is not None and len(law.labels) != K:
        return f"there are {len(law.labels)} labels, not one for each of {K} classes"
    atoms = setting.joint.atoms
    if len(atoms.labels) != K:
        return f"there are {len(atoms.labels)} labels of positive weight, not one for each of {K} classes"
    order = np.arange(K) if law.labels is not None else np.argsort(np.argmax(own_class(atoms.labels), 1))
    return atoms.labels[order], atoms.weights[order]


def reading(setting: Setting) -> DesignReading | str:
    """The labels of the setting as a design, or why they are none."""
    found = class_labels(setting)
    if isinstance(found, str):
        return found
    design = read_design(*found, setting.problem.lambda_w, setting.problem.lambda_h)
    if isinstance(design, DesignReading) and design.mismatch > EXACT:
        return f"the labels ask for rows of no one W Wᵀ (off by {design.mismatch:.1e} √nats)"
    return design


def at_atoms(setting: Setting, rows: np.ndarray) -> np.ndarray:
    """Rows by class in the order of the atoms."""
    if setting.problem.law.labels is not None:
        return rows
    return rows[np.argmax(own_class(setting.joint.atoms.labels), 1)]


def _design_finding(setting: Setting, optimum: JointOptimum) -> Finding:
    """p_k = y_k − (c/√q_k) u_k; the numbers shown are the row norm √(tr G/K)."""
    design = reading(setting)
    assert isinstance(design, DesignReading)  # the assumption holds
    K = setting.problem.classes
    numbers = float(np.sqrt(np.trace(design.G) / K)), float(np.linalg.norm(optimum.W) / np.sqrt(K))
    found = predicted_finding(setting, optimum, at_atoms(setting, design.p), *numbers)
    return found._replace(rounding=found.rounding + 2 * design.mismatch)


DESIGNED = Assumption(
    r"one label a class, $y_k = \mathrm{softmax}(z_k) + \frac{c}{\sqrt{q_k}}u_k$ of some $G \succeq 0$",
    unread(reading),
)
INVERSE_DESIGN = Theorem(
    name="inverse-design",
    title="Every geometry of a classifier is the optimum of an explicit label law",
    statement=r"y_k = \mathrm{softmax}(z_k) + \tfrac{c}{\sqrt{q_k}}u_k \ge 0, \quad"
    r" z_k = \sqrt{\tfrac{\lambda_W}{\lambda_Hq_k}}\,Gu_k, \quad u_k = e_k - \tfrac1K, \quad G \succeq "
    r"0,\ G1 = 0"
    r" \implies WW^\top = G",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, DESIGNED, given.ROOM, given.NO_BIAS),
    claim=JointClaim(_design_finding),
    quantity="√E KL(p_theory ‖ p) of the blind joint optimum; the numbers shown are ‖W‖_F/√K",
    source=NEW,
)


# --- corollary A: class-dependent smoothing ------------------------------------------------------


def class_smoothing(labels) -> np.ndarray | str:
    """ε_k of y_k = (1−ε_k) e_k + ε_k/K, or why there is none."""
    K = labels.shape[1]
    others = (1 - labels.diagonal()) / (K - 1)
    exact = others[:, None] + (labels.diagonal() - others)[:, None] * np.eye(K)
    if np.abs(labels - exact).max() > 1e-14:
        return "the labels are not (1−ε_k) e_k + ε_k/K"
    return K * others


def balancing_gains(setting: Setting) -> np.ndarray | str:
    """g of each class, from its own ε_k and weight; or why the labels are none of this kind."""
    found = class_labels(setting)
    if isinstance(found, str):
        return found
    labels, weights = found
    epsilon, K, p = class_smoothing(labels), setting.problem.classes, setting.problem
    if isinstance(epsilon, str):
        return epsilon
    wrong = epsilon + np.sqrt(p.lambda_w * p.lambda_h / weights)
    if not (wrong < 1).all():
        return "ε_k + c/√q_k is not below 1"
    return np.log(K / wrong - K + 1) * np.sqrt(p.lambda_h * weights / p.lambda_w)


def _balanced(setting: Setting) -> np.ndarray | str:
    return one_gain(balancing_gains(setting))


def _balanced_finding(setting: Setting, optimum: JointOptimum) -> Finding:
    """Class k is predicted as smoothed by ε_k + c/√q_k."""
    found, gains = class_labels(setting), balancing_gains(setting)
    assert not isinstance(found, str) and not isinstance(gains, str)  # the assumption holds
    (labels, weights), p = found, setting.problem
    epsilon = class_smoothing(labels)
    assert not isinstance(epsilon, str)
    wrong = epsilon + np.sqrt(p.lambda_w * p.lambda_h / weights)
    return gain_finding(setting, optimum, at_atoms(setting, class_rows(wrong)), gains)


BALANCED = Assumption(
    r"labels $(1-\varepsilon_k)e_k + \varepsilon_k/K$ of weights $q_k$, with these $\varepsilon_k$",
    unread(_balanced),
)
BALANCING_SMOOTHING = Theorem(
    name="balancing-smoothing",
    title="Class-dependent smoothing makes imbalanced classes a simplex ETF",
    statement=r"\varepsilon_k = \frac{K}{e^{x_k}+K-1} - \frac{c}{\sqrt{q_k}} \ge 0, \quad"
    r" x_k = \sqrt{\tfrac{\lambda_W}{\lambda_Hq_k}}\,g \implies WW^\top = g\,\Pi",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, BALANCED, given.ROOM, given.NO_BIAS),
    claim=JointClaim(_balanced_finding),
    quantity="√E KL(p_theory ‖ p) of the blind joint optimum; the numbers shown are g",
    source=NEW,
)


# --- corollary B: smoothing that a transitive group leaves as it is -------------------------------


def invariant_gram(setting: Setting):
    """(P, G), P = Y − ĉ Π and G = √(λ_H/(Kλ_W)) Π log(P) Π, or why the labels are none of this kind."""
    found = class_labels(setting)
    if isinstance(found, str):
        return found
    (labels, weights), K = found, setting.problem.classes
    if np.ptp(weights) > 1e-12:
        return "the classes are not as likely as each other"
    if np.abs(labels - labels.T).max() > 1e-14:
        return "the labels are not symmetric in the two classes"
    P = labels - np.sqrt(K * setting.problem.lambda_w * setting.problem.lambda_h) * (np.eye(K) - 1 / K)
    if P.min() <= 0:
        return "Y − ĉ Π is not positive"
    logs = np.log(P)
    if np.ptp(logs.sum(1)) > 1e-12 * K * (1 + np.abs(logs).max()):
        return (
            "the rows of log(Y − ĉ Π) have different sums: no transitive group leaves the labels as they are"
        )
    centred = logs - logs.mean(1, keepdims=True)
    G = np.sqrt(setting.problem.lambda_h / (K * setting.problem.lambda_w)) * (centred + centred.T) / 2
    least = float(np.linalg.eigvalsh(G)[0])
    if least < -1e-12 * float(np.abs(G).max()):
        return f"Π log(P) Π has the negative eigenvalue {least:.3g}: those directions collapse, and P changes"
    return P, G


def _invariant_finding(setting: Setting, optimum: JointOptimum) -> Finding:
    """P = Y − ĉ Π; the numbers shown are the largest eigenvalue of G."""
    P, G = invariant_gram(setting)
    numbers = (float(np.linalg.eigvalsh(gram)[-1]) for gram in (G, optimum.W @ optimum.W.T))
    return predicted_finding(setting, optimum, at_atoms(setting, P), *numbers)


INVARIANT = Assumption(
    r"$Y = Y^\top$, one label a class, classes as likely, left as it is by a transitive group; "
    r"$Y - \hat c\,\Pi > 0$, $\Pi\log(Y - \hat c\,\Pi)\Pi \succeq 0$",
    unread(invariant_gram),
    given.BALANCED,
)
GROUP_SMOOTHING = Theorem(
    name="group-smoothing",
    title="Smoothing with a symmetry: W Wᵀ is an entrywise logarithm of the labels",
    statement=r"P = Y - \hat c\,\Pi, \quad WW^\top = \sqrt{\tfrac{\lambda_H}{K\lambda_W}}\,\Pi\log(P)\,\Pi,"
    r" \quad \hat c^2 = K\lambda_W\lambda_H, \quad \log \text{ entry by entry}",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, INVARIANT, given.ROOM, given.NO_BIAS),
    claim=JointClaim(_invariant_finding),
    quantity="√E KL(p_theory ‖ p) of the blind joint optimum; the numbers shown are λ_max(WWᵀ)",
    source=NEW,
)


# --- corollary C: hierarchical smoothing ---------------------------------------------------------


def hierarchy(setting: Setting) -> Hierarchy | str:
    """Groups and shares of the labels, or why there are none."""
    found = class_labels(setting)
    if isinstance(found, str):
        return found
    if np.ptp(found[1]) > 1e-12:
        return "the classes are not as likely as each other"
    return read_hierarchy(found[0])


def _hierarchy_finding(setting: Setting, optimum: JointOptimum) -> Finding:
    """Three probabilities, in three phases; the numbers shown are the gain within a group."""
    found, K, p = hierarchy(setting), setting.problem.classes, setting.problem
    assert isinstance(found, Hierarchy)
    near = found.groups[:, None] == found.groups
    size = int(near[0].sum())
    best = hierarchy_optimum(size, K, found.inner, found.outer, p.lambda_w, p.lambda_h)
    rows = np.where(np.eye(K, dtype=bool), best.own, np.where(near, best.sibling, best.other))
    within = np.eye(K) - near / size
    numeric = float(np.sum((within @ optimum.W) ** 2) / (K - K // size))
    finding = predicted_finding(setting, optimum, rows, best.within, numeric)
    finding = held_against_moment(finding, best.between == 0, optimum)
    return held_against_moment(finding, best.within == 0, optimum, np.flatnonzero(near[0]))


HIERARCHICAL = Assumption(
    r"labels $(1-\varepsilon-\delta)e_k + \frac{\varepsilon}{m}1_{\mathrm{group}} + \frac{\delta}{K}$, "
    r"$\varepsilon+\delta \le 1$, classes as likely",
    unread(hierarchy),
    given.BALANCED,
)
SUPERCLASS_COLLAPSE = Theorem(
    name="superclass-collapse",
    title="Hierarchical smoothing has three phases: classes, superclasses, nothing",
    statement=r"\hat c^2 = K\lambda_W\lambda_H,\ m \text{ classes a group},\ \varepsilon+\delta \le 1: \quad"
    r" A = (1-\varepsilon-\delta-\hat c)_+,\ S = (1-\delta-\hat c)_+,"
    r" \quad p_o = \tfrac{1-S}{K},\ "
    r"p_s = \tfrac{S - A}{m} + p_o,\ p_k = p_s + A, \quad g_w = \tfrac{\lambda_H}{\hat "
    r"c}\log\tfrac{p_k}{p_s},\ "
    r"g_b = \tfrac{\lambda_H}{\hat c}(\log\tfrac{p_k}{p_s} + m\log\tfrac{p_s}{p_o});"
    r" \quad \text{superclasses for } 1-\varepsilon-\delta \le \hat c < 1-\delta",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, HIERARCHICAL, given.ROOM, given.NO_BIAS),
    claim=JointClaim(_hierarchy_finding),
    quantity="√E KL(p_theory ‖ p) of the blind joint optimum; the numbers shown are g_w",
    source=NEW,
)

DESIGNS = (INVERSE_DESIGN, BALANCING_SMOOTHING, GROUP_SMOOTHING, SUPERCLASS_COLLAPSE)
