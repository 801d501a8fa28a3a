"""The row space of any W in units and coordinates where no digit of a weak direction is lost; NumPy, once a W.

Units: h = L v with L = √g/λ_H, g ≈ ‖W‖²_F/(K − 1) (a power of four). With Ŵ = W/√g and a = g/λ_H

    ∇_v f = L √g (Ŵᵀ r + v),   ∇²_v f = L √g (a ŴᵀCŴ + 1),   z = a Ŵ v,   r = ∂ℓ/∂z,   C = ∂²ℓ/∂z².

Everything is of order one or a, and no scale underflows where `ufm.model.problem` lets it pass.

Coordinates: Ŵ = U S Vᵀ by LAPACK, of which only V is used, and that as a hint. B = Ŵ V is formed exactly and
rounded once, so a weak column has its own small error. VᵀV = I + E; with E = LᵀL − I, L lower triangular, V' = V
L⁻¹ is exactly orthonormal, and column j of Ŵ V' differs from that of B by columns l ≥ j alone, which are no
stronger. (‖L − I‖ ≤ 2‖E‖_F for ‖E‖_F ≤ ¼, so that ‖L⁻¹ − I‖ ≤ 4‖E‖_F.)
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

EPS = float(np.finfo(np.float64).eps)
SLICES = 8  # 20 bits each, or more


class RowSpace(NamedTuple):
    """Ŵ V' = matrix ± error · size_j in column j, V' exactly orthonormal and within `turn` of `basis` V (d x r).

    length L, sharpness a, force λ_H L. size: ≥ the largest entry of columns j … r together. leak ≥ ‖Ŵ (I −
    V'V'ᵀ)‖₂. Arrays, all.
    """

    matrix: Float[np.ndarray, "K r"]
    basis: Float[np.ndarray, "d r"]
    size: Float[np.ndarray, " r"]
    length: np.ndarray
    sharpness: np.ndarray
    force: np.ndarray
    error: np.ndarray
    turn: np.ndarray
    leak: np.ndarray


def row_space(W: Float[np.ndarray, "K d"], lambda_h: float) -> RowSpace:
    """Units and coordinates of W. O(K d min(K, d))."""
    W, root = np.asarray(W, np.float64), _root_gain(W)
    unit = W / root if root > 0 else 0 * W
    V = np.linalg.svd(unit, full_matrices=False)[2].T
    B, rounding = exact_product(unit, V)
    gram, gram_rounding = exact_product(V.T, V)
    skew = np.linalg.norm(gram - np.eye(V.shape[1])) + np.linalg.norm(gram_rounding)
    size = np.sqrt(np.cumsum(B[:, ::-1] ** 2, 1)[:, ::-1]).max(0) * (1 + 1e-6) + rounding.max(0) + 1e-150
    error = 4 * skew + np.max(rounding / size) if skew <= 1e-6 else np.inf
    length = root / lambda_h if root > 0 else 1.0
    parts = (B, V, size, length, length * root, length * lambda_h, error, 4 * skew, _leak(unit, B, V))
    return RowSpace(*(np.asarray(part, np.float64) for part in parts))


def _root_gain(W) -> float:
    """√g as a power of two, by which division is exact; 0 for W = 0."""
    top = float(np.max(np.abs(W)))
    if top == 0:
        return 0.0
    norm = top * float(np.linalg.norm(W / top))
    return float(2.0 ** np.round(np.log2(norm / np.sqrt(len(W) - 1))))


def _leak(unit, B, V) -> float:
    """‖Ŵ(I − P)‖ ≤ ‖Ŵ − B Vᵀ‖_F for P the projector on the span of V; 0 where that is the whole space."""
    d, r = V.shape
    if r == d:
        return 0.0
    rounding = (r + 4) * EPS * np.linalg.norm(np.abs(B) @ np.abs(V.T))
    return (1 + 1e-6) * float(np.linalg.norm(unit - B @ V.T) + rounding)


def exact_product(
    left: Float[np.ndarray, "m n"], right: Float[np.ndarray, "n p"]
) -> tuple[Float[np.ndarray, "m p"], Float[np.ndarray, "m p"]]:
    """left @ right rounded about once, and a bound on each entry's error.

    Both are cut into slices of so few bits that BLAS multiplies slices without rounding (Ozaki et al. 2012); their
    products are added in two words.
    """
    bits = (53 - int(np.ceil(np.log2(left.shape[1] + 1)))) // 2
    lefts, left_rest = _slices(left, bits, 1)
    rights, right_rest = _slices(right, bits, 0)
    high, low, mass = (np.zeros((left.shape[0], right.shape[1])) for _ in range(3))
    for a in lefts:
        for b in rights:
            high, low, mass = _add(high, low, a @ b, mass)
    total, count = high + low, len(lefts) * len(rights)
    missed = left_rest @ np.abs(right) + np.abs(left) @ right_rest
    return total, EPS * np.abs(total) + (count * EPS) ** 2 * mass + 1.01 * missed


def _add(high, low, term, mass):
    """(high + low) + term in two words; mass: Σ|term|."""
    new = high + term
    back = new - high
    return new, low + ((high - (new - back)) + (term - back)), mass + np.abs(term)


def _slices(matrix, bits: int, axis: int) -> tuple[list, np.ndarray]:
    """Multiples, of at most 2^bits, of one power of two a row (axis = 1) or column; and |what they leave|."""
    parts: list[np.ndarray] = []
    while len(parts) < SLICES and (top := np.max(np.abs(matrix), axis, keepdims=True)).any():
        grid = np.ldexp(1.0, np.maximum(np.frexp(top)[1] - bits, -500))  # 2^-500 squared is no denormal
        parts.append(np.round(matrix / grid) * grid)
        matrix = matrix - parts[-1]
        if not parts[-1].any():
            break
    return parts, np.abs(matrix)
