"""Published objectives in other conventions, converted to the average convention of this package.

Ours:   L = E ℓ(W h + b, y) + (λ_H/2) E‖h‖² + (λ_W/2)‖W‖_F² + (λ_b/2)‖b‖²,     E the mean over samples.

A paper, or a training script, minimises over N samples (of a minibatch, if that is what one evaluation sees)

    F = ρ Σ_n ℓ_n·f + κ (μ_W‖W‖_F² + μ_H φ Σ_n‖h_n‖² + μ_b‖b‖²)

    ρ = 1/N ("mean") or 1 ("sum");  κ = ½ or 1 (`half`);  φ = 1 ("all") or 1/N ("per-sample");
    f: the paper's loss is f times ours: 1, but 2 for ‖z − y‖² without ½, 2/K for its mean over entries.

So F = s L with s = f ("mean") or N f ("sum"), and, with k = 2κ,

    λ_W = k μ_W/s,      λ_b = k μ_b/s,      λ_H = k N μ_H/s ("all") or k μ_H/s ("per-sample").

Minimisers, a, m and all geometry are the same; values and gaps of F are s times those of L. Weight decay μ of
SGD adds μ W to the gradient, which is `half=True`; the decoupled decay of AdamW is no penalty at all.

Nuclear-norm form: min over W H = Z of the penalties is λ_Z‖Z‖_* in F, Z = [z_1 … z_N], with
λ_Z = 2κ √(μ_W μ_H φ): √(μ_W μ_H) with the ½, 2√(μ_W μ_H) without. Ours is √(λ_W λ_H/N)‖Z‖_*, hence
√(λ_W λ_H) = λ_Z √N/s, and only this product is determined.
"""

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import ufm.rules.numbers as checked

LOSS_REDUCTIONS = ("mean", "sum")
FEATURE_PENALTIES = ("all", "per-sample")


class Penalties(NamedTuple):
    """λ_W, λ_H and λ_b (None: no bias) in the average convention."""

    lambda_w: float
    lambda_h: float
    lambda_b: float | None = None


@dataclass(frozen=True)
class Convention:
    """How a paper writes its objective over `samples` samples; the defaults are ours.

    samples: N, the number of samples in one evaluation of the objective: all of them, or the batch size where
    the feature penalty is charged per batch (`per_batch`); loss: "mean" or "sum" over them; half: whether the
    penalties carry ½; features: penalty of "all" features, Σ‖h_n‖², or "per-sample", their mean; loss_factor:
    the paper's loss of one sample divided by ours.
    """

    samples: int = 1
    loss: str = "mean"
    half: bool = True
    features: str = "per-sample"
    loss_factor: float = 1.0

    def __post_init__(self):
        checked.integer("samples", self.samples, 1, 2**63)
        checked.choice("loss", self.loss, LOSS_REDUCTIONS)
        checked.flag("half", self.half)
        checked.choice("features", self.features, FEATURE_PENALTIES)
        checked.positive("loss_factor", self.loss_factor)

    @property
    def factor(self) -> float:
        """s = (the paper's objective)/(ours) at every point: f, times N for a sum of losses."""
        return self.loss_factor * (self.samples if self.loss == "sum" else 1)

    def convert(self, weight: float, feature: float, bias: float | None = None) -> Penalties:
        """The paper's penalties μ_W, μ_H, μ_b as ours: k μ/s, times N for the penalty of all features.

        bias: None no bias, 0 a free one, > 0 a penalised one, as everywhere here.
        """
        for name, value in (
            ("weight", weight),
            ("feature", feature),
            ("bias", 0.0 if bias is None else bias),
        ):
            checked.nonnegative(f"the {name} penalty", value)
        scale = (1 if self.half else 2) / self.factor
        shared = scale * (self.samples if self.features == "all" else 1)
        return Penalties(scale * weight, shared * feature, None if bias is None else scale * bias)

    def nuclear(self, weight: float, feature: float) -> float:
        """λ_Z of this objective from its own penalties: √(μ_W μ_H φ), or 2√(μ_W μ_H φ) without the ½."""
        for name, value in (("weight", weight), ("feature", feature)):
            checked.nonnegative(f"the {name} penalty", value)
        share = 1 / self.samples if self.features == "per-sample" else 1
        return (1 if self.half else 2) * sqrt(weight * share * feature)

    def from_nuclear(self, nuclear: float, ratio: float = 1.0) -> Penalties:
        """Our penalties from λ_Z: λ_W λ_H = N λ_Z²/s², split so that λ_W/λ_H = ratio.

        The ratio changes only the scale of W against h (‖W‖² : E‖h‖² = λ_H : λ_W), never the logits.
        """
        checked.nonnegative("the nuclear penalty", nuclear)
        checked.positive("ratio", ratio)
        root = nuclear * sqrt(self.samples) / self.factor
        return Penalties(root * sqrt(ratio), root / sqrt(ratio))


def per_batch(batch: int, *, loss: str = "mean", half: bool = True, loss_factor: float = 1.0) -> Convention:
    """A script that adds κ μ_H‖H_batch‖_F², the sum over the batch, to the batch's loss.

    Averaged over batches: λ_H = k B μ_H/s, B the batch size, whatever the size of the data set.
    """
    return Convention(batch, loss, half, "all", loss_factor)
