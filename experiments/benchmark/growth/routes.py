"""The routes of the growth table, and what is varied on each.

A route takes sizes and returns the call that is measured; what it makes before (labels, W) is not timed, but its
memory counts. λ_H = 1e-4 and row norm 1.67 as in the speed table; labels mix two classes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import numpy as np

from experiments.benchmark.tasks import MULTIPLIER, FeatureTask
from ufm.rules.errors import InputError

LAMBDA_H, PENALTY = 1e-4, 5e-3


@dataclass(frozen=True)
class Size:
    """K classes, features in R^d, and how many: features N, mixing weights or labels n, as the route counts."""

    classes: int
    dim: int
    count: int


class Route(NamedTuple):
    """make(size): the call; counts: what `count` counts, and its symbol; each: time is given for one of them."""

    make: Callable[[Size], Callable]
    counts: str
    symbol: str
    each: bool = True


@dataclass(frozen=True)
class Series:
    """One field of `fixed` varied on one route."""

    route: str
    varied: str
    values: tuple[int, ...]
    fixed: Size

    @property
    def sizes(self) -> list[Size]:
        """All its points."""
        return [replace(self.fixed, **{self.varied: value}) for value in self.values]


def _etf(size: Size):
    from ufm.model.problem import Problem

    return Problem(size.classes, MULTIPLIER, lambda_h=LAMBDA_H, dim=size.dim)


def _labels(size: Size) -> np.ndarray:
    return FeatureTask(size.classes, LAMBDA_H).labels(size.count)


def _weights(count: int) -> np.ndarray:
    """Distinct mixing weights below 1/2, so that none mirrors another."""
    return (np.arange(count) + 0.5) / (2 * count)


def numerical_etf(size: Size):
    """Newton against the built-in ETF."""
    from ufm.optimize.features import solve_features

    given, labels = _etf(size), _labels(size)
    return lambda: solve_features(given, labels)


def numerical_any(size: Size):
    """Newton against Gaussian rows, handed over as an array: where d > K its rows are well conditioned."""
    from ufm.model.problem import Problem
    from ufm.optimize.features import solve_features

    rows = np.random.default_rng(0).normal(size=(size.classes, size.dim)) * MULTIPLIER / np.sqrt(size.dim)
    given, labels = Problem(size.classes, classifier=rows, lambda_h=LAMBDA_H), _labels(size)
    return lambda: solve_features(given, labels)


def closed_form(size: Size):
    """Features, probabilities and derivatives in closed form, all in memory."""
    from ufm.theory.predict import predict_features

    given, labels = _etf(size), _labels(size)
    return lambda: predict_features(given, labels)


@cache
def _compiled():
    """`two_hot_optimum`, compiled once for all sizes."""
    import jax

    from ufm.theory.features import two_hot_optimum

    return jax.jit(two_hot_optimum)


def coefficients(size: Size):
    """The two coefficients of each mixed feature: no vector of K or d numbers."""
    import jax

    lam, a, K = _weights(size.count), _etf(size).sharpness, float(size.classes)
    return lambda: jax.block_until_ready(_compiled()(lam, a, K))


def certificate(size: Size):
    """Bounds for features Y W, which are no optima: the cost does not depend on how good they are."""
    import jax

    from ufm.certify.features import certify_features

    given, labels = _etf(size), _labels(size)
    features = labels @ given.W
    return lambda: jax.block_until_ready(certify_features(given, features, labels))


def whole_check(size: Size):
    """Solve, predict, compare, certify and judge all pairs at each of N/K² mixing weights, streamed."""
    from ufm.agree.features import check_features
    from ufm.model.cases import PairCases

    if size.count % size.classes**2:
        raise InputError(f"{size.count} features are no multiple of {size.classes}² pairs")
    given, cases = _etf(size), PairCases(size.classes, _weights(size.count // size.classes**2))
    return lambda: check_features(given, cases)


def orbit_check(size: Size):
    """The same with one pair of classes for all: `count` mixing weights stand for K² times as many features."""
    from ufm.agree.features import check_features
    from ufm.model.cases import OrbitCases

    given, cases = _etf(size), OrbitCases(size.classes, _weights(size.count))
    return lambda: check_features(given, cases)


def joint(size: Size):
    """W and features free, on n drawn labels, then the dual gap."""
    from ufm.certify.joint import certify_joint
    from ufm.model.atoms import JointProblem, drawn_law
    from ufm.model.laws import mixup
    from ufm.optimize.joint import solve_joint

    law = drawn_law(mixup(1.0), size.classes, size.count, seed=0)

    problem = JointProblem(law, PENALTY, PENALTY, size.dim)
    return lambda: certify_joint(problem, solve_joint(problem))


ETF, ANY, DENSE = "Newton, ETF", "Newton, any W, d > K", "Newton, any W, d ≤ K"
CLOSED, COEFFICIENTS = "closed form", "coefficients alone"
CERTIFICATE, CHECK, ORBITS, JOINT = "certificate", "whole check", "whole check by symmetry", "joint solver"
ROUTES = {
    ETF: Route(numerical_etf, "features", "N"),
    ANY: Route(numerical_any, "features", "N"),
    DENSE: Route(numerical_any, "features", "N"),
    CLOSED: Route(closed_form, "features", "N"),
    COEFFICIENTS: Route(coefficients, "features", "N"),
    CERTIFICATE: Route(certificate, "features", "N"),
    CHECK: Route(whole_check, "features", "N"),
    ORBITS: Route(orbit_check, "mixing weights", "λ", each=False),
    JOINT: Route(joint, "labels", "n", each=False),
}

CLASSES, DIMS, MANY = (10, 30, 100, 300, 1000), (64, 256, 1024, 4096), (10_000, 30_000, 100_000, 300_000)
WIDE, SMALL, FEW = Size(10, 1000, 2000), Size(10, 16, 10_000), Size(10, 64, 5000)
FULL = [
    *(Series(name, "classes", CLASSES, WIDE) for name in (ETF, CLOSED, CERTIFICATE)),
    *(Series(name, "dim", DIMS, FEW) for name in (ETF, CLOSED, CERTIFICATE)),
    *(Series(name, "count", MANY, SMALL) for name in (ETF, CLOSED, CERTIFICATE)),
    Series(ANY, "classes", (10, 20, 50, 100, 200), Size(10, 400, 256)),
    Series(ANY, "dim", DIMS, Size(10, 64, 2000)),
    Series(ANY, "count", (1000, 3000, 10_000, 30_000), SMALL),
    Series(DENSE, "classes", (20, 50, 100, 200), Size(20, 20, 256)),
    Series(DENSE, "dim", (10, 20, 50, 100), Size(100, 10, 64)),
    Series(COEFFICIENTS, "classes", CLASSES, Size(10, 1000, 100_000)),
    Series(COEFFICIENTS, "count", (10_000, 50_000, 200_000, 1_000_000), SMALL),
    Series(CHECK, "classes", (10, 20, 50, 100), Size(10, 100, 10_000)),
    Series(CHECK, "dim", (64, 512, 4096), Size(50, 64, 10_000)),
    Series(CHECK, "count", (10_000, 20_000, 40_000, 80_000, 160_000), Size(50, 64, 10_000)),
    Series(ORBITS, "classes", CLASSES, Size(10, 1000, 64)),
    Series(ORBITS, "count", (64, 256, 1024, 4096), Size(100, 100, 64)),
    Series(JOINT, "classes", (4, 6, 8, 12, 16), Size(4, 16, 500)),
    Series(JOINT, "count", (125, 500, 2000, 8000), Size(8, 8, 500)),
]
SHORT = {(ETF, "classes"), (CLOSED, "count"), (CHECK, "count"), (JOINT, "count")}


def choose_series(quick: bool) -> list[Series]:
    """All of them; quick: the first three points of four."""
    if not quick:
        return FULL
    return [replace(each, values=each.values[:3]) for each in FULL if (each.route, each.varied) in SHORT]
