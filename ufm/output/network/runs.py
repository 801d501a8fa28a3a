"""Several comparisons as one table: a row a network."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from ufm.network.comparison import Comparison
from ufm.output.sections import Section, Sentence, Table, Two, Words
from ufm.output.text import fixed, shown

COLUMNS = {
    "nc1": "NC1",
    "nc2": "NC2 means",
    "nc3": "NC3",
    "r2": "R²",
    "etf": "W from ETF",
    "sharpness": "a/known",
    "excess": "excess",
    "gap": "gap",
}


NOTES = {
    "sharpness": "a/known: sharpness of the logits over that of lambda_H",
    "excess": "excess: over that of h = 0",
    "gap": "gap: relative",
}


class Run(NamedTuple):
    """One network: metrics in the first convention; r2 with its interval, known a where it is; sharpness: fitted a
    over the known one; excess, gap: relative. None where the arrays do not hold what it takes."""

    name: str
    word: str
    nc1: float | None
    nc2: float | None
    nc3: float | None
    r2: float | None
    interval: tuple[float, float] | None
    etf: float
    sharpness: float | None
    excess: float | None
    gap: float | None

    @staticmethod
    def of(name: str, found: Comparison) -> "Run":
        """Of a comparison."""
        metrics = found.features.clean.metrics
        first = {} if metrics is None else next(iter(metrics.values()))
        fit, excess = found.fit, found.excess
        return Run(
            name,
            found.word,
            first.get("nc1"),
            first.get("nc2_simplex_means"),
            first.get("nc3_distance"),
            fit.r2 if fit.a_known is None else fit.r2_known,
            fit.r2_interval,
            found.etf,
            None if fit.a_known is None else fit.a / fit.a_known,
            None if excess is None or not excess.at_zero > 0 else excess.excess / excess.at_zero,
            None if found.gap is None else found.gap.relative,
        )


def ordered(names: Sequence[str]) -> list[str]:
    """By the numbers in them, epoch9 before epoch10, where names differ in nothing else; else as they are given."""
    if len({re.sub(r"\d+", "#", name) for name in names}) > 1:
        return list(names)
    return sorted(names, key=lambda name: [int(part) for part in re.findall(r"\d+", name)])


def short_names(names: Sequence[str]) -> list[str]:
    """Without what all begin with, up to the last separator."""
    low, high = min(names), max(names)  # what these share all do
    shared = low[: next((n for n, (a, b) in enumerate(zip(low, high)) if a != b), min(len(low), len(high)))]
    if len(names) == 1:
        return [names[0].removesuffix(".npz")]
    cut = max(shared.rfind(mark) for mark in "/_-") + 1
    return [name[cut:].removesuffix(".npz") for name in names]


def runs_section(runs: Sequence[Run]) -> Section:
    """A row a network; columns that none has are left out."""
    used = [name for name in COLUMNS if any(getattr(run, name) is not None for run in runs)]
    heads: list[Words] = ["network", "verdict", *(COLUMNS[name] for name in used)]
    rows: list[list[Words]] = []
    for run, name in zip(runs, short_names([run.name for run in runs])):
        rows.append([name, run.word, *(_cell(run, column) for column in used)])
    notes = "; ".join(NOTES[name] for name in used if name in NOTES)
    return Section("networks beside one another", [Table(heads, rows, left=(0, 1)), Sentence(notes)])


def _cell(run: Run, column: str) -> Words:
    value = getattr(run, column)
    text = fixed(value) if column in ("nc1", "nc2", "nc3") else shown(value, ".3g")
    if column == "r2" and run.interval is not None:
        return Two(shown(value, ".4f"), "{}\n{:.4f} to {:.4f}".format(shown(value, ".4f"), *run.interval))
    return text
