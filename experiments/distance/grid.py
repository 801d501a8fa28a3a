"""The declared grid of runs. No JAX here.

Each budget of steps is a run of its own, with its own cosine to 0. One long run would be cheaper, but what it
holds on the way is the noise floor of its learning rate at that moment and not what a budget can reach: distance
at a fixed budget is what a law in t has to speak of. Branches that decay from one trunk would save a third, and be
another schedule than that of the preset terminal.

Seeds from 0 on, and images drawn by them; nothing was chosen on these. Settings are the preset terminal's, but for
batches of 64.
"""

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from experiments.terminal.cells import MLP, REGIME
from experiments.training.settings import TrainSettings, default_settings

EVERY = 750  # steps of one compiled program: every budget is a multiple, so that all share it


class Cell(NamedTuple):
    """n images of K classes, inputs of D dimensions, λ_W = λ_H."""

    images: int
    dimension: int
    classes: int
    penalty: float


class Part(NamedTuple):
    """A full product of its axes."""

    images: tuple[int, ...]
    dimensions: tuple[int, ...]
    classes: tuple[int, ...]
    penalties: tuple[float, ...]
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Grid:
    """Parts of a grid on one data set; a cell that lies in several is run with the budgets of the first."""

    dataset: str
    parts: tuple[Part, ...]
    seeds: tuple[int, ...]
    left_out: str
    every: int = EVERY
    changes: tuple[tuple[str, object], ...] = ()

    @property
    def cells(self) -> dict[Cell, tuple[int, ...]]:
        """Budgets of each cell, large cells last: the end of a run is not one long task."""
        found: dict[Cell, tuple[int, ...]] = {}
        for part in self.parts:
            for values in product(part.images, part.dimensions, part.classes, part.penalties):
                found.setdefault(Cell(*values), part.steps)
        return dict(sorted(found.items(), key=lambda item: (min(item[0].images, item[0].dimension), item[0])))

    @property
    def runs(self) -> int:
        """Runs in all."""
        return len(self.seeds) * sum(map(len, self.cells.values()))

    def settings(self, cell: Cell, steps: int, seed: int) -> TrainSettings:
        """The settings of one run, on inputs that `inputs.images` has made."""
        changes = REGIME | MLP | {"inputs": "axes", "batch": 64, "log_collapse": False, "every": self.every}
        changes |= {"steps": steps, "lambda_w": cell.penalty, "lambda_h": cell.penalty} | dict(self.changes)
        return default_settings(changes.pop("network"), "mixup", **changes, seed=seed)


# 49·4^k and 50·2^k: each n/D is met at several D, so that curves can be laid on one another
IMAGES, DIMENSIONS = (50, 100, 200, 400, 800, 1600, 5000), (49, 196, 784, 3072)
FULL = Grid(
    "fashion",
    (
        Part(IMAGES, DIMENSIONS, (10,), (0.01,), (750, 1500, 3000, 6000)),
        Part(IMAGES, DIMENSIONS, (3, 5), (0.01,), (1500, 6000)),
        Part((100, 400, 1600), (49, 784), (10,), (0.003, 0.03), (1500, 6000)),
    ),
    (0, 1, 2),
    "K = 3 and 5 at 750 and 3000 steps; λ other than 0.01 at K = 3 and 5, at D = 196 and 3072, at n other than "
    "100, 400 and 1600, and at 750 and 3000 steps; more than three seeds; widths, depths, optimisers and α other "
    "than those of the preset terminal",
)
QUICK = Grid(
    "digits",
    (
        Part((30, 120, 400), (16, 64), (10,), (0.01,), (150, 300)),
        Part((120,), (16, 64), (3,), (0.01,), (150, 300)),
        Part((120,), (64,), (10,), (0.03,), (150, 300)),
    ),
    (100, 101),
    "all but a few cells: this is the quick form",
    150,
    (("warmup", 50), ("width", 64)),
)
