"""What is trained for each preset: data, network, arms, seeds, and how much is measured. No JAX here."""

from dataclasses import dataclass, field, replace

from experiments.settings import TrainSettings, default_settings


@dataclass(frozen=True)
class Arm:
    """One way of training: a name in the tables, the arm of `TrainSettings`, and what differs from the preset."""

    name: str
    title: str
    arm: str = "mixup"
    changes: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Sizes:
    """How much is measured: mixed and unmixed inputs, inputs for all layers, attacked images, points drawn.

    epsilons: radii of the attacks, in units of the pixel range. draws: labels of the finite-draw baseline.
    """

    mixed: int = 6000
    unmixed: int = 2000
    layers: int = 2000
    attacked: int = 500
    shown: int = 1500
    epsilons: tuple[float, ...] = (0.02, 0.05, 0.1)
    draws: int = 1024


@dataclass(frozen=True)
class Preset:
    """dataset: a name for `load_dataset`. train, test: images used (None: all). common: settings of all arms."""

    name: str
    dataset: str
    train: int | None
    test: int | None
    seeds: int
    common: dict
    arms: tuple[Arm, ...]
    sizes: Sizes

    def settings(self, arm: Arm, seed: int) -> TrainSettings:
        """The settings of one run."""
        changes = {**self.common, **arm.changes}
        network = changes.pop("network")
        return default_settings(network, arm.arm, **_kept(arm, changes), seed=seed)

    @property
    def alphas(self) -> dict[str, float]:
        """Mixup arms by name with their α, in rising order; the main arm among them."""
        found = {arm.name: arm.changes["alpha"] for arm in self.arms if arm.name.startswith("alpha-")}
        return dict(sorted({"mixup": 1.0, **found}.items(), key=lambda item: item[1]))

    @property
    def architectures(self) -> list[str]:
        """Mixup arms on other networks, after the main one."""
        return ["mixup", *(arm.name for arm in self.arms if arm.name.startswith("net-"))]


def _kept(arm: Arm, changes: dict) -> dict:
    """Settings that an arm's own defaults fix are not overwritten by what all others share."""
    if arm.arm == "mixup-squared":
        changes = {key: value for key, value in changes.items() if key != "learning_rate"}
    if arm.changes.get("classifier") == "etf":
        changes = {key: value for key, value in changes.items() if key != "weight_decay"}
    return changes


MAIN = (
    Arm("erm", "ERM", "erm"),
    Arm("mixup", "mixup"),
    Arm("squared", "mixup, squared error", "mixup-squared"),
    Arm("manifold", "manifold mixup", "manifold"),
    Arm("etf", "mixup, fixed ETF", changes={"classifier": "etf"}),
)


def _alphas(*values: float) -> tuple[Arm, ...]:
    return tuple(Arm(f"alpha-{v:g}", f"mixup, α = {v:g}", changes={"alpha": v}) for v in values)


def _networks(**changes: dict) -> tuple[Arm, ...]:
    return tuple(Arm(f"net-{name}", f"mixup, {name}", changes=given) for name, given in changes.items())


SMALL = {"network": "mlp", "weight_decay": 2e-3}
MLPS = _networks(narrow={"width": 64}, shallow={"depth": 2}, deep={"depth": 6})

PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "digits",
            "digits",
            None,
            None,
            5,
            SMALL | {"epochs": 200},
            MAIN + _alphas(0.2, 0.5, 2.0) + MLPS,
            Sizes(),
        ),
        Preset(
            "fashion",
            "fashion",
            5000,
            10_000,
            3,
            SMALL | {"epochs": 100},
            MAIN + _alphas(0.2, 0.5, 2.0) + MLPS,
            Sizes(),
        ),
        Preset(
            "cifar",
            "cifar10",
            None,
            None,
            3,
            {"network": "wrn40-10", "weight_decay": 1e-4, "epochs": 200, "dtype": "bfloat16"},
            MAIN + _alphas(0.2, 0.5, 2.0) + _networks(resnet18={"network": "resnet18"}),
            Sizes(layers=500, epsilons=(1 / 255, 2 / 255, 4 / 255)),
        ),
    )
}


def quick(preset: Preset) -> Preset:
    """The preset with little of everything: to see that a run works end to end, not what comes out."""
    sizes = Sizes(mixed=1500, unmixed=400, layers=400, attacked=100, shown=300, epsilons=(0.05,), draws=32)
    common = preset.common | {"epochs": 3}
    if preset.common["network"] == "mlp":
        common |= {"width": 32, "depth": 3}
    arms = tuple(arm for arm in preset.arms if not arm.name.startswith("net-") or arm.name == "net-shallow")
    return replace(preset, train=600, test=300, common=common, arms=arms, sizes=sizes)
