"""What the commands will hold in memory, estimated from sizes alone, before JAX is loaded or anything is built.

Each function lists the arrays that grow with a flag, by what they are for, in bytes. The factors count copies that
live at once (numpy's temporaries, XLA's buffers); measured peaks of whole commands lie between the estimate and a
quarter of it (`tests/commands/test_footprint.py`). `require` refuses the sum, naming the largest.
"""

from math import comb, factorial, perm

from ufm.commands.inputs import FreeProblem
from ufm.model.atoms import is_dense, kway_nodes
from ufm.model.grid import Grid
from ufm.model.laws import LabelLaw
from ufm.model.problem import Problem
from ufm.model.quadrature import beta_rule
from ufm.rules.memory import require
from ufm.runtime.threads import usable_cores

NUMBER = 8  # bytes of a float64
RECORD = 32  # of a Python float in a list of a record
TEXT = 200  # of a number while JSON is made of it: a piece of the list of pieces, its place in the text
ROW = 9_000  # of a row of the table: two sides, verdict, table line and record
NODES = 32  # of λ in the finite law, if not given
ENTRIES = 2**16  # logits of a batch of features; or 16 features, if these have more (`ufm.optimize.features`)
LEAST = 16

LABELS = "the labels of the finite law"
CURVATURES = "the curvatures of the finite law's labels"
FILE = "the file of features"
SHARDS = "give --save FOLDER/ for shards of 128 MiB"
ORBITS = "of equal classes one label an orbit is enough, from Python (docs/joint.md)"
ADVICE = {LABELS: f"give fewer --quadrature nodes, or --draws; {ORBITS}", FILE: SHARDS}
ADVICE[CURVATURES] = ADVICE[LABELS]
Parts = dict[str, float | int]


def refuse(parts: Parts) -> None:
    """TooLarge if the parts together need more than is allowed; the largest is named."""
    need = sum(parts.values())
    largest = max(parts, key=lambda name: parts[name])
    others = "" if parts[largest] > 0.95 * need else " and what goes with them"
    require(need, largest + others, ADVICE.get(largest, ""))


def fixed_classifier(args, problem: Problem, choice: dict) -> Parts:
    """`solve` with a given classifier: the streamed check of all features, and what is written."""
    symmetry, json, save, plot = args.symmetry, args.json is not None, args.save, args.plot
    law, K, d = problem.law, problem.classes, problem.d
    lam = count_lam(law, **choice)
    parts: Parts = {"batches of features": 24 * NUMBER * max(LEAST * K, ENTRIES) * (1 + usable_cores() // 2)}
    parts["the mixing weights"] = 100 * lam + _gauss_rule(law, choice["quadrature"])
    if law.two_hot:
        kinds = 2 if law.pairs == "all" else 1
        parts["the rows of the table"] = ROW * (lam * kinds if not symmetry else lam + 1)
        count, held = lam + 1 if symmetry else lam * _pairs(law, K), 0
    else:
        count = K if law.name == "smoothing" else lam
        held = K
        rows = 1 if law.name == "smoothing" else count
        multiplier = 14 * (law.labels is not None)  # which is derived from patterns of all labels
        parts["the labels"] = NUMBER * count * K * (14 + multiplier)
        parts["the rows of the table"] = ROW * rows + rows * K * 4 * (RECORD + NUMBER + TEXT * json)
    if problem.classifier is not None:
        parts["the classifier and its coordinates"] = _explicit(K, d)
    if save and save.endswith("/"):
        parts["a shard of features"] = NUMBER * (2 * max(2**24, d + held) + 4 * K * d)
    elif save:
        parts[FILE] = NUMBER * (6 * count * (d + K + 3) + 4 * K * d)
    if plot:
        parts["the picture"] = NUMBER * (6 * K * d + 8 * 200 * (K + d))
    return parts


def count_features(args, problem: Problem, choice: dict) -> int:
    """Features that `solve` finds for a given classifier."""
    law, lam = problem.law, count_lam(problem.law, **choice)
    if not law.two_hot:
        return problem.classes if law.name == "smoothing" else lam
    return lam + 1 if args.symmetry else lam * _pairs(law, problem.classes)


def count_lam(law: LabelLaw, lam, samples: int | None, quadrature: int | None) -> int:
    """Mixing weights, or labels, of `ufm.model.cases.choose_cases`."""
    if law.labels is not None:
        return len(law.labels)
    if law.name in ("onehot", "smoothing"):
        return 1
    return len(lam) if lam is not None else samples or quadrature or 64


def _gauss_rule(law: LabelLaw, nodes: int | None) -> float:
    """CutMix: its Gauss rule is made from a product of two fine rules (`ufm.model.laws.gauss_lam`)."""
    if nodes is None or law.name != "cutmix":
        return 0.0
    refine = 1 + nodes // 4
    nodes = len(beta_rule(law.concentration, law.concentration)[0])
    return 8 * NUMBER * nodes * refine * (800.0 * refine)


def _pairs(law: LabelLaw, K: int) -> int:
    return {"all": K * K, "different": K * (K - 1)}.get(law.pairs, K)


def _explicit(K: int, d: int) -> int:
    """A K × d classifier, its singular vectors, and the K × r and r × r matrices of a tile of features."""
    r = min(K, d)
    tile = max(2**20, LEAST * (K * r + r * r))  # one a thread, at most
    return NUMBER * (6 * K * d + 4 * K * K + 3 * tile * (1 + usable_cores() // 2))


def count_atoms(law: LabelLaw, classes: int, nodes: int, lam: int | None = None) -> tuple[int, int]:
    """Labels of the finite law (`ufm.model.atoms`): while it is put together, and at most when equal ones are
    merged.

    nodes: of the rule for λ; lam: number of λ given or drawn in place of it.
    """
    K = classes
    if law.labels is not None:
        return len(law.labels), len(law.labels)
    if law.name == "kway":
        few = kway_nodes(law.ways, nodes)
        ways = range(1, min(law.ways, K) + 1)
        return (sum(_set_partitions(law.ways, r) * perm(K, r) * few ** (r - 1) for r in ways),) * 2
    if law.pairs == "same":
        return K, K
    mixed = (K if law.pairs == "cyclic" else K * (K - 1)) * (nodes if lam is None else lam)
    # (i, j, λ) is (j, i, 1−λ), where the law of λ is symmetric
    mirrored = lam is None and law.name == "mixup" and law.pairs != "cyclic"
    return K + mixed, K + (mixed // 2 if mirrored else mixed)


def _set_partitions(n: int, blocks: int) -> int:
    """Stirling number of the second kind."""
    signed = sum((-1) ** (blocks - k) * comb(blocks, k) * k**n for k in range(blocks + 1))
    return signed // factorial(blocks)


def free_classifier(args, free: FreeProblem, choice: dict) -> Parts:
    """`solve --classifier free`: the joint problem, and with a given λ each the rows of the table."""
    K, given, atoms = args.classes, given_lam(free.law, choice), free_labels(args, free, choice)
    devices = 1 if args.processes is None else args.processes
    parts = joint(atoms, K, free.dim, args.loss, starts=free.starts, devices=devices)
    parts["the mixing weights"] = _gauss_rule(free.law, choice["quadrature"])
    if free.law.two_hot and args.draws is None and free.lambda_b is None:
        rows = given or choice["quadrature"] or 11
        parts["the rows of the table"] = 2 * ROW * rows + _explicit(K, free.dim)
    return parts


def given_lam(law: LabelLaw, choice: dict) -> int | None:
    """How many mixing weights were given or are drawn, instead of a rule."""
    drawn = choice["lam"] is not None or choice["samples"] is not None
    return count_lam(law, **choice) if drawn else None


def free_labels(args, free: FreeProblem, choice: dict) -> tuple[int, int]:
    """`count_atoms` of the finite law of `solve --classifier free`."""
    if args.draws is not None:
        return args.draws, args.draws
    return count_atoms(free.law, args.classes, choice["quadrature"] or NODES, given_lam(free.law, choice))


def joint(
    atoms: tuple[int, int],
    classes: int,
    dim: int,
    loss: str = "cross-entropy",
    *,
    starts: int = 1,
    record: bool = True,
    devices: int = 1,
) -> Parts:
    """A free classifier on a finite law: its labels, their curvatures, Newton's system, features, record.

    devices: among which the labels are cut. Of many classes a label has vectors, and Newton's system no matrix.
    """
    (raw, n), K, r = atoms, classes, min(classes, dim)
    own, dense = n / devices, starts > 1 or is_dense(n, K, dim, loss)
    return {
        LABELS: NUMBER * (9 * raw * K + 3 * K * K),
        CURVATURES: NUMBER * own * K * (12 * K if dense else 12),
        "Newton's system of the joint problem": _joint_system(K, r) if dense else 40 * NUMBER * K * K,
        "features and classifier": NUMBER * (8 * own * dim + 8 * K * dim + 4 * dim * dim),
        "the points of all starts": 2 * NUMBER * starts * (own * r + K * r),
        "the record of the classifier": (RECORD + TEXT) * K * K * starts * record,
    }


def _joint_system(K: int, r: int) -> float:
    """Dense matrices of K(K−1)/2 unknowns, convex in W Wᵀ; of K r, where that is not used or ends at a boundary."""
    return 8 * NUMBER * float(K * r) ** 2


def theorems(problem: Problem, free_dim: int | None, mixing: int) -> Parts:
    """`verify`: the theorems' labels and classifiers, and the joint problem unless that is left `undecided` for its
    size, by a rule that knows no memory (`ufm.theory.theorems.theorem.Setting`). mixing: number of λ looked at.
    """
    from ufm.theory.theorems.theorem import Setting, joint_labels, within_reach

    law, K, d = problem.law, problem.classes, problem.d
    labels = 15 + 3 * mixing + min(K, 8)
    given = 0 if law.labels is None else law.labels.size
    parts: Parts = {
        "the classifier and the theorems' labels": NUMBER * (10 * K * max(K, d) + 12 * labels * (K + d)),
        "the given labels": NUMBER * 10 * given,
    }
    dim = d if free_dim is None else free_dim
    if not within_reach(joint_labels(law, K, Setting.nodes), K, dim, problem.loss):
        return parts
    return parts | joint(count_atoms(law, K, Setting.nodes), K, dim, problem.loss, record=False)


def sweep_blocks(grid: Grid) -> Parts:
    """A block of problems: 16 solved side by side, their answers and rows, the rules for λ."""
    width, K = max(min(grid.block, grid.group_size), LEAST), max(grid.axes["classes"])
    count = max(grid.rows(group)[-1][-1] + 1 for group in grid.groups)
    return {
        "the features of problems solved side by side": 24
        * NUMBER
        * min(LEAST, grid.group_size)
        * count
        * K
        * (1 + usable_cores() // 2),
        "the rows of a block": 60 * NUMBER * width * max(len(grid.rows(group)) for group in grid.groups),
        "the rules for the mixing weights of a block": 8 * NUMBER * width * 1500 * grid.joint,
        "the list of problems": 300 * len(grid.groups) + 100 * grid.blocks,
    }


def comparison(
    count: int, classes: int, dim: int, bins: int, replicates: int, certified: bool = False
) -> Parts:
    """`compare`: a block of rows (32 MiB), class means, Gram matrices, bootstrap, Σ_W, the reduced features
    or the logits as far as they are in memory (`ufm.network.read.mapped.room`) and a sample of rows; certified:
    both penalties are known, and the optimum of the labels is computed (`ufm.network.optimum`)."""
    K, d = classes, dim
    few, drawn = 2 * K + 3 if d >= 2 * (2 * K + 2) else K, min(count, 3500)
    block = min(NUMBER * count * max(K, d), 2**25) + NUMBER * max(K, d)
    return {
        "the classifier and the class means": NUMBER * 16 * K * d,
        "matrices of classes by classes": NUMBER * 8 * K * K,
        "a block of features": 8 * block * (1 + min(K, d) / max(K, d)),  # and its logits
        "the bootstrap": NUMBER * (replicates + 1) * (4 * 1024 + 40 * bins)
        + 3 * NUMBER * min(1024 * max(20 * bins, 3200), max(1024, count) * 20 * bins)
        + min(2**28, NUMBER * replicates * K * (d + K)),
        "the spread within classes": NUMBER * 6 * d * d * (d <= 2048),
        "the reduced features or the logits": min(2**26, NUMBER * count * few),
        "a sample of the features": 2 * NUMBER * drawn * (d + 2 * K),
        "the optimum of these labels": certified * _own_optimum(count, K, d),
    }


def _own_optimum(count: int, K: int, d: int) -> float:
    """Of at most 4096 labels up to 32 classes; beyond, the ETF of a sample of labels."""
    block = NUMBER * 2**14 * 8 * K  # labels, features and logits that are gone over at once
    if K > 32:
        return block + NUMBER * 14 * 2000 * K
    atoms = min(count, 4096) + 256
    return block + sum(joint((atoms, atoms), K, min(d, K), record=False).values())
