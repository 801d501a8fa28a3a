"""False theorems on single classes, channels and modes under squared error; in both directions."""

from dataclasses import replace

import numpy as np

from proofs.hunt.slips import moved_threshold, slip
from ufm.theory.theorems.fixed_class import FEATURE_CURVATURE, LABEL_NOISE, MID_CHANNEL_SLOPE
from ufm.theory.theorems.fixed_support import SUPPORT_SIZE
from ufm.theory.theorems.free.quadratic import POLYGON, SQUARED_BIAS, SQUARED_UNEVEN
from ufm.theory.theorems.free.response import (
    COLLAPSE_HESSIAN,
    SUSCEPTIBILITY,
    curvature_finding,
    spectrum_finding,
)
from ufm.theory.theorems.theorem import FeatureClaim, JointClaim, Setting, Theorem


def formula_slip(theorem: Theorem, name: str, words: str, change) -> Theorem:
    """The theorem with its predicted values changed: change(setting, values)."""
    assert isinstance(theorem.claim, FeatureClaim)
    right = theorem.claim.formula

    def wrong(setting: Setting, labels):
        claim = right(setting, labels)
        return claim._replace(values=change(setting, np.array(claim.values)))

    return slip(theorem, name, words, replace(theorem.claim, formula=wrong))


def _largest(change):
    """The largest curvature, 1 + xP, changed by change(x P, a, K)."""

    def changed(setting: Setting, values):
        K = setting.problem.classes
        values[:, -1] = 1 + change(values[:, -1] - 1, setting.problem.sharpness, K)
        return values

    return changed


def _scaled(share: float):
    return lambda setting, values: share * values


def _curvatures_as(change) -> JointClaim:
    return JointClaim(lambda setting, optimum: curvature_finding(setting, optimum, change))


def _spectrum_as(change) -> JointClaim:
    return JointClaim(lambda setting, optimum: spectrum_finding(setting, optimum, change))


OF_CLASSES = (
    formula_slip(
        MID_CHANNEL_SLOPE, "mid-early", "the limit 4 taken for the slope", lambda s, v: np.full_like(v, 4.0)
    ),
    formula_slip(
        MID_CHANNEL_SLOPE,
        "mid-late",
        "p_i = ½ of two classes for every K, and a λ step of one class alone",
        lambda s, v: np.full_like(v, s.problem.sharpness / (1 + s.problem.sharpness / 2)),
    ),
    formula_slip(
        FEATURE_CURVATURE,
        "curvature-early",
        "P forgotten",
        _largest(lambda xP, a, K: a * K * xP / (a * K - xP)),
    ),
    formula_slip(
        FEATURE_CURVATURE, "curvature-late", "P taken twice", _largest(lambda xP, a, K: xP * (1 - 1 / K))
    ),
    formula_slip(LABEL_NOISE, "noise-early", "logits 1 % too long", _scaled(1.01)),
    formula_slip(LABEL_NOISE, "noise-late", "logits 1 % too short", _scaled(0.99)),
    formula_slip(
        SUPPORT_SIZE,
        "support-early",
        "log log(aK) of the correction taken off its bound",
        lambda s, v: v - np.array([np.log(np.log(s.problem.sharpness * s.problem.classes)), 0.0]),
    ),
    formula_slip(
        SUPPORT_SIZE,
        "support-late",
        "2 log(aK) forgotten in the lower bound",
        lambda s, v: v - np.array([0.0, np.log(2 * np.log(s.problem.sharpness * s.problem.classes))]),
    ),
    slip(COLLAPSE_HESSIAN, "hessian-early", "all 2 % too small", _spectrum_as(lambda values: 0.98 * values)),
    slip(COLLAPSE_HESSIAN, "hessian-late", "all 2 % too large", _spectrum_as(lambda values: 1.02 * values)),
    slip(SUSCEPTIBILITY, "response-early", "a half forgotten", _curvatures_as(lambda values: values / 2)),
    slip(SUSCEPTIBILITY, "response-late", "a half too many", _curvatures_as(lambda values: 2 * values)),
    *(
        slip(theorem, f"{name}-{word}", f"λ_W λ_H taken 2 % too {size}", moved_threshold(theorem, share))
        for theorem, name in ((SQUARED_UNEVEN, "uneven"), (SQUARED_BIAS, "bias"), (POLYGON, "polygon"))
        for word, share, size in (("early", 0.98, "large"), ("late", 1.02, "small"))
    ),
)
