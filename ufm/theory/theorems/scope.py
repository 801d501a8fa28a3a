"""Which theorems are of a loss, a constraint, a bias, a balance of classes; and what ties one to another.

A theorem is of everything that no assumption of its own excludes: `Assumption.about` names what each one admits.
"""

import re

import ufm.theory.theorems.assumptions as given
from ufm.model.variants.problem import LABELS, LOSS, READS
from ufm.rules.numbers import JOINT_LOSS_NAMES
from ufm.theory.theorems.theorem import FeatureClaim, JointClaim, Theorem

# constraints of W: given, or penalised; other shapes of a problem have their own name
FIXED, FREE = "fixed", "free"
ASPECTS = {
    "loss": JOINT_LOSS_NAMES,
    "bias": ("none", "free", "penalised"),
    "balance": ("balanced", "weighted"),
}

OF_NO_LABELS = (
    given.PENALISED,
    given.CROSS_ENTROPY,
    given.SQUARED_ERROR,
    given.BINARY,
    given.ROOM,
    given.NO_BIAS,
)

# what statements use in one sense, unless they say what it is: LaTeX, as a pattern, and the words
SYMBOLS = (
    (r"\\Pi", "Π = I − 11ᵀ/K"),
    (r"\\hat c", "ĉ = √(K λ_W λ_H)"),
    (r"(?<!_)(?<!_\{)(?<![a-zA-Z\\])(?<!hat )c(?![a-zA-Z])", "c = √(λ_W λ_H)"),
    (r"u_[kl]", "u_k = e_k − 1/K"),
)


def symbols(theorem: Theorem) -> list[str]:
    """What its statement uses and does not explain."""
    text = " ".join([theorem.statement, *(assumption.text for assumption in theorem.assumptions)])
    told = [sign for sign, _ in SYMBOLS if re.search(rf"(?:{sign})(\^2)?\s*:?=", text)]
    return [words for sign, words in SYMBOLS if sign not in told and re.search(sign, text)]


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


TIES = {  # what two theorems have to do with each other: a sentence that is read from both
    ("soft-label", "same-class"): "same-class is soft-label at y = e_c: one number is left",
    ("soft-label", "different-class"): "different-class is soft-label at a label of two classes",
    ("soft-label", "two-classes"): "K = 2: soft-label with one number left",
    ("soft-label", "calibration"): "one condition, z = a(y - p): solved for z, and read as a deficit of y",
    ("soft-label", "affine-limit"): "affine-limit is soft-label at a small a",
    ("soft-label", "many-classes"): "many-classes is soft-label at a fixed a and a large K",
    ("soft-label", "support-size"): "support-size is soft-label at a large a",
    ("soft-label", "strong-convexity"): "the optimum, and how far from it any other feature is",
    ("soft-label", "label-noise"): "the optimum of a label, and of the mean of several",
    ("soft-label", "joint-etf"): "features of a given ETF, and of the ETF that is optimal with them",
    ("same-class", "different-class"): "at λ = 0 and 1 a mixture is of one class",
    ("same-class", "feature-curvature"): "features of classes, and the Hessian there",
    ("same-class", "onehot-ce"): "one-hot labels: W given, and W optimal",
    ("same-class", "label-noise"): "labels of a class without noise, and with it",
    ("different-class", "two-classes"): "the same mixtures with a third class, and without",
    ("different-class", "bent-channel"): "a mixture, and its height at λ = ½ against the chord",
    ("different-class", "channel-limit"): "channel-limit is different-class at a large a",
    ("different-class", "edge-slopes"): "a mixture, and its slopes in λ at the ends",
    ("different-class", "mid-channel-slope"): "a mixture, and its slope in λ at the middle",
    ("two-classes", "mid-channel-slope"): "the middle of K = 2 too: p_i = ½",
    ("edge-slopes", "mid-channel-slope"): "slopes of one curve, at its ends and in its middle",
    ("bent-channel", "mid-channel-slope"): "λ = ½, along the channel and across: two amplifications",
    ("bent-channel", "squared-error-affine"): "mixtures leave the chord; under squared error they keep to it",
    ("affine-limit", "many-classes"): "nearly affine logits: for a small a, for many classes",
    ("affine-limit", "squared-error-affine"): "affine logits: nearly, and under squared error exactly",
    ("channel-limit", "support-size"): "a large a: shares of two classes kept; of any number forgotten",
    ("squared-error-affine", "squared-error-joint"): "one formula of features: W given, W optimal",
    ("calibration", "residual-norm"): "y - p of each label, and its mean square at the optimal W",
    ("calibration", "strong-convexity"): "a gradient: zero, and as a bound on the distance",
    ("strong-convexity", "feature-curvature"): "curvature in h: the least of all, and all of it at a class",
    ("feature-curvature", "collapse-hessian"): "curvature at collapse: in the features, and in W with them",
    ("label-noise", "label-smoothing"): "symmetric noise η is smoothing by ηK/(K-1)",
    ("label-noise", "distillation"): "features see the mean of their labels alone, be it noise or a teacher",
    ("support-size", "support-svm"): "vanishing penalties: the size of logits, and their shape",
    ("support-size", "residual-norm"): "the mean squared residual fixes the a of support-size",
    ("duality", "equalised-residuals"): "M ≤ c² in the dual, with equality where W acts",
    ("duality", "trivial-threshold"): "W = 0 iff p = 1/K meets the constraint of the dual",
    ("duality", "polygon-escape"): "M ≤ c² proves an optimum; in the plane, M beyond c² leads out",
    ("equalised-residuals", "residual-norm"): "M W = c² W, and its trace where W has the rank K-1",
    ("equalised-residuals", "polygon-escape"): "M W = c² W at saddles too; M beyond c² leads out",
    ("joint-etf", "onehot-ce"): "onehot-ce is joint-etf with the multiplier as a formula",
    ("joint-etf", "label-smoothing"): "label-smoothing is joint-etf with the multiplier as a formula",
    ("joint-etf", "trivial-threshold"): "the ETF, and where it shrinks to zero",
    ("joint-etf", "residual-norm"): "the multiplier's equation, and what it says of residuals",
    ("joint-etf", "susceptibility"): "the ETF, and how it answers a change of the labels",
    ("joint-etf", "squared-error-joint"): "cross-entropy, and squared error with a free bias",
    ("joint-etf", "necessity"): "exchangeable laws, and why they have to be",
    ("joint-etf", "superclass-laws"): "one gain for all permutations, two for those of superclasses",
    ("joint-etf", "circulant-laws"): "one gain for all permutations, one a frequency for shifts",
    ("joint-etf", "multi-label"): "labels of several classes: one mixed label, and a loss for each class",
    ("trivial-threshold", "squared-error-joint"): "one threshold for both losses",
    ("trivial-threshold", "minority-collapse"): "a moment of labels against c²: of all classes, of some",
    ("trivial-threshold", "focal"): "to zero: continuously, and (focal) by a jump",
    ("residual-norm", "susceptibility"): "exchangeable laws: size of the residuals, response of the optimum",
    ("onehot-ce", "label-smoothing"): "onehot-ce is label-smoothing at ε = 0",
    ("onehot-ce", "bce"): "the same probabilities: softmax, and each class against the rest",
    ("onehot-ce", "minority-collapse"): "one-hot classes: as likely, and of unequal weights",
    ("onehot-ce", "seli"): "one-hot labels: at any penalty, and as penalties vanish at any weights",
    ("onehot-ce", "polygon"): "one-hot labels: d ≥ K-1, and d = 2",
    ("onehot-ce", "norm-constrained"): "norms: penalised, and bounded",
    ("onehot-ce", "layer-peeled"): "mean squares: penalised, and bounded",
    ("onehot-ce", "focal"): "γ → 0 turns the focal loss into cross-entropy",
    ("onehot-ce", "deep-linear-ce"): "N = 2 factors, and more",
    ("onehot-ce", "relu-features"): "features of any sign, and h ≥ 0",
    ("onehot-ce", "collapse-hessian"): "neural collapse, and the Hessian there",
    ("onehot-ce", "distillation"): "n = 1: a teacher of one-hot labels",
    ("onehot-ce", "ce-ray"): "one ray of simplices: optima with penalties, and a flow without",
    ("onehot-ce", "ordinal"): "K = 2, threshold 0: ordinal with λ_W/2 is onehot-ce with λ_W",
    ("label-smoothing", "distillation"): "a teacher that rates wrong classes alike smooths the labels",
    ("label-smoothing", "balancing-smoothing"): "one ε for all classes, and one for each",
    ("label-smoothing", "group-smoothing"): "wrong classes rated alike, and by a symmetry",
    ("label-smoothing", "superclass-collapse"): "superclass-collapse at ε = 0 is smoothing by δ",
    ("label-smoothing", "bce"): "the same probabilities: softmax, and each class against the rest",
    ("label-smoothing", "collapse-hessian"): "collapse with smoothing, and the Hessian there",
    ("minority-collapse", "layer-peeled-minority"): "rare classes merge: under penalties, under budgets",
    ("minority-collapse", "logit-adjustment"): "one threshold: without the adjustment, and with it",
    ("minority-collapse", "balancing-smoothing"): "imbalance: its worst effect, and labels that undo it",
    ("minority-collapse", "relu-features"): "rare classes: they merge; with h ≥ 0 each dies alone",
    ("minority-collapse", "superclass-collapse"): "classes that merge: of one weight, of one superclass",
    ("necessity", "circulant-laws"): "cyclic pairs: W is no ETF, and what it is",
    ("necessity", "minority-collapse"): "not exchangeable: by the pairs, by the weights",
    ("inverse-design", "balancing-smoothing"): "balancing-smoothing is inverse-design of an ETF",
    ("inverse-design", "group-smoothing"): "labels from W, and W from labels with a symmetry",
    ("inverse-design", "superclass-collapse"): "superclass-collapse is of this kind while no classes merge",
    ("inverse-design", "restored-temperatures"): "W is asked for: labels give it, or temperatures",
    ("balancing-smoothing", "restored-temperatures"): "an ETF despite imbalance: by labels, by temperatures",
    ("group-smoothing", "superclass-collapse"): "a symmetry; superclass-collapse also where classes merge",
    ("group-smoothing", "circulant-laws"): "a ring; circulant-laws also past a negative eigenvalue",
    ("superclass-collapse", "superclass-laws"): "one label a class, by formulas; any law, by two equations",
    ("superclass-laws", "circulant-laws"): "two symmetries; cyclic pairs of four classes have both",
    ("squared-imbalanced", "squared-bias"): "squared error: no bias, and a penalised one",
    ("squared-imbalanced", "squared-error-joint"): "no bias: each class alone; a free bias: an ETF",
    ("squared-imbalanced", "regression"): "squared-imbalanced is regression on e_k, of moments diag(q)",
    ("squared-imbalanced", "relu-features"): "each class alone: under squared error, and with h ≥ 0",
    ("squared-imbalanced", "deep-linear-mse"): "N = 2 factors, and more",
    ("squared-imbalanced", "bce-no-bias"): "no bias: W keeps a part along 1 and is no ETF",
    ("squared-bias", "squared-error-joint"): "one-hot labels, any penalty on the bias; any law, none",
    ("squared-bias", "bce-no-bias"): "the part along 1 that a free bias would take",
    ("squared-error-joint", "regression"): "an exchangeable law: targets of covariance σ²Π",
    ("squared-error-joint", "mse-ray"): "penalties that vanish, and none: the same fit in the end",
    ("bce", "bce-no-bias"): "each class against the rest: a free bias, and none",
    ("polygon", "polygon-escape"): "the polygon, and the way out of it in a third dimension",
    ("polygon", "deep-linear-ce"): "the polygon: in the plane, and among several factors",
    ("polygon", "softmax-codes"): "too few dimensions: under penalties, for unit norms",
    ("susceptibility", "collapse-hessian"): "second derivatives: in W Wᵀ, and in W and all features",
    ("susceptibility", "seli"): "what weights of classes do: at any penalty, as it vanishes",
    ("multi-label", "restored-temperatures"): "features with penalties of their own",
    ("multi-label", "support-svm"): "labels that are sets: at any penalty, as it vanishes",
    ("norm-constrained", "layer-peeled"): "each norm bounded, and their mean squares",
    ("norm-constrained", "supcon"): "bounded features: against W, and against each other",
    ("norm-constrained", "softmax-codes"): "unit norms: d ≥ K-1, and fewer dimensions as τ → 0",
    ("supcon", "softmax-codes"): "features on a sphere: a loss of pairs, a margin",
    ("layer-peeled", "layer-peeled-minority"): "budgets: classes as likely, and rare ones",
    ("deep-linear-ce", "deep-linear-mse"): "products of factors, under both losses",
    ("deep-linear-ce", "focal"): "not convex at any d: optimality is numerical evidence",
    ("seli", "support-svm"): "vanishing penalties: one class a label, and several",
    ("seli", "softmax-codes"): "the widest margin: of least penalties, of unit norms",
    ("seli", "layer-peeled-minority"): "imbalance: as penalties vanish, under budgets",
    ("ce-ray", "mse-ray"): "one flow, under both losses",
    ("ce-ray", "seli"): "penalties: none, and vanishing",
    ("ordinal", "regression"): "answers with an order, and answers that are numbers",
    (
        "logit-adjustment",
        "restored-temperatures",
    ): "the loss against imbalance: logits shifted, logits scaled",
    ("channel-limit", "affine-limit"): "limits: a large a, a small a",
    ("many-classes", "squared-error-affine"): "affine logits: nearly, and under squared error exactly",
    ("edge-slopes", "feature-curvature"): "the Hessian at a class, and how the optimum moves with the label",
    ("supcon", "onehot-ce"): "a simplex: of pairs of features, of features and W",
    ("deep-linear-mse", "regression"): "squared error: every direction is kept or lost alone",
    ("deep-linear-mse", "mse-ray"): "squared error: factors with penalties, a flow without",
    ("logit-adjustment", "balancing-smoothing"): "against imbalance: logits shifted, labels smoothed",
    ("ordinal", "trivial-threshold"): "zero from where a moment of slopes at zero meets c²",
}


def constraint(theorem: Theorem) -> str:
    """fixed: W is given; free: W is penalised; else the name of the problem's shape."""
    if isinstance(theorem.claim, FeatureClaim):
        return FIXED
    return FREE if isinstance(theorem.claim, JointClaim) else str(theorem.claim.kind)


def of_any_labels(theorem: Theorem) -> bool:
    """Whether it holds whatever the labels are: no hypothesis is about them."""
    return {a.text for a in theorem.assumptions} <= {a.text for a in OF_NO_LABELS}


def constraints(theorems) -> list[str]:
    """Those that occur, in order."""
    return list(dict.fromkeys(map(constraint, theorems)))


def admits(theorem: Theorem, aspect: str, value: str) -> bool:
    """Whether no assumption excludes the value of an aspect, nor the kind of problem: a bias is of a penalised W
    alone; problems that read no loss, or no labels, have their own, or classes as likely."""
    kind = constraint(theorem)
    if aspect == "constraint":
        return kind == value
    said = [a.about[1] for a in theorem.assumptions if a.about and a.about[0] == aspect]
    if not said:
        reads = READS.get(kind, (LABELS, LOSS))
        own = {"bias": kind != FREE, "balance": LABELS not in reads, "loss": LOSS not in reads}[aspect]
        return not own or value == {"bias": "none", "balance": "balanced"}.get(aspect)
    return all(value in values for values in said)


def relatives(name: str) -> dict[str, str]:
    """The theorems nearest to it, and what each has to do with it (`TIES`)."""
    return {(set(pair) - {name}).pop(): words for pair, words in TIES.items() if name in pair}
