"""Exponents of growth: y ≈ c x^b by least squares of log y on log x."""

from typing import NamedTuple

import numpy as np

from ufm.rules.errors import InputError


class Fit(NamedTuple):
    """b, its standard error (None for two points, which fit any line), and the slope between neighbours."""

    exponent: float
    error: float | None
    slopes: list[float]

    def __str__(self) -> str:
        return two_digits(self.exponent) + ("" if self.error is None else f" ± {self.error:.2f}")


def two_digits(value: float) -> str:
    """After the point; a zero without a sign."""
    return f"{round(value, 2) + 0.0:.2f}"


def fit_exponent(x, y) -> Fit | None:
    """The exponent over all points; None for fewer than two.

    b = Sxy/Sxx and σ_b² = (Σ r²/(n−2))/Sxx with residuals r in log y: the error says how far the points are from
    one power law, by noise or because they bend. Raises InputError for x or y that are not positive and finite,
    unequal lengths, or an x that is given twice.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim != 1 or x.shape != y.shape:
        raise InputError(f"x and y must be two lists of equal length, got shapes {x.shape} and {y.shape}")
    if not all(np.all(np.isfinite(part) & (part > 0)) for part in (x, y)):
        raise InputError("x and y must be positive and finite: a power law says nothing else")
    if len(np.unique(x)) < len(x):
        raise InputError(f"every x once, got {x.tolist()}")
    if len(x) < 2:
        return None
    order = np.argsort(x)
    return _fit(np.log(x[order]), np.log(y[order]))


def _fit(u, v) -> Fit:
    away = u - u.mean()
    spread = float(away @ away)
    slope = float(away @ v) / spread
    residual = v - v.mean() - slope * away
    error = float(np.sqrt(residual @ residual / (len(u) - 2) / spread)) if len(u) > 2 else None
    return Fit(slope, error, (np.diff(v) / np.diff(u)).tolist())
