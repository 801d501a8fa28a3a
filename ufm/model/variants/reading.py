"""What law given labels are, by their rows and weights: single classes, or one that permutations leave alone."""

from math import factorial

import numpy as np

from ufm.model.laws import LabelLaw

SAME = 16 * float(np.finfo(float).eps)  # entries, and weights, that differ by less are equal
DIGITS = 13  # to which rows are compared


def read_law(law: LabelLaw) -> LabelLaw:
    """The law itself; or for given labels (1−δ) e_k + δ/K, one of each class and one δ for all, the law of that
    name with their weights."""
    if law.labels is None:
        return law
    Y, weights = law.labels[law.probabilities > 0], law.probabilities[law.probabilities > 0]
    own, K = Y.argmax(1), Y.shape[1]
    if len(Y) != K or len(set(own.tolist())) != K:
        return law
    delta = float(K * Y[np.arange(K) != own[:, None]].mean())
    if delta >= 1 or np.abs(Y - (1 - delta) * np.eye(K)[own] - delta / K).max() > SAME:
        return law
    weights = weights[np.argsort(own)]
    even = np.ptp(weights) <= SAME
    return LabelLaw(
        "onehot", smoothing=delta if delta > SAME else 0.0, class_weights=None if even else tuple(weights)
    )


def is_exchangeable(law: LabelLaw) -> bool:
    """Whether permutations of the classes leave the law alone: of given labels, all that they make of a label are
    there and as likely."""
    if law.labels is None:
        return law.exchangeable
    Y, row = np.unique(law.labels[law.probabilities > 0].round(DIGITS), axis=0, return_inverse=True)
    weights = np.bincount(row.ravel(), law.probabilities[law.probabilities > 0])
    patterns, of = np.unique(np.sort(Y, 1), axis=0, return_inverse=True)
    for n, pattern in enumerate(patterns):
        alike = weights[of.ravel() == n]
        all_ = factorial(len(pattern))
        for count in np.unique(pattern, return_counts=True)[1].tolist():
            all_ //= factorial(count)
        if len(alike) != all_ or np.ptp(alike) > 1e-12 * alike.max():
            return False
    return True
