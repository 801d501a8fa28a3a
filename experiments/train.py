"""python -m experiments.train: train a network on real images, with log, checkpoints and activations to compare."""

import sys
from dataclasses import dataclass, fields
from typing import Literal

from experiments.training.settings import TrainSettings, default_settings
from ufm.commands.frame import command
from ufm.rules.errors import InputError

Number = float | None


@dataclass
class Arguments:
    """Train a network by stochastic gradient descent, once for each seed.

    Run again with the same --folder, it goes on where it was stopped.

    Exit code: 0 trained, 2 wrong usage or a run that diverged.
    """

    data: Literal["digits", "fashion", "mnist", "cifar10", "cifar100", "npz"] | None = None
    """Data set; default: what --data-dir holds, else Fashion-MNIST if installed, else digits."""
    data_dir: str | None = None
    """Folder with IDX, CIFAR or npz files."""
    train: int | None = None
    """Training images, balanced over classes; default all."""
    test: int | None = None
    """Test images; default all."""
    network: Literal["mlp", "resnet8", "resnet18", "wrn40-10", "vit4", "vit-small"] = "mlp"
    """Network; the large ones need a GPU."""
    width: int | None = None
    """Units of a layer of the mlp; default 256."""
    depth: int | None = None
    """Layers of the mlp before the classifier; default 4."""
    arm: Literal["erm", "mixup", "mixup-squared", "manifold", "cutmix", "kway"] = "mixup"
    """Unmixed; mixed inputs; the same with squared error; mixed at a random layer; a box of one in another; --ways
    images with Dirichlet weights."""
    alpha: float = 1.0
    """Mixing weights are Beta(alpha, alpha)."""
    ways: int = 3
    """Images of a mixture of --arm kway."""
    lam_per: Literal["batch", "sample"] = "batch"
    """One mixing weight for each batch or for each sample."""
    classifier: Literal["learned", "etf"] = "learned"
    """Learned with bias, or a fixed simplex ETF without."""
    multiplier: float = 3.0
    """Row norm of the fixed ETF."""
    lambda_h: Number = None
    """Explicit feature decay lambda_H/2 |h|^2; default 0, with a fixed ETF 0.1."""
    linear_features: Literal["yes", "no"] | None = None
    """Whether a linear layer ends the features; default no, with a fixed ETF yes."""
    epochs: int = 100
    """Passes over the training images."""
    batch: int = 128
    """Images of a step."""
    learning_rate: Number = None
    """Default 0.1, squared error 0.01; over m^2 with a fixed ETF."""
    momentum: float = 0.9
    """Momentum."""
    weight_decay: Number = None
    """Default 1e-4, with a fixed ETF 1e-5. With --lambda-w of the layers before the classifier only."""
    lambda_w: Number = None
    """Explicit decay lambda_W/2 |W|^2 of the classifier alone; default: --weight-decay."""
    bias: Literal["yes", "no"] | None = None
    """Whether a learned classifier has a bias; default yes."""
    smoothing: float = 0.0
    """Label smoothing."""
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    """SGD with momentum; Adam; AdamW (only --weight-decay is decoupled)."""
    schedule: Literal["step", "cosine"] = "step"
    """A tenth after 30, 50 and 90 %; or a cosine to 0."""
    warmup: int = 0
    """Steps of linear warm-up."""
    steps: int | None = None
    """Steps of freshly drawn pairs, in place of --epochs."""
    more: tuple[int, ...] = ()
    """Further stretches of steps, each with its own warm-up and schedule: goes on from a finished run."""
    every: int = 500
    """Steps of a row of the log, in a run of steps."""
    inputs: Literal["channel", "image", "axes", "relu"] = "channel"
    """Standardised by channel; mean image removed and one scale; the same in principal axes; random features."""
    random_features: int = 600
    """Random ReLU features, for --inputs relu."""
    features: int | None = None
    """Units of the linear layer that ends the features; default: as many as the layer before."""
    log_collapse: Literal["yes", "no"] | None = None
    """Metrics of neural collapse in each row of the log; default with --steps."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the network; bfloat16 is meant for GPUs."""
    seed: int = 0
    """First seed."""
    seeds: int = 1
    """Number of seeds: --seed, --seed + 1, and so on."""
    folder: str | None = None
    """Keep log.csv and a checkpoint in FOLDER/seed-N; resumes what is there."""
    memory: str | None = None
    """Refuse what would need more, like 4GiB or 500MB; default half of what is free."""
    save: str | None = None
    """Write activations on mixed inputs of the first seed to PATH.npz, for python -m ufm.compare."""


def read_settings(args: Arguments) -> TrainSettings:
    """The settings of the first seed; what was not given takes its default for this network and arm."""
    names = {field.name for field in fields(TrainSettings)} - {"network", "arm"}
    given = {name: value for name, value in vars(args).items() if name in names and value is not None}
    given["log_collapse"] = "no" if args.steps is None else "yes"
    for name in ("linear_features", "bias", "log_collapse"):
        if getattr(args, name) is not None:
            given[name] = getattr(args, name)
        if name in given:
            given[name] = given[name] == "yes"
    return default_settings(args.network, args.arm, **given)


def network_bytes(settings: TrainSettings) -> int:
    """Of an mlp on images of up to 32 x 32 x 3, in float32: parameters, momentum, gradient and their copies,
    and the activations of a step, forwards and backwards. The other networks have no sizes to choose.
    """
    width, depth, batch = settings.width, settings.depth, min(settings.batch, 60_000)
    if settings.network != "mlp":
        return 0
    return 4 * (6 * width * (3072 + (depth - 1) * width) + 4 * batch * (3072 + depth * width))


def run(args: Arguments, argv: list[str]) -> int:
    """Everything after parsing. Bad values raise InputError before JAX is loaded or work is done."""
    from experiments.tools.extras import require_extras
    from ufm.output.files import Outputs
    from ufm.rules.memory import allow, require

    allow(args.memory)
    settings = read_settings(args)
    require(network_bytes(settings), "the network and its optimiser")
    if args.seeds < 1:
        raise InputError(f"--seeds must be at least 1, got {args.seeds}")
    if args.save is not None and not args.save.endswith(".npz"):
        raise InputError(f"--save must end in .npz, got {args.save!r}")
    outputs = Outputs({} if args.save is None else {"save": args.save})
    require_extras()
    from experiments.training.session import run_session  # from here on JAX is needed

    return run_session(args, settings, outputs)


INTERRUPTED = "stopped; with --folder the same command goes on from the last checkpoint"

main = command("experiments.train", Arguments, run, INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
