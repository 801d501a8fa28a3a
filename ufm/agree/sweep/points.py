"""From a block of a grid to the arrays its compiled program takes: parameters and quadratures of the label laws."""

from functools import lru_cache

import jax
import numpy as np

from ufm.agree.sweep.block import Point
from ufm.model.grid import Grid, Group, make_law
from ufm.model.laws import fineness, label_variance
from ufm.theory.sharpness import PairRule, pair_rule

CACHED = 1024  # laws of λ: at most a few megabytes
NO_NODES = PairRule(*np.zeros((3, 0)))


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


def make_point(values: dict[str, np.ndarray], group: Group, nodes: int, width: int) -> Point:
    """The problems of a block, from their real parameters, padded with copies of the last to `width` of them."""
    found, which = np.unique(values["alpha"], return_inverse=True)
    alphas = [None if np.isnan(alpha) else float(alpha) for alpha in found]
    spread = np.array([label_variance(make_law(group, alpha, 0.0), group.classes) for alpha in alphas])
    rules = [_resize(law_nodes(group, alpha), nodes) if nodes else NO_NODES for alpha in alphas]
    stacked = (np.stack(parts) for parts in zip(*rules))
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
    more = nodes - len(rule.lam)
    lam, colam = (np.pad(part, (0, more), mode="edge") for part in rule[:2])
    return PairRule(lam, colam, np.pad(rule.weight, (0, more)))


def _repeat_last(part: np.ndarray, width: int) -> np.ndarray:
    return np.pad(part, [(0, width - len(part))] + [(0, 0)] * (part.ndim - 1), mode="edge")
