"""Own logits that no affine image of H gives: noise of a training mode, another epoch, another order of rows.

Dropout after H: z = W (m ∘ h)/(1−p) + b with m of zeros and ones, so that E[z | h] = W h + b and
E ‖z − W h − b‖² = q Σ_k Σ_c w_kc² h_c², q = p/(1−p): no function of H foretells the rest. If H was collected so,
and the logits were not, E[W h + b | z] = z, and no function of z foretells it; its mean square is then
p Σ_k Σ_c w_kc² h_c². Statistics of a batch shift all of its rows alike. Features of another epoch leave a rest that
is a function of the input, which H and the logits foretell in part.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from ufm.network.diagnose import diagnosis as said
from ufm.network.diagnose.batches import shared_by_batches
from ufm.network.diagnose.diagnosis import Diagnosis, diagnosis
from ufm.network.diagnose.linear import Halves, affine, correlation, error, halves, r2
from ufm.network.diagnose.sample import Sample

FORETOLD = 0.1  # a rest that is foretold to less than this is noise
SLOPE = 0.2  # how far noise may move the slope of the logits and W h + b from 1
RELATED = 0.5
TOLERANCE = 0.02  # of the spread of the logits, that the same values in another order may miss


def unexplained(sample: Sample, some, W, P: Float[np.ndarray, "n K"], Z: Float[np.ndarray, "n K"]) -> list:
    """The likeliest of them. P, Z: W h + b and the logits, rows of sum zero, of the rows `some`."""
    rho, R, H = correlation(P, Z), Z - P, sample.H[some]
    length = np.linalg.norm(H, axis=1)
    evidence: dict[str, Any] = {
        "correlation": rho,
        "rest": float(np.linalg.norm(R) / np.linalg.norm(Z - Z.mean(0))),
    }
    seen = f"no affine image of H gives the logits; W h + b has correlation {rho:.3f} with them"
    if length.min() > (1 - 1e-3) * length.max():
        sentence = (
            f"{seen}; all |h| are {length.mean():.4g}: most often the features were divided by their length"
        )
        return [diagnosis(said.LENGTH, sentence, **evidence, length=float(length.mean()))]
    cut, related = halves(len(H)), rho >= RELATED
    by_features, by_logits = _foretold(H, R, cut), _foretold(Z, R, cut)
    evidence |= {"foretold": by_features.share, "by_logits": by_logits.share}
    if related:
        batch = shared_by_batches(sample, some, by_features.rest)
        if batch is not None:
            size, ratio = batch
            alike = (
                f"the rest is alike within batches of {size} rows ({ratio:.2g} times as much as by chance)"
            )
            return [diagnosis(said.BATCH_NORM, f"{seen}; {alike}", **evidence, batch=size, ratio=ratio)]
    if by_logits.share < FORETOLD and abs(_slope(Z, P) - 1) < SLOPE:
        return [_noise(H, W, R, False, seen, evidence)]
    if not related:
        return [_unrelated(sample, some, P, Z, seen, evidence)]
    if by_features.share < FORETOLD and abs(_slope(P, Z) - 1) < SLOPE:
        return [_noise(H, W, R, True, seen, evidence)]
    sentence = (
        f"{seen}, and H foretells {by_features.share:.0%} of the rest; most often H or W is of another epoch"
    )
    return [diagnosis(said.EPOCHS, sentence, **evidence)]


class _Foretold(NamedTuple):
    """share of the rest that an affine image foretells (R² of rows that were not fitted), and what it leaves."""

    share: float
    rest: Float[np.ndarray, "n K"]


def _foretold(X: Float[np.ndarray, "n p"], R: Float[np.ndarray, "n K"], cut: Halves) -> _Foretold:
    image = affine(X, R, cut)
    if image is None:
        return _Foretold(1.0, R)  # too few rows to tell
    return _Foretold(max(r2(image[cut.held], R[cut.held]), 0.0), R - image)


def _slope(A: Float[np.ndarray, "n K"], B: Float[np.ndarray, "n K"]) -> float:
    """Of B on A, each column about its mean."""
    return float(np.sum(A * (B - B.mean(0))) / np.sum((A - A.mean(0)) ** 2))


def _noise(H, W, R, logits: bool, seen: str, evidence: dict) -> Diagnosis:
    """Dropout of the logits, or of H, with the rate that would make as much of it just before W."""
    V = W - W.mean(0)
    share = float(np.sum(R**2) / max(np.sum((H**2) @ (V**2).T), 1e-300))
    rate = share / (1 + share) if logits else min(share, 1.0)
    which, other = ("logits", "H") if logits else ("H", "the logits")
    sentence = (
        f"{seen} and slope 1, and {other} do not foretell the rest: as much as dropout of rate {rate:.2g} just "
        f"before W makes; most often it was on while {which} {'were' if logits else 'was'} collected"
    )
    return diagnosis(said.DROPOUT, sentence.replace("H do not", "H does not"), **evidence, rate=rate)


def _unrelated(sample: Sample, some, P, Z, seen: str, evidence: dict) -> Diagnosis:
    """Whose accuracy is lost says which of both is wrong."""
    apart = error(np.sort(P, 0), np.sort(Z, 0))
    if apart < TOLERANCE:
        sentence = (
            f"{seen}, but in every column both have the same values (within {apart:.1e} of their spread)"
        )
        return diagnosis(said.OTHER_ROWS, f"{sentence}, in another order", **evidence, apart=apart)
    top = sample.top[some]
    use = top >= 0
    ours, theirs = (float(np.mean(A[use].argmax(1) == top[use])) if use.any() else 0.0 for A in (P, Z))
    evidence |= {"accuracy": ours, "own": theirs}
    accuracies = f"{seen}; accuracy {ours:.3f} of W h + b, {theirs:.3f} of the logits"
    if ours >= 0.5 and theirs < ours / 2:
        return diagnosis(
            said.OTHER_ROWS, f"{accuracies}; most often they are in another order than H", **evidence
        )
    return diagnosis(
        said.LAYER, f"{accuracies}; most often W is another layer's, or of another run", **evidence
    )
