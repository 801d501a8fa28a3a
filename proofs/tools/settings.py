"""Settings that several theorems are checked at: grids that include edges and extremes."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from ufm.model.laws import LabelLaw, mixup
from ufm.model.problem import Problem
from ufm.model.variants.problem import Variant
from ufm.theory.theorems.theorem import Setting

WEIGHTS = (0.4, 0.4, 0.1, 0.1)  # of four classes, two of them rare
MIXES = (0.0, 1e-300, 1e-9, 0.1, 0.3, 0.5 - 1e-10, 0.5, 0.9, 1.0)  # λ at and next to 0, ½ and 1


def fixed(
    classes=(2, 3, 10, 100), strengths=((0.5, 1e3), (1.0, 1.0), (1.67, 5e-4), (3.0, 1e-8)), **more
) -> Iterator[Setting]:
    """Every K with (m, λ_H) from a weak classifier, a = 1e-4, to a sharp one, a = 1e9."""
    for K, (m, lambda_h) in product(classes, strengths):
        yield Setting(Problem(K, multiplier=m, lambda_h=lambda_h, **more))


def two_hot(classes) -> Iterator[Setting]:
    """The same with two-hot labels."""
    for setting in fixed(classes):
        yield replace(setting, lam=MIXES)


def joint(classes, law, lambda_w, lambda_h, loss="cross-entropy", **more) -> Setting:
    """A problem with a free classifier."""
    problem = Problem(classes, multiplier=1.0, lambda_w=lambda_w, lambda_h=lambda_h, law=law, loss=loss)
    return Setting(problem, **more)


def shaped(kind: str, numbers, classes, law, lambda_w=1e-2, lambda_h=1e-2, **more) -> Setting:
    """A problem of another shape."""
    return replace(
        joint(classes, law, lambda_w, lambda_h, **more), variant=Variant(kind, tuple(map(float, numbers)))
    )


def any_law() -> Iterator[Setting]:
    """Laws with and without symmetry, d ≥ K − 1."""
    for law in (mixup(1.0), mixup(1.0, "cyclic"), LabelLaw("mixup", alpha=0.5, class_weights=WEIGHTS)):
        for lambda_w, lambda_h in ((5e-4, 5e-4), (1e-1, 1e-3), (0.2, 0.2)):
            yield joint(4, law, lambda_w, lambda_h, free_dim=3)
