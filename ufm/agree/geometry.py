"""The shape of a classifier and its features: distance to neural collapse, groups of classes."""

import numpy as np
from jaxtyping import Float

from ufm.model.atoms import FiniteLaw
from ufm.model.etf import unit_scale


def collapsed_groups(W: Float[np.ndarray, "K d"], tolerance: float = 1e-6) -> list[list[int]]:
    """Groups of two or more classes whose rows coincide: ‖w_k − w_l‖ ≤ tolerance · max ‖w‖."""
    size = np.max(np.linalg.norm(W, axis=1))
    left, groups = list(range(len(W))), []
    while left:
        k = left[0]
        group = [l for l in left if np.linalg.norm(W[k] - W[l]) <= tolerance * size]
        left = [l for l in left if l not in group]
        groups.append(group)
    return [group for group in groups if len(group) > 1]


def self_duality(W: Float[np.ndarray, "K d"], H: Float[np.ndarray, "n d"], law: FiniteLaw) -> float | None:
    """NC3: ‖W_c/‖W_c‖ − M/‖M‖‖_F, M the centred features of the pure labels e_k, W_c = W centred.

    None when a class has no pure label in the law, or everything vanishes.
    """
    pure = np.argmax(law.labels, 1)[law.labels.max(1) == 1.0]
    if len(set(pure)) < law.classes:
        return None
    means = np.stack([H[(law.labels[:, k] == 1.0)].mean(0) for k in range(law.classes)])
    means, rows = means - means.mean(0), W - W.mean(0)
    return duality_distance(rows, means)


def duality_distance(
    W: Float[np.ndarray, "K d"], centred: Float[np.ndarray, "K d"], squared: bool = False
) -> float | None:
    """NC3: ‖Wᵀ/‖W‖_F − M̊/‖M̊‖_F‖_F, or its square; `centred` is M̊ᵀ. None if either vanishes."""
    if not W.any() or not centred.any():
        return None
    W, centred = (part / unit_scale(part) for part in (W, centred))
    distance = float(np.linalg.norm(W / np.linalg.norm(W) - centred / np.linalg.norm(centred)))
    return distance**2 if squared else distance


def mixed_variability(H: Float[np.ndarray, "n d"], law: FiniteLaw) -> float:
    """Generalised NC1: E‖h_y − B y‖²/E‖h_y‖², B the best linear map from labels to features.

    0 when features are affine in the label (squared error); under mixup with cross-entropy it
    measures the channels. One-hot labels: the within-class share of Papyan's NC1.
    """
    root = np.sqrt(law.weights)[:, None]
    target = root * H
    size = float(np.sum(target**2))
    if size == 0:
        return 0.0
    fit = np.linalg.lstsq(root * law.labels, target, rcond=None)[0]
    return float(np.sum((target - root * law.labels @ fit) ** 2) / size)
