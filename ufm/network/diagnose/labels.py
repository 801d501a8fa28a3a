"""Labels beside logits: λ and 1 − λ swapped, inputs that were not mixed, classes in another order, a sigmoid head.

Rows of two classes i, j at weight λ of i; logits: the network's own where they are known, else W h + b.
"""

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from scipy.special import expit, logsumexp

from ufm.network.diagnose import diagnosis as said
from ufm.network.diagnose.alone import nearest_mean
from ufm.network.diagnose.diagnosis import Diagnosis, diagnosis
from ufm.network.diagnose.linear import across, correlation
from ufm.network.diagnose.sample import Sample

FEW = 50  # mixed rows below which nothing is said
CLASS_ROWS = 10
MEAN = -1.3  # logits of a sigmoid head are less on average: few of its classes are on


def of_labels(sample: Sample, Z: Float[np.ndarray, "n K"]) -> list[Diagnosis]:
    """All of them; Z: logits of all rows."""
    order = permuted(sample, Z)
    found = [order, sigmoid(sample, Z)]
    labels = sample.labels
    mixed = (labels.i >= 0) & (labels.i != labels.j) & (labels.lam > 0) & (labels.lam < 1)
    if mixed.sum() >= FEW and Z.shape[1] > 1:
        parts = labels.i[mixed], labels.j[mixed], labels.lam[mixed], Z[mixed]
        found += (
            [] if order is not None and Z.shape[1] == 2 else [swapped(*parts)]
        )  # with two classes the same
        found += [unmixed(*parts)]
    return [one for one in found if one is not None]


def swapped(i, j, lam, Z: Float[np.ndarray, "n K"]) -> Diagnosis | None:
    """Whether λ e_j + (1−λ) e_i is what the logits follow."""
    rows, centred = np.arange(len(i)), across(Z)
    given, other = np.zeros((2, *Z.shape))
    given[rows, i], given[rows, j] = lam, 1 - lam
    other[rows, j], other[rows, i] = lam, 1 - lam
    now, then = correlation(centred, across(given)), correlation(centred, across(other))
    weights = len(np.unique(lam))  # where batches share a weight, few weights tell little
    if weights < 8 or then < 0.5 or then < now + 0.15 + 1 / np.sqrt(weights):
        return None
    sentence = (
        f"logits of {len(i)} mixed rows follow (1 - lam) e_i + lam e_j, correlation {then:.3f}, "
        f"and the given labels only by {now:.3f}"
    )
    return diagnosis(said.SWAPPED, sentence, given=now, swapped=then)


def unmixed(i, j, lam, Z: Float[np.ndarray, "n K"]) -> Diagnosis | None:
    """Whether one of both classes wins, as far ahead at λ = ½ as at its ends, whatever λ is."""
    rows = np.arange(len(i))
    ahead = Z[rows, i] - Z[rows, j]
    middle, end = np.abs(lam - 0.5) < 0.2, np.abs(lam - 0.5) > 0.35
    tells = np.abs(lam - 0.5) > 0.1
    if min(middle.sum(), end.sum(), tells.sum()) < FEW / 2:
        return None
    best = Z.argmax(1)
    inside = float(np.mean((best == i) | (best == j)))
    lead = float(np.median(np.abs(ahead[middle])) / max(np.median(np.abs(ahead[end])), 1e-300))
    right = float(np.mean((ahead > 0)[tells] == (lam > 0.5)[tells]))
    moves = abs(correlation(ahead[:, None], lam[:, None]))
    trained = (
        np.median(np.abs(ahead)) >= 1
    )  # nats: an untrained network is as far ahead everywhere, but not far
    if not trained or inside < 0.9 or not 0.8 < lead < 1.25 or moves > 0.5:
        return None
    first = float(np.mean(ahead > 0))
    if Z.shape[1] == 2 and 0.1 < first < 0.9:  # of two classes one always wins
        return None
    wins = (
        f"i wins in {first:.0%}"
        if first > 0.9
        else f"j wins in {1 - first:.0%}"
        if first < 0.1
        else "one wins"
    )
    sentence = (
        f"in {len(i)} mixed rows {wins}, by as much at lam = 1/2 as at its ends ({lead:.2f} times), and the larger "
        f"weight in only {right:.0%}: the logits do not move with lam"
    )
    return diagnosis(said.CLEAN, sentence, lead=lead, right=right, correlation=moves, first=first)


def permuted(sample: Sample, Z: Float[np.ndarray, "n K"]) -> Diagnosis | None:
    """Whether each class that its rows are hardly ever put into has another one that they nearly always are put
    into, all of them in some order."""
    top, best, K = sample.top, Z.argmax(1), Z.shape[1]
    counts = np.zeros((K, K))
    np.add.at(counts, (top[top >= 0], best[top >= 0]), 1.0)
    rows = counts.sum(1)
    share = counts / np.maximum(rows, 1)[:, None]
    order = linear_sum_assignment(-share)[1]
    moved = order != np.arange(K)
    if not moved.any() or rows.sum() == 0:
        return None
    seen = moved & (rows >= CLASS_ROWS)
    if seen.sum() < 0.8 * moved.sum():
        return None
    if (share[seen, order[seen]] < 0.6).any() or (share[seen, np.flatnonzero(seen)] > 0.2).any():
        return None
    before = float(np.trace(counts) / rows.sum())
    after = float(counts[np.arange(K), order].sum() / rows.sum())
    if after < 0.9 * nearest_mean(sample.H[top >= 0], top[top >= 0], K):
        return None
    sentence = (
        f"accuracy is {before:.3f}, and {after:.3f} with class k at row π(k) of W, π = "
        f"{', '.join(map(str, order[:10].tolist()))}{', …' if K > 10 else ''}"
    )
    return diagnosis(said.PERMUTED, sentence, before=before, after=after, permutation=tuple(order.tolist()))


def sigmoid(sample: Sample, Z: Float[np.ndarray, "n K"]) -> Diagnosis | None:
    """Whether the sigmoids p of a row's logits sum to one and |E(p − y)|, which binary cross-entropy with a bias
    makes zero, is far below E|p − y|, class by class; under softmax both are nearly the same."""
    K = Z.shape[1]
    if K < 3 or len(Z) < FEW or np.abs(logsumexp(Z, axis=1)).max() < 0.02:  # the last: of log-softmax
        return None
    p, mean = expit(Z), float(Z.mean())
    off = np.abs(p.sum(1) - 1)
    apart = p - sample.Y
    bias = float(np.abs(apart.mean(0)).sum() / max(np.abs(apart).sum(1).mean(), 1e-300))
    if mean > MEAN or np.median(off) > 0.1 or np.quantile(off, 0.9) > 0.35 or bias > 0.25:
        return None
    sums = float(p.sum(1).mean())
    sentence = (
        f"the sigmoids of the logits sum to {sums:.3f} a row and miss the labels {bias:.2g} times as much on "
        f"average as row by row (softmax: 1), and the mean logit is {mean:.2f} (softmax with decay: near 0): "
        "most often the loss was binary cross-entropy"
    )
    return diagnosis(said.SIGMOID, sentence, sum=sums, mean=mean, off=bias)
