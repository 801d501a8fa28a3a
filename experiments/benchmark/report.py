"""The run as Markdown, JSON and a picture of error against time."""

import json
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

from experiments.benchmark.growth.many import ManyRow, many_lines, many_targets
from experiments.benchmark.profile import Rates, Stage
from experiments.benchmark.profile import lines as profile_lines
from experiments.benchmark.rows import FeatureRow, JointRow
from experiments.benchmark.targets import Target
from experiments.benchmark.waits.rows import Wait, wait_lines
from experiments.tools.files import plain
from experiments.training.checkpoint import write_whole

LEGEND = (
    "µs: microseconds a feature after warm-up, with the faster of the thread counts tried, each peer in a process "
    "of its own. error: largest ‖h − h*‖/‖h*‖ of the features checked against 40-digit answers. n: features solved "
    "(checked). first: seconds the first call takes longer (compilation). × and × array: the peer's time over that "
    "of ours (Newton against the built-in ETF or the given W; the ETF handed over as an array), only where ours is "
    "at least as accurate. optax and torch work in K coordinates, scipy and cvxpy in d."
)
JOINT_LEGEND = (
    "target: the first point with a certified relative gap ≤ 1e-9; best: the first within a factor 2 of the best "
    "gap. ×: its time over that of ours to that gap or a smaller one. Medians of 5 runs for ours, one run of a "
    "peer; by √π: with features scaled by the root of their weight, which needs to be known."
)
WAITED = (
    "Processor seconds of first answers, medians of three: with nothing kept between runs, and with the compiled "
    "programs of a first run. Of a comparison, with its page and the programs of a first run: seconds of the wall."
)


class Run:
    """Everything that was measured."""

    def __init__(self, command, machine, features, joint, targets, rates, stages, many=(), waits=()):
        self.command: str = command
        self.machine: dict[str, str] = machine
        self.features: list[FeatureRow] = features
        self.joint: list[JointRow] = joint
        self.targets: list[Target] = targets
        self.rates: Rates = rates
        self.stages: list[Stage] = stages
        self.many: list[ManyRow] = list(many)
        self.waits: list[Wait] = list(waits)


def write(run: Run, folder: Path, stem: str) -> list[Path]:
    """stem.md, .json and .png in the folder, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    text = {
        "md": markdown(run),
        "json": json.dumps(plain(record(run)), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
    }
    data = {suffix: content.encode() for suffix, content in text.items()} | {"png": picture(run.features)}
    paths = [folder / f"{stem}.{suffix}" for suffix in data]
    for path, content in zip(paths, data.values()):
        write_whole(path, lambda file, content=content: file.write(content))
    return paths


def markdown(run: Run) -> str:
    """The tables."""
    parts = ["# Speed", "", f"`{run.command}`", ""]
    parts += [", ".join(f"{name} {value}" for name, value in run.machine.items()), ""]
    parts += ["## Targets", "", *target_lines(run.targets), "", "## Features", "", LEGEND, ""]
    for task in dict.fromkeys(row.task for row in run.features):
        kind = "simplex ETF" if task.classifier == "etf" else "any W (Gaussian)"
        parts += [f"### K = {task.classes}, d = {task.dim}, λ_H = {task.lambda_h:g}, {kind}", ""]
        parts += [*feature_lines([row for row in run.features if row.task == task]), ""]
    parts += ["## Joint problem", "", JOINT_LEGEND, ""]
    for task in dict.fromkeys(row.outcome.job.task for row in run.joint):
        parts += [f"### K = 10, {task.name}", ""]
        parts += [*joint_lines([row for row in run.joint if row.outcome.job.task == task]), ""]
    if run.many:
        title = "### Many classes: mixup α = 1, 20 values of λ a pair, λ_W = λ_H = 5e-4"
        parts += [title, "", *many_lines(run.many), ""]
    if run.waits:
        parts += ["## What one waits for", "", WAITED, "", *wait_lines(run.waits), ""]
    parts += ["## Where the time goes", "", *profile_lines(run.rates, run.stages), ""]
    return "\n".join(parts)


def many_page(rows: list[ManyRow], command: str, where: dict[str, str]) -> str:
    """The page of these rows alone."""
    title = ["# Speed of the joint problem of many classes", "", f"`{command}`", ""]
    about = "Mixup α = 1, all pairs, 20 values of λ a pair, λ_W = λ_H = 5e-4, no bias. "
    about += "K = 1000 by the symmetry of the law: labels are one an orbit."
    machine = ", ".join(f"{name} {value}" for name, value in where.items())
    tables = [*target_lines(many_targets(rows)), "", about, "", *many_lines(rows), ""]
    return "\n".join([*title, machine, "", *tables])


def target_lines(targets: list[Target]) -> list[str]:
    """One row each."""
    word = {True: "yes", False: "no", None: "not measured"}
    found = ["| target | goal | measured | reached | why not |", "| --- | --- | --- | --- | --- |"]
    return found + [
        f"| {each.name} | {each.goal} | {each.measured or ''} | {word[each.reached]} | {each.reason} |"
        for each in targets
    ]


def feature_lines(rows: list[FeatureRow]) -> list[str]:
    """One row each; what did not run says why."""
    found = [
        "| method | threads | µs | error | n | first | × | × array | note |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in rows:
        answer = row.outcome.answer
        if not row.outcome.ok:
            found.append(f"| {row.variant} | | | | | | | | {row.outcome.status} |")
            continue
        error = "" if row.error is None else f"{row.error:.1e}"
        found.append(
            f"| {row.variant} | {row.outcome.threads} | {answer['seconds'] * 1e6:.4g} | {error} "
            f"| {answer['count']} ({answer['checked']}) | {answer['compile']:.2f} "
            f"| {_times(row.ratio)} | {_times(row.ratio_array)} | {answer['note']} |"
        )
    return found


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.3g}"


def joint_lines(rows: list[JointRow]) -> list[str]:
    """Two rows a method."""
    found = [
        "| method | threads | row | relative gap | seconds | × | first | note |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in rows:
        answer, name = row.outcome.answer, row.outcome.job.variant
        if not row.outcome.ok:
            found.append(f"| {name} | | | | | | | {row.outcome.status} |")
        elif row.point is None:
            found.append(
                f"| {name} | {row.outcome.threads} | {row.mark} | not reached | | | | {answer['note']} |"
            )
        else:
            found.append(
                f"| {name} | {row.outcome.threads} | {row.mark} | {row.point.gap:.1e} | {row.point.seconds:.4g} "
                f"| {_times(row.ratio)} | {answer['compile']:.2f} | {answer['note']} |"
            )
    return found


def record(run: Run) -> dict:
    """The same as plain data."""
    return {
        "schema": 1,
        "command": run.command,
        "machine": run.machine,
        "targets": [asdict(each) for each in run.targets],
        "features": [feature_record(row) for row in run.features],
        "joint": [
            {
                "method": row.outcome.job.variant,
                **asdict(row.outcome.job.task),
                "threads": row.outcome.threads,
                "status": row.outcome.status,
                "mark": row.mark,
                **(row.point._asdict() if row.point else {}),
                "ours": row.ours,
                "ratio": row.ratio,
                "note": row.outcome.answer.get("note"),
            }
            for row in run.joint
        ],
        "many": [asdict(row) for row in run.many],
        "waits": [asdict(row) for row in run.waits],
        "rates": asdict(run.rates),
        "stages": [asdict(stage) for stage in run.stages],
    }


def feature_record(row: FeatureRow) -> dict:
    """One row of the features."""
    return {
        "method": row.variant,
        **asdict(row.task),
        "dim": row.task.dim,
        "threads": row.outcome.threads,
        "status": row.outcome.status,
        **row.outcome.answer,
        "ratio": row.ratio,
        "ratio_array": row.ratio_array,
    }


def picture(rows: list[FeatureRow]) -> bytes:
    """Error against time a feature, one panel a size and classifier, one colour a method, one marker a λ_H."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    shown = [row for row in rows if row.outcome.ok and row.error is not None]
    panels = list(dict.fromkeys((row.task.classifier, row.task.classes) for row in shown))
    methods = list(dict.fromkeys(row.variant for row in shown))
    markers = dict(zip(sorted({row.task.lambda_h for row in shown}, reverse=True), "o^s"))
    figure = Figure(figsize=(3.2 * max(1, len(panels)), 4.6), layout="constrained")
    colour = {name: colormaps["tab20"](n % 20) for n, name in enumerate(methods)}
    axes = figure.subplots(1, max(1, len(panels)), sharey=True, squeeze=False)[0]
    for axis, panel in zip(axes, panels):
        for row in (row for row in shown if (row.task.classifier, row.task.classes) == panel):
            axis.plot(
                row.seconds * 1e6,
                max(row.error, 1e-17),
                markers[row.task.lambda_h],
                color=colour[row.variant],
                markeredgecolor="black" if row.variant.startswith("ours") else "none",
            )
        axis.set(xscale="log", yscale="log", xlabel="µs a feature")
        axis.set_title(("simplex ETF" if panel[0] == "etf" else "any W") + f", K = {panel[1]}", fontsize=10)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("relative error against 40 digits")
    handles = [axes[0].plot([], [], "o", color=colour[name], label=name)[0] for name in methods]
    handles += [
        axes[0].plot([], [], mark, color="grey", label=f"λ_H = {value:g}")[0]
        for value, mark in markers.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(panels) + 1), fontsize=8)
    buffer = BytesIO()
    figure.savefig(buffer, dpi=120)
    return buffer.getvalue()
