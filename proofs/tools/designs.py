"""Label laws that are made for a geometry, for the settings of the proofs about them."""

import numpy as np

from proofs.tools.settings import joint
from ufm.model.laws import soft
from ufm.theory.geometry.design import design
from ufm.theory.theorems.theorem import Setting

UNEVEN = {2: (0.7, 0.3), 3: (0.5, 0.3, 0.2), 4: (0.5, 0.25, 0.15, 0.1), 5: (0.3, 0.25, 0.2, 0.15, 0.1)}


def random_gram(classes: int, ratio: float, seed: int = 0) -> np.ndarray:
    """G ⪰ 0 on 1^⊥ with eigenvalues from 1 down to 1/ratio along random directions."""
    basis = np.linalg.qr(np.eye(classes) - 1 / classes)[0][:, : classes - 1]
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((classes - 1, classes - 1)))[0]
    return basis @ turn @ np.diag(np.geomspace(1, 1 / ratio, classes - 1)) @ turn.T @ basis.T


def designed(G, weights, lambda_w: float, lambda_h: float, **more) -> Setting:
    """The problem whose optimum is to be G."""
    law = design(G, np.array(weights), lambda_w, lambda_h).law
    return joint(len(G), soft(law.labels, law.weights), lambda_w, lambda_h, **more)


def at_share(G, weights, ratio: float, share: float) -> Setting:
    """The same with λ_W = ratio · λ_H and c a share of the largest one."""
    root = ratio**0.5
    largest = design(G, np.array(weights), 1e-6 * root, 1e-6 / root).largest_c
    return designed(G, weights, share * largest * root, share * largest / root)


def ring(classes: int, *row: float) -> np.ndarray:
    """Labels that know the distance on a ring alone: row[0] at the own class, row[1] at both neighbours, …"""
    distance = np.abs(np.arange(classes)[:, None] - np.arange(classes))
    return np.array(row)[np.minimum(distance, classes - distance)]


def labelled(labels, lambda_w: float, lambda_h: float, **more) -> Setting:
    """A problem on given labels, each as likely."""
    return joint(labels.shape[1], soft(labels), lambda_w, lambda_h, **more)
