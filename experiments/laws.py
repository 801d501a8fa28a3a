"""python -m experiments.laws: trained classifiers against the certified optimum of the same label law.

A network is trained with explicit λ_W and λ_H under a law whose optimal classifier need not be an ETF: class
weights, label smoothing, CutMix, 3-way mixing, fewer dimensions than K − 1; and on both sides of two thresholds.
Its G = W Wᵀ is held against that of `solve_joint` for the same law, whose own gap is certified. What is compared:

    ‖G − G*‖_F/‖G*‖_F    at most 0.05
    ‖w_3 − w_4‖/‖W‖_F    of two minority classes: below ρ q_B = λ_W λ_H, ρ = (α+1)/(2α+1), more than half of the
                         optimum's; above it less than 0.05, where the optimum's is 0
    ‖W‖_F²               below the triviality threshold more than half of the optimum's, above it less than 0.01

These criteria were committed before any run with seeds 0 to 2; settings were chosen on seed 100. The network has
one hidden layer: from a start near zero a deeper one loses its hidden layers to λ_H before the classifier grows.

With --out every run is kept in laws.json as it ends: stopped and run again, the same command makes what is missing.
"""

import hashlib
import json
import sys
from dataclasses import asdict, dataclass, field, replace
from itertools import permutations
from pathlib import Path

import numpy as np

from experiments.tools.arguments import check_folder
from ufm.commands.frame import command
from ufm.rules.errors import InputError

PROGRAM = "experiments.laws"

CLASSES, IMAGES, STEPS = 4, 100, 6000
ZERO = 1e-9  # a squared length below this is none
SKEWED = (0.4, 0.4, 0.1, 0.1)
NAMES = {"fashion": "Fashion-MNIST"}  # of data sets, where a page has another one


@dataclass(frozen=True)
class Case:
    """A law, penalties λ_W = λ_H, what of the settings differs, and the criterion: (number, side, threshold)."""

    name: str
    penalty: float
    weights: tuple[float, ...] = (0.25,) * 4
    changes: dict = field(default_factory=dict)
    criterion: tuple[str, str, float] = ("distance", "<", 0.05)


CASES = (
    Case("balanced mixup", 0.05),
    Case("class weights 0.4, 0.4, 0.1, 0.1", 0.05, SKEWED),
    Case("label smoothing 0.1", 0.05, changes={"smoothing": 0.1}),
    Case("CutMix", 0.05, changes={"arm": "cutmix", "inputs": "image"}),
    Case("3-way mixing", 0.05, changes={"arm": "kway"}),
    Case("features of 2 dimensions (d < K − 1)", 0.05, changes={"features": 2}),
    Case("minority below its threshold", 0.2, SKEWED, criterion=("minority_share", ">", 0.5)),
    Case("minority above its threshold", 0.3, SKEWED, criterion=("minority", "<", 0.05)),
    Case("below triviality", 0.32, criterion=("norm_share", ">", 0.5)),
    Case("above triviality", 0.44, criterion=("norm", "<", 0.01)),
)


def law_of(case: Case):
    """The label law that the training follows."""
    from ufm.model.laws import LabelLaw

    settings = settings_of(case, 0, STEPS)
    balanced = len(set(case.weights)) == 1
    ways = settings.ways if settings.arm == "kway" else 2
    weights = None if balanced else case.weights
    smooth = settings.smoothing
    return LabelLaw(settings.arm, settings.alpha, smoothing=smooth, ways=ways, class_weights=weights)


def images(case: Case, dataset: str, seed: int):
    """The first four classes, drawn by the seed in the law's proportions."""
    from experiments.datasets import load_dataset

    data, rng = load_dataset(dataset), np.random.default_rng(seed)
    counts = [round(IMAGES * q) for q in case.weights]
    kept = [rng.permutation(np.flatnonzero(data.train_y == k))[:n] for k, n in enumerate(counts)]
    kept, test = np.concatenate(kept), data.test_y < CLASSES
    part = {"train_x": data.train_x[kept], "train_y": data.train_y[kept]}
    return replace(data, classes=CLASSES, test_x=data.test_x[test], test_y=data.test_y[test], **part)


def settings_of(case: Case, seed: int, steps: int):
    """The terminal regime at the case's penalties."""
    from experiments.terminal.cells import MLP, REGIME
    from experiments.training.settings import default_settings

    changes = REGIME | MLP | {"inputs": "axes", "depth": 2, "steps": steps} | case.changes
    changes |= {"lambda_w": case.penalty, "lambda_h": case.penalty, "log_collapse": False}
    return default_settings(changes.pop("network"), changes.pop("arm", "mixup"), **changes, seed=seed)


def optimum(case: Case):
    """(G*, relative duality gap) of the certified optimum; several starts where d < K − 1."""
    from ufm.certify.joint import certify_joint
    from ufm.model.atoms import JointProblem, finite_law
    from ufm.optimize.joint import solve_joint

    dim, atoms = case.changes.get("features", CLASSES), finite_law(law_of(case), CLASSES)
    problem = JointProblem(atoms, case.penalty, case.penalty, dim)
    found = solve_joint(problem, starts=1 if dim >= CLASSES - 1 else 8)
    return found.W @ found.W.T, certify_joint(problem, found).relative_gap


def measure(case: Case, dataset: str, seed: int, steps: int) -> dict:
    """One network beside its optimum."""
    from experiments.training.train import classifier, train

    W, _ = classifier(train(settings_of(case, seed, steps), images(case, dataset, seed)).model)
    best, gap = optimum(case)
    G, size = W @ W.T, float(np.trace(best))
    apart, wanted = _apart(G), _apart(best)
    return {
        "case": case.name,
        "seed": seed,
        "penalty": case.penalty,
        "distance": distance(G, best, case.weights) if size > ZERO else None,
        "norm": float(np.trace(G)),
        "norm_optimum": size,
        "norm_share": float(np.trace(G)) / size if size > ZERO else None,
        "minority": apart,
        "minority_optimum": wanted,
        "minority_share": apart / wanted if apart is not None and wanted and wanted > ZERO else None,
        "gap_of_optimum": float(gap),
    }


def distance(G: np.ndarray, best: np.ndarray, weights: tuple[float, ...]) -> float:
    """‖G − G*‖_F/‖G*‖_F, the least over permutations of classes of equal weight: these leave the law as it is."""
    turns = (p for p in permutations(range(len(G))) if all(weights[k] == q for k, q in zip(p, weights)))
    return float(min(np.linalg.norm(G - best[np.ix_(p, p)]) for p in turns) / np.linalg.norm(best))


def _apart(G: np.ndarray) -> float | None:
    """‖w_3 − w_4‖/‖W‖_F; None where W = 0."""
    size = np.trace(G)
    return float(np.sqrt(max(G[2, 2] + G[3, 3] - 2 * G[2, 3], 0) / size)) if size > ZERO else None


def table(found: list[dict], command: str, dataset: str) -> str:
    """The page: mean and 95 % interval over seeds, and whether the criterion holds."""
    from experiments.reproduction.table import grid
    from experiments.reproduction.verdict import judge

    lines, commits = [], list(dict.fromkeys(run["commit"] or "none" for run in found))
    for case in CASES:
        runs = [run for run in found if run["case"] == case.name]
        name, side, threshold = case.criterion
        shown = [_shown(key, [run[key] for run in runs]) for key in COLUMNS]
        verdict = judge([run[name] for run in runs], side, threshold).verdict
        said = f"{COLUMNS.get(name, SHARES.get(name))} {side} {threshold:g}"
        lines.append([case.name, f"{case.penalty:g}", *shown, said, f"**{verdict}**"])
    head = ["law", "λ_W = λ_H", *COLUMNS.values(), "criterion", "verdict"]
    text = (
        "# The theorem where W is learned: trained classifiers beside the certified optimum of the same law"
    )
    note = (
        f"Made by `{command}`; do not edit. {CLASSES} classes of {NAMES.get(dataset, dataset)}, {IMAGES} images "
        "drawn by each seed; means with 95 % t-intervals over seeds. G*: `solve_joint` on the finite law, with its "
        "relative duality gap; for d < K − 1 that cannot close, and G* is the best of eight starts, up to "
        "permutations of classes. Undefined: the optimum is W = 0. Cases and criteria as committed in "
        f"{', '.join(f'`{commit[:12]}`' for commit in commits)}."
    )
    return f"{text}\n\n{note}\n\n{grid(head, lines)}\n"


def _shown(key: str, values: list) -> str:
    """Mean and interval; of what is the same for all seeds the value alone."""
    from experiments.reproduction.table import mean_text
    from experiments.reproduction.verdict import judge

    if key in OF_OPTIMUM:
        return "undefined" if values[0] is None else f"{values[0]:.3g}"
    return mean_text(judge(values, ">", 0.0))


OF_OPTIMUM = ("norm_optimum", "minority_optimum", "gap_of_optimum")
COLUMNS = {
    "distance": "‖G − G*‖/‖G*‖",
    "norm": "‖W‖²",
    "norm_optimum": "‖W*‖²",
    "minority": "‖w_3 − w_4‖/‖W‖",
    "minority_optimum": "of W*",
    "gap_of_optimum": "gap of W*",
}
SHARES = {"norm_share": "‖W‖²/‖W*‖²", "minority_share": "‖w_3 − w_4‖/‖W‖ over that of W*"}


@dataclass
class Arguments:
    """Train every case for each seed (a JSON line each), and print the page.

    Exit code: 0 when it reported, whatever came out; 2 for wrong usage.
    """

    dataset: str = "fashion"
    """Data set, as experiments.train names it."""
    seeds: int = 3
    """Seeds of every case."""
    first_seed: int = 0
    """The first of them."""
    steps: int = STEPS
    """Steps of training."""
    out: Path | None = None
    """Folder for laws.md and laws.json; what that holds already is not made again."""


def run(args: Arguments, argv: list[str]) -> int:
    """Everything after parsing. Raises InputError for bad values before any work."""
    if min(args.seeds, args.steps) < 1 or args.first_seed < 0:
        raise InputError("--seeds and --steps must be at least 1, and --first-seed at least 0")
    if args.out is not None:
        check_folder("--out", args.out)
    from experiments.tools.extras import require_extras
    from experiments.training.checkpoint import write_whole
    from ufm.runtime.start import start_jax

    require_extras()
    start_jax()
    page = table(complete(args), " ".join(["python", "-m", PROGRAM, *argv]), args.dataset)
    print(page)
    if args.out is not None:
        write_whole(args.out / "laws.md", lambda file: file.write(page.encode()))
    return 0


def complete(args: Arguments) -> list[dict]:
    """All runs asked for; those that laws.json in --out has already are not made again, and all of them stay."""
    from experiments.tools.files import write_json

    path = None if args.out is None else args.out / "laws.json"
    kept = {} if path is None else _kept(path)
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    wanted = {
        fingerprint(case, args.dataset, seed, args.steps): (case, seed) for case in CASES for seed in seeds
    }
    commit, of_run = criteria_commit(), {"steps": args.steps, "dataset": args.dataset}
    for key, (case, seed) in wanted.items():
        if key in kept:
            continue
        run = measure(case, args.dataset, seed, args.steps)
        kept[key] = run | of_run | {"fingerprint": key, "commit": commit}
        print(json.dumps(kept[key]), flush=True)
        if path is not None:
            write_json(path, {"schema": 3, "runs": list(kept.values())})
    return [kept[key] for key in wanted]


def _kept(path: Path) -> dict[str, dict]:
    """The runs of a record by fingerprint; before schema 3 it had one number of steps and one data set for all."""
    from experiments.tools.files import read_json

    record = read_json(path) or {}
    of_all = {name: record[name] for name in ("steps", "dataset") if name in record}
    return {run["fingerprint"]: of_all | run for run in record.get("runs", ()) if "fingerprint" in run}


def fingerprint(case: Case, dataset: str, seed: int, steps: int) -> str:
    """SHA-256 of everything that a run's numbers depend on, but the data set's own bytes (its name)."""
    key = [settings_of(case, seed, steps).record(), dataset, IMAGES, asdict(case) | {"criterion": None}]
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


def criteria_commit() -> str | None:
    """The commit that holds this file, cases and criteria, as it stands; None where none does."""
    from experiments.terminal.criteria import committed_blob, version

    here = version(Path(__file__))
    same = here["commit"] and committed_blob(here["commit"], Path(__file__)) == here["blob"]
    return here["commit"] if same else None


main = command(PROGRAM, Arguments, run, "interrupted: run it again to go on")


if __name__ == "__main__":
    sys.exit(main())
