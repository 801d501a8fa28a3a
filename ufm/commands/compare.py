"""Flags of `python -m ufm.compare`: a network's last-layer activations against the theory of mixup."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ufm.commands.frame import Format, PictureSize, Plot, command, loading
from ufm.rules.errors import InputError


@dataclass
class Arguments:
    """Hold a network's last-layer activations against the theory of mixup.

    FILE.npz or a folder of .npy files: H (N x d), W (K x d), labels y, or i j lam, or Y; optional b, weights,
    lambda_w, lambda_h, smoothing, H_clean y_clean, H_test y_test, H_ood, logits with y_logits (held out), logits_H.
    Several of them (epochs, seeds, layers, arms) come on one page, a row each.

    Exit code: 0 reported, 2 wrong usage, a bad file, or one that cannot be written.

    No verdict: 70 defect, 71 out of memory, 74 output full,
    75 standstill or lost process, 129 to 143 ended.
    """

    file: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Activations, as numpy.savez writes them."""
    lambda_w: float | None = None
    """Penalty lambda_W/2 |W|^2 of the training; default: the file's."""
    lambda_h: float | None = None
    """Penalty lambda_H/2 |h|^2 of each feature (average convention); default: the file's."""
    bias: str | None = None
    """Bias of the certified problem: none, free, or its penalty lambda_b; default free if the file's b is not 0."""
    loss: Literal["cross-entropy", "squared-error"] = "cross-entropy"
    """Loss the network was trained with (excess and gap)."""
    centre: Literal["class", "mean", "none"] = "class"
    """Origin of features for angles and shares: mean of the class means, mean of all features, or 0."""
    bins: int = 10
    """Bins of the mixing weight."""
    replicates: int = 200
    """Bootstrap replicates behind the intervals; 0: none."""
    seed: int = 0
    """Seed of subsamples and bootstrap."""
    memory: str | None = None
    """Refuse what would need more, like 4GiB or 500MB; default half of what is free. Changes no number."""
    json: str | None = None
    """Write the record as JSON to PATH, or to standard output with '-'."""
    plot: Plot = None
    format: Format = None
    size: PictureSize = None
    report: str | None = None
    """Write one self-contained HTML page to PATH."""


def run(args: Arguments, argv: list[str]) -> int:
    """Everything after parsing. Bad values raise InputError before JAX is loaded or work is done."""
    from ufm.commands.inputs import read_bias, read_outputs
    from ufm.output.files import Outputs
    from ufm.rules.memory import allow

    _check(args)
    allow(args.memory)
    lambda_b = "file" if args.bias is None else read_bias(args.bias)
    sources = [Path(file).resolve() for file in args.file]
    reads = [*args.file, *(str(part) for source in sources for part in source.glob("*.npy"))]
    outputs = Outputs(read_outputs(args, report=(".html",)), reads)
    for name, path in outputs.paths.items():
        if path.parent in sources:
            raise InputError(f"--{name} {path} would lie in the place of what is read, {path.parent}")
    command = ["python", "-m", "ufm.compare", *argv]
    if len(sources) > 1:
        with loading():
            from ufm.commands.runs.compare_runs import compare_several

        return compare_several(args, command, lambda_b, outputs)
    with loading():
        from ufm.commands.runs.compare import compare  # from here on JAX is needed

    return compare(args, command, lambda_b, outputs)


def _check(args: Arguments) -> None:
    import ufm.rules.numbers as checked

    if not args.file:
        raise InputError("FILE is needed: an .npz file or a folder of .npy files, or several of them")
    for name, ends in checked.COMPARISON.items():
        checked.integer(f"--{name}", getattr(args, name), *ends)
    for name in ("lambda_w", "lambda_h"):
        if getattr(args, name) is not None:
            checked.penalty(f"--{name.replace('_', '-')}", getattr(args, name))


main = command("ufm.compare", Arguments, run)
