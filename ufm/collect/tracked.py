"""What a tracker measures of one epoch, as one flat row of floats."""

from collections.abc import Mapping
from math import nan
from typing import Any, NamedTuple

import numpy as np

from ufm.collect.log import Row
from ufm.network.collapse.conventions import Convention
from ufm.network.collapse.flat import collapse_metrics
from ufm.network.collapse.statistics import MissingClass
from ufm.network.comparison import Options
from ufm.network.measures.excess import Excess, feature_excess
from ufm.network.measures.fitting import Fit, fit_sharpness
from ufm.network.read.activations import Activations, from_arrays
from ufm.network.resemblance import CRITERIA
from ufm.report.network import NetworkReport, compare_network


class Kept(NamedTuple):
    """A row, and the comparison that it comes from, if one was made."""

    row: Row
    report: NetworkReport | None


def measure(arrays: Mapping[str, Any], whole: bool, convention: str | Convention, loss: str) -> Kept:
    """Accuracy, R² of the closed form and of the linear baseline, the sharpness a; with lambda_h the excess, its
    bound and its share of that of h = 0; the metrics of collapse of clean rows; whole: the findings too.

    Raises InputError for what `compare_network` or `collapse_metrics` refuses.
    """
    given = from_arrays(**arrays)
    if whole:
        report = compare_network(given, options=Options(loss=loss))
        fit, excess = report.fit, report.excess
    else:
        report, (fit, excess) = None, _measures(given, loss)
    H, y = _clean(given)
    row: dict[str, float | None] = {"accuracy": _share(_logits(given, H), y)}
    row |= {"test_accuracy": _share(*held)} if (held := _held(given)) else {}
    row |= {"r2": fit.r2, "r2_linear": fit.r2_linear, "sharpness": fit.a if fit.a_identified else None}
    row["sharpness_identified"] = float(fit.a_identified)
    if excess is not None:
        ratio = excess.excess / excess.at_zero if excess.at_zero > 0 else None
        row |= {"excess": excess.excess, "excess_bound": excess.bound, "excess_ratio": ratio}
        row["r2_known"] = fit.r2_known
    row |= _collapse(given, H, y, convention)
    if report is not None:
        values = {found.name: found.value for found in report.findings}
        row |= {f"finding_{name.replace('-', '_')}": values.get(name) for name in CRITERIA}
    numbers: Row = {name: nan if value is None else float(value) for name, value in row.items()}
    return Kept(numbers | ({} if report is None else {"verdict": report.word}), report)


def _measures(given: Activations, loss: str) -> tuple[Fit, Excess | None]:
    """Without replicates, whatever jax.config says."""
    import jax

    lambda_h = given.lambda_h or None
    with jax.enable_x64(True):
        fit = fit_sharpness(given.chunks, given.W, given.b, lambda_h)
        if lambda_h is None:
            return fit, None
        return fit, feature_excess(given.chunks, given.W, lambda_h, b=given.b, loss=loss)


def _collapse(given: Activations, H, y, convention: str | Convention) -> dict[str, float]:
    """The metrics, NaN where some class has no clean row: a log goes on."""
    try:
        if len(y):
            return collapse_metrics(H, y, given.W, given.b, convention=convention)
    except MissingClass:
        pass
    eye = np.eye(given.classes)
    none = dict.fromkeys(collapse_metrics(eye, np.arange(given.classes), eye), nan)
    return none | {"samples": float(len(y)), "classes": float(given.classes)}


def _clean(given: Activations) -> tuple[np.ndarray, np.ndarray]:
    """Features of clean inputs and their classes: H_clean, or the rows of H whose label is of one class."""
    if "clean" in given.sets:
        parts = [(H, y) for H, y, _ in given.set_chunks("clean")]
    else:
        parts = [(H[y >= 0], y[y >= 0]) for H, y, _ in given.pure_chunks()]
    H, y = map(np.concatenate, zip(*parts))
    return H, y


def _held(given: Activations) -> list[np.ndarray]:
    """Logits and classes of held-out data: the network's own, or those of its features; nothing without either."""
    test = given.set_chunks("test") if "test" in given.sets and not given.held_out else ()
    parts = [*given.held_out_chunks(), *((_logits(given, H), y) for H, y, _ in test)]
    return list(map(np.concatenate, zip(*parts)))


def _logits(given: Activations, H: np.ndarray) -> np.ndarray:
    return H @ given.W.T + (0.0 if given.b is None else given.b)


def _share(logits: np.ndarray, y: np.ndarray) -> float:
    """Of rows whose largest logit is their class."""
    return float(np.mean(logits.argmax(1) == y)) if len(y) else nan
