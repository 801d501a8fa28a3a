"""Accuracy, loss and calibration on held-out images, and the gap to the training images."""

import numpy as np
from jaxtyping import Float, Int

from ufm.network.measures.calibration import Calibration, calibrate, reliability

Pair = tuple[Float[np.ndarray, "n K"], Int[np.ndarray, " n"]]  # logits and classes


def measure_held_out(train: Pair, test: Pair) -> dict[str, float | None]:
    """Numbers from the logits of unmixed training and test images (losses in nats, ECE with 15 bins).

    loss_gap: test minus training loss. accuracy_gap: training minus test accuracy. temperature, ece_fitted: of
    the temperature that fits the test images best; None where there is none.
    """
    seen, held = reliability(lambda: [train]), calibrate(lambda: [test])
    return {
        "accuracy": held.observed.accuracy,
        "loss": held.observed.nll,
        "train_accuracy": seen.accuracy,
        "train_loss": seen.nll,
        "accuracy_gap": seen.accuracy - held.observed.accuracy,
        "loss_gap": held.observed.nll - seen.nll,
        "ece": held.observed.ece,
        "confidence": _confidence(held),
        "temperature": held.temperature,
        "ece_fitted": None if held.fitted is None else held.fitted.ece,
    }


def _confidence(held: Calibration) -> float:
    """Mean of the largest probability."""
    counts = held.observed.counts
    return float(np.nansum(held.observed.confidence * counts) / counts.sum())
