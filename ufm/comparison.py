"""One network's activations against the theory: every measure of `ufm compare`, and what they add up to.

Reads the stream of samples about ten times and never holds it. The sharpness a = m² K/((K−1) λ_H) of all
predictions is known where λ_H is, with m = ‖W − w̄‖_F/√K, and fitted to the logits where it is not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ufm.activations import Activations, Chunk, read_activations
from ufm.calibration import Calibration, MixedCalibration, calibrate, mixed_calibration
from ufm.channels import Channel, channel_geometry
from ufm.etf import etf_deviation, etf_multiplier
from ufm.excess import Excess, feature_excess
from ufm.fitting import Fit, fit_sharpness
from ufm.metrics import CONVENTIONS, all_metrics
from ufm.resemblance import NOT_REPRODUCED, Finding, find, mixup_optimum
from ufm.statistics import ClassStats, MissingClass, class_statistics
from ufm.stream_duality import StreamCertificate, certify_stream

STRAIGHT = 0.01  # a predicted amplification this close to 1 tells nothing about bending
Progress = Callable[[str, int], None]  # stage, rows read since the last call


class Options(NamedTuple):
    """How to compare. lambda_w, lambda_h: penalties, None: the file's, or unknown. lambda_b: of the bias, None:
    no bias, 0: free. loss: what the network was trained with. centre, bins, replicates: of `channel_geometry`;
    seed: of subsamples and bootstrap."""

    lambda_w: float | None = None
    lambda_h: float | None = None
    lambda_b: float | None = 0.0
    loss: str = "cross-entropy"
    centre: str = "mean"
    bins: int = 10
    replicates: int = 200
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Comparison:
    """Everything measured; None where the file does not hold what it takes, and then `missing` says why.

    classes: K. etf: relative deviation of W Wᵀ from a simplex ETF. multiplier: m. metrics: by convention, by name.
    fit, channel, mixed, calibration, excess, certificate: of the modules of these names. a: sharpness behind
    the predictions; a_known: from λ_H, else fitted. findings: the verdicts; word: what they add up to.
    """

    options: Options
    classes: int
    etf: float
    multiplier: float
    stats: ClassStats | None
    metrics: dict[str, dict[str, float | None]] | None
    fit: Fit
    a: float
    a_known: bool
    channel: Channel
    mixed: MixedCalibration
    excess: Excess | None
    certificate: StreamCertificate | None
    calibration: Calibration | None
    missing: dict[str, str]
    findings: list[Finding]
    word: str


def compare_activations(
    activations: Activations | str, options: Options | None = None, progress: Progress | None = None
) -> Comparison:
    """Hold a network's activations (`read_activations`, or the path of a file) against the theory.

    Raises ValueError for bad files and values, RuntimeError without float64.
    """
    given = read_activations(activations) if isinstance(activations, str) else activations
    options = _completed(given, options or Options())
    run = _Run(given, options, progress or (lambda stage, rows: None))
    stats, metrics = run.collapse()
    fit = run.fit()
    a = fit.a if fit.a_known is None else fit.a_known
    channel = run.channel(stats, a)
    mixed = mixed_calibration(run.stream("probabilities of mixed samples"), given.W, given.b, a, options.bins)
    excess, certificate, calibration = run.excess(), run.certificate(), run.calibration()
    etf, m = etf_deviation(given.W - given.W.mean(0)), etf_multiplier(given.W - given.W.mean(0))
    findings = _findings(fit, channel, mixed, excess, certificate, etf, run.missing)
    return Comparison(
        options,
        given.classes,
        etf,
        m,
        stats,
        metrics,
        fit,
        a,
        fit.a_known is not None,
        channel,
        mixed,
        excess,
        certificate,
        calibration,
        run.missing,
        findings,
        mixup_optimum(findings),
    )


def _completed(given: Activations, options: Options) -> Options:
    """Penalties of the file where none are given; zero counts as unknown. No bias if all of b is zero."""
    found = {}
    for name in ("lambda_w", "lambda_h"):
        value, stored = getattr(options, name), getattr(given, name)
        if value is not None and not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a positive finite number, got {value}")
        found[name] = value or stored or None
    if given.b is None or not given.b.any():
        found["lambda_b"] = None
    elif options.lambda_b is None:
        raise ValueError("the file holds a bias b: give --bias free or --bias PENALTY, not none")
    return options._replace(**found)


class _Run:
    """The measures one after another, each over a stream of its own that reports progress."""

    def __init__(self, given: Activations, options: Options, progress: Progress):
        self.given, self.options, self.progress = given, options, progress
        self.missing: dict[str, str] = {}

    def stream(self, stage: str) -> Callable[[], "list[Chunk]"]:
        """All chunks, again and again."""

        def chunks():
            for chunk in self.given.chunks():
                yield chunk
                self.progress(stage, len(chunk.H))

        return chunks

    def collapse(self) -> tuple[ClassStats | None, dict | None]:
        """Class statistics and the metrics of neural collapse; neither if a class has no pure sample."""
        given, chunks = self.given, self.stream("class statistics")

        def pure():
            return ((c.H, c.labels.pure(), c.weights) for c in chunks())

        try:
            stats = class_statistics(pure, given.classes, given.W, given.b)
        except MissingClass as error:
            self.missing["metrics"] = str(error)
            return None, None
        named = {name: all_metrics(stats, given.W, given.b, how) for name, how in CONVENTIONS.items()}
        return stats, named

    def fit(self) -> Fit:
        """R² of the closed form."""
        given, options = self.given, self.options
        chunks = self.stream("closed form against logits")
        return fit_sharpness(chunks, given.W, given.b, options.lambda_h, seed=options.seed)

    def channel(self, stats: ClassStats | None, a: float) -> Channel:
        """Mixup geometry."""
        o = self.options
        return channel_geometry(
            self.stream("mixup geometry"),
            self.given.W,
            None if stats is None else stats.means,
            a,
            centre=o.centre,
            bins=o.bins,
            replicates=o.replicates,
            seed=o.seed,
        )

    def excess(self) -> Excess | None:
        """Excess of the features over the optimum for their own classifier."""
        given, o = self.given, self.options
        if o.lambda_h is None:
            self.missing["excess"] = "needs lambda_h, in the file or as --lambda-h"
            return None
        chunks = self.stream("excess over the optimum")
        return feature_excess(chunks, given.W, o.lambda_h, b=given.b, loss=o.loss, seed=o.seed)

    def certificate(self) -> StreamCertificate | None:
        """Global optimality of classifier, bias and features together."""
        given, o = self.given, self.options
        if o.lambda_h is None or o.lambda_w is None:
            self.missing["gap"] = "needs lambda_w and lambda_h, in the file or as --lambda-w and --lambda-h"
            return None
        chunks = self.stream("certificate")
        return certify_stream(
            chunks, given.W, o.lambda_w, o.lambda_h, b=given.b, lambda_b=o.lambda_b, loss=o.loss
        )

    def calibration(self) -> Calibration | None:
        """Calibration of held-out predictions."""
        if not self.given.held_out:
            self.missing["calibration"] = "needs logits of held-out data, and y_logits"
            return None
        return calibrate(self.given.held_out_chunks)


def _findings(fit: Fit, channel: Channel, mixed, excess, certificate, etf, missing) -> list[Finding]:
    none = "no samples of two mixed classes" if not channel.different.any() else None
    found = [
        _of_curve("alignment", channel.overall["alignment"], "no samples of one class"),
        _of_curve("plane", channel.overall["outside"], none),
        _displacement(channel, none),
        _amplification(channel, none or missing.get("metrics")),
        _closed_form(fit),
        find("probabilities", mixed.deviation, missing=none),
        find("etf", etf),
    ]
    if excess is not None:
        ratio = [part / excess.at_zero for part in (excess.excess, excess.bound)]
        found.append(find("excess", ratio[0], ratio[0] - ratio[1], ratio[0] + ratio[1]))
    if certificate is not None:
        found.append(find("global", certificate.relative_gap))
    return found


def _of_curve(name: str, curve, none: str | None) -> Finding:
    return find(name, *map(float, curve), missing=none if np.isnan(curve.value) else None)


def _displacement(channel: Channel, none: str | None) -> Finding:
    if none or not channel.slope_predicted:
        return find("displacement", None, missing=none or "no slope is predicted")
    return find("displacement", *(float(end) / channel.slope_predicted for end in channel.slope))


def _amplification(channel: Channel, none: str | None) -> Finding:
    """(amplification − 1) over the predicted one's."""
    predicted = channel.predicted_overall["amplification"] - 1
    if not none and np.isnan(predicted):
        none = "with two classes w_i + w_j = 0"
    if not none and predicted < STRAIGHT:
        none = f"at this sharpness the closed form itself is straight (amplification {1 + predicted:.4f})"
    if none:
        return find("amplification", None, missing=none)
    ends = (float(end - 1) / predicted for end in channel.overall["amplification"])
    return find("amplification", *ends)


def _closed_form(fit: Fit) -> Finding:
    """R² with nothing fitted where a is known."""
    r2 = fit.r2 if fit.a_known is None else fit.r2_known
    found = find("closed-form", r2, missing="all logits are equal" if r2 is None else None)
    if r2 is None or r2 > fit.r2_linear or max(r2, fit.r2_linear) > 1 - 1e-6:
        return found
    reason = f"the linear baseline explains more: R^2 {fit.r2_linear:.4f}"
    return found._replace(word=NOT_REPRODUCED, reason=reason)
