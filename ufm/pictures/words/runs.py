"""Caption and alt text of the picture of several networks."""

from collections.abc import Sequence

from ufm.output.network.runs import Run
from ufm.pictures.words.numbers import counted, ends

SAID = {"r2": "R² of the closed form", "nc1": "NC1", "etf": "W from a simplex ETF", "gap": "relative gap"}


def caption(runs: Sequence[Run]) -> str:
    """What the first and the last of them come to."""
    names = " to ".join(dict.fromkeys([runs[0].name, runs[-1].name]))
    return f"{counted(len(runs), 'network')}, {names}: {ends([run._asdict() for run in runs], SAID)}."


def seen(count: int) -> list[str]:
    """What is seen in the three panels of that many networks."""
    panels = (
        "Measures of neural collapse",
        "R² of the closed form with its interval",
        "Distances from the optimum",
    )
    return [f"{text}, a point for each of {counted(count, 'network')} in order." for text in panels]
