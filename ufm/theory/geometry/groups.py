"""Laws with a symmetry that is transitive on classes: one gain for each block of 1^⊥ that the symmetry leaves.

Where the symmetric matrices that commute with it are Σ g P, P orthogonal projections of sum Π: cross-entropy,
d ≥ K − 1, every global optimum has

    W Wᵀ = Σ g P,      tr(P M) = c² rank P where its g > 0,      ≤ where g = 0,      M = E rrᵀ,

p = softmax(W Wᵀ r/λ_H) label by label: as many equations as numbers.

Superclasses: B groups of m classes that may be permuted, as may the classes of each (mixup whose second class is of
the same group with some probability, hierarchical labels, …). P_w, P_b project on differences within groups (rank
B(m−1)) and between their means (B−1). Classes of a group are one iff E‖P_w y‖² ≤ B(m−1) c², whatever g_b is.
Circulant laws: the shift k → k + 1 (cyclic pairs, labels smoothed over neighbours). P_f projects on cosine and sine
of the frequency f = 1, …, ⌊K/2⌋ (rank 2; 1 at f = K/2): W Wᵀ is circulant, diagonal in the Fourier basis.
(New here; `proofs/superclass_laws.py`, `proofs/circulant_laws.py`.)
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float, Int

SAME = 1e-10  # of a number that tells labels apart
ENOUGH = 200


class GroupOptimum(NamedTuple):
    """g_w and g_b, and the predictions (n, K)."""

    within: float
    between: float
    p: Float[np.ndarray, "n K"]


def group_optimum(
    labels: Float[np.ndarray, "n K"], weights, groups, lambda_w: float, lambda_h: float
) -> GroupOptimum:
    """The joint optimum of a law with superclasses; groups (K): a number for each class."""
    gains, p = block_optimum(labels, weights, projections(groups), lambda_w, lambda_h)
    return GroupOptimum(float(gains[0]), float(gains[1]), p)


class BlockOptimum(NamedTuple):
    """The gain of each projection, and the predictions (n, K)."""

    gains: Float[np.ndarray, " B"]
    p: Float[np.ndarray, "n K"]


def block_optimum(
    labels: Float[np.ndarray, "n K"], weights, P, lambda_w: float, lambda_h: float
) -> BlockOptimum:
    """The joint optimum of a law with a symmetry that leaves these projections (B of them, K × K).

    The objective is convex in g ≥ 0: projected Newton (Bertsekas 1982). A gain may leave zero, and come back to it
    when another one has left.
    """
    Y, q, P = np.asarray(labels, float), np.asarray(weights, float), np.asarray(P)
    law, g, last = _Law(Y, q, P, lambda_w, lambda_h), np.zeros(len(P)), np.inf
    here = law.at(g, np.zeros_like(Y))
    for _ in range(ENOUGH):
        free = (g > 0) | (here.gradient < 0)
        if not free.any():
            break
        step = np.zeros_like(g)
        step[free] = -np.linalg.solve(here.hessian[np.ix_(free, free)], here.gradient[free])
        there, moved = _descend(law, here, g, step)
        size = np.max(np.abs(moved - g) / np.maximum(np.maximum(moved, g), np.finfo(float).tiny))
        here, g = there, moved
        if size <= 1e-14 or (size > last / 2 and size < 1e-8):  # what is left is rounding
            break
        last = size
    return BlockOptimum(g, here.p)


class _Here(NamedTuple):
    """At some gains: objective, its derivatives in them, features and predictions (n, K)."""

    value: float
    gradient: Float[np.ndarray, " B"]
    hessian: Float[np.ndarray, "B B"]
    H: Float[np.ndarray, "n K"]
    p: Float[np.ndarray, "n K"]


class _Law(NamedTuple):
    Y: Float[np.ndarray, "n K"]
    weights: Float[np.ndarray, " n"]
    P: Float[np.ndarray, "B K K"]
    lambda_w: float
    lambda_h: float

    def at(self, g, H) -> _Here:
        """Features solved from the start H.

        Gradient ½(λ_W rank P − tr(P M)/λ_H), Hessian E rᵀP T P' r/λ_H², (1 + S G/λ_H) T = S = diag(p) − p pᵀ.
        """
        Y, q, P, lambda_w, lambda_h = self
        V, ranks = _root(P, g), np.trace(P, axis1=1, axis2=2)
        H = features(Y, V, H, lambda_h)
        Z = H @ V
        p = _softmax(Z)
        r, S = _residuals(Y, p), _covariances(p)
        T = np.linalg.solve(np.eye(len(V)) + S @ (V @ V) / lambda_h, S)
        pulls = np.einsum("nk,fkl->fnl", r, P)
        hessian = np.einsum("n,ink,nkl,jnl->ij", q, pulls, T, pulls, optimize=True) / lambda_h**2
        losses = scipy.special.logsumexp(Z, axis=1) - np.sum(Y * Z, 1) + 0.5 * lambda_h * np.sum(H * H, 1)
        gradient = 0.5 * (lambda_w * ranks - moments(r, q, P) / lambda_h)
        return _Here(float(q @ losses + 0.5 * lambda_w * ranks @ g), gradient, hessian, H, p)


def _descend(law: _Law, here: _Here, g, step) -> tuple[_Here, Float[np.ndarray, " B"]]:
    """The first of the projected shares 1, ½, … of the step that lowers the objective, but for rounding."""
    share = 1.0
    while True:
        moved = np.maximum(g + share * step, 0.0)
        there = law.at(moved, here.H)
        bound = here.value + 1e-4 * here.gradient @ (moved - g) + 1e-14 * abs(here.value)
        if there.value <= bound or share < 1e-12:
            return there, moved
        share /= 2


def moments(r, weights, P) -> Float[np.ndarray, " B"]:
    """tr(P M) of each projection."""
    return np.array([weights @ np.einsum("nk,kl,nl->n", r, part, r) for part in P])


def projections(groups) -> tuple[Float[np.ndarray, "K K"], Float[np.ndarray, "K K"]]:
    """P_w and P_b."""
    near = np.equal.outer(groups, groups) / np.sum(np.equal.outer(groups, groups), 1)
    return np.eye(len(near)) - near, near - 1 / len(near)


def cyclic_projections(classes: int) -> Float[np.ndarray, "B K K"]:
    """P_f of the frequencies f = 1, …, ⌊K/2⌋: (2/K) cos(2πf(k − l)/K), half of that at f = K/2."""
    K, f = classes, np.arange(1, classes // 2 + 1)
    apart = np.subtract.outer(np.arange(K), np.arange(K))
    share = np.where(2 * f == K, 1.0, 2.0) / K
    return share[:, None, None] * np.cos(2 * np.pi / K * (f[:, None, None] * apart % K))


def _root(P, g):
    return np.einsum("f,fkl->kl", np.sqrt(g), np.asarray(P))


def features(Y, V, H, lambda_h: float) -> Float[np.ndarray, "n K"]:
    """The minimisers h of CE(softmax(V h), y) + (λ_H/2)‖h‖², V symmetric, from the start H.

    Newton with the step min(1, log(1+β)/β) where the range β of its logits exceeds 3/2, along which the objective
    falls (Sun and Tran-Dinh 2019): no search.
    """
    eye = lambda_h * np.eye(len(V))
    for _ in range(ENOUGH):
        p = _softmax(H @ V)
        slope = lambda_h * H - _residuals(Y, p) @ V
        S = _covariances(p)
        step = -np.linalg.solve(V @ S @ V + eye, slope[..., None])[..., 0]
        beta = np.ptp(step @ V, axis=1)
        length = np.where(beta > 1.5, np.log1p(beta) / np.maximum(beta, 1.5), 1.0)
        H = H + length[:, None] * step
        if beta.max() <= 1e-15 * (1 + np.abs(H @ V).max()) or beta.max() ** 2 <= 1e-17:
            break
    return H


def _residuals(Y, p):
    """y − p, whose entry at the largest label is minus the sum of the others: as 1 − y there, nothing cancels."""
    r, rows, top = Y - p, np.arange(len(Y)), Y.argmax(1)
    r[rows, top] = 0.0
    r[rows, top] = -r.sum(1)
    return r


def _covariances(p):
    """diag(p) − p pᵀ of each label."""
    return np.eye(p.shape[1]) * p[:, None, :] - p[:, :, None] * p[:, None, :]


def _softmax(Z):
    return np.exp(Z - scipy.special.logsumexp(Z, axis=1, keepdims=True))


# --- which groups --------------------------------------------------------------------------------


def read_groups(labels, weights) -> Int[np.ndarray, " K"] | str:
    """The groups of a law, if it has the symmetry: found in E yyᵀ, and tried permutation by permutation."""
    Y, q = np.asarray(labels, float), np.asarray(weights, float)
    K = Y.shape[1]
    moment = (Y * q[:, None]).T @ Y
    off = moment[~np.eye(K, dtype=bool)]
    if np.ptp(off) <= 1e-12:
        return "all pairs of classes are mixed alike: no groups are to be seen"
    middle = (off.max() + off.min()) / 2
    for near in (moment > middle, moment < middle):
        near = near | np.eye(K, dtype=bool)
        size = int(near[0].sum())
        blocks = (near.sum(1) == size).all() and (near @ near == near).all() and K % size == 0
        if blocks and 1 < size < K:
            groups = np.argmax(near, 1)
            signature = _signature(Y, q)
            if all(_alike(_signature(Y[:, order], q), signature) for order in _generators(groups)):
                return groups
    return "no groups of at least two and the same number of classes may be permuted"


def read_cycle(labels, weights) -> str | None:
    """Why the shift of all classes by one does not leave the law as it is; None where it does."""
    Y, q = np.asarray(labels, float), np.asarray(weights, float)
    if _alike(_signature(np.roll(Y, 1, axis=1), q), _signature(Y, q)):
        return None
    return "the shift of every class to the next one changes the label law"


def _generators(groups) -> Iterator[np.ndarray]:
    """Exchanges of neighbours within groups, and of neighbouring groups, which make all that is asked."""
    members = [np.flatnonzero(groups == name) for name in dict.fromkeys(groups.tolist())]
    pairs = [(own[[k]], own[[k + 1]]) for own in members for k in range(len(own) - 1)]
    for one, other in (*pairs, *pairwise(members)):
        order = np.arange(len(groups))
        order[one], order[other] = other, one
        yield order


def _signature(Y, weights) -> tuple[np.ndarray, np.ndarray]:
    """The law of y·u for a generic u: different finite laws have different ones, but for a null set of u."""
    values = Y @ np.random.default_rng(0).standard_normal(Y.shape[1])
    order = np.argsort(values)
    values = values[order]
    first = np.r_[True, np.diff(values) > SAME]
    return values[first], np.add.reduceat(weights[order], np.flatnonzero(first))


def _alike(one, other) -> bool:
    return len(one[0]) == len(other[0]) and all(np.allclose(a, b, atol=SAME) for a, b in zip(one, other))


def grouped_mixup(groups: int, size: int, within: float, lam, lam_weights) -> tuple[np.ndarray, np.ndarray]:
    """Labels and weights of mixup whose second class is of the first one's group with probability `within`.

    Any of the group then, the first one itself among them; else any of the others; λ by a rule of nodes.
    """
    K = groups * size
    classes, labels, weights = np.eye(K), [], []
    for i in range(K):
        for j in range(K):
            share = within / size if i // size == j // size else (1 - within) / (K - size)
            mixed = np.outer(lam, classes[i]) + np.outer(1 - np.asarray(lam), classes[j])
            labels.append(classes[[i]] if i == j else mixed)
            weights.append([share / K] if i == j else share / K * np.asarray(lam_weights))
    rows, shares = np.concatenate(labels), np.concatenate(weights)
    return rows[shares > 0], shares[shares > 0]
