"""What rows share with the batch they were run in: statistics of batch norm in training mode.

For numbers x_n in batches B of s neighbouring rows the ratio is

    F = s · mean_B ‖x̄_B − x̄‖² / (s/(s−1)) mean of squares within batches  ~ 1 for rows in random order;

batch norm makes F of the logits' rest large (a batch is shifted as one) and F of the features small (their batch
means are fixed), while F of the labels is what the order of the rows makes it.
"""

import numpy as np
from jaxtyping import Float

from ufm.network.diagnose import diagnosis as said
from ufm.network.diagnose.diagnosis import Diagnosis, diagnosis
from ufm.network.diagnose.sample import Sample

SIZES = (8, 10, 16, 20, 25, 32, 50, 64, 100, 128, 200, 250, 256)
DRAWS = 40
LARGE, SMALL = 2.0, 0.5
BALANCED = (
    0.1  # F of labels below this: batches are of one composition, and equal means of H follow from that
)


def ratio(X: Float[np.ndarray, "n K"], size: int, shift: int = 0) -> float:
    """F of whole batches, the first of which begins at row `shift`."""
    whole = (len(X) - shift) // size
    parts = X[shift : shift + whole * size].reshape(whole, size, -1)
    means = parts.mean(1)
    within = np.sum((parts - means[:, None]) ** 2) / (whole * (size - 1))
    between = size * np.sum((means - means.mean(0)) ** 2) / (whole - 1)
    return float(between / within) if within > 0 else 1.0


def chance(X: Float[np.ndarray, "n K"], size: int) -> tuple[float, float]:
    """Least and largest F of the rows in random orders."""
    rng = np.random.default_rng(0)
    drawn = [ratio(X[rng.permutation(len(X))], size) for _ in range(DRAWS)]
    return min(drawn), max(drawn)


def shared_by_batches(sample: Sample, some, R: Float[np.ndarray, "n K"]) -> tuple[int, float] | None:
    """The batch size at which the rest R of the rows `some` is shared most, and F there over its largest by chance;
    None where that is no more than LARGE, where the same batches half a batch later share as much (a drift), and
    where a batch has a λ of its own."""
    run = sample.run
    if not some[:run].all():
        return None
    X = _without_labels(R[:run], sample.Y[:run])
    best: tuple[int, float] | None = None
    for size in (size for size in SIZES if 4 * size <= run):
        if _own_weights(sample, run, size):
            return None
        here = ratio(X, size)
        over = here / chance(X, size)[1]
        if over > LARGE and here > 1.5 * ratio(X, size, size // 2) and (best is None or over > best[1]):
            best = size, over
    return best


def normalised(sample: Sample) -> list[Diagnosis]:
    """Features whose means over batches differ less than chance allows, though those of the labels do not."""
    run = sample.run
    if not run:
        return []
    H, Y = sample.H[:run], sample.Y[:run]
    live = H.std(0) > 1e-6 * max(float(H.std(0).max()), 1e-300)
    if not live.any():
        return []
    H = H[:, live] / H[:, live].std(0)
    found = []
    for size in (size for size in SIZES if 4 * size <= run):
        F, labels = ratio(H, size), ratio(Y, size) if Y.std() > 0 else 1.0
        if labels > BALANCED and min(1.0, labels) * SMALL > F and chance(H, size)[0] * SMALL > F:
            found.append((F, size, labels))
    if not found:
        return []
    least = min(F for F, *_ in found)
    F, size, labels = min((one for one in found if one[0] <= 2 * least), key=lambda one: one[1])
    sentence = (
        f"means of H over batches of {size} rows differ by {F:.2g} times what chance makes, those of the labels by "
        f"{labels:.2g}: most often batch norm took its statistics from these batches"
    )
    return [diagnosis(said.BATCH_NORM, sentence, F < 1e-6, batch=size, ratio=F, labels=labels)]


def _without_labels(R: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """R less its least-squares image of the labels."""
    return R - Y @ np.linalg.lstsq(Y, R, rcond=None)[0]


def _own_weights(sample: Sample, run: int, size: int) -> bool:
    """Whether mixed rows have one λ a batch."""
    labels = sample.labels
    larger = np.where(labels.pure()[:run] < 0, np.maximum(labels.lam, 1 - labels.lam)[:run], 1.0)
    whole = run // size
    parts = larger[: whole * size].reshape(whole, size)
    return bool((np.ptp(parts, 1) < 1e-6).all() and np.ptp(larger) > 1e-6)
