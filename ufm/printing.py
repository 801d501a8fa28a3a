"""Reports as text: the problem with what follows from it, a table over λ, a summary; 80 columns."""

import math
import textwrap

import numpy as np
from rich.console import Console
from rich.table import Table

from ufm.agreement import Report, Row, Settings
from ufm.problem import Problem

MAX_ROWS = 11
STYLES = {"fails": "bold red", "undecided": "yellow", "agrees": "green", "proved": "bold green"}


def number(value, digits: int = 4) -> str:
    """A short decimal; a dash for what is absent."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.{digits}g}"


def fixed(value) -> str:
    """Four decimals where that shows something, scientific where it does not."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e3 else f"{value:.1e}"


def print_problem(console: Console, problem: Problem, derived: dict) -> None:
    """The problem and everything derived from it."""
    law = problem.law
    parts = [f"alpha {law.alpha:g}"] if law.alpha is not None else []
    parts += [f"{law.pairs} pairs"] if law.two_hot else []
    parts += [f"{law.ways} ways"] if law.name == "kway" else []
    parts += [f"smoothing {law.smoothing:g}"] if law.smoothing else []
    console.print(
        f"unconstrained features model: {problem.classes} classes, {problem.dim} dimensions, {problem.loss}",
        highlight=False,
    )
    lines = [
        ("labels", ", ".join([law.name, *parts])),
        ("penalties", f"lambda_W {problem.lambda_w:g}, lambda_H {problem.lambda_h:g}"),
        ("classifier", f"{_classifier(problem)}, {derived['multiplier_source']}"),
        ("sharpness", f"a = m^2 K/((K-1) lambda_H) = {problem.sharpness:.10g}"),
        ("threshold", _threshold(problem, derived)),
    ]
    for name, text in lines:
        console.print(f"  {name:<11}{text}", highlight=False, soft_wrap=True)


def _classifier(problem: Problem) -> str:
    if not problem.is_etf:
        return f"explicit, not a simplex ETF (relative distance {problem.etf_distance:.2g})"
    return f"simplex ETF, m = {problem.row_norm:.12g}"


def _threshold(problem: Problem, derived: dict) -> str:
    product, limit = problem.lambda_w * problem.lambda_h, derived["threshold"]
    relation = "<" if product < limit else ">="
    outcome = "non-trivial" if product < limit else "trivial: the joint optimum is W = 0, h = 0"
    return f"lambda_W lambda_H = {product:.3g} {relation} {limit:.6g}: {outcome}"


def shown_rows(rows: list[Row]) -> list[Row]:
    """At most MAX_ROWS rows: ends, an even spread, and the worst error or bound."""
    if len(rows) <= MAX_ROWS:
        return rows
    worst = max(range(len(rows)), key=lambda n: (rows[n].error or 0, rows[n].bound))
    spread = np.unique(np.linspace(0, len(rows) - 1, MAX_ROWS).round().astype(int))
    if worst not in spread:
        nearest = int(np.argmin(np.abs(spread[1:-1] - worst))) + 1
        spread[nearest] = worst
    return [rows[n] for n in sorted(spread)]


def print_rows(console: Console, report: Report) -> None:
    """Two lines a row, numerical optimum over closed form, with error, bound and verdict."""
    shown = shown_rows(report.rows)
    two_hot = shown[0].classes is not None
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    names = ("coef_i", "coef_j", "p_i", "p_j") if two_hot else ("max coef", "max p", "min p")
    for name in (("kind λ" if two_hot else "label"), "route", *names, "|h|", "error", "bound", "verdict"):
        table.add_column(name, justify="left" if name in ("kind λ", "label", "route", "verdict") else "right")
    for index, row in enumerate(shown):
        _add_row(table, row, two_hot, index)
    console.print()
    console.print(table)
    if len(shown) < len(report.rows):
        console.print(f"{len(shown)} of {len(report.rows)} rows; all are in --json", highlight=False)


def _add_row(table: Table, row: Row, two_hot: bool, index: int) -> None:
    label = f"{row.kind[:4]} {row.lam:.5g}" if two_hot else f"{row.kind} {index}"
    style = STYLES.get(row.verdict.word, "")
    judged = (number(row.error, 2), number(row.bound, 2), f"[{style}]{row.verdict.word}[/]" if style else row.verdict.word)
    first = judged if row.theory is None else ("", "", "")
    table.add_row(label, "num", *_cells(row.numeric, two_hot), *first)
    if row.theory is not None:
        table.add_row("", "thy", *_cells(row.theory, two_hot), *judged)


def _cells(side, two_hot: bool) -> list[str]:
    if two_hot:
        return [fixed(v) for v in (*side.coef, *side.p[:2], side.norm)]
    return [fixed(v) for v in (side.coef.max(), side.p.max(), side.p.min(), side.norm)]


def print_summary(console: Console, report: Report) -> None:
    """Count, worst error and bound, verdict and, where it is not agreement, why."""
    console.print()
    style = STYLES.get(report.verdict, "bold")
    console.print(
        f"{report.count} features, worst error {number(report.worst_error, 3)}, "
        f"worst bound {number(report.worst_bound, 3)}: [{style}]{report.verdict}[/]",
        highlight=False,
    )
    if report.verdict not in ("agrees", "proved"):
        reason = next(row.verdict.reason for row in report.rows if row.verdict.word == report.verdict)
        console.print(f"  {reason}", highlight=False, markup=False, soft_wrap=False)


def print_explanations(console: Console, report: Report, settings: Settings) -> None:
    """One sentence for each verdict shown."""
    console.print()
    for index, row in enumerate(shown_rows(report.rows)):
        text = f"{_where(row, index)}: {row.verdict.word}. {explain(row, report.problem, settings)}"
        console.print(textwrap.fill(text, 79, subsequent_indent="  "), highlight=False, markup=False)


def _where(row: Row, index: int) -> str:
    return f"{row.kind} λ = {row.lam:.5g}" if row.classes is not None else f"{row.kind} {index}"


def explain(row: Row, problem: Problem, settings: Settings) -> str:
    """What was compared, by which independent means, under which hypotheses."""
    means = f"the {settings.method} optimum of the autodiff objective ({np.dtype(settings.dtype).name})"
    unit = "the larger of its norm and the same-class norm"
    certificate = f"its certified distance to the true optimum is at most {row.bound:.1e} of {unit}"
    if row.theory is None:
        return f"Only {means} is given, and {certificate}; there is no closed form: {row.verdict.reason}."
    closed = {
        "cross-entropy": "the closed form through log(p_k/p_o) (a Lambert-W-type root)",
        "squared-error": "the closed form, affine in the label,",
    }[problem.loss]
    balls = ", and ball arithmetic at 30 digits confirmed both" if row.verdict.word == "proved" else ""
    hypotheses = f"W a simplex ETF, lambda_H = {problem.lambda_h:g} > 0, label in the simplex"
    reason = f" ({row.verdict.reason})" if row.verdict.word in ("fails", "undecided") else ""
    return (
        f"Compared {means} with {closed} over every feature of this row: they differ by at most "
        f"{row.error:.1e} of {unit}, {certificate}{balls}{reason}; hypotheses: {hypotheses}."
    )
