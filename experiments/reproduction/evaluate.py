"""From the numbers of all runs to verdicts: every claim, and every control that must refute one."""

from typing import NamedTuple

from experiments.reproduction.claim import Claim, Part
from experiments.reproduction.criteria import (
    REFUTED,
    draw_claim,
    last_layer_claims,
    persistence_claims,
    prediction_claims,
)
from experiments.reproduction.draws import Draw
from experiments.reproduction.presets import Preset
from experiments.reproduction.verdict import NOT_REPRODUCED, Finding, combine, judge

Seeds = list[dict[str, dict]]  # for each seed the numbers by arm


class Row(NamedTuple):
    """A claim with the finding of each part, of each number shown beside it, and its verdict."""

    claim: Claim
    findings: list[Finding]
    shown: list[Finding]
    verdict: str


class ControlRow(NamedTuple):
    """The same claim on spoilt features; `refuted` as it must be?"""

    control: str
    row: Row
    refuted: bool


def all_claims(preset: Preset, draws: list[Draw]) -> list[Claim]:
    """Every claim of a preset, in the order of the table; without a baseline the claim on it is left out."""
    found = last_layer_claims() + prediction_claims()
    found += persistence_claims(preset.alphas, preset.architectures)
    return found + ([draw_claim(draws[-1].deviation, draws[-1].labels)] if draws else [])


def evaluate(claim: Claim, seeds: Seeds) -> Row:
    """Judge one claim."""
    findings = [judge_part(part, seeds) for part in claim.parts]
    # a number shown beside a claim has an interval and no threshold
    shown = [judge([value(m) for m in seeds], ">", 0.0) for _, value in claim.shown]
    return Row(claim, findings, shown, combine([finding.verdict for finding in findings]))


def judge_part(part: Part, seeds: Seeds) -> Finding:
    """Judge one part from its value for each seed."""
    return judge([part.value(m) for m in seeds], part.side, part.threshold)


def evaluate_controls(claims: list[Claim], records: list[dict[str, dict]]) -> list[ControlRow]:
    """Judge the claims of `REFUTED` with the spoilt numbers in place of those of the arm."""
    by_key, found = {claim.key: claim for claim in claims}, []
    for control, targets in REFUTED.items():
        for key, arm in targets.items():
            row = evaluate(by_key[key], [_spoilt(seed, control, arm) for seed in records])
            found.append(ControlRow(control, row, row.verdict == NOT_REPRODUCED))
    return found


def numbers(records: list[dict[str, dict]]) -> Seeds:
    """The numbers alone; an arm that failed has none."""
    return [{arm: record["numbers"] for arm, record in seed.items()} for seed in records]


def _spoilt(seed: dict[str, dict], control: str, arm: str) -> dict[str, dict]:
    found = {name: record["numbers"] for name, record in seed.items()}
    return found | {arm: found[arm] | seed[arm]["controls"].get(control, {})}
