"""What theorems share that know the optimal predictions label by label."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from ufm.theory.theorems.joint import mean_divergence, root_finding
from ufm.theory.theorems.theorem import Finding, JointOptimum, Setting


def unread(read: Callable[[Setting], object]) -> Callable[[Setting], str | None]:
    """The predicate: what `read` says where it finds no such labels. λ_W = 0 is another assumption's."""

    def broken(setting: Setting) -> str | None:
        found = read(setting) if setting.problem.lambda_w > 0 else None
        return found if isinstance(found, str) else None

    return broken


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


# --- labels that ask for W Wᵀ = g Π --------------------------------------------------------------


def one_gain(gains: Float[np.ndarray, " K"] | str) -> Float[np.ndarray, " K"] | str:
    """The g that the classes ask for, or why there is none or not one for all."""
    if not isinstance(gains, str) and np.ptp(gains) > 1e-9 * gains.max():
        return f"the classes ask for different gains, {gains.min():.4g} to {gains.max():.4g}"
    return gains


def class_rows(wrong: Float[np.ndarray, " K"]) -> Float[np.ndarray, "K K"]:
    """Row k is (1 − wrong_k) e_k + wrong_k/K."""
    K = len(wrong)
    return (wrong / K)[:, None] + (1 - wrong)[:, None] * np.eye(K)


def gain_finding(
    setting: Setting, optimum: JointOptimum, p: Float[np.ndarray, "n K"], gains: Float[np.ndarray, " K"]
) -> Finding:
    """The claim that the predictions are p, to what the gains differ by; the numbers shown are g of G = g Π."""
    numbers = float(np.mean(gains)), float(np.sum(optimum.W**2) / (len(gains) - 1))
    finding = predicted_finding(setting, optimum, p, *numbers)
    return finding._replace(rounding=finding.rounding + 2 * float(np.ptp(gains) / gains.max()))
