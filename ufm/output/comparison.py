"""A comparison as sections, which the text and the page of `python -m ufm.compare` show, and as its JSON record."""

from functools import partial

import numpy as np

from ufm.network.collapse.conventions import CONVENTIONS
from ufm.network.comparison import ZERO, Comparison
from ufm.network.read.activations import Activations
from ufm.network.resample import Curve, Estimate
from ufm.network.resemblance import CRITERIA, OVERALL, REPRODUCED, Finding
from ufm.output.records import SCHEMA, number, plain
from ufm.output.sections import Facts, Section, Sentence, Table, Two, Verdict, Words
from ufm.output.text import fixed, shown, small

LEGEND = (
    "outside: share of ||h - c||^2 outside span{w_i, w_j}; across: displacement along w_i - w_j; ampl.: length "
    "along w_i + w_j over that of straight interpolation; bend: distance from straight interpolation, to which "
    "scatter within the classes adds"
)
CURVES = ("alignment", "outside", "displacement", "amplification", "nonlinearity")
PREDICTED = CURVES[2:]
_r2, _three, _four, _six = (partial(shown, form=form) for form in (".4f", ".3g", ".4g", ".6g"))


def comparison_sections(given: Activations, found: Comparison) -> list[Section]:
    """All of it, what was read first and the verdicts last."""
    level = f"{found.channel.level:.0%}"
    geometry = Two(f"mixup geometry by λ, {level} intervals; pred.: closed form", "Mixup geometry")
    collapse = Two("neural collapse, by convention (0 is collapse)", "Neural collapse, by convention")
    return [
        Section(Two("", "What was read"), [Facts(facts(given, found))]),
        Section(collapse, _metrics(found)),
        Section(geometry, [*_geometry(found), Facts(channel_facts(found))]),
        Section(_titled("closed form and optimality"), [Facts(fit_facts(found))]),
        Section(_titled("calibration"), [Facts(calibration_facts(found))]),
        Section(Two("", "Verdicts"), _verdicts(found)),
    ]


def _titled(title: str) -> Two:
    """With a capital letter on the page."""
    return Two(title, title.capitalize())


# tables


def _metrics(found: Comparison) -> list:
    if found.metrics is None:
        return [Sentence(found.missing["metrics"])]
    names = list(found.metrics)
    rows = [[key, *(fixed(found.metrics[name][key]) for name in names)] for key in found.metrics[names[0]]]
    sources = [f"{name}: {CONVENTIONS[name].source}" for name in names]
    page = "\n".join(["Conventions", *sources])
    return [Table([Two("metric", "metric (0 is collapse)"), *names], rows), Sentence(Two("", page))]


def _geometry(found: Comparison) -> list:
    """A row a λ-bin: samples, and each measure with its interval and prediction."""
    c = found.channel
    if not c.different.any():
        return [Sentence(ZERO if found.a is None else "no samples of two mixed classes")]
    closed = Two("pred.", "closed form")
    heads: list[Words] = [Two("λ", "mean λ"), Two("n", "samples"), "outside", "across", closed]
    heads += [Two("ampl.", "amplification"), closed, Two("bend", "non-linearity"), closed]
    rows: list[list[Words]] = []
    for b in np.flatnonzero(c.different > 0).tolist():
        lam = Two(shown(c.lam[b], ".3f"), shown(c.lam[b], ".4f"))
        rows.append([lam, _count(c.different[b]), _interval(c.outside, b)])
        for name in PREDICTED:
            predicted = None if c.predicted is None else c.predicted[name][b]
            rows[-1] += [_interval(getattr(c, name), b), Two(_short(predicted), fixed(predicted))]
    note = Two(LEGEND, f"{LEGEND}; below each value its {c.level:.0%} interval")
    return [Table(heads, rows), Sentence(note)]


def _verdicts(found: Comparison) -> list:
    """The findings, in the text with the claims of those that are not reproduced below them."""
    heads = ("statement", "value", "interval", "asked for", "verdict")
    apart = any(not CRITERIA[f.name].decisive for f in found.findings)
    claims = [
        Sentence(Two(f"{f.name}: {CRITERIA[f.name].claim} ({f.reason})", ""))
        for f in found.findings
        if f.word != REPRODUCED
    ]
    return [
        "",
        Table(heads, [_verdict(f) for f in found.findings], left=(0, -1)),
        *(["* not needed for the overall verdict"] if apart else []),
        "",
        *claims,
        Verdict(Two(OVERALL, ""), found.word),
    ]


def _verdict(f: Finding) -> tuple:
    """A row of that table."""
    criterion, alone = CRITERIA[f.name], f.low is None or f.low == f.high
    star = "" if criterion.decisive else " *"
    return (
        Two(f.name + star, criterion.claim + star),
        Two(_short(f.value), _four(f.value)),
        "" if alone else Two(*(f"{form(f.low)} to {form(f.high)}" for form in (_short, _four))),
        criterion.words,
        Two(f.word, f.word if f.word == REPRODUCED else f"{f.word}\n{f.reason}"),
    )


# facts


def facts(given: Activations, found: Comparison) -> list[tuple[str, str]]:
    """What was read."""
    bias = "no bias" if given.b is None else "zero bias" if not given.b.any() else "with bias"
    held = f", {given.held_out} held-out logits" if given.held_out else ""
    etf = f"deviation from a simplex ETF {small(found.etf)}"
    penalties = {"lambda_W": found.options.lambda_w, "lambda_H": found.options.lambda_h}
    known = (f"{name} {value:g}" if value else f"{name} unknown" for name, value in penalties.items())
    labels = ", ".join(given.labels)
    return [
        ("samples", f"{given.count} features in {given.dim} dimensions, labels {labels}{held}"),
        ("classifier", f"{given.classes} classes, {bias}, m = {_six(found.multiplier)}, {etf}"),
        ("penalties", ", ".join(known)),
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


def channel_facts(found: Comparison) -> list[tuple[str, str]]:
    """Same-class alignment, the slope of the channel, and how intervals were made, about which origin."""
    c = found.channel
    slopes = f"predicted at this a {_six(c.slope_predicted)}, as λ_H -> 0 {_six(c.slope_limit)}"
    origin = {"class": "mean of the class means", "mean": "mean of all features", "none": "0"}[c.centre]
    how = (
        f"{c.replicates} bootstrap replicates of single rows (not of batches that shared one λ); c: {origin}"
    )
    left = f"; {c.skipped} samples left out: not two-hot, without weight, or of two equal rows of W"
    return [
        ("same class", f"alignment with w_c {_spread(c.overall['alignment'])}, {c.rows[0]} samples"),
        ("slope", f"of displacement on logit λ: {_spread(c.slope)}, {slopes}"),
        ("intervals", how + (left if c.skipped else "")),
    ]


def fit_facts(found: Comparison) -> list[tuple[str, str]]:
    """R², excess and gap."""
    f, e, g, missing = found.fit, found.excess, found.certificate, found.missing
    low, high = f.r2_interval or (np.nan, np.nan)
    ends = "" if np.isnan([low, high]).any() else f" ({low:.4f} to {high:.4f})"
    fitted = f"{_r2(f.r2)}{'' if found.a_known else ends} at a = {_six(f.a)}"
    fitted += f"; linear baseline s(y - 1/K) {_r2(f.r2_linear)}"
    lines = [("R^2 fitted", f"nothing to fit: {ZERO}" if found.a is None else fitted)]
    if f.a_known is not None:
        lines.insert(0, ("R^2 known a", f"{_r2(f.r2_known)}{ends} at a = {f.a_known:.6g}, nothing fitted"))
    excess = e and (
        f"{_three(e.excess)} (bound {small(e.bound)}) over the optimum {_six(e.optimum)} of these W and b; "
        f"h = 0 has {_three(e.at_zero)}; {e.sample} samples, standard error {small(e.error)}, {e.solver}"
    )
    gap = g and (
        f"at most {_three(g.gap)} of L = {_six(g.objective)}, relative {_three(g.relative_gap)}, "
        f"among all W and features {_bias(found.options.lambda_b)}"
    )
    return [*lines, ("excess", excess or missing["excess"]), ("global gap", gap or missing["gap"])]


def _bias(lambda_b) -> str:
    """The problem that was certified."""
    if lambda_b is None:
        return "without a bias"
    return "with a free bias" if lambda_b == 0 else f"with a bias of penalty {lambda_b:g}"


def calibration_facts(found: Comparison) -> list[tuple[str, str]]:
    """Mixed samples, then held-out data."""
    deviation, held, mixed = found.mixed.deviation, found.calibration, "no mixed samples, or no sharpness"
    if deviation is not None:
        mixed = f"mean p_i by λ is {_spread(deviation)} from the closed form on average"
    if held is None:
        return [("mixed", mixed), ("held out", found.missing["calibration"])]
    temperature = "none in 1e-3 to 1e3 has the least NLL"
    if held.fitted is not None:
        temperature = f"{_four(held.temperature)}, with it {_reliability(held.fitted)}"
    observed = f"accuracy {held.observed.accuracy:.4f}, {_reliability(held.observed)}"
    return [("mixed", mixed), ("held out", observed), ("temperature", temperature)]


def _reliability(part) -> str:
    return f"ECE {shown(part.ece, '.4f')}, NLL {shown(part.nll, '.4f', 'infinite')}"


# numbers


def _interval(part: Curve, b: int) -> Two:
    """A bin's value, in the text ± half the width of its interval, on the page with its ends below."""
    value, low, high = (end[b] for end in part)
    half = (high - low) / 2
    text = f"{_short(value)}±{half:.1g}" if 1e-3 <= half < np.inf else _short(value)
    return Two(text, f"{fixed(value)}\n{fixed(low)} to {fixed(high)}" if low < high else fixed(value))


def _count(weight: float) -> str:
    return f"{weight:.0f}" if weight >= 100 else f"{weight:.3g}"


def _spread(part: Estimate) -> str:
    value, low, high = (float(end) for end in part)
    ends = f" ({low:.5g} to {high:.5g})" if np.isfinite([low, high]).all() else ""
    return f"{shown(value, '.5g')}{ends}"


def _short(value) -> str:
    plain = value == 0 or (value is not None and 1e-2 <= abs(value) < 1e3)
    return shown(value, ".3f" if plain else ".0e")


# the record


def comparison_record(found: Comparison, given: Activations, provenance: dict) -> dict:
    """`metrics`, `fit`, `channel`, `excess`, `gap`, `calibration`, `verdicts`, the overall `verdict`; what is
    missing is null, with the reason under `missing`."""
    held = plain(found.calibration) or dict.fromkeys(("observed", "temperature", "fitted"))
    return {
        "schema": SCHEMA,
        "data": data_record(found, given),
        "metrics": found.metrics,
        "fit": fit_record(found),
        "channel": channel_record(found),
        "excess": plain(found.excess),
        "gap": gap_record(found),
        "calibration": held | {"mixed": plain(found.mixed)},
        "verdicts": verdict_records(found),
        "verdict": found.word,
        "missing": found.missing,
        "provenance": provenance,
    }


def gap_record(found: Comparison) -> dict | None:
    """The distance to global optimality."""
    names = ["objective", "dual_objective", "gap", "rounding", "lambda_max_ratio", "count", "relative_gap"]
    gap = found.certificate
    return None if gap is None else plain({name: getattr(gap, name) for name in names})


def data_record(found: Comparison, given: Activations) -> dict:
    """Sizes and the classifier."""
    names = ("lambda_w", "lambda_h", "lambda_b", "loss")
    return {
        "count": given.count,
        "classes": given.classes,
        "dim": given.dim,
        "labels": list(given.labels),
        "held_out": given.held_out,
        "bias": given.b is not None,
        "etf_deviation": number(found.etf),
        "multiplier": number(found.multiplier),
        **{name: getattr(found.options, name) for name in names},
        "notes": list(given.notes),
    }


def fit_record(found: Comparison) -> dict:
    """R² and sharpness; `sharpness` is what all predictions use."""
    fields = {name: value for name, value in plain(found.fit).items() if name != "at_end"}
    if found.a is None:  # W is zero: what the search began with is no fit
        fields |= dict.fromkeys(("a", "linear_slope"))
    source = None if found.a is None else "lambda_h" if found.a_known else "fitted"
    return fields | {"sharpness": number(found.a), "sharpness_source": source}


def channel_record(found: Comparison) -> dict:
    """The slope with its interval, and every curve by λ-bin."""
    fields = plain(found.channel)
    slope = fields["slope"]
    curves = {name: fields.pop(name) for name in CURVES}
    predicted = {name: fields[name] or {} for name in ("predicted", "predicted_overall")}
    del fields["alike"]
    ends = {"slope": slope["value"], "slope_interval": [slope["low"], slope["high"]]}
    return fields | ends | {"curves": curves} | predicted


def verdict_records(found: Comparison) -> list[dict]:
    """The findings."""
    return [
        {
            "name": f.name,
            "claim": CRITERIA[f.name].claim,
            "criterion": CRITERIA[f.name].words,
            "decisive": CRITERIA[f.name].decisive,
            **{name: number(getattr(f, name)) for name in ("value", "low", "high")},
            "verdict": f.word,
            "reason": f.reason,
        }
        for f in found.findings
    ]
