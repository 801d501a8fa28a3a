"""Errors by the eigendirections of the theory's Hessians, and their eigenvalues.

Features at a class label, in units of λ_H (re-derived; docs of `ufm.theory`): 1 + x P along the class's row of W
(P = p_c), 1 + x/K across it inside the span of W (K − 2 dimensions), 1 outside. x: the same-class root.

G = W Wᵀ with features at their optimum, at an exchangeable law: F(G) has Hessian

    ⟨D, 𝓗D⟩ = λ_H⁻² E[rᵀ D T_y D r],   T_y = S_y (I + a S_y)⁻¹,   S_y = diag p − p pᵀ,   r = y − p,

with three eigenvalues h on the symmetric matrices of 1^⊥ (Schur): size (Π), norms (K − 1 dimensions, Π diag(u) Π),
angles (K(K−3)/2). Gradient flow of W is dG/dt = −4 g h (G − G*), g = m² K/(K−1): rates 4 g h, here over λ_W.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ufm.model.atoms import finite_law
from ufm.model.etf import gain
from ufm.model.laws import mixup
from ufm.network.measures.fitting import closed_logits
from ufm.network.measures.mixed import pair_optimum
from ufm.network.read.label_rows import LabelBlock
from ufm.theory.multiplier import Multiplier, joint_multiplier

FEATURE_MODES = ("along", "across", "outside")
GRAM_MODES = ("size", "norms", "angles")


class Errors(NamedTuple):
    """Mean squared error in each of three modes, over the squared length of the optimum."""

    first: float
    second: float
    third: float


def same_class_root(a: float, classes: int) -> float:
    """x of the optimal feature x w_c (K−1)/(K m²) of an unmixed label."""
    return float(pair_optimum(np.ones(1), a, classes).x_i[0])


def feature_curvatures(a: float, classes: int) -> Errors:
    """The eigenvalues at a class label, over λ_H: along, across, outside."""
    x = same_class_root(a, classes)
    p = 1 / (1 + (classes - 1) * np.exp(-x))
    return Errors(1 + x * float(p), 1 + x / classes, 1.0)


def feature_errors(
    H: Float[np.ndarray, "n d"],
    c: np.ndarray,
    V: Float[np.ndarray, "K d"],
    best: Float[np.ndarray, "K d"],
) -> Errors:
    """Errors of the features of labels e_c against the optima `best` of all classes; V: W centred."""
    off = H - best[c]
    rows = np.linalg.svd(V, full_matrices=False)[2][: len(V) - 1]
    along = ((off * V[c]).sum(1) / np.linalg.norm(V[c], axis=1)) ** 2
    inside = ((off @ rows.T) ** 2).sum(1)
    size = float((best[c] ** 2).sum(1).mean())
    parts = along, inside - along, (off**2).sum(1) - inside
    return Errors(*(float(part.mean()) / size for part in parts))


def gram_parts(E: Float[np.ndarray, "K K"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Size, norms and angles of Π E Π: orthogonal in the trace product, and their sum."""
    K = len(E)
    centre = np.eye(K) - 1 / K
    E = centre @ E @ centre
    # the span of q_k q_kᵀ, q_k = Π e_k, has dimension K and holds size and norms
    products = (centre * centre).astype(float)
    u = np.linalg.solve(products, np.diag(E))
    both = (centre * u) @ centre
    size = np.trace(E) / (K - 1) * centre
    return size, both - size, E - both


def gram_errors(W: Float[np.ndarray, "K d"], joint: Multiplier) -> Errors:
    """‖part of G − G*‖²_F/‖G*‖²_F."""
    K = len(W)
    best = gain(K, joint.value) * (np.eye(K) - 1 / K)
    return Errors(*(float((part**2).sum() / (best**2).sum()) for part in gram_parts(W @ W.T - best)))


@cache
def gram_curvatures(classes: int, penalty: float, alpha: float = 1.0) -> Errors:
    """Rates 4 g h/λ_W of size, norms and angles under mixup at λ_W = λ_H; NaN for angles of K = 3."""
    joint = joint_multiplier(mixup(alpha), classes, penalty, penalty)
    law = finite_law(mixup(alpha), classes)
    none = np.full(len(law.weights), -1)
    labels = LabelBlock(none, none, np.full(len(none), np.nan), law.labels, classes)
    r = closed_logits(labels, joint.sharpness)[0] / joint.sharpness
    p = law.labels - r
    S = p[:, :, None] * np.eye(classes) - p[:, :, None] * p[:, None, :]
    T = np.linalg.solve(np.eye(classes) + joint.sharpness * S, S)  # the two commute
    found = []
    for D in _directions(classes):
        moved = r @ D
        h = float(law.weights @ np.einsum("ni,nij,nj->n", moved, T, moved)) / penalty**2
        found.append(4 * gain(classes, joint.value) * h / penalty)
    return Errors(*found)


def _directions(K: int) -> list[np.ndarray]:
    """A unit matrix of each kind; NaN where the kind has no dimension."""
    E = np.random.default_rng(0).standard_normal((K, K))
    parts = gram_parts(E + E.T)
    has = (True, K > 2, K > 3)
    return [part / np.linalg.norm(part) if ok else np.full((K, K), np.nan) for part, ok in zip(parts, has)]
