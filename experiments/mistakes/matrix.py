"""What the diagnoses say of each mistake and of healthy networks, with the network's own logits and without."""

from typing import NamedTuple

import jax

from experiments.mistakes.make import HEALTHY, MISTAKES, healthy, made, without_logits
from ufm.network.diagnose.diagnose import diagnose
from ufm.network.diagnose.diagnosis import Diagnosis
from ufm.network.diagnose.sample import Sampler
from ufm.network.measures.fitting import fit_sharpness
from ufm.network.read.activations import from_arrays


class Row(NamedTuple):
    """A mistake and what was said. wanted: what should be said with own logits and without, names joined by +."""

    name: str
    wanted: tuple[str, str]
    told: tuple[list[Diagnosis], list[Diagnosis]]

    @property
    def right(self) -> tuple[bool, bool]:
        """Whether that and nothing else was said."""
        first, second = (
            " + ".join(one.name for one in told) == name for name, told in zip(self.wanted, self.told)
        )
        return first, second


def of_arrays(arrays: dict) -> list[Diagnosis]:
    """The diagnoses as `ufm.compare_network` makes them, without all else that it measures."""
    given = from_arrays(**arrays)
    sampler = Sampler(given)
    for chunk in given.chunks():
        sampler.add(chunk)
    fit = None
    if given.lambda_h:
        with jax.enable_x64(True):
            fit = fit_sharpness(given.chunks, given.W, given.b, given.lambda_h, replicates=100)
    return diagnose(sampler.result(), given.W, given.b, fit)


def both(arrays: dict) -> tuple[list[Diagnosis], list[Diagnosis]]:
    """With the network's own logits, and without."""
    return of_arrays(arrays), of_arrays(without_logits(arrays))


def mistakes(word: str = "") -> list[Row]:
    """Those whose name has the word."""
    return [
        Row(name, (one.told, one.alone), both(made(name))) for name, one in MISTAKES.items() if word in name
    ]


def healthy_ones(word: str = "") -> list[Row]:
    """The same of networks that are well saved."""
    return [Row(name, ("", ""), both(healthy(name))) for name in HEALTHY if word in name]


def report(rows: list[Row], well: list[Row], command: str) -> str:
    """In Markdown: the matrix, the sentences, what healthy networks were told."""
    right = [sum(row.right[n] for row in rows) for n in (0, 1)]
    accused = [sum(bool(row.told[n]) for row in well) for n in (0, 1)]
    lines = [
        "# Mistakes told by name",
        f"`{command}`",
        "Each row is a small network that was trained, and saved with one mistake. Said of it: with `logits_H`, "
        "the network's own logits of the same rows, and without them. A dash: nothing, as nothing can be known. "
        "(suspected): it is what most often looks so; else the sentence explains the logits to rounding.",
        f"Right, and nothing else said: {right[0]} of {len(rows)} with own logits, {right[1]} of {len(rows)} "
        f"without. Healthy networks that were accused: {accused[0]} of {len(well)} with, {accused[1]} of "
        f"{len(well)} without.",
        _table(rows),
        "## Healthy networks",
        _table(well),
        "## What is said of each mistake",
        *(f"- **{row.name}**: {_words((row.told[0] or row.told[1])[0])}" for row in rows if any(row.told)),
    ]
    return "\n\n".join(lines) + "\n"


def _table(rows: list[Row]) -> str:
    head = "| saved | said with own logits | said without |\n|---|---|---|"
    return "\n".join([head, *(f"| {row.name} | {_cell(row, 0)} | {_cell(row, 1)} |" for row in rows)])


def _cell(row: Row, n: int) -> str:
    """Names, and what should have been said where it was not."""
    names = "; ".join(one.name + ("" if one.sure else " (suspected)") for one in row.told[n]) or "-"
    return names if row.right[n] else f"{names} **(wanted: {row.wanted[n] or 'nothing'})**"


def _words(one: Diagnosis) -> str:
    return f"{one.sentence}. Remedy: {one.remedy}"
