"""False theorems, each made from a true one by a slip that is easily made: what the search must find.

They live apart from the index: `ufm.theory.theorems.catalogue.THEOREMS` does not know them. The titles say what is
claimed; nothing in a planted claim tells the search where it is wrong.
"""

from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

import ufm.theory.theorems.assumptions as given
from proofs.hunt.planted_classes import OF_CLASSES
from proofs.hunt.planted_free import FREE
from proofs.hunt.planted_problems import OF_PROBLEMS
from proofs.hunt.planted_variants import OF_VARIANTS, TAUGHT
from proofs.hunt.slips import moved_threshold, moved_triviality, planted
from ufm.theory.multiplier import pattern_multiplier
from ufm.theory.theorems.fixed import DIFFERENT_CLASS, SAME_CLASS
from ufm.theory.theorems.fixed_labels import mixed_labels
from ufm.theory.theorems.joint import (
    EPS,
    GAP_TOLERANCE,
    JOINT_ETF,
    MINORITY_COLLAPSE,
    SQUARED_ERROR_JOINT,
    TRIVIAL_THRESHOLD,
    mean_divergence,
    predictions,
)
from ufm.theory.theorems.theorem import (
    Claim,
    FeatureClaim,
    Finding,
    JointClaim,
    JointOptimum,
    Setting,
    Theorem,
)

ROUNDING = 1e-12  # relative, of a root found by bracketing: far above what it has, far below every slip


def lambert_root(a: float, K: int, r: float) -> float:
    """The root x > 0 of x (eˣ + r) = a K."""
    return brentq(lambda x: x * (np.exp(x) + r) - a * K, 0.0, np.log1p(a * K) + 1, xtol=1e-300, rtol=1e-15)


# --- a constant -----------------------------------------------------------------------------------


def _wrong_constant(setting: Setting, Y) -> Claim:
    K = setting.problem.classes
    x = lambert_root(setting.problem.sharpness, K, K)
    return Claim(x * (Y - 1 / K), np.full(len(Y), ROUNDING * x))


CONSTANT = replace(
    SAME_CLASS,
    name="planted-constant",
    title="Same-class features, with K in place of K - 1",
    statement=r"h = \tfrac{x}{g} w_c, \quad x(e^x + K) = aK",
    claim=replace(SAME_CLASS.claim, formula=_wrong_constant),
    source="planted: the class itself is counted among the others",
)


# --- linearity ------------------------------------------------------------------------------------


def _between_classes(setting: Setting, Y) -> Claim:
    K = setting.problem.classes
    x = lambert_root(setting.problem.sharpness, K, K - 1)
    return Claim(x * (Y - 1 / K), np.full(len(Y), ROUNDING * x))


AFFINE = replace(
    SAME_CLASS,
    name="planted-affine",
    title="Mixed features are convex combinations of class features",
    statement=r"h_\lambda = \lambda h_1 + (1-\lambda) h_0, \quad h_1 = \tfrac{x}{g} w_i, \quad"
    r" h_0 = \tfrac{x}{g} w_j, \quad x(e^x + K - 1) = aK",
    claim=FeatureClaim(mixed_labels, _between_classes, SAME_CLASS.claim.measure),
    quantity="centred logits of mixtures",
    source="planted: true under squared error only",
)


def _logit_exactly(setting: Setting, Y) -> Claim:
    two = np.sort(Y, axis=1)[:, -2:]
    D = np.log(two[:, 1] / two[:, 0])
    return Claim(D[:, None], ROUNDING * (1 + D))


def _measured_gap(setting: Setting, Y, z):
    order = np.argsort(-Y, axis=1, kind="stable")
    rows = np.arange(len(Y))
    return (z[rows, order[:, 0]] - z[rows, order[:, 1]])[:, None]


def _inner_labels(setting: Setting):
    Y = mixed_labels(setting)
    return Y[np.sort(Y, 1)[:, -2] > 0]


LOGIT = replace(
    DIFFERENT_CLASS,
    name="planted-logit",
    title="The displacement across the channel is logit lambda, at every penalty",
    statement=r"x_i - x_j = \operatorname{logit}\lambda",
    claim=FeatureClaim(_inner_labels, _logit_exactly, _measured_gap, lambda setting: 2.0),
    quantity="x_i - x_j of mixtures",
    source="planted: the limit of vanishing lambda_H taken for the thing itself",
)


# --- a hypothesis ---------------------------------------------------------------------------------

CYCLIC_ETF = replace(
    JOINT_ETF,
    name="planted-cyclic-etf",
    title="The optimal classifier is a simplex ETF, for cyclic pairs too",
    assumptions=tuple(given.CYCLIC if a is given.EXCHANGEABLE else a for a in JOINT_ETF.assumptions),
    source="planted: exchangeability forgotten",
)

# --- the free classifier --------------------------------------------------------------------------


def _forgotten_factor(setting: Setting, optimum: JointOptimum) -> Finding:
    """m² = a λ_H, so that features and predictions are those of the sharpness a K/(K−1)."""
    joint, K = setting.joint, setting.problem.classes
    a = pattern_multiplier(joint.atoms.patterns, joint.lambda_w, joint.lambda_h).sharpness
    p = predictions(joint.atoms.labels, a * K / (K - 1))
    divergence = mean_divergence(joint.atoms.weights, p, optimum.Z)
    return Finding(
        predicted=float(np.sqrt(a * joint.lambda_h)),
        numeric=float(np.linalg.norm(optimum.W) / np.sqrt(K)),
        error=float(np.sqrt(divergence)),
        bound=float(np.sqrt(optimum.gap)),
        rounding=256 * EPS * (K + float(np.abs(optimum.Z).max())),
        tol=float(np.sqrt(GAP_TOLERANCE * abs(optimum.objective))),
    )


MULTIPLIER = replace(
    JOINT_ETF,
    name="planted-multiplier",
    title="The optimal classifier is a simplex ETF, without the factor (K - 1)/K in its size",
    statement=r"W W^\top = \tfrac{m^2 K}{K-1} \Pi, \quad \mathbb{E}\|y - p_a(y)\|^2 = (K-1)\lambda_W\lambda_H,"
    r" \quad m^2 = a \lambda_H",
    claim=JointClaim(_forgotten_factor),
    source="planted: the gain g = a lambda_H taken for the square of the row norm",
)


# --- thresholds, too low and too high -------------------------------------------------------------


def _smoothed_once(setting: Setting, optimum: JointOptimum) -> Finding:
    share = 1 / (1 - setting.problem.law.smoothing)
    return moved_threshold(TRIVIAL_THRESHOLD, share).judge(setting, optimum)


THRESHOLD = replace(
    TRIVIAL_THRESHOLD,
    name="planted-threshold",
    title="The optimum is zero from 98 % of the true threshold on",
    statement=r"W = 0 \iff \lambda_W\lambda_H \ge 0.98\,\sigma^2",
    claim=moved_threshold(TRIVIAL_THRESHOLD, 0.98),
    source="planted: the threshold is off by 2 %",
)

SMOOTHING = replace(
    TRIVIAL_THRESHOLD,
    name="planted-smoothing",
    title="Smoothing lowers the threshold by 1 - delta",
    statement=r"W = 0 \iff \lambda_W\lambda_H \ge \frac{(1-\delta)(\alpha + 1)}{(2\alpha + 1) K}",
    claim=JointClaim(_smoothed_once),
    source="planted: the scale of labels taken for that of their moment",
)

MINORITY = replace(
    MINORITY_COLLAPSE,
    name="planted-minority",
    title="Classes of equal small weight collapse, from half the true threshold on",
    statement=r"w_k = w_l \ (k, l \in B) \iff \tfrac12 \rho\, q_B \le \lambda_W\lambda_H, \quad"
    r" \rho = \mathbb{E}[\lambda^2 + (1-\lambda)^2]",
    claim=moved_threshold(MINORITY_COLLAPSE, 0.5),
    source="planted: one of the two classes of a mixture is forgotten",
)

LATE = (
    planted(TRIVIAL_THRESHOLD, "threshold-late", 1.02, "the threshold is off by 2 %"),
    planted(MINORITY_COLLAPSE, "minority-late", 2.0, "both classes of a mixture are counted twice"),
    planted(JOINT_ETF, "etf-late", 1.02, "non-trivial beyond the true threshold", moved_triviality),
    planted(SQUARED_ERROR_JOINT, "squared-late", 1.02, "non-trivial beyond σ²", moved_triviality),
)
EARLY = (
    planted(JOINT_ETF, "etf-early", 0.98, "trivial below the true threshold", moved_triviality),
    planted(SQUARED_ERROR_JOINT, "squared-early", 0.98, "trivial below σ²", moved_triviality),
)

PLANTED: dict[str, Theorem] = {
    theorem.name: theorem
    for theorem in (
        *(CONSTANT, AFFINE, LOGIT, CYCLIC_ETF, MULTIPLIER),
        *(THRESHOLD, SMOOTHING, MINORITY, *EARLY, *LATE),
        *FREE,
        *OF_CLASSES,
        *OF_PROBLEMS,
        *OF_VARIANTS,
        *TAUGHT,
    )
}
