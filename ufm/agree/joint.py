"""The joint comparison: is W a simplex ETF with the predicted multiplier, and is that certified?

The numerical optimum over (W, h, b) is certified by the dual gap alone. Its predictions p are then
held against the closed form's p_a(y) at the multiplier of the same finite law: L is convex in the
logits, so for the true optimum p*

    E KL(p* ‖ p) ≤ L − min L ≤ gap      (squared error: ½ E‖z* − z‖²),

whatever the theorem says. If E KL(p_a ‖ p) exceeds the gap, p_a is not the optimum: the theorem fails.
"""

from dataclasses import dataclass, replace

import numpy as np

import ufm.rules.numbers as checked
from ufm.agree.verdict import Verdict, judge
from ufm.certify.joint import JointCertificate, certify_joint
from ufm.model.atoms import JointProblem
from ufm.model.etf import etf_deviation, etf_multiplier
from ufm.optimize.joint import JointSolution, solve_joint
from ufm.rules.brief import shown
from ufm.runtime.devices import own_rows, summing_mesh
from ufm.runtime.processes import ALONE, Group
from ufm.theory.multiplier import Multiplier, joint_multiplier, pattern_multiplier
from ufm.theory.polygon import Polygon, regular_polygon
from ufm.theory.predict import violated_hypothesis
from ufm.theory.theorems.joint import GAP_TOLERANCE, blurred, closed_form_divergence
from ufm.theory.thresholds import Threshold, minority_collapse, triviality


@dataclass(frozen=True, eq=False)
class JointReport:
    """Everything the command prints about one joint problem.

    theory: multiplier of the same finite law; continuous: that of the law before discretisation; None where
    no theorem gives one. thresholds: those that are theorems here. error: √(E KL(p_theory ‖ p)) and bound:
    √gap, both in √nats; error is None outside the hypotheses. rigorous_gap: upper end of the gap's ball, if
    asked for. polygon: the K-gon, for one-hot labels at d = 2.
    """

    problem: JointProblem
    solution: JointSolution
    certificate: JointCertificate
    theory: Multiplier | None
    continuous: Multiplier | None
    thresholds: list[Threshold]
    etf_deviation: float
    multiplier: float
    error: float | None
    bound: float
    verdict: Verdict
    rigorous_gap: float | None = None
    polygon: Polygon | None = None

    __repr__ = shown

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
    group: Group = ALONE,
) -> JointReport:
    """Solve, certify, compare with the theorem "W is a simplex ETF", and judge. Needs float64.

    All devices of the group's processes divide the labels; `solution.H` then holds a process's own ones.
    """
    checked.instance("problem", problem, JointProblem, "ufm.finite_law")
    checked.positive("tol", tol)
    checked.flag("rigorous", rigorous)
    solution, rows = _solve(problem, starts, seed, group)
    certificate = certify_joint(problem, solution, rows=rows, group=group)
    rigorous_gap = enclose_solution(problem, solution) if rigorous else None
    bound = float(np.sqrt(certificate.gap if rigorous_gap is None else rigorous_gap))
    violated, theory = violated_hypothesis(problem), None
    error, rounding, open_ = None, 0.0, None
    if not violated:
        theory = pattern_multiplier(problem.atoms.patterns, problem.lambda_w, problem.lambda_h, problem.loss)
        error, rounding, open_ = _compare(problem, solution, rows, theory, bound, group)
    return JointReport(
        problem=problem,
        solution=solution,
        certificate=certificate,
        theory=theory,
        continuous=None if violated else _continuous(problem),
        thresholds=[_trivial(problem), *_collapse(problem)],
        etf_deviation=etf_deviation(solution.W),
        multiplier=etf_multiplier(solution.W),
        error=error,
        bound=bound,
        verdict=judge(
            error,
            bound,
            rounding,
            float(np.sqrt(tol * abs(certificate.objective))),
            exceeds=False,
            violated=violated,
            enclosed=True if rigorous else None,
            stalled=open_,
        ),
        rigorous_gap=rigorous_gap,
        polygon=_polygon(problem),
    )


def _solve(problem: JointProblem, starts: int, seed: int, group: Group) -> tuple[JointSolution, slice]:
    """The optimum by all devices of the group, and which labels its H is of."""
    mesh = summing_mesh(alone=group.count == 1)
    solution = solve_joint(problem, starts=starts, seed=seed, mesh=mesh)
    if group.count > 1:  # one point for all: what was done on the host may differ between processors
        solution = replace(solution, W=group.first(solution.W), b=group.first(solution.b))
    return solution, own_rows(len(problem.atoms.weights), mesh)


def _trivial(problem: JointProblem) -> Threshold:
    """The threshold of triviality, of every loss and bias."""
    return triviality(problem.atoms, problem.product, problem.loss, problem.lambda_b)


def _collapse(problem: JointProblem) -> list[Threshold]:
    """Thresholds of minority collapse: a theorem of cross-entropy without a bias."""
    if problem.lambda_b is not None or problem.loss != "cross-entropy":
        return []
    return minority_collapse(problem.law, problem.classes, problem.product, problem.atoms)


def _polygon(problem: JointProblem) -> Polygon | None:
    """The K-gon, where its formula applies."""
    if problem.dim != 2 or problem.lambda_b is not None or problem.loss != "cross-entropy":
        return None
    if problem.law.name != "onehot" or not problem.law.exchangeable or problem.law.smoothing:
        return None
    return regular_polygon(problem.classes, problem.lambda_w, problem.lambda_h)


def enclose_solution(problem: JointProblem, solution: JointSolution) -> float:
    """Upper end of L − min L in ball arithmetic."""
    from ufm.enclose.joint import enclose_joint  # flint is loaded only when asked for

    enclosure = enclose_joint(
        solution.W,
        solution.H,
        problem.atoms.labels,
        problem.atoms.weights,
        problem.lambda_w,
        problem.lambda_h,
        b=None if problem.lambda_b is None else solution.b,
        lambda_b=problem.lambda_b,
        loss=problem.loss,
        rho=problem.atoms.rho,
        real=problem.atoms.real,
    )
    return enclosure.gap[1]


def _continuous(problem: JointProblem) -> Multiplier | None:
    if problem.law.labels is not None or not problem.law.exchangeable:
        return None
    return joint_multiplier(problem.law, problem.classes, problem.lambda_w, problem.lambda_h, problem.loss)


def _compare(
    problem: JointProblem,
    solution: JointSolution,
    rows: slice,
    theory: Multiplier,
    bound: float,
    group: Group,
):
    """√ of the mean Bregman divergence from the closed form's predictions, that of its rounding, and
    why these together with the gap's `bound` say nothing about m, if they do not. rows: labels of the solution."""
    labels, weights = problem.atoms.labels[rows], problem.atoms.weights[rows]
    Z = solution.H @ solution.W.T + solution.b

    def divergence(share):  # of the closed form with `share` of the multiplier
        a = theory.sharpness * share**2
        own = closed_form_divergence(labels, weights, Z, a, problem.loss) if len(Z) else 0.0
        return float(group.total(own))

    rounding = 256 * float(np.finfo(float).eps)  # relative error of a closed-form logit, and of p through it
    if problem.loss == "cross-entropy":
        rounding *= problem.classes + float(group.gather(np.max(np.abs(Z), initial=0.0)).max())
    m = 1.0 if theory.sharpness > 0 else 0.0
    return float(np.sqrt(divergence(1.0))), rounding, blurred(divergence, m, (bound + rounding) ** 2)
