"""False theorems on other problems than softmax with one penalty for all features; in both directions."""

import numpy as np

from proofs.hunt.slips import moved_threshold, slip
from ufm.theory.theorems.free.binary import BCE, BCE_NO_BIAS
from ufm.theory.theorems.free.exact import class_rows, predicted_finding
from ufm.theory.theorems.free.groups import CIRCULANT_LAWS, SUPERCLASS_LAWS
from ufm.theory.theorems.free.own_penalties import MULTI_LABEL, RESTORED_TEMPERATURES
from ufm.theory.theorems.free.quadratic import REGRESSION
from ufm.theory.theorems.theorem import Finding, JointClaim, JointOptimum, Setting, Theorem


def penalty_slips(theorem: Theorem, name: str) -> tuple[Theorem, ...]:
    """The theorem told a λ_W λ_H that is 2 % off, to either side."""
    return tuple(
        slip(theorem, f"{name}-{word}", f"λ_W λ_H taken 2 % too {size}", moved_threshold(theorem, share))
        for word, share, size in (("early", 0.98, "large"), ("late", 1.02, "small"))
    )


def _residuals_as(change) -> JointClaim:
    """The claim that class k is predicted as one-hot labels of √K c = change(t_k, q_k)."""

    def judge(setting: Setting, optimum: JointOptimum) -> Finding:
        true = RESTORED_TEMPERATURES.claim.judge(setting, optimum)
        q = setting.joint.atoms.weights
        told = np.minimum(change(np.sqrt(setting.joint.product * setting.joint.atoms.rho / q), q), 1.0)
        return predicted_finding(setting, optimum, class_rows(told), true.predicted, true.numeric)

    return JointClaim(judge)


OF_PROBLEMS = (
    *penalty_slips(BCE, "bce"),
    *penalty_slips(BCE_NO_BIAS, "no-bias"),
    slip(
        RESTORED_TEMPERATURES,
        "temperatures-early",
        "t_k = c/δ_k, the weight of the class forgotten",
        _residuals_as(lambda t, q: t * np.sqrt(q)),
    ),
    slip(
        RESTORED_TEMPERATURES,
        "temperatures-late",
        "t_k = c/(δ_k q_k) for c/(δ_k √q_k)",
        _residuals_as(lambda t, q: t / np.sqrt(q)),
    ),
    *penalty_slips(MULTI_LABEL, "sets"),
    *penalty_slips(REGRESSION, "regression"),
    *penalty_slips(SUPERCLASS_LAWS, "superclass-laws"),
    *penalty_slips(CIRCULANT_LAWS, "circulant-laws"),
)
