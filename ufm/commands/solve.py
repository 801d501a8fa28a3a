"""Flags of `python -m ufm.solve`: the mixup unconstrained features model, solved three independent ways.

Only standard-library, numpy and CLI imports at the top: help and usage errors answer without JAX.
"""

from dataclasses import dataclass
from typing import Literal

from ufm.commands.frame import Format, Model, PictureSize, Plot, command, loading
from ufm.runtime.supervisor import needs_supervisor, supervise

INTERRUPTED = "interrupted, nothing was written (finished shards of --save FOLDER/ stay, its index says so)"


@dataclass
class Arguments(Model):
    """Solve an unconstrained features model, compare with the closed form, certify.

    Exit code: 0 every row agrees or lies outside the hypotheses, 1 some fail,
    3 some are undecided, 2 wrong usage, or a file that cannot be written.

    No verdict: 70 defect, 71 out of memory, 74 output full,
    75 standstill or lost process, 129 to 143 ended.
    """

    classifier: str = "etf"
    """Classifier: etf (a simplex ETF), PATH.npy (K x d), or free (optimised with the features)."""
    starts: int | None = None
    """Random starts of a free classifier; default 1, or 8 when dim < K-1."""
    draws: int | None = None
    """Solve the free classifier on this many drawn labels, as a network would see."""
    lam: str | None = None
    """Mixing weights, comma-separated: 0.1,0.5,0.9."""
    samples: int | None = None
    """Number of mixing weights to draw, each used for all pairs; default 64."""
    quadrature: int | None = None
    """Number of Gauss nodes of the law of the mixing weight, instead of draws."""
    seed: int = 0
    """Seed of the draws."""
    method: Literal["newton", "lbfgs", "gd"] = "newton"
    """Numerical method, started from zero features."""
    max_steps: int | None = None
    """Step limit; 0 returns the start. Default: newton 200, lbfgs 500, gd 20000."""
    tol: float | None = None
    """Largest certified relative distance that counts as solved; default 1e-6 (float32: 1e-2)."""
    precision: Literal["auto", "float64", "float32", "mixed"] = "auto"
    """Arithmetic of the numerical route; mixed: float32, refined in float64; auto: what suits the device."""
    json: str | None = None
    """Write the record as JSON to PATH, or to standard output with '-'."""
    save: str | None = None
    """Write features, classifier and labels to PATH.npz, or in shards to FOLDER/."""
    plot: Plot = None
    format: Format = None
    size: PictureSize = None
    rigorous: bool = False
    """Enclose the optimum of every row in ball arithmetic (verdict: proved)."""
    symmetry: bool = False
    """Solve one pair of classes for each kind and weight and let it stand for all."""
    memory: str | None = None
    """Refuse what would need more, like 4GiB or 500MB; default half of what is free. Changes no number."""
    explain: bool = False
    """Add one sentence to each verdict: what was compared, by which means."""
    distributed: bool = False
    """Take part in a run of several processes: the same command on all of them."""
    coordinator: str | None = None
    """HOST:PORT of process 0, where Slurm, Kubernetes or a TPU do not tell."""
    processes: int | None = None
    """Number of processes, with --coordinator."""
    process: int | None = None
    """Which of them this is, from 0, with --coordinator."""


def run(args: Arguments, argv: list[str]) -> int:
    """Everything after parsing. Bad values raise InputError before JAX is loaded or work is done."""
    import ufm.commands.footprint as footprint
    import ufm.commands.inputs as inputs
    import ufm.runtime.effort as effort
    from ufm.output.files import Outputs
    from ufm.rules.memory import allow

    allow(args.memory)
    law = inputs.read_law(args)
    inputs.check_numbers(args)
    inputs.check_symmetry(args, law)
    inputs.check_group(args)
    command = ["python", "-m", "ufm.solve", *argv]
    choice = inputs.read_choice(args, law)
    if args.classifier == "free":
        free = inputs.read_free(args, law)
        footprint.refuse(footprint.free_classifier(args, free, choice))
        files = inputs.read_outputs(args, save=(".npz",))
        outputs = Outputs({} if args.process else files, inputs.read_sources(args))
        if needs_supervisor(args):
            return supervise("ufm.solve", argv)
        with loading():
            from ufm.commands.runs.joint import solve_free  # from here on JAX is needed

        return solve_free(args, command, free, choice, outputs)
    inputs.check_fixed(args, law)
    problem = inputs.read_problem(args, law)
    footprint.refuse(footprint.fixed_classifier(args, problem, choice))
    shards = inputs.read_folder(args)
    endings: dict[str, tuple[str, ...]] = {} if shards else {"save": (".npz", "/")}
    paths = {} if args.process else inputs.read_outputs(args, **endings)  # process 0 writes
    outputs = Outputs(paths, inputs.read_sources(args))
    if needs_supervisor(args):
        return supervise("ufm.solve", argv)
    rank = None if problem.classifier is None else min(problem.classifier.shape)
    work = effort.seconds(footprint.count_features(args, problem, choice), problem.classes, rank)
    effort.judge(work, args, "give --symmetry, or fewer --classes or --lam")
    with loading():
        from ufm.commands.runs.features import solve  # from here on JAX is needed

    return solve(args, command, problem, choice, outputs, shards, work)


main = command("ufm.solve", Arguments, run, INTERRUPTED)
