"""criteria.toml as values."""

import tomllib
from pathlib import Path
from typing import NamedTuple

from experiments.distance.law.fit import Estimate
from experiments.reproduction.verdict import INCONCLUSIVE, decide

FILE = Path(__file__).with_name("criteria.toml")


class Criterion(NamedTuple):
    """`says` in words; the number by name, the side of the threshold on which its interval must lie."""

    key: str
    says: str
    number: str
    side: str
    threshold: float
    source: str


def read_criteria() -> list[Criterion]:
    """All, in the order of the file."""
    with FILE.open("rb") as file:
        return [Criterion(**entry) for entry in tomllib.load(file)["criterion"]]


def judge(criterion: Criterion, numbers: dict[str, Estimate]) -> str:
    """The verdict; inconclusive where the number is not there."""
    found = numbers.get(criterion.number)
    if found is None or not all(map(_finite, found)):
        return INCONCLUSIVE
    return decide(found.low, found.high, criterion.side, criterion.threshold)


def _finite(value: float) -> bool:
    return value - value == 0
