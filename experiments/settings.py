"""What one training run is: a value checked when it is made. No JAX, so that the command answers at once."""

import math
from dataclasses import dataclass, replace

from ufm.errors import InputError

ARMS = ("erm", "mixup", "mixup-squared", "manifold")
NETWORKS = ("mlp", "resnet8", "resnet18", "wrn40-10", "vit4")
CHOICES = {
    "arm": ARMS,
    "network": NETWORKS,
    "classifier": ("learned", "etf"),
    "lam_per": ("batch", "sample"),
    "dtype": ("float32", "bfloat16"),
}
COUNTS = {"epochs": 1, "batch": 2, "width": 1, "depth": 1, "seed": 0}


@dataclass(frozen=True)
class TrainSettings:
    """One run of stochastic gradient descent. Raises InputError for a value that makes no sense.

    The objective of a batch is mean ℓ(W h + b, y) + (λ_H/2) mean ‖h‖², and weight decay adds
    (weight_decay/2) ‖θ‖² over all trained parameters θ, as published code does.
    """

    arm: str = "mixup"
    """erm: unmixed. mixup: mixed inputs. mixup-squared: the same, ½‖z − y‖². manifold: mixed at a random layer."""
    network: str = "mlp"
    classifier: str = "learned"
    """learned: W and b, both from zero. etf: a fixed simplex ETF, no bias."""
    multiplier: float = 3.0
    """Row norm of the fixed ETF."""
    lambda_h: float = 0.0
    """Explicit feature decay, average convention."""
    alpha: float = 1.0
    """λ ~ Beta(α, α)."""
    lam_per: str = "batch"
    """One λ for each batch or for each sample."""
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    decay_at: tuple[float, ...] = (0.3, 0.5, 0.9)
    """Shares of the run after which the learning rate is divided by ten."""
    epochs: int = 100
    batch: int = 128
    linear_features: bool = False
    """Leave out the last non-linearity (vit4: the last normalisation) before the features."""
    width: int = 256
    """Units of a layer of the mlp."""
    depth: int = 4
    """Layers of the mlp before the classifier."""
    seed: int = 0
    dtype: str = "float32"
    """Arithmetic of the network; parameters, loss and statistics stay float32."""

    def __post_init__(self):
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise InputError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        for name, least in COUNTS.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise InputError(f"{name} must be a whole number >= {least}, got {value!r}")
        for name in ("multiplier", "alpha", "learning_rate"):
            _check(name, getattr(self, name), getattr(self, name) > 0, "> 0")
        for name in ("lambda_h", "weight_decay"):
            _check(name, getattr(self, name), getattr(self, name) >= 0, ">= 0")
        _check("momentum", self.momentum, 0 <= self.momentum < 1, ">= 0 and < 1")
        if list(self.decay_at) != sorted(self.decay_at) or not all(0 < at < 1 for at in self.decay_at):
            raise InputError(f"decay_at must be rising shares of the run in (0, 1), got {self.decay_at}")

    def rate(self, epoch: int) -> float:
        """Learning rate of an epoch, counted from 0."""
        return self.learning_rate * 0.1 ** sum(epoch >= at * self.epochs for at in self.decay_at)


def _check(name: str, value: float, holds: bool, allowed: str) -> None:
    if not holds or not math.isfinite(value):
        raise InputError(f"{name} must be finite and {allowed}, got {value}")


def default_settings(network: str = "mlp", arm: str = "mixup", **changes) -> TrainSettings:
    """Published settings: learning rate 0.1, momentum 0.9, weight decay 1e-4, a tenth after 30, 50 and 90 %.

    Departures: a fixed ETF follows the theory only with linear features and explicit decay, λ_H = 0.1 and
    weight decay 1e-5; and a step is stable only below about 4/curvature. The curvature in h of a loss with
    a fixed ETF grows as m²: rate over m² for m > 1. That of squared error in W, E[h hᵀ], never fades as
    cross-entropy's does where predictions are sure: a tenth of the rate.
    """
    found = {"network": network, "arm": arm, "learning_rate": 0.01 if arm == "mixup-squared" else 0.1}
    if changes.get("classifier") == "etf":
        multiplier = changes.get("multiplier", TrainSettings.multiplier)
        found |= {"linear_features": True, "lambda_h": 0.1, "weight_decay": 1e-5}
        found["learning_rate"] /= max(1.0, multiplier**2)
    return replace(TrainSettings(), **(found | changes))
