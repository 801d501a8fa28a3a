"""The joint comparison: is W a simplex ETF with the predicted multiplier, and is that certified?

The numerical optimum over (W, h, b) is certified by the dual gap alone. Its predictions p are then
held against the closed form's p_a(y) at the multiplier of the same finite law: L is convex in the
logits, so for the true optimum p*

    E KL(p* ‖ p) ≤ L − min L ≤ gap      (squared error: ½ E‖z* − z‖²),

whatever the theorem says. If E KL(p_a ‖ p) exceeds the gap, p_a is not the optimum: the theorem fails.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax, softmax

from ufm.duality import JointCertificate, certify_joint
from ufm.etf import etf_deviation, etf_multiplier
from ufm.finite import JointProblem
from ufm.optimize.joint import JointSolution, solve_joint
from ufm.theory.features import bregman, solve_patterns
from ufm.theory.multiplier import Multiplier, joint_multiplier, pattern_multiplier
from ufm.theory.polygon import Polygon, regular_polygon
from ufm.theory.thresholds import Threshold, minority_collapse, triviality
from ufm.verdict import Verdict, judge

GAP_TOLERANCE = 1e-9  # relative gap at which an optimum counts as found
RESOLUTION = 1e-2  # relative difference of multipliers that the gap must tell for a verdict on m


@dataclass(frozen=True, eq=False)
class JointReport:
    """Everything the command prints about one joint problem.

    theory: multiplier of the same finite law; continuous: that of the law before discretisation (None
    where there is none). error: √(E KL(p_theory ‖ p)) and bound: √gap, both in √nats; error is None
    outside the hypotheses. rigorous_gap: upper end of the ball of the gap, if asked for.
    polygon: the K-gon, for one-hot labels at d = 2.
    """

    problem: JointProblem
    solution: JointSolution
    certificate: JointCertificate
    theory: Multiplier
    continuous: Multiplier | None
    thresholds: list[Threshold]
    etf_deviation: float
    multiplier: float
    error: float | None
    bound: float
    verdict: Verdict
    rigorous_gap: float | None = None
    polygon: Polygon | None = None

    @property
    def relative_gap(self) -> float:
        """gap/L."""
        gap = self.certificate.gap if self.rigorous_gap is None else self.rigorous_gap
        return gap / abs(self.certificate.objective)


def check_joint(
    problem: JointProblem,
    *,
    starts: int = 1,
    seed: int = 0,
    tol: float = GAP_TOLERANCE,
    rigorous: bool = False,
) -> JointReport:
    """Solve, certify, compare with the theorem "W is a simplex ETF", and judge. Needs float64."""
    solution = solve_joint(
        problem.atoms,
        problem.lambda_w,
        problem.lambda_h,
        dim=problem.dim,
        lambda_b=problem.lambda_b,
        loss=problem.loss,
        starts=starts,
        seed=seed,
    )
    certificate = certify_solution(problem, solution)
    rigorous_gap = enclose_solution(problem, solution) if rigorous else None
    gap = certificate.gap if rigorous_gap is None else rigorous_gap
    theory = pattern_multiplier(problem.atoms.patterns, problem.lambda_w, problem.lambda_h, problem.loss)
    violated = violated_hypothesis(problem)
    error, rounding = (None, 0.0) if violated else _divergence(problem, solution, theory)
    bound = float(np.sqrt(gap))
    blurred = None if violated else unresolved(problem, solution, theory, bound + rounding)
    found = judge(
        error,
        bound,
        rounding,
        float(np.sqrt(tol * abs(certificate.objective))),
        exceeds=False,
        violated=violated,
        enclosed=None if rigorous_gap is None else True,
        stalled=blurred,
    )
    return JointReport(
        problem=problem,
        solution=solution,
        certificate=certificate,
        theory=theory,
        continuous=_continuous(problem),
        thresholds=[
            triviality(problem.atoms, problem.product),
            *_collapse(problem),
        ],
        etf_deviation=etf_deviation(solution.W),
        multiplier=etf_multiplier(solution.W),
        error=error,
        bound=bound,
        verdict=found,
        rigorous_gap=rigorous_gap,
        polygon=_polygon(problem),
    )


def _collapse(problem: JointProblem) -> list[Threshold]:
    """Thresholds of minority collapse: a theorem without a bias."""
    if problem.lambda_b is not None:
        return []
    return minority_collapse(problem.law, problem.classes, problem.product, problem.atoms)


def unresolved(
    problem: JointProblem, solution: JointSolution, theory: Multiplier, bound: float
) -> str | None:
    """Why the certificate says nothing about m: multipliers off by RESOLUTION predict p as well."""
    if theory.sharpness == 0:
        return None
    for share in (-RESOLUTION, RESOLUTION):
        other = theory._replace(sharpness=theory.sharpness * (1 + share) ** 2)
        if _divergence(problem, solution, other)[0] <= bound:
            return f"the gap does not tell multipliers apart that differ by {RESOLUTION:g}"
    return None


def _polygon(problem: JointProblem) -> Polygon | None:
    """The K-gon, where its formula applies."""
    plain = problem.law.name == "onehot" and problem.law.exchangeable and problem.law.smoothing == 0
    if problem.dim != 2 or not plain or problem.lambda_b is not None or problem.loss != "cross-entropy":
        return None
    return regular_polygon(problem.classes, problem.lambda_w, problem.lambda_h)


def enclose_solution(problem: JointProblem, solution: JointSolution) -> float:
    """Upper end of L − min L in ball arithmetic."""
    from ufm.enclosure_joint import enclose_gap  # flint is loaded only when asked for

    enclosure = enclose_gap(
        solution.W,
        solution.H,
        problem.atoms.labels,
        problem.atoms.weights,
        problem.lambda_w,
        problem.lambda_h,
        b=None if problem.lambda_b is None else solution.b,
        lambda_b=problem.lambda_b,
        loss=problem.loss,
    )
    return enclosure.gap[1]


def certify_solution(problem: JointProblem, solution: JointSolution) -> JointCertificate:
    """The dual gap of a solution, with the bias only where the problem has one."""
    return certify_joint(
        solution.W,
        solution.H,
        problem.atoms.labels,
        problem.atoms.weights,
        problem.lambda_w,
        problem.lambda_h,
        b=None if problem.lambda_b is None else solution.b,
        lambda_b=problem.lambda_b,
        loss=problem.loss,
    )


def violated_hypothesis(problem: JointProblem) -> str | None:
    """The hypothesis of "every global optimum is a simplex ETF" that the problem breaks, or None."""
    K = problem.classes
    if problem.law.labels is not None:
        return "given labels are not taken to be exchangeable"
    if not problem.atoms.exchangeable:
        return "the label law is not exchangeable (class permutations change it)"
    if problem.dim < K - 1:
        return f"dim = {problem.dim} < {K - 1}: no simplex ETF of {K} classes fits"
    if problem.loss == "squared-error" and problem.lambda_b != 0:
        return "squared error leads to a simplex ETF only with a free bias"
    return None


def _continuous(problem: JointProblem) -> Multiplier | None:
    if problem.law.labels is not None or not problem.law.exchangeable:
        return None
    return joint_multiplier(problem.law, problem.classes, problem.lambda_w, problem.lambda_h, problem.loss)


def _divergence(problem: JointProblem, solution: JointSolution, theory: Multiplier) -> tuple[float, float]:
    """√ of the mean Bregman divergence from the closed form's predictions, and of its rounding."""
    labels, weights, K = problem.atoms.labels, problem.atoms.weights, problem.classes
    Z = solution.H @ solution.W.T + solution.b
    eps = 256 * np.finfo(float).eps  # relative error of a closed-form logit, and of p through it
    if problem.loss == "squared-error":
        target = theory.sharpness / (1 + theory.sharpness) * (labels - 1 / K) + 1 / K
        return float(np.sqrt(0.5 * weights @ np.sum((Z - target) ** 2, 1))), eps
    if theory.sharpness == 0:
        p = np.full_like(labels, 1 / K)
    else:
        p = solve_patterns(labels, np.ones_like(labels), theory.sharpness).p
    q = softmax(Z, 1)
    divergence = np.sum(bregman(p, q, log_softmax(Z, 1)), 1)
    return float(np.sqrt(max(weights @ divergence, 0.0))), eps * (K + float(np.max(np.abs(Z))))
