"""The theorem on how a joint optimum answers: three curvatures of the problem in G = W Wᵀ."""

import numpy as np

import ufm.theory.theorems.assumptions as given
from ufm.theory.geometry.susceptibility import Susceptibility, pattern_susceptibility
from ufm.theory.multiplier import pattern_multiplier
from ufm.theory.theorems.joint import mean_divergence, predictions, root_finding
from ufm.theory.theorems.theorem import Assumption, Finding, JointClaim, JointOptimum, Setting, Theorem

ENOUGH = 1e-8  # relative rounding of eigenvalues of F'', whose residuals are differences of probabilities


def _alive(setting: Setting) -> str | None:
    if setting.problem.lambda_w == 0 or setting.joint.product < setting.joint.atoms.patterns.variance:
        return None
    return "λ_W λ_H is at or above its threshold: the optimum is zero"


ALIVE = Assumption(r"$\lambda_W\lambda_H < (\mathbb{E}\|y\|^2 - \frac1K)/(K-1)$", _alive)


def symmetric_basis(K: int) -> np.ndarray:
    """(K(K−1)/2, K, K) symmetric matrices with D 1 = 0, orthonormal for the trace."""
    basis = np.linalg.svd(np.eye(K) - 1 / K)[0][:, : K - 1]
    found = []
    for i in range(K - 1):
        for j in range(i + 1):
            D = np.outer(basis[:, i], basis[:, j])
            found.append((D + D.T) / (2 if i == j else np.sqrt(2)))
    return np.array(found)


def hessian(labels, weights, P, a: float, lambda_h: float) -> np.ndarray:
    """F'' over `symmetric_basis` from any predictions P: λ_H⁻² E[rᵀ D T D' r], T = S(I + aS)⁻¹ by solving."""
    K = labels.shape[1]
    basis = symmetric_basis(K)
    out = np.zeros((len(basis), len(basis)))
    for y, p, weight in zip(labels, P, weights):
        S = np.diag(p) - np.outer(p, p)
        T = np.linalg.solve(np.eye(K) + a * S, S)
        moved = basis @ (y - p)
        out += weight * moved @ ((T + T.T) / 2) @ moved.T
    return out / lambda_h**2


def _claimed(setting: Setting) -> tuple[Susceptibility, np.ndarray]:
    joint = setting.joint
    a = pattern_multiplier(joint.atoms.patterns, joint.lambda_w, joint.lambda_h).sharpness
    found = pattern_susceptibility(joint.atoms.patterns, a, joint.lambda_h)
    values = np.repeat(np.array(found.curvature, float), np.array(found.dimension, int))
    return found, np.sort(values)


def curvature_finding(setting: Setting, optimum: JointOptimum, change=lambda values: values) -> Finding:
    """The optimum predicts p_a(y), and F'' written out at p_a has h₁, h₂, h₃ as often as they count.

    The first is held against the gap, as in the theorem joint-etf; the second against rounding alone. The numbers
    shown are the largest eigenvalue, claimed and at the numerical predictions.
    """
    joint, atoms = setting.joint, setting.joint.atoms
    found, claimed = _claimed(setting)
    claimed, p = change(claimed), predictions(atoms.labels, found.sharpness)
    written, numeric = (
        np.linalg.eigvalsh(hessian(atoms.labels, atoms.weights, chances, found.sharpness, joint.lambda_h))
        for chances in (p, optimum.P)
    )
    divergence = mean_divergence(atoms.weights, p, optimum.Z)
    finding = root_finding(float(claimed[-1]), float(numeric[-1]), divergence, optimum)
    off = float(np.abs(written - claimed).max() / np.abs(written).max())
    return finding if off <= ENOUGH else finding._replace(error=off, exceeds=True)


SUSCEPTIBILITY = Theorem(
    name="susceptibility",
    title="The optimum answers its labels by three numbers: size, norms, angles",
    statement=r"\langle D, F''D\rangle = \lambda_H^{-2}\,\mathbb{E}[r^\top DT_yDr], \ T_y = S(I + aS)^{-1}: \ "
    r" h_1 = \tfrac{\mathbb{E}e}{(K-1)\lambda_H^2},\ h_2 = \tfrac{\mathbb{E}[s - "
    r"e/K]}{(K-1)(1-2/K)\lambda_H^2},"
    r" \ h_1 + (K-1)h_2 + \tfrac{K(K-3)}{2}h_3 = \tfrac{\mathbb{E}[\|r\|^2\mathrm{tr}T + e]}{2\lambda_H^2};"
    r" \quad e = r^\top Tr,\ s = \textstyle\sum_kT_{kk}r_k^2",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, given.EXCHANGEABLE, given.ROOM, ALIVE),
    claim=JointClaim(curvature_finding),
    quantity="√E KL(p_theory ‖ p) of the blind joint optimum; the Hessian in G written out at p_theory; the numbers"
    " shown are its largest eigenvalue, claimed and at p",
    source="re-derived here; no earlier source known",
)
