"""The problem: an unconstrained features model as one immutable, validated value.

    minimise over the features h_y   E_y[ ℓ(W h_y, y) + (λ_H/2) ‖h_y‖² ]  (+ (λ_W/2) ‖W‖_F²)

with soft labels y drawn from a label law. Here W is given: the simplex ETF of row norm
`multiplier`, or an explicit K x d `classifier`. Every sample with the same label y has the same
optimal feature, so λ_H multiplies the feature of one label ("average" convention).
"""

from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from numbers import Integral, Real

import numpy as np

import ufm.etf as etf
from ufm.errors import InputError
from ufm.labels import LabelLaw, mixup

LOSS_NAMES = ("cross-entropy", "squared-error")

RANGE = (1e-100, 1e100)  # of every positive number of a problem, far inside float64's own
MAX_SIZE = 10**7

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

    def __post_init__(self):
        for name in ("classes", "dim"):
            _check_size(name, getattr(self, name), least=2 if name == "classes" else 1)
        if (self.multiplier is None) == (self.classifier is None):
            raise InputError("give exactly one of multiplier (a simplex ETF) and classifier (a K x d array)")
        if self.loss not in LOSS_NAMES:
            raise InputError(f"loss must be one of {', '.join(LOSS_NAMES)}, got {self.loss!r}")
        for name in ("lambda_w", "lambda_h", "multiplier"):
            _check_penalty(name, getattr(self, name))
        if self.lambda_h == 0:
            raise InputError(
                "lambda_h = 0 leaves the features without a finite or without a unique optimum "
                "(cross-entropy on one-hot labels drives them to infinity); give lambda_h > 0"
            )
        columns = self.classes if self.law.labels is None else self.law.labels.shape[1]
        if columns != self.classes:
            raise InputError(f"soft labels have {columns} columns for {self.classes} classes")
        if self.classifier is not None:
            object.__setattr__(self, "classifier", _check_classifier(self.classifier, self.classes))
        object.__setattr__(self, "dim", self._check_dim())
        self._check_range()

    def _check_range(self) -> None:
        low, high = RANGE
        if self.row_norm != 0 and not all(low <= v <= high for v in (self.gain, self.sharpness)):
            raise InputError(
                f"row norm {self.row_norm:g} with lambda_h {self.lambda_h:g} gives gain {self.gain:g} and "
                f"sharpness {self.sharpness:g}; both must lie in {low:g} … {high:g}, or W be 0"
            )

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
    def is_etf(self) -> bool:
        """The classifier is a simplex ETF: by construction, or as given up to rounding."""
        return self.etf_distance <= ETF_TOLERANCE

    @cached_property
    def etf_distance(self) -> float:
        """Relative distance of an explicit classifier to the nearest simplex ETF; 0 for the built-in one."""
        return 0.0 if self.classifier is None else etf.etf_distance(self.classifier)

    @cached_property
    def row_norm(self) -> float:
        """m: the multiplier, or ‖W‖_F/√K of an explicit classifier."""
        return self.multiplier if self.classifier is None else etf.etf_multiplier(self.classifier)

    @property
    def gain(self) -> float:
        """g = m² K/(K−1), the nonzero eigenvalue of W Wᵀ when W is an ETF."""
        return etf.gain(self.classes, self.row_norm)

    @property
    def sharpness(self) -> float:
        """a = g/λ_H, the only parameter of the closed form besides K and the label."""
        return self.gain / self.lambda_h

    @cached_property
    def W(self) -> np.ndarray:
        """The classifier as a K x d float64 array."""
        if self.classifier is not None:
            return self.classifier
        return etf.simplex_etf(self.classes, self.dim, self.multiplier)


def _check_size(name: str, value, least: int) -> None:
    if value is None and name == "dim":
        return
    if not isinstance(value, Integral) or not least <= value <= MAX_SIZE:
        raise InputError(f"{name} must be an integer, at least {least} and at most {MAX_SIZE}, got {value!r}")


def _check_penalty(name: str, value) -> None:
    if value is None and name == "multiplier":
        return
    if not isinstance(value, Real) or not (isfinite(value) and value >= 0):
        raise InputError(f"{name} must be a finite number >= 0, got {value!r}")
    if value != 0 and not RANGE[0] <= value <= RANGE[1]:
        raise InputError(f"{name} must be 0 or lie in {RANGE[0]:g} … {RANGE[1]:g}, got {value!r}")


def _check_classifier(W: np.ndarray, classes: int) -> np.ndarray:
    W = np.asarray(W)
    if W.dtype.kind not in "fiu" or W.ndim != 2 or W.shape[0] != classes or W.shape[1] < 1:
        raise InputError(f"classifier must be a real {classes} x d array, got {W.dtype} of shape {W.shape}")
    if not np.isfinite(W).all():
        raise InputError("classifier holds NaN or infinity")
    return W.astype(np.float64)
