"""From a block of a grid to the arrays its compiled program takes: parameters and quadratures of the label laws."""

from functools import lru_cache

import jax
import numpy as np

from ufm.agree.sweep.block import Point
from ufm.model.grid import Grid, Group, make_law
from ufm.model.laws import fineness
from ufm.theory.sharpness import PairRule, pair_rule

CACHED = 1024  # laws of λ: at most a few megabytes


@lru_cache(CACHED)
def mixing_nodes(labels: str, alpha: float | None, refine: int) -> PairRule:
    """The law of λ alone; one node at λ = 1 for laws without mixing."""
    return pair_rule(make_law(Group(labels, "all", "", 0), alpha, 0.0), refine)


def law_nodes(group: Group, alpha: float | None) -> PairRule:
    """Nodes of all pairs the law draws: λ for different classes, and one at λ = 1 for the same class."""
    rule = mixing_nodes(group.labels, alpha, fineness(group.labels, group.classes))
    share = {"all": 1 / group.classes, "same": 1.0, "different": 0.0}[group.pairs]
    if share == 1.0:
        return PairRule(*np.array([[1.0], [0.0], [1.0]]))
    last = np.array([1.0, 0.0, share])
    return PairRule(
        *(np.append(part, x) for part, x in zip(rule._replace(weight=(1 - share) * rule.weight), last))
    )


def node_count(grid: Grid, group: Group) -> int:
    """Nodes of the longest rule of a group, so that all its blocks have one shape; 0 if m is given."""
    if not grid.joint:
        return 0
    return max(len(law_nodes(group, alpha).lam) for alpha in grid.resolve(group)["alpha"])


def label_spread(rule: PairRule, classes: int) -> float:
    """E‖y − 1/K‖²/(K−1) without smoothing: σ², at and above which λ_W λ_H leaves the joint optimum zero."""
    square = (rule.lam - 1 / classes) ** 2 + (rule.colam - 1 / classes) ** 2 + (classes - 2) / classes**2
    return float(rule.weight @ square) / (classes - 1)


def make_point(values: dict[str, np.ndarray], group: Group, nodes: int, width: int) -> Point:
    """The problems of a block, from their real parameters, padded with copies of the last to `width` of them."""
    alphas, which = np.unique(values["alpha"], return_inverse=True)
    rules = [law_nodes(group, None if np.isnan(alpha) else float(alpha)) for alpha in alphas]
    spread = np.array([label_spread(rule, group.classes) for rule in rules])
    stacked = (np.stack(parts) for parts in zip(*(_resize(rule, nodes) for rule in rules)))
    point = Point(
        lambda_w=values["lambda_w"],
        lambda_h=values["lambda_h"],
        smoothing=values["smoothing"],
        multiplier=values["multiplier"],
        threshold=(1 - values["smoothing"]) ** 2 * spread[which],
        rule=PairRule(*(part[which] for part in stacked)),
    )
    return jax.tree.map(lambda part: _repeat_last(part, width), point)


def _resize(rule: PairRule, nodes: int) -> PairRule:
    """Exactly `nodes` nodes; those added repeat the last, a label of one class, with weight 0."""
    if nodes == 0:
        return PairRule(*(part[:0] for part in rule))
    more = nodes - len(rule.lam)
    lam, colam = (np.pad(part, (0, more), mode="edge") for part in rule[:2])
    return PairRule(lam, colam, np.pad(rule.weight, (0, more)))


def _repeat_last(part: np.ndarray, width: int) -> np.ndarray:
    return np.pad(part, [(0, width - len(part))] + [(0, 0)] * (part.ndim - 1), mode="edge")
