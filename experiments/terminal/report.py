"""The terminal reproduction from runs to files: judge every cell, write table, record and figures."""

import platform
from importlib.metadata import version as package_version
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from experiments.reproduction.evaluate import Row, evaluate, numbers
from experiments.reproduction.figures.contrast import draw_contrast
from experiments.reproduction.report import write_figure
from experiments.reproduction.table import claim_record, claim_text, grid, mean_text
from experiments.reproduction.verdict import NOT_REPRODUCED, judge
from experiments.terminal.cells import Cell
from experiments.terminal.criteria import Criterion, read_criteria, version
from experiments.terminal.curves import draw_curves
from experiments.terminal.runs import Task, complete, read_picture
from experiments.tools.files import write_json
from experiments.training.checkpoint import write_whole

NAME = "terminal"
CONTRAST = {"erm": "ERM", "mixup": "mixup", "squared": "mixup, squared error"}
PACKAGES = ("jax", "flax", "numpy", "ufm")
COLUMNS = {
    "r2_logits_joint": "R² logits",
    "r2_features_joint": "R² features",
    "r2": "R², a fitted",
    "r2_linear": "R² linear",
    "alignment": "cosine",
    "displacement_finite": "displacement",
    "etf_deviation": "from ETF",
    "multiplier": "m",
    "a_known": "a",
    "middle_ratio": "middle ratio",
    "bend": "bend",
    "test_r2_logits_joint": "R² on test mixtures",
    "accuracy": "test accuracy",
}
CLASSES = 10
QUICK = "**The recipe in small, on seeds from 100 on: which way things go. These verdicts say nothing.**"


class Judged(NamedTuple):
    """A cell with its records by seed, its verdicts, and (control, row, refuted?)."""

    cell: Cell
    records: list[dict]
    rows: list[Row]
    controls: list[tuple[str, Row, bool]]


def reproduce(cells, folder: Path, out: Path, data_dir, jobs: int, command: list[str], *, quick: bool) -> str:
    """Everything after the arguments; returns the Markdown page. Files appear under `out` at the end."""
    records, criteria = complete(cells, folder, data_dir, jobs), read_criteria()
    found = [judge_cell(cell, records[cell.name], criteria) for cell in cells]
    about = describe(found, command)
    figures = draw_all(found, folder, data_dir)
    name = f"{NAME}-quick" if quick else NAME
    page = markdown(found, about, {f"{name}-{key}.png": text for key, (_, text) in figures.items()}, quick)
    write_json(out / f"{name}.json", record(found, about))
    for key, (figure, _) in figures.items():
        write_figure(out / f"{name}-{key}.png", figure)
    write_whole(out / f"{name}.md", lambda file: file.write(page.encode()))
    return page


def judge_cell(cell: Cell, records: list[dict], criteria: list[Criterion]) -> Judged:
    """Every claim whose arms the cell has, and every control of these claims."""
    has, rows, controls = {arm.name for arm in cell.arms}, [], []
    for criterion in criteria:
        if not criterion.arms <= has:
            continue
        rows.append(evaluate(criterion.claim, numbers(records)))
        for control in criterion.controls:
            row = evaluate(criterion.claim, [spoilt(seed, control) for seed in records])
            controls.append((control, row, row.verdict == NOT_REPRODUCED))
    return Judged(cell, records, rows, controls)


def spoilt(seed: dict[str, dict], control: str) -> dict[str, dict]:
    """The numbers of one seed, those of spoilt features in place of the arms' that have them."""
    return {arm: record["numbers"] | record["controls"].get(control, {}) for arm, record in seed.items()}


def draw_all(found: list[Judged], folder: Path, data_dir) -> dict[str, tuple[Figure, str]]:
    """Figures by name with their captions: of each cell that has the arms."""
    figures = {}
    for one in found:
        arms = {arm.name: arm for arm in one.cell.arms}
        if not set(CONTRAST) <= set(arms) or any(one.records[0][arm]["failed"] for arm in CONTRAST):
            continue
        tasks = {arm: Task(one.cell, arms[arm], one.cell.first_seed, data_dir, folder) for arm in CONTRAST}
        pictures = {CONTRAST[arm]: read_picture(task) for arm, task in tasks.items()}
        a = one.records[0]["mixup"]["numbers"]["a_joint"]
        figures[f"{one.cell.name}-contrast"] = (
            draw_contrast(pictures, CLASSES, a),
            f"{one.cell.title}: features of mixtures of three classes in the plane of their rows of W, first seed; "
            "closed form at the joint theorem's a.",
        )
        figures[f"{one.cell.name}-curves"] = (
            draw_curves(one.records),
            f"{one.cell.title}: network (dots, every seed) and closed form (line; nothing fitted) by bin of λ.",
        )
    return figures


def markdown(found: list[Judged], about: dict, figures: dict[str, str], quick: bool) -> str:
    """The page."""
    keys = {row.claim.key: row.claim.says for one in found for row in one.rows}
    verdicts = [{row.claim.key: row.verdict for row in one.rows} for one in found]
    lines = [[says, *(f"**{v[key]}**" if key in v else "" for v in verdicts)] for key, says in keys.items()]
    parts = [
        "# When networks reach the optimum of mixup: preset terminal",
        *([QUICK] if quick else []),
        f"Made by `{about['command']}`; do not edit. {about['text']}",
        "## Verdicts",
        grid(["claim", *(f"{one.cell.title} (seeds: {one.cell.seeds})" for one in found)], lines),
        "## Figures",
        *[f"![{text}]({name})\n\n{text}" for name, text in figures.items()],
    ]
    for one in found:
        parts += [
            f"## {one.cell.title}",
            networks_table(one),
            *[claim_text(row) for row in one.rows],
            _controls(one),
        ]
    return "\n\n".join(parts) + "\n"


def networks_table(one: Judged) -> str:
    """Means and intervals of every arm of a cell."""
    lines = []
    for arm in one.cell.arms:
        values = [[seed[arm.name]["numbers"].get(name) for seed in one.records] for name in COLUMNS]
        lines.append([arm.title, *(_shown(v) for v in values)])
    return grid(["network", *COLUMNS.values()], lines)


def _shown(values: list) -> str:
    return "" if all(value is None for value in values) else mean_text(judge(values, ">", 0.0))


def _controls(one: Judged) -> str:
    lines = [
        [control, row.claim.says, row.verdict, "yes" if refuted else "**no**"]
        for control, row, refuted in one.controls
    ]
    text = (
        "Negative controls: the same claims on spoilt features of the same networks; none may be reproduced."
    )
    return text + "\n\n" + grid(["control", "claim", "verdict", "refuted"], lines)


def record(found: list[Judged], about: dict) -> dict:
    """The same as one JSON object, with every value by seed."""
    return {"schema": 1, "preset": NAME, "cells": {one.cell.name: cell_record(one) for one in found}} | about


def cell_record(one: Judged) -> dict:
    """A cell as JSON: claims, controls, every arm's numbers by seed."""
    return {
        "title": one.cell.title,
        "images": one.cell.images,
        "seeds": [one.cell.first_seed + n for n in range(one.cell.seeds)],
        "claims": [claim_record(row) for row in one.rows],
        "controls": [
            {"control": c, "refuted": refuted, **claim_record(row)} for c, row, refuted in one.controls
        ],
        "arms": {
            arm.name: {
                "title": arm.title,
                "settings": one.records[0][arm.name]["settings"],
                **{
                    key: [seed[arm.name][key] for seed in one.records]
                    for key in ("numbers", "failed", "seconds")
                },
            }
            for arm in one.cell.arms
        },
    }


def describe(found: list[Judged], command: list[str]) -> dict:
    """Provenance: command, criteria, versions, device, data."""
    import jax

    criteria = version()
    seconds = sum(record["seconds"] for one in found for seed in one.records for record in seed.values())
    text = (
        "Networks with explicit λ_W and λ_H; images are drawn anew by each seed, so that intervals hold the spread "
        "of both. Numbers: means with 95 % t-intervals over seeds. Criteria: `experiments/terminal/criteria.toml`, "
        f"commit `{(criteria['commit'] or 'none')[:12]}`; settings were chosen on seeds 100 to 199. "
        f"{seconds / 60:.0f} minutes of runs in all."
    )
    return {
        "command": " ".join(command),
        "text": text,
        "criteria": criteria,
        "sources": sorted({seed["mixup"]["source"] for one in found for seed in one.records}),
        "versions": {name: package_version(name) for name in PACKAGES}
        | {"python": platform.python_version()},
        "device": jax.devices()[0].device_kind,
    }
