"""A comparison as sections, which the text and the page of `python -m ufm.compare` show."""

from functools import partial

import numpy as np

from ufm.network.comparison import Comparison
from ufm.network.findings import ZERO
from ufm.network.read.activations import Outline
from ufm.network.resample import Curve, Estimate
from ufm.network.resemblance import CRITERIA, OVERALL, REPRODUCED, Finding
from ufm.output.network.collapse import collapse_parts
from ufm.output.network.collapse_more import class_parts, squared_parts
from ufm.output.network.diagnoses import diagnosis_sections
from ufm.output.network.headline import headline
from ufm.output.sections import Facts, Section, Sentence, Table, Two, Verdict, Words
from ufm.output.text import fixed, shown, small

LEGEND = (
    "outside: share of ||h - c||^2 outside span{w_i, w_j}; across: displacement along w_i - w_j; ampl.: length "
    "along w_i + w_j over that of straight interpolation; bend: distance from straight interpolation, to which "
    "scatter within the classes adds"
)
PREDICTED = ("displacement", "amplification", "nonlinearity")
_r2, _three, _four, _six = (partial(shown, form=form) for form in (".4f", ".3g", ".4g", ".6g"))


def comparison_sections(given: Outline, found: Comparison) -> list[Section]:
    """All of it, what was read first and the verdicts last."""
    level = f"{found.channel.level:.0%}"
    geometry = Two(f"mixup geometry by λ, {level} intervals; pred.: closed form", "Mixup geometry")
    clean = found.features.clean
    collapse = _titled(f"neural collapse of {clean.count} {clean.words}")
    more = [*squared_parts(clean), *class_parts(clean)]
    return [
        Section(Two("", "What was read"), [Facts(facts(given, found))], early=True),
        *diagnosis_sections(found),
        Section(collapse, collapse_parts(found), early=True),
        *([Section(Two("", "Collapse: as a squared error, and class by class"), more)] if more else []),
        Section(geometry, [*_geometry(found), Facts(channel_facts(found))]),
        Section(_titled("closed form and optimality"), [Facts(fit_facts(found))]),
        Section(_titled("calibration"), [Facts(calibration_facts(found))]),
        Section(Two("", "Verdicts"), _verdicts(found)),
    ]


def _titled(title: str) -> Two:
    """With a capital letter on the page."""
    return Two(title, title[0].upper() + title[1:])


# tables


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
        Sentence(Two(headline(found), "")),
    ]


def _plain_word(f: Finding) -> bool:
    """Whether the columns say all of it."""
    return f.word == REPRODUCED or f.reason == f"asked for {CRITERIA[f.name].words}"


def _verdict(f: Finding) -> tuple:
    """A row of that table."""
    criterion, alone = CRITERIA[f.name], f.low is None or f.low == f.high
    star = "" if criterion.decisive else " *"
    return (
        Two(f.name + star, criterion.claim + star),
        Two(_short(f.value), _four(f.value)),
        "" if alone else Two(*(f"{form(f.low)} to {form(f.high)}" for form in (_short, _four))),
        criterion.words,
        Two(f.word, f.word if _plain_word(f) else f"{f.word}\n{f.reason}"),
    )


# facts


def facts(given: Outline, found: Comparison) -> list[tuple[str, str]]:
    """What was read."""
    bias = "no bias" if given.b is None else "zero bias" if not given.b.any() else "with bias"
    held = f", {given.held_out} held-out logits" if given.held_out else ""
    etf = f"deviation from a simplex ETF {small(found.etf)}"
    penalties = {"lambda_W": found.options.lambda_w, "lambda_H": found.options.lambda_h}
    known = (f"{name} {value:g}" if value else f"{name} unknown" for name, value in penalties.items())
    labels = ", ".join(given.labels)
    return [
        ("samples", f"{given.count} features in {given.dim} dimensions, labels {labels}{held}"),
        ("labels", found.kind.words),
        ("accuracy", _accuracies(found)),
        ("classifier", f"{given.classes} classes, {bias}, m = {_six(found.multiplier)}, {etf}"),
        ("penalties", ", ".join(known)),
        ("sharpness", sharpness(found)),
    ]


def _accuracies(found: Comparison) -> str:
    """Of argmax(W h + b), set by set."""
    sets = [("H, largest label", found.fit.accuracy), ("clean", found.features.clean.accuracy)]
    if found.features.test is not None:
        sets.append(("test", found.features.test.accuracy))
    return ", ".join(f"{value:.4f} ({name})" for name, value in sets if value is not None)


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
    f, e, g, missing = found.fit, found.excess, found.gap, found.missing
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
    if f.a_known is not None and f.a_interval is not None:
        low, high = (end / f.a_known for end in f.a_interval)
        found_a = f"the logits show {f.a / f.a_known:.4g} ({low:.4g} to {high:.4g}) times the known a"
        lines.append(("sharpness", found_a))
    gap = g and (
        f"at most {_three(g.gap)} of L = {_six(g.objective)}, relative {_three(g.relative)}, "
        f"among all W and features {_bias(found.options.lambda_b)}; {_shares(found)}"
    )
    lines += [("excess", excess or missing["excess"]), ("global gap", gap or missing["gap"])]
    return [*lines, *([] if found.optimum is None else [("optimum", _optimum(found))])]


def _shares(found: Comparison) -> str:
    """What the gap is made of."""
    g = found.gap
    assert g is not None
    rest = "classifier and bias" if g.bias is None and found.options.lambda_b is not None else "classifier"
    parts = {"features": g.features, "bias": g.bias, rest: g.classifier}
    shares = (f"{name} {_three(value)}" for name, value in parts.items() if value is not None)
    return f"of it about {', '.join(shares)}"


def _optimum(found: Comparison) -> str:
    """Measured beside what the certified optimum of these labels has."""
    best = found.optimum
    assert best is not None
    pairs = {"m": (found.multiplier, best.multiplier), "|W|_F/sqrt K": (found.row_norm, best.row_norm)}
    pairs["sqrt E|h|^2"] = (found.feature_norm, best.feature_norm)
    said = "; ".join(f"{name} {_four(a)}, optimum {_four(b)}" for name, (a, b) in pairs.items())
    return f"{said}; certified within {small(best.gap)} of L, from {best.how}"


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
