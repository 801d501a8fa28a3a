"""Theorems on optimal features against a fixed simplex ETF, as values.

Numerical logits z come centred. Everything here is a prediction of z, or of a function of z.
"""

import jax
import numpy as np
from scipy.special import lambertw, softmax

import ufm.theory.features as closed
import ufm.theory.theorems.assumptions as given
from ufm.theory.features import rounding
from ufm.theory.predict import EPS, classifier_error
from ufm.theory.theorems.theorem import Claim, FeatureClaim, Setting, Theorem

label_optimum = jax.jit(closed.label_optimum, static_argnames="loss")
two_hot_optimum = jax.jit(closed.two_hot_optimum, static_argnames="loss")

OWN = "re-derived here; generalises Fisher, Meng, Papyan, ICLR 2024 (fixed ETF, mixup)"
PAIRS = ((0, 1), (1, 0), (0, -1))  # enough by symmetry, and one to see the symmetry


def _claim(setting: Setting, values: np.ndarray, scale: np.ndarray) -> Claim:
    """Predictions with the rounding of the closed form, relative to the largest logit of a row."""
    K = setting.problem.classes
    relative = 4 * rounding(min(K, 64), EPS) * np.sqrt(K) + 4 * classifier_error(setting.problem)
    return Claim(values, relative * (np.abs(scale) + EPS))


def soft_labels(setting: Setting) -> np.ndarray:
    """Vertices, the centre, and seeded Dirichlet labels from flat to nearly one-hot."""
    K = setting.problem.classes
    rng = np.random.default_rng(0)
    drawn = [rng.dirichlet(np.full(K, size), 3) for size in (0.05, 0.5, 1.0, 10.0)]
    return _normalise(np.concatenate([np.eye(K)[:2], np.full((1, K), 1 / K), *drawn]))


def mixed_labels(setting: Setting) -> np.ndarray:
    """λ e_i + (1−λ) e_j for three ordered pairs and every λ of the setting."""
    classes = np.eye(setting.problem.classes)
    return np.concatenate([[t * classes[i] + (1 - t) * classes[j] for t in setting.lam] for i, j in PAIRS])


def inner_labels(setting: Setting) -> np.ndarray:
    """The same for 0 < λ < 1 only."""
    Y = mixed_labels(setting)
    return Y[np.sort(Y, 1)[:, -2] > 0]


def class_labels(setting: Setting) -> np.ndarray:
    """e_c for up to eight classes: every same-class mixture, whatever λ."""
    return np.eye(setting.problem.classes)[:8]


def _normalise(Y):
    return Y / Y.sum(1, keepdims=True)


def _two_largest(Y):
    """Column numbers (i, j) of each mixed label, i of the first pair's larger weight or equal."""
    order = np.argsort(-Y, axis=1, kind="stable")
    return order[:, 0], order[:, 1]


def _logits(setting: Setting, Y, z):
    return z


# --- any soft label -----------------------------------------------------------------------------


def _soft_label(setting: Setting, Y) -> Claim:
    best = label_optimum(Y, np.ones_like(Y), setting.problem.sharpness)
    x = np.asarray(best.x)
    return _claim(setting, x - x.mean(1, keepdims=True), x.max(1))


SOFT_LABEL = Theorem(
    name="soft-label",
    title="Optimal logits for any soft label",
    statement=r"z = a(y - p), \quad a p_k = \omega(a y_k + t), \quad \textstyle\sum_k \omega(a y_k + t) = a,"
    r" \quad h = \tfrac{1}{g} W^\top z",
    assumptions=(given.ETF, given.ALIVE, given.CROSS_ENTROPY),
    claim=FeatureClaim(soft_labels, _soft_label, _logits),
    quantity="centred logits of 15 soft labels",
    source=OWN,
)


# --- same class ---------------------------------------------------------------------------------


def _same_class(setting: Setting, Y) -> Claim:
    K = setting.problem.classes
    x = float(two_hot_optimum(1.0, setting.problem.sharpness, K).x_i)
    return _claim(setting, x * (Y - 1 / K), np.full(len(Y), x))


SAME_CLASS = Theorem(
    name="same-class",
    title="Same-class mixtures align with the classifier",
    statement=r"h = \tfrac{x}{g} w_c \text{ for every } \lambda, \quad x(e^x + K - 1) = aK",
    assumptions=(given.ETF, given.ALIVE, given.CROSS_ENTROPY),
    claim=FeatureClaim(class_labels, _same_class, _logits),
    quantity="centred logits of the classes",
    source=OWN,
)


# --- different classes --------------------------------------------------------------------------


def _different_class(setting: Setting, Y) -> Claim:
    _, j = _two_largest(Y)  # the smaller weight is the label's own number, the larger one less that
    small = Y[np.arange(len(Y)), j]
    best = two_hot_optimum(small, setting.problem.sharpness, setting.problem.classes)
    x_i, x_j = np.asarray(best.x_j), np.asarray(best.x_i)
    return _claim(setting, np.stack([x_i, x_j, np.zeros(len(Y))], 1), x_i)


def _against_others(setting: Setting, Y, z):
    """z_i and z_j less the mean of all other logits, and the spread of those: 0 iff in span{w_i, w_j}."""
    i, j = _two_largest(Y)
    rows, K = np.arange(len(Y)), Y.shape[1]
    others = np.ones_like(Y, bool)
    others[rows, i] = others[rows, j] = False
    rest = z[others].reshape(len(Y), K - 2)
    mean = rest.mean(1)
    spread = np.linalg.norm(rest - mean[:, None], axis=1)
    return np.stack([z[rows, i] - mean, z[rows, j] - mean, spread], 1)


DIFFERENT_CLASS = Theorem(
    name="different-class",
    title="Different-class mixtures span two directions",
    statement=r"h = \tfrac{1}{g}(x_i w_i + x_j w_j), \quad x_i + \tfrac{x_i + x_j}{K}(e^{x_i} - 1) = a\lambda,"
    r" \quad x_j + \tfrac{x_i + x_j}{K}(e^{x_j} - 1) = a(1-\lambda)",
    assumptions=(given.ETF, given.ALIVE, given.CROSS_ENTROPY, given.TWO_HOT, given.THREE_CLASSES),
    claim=FeatureClaim(mixed_labels, _different_class, _against_others, lambda setting: 2.0),
    quantity="x_i, x_j and what lies outside span{w_i, w_j}",
    source=OWN,
)


def _two_classes(setting: Setting, Y) -> Claim:
    smaller = two_hot_optimum(Y.min(1), setting.problem.sharpness, 2).gap
    D = np.where(Y[:, 0] <= Y[:, 1], 1.0, -1.0) * np.asarray(smaller)
    return _claim(setting, D[:, None], D)


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


def _channel(setting: Setting, Y) -> Claim:
    """B = −log(1 − x/(aλ)) − log(1 − x/(a(1−λ))) bounds |D − logit λ|, and B/2 bounds |s − s_limit|."""
    a, K = setting.problem.sharpness, setting.problem.classes
    x = float(two_hot_optimum(1.0, a, K).x_i)
    i, j = _two_largest(Y)
    rows = np.arange(len(Y))
    share = x / (a * np.stack([Y[rows, i], Y[rows, j]]))
    with np.errstate(invalid="ignore", divide="ignore"):
        bound = np.where(share.max(0) < 1, -np.log1p(-np.minimum(share, 1.0)).sum(0), np.inf)
    return Claim(np.stack([bound, bound / 2], 1), 1e-13 * (1 + np.where(np.isfinite(bound), bound, 0)))


def _off_channel(setting: Setting, Y, z):
    a, K = setting.problem.sharpness, setting.problem.classes
    x_i, x_j, _ = _against_others(setting, Y, z).T
    i, j = _two_largest(Y)
    rows = np.arange(len(Y))
    lam, colam = Y[rows, i], Y[rows, j]
    limit = np.real(lambertw(a * K / 2 * np.sqrt(lam * colam)))
    return np.abs(np.stack([x_i - x_j - np.log(lam / colam), (x_i + x_j) / 2 - limit], 1))


CHANNEL_LIMIT = Theorem(
    name="channel-limit",
    title="The channel: logit λ across, a slow divergence along",
    statement=r"|D - \operatorname{logit}\lambda| \le B, \quad"
    r" |s - W_0(\tfrac{aK}{2}\sqrt{\lambda(1-\lambda)})| \le \tfrac{B}{2}, \quad"
    r" B = -\log(1 - \tfrac{x}{a\lambda}) - \log(1 - \tfrac{x}{a(1-\lambda)}) \to 0"
    r" \text{ as } \lambda_H \to 0; \quad 0 < \lambda < 1,\ x < a\min(\lambda, 1-\lambda),\ D = x_i - x_j,"
    r"\ s = \tfrac{x_i + x_j}{2},\ x(e^x + K - 1) = aK",
    assumptions=(
        given.ETF,
        given.ALIVE,
        given.CROSS_ENTROPY,
        given.TWO_HOT,
        given.THREE_CLASSES,
        given.INSIDE,
    ),
    claim=FeatureClaim(inner_labels, _channel, _off_channel, lambda setting: 3.0, "<="),
    quantity="|D − logit λ| and |s − W₀| against their bounds",
    source="re-derived here",
)


def _nearly_affine(setting: Setting, Y) -> Claim:
    a, K = setting.problem.sharpness, setting.problem.classes
    size = np.linalg.norm(Y - 1 / K, axis=1)
    return Claim((0.5 * a * a * size)[:, None], 8 * EPS * a * (1 + size))


def _off_affine(setting: Setting, Y, z):
    a, K = setting.problem.sharpness, setting.problem.classes
    return np.linalg.norm(z - a * (Y - 1 / K), axis=1, keepdims=True)


AFFINE_LIMIT = Theorem(
    name="affine-limit",
    title="Weak classifiers give features that are affine in the label",
    statement=r"\|z - a(y - \tfrac1K)\| \le \tfrac{a^2}{2} \|y - \tfrac1K\|",
    assumptions=(given.ETF, given.ALIVE, given.CROSS_ENTROPY, given.WEAK),
    claim=FeatureClaim(soft_labels, _nearly_affine, _off_affine, lambda setting: 1.0, "<="),
    quantity="distance of z from a(y − 1/K) against a²/2 of its size",
    source="re-derived here",
)


def _many_classes(setting: Setting, Y) -> Claim:
    a, K = setting.problem.sharpness, setting.problem.classes
    with np.errstate(over="ignore"):
        bound = a * np.expm1(2 * a) / K
    return Claim(np.full_like(Y, bound), np.full(len(Y), 16 * EPS * a))


def _off_affine_entries(setting: Setting, Y, z):
    return np.abs(z - setting.problem.sharpness * (Y - 1 / Y.shape[1]))


MANY_CLASSES = Theorem(
    name="many-classes",
    title="At a fixed sharpness many classes give features that are affine in the label",
    statement=r"|z_k - a(y_k - \tfrac1K)| \le \tfrac{a(e^{2a} - 1)}{K}",
    assumptions=(given.ETF, given.ALIVE, given.CROSS_ENTROPY, given.MANY),
    claim=FeatureClaim(soft_labels, _many_classes, _off_affine_entries, lambda setting: 1.0, "<="),
    quantity="entries of z − a(y − 1/K) against a(e^{2a} − 1)/K",
    source="re-derived here",
)


def half_labels(setting: Setting) -> np.ndarray:
    """½ e_i + ½ e_j."""
    classes = np.eye(setting.problem.classes)
    return np.stack([0.5 * (classes[i] + classes[j]) for i, j in PAIRS])


def _half_of_same_class(setting: Setting, Y) -> Claim:
    x = float(two_hot_optimum(1.0, setting.problem.sharpness, setting.problem.classes).x_i)
    return Claim(np.full((len(Y), 1), -x / 2), np.full(len(Y), rounding(3, EPS) * x))


def _minus_height(setting: Setting, Y, z):
    x_i, x_j, _ = _against_others(setting, Y, z).T
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
        p, i = softmax(logits), int(np.argmax(y))
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
    return _claim(setting, a / (1 + a) * (Y - 1 / K), np.full(len(Y), a / (1 + a)))


SQUARED_ERROR_AFFINE = Theorem(
    name="squared-error-affine",
    title="Under squared error mixed features are convex combinations",
    statement=r"h = \tfrac{1}{g + \lambda_H} W^\top y",
    assumptions=(given.ETF, given.ALIVE, given.SQUARED_ERROR),
    claim=FeatureClaim(soft_labels, _affine, _logits),
    quantity="centred logits of 15 soft labels",
    source="re-derived here; compare Zhou et al. 2022, Tirer and Bruna 2022",
)


def _calibrated(setting: Setting, Y) -> Claim:
    a, K = setting.problem.sharpness, Y.shape[1]
    # the softmax of rounded logits, |z| ≤ log(1 + aK), is off by that many units of machine epsilon
    return Claim(np.zeros_like(Y), np.full(len(Y), 16 * EPS * a * (2 + np.log1p(a * K))))


def _deficit(setting: Setting, Y, z):
    return setting.problem.sharpness * (Y - softmax(z, 1)) - z


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
        p = softmax(moved, 1)
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
