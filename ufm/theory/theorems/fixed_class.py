"""Theorems on single classes and the middle of a channel, against a fixed simplex ETF."""

import numpy as np
import scipy

import ufm.theory.theorems.assumptions as given
from ufm.model.roots import bracketed_root
from ufm.theory.predict import EPS
from ufm.theory.theorems.fixed_labels import (
    class_labels,
    half_labels,
    read_logits,
    state,
    to_simplex,
    two_hot_optimum,
    two_largest,
)
from ufm.theory.theorems.theorem import Claim, FeatureClaim, Setting, Theorem


def _covariance(z) -> np.ndarray:
    """diag p − p pᵀ of one row of logits."""
    p = scipy.special.softmax(z)
    return np.diag(p) - np.outer(p, p)


# --- the middle of a channel ----------------------------------------------------------------------


def _mid_slope(setting: Setting, Y) -> Claim:
    a, K = setting.problem.sharpness, setting.problem.classes
    slope = 2 * a / (1 + a * float(two_hot_optimum(0.5, a, K).p_i))
    return Claim(np.full((len(Y), 1), slope), np.full(len(Y), 256 * EPS * slope))


def _numerical_mid_slope(setting: Setting, Y, z):
    """dD/dλ along y + dλ (e_i − e_j): dz = a (I + a S)⁻¹ (e_i − e_j), from the numerical optimum's own p."""
    a, K = setting.problem.sharpness, setting.problem.classes
    i, j = two_largest(Y)
    across = (np.arange(K) == i[:, None]).astype(float) - (np.arange(K) == j[:, None])
    s = a * scipy.special.softmax(z, 1)  # I + aS is diag(1 + s) less a multiple of p pᵀ
    q = s / (1 + s)
    mean = np.sum(q * across, 1, keepdims=True) / np.sum(q, 1, keepdims=True)
    return a * np.sum(across * (across / (1 + s) + mean * q), 1, keepdims=True)


MID_CHANNEL_SLOPE = Theorem(
    name="mid-channel-slope",
    title="In the middle of a channel features cross it at a speed of nearly four",
    statement=r"\lambda = \tfrac12: \quad \frac{dD}{d\lambda} = \frac{2a}{1 + ap_i} \to 4 \text{ as } a \to \infty,"
    r" \quad D = z_i - z_j",
    assumptions=(given.ETF, given.ALIVE, given.CROSS_ENTROPY, given.TWO_HOT),
    # with v = (I + aS)⁻¹u the slope is a u·v and moves by a²|vᵀ dS v| ≤ a² √2 ‖dz‖ Var_p(v), and
    # a Var_p(v) = u·v − ‖v‖² ≤ ‖u‖²/4 = ½
    claim=FeatureClaim(
        half_labels, _mid_slope, _numerical_mid_slope, lambda setting: 0.75 * setting.problem.sharpness
    ),
    quantity="dD/dλ at λ = ½, from the numerical optimum's own Hessian",
    source="re-derived here",
)


# --- curvature at a class -------------------------------------------------------------------------


def _curvatures(setting: Setting, Y) -> Claim:
    """1 + x/K, K − 2 times, and 1 + xP, the largest."""
    a, K = setting.problem.sharpness, setting.problem.classes
    x = float(two_hot_optimum(1.0, a, K).x_i)
    own = 1 / (1 + (K - 1) * np.exp(-x))
    values = np.append(np.full(K - 2, 1 + x / K), 1 + x * own)
    return Claim(np.tile(values, (len(Y), 1)), np.full(len(Y), 64 * EPS * K * (1 + x)))


def _numerical_curvatures(setting: Setting, Y, z):
    """Eigenvalues of I + a S on 1^⊥, which are those of ∇²f/λ_H on the range of Wᵀ."""
    a, K = setting.problem.sharpness, setting.problem.classes
    flat = np.full((K, K), 1 / K)
    # 1 is an eigenvector of eigenvalue 0 of S: moved below all others
    out = np.full((len(z), K - 1), np.nan)
    for n in np.flatnonzero(np.isfinite(z).all(1)):
        out[n] = np.linalg.eigvalsh(np.eye(K) + a * _covariance(z[n]) - 2 * flat)[1:]
    return out


FEATURE_CURVATURE = Theorem(
    name="feature-curvature",
    title="The Hessian of a class's feature has three eigenvalues, none above 1 + x",
    statement=r"\nabla^2f(h)/\lambda_H \text{ at } y = e_c: \quad 1 + xP \ (1), \quad 1 + \tfrac{x}{K} \ (K-2),"
    r" 1 \ (d-K+1); \quad"
    r" x(e^x + K - 1) = aK,\ P = p_c",
    assumptions=(given.ETF, given.ALIVE, given.CROSS_ENTROPY),
    claim=FeatureClaim(
        class_labels, _curvatures, _numerical_curvatures, lambda setting: 1.5 * setting.problem.sharpness
    ),
    quantity="eigenvalues of the numerical optimum's own Hessian on the range of Wᵀ",
    source="re-derived here",
)


# --- one feature for several labels ---------------------------------------------------------------

NOISE = (0.0, 0.05, 0.3, 0.6)  # share of labels that are replaced by another class


def _noisy_labels(setting: Setting) -> np.ndarray:
    """The mean label of a class whose labels are replaced by another one, uniformly, with probability η."""
    K = setting.problem.classes
    classes = np.eye(K)[:2]
    return to_simplex(np.concatenate([(1 - eta) * classes + eta / (K - 1) * (1 - classes) for eta in NOISE]))


def smoothed_gap(a: float, classes: int, smoothing: float) -> float:
    """The root x of x + a ε = a K/(e^x + K − 1): the logit gap of a class smoothed by ε; negative for ε > 1."""

    def balance(x):
        return x + a * smoothing - a * classes / (np.exp(x) + classes - 1)

    high = np.log1p(a * classes) + 1.0
    low = -a * max(smoothing - 1.0, 0.0) * classes - 1.0
    return float(bracketed_root(balance, low, high))


def _noisy(setting: Setting, Y) -> Claim:
    a, K = setting.problem.sharpness, setting.problem.classes
    own = np.tile(np.eye(K)[:2], (len(NOISE), 1))
    x = np.array([smoothed_gap(a, K, eta * K / (K - 1)) for eta in NOISE]).repeat(2)
    claim = state(setting, x[:, None] * (own - 1 / K), np.abs(x))
    # near ε = 1 the balance is a difference of numbers of size a
    return Claim(claim.values, claim.rounding + 16 * EPS * a / (1 + a / K))


LABEL_NOISE = Theorem(
    name="label-noise",
    title="A feature that several labels share sees their mean: noise is smoothing",
    statement=r"\textstyle\sum_i w_i\,\mathrm{CE}(z, y_i) = \mathrm{CE}(z, \sum_i w_iy_i); \ \text{a class whose"
    r" label is another one with probability } \eta: \ h = \tfrac{x}{g}w_c, \ x + a\varepsilon ="
    r" \tfrac{aK}{e^x + K - 1}, \ \varepsilon = \tfrac{\eta K}{K-1}",
    assumptions=(given.ETF, given.ALIVE, given.CROSS_ENTROPY),
    claim=FeatureClaim(_noisy_labels, _noisy, read_logits),
    quantity="centred logits of two classes, their labels noisy by 0, 0.05, 0.3 and 0.6",
    source="textbook; re-derived here",
)

OF_CLASSES = (MID_CHANNEL_SLOPE, FEATURE_CURVATURE, LABEL_NOISE)
