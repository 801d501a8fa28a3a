"""What one training run is: a value checked when it is made. No JAX, so that the command answers at once."""

import json
import math
from dataclasses import asdict, dataclass, fields, replace

from ufm.rules.errors import InputError

ARMS = ("erm", "mixup", "mixup-squared", "manifold", "cutmix", "kway")
NETWORKS = ("mlp", "resnet8", "resnet18", "wrn40-10", "vit4", "vit-small")
CHOICES = {
    "arm": ARMS,
    "network": NETWORKS,
    "classifier": ("learned", "etf"),
    "lam_per": ("batch", "sample"),
    "dtype": ("float32", "bfloat16"),
    "optimizer": ("sgd", "adam", "adamw"),
    "schedule": ("step", "cosine"),
    "inputs": ("channel", "image", "axes", "relu"),
}
COUNTS = {"epochs": 1, "batch": 2, "width": 1, "depth": 1, "seed": 0, "warmup": 0, "every": 1}
COUNTS |= {"random_features": 1, "ways": 2}


@dataclass(frozen=True)
class TrainSettings:
    """One run of stochastic gradient descent. Raises InputError for a value that makes no sense.

    The objective of a batch is mean ℓ(W h + b, y) + (λ_H/2) mean ‖h‖², and weight decay adds
    (weight_decay/2) ‖θ‖² over all trained parameters θ, as published code does. With a λ_W the classifier
    leaves them: (λ_W/2) ‖W‖² for W, nothing for its bias, and weight_decay is that of the layers before it.

    A run is `epochs` passes over the images, or with `steps` so many steps of fresh pairs; then a row of
    the log is `every` steps. `more` adds stretches to a run of steps: each has a warm-up and a schedule of its
    own, and begins where the one before it ended (weights and moments), to the same bits as in one run.
    """

    arm: str = "mixup"
    """erm: unmixed. mixup: mixed inputs. mixup-squared: the same, ½‖z − y‖². manifold: mixed at a random layer.
    cutmix: a rectangle of one image in another, λ the share of the pixels that stay. kway: Σ u_l x_l of `ways`
    images, u ~ Dirichlet(α, …, α)."""
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
    lambda_w: float | None = None
    """Explicit decay of W alone, average convention; None: weight_decay, as of all parameters."""
    bias: bool = True
    """Whether a learned classifier has a bias."""
    smoothing: float = 0.0
    """Label smoothing ε: (1−ε) y + ε/K."""
    optimizer: str = "sgd"
    """sgd with momentum; adam (β₁ = momentum, β₂ = 0.999), weight_decay in the gradient; adamw: beside it."""
    schedule: str = "step"
    """step: a tenth at the shares `decay_at`. cosine: to 0 at the end."""
    warmup: int = 0
    """Steps in which the learning rate rises linearly from 0."""
    steps: int | None = None
    """Steps of fresh pairs, both images drawn with replacement, in place of epochs."""
    more: tuple[int, ...] = ()
    """Steps of the stretches after the first."""
    every: int = 500
    """Steps of a row of the log, in a run of steps."""
    inputs: str = "channel"
    """channel: each standardised. image: mean image removed, one global scale. axes: the same in the training
    images' principal axes. relu: random ReLU features of it."""
    random_features: int = 600
    """How many of them."""
    features: int | None = None
    """Units of the linear layer that ends the features; None: width of the mlp, or of the layer before."""
    ways: int = 3
    """Images of a mixture of kway."""
    log_collapse: bool = False
    """Whether each row of the log has the metrics of neural collapse on the training images."""

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
        for name in ("lambda_h", "weight_decay", *(() if self.lambda_w is None else ("lambda_w",))):
            _check(name, getattr(self, name), getattr(self, name) >= 0, ">= 0")
        _check("momentum", self.momentum, 0 <= self.momentum < 1, ">= 0 and < 1")
        if list(self.decay_at) != sorted(self.decay_at) or not all(0 < at < 1 for at in self.decay_at):
            raise InputError(f"decay_at must be rising shares of the run in (0, 1), got {self.decay_at}")
        _check("smoothing", self.smoothing, 0 <= self.smoothing < 1, ">= 0 and < 1")
        if self.features is not None and not (self.linear_features and self.features >= 1):
            raise InputError(f"features needs linear_features and must be >= 1, got {self.features}")
        self._check_steps()

    def _check_steps(self) -> None:
        for steps in (*(() if self.steps is None else (self.steps,)), *self.more):
            if not isinstance(steps, int) or steps < 1:
                raise InputError(f"steps and more must be whole numbers >= 1, got {steps!r}")
        if self.more and self.steps is None:
            raise InputError("more steps can only follow a run of steps, not of epochs")
        if self.arm == "cutmix" and self.inputs in ("axes", "relu"):
            raise InputError(f"cutmix needs images, not inputs {self.inputs}")

    @property
    def stretches(self) -> tuple[int, ...]:
        """Steps of each stretch of a run of steps."""
        return (self.steps, *self.more)

    @property
    def rows(self) -> int:
        """Rows of the whole log: epochs, or stretches cut into parts of `every` steps."""
        if self.steps is None:
            return self.epochs
        return sum(-(-steps // self.every) for steps in self.stretches)

    def part(self, row: int) -> tuple[int, int, int]:
        """(stretch, first step in it, steps) of a row of a run of steps, rows counted from 0."""
        for stretch, steps in enumerate(self.stretches):
            rows = -(-steps // self.every)
            if row < rows:
                return stretch, row * self.every, min(self.every, steps - row * self.every)
            row -= rows
        raise InputError(f"a run of {self.rows} rows has no row {row}")

    def record(self) -> dict:
        """All settings by name but those that came after the first release and stand at their default.

        What was identified by its settings before they came is still called the same.
        """
        found, default = asdict(self), TrainSettings.__dataclass_fields__
        return {
            name: value
            for name, value in found.items()
            if name not in LATER or value != default[name].default
        }

    def extends(self, found: dict) -> bool:
        """Whether `found`, the record of another run, is this run with fewer stretches."""
        here, shorter = (
            json.loads(json.dumps(record)) for record in (self.record(), found)
        )  # tuples are lists
        mine, theirs = here.pop("more", []), shorter.pop("more", [])
        return here == shorter and mine[: len(theirs)] == theirs

    def rate_of_step(self, step: int, total: int) -> float:
        """Learning rate of a step of a stretch of `total` steps, counted from 0: warm-up times schedule."""
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        if self.schedule == "cosine":
            return rise * self.learning_rate * (1 + math.cos(math.pi * step / total)) / 2
        return rise * self.learning_rate * 0.1 ** sum(step >= at * total for at in self.decay_at)

    def rate(self, epoch: int) -> float:
        """Learning rate of an epoch, counted from 0."""
        return self.learning_rate * 0.1 ** sum(epoch >= at * self.epochs for at in self.decay_at)


FIRST = {
    *(
        "arm",
        "network",
        "classifier",
        "multiplier",
        "lambda_h",
        "alpha",
        "lam_per",
        "learning_rate",
        "momentum",
    ),
    *("weight_decay", "decay_at", "epochs", "batch", "linear_features", "width", "depth", "seed", "dtype"),
}


def _check(name: str, value: float, holds: bool, allowed: str) -> None:
    if not holds or not math.isfinite(value):
        raise InputError(f"{name} must be finite and {allowed}, got {value}")


LATER = {field.name for field in fields(TrainSettings)} - FIRST


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
