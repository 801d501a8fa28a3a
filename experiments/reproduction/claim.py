"""What a claim is: parts with thresholds, each one number a seed, made from the numbers of the arms."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from experiments.reproduction.measures.layers import profile_distance

Seed = Mapping[str, dict]  # the numbers of every arm for one seed
Value = Callable[[Seed], float | None]  # None: undefined, or a network that failed


class Part(NamedTuple):
    """One number for each seed, against a threshold; side ">" or "<" is the claimed one."""

    says: str
    value: Value
    side: str
    threshold: float


class Claim(NamedTuple):
    """A claim, whose it is, its parts (all must hold), and numbers shown beside it without a verdict."""

    key: str
    says: str
    source: str
    parts: tuple[Part, ...]
    shown: tuple[tuple[str, Value], ...] = ()


def number(arm: str, name: str) -> Value:
    """One number of one arm."""
    return lambda m: m[arm].get(name)


def less(first: tuple[str, str], second: tuple[str, str]) -> Value:
    """The number `first` less the number `second`, each an (arm, name)."""
    return difference(number(*first), number(*second))


def difference(first, second) -> Value:
    """The value of one function of a seed less that of another; None if either is missing."""

    def value(m: Seed) -> float | None:
        a, b = first(m), second(m)
        return None if a is None or b is None else a - b

    return value


def attacked(arm: str, attack: str) -> Value:
    """Accuracy under an attack, averaged over its radii."""
    return lambda m: float(np.mean(m[arm][attack])) if attack in m[arm] else None


def nearer(arm: str, like: str, than: str) -> Value:
    """Distance of early-layer geometry to that of `like`, over the distance to that of `than`."""

    def ratio(m: Seed) -> float | None:
        profiles = [m[name].get("profile") for name in (arm, like, than)]
        if None in profiles:
            return None
        here, first, second = profiles
        away = profile_distance(here, second)
        return profile_distance(here, first) / away if away > 0 else None

    return ratio
