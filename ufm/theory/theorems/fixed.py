"""Theorems on optimal features against a fixed simplex ETF, as values.

Numerical logits z come centred. Everything here is a prediction of z, or of a function of z.
"""

import numpy as np
import scipy

import ufm.theory.theorems.assumptions as given
from ufm.theory.features import rounding
from ufm.theory.predict import EPS
from ufm.theory.theorems.fixed_labels import (
    OWN,
    against_others,
    class_labels,
    half_labels,
    label_optimum,
    mixed_labels,
    read_logits,
    soft_labels,
    state,
    two_hot_optimum,
    two_largest,
)
from ufm.theory.theorems.fixed_limits import AFFINE_LIMIT, CHANNEL_LIMIT, MANY_CLASSES
from ufm.theory.theorems.theorem import Claim, FeatureClaim, Setting, Theorem

# --- any soft label -----------------------------------------------------------------------------


def _soft_label(setting: Setting, Y) -> Claim:
    best = label_optimum(Y, np.ones_like(Y), setting.problem.sharpness)
    x = np.asarray(best.x)
    return state(setting, x - x.mean(1, keepdims=True), x.max(1))


SOFT_LABEL = Theorem(
    name="soft-label",
    title="Optimal logits for any soft label",
    statement=r"z = a(y - p), \quad a p_k = \omega(a y_k + t), \quad \textstyle\sum_k \omega(a y_k + t) = a,"
    r" \quad h = \tfrac{1}{g} W^\top z",
    assumptions=(given.ETF, given.ALIVE, given.CROSS_ENTROPY),
    claim=FeatureClaim(soft_labels, _soft_label, read_logits),
    quantity="centred logits of 15 soft labels",
    source=OWN,
)


# --- same class ---------------------------------------------------------------------------------


def _same_class(setting: Setting, Y) -> Claim:
    K = setting.problem.classes
    x = float(two_hot_optimum(1.0, setting.problem.sharpness, K).x_i)
    return state(setting, x * (Y - 1 / K), np.full(len(Y), x))


SAME_CLASS = Theorem(
    name="same-class",
    title="Same-class mixtures align with the classifier",
    statement=r"h = \tfrac{x}{g} w_c \text{ for every } \lambda, \quad x(e^x + K - 1) = aK",
    assumptions=(given.ETF, given.ALIVE, given.CROSS_ENTROPY),
    claim=FeatureClaim(class_labels, _same_class, read_logits),
    quantity="centred logits of the classes",
    source=OWN,
)


# --- different classes --------------------------------------------------------------------------


def _different_class(setting: Setting, Y) -> Claim:
    _, j = two_largest(Y)  # the smaller weight is the label's own number, the larger one less that
    small = Y[np.arange(len(Y)), j]
    best = two_hot_optimum(small, setting.problem.sharpness, setting.problem.classes)
    x_i, x_j = np.asarray(best.x_j), np.asarray(best.x_i)
    return state(setting, np.stack([x_i, x_j, np.zeros(len(Y))], 1), x_i)


DIFFERENT_CLASS = Theorem(
    name="different-class",
    title="Different-class mixtures span two directions",
    statement=r"h = \tfrac{1}{g}(x_i w_i + x_j w_j), \quad x_i + \tfrac{x_i + x_j}{K}(e^{x_i} - 1) = a\lambda,"
    r" \quad x_j + \tfrac{x_i + x_j}{K}(e^{x_j} - 1) = a(1-\lambda)",
    assumptions=(given.ETF, given.ALIVE, given.CROSS_ENTROPY, given.TWO_HOT, given.THREE_CLASSES),
    claim=FeatureClaim(mixed_labels, _different_class, against_others, lambda setting: 2.0),
    quantity="x_i, x_j and what lies outside span{w_i, w_j}",
    source=OWN,
)


def _two_classes(setting: Setting, Y) -> Claim:
    smaller = two_hot_optimum(Y.min(1), setting.problem.sharpness, 2).gap
    D = np.where(Y[:, 0] <= Y[:, 1], 1.0, -1.0) * np.asarray(smaller)
    return state(setting, D[:, None], D)


TWO_CLASSES = Theorem(
    name="two-classes",
    title="Two classes: one number",
    statement=r"y = \lambda e_1 + (1-\lambda) e_2: \quad D = z_1 - z_2, \quad D = a\,(2\lambda - 1 - \tanh(D/2))",
    assumptions=(given.ETF, given.ALIVE, given.CROSS_ENTROPY, given.TWO_CLASSES),
    claim=FeatureClaim(
        mixed_labels, _two_classes, lambda setting, Y, z: z[:, :1] - z[:, 1:], lambda setting: 2.0
    ),
    quantity="D",
    source=OWN,
)


# --- limits -------------------------------------------------------------------------------------


def _half_of_same_class(setting: Setting, Y) -> Claim:
    x = float(two_hot_optimum(1.0, setting.problem.sharpness, setting.problem.classes).x_i)
    return Claim(np.full((len(Y), 1), -x / 2), np.full(len(Y), rounding(3, EPS) * x))


def _minus_height(setting: Setting, Y, z):
    x_i, x_j, _ = against_others(setting, Y, z).T
    return -0.5 * (x_i + x_j)[:, None]


BENT_CHANNEL = Theorem(
    name="bent-channel",
    title="Under cross-entropy the channel bulges: no convex combinations",
    statement=r"\lambda = \tfrac12: \quad s = \tfrac{x_i + x_j}{2} > \tfrac{x}{2}, \text{ the mean of its ends}",
    assumptions=(given.ETF, given.ALIVE, given.CROSS_ENTROPY, given.TWO_HOT, given.THREE_CLASSES),
    claim=FeatureClaim(half_labels, _half_of_same_class, _minus_height, lambda setting: 2.0, "<="),
    quantity="−s at λ = ½ against −x/2",
    source="re-derived here",
)


# --- slopes at the edges ------------------------------------------------------------------------


def _edge_slopes(setting: Setting, Y) -> Claim:
    """dx_j/dτ = a/(1 + x/K) at τ = 0; dx_i/dτ from x_i + ((x_i+x_j)/K)(e^{x_i} − 1) = a(1−τ)."""
    a, K = setting.problem.sharpness, setting.problem.classes
    x = float(two_hot_optimum(1.0, a, K).x_i)
    slope_j = a / (1 + x / K)
    grown = np.expm1(x) / K
    slope_i = -(a + grown * slope_j) / (1 + grown + x / K * np.exp(x))
    values = np.tile([slope_i, slope_j, 0.0], (len(Y), 1))
    return Claim(values, np.full(len(Y), (256 + 8 * x) * EPS * abs(slope_j)))


def _numerical_slopes(setting: Setting, Y, z):
    """Slopes of the numerical optimum along y + τ(e_j − y): dz = a (I + a P)⁻¹ dy, P = diag p − p pᵀ."""
    a, K = setting.problem.sharpness, setting.problem.classes
    found = []
    for y, logits in zip(Y, z):
        p, i = scipy.special.softmax(logits), int(np.argmax(y))
        j, o = (i + 1) % K, (i + 2) % K
        dy = np.zeros(K)
        dy[j], dy[i] = 1.0, -1.0
        dz = a * np.linalg.solve(np.eye(K) + a * (np.diag(p) - np.outer(p, p)), dy)
        found.append([dz[i] - dz[o], dz[j] - dz[o], 0.0])
    return np.array(found)


EDGE_SLOPES = Theorem(
    name="edge-slopes",
    title="Features are analytic in λ up to the edges, with these slopes",
    statement=r"\tau = 1 - \lambda \to 0: \quad \frac{dx_j}{d\tau} = \frac{a}{1 + x/K}, \quad"
    r" \frac{dx_i}{d\tau} = -\frac{a + \frac{e^x-1}{K}\frac{dx_j}{d\tau}}{1 + \frac{e^x-1}{K} + \frac{x}{K}e^x}",
    assumptions=(given.ETF, given.ALIVE, given.CROSS_ENTROPY, given.TWO_HOT, given.THREE_CLASSES),
    claim=FeatureClaim(
        class_labels, _edge_slopes, _numerical_slopes, lambda setting: 4.0 * setting.problem.sharpness**2
    ),
    quantity="slopes of x_i and x_j, from the numerical optimum's own Hessian",
    source="re-derived here",
)


# --- squared error, calibration -----------------------------------------------------------------


def _affine(setting: Setting, Y) -> Claim:
    a, K = setting.problem.sharpness, setting.problem.classes
    return state(setting, a / (1 + a) * (Y - 1 / K), np.full(len(Y), a / (1 + a)))


SQUARED_ERROR_AFFINE = Theorem(
    name="squared-error-affine",
    title="Under squared error mixed features are convex combinations",
    statement=r"h = \tfrac{1}{g + \lambda_H} W^\top y",
    assumptions=(given.ETF, given.ALIVE, given.SQUARED_ERROR),
    claim=FeatureClaim(soft_labels, _affine, read_logits),
    quantity="centred logits of 15 soft labels",
    source="re-derived here; compare Zhou et al. 2022, Tirer and Bruna 2022",
)


def _calibrated(setting: Setting, Y) -> Claim:
    a, K = setting.problem.sharpness, Y.shape[1]
    # the softmax of rounded logits, |z| ≤ log(1 + aK), is off by that many units of machine epsilon
    return Claim(np.zeros_like(Y), np.full(len(Y), 16 * EPS * a * (2 + np.log1p(a * K))))


def _deficit(setting: Setting, Y, z):
    return setting.problem.sharpness * (Y - scipy.special.softmax(z, 1)) - z


CALIBRATION = Theorem(
    name="calibration",
    title="The confidence deficit is the logit over the sharpness",
    statement=r"y - p = z/a",
    assumptions=(given.ETF, given.ALIVE, given.CROSS_ENTROPY),
    claim=FeatureClaim(
        soft_labels, _calibrated, _deficit, lambda setting: 1 + 0.5 * setting.problem.sharpness
    ),
    quantity="a(y − p) − z",
    source=OWN,
)


def _no_excess(setting: Setting, Y) -> Claim:
    return Claim(np.zeros((len(Y), 3)), np.full(len(Y), 1e-13))


def _beyond_gradient(setting: Setting, Y, z):
    """‖q − q*‖ − ‖∇f(q)‖/λ_H of three candidates a label, in isometric coordinates q = z/√g."""
    g, lam = setting.problem.gain, setting.problem.lambda_h
    rng = np.random.default_rng(1)
    found = []
    for size in (0.01, 0.3, 3.0):
        move = size * rng.standard_normal(z.shape)
        moved = z + (move - move.mean(1, keepdims=True)) * np.abs(z).max()
        p = scipy.special.softmax(moved, 1)
        gradient = np.sqrt(g) * (p - Y) + lam / np.sqrt(g) * moved
        gradient -= gradient.mean(1, keepdims=True)
        distance = np.linalg.norm(moved - z, axis=1) / np.sqrt(g)
        found.append(distance - np.linalg.norm(gradient, axis=1) / lam)
    return np.sqrt(g) * np.stack(found, 1)


STRONG_CONVEXITY = Theorem(
    name="strong-convexity",
    title="The gradient bounds the distance to the optimum",
    statement=r"\|h - h^*\| \le \|\nabla f(h)\| / \lambda_H",
    assumptions=(given.ETF, given.ALIVE, given.CROSS_ENTROPY),
    claim=FeatureClaim(soft_labels, _no_excess, _beyond_gradient, lambda setting: 2.0, "<="),
    quantity="distance less bound, of 45 perturbed candidates",
    source="textbook",
)

FIXED = (
    SOFT_LABEL,
    SAME_CLASS,
    DIFFERENT_CLASS,
    TWO_CLASSES,
    CHANNEL_LIMIT,
    AFFINE_LIMIT,
    MANY_CLASSES,
    BENT_CHANNEL,
    EDGE_SLOPES,
    SQUARED_ERROR_AFFINE,
    CALIBRATION,
    STRONG_CONVEXITY,
)
