"""Own logits that no affine image of H gives: noise of a training mode, another epoch, another order of rows.

Dropout after H: z = W (m ∘ h)/(1−p) + b with m of zeros and ones, so that E[z | h] = W h + b and
E ‖z − W h − b‖² = q Σ_k Σ_c w_kc² h_c², q = p/(1−p): no function of H foretells the rest. Statistics of a batch
shift all of its rows alike. Features of another epoch leave a rest that is a function of the input, which H itself
foretells in part.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from ufm.network.diagnose import diagnosis as said
from ufm.network.diagnose.batches import shared_by_batches
from ufm.network.diagnose.diagnosis import Diagnosis, diagnosis
from ufm.network.diagnose.linear import affine, correlation, error, halves, r2
from ufm.network.diagnose.sample import Sample

FORETOLD = 0.25  # a rest that H foretells to less than this is noise
SLOPE = 0.15  # how far noise may move the slope of the logits on W h + b from 1
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
    if rho < RELATED:
        return [_unrelated(sample, some, P, Z, seen, evidence)]
    cut = halves(len(H))
    foretold = affine(H, R, cut)
    share = 0.0 if foretold is None else max(r2(foretold[cut.held], R[cut.held]), 0.0)
    slope = float(np.sum(P * (Z - Z.mean(0))) / np.sum((P - P.mean(0)) ** 2))
    evidence |= {"foretold": share, "slope": slope}
    batch = shared_by_batches(sample, some, R if foretold is None else R - foretold)
    if batch is not None:
        size, ratio = batch
        alike = f"the rest is alike within batches of {size} rows ({ratio:.2g} times as much as by chance)"
        return [diagnosis(said.BATCH_NORM, f"{seen}; {alike}", **evidence, batch=size, ratio=ratio)]
    if foretold is not None and share < FORETOLD and abs(slope - 1) < SLOPE:
        return [_noise(H, W, R, slope, seen, evidence)]
    sentence = f"{seen}, and H foretells {share:.0%} of the rest; most often H or W is of another epoch"
    return [diagnosis(said.EPOCHS, sentence, **evidence)]


def _noise(H, W, R, slope: float, seen: str, evidence: dict) -> Diagnosis:
    """Dropout, with the rate that would make as much of it behind H."""
    V = W - W.mean(0)
    q = float(np.sum(R**2) / max(np.sum((H**2) @ (V**2).T), 1e-300))
    rate = q / (1 + q)
    sentence = (
        f"{seen}, with slope {slope:.3f}, and nothing foretells the rest: as much as dropout of rate {rate:.2g} "
        "just before W makes; most often dropout was on while one of both was collected"
    )
    return diagnosis(said.DROPOUT, sentence, **evidence, rate=rate)


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
