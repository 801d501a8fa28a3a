"""How far a finite draw of labels alone takes the optimal classifier from an ETF: the baseline for a network.

The joint problem is solved for N labels drawn from the mixup law, at the λ_W λ_H whose optimum has the network's
fitted sharpness a: c² = E‖y − p_a(y)‖²/(K−1). Only this product matters for the shape of W.
"""

from typing import NamedTuple

from ufm.agree.finite_data import study_draws
from ufm.model.atoms import JointProblem, drawn_law
from ufm.model.laws import mixup, pattern_rule
from ufm.theory.multiplier import residual_moment


class Draw(NamedTuple):
    """N labels: mean over 8 draws of the ETF deviation of the optimal W, and its 95 % interval."""

    labels: int
    deviation: float
    interval: tuple[float, float]


def matching_penalty(alpha: float, classes: int, a: float) -> float:
    """λ_W = λ_H = c at which the joint optimum under mixup(α) has sharpness a."""
    return (residual_moment(pattern_rule(mixup(alpha), classes), a) / (classes - 1)) ** 0.5


def draw_baseline(classes: int, a: float, labels: int, *, alpha: float = 1.0, seed: int = 0) -> list[Draw]:
    """Deviation from an ETF of the optimum on N/16, N/4 and N drawn labels."""
    c = matching_penalty(alpha, classes, a)
    problem = JointProblem(drawn_law(mixup(alpha), classes, labels, seed), c, c)
    return [Draw(s.draws, s.deviation, s.deviation_interval) for s in study_draws(problem, labels, seed)]
