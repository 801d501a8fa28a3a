"""Every number of the law, by name, from the rows of a Parquet table: fits, tests of one curve, rates."""

import numpy as np

from experiments.distance.law.fit import (
    REPLICATES,
    Estimate,
    PowerLaw,
    Rows,
    fit_power,
    power_or_exponential,
    slope_in_time,
    take,
)
from experiments.distance.law.one_curve import OneCurve, judge_one_curve, plant, spread
from experiments.distance.modes import FEATURE_MODES

RESPONSES = {"far_features": "1 − R² of features", "excess_share": "excess over that of h = 0"}
PLANTED = (1, 0.5, 0)
MAIN = {"classes": 10, "penalty": 0.01}
BINS = ((0.0, 0.25), (0.25, 1.0), (1.0, 4.0), (4.0, np.inf))  # of n/D
GRAM = ("size", "angles")


def main_rows(rows: Rows) -> Rows:
    """K = 10, λ = 0.01."""
    return take(rows, np.all([rows[name] == value for name, value in MAIN.items()], axis=0))


def few_images(rows: Rows) -> Rows:
    """n ≤ D."""
    return take(rows, rows["images"] <= rows["dimension"])


def power_laws(rows: Rows, replicates: int = REPLICATES) -> dict[str, PowerLaw]:
    """The law of each response."""
    return {name: fit_power(rows, name, replicates) for name in RESPONSES}


def one_curves(rows: Rows, replicates: int = REPLICATES) -> dict[str, OneCurve]:
    """Responses by name, and planted ones by their γ."""
    y = {name: np.log(rows[name]) for name in RESPONSES}
    found = {name: judge_one_curve(rows, values, replicates) for name, values in y.items()}
    planted = {f"{gamma:g}": plant(rows, y["far_features"], gamma) for gamma in PLANTED}
    return found | {gamma: judge_one_curve(rows, values, replicates) for gamma, values in planted.items()}


def spreads(rows: Rows) -> dict[str, tuple[float, float]]:
    """RMS of log y between curves of two D: against n/D, and against n."""
    return {name: tuple(spread(rows, np.log(rows[name]), g) for g in (1.0, 0.0)) for name in RESPONSES}


def time_exponents(rows: Rows, replicates: int = REPLICATES) -> dict[str, dict[str, Estimate]]:
    """Exponents in t by range of n/D."""
    ratio = rows["images"] / rows["dimension"]
    found = {"n<=D": _exponents(few_images(rows), replicates)}
    for low, high in BINS:
        part = take(rows, (ratio > low) & (ratio <= high))
        if len(part["steps"]):
            found[f"{low:g}–{high:g}" if np.isfinite(high) else f"> {low:g}"] = _exponents(part, replicates)
    return found


def _exponents(rows: Rows, replicates: int) -> dict[str, Estimate]:
    logs = {name: np.log(rows[name]) for name in RESPONSES}
    logs["excess_over_far"] = logs["excess_share"] - logs["far_features"]
    return {name: slope_in_time(rows, y, replicates) for name, y in logs.items()}


def mode_exponents(rows: Rows, replicates: int = REPLICATES) -> dict[str, Estimate]:
    """Exponents in t of the errors by mode at n ≤ D, and of ratios of two modes."""
    rows = few_images(main_rows(rows))
    logs = {name: np.log(rows[f"feature_{name}"]) for name in FEATURE_MODES}
    logs |= {name: np.log(rows[f"gram_{name}"]) for name in ("size", "norms", "angles")}
    for first, second in (("along", "across"), ("across", "outside"), GRAM):
        logs[f"{first}_over_{second}"] = logs[first] - logs[second]
    return {name: slope_in_time(rows, y, replicates) for name, y in logs.items()}


def shapes_in_time(rows: Rows) -> dict[str, tuple[float, float]]:
    """What a power and an exponential of t leave, main."""
    rows = main_rows(rows)
    return {name: power_or_exponential(rows, np.log(rows[name])) for name in RESPONSES}


def curvatures(rows: Rows) -> dict[int, float]:
    """Geometric mean, by budget, of the Hessian's mean eigenvalue along the errors, main, n ≤ D."""
    rows = few_images(main_rows(rows))
    steps = np.unique(rows["steps"])
    return {int(t): float(np.exp(np.log(rows["curvature"][rows["steps"] == t]).mean())) for t in steps}


def by_name(laws, curves, times, modes, shapes) -> dict[str, Estimate]:
    """The numbers that criteria name."""
    found = {f"{name}.{word}": value for name, law in laws.items() for word, value in law.exponents.items()}
    for name, one in curves.items():
        key = f"one_curve.{name}" if name in RESPONSES else f"planted.{name}"
        found |= {f"{key}.ratio": exact(one.ratio), f"{key}.gamma": one.gamma}
    found |= {f"time.{part}.{name}": v for part, each in times.items() for name, v in each.items()}
    found |= {f"modes.{name}": value for name, value in modes.items()}
    return found | {
        f"power_over_exponential.{name}": exact(one / other) for name, (one, other) in shapes.items()
    }


def exact(value: float) -> Estimate:
    """A number without an interval."""
    return Estimate(value, value, value)
