"""Theorems on binary cross-entropy, one class against the rest, with a free bias and without one."""

import numpy as np
import scipy
from jaxtyping import Float

import ufm.theory.theorems.assumptions as given
from ufm.theory.geometry.binary import BinaryOptimum, biased_optimum, unbiased_optimum
from ufm.theory.theorems.free.exact import own_class
from ufm.theory.theorems.free.quadratic import ROOMY
from ufm.theory.theorems.joint import root_finding
from ufm.theory.theorems.theorem import Finding, JointClaim, JointOptimum, Setting, Theorem


def binary_divergence(weights, z, Z: Float[np.ndarray, "n K"]) -> float:
    """E Σ_k KL(σ(z_k) ‖ σ(Z_k)), which the gap bounds, with terms of one sign: ∫ of σ' over what lies between.

    With t = Z − z: p (e^{−t} − 1 + t) for small p and the mirror for large ones, less what is of second order in p.
    """
    sign = np.where(z > 0, -1.0, 1.0)  # the smaller of p and 1 − p
    z, t = sign * z, sign * (Z - z)
    p = scipy.special.expit(z)
    # log(1 − p + p eᵗ) − p t: the cumulant function of a coin about its mean
    small = np.abs(t) < 1e-3
    near = p * (1 - p) * (t**2 / 2 + (1 - 2 * p) * t**3 / 6)
    far = np.log1p(p * np.expm1(np.where(small, 0.0, t))) - p * t
    return float(max(weights @ np.sum(np.where(small, near, far), 1), 0.0))


def optimum_of(setting: Setting) -> BinaryOptimum:
    """The closed form, with the bias that the setting has."""
    joint, epsilon = setting.joint, setting.law.smoothing
    known = unbiased_optimum if joint.lambda_b is None else biased_optimum
    return known(joint.classes, joint.lambda_w, joint.lambda_h, epsilon)


def logits_finding(setting: Setting, optimum: JointOptimum, own: float, other: float, numbers) -> Finding:
    """The claim that logits are `own` at the class of a label and `other` elsewhere; two numbers to show."""
    z = np.where(own_class(setting.joint.atoms.labels), own, other)
    divergence = binary_divergence(setting.joint.atoms.weights, z, optimum.Z)
    return root_finding(numbers[0], numbers[1], divergence, optimum)


def _biased(setting: Setting, optimum: JointOptimum) -> Finding:
    """The numbers shown are b."""
    best = optimum_of(setting)
    return logits_finding(setting, optimum, best.own, best.other, (best.bias, float(np.mean(optimum.b))))


BCE = Theorem(
    name="bce",
    title="One class against the rest, with a bias: the probabilities of softmax",
    statement=r"\sigma(z_{\mathrm{other}}) = \tfrac{\hat c + \varepsilon}{K}, \quad \sigma(z_{\mathrm{own}}) = 1 -"
    r" \tfrac{(K-1)(\hat c + \varepsilon)}{K}, \quad WW^\top = x\sqrt{\tfrac{\lambda_H}{K\lambda_W}}\,\Pi, \quad "
    r"b ="
    r" \tfrac{z_{\mathrm{own}} + (K-1)z_{\mathrm{other}}}{K}; \quad W = 0 \iff \hat c + \varepsilon \ge 1",
    assumptions=(given.PENALISED, given.BINARY, given.SMOOTHED, given.ROOM, given.FREE_BIAS),
    claim=JointClaim(_biased),
    quantity="√E Σ_k KL(σ(z_theory) ‖ σ(z)) of the blind joint optimum; the numbers shown are b",
    source="constants and the equality with softmax re-derived here; collapse: Li et al. 2025 (arXiv:2505.05813)",
)


def _unbiased(setting: Setting, optimum: JointOptimum) -> Finding:
    """The numbers shown are the eigenvalue of W Wᵀ along 1."""
    best = optimum_of(setting)
    numeric = float(np.sum(optimum.W.sum(0) ** 2) / setting.problem.classes)
    return logits_finding(setting, optimum, best.own, best.other, (best.along, numeric))


BCE_NO_BIAS = Theorem(
    name="bce-no-bias",
    title="One against the rest, no bias: four phases, no ETF at small penalties (K > 2)",
    statement=r"WW^\top = \sqrt{\tfrac{\lambda_H}{K\lambda_W}} \, [(u-v)\Pi + \tfrac sK \mathbf 1 \mathbf 1^\top],"
    r" \quad s = -(u+(K-1)v): \quad \sigma(v) = \tfrac{2\hat c+\varepsilon}{K}, \ 1-\sigma(u) ="
    r" \tfrac{(K-1)\varepsilon + (K-2)\hat c}{K} \ \text{if that leaves } s > 0, \ \hat c+\varepsilon < 1; \quad"
    r" \text{else } s = 0,\ \sigma(u) - \sigma(v) = 1-\varepsilon-\hat c; \quad u = v, \ \sigma(v) = "
    r"\tfrac{1+\hat c}{K} \ \text{if } 1-\varepsilon \le \hat c"
    r" < \tfrac K2-1; \quad W = 0 \ \text{beyond}",
    assumptions=(given.PENALISED, given.BINARY, given.SMOOTHED, ROOMY, given.NO_BIAS),
    claim=JointClaim(_unbiased),
    quantity="√E Σ_k KL(σ(z_theory) ‖ σ(z)) of the blind joint optimum; the numbers shown are 1ᵀWWᵀ1/K",
    source="re-derived here; no earlier source known",
)

BINARY = (BCE, BCE_NO_BIAS)
