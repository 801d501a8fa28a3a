"""Diagrams of problems of another shape: blind starts, and a bound from below where one is known."""

import numpy as np

from experiments.phases.frame import GAP, Axis, Curve, Diagram, Found, Phase
from experiments.phases.joint import CLASSES, classify, separation, weights
from ufm.model.atoms import FiniteLaw, JointProblem
from ufm.model.etf import etf_deviation
from ufm.model.variants.problem import Variant, VariantProblem
from ufm.theory.variants.budgets import collapse_budget
from ufm.theory.variants.losses import focal_optimum, focal_slope, focal_threshold, steepest_log

MANY = 30  # classes under the focal loss: jumps begin at 18
ETF, SMALL = 1e-4, 1e-3  # under it: deviation of an ETF, and ‖W‖ of zero: a gradient of 1e-9 is left


def _solve(kind: str, numbers: tuple[float, ...], R: float, c: float):
    """W, H and objective of the best point of all starts for one-hot labels of these weights, and its relative gap.

    Where that is too large classes change places, so that other starts are tried.
    """
    from ufm.certify.variants import lower_bound
    from ufm.optimize.variants.models import solve_variant

    for shift in range(CLASSES):
        law = FiniteLaw(np.eye(CLASSES), np.roll(weights(R), shift))
        problem = VariantProblem(Variant(kind, numbers), JointProblem(law, c, c, CLASSES))
        found = solve_variant(problem)
        lower = lower_bound(problem, found.W, found.H, found.multipliers)
        gap = (found.objective - lower) / found.objective
        if gap <= GAP:
            break
    return np.roll(found.W, -shift, 0), np.roll(found.H, -shift, 0), found.objective, gap


def _relu(R: float, product: float) -> Found:
    _, H, objective, gap = _solve("relu-features", (), R, float(np.sqrt(product)))
    sizes = np.linalg.norm(H, axis=1)
    costs = np.array(weights(R)) * np.sqrt(product) * sizes**2 / 2
    alive = costs > GAP * objective  # a feature that costs less than the gap is none
    phases = {(True,) * 4: "alive", (True, True, False, False): "minority", (False,) * 4: "zero"}
    order = sizes[2] / sizes[0] if alive[0] else 0.0
    return Found(phases.get(tuple(alive.tolist()), "other"), float(order), gap, objective)


def _peeled(R: float, budget: float) -> Found:
    W, _, objective, gap = _solve("layer-peeled", (budget, budget), R, 1.0)
    phase = classify(W, [[2, 3]], "merged", "distinct")
    return Found(phase, min(1.0, separation(W)), gap, objective)


def _focal(gamma: float, ratio: float) -> Found:
    """trap: the simplex is best, and a start near zero falls back to zero all the same."""
    from experiments.phases.focal import search

    near, (W, objective) = search(MANY, gamma, ratio * softest(gamma))
    size = float(np.linalg.norm(W))
    if size < SMALL:
        phase = "zero"
    else:
        stays = np.linalg.norm(near) < SMALL
        phase = "other" if etf_deviation(W) > ETF else "trap" if stays else "etf"
    return Found(phase, min(1.0, size / 3), np.nan, objective)


def softest(gamma: float) -> float:
    """c at which zero stops being a local minimum: √K S(1/K)/(K−1)."""
    return float(np.sqrt(MANY)) / (MANY - 1) * focal_slope(MANY, gamma, 0.0)


def _last(gamma: float) -> float:
    """Where the simplex ends as a local minimum, over `softest`: S(p*)/S(1/K), 1 where it shrinks to zero."""
    log_p = steepest_log(gamma)
    if log_p <= -np.log(MANY):
        return 1.0
    peak = float(np.log(MANY - 1) + log_p - np.log1p(-np.exp(log_p)))
    return focal_slope(MANY, gamma, peak) / focal_slope(MANY, gamma, 0.0)


def _lowest(gamma: float, ratio: float) -> float:
    """The objective of the closed form."""
    c = ratio * softest(gamma)
    return focal_optimum(MANY, gamma, c, c).objective


def _dies(place: int):
    """(K−1) q/K of the large (0) or small (3) classes."""
    return lambda R: (CLASSES - 1) / CLASSES * weights(R)[place]


RATIO = Axis("imbalance $R = q_A/q_B$", 1.05, 100, (3, 10, 30, 100))
RELU = Diagram(
    "relu",
    "Features that are never negative, K = 4",
    RATIO,
    Axis(r"$\lambda_W\lambda_H$", 1e-3, 0.6, (0.001, 0.01, 0.1)),
    _relu,
    (
        Phase("zero", "all dead", (5.0, 0.47), "zero"),
        Phase("minority", "minority dead", (33, 0.12), "partial"),
        Phase("alive", "four orthogonal features", (5, 0.0045), "full"),
    ),
    (
        Curve(_dies(0), r"$(K-1)\,q_A/K$", 0.65, -1),
        Curve(_dies(3), r"$(K-1)\,q_B/K$", 0.62, -1),
    ),
    r"$\|h_3\| / \|h_1\|$",
    "relu-features",
    "Imbalance and penalties under ReLU: all features alive, minority dead, all dead",
    (Curve(lambda R: weights(R)[3], "$q_B$: signed features merge", 0.6, 1),),
)
PEELED = Diagram(
    "peeled",
    "Layer-peeled model: budgets for penalties, K = 4",
    RATIO,
    Axis(r"budget $\sqrt{E_W E_H}$", 0.1, 3, (0.1, 0.3, 1, 3)),
    _peeled,
    (
        Phase("distinct", "four directions", (3.2, 1.5), "full"),
        Phase("merged", "minority is one point", (20, 0.35), "partial"),
    ),
    (Curve(lambda R: collapse_budget(2, 2, R), "multiplier of the budget: $c^2 = q_B$", 0.6, -1),),
    r"$\|w_3-w_4\| / \|w_1-w_2\|$",
    "layer-peeled-minority",
    "Imbalance and budget: four directions above a rising curve, the minority in one point below",
)
FOCAL = Diagram(
    "focal",
    f"Focal loss, K = {MANY}: the simplex jumps to zero",
    Axis(r"exponent $\gamma$", 0.2, 8, (2, 4, 6, 8), True),
    Axis(r"$c\, /\, c$ where zero turns unstable", 0.9755, 1.0245, (0.98, 0.99, 1, 1.01, 1.02), True),
    _focal,
    (
        Phase("zero", "zero", (6.4, 1.019), "zero"),
        Phase("trap", "simplex, but zero\nholds what starts there", (4.1, 1.005), "partial"),
        Phase("etf", "simplex ETF", (4, 0.987), "full"),
    ),
    (
        Curve(lambda gamma: focal_threshold(MANY, gamma) / softest(gamma), "equal objectives", 0.22, 1),
        Curve(lambda gamma: 1.0, r"zero unstable: $\sqrt{K}\,S(1/K)/(K-1)$", 0.6, -1),
    ),
    r"$\|W\|_F/3$",
    "focal",
    "Exponent and decay: a simplex, a band in which zero is a trap, zero",
    (Curve(_last, "simplex ends", 0.55, 1),),
    best=_lowest,
    sizes=(18, 8),
)
