"""The problem: an unconstrained features model as one immutable, validated value.

    minimise over the features h_y   E_y[ ℓ(W h_y, y) + (λ_H/2) ‖h_y‖² ]  (+ (λ_W/2) ‖W‖_F²)

with soft labels y drawn from a label law. Here W is given: the simplex ETF of row norm
`multiplier`, or an explicit K x d `classifier`. Every sample with the same label y has the same
optimal feature, so λ_H multiplies the feature of one label ("average" convention).
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

import ufm.model.etf as etf
import ufm.rules.numbers as checked
from ufm.model.laws import LabelLaw, mixup
from ufm.rules.brief import shown
from ufm.rules.errors import InputError
from ufm.rules.numbers import JOINT_LOSS_NAMES, LOSS_NAMES

# An explicit W counts as a simplex ETF when it is one up to float64 rounding.
ETF_TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False)
class Problem:
    """K classes, features in R^d, classifier W, ridge λ_H, loss and label law.

    Exactly one of `multiplier` (a simplex ETF with ‖w_k‖ = m ≥ 0) and `classifier` (any K x d
    array) is given. `lambda_w` enters only the joint problem and the derived multiplier.
    Raises InputError, saying what was given and what is allowed.
    """

    classes: int
    multiplier: float | None = None
    lambda_h: float = 5e-4
    lambda_w: float = 5e-4
    dim: int | None = None
    loss: str = "cross-entropy"
    law: LabelLaw = field(default_factory=lambda: mixup(1.0))
    classifier: np.ndarray | None = None

    __repr__ = shown

    def __post_init__(self):
        self._set("classes", checked.integer("classes", self.classes, 2))
        if self.dim is not None:
            self._set("dim", checked.integer("dim", self.dim, 1))
        if (self.multiplier is None) == (self.classifier is None):
            raise InputError("give exactly one of multiplier (a simplex ETF) and classifier (a K x d array)")
        if isinstance(self.loss, str) and self.loss in JOINT_LOSS_NAMES[len(LOSS_NAMES) :]:
            raise InputError(
                f"{self.loss} is solved with a free classifier only (JointProblem, --classifier free)"
            )
        checked.choice("loss", self.loss, LOSS_NAMES)
        checked.instance("law", self.law, LabelLaw, "ufm.mixup")
        for name in ("lambda_w", "lambda_h", *(("multiplier",) if self.classifier is None else ())):
            self._set(name, checked.penalty(name, getattr(self, name), zero=True))
        if self.lambda_h == 0:
            raise InputError(
                "lambda_h = 0 leaves the features without a finite or without a unique optimum "
                "(cross-entropy on one-hot labels drives them to infinity); give lambda_h > 0"
            )
        columns = self.classes if self.law.labels is None else self.law.labels.shape[1]
        if columns != self.classes:
            raise InputError(f"soft labels have {columns} columns for {self.classes} classes")
        if self.classifier is not None:
            W = checked.array("classifier", self.classifier, (self.classes, "d"))
            self._set("classifier", W.copy())  # the caller's own may change
        self._set("dim", self._check_dim())
        _ = self.sharpness  # in range, or refused

    def _set(self, name: str, value) -> None:
        object.__setattr__(self, name, value)

    def _check_dim(self) -> int:
        if self.classifier is not None:
            given = self.classifier.shape[1]
            if self.dim not in (None, given):
                raise InputError(f"dim = {self.dim} does not match the classifier's {given} columns")
            return given
        dim = self.classes if self.dim is None else self.dim
        if dim < self.classes - 1:
            raise InputError(
                f"a simplex ETF of {self.classes} classes needs dim >= {self.classes - 1}, got {dim}"
            )
        return dim

    @property
    def d(self) -> int:
        """Feature dimension: `dim`, which is None only in what the constructor is given."""
        return self._check_dim()

    @cached_property
    def is_etf(self) -> bool:
        """The classifier is a simplex ETF: by construction, or as given up to rounding."""
        # the deviation of the Gram matrix is at most (2δ + δ²) √K/(K−1) at distance δ, and takes no SVD
        far = self.classifier is not None and etf.etf_deviation(self.classifier) > 5 * ETF_TOLERANCE
        return not far and self.etf_distance <= ETF_TOLERANCE

    @cached_property
    def etf_distance(self) -> float:
        """Relative distance of an explicit classifier to the nearest simplex ETF; 0 for the built-in one."""
        return 0.0 if self.classifier is None else etf.etf_distance(self.classifier)

    @cached_property
    def row_norm(self) -> float:
        """m: the multiplier, or ‖W‖_F/√K of an explicit classifier."""
        if self.classifier is not None:
            return etf.etf_multiplier(self.classifier)
        assert self.multiplier is not None
        return self.multiplier

    @property
    def gain(self) -> float:
        """g = m² K/(K−1), the nonzero eigenvalue of W Wᵀ when W is an ETF."""
        return etf.gain(self.classes, self.row_norm)

    @cached_property
    def sharpness(self) -> float:
        """a = g/λ_H, the only parameter of the closed form besides K and the label."""
        return etf.sharpness(self.classes, self.row_norm, self.lambda_h)

    @cached_property
    def W(self) -> np.ndarray:
        """The classifier as a K x d float64 array."""
        if self.classifier is not None:
            return self.classifier
        return etf.simplex_etf(self.classes, self.d, self.row_norm)
