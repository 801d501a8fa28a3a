"""One network's activations against the theory: every measure of `ufm compare`, and what they add up to.

H is read twice (once where clean features are given apart, and the first time only the rows that class means
are of), and everything else reads its few coordinates (`reduced`) where these are at most half as many; else all
measures share at most three readings of H, which keep its logits from the first on (`read.together`). Columns that
look standardised are read once more. The sharpness a = m² K/((K−1) λ_H) of all predictions is known where λ_H is,
with m = ‖W − w̄‖_F/√K, and fitted to the logits where it is not.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

import ufm.rules.numbers as checked
from ufm.certify.dual import DualGap
from ufm.model.etf import etf_deviation, etf_multiplier
from ufm.network.diagnose.diagnose import diagnose
from ufm.network.diagnose.diagnosis import Diagnosis
from ufm.network.features import Drawn, FeatureReader, Features, drawing
from ufm.network.findings import Measured, findings
from ufm.network.measures.calibration import Calibration, MixedCalibration, calibrate, calibrating
from ufm.network.measures.channels import CENTRES, Channel, frame_of, geometry
from ufm.network.measures.excess import Excess
from ufm.network.measures.fitting import Fit, explained, first_look, known_sharpness
from ufm.network.optimum import OwnOptimum
from ufm.network.read.activations import Activations, Chunk, Part
from ufm.network.read.ahead import WHOLE, Aside, ahead, aside, rows_of
from ufm.network.read.label_law import LabelKind
from ufm.network.read.together import Kept, Layer, Readings, Running
from ufm.network.resemblance import Finding, overall
from ufm.network.suboptimality import Begun, Gap, Penalty, begin, label_optimum, suboptimality
from ufm.rules.brief import shown
from ufm.rules.errors import InputError
from ufm.runtime.threads import half_for_blas
from ufm.runtime.watchdog import handed

NEEDS = {
    "excess": "needs lambda_h, in the file or as --lambda-h",
    "gap": "needs lambda_w and lambda_h, in the file or as --lambda-w and --lambda-h",
    "calibration": "needs logits of held-out data, and y_logits",
}
MAKERS = 2  # threads that check and multiply blocks
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
    """Everything measured; None where the arrays do not hold what it takes, and then `missing` says why.

    classes: K. kind: what the labels are. etf: relative deviation of W Wᵀ from a simplex ETF, multiplier: m =
    ‖W‖_F/√K, both of W − w̄. row_norm: ‖W‖_F/√K of W as it is; feature_norm: √E‖h‖². features: class statistics and
    metrics of each set. fit, channel, mixed, calibration, excess, certificate: of the modules of these names.
    optimum: of these labels and penalties; gap: L over it. a: sharpness behind the predictions, None if W − w̄ = 0;
    a_known: from λ_H, else fitted. findings: the verdicts; word: what they add up to. diagnoses: mistakes in what
    was saved, by name; none of a healthy network."""

    options: Options
    classes: int
    kind: LabelKind
    etf: float
    multiplier: float
    row_norm: float
    feature_norm: float
    features: Features
    fit: Fit
    a: float | None
    a_known: bool
    channel: Channel
    mixed: MixedCalibration
    excess: Excess | None
    certificate: DualGap | None
    optimum: OwnOptimum | None
    gap: Gap | None
    calibration: Calibration | None
    missing: dict[str, str]
    findings: list[Finding]
    word: str
    diagnoses: list[Diagnosis]

    __repr__ = shown


def compare(
    given: Activations, options: Options | None = None, progress: Progress | None = None
) -> Comparison:
    """Every measure of checked activations, in float64 whatever jax.config says: that is left alone.

    Raises InputError for options that are not allowed.
    """
    options = _check(Options() if options is None else options)
    # blocks are read ahead and measured by threads of their own: BLAS's would wait for these, spinning
    with jax.enable_x64(True), half_for_blas():
        return _compare(given, options, progress or (lambda stage, rows: None))


def _compare(given: Activations, options: Options, progress: Progress) -> Comparison:
    o = _completed(given, options)
    missing = _missing(given, o)
    with aside() as (thread, go_on):
        optimum = thread(partial(label_optimum, given, _penalties(o), o.loss, go_on))
        found = _measured(given, o, progress, thread)
        features, sample = found.reader.result(found.drawn, missing)
        seen = diagnose(sample, given.W, given.b, found.fit if o.loss == "cross-entropy" else None)
        far = suboptimality(found.begun, optimum.result())
    a, fit, channel, m = found.a, found.fit, found.channel, etf_multiplier(given.W - given.W.mean(0))
    assert given.kind is not None
    etf = etf_deviation(given.W - given.W.mean(0))
    known = "weights" in given.stored, fit, channel, found.mixed, a, etf, far, o.loss, missing.get("metrics")
    said = findings(Measured(given.kind, *known))
    return Comparison(
        options=o,
        classes=given.classes,
        kind=given.kind,
        etf=etf,
        multiplier=m,
        row_norm=float(np.linalg.norm(given.W)) / np.sqrt(given.classes),
        feature_norm=features.size,
        features=features,
        fit=fit,
        a=a,
        a_known=fit.a_known is not None,
        channel=channel,
        mixed=found.mixed,
        **far._asdict(),
        calibration=calibrate(given.held_out_chunks) if given.held_out else None,
        missing=missing,
        findings=said,
        word=overall(said),
        diagnoses=seen,
    )


class _Measured(NamedTuple):
    """What the readings of H gave."""

    reader: FeatureReader
    drawn: Drawn
    begun: Begun
    fit: Fit
    a: float | None
    channel: Channel
    mixed: MixedCalibration


def _measured(given: Activations, o: Options, progress: Progress, thread: Aside) -> _Measured:
    """H is read for its features, and where these are not reduced for everything else at once."""
    reader, drawn = FeatureReader(given, o.centre, o.seed, o.replicates), (o.replicates, 0.95, o.seed)

    layer, kept = Layer(given.W, given.b), None if reader.reduces else Kept(given.count, given.classes)
    size = rows_of(given.dim if reader.reduces else max(given.dim, given.classes), WHOLE)

    def features() -> Iterator[Chunk]:
        products = kept is not None and not kept.whole and layer.near
        make = partial(given.chunk, Q=reader.axes, products=products)
        return _chunks(given, progress, "features", size, make)

    readings = Readings(features, layer, kept)
    readings.begin(reader.measure())
    close: Callable[[], Any] = reader.close
    if reader.reduces:
        readings.finish()
        close = thread(reader.close).result
        few = reader.few()
        width = max(few.dim, few.classes)
        stream = partial(_chunks, few, progress, "reduced features", rows_of(width), few.chunk)
        readings = Readings(stream, Layer(few.W, given.b))
    W = readings.layer.W
    begun = begin(readings, given.dim, _penalties(o), o.loss, o.seed)
    assert given.kind is not None
    rows = readings.begin(drawing(given.classes, given.kind.delta))
    look = readings.begin(first_look(W, o.lambda_h, seed=o.seed))

    def against(a: float | None) -> tuple[Running[Channel], Running[MixedCalibration]]:
        turned = [reader.turned(part) for part in (reader.means, reader.mean)]
        frame, centre = frame_of(W, turned[0], o.centre, turned[1], a)
        channel = readings.begin(geometry(frame, centre, reader.own, o.bins, *drawn))
        return channel, readings.begin(calibrating(a, o.bins, *drawn))

    some = etf_multiplier(given.W - given.W.mean(0)) > 0
    known = known_sharpness(W, o.lambda_h) if some else None
    early = against(known) if known and reader.reduces else None  # whose class means are known by now
    readings.read()
    if begun.excess is not None:  # which needs no more of them
        begun = begun._replace(excess=thread(begun.excess).result)
    fit = readings.begin(explained(look.value, *drawn))
    a = known or (look.value.a if some else None)
    channel, mixed = early or against(a)
    readings.finish()
    close()
    return _Measured(reader, rows.value, begun, fit.value, a, channel.value, mixed.value)


def _penalties(o: Options) -> Penalty:
    """(λ_W, λ_H, λ_b)."""
    assert not isinstance(o.lambda_b, str)  # `_completed` has put a number in the place of "file"
    return o.lambda_w, o.lambda_h, o.lambda_b


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


def _chunks(
    given: Activations, progress: Progress, stage: str, rows: int, make: Callable[[Part], Chunk]
) -> Iterator[Chunk]:
    """All chunks, with progress."""
    for chunk in ahead(given.parts(rows), make, MAKERS):  # more of the small blocks are little memory
        with handed(stage):
            yield chunk
        progress(stage, len(chunk.H))
