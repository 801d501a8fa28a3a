"""How a training approaches neural collapse: certified gap and collapse metrics, record by record.

Judges any recorded path with `ufm.certify.joint`; knows nothing of how the path was made.
"""

import numpy as np
from jaxtyping import Float

from experiments.dynamics.training import Training, repeated
from ufm.agree.geometry import self_duality
from ufm.certify.joint import certify_joint
from ufm.model.atoms import FiniteLaw, JointProblem, Point
from ufm.model.etf import etf_deviation
from ufm.rules.errors import InputError


def trace_training(training: Training, law: FiniteLaw) -> dict[str, np.ndarray]:
    """Arrays (T) over the records of a training on `law`.

    step; objective L; gap ≥ L − min L (rounding included; inf where the run holds no numbers);
    etf_deviation ‖G − (tr G/(K−1)) Π‖_F/‖G‖_F, G = W Wᵀ; within_variability Tr Σ_within/Tr Σ_between
    (`label_variability`); self_duality ‖W_c/‖W_c‖ − M/‖M‖‖_F, M of the mean pure-label features. NaN where
    a metric has no meaning. Raises InputError when the law does not fit the training.
    """
    atoms = repeated(law, training.copies)
    if training.H.shape[1] != len(atoms.weights) or training.W.shape[1] != law.classes:
        raise InputError(
            f"the training has {training.H.shape[1]} features of {training.W.shape[1]} classes, the law "
            f"asks for {len(atoms.weights)} of {law.classes}: give the law that was trained on"
        )
    groups = label_groups(atoms)
    rows = [_record(training, atoms, groups, t) for t in range(len(training.steps))]
    names = ("gap", "etf_deviation", "within_variability", "self_duality")
    found = dict(zip(names, np.array(rows, float).T))
    return {"step": training.steps, "objective": training.objective} | found


def _record(training: Training, atoms: FiniteLaw, groups: np.ndarray, t: int):
    W, H, b = training.W[t], training.H[t], training.b[t]
    if not all(np.isfinite(part).all() for part in (W, H, b)):
        return np.inf, np.nan, np.nan, np.nan
    t = training
    problem = JointProblem(atoms, t.lambda_w, t.lambda_h, W.shape[1], t.lambda_b, t.loss)
    certificate = certify_joint(problem, Point(W, H, b))
    duality = self_duality(W, H, atoms)
    return (
        certificate.gap,
        etf_deviation(W),
        label_variability(H, atoms, groups),
        np.nan if duality is None else duality,
    )


def label_groups(law: FiniteLaw) -> np.ndarray:
    """For each atom (n) the number of its label: atoms with the same label share a number."""
    return np.unique(law.labels, axis=0, return_inverse=True)[1].ravel()


def label_variability(H: Float[np.ndarray, "n d"], law: FiniteLaw, groups: np.ndarray | None = None) -> float:
    """Generalised NC1, Tr Σ_within/Tr Σ_between, with soft labels as the classes.

    Σ_within = Σ_n π_n (h_n − μ_y)(h_n − μ_y)ᵀ, Σ_between = Σ_y π_y (μ_y − μ)(μ_y − μ)ᵀ, all means weighted
    by π. NaN when no label has two features (nothing can vary) or all means coincide (0/0).
    """
    groups = label_groups(law) if groups is None else groups
    count = np.bincount(groups)
    if count.max() < 2:
        return float("nan")
    mass = np.bincount(groups, law.weights)
    means = np.zeros((len(count), H.shape[1]))
    np.add.at(means, groups, law.weights[:, None] * H)
    means /= mass[:, None]
    within = float(law.weights @ np.sum((H - means[groups]) ** 2, 1))
    between = float(mass @ np.sum((means - mass @ means) ** 2, 1))
    return within / between if between > 0 else float("nan")
