"""Trained classifiers beside the optimum of their law: distances, symmetric labels, one short run."""

import numpy as np
import pytest

pytest.importorskip("flax")

from experiments.laws import CASES, SKEWED, Case, distance, law_of, measure, optimum, settings_of
from ufm.finite import finite_law
from ufm.theory.thresholds import minority_collapse, triviality


def test_only_permutations_that_leave_the_law_count():
    G = np.diag([4.0, 1.0, 3.0, 2.0])
    swapped = G[np.ix_([1, 0, 2, 3], [1, 0, 2, 3])]
    assert distance(G, swapped, SKEWED) == 0 == distance(G, G, (0.25,) * 4)
    other = G[np.ix_([2, 1, 0, 3], [2, 1, 0, 3])]
    assert distance(G, other, SKEWED) > 0.1 and distance(G, other, (0.25,) * 4) == 0


def test_the_cases_lie_on_the_sides_that_they_name():
    """ρ q_B and the largest eigenvalue of the label covariance, from the theory."""
    for case in CASES:
        law, product = law_of(case), case.penalty**2
        atoms = finite_law(law, 4)
        if "minority" in case.name:
            ratio = {t.name: t.ratio for t in minority_collapse(law, 4, product, atoms)}
            (minority,) = [value for name, value in ratio.items() if "0.1" in name]
            assert (minority > 1) == ("above" in case.name)
        beyond = triviality(atoms, product).ratio > 1
        assert beyond == (case.name == "above triviality")


def test_settings_follow_the_law():
    settings = settings_of(CASES[3], 5, 10)
    assert (settings.arm, settings.inputs, settings.lambda_w, settings.seed) == ("cutmix", "image", 0.05, 5)


@pytest.mark.slow
def test_class_weights_show_in_a_short_run():
    """Direction only, on the digits: nearer to the optimum of its own law than to that of balanced classes."""
    case = Case("skewed", 0.2, SKEWED)
    found = measure(case, "digits", 100, 600)
    balanced, _ = optimum(Case("balanced", 0.2))
    own, gap = optimum(case)
    apart = np.linalg.norm(own - balanced) / np.linalg.norm(own)
    assert gap < 1e-9 and found["distance"] < apart
