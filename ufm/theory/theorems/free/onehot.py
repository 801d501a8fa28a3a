"""Theorems on labels of single classes, one-hot or smoothed, and on what every exchangeable law has in common."""

import numpy as np

import ufm.theory.theorems.assumptions as given
from ufm.theory.geometry.onehot import ClassOptimum, class_optimum
from ufm.theory.theorems.free.exact import own_class, predicted_finding
from ufm.theory.theorems.joint import EPS, held_against_moment, tolerance
from ufm.theory.theorems.theorem import Assumption, Finding, JointClaim, JointOptimum, Setting, Theorem


def class_predictions(setting: Setting, smoothing: float) -> tuple[ClassOptimum, np.ndarray, np.ndarray]:
    """The closed form, where each label has its own class (n, K), and p_o at every wrong class, the rest there."""
    joint, K = setting.joint, setting.problem.classes
    best = class_optimum(K, joint.lambda_w, joint.lambda_h, smoothing)
    own = own_class(joint.atoms.labels)
    return best, own, np.where(own, 1 - (K - 1) * best.wrong, best.wrong)


def smoothed_finding(setting: Setting, optimum: JointOptimum, smoothing: float) -> Finding:
    """The predictions of labels smoothed by so much; the numbers shown are the gap x of logits."""
    best, own, p = class_predictions(setting, smoothing)
    others = (optimum.Z.sum(1) - optimum.Z[own]) / (setting.problem.classes - 1)
    numeric = float(setting.joint.atoms.weights @ (optimum.Z[own] - others))
    found = predicted_finding(setting, optimum, p, best.gap, numeric)
    return held_against_moment(found, best.gap == 0, optimum)


def _class_finding(setting: Setting, optimum: JointOptimum) -> Finding:
    return smoothed_finding(setting, optimum, setting.law.smoothing)


ONE_HOT_CE = Theorem(
    name="onehot-ce",
    title="One-hot labels: every wrong class has the probability c/√K",
    statement=r"p_o = \tfrac{c}{\sqrt K}, \quad x = \log(\tfrac{\sqrt K}{c} - K + 1), \quad"
    r" W W^\top = x\sqrt{\tfrac{\lambda_H}{K\lambda_W}}\,\Pi \quad \text{if } \sqrt K c < 1, \text{ else "
    r"} W = 0;"
    r" \quad c^2 = \lambda_W\lambda_H",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, given.ONE_HOT, given.ROOM),
    claim=JointClaim(_class_finding),
    quantity="√E KL(p_theory ‖ p) of the blind joint optimum; the numbers shown are x",
    source="re-derived here; Zhu et al. 2021 (arXiv:2105.02375)",
)

LABEL_SMOOTHING = Theorem(
    name="label-smoothing",
    title="Label smoothing adds to the weight decay: p_o = (√K c + ε)/K",
    statement=r"y = (1-\varepsilon)e_k + \tfrac{\varepsilon}{K}: \quad p_o = \tfrac{\hat c + \varepsilon}{K}, \quad"
    r" x = \log(\tfrac{K}{\hat c + \varepsilon} - K + 1), \quad"
    r" W W^\top = x\sqrt{\tfrac{\lambda_H}{K\lambda_W}}\,\Pi \quad \text{if } \hat c + \varepsilon < 1,"
    r" \text{ else } W = 0; \quad \hat c^2 = K\lambda_W\lambda_H",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, given.SMOOTHED, given.ROOM),
    claim=JointClaim(_class_finding),
    quantity="√E KL(p_theory ‖ p) of the blind joint optimum; the numbers shown are x",
    source="re-derived here; Zhou et al. 2022 (arXiv:2210.02192), Guo et al. 2024 (arXiv:2402.03979)",
)


def _residual_size(setting: Setting, optimum: JointOptimum) -> Finding:
    """√E‖y − p‖²: two predictions with E KL ≤ gap are √gap apart at most, as ‖v‖² ≤ ‖v‖₁²/2 where Σ v = 0."""
    atoms, K = setting.joint.atoms, setting.problem.classes
    residual = atoms.labels - optimum.P
    flat = setting.joint.product >= atoms.patterns.variance
    predicted = float(np.sqrt((K - 1) * min(setting.joint.product, atoms.patterns.variance)))
    numeric = float(np.sqrt(atoms.weights @ np.sum(residual**2, 1)))
    bound, rounding = float(np.sqrt(optimum.gap)), 64 * EPS * K
    open_ = "the gap does not resolve residuals this small" if bound > 0.01 * predicted else None
    found = Finding(predicted, numeric, abs(numeric - predicted), bound, rounding, tolerance(optimum), open_)
    return held_against_moment(found, bool(flat), optimum)._replace(open=open_)


RESIDUAL_NORM = Theorem(
    name="residual-norm",
    title="The mean squared residual knows the penalties alone",
    statement=r"\mathbb{E}\|y - p\|^2 = (K-1)\min(\lambda_W\lambda_H, \sigma^2), \quad"
    r" \sigma^2 = \tfrac{\mathbb{E}\|y\|^2 - 1/K}{K-1}: \text{ whatever is mixed, and how}",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, given.EXCHANGEABLE, given.ROOM),
    claim=JointClaim(_residual_size),
    quantity="√E‖y − p‖² of the blind joint optimum",
    source="re-derived here",
)


# --- labels that a teacher gives -----------------------------------------------------------------


def _symmetric_teacher(setting: Setting) -> str | None:
    law, K = setting.problem.law, setting.problem.classes
    Y = law.labels
    if Y is None or Y.shape != (K, K):
        return "the labels are not one given label a class"
    off = Y[~np.eye(K, dtype=bool)]
    if np.ptp(off) > 16 * EPS or not np.all(np.diag(Y) >= off.max()):
        return "a given label does not rate all wrong classes alike"
    return None if np.ptp(law.probabilities) <= 16 * EPS else "the classes are not as likely"


TEACHER = Assumption(
    "a given label a class, which rates all wrong classes alike; classes as likely",
    _symmetric_teacher,
    given.BALANCED,
)


def taught_finding(setting: Setting, optimum: JointOptimum, change=lambda epsilon, K: epsilon) -> Finding:
    """Predictions of labels smoothed by what the teacher leaves to wrong classes. change: another claim."""
    labels, K = setting.joint.atoms.labels, setting.problem.classes
    left = K * float(labels[~own_class(labels)].mean())
    return smoothed_finding(setting, optimum, min(change(left, K), 1.0))


DISTILLATION = Theorem(
    name="distillation",
    title="A student adds its own penalties to what its teacher leaves to wrong classes",
    statement=r"y_k = \mathrm{softmax}(z^{\mathrm{teacher}}_k/T), \text{ gap } x': \quad \varepsilon ="
    r" \tfrac{K}{e^{x'/T} + K - 1}, \quad p_o = \tfrac{\min(\hat c + \varepsilon, 1)}{K},"
    r" \ W = 0 \iff \hat c + \varepsilon \ge 1; \quad T = 1, \text{ each generation taught by the last}:"
    r" p_o = \min(n\hat c, 1)/K, \text{ and nothing is left for } n \ge 1/\hat c",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, TEACHER, given.ROOM),
    claim=JointClaim(taught_finding),
    quantity="√E KL(p_theory ‖ p) of the blind joint optimum; the numbers shown are x",
    source="re-derived here",
)

SINGLE = (ONE_HOT_CE, LABEL_SMOOTHING, RESIDUAL_NORM, DISTILLATION)
