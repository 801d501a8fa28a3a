"""The verdicts on a network, and why some of them say nothing: by what its labels can test at all.

A statement that these labels do not test is `not applicable`; one that they would test, but for too few samples or
for a number that is not known, is `inconclusive`.
"""

from math import inf
from typing import NamedTuple

import numpy as np

from ufm.network.measures.calibration import MixedCalibration
from ufm.network.measures.channels import Channel
from ufm.network.measures.excess import Excess
from ufm.network.measures.fitting import Fit
from ufm.network.read.label_law import LabelKind
from ufm.network.resemblance import FEW, INCONCLUSIVE, REPRODUCED, Finding, find, not_applicable
from ufm.network.suboptimality import Gap, Suboptimality

ZERO = "W is zero, or all its rows are equal"
SOLVED = 1e-6  # bounds below this share of the least objective count as an optimum that was found
RARE = 0.5  # a class this rare, where all were as frequent at 1, moves the mean of all features
STRAIGHT = 0.01  # a predicted amplification this close to 1 tells nothing about bending
APART = 0.5  # an excess above this share of what twice or half the λ_H would give does not tell λ_H
PAIRS = ("plane", "displacement", "amplification", "probabilities")  # statements about labels of two classes
# statements about the closed form of cross-entropy
FORMULAS = ("displacement", "amplification", "closed-form", "linear", "sharpness", "probabilities")


class Measured(NamedTuple):
    """What the verdicts are made of. weighted: the rows are a law of labels and no sample; no_means: why there are
    no class means; far: from the optimum of features, and of W too."""

    kind: LabelKind
    weighted: bool
    fit: Fit
    channel: Channel
    mixed: MixedCalibration
    a: float | None
    etf: float
    far: Suboptimality
    loss: str
    no_means: str | None

    @property
    def excess(self) -> Excess | None:
        """Of the features."""
        return self.far.excess

    @property
    def gap(self) -> Gap | None:
        """Of W and features over the joint optimum."""
        return self.far.gap


def findings(found: Measured) -> list[Finding]:
    """In the order of `CRITERIA`; excess, sharpness and gap only where the penalties are known."""
    overall = found.channel.overall
    none = _no_pairs(found)
    listed = [
        _of_curve("alignment", overall["alignment"], _no_same(found) or _no_origin(found)),
        _of_curve("plane", overall["outside"], none or _no_origin(found)),
        _displacement(found, none),
        _amplification(found, none),
        _closed_form(found),
        _linear(found),
        *([] if found.excess is None else [_sharpness(found)]),
        _of_curve("probabilities", found.mixed.deviation, none or _no_sharpness(found)),
        *_excess_of(found),
        find("etf", found.etf, missing=ZERO if found.channel.slope_limit == inf else None),
        *(
            []
            if found.gap is None
            else [find("global", found.gap.relative, found.gap.least, found.gap.relative)]
        ),
    ]
    untested = _untested(found)
    return [not_applicable(f.name, untested[f.name]) if f.name in untested else f for f in listed]


def _untested(found: Measured) -> dict[str, str]:
    """Statements that these labels cannot test, each with the reason."""
    kind, (same, different) = found.kind, found.channel.rows
    reasons: dict[str, str] = {}
    if found.loss != "cross-entropy":
        reasons |= dict.fromkeys(
            FORMULAS, f"the closed form that is held against is not that of {found.loss}"
        )
    if kind.most <= 1:
        reasons |= dict.fromkeys(PAIRS, f"{kind.words}: no input is mixed")
        reasons["linear"] = f"{kind.words}: the closed form is linear in them"
    elif not different and not kind.pair and not found.channel.alike:
        reasons |= dict.fromkeys(PAIRS, f"{kind.words}: none mixes just two classes")
    if not same and kind.pure == 0:
        reasons["alignment"] = "no label is of one class"
    return reasons


def _excess_of(found: Measured) -> list[Finding]:
    """Without λ_H there is none; of another loss than cross-entropy nothing else tells then."""
    if found.excess is not None:
        return [_excess(found.excess)]
    if found.loss == "cross-entropy":
        return []
    return [find("excess", None, missing=f"needs lambda_h: nothing else tests {found.loss}")]


def _no_same(found: Measured) -> str | None:
    few = 0 if found.weighted else FEW
    return ZERO if found.a is None else _too_few("of one class", found.channel.rows[0], few)


def _no_origin(found: Measured) -> str | None:
    """Why the point that features are measured from is not known."""
    if found.channel.centre != "mean" or found.no_means is None or found.kind.rarest > RARE:
        return None
    return f"{found.no_means}, and classes are too uneven for the mean of all features to be the origin"


def _no_pairs(found: Measured) -> str | None:
    channel, few = found.channel, 0 if found.weighted else FEW
    if found.a is None:
        return ZERO
    if channel.rows[1] == 0 and channel.skipped:
        return f"no samples of two mixed classes ({_left_out(channel)})"
    return _too_few("of two mixed classes", channel.rows[1], few)


def _left_out(channel: Channel) -> str:
    """Why no sample mixes two classes."""
    if channel.alike:
        return f"{channel.alike} mix two classes that have one row of W"
    return f"{channel.skipped} labels are not two-hot"


def _too_few(kind: str, rows: int, few: int) -> str | None:
    if rows == 0:
        return f"no samples {kind}"
    return f"only {rows} samples {kind}" if rows < few else None


def _no_sharpness(found: Measured) -> str | None:
    if found.a is None:
        return ZERO
    if found.fit.a_known is None and found.fit.at_end:
        return f"the fitted sharpness {found.a:.1e} is an end of the range searched"
    return None


def _of_curve(name: str, curve, none: str | None) -> Finding:
    if none is None and (curve is None or np.isnan(curve.value)):
        none = "features equal their centre"
    return find(name, None, missing=none) if none else find(name, *map(float, curve))


def _displacement(found: Measured, none: str | None) -> Finding:
    """Slope over the predicted one."""
    channel, none = found.channel, none or _no_sharpness(found)
    predicted = channel.slope_predicted
    if none or predicted is None or not predicted > 0:
        return find("displacement", None, missing=none or "no sample has λ in the window of the slope")
    return find("displacement", *(float(end) / predicted for end in channel.slope))


def _amplification(found: Measured, none: str | None) -> Finding:
    """(amplification − 1) over the predicted one's."""
    channel, none = found.channel, none or _no_sharpness(found) or found.no_means
    if none or channel.predicted_overall is None:
        return find("amplification", None, missing=none)
    predicted = channel.predicted_overall["amplification"] - 1
    if np.isnan(predicted):
        return not_applicable("amplification", "with two classes w_i + w_j = 0")
    if predicted < STRAIGHT:
        reason = f"the closed form itself is straight here (amplification {1 + predicted:.4f})"
        return not_applicable("amplification", reason)
    ends = (float(end - 1) / predicted for end in channel.overall["amplification"])
    return find("amplification", *ends)


def _closed_form(found: Measured) -> Finding:
    """R², with nothing fitted where a is known."""
    fit, none = found.fit, _no_sharpness(found)
    r2 = fit.r2 if fit.a_known is None else fit.r2_known
    if none or r2 is None or not np.isfinite(r2) or fit.r2_interval is None:
        return find("closed-form", None, missing=none or "all logits are equal")
    return find("closed-form", r2, *fit.r2_interval)


def _linear(found: Measured) -> Finding:
    """That R² less the linear baseline's."""
    advantage = found.fit.advantage
    if advantage is None or not np.isfinite(advantage.value):
        return find("linear", None, missing=_no_sharpness(found) or "all logits are equal")
    return find("linear", *map(float, advantage), missing=_no_sharpness(found))


def _sharpness(found: Measured) -> Finding:
    """a as fitted to the logits, with its interval, over m² K/((K−1) λ_H)."""
    fit = found.fit
    if found.a is None or fit.a_known is None or fit.r2 is None:
        return find("sharpness", None, missing=ZERO if found.a is None else "all logits are equal")
    if fit.at_end:
        reason = f"a = {fit.a:.1e} fits best, an end of the range searched: no sharpness fits these logits"
        return find("sharpness", None, missing=reason)
    low, high = fit.a_interval or (fit.a, fit.a)
    return find("sharpness", fit.a / fit.a_known, low / fit.a_known, high / fit.a_known)


def _excess(excess: Excess) -> Finding:
    """Over the excess of h = 0, within the certified bound and two standard errors of the subsample."""
    if not excess.at_zero > excess.bound:
        if not excess.bound <= SOLVED * abs(excess.optimum):
            reason = f"the optimum is known only within {excess.bound:.1e}: h = 0 may be it or not"
            return find("excess", None, missing=reason)
        return not_applicable("excess", "h = 0 is optimal")
    ratio = excess.excess / excess.at_zero
    half = excess.bound / excess.at_zero + 2 * excess.ratio_error
    found = find("excess", ratio, ratio - half, ratio + half)
    if found.word == REPRODUCED and excess.excess + excess.bound > APART * excess.twofold:
        share = excess.excess / excess.twofold if excess.twofold > 0 else inf
        reason = f"small, but {share:.2g} times that of the optimum for twice or half this lambda_H"
        return found._replace(word=INCONCLUSIVE, reason=reason)
    return found
