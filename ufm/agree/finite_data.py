"""What finite data alone does: joint optima on N drawn labels, over seeds and sizes.

A finite draw is not exchangeable, so its optimum deviates from the ETF, about as N^{−1/2}: the
honest baseline for a network, which sees finitely many draws of λ and pairs.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ufm.certify.joint import certify_joint
from ufm.model.atoms import JointProblem, drawn_law
from ufm.model.etf import etf_deviation, etf_multiplier
from ufm.optimize.joint import solve_joint
from ufm.theory.multiplier import joint_multiplier

SEEDS, SIZES = 8, 3


class DrawStudy(NamedTuple):
    """N labels, over seeds: mean ETF deviation with a 95 % interval of the mean, the same for the
    multiplier relative to that of the continuous law (None where there is none), worst relative gap."""

    draws: int
    seeds: int
    deviation: float
    deviation_interval: tuple[float, float]
    multiplier_ratio: float | None
    multiplier_interval: tuple[float, float] | None
    worst_gap: float


def study_draws(problem: JointProblem, draws: int, seed: int) -> list[DrawStudy]:
    """Solve N/16, N/4 and N drawn labels (at least 8), eight seeds each."""
    sizes = sorted({max(8, draws // 4**k) for k in range(SIZES)})
    return [_study(problem, size, seed) for size in sizes]


def _study(problem: JointProblem, draws: int, seed: int) -> DrawStudy:
    expected = _expected_multiplier(problem)
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
    )


def _expected_multiplier(problem: JointProblem) -> float | None:
    """m of the continuous law; None where it is zero or the law has no such number."""
    if not problem.law.exchangeable:
        return None
    found = joint_multiplier(problem.law, problem.classes, problem.lambda_w, problem.lambda_h, problem.loss)
    return found.value or None


def interval(values) -> tuple[float, float]:
    """95 % interval of the mean, by Student's t."""
    from scipy.stats import t  # slow to import

    values = np.asarray(values, float)
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)
