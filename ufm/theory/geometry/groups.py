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
    """The joint optimum of a law with a symmetry that leaves these projections (B of them, K × K)."""
    Y, q = np.asarray(labels, float), np.asarray(weights, float)
    ranks, c2 = np.array([np.trace(part) for part in P]), lambda_w * lambda_h
    log_g, active = np.full(len(P), np.log(lambda_h)), np.zeros(len(P), bool)
    H = np.zeros_like(Y)
    while True:
        if active.any():
            log_g, H = _newton(Y, q, P, ranks, active, log_g, H, lambda_h, c2)
        V = _root(P, np.where(active, np.exp(log_g), 0.0))
        p = _softmax(H @ V)
        missing = ~active & (moments(Y - p, q, P) > ranks * c2)
        if not missing.any():
            return BlockOptimum(np.where(active, np.exp(log_g), 0.0), p)
        active[np.argmax(missing)] = True


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


def _newton(Y, q, P, ranks, active, log_g, H, lambda_h, c2):
    """log g of the active projections with tr(P M) = c² rank P, by Newton on the logarithms, features solved
    inside.

    The objective is convex in g; its gradient is ½(λ_W rank P − tr(P M)/λ_H), and d tr(P M) = −2 E rᵀP T P' r
    dg'/λ_H.
    """
    on = np.flatnonzero(active)
    for _ in range(ENOUGH):
        g = np.where(active, np.exp(log_g), 0.0)
        V = _root(P, g)
        H = features(Y, V, H, lambda_h)
        p = _softmax(H @ V)
        r = Y - p
        found = moments(r, q, P)[on]
        S = _covariances(p)
        T = np.linalg.solve(np.eye(len(V)) + S @ (V @ V) / lambda_h, S)
        pulls = [r @ P[i] for i in on]
        slope = np.array([[q @ np.einsum("nk,nkl,nl->n", a, T, b) for b in pulls] for a in pulls])
        jacobian = -2 * slope * g[on] / lambda_h / found[:, None]
        step = np.linalg.solve(jacobian, -np.log(found / (c2 * ranks[on])))
        log_g = log_g.copy()
        log_g[on] += np.clip(step, -2.0, 2.0)
        if np.abs(step).max() <= 1e-14 * (1 + np.abs(log_g[on]).max()):
            break
    return log_g, features(Y, _root(P, np.where(active, np.exp(log_g), 0.0)), H, lambda_h)


def features(Y, V, H, lambda_h: float) -> Float[np.ndarray, "n K"]:
    """The minimisers h of CE(softmax(V h), y) + (λ_H/2)‖h‖², V symmetric, from the start H.

    Newton with the step min(1, log(1+β)/β) where the range β of its logits exceeds 3/2, along which the objective
    falls (Sun and Tran-Dinh 2019): no search.
    """
    eye = lambda_h * np.eye(len(V))
    for _ in range(ENOUGH):
        p = _softmax(H @ V)
        slope = lambda_h * H - (Y - p) @ V
        S = _covariances(p)
        step = -np.linalg.solve(V @ S @ V + eye, slope[..., None])[..., 0]
        beta = np.ptp(step @ V, axis=1)
        length = np.where(beta > 1.5, np.log1p(beta) / np.maximum(beta, 1.5), 1.0)
        H = H + length[:, None] * step
        if beta.max() <= 1e-15 * (1 + np.abs(H @ V).max()) or beta.max() ** 2 <= 1e-17:
            break
    return H


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
