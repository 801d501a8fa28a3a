"""Results say themselves in a few lines."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import ufm
from ufm.optimize.implicit import FeatureOptimum
from ufm.rules.brief import WIDTH, shown


class Thing(NamedTuple):
    name: str
    many: np.ndarray
    few: np.ndarray
    number: float
    absent: None
    rows: list
    empty: np.ndarray


def test_every_kind_of_field():
    thing = Thing(
        "a b", np.arange(12.0).reshape(3, 4), np.array([1.0, np.nan]), 1 / 3, None, [1, 2], np.zeros(0)
    )
    assert shown(thing) == (
        "Thing(name='a b', many=float64[3, 4] in [0, 11], few=[1, nan], number=0.333333, rows=<2 int>,\n"
        "    empty=float64[0])"
    )


def test_a_traced_field_says_its_shape():
    seen = []

    @jax.jit
    def keep(h):
        seen.append(repr(FeatureOptimum(h, h[0] > 0, h[0])))
        return h

    keep(jnp.zeros(3))
    assert seen == ["FeatureOptimum(h=float64[3], status=bool[], error=float64[])"]


def test_results_take_a_few_lines():
    problem = ufm.Problem(30, 1.0)
    labels = np.eye(30)[:5]
    solution = ufm.solve_features(problem, labels)
    for value in (problem, solution, ufm.predict_features(problem, labels)):
        lines = repr(value).splitlines()
        assert len(lines) <= 6 and max(map(len, lines)) <= WIDTH
        assert repr(value).startswith(type(value).__name__)
    assert "law='mixup'" in repr(problem) and "H=float64[5, 30]" in repr(solution)
    assert jax.tree.leaves(solution)[0] is solution.H
