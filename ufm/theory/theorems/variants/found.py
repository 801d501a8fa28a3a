"""What the theorems on problems of another shape share: a value against bounds, a point against its value."""

import numpy as np
import scipy
from jaxtyping import Float

from ufm.theory.theorems.joint import EPS, GAP_TOLERANCE, mean_divergence
from ufm.theory.theorems.theorem import Finding, JointOptimum, Setting, VariantOptimum

NUMERICAL = (
    "the claimed point has the claimed value, and no blind start goes below it: evidence, no certificate"
)
PROVED = "the claimed point has the claimed value, and no blind start goes below it; that none can is proved"


def certified_finding(
    optimum: VariantOptimum, predicted: float, divergence: float = 0.0, slack: float = 0.0
) -> Finding:
    """The claim that the least objective is `predicted`: between the lower bound and the best point's own.

    divergence: E KL(p* ‖ p) of claimed predictions p*, at most the gap. slack: what a violation of constraints may
    have gained. The unit is the objective.
    """
    assert optimum.lower is not None
    unit = abs(optimum.objective) or 1.0
    rounding = (evaluated(optimum) + slack) / unit
    gap = max(optimum.objective - optimum.lower, 0.0)
    error = abs(predicted - optimum.objective) / unit
    found = Finding(predicted, optimum.objective, error, gap / unit, rounding, GAP_TOLERANCE, unit=unit)
    if divergence > gap + 2 * rounding * unit:
        return found._replace(error=max(error, divergence / unit), exceeds=True)
    return found


def evaluated(optimum: VariantOptimum) -> float:
    """Rounding of an objective: of its terms, each of the size of a logit (of pairs: of a product of features)."""
    across = optimum.W if optimum.W.size else optimum.H
    size = 1 + optimum.H.shape[1] * float(np.abs(optimum.H).max() * np.abs(across).max())
    return 32 * EPS * len(optimum.H) * size


def kept_divergence(setting: Setting, optimum: VariantOptimum, p: Float[np.ndarray, "n K"]) -> float:
    """E KL(p ‖ softmax(W h))."""
    return mean_divergence(setting.joint.atoms.weights, p, optimum.H @ optimum.W.T)


def as_joint(setting: Setting, optimum: VariantOptimum, Z: Float[np.ndarray, "n K"]) -> JointOptimum:
    """The best point as one of the joint problem, for a claim on its predictions softmax(Z)."""
    assert optimum.lower is not None
    lower, (Y, q) = optimum.lower, (setting.joint.atoms.labels, setting.joint.atoms.weights)
    P = scipy.special.softmax(Z, 1)
    gap = max(optimum.objective - lower, 0.0) + evaluated(optimum)

    def suboptimality(W, H):
        value = optimum.evaluate(W, H)[0]
        return value, value - lower

    M = ((Y - P) * q[:, None]).T @ (Y - P)
    W, H, b = optimum.W, optimum.H, np.zeros(Y.shape[1])
    return JointOptimum(W, H, b, Z, P, M, optimum.objective, gap, suboptimality, optimum.excess)


def explicit_finding(
    optimum: VariantOptimum, predicted: float, parts, evidence: str, rounding: float
) -> Finding:
    """The claim that a given point is critical, has the objective `predicted`, and that no start found less.

    Slopes are in units of √|objective|, as those of (√λ_W W, √λ_H h) at a minimum are, `rounding` is
    absolute. What the starts found above the claim refutes nothing: then the row is open.
    """
    value, slope, violation = optimum.evaluate(*parts)
    unit = abs(predicted) or 1.0
    below = max(predicted - optimum.objective - optimum.violation, 0.0) / unit
    error = max(abs(value - predicted) / unit, below, slope / np.sqrt(unit), violation / unit)
    missed = (optimum.objective - predicted) / unit
    open_ = (
        f"the best of the blind starts is {missed:.1e} above the claim" if missed > GAP_TOLERANCE else None
    )
    return Finding(
        predicted,
        optimum.objective,
        float(error),
        64 * EPS * optimum.H.size,
        rounding / min(unit, 1.0),
        GAP_TOLERANCE,
        open_,
        unit,
        evidence=evidence,
    )
