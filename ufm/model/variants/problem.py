"""A problem of another shape: a variant of the joint problem, by its name and a few numbers.

    norm-constrained R_W, R_H   min E ℓ(W h, y)                      ‖w_k‖ ≤ R_W, ‖h_y‖ ≤ R_H
    layer-peeled E_W, E_H       min E ℓ(W h, y)                      ‖W‖²/K ≤ E_W, E‖h‖² ≤ E_H
    relu-features               the joint problem                    h ≥ 0
    deep-linear N               min E ℓ(W₁ … W_{N−1} h, y) + (λ_W/2) Σ ‖W_i‖² + (λ_H/2) E‖h‖²
    max-margin                  min (λ_W/2)‖W‖² + (λ_H/2) E‖h‖²      z_i − z_j ≥ 1, j off the support of y; 0 within
    softmax-codes               max t                                h_k·(w_k − w_j) ≥ t, ‖w_k‖ = ‖h_k‖ = 1
    contrastive n, ρ            supervised contrastive loss of n features a class, ‖h‖ = ρ
    focal γ                     the joint problem with ℓ = −(1−P)^γ log P, P the probability of the own class
    logit-adjusted τ            the joint problem with ℓ = CE(W h + τ log q, y), q = E y
    ordinal θ₁ < … < θ_{K−1}    one score z = w·h, ℓ = −log(σ(θ_k − z) − σ(θ_{k−1} − z)), θ₀ = −∞, θ_K = ∞
    gradient-flow x, t          the flow of E ℓ(W h, y), no penalty, for a time t from the balanced ETF with gap x

Of the joint problem each takes the number of classes and the dimension, and what `READS` names: the labels with
their weights, the penalties λ_W and λ_H, ℓ. None has a bias, or features that are penalised one by one.
"""

from dataclasses import dataclass

import numpy as np

import ufm.rules.numbers as checked
from ufm.model.atoms import JointProblem
from ufm.rules.errors import InputError

VARIANTS = {
    "norm-constrained": ("the radius of rows of W", "the radius of features"),
    "layer-peeled": ("the budget of W", "the budget of features"),
    "relu-features": (),
    "deep-linear": ("the number of factors",),
    "max-margin": (),
    "softmax-codes": (),
    "contrastive": ("the features of a class", "their norm"),
    "focal": ("the exponent",),
    "logit-adjusted": ("the adjustment",),
    "ordinal": ("the thresholds",),
    "gradient-flow": ("the gap at the start", "the time"),
}
LABELS, PENALTIES, LOSS = "labels", "penalties", "loss"
READS = {
    "norm-constrained": (LABELS, LOSS),
    "layer-peeled": (LABELS, LOSS),
    "relu-features": (LABELS, PENALTIES, LOSS),
    "deep-linear": (LABELS, PENALTIES, LOSS),
    "max-margin": (LABELS, PENALTIES),
    "softmax-codes": (),
    "contrastive": (),
    "focal": (LABELS, PENALTIES),
    "logit-adjusted": (LABELS, PENALTIES),
    "ordinal": (LABELS, PENALTIES),
    "gradient-flow": (LABELS, LOSS),
}
COUNTS = {"deep-linear": (2, 8), "contrastive": (2, 50)}  # least and most of the first number, an integer


@dataclass(frozen=True)
class Variant:
    """Its kind, one of `VARIANTS`, and its numbers: all positive; thresholds, as many as there are, ascend.
    Raises InputError for others."""

    kind: str
    numbers: tuple[float, ...] = ()

    def __post_init__(self):
        checked.choice("variant", self.kind, VARIANTS)
        if self.kind == "ordinal":
            object.__setattr__(self, "numbers", _ascending(self.numbers))
            return
        words = VARIANTS[self.kind]
        if len(self.numbers) != len(words):
            takes = f"takes {' and '.join(words)}" if words else "takes no number"
            raise InputError(f"{self.kind} {takes}, got {len(self.numbers)} numbers")
        values = tuple(float(checked.penalty(word, value)) for word, value in zip(words, self.numbers))
        if self.kind in COUNTS:
            least, most = COUNTS[self.kind]
            if not values[0].is_integer() or not least <= values[0] <= most:
                raise InputError(f"{words[0]} must be an integer, at least {least} and at most {most}")
        object.__setattr__(self, "numbers", values)

    def unknowns(self, classes: int, dim: int, labels: float) -> float:
        """Numbers that W, the features and factors between them consist of, for a Hessian; a flow has none."""
        if self.kind == "gradient-flow":
            return 0.0
        if self.kind == "contrastive":
            return classes * self.numbers[0] * dim
        if self.kind == "softmax-codes":
            return 1.0 + 2 * classes * dim
        if self.kind == "ordinal":
            return (1 + labels) * dim
        between = max(self.numbers[0] - 2, 0) * dim**2 if self.kind == "deep-linear" else 0
        return (classes + labels) * dim + between

    @property
    def words(self) -> str:
        """As a flag has it: the kind and its numbers."""
        return self.kind + ("=" + ",".join(f"{value:.10g}" for value in self.numbers) if self.numbers else "")


def _ascending(thresholds) -> tuple[float, ...]:
    """At least one finite number, each above the one before."""
    found = checked.array("thresholds", thresholds, ("K-1",))
    if not len(found) or (np.diff(found) <= 0).any():
        raise InputError("thresholds must ascend, at least one")
    return tuple(found.tolist())


def read_variant(text: str) -> Variant:
    """KIND or KIND=NUMBER,NUMBER; InputError for anything else."""
    kind, _, rest = text.partition("=")
    try:
        return Variant(kind, tuple(float(part) for part in rest.split(",")) if rest else ())
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"--variant must be KIND or KIND=NUMBER,NUMBER, got {text!r}") from None


@dataclass(frozen=True, eq=False)
class VariantProblem:
    """A variant of a joint problem. Raises InputError unless there are K − 1 thresholds, where there are any; for a
    bias, penalties of each label, or a loss that no such problem is bounded for."""

    variant: Variant
    joint: JointProblem

    def __post_init__(self):
        count, wanted = len(self.variant.numbers), self.joint.classes - 1
        if self.variant.kind == "ordinal" and count != wanted:
            raise InputError(f"{self.joint.classes} classes take {wanted} thresholds, got {count}")
        if self.joint.lambda_b is not None or self.joint.atoms.rho is not None:
            raise InputError("a problem of another shape has no bias, and one penalty for all features")
        if (
            self.variant.kind == "logit-adjusted"
            and not (self.joint.atoms.weights @ self.joint.atoms.labels).all()
        ):
            raise InputError("logit adjustment divides by the mass of each class: there is one of none")
        if LOSS in READS[self.variant.kind]:
            checked.choice("the loss of a problem of another shape", self.joint.loss, checked.LOSS_NAMES)

    @property
    def size(self) -> tuple[int, int, int]:
        """K, d and the number of labels n."""
        return self.joint.classes, self.joint.d, len(self.joint.atoms.weights)


def margins(labels):
    """a, i, j and b of the constraints z_i − z_j ≥ b on label a: 1 off its support, 0 both ways within."""
    named = np.asarray(labels) > 0
    ahead = np.argwhere(named[:, :, None] & ~named[:, None, :])
    level = np.argwhere(named[:, :, None] & named[:, None, :] & ~np.eye(named.shape[1], dtype=bool))
    a, i, j = np.concatenate([ahead, level]).T
    return a, i, j, np.repeat([1.0, 0.0], [len(ahead), len(level)])
