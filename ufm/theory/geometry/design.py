"""Labels for a geometry: every classifier Gram matrix is the joint optimum of an explicit label law.

Let G ⪰ 0 (K x K), G 1 = 0, class weights q > 0, u_k = e_k − 1/K, c² = λ_W λ_H. With class k labelled

    y_k = softmax(z_k) + (c/√q_k) u_k,      z_k = √(λ_W/(λ_H q_k)) G u_k,

W Wᵀ = G at every global optimum with d ≥ K − 1, provided that y_k ≥ 0: c ≤ K √q_k softmax(z_k)_l for all l ≠ k. The
logits z_k depend on λ_W/λ_H alone, so this is a largest c at a fixed ratio. (New here; `proofs/inverse_design.py`.)
"""

from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Float

import ufm.rules.numbers as checked
from ufm.model.atoms import FiniteLaw
from ufm.rules.brief import shown
from ufm.rules.errors import InputError
from ufm.theory.formulas import values

ROUGH = 1e-9  # relative: how far a given G may be from symmetric, centred and positive


@dataclass(frozen=True, eq=False)
class Design:
    """A label law that makes a geometry optimal.

    labels (K, K): row k is y_k, with negative entries where it is not feasible; probabilities (K, K): those
    predicted at the optimum; largest_c: the largest √(λ_W λ_H) that is feasible at this λ_W/λ_H.
    """

    labels: Float[np.ndarray, "K K"]
    probabilities: Float[np.ndarray, "K K"]
    weights: Float[np.ndarray, " K"]
    feasible: bool
    largest_c: float

    __repr__ = shown

    @property
    def law(self) -> FiniteLaw:
        """What `JointProblem` takes. Raises InputError where the labels are no probabilities."""
        if not self.feasible:
            raise InputError(
                f"no labels make this G optimal here: √(λ_W λ_H) must be at most {self.largest_c:.6g}"
            )
        return FiniteLaw(self.labels, self.weights)


def design(G, weights, lambda_w: float, lambda_h: float) -> Design:
    """Labels for which W Wᵀ = G is optimal, one a class of the given weight.

    G (K, K): symmetric, G 1 = 0, no negative eigenvalue, each to 1e-9 of its size, which is then removed.
    Raises InputError for another G, for weights that are not positive with sum one, and for penalties that are not.
    """
    G = checked.array("G", G, ("K", "K"))
    K = len(G)
    checked.integer("the number of classes", K, 2)
    q = checked.weights("weights", weights, K)
    if not (q > 0).all():
        raise InputError(f"weights must be positive: every class needs one, got {q.tolist()}")
    lambda_w, lambda_h = checked.penalty("lambda_w", lambda_w), checked.penalty("lambda_h", lambda_h)
    G = _centred_gram(G)
    c = float(np.sqrt(lambda_w * lambda_h))
    z = np.sqrt(lambda_w / (lambda_h * q))[:, None] * G
    log_p = scipy.special.log_softmax(z, 1)
    others = log_p + np.log(K * np.sqrt(q))[:, None]
    largest = float(np.exp(np.min(others[~np.eye(K, dtype=bool)])))
    p = np.exp(log_p)
    labels = p + values.design_residual(c, q[:, None], np.eye(K), K, np.sqrt)
    return Design(labels, p, q, bool(labels.min() >= 0), largest)


def _centred_gram(G: np.ndarray) -> np.ndarray:
    """G made exactly symmetric and centred; InputError where that is not rounding."""
    size = float(np.abs(G).max())
    for wrong, word in ((G - G.T, "symmetric"), (G.sum(1), "centred: its rows must sum to 0")):
        if np.abs(wrong).max() > ROUGH * max(size, np.finfo(float).tiny) * len(G):
            raise InputError(f"G must be {word}, it is off by {np.abs(wrong).max():.3g}")
    G = _centred(G)
    least = float(np.linalg.eigvalsh(G)[0])
    if least < -ROUGH * size * len(G):
        raise InputError(f"G must have no negative eigenvalue, its least is {least:.6g}")
    return G


def _centred(G: np.ndarray) -> np.ndarray:
    """Π (G + Gᵀ)/2 Π."""
    G = (G + G.T) / 2
    row = G.mean(1)
    return G - row[:, None] - row + row.mean()


@dataclass(frozen=True, eq=False)
class DesignReading:
    """Labels of K classes, row k of weight q_k, read as a design: p_k = y_k − (c/√q_k) u_k, the G they ask for,
    and mismatch = √E KL(p ‖ softmax(G r/λ_H)): the optimum predicts p up to that, 0 if all rows ask for one G."""

    p: Float[np.ndarray, "K K"]
    G: Float[np.ndarray, "K K"]
    mismatch: float


def read_design(labels, weights, lambda_w: float, lambda_h: float) -> DesignReading | str:
    """The labels as a design, or why they are none. Row k of G is √q_k (λ_H/c) log p_k, centred.

    p is dual feasible whatever it is (E rrᵀ = c² Π), and the point of this G, made symmetric, has an objective of
    E KL(p ‖ softmax(G r/λ_H)) above the dual value.
    """
    Y, q = np.asarray(labels, float), np.asarray(weights, float)
    K, c = Y.shape[1], float(np.sqrt(lambda_w * lambda_h))
    if len(Y) != K:
        return f"there are {len(Y)} labels, not one for each of {K} classes"
    r = values.design_residual(c, q[:, None], np.eye(K), K, np.sqrt)
    p = Y - r
    if p.min() <= 0:
        return "y_k − (c/√q_k)(e_k − 1/K) is not positive"
    logits = np.log(p)
    logits -= logits.mean(1, keepdims=True)
    G = np.sqrt(q)[:, None] * (lambda_h / c) * logits
    G = _centred(G)
    if float(np.linalg.eigvalsh(G)[0]) < -ROUGH * float(np.abs(G).max()) * K:
        return "the labels ask for a W Wᵀ with a negative eigenvalue"
    log_found = scipy.special.log_softmax(r @ G / lambda_h, 1)
    ratio = np.exp(log_found) / p - 1
    divergence = np.sum(p * (ratio - np.log1p(ratio)), 1)
    return DesignReading(p, G, float(np.sqrt(max(q @ divergence, 0.0))))
