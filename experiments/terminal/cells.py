"""What is trained: cells of a data set and a network, their arms, their seeds. No JAX here.

Settings were chosen on seeds 100 to 199; the table uses seeds from 0 on, and images drawn by the same seed.
"""

from dataclasses import dataclass, field, replace

from experiments.training.settings import TrainSettings, default_settings
from ufm.rules.errors import InputError

LAMBDA = 0.01  # λ_W = λ_H
ETF_MULTIPLIER = 1.2993  # the joint theorem's at these penalties, K = 10, α = 1
REGIME = {
    "optimizer": "adam",
    "learning_rate": 2e-3,
    "schedule": "cosine",
    "warmup": 200,
    "steps": 6000,
    "batch": 128,
    "lam_per": "sample",
    "weight_decay": 0.0,
    "lambda_w": LAMBDA,
    "lambda_h": LAMBDA,
    "bias": False,
    "linear_features": True,
    "log_collapse": True,
}
MLP = {"network": "mlp", "width": 256, "depth": 3}


@dataclass(frozen=True)
class Arm:
    """One way of training: the arm of `TrainSettings`, and what differs from the cell."""

    name: str
    title: str
    arm: str = "mixup"
    changes: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """n images of a data set (balanced, drawn anew by each seed) and a network, trained in several ways."""

    name: str
    title: str
    dataset: str
    images: int
    seeds: int
    changes: dict
    arms: tuple[Arm, ...]
    test: int = 2000
    first_seed: int = 0

    def settings(self, arm: Arm, seed: int) -> TrainSettings:
        """The settings of one run."""
        changes = REGIME | self.changes | arm.changes
        return default_settings(changes.pop("network"), arm.arm, **changes, seed=seed)


MIXUP = Arm("mixup", "mixup, learned W")
ALL_ARMS = (
    MIXUP,
    Arm(
        "etf",
        "mixup, fixed ETF",
        changes={"classifier": "etf", "multiplier": ETF_MULTIPLIER, "lambda_w": None},
    ),
    Arm("erm", "ERM", "erm"),
    Arm("squared", "mixup, squared error", "mixup-squared", {"bias": True}),
    Arm("manifold", "manifold mixup", "manifold"),
    Arm("relu", "mixup, ReLU features", changes={"linear_features": False}),
    # as published: every layer decays alike, features not at all
    Arm(
        "decay",
        "mixup, decay on all layers",
        changes={"lambda_w": None, "lambda_h": 0.0, "weight_decay": 2e-3},
    ),
)

# on fewer images, in fewer and smaller steps: these have to end within minutes on a CPU
RESNET8 = {"network": "resnet8", "inputs": "image", "batch": 64, "steps": 3000}
VIT = {"network": "vit-small", "inputs": "image", "batch": 64, "steps": 3000, "learning_rate": 3e-3}
SHORT = {"steps": 1000, "every": 250}
CELLS = (
    Cell("fashion-mlp", "MLP, Fashion-MNIST", "fashion", 300, 5, MLP | {"inputs": "axes"}, ALL_ARMS),
    Cell(
        "digits-mlp",
        "MLP on 600 random ReLU features, digits",
        "digits",
        300,
        5,
        MLP | {"inputs": "relu", "random_features": 600, "steps": 4000},
        ALL_ARMS,
        360,
    ),
    Cell("digits-resnet8", "ResNet-8, digits", "digits", 60, 3, RESNET8, (MIXUP,), 360),
    Cell("digits-vit", "small ViT, digits", "digits", 60, 3, VIT, (MIXUP,), 360),
    Cell("fashion-resnet8", "ResNet-8, Fashion-MNIST", "fashion", 100, 3, RESNET8 | SHORT, (MIXUP,)),
    Cell("fashion-vit", "small ViT, Fashion-MNIST", "fashion", 100, 3, VIT, (MIXUP,)),
)
NAMES = tuple(cell.name for cell in CELLS)


def choose(names: tuple[str, ...], seeds: int | None, quick: bool) -> tuple[Cell, ...]:
    """The cells asked for; InputError for an unknown name, names of a quick run, or fewer than one seed."""
    if names and quick:
        raise InputError("--cells does not apply to --quick, which has a cell of its own: leave one of them")
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise InputError(f"unknown cells {', '.join(unknown)}: allowed are {', '.join(NAMES)}")
    if seeds is not None and seeds < 1:
        raise InputError(f"--seeds must be at least 1, got {seeds}")
    cells = quick_cells() if quick else tuple(cell for cell in CELLS if not names or cell.name in names)
    return cells if seeds is None else tuple(replace(cell, seeds=seeds) for cell in cells)


def quick_cells() -> tuple[Cell, ...]:
    """The recipe in small, on the embedded digits: which way things go, not how far."""
    cell = CELLS[1]
    changes = cell.changes | {"width": 64, "steps": 600, "every": 300, "random_features": 200, "warmup": 50}
    return (replace(cell, name="digits-quick", images=100, seeds=3, first_seed=100, changes=changes),)


def plan(cells: tuple[Cell, ...]) -> str:
    """What would be trained, one line an arm."""
    lines = []
    for cell in cells:
        lines.append(f"{cell.name}: {cell.images} images of {cell.dataset}, {cell.seeds} seeds an arm")
        for arm in cell.arms:
            s = cell.settings(arm, 0)
            lines.append(
                f"  {arm.name}: {s.network}, {s.arm}, {s.classifier} W, inputs {s.inputs}, "
                f"{s.steps} steps of {s.batch}, {s.optimizer} {s.learning_rate:g}, lambda_w {s.lambda_w}, "
                f"lambda_h {s.lambda_h:g}, weight decay {s.weight_decay:g}"
            )
    return "\n".join([*lines, f"{sum(cell.seeds * len(cell.arms) for cell in cells)} runs"])
