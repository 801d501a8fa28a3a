"""Power laws of a distance y from rows (n, D, t, K, a, seed), with intervals, by least squares of log y.

    log y = c + β₁ log(n/D) + β₂ log t + β₃ log K + β₄ log a

Intervals: bootstrap with replacement of cells (n, D, K, λ), and inside a cell of its seeds; all budgets of a seed
stay together, since they share images and first weights. 95 %, percentiles.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

Rows = dict[str, np.ndarray]  # columns by name, all of one length
REPLICATES = 2000
COVARIATES = ("log n/D", "log t", "log K", "log a")


class Estimate(NamedTuple):
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float


def take(rows: Rows, use: np.ndarray) -> Rows:
    """The rows that a mask keeps."""
    return {name: column[use] for name, column in rows.items()}


def covariates(rows: Rows) -> np.ndarray:
    """log(n/D), log t, log K, log a (of the theorem), (N, 4)."""
    ratio = rows["images"] / rows["dimension"]
    return np.log(np.stack([ratio, rows["steps"], rows["classes"], rows["a_joint"]], 1))


def design(rows: Rows) -> np.ndarray:
    """1 and the covariates, those that do not vary left out."""
    X = covariates(rows)
    return np.column_stack([np.ones(len(X)), X[:, varying(rows)]])


def varying(rows: Rows) -> np.ndarray:
    """Which covariates vary."""
    return np.ptp(covariates(rows), axis=0) > 0


def least_squares(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coefficients; those of columns that say nothing new are the shortest."""
    return np.linalg.lstsq(X, y, rcond=None)[0]


class Units(NamedTuple):
    """Each row's cell and its place among the (cell, seed) units; each unit's cell."""

    unit: np.ndarray
    cell: np.ndarray


def units(rows: Rows) -> Units:
    """Cells are (n, D, K, λ); units are cells with a seed."""
    keys = np.stack([rows[name] for name in ("images", "dimension", "classes", "penalty", "seed")], 1)
    pairs, unit = np.unique(keys, axis=0, return_inverse=True)
    cell = np.unique(pairs[:, :-1], axis=0, return_inverse=True)[1]
    return Units(unit.ravel(), cell.ravel())


def draw_weights(of: Units, rng: np.random.Generator) -> np.ndarray:
    """How often each unit is in one bootstrap sample: cells drawn, then seeds inside each drawn cell."""
    count = of.cell.max() + 1
    weights = np.zeros(len(of.cell))
    times = np.bincount(rng.integers(0, count, count), minlength=count)
    for cell in np.flatnonzero(times):
        members = np.flatnonzero(of.cell == cell)
        drawn = rng.integers(0, len(members), times[cell] * len(members))
        weights[members] += np.bincount(drawn, minlength=len(members))
    return weights


def bootstrap(
    rows: Rows, statistic: Callable[[np.ndarray], np.ndarray], seed: int = 0, replicates: int = REPLICATES
) -> list[Estimate]:
    """Estimates of every entry of statistic(weights), weights (N) of rows."""
    of, rng = units(rows), np.random.default_rng(seed)
    value = np.atleast_1d(statistic(np.ones(len(of.unit))))
    found = np.array([statistic(draw_weights(of, rng)[of.unit]) for _ in range(replicates)])
    low, high = np.nanquantile(found.reshape(replicates, -1), (0.025, 0.975), axis=0)
    return [Estimate(*map(float, one)) for one in zip(value, low, high)]


def weighted(X: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """weights -> coefficients."""

    def solve(weights: np.ndarray) -> np.ndarray:
        root = np.sqrt(weights)[:, None]
        return least_squares(root * X, root[:, 0] * y)

    return solve


class PowerLaw(NamedTuple):
    """c and the exponents by covariate, R² of log y, and the standard deviation of what is left, in log y."""

    exponents: dict[str, Estimate]
    r2: float
    left: float
    rows: int


def fit_power(rows: Rows, name: str, replicates: int = REPLICATES) -> PowerLaw:
    """The law of the module for one column."""
    X, y = design(rows), np.log(rows[name])
    rest = y - X @ least_squares(X, y)
    words = ["c", *(word for word, use in zip(COVARIATES, varying(rows)) if use)]
    found = bootstrap(rows, weighted(X, y), replicates=replicates)
    return PowerLaw(dict(zip(words, found)), float(1 - rest.var() / y.var()), float(rest.std()), len(y))


def slope_in_time(rows: Rows, y: np.ndarray, replicates: int = REPLICATES) -> Estimate:
    """The common slope of y in log t, each (cell, seed) with a level of its own."""
    unit, t = units(rows).unit, np.log(rows["steps"])
    t = t - _unit_means(t, unit)
    y = y - _unit_means(y, unit)
    return bootstrap(rows, lambda w: np.array([w @ (t * y) / (w @ t**2)]), replicates=replicates)[0]


def _unit_means(values: np.ndarray, unit: np.ndarray) -> np.ndarray:
    return (np.bincount(unit, values) / np.bincount(unit))[unit]


def power_or_exponential(rows: Rows, y: np.ndarray) -> tuple[float, float]:
    """RMS of what y = log distance leaves about level − β log t and about level − κ t, β, κ and levels free by
    (cell, seed): a power of t, or the exponential of a quadratic objective near its optimum."""
    unit = units(rows).unit
    y = y - _unit_means(y, unit)
    found = []
    for t in (np.log(rows["steps"]), rows["steps"].astype(float)):
        t = t - _unit_means(t, unit)
        slope = np.bincount(unit, t * y) / np.maximum(np.bincount(unit, t * t), 1e-300)
        found.append(float(np.sqrt(np.mean((y - slope[unit] * t) ** 2))))
    return found[0], found[1]


def columns(table, names: Sequence[str] | None = None) -> Rows:
    """Columns of a Parquet table as arrays; runs that failed are left out."""
    kept = np.array([reason is None for reason in table["failed"].to_pylist()])
    return {
        name: table[name].to_numpy()[kept]
        for name in names or table.column_names
        if name not in ("failed", "source", "fingerprint")
    }
