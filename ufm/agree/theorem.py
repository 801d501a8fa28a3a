"""The kernel of every table: a theorem and a setting in, a verdict with its numbers out.

The numerical optimum is found blindly, certified by bounds that know no theorem, and only then held against
the claim. On request ball arithmetic supplies the bounds, which turns `agrees` into `proved`.
"""

from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import scipy

import ufm.rules.numbers as checked
from ufm.agree.flatness import excess
from ufm.agree.joint import enclose_solution
from ufm.agree.variants import variant_optimum
from ufm.agree.verdict import AGREES, OUT_OF_HYPOTHESIS, UNDECIDED, Verdict, judge
from ufm.certify.features import certify_features
from ufm.certify.joint import certify_joint
from ufm.model.atoms import JointProblem, Point
from ufm.optimize.features import solve_features
from ufm.optimize.joint import JointSolution, solve_joint
from ufm.rules.errors import InputError
from ufm.rules.memory import TooLarge
from ufm.theory.theorems.theorem import (
    FeatureClaim,
    Finding,
    JointClaim,
    JointOptimum,
    Setting,
    Theorem,
    VariantClaim,
)

TOLERANCE = 1e-6  # of certified bounds relative to the predictions


class Check(NamedTuple):
    """A theorem on one setting. predicted and numeric: a number to show (the largest entry, or what the
    claim names). error, bound and theory_bound in one unit, relative to the predictions; None where the
    hypotheses do not hold. unit: what they were divided by."""

    theorem: str
    predicted: float | None
    numeric: float | None
    error: float | None
    bound: float | None
    theory_bound: float | None
    verdict: Verdict
    unit: float | None = None


def check_theorem(theorem: Theorem, setting: Setting, *, rigorous: bool = False) -> Check:
    """Evaluate the assumptions; where they hold, solve, certify, compare and judge. Needs float64."""
    checked.instance("theorem", theorem, Theorem, "ufm.theory.theorems.catalogue")
    checked.instance("setting", setting, Setting)
    checked.flag("rigorous", rigorous)
    violated = theorem.violated(setting)
    if violated:
        return Check(theorem.name, None, None, None, None, None, Verdict(OUT_OF_HYPOTHESIS, violated))
    if not isinstance(theorem.claim, FeatureClaim) and setting.too_large:
        return Check(theorem.name, None, None, None, None, None, Verdict(UNDECIDED, setting.too_large))
    try:
        if isinstance(theorem.claim, FeatureClaim):
            finding, enclosed = check_feature_claim(theorem.claim, setting, rigorous)
        elif isinstance(theorem.claim, VariantClaim):  # no enclosure of these in balls
            finding, enclosed = theorem.claim.judge(setting, variant_optimum(setting.shaped)), None
        else:
            finding, enclosed = check_joint_claim(theorem.claim, setting, rigorous)
    except TooLarge:  # by a limit that depends on the machine: no verdict
        raise
    except InputError as error:  # parameters beyond a formula's reach leave the other theorems alone
        return Check(theorem.name, None, None, None, None, None, Verdict(UNDECIDED, str(error)))
    found = judge(
        finding.error,
        finding.bound,
        finding.rounding,
        finding.tol,
        exceeds=finding.exceeds or not finding.error <= finding.bound + finding.rounding,
        enclosed=enclosed,
        stalled=finding.open,
    )
    if found.word == AGREES and finding.evidence:
        found = Verdict(AGREES, f"error {finding.error:.2e}; {finding.evidence}")
    return Check(
        theorem.name,
        finding.predicted,
        finding.numeric,
        finding.error,
        finding.bound,
        finding.rounding,
        found,
        finding.unit,
    )


def check_feature_claim(claim: FeatureClaim, setting: Setting, rigorous: bool) -> tuple[Finding, bool | None]:
    """Optimal features of the theorem's labels, measured; the worst row relative to the largest prediction."""
    problem, labels = setting.problem, claim.labels(setting)
    found = solve_features(problem, labels)
    z = found.H @ problem.W.T  # of the features that the certificate judges
    z = z - z.mean(1, keepdims=True)
    size = np.sqrt(problem.gain)
    slack = (problem.d + 16) * np.finfo(float).eps * size * np.linalg.norm(found.H, axis=1)
    away = size * np.asarray(certify_features(problem, found.H, labels).distance, float) + slack
    enclosed = None
    if rigorous:
        away, enclosed = _enclosed_distance(problem, labels, z, away)
    predicted, measured = claim.formula(setting, labels), claim.measure(setting, labels, z)
    difference = measured - predicted.values
    if claim.relation == "<=":
        difference = np.maximum(difference, 0.0)
    unit = _unit(claim.relation, predicted.values, z)
    error = np.linalg.norm(difference, axis=1) / unit
    bound = claim.lipschitz(setting) * away / unit
    lost = ~np.isfinite(z).all(1)  # nothing was found there: that is no evidence against the claim
    error, bound = np.where(lost, 0.0, error), np.where(lost, np.inf, bound)
    rounding = predicted.rounding / unit
    shown = _telling_entry(claim.relation, predicted.values, measured, unit * (bound + rounding))
    worst = float(error.max())
    return Finding(
        predicted=float(predicted.values[shown]),
        numeric=float(measured[shown]),
        error=worst if np.isfinite(worst) else float("inf"),
        bound=float(bound.max()),
        rounding=float(rounding.max()),
        tol=TOLERANCE,
        unit=unit,
        exceeds=not (error <= bound + rounding).all(),
    ), enclosed


def _unit(relation: str, predicted, z) -> float:
    """The largest prediction; for an inequality not more than the largest logit."""
    sizes = np.abs(predicted[np.isfinite(predicted)])
    logit = float(np.nanmax(np.abs(z), initial=0.0))
    if not sizes.any():
        return logit or 1.0
    return min(float(sizes.max()), logit or np.inf) if relation == "<=" else float(sizes.max())


def _telling_entry(relation: str, predicted, measured, uncertain):
    """Index of the number to show: the largest prediction, or where an inequality is nearest to failing."""
    if relation == "=":
        return np.unravel_index(np.argmax(np.abs(predicted)), predicted.shape)
    size = np.abs(predicted) + np.abs(measured) + uncertain[:, None]
    telling = np.isfinite(predicted) & (np.abs(predicted) > uncertain[:, None])
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.where(telling, (predicted - measured) / size, np.inf)
    return np.unravel_index(np.argmin(np.nan_to_num(left, nan=np.inf)), predicted.shape)


def _enclosed_distance(problem, labels, z, away):
    """‖z − z*‖ in ball arithmetic, and whether it confirms the float bound of every row."""
    from ufm.agree.rigour import logit_distance  # flint is loaded only when asked for

    exact = np.array([logit_distance(problem, y, row) for y, row in zip(labels, z)])
    return exact, bool((exact <= away).all())


def check_joint_claim(claim: JointClaim, setting: Setting, rigorous: bool) -> tuple[Finding, bool | None]:
    """The certified joint optimum, held against the claim."""
    joint = setting.joint
    found, gap = _solved(joint)
    enclosed = None
    if rigorous:
        exact = _enclosed(joint)
        enclosed, gap = bool(exact <= gap), exact
    return claim.judge(setting, _optimum(joint, found, gap)), enclosed


@lru_cache(maxsize=1)
def _solved(joint: JointProblem) -> tuple[JointSolution, float]:
    """The optimum and its gap: all theorems on one setting, one after the other, ask for the same."""
    found = solve_joint(joint)
    return found, certify_joint(joint, found).gap


@lru_cache(maxsize=1)
def _enclosed(joint: JointProblem) -> float:
    """Upper end of that gap in ball arithmetic."""
    return enclose_solution(joint, _solved(joint)[0])


def _optimum(joint, found, gap) -> JointOptimum:
    Z = found.H @ found.W.T + found.b
    if joint.loss == "squared-error":
        P = Z
    else:
        P = scipy.special.softmax(Z, 1) if joint.loss == "cross-entropy" else scipy.special.expit(Z)
    residual = joint.atoms.labels - P

    def suboptimality(W, H):
        c = certify_joint(joint, Point(W, H))
        return c.objective, c.gap

    return JointOptimum(
        W=found.W,
        H=found.H,
        b=found.b,
        Z=Z,
        P=P,
        M=(residual * joint.atoms.pulls[:, None]).T @ residual,
        objective=found.objective,
        gap=gap,
        suboptimality=suboptimality,
        excess=partial(excess, joint),
    )
