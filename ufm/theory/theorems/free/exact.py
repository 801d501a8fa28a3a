"""What theorems share that know the optimal predictions label by label."""

import numpy as np
from jaxtyping import Float

from ufm.theory.theorems.joint import mean_divergence, root_finding
from ufm.theory.theorems.theorem import Finding, JointOptimum, Setting


def predicted_finding(
    setting: Setting,
    optimum: JointOptimum,
    p: Float[np.ndarray, "n K"],
    predicted: float,
    numeric: float,
) -> Finding:
    """The claim that the predictions are p (n, K) at the labels of the finite law; two numbers to show."""
    divergence = mean_divergence(setting.joint.atoms.weights, p, optimum.Z)
    return root_finding(predicted, numeric, divergence, optimum)


def own_class(labels: Float[np.ndarray, "n K"]) -> np.ndarray:
    """(n, K) true at the largest entry of each label."""
    return np.arange(labels.shape[1]) == np.argmax(labels, 1)[:, None]
