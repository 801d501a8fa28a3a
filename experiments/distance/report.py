"""From the Parquet of all rows to page, record and figure."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.distance.criteria import FILE, judge, read_criteria
from experiments.distance.figure import draw
from experiments.distance.law.fit import Estimate, Rows, columns
from experiments.distance.modes import FEATURE_MODES, GRAM_MODES, feature_curvatures, gram_curvatures
from experiments.distance.numbers import (
    MAIN,
    RESPONSES,
    by_name,
    curvatures,
    mode_exponents,
    one_curves,
    power_laws,
    shapes_in_time,
    spreads,
    time_exponents,
)
from experiments.distance.runs import schema
from experiments.reproduction.report import write_figure
from experiments.reproduction.table import grid as markdown_table
from experiments.terminal.criteria import version
from experiments.tools.files import write_json
from experiments.training.checkpoint import write_whole
from ufm.rules.errors import InputError

KEY = b"law"
QUICK = "**The quick form, a few small runs: to see that everything works. These numbers say nothing.**"
MODES = {
    "along": "features along the row of W, 1 + xP",
    "across": "features across it in the span of W, 1 + x/K",
    "outside": "features outside the span of W, 1",
    "size": "W Wᵀ: size",
    "norms": "W Wᵀ: norms of the rows",
    "angles": "W Wᵀ: angles of the rows",
}


def report(table_path: Path, out: Path, name: str, replicates: int) -> str:
    """Write NAME.md, NAME.json and NAME.png from the table; returns the page. InputError for another file."""
    table = read_table(table_path)
    about, rows = json.loads(table.schema.metadata[KEY]), columns(table)
    laws, curves = power_laws(rows, replicates), one_curves(rows, replicates)
    times, modes = time_exponents(rows, replicates), mode_exponents(rows, replicates)
    shapes = shapes_in_time(rows)
    numbers = by_name(laws, curves, times, modes, shapes)
    verdicts = [(criterion, judge(criterion, numbers)) for criterion in read_criteria()]
    failed = [reason for reason in table["failed"].to_pylist() if reason]
    write_figure(out / f"{name}.png", draw(rows))
    about |= {"criteria": version(FILE), "replicates": replicates, "failed": failed}
    parts = [
        "# How far networks are from the optimum of mixup: a law in n/D, time, K and a",
        *([QUICK] if about["quick"] else []),
        _head(about, rows, len(failed)),
        "## Criteria, written before the run",
        _criteria(verdicts, numbers),
        f"![Distance to the optimum against n/D and against time.]({name}.png)",
        "Distance to the optimum, K = 10, λ_W = λ_H = 0.01: dots are runs, lines geometric means over seeds.",
        "## The fit",
        _fits(laws),
        "## One curve in n/D?",
        _curves(curves, spreads(rows)),
        "## Time",
        _times(times, shapes),
        "## Against the conditioning that theory predicts",
        _conditioning(rows, modes),
        "## Left out",
        f"Not run: {about['left_out']}.",
    ]
    page = "\n\n".join(parts) + "\n"
    record = about | {
        "schema": 1,
        "numbers": {key: list(value) for key, value in numbers.items()},
        "fits": {key: {"r2": law.r2, "left": law.left, "rows": law.rows} for key, law in laws.items()},
        "one_curve": {key: one._asdict() | {"gamma": list(one.gamma)} for key, one in curves.items()},
        "spread": {key: list(value) for key, value in spreads(rows).items()},
        "curvature": {str(t): value for t, value in curvatures(rows).items()},
        "verdicts": [criterion._asdict() | {"verdict": verdict} for criterion, verdict in verdicts],
    }
    write_json(out / f"{name}.json", record)
    write_whole(out / f"{name}.md", lambda file: file.write(page.encode()))
    return page


def read_table(path: Path) -> pa.Table:
    """The table that `experiments.distance.runs.write_table` wrote. InputError for any other file."""
    try:
        table = pq.read_table(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None
    if KEY not in (table.schema.metadata or {}) or not {*schema().names} <= {*table.column_names}:
        raise InputError(f"{path} is not a table of this program: leave --report out to make it")
    return table


def _head(about: dict, rows: Rows, failed: int) -> str:
    seeds = ", ".join(map(str, np.unique(rows["seed"])))
    commit = (about["criteria"]["commit"] or "none")[:12]
    return (
        f"Made by `{about['command']}`; do not edit. {about['dataset']}: {len(rows['seed'])} runs ({failed} "
        f"diverged), n = {_values(rows, 'images')}, D = {_values(rows, 'dimension')} (pooled pixels; beyond their "
        f"number random ReLU features), K = {_values(rows, 'classes')}, λ_W = λ_H = {_values(rows, 'penalty')}, "
        f"{_values(rows, 'steps')} steps of 64 mixtures, seeds {seeds}, images drawn by the seed; "
        f"{rows['seconds'].sum() / 60:.0f} minutes of runs in all. Each budget of steps is a run of its own, with "
        "its own cosine to 0. Distances are measured on mixtures of the training images, against the joint theorem "
        "at λ_W, λ_H with nothing fitted; the excess with a certified bound, at most "
        f"{rows['excess_bound'].max():.0e} of its unit. Rows: the Parquet file beside this page. Criteria: "
        f"`experiments/distance/criteria.toml`, commit `{commit}`. Intervals: 95 %, {about['replicates']} "
        "bootstrap samples of cells, and of seeds inside them."
    )


def _values(rows: Rows, name: str) -> str:
    return ", ".join(f"{value:g}" for value in np.unique(rows[name]))


def text(found: Estimate | None) -> str:
    """A number with its interval."""
    if found is None:
        return "—"
    if found.low == found.high:
        return f"{found.value:.3f}"
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _criteria(verdicts, numbers: dict[str, Estimate]) -> str:
    lines = [
        [c.says, text(numbers.get(c.number)), f"{c.side} {c.threshold:g}", c.source, f"**{verdict}**"]
        for c, verdict in verdicts
    ]
    return markdown_table(["says", "number and interval", "criterion", "source", "verdict"], lines)


def _fits(laws) -> str:
    names = list(dict.fromkeys(word for law in laws.values() for word in law.exponents))
    lines = [
        [
            RESPONSES[key],
            *(text(law.exponents.get(name)) for name in names),
            f"{law.r2:.3f}",
            f"{law.left:.3f}",
        ]
        for key, law in laws.items()
    ]
    note = (
        "log y = c + β₁ log(n/D) + β₂ log t + β₃ log K + β₄ log a, a of the theorem. R² and the standard deviation "
        "of what is left are those of log y; a curve in log(n/D), below, leaves less than this straight line."
    )
    return note + "\n\n" + markdown_table(["y", *names, "R²", "left"], lines)


def _curves(curves, apart) -> str:
    lines = []
    for key, one in curves.items():
        title = RESPONSES.get(key, f"planted in n/D^{key}")
        between = [f"{value:.3f}" for value in apart.get(key, ())] or ["", ""]
        shown = [f"{one.ratio:.3f}", f"{one.error:.3f}", f"{one.f:.1f}", f"{one.p:.1e}", text(one.gamma)]
        lines.append([title, *shown, *between])
    head = ["y", "held-out ratio", "held-out RMS", "F", "p", "γ", "apart against n/D", "apart against n"]
    note = (
        "Held-out ratio: RMS error on pairs (n, D) left out in turn, cubic in log(n/D), over that of a model with "
        "log D beside it (both with log t, log K, log a and products). F tests the same extension on means over "
        "seeds: with so little noise it sees departures that the held-out error forgives. γ: best exponent in "
        "n/D^γ. Apart: RMS of log y between the curves of two D. Planted: the fitted curve laid over n/D^γ, with "
        "the noise between seeds."
    )
    return note + "\n\n" + markdown_table(head, lines)


def _times(times, shapes) -> str:
    lines = [
        [part, *(text(each[name]) for name in (*RESPONSES, "excess_over_far"))]
        for part, each in times.items()
    ]
    table = markdown_table(["n/D", *(f"exponent of {w}" for w in RESPONSES.values()), "difference"], lines)
    said = "; ".join(
        f"{RESPONSES[name]}: power {one:.3f}, exponential {other:.3f}"
        for name, (one, other) in shapes.items()
    )
    return (
        "Exponents in t, every cell and seed with a level of its own.\n\n"
        f"{table}\n\nRMS of log y that a power of t and an exponential leave (K = 10, λ = 0.01), each with a rate "
        f"of its own for every cell and seed: {said}."
    )


def _conditioning(rows: Rows, modes: dict[str, Estimate]) -> str:
    use = np.all([rows[name] == value for name, value in MAIN.items()], axis=0)
    a = float(rows["a_joint"][use][0])
    features = dict(zip(FEATURE_MODES, feature_curvatures(a, MAIN["classes"])))
    gram = dict(zip(GRAM_MODES, gram_curvatures(MAIN["classes"], MAIN["penalty"])))
    lines = []
    for part, slowest in ((features, "outside"), (gram, "angles")):
        for name, rate in part.items():
            seen = modes[name].value / modes[slowest].value
            line = [
                MODES[name],
                f"{rate:.3f}",
                f"{rate / part[slowest]:.3f}",
                text(modes[name]),
                f"{seen:.3f}",
            ]
            lines.append(line)
    head = ["mode", "rate in theory", "over the slowest", "exponent in t", "over the slowest"]
    mean = ", ".join(f"{value:.2f} after {t} steps" for t, value in curvatures(rows).items())
    note = (
        "Squared errors by eigendirection, n ≤ D, K = 10, λ = 0.01. Rates in theory: of gradient flow for free "
        "features at a class label, over λ_H; of W with features at their optimum, 4 g h over λ_W (formula in "
        "`experiments/distance/modes.py`). Were each mode to fall as the exponential of its own rate, the two "
        "columns 'over the slowest' would agree."
    )
    last = (
        "The Hessian's mean eigenvalue along the errors, 2 excess/(λ_H mean ‖h − h*‖²), in units of λ_H: "
        f"{mean}. Stiff directions that converge first would make it fall."
    )
    return f"{note}\n\n{markdown_table(head, lines)}\n\n{last}"
