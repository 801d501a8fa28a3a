"""The joint optimum of a stream of labels under squared error, which sees no more of them than E y and E y yᵀ.

For a bias b the least of E[½‖W h + b − y‖² + (λ_H/2)‖h‖²] + (λ_W/2)‖W‖² is

    Σ_k φ(s_k),   φ(s) = s²/2 up to c, c s − c²/2 beyond,   c² = λ_W λ_H,

s_k² the eigenvalues of E (y − b)(y − b)ᵀ, and W h + b is the regression of `ufm.theory.geometry.quadratic`.
Without a bias b = 0, a free one is E y, and with (λ_b/2)‖b‖² the sum of both is smooth and convex in b. So 2K atoms
of the same moments stand for all labels.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

from ufm.certify.dual import dual_gap
from ufm.certify.sample import Block, Sample, TwoHot
from ufm.model.penalties import Penalties
from ufm.model.rows import EPS
from ufm.network.measures.curve import label_values
from ufm.network.read.label_rows import LabelBlock, two_classes
from ufm.theory.geometry.quadratic import regression_fit

LOSS = "squared-error"
Blocks = Callable[[], Iterable[tuple[LabelBlock, np.ndarray]]]  # labels and their weights, all positive


class QuadraticOptimum(NamedTuple):
    """W (K, r ≤ d) and b; its objective, and a value that no point of any d is below; √E‖h‖²."""

    W: Float[np.ndarray, "K r"]
    b: Float[np.ndarray, " K"]
    objective: float
    lower: float
    feature_norm: float


def quadratic_optimum(blocks: Blocks, dim: int, penalties: Penalties) -> QuadraticOptimum:
    """Of labels that are read once. The rounding of their moments is granted to both values."""
    sums = Sample(lambda: (_block(*part) for part in blocks())).read(_moments)
    mean, second = sums.parts[0]
    b = _bias(mean, second, penalties)
    Y, mass = _atoms(mean, second)
    G, fitted = regression_fit(Y - b, mass, penalties.lambda_w, penalties.lambda_h, centred=False)
    sizes, axes = (part[..., ::-1] for part in np.linalg.eigh(G))
    roots = np.sqrt(np.maximum(sizes, 0.0))
    W, H = axes * roots, (fitted @ axes) / np.where(roots > 0, roots, 1.0)

    def judged(r: int):
        block = Block(H[:, :r], Y, H[:, :r] @ W[:, :r].T + b, mass, LOSS)
        return dual_gap(Sample(lambda: [block]), W[:, :r], b, penalties, LOSS)

    whole, own = judged(len(mean)), judged(dim)
    # the least of L is concave in the moments, of slope at most ½ in their eigenvalues: the trace norm of what they
    # are off by is at most √K times its Frobenius norm
    terms = max(sums.count, sums.units) + 16 * len(mean)
    off = EPS * terms * (np.sqrt(len(mean)) + 4) * float(np.trace(second))
    norm = float(np.sqrt(mass @ np.sum(H[:, :dim] ** 2, 1)))
    return QuadraticOptimum(W[:, :dim], b, own.objective + off, whole.objective - whole.gap - off, norm)


def _block(labels: LabelBlock, weights: np.ndarray) -> Block:
    """Labels as rows of a sample without features: two-hot ones by three values each."""
    none = np.empty((len(weights), 0))
    if labels.soft is not None:
        return Block(none, labels.dense(), none, weights, LOSS)
    i, j, lam = two_classes(labels)
    Y = label_values(lam, labels.delta, labels.classes)
    return TwoHot(none, Y, none, weights, LOSS, i=i, j=j, classes=labels.classes)


def _moments(block: Block) -> tuple:
    return block.total(block.Y), block.moment(block.Y)


def _bias(mean, second, penalties: Penalties) -> Float[np.ndarray, " K"]:
    """The optimal b."""
    if penalties.lambda_b is None:
        return np.zeros_like(mean)
    if penalties.lambda_b == 0:
        return mean
    c, lambda_b = np.sqrt(penalties.lambda_w * penalties.lambda_h), penalties.lambda_b

    def least(b):
        """Σ φ(s_k) + (λ_b/2)‖b‖² and its slope: φ'(s)/s is 1 up to c and c/s beyond."""
        cross = np.outer(b, mean)
        squares, axes = np.linalg.eigh(second - cross - cross.T + np.outer(b, b))
        s = np.sqrt(np.maximum(squares, 0.0))
        value = np.where(s < c, s**2 / 2, c * s - c**2 / 2).sum() + lambda_b / 2 * b @ b
        return value, lambda_b * b - axes @ (c / np.maximum(s, c) * (axes.T @ (mean - b)))

    start = mean / (1 + lambda_b)
    found = minimize(least, start, jac=True, method="L-BFGS-B", options={"ftol": 0.0, "gtol": 1e-12})
    return found.x


def _atoms(mean, second) -> tuple[Float[np.ndarray, "A K"], Float[np.ndarray, " A"]]:
    """E y ± √K s_k u_k, equally likely, s_k² and u_k the principal axes of cov y: atoms of these moments."""
    K = len(mean)
    squares, axes = np.linalg.eigh(second - np.outer(mean, mean))
    arms = (axes * np.sqrt(K * np.maximum(squares, 0.0))).T
    return np.concatenate([mean + arms, mean - arms]), np.full(2 * K, 1 / (2 * K))
