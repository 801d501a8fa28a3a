"""Which theorems are of a loss, a constraint, a bias, a balance of classes, by their assumptions; and relatives.

A theorem is of everything that no assumption of its own excludes: `Assumption.about` names what each one admits.
"""

from typing import NamedTuple

from ufm.rules.numbers import JOINT_LOSS_NAMES
from ufm.theory.theorems.theorem import FeatureClaim, JointClaim, Theorem

# constraints of W: given, or penalised; other shapes of a problem have their own name
FIXED, FREE = "fixed", "free"
ASPECTS = {
    "loss": JOINT_LOSS_NAMES,
    "bias": ("none", "free", "penalised"),
    "balance": ("balanced", "weighted"),
}

FMP = "Theorem 3.1 of Fisher, Meng and Papyan 2024"
CLASSICAL = {
    "soft-label": "Lambert W form of the optimal features; entropic proximal point",
    "same-class": f"{FMP}: mixtures within a class",
    "different-class": f"{FMP}: mixtures of two classes, K >= 3",
    "two-classes": f"{FMP}: mixtures of two classes, K = 2",
    "bent-channel": f"amplification along the channel, after {FMP}",
    "mid-channel-slope": f"amplification across the channel, after {FMP}",
    "squared-error-affine": "no channel under MSE",
    "calibration": "calibration of mixup",
    "duality": "maximum-entropy dual; convex form by nuclear norms",
    "equalised-residuals": "balancedness of critical points",
    "joint-etf": "neural collapse (NC1 to NC3), here for every exchangeable label law",
    "trivial-threshold": "collapse to zero; the trivial minimiser",
    "minority-collapse": "minority collapse",
    "squared-error-joint": "neural collapse under MSE, with a bias",
    "onehot-ce": "neural collapse under cross-entropy",
    "label-smoothing": "neural collapse under label smoothing",
    "superclass-collapse": "coarse-to-fine collapse",
    "squared-imbalanced": "generalised orthogonal frame (GOF) under MSE",
    "squared-bias": "from ETF to orthogonal frame (OF) under MSE",
    "regression": "neural regression collapse (NRC)",
    "polygon": "spherical code in the plane",
    "label-noise": "symmetric label noise as label smoothing",
    "collapse-hessian": "conditioning of neural collapse",
    "polygon-escape": "strict saddle; escape direction",
    "distillation": "knowledge distillation; born-again networks",
    "norm-constrained": "normalised features and classifier, with a temperature",
    "layer-peeled": "layer-peeled model",
    "layer-peeled-minority": "minority collapse of the layer-peeled model",
    "relu-features": "orthogonal frame (OF) of ReLU features",
    "softmax-codes": "generalised neural collapse; softmax codes",
    "deep-linear-ce": "deep neural collapse and its low-rank bias",
    "deep-linear-mse": "deep neural collapse under MSE",
    "supcon": "supervised contrastive learning",
    "seli": "simplex-encoded-labels interpolation (SELI)",
    "support-svm": "next-token prediction as a support vector machine",
    "ce-ray": "implicit bias; growth of norms without weight decay",
    "mse-ray": "logistic growth under MSE",
    "focal": "neural collapse under the focal loss",
    "logit-adjustment": "logit-adjusted loss; additive prior correction",
    "ordinal": "ordinal neural collapse; cumulative link model (proportional odds)",
    "bce": "neural collapse under sigmoid (binary) cross-entropy",
    "bce-no-bias": "sigmoid (binary) cross-entropy without a bias",
    "superclass-laws": "hierarchical mixup; superclasses",
    "circulant-laws": "mixup of neighbours; ring-shaped label smoothing",
    "restored-temperatures": "logit temperatures against imbalance (vector scaling)",
    "multi-label": "multi-label neural collapse under the pick-all-label loss (tag-wise averages)",
}

FORMAL = {  # what Coq proves of a theorem, by file and name (docs/formal.md)
    "soft-label": "Forms.soft_label_optimum",
    "same-class": "Forms.same_class_optimum",
    "different-class": "Pair.pair_optimum",
    "two-classes": "TwoClasses.two_class_optimum",
    "affine-limit": "Lipschitz.affine_limit",
    "squared-error-affine": "Squared.squared_optimum",
    "calibration": "Signs.largest_underconfident",
    "strong-convexity": "Convex.CE_distance",
    "label-noise": "Gap.mean_label_loss",
    "duality": "Gap.weak_duality_no_bias",
    "equalised-residuals": "Critical.equalised",
    "joint-etf": "Joint.joint",
    "trivial-threshold": "Joint.trivial_iff",
    "minority-collapse": "Weighted.mixup_collapse",
    "squared-error-joint": "Squared.squared_joint",
    "onehot-ce": "OneHot.onehot_joint",
    "label-smoothing": "OneHot.smoothing_joint",
    "residual-norm": "Joint.joint_predictions",
    "inverse-design": "Design.inverse_design",
}


def constraint(theorem: Theorem) -> str:
    """fixed: W is given; free: W is penalised; else the name of the problem's shape."""
    if isinstance(theorem.claim, FeatureClaim):
        return FIXED
    return FREE if isinstance(theorem.claim, JointClaim) else str(theorem.claim.kind)


def constraints(theorems) -> list[str]:
    """Those that occur, in order."""
    return list(dict.fromkeys(map(constraint, theorems)))


def admits(theorem: Theorem, aspect: str, value: str) -> bool:
    """Whether no assumption excludes the value of an aspect; a given W has no bias."""
    if aspect == "constraint":
        return constraint(theorem) == value
    if aspect == "bias" and constraint(theorem) == FIXED:
        return value == "none"
    return all(value in a.about[1] for a in theorem.assumptions if a.about and a.about[0] == aspect)


class Relative(NamedTuple):
    """Another theorem, and the assumptions that only the first and only the other one has."""

    theorem: Theorem
    mine: list[str]
    its: list[str]


def relatives(theorem: Theorem, theorems, count: int = 3) -> list[Relative]:
    """The theorems that share most of their assumptions, nearest first, those on the same kind of problem before
    others with a free W."""
    mine = {a.text for a in theorem.assumptions}

    def share(other: Theorem) -> float:
        its = {a.text for a in other.assumptions}
        return len(mine & its) / len(mine | its)

    kind = constraint(theorem)
    others = [t for t in theorems if t is not theorem and (constraint(t) == FIXED) == (kind == FIXED)]
    near = sorted(others, key=lambda other: (constraint(other) == kind, share(other)), reverse=True)[:count]
    return [
        Relative(
            other,
            [a.text for a in theorem.assumptions if a.text not in {b.text for b in other.assumptions}],
            [b.text for b in other.assumptions if b.text not in mine],
        )
        for other in near
    ]
