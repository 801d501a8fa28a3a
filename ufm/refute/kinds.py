"""What may be claimed of the joint optimum, and how each kind is held against a certified numerical one.

gram        W Wᵀ = Ĝ: Ĝ is optimal iff the best features for it reach min L. Both are known from two sides
            (`ufm.certify.classifier`, the duality gap), so an error beyond the bounds is a refutation.
zero        the optimum is W = 0, or is not: decided by the residuals' moment there (`ufm.certify.classifier`).
logits      softmax(ẑ(y)) are the predictions: for true ones E KL(p* ‖ p) ≤ gap (squared error: ½E‖ẑ − z‖²).
inequality  f ≤ 0 of the numerical optimum: no certificate knows f, so what exceeds SLACK √gap counts.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit, log_softmax, softmax

from ufm.certify.classifier import certify_classifier
from ufm.model.atoms import JointProblem
from ufm.model.rows import EPS
from ufm.optimize.joint import fit_classifier
from ufm.refute.errors import ClaimError
from ufm.rules.errors import InputError
from ufm.theory.theorems.joint import GAP_TOLERANCE, mean_divergence
from ufm.theory.theorems.theorem import Finding, JointOptimum, Setting

SLACK = 100.0  # an inequality counts as broken from here on, in √gap
TAKEN = 1e-9  # what rounding may take a claimed Gram matrix off those that a classifier can have
Ask = Callable[..., Any]  # the claim's own function, its setting's parameters filled in


def judge_gram(ask: Ask, setting: Setting, optimum: JointOptimum) -> Finding:
    """Error: how far the best objective at Ĝ lies above the optimum's, relative to it.

    That is quadratic in what Ĝ is off by. Zero against not zero is decided as by `judge_zero`.
    """
    problem, K = setting.joint, setting.problem.classes
    G = _array(ask(), (K, K), "gram")
    W, left = _factor(G, problem.d)
    size = abs(optimum.objective)
    bound = optimum.gap / size + 4 * EPS
    shown = float(np.trace(G)), float(np.trace(optimum.W @ optimum.W.T))
    natural = max(float(np.sqrt(problem.lambda_h / problem.lambda_w)), problem.lambda_h)
    if left > TAKEN * max(float(np.abs(G).max()), natural):  # no classifier of this dimension is near
        return Finding(*shown, np.inf, bound, 0.0, GAP_TOLERANCE, exceeds=True)
    here = certify_classifier(problem, fit_classifier(problem, W))
    error = max(here.objective - optimum.objective, 0.0) / size
    allowed = max((here.objective - here.dual) / size, 0.0)  # a true claim: min L is not above the best at Ĝ
    found = Finding(*shown, error, bound, allowed, GAP_TOLERANCE)
    excess, rounding = optimum.excess()
    if abs(excess) > rounding and bool(np.any(W)) != (excess > 0):
        return found._replace(error=abs(excess), bound=rounding, rounding=0.0, exceeds=True)
    return found


def _factor(G, d: int) -> tuple[np.ndarray, float]:
    """W (K, d) with W Wᵀ as near to G as any, and how far that is, entry by entry."""
    value, vector = np.linalg.eigh(0.5 * (G + G.T))
    kept = min(d, len(G))
    W = np.zeros((len(G), d))
    W[:, :kept] = (vector * np.sqrt(np.maximum(value, 0.0)))[:, ::-1][:, :kept]  # the largest first
    return W, float(np.abs(W @ W.T - G).max())


def judge_zero(ask: Ask, setting: Setting, optimum: JointOptimum) -> Finding:
    """Error: by how much λ_max of the residuals' moment at W = 0 is on the wrong side of c², relative to it."""
    claimed = ask()
    if not isinstance(claimed, (bool, np.bool_)):
        raise ClaimError(f"zero must return True or False, got {claimed!r}")
    excess, rounding = optimum.excess()
    shown = (0.0 if claimed else None), float(np.linalg.norm(optimum.W))
    wrong = abs(excess) if (excess > 0) == bool(claimed) else 0.0
    found = Finding(*shown, wrong, min(rounding, GAP_TOLERANCE), 0.0, GAP_TOLERANCE)
    return found if abs(excess) > rounding else found.left_open("at the threshold itself rounding decides")


def judge_logits(ask: Ask, setting: Setting, optimum: JointOptimum) -> Finding:
    """Error: √ of the mean divergence of the claimed predictions from the numerical ones, in √nats."""
    joint = setting.joint
    Z = np.array([_array(ask(label.copy()), label.shape, "logits") for label in joint.atoms.labels])
    divergence = _divergence(joint, Z, optimum.Z)
    shown = float(np.ptp(Z, 1).max()), float(np.ptp(optimum.Z, 1).max())
    largest = max(float(np.abs(log_softmax(part, 1)).max()) for part in (Z, optimum.Z))
    bound, rounding = float(np.sqrt(optimum.gap)), 256 * EPS * (Z.shape[1] + largest)
    if joint.loss == "binary-cross-entropy":  # whose divergence is a difference
        rounding = float(np.sqrt(16 * EPS * Z.shape[1] * (1 + max(np.abs(Z).max(), np.abs(optimum.Z).max()))))
    tolerance = float(np.sqrt(GAP_TOLERANCE * abs(optimum.objective)))
    found = Finding(*shown, float(np.sqrt(divergence)), bound, rounding, tolerance)
    return _where_solved(found, optimum)


def _where_solved(found: Finding, optimum: JointOptimum) -> Finding:
    """What is claimed of the optimum is left open where none is certified: below d = K − 1 there may be several."""
    relative = optimum.gap / abs(optimum.objective)
    if relative <= GAP_TOLERANCE:
        return found
    return found.left_open(f"relative gap {relative:.1e} above {GAP_TOLERANCE:.0e}")


def _divergence(joint: JointProblem, Z, found) -> float:
    """How far claimed logits are from numerical ones: the loss's own Bregman divergence, which the gap bounds."""
    weights = joint.atoms.weights
    if joint.loss == "squared-error":
        return float(0.5 * weights @ np.sum((Z - found) ** 2, 1))
    if joint.loss == "cross-entropy":
        return mean_divergence(weights, softmax(Z, 1), found)
    terms = expit(Z) * (Z - found) - (np.logaddexp(0, Z) - np.logaddexp(0, found))
    return max(float(weights @ np.sum(terms, 1)), 0.0)


def judge_inequality(ask: Ask, setting: Setting, optimum: JointOptimum) -> Finding:
    """Error: what f is above zero."""
    value = _number(ask(_shown(setting.joint, optimum)))
    bound = SLACK * float(np.sqrt(optimum.gap / abs(optimum.objective))) + 64 * EPS
    told = value <= 64 * EPS or value > bound
    open_ = None if told else f"a value between 0 and {bound:.0e} is not told from zero"
    found = Finding(0.0, value, max(value, 0.0), bound, 0.0, max(bound, GAP_TOLERANCE), open_)
    return _where_solved(found, optimum)


def _number(value) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = float("nan")
    if not np.isfinite(found):
        raise ClaimError(f"inequality must return a finite number, got {value!r}")
    return found


class Shown:
    """What an inequality sees of the optimum: W, G = W Wᵀ, H, b, Y, weights, logits Z, predictions P, objective."""

    def __init__(self, **parts):
        vars(self).update(parts)


def _shown(problem: JointProblem, optimum: JointOptimum) -> Shown:
    parts = {name: getattr(optimum, name) for name in ("W", "H", "b", "Z", "P", "objective")}
    atoms = problem.atoms
    return Shown(**parts, G=optimum.W @ optimum.W.T, Y=atoms.labels, weights=atoms.weights)


def _array(value, shape, name: str):
    try:
        found = np.asarray(value, float)
    except (TypeError, ValueError):
        raise ClaimError(f"{name} must return numbers of shape {shape}, got {value!r}") from None
    if found.shape != shape or not np.isfinite(found).all():
        given = found[~np.isfinite(found)][0] if found.shape == shape else f"shape {found.shape}"
        raise ClaimError(f"{name} must return finite numbers of shape {shape}, got {given}")
    return found


KINDS = {"gram": judge_gram, "zero": judge_zero, "logits": judge_logits, "inequality": judge_inequality}


def require_kind(names) -> str:
    """The one kind that is claimed; InputError for none or several."""
    found = [name for name in KINDS if name in names]
    if len(found) != 1:
        said = f"{' and '.join(found)} are" if found else "nothing is"
        raise InputError(f"{said} claimed: define exactly one of {', '.join(KINDS)}")
    return found[0]
