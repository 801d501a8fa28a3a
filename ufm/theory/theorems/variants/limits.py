"""Theorems on the limit of small penalties, as support vector machines, and on the flow without any penalty."""

import numpy as np

import ufm.theory.theorems.assumptions as given
from ufm.theory.theorems.free.quadratic import SINGLE
from ufm.theory.theorems.joint import EPS
from ufm.theory.theorems.theorem import (
    Assumption,
    Finding,
    Setting,
    Theorem,
    VariantClaim,
    VariantOptimum,
)
from ufm.theory.theorems.variants.found import certified_finding
from ufm.theory.variants.margins import centred_supports, margin_objective
from ufm.theory.variants.ray import ray_gap

ESTIMATE = "the bound is what two tolerances of the integration differ by: an estimate, no certificate"


def _balanced_supports(setting: Setting) -> str | None:
    atoms, K = setting.joint.atoms, setting.problem.classes
    z = centred_supports(atoms.labels)
    M = (z * atoms.weights[:, None]).T @ z
    off = np.abs(M - np.trace(M) / (K - 1) * (np.eye(K) - 1 / K)).max()
    return None if off <= 64 * EPS else "the supports of the labels are not exchangeable"


SUPPORTS = Assumption(
    r"$\mathbb{E}\,\Pi 1_S1_S^\top\Pi \propto \Pi$, $S$ the support of a label", _balanced_supports
)


def margin_finding(setting: Setting, optimum: VariantOptimum, share: float = 1.0) -> Finding:
    """c tr (E zzᵀ)^{1/2}, times share; a margin missed by v may have lowered the objective by v of itself."""
    joint = setting.joint
    value = margin_objective(joint.atoms.labels, joint.atoms.weights, joint.lambda_w, joint.lambda_h)
    slack = 4 * optimum.violation * abs(optimum.objective)
    return certified_finding(optimum, share * value, slack=slack)


SELI = Theorem(
    name="seli",
    title="Small penalties, any class weights: logits are centred labels, as 2/x",
    statement=r"c \to 0: \quad z_k \propto e_k - \tfrac1K, \quad WW^\top \propto"
    r" (\Pi\,\mathrm{diag}(q)\,\Pi)^{1/2},"
    r" \quad \min\{c\,\|ZQ^{1/2}\|_*: z_{kk} - z_{kl} \ge 1\} = c\,\mathrm{tr}(\Pi\,\mathrm{diag}(q)\,\Pi)^{1/2};"
    r" \quad q_k = \tfrac1K + \delta_k,\ x \text{ the gap of logits at } \delta = 0: \tfrac{dG}{g} = \tfrac "
    r"K2(1 + \tfrac2x + O(x^{-2}))\textstyle\sum_k\delta_ku_ku_k^\top",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, SINGLE, given.ROOM, given.NO_BIAS),
    claim=VariantClaim("max-margin", margin_finding),
    quantity="the objective of the best blind point between its own bounds",
    source="re-derived here; Thrampoulidis et al. 2022 (arXiv:2208.05512)",
)

SUPPORT_SVM = Theorem(
    name="support-svm",
    title="Small penalties, exchangeable supports: logits are centred supports",
    statement=r"c \to 0: \quad z_S \propto \Pi 1_S, \quad \min\{c\,\|ZQ^{1/2}\|_*: z_i - z_j \ge 1\ "
    r"(i \in S \not\ni j),"
    r" \ z_i = z_j\ (i, j \in S)\} = c\sqrt{(K-1)\,\mathbb{E}[|S|(1 - |S|/K)]}",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, SUPPORTS, given.ROOM, given.NO_BIAS),
    claim=VariantClaim("max-margin", margin_finding),
    quantity="the objective of the best blind point between its own bounds",
    source="re-derived here; Zhao and Thrampoulidis 2024 (arXiv:2408.15417)",
)


def ray_finding(setting: Setting, optimum: VariantOptimum, pace: float = 1.0) -> Finding:
    """All logits x Π of the claimed x. pace: of the time that is claimed to have passed."""
    (start, time), K = setting.shaped.variant.numbers, setting.problem.classes
    x = ray_gap(K, start, pace * time, setting.problem.loss)
    Z, flat = optimum.H @ optimum.W.T, setting.joint.atoms.labels - 1 / K
    error = float(np.abs(Z - x * flat).max()) / x
    size = float(np.abs(optimum.W).max() + np.abs(optimum.H).max())
    bound = setting.dim * size * optimum.violation / x
    numeric = float(np.sum(Z * flat) / np.sum(flat**2))
    return Finding(x, numeric, error, bound, 1e-11 * K, 1e-6, unit=x, evidence=ESTIMATE)


RAY = {
    "cross-entropy": (
        "ce-ray",
        "Without penalties the simplex grows like log t, and stays a simplex",
        r"W_0W_0^\top = H_0H_0^\top = W_0H_0^\top = x_0\Pi: \quad WH^\top = x\Pi,"
        r" \quad \dot x = \tfrac{2x}{e^x + K - 1}, \quad"
        r" \mathrm{Ei}(x) + (K-1)\log x = 2t + \mathrm{const}",
        given.CROSS_ENTROPY,
    ),
    "squared-error": (
        "mse-ray",
        "Without penalties the simplex of squared error grows by a logistic law",
        r"W_0W_0^\top = H_0H_0^\top = W_0H_0^\top = x_0\Pi: \quad WH^\top = x\Pi,"
        r" \quad \dot x = \tfrac{2x(1-x)}{K}, \quad"
        r" x = \tfrac{1}{1 + (1/x_0 - 1)e^{-2t/K}}",
        given.SQUARED_ERROR,
    ),
}
CE_RAY, MSE_RAY = (
    Theorem(
        name=name,
        title=title,
        statement=statement,
        assumptions=(loss, given.ONE_HOT, given.ROOM, given.NO_BIAS),
        claim=VariantClaim("gradient-flow", ray_finding),
        quantity="all logits after the time, W and all features integrated; the numbers shown are x",
        source="re-derived here",
    )
    for name, title, statement, loss in RAY.values()
)

LIMITS = (SELI, SUPPORT_SVM, CE_RAY, MSE_RAY)
