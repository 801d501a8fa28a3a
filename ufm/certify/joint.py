"""Certificate of global optimality for ANY point of a joint problem: its gap by `ufm.certify.dual`, and its slopes.

Imports neither theory nor optimize. Runs in numpy float64.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float

import ufm.rules.numbers as checked
from ufm.certify.dual import DualGap, dual_gap
from ufm.certify.sample import Block, Sample
from ufm.model.atoms import JointProblem, Point
from ufm.rules.brief import shown
from ufm.rules.errors import InputError
from ufm.runtime.processes import ALONE, Group

WHOLE, ROWS = (
    2**20,
    2**13,
)  # logits that are judged as one block, and the labels of a block where there are more


@dataclass(frozen=True)
class JointCertificate(DualGap):
    """The gap, and stationarity: ‖∇L‖ over (W, √π h, b); imbalance: ‖λ_W WᵀW − λ_H E ρ h hᵀ‖_F/‖λ_W WᵀW‖_F,
    zero at every critical point."""

    stationarity: float
    imbalance: float

    __repr__ = shown


def certify_joint(
    problem: JointProblem, point: Point, *, rows: slice = slice(None), group: Group = ALONE
) -> JointCertificate:
    """Bound the suboptimality of any point: whatever has W (K, d), H (n, d) and b (K, or None without a bias).

    The processes of a group may divide the labels among them: `rows` are a process's own, those of its H. Sums
    cross, no label does. Raises InputError for shapes that do not match, or a bias where the problem has none.
    """
    checked.instance("problem", problem, JointProblem)
    Y, weights = problem.atoms.labels[rows], problem.atoms.weights[rows]
    W = checked.array("W", point.W, (problem.classes, "d"))
    H = checked.array("H", point.H, (len(Y), W.shape[1])) if len(Y) else np.zeros((0, W.shape[1]))
    b = check_bias(point.b, problem.lambda_b, problem.classes)
    rho = None if problem.atoms.rho is None else problem.atoms.rho[rows]

    def block(own: slice) -> Block:
        each = 1.0 if rho is None else rho[own]
        return Block(H[own], Y[own], H[own] @ W.T + b, weights[own], problem.loss, each)

    if Y.size <= WHOLE:
        whole = [block(slice(None))]
        sample = Sample(lambda: whole, group)
    else:  # in blocks, made again for every reading
        sample = Sample(lambda: (block(slice(n, n + ROWS)) for n in range(0, len(Y), ROWS)), group)
    gap = dual_gap(sample, W, b, problem.penalties, problem.loss)
    slope_h, cross, mean, square = sample.read(partial(_slopes, W=W, lambda_h=problem.lambda_h)).parts[0]
    slope_w = problem.lambda_w * W - cross
    slope_b = (mean - (problem.lambda_b or 0.0) * b) * (problem.lambda_b is not None)
    return JointCertificate(
        **vars(gap),
        stationarity=float(np.sqrt(slope_h + np.sum(slope_w**2) + np.sum(slope_b**2))),
        imbalance=_imbalance(problem.lambda_w * W.T @ W, problem.lambda_h * square),
    )


def _slopes(block: Block, W, lambda_h: float) -> tuple:
    """Sums of ‖λ_H ρ h − Wᵀr‖², r hᵀ, r and ρ h hᵀ."""
    r, H, rho = block.residual, block.H, block.rho
    weighted = H if isinstance(rho, float) else rho[:, None] * H
    return (
        block.sum(np.sum((lambda_h * weighted - r @ W) ** 2, 1)),
        block.product(r, H),
        block.sum(r),
        block.product(weighted, H),
    )


def _imbalance(left, right) -> float:
    size = np.linalg.norm(left)
    return float(np.linalg.norm(left - right) / size) if size > 0 else float(np.linalg.norm(right))


def check_bias(b, lambda_b: float | None, classes: int) -> Float[np.ndarray, " K"]:
    """The bias, zeros without one; InputError for a bias that has no penalty."""
    b = np.zeros(classes) if b is None else checked.array("b", b, (classes,))
    if lambda_b is None and b.any():
        raise InputError("a bias is given: say lambda_b = 0 (free) or its penalty")
    return b
