"""Cases on labels of their own: made for a geometry, on a ring, or of superclasses."""

import numpy as np

from proofs.tools.designs import random_gram, ring
from ufm.model.laws import LabelLaw, soft
from ufm.rules.errors import InputError
from ufm.theory.geometry.design import design
from ufm.theory.geometry.hierarchy import hierarchical_labels

MADE = ("design", "balancing", "ring", "hierarchy")


def made_law(case) -> LabelLaw:
    """The law of a case of one of these kinds. InputError where it does not exist.

    design, balancing: G of size `alpha`, for the case's weights and penalties; ring: a share `smoothing` for the
    other classes, halved with each step; hierarchy: two superclasses, ε = `light` and δ = `smoothing`.
    """
    K = case.classes
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
    weights = np.full(K, 1 / K) if case.weights is None else np.array(case.weights)
    law = design(case.alpha * shape, weights, case.lambda_w, case.lambda_h).law
    return soft(law.labels, law.weights)
