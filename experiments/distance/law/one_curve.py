"""Do the curves of different D fall together against n/D? Three numbers, and planted data that must fail.

Two models of log y, the second with the first inside: of u = log(n/D) alone, cubic, and of u and v = log D, both
with log t, log K, log a and their products with u.

    held-out   RMS error on a pair (n, D) that was left out, one after another: the first model's over the second's;
               about 1 if n/D says as much as n and D
    F          of what v explains beyond u, on means over seeds
    γ          in log n − γ log D in place of u: 1 if curves fall together, 0 if n alone counts; and its interval

A model-free companion, `spread`: at one t, K and a, the RMS distance of log y between two D at the same n/D.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.stats import f as f_law

from experiments.distance.law.fit import (
    REPLICATES,
    Estimate,
    Rows,
    bootstrap,
    covariates,
    least_squares,
    units,
)

GAMMAS = np.linspace(-0.5, 2.0, 51)


class OneCurve(NamedTuple):
    """The numbers of the module; error: held-out RMS of the model in n/D, in log y."""

    ratio: float
    error: float
    f: float
    p: float
    gamma: Estimate


def reduced(rows: Rows, gamma: float = 1.0) -> np.ndarray:
    """The model of u = log n − γ log D."""
    u, others = _axes(rows, gamma)
    return np.column_stack([np.ones(len(u)), u, u**2, u**3, others, others * u[:, None]])


def full(rows: Rows) -> np.ndarray:
    """The same with v = log D beside u."""
    u, others = _axes(rows, 1.0)
    v = _centred(np.log(rows["dimension"]))
    return np.column_stack([reduced(rows), v, v**2, u * v, others * v[:, None]])


def _axes(rows: Rows, gamma: float) -> tuple[np.ndarray, np.ndarray]:
    u = _centred(np.log(rows["images"]) - gamma * np.log(rows["dimension"]))
    X = covariates(rows)[:, 1:]
    others = X[:, np.ptp(X, axis=0) > 0]
    return u, others - others.mean(0)


def _centred(values: np.ndarray) -> np.ndarray:
    """Centred, in units of its spread: cubes of logarithms stay of order one."""
    values = values - values.mean()
    return values / (values.std() or 1.0)


def held_out(X: np.ndarray, y: np.ndarray, group: np.ndarray) -> float:
    """RMS error of y on each group from a fit to all others."""
    rest = np.empty(len(y))
    for one in np.unique(group):
        out = group == one
        rest[out] = y[out] - X[out] @ least_squares(X[~out], y[~out])
    return float(np.sqrt(np.mean(rest**2)))


def judge_one_curve(rows: Rows, y: np.ndarray, replicates: int = REPLICATES) -> OneCurve:
    """All numbers for one column of log distances."""
    pair = np.unique(np.stack([rows["images"], rows["dimension"]], 1), axis=0, return_inverse=True)[1].ravel()
    small, large = reduced(rows), full(rows)
    error = held_out(small, y, pair)
    f, p = f_test(*seed_means(rows, y))
    return OneCurve(error / held_out(large, y, pair), error, f, p, gamma_of(rows, y, replicates))


def seed_means(rows: Rows, y: np.ndarray) -> tuple[Rows, np.ndarray]:
    """One row a cell and budget: seeds are repetitions, not settings."""
    keys = np.stack([rows[name] for name in ("images", "dimension", "classes", "penalty", "steps")], 1)
    _, first, which = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    means = np.bincount(which.ravel(), y) / np.bincount(which.ravel())
    return {name: column[first] for name, column in rows.items()}, means


def f_test(rows: Rows, y: np.ndarray) -> tuple[float, float]:
    """F and p of the full model against the reduced one."""
    left, ranks = [], []
    for X in (reduced(rows), full(rows)):
        left.append(float(((y - X @ least_squares(X, y)) ** 2).sum()))
        ranks.append(int(np.linalg.matrix_rank(X)))
    more, rest = ranks[1] - ranks[0], len(y) - ranks[1]
    if min(more, rest) < 1:  # too few cells to tell
        return float("nan"), float("nan")
    f = (left[0] - left[1]) / more / (left[1] / rest)
    return float(f), float(f_law.sf(f, more, rest))


def gamma_of(rows: Rows, y: np.ndarray, replicates: int = REPLICATES) -> Estimate:
    """The γ with which a curve in n/D^γ fits best; a bootstrap sample is a sum of units' normal equations."""
    unit = units(rows).unit
    count = unit.max() + 1
    first = np.searchsorted(unit[order := np.argsort(unit, kind="stable")], np.arange(count))
    squares = np.add.reduceat((y * y)[order], first)
    parts = []
    for gamma in GAMMAS:
        X = reduced(rows, gamma)[order]
        gram = np.add.reduceat(X[:, :, None] * X[:, None, :], first)
        parts.append((gram, np.add.reduceat(X * y[order, None], first)))
    grams, moments = (np.stack(part) for part in zip(*parts))

    def best(weights: np.ndarray) -> np.ndarray:
        w = weights[order][first]
        A, b = np.einsum("u,guij->gij", w, grams), np.einsum("u,gui->gi", w, moments)
        A = A + 1e-9 * np.trace(A, axis1=1, axis2=2)[:, None, None] * np.eye(A.shape[1])
        left = w @ squares - np.einsum("gi,gi->g", b, np.linalg.solve(A, b[:, :, None])[:, :, 0])
        return np.array([_lowest(left)])

    return bootstrap(rows, best, replicates=replicates)[0]


def _lowest(left: np.ndarray) -> float:
    """The least point of a parabola through the least of the grid and its neighbours."""
    k = int(left.argmin())
    if k in (0, len(left) - 1):
        return float(GAMMAS[k])
    below, here, above = left[k - 1 : k + 2]
    return float(GAMMAS[k] + 0.5 * (below - above) / (below - 2 * here + above) * (GAMMAS[1] - GAMMAS[0]))


def spread(rows: Rows, y: np.ndarray, gamma: float) -> float:
    """RMS distance of log y between curves of two D in log n − γ log D, linear between their points, where both
    are; t, K and a the same, seeds averaged."""
    rows, y = seed_means(rows, y)
    settings = np.stack([rows["steps"], rows["classes"], rows["penalty"]], 1)
    gaps = []
    for setting in np.unique(settings, axis=0):
        here = (settings == setting).all(1)
        curves = []
        for dimension in np.unique(rows["dimension"][here]):
            use = here & (rows["dimension"] == dimension)
            u = np.log(rows["images"][use]) - gamma * np.log(dimension)
            curves.append((np.sort(u), y[use][np.argsort(u)]))
        for (u, p), (v, q) in combinations(curves, 2):
            at = np.union1d(u, v)
            at = at[(at >= max(u[0], v[0])) & (at <= min(u[-1], v[-1]))]
            gaps.append(np.interp(at, u, p) - np.interp(at, v, q))
    return float(np.sqrt(np.mean(np.concatenate(gaps) ** 2)))


def plant(rows: Rows, y: np.ndarray, gamma: float, seed: int = 0) -> np.ndarray:
    """What y would be if it depended on n/D^γ alone: its own curve in u, drawn over log n − γ log D, with the
    spread between the seeds of y as noise. γ = 1: curves fall together; another: they do not."""
    X = reduced(rows)
    coefficients = least_squares(X, y)
    means, which = seed_means(rows, y)[1], _setting_numbers(rows)
    noise = np.sqrt(np.mean((y - means[which]) ** 2) * 1.5)  # three seeds: their mean takes a third
    planted = reduced(rows, gamma) @ coefficients
    return planted + noise * np.random.default_rng(seed).standard_normal(len(y))


def _setting_numbers(rows: Rows) -> np.ndarray:
    keys = np.stack([rows[name] for name in ("images", "dimension", "classes", "penalty", "steps")], 1)
    return np.unique(keys, axis=0, return_inverse=True)[1].ravel()
