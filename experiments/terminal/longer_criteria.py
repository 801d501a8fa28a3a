"""What is reported of longer schedules with n ≫ D, and when a claim counts. Committed before the first full run.

The record of a table holds this file's blob. Distances from the joint theorem's optimum, nothing fitted:
1 − R² of features, 1 − R² of logits, and the excess of the objective over that of h = 0. A slope is that of
log distance in log steps, by least squares for each seed; between two lengths it is the quotient of differences.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from experiments.reproduction.claim import Claim, Part, Seed, Value, less, number

HERE = "here"
NEAR = 0.95  # R², as in criteria.toml
FAR: dict[str, Callable[[dict], float | None]] = {
    "1 − R² of features": lambda n: _unexplained(n, "r2_features_joint"),
    "1 − R² of logits": lambda n: _unexplained(n, "r2_logits_joint"),
    "excess": lambda n: n.get("excess_share"),
}
JUDGED = tuple(FAR)[:2]


def explicit(steps: int) -> str:
    """The arm with λ_W and λ_H."""
    return f"explicit-{steps}"


def decay(steps: int) -> str:
    """The arm as published: decay on every layer."""
    return f"decay-{steps}"


def claims(lengths: Sequence[int], decays: Sequence[int]) -> list[Claim]:
    """Claims on explicit penalties at rising `lengths`, and beside decay on every layer at some of them."""
    last, pairs = explicit(lengths[-1]), list(pairwise(lengths))
    optimum = Claim(
        "optimum",
        "With n ≫ D the longest schedule reaches the joint theorem's optimum, nothing fitted",
        HERE,
        (
            Part("R² of features", number(last, "r2_features_joint"), ">", NEAR),
            Part("R² of logits", number(last, "r2_logits_joint"), ">", NEAR),
        ),
    )
    slopes = Claim(
        "slope",
        "The longer the schedule, the nearer",
        HERE,
        tuple(Part(f"slope of {what}, all lengths", slope(what, lengths), "<", 0.0) for what in JUDGED),
        tuple((f"slope of {w}, {a} to {b} steps", slope(w, (a, b))) for w in FAR for a, b in pairs),
    )
    late = Claim(
        "late",
        "It is nearer still after the longest schedule than after the one before it",
        HERE,
        tuple(
            Part(f"slope of {what}, last two lengths", slope(what, lengths[-2:]), "<", 0.0) for what in JUDGED
        ),
    )
    penalties = Claim(
        "penalties",
        "At the same steps explicit penalties lead nearer than decay on every layer",
        HERE,
        tuple(
            Part(
                f"R² with a fitted, less that under decay, {n} steps",
                less((explicit(n), "r2"), (decay(n), "r2")),
                ">",
                0.0,
            )
            for n in decays
        ),
    )
    return [optimum, slopes, late, penalties]


def slope(what: str, lengths: Sequence[int]) -> Value:
    """d log FAR[what] / d log steps over the arms of these lengths; None where one has no distance above 0."""

    def value(m: Seed) -> float | None:
        far = [FAR[what](m[explicit(n)]) for n in lengths]
        if any(one is None or one <= 0 for one in far):
            return None
        return float(np.polyfit(np.log(lengths), np.log(far), 1)[0])

    return value


def _unexplained(numbers: dict, name: str) -> float | None:
    found = numbers.get(name)
    return None if found is None else 1 - found
