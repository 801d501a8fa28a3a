"""`python -m ufm.compare` as text of 80 columns: metrics, mixup geometry by λ, fit, calibration, verdicts."""

import textwrap

import numpy as np
from rich.console import Console
from rich.table import Table

from ufm.network.comparison import ZERO, Comparison
from ufm.network.read.activations import Activations
from ufm.network.resample import Curve, Estimate
from ufm.network.resemblance import (
    CRITERIA,
    INCONCLUSIVE,
    NOT_APPLICABLE,
    NOT_REPRODUCED,
    OVERALL,
    REPRODUCED,
)
from ufm.output.text import fixed, print_facts, print_table, shown, small

LEGEND = (
    "outside: share of ||h - c||^2 outside span{w_i, w_j}; across: displacement along w_i - w_j; ampl.: length "
    "along w_i + w_j over that of straight interpolation; bend: distance from straight interpolation, to which "
    "scatter within the classes adds"
)
STYLES = {REPRODUCED: "green", NOT_REPRODUCED: "bold red", INCONCLUSIVE: "yellow", NOT_APPLICABLE: "dim"}


def print_comparison(console: Console, source: str, given: Activations, found: Comparison) -> None:
    """All of it."""
    console.print(f"{source}: a network held against the theory of mixup", highlight=False, markup=False)
    print_facts(console, facts(given, found))
    _heading(console, "neural collapse, by convention (0 is collapse)")
    if found.metrics is None:
        _note(console, found.missing["metrics"])
    else:
        print_table(console, _metrics(found.metrics))
    _heading(console, f"mixup geometry by λ, {found.channel.level:.0%} intervals; pred.: closed form")
    if found.channel.different.any():
        print_table(console, _geometry(found))
        _note(console, LEGEND)
    else:
        _note(console, ZERO if found.a is None else "no samples of two mixed classes")
    print_facts(console, channel_facts(found))
    _heading(console, "closed form and optimality")
    print_facts(console, fit_facts(found))
    _heading(console, "calibration")
    print_facts(console, calibration_facts(found))
    console.print()
    print_table(console, _verdicts(found))
    console.print()
    for finding in found.findings:
        if finding.word != REPRODUCED:
            _note(console, f"{finding.name}: {CRITERIA[finding.name].claim} ({finding.reason})")
    console.print(f"{OVERALL}: [{STYLES[found.word]}]{found.word}[/]", highlight=False)


def facts(given: Activations, found: Comparison) -> list[tuple[str, str]]:
    """What was read."""
    bias = "no bias" if given.b is None else "zero bias" if not given.b.any() else "with bias"
    held = f", {given.held_out} held-out logits" if given.held_out else ""
    etf = f"deviation from a simplex ETF {small(found.etf)}"
    penalties = ", ".join(
        f"{name} {value:g}" if value else f"{name} unknown"
        for name, value in (("lambda_W", found.options.lambda_w), ("lambda_H", found.options.lambda_h))
    )
    return [
        (
            "samples",
            f"{given.count} features in {given.dim} dimensions, labels {', '.join(given.labels)}{held}",
        ),
        ("classifier", f"{given.classes} classes, {bias}, m = {shown(found.multiplier, '.6g')}, {etf}"),
        ("penalties", penalties),
        ("sharpness", sharpness(found)),
    ]


def sharpness(found: Comparison) -> str:
    """a, where it came from, and whether the data say what it is."""
    if found.a is None:
        return f"none: {ZERO}"
    if found.a_known:
        return f"a = m^2 K/((K-1) lambda_H) = {found.a:.6g}, nothing fitted"
    if found.fit.a_identified:
        return f"a = {found.a:.6g}, fitted to the logits"
    if found.fit.at_end:
        return f"a = {found.a:.3g}, an end of the range searched: no sharpness fits these logits"
    return (
        f"a = {found.a:.3g}, fitted but NOT identified: R^2 is {_r2(found.fit.r2)} there, "
        f"{_r2(found.fit.r2_half)} at a/2 and {_r2(found.fit.r2_double)} at 2a, so only its order is known"
    )


def _metrics(metrics: dict[str, dict[str, float | None]]) -> Table:
    names = list(metrics)
    table = _table("metric", *names)
    for key in metrics[names[0]]:
        table.add_row(key, *(_number(metrics[name][key]) for name in names))
    return table


def _geometry(found: Comparison) -> Table:
    """A row a λ-bin: samples, and each measure with its interval and prediction."""
    c = found.channel
    table = _table("λ", "n", "outside", "across", "pred.", "ampl.", "pred.", "bend", "pred.")
    for b in np.flatnonzero(c.different > 0).tolist():
        names = ("displacement", "amplification", "nonlinearity")
        predicted = [None if c.predicted is None else c.predicted[name][b] for name in names]
        measured = [
            _interval(part, b) for part in (c.outside, c.displacement, c.amplification, c.nonlinearity)
        ]
        cells = [measured[0]]
        for value, theory in zip(measured[1:], predicted):
            cells += [value, _short(theory)]
        table.add_row(shown(c.lam[b], ".3f"), _count(c.different[b]), *cells)
    return table


def channel_facts(found: Comparison) -> list[tuple[str, str]]:
    """Same-class alignment and the slope of the channel."""
    c = found.channel
    predicted, limit = shown(c.slope_predicted, ".6g"), shown(c.slope_limit, ".6g")
    aligned = c.overall["alignment"]
    return [
        ("same class", f"alignment with w_c {_spread(aligned)}, {c.rows[0]} samples"),
        (
            "slope",
            f"of displacement on logit λ: {_spread(c.slope)}, predicted at this a {predicted}, "
            f"as λ_H -> 0 {limit}",
        ),
        ("intervals", _intervals(found)),
    ]


def _intervals(found: Comparison) -> str:
    """How they were made, about which origin, and what was left out."""
    c = found.channel
    origin = {"class": "mean of the class means", "mean": "mean of all features", "none": "0"}[c.centre]
    text = (
        f"{c.replicates} bootstrap replicates of single rows (not of batches that shared one λ); c: {origin}"
    )
    if c.skipped:
        text += f"; {c.skipped} samples left out: not two-hot, without weight, or of two equal rows of W"
    return text


def fit_facts(found: Comparison) -> list[tuple[str, str]]:
    """R², excess and gap."""
    f, e, g = found.fit, found.excess, found.certificate
    low, high = f.r2_interval or (np.nan, np.nan)
    ends = "" if np.isnan([low, high]).any() else f" ({low:.4f} to {high:.4f})"
    known, lines = f.a_known is not None, []
    if known:
        lines.append(("R^2 known a", f"{_r2(f.r2_known)}{ends} at a = {f.a_known:.6g}, nothing fitted"))
    fitted = f"{_r2(f.r2)}{'' if known else ends} at a = {shown(f.a, '.6g')}"
    fitted += f"; linear baseline s(y - 1/K) {_r2(f.r2_linear)}"
    lines.append(("R^2 fitted", f"nothing to fit: {ZERO}" if found.a is None else fitted))
    if e is None:
        lines.append(("excess", found.missing["excess"]))
    else:
        text = f"{shown(e.excess, '.3g')} (bound {small(e.bound)}) over the optimum {shown(e.optimum, '.6g')}"
        text += " of these W and b"
        scale = f"h = 0 has {shown(e.at_zero, '.3g')}; {e.sample} samples, standard error {small(e.error)}"
        scale += f", {e.solver}"
        lines.append(("excess", f"{text}; {scale}"))
    if g is None:
        lines.append(("global gap", found.missing["gap"]))
    else:
        relative = shown(g.relative_gap, ".3g")
        text = f"at most {shown(g.gap, '.3g')} of L = {shown(g.objective, '.6g')}, relative {relative}"
        lines.append(("global gap", f"{text}, {_bias(found.options.lambda_b)}"))
    return lines


def _bias(lambda_b) -> str:
    """The problem that was certified."""
    if lambda_b is None:
        return "among all W and features without a bias"
    kind = "a free bias" if lambda_b == 0 else f"a bias of penalty {lambda_b:g}"
    return f"among all W and features with {kind}"


def calibration_facts(found: Comparison) -> list[tuple[str, str]]:
    """Mixed samples, then held-out data."""
    deviation, text = found.mixed.deviation, "no mixed samples, or no sharpness"
    if deviation is not None:
        text = f"mean p_i by λ is {_spread(deviation)} from the closed form on average"
    lines = [("mixed", text)]
    held = found.calibration
    if held is None:
        return [*lines, ("held out", found.missing["calibration"])]
    o = held.observed
    lines.append(("held out", f"accuracy {o.accuracy:.4f}, {_reliability(o)}"))
    if held.fitted is None:
        return [*lines, ("temperature", "none in 1e-3 to 1e3 has the least NLL")]
    return [*lines, ("temperature", f"{shown(held.temperature, '.4g')}, with it {_reliability(held.fitted)}")]


def _reliability(part) -> str:
    return f"ECE {shown(part.ece, '.4f')}, NLL {shown(part.nll, '.4f', 'infinite')}"


def _verdicts(found: Comparison) -> Table:
    table = _table("statement", "value", "interval", "asked for", "verdict")
    table.columns[-1].justify = "left"
    for f in found.findings:
        ends = "" if f.low is None or f.low == f.high else f"{_short(f.low)} to {_short(f.high)}"
        name = f.name + ("" if CRITERIA[f.name].decisive else " *")
        value = "-" if f.value is None else _short(f.value)
        table.add_row(name, value, ends, CRITERIA[f.name].words, f"[{STYLES[f.word]}]{f.word}[/]")
    if any(not CRITERIA[f.name].decisive for f in found.findings):
        table.caption, table.caption_justify = "* not needed for the overall verdict", "left"
    return table


def _table(*heads: str) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for n, head in enumerate(heads):
        table.add_column(head, justify="left" if n == 0 else "right", no_wrap=True)
    return table


def _interval(part: Curve, b: int) -> str:
    """A bin's value ± half the width of its interval."""
    value, low, high = (end[b] for end in part)
    if np.isnan(value):
        return "-"
    half = (high - low) / 2
    return f"{_short(value)}±{half:.1g}" if 1e-3 <= half < np.inf else _short(value)


def _count(weight: float) -> str:
    return f"{weight:.0f}" if weight >= 100 else f"{weight:.3g}"


def _spread(part: Estimate) -> str:
    value, low, high = (float(end) for end in part)
    if np.isnan(value):
        return "-"
    ends = f" ({low:.5g} to {high:.5g})" if np.isfinite([low, high]).all() else ""
    return f"{shown(value, '.5g')}{ends}"


def _short(value) -> str:
    plain = value == 0 or (value is not None and 1e-2 <= abs(value) < 1e3)
    return shown(value, ".3f" if plain else ".0e")


def _number(value) -> str:
    return "-" if value is None else fixed(value)


def _r2(value) -> str:
    return shown(value, ".4f")


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(f"[bold]{text}[/]", highlight=False)


def _note(console: Console, text: str) -> None:
    for line in textwrap.wrap(text, 78, initial_indent="  ", subsequent_indent="  "):
        console.print(line, highlight=False, markup=False)
