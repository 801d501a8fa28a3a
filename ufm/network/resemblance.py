"""Whether a network looks like the optimum for its labels: one verdict a statement, by criteria fixed here.

A statement has a number and the range it should lie in. `reproduced`: the number's whole interval lies in the
range; `not reproduced`: all of it outside; `inconclusive`: neither, or the file does not hold what it takes;
`not applicable`: the statement says nothing in this setting. A number of W alone is its own interval.
These words are for networks; statements about optima have the verdicts of `ufm.agree.verdict`.
"""

from math import inf, isfinite, isnan
from typing import NamedTuple

REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE = "reproduced", "not reproduced", "inconclusive"
NOT_APPLICABLE = "not applicable"
OVERALL = "like its labels' optimum against a simplex ETF (cross-entropy)"
ORDER = (NOT_REPRODUCED, INCONCLUSIVE, REPRODUCED)  # worst first
FEW = 20  # fewer samples of a kind than this decide nothing


class Criterion(NamedTuple):
    """A statement, the range its number should lie in, and whether the mixup optimum stands or falls with it."""

    claim: str
    low: float
    high: float
    decisive: bool = True

    @property
    def words(self) -> str:
        """The range."""
        if self.high == inf:
            return f">= {self.low:g}"
        return f"<= {self.high:g}" if self.low == -inf else f"{self.low:g} to {self.high:g}"


CRITERIA = {
    "alignment": Criterion("same-class features align with the classifier: mean cosine", 0.9, inf),
    "plane": Criterion("different-class features: share of ||h - c||^2 outside span{w_i, w_j}", -inf, 0.1),
    "displacement": Criterion("displacement across the channel: slope / predicted slope", 0.9, 1.1),
    "amplification": Criterion(
        "beyond straight interpolation along w_i + w_j: share of the predicted excess", 0.5, 2.0
    ),
    "closed-form": Criterion("logits follow the closed form: R^2", 0.8, inf),
    "linear": Criterion("they bend as it does: R^2 less that of the linear baseline", -1e-3, inf),
    "sharpness": Criterion("sharpness that the logits show / that of lambda_H and W", 0.7071, 1.4142),
    "probabilities": Criterion("p_i of mixed samples against the closed form: mean deviation", -inf, 0.05),
    "excess": Criterion("features are optimal for their own W: excess / excess of h = 0", -inf, 0.01),
    "etf": Criterion("centred W is a simplex ETF: relative deviation of W W^T", -inf, 0.1),
    "global": Criterion("W and features are the joint optimum: relative gap", -inf, 0.01, False),
}


class Finding(NamedTuple):
    """One verdict: the number with the ends of its interval (equal to it without one), word and reason."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    word: str
    reason: str


def find(name: str, value: float | None, low=None, high=None, *, missing: str | None = None) -> Finding:
    """The verdict on a number with an interval; missing: why there is no number, or why it decides nothing."""
    criterion = CRITERIA[name]
    if missing is not None or value is None or isnan(value):
        return Finding(name, None, None, None, INCONCLUSIVE, missing or "not defined here")
    ends = [value if end is None or not isfinite(end) else end for end in (low, high)]
    bottom, top = min(value, *ends), max(value, *ends)
    if criterion.low <= bottom and top <= criterion.high:
        return Finding(name, value, bottom, top, REPRODUCED, f"{criterion.words}, as asked")
    if top < criterion.low or bottom > criterion.high:
        return Finding(name, value, bottom, top, NOT_REPRODUCED, f"asked for {criterion.words}")
    reason = f"the interval reaches over an end of {criterion.words}"
    return Finding(name, value, bottom, top, INCONCLUSIVE, reason)


def not_applicable(name: str, reason: str) -> Finding:
    """The statement says nothing here."""
    return Finding(name, None, None, None, NOT_APPLICABLE, reason)


def overall(findings: list[Finding]) -> str:
    """The worst word of the decisive statements that apply."""
    words = {finding.word for finding in findings if CRITERIA[finding.name].decisive}
    return next((word for word in ORDER if word in words), INCONCLUSIVE)
