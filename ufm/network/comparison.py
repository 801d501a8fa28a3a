"""One network's activations against the theory: every measure of `ufm compare`, and what they add up to.

Reads the stream of samples about ten times and never holds it. The sharpness a = m² K/((K−1) λ_H) of all
predictions is known where λ_H is, with m = ‖W − w̄‖_F/√K, and fitted to the logits where it is not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import inf
from os import PathLike
from typing import NamedTuple

import numpy as np

import ufm.rules.numbers as checked
from ufm.certify.dual import DualGap
from ufm.model.etf import etf_deviation, etf_multiplier
from ufm.network.collapse.conventions import CONVENTIONS
from ufm.network.collapse.metrics import all_metrics
from ufm.network.collapse.statistics import ClassStats, MissingClass, class_statistics
from ufm.network.measures.calibration import Calibration, MixedCalibration, calibrate, mixed_calibration
from ufm.network.measures.channels import CENTRES, Channel, channel_geometry
from ufm.network.measures.excess import Excess, feature_excess
from ufm.network.measures.fitting import Fit, fit_sharpness
from ufm.network.measures.gap import certify_stream
from ufm.network.read.activations import Activations, Chunk, read_activations
from ufm.network.resemblance import (
    FEW,
    INCONCLUSIVE,
    NOT_REPRODUCED,
    Finding,
    find,
    mixup_optimum,
    not_applicable,
)
from ufm.rules.brief import shown
from ufm.rules.errors import InputError
from ufm.runtime.watchdog import handed

ZERO = "W is zero, or all its rows are equal"
NEEDS = {
    "excess": "needs lambda_h, in the file or as --lambda-h",
    "gap": "needs lambda_w and lambda_h, in the file or as --lambda-w and --lambda-h",
    "calibration": "needs logits of held-out data, and y_logits",
}
TIE = 1e-3  # differences of R² below this are none
SOLVED = 1e-6  # bounds below this share of the least objective count as an optimum that was found
STRAIGHT = 0.01  # a predicted amplification this close to 1 tells nothing about bending
Progress = Callable[[str, int], None]  # stage, rows read since the last call


class Options(NamedTuple):
    """How to compare. lambda_w, lambda_h: penalties, None: the file's, or unknown. lambda_b: of the bias of the
    problem that is certified, "file": free if the file's b is not zero, else no bias; None: no bias; 0: free.
    loss: what the network was trained with. centre, bins, replicates: of `channel_geometry`; seed: of
    subsamples and bootstrap."""

    lambda_w: float | None = None
    lambda_h: float | None = None
    lambda_b: float | str | None = "file"
    loss: str = "cross-entropy"
    centre: str = "class"
    bins: int = 10
    replicates: int = 200
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Comparison:
    """Everything measured; None where the file does not hold what it takes, and then `missing` says why.

    classes: K. etf: relative deviation of W Wᵀ from a simplex ETF, multiplier: m = ‖W‖_F/√K, both of W − w̄.
    metrics: by convention, by name. fit, channel, mixed, calibration, excess, certificate: of the modules of
    these names. a: sharpness behind the predictions, None if W − w̄ = 0; a_known: from λ_H, else fitted.
    findings: the verdicts; word: what they add up to."""

    options: Options
    classes: int
    etf: float
    multiplier: float
    stats: ClassStats | None
    metrics: dict[str, dict[str, float | None]] | None
    fit: Fit
    a: float | None
    a_known: bool
    channel: Channel
    mixed: MixedCalibration
    excess: Excess | None
    certificate: DualGap | None
    calibration: Calibration | None
    missing: dict[str, str]
    findings: list[Finding]
    word: str

    __repr__ = shown


def compare_activations(
    activations: Activations | str, options: Options | None = None, progress: Progress | None = None
) -> Comparison:
    """Hold a network's activations (`read_activations`, or the path of a file) against the theory.

    Raises InputError for bad files and values, RuntimeError without float64.
    """
    options = _check(Options() if options is None else options)
    if isinstance(activations, (str, PathLike)):
        activations = read_activations(str(activations))
    given = checked.instance(
        "activations", activations, Activations, "ufm.network.read.activations.from_arrays, or a path"
    )
    o = _completed(given, options)
    stream = partial(_stream, given, progress or (lambda stage, rows: None))
    W, b, drawn = given.W, given.b, {"replicates": o.replicates, "seed": o.seed}
    m, missing = etf_multiplier(W - W.mean(0)), _missing(given, o)
    stats, metrics = _collapse(given, stream("class statistics"), missing)
    fit = fit_sharpness(stream("closed form against logits"), W, b, o.lambda_h, **drawn)
    a = None if m == 0 else fit.a if fit.a_known is None else fit.a_known
    means = None if stats is None else stats.means
    channel = channel_geometry(stream("mixup geometry"), W, means, a, centre=o.centre, bins=o.bins, **drawn)
    mixed = mixed_calibration(stream("probabilities of mixed samples"), W, b, a, o.bins, **drawn)
    excess, certificate = _suboptimality(given, o, stream)
    etf = etf_deviation(W - W.mean(0))
    findings = _Findings(given, fit, channel, a, missing).all(mixed, excess, certificate, etf)
    return Comparison(
        options=o,
        classes=given.classes,
        etf=etf,
        multiplier=m,
        stats=stats,
        metrics=metrics,
        fit=fit,
        a=a,
        a_known=fit.a_known is not None,
        channel=channel,
        mixed=mixed,
        excess=excess,
        certificate=certificate,
        calibration=calibrate(given.held_out_chunks) if given.held_out else None,
        missing=missing,
        findings=findings,
        word=mixup_optimum(findings),
    )


def _suboptimality(given: Activations, o: Options, stream) -> tuple[Excess | None, DualGap | None]:
    """How far the features are from their optimum, and all of it from the joint one, where penalties say which."""
    if o.lambda_h is None:
        return None, None
    W, b, loss = given.W, given.b, o.loss
    excess = feature_excess(stream("excess over the optimum"), W, o.lambda_h, b=b, loss=loss, seed=o.seed)
    if o.lambda_w is None:
        return excess, None
    assert not isinstance(o.lambda_b, str)  # `_completed` has put a number in the place of "file"
    chunks = stream("certificate")
    return excess, certify_stream(chunks, W, o.lambda_w, o.lambda_h, b=b, lambda_b=o.lambda_b, loss=loss)


def _check(options: Options) -> Options:
    """The options themselves; InputError for one that is not allowed."""
    o = checked.instance("options", options, Options)
    for name in ("lambda_w", "lambda_h"):
        if getattr(o, name) is not None:
            checked.penalty(name, getattr(o, name))
    if not isinstance(o.lambda_b, str) or o.lambda_b != "file":
        checked.bias_penalty("lambda_b", o.lambda_b)
    checked.choice("loss", o.loss, checked.LOSS_NAMES)
    checked.choice("centre", o.centre, CENTRES)
    for name, ends in checked.COMPARISON.items():
        checked.integer(name, getattr(o, name), *ends)
    return o


def _completed(given: Activations, options: Options) -> Options:
    """Penalties of the file where none are given; zero counts as unknown. No bias if all of b is zero."""
    has_bias = given.b is not None and given.b.any()
    if options.lambda_b is None and has_bias:
        raise InputError("the file holds a bias b: give --bias free or --bias PENALTY, not none")
    return options._replace(
        lambda_w=options.lambda_w or given.lambda_w or None,
        lambda_h=options.lambda_h or given.lambda_h or None,
        lambda_b=options.lambda_b if options.lambda_b != "file" else 0.0 if has_bias else None,
    )


def _missing(given: Activations, o: Options) -> dict[str, str]:
    """What the file does not hold, by the measure that takes it."""
    here = {"excess": o.lambda_h, "gap": o.lambda_w and o.lambda_h, "calibration": given.held_out}
    return {name: NEEDS[name] for name, value in here.items() if not value}


def _stream(given: Activations, progress: Progress, stage: str) -> Callable[[], Iterator[Chunk]]:
    """All chunks, again and again, with progress."""

    def chunks():
        for chunk in given.chunks():
            with handed(stage):
                yield chunk
            progress(stage, len(chunk.H))

    return chunks


def _collapse(given: Activations, chunks, missing: dict) -> tuple[ClassStats | None, dict | None]:
    """Class statistics and the metrics of neural collapse; neither if a class has no pure sample."""
    largest = [0.0]

    def pure():
        for chunk in chunks():
            largest[0] = max(largest[0], float(np.abs(chunk.H).max()))
            yield chunk.H, chunk.labels.pure(), chunk.weights
        checked.scaled("H", np.array(largest))

    try:
        stats = class_statistics(pure, given.classes, given.W, given.b)
    except MissingClass as error:
        missing["metrics"] = str(error)
        return None, None
    return stats, {name: all_metrics(stats, given.W, given.b, how) for name, how in CONVENTIONS.items()}


class _Findings:
    """The verdicts, and why some of them say nothing."""

    def __init__(self, given: Activations, fit: Fit, channel: Channel, a: float | None, missing: dict):
        self.fit, self.channel, self.missing = fit, channel, missing
        few = 0 if "weights" in given.stored else FEW  # weights: a law of labels, not a sample
        same, different = channel.rows
        self.no_same: str | None = _too_few("of one class", same, few)
        self.no_pairs: str | None = _too_few("of two mixed classes", different, few)
        if different == 0 and channel.skipped:
            self.no_pairs = f"no samples of two mixed classes ({_left_out(channel)})"
        if a is None:
            self.no_same = self.no_pairs = ZERO
        self.no_a = _no_sharpness(a, fit)

    def all(self, mixed: MixedCalibration, excess, certificate, etf: float) -> list[Finding]:
        """In the order of `CRITERIA`."""
        overall = self.channel.overall
        zero = ZERO if self.channel.slope_limit == inf else None
        found = [
            _of_curve("alignment", overall["alignment"], self.no_same),
            _of_curve("plane", overall["outside"], self.no_pairs),
            self.displacement(),
            self.amplification(),
            self.closed_form(),
            _of_curve("probabilities", mixed.deviation, self.no_pairs or self.no_a),
            *([] if excess is None else [_excess(excess)]),
            find("etf", etf, missing=zero),
        ]
        return found if certificate is None else [*found, find("global", certificate.relative_gap)]

    def displacement(self) -> Finding:
        """Slope over the predicted one."""
        predicted, none = self.channel.slope_predicted, self.no_pairs or self.no_a
        if none or predicted is None or not predicted > 0:
            return find("displacement", None, missing=none or "no sample has λ in the window of the slope")
        return find("displacement", *(float(end) / predicted for end in self.channel.slope))

    def amplification(self) -> Finding:
        """(amplification − 1) over the predicted one's."""
        none = self.no_pairs or self.no_a or self.missing.get("metrics")
        if none or self.channel.predicted_overall is None:
            return find("amplification", None, missing=none)
        predicted = self.channel.predicted_overall["amplification"] - 1
        if np.isnan(predicted):
            return not_applicable("amplification", "with two classes w_i + w_j = 0")
        if predicted < STRAIGHT:
            reason = f"the closed form itself is straight here (amplification {1 + predicted:.4f})"
            return not_applicable("amplification", reason)
        ends = (float(end - 1) / predicted for end in self.channel.overall["amplification"])
        return find("amplification", *ends)

    def closed_form(self) -> Finding:
        """R², with nothing fitted where a is known; and not below the linear baseline's."""
        fit, none = self.fit, self.no_a
        r2 = fit.r2 if fit.a_known is None else fit.r2_known
        if none or r2 is None or not np.isfinite(r2) or fit.r2_interval is None or fit.advantage is None:
            return find("closed-form", None, missing=none or "all logits are equal")
        found = find("closed-form", r2, *fit.r2_interval)
        low, high = (end if np.isfinite(end) else fit.advantage.value for end in fit.advantage[1:])
        if low > -TIE or found.word == NOT_REPRODUCED:
            return found
        reason = f"the linear baseline explains more, R^2 {fit.r2_linear:.4f}"
        return found._replace(word=NOT_REPRODUCED if high < 0 else INCONCLUSIVE, reason=reason)


def _left_out(channel: Channel) -> str:
    """Why no sample mixes two classes."""
    if channel.alike:
        return f"{channel.alike} mix two classes that have one row of W"
    return f"{channel.skipped} labels are not two-hot"


def _too_few(kind: str, rows: int, few: int) -> str | None:
    if rows == 0:
        return f"no samples {kind}"
    return f"only {rows} samples {kind}" if rows < few else None


def _no_sharpness(a: float | None, fit: Fit) -> str | None:
    if a is None:
        return ZERO
    if fit.a_known is None and fit.at_end:
        return f"the fitted sharpness {a:.1e} is an end of the range searched"
    return None


def _of_curve(name: str, curve, none: str | None) -> Finding:
    if none is None and (curve is None or np.isnan(curve.value)):
        none = "features equal their centre"
    return find(name, None, missing=none) if none else find(name, *map(float, curve))


def _excess(excess: Excess) -> Finding:
    """Over the excess of h = 0, within the certified bound and two standard errors of the subsample."""
    if not excess.at_zero > excess.bound:
        if not excess.bound <= SOLVED * abs(excess.optimum):
            reason = f"the optimum is known only within {excess.bound:.1e}: h = 0 may be it or not"
            return find("excess", None, missing=reason)
        return not_applicable("excess", "h = 0 is optimal")
    ratio = excess.excess / excess.at_zero
    half = excess.bound / excess.at_zero + 2 * excess.ratio_error
    return find("excess", ratio, ratio - half, ratio + half)
