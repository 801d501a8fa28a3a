"""Diagrams of problems that `solve_joint` solves, without any symmetry, and `certify_joint` bounds."""

from functools import cache

import numpy as np

from experiments.phases.frame import Axis, Curve, Diagram, Found, Phase
from ufm.agree.geometry import collapsed_groups
from ufm.model.atoms import FiniteLaw, JointProblem, finite_law
from ufm.model.etf import etf_deviation, etf_multiplier
from ufm.model.laws import LabelLaw
from ufm.theory.geometry.hierarchy import hierarchical_labels
from ufm.theory.thresholds import minority_collapse, triviality

CLASSES, NODES = 4, 16
SHAPE = 1e-7  # relative deviation at which W counts as an ETF, and a part of it as none
GROUPS, SIZE, OUTER = 3, 2, 0.1  # superclasses, classes in each, share of a label spread over all classes


def solved(problem: JointProblem):
    """The blind solution and its certificate. JAX is loaded here, not on import."""
    from ufm.certify.joint import certify_joint
    from ufm.optimize.joint import solve_joint

    found = solve_joint(problem)
    return found, certify_joint(problem, found)


def classify(W: np.ndarray, groups: list[list[int]], merged: str, apart: str) -> str:
    """zero; `merged`: just these groups of rows coincide; `apart`: no two do; other."""
    if not W.any():
        return "zero"
    found = collapsed_groups(W)
    return merged if found == groups else "other" if found else apart


def separation(W: np.ndarray, near=(2, 3), far=(0, 1)) -> float:
    """‖w_2 − w_3‖/‖w_0 − w_1‖: 1 for an ETF, 0 when the pair `near` has collapsed, or everything."""
    ahead, behind = (float(np.linalg.norm(W[i] - W[j])) for i, j in (far, near))
    return behind / ahead if ahead > 0 else 0.0


# --- mixup ---------------------------------------------------------------------------------------------------


def weights(R: float) -> tuple[float, float, float, float]:
    """Two large and two small classes, (q_A, q_A, q_B, q_B), q_A/q_B = R."""
    small = 0.5 / (1 + R)
    return (0.5 - small, 0.5 - small, small, small)


def class_law(alpha: float, imbalance: float) -> LabelLaw:
    """Mixup of independent classes of these weights."""
    return LabelLaw("mixup", alpha=alpha, class_weights=None if imbalance == 1 else weights(imbalance))


@cache
def atoms(alpha: float, imbalance: float, nodes: int = NODES) -> FiniteLaw:
    """The finite law that is solved; kept for the points of one column.

    Padded with labels of weight 0 to a common number of atoms, so that JAX compiles for one shape.
    """
    law = finite_law(class_law(alpha, imbalance), CLASSES, nodes)
    missing = CLASSES + CLASSES * (CLASSES - 1) // 2 * (nodes + 2) - len(law.weights)
    if missing <= 0:
        return law
    labels = np.concatenate([law.labels, np.tile(law.labels[:1], (missing, 1))])
    return FiniteLaw(labels, np.pad(law.weights, (0, missing)), law.exchangeable)


def _imbalance(R: float, product: float, nodes: int = NODES) -> Found:
    penalty = float(np.sqrt(product))
    found, bound = solved(JointProblem(atoms(1.0, R, nodes), penalty, penalty))
    phase = classify(found.W, [[2, 3]], "minority", "distinct")
    return Found(phase, separation(found.W), bound.relative_gap, bound.objective)


def _alpha(alpha: float, product: float, nodes: int = NODES) -> Found:
    penalty = float(np.sqrt(product))
    found, bound = solved(JointProblem(atoms(alpha, 1.0, nodes), penalty, penalty))
    W = found.W
    phase = "zero" if not W.any() else "etf" if etf_deviation(W) <= SHAPE else "other"
    return Found(phase, min(1.0, etf_multiplier(W)), bound.relative_gap, bound.objective)


def _least_collapse(R: float) -> float:
    """ρ q_B; classes of the two weights come in rising order. Equal weights: nothing collapses before W = 0."""
    law = class_law(1.0, R)
    return np.inf if R == 1 else minority_collapse(law, CLASSES, 1.0)[0].value


IMBALANCE = Diagram(
    "imbalance",
    "Mixup of two large and two small classes",
    Axis("imbalance $R = q_A/q_B$", 1, 100, (1, 3, 10, 30, 100)),
    Axis(r"$\lambda_W\lambda_H$", 1e-3, 0.6, (0.001, 0.01, 0.1)),
    _imbalance,
    (
        Phase("zero", "zero", (2.0, 0.46), "zero"),
        Phase("minority", "minority is one point", (30, 0.05), "partial"),
        Phase("distinct", "four directions", (4, 0.006), "full"),
    ),
    (
        Curve(
            lambda R: triviality(finite_law(class_law(1.0, R), CLASSES), 1.0).value,
            r"$\lambda_{\max}$ of the label covariance",
            0.66,
        ),
        Curve(_least_collapse, r"$2 q_B/3$ (mixup)", 0.72, -1),
    ),
    r"$\|w_2-w_3\| / \|w_0-w_1\|$",
    "minority-collapse",
    "Imbalance and penalties: four directions, above a falling line the minority in one point, then zero",
    (Curve(lambda R: weights(R)[3], "$q_B$ (one-hot)", 0.84),),
)
ALPHA = Diagram(
    "alpha",
    "Mixup of balanced classes, K = 4",
    Axis(r"mixup $\alpha$", 0.1, 40, (0.1, 1, 10)),
    Axis(r"$\lambda_W\lambda_H$", 0.02, 0.45, (0.03, 0.1, 0.3)),
    _alpha,
    (Phase("zero", "zero", (6.0, 0.3), "zero"), Phase("etf", "simplex ETF", (1.0, 0.05), "full")),
    (Curve(lambda a: (a + 1) / ((2 * a + 1) * CLASSES), r"$(\alpha+1)/((2\alpha+1)K)$", 0.4),),
    "row norm $m$",
    "trivial-threshold",
    "Alpha of mixup and penalties: a simplex below a slowly falling curve, zero above",
)


# --- one-hot and hierarchical labels -------------------------------------------------------------------------


def _smoothing(inner: float, share: float) -> Found:
    K = GROUPS * SIZE
    c = share / np.sqrt(K)
    law = FiniteLaw(hierarchical_labels(GROUPS, SIZE, inner, OUTER), np.full(K, 1 / K))
    found, bound = solved(JointProblem(law, c, c))
    pairs = np.arange(K).reshape(GROUPS, SIZE).tolist()
    phase = classify(found.W, pairs, "superclasses", "classes")
    return Found(phase, min(1.0, separation(found.W, (0, 1), (0, 2))), bound.relative_gap, bound.objective)


def _bias(lambda_b: float, share: float) -> Found:
    c = share / np.sqrt(CLASSES)
    law = FiniteLaw(np.eye(CLASSES), np.full(CLASSES, 1 / CLASSES))
    found, bound = solved(JointProblem(law, c, c, CLASSES, lambda_b, "squared-error"))
    W = found.W
    size = np.linalg.norm(W)
    mean = np.linalg.norm(W.sum(0)) / np.sqrt(CLASSES)
    phase = "zero" if size == 0 else "frame" if mean > SHAPE * size else "other"
    if phase == "other" and etf_deviation(W) <= SHAPE:
        phase = "etf"
    across = np.sqrt(max(size**2 - mean**2, 0.0) / (CLASSES - 1))
    return Found(phase, float(mean / across) if across else 0.0, bound.relative_gap, bound.objective)


def _flat(value: float):
    return lambda x: value


SMOOTHING = Diagram(
    "smoothing",
    "Hierarchical smoothing: three pairs of classes",
    Axis(r"share $\varepsilon$ of the label given to its pair", 0.0, 0.85, (0, 0.2, 0.4, 0.6, 0.8), True),
    Axis(r"$\hat c = \sqrt{K\lambda_W\lambda_H}$", 0.05, 1.05, (0.2, 0.4, 0.6, 0.8, 1), True),
    _smoothing,
    (
        Phase("zero", "zero", (0.22, 0.98), "zero"),
        Phase("superclasses", "three superclasses", (0.58, 0.66), "partial"),
        Phase("classes", "six classes", (0.24, 0.28), "full"),
    ),
    (
        Curve(_flat(1 - OUTER), r"$1-\delta$", 0.85),
        Curve(lambda inner: 1 - inner - OUTER, r"$1-\varepsilon-\delta$", 0.5),
    ),
    "distance in a pair / between pairs",
    "superclass-collapse",
    "Smoothing within pairs and decay: six classes, three superclasses, zero, between straight lines",
)
BIAS = Diagram(
    "bias",
    "Squared error with a penalty on the bias, K = 4",
    Axis(r"$\lambda_b$", 0.02, 20, (0.1, 1, 10)),
    Axis(r"$\hat c = \sqrt{K\lambda_W\lambda_H}$", 0.06, 1.26, (0.2, 0.4, 0.6, 0.8, 1, 1.2), True),
    _bias,
    (
        Phase("zero", "zero", (0.6, 1.12), "zero"),
        Phase("etf", "simplex ETF", (0.12, 0.6), "partial"),
        Phase("frame", "on the way to\nan orthogonal frame", (4.0, 0.35), "full"),
    ),
    (
        Curve(_flat(1.0), r"$\hat c = 1$", 0.1),
        Curve(lambda b: b / (1 + b), r"$\lambda_b/(1+\lambda_b)$", 0.45),
    ),
    "size along $1$ / across",
    "squared-bias",
    "Penalty of the bias and decay: a simplex, a frame that turns orthogonal, zero",
)
