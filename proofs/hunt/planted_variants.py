"""False theorems on problems of another shape, students and saddles: a factor forgotten, or one too many."""

from functools import partial

from proofs.hunt.slips import moved_threshold, slip
from ufm.theory.theorems.free.onehot import DISTILLATION, taught_finding
from ufm.theory.theorems.theorem import JointClaim, Theorem, VariantClaim
from ufm.theory.theorems.variants.budgets import LAYER_PEELED_MINORITY
from ufm.theory.theorems.variants.constrained import (
    LAYER_PEELED,
    NORM_CONSTRAINED,
    RELU_FEATURES,
    SOFTMAX_CODES,
    SUPCON,
)
from ufm.theory.theorems.variants.deep import DEEP_LINEAR_CE, DEEP_LINEAR_MSE
from ufm.theory.theorems.variants.limits import (
    CE_RAY,
    MSE_RAY,
    SELI,
    SUPPORT_SVM,
)
from ufm.theory.theorems.variants.losses import FOCAL, LOGIT_ADJUSTMENT, ORDINAL


def misjudged(theorem: Theorem, name: str, words: str, **changes) -> Theorem:
    """The theorem with another judge, `changes` made to its own; words: what was taken for what."""
    claim = theorem.claim
    assert isinstance(claim, VariantClaim)
    return slip(theorem, name, words, VariantClaim(claim.kind, partial(claim.judge, **changes)))


def moved(theorem: Theorem, name: str, share: float) -> Theorem:
    """The theorem told λ_W/share."""
    assert isinstance(theorem.claim, VariantClaim)
    judge = moved_threshold(theorem, share)
    assert isinstance(judge, JointClaim)
    words = f"λ_W taken 2 % too {'large' if share < 1 else 'small'}"
    return slip(theorem, name, words, VariantClaim(theorem.claim.kind, judge.judge))


def adjusted(name: str, share: float, words: str) -> Theorem:
    """The theorem on logit adjustment with its threshold multiplied by `share`."""
    judge = moved_threshold(LOGIT_ADJUSTMENT, share)
    return slip(LOGIT_ADJUSTMENT, name, words, VariantClaim("logit-adjusted", judge.judge))


def taught(name: str, words: str, share) -> Theorem:
    """The theorem on students told that ε is share(K) times what it is."""
    change = partial(taught_finding, change=lambda epsilon, K: share(K) * epsilon)
    return slip(DISTILLATION, name, words, JointClaim(change))


def squared(curvature: float) -> float:
    """1 − μ/c² where 1 − √μ/c is right."""
    return 1 - (1 - curvature) ** 2


def rooted(curvature: float) -> float:
    """1 − (μ/c²)^{1/4} where 1 − √μ/c is right."""
    return 1 - (1 - curvature) ** 0.5


TAUGHT = (
    taught("distillation-early", "what a wrong class has, taken K − 1 times", lambda K: (K - 1) / K),
    taught(
        "distillation-late", "what all wrong classes have, taken for K − 1 of them", lambda K: K / (K - 1)
    ),
)
OF_VARIANTS = (
    misjudged(NORM_CONSTRAINED, "norm-early", "K/(K−1) forgotten", share=lambda K: (K - 1) / K),
    misjudged(NORM_CONSTRAINED, "norm-late", "K/(K−1) taken twice", share=lambda K: K / (K - 1)),
    misjudged(
        LAYER_PEELED, "peeled-early", "the sum of squared rows for their mean", share=lambda K: K**-0.5
    ),
    misjudged(LAYER_PEELED, "peeled-late", "the mean of squared rows for their sum", share=lambda K: K**0.5),
    misjudged(
        LAYER_PEELED_MINORITY,
        "peeled-minority-early",
        "the nuclear norm over the number of classes, not its root",
        share=lambda K: K**-0.5,
    ),
    misjudged(
        LAYER_PEELED_MINORITY,
        "peeled-minority-late",
        "the nuclear norm itself for the mean budget",
        share=lambda K: K**0.5,
    ),
    adjusted("adjusted-early", 0.5, "a residual taken for half of what it is"),
    adjusted("adjusted-late", 2.0, "both classes of a pair counted twice"),
    misjudged(RELU_FEATURES, "relu-early", "gaps 1 % too long", change=lambda x: 1.01 * x),
    misjudged(RELU_FEATURES, "relu-late", "gaps 1 % too short", change=lambda x: 0.99 * x),
    misjudged(SUPCON, "supcon-early", "K/(K−1) forgotten", share=lambda K: (K - 1) / K),
    misjudged(SUPCON, "supcon-late", "K/(K−1) taken twice", share=lambda K: K / (K - 1)),
    misjudged(SOFTMAX_CODES, "codes-early", "distances 2 % too small", share=0.98),
    misjudged(SOFTMAX_CODES, "codes-late", "distances 2 % too large", share=1.02),
    misjudged(SELI, "seli-early", "the norm 2 % too small", share=0.98),
    misjudged(SELI, "seli-late", "the norm 2 % too large", share=1.02),
    misjudged(SUPPORT_SVM, "support-svm-early", "the norm 2 % too small", share=0.98),
    misjudged(SUPPORT_SVM, "support-svm-late", "the norm 2 % too large", share=1.02),
    misjudged(CE_RAY, "ce-ray-early", "the loss summed over classes, not averaged", pace=2.0),
    misjudged(CE_RAY, "ce-ray-late", "W alone moves", pace=0.5),
    misjudged(MSE_RAY, "mse-ray-early", "the loss without its half", pace=2.0),
    misjudged(MSE_RAY, "mse-ray-late", "W alone moves", pace=0.5),
    *(
        moved(theorem, f"{name}-{word}", share)
        for theorem, name in (
            (DEEP_LINEAR_CE, "deep-ce"),
            (DEEP_LINEAR_MSE, "deep-mse"),
            (FOCAL, "focal"),
            (ORDINAL, "ordinal"),
        )
        for word, share in (("early", 0.98), ("late", 1.02))
    ),
)
