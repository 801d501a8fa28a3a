"""The JSON record of `python -m ufm.compare`: the fields of a `Comparison`, by the documented names."""

from ufm.network.comparison import Comparison
from ufm.network.measures.channels import Channel
from ufm.network.read.activations import Activations
from ufm.network.resemblance import CRITERIA
from ufm.output.records import SCHEMA, number, plain


def comparison_record(found: Comparison, given: Activations, provenance: dict) -> dict:
    """`metrics`, `fit`, `channel`, `excess`, `gap`, `calibration`, `verdicts`, the overall `verdict`; what is
    missing is null, with the reason under `missing`."""
    gap = found.certificate
    held = plain(found.calibration) or dict.fromkeys(("observed", "temperature", "fitted"))
    return {
        "schema": SCHEMA,
        "data": data_record(found, given),
        "metrics": found.metrics,
        "fit": fit_record(found),
        "channel": channel_record(found.channel),
        "excess": plain(found.excess),
        "gap": None if gap is None else plain(gap._asdict() | {"relative_gap": gap.relative_gap}),
        "calibration": held | {"mixed": plain(found.mixed)},
        "verdicts": verdict_records(found),
        "verdict": found.word,
        "missing": found.missing,
        "provenance": provenance,
    }


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


CURVES = ("alignment", "outside", "displacement", "amplification", "nonlinearity")


def channel_record(channel: Channel) -> dict:
    """The slope with its interval, and every curve by λ-bin."""
    fields = plain(channel)
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
