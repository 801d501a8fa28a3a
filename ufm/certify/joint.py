"""Certificate of global optimality for ANY point of a joint problem: its gap by `ufm.certify.dual`, and its slopes.

Imports neither theory nor optimize. Runs in numpy float64.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float

import ufm.rules.numbers as checked
from ufm.certify.dual import DualGap, dual_gap
from ufm.certify.sample import Block, Orbits, Sample
from ufm.model.atoms import JointProblem, Point
from ufm.model.variants.orbits import OrbitProblem
from ufm.rules.brief import shown
from ufm.rules.errors import InputError
from ufm.runtime.processes import ALONE, Group

WHOLE, ROWS = (
    2**20,
    2**13,
)  # logits that are judged as one block, and the labels of a block where there are more

SAME = 1e-9  # of W and b, that may tell them from their averages over permutations


@dataclass(frozen=True)
class JointCertificate(DualGap):
    """The gap, and stationarity: ‖∇L‖ over (W, √π h, b); imbalance: ‖λ_W WᵀW − λ_H E ρ h hᵀ‖_F/‖λ_W WᵀW‖_F,
    zero at every critical point."""

    stationarity: float
    imbalance: float

    __repr__ = shown


def certify_joint(
    problem: JointProblem | OrbitProblem, point: Point, *, rows: slice = slice(None), group: Group = ALONE
) -> JointCertificate:
    """Bound the suboptimality of any point: whatever has W (K, d), H (n, d) and b (K, or None without a bias).

    The processes of a group may divide the labels among them: `rows` are a process's own, those of its H. Sums
    cross, no label does. Raises InputError for shapes that do not match, or a bias where the problem has none.
    Of an `OrbitProblem` the point judged has a feature σ h for a label σ y: W and b must be unchanged by σ.
    """
    if isinstance(problem, OrbitProblem):
        return _certify_orbits(problem, point)
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
    return _judged(problem, sample, W, b)


def _certify_orbits(problem: OrbitProblem, point: Point) -> JointCertificate:
    """W and b are replaced by their averages over permutations, which must be rounding away.

    L of the point is that of its representatives, and E r rᵀ the average over permutations of theirs; the dual is a
    maximum over residuals on any space on which labels have the law, permutations drawn with them.
    """
    law, K, n = problem.orbits, problem.classes, len(problem.orbits.masses)
    W, H = checked.array("W", point.W, (K, K)), checked.array("H", point.H, (n, K))
    b = check_bias(point.b, problem.lambda_b, K)
    means = law.average_matrix(W), law.average(b)
    for name, given, mean in zip("Wb", (W, b), means):
        if np.abs(given - mean).max() > SAME * np.abs(given).max():
            raise InputError(f"{name} must be unchanged by permutations of the classes of a group")
    W, b = means
    block = Orbits(H, law.representatives, H @ W.T + b, law.masses, problem.loss, law=law)
    return _judged(problem, Sample(lambda: [block]), W, b)


def _judged(problem: JointProblem | OrbitProblem, sample: Sample, W, b) -> JointCertificate:
    """Gap and slopes of the sample."""
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
        block.total(r, exact=False),
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
