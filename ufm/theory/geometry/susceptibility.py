"""How the joint optimum answers a change of its label law: three susceptibilities, by symmetry.

Over G = W Wᵀ the problem is F(G) = (λ_W/2) tr G + E φ_G(y). At the optimum of an exchangeable law (cross-entropy,
G = λ_H a Π, d ≥ K − 1), along symmetric D with D 1 = 0,

    ⟨D, F'' D⟩ = λ_H⁻² E[rᵀ D T_y D r],   T_y = S(I + aS)⁻¹ = diag q − q qᵀ/Σq,   q = p/(1 + a p),

S = diag p − p pᵀ, and F'' commutes with permutations of the classes, so it has three eigenvalues: h₁ on Π (size,
dimension 1), h₂ on Π diag(δ) Π with Σ δ = 0 (norms, K − 1), h₃ on the rest (angles, K(K−3)/2). With τ = tr T,
e = rᵀTr, s = Σ T_kk r_k²:

    λ_H² h₁ = E e/(K−1),   λ_H² h₂ = E[s − e/K]/((K−1)(1 − 2/K)),   all, by dimension: ½E[‖r‖² τ + e].

A law (1−ε) π + ε π' moves G by ε (1/(2λ_H)) Σ_ρ h_ρ⁻¹ Proj_ρ(E_π'[rrᵀ] − c² Π); n drawn labels by a random matrix,
n E‖Ĝ − G‖² → (1/(4λ_H²)) Σ_ρ dim_ρ v_ρ/h_ρ², v_ρ the mean square of a component of rrᵀ − c² Π.

A bias b, free or with (λ_b/2)‖b‖², answers too: F_bG D = E[T D r]/λ_H and F_bb = E T + λ_b on Σ b = 0. Of D only
the norms move it, E[T diag(δ) r] = μ δ, so with t = E τ/(K−1) and ν = 2μ/((1 − 2/K)(t + λ_b)), by the Schur
complement, λ_H² h₂ falls by μ ν/2, and in all answers rrᵀ becomes rrᵀ − ν Π diag(r) Π; μ = E Σ T_kk r_k/(K−1).
(Re-derived here.)
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

import ufm.rules.numbers as checked
from ufm.model.atoms import JointProblem
from ufm.model.laws import Patterns
from ufm.rules.brief import shown
from ufm.rules.errors import InputError
from ufm.rules.soft_labels import accept
from ufm.theory.features import solve_patterns
from ufm.theory.geometry.onehot import class_optimum
from ufm.theory.multiplier import pattern_multiplier


class Parts(NamedTuple):
    """Of size, norms and angles; 0 where there are none (norms: K = 2, angles: K ≤ 3)."""

    size: float
    norms: float
    angles: float


@dataclass(frozen=True, eq=False)
class Susceptibility:
    """Curvatures h of F at the optimum, dimensions of the three spaces, and what n drawn labels move, times n:
    spread_ρ = dim_ρ v_ρ/(2 λ_H h_ρ)², the limit of n E‖Proj_ρ(Ĝ − G)‖². pull: ν, what a mean residual does to norms
    through the bias, 0 without one; the curvature of norms is then that of the best bias."""

    curvature: Parts
    dimension: Parts
    spread: Parts
    sharpness: float
    lambda_h: float
    product: float
    classes: int
    pull: float = 0.0

    __repr__ = shown

    @property
    def deviation(self) -> float:
        """√n ‖Ĝ/‖Ĝ‖ − Π/√(K−1)‖ of n drawn labels, in the root mean square, as n → ∞."""
        gain = self.sharpness * self.lambda_h
        return float(np.sqrt((self.spread.norms + self.spread.angles) / (self.classes - 1)) / gain)

    def response(self, labels, weights) -> Float[np.ndarray, "K K"]:
        """dG/dε of the law (1−ε) π + ε π', π' of these labels (n, K) and weights (n)."""
        Y = accept(labels, "labels")
        if Y.shape[1] != self.classes:
            raise InputError(f"labels have {Y.shape[1]} columns for {self.classes} classes")
        q = checked.weights("weights", weights, len(Y))
        r = residuals(Y, np.ones_like(Y), self.sharpness)[0]
        flat = np.eye(self.classes) - 1 / self.classes
        through_bias = self.pull * flat @ np.diag(q @ r) @ flat
        return self.solve((r * q[:, None]).T @ r - through_bias) / (2 * self.lambda_h)

    def solve(self, M) -> Float[np.ndarray, "K K"]:
        """F''⁻¹(M − c² Π) for M = E_π'[rrᵀ]: each of its three parts by its own curvature."""
        K, h, flat = self.classes, self.curvature, np.eye(self.classes) - 1 / self.classes
        size = float(np.trace(M)) / (K - 1)
        out = (size - self.product) / h.size * flat
        rest = M - size * flat
        if K > 2:
            delta = np.diag(rest) / (1 - 2 / K)  # of Π diag(δ) Π the diagonal is (1 − 2/K) δ
            norms = flat @ np.diag(delta) @ flat
            out += norms / h.norms
            out += (rest - norms) / h.angles if K > 3 else 0.0
        return out


def residuals(values, counts, a: float):
    """r = y − p = z/a and p of each pattern, r without cancellation."""
    K = counts.sum(1, keepdims=True)
    best = solve_patterns(values, counts, a)
    z = best.x - np.sum(counts * best.x, 1, keepdims=True) / K
    return z / a, best.p


def susceptibility(problem: JointProblem) -> Susceptibility:
    """The three curvatures of a joint problem: exchangeable law, cross-entropy, d ≥ K − 1, any bias, not zero.

    A bias takes up some of the norms' response (a free one a quarter, for one-hot labels at K = 4, λ = 0.01).
    Raises InputError where there is no such symmetry, or W = 0.
    """
    checked.instance("problem", problem, JointProblem)
    K = problem.classes
    if not (problem.loss == "cross-entropy" and problem.d >= K - 1 and problem.atoms.exchangeable):
        raise InputError("susceptibilities need an exchangeable law, cross-entropy and dim ≥ K − 1")
    patterns = problem.atoms.patterns
    a = pattern_multiplier(patterns, problem.lambda_w, problem.lambda_h).sharpness
    if a == 0:
        raise InputError("the optimum is W = 0: λ_W λ_H is at or above the threshold (E‖y‖² − 1/K)/(K − 1)")
    return pattern_susceptibility(patterns, a, problem.lambda_h, problem.lambda_b)


def pattern_susceptibility(
    patterns: Patterns, a: float, lambda_h: float, lambda_b: float | None = None
) -> Susceptibility:
    """The same for weighted patterns, at the optimum's a."""
    n, w, K = patterns.counts, patterns.weights, round(float(patterns.counts[0].sum()))
    r, p = residuals(patterns.values, n, a)
    q = p / (1 + a * p)
    total = np.sum(n * q, 1, keepdims=True)
    own = q - q**2 / total  # T_kk
    energy = np.sum(n * q * r**2, 1) - np.sum(n * q * r, 1) ** 2 / total[:, 0]
    square, fourth = np.sum(n * r**2, 1), np.sum(n * r**4, 1)
    whole = 0.5 * float(w @ (square * np.sum(n * own, 1) + energy))
    first = float(w @ energy) / (K - 1)
    second = float(w @ (np.sum(n * own * r**2, 1) - energy / K)) / ((K - 1) * (1 - 2 / K)) if K > 2 else 0.0
    angles = K * (K - 3) // 2
    third = (whole - first - (K - 1) * second) / angles if K > 3 else 0.0
    c2 = float(w @ square) / (K - 1)
    along = float(w @ (square - (K - 1) * c2) ** 2) / (K - 1)
    across = float(w @ (fourth - square**2 / K)) / (1 - 2 / K) if K > 2 else 0.0
    rest = float(w @ square**2) * (1 - 1 / (K - 1)) - across
    pull = 0.0
    if K > 2 and lambda_b is not None:
        mu = float(w @ np.sum(n * own * r, 1)) / (K - 1)
        pull = 2 * mu / ((1 - 2 / K) * (float(w @ np.sum(n * own, 1)) / (K - 1) + lambda_b))
        second -= pull * mu / 2
        cube = float(w @ np.sum(n * r**3, 1))
        across += pull * ((1 - 2 / K) * pull * float(w @ square) - 2 * cube)
    curvature = Parts(*(value / lambda_h**2 for value in (first, second, third)))
    moments = (along, across, rest if K > 3 else 0.0)
    spread = (v / (2 * lambda_h * h) ** 2 if h > 0 else 0.0 for v, h in zip(moments, curvature))
    dimension = Parts(1, K - 1 if K > 2 else 0, max(angles, 0))
    return Susceptibility(curvature, dimension, Parts(*spread), a, lambda_h, c2, K, pull)


def onehot_response(classes: int, lambda_w: float, lambda_h: float) -> float:
    """One-hot labels of weights 1/K + δ_k: dG = this · Σ δ_k u_k u_kᵀ (K ≥ 3), in elementary terms.

    [K(K−1)λ_H/2]/[(K−2)τ₁ + τ₂], τ₁ = K P p_o/(1 + xP), τ₂ = p_o/(1 + x/K).
    """
    K, best = classes, class_optimum(classes, lambda_w, lambda_h)
    own = 1 - (K - 1) * best.wrong
    first = K * own * best.wrong / (1 + best.gap * own)
    second = best.wrong / (1 + best.gap / K)
    return K * (K - 1) * lambda_h / 2 / ((K - 2) * first + second)
