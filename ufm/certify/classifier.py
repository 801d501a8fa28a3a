"""How far features and bias are from the best ones for a GIVEN classifier: a dual that holds for any residual.

    min_{h, b} L(W, h, b) ≥ E D(r) − E‖Wᵀr‖²/(2λ_H ρ) − pen(E r) + (λ_W/2)‖W‖²,      y − r a distribution,

D and pen as in `ufm.certify.dual` (ℓ(z, y) ≥ D(r) − r·z, then each h and b is minimised alone); a free bias asks
for E r = 0. Equality at r = y − p of the best features: the value of a classifier is known from both sides.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from ufm.certify.dual import FREE, centred, loss_entropies, mean_penalty, plain
from ufm.certify.joint import certify_joint
from ufm.certify.sample import Block, Change, Sample
from ufm.model.atoms import JointProblem, Point
from ufm.model.rows import EPS


class ClassifierGap(NamedTuple):
    """objective L(W, h, b) and a dual value ≤ min over h and b, each with its rounding taken off or added."""

    objective: float
    dual: float


def certify_classifier(problem: JointProblem, point: Point) -> ClassifierGap:
    """Bounds on both sides of min_{h, b} L(W, h, b) at the point's W, from the point's features and bias.

    Raises InputError as `certify_joint` does.
    """
    here = certify_joint(problem, point)
    H, b, labels = point.H, 0.0 if point.b is None else point.b, problem.atoms.labels
    rho = 1.0 if problem.atoms.rho is None else problem.atoms.rho
    block = Block(H, labels, H @ point.W.T + b, problem.atoms.weights, problem.loss, rho)
    sample = Sample(lambda: [block])
    first = sample.read(lambda block: (block.sum(block.residual), block.sum(block.Y)))
    mean, label = first.parts[0]
    free = problem.lambda_b == FREE
    change: Change = centred(mean, label, first.units, problem.loss) if free else plain
    value, slope, square, pull, mean = sample.read(partial(_sums, change=change, W=point.W)).parts[0]
    ridge = 0.5 * problem.lambda_w * float(np.sum(point.W**2))
    dual = (
        float(value) - float(square) / (2 * problem.lambda_h) - mean_penalty(mean, problem.lambda_b) + ridge
    )
    K, d = point.W.shape
    terms = (K + d + 32) * (float(slope) + float(pull) / problem.lambda_h + ridge)
    return ClassifierGap(here.objective + here.rounding, dual - EPS * (terms + first.count * abs(dual)))


def _sums(block: Block, change: Change, W) -> tuple:
    """Of D(r), how fast it moves with rounding, ‖Wᵀr‖²/ρ, what that moves with (its terms may cancel), and r."""
    r = change(block)
    if block.loss == "squared-error":
        value = np.sum(r * block.Y, 1) - 0.5 * np.sum(r * r, 1)
        slope = np.sum(np.abs(r * block.Y) + r * r, 1)
    else:
        value, slope = loss_entropies(block, r, 1.0)
    square, size = np.sum((r @ W) ** 2, 1), np.linalg.norm(r, axis=1) * np.linalg.norm(W)
    pull = size * (np.sqrt(square) + len(W) * EPS * size)
    return *map(block.sum, (value, slope, square / block.rho, pull / block.rho)), block.sum(r)
