"""Where the network's own logits of the same rows are known: what W h + b misses of them.

Silent where it misses no more than rounding. An explanation must leave at most TOLERANCE of the spread of the
logits, a tenth of what W h + b leaves, and the plainest within thrice the best is told. What no affine image of H
explains is noise of a training mode, of another epoch, or nothing (`noise`).
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from ufm.network.diagnose import diagnosis as said
from ufm.network.diagnose.diagnosis import Diagnosis, diagnosis
from ufm.network.diagnose.linear import across, correlation, error, halves
from ufm.network.diagnose.noise import unexplained
from ufm.network.diagnose.sample import Sample
from ufm.network.diagnose.trials import DIAGONAL, LINEAR, Trial, images, own, trials

EXACT, TOLERANCE = 1e-5, 0.02  # float32, and float16 or bfloat16, of the spread of the logits
GAIN, NEAR = 10.0, 3.0
FEW = 30  # rows below which nothing is said


def of_own_logits(sample: Sample, W: Float[np.ndarray, "K d"], b) -> list[Diagnosis]:
    """All that is wrong with W h + b, given `sample.logits`."""
    assert sample.logits is not None
    P = sample.H @ W.T + (0.0 if b is None else b)
    given, some, kind = own(sample.logits, P)
    found = [_probabilities(kind, sample.logits)] if kind else []
    H, Z = sample.H[some], across(given[some])
    if len(H) < FEW or not Z.any():
        return found
    cut, before = halves(len(H)), error(across(P[some]), Z)
    if before <= EXACT:
        return found
    explained = trials(H, W, b, Z, cut)
    explained += images(H, W, Z, cut) if before > TOLERANCE else []
    best = plainest(explained, before)
    if best is None or _rounding(best, H, W, b):
        return found if before <= TOLERANCE else [*found, *unexplained(sample, some, W, across(P[some]), Z)]
    if DIAGONAL in best.parts or LINEAR in best.parts:
        return [*found, _image(best, sample, W, across(P[some]), Z, before)]
    return [*found, *_parts(best, sample, H, W, b, given[some], before)]


def plainest(explained: list[Trial], before: float) -> Trial | None:
    """Of those near the best error, the one that takes least; None where none is good enough."""
    good = [t for t in explained if t.error <= min(TOLERANCE, before / GAIN) and t.parts]
    best = min((t.error for t in good), default=0.0)
    near = [t for t in good if t.error <= max(NEAR * best, EXACT)]
    return min(near, key=lambda t: (t.rank, t.error), default=None)


def _rounding(best: Trial, H, W, b) -> bool:
    """Whether a constant is no larger than W rounded to bfloat16 would leave, and not exact either."""
    if best.parts != (said.BIAS,) or best.error <= EXACT or best.shift is None:
        return False
    known = 0.0 if b is None else b - b.mean()
    half = 2.0**-8 * np.sqrt(np.mean((H**2) @ (W**2).T))
    return bool(np.sqrt(np.mean((best.shift - known) ** 2)) < 2 * half)


def _probabilities(kind: str, Z) -> Diagnosis:
    least, most = float(Z.min()), float(Z.max())
    off = float(np.abs(Z.sum(1) - 1).max())
    sums = f"rows sum to one within {off:.1g}" if kind == "softmax" else "logit(p) is near W h + b"
    sentence = f"logits_H are probabilities of a {kind}: they lie in {least:.3g} to {most:.3g}, and {sums}"
    return diagnosis(said.PROBABILITIES, sentence, True, least=least, most=most, off=off)


def _left(best: Trial, before: float) -> str:
    return f"it leaves {best.error:.1e} of the spread of the network's own logits, W h + b {before:.2g}"


def _parts(best: Trial, sample: Sample, H, W, b, given, before: float) -> list[Diagnosis]:
    """A diagnosis for each part of the trial."""
    evidence: dict[str, Any] = {"error": best.error, "before": before}
    found, left = [], _left(best, before)
    for part in best.parts:
        more: dict[str, Any]
        match part:
            case said.PERMUTED:
                moved = sum(k != n for n, k in enumerate(best.order))
                order = _listed(best.order)
                sentence = (
                    f"{moved} rows of W are in another order: class 0, 1, … is row {order} of W; {left}"
                )
                more = {"permutation": best.order}
            case said.TEMPERATURE:
                sentence = f"the logits are (W h + b)/T with T = {1 / best.scale:.4g}; {left}"
                more = {"temperature": 1 / best.scale}
            case said.LENGTH:
                sentence = (
                    f"all |h| are equal, and the logits of a row are W h by a factor of its own ({best.scale:.3g} "
                    f"times from the least to the most); {left}"
                )
                more = {"spread": best.scale}
            case said.ACTIVATION:
                share = float(np.mean(sample.H < 0))
                words = f"{share:.0%} of H is negative, and the logits are those of {best.activation} of it"
                sentence = f"{words}; {left}"
                more = {"negative": share}
            case _:
                found.append(_constant(best, sample, H, W, b, given, before))
                continue
        found.append(diagnosis(part, sentence, True, **evidence, **more))
    return found


def _constant(best: Trial, sample: Sample, H, W, b, given, before: float) -> Diagnosis:
    """A bias that is not the given one, or features without their mean."""
    left = _left(best, before)
    evidence: dict[str, Any] = {"error": best.error, "before": before}
    scale = np.inf
    if best.parts == (said.BIAS,) and sample.seems():
        means, spreads = sample.moments
        scale = np.abs(means).max() / max(float(spreads.max()), 1e-300)
    if scale < 1e-5:
        sentence = (
            f"every column of H has mean 0 (within {scale:.1g}), and the logits miss a constant; {left}"
        )
        return diagnosis(said.STANDARDISED, sentence, True, **evidence, mean=float(scale))
    assert best.shift is not None
    constant = best.shift
    if best.parts == (said.BIAS,):
        whole = (given - H @ W.T).mean(0)  # with its mean, where the logits have theirs
        constant = whole if error(H @ W.T + whole, given) <= max(NEAR * best.error, EXACT) else constant
    most = float(np.abs(constant - constant.mean()).max())
    lacks = "b is none or 0" if b is None or not b.any() else "b is another"
    if b is not None and b.any() and most < 1e-3 * np.abs(b - b.mean()).max():
        lacks = "they have no bias, but b is not 0"
    sentence = f"the logits are W h and a constant a class, up to {most:.3g} from their mean; {lacks}; {left}"
    return diagnosis(said.BIAS, sentence, True, **evidence, bias=tuple(constant.tolist()))


def _image(best: Trial, sample: Sample, W, P, Z, before: float) -> Diagnosis:
    """An affine image of H, by what H and W look like."""
    means, spreads = sample.moments
    live = spreads > 1e-6 * spreads.max()
    mean, std = means[live], spreads[live]
    unit = np.median(np.abs(mean)) < 0.3 and np.median(np.abs(std - 1)) < 0.3
    rho, left = correlation(P, Z), _left(best, before)
    evidence: dict[str, Any] = {"error": best.error, "before": before, "correlation": rho}
    moments = (
        f"columns of H have mean {np.abs(mean).max():.2g} at most, spread {std.min():.3g} to {std.max():.3g}"
    )
    if DIAGONAL in best.parts:
        assert best.columns is not None
        low, high = (float(q) for q in np.quantile(np.abs(best.columns[live]), [0.05, 0.95]))
        name = said.STANDARDISED if unit else said.AFFINE
        scales = (
            f"the logits take each column of H by a factor of its own, most of them {low:.3g} to {high:.3g}"
        )
        return diagnosis(
            name, f"{scales}, and shifted; {moments}; {left}", True, **evidence, low=low, high=high
        )
    if unit and uncorrelated(sample.H[:, live]):
        return diagnosis(said.WHITENED, f"{moments}, and are uncorrelated; {left}", True, **evidence)
    affine = f"the logits are an affine image of H, but not W h + b (correlation {rho:.3f}); {left}"
    if rho >= 0.5:
        return diagnosis(said.EPOCHS, f"{affine}; most often W is of another epoch than H", **evidence)
    if sample.H.min() < 0:
        return diagnosis(
            said.AFFINE, f"{affine}; most often H was rotated or scaled, or W is of another run", **evidence
        )
    return diagnosis(said.LAYER, f"{affine}; most often W is another layer's, or of another run", **evidence)


def uncorrelated(H: Float[np.ndarray, "n d"]) -> bool:
    """Whether correlations of columns are those of chance, on average."""
    H = H[:, np.ptp(H, axis=0) > 0]
    d = H.shape[1]
    if d < 2:
        return False
    C = np.corrcoef(H.T)
    rms = np.sqrt(max(np.sum(C**2) - d, 0.0) / (d * (d - 1)))
    return bool(rms < 2 / np.sqrt(len(H)) + 0.02)


def _listed(order: tuple[int, ...]) -> str:
    """At most ten of them."""
    return ", ".join(map(str, order[:10])) + (", …" if len(order) > 10 else "")
