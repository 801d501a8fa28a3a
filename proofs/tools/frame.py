"""The simplex ETF with exact entries: W = √g times Helmert's basis, so that W Wᵀ = g Π and d = K − 1."""

import sympy as sp


def simplex_rows(size: int, gain) -> sp.Matrix:
    """W (size x (size − 1)) with W Wᵀ = gain · Π; row k is w_k, and the rows sum to zero."""
    basis = sp.zeros(size, size - 1)
    for j in range(1, size):
        for row in range(j):
            basis[row, j - 1] = 1 / sp.sqrt(j * (j + 1))
        basis[j, j - 1] = -j / sp.sqrt(j * (j + 1))
    return sp.sqrt(gain) * basis


def softmax(z: sp.Matrix) -> sp.Matrix:
    """Probabilities e^{z_k}/Σ_l e^{z_l}, written with differences of logits: 1/Σ_l e^{z_l − z_k}."""
    return sp.Matrix([1 / sum(sp.exp(sp.expand(other - one)) for other in z) for one in z])
