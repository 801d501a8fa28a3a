"""Theorems on labels whose features have penalties of their own: a temperature for each class, sets of classes."""

from math import comb
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

import ufm.theory.theorems.assumptions as given
from ufm.theory.geometry.own_penalties import SetOptimum, set_optimum, temperature_gains
from ufm.theory.theorems.free.exact import class_rows, gain_finding, one_gain, predicted_finding, unread
from ufm.theory.theorems.joint import held_against_moment
from ufm.theory.theorems.theorem import Assumption, Finding, JointClaim, JointOptimum, Setting, Theorem

EXACT = 1e-9  # relative, in double precision
MASS = 1e-12  # of an entry of a label


def _own(setting: Setting) -> tuple[np.ndarray, np.ndarray, np.ndarray] | str:
    """Labels, weights and ρ of given labels of positive weight, or why they have no ρ."""
    if setting.rho is None:
        return "the features of all labels are penalised alike"
    keep = setting.problem.law.probabilities > 0
    return setting.problem.law.given[keep], setting.problem.law.probabilities[keep], setting.rho[keep]


# --- temperatures --------------------------------------------------------------------------------


def asked_gains(setting: Setting) -> Float[np.ndarray, " K"] | str:
    """The g that each class asks for with its temperature 1/√ρ; or why there is none."""
    found = _own(setting)
    if isinstance(found, str):
        return found
    (labels, weights, rho), K, p = found, setting.problem.classes, setting.problem
    if len(labels) != K or np.abs(labels - np.eye(K)).max() > 0:
        return "the labels are not e_1, …, e_K"
    return temperature_gains(weights, 1 / np.sqrt(rho), p.lambda_w, p.lambda_h)


def restored_gains(setting: Setting) -> Float[np.ndarray, " K"] | str:
    """The same, or why it is not one g for all."""
    return one_gain(asked_gains(setting))


def _restored(setting: Setting, optimum: JointOptimum) -> Finding:
    """Class k is predicted as one-hot labels of √K c = t_k."""
    found, gains = _own(setting), asked_gains(setting)
    assert not isinstance(found, str) and not isinstance(gains, str)  # the assumption holds
    _, weights, rho = found
    wrong = np.sqrt(setting.problem.lambda_w * setting.problem.lambda_h * rho / weights)
    return gain_finding(setting, optimum, class_rows(wrong), gains)


RESTORED = Assumption(
    r"one-hot labels with temperatures $\delta_k = \rho_k^{-1/2}$ of this kind", unread(restored_gains)
)
RESTORED_TEMPERATURES = Theorem(
    name="restored-temperatures",
    title="Temperatures of the classes make the optimum an ETF under imbalance",
    statement=r"\tfrac{e^{s_k}+K-1}{s_k} = \tfrac{Kq_k}{g\lambda_W}, \ \delta_k = \tfrac{s_k}{g}\sqrt{"
    r"\tfrac{\lambda_Hq_k}{\lambda_W}} \implies WW^\top = g\Pi; \quad \text{a } \delta_k \text{ exists iff } "
    r"g \le \tfrac{Kq_k}{\lambda_W}e^{-s_*}, \text{ two iff } g <, \ (s_*-1)e^{s_*} = K-1",
    assumptions=(given.EACH_PENALISED, given.CROSS_ENTROPY, RESTORED, given.ROOM, given.NO_BIAS),
    claim=JointClaim(_restored),
    quantity="√E KL(p_theory ‖ p) of the blind joint optimum; the numbers shown are g = ‖W‖²/(K−1)",
    source="re-derived here; no earlier source of the formula known (cf. vector-scaling losses, Behnia et al. "
    "2023)",
)


# --- sets ----------------------------------------------------------------------------------------


class SetLaw(NamedTuple):
    """Sizes of the sets in use, their chances, that of each label, and λ_W, λ_H of the sum over S."""

    sizes: np.ndarray
    chances: np.ndarray
    which: np.ndarray
    lambda_w: float
    lambda_h: float


def set_law(setting: Setting) -> SetLaw | str:
    """The labels as sets, every one of a size as likely, with ρ ∝ 1/r; or why they are none."""
    found = _own(setting)
    if isinstance(found, str):
        return found
    (labels, weights, rho), K, p = found, setting.problem.classes, setting.problem
    member = labels > 0
    r = member.sum(1)
    if np.abs(labels - member / r[:, None]).max() > MASS:
        return "the labels are not 1_S/|S|"
    masses = rho * r
    if np.ptp(masses) > EXACT * masses.max():
        return "ρ |S| is not the same for all labels"
    sizes, index = np.unique(r, return_inverse=True)
    for n, size in enumerate(sizes):
        own = index == n
        count = len(np.unique(member[own], axis=0))
        if (
            count != own.sum()
            or count != comb(K, int(size))
            or np.ptp(weights[own]) > EXACT * weights[own].max()
        ):
            return f"not every set of {size} classes is as likely"
    shares = np.bincount(index, weights) / sizes
    mean = 1 / float(shares.sum())  # E r
    return SetLaw(sizes, shares * mean, index, p.lambda_w * mean, p.lambda_h * float(masses.mean()))


def set_predictions(law: SetLaw, K: int) -> SetOptimum:
    """The closed form."""
    return set_optimum(K, law.sizes, law.chances, law.lambda_w, law.lambda_h)


def _sets(setting: Setting, optimum: JointOptimum) -> Finding:
    """p = p_o off the set and the rest on it; the numbers shown are the row norm √(tr G/K)."""
    law, K = set_law(setting), setting.problem.classes
    assert isinstance(law, SetLaw)  # the assumption holds
    best = set_predictions(law, K)
    wrong, r = best.wrong[law.which][:, None], law.sizes[law.which][:, None]
    p = np.where(setting.joint.atoms.labels > 0, (1 - (K - r) * wrong) / r, wrong)
    gain = best.sharpness * law.lambda_h
    numbers = float(np.sqrt(gain * (K - 1) / K)), float(np.linalg.norm(optimum.W) / np.sqrt(K))
    found = predicted_finding(setting, optimum, p, *numbers)
    return held_against_moment(found, best.sharpness == 0, optimum)


SETS = Assumption(
    r"labels $\mathbf 1_S/r$ with $\rho \propto 1/r$, all sets of a size $r = |S|$ as likely",
    unread(set_law),
    given.BALANCED,
)
MULTI_LABEL = Theorem(
    name="multi-label",
    title="Sets of classes: an ETF, and each feature a multiple of the sum of its rows",
    statement=r"\textstyle\sum_{k\in S}\mathrm{CE}(z, k), \text{ of which are } \mathbb{E}, \lambda_W, \lambda_H:"
    r" \ WW^\top = \lambda_Ha\Pi,\ h_S = \tfrac{x_r}{\lambda_Ha}"
    r"\sum_{k\in S} w_k, \ x_r(re^{x_r}+K-r) = aK, \ \mathbb{E}[r(K-r)x_r^2] = K(K-1)\lambda_W\lambda_Ha^2;"
    r" \quad W = 0 \iff \mathbb{E}[r(K-r)] \le K(K-1)\lambda_W\lambda_H",
    assumptions=(given.EACH_PENALISED, given.CROSS_ENTROPY, SETS, given.ROOM),
    claim=JointClaim(_sets),
    quantity="√E KL(p_theory ‖ p) of the blind joint optimum; the numbers shown are ‖W‖_F/√K",
    source="constants re-derived here; collapse: Li et al. 2023 (arXiv:2310.15903)",
)

OWN_PENALTIES = (RESTORED_TEMPERATURES, MULTI_LABEL)
