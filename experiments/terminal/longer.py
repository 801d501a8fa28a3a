"""The published presets' networks and images, n ≫ D, on the theorem's own objective and for longer and longer.

Network and numbers of images are those of presets fashion and digits; objective, optimiser and inputs those of
preset terminal, but for the learning rate. Chosen on 5000 images, seed 100, by what 3000 steps leave of 1 − R² of
features: 0.23, 0.17, 0.14 at rates 1e-3, 2e-3, 4e-3 along principal axes, and 0.27 at 2e-3 on inputs as published,
which are the same up to a shift and a rotation; on the digits 2000 steps leave 0.20 and 0.16 at 2e-3 and 4e-3. The
table uses seeds from 0 on, and for Fashion-MNIST images drawn anew by each.
"""

import platform
from collections.abc import Sequence
from importlib.metadata import version as package_version
from pathlib import Path
from typing import NamedTuple

from experiments.reproduction.evaluate import evaluate, numbers
from experiments.reproduction.table import claim_text, grid, mean_text
from experiments.reproduction.verdict import judge
from experiments.terminal import longer_criteria
from experiments.terminal.cells import Arm, Cell
from experiments.terminal.criteria import blob
from experiments.terminal.longer_criteria import FAR, claims, decay, explicit
from experiments.terminal.report import PACKAGES, Judged, cell_record, networks_table
from experiments.terminal.runs import complete
from experiments.tools.files import write_json
from experiments.training.checkpoint import write_whole
from ufm.rules.errors import InputError

NAME = "longer"
NETWORK = {
    "network": "mlp",
    "inputs": "axes",
    "log_collapse": False,
}  # width and depth as the presets have them
AS_PUBLISHED = {"lambda_w": None, "lambda_h": 0.0, "weight_decay": 2e-3}
QUICK = "**A few steps of one small network each, seed 100: these verdicts say nothing.**"


class Longer(NamedTuple):
    """A cell of explicit penalties at rising `lengths`, and of decay on every layer at some of them."""

    cell: Cell
    lengths: tuple[int, ...]
    decays: tuple[int, ...]


def longer(
    name: str,
    title: str,
    images: int,
    test: int,
    lengths,
    decays,
    changes: dict,
    seeds: int = 3,
    first: int = 0,
) -> Longer:
    """The cell of a data set; rows of the log are alike at every length, so that one program is compiled."""
    arms = [Arm(explicit(n), f"λ_W, λ_H explicit, {n} steps", changes={"steps": n}) for n in lengths]
    arms += [
        Arm(decay(n), f"decay on all layers, {n} steps", changes=AS_PUBLISHED | {"steps": n}) for n in decays
    ]
    dataset = name.split("-")[0]
    cell = Cell(name, title, dataset, images, seeds, NETWORK | changes, tuple(arms), test, first)
    return Longer(cell, tuple(lengths), tuple(decays))


ALL = (
    longer(
        "fashion-longer",
        "Fashion-MNIST, n = 5000, D = 784",
        5000,
        5000,
        (6000, 24_000, 96_000),
        (6000, 24_000),
        {"every": 2000},
    ),
    longer(
        "digits-longer",
        "digits, n = 1437, D = 64",
        1437,
        360,
        (2000, 8000, 32_000),
        (2000, 8000),
        {"every": 2000},
    ),
)
SMALL = longer(
    "digits-longer-quick",
    "digits in small",
    600,
    100,
    (100, 300),
    (100,),
    {"depth": 2, "width": 64, "every": 100, "warmup": 20},
    seeds=1,
    first=100,
)


def choose(names: Sequence[str], quick: bool) -> tuple[Longer, ...]:
    """What is asked for: data sets by name, all of them without a name; or the small one, without a name."""
    if names and quick:
        raise InputError("--datasets does not apply to --quick, which has the digits: leave one of them")
    return (SMALL,) if quick else tuple(one for one in ALL if not names or one.cell.dataset in names)


def reproduce(chosen: Sequence[Longer], folder: Path, out: Path, data_dir, jobs: int, command: str) -> str:
    """Train what is missing, judge, write longer.md and longer.json; returns the page."""
    records = complete(tuple(one.cell for one in chosen), folder, data_dir, jobs)
    found = [(one, judge_one(one, records[one.cell.name])) for one in chosen]
    about, quick = describe(found, command), SMALL in chosen
    page, name = markdown(found, about, quick), f"{NAME}-quick" if quick else NAME
    cells = {one.cell.name: cell_record(judged) for one, judged in found}
    write_json(out / f"{name}.json", {"schema": 1, "cells": cells} | about)
    write_whole(out / f"{name}.md", lambda file: file.write(page.encode()))
    return page


def judge_one(one: Longer, records: list[dict]) -> Judged:
    """Every claim of a cell."""
    rows = [evaluate(claim, numbers(records)) for claim in claims(one.lengths, one.decays)]
    return Judged(one.cell, records, rows, [])


def markdown(found: list[tuple[Longer, Judged]], about: dict, quick: bool) -> str:
    """The page."""
    says = [row.claim.says for row in found[0][1].rows]
    verdicts = [[f"**{judged.rows[n].verdict}**" for _, judged in found] for n in range(len(says))]
    parts = [
        "# How far n ≫ D can be pushed: the published presets' networks for longer",
        *([QUICK] if quick else []),
        f"Made by `{about['command']}`; do not edit. {about['text']}",
        "## Verdicts",
        grid(["claim", *(one.cell.title for one, _ in found)], [[s, *v] for s, v in zip(says, verdicts)]),
    ]
    for one, judged in found:
        parts += [f"## {one.cell.title}", distances(one, judged.records)]
        parts += [*map(claim_text, judged.rows), networks_table(judged)]
    return "\n\n".join(parts) + "\n"


def distances(one: Longer, records: list[dict]) -> str:
    """How far each length ends from the theorem's optimum."""
    lines = [
        [
            str(n),
            *(mean_text(judge([f(m[explicit(n)]) for m in numbers(records)], ">", 0)) for f in FAR.values()),
        ]
        for n in one.lengths
    ]
    return grid(["steps", *FAR], lines)


def describe(found: list[tuple[Longer, Judged]], command: str) -> dict:
    """Provenance: command, criteria, versions, device, data."""
    import jax

    runs = [record for _, judged in found for seed in judged.records for record in seed.values()]
    minutes = sum(run["seconds"] for run in runs) / 60
    text = (
        "Networks and numbers of images of the published presets, trained on the theorem's own objective (explicit "
        "λ_W = λ_H = 0.01; linear features, no bias; Adam, warm-up and a cosine to 0) for longer and longer, each "
        "length a run of its own; beside them the same with decay on every layer. Fashion-MNIST's images are drawn "
        "anew by each seed; the digits are the same in all, so that their intervals hold the spread of training "
        "alone. Means with 95 % t-intervals over seeds. Criteria: `experiments/terminal/longer_criteria.py`, "
        f"committed before the first full run. {minutes:.0f} minutes of runs in all."
    )
    return {
        "command": command,
        "text": text,
        "criteria": blob(Path(longer_criteria.__file__).read_bytes()),
        "sources": sorted({run["source"] for run in runs}),
        "versions": {name: package_version(name) for name in PACKAGES}
        | {"python": platform.python_version()},
        "device": jax.devices()[0].device_kind,
    }


def plan(chosen: Sequence[Longer]) -> str:
    """What would be trained."""
    return "\n".join(
        f"{one.cell.title}: {one.cell.seeds} seeds; λ_W, λ_H explicit, steps {', '.join(map(str, one.lengths))}; "
        f"decay on all layers, steps {', '.join(map(str, one.decays))}"
        for one in chosen
    )
