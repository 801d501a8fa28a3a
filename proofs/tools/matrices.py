"""Vectors and matrices of symbols, for the parts of a proof that are written out for given K."""

import sympy as sp


def real(name: str, rows: int, columns: int = 1) -> sp.Matrix:
    """A matrix of independent real symbols."""
    return sp.Matrix(rows, columns, lambda i, j: sp.Symbol(f"{name}_{i}{j}", real=True))


def simplex(name: str, size: int) -> sp.Matrix:
    """A probability vector: positive symbols, and 1 minus their sum in the last entry."""
    free = [sp.Symbol(f"{name}_{k}", positive=True) for k in range(size - 1)]
    return sp.Matrix([*free, 1 - sum(free)])


def centring(size: int) -> sp.Matrix:
    """Π = I − 11ᵀ/K."""
    return sp.eye(size) - sp.ones(size, size) / size


def basis_vector(size: int, index: int) -> sp.Matrix:
    """e_index."""
    return sp.Matrix([int(k == index % size) for k in range(size)])


def covariance(p: sp.Matrix) -> sp.Matrix:
    """S = diag(p) − p pᵀ, the Jacobian of softmax."""
    return sp.diag(*p) - p * p.T
