"""What H shows without the network's own logits: zeros of dropout, columns of mean 0 and spread 1, a foreign W."""

from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import softmax

from ufm.network.diagnose import diagnosis as said
from ufm.network.diagnose.diagnosis import Diagnosis, diagnosis
from ufm.network.diagnose.linear import halves
from ufm.network.diagnose.own_logits import uncorrelated
from ufm.network.diagnose.sample import Sample
from ufm.network.diagnose.trials import ACTIVATIONS

CELL = 40  # rows of a class below which its zeros tell nothing
CELLS = 20
ALIKE = 1.3  # spread of units' zeros over that of chance
WRONG, TOLD = 0.5, 0.7  # share of the accuracy of class means that W has; that accuracy
BLIND, SURE = 0.3, 0.55  # confidence above accuracy; least confidence of a W that was trained


def standardised(sample: Sample) -> Diagnosis | None:
    """Every column that moves has, over all rows, mean 0 and spread 1 to more digits than chance gives."""
    if sample.count < 20 or not sample.seems(std=1.0):
        return None
    means, spreads = sample.moments
    live = spreads > 1e-6 * max(float(spreads.max()), 1e-300)
    if live.sum() < 2:
        return None
    mean = float(np.abs(means[live]).max())
    spread = float(np.abs(spreads[live] - 1).max())
    if mean > 1e-4 or spread > 1e-3 + 1 / sample.count:
        return None
    seen = f"all {live.sum()} columns of H have mean 0 (within {mean:.1g}) and spread 1 (within {spread:.1g})"
    if uncorrelated(sample.H[:, live]):
        return diagnosis(said.WHITENED, f"{seen} and are uncorrelated", mean=mean, spread=spread)
    return diagnosis(said.STANDARDISED, seen, mean=mean, spread=spread)


def dropped(sample: Sample) -> Diagnosis | None:
    """Dropout of rate p makes p of a unit's values zero even in a class where it is always on: no unit of no class
    has fewer zeros, many have just so many, and each for itself. A ReLU has units without zeros, and wrong labels
    make zeros of many units in the same rows."""
    top = sample.top
    zeros = [sample.H[top == k] == 0 for k in range(sample.Y.shape[1]) if (top == k).sum() >= CELL]
    zeros = [part[:, part.mean(0) < 1] for part in zeros]
    if sum(part.shape[1] for part in zeros) < CELLS:
        return None
    share = np.concatenate([part.mean(0) for part in zeros])
    n = np.concatenate([np.full(part.shape[1], len(part)) for part in zeros])
    low = np.sort(share)[: max(len(share) // 5, 10)]
    p = float(np.median(low))
    for _ in range(3):  # those that are on: within three deviations
        near = np.abs(share - p) < 3 * np.sqrt(p * (1 - p) / n) + 1e-12
        p = float(np.average(share[near], weights=n[near])) if near.any() else p
    deviation = np.sqrt(p * (1 - p) / n)
    if not 0.04 < p < 0.96 or near.mean() < 0.2 or (share < p - 5 * deviation).any():
        return None
    if np.std((share - p)[near] / deviation[near]) > ALIKE or not 0.5 < _dispersion(zeros, near, p) < 1.5:
        return None
    sentence = (
        f"no unit is on in every row of a class: {p:.1%} of the values of {near.mean():.0%} of the units are "
        f"exactly 0, and no unit has fewer zeros: most often dropout of that rate"
    )
    return diagnosis(said.DROPOUT, sentence, rate=p, units=float(near.mean()))


def _dispersion(zeros: list[np.ndarray], near: np.ndarray, p: float) -> float:
    """Variance of a row's zeros among the units that are on, over that of independent ones."""
    found, start = [], 0
    for part in zeros:
        some = part[:, near[start : start + part.shape[1]]]
        start += part.shape[1]
        if some.shape[1] >= 3:
            found.append((len(part), np.var(some.sum(1)) / (some.shape[1] * p * (1 - p))))
    return float(np.average([v for _, v in found], weights=[n for n, _ in found])) if found else 0.0


def foreign(sample: Sample, W: Float[np.ndarray, "K d"], b) -> Diagnosis | None:
    """W h + b is sure of what it says, and yet tells far fewer rows than the class means of the features do: an
    untrained W is not sure."""
    use = sample.top >= 0
    H, top, shift = sample.H[use], sample.top[use], 0.0 if b is None else b
    if len(H) < 5 * len(W):
        return None
    Z, means = H @ W.T + shift, nearest_mean(H, top, len(W))
    ours, sure = float(np.mean(Z.argmax(1) == top)), float(softmax(Z, axis=1).max(1).mean())
    if means < TOLD or ours > WRONG * means or sure < max(ours + BLIND, SURE):
        return None
    seen = (
        f"accuracy of W h + b is {ours:.3f}, its mean confidence {sure:.3f}, and the accuracy of the nearest class "
        f"mean of H {means:.3f}"
    )
    evidence: dict[str, Any] = {"accuracy": ours, "confidence": sure, "means": means}
    if H.min() < 0:
        after = {
            name: float(np.mean((f(H) @ W.T + shift).argmax(1) == top)) for name, f in ACTIVATIONS.items()
        }
        name = max(after, key=lambda key: after[key])
        if after[name] >= 0.9 * means:
            negative = float(np.mean(H < 0))
            more = f"{negative:.0%} of H is negative, and accuracy of W {name}(h) + b is {after[name]:.3f}"
            sentence = f"{seen}; {more}"
            return diagnosis(said.ACTIVATION, sentence, **evidence, after=after[name], negative=negative)
    sentence = f"{seen}: W does not read these features"
    return diagnosis(said.LAYER, sentence, **evidence)


def nearest_mean(H, top, classes: int) -> float:
    """Accuracy of the nearest class mean, on rows that are in no mean."""
    fit, held = halves(len(H))
    known = [k for k in range(classes) if (fit & (top == k)).any()]
    means = np.stack([H[fit & (top == k)].mean(0) for k in known])
    score = H[held] @ means.T - np.sum(means**2, 1) / 2
    return float(np.mean(np.array(known)[score.argmax(1)] == top[held]))
