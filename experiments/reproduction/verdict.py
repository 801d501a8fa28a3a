"""When a claim counts as reproduced: its interval over seeds against a threshold written down before.

    reproduced        the whole interval lies on the claimed side of the threshold
    not reproduced    the whole interval lies on the other side
    inconclusive      otherwise: the interval meets the threshold, a value is missing, fewer than 3 seeds

A claim of several parts is reproduced if all are, not reproduced if one is not, else inconclusive.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ufm.agree.finite_data import interval
from ufm.rules.errors import InputError

LEAST_SEEDS = 3
REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE = "reproduced", "not reproduced", "inconclusive"
SIDES = {">": 1.0, "<": -1.0}


class Finding(NamedTuple):
    """Values of one part by seed, their mean, its 95 % t-interval (None: undefined), and the verdict."""

    values: list[float | None]
    mean: float | None
    interval: tuple[float, float] | None
    verdict: str


def judge(values: Sequence[float | None], side: str, threshold: float) -> Finding:
    """The verdict on "value > threshold" or "value < threshold" from one value a seed.

    The interval is Student's t for the mean of independent seeds; the data are the same in all seeds,
    so it holds the spread of training, not of the data.
    """
    if side not in SIDES:
        raise InputError(f"side must be one of {', '.join(SIDES)}, got {side!r}")
    kept = [float(value) if value is not None and np.isfinite(value) else None for value in values]
    if not kept or None in kept:
        return Finding(kept, None, None, INCONCLUSIVE)
    mean = float(np.mean(kept))
    if len(kept) < LEAST_SEEDS:
        return Finding(kept, mean, None, INCONCLUSIVE)
    low, high = interval(kept)
    return Finding(kept, mean, (low, high), decide(low, high, side, threshold))


def decide(low: float, high: float, side: str, threshold: float) -> str:
    """The verdict on an interval."""
    sign = SIDES[side]
    near, far = sorted((sign * (low - threshold), sign * (high - threshold)))
    return REPRODUCED if near > 0 else NOT_REPRODUCED if far < 0 else INCONCLUSIVE


def combine(verdicts: Sequence[str]) -> str:
    """The verdict on a claim from those on its parts."""
    if not verdicts:
        raise InputError("a claim needs at least one part")
    if NOT_REPRODUCED in verdicts:
        return NOT_REPRODUCED
    return INCONCLUSIVE if INCONCLUSIVE in verdicts else REPRODUCED
