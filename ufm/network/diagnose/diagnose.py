"""All diagnoses of a network, the surest first; a healthy network has none."""

from math import exp, log

import numpy as np
from jaxtyping import Float

from ufm.network.diagnose import diagnosis as said
from ufm.network.diagnose.alone import dropped, foreign, standardised
from ufm.network.diagnose.batches import normalised
from ufm.network.diagnose.diagnosis import Diagnosis, diagnosis
from ufm.network.diagnose.labels import of_labels
from ufm.network.diagnose.own_logits import of_own_logits
from ufm.network.diagnose.sample import Sample
from ufm.network.diagnose.trials import own
from ufm.network.measures.fitting import Fit

WIDE = log(1.25)  # of a factor that this file holds: rows, rows of a batch
CLOSE = 0.05  # of any other factor, which a network that is not at its optimum may meet by chance
SHAPE, SHARP = 0.8, 0.98  # least R² of the closed form for these
SPREAD = 0.2  # an interval of log a wider than this tells no factor
VAGUE = {
    said.AFFINE,
    said.LAYER,
    said.EPOCHS,
    said.OTHER_ROWS,
    said.DROPOUT,
    said.BATCH_NORM,
}  # less than what H itself shows
NEARER = {said.PERMUTED, said.SWAPPED, said.CLEAN, said.STANDARDISED, said.WHITENED}  # than a foreign W
LINEAR = {said.TEMPERATURE, said.BIAS}  # what standardised features may look like
POWERS = tuple(2**k for k in range(3, 13))


def diagnose(sample: Sample, W: Float[np.ndarray, "K d"], b, fit: Fit | None = None) -> list[Diagnosis]:
    """What is wrong with H, W, b and the labels of the sample. fit: where λ_H is known, its sharpness is held
    against it."""
    P = sample.H @ W.T + (0.0 if b is None else b)
    found = [] if sample.logits is None else of_own_logits(sample, W, b)
    told = {one.name for one in found if one.sure}
    flat = None if told & {said.STANDARDISED, said.WHITENED} else standardised(sample)
    alone = [one for one in (flat, dropped(sample), *normalised(sample)) if one is not None]
    vague = (VAGUE if alone else set()) | (LINEAR if flat else set())
    found = [*(one for one in found if one.name not in vague), *alone]
    names = {one.name for one in found}
    known = None if said.OTHER_ROWS in names else sample.logits
    found += of_labels(sample, P if known is None else own(known, P)[0])
    names = {one.name for one in found}
    if sample.logits is None and not names & NEARER:
        found += [one for one in [foreign(sample, W, b)] if one is not None]
    found += [] if fit is None else [one for one in [penalty(fit, sample)] if one is not None]
    first = {one.name: one for one in reversed(found)}  # of one name the first, which is of the logits
    return sorted(first.values(), key=lambda one: (not one.sure, found.index(one)))


def penalty(fit: Fit, sample: Sample) -> Diagnosis | None:
    """Whether λ_H as given is a known factor from the one that the logits show: a ∝ 1/λ_H."""
    if fit.a_known is None or fit.r2 is None or fit.r2 < SHAPE or not fit.a_identified or not fit.a > 0:
        return None
    low, high = fit.a_interval or (fit.a, fit.a)
    if not low > 0 or log(high / low) > 2 * SPREAD:
        return None
    ratio = log(fit.a / fit.a_known)
    for words, factor, tolerance in _factors(sample):
        for side in (1, -1):
            near = abs(ratio - side * log(factor)) <= tolerance
            if near and abs(ratio) > WIDE and (tolerance == WIDE or fit.r2 >= SHARP):
                return _off(words, factor if side == 1 else 1 / factor, exp(ratio), fit)
    return None


def _factors(sample: Sample) -> list[tuple[str, float, float]]:
    """Words, factor, how far log a may be from it."""
    K, batch = sample.Y.shape[1], batch_of(sample)
    held = [(f"N = {sample.count}, the rows of H", sample.count)]
    held += [] if batch is None else [(f"{batch}, the rows of a batch", batch)]
    others = [("2", 2), (f"K = {K}", K), *((f"{n}, a batch size", n) for n in POWERS)]
    wide = [(words, float(n), WIDE) for words, n in held if n >= 8]
    return wide + [(words, float(n), CLOSE) for words, n in others]


def _off(words: str, factor: float, ratio: float, fit: Fit) -> Diagnosis:
    """ratio: λ_H as given over λ_H as the logits show it."""
    share = f"{ratio:.4g} times" if ratio > 1 else f"1/{1 / ratio:.4g} of"
    shape = f"R^2 {fit.r2:.3f} of the closed form"
    sentence = f"the given lambda_h is {share} the one that the logits show ({shape}): off by {words}"
    return diagnosis(said.PENALTY, sentence, ratio=ratio, factor=factor)


def batch_of(sample: Sample) -> int | None:
    """Rows of a batch, where neighbours share one λ and the first batches are equally long."""
    lam, run = sample.labels.lam, sample.run
    if run < 8 or np.isnan(lam[:run]).any():
        return None
    ends = np.flatnonzero(np.diff(lam[:run]) != 0) + 1
    sizes = np.diff(np.concatenate([[0], ends]))
    same = len(sizes) >= 2 and (sizes == sizes[0]).all() and sizes[0] >= 4
    return int(sizes[0]) if same else None
