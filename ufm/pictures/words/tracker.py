"""Caption and alt text of the picture of a network in training."""

from collections.abc import Mapping, Sequence
from typing import Any

from ufm.pictures.words.numbers import counted, ends

SAID = {
    "r2": "R² of the closed form",
    "accuracy": "accuracy",
    "nc1": "NC1",
    "excess_ratio": "excess as a share of that of h = 0",
}


def caption(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the first and the last row of a log say."""
    epochs = " to ".join(dict.fromkeys([str(rows[0]["epoch"]), str(rows[-1]["epoch"])]))
    return f"{counted(len(rows), 'row')}, epoch {epochs}: {ends(rows, SAID)}."


def seen(titles: Sequence[str]) -> list[str]:
    """What is seen; titles: of the panels."""
    return [f"Lines against epochs: {title}." for title in titles]
