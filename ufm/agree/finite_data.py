"""What finite data alone does: joint optima on N drawn labels, over seeds and sizes.

A finite draw is not exchangeable, so its optimum deviates from the ETF, about as N^{−1/2}: the
honest baseline for a network, which sees finitely many draws of λ and pairs. Beside what is seen stands what
the three susceptibilities say of N → ∞: √N (Ĝ − G) tends to a Gaussian matrix, independent in size, norms and
angles, and the deviation to √(σ₂² χ²_{K−1} + σ₃² χ²_{K(K−3)/2}).
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import scipy

from ufm.certify.joint import certify_joint
from ufm.model.atoms import JointProblem, drawn_law
from ufm.model.etf import etf_deviation, etf_multiplier
from ufm.model.laws import pattern_rule
from ufm.optimize.joint import solve_joint
from ufm.theory.geometry.susceptibility import Susceptibility, pattern_susceptibility
from ufm.theory.multiplier import Multiplier, joint_multiplier

SEEDS, SIZES = 8, 3


class Limit(NamedTuple):
    """To first order in N^{−1/2}: the mean ETF deviation over seeds, and of m relative to the law's, which is 1,
    each with the interval in which 95 % of such means lie."""

    deviation: float
    deviation_interval: tuple[float, float]
    multiplier_interval: tuple[float, float]


class DrawStudy(NamedTuple):
    """N labels, over seeds: mean ETF deviation with a 95 % interval of the mean, the same for the
    multiplier relative to that of the continuous law (None where there is none), worst relative gap;
    limit: what is predicted, where `ufm.susceptibility` holds."""

    draws: int
    seeds: int
    deviation: float
    deviation_interval: tuple[float, float]
    multiplier_ratio: float | None
    multiplier_interval: tuple[float, float] | None
    worst_gap: float
    limit: Limit | None


def study_draws(problem: JointProblem, draws: int, seed: int) -> list[DrawStudy]:
    """Solve N/16, N/4 and N drawn labels (at least 8), eight seeds each."""
    sizes = sorted({max(8, draws // 4**k) for k in range(SIZES)})
    optimum = _law_optimum(problem)
    expected = optimum and optimum.value
    answer = optimum and _susceptibility(problem, optimum.sharpness)
    return [_study(problem, size, seed, expected, answer) for size in sizes]


def _study(
    problem: JointProblem, draws: int, seed: int, expected: float | None, answer: Susceptibility | None
) -> DrawStudy:
    deviations, ratios, gaps = [], [], []
    for k in range(SEEDS):
        atoms = drawn_law(problem.law, problem.classes, draws, seed + k)
        here = replace(problem, atoms=atoms)
        found = solve_joint(here, seed=seed + k)
        certificate = certify_joint(here, found)
        deviations.append(etf_deviation(found.W))
        ratios.append(etf_multiplier(found.W) / expected if expected else np.nan)
        gaps.append(certificate.relative_gap)
    ratio = None if not expected else float(np.mean(ratios))
    return DrawStudy(
        draws,
        SEEDS,
        float(np.mean(deviations)),
        interval(deviations),
        ratio,
        interval(ratios) if expected else None,
        float(max(gaps)),
        None if answer is None else predicted_limit(answer, draws),
    )


def _susceptibility(problem: JointProblem, a: float) -> Susceptibility | None:
    """That of the law which is drawn from, at its optimum's a; None where the theorem says nothing."""
    K = problem.classes
    if problem.loss != "cross-entropy" or problem.d < K - 1:
        return None
    return pattern_susceptibility(pattern_rule(problem.law, K), a, problem.lambda_h, problem.lambda_b)


def predicted_limit(answer: Susceptibility, draws: int, seeds: int = SEEDS) -> Limit:
    """What N drawn labels are to show, for N → ∞."""
    K, gain = answer.classes, answer.sharpness * answer.lambda_h
    unit = draws * gain**2 * (K - 1)  # N ‖G‖²
    half = scipy.special.ndtri(0.975) / np.sqrt(seeds)
    parts = [(v / unit / n, n) for v, n in zip(answer.spread[1:], answer.dimension[1:]) if n]
    mean = _mean_root(parts)
    deviation = half * np.sqrt(max(sum(v * n for v, n in parts) - mean**2, 0.0))
    multiplier = half * 0.5 * np.sqrt(answer.spread.size / unit)  # m is the root of the size
    return Limit(mean, (mean - deviation, mean + deviation), (1 - multiplier, 1 + multiplier))


def _mean_root(parts: list[tuple[float | int, float | int]]) -> float:
    """E√X, X = Σ v χ²_n: (2√π)⁻¹ ∫ (1 − E e^{−tX}) t^{−3/2} dt, E e^{−tX} = Π (1 + 2vt)^{−n/2}; t = e^s/E X."""
    size = sum(v * n for v, n in parts)
    if size == 0:
        return 0.0

    def integrand(s):
        decay = sum(-0.5 * n * np.log1p(2 * v / size * np.exp(s)) for v, n in parts)
        return -np.expm1(decay) * np.exp(-s / 2)

    return float(np.sqrt(size / np.pi) / 2 * scipy.integrate.quad(integrand, -80, 80, limit=200)[0])


def _law_optimum(problem: JointProblem) -> Multiplier | None:
    """m of the continuous law with its a; None where it is zero or the law has no such number."""
    if not problem.law.exchangeable:
        return None
    found = joint_multiplier(problem.law, problem.classes, problem.lambda_w, problem.lambda_h, problem.loss)
    return found if found.value else None


def interval(values) -> tuple[float, float]:
    """95 % interval of the mean, by Student's t."""
    from scipy.stats import t  # slow to import

    values = np.asarray(values, float)
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)
