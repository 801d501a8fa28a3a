"""The JSON record of `python -m ufm.compare`, schema 1: strict JSON, what is undefined is null."""

import numpy as np

from ufm.network.comparison import Comparison
from ufm.network.read.activations import Activations
from ufm.network.resample import Curve, Estimate
from ufm.network.resemblance import CRITERIA
from ufm.output.records import number


def comparison_record(found: Comparison, given: Activations, provenance: dict) -> dict:
    """`metrics`, `fit`, `channel`, `excess`, `gap`, `calibration`, `verdicts`, the overall `verdict`; what is
    missing is null, with the reason under `missing`."""
    return {
        "schema": 1,
        "data": data_record(found, given),
        "metrics": found.metrics,
        "fit": fit_record(found),
        "channel": channel_record(found),
        "excess": None if found.excess is None else _plain(vars(found.excess)),
        "gap": gap_record(found),
        "calibration": calibration_record(found),
        "verdicts": verdicts_record(found),
        "verdict": found.word,
        "missing": found.missing,
        "provenance": provenance,
    }


def data_record(found: Comparison, given: Activations) -> dict:
    """Sizes and the classifier."""
    options = found.options
    return {
        "count": given.count,
        "classes": given.classes,
        "dim": given.dim,
        "labels": list(given.labels),
        "held_out": given.held_out,
        "bias": given.b is not None,
        "etf_deviation": number(found.etf),
        "multiplier": number(found.multiplier),
        "lambda_w": options.lambda_w,
        "lambda_h": options.lambda_h,
        "lambda_b": options.lambda_b,
        "loss": options.loss,
        "notes": list(given.notes),
    }


def fit_record(found: Comparison) -> dict:
    """R² and sharpness; `sharpness` is what all predictions use."""
    names = {"r2", "r2_linear", "linear_slope", "a", "r2_half", "r2_double", "r2_known", "a_known"}
    numbers = {name: number(value) for name, value in vars(found.fit).items() if name in names}
    if found.a is None:  # W is zero: what the search began with is no fit
        numbers |= dict.fromkeys(("a", "linear_slope"))
    interval, advantage = found.fit.r2_interval, found.fit.advantage
    return numbers | {
        "r2_interval": None if interval is None else _numbers(interval),
        "advantage": None if advantage is None else _curve(advantage),
        "a_identified": found.fit.a_identified,
        "sample": found.fit.sample,
        "count": found.fit.count,
        "sharpness": number(found.a),
        "sharpness_source": None if found.a is None else "lambda_h" if found.a_known else "fitted",
    }


def channel_record(found: Comparison) -> dict:
    """The slope with its interval, and every curve by λ-bin."""
    c = found.channel
    names = ("alignment", "outside", "displacement", "amplification", "nonlinearity")
    return {
        "slope": number(c.slope.value),
        "slope_interval": [number(c.slope.low), number(c.slope.high)],
        "slope_predicted": number(c.slope_predicted),
        "slope_limit": number(c.slope_limit),
        "window": c.window,
        "centre": c.centre,
        "edges": c.edges.tolist(),
        "same": c.same.tolist(),
        "different": c.different.tolist(),
        "lam": _numbers(c.lam),
        "logit": _numbers(c.logit),
        "curves": {name: _curve(getattr(c, name)) for name in names},
        "predicted": {name: _numbers(values) for name, values in (c.predicted or {}).items()},
        "overall": {name: _curve(part) for name, part in c.overall.items()},
        "predicted_overall": {name: number(v) for name, v in (c.predicted_overall or {}).items()},
        "skipped": c.skipped,
        "rows": list(c.rows),
        "replicates": c.replicates,
        "level": c.level,
    }


def gap_record(found: Comparison) -> dict | None:
    """The certificate of global optimality."""
    if found.certificate is None:
        return None
    return _plain(found.certificate._asdict() | {"relative_gap": found.certificate.relative_gap})


def calibration_record(found: Comparison) -> dict:
    """`observed` and `fitted` on held-out data; `mixed`: probabilities of mixed samples by λ-bin."""
    held, mixed = found.calibration, found.mixed
    return {
        "observed": None if held is None else _reliability(held.observed),
        "temperature": None if held is None else number(held.temperature),
        "fitted": None if held is None or held.fitted is None else _reliability(held.fitted),
        "mixed": {name: _numbers(part) for name, part in vars(mixed).items() if name != "deviation"}
        | {"deviation": None if mixed.deviation is None else _curve(mixed.deviation)},
    }


def verdicts_record(found: Comparison) -> list[dict]:
    """The findings."""
    return [
        {
            "name": f.name,
            "claim": CRITERIA[f.name].claim,
            "criterion": CRITERIA[f.name].words,
            "decisive": CRITERIA[f.name].decisive,
            "value": number(f.value),
            "low": number(f.low),
            "high": number(f.high),
            "verdict": f.word,
            "reason": f.reason,
        }
        for f in found.findings
    ]


def _plain(values: dict) -> dict:
    """Floats as JSON numbers or null, all else as it is."""
    return {name: number(value) if isinstance(value, float) else value for name, value in values.items()}


def _reliability(part) -> dict:
    return {name: _numbers(value) for name, value in vars(part).items()}


def _curve(part: Curve | Estimate) -> dict:
    return {name: _numbers(value) for name, value in part._asdict().items()}


def _numbers(values):
    """A (nested) list of numbers, or one number, with null for NaN and infinity; None stays None."""
    if values is None:
        return None
    if np.ndim(values) == 0:
        return number(values)
    return [_numbers(value) for value in values]
