"""Reports as text: the problem with what follows from it, a table over λ, a summary; 80 columns."""

import math
from collections.abc import Sequence

import numpy as np
from rich.console import Console

from ufm.agree.features import Report, Row, Settings
from ufm.agree.stream.reductions import EDGES, ErrorHistogram
from ufm.agree.verdict import FAILS, ORDER
from ufm.model.laws import LabelLaw
from ufm.model.problem import Problem
from ufm.output.sections import Facts, Sentence, Table, Verdict, drawn, show, width, wrapped

MAX_ROWS = 11
DIGITS = ((4, 1), (3, 1), (3, 0), (2, 0))  # decimals of a number: fixed, scientific
COARSE = 5e-5  # bounds on p beyond which some of the digits that fit are not certain
NOISE = 1e-12  # of the largest coefficient
LARGE = 10_000  # features, from which on their errors are also shown by decade
ASSUMED = "symmetry of the classes is assumed"
SHORT = {"out of hypothesis": "outside"}  # so that a row fits 80 columns; the summary spells it out


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
    """A number known within `bound`, in no more digits than that leaves; "-" where it leaves none.

    The last digit has a unit of at least 2 `bound`, so that the number known is within one unit of what is shown.
    """
    if not bound or not math.isfinite(value):
        return fixed(value, digits)
    places = -math.log10(2 * bound)  # after the point
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
    lines = [
        *law_facts(problem),
        ("classifier", f"{_classifier(problem)}, {derived['multiplier_source']}"),
        ("sharpness", f"a = m^2 K/((K-1) lambda_H) = {problem.sharpness:.10g}"),
        ("threshold", _threshold(problem, derived)),
    ]
    show(console, f"unconstrained features model: {sizes(problem, problem.d)}", Facts(lines))


def sizes(problem, dim: int) -> str:
    """Classes, dimensions and loss of a problem, of whatever kind."""
    return f"{problem.classes} classes, {dim} dimensions, {problem.loss}"


def law_facts(problem, labels: str = "", bias: str = "") -> list[tuple[str, str]]:
    """Labels and penalties of a problem, of whatever kind, with what else there is to say of them."""
    penalties = f"lambda_W {problem.lambda_w:g}, lambda_H {problem.lambda_h:g}"
    return [("labels", law_words(problem.law) + labels), ("penalties", penalties + bias)]


def bias_words(lambda_b: float | None) -> str:
    """none, free, or its penalty."""
    return "none" if lambda_b is None else "free" if lambda_b == 0 else f"lambda_b {lambda_b:g}"


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
    chosen |= set(spread(same, few)) if same else set()
    chosen |= set(spread(other, MAX_ROWS - len(chosen))) if other else set()
    return [(n, rows[n]) for n in sorted(chosen)]


def badness(row: Row) -> tuple[int, float]:
    """Largest for the worst row: by the verdict, then by the number that this rests on."""
    word = row.verdict.word
    size = row.error if word == FAILS and row.error is not None else max(row.bound, row.theory_bound)
    return -ORDER.index(word), size if math.isfinite(size) else math.inf


def spread(indices: Sequence[int], count: int) -> list[int]:
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
        if width(console, drawn(table)) <= console.width:
            break
    show(console, "", table)
    if len(chosen) < len(report.rows):
        show(console, f"{len(chosen)} of {len(report.rows)} rows; all are in --json")
    known = [pair for _, row in chosen for pair in _fitted(row.numeric, row.classes is not None)]
    worst = max((bound for value, bound in known if bound is not None and math.isfinite(value)), default=0.0)
    if worst > COARSE:
        all_known = f"p has those digits alone that are certain: within {worst:.1e} of the optimum's"
        show(
            console,
            all_known if math.isfinite(worst) else "nothing is known of p where no digit of it is shown",
        )


def _table(shown: list[tuple[int, Row]], digits) -> Table:
    two_hot = shown[0][1].classes is not None
    names = ("coef_i", "coef_j", "p_i", "p_j") if two_hot else ("max coef", "max p", "min p")
    heads = ("kind λ" if two_hot else "label", "route", *names, "|h|", "error", "bound", "verdict")
    rows = [
        line for label, (_, row) in zip(_labels(shown), shown) for line in _lines(row, two_hot, label, digits)
    ]
    return Table(heads, rows, left=(0, 1, -1))


def _labels(shown: list[tuple[int, Row]]) -> list[str]:
    """Kind and λ, with as many digits as tell the rows apart; or the number of a given label."""
    if shown[0][1].classes is None:
        return [f"{row.kind} {index}" for index, row in shown]
    for digits in (4, 6, 9, 12, 17):
        labels = [f"{row.kind[:4]} {row.lam:.{digits}g}" for _, row in shown]
        if len(set(labels)) == len(labels):
            break
    return labels


def _lines(row: Row, two_hot: bool, label: str, digits) -> list[tuple[str, ...]]:
    """A line for each route; what was judged on the last."""
    word = row.verdict.word
    judged = (small(row.error), small(row.bound), SHORT.get(word, word))
    numeric = (label, "num", *_cells(row.numeric, two_hot, digits))
    if row.theory is None:
        return [(*numeric, *judged)]
    return [(*numeric, "", "", ""), ("", "thy", *_cells(row.theory, two_hot, digits), *judged)]


def _cells(side, two_hot: bool, digits) -> list[str]:
    coefs = side.coef if two_hot else [side.coef.max()]
    p = (resolved(value, bound, digits) for value, bound in _fitted(side, two_hot))
    return [*coefficients(coefs, digits), *p, fixed(side.norm, digits)]


def _fitted(side, two_hot: bool) -> list[tuple[float, float | None]]:
    """The two values of p that are shown, with their bounds."""
    bounds = np.full(len(side.p), None) if side.p_bound is None else side.p_bound
    return [(side.p[k], bounds[k]) for k in ((0, 1) if two_hot else (side.p.argmax(), side.p.argmin()))]


def print_summary(console: Console, report: Report) -> None:
    """Count, worst error and bound, verdict and, where it is not agreement, why."""
    symmetric = report.represented is not None
    show(console, "")
    if symmetric:
        show(console, f"{report.represented} features represented, {report.count} solved: {ASSUMED}")
    if report.errors is not None and report.count >= LARGE:
        wrapped(console, f"errors by decade: {decades(report.errors)}")
    worst = f"worst error {small(report.worst_error)}, worst bound {small(report.worst_bound)}"
    by = ", by symmetry" if symmetric else ""
    show(console, Verdict(f"{report.count} features, {worst}", report.verdict, by))
    if report.verdict not in ("agrees", "proved"):
        show(console, Sentence(max(report.rows, key=badness).verdict.reason))


def decades(errors: ErrorHistogram) -> str:
    """Features with error exactly 0, then those of each decade that holds any, named by its lower end."""
    names = [f"below {EDGES[0]:.0e}", *(f"{edge:.0e}" for edge in EDGES)]
    held = [(name, count) for name, count in zip(names, errors.counts) if count]
    return ", ".join(f"{name}: {count}" for name, count in [("0", errors.exact), *held])


def print_explanations(console: Console, report: Report, settings: Settings) -> None:
    """What was compared, then one sentence for each verdict shown."""
    common = f"All rows: {compared(report, settings)} Lengths are divided by max(|h|, |h_same|)."
    if report.represented is not None:
        common += f" {ASSUMED[0].upper()}{ASSUMED[1:]}: one pair stands for each kind and weight."
    show(console, "")
    wrapped(console, common)
    for index, row in shown_rows(report.rows):
        where = f"{row.kind} λ = {row.lam:.5g}" if row.classes is not None else f"{row.kind} {index}"
        wrapped(console, f"{where}: {row.verdict.word}: {explain(row, report.represented is not None)}")


def compared(report: Report, settings: Settings) -> str:
    """The independent means and the hypotheses, one sentence each."""
    how = f"{settings.method} on the autodiff gradient from h = 0, {arithmetic(settings)}"
    if report.errors is None:
        return f"the numerical optimum ({how}) with its certificate; no closed form applies."
    closed = {
        "cross-entropy": "through log(p_k/p_o), a root of Lambert-W type",
        "squared-error": "affine in the label",
    }[report.problem.loss]
    return (
        f"the numerical optimum ({how}) against the closed form ({closed}), which share only the "
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
