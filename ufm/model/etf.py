"""The simplex equiangular tight frame (ETF): construction, gain, distance, alignment.

A K x d classifier W is a simplex ETF with multiplier m when W Wᵀ = g Π, where
Π = I − 11ᵀ/K and the gain is g = m² K/(K−1). Then ‖w_k‖ = m and Σ_k w_k = 0.
Both the numerical and the closed-form route use this file, so its defining
identities are tested on their own.
"""

import numpy as np
from jaxtyping import Float

import ufm.rules.numbers as checked
from ufm.rules.errors import InputError

ROWWISE = 256  # classes from which a call a feature costs less than one a class


def gain(classes: int, multiplier: float) -> float:
    """Gain g = m² K/(K−1): the nonzero eigenvalue of W Wᵀ for row norm m."""
    return multiplier * multiplier * classes / (classes - 1)


def sharpness(classes: int, multiplier: float, lambda_h: float) -> float:
    """a = g/λ_H, 0 for m = 0. Raises InputError where g or a leaves RANGE, an underflow or overflow among them."""
    low, high = checked.RANGE
    g = gain(classes, multiplier)
    a = g / lambda_h
    if multiplier != 0 and not all(low <= value <= high for value in (g, a)):
        raise InputError(
            f"row norm {multiplier:g} with lambda_h {lambda_h:g} gives gain {g:g} and "
            f"sharpness {a:g}; both must lie in {low:g} … {high:g}, or W be 0"
        )
    return a


def etf_basis(classes: int, dim: int) -> Float[np.ndarray, "K d"]:
    """Rows of an isometry from 1⊥ ⊂ R^K into R^d: B Bᵀ = Π (Helmert contrasts, zero-padded).

    Column j = 1 … K−1 is (1, …, 1, −j, 0, …, 0)/√(j(j+1)) with j leading ones.
    Raises InputError when dim < classes − 1: no simplex ETF fits.
    """
    if dim < classes - 1:
        raise InputError(f"a simplex ETF of {classes} classes needs dim >= {classes - 1}, got dim = {dim}")
    order = np.arange(1, classes)
    basis = np.zeros((classes, dim))
    basis[:, : classes - 1] = np.triu(np.ones((classes, classes - 1)))
    basis[order, order - 1] = -order
    basis[:, : classes - 1] /= np.sqrt(order * (order + 1.0))
    return basis


def contrasts(q: Float[np.ndarray, "K N"], dim: int) -> Float[np.ndarray, "d N"]:
    """`etf_basis(K, dim).T @ q` by running sums, O(K) a column: row j is (Σ_{k<j} q_k − j q_j)/√(j(j+1))."""
    found = zero_features(len(q), dim, q.shape[1], q.dtype)
    write_contrasts(q, found)
    return found


def zero_features(classes: int, dim: int, count: int, dtype) -> Float[np.ndarray, "d N"]:
    """Room for `write_contrasts`, one feature after the other in memory where they have many classes."""
    return np.zeros((count, dim), dtype).T if classes >= ROWWISE else np.zeros((dim, count), dtype)


def write_contrasts(q: Float[np.ndarray, "K N"], found: Float[np.ndarray, "d N"]) -> None:
    """The rows of `contrasts` that are not zero, into an array that is."""
    order, rows = np.arange(1, len(q), dtype=q.dtype)[:, None], found[: len(q) - 1]
    if rows.strides[0] < rows.strides[1]:
        q = q.T.copy().T  # as they lie
        np.cumsum(q[:-1], 0, out=rows)
        pull = np.multiply(order, q[1:], out=q[1:])
    else:
        pull = order * q[1:]
        rows[:1] = q[:1]
        for j in range(1, len(rows)):  # NumPy would sum down one column after the other
            np.add(rows[j - 1], q[j], out=rows[j])
    rows -= pull
    rows /= np.sqrt(order * (order + 1))


def simplex_etf(classes: int, dim: int | None = None, multiplier: float = 1.0) -> Float[np.ndarray, "K d"]:
    """Simplex ETF W (K x d, float64) with W Wᵀ = (m² K/(K−1)) Π; d defaults to K."""
    checked.integer("classes", classes, 2)
    dim = classes if dim is None else checked.integer("dim", dim, 1)
    return np.sqrt(gain(classes, checked.penalty("multiplier", multiplier, zero=True))) * etf_basis(
        classes, dim
    )


def etf_deviation(W: Float[np.ndarray, "K d"]) -> float:
    """Distance from being a simplex ETF: ‖G − (tr G/(K−1)) Π‖_F / ‖G‖_F, G = W Wᵀ; 0 when W = 0."""
    W = checked.array("W", W, ("K", "d"))
    W = W / unit_scale(W)
    gram = W @ W.T
    size = np.linalg.norm(gram)
    if size == 0:
        return 0.0
    K = len(gram)
    return float(np.linalg.norm(gram - np.trace(gram) / (K - 1) * (np.eye(K) - 1 / K)) / size)


def unit_scale(W: Float[np.ndarray, "K d"]) -> float:
    """The power of two at the largest entry: divided by it, exactly, products of entries stay in range."""
    return float(np.ldexp(0.5, np.frexp(np.abs(W).max())[1]))


def etf_distance(W: Float[np.ndarray, "K d"]) -> float:
    """Relative distance to the nearest simplex ETF with the same ‖W‖_F: ‖W − W₀‖_F/√g.

    W₀ = √g times the polar factor of Π W; infinite when d < K − 1 (no ETF fits), 0 when W = 0.
    """
    K, d = W.shape
    if d < K - 1:
        return float("inf")
    W = W / unit_scale(W)
    root_gain = np.linalg.norm(W) / np.sqrt(K - 1)
    if root_gain == 0:
        return 0.0
    left, _, right = np.linalg.svd(W - W.mean(0), full_matrices=False)
    nearest = root_gain * left[:, : K - 1] @ right[: K - 1]
    return float(np.linalg.norm(W - nearest) / root_gain)


def etf_multiplier(W: Float[np.ndarray, "K d"]) -> float:
    """Multiplier m = ‖W‖_F/√K: the common row norm if W is a simplex ETF; 0 for W = 0 alone."""
    scale = unit_scale(W)
    return scale * float(np.linalg.norm(W / scale) / np.sqrt(len(W)))


def frame_distance(A: Float[np.ndarray, "K d"], B: Float[np.ndarray, "K d"]) -> float:
    """Relative Procrustes distance min over orthogonal Q of ‖A Q − B‖_F / ‖B‖_F.

    The minimiser is the polar factor of Aᵀ B, so frames that differ by a rotation or
    reflection of feature space are at distance zero up to rounding.
    """
    A = checked.array("A", A, ("K", "d"))
    B = checked.array("B", B, A.shape)
    if not B.any():
        raise InputError("B is zero: there is no distance relative to it")
    A, B = A / unit_scale(B), B / unit_scale(B)
    left, _, right = np.linalg.svd(A.T @ B)
    return float(np.linalg.norm(A @ (left @ right) - B) / np.linalg.norm(B))
