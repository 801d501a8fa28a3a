"""Labels with penalties of their own, for the settings of the proofs about them."""

from itertools import combinations

import numpy as np

from proofs.tools.settings import joint
from ufm.model.atoms import multi_label
from ufm.model.laws import soft
from ufm.theory.geometry.own_penalties import restoring_temperatures
from ufm.theory.theorems.theorem import Setting


def all_sets(classes: int, chances: dict[int, float]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of 0 and 1 of all sets of the sizes named, those of a size as likely, and their probabilities."""
    members, weights = [], []
    for size, chance in chances.items():
        found = list(combinations(range(classes), size))
        for chosen in found:
            members.append(np.isin(np.arange(classes), chosen).astype(float))
            weights.append(chance / len(found))
    return np.array(members), np.array(weights)


def sets(classes: int, chances: dict[int, float], lambda_w: float, lambda_h: float, **more) -> Setting:
    """The pick-all-label problem on all sets of the sizes named."""
    problem = multi_label(*all_sets(classes, chances), lambda_w, lambda_h)
    atoms = problem.atoms
    law = soft(atoms.labels, atoms.weights)
    return joint(classes, law, problem.lambda_w, problem.lambda_h, rho=atoms.rho, **more)


def tempered(weights, gain: float, lambda_w: float, lambda_h: float, lower=(), **more) -> Setting:
    """One-hot labels with the temperatures that restore an ETF of this gain; lower: classes that take the
    lower one.
    """
    found = restoring_temperatures(weights, gain, lambda_w, lambda_h)
    delta = np.where(np.isin(np.arange(len(weights)), lower), found.lower, found.upper)
    law = soft(np.eye(len(weights)), np.array(weights))
    return joint(len(weights), law, lambda_w, lambda_h, rho=1 / delta**2, **more)
