"""Cases on labels of their own: made for a geometry, on a ring, of superclasses, with temperatures, of sets."""

import numpy as np

from ufm.model.atoms import FiniteLaw, multi_label
from ufm.model.laws import LabelLaw, soft
from ufm.rules.errors import InputError
from ufm.theory.geometry.design import design
from ufm.theory.geometry.hierarchy import hierarchical_labels
from ufm.theory.geometry.own_penalties import restoring_temperatures

MADE = ("design", "balancing", "ring", "hierarchy", "temperatures", "sets", "targets")


def made_rho(case) -> np.ndarray | None:
    """Relative penalties of a case's labels; None for all alike.

    temperatures: those of an ETF of the gain `alpha`; sets: those of labels of mass 1 and 2.
    """
    if case.labels == "temperatures":
        weights = made_weights(case)
        return restoring_temperatures(weights, case.alpha, case.lambda_w, case.lambda_h).upper ** -2.0
    return _sets(case).rho if case.labels == "sets" else None


def made_targets(case) -> FiniteLaw | None:
    """Real targets of a case: K + 1 of them, the widest of size `alpha`, the next of half that, and so on."""
    if case.labels != "targets":
        return None
    K, rng = case.classes, np.random.default_rng(0)
    rows = rng.standard_normal((K + 1, K)) * case.alpha * 0.5 ** np.arange(K)
    return FiniteLaw(rows, np.full(K + 1, 1 / (K + 1)), real=True)


def made_weights(case) -> np.ndarray:
    """Class weights of a case, as an array."""
    return np.full(case.classes, 1 / case.classes) if case.weights is None else np.array(case.weights)


def _sets(case):
    """The finite law of all classes alone and all pairs, these of the chance `smoothing`."""
    K = case.classes
    pairs = np.array([np.bincount([i, j], minlength=K) for i in range(K) for j in range(i)], float)
    chances = np.r_[np.full(K, (1 - case.smoothing) / K), np.full(len(pairs), case.smoothing / len(pairs))]
    return multi_label(np.r_[np.eye(K), pairs], chances, 1.0, 1.0).atoms


def made_law(case) -> LabelLaw:
    """The law of a case of one of these kinds. InputError where it does not exist.

    design, balancing: G of size `alpha`, for the case's weights and penalties; ring: a share `smoothing` for the
    other classes, halved with each step; hierarchy: two superclasses, ε = `light` and δ = `smoothing`.
    """
    K = case.classes
    if case.labels in ("temperatures", "targets"):
        return soft(np.eye(K), made_weights(case))
    if case.labels == "sets":
        found = _sets(case)
        return soft(found.labels, found.weights)
    if case.labels == "hierarchy":
        if K % 2 or K == 2:
            raise InputError(f"{K} classes are no two superclasses")
        return soft(hierarchical_labels(2, K // 2, case.light, case.smoothing))
    if case.labels == "ring":
        steps = np.append(0.0, 0.5 ** np.arange(1, K // 2 + 1))
        share = ring(K, *steps)
        share = case.smoothing * share / share.sum(1, keepdims=True)
        return soft(share + (1 - case.smoothing) * np.eye(K))
    shape = np.eye(K) - 1 / K if case.labels == "balancing" else random_gram(K, 3.0)
    law = design(case.alpha * shape, made_weights(case), case.lambda_w, case.lambda_h).law
    return soft(law.labels, law.weights)


def random_gram(classes: int, ratio: float, seed: int = 0) -> np.ndarray:
    """G ⪰ 0 on 1^⊥ with eigenvalues from 1 down to 1/ratio along random directions."""
    basis = np.linalg.qr(np.eye(classes) - 1 / classes)[0][:, : classes - 1]
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((classes - 1, classes - 1)))[0]
    return basis @ turn @ np.diag(np.geomspace(1, 1 / ratio, classes - 1)) @ turn.T @ basis.T


def ring(classes: int, *row: float) -> np.ndarray:
    """Labels that know the distance on a ring alone: row[0] at the own class, row[1] at both neighbours, …"""
    distance = np.abs(np.arange(classes)[:, None] - np.arange(classes))
    return np.array(row)[np.minimum(distance, classes - distance)]
