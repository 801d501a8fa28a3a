"""Mixed inputs to look at a network with, and the file of activations that `python -m ufm.compare` reads."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.networks.activations import classifier, outputs
from experiments.training.checkpoint import write_whole


class Mixed(NamedTuple):
    """Inputs λ x_i + (1−λ) x_j (n, h, w, c) with classes i, j (n) and λ (n)."""

    x: np.ndarray
    i: np.ndarray
    j: np.ndarray
    lam: np.ndarray


def mix_inputs(x: np.ndarray, y: np.ndarray, count: int, alpha: float = 1.0, seed: int = 0) -> Mixed:
    """`count` mixtures of two examples each, all drawn uniformly and independently, λ ~ Beta(α, α)."""
    rng = np.random.default_rng(seed)
    left, right = rng.integers(0, len(x), (2, count))
    lam = rng.beta(alpha, alpha, count)
    weight = lam.astype(np.float32)[:, None, None, None]
    return Mixed(weight * x[left] + (1 - weight) * x[right], y[left], y[right], lam)


def save_activations(path: Path, trained, data, mixed: Mixed) -> None:
    """Write H, W, b, i, j, lam of mixed inputs, and logits, y_logits of the test images, as one npz.

    Also the penalties that the run really had: lambda_w, λ_W or the weight decay of a learned classifier, and
    lambda_h, the explicit feature decay.
    """
    H, _ = outputs(trained.model, mixed.x)
    W, b = classifier(trained.model)
    _, logits = outputs(trained.model, data.test_x)
    settings, penalties = trained.settings, {}
    if settings.classifier == "learned":
        penalties["lambda_w"] = settings.weight_decay if settings.lambda_w is None else settings.lambda_w
    if settings.lambda_h > 0:
        penalties["lambda_h"] = settings.lambda_h
    arrays = {"H": H, "W": W, "b": b, "i": mixed.i, "j": mixed.j, "lam": mixed.lam}
    arrays |= {"logits": logits, "y_logits": data.test_y} | penalties
    write_whole(Path(path), lambda file: np.savez(file, **arrays))
