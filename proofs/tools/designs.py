"""Label laws that are made for a geometry, for the settings of the proofs about them."""

import numpy as np

from proofs.tools.settings import joint
from ufm.model.laws import soft
from ufm.theory.geometry.design import design
from ufm.theory.theorems.theorem import Setting

UNEVEN = {2: (0.7, 0.3), 3: (0.5, 0.3, 0.2), 4: (0.5, 0.25, 0.15, 0.1), 5: (0.3, 0.25, 0.2, 0.15, 0.1)}


def designed(G, weights, lambda_w: float, lambda_h: float, **more) -> Setting:
    """The problem whose optimum is to be G."""
    law = design(G, np.array(weights), lambda_w, lambda_h).law
    return joint(len(G), soft(law.labels, law.weights), lambda_w, lambda_h, **more)


def at_share(G, weights, ratio: float, share: float) -> Setting:
    """The same with λ_W = ratio · λ_H and c a share of the largest one."""
    root = ratio**0.5
    largest = design(G, np.array(weights), 1e-6 * root, 1e-6 / root).largest_c
    return designed(G, weights, share * largest * root, share * largest / root)


def labelled(labels, lambda_w: float, lambda_h: float, **more) -> Setting:
    """A problem on given labels, each as likely."""
    return joint(labels.shape[1], soft(labels), lambda_w, lambda_h, **more)
