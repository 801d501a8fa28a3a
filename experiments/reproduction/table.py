"""The record of a reproduction as Markdown and as JSON."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.reproduction.draws import Draw
from experiments.reproduction.evaluate import ControlRow, Row
from experiments.reproduction.presets import MAIN, Arm, Preset
from experiments.reproduction.verdict import Finding, judge

COLUMNS = {
    "accuracy": "accuracy",
    "ece": "ECE",
    "alignment": "alignment",
    "middle_ratio": "middle ratio",
    "bend": "bend",
    "r2": "R²",
    "r2_linear": "R² linear",
    "a": "a",
    "multiplier": "m",
    "etf_deviation": "from ETF",
}
CAPTIONS = {
    "contrast": "Features of mixtures of three classes in the plane of their rows of W, seed 0; the unit is the "
    "mean length of the same-class ones. Closed form at the a fitted to the mixup networks.",
    "displacement": "Logit difference z_i − z_j of mixtures, mean by bin of λ; every seed. Closed form at the "
    "fitted a, for the fixed ETF at the known one.",
    "calibration": "Mean probability of class i of mixtures λ x_i + (1−λ) x_j, by bin of λ; every seed.",
    "trends": "By α and by network: mean and 95 % t-interval over seeds.",
}


class Reproduction(NamedTuple):
    """All that is reported: verdicts, controls, the records they come from by seed, drawn labels, provenance."""

    preset: Preset
    rows: list[Row]
    controls: list[ControlRow]
    records: list[dict[str, dict]]
    draws: list[Draw]
    about: dict


AS_PUBLISHED = (
    "*As published: decay on every layer, n ≫ D.* What separates these networks from those that reach the theory's "
    "optimum: its own penalties, λ_H on features and λ_W on W alone, and n ≲ D images "
    "([preset terminal](terminal.md))."
)
QUICK = "**A few epochs, to see that the command works: these verdicts say nothing about mixup.**"


def markdown(found: Reproduction, figures: list[str]) -> str:
    """The page of one preset; `figures` are the names of those that lie beside it."""
    preset, about = found.preset, found.about
    parts = [
        f"# Claims on mixup, measured: preset {preset.name}",
        *([QUICK] if preset.name.endswith("-quick") else []),
        AS_PUBLISHED,
        f"Made by `{about['command']}`; do not edit. Data: {about['source']}. {about['seeds']} seeds an arm. "
        "Numbers are means with 95 % t-intervals over seeds; the data are the same in all seeds, so that intervals "
        "hold the spread of training only. Criteria: `experiments/reproduction/criteria.py`, committed before the "
        "first full run.",
        "## Verdicts",
        grid(["claim", "verdict"], [[row.claim.says, f"**{row.verdict}**"] for row in found.rows]),
        "## Figures",
        *[f"![{CAPTIONS[name]}]({preset.name}-{name}.png)\n\n{CAPTIONS[name]}" for name in figures],
        "## Numbers",
        *[claim_text(row) for row in found.rows],
        "## Negative controls",
        "The same claims on spoilt features of the same networks; each must come out as not reproduced.",
        grid(
            ["control", "claim", "verdict", "as it must"],
            [
                [c.control, c.row.claim.says, c.row.verdict, "yes" if c.refuted else "**no**"]
                for c in found.controls
            ],
        ),
        "## All networks",
        "α is the mixup arms' own; every network is measured at the same mixed inputs, λ uniform. R²: closed form "
        "with a fitted to the network's logits; linear: best multiple of y − 1/K. The ECE of squared error is "
        "that of softmax(z), which its loss does not train.",
        _networks(preset, found.records),
        "## Attacks",
        f"Accuracy of the first {min(preset.sizes.attacked, about['images'][1])} test images.",
        _attacks(preset, found.records),
        *_draws(found.draws, about["a"]),
    ]
    return "\n\n".join(parts) + "\n"


def record(found: Reproduction) -> dict:
    """The same as one JSON object, with every value by seed."""
    return {
        "schema": 1,
        "preset": found.preset.name,
        "claims": [claim_record(row) for row in found.rows],
        "controls": [
            {"control": c.control, "refuted": c.refuted, **claim_record(c.row)} for c in found.controls
        ],
        "arms": {
            arm.name: _arm_record(arm, [seed[arm.name] for seed in found.records])
            for arm in found.preset.arms
        },
        "draws": [draw._asdict() for draw in found.draws],
        "provenance": found.about,
    }


def _arm_record(arm: Arm, runs: list[dict]) -> dict:
    kept = {name: [run[name] for run in runs] for name in ("numbers", "failed", "seconds")}
    return {"title": arm.title, "settings": runs[0]["settings"], **kept}


def _draws(draws: list, a: float | None) -> list[str]:
    if not draws:
        return []
    text = (
        "Deviation from an ETF of the optimal classifier on N drawn labels, at the λ_W λ_H whose optimum has the "
        f"mixup networks' a = {a:.3g}; 8 draws."
    )
    lines = [[str(draw.labels), _range(draw.deviation, draw.interval)] for draw in draws]
    return ["## What a finite draw of labels does alone", text, grid(["N", "deviation"], lines)]


def claim_text(row: Row) -> str:
    """A claim with its parts and what is shown beside it."""
    lines = [
        [part.says, mean_text(f), f"{part.side} {part.threshold:g}", f.verdict]
        for part, f in zip(row.claim.parts, row.findings)
    ]
    lines += [[says, mean_text(f), "", ""] for (says, _), f in zip(row.claim.shown, row.shown)]
    title = f"**{row.claim.says}**: {row.verdict}. ({row.claim.source})"
    return title + "\n\n" + grid(["number", "mean and interval", "criterion", "verdict"], lines)


def _networks(preset: Preset, records) -> str:
    lines = []
    for arm in preset.arms:
        values = [[seed[arm.name]["numbers"].get(name) for seed in records] for name in COLUMNS]
        lines.append([arm.title, *(mean_text(judge(v, ">", 0.0)) for v in values)])
    return grid(["network", *COLUMNS.values()], lines)


def _attacks(preset: Preset, records) -> str:
    names = [(attack, n, e) for attack in ("fgsm", "pgd") for n, e in enumerate(preset.sizes.epsilons)]
    lines = []
    for arm in (arm for arm in preset.arms if arm.name in MAIN):
        found = [seed[arm.name]["numbers"] for seed in records]
        values = [[one[attack][n] if one else None for one in found] for attack, n, _ in names]
        lines.append([arm.title, *(mean_text(judge(v, ">", 0.0)) for v in values)])
    return grid(["network", *(f"{attack.upper()} ε = {e:.3g}" for attack, _, e in names)], lines)


def claim_record(row: Row) -> dict:
    """The same as JSON."""
    claim = row.claim
    return {
        "key": claim.key,
        "says": claim.says,
        "source": claim.source,
        "verdict": row.verdict,
        "parts": [
            {
                "says": part.says,
                "side": part.side,
                "threshold": part.threshold,
                **_finding(f),
                "verdict": f.verdict,
            }
            for part, f in zip(claim.parts, row.findings)
        ],
        "shown": [{"says": says, **_finding(f)} for (says, _), f in zip(claim.shown, row.shown)],
    }


def _finding(found: Finding) -> dict:
    return {"values": found.values, "mean": found.mean, "interval": found.interval}


def mean_text(found: Finding) -> str:
    """Mean and interval, or that there is none."""
    return "undefined" if found.mean is None else _range(found.mean, found.interval)


def _range(mean: float, interval: Sequence[float] | None) -> str:
    if interval is None:
        return f"{mean:.3g}"
    half = (interval[1] - interval[0]) / 2
    digits = min(max(0, 1 - int(np.floor(np.log10(half)))), 6) if half > 1e-9 else 3  # two of the half-width
    return f"{mean:.{digits}f} [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"


def grid(head: list[str], lines: list[list[str]]) -> str:
    """A table in Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
