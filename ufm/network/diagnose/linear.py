"""Small pieces of linear algebra: centring, errors on rows that were not fitted, least squares."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float


class Halves(NamedTuple):
    """Rows that are fitted (two of three), and the others, on which every error is measured."""

    fit: Bool[np.ndarray, " n"]
    held: Bool[np.ndarray, " n"]


def halves(rows: int) -> Halves:
    """Seeded."""
    held = np.random.default_rng(0).random(rows) < 1 / 3
    return Halves(~held, held)


def across(Z: Float[np.ndarray, "n K"]) -> Float[np.ndarray, "n K"]:
    """Without the mean of each row, to which no softmax is sensitive."""
    return Z - Z.mean(-1, keepdims=True)


def error(A: Float[np.ndarray, "n K"], Z: Float[np.ndarray, "n K"]) -> float:
    """‖A − Z‖ over ‖Z − mean of its rows‖."""
    return float(np.linalg.norm(A - Z)) / max(float(np.linalg.norm(Z - Z.mean(0))), 1e-300)


def correlation(A: Float[np.ndarray, "n K"], B: Float[np.ndarray, "n K"]) -> float:
    """Of all entries, each column about its mean; 0 where one is constant."""
    a, b = A - A.mean(0), B - B.mean(0)
    size = np.linalg.norm(a) * np.linalg.norm(b)
    return float(np.sum(a * b) / size) if size > 0 else 0.0


def affine(
    X: Float[np.ndarray, "n p"], Z: Float[np.ndarray, "n K"], cut: Halves
) -> Float[np.ndarray, "n K"] | None:
    """The least-squares image of X, with a constant, fitted to `cut.fit`: of X in its first principal coordinates,
    where there are fewer than 3 rows for each column. None for fewer than 12 rows."""
    rows = int(cut.fit.sum())
    if rows < 12:
        return None
    mean, base = X[cut.fit].mean(0), Z[cut.fit].mean(0)
    X = X - mean
    if rows < 3 * X.shape[1]:
        X = X @ np.linalg.svd(X[cut.fit], full_matrices=False)[2][: rows // 3].T
    return X @ np.linalg.lstsq(X[cut.fit], Z[cut.fit] - base, rcond=1e-12)[0] + base


def diagonal(
    H: Float[np.ndarray, "n d"], W: Float[np.ndarray, "K d"], Z: Float[np.ndarray, "n K"], cut: Halves
) -> tuple[Float[np.ndarray, "n K"], Float[np.ndarray, " d"]] | None:
    """W (s ∘ h) + c by least squares in s (d) and c (K), and s; W with rows of sum zero. None for too few rows.

    The normal equations are (HᵀH ∘ WᵀW) s = diag(Hᵀ Z W), H and Z about their means.
    """
    if cut.fit.sum() * (len(W) - 1) < 2 * H.shape[1]:
        return None
    mean, base = H[cut.fit].mean(0), Z[cut.fit].mean(0)
    X, T = H[cut.fit] - mean, Z[cut.fit] - base
    right = np.einsum("nd,nd->d", X, T @ W)
    s = np.linalg.lstsq((X.T @ X) * (W.T @ W), right, rcond=1e-12)[0]
    return ((H - mean) * s) @ W.T + base, s


def r2(A: Float[np.ndarray, "n K"], Z: Float[np.ndarray, "n K"]) -> float:
    """1 − ‖A − Z‖²/‖Z − mean‖²."""
    return 1.0 - error(A, Z) ** 2
