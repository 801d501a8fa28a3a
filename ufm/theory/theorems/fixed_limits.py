"""Theorems on the limits of optimal features against a fixed simplex ETF: a → ∞, a → 0, K → ∞."""

import numpy as np
import scipy

import ufm.theory.theorems.assumptions as given
from ufm.theory.predict import EPS
from ufm.theory.theorems.fixed_labels import (
    against_others,
    inner_labels,
    soft_labels,
    two_hot_optimum,
    two_largest,
)
from ufm.theory.theorems.theorem import Claim, FeatureClaim, Setting, Theorem


def _channel(setting: Setting, Y) -> Claim:
    """B = −log(1 − x/(aλ)) − log(1 − x/(a(1−λ))) bounds |D − logit λ|, and B/2 bounds |s − s_limit|."""
    a, K = setting.problem.sharpness, setting.problem.classes
    x = float(two_hot_optimum(1.0, a, K).x_i)
    i, j = two_largest(Y)
    rows = np.arange(len(Y))
    with np.errstate(divide="ignore"):
        share = x / (a * np.stack([Y[rows, i], Y[rows, j]]))
        bound = -np.log1p(-np.minimum(share, 1.0)).sum(0)
    return Claim(np.stack([bound, bound / 2], 1), 1e-13 * (1 + np.where(np.isfinite(bound), bound, 0)))


def _off_channel(setting: Setting, Y, z):
    a, K = setting.problem.sharpness, setting.problem.classes
    x_i, x_j, _ = against_others(setting, Y, z).T
    i, j = two_largest(Y)
    rows = np.arange(len(Y))
    lam, colam = Y[rows, i], Y[rows, j]
    limit = np.real(scipy.special.lambertw(a * K / 2 * np.sqrt(lam * colam)))
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
