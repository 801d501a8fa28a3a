"""How far features and bias are from the best ones for a GIVEN classifier: a dual that holds for any residual.

    min_{h, b} L(W, h, b) ≥ E D(r) − E‖Wᵀr‖²/(2λ_H ρ) − pen(E r) + (λ_W/2)‖W‖²,      y − r a distribution,

D and pen as in `ufm.certify.dual` (ℓ(z, y) ≥ D(r) − r·z, then each h and b is minimised alone); a free bias asks
for E r = 0. Equality at r = y − p of the best features: the value of a classifier is known from both sides.

W = 0 with its best bias b₀ is optimal, in any dimension and for every loss here, iff its residual is feasible:

    λ_max(M₀) ≤ c² = λ_W λ_H,   M₀ = E r rᵀ/ρ,   r = −∂ℓ(b₀, y),   E r = λ_b b₀.

Over logits and bias L is convex, E ℓ(z + b, y) + c ‖z √(πρ)‖_*, at least if d is large: that W = 0 is optimal for
all d then. Its subgradient at z = 0 holds zero iff r √(π/ρ) has no singular value above c. If one has, the rank one
of its singular vectors leads down, which every d has. (Re-derived here.)
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from ufm.certify.dual import FREE, centred, loss_entropies, mean_penalty, plain
from ufm.certify.joint import certify_joint, check_bias
from ufm.certify.sample import BINARY, Block, Change, Sample
from ufm.model.atoms import JointProblem, Point
from ufm.model.rows import EPS


class ZeroExcess(NamedTuple):
    """excess: λ_max(M₀)/c² − 1, W = 0 is optimal iff it is not positive; rounding: by how much it may be off."""

    excess: float
    rounding: float


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


def certify_zero(problem: JointProblem, b=None) -> ZeroExcess:
    """Whether W = 0 is the optimum, from ANY bias, which a penalised one asks for: off, it widens the rounding.

    With F = E ℓ(b, y) + λ_b‖b‖²/2, ∇F(b) = (p − p₀) + λ_b (b − b₀), which is at no obtuse angle. So neither part is
    longer than ∇F(b), and ȳ − λ_b b is as near to p₀ as p; with a free bias it is p₀. √λ_max is a norm of r √(π/ρ).
    """
    loss, lambda_b = problem.loss, problem.lambda_b
    Y, weights, pulls = problem.atoms.labels, problem.atoms.weights, problem.atoms.pulls
    b = check_bias(b, lambda_b, problem.classes)
    p, away = fitted_bias(b, loss), 0.0
    if lambda_b is not None:
        mean = weights @ Y - lambda_b * b
        units = (len(Y) + 8) * np.linalg.norm(weights @ np.abs(Y)) + 8 * lambda_b * np.linalg.norm(b)
        if lambda_b != FREE:
            units += (len(b) + 16 + 2 * np.abs(b).max()) * np.linalg.norm(p)
            away = float(np.linalg.norm(p - mean))
        p, away = mean, away + EPS * float(units)
    r, size = Y - p, np.linalg.norm(Y, axis=1) + np.linalg.norm(p)
    largest = max(float(np.linalg.eigvalsh((r * pulls[:, None]).T @ r)[-1]), 0.0)
    moved = away * float(np.sqrt(pulls.sum()))
    off = (len(Y) + 10 * len(b) + 32) * EPS * float(pulls @ size**2)
    off += moved * (2 * float(np.sqrt(largest + off)) + moved)
    return ZeroExcess(largest / problem.product - 1.0, off / problem.product + 4 * EPS)


def fitted_bias(b, loss: str) -> np.ndarray:
    """What a bias alone predicts: softmax(b), b, or σ(b)."""
    if loss == "squared-error":
        return b
    if loss == BINARY:
        return 0.5 * (1 + np.tanh(b / 2))
    shares = np.exp(b - b.max())
    return shares / shares.sum()


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
