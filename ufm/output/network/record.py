"""A comparison as the JSON record of `python -m ufm.compare`."""

from ufm.network.comparison import Comparison
from ufm.network.features import FeatureSet
from ufm.network.read.activations import Outline
from ufm.network.resemblance import CRITERIA
from ufm.output.network.diagnoses import diagnosis_records
from ufm.output.network.headline import headline
from ufm.output.records import SCHEMA, number, plain

CURVES = ("alignment", "outside", "displacement", "amplification", "nonlinearity")


def comparison_record(found: Comparison, given: Outline, provenance: dict) -> dict:
    """`metrics`, `fit`, `channel`, `excess`, `gap`, `calibration`, `verdicts`, the overall `verdict`, `diagnoses`;
    what is missing is null, with the reason under `missing`."""
    held = plain(found.calibration) or dict.fromkeys(("observed", "temperature", "fitted"))
    return {
        "schema": SCHEMA,
        "data": data_record(found, given),
        "metrics": found.features.clean.metrics,
        "sets": set_records(found),
        "fit": fit_record(found),
        "channel": channel_record(found),
        "excess": plain(found.excess),
        "gap": gap_record(found),
        "optimum": optimum_record(found),
        "calibration": held | {"mixed": plain(found.mixed)},
        "verdicts": verdict_records(found),
        "verdict": found.word,
        "diagnoses": diagnosis_records(found),
        "headline": headline(found),
        "missing": found.missing,
        "provenance": provenance,
    }


def gap_record(found: Comparison) -> dict | None:
    """The distance to global optimality: by the better of both bounds; `own`: by the network's own dual point."""
    own, gap = found.certificate, found.gap
    if own is None or gap is None:
        return None
    names = ["objective", "dual_objective", "gap", "rounding", "lambda_max_ratio", "count", "relative_gap"]
    shares = {name: getattr(gap, name) for name in ("features", "bias", "classifier")}
    return plain(
        {name: getattr(own, name) for name in names}
        | {
            "dual_objective": gap.lower,
            "gap": gap.gap,
            "relative_gap": gap.relative,
            "relative_least": gap.least,
            "of_which": shares,
        }
        | {"own": {name: getattr(own, name) for name in ("dual_objective", "gap", "relative_gap")}}
    )


def optimum_record(found: Comparison) -> dict | None:
    """Of the same labels and penalties."""
    if found.optimum is None:
        return None
    names = ("objective", "lower", "multiplier", "row_norm", "feature_norm", "atoms", "how")
    return plain({name: getattr(found.optimum, name) for name in names} | {"relative_gap": found.optimum.gap})


def set_records(found: Comparison) -> dict:
    """Each set of features: what it is, rows, accuracy, metrics by convention, their intervals, VCI, the parts of a
    squared error, values by class, and why something is null."""
    sets = {"clean": found.features.clean, "test": found.features.test}
    ood = {} if found.features.nc5 is None else {"ood": {"nc5": number(found.features.nc5)}}
    return {key: _set_record(part) for key, part in sets.items() if part} | ood


def _set_record(part: FeatureSet) -> dict:
    names = ("words", "count", "accuracy", "metrics", "intervals", "by_class", "missing")
    squared = None if part.squared is None else part.squared._asdict() | {"samples": part.of}
    more = {"variability_index": part.variability, "squared_error": squared}
    return plain({name: getattr(part, name) for name in names} | more)


def data_record(found: Comparison, given: Outline) -> dict:
    """Sizes and the classifier."""
    names = ("lambda_w", "lambda_h", "lambda_b", "loss")
    return {
        "count": given.count,
        "classes": given.classes,
        "dim": given.dim,
        "labels": list(given.labels),
        "law": found.kind.words,
        "smoothing": found.kind.delta,
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
