"""Reports as text: the problem with what follows from it, a table over λ, a summary; 80 columns."""

import math
import textwrap
from collections.abc import Iterable

import numpy as np
from rich.console import Console
from rich.table import Table

from ufm.agree.features import Report, Row, Settings
from ufm.agree.stream.reductions import EDGES, ErrorHistogram
from ufm.agree.verdict import FAILS, ORDER
from ufm.model.laws import LabelLaw
from ufm.model.problem import Problem

MAX_ROWS = 11
DIGITS = ((4, 1), (3, 1), (3, 0), (2, 0))  # decimals of a number: fixed, scientific
COARSE = 1e-4  # bounds on p beyond which some of the digits that fit are not certain
NOISE = 1e-12  # of the largest coefficient
LARGE = 10_000  # features, from which on their errors are also shown by decade
ASSUMED = "symmetry of the classes is assumed"
SHORT = {"out of hypothesis": "outside"}  # so that a row fits 80 columns; the summary spells it out
STYLES = {"fails": "bold red", "undecided": "yellow", "agrees": "green", "proved": "bold green"}


def shown(value, form: str, none: str = "-") -> str:
    """A number by its format; `none` where there is none: no person reads NaN, None or infinity."""
    return none if value is None or not math.isfinite(value) else format(value, form)


def small(value) -> str:
    """Two digits in scientific notation; an infinite bound is none, and shows as such."""
    return shown(value, ".1e")


def fixed(value, digits=DIGITS[0]) -> str:
    """Fixed decimals from 1e-3 to 1000, and for 0; scientific beyond."""
    plain = value == 0 or (value is not None and 1e-3 <= abs(value) < 1e3)
    return shown(value, f".{digits[0]}f" if plain else f".{digits[1]}e")


def resolved(value, bound, digits=DIGITS[0]) -> str:
    """A number known within `bound`, in no more digits than that leaves; "-" where it leaves none."""
    if not bound or not math.isfinite(value):
        return fixed(value, digits)
    places = -math.log10(bound)  # after the point
    after_first = math.floor(math.log10(abs(value))) + places if 0 < abs(value) < 1e-3 else -1
    if after_first >= 0:
        return f"{value:.{min(digits[1], int(after_first))}e}"
    return f"{value:.{min(digits[0], int(places))}f}" if places >= 1 else "-"


def coefficients(values, digits) -> list[str]:
    """Rounding noise beside the largest of them shows as zero."""
    noise = NOISE * max((abs(value) for value in values if value is not None), default=0.0)
    return [fixed(0.0 if value is not None and abs(value) <= noise else value, digits) for value in values]


def print_problem(console: Console, problem: Problem, derived: dict) -> None:
    """The problem and everything derived from it."""
    console.print(
        f"unconstrained features model: {problem.classes} classes, {problem.dim} dimensions, {problem.loss}",
        highlight=False,
    )
    lines = [
        ("labels", law_words(problem.law)),
        ("penalties", f"lambda_W {problem.lambda_w:g}, lambda_H {problem.lambda_h:g}"),
        ("classifier", f"{_classifier(problem)}, {derived['multiplier_source']}"),
        ("sharpness", f"a = m^2 K/((K-1) lambda_H) = {problem.sharpness:.10g}"),
        ("threshold", _threshold(problem, derived)),
    ]
    print_facts(console, lines)


def print_facts(console: Console, lines) -> None:
    """Name and text pairs, the text wrapped beside its name, 80 columns."""
    for name, text in lines:
        for k, part in enumerate(textwrap.wrap(text, 66)):
            console.print(f"  {name if k == 0 else '':<12}{part}", highlight=False, markup=False)


def law_words(law: LabelLaw) -> str:
    """The law with its parameters."""
    parts = [f"alpha {law.alpha:g}"] if law.alpha is not None else []
    parts += [f"{law.pairs} pairs"] if law.two_hot else []
    parts += [f"{law.ways} ways"] if law.name == "kway" else []
    parts += [f"smoothing {law.smoothing:g}"] if law.smoothing else []
    if law.class_weights is not None:
        parts += ["weights " + " ".join(f"{q:g}" for q in law.class_weights)]
    parts += ["weighted"] if law.label_weights is not None else []
    return ", ".join([law.name, *parts])


def _classifier(problem: Problem) -> str:
    if not problem.is_etf:
        return f"explicit, not a simplex ETF (relative distance {problem.etf_distance:.2g})"
    return f"simplex ETF, m = {problem.row_norm:.12g}"


def _threshold(problem: Problem, derived: dict) -> str:
    product, limit = problem.lambda_w * problem.lambda_h, derived["threshold"]
    relation = "<" if product < limit else ">="
    outcome = "non-trivial" if product < limit else "trivial: the joint optimum is W = 0, h = 0"
    return f"lambda_W lambda_H = {product:.3g} {relation} {limit:.6g}: {outcome}"


def shown_rows(rows: list[Row]) -> list[tuple[int, Row]]:
    """At most MAX_ROWS rows with their numbers, two of them same-class (those do not depend on λ).

    The rest are spread evenly. The row with the worst error is among them, and so is one with the worst verdict.
    """
    if len(rows) <= MAX_ROWS:
        return list(enumerate(rows))
    same = [n for n, row in enumerate(rows) if row.kind == "same"]
    other = [n for n, row in enumerate(rows) if row.kind != "same"]
    chosen = {
        max(range(len(rows)), key=lambda n: (rows[n].error or 0, rows[n].bound)),
        max(range(len(rows)), key=lambda n: badness(rows[n])),
    }
    few = 2 if other else MAX_ROWS - len(chosen)
    chosen |= set(_spread(same, few)) if same else set()
    chosen |= set(_spread(other, MAX_ROWS - len(chosen))) if other else set()
    return [(n, rows[n]) for n in sorted(chosen)]


def badness(row: Row) -> tuple[int, float]:
    """Largest for the worst row: by the verdict, then by the number that this rests on."""
    word = row.verdict.word
    size = row.error if word == FAILS and row.error is not None else max(row.bound, row.theory_bound)
    return -ORDER.index(word), size if math.isfinite(size) else math.inf


def _spread(indices: list[int], count: int) -> list[int]:
    """At most `count` of the indices, evenly spread, ends included."""
    places = np.linspace(0, len(indices) - 1, min(count, len(indices))).round().astype(int)
    return [indices[n] for n in places]


def print_rows(console: Console, report: Report) -> None:
    """Two lines a row, numerical optimum over closed form, with error, bound and verdict.

    A number has the first of DIGITS with which the rows fit the console: none is cut.
    """
    chosen = shown_rows(report.rows)
    for digits in DIGITS:
        table = _table(chosen, digits)
        if table_width(console, table) <= console.width:
            break
    console.print()
    print_table(console, table)
    if len(chosen) < len(report.rows):
        console.print(f"{len(chosen)} of {len(report.rows)} rows; all are in --json", highlight=False)
    known = [pair for _, row in chosen for pair in _fitted(row.numeric, row.classes is not None)]
    worst = max((bound for value, bound in known if bound is not None and math.isfinite(value)), default=0.0)
    if worst > COARSE:
        within = shown(worst, ".1e", "no finite distance")
        console.print(
            f"p has those digits alone that are certain: within {within} of the optimum's", highlight=False
        )


def _table(shown: list[tuple[int, Row]], digits) -> Table:
    two_hot = shown[0][1].classes is not None
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    names = ("coef_i", "coef_j", "p_i", "p_j") if two_hot else ("max coef", "max p", "min p")
    for name in (("kind λ" if two_hot else "label"), "route", *names, "|h|", "error", "bound", "verdict"):
        left = name in ("kind λ", "label", "route", "verdict")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    for label, (_, row) in zip(_labels(shown), shown):
        _add_row(table, row, two_hot, label, digits)
    return table


def _labels(shown: list[tuple[int, Row]]) -> list[str]:
    """Kind and λ, with as many digits as tell the rows apart; or the number of a given label."""
    if shown[0][1].classes is None:
        return [f"{row.kind} {index}" for index, row in shown]
    for digits in (4, 6, 9, 12, 17):
        labels = [f"{row.kind[:4]} {row.lam:.{digits}g}" for _, row in shown]
        if len(set(labels)) == len(labels):
            break
    return labels


def _add_row(table: Table, row: Row, two_hot: bool, label: str, digits) -> None:
    style = STYLES.get(row.verdict.word, "")
    word = SHORT.get(row.verdict.word, row.verdict.word)
    word = f"[{style}]{word}[/]" if style else word
    judged = (small(row.error), small(row.bound), word)
    first = judged if row.theory is None else ("", "", "")
    table.add_row(label, "num", *_cells(row.numeric, two_hot, digits), *first)
    if row.theory is not None:
        table.add_row("", "thy", *_cells(row.theory, two_hot, digits), *judged)


def _cells(side, two_hot: bool, digits) -> list[str]:
    coefs = side.coef if two_hot else [side.coef.max()]
    p = (resolved(value, bound, digits) for value, bound in _fitted(side, two_hot))
    return [*coefficients(coefs, digits), *p, fixed(side.norm, digits)]


def _fitted(side, two_hot: bool) -> list[tuple[float, float | None]]:
    """The two values of p that are shown, with their bounds."""
    bounds = np.full(len(side.p), None) if side.p_bound is None else side.p_bound
    return [(side.p[k], bounds[k]) for k in ((0, 1) if two_hot else (side.p.argmax(), side.p.argmin()))]


def print_verdicts(console: Console, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """A plain table whose last column is a verdict."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for n, head in enumerate(heads):
        table.add_column(head, justify="left" if n in (0, len(heads) - 1) else "right", no_wrap=True)
    for *cells, word in rows:
        style = STYLES.get(word, "")
        table.add_row(*cells, f"[{style}]{word}[/]" if style else word)
    console.print()
    print_table(console, table)
    console.print()


def table_width(console: Console, table: Table) -> int:
    """Columns that it takes whole."""
    return console.measure(table, options=console.options.update(width=10_000)).maximum


def print_table(console: Console, table: Table) -> None:
    """Whole, whatever the width of the console: a line may be too long, no number is cut."""
    before = console.width
    console.width = max(before, table_width(console, table))
    try:
        console.print(table)
    finally:
        console.width = before


def print_summary(console: Console, report: Report) -> None:
    """Count, worst error and bound, verdict and, where it is not agreement, why."""
    console.print()
    style, symmetric = STYLES.get(report.verdict, "bold"), report.represented is not None
    if symmetric:
        line = f"{report.represented} features represented, {report.count} solved: {ASSUMED}"
        console.print(line, highlight=False)
    if report.errors is not None and report.count >= LARGE:
        for line in textwrap.wrap(f"errors by decade: {decades(report.errors)}", 78, subsequent_indent="  "):
            console.print(line, highlight=False)
    console.print(
        f"{report.count} features, worst error {small(report.worst_error)}, "
        f"worst bound {small(report.worst_bound)}: [{style}]{report.verdict}[/]"
        f"{', by symmetry' if symmetric else ''}",
        highlight=False,
    )
    if report.verdict not in ("agrees", "proved"):
        reason = max(report.rows, key=badness).verdict.reason
        text = textwrap.fill(reason, 78, initial_indent="  ", subsequent_indent="  ")
        console.print(text, highlight=False, markup=False)


def decades(errors: ErrorHistogram) -> str:
    """Features with error exactly 0, then those of each decade that holds any, named by its lower end."""
    names = [f"below {EDGES[0]:.0e}", *(f"{edge:.0e}" for edge in EDGES)]
    held = [(name, count) for name, count in zip(names, errors.counts) if count]
    return ", ".join(f"{name}: {count}" for name, count in [("0", errors.exact), *held])


def print_explanations(console: Console, report: Report, settings: Settings) -> None:
    """What was compared, then one sentence for each verdict shown."""
    console.print()
    common = f"All rows: {compared(report, settings)} Lengths are divided by max(|h|, |h_same|)."
    if report.represented is not None:
        common += f" {ASSUMED[0].upper()}{ASSUMED[1:]}: one pair stands for each kind and weight."
    console.print(textwrap.fill(common, 79, subsequent_indent="  "), highlight=False, markup=False)
    for index, row in shown_rows(report.rows):
        where = f"{row.kind} λ = {row.lam:.5g}" if row.classes is not None else f"{row.kind} {index}"
        text = f"{where}: {row.verdict.word}: {explain(row, report.represented is not None)}"
        console.print(textwrap.fill(text, 79, subsequent_indent="  "), highlight=False, markup=False)


def compared(report: Report, settings: Settings) -> str:
    """The independent means and the hypotheses, one sentence each."""
    closed = {
        "cross-entropy": "through log(p_k/p_o), a root of Lambert-W type",
        "squared-error": "affine in the label",
    }[report.problem.loss]
    if report.errors is None:
        return (
            f"the numerical optimum ({settings.method} on the autodiff gradient from h = 0, "
            f"{arithmetic(settings)}) with its certificate; no closed form applies."
        )
    return (
        f"the numerical optimum ({settings.method} on the autodiff gradient from h = 0, "
        f"{arithmetic(settings)}) against the closed form ({closed}), which share only the "
        f"frame W and the labels; the bound is a certificate of the numerical optimum alone. Hypotheses: "
        f"W a simplex ETF, lambda_H = {report.problem.lambda_h:g} > 0, labels in the simplex."
    )


def arithmetic(settings: Settings) -> str:
    """The precision of the numerical route in words."""
    name = np.dtype(settings.dtype).name
    return name if settings.first is None else f"{np.dtype(settings.first).name}, refined in {name}"


def explain(row: Row, by_symmetry: bool) -> str:
    """The sentence behind one verdict."""
    over = "for the one pair that was solved" if by_symmetry else "over all pairs"
    within = shown(row.bound, ".1e", "no finite distance")
    bound = f"the numerical optimum is certified within {within} of the true one"
    if row.theory is None:
        return f"no closed form is claimed: {row.verdict.reason}; {bound}."
    found = f"the two differ by at most {shown(row.error, '.1e', 'an unknown length')} {over}, and {bound}"
    return {
        "proved": f"{found}; ball arithmetic at 30 digits confirmed both and the closed form.",
        "agrees": f"{found}.",
        "undecided": f"{found}, which does not decide it: {row.verdict.reason}.",
        "fails": f"{found}, so the closed form is not the optimum here: {row.verdict.reason}.",
    }[row.verdict.word]
