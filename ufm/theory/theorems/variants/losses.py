"""Theorems on other losses: focal, logit adjustment, and ordered classes with one score."""

import numpy as np

import ufm.theory.theorems.assumptions as given
from ufm.theory.theorems.free.quadratic import SINGLE
from ufm.theory.theorems.joint import EPS, ROOM_TO_PART, minority_finding
from ufm.theory.theorems.theorem import (
    Assumption,
    Finding,
    Setting,
    Theorem,
    VariantClaim,
    VariantOptimum,
)
from ufm.theory.theorems.variants.deep import frame
from ufm.theory.theorems.variants.found import NUMERICAL, as_joint, certified_finding, explicit_finding
from ufm.theory.variants.losses import focal_optimum, ordinal_optimum


def focal_finding(setting: Setting, optimum: VariantOptimum) -> Finding:
    """The claimed W and H are critical with the claimed objective; no start is lower."""
    joint, K = setting.joint, setting.problem.classes
    found = focal_optimum(K, setting.shaped.variant.numbers[0], joint.lambda_w, joint.lambda_h)
    U, s = frame("etf", found.gap, K)
    half = np.sqrt(s) * (joint.lambda_h / joint.lambda_w) ** 0.25  # λ_W‖W‖² = λ_H E‖h‖², W Hᵀ = x Π
    W, H = np.zeros((K, setting.dim)), np.zeros((K, setting.dim))
    W[:, : K - 1] = U * half
    H[:, : K - 1] = U * (s * np.sqrt(K) / np.where(half > 0, half, 1.0))
    rounding = 256 * EPS * (1 + found.gap)
    return explicit_finding(optimum, found.objective, (W, joint.atoms.labels @ H), NUMERICAL, rounding)


FOCAL = Theorem(
    name="focal",
    title="Focal loss: the simplex shrinks or jumps to zero (numerical evidence)",
    statement=r"\ell = -(1-P)^\gamma\log P: \quad z_k = x(e_k - \tfrac1K), \quad"
    r" S(P) := (1-P)^\gamma[(1-P) - \gamma P\log P] = \tfrac{(K-1)c}{\sqrt K}, \quad P = \tfrac{e^x}{e^x + K - 1}"
    r" \text{ (the larger root, or } x = 0 \text{ if lower)}; \quad \text{to zero continuously} \iff K \le "
    r"1/p^*, \quad"
    r" (1-p^*)(2\gamma + 1 + \gamma\log p^*) = \gamma^2p^*\log p^*",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, given.ONE_HOT, given.ROOM, given.NO_BIAS),
    claim=VariantClaim("focal", focal_finding),
    quantity="slopes and objective at the claimed simplex or zero, and the best of 24 blind starts under the focal"
    " loss: no certificate",
    source="re-derived here; Zhou et al. 2022 (arXiv:2210.02192)",
)


def _counted(setting: Setting) -> str | None:
    assert setting.variant is not None
    K, count = setting.problem.classes, len(setting.variant.numbers)
    return None if count == K - 1 else f"{K} classes take {K - 1} thresholds, got {count}"


COUNTED = Assumption(r"$\theta_1 < \dots < \theta_{K-1}$", _counted)


def ordinal_finding(setting: Setting, optimum: VariantOptimum) -> Finding:
    """The least objective."""
    joint = setting.joint
    q = joint.atoms.weights @ joint.atoms.labels
    found = ordinal_optimum(q, setting.shaped.variant.numbers, joint.lambda_w, joint.lambda_h)
    return certified_finding(optimum, found.objective)


ORDINAL = Theorem(
    name="ordinal",
    title="Ordered classes lie on a line, each at the one root of its own equation",
    statement=r"\ell_k(z) = -\log(\sigma(\theta_k - z) - \sigma(\theta_{k-1} - z)): \quad \min L ="
    r" \min_z\textstyle\sum_kq_k\ell_k(z_k) + c\sqrt{\sum_kq_kz_k^2}, \quad"
    r" 1 - \sigma(\theta_k - z_k) - \sigma(\theta_{k-1} - z_k) = -\tfrac cs z_k, \quad s^2 = \sum_kq_kz_k^2;"
    r" \quad z = 0 \iff \sum_kq_k\ell_k'(0)^2 \le c^2",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, SINGLE, COUNTED, given.NO_BIAS),
    claim=VariantClaim("ordinal", ordinal_finding),
    quantity="the objective of the best blind point of one score between its own bounds",
    source="re-derived here; Ma et al. 2025 (arXiv:2506.05801)",
)


def adjusted_finding(setting: Setting, optimum: VariantOptimum) -> Finding:
    """That of minority-collapse, of the adjusted predictions."""
    atoms = setting.joint.atoms
    prior = setting.shaped.variant.numbers[0] * np.log(atoms.weights @ atoms.labels)
    return minority_finding(setting, as_joint(setting, optimum, optimum.H @ optimum.W.T + prior))


LOGIT_ADJUSTMENT = Theorem(
    name="logit-adjustment",
    title="Logit adjustment leaves minority collapse where it is",
    statement=r"\ell = \mathrm{CE}(Wh + \tau\log(\mathbb{E}y), y),\ \tau > 0: \quad (1-\delta)^2 \rho\, q_B \le"
    r" \lambda_W\lambda_H \implies w_k = w_l \ (k, l \in B), \quad \iff \text{ if } d \ge K-1, \quad"
    r" \rho = \mathbb{E}[\lambda^2 + (1-\lambda)^2] = \tfrac{\alpha+1}{2\alpha+1} \text{ (mixup)},\ 1 \text{"
    r" (one-hot)}",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, given.WEIGHTED, ROOM_TO_PART),
    claim=VariantClaim("logit-adjusted", adjusted_finding),
    quantity="√ of the mean divergence of adjusted predictions from such as are equal on B: zero beyond the"
    " threshold, not below, as λ_max of the label moment on B decides",
    source="re-derived here; no earlier source known. The loss: Menon et al. 2021 (arXiv:2007.07314)",
)

LOSSES = (FOCAL, LOGIT_ADJUSTMENT, ORDINAL)
