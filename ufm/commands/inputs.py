"""From command-line values to a checked plan of work, without JAX: bad input is found first."""

import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import ufm.model.laws as laws
import ufm.rules.numbers as checked
from ufm.model.cases import check_choice
from ufm.model.problem import Problem
from ufm.network.read.mapped import read_array
from ufm.rules.environment import check_pictures
from ufm.rules.errors import InputError, meant
from ufm.rules.files import picture_path
from ufm.rules.soft_labels import said
from ufm.runtime.processes import ALONE, Group

LAWS = ("mixup", "cutmix", "kway", "smoothing", "onehot")


def read_law(args) -> laws.LabelLaw:
    """The label law named by --labels, --alpha, --pairs, --smoothing and --ways."""
    name = args.labels
    if name not in LAWS and not name.endswith(".npy"):
        allowed = f"one of {', '.join(LAWS)} or a PATH.npy"
        raise InputError(f"--labels must be {allowed}, got {name!r}{meant(name, LAWS)}")
    unused = {
        "alpha": name in ("smoothing", "onehot") or name.endswith(".npy"),
        "pairs": name not in ("mixup", "cutmix"),
        "ways": name != "kway",
        "smoothing": name.endswith(".npy") or name == "onehot",
    }
    for flag, forbidden in unused.items():
        if forbidden and getattr(args, flag) is not None:
            raise InputError(f"--{flag} does not apply to --labels {name}")
    return _build_law(args, name)


def _build_law(args, name: str) -> laws.LabelLaw:
    law = _plain_law(args, name)
    if args.weights is None:
        return law
    weights = read_weights(args.weights)
    if law.labels is not None:
        return replace(law, label_weights=weights)
    if weights.shape != (args.classes,):
        raise InputError(f"--weights has {weights.size} numbers for {args.classes} classes")
    return replace(law, class_weights=tuple(weights.tolist()))


def _plain_law(args, name: str) -> laws.LabelLaw:
    alpha = 1.0 if args.alpha is None else args.alpha
    delta = 0.0 if args.smoothing is None else args.smoothing
    if name in ("mixup", "cutmix"):
        return getattr(laws, name)(alpha, args.pairs or "all", delta)
    if name == "kway":
        return laws.kway(alpha, 3 if args.ways is None else args.ways, delta)
    if name == "smoothing":
        return laws.smooth(0.1 if args.smoothing is None else args.smoothing)
    return laws.onehot() if name == "onehot" else _given_law(name)


def _given_law(path: str) -> laws.LabelLaw:
    """The labels of a file; what had to be normalised is said on stderr."""
    law = laws.LabelLaw("labels", labels=load_array("labels", path))
    if law.off:
        print(f"--labels {path}: {said(law.off)}", file=sys.stderr)
    return law


def load_array(flag: str, path: str) -> np.ndarray:
    """An npy file that is what its header says; pickles are never executed."""
    return read_array(f"--{flag} {path}", Path(path))


def read_weights(text: str) -> np.ndarray:
    """--weights: comma-separated numbers, or a PATH.npy."""
    return load_array("weights", text) if text.endswith(".npy") else read_numbers("weights", text)


def read_rho(args, law: laws.LabelLaw) -> np.ndarray | None:
    """--rho: relative penalties of the features of given labels, one a row."""
    if args.rho is None:
        return None
    if law.labels is None:
        raise InputError(f"--rho is of given labels (--labels PATH.npy), got --labels {args.labels}")
    rho = load_array("rho", args.rho) if args.rho.endswith(".npy") else read_numbers("rho", args.rho)
    return checked.penalties("--rho", rho, len(law.labels))


def read_lam(text: str | None) -> np.ndarray | None:
    """Comma-separated mixing weights."""
    return None if text is None else read_numbers("lam", text)


def read_numbers(flag: str, text: str) -> np.ndarray:
    """Comma-separated numbers."""
    try:
        return np.array([float(part) for part in text.split(",")])
    except ValueError:
        raise InputError(f"--{flag} must be comma-separated numbers like 0.1,0.5, got {text!r}") from None


def read_problem(args, law: laws.LabelLaw) -> Problem:
    """The problem; an ETF whose multiplier is still to be derived gets 1 in its place."""
    W = None if args.classifier == "etf" else _load_classifier(args)
    if W is not None and args.multiplier is not None:
        raise InputError("--multiplier and --classifier PATH exclude each other: W fixes the multiplier")
    if W is None and args.multiplier is None and args.lambda_w == 0:
        raise InputError("--lambda-w 0 leaves no finite optimal multiplier: give --multiplier")
    return Problem(
        classes=args.classes,
        multiplier=(1.0 if args.multiplier is None else args.multiplier) if W is None else None,
        lambda_h=args.lambda_h,
        lambda_w=args.lambda_w,
        dim=args.dim,
        loss=args.loss,
        law=law,
        classifier=W,
    )


@dataclass(frozen=True)
class FreeProblem:
    """What the joint problem needs besides the law: λ_b (None: no bias, 0: free), starts, ρ of given labels."""

    law: laws.LabelLaw
    dim: int
    lambda_b: float | None
    starts: int
    rho: np.ndarray | None = None


def read_free(args, law: laws.LabelLaw) -> FreeProblem:
    """Check the flags of a free classifier."""
    fixed = {"multiplier": args.multiplier, "max-steps": args.max_steps}
    for flag, value in fixed.items():
        if value is not None:
            raise InputError(f"--{flag} does not apply to --classifier free")
    if args.method != "newton" or args.precision not in ("auto", "float64"):
        raise InputError("--classifier free is solved by newton in float64: leave --method and --precision")
    for name, value in (("lambda-w", args.lambda_w), ("lambda-h", args.lambda_h)):
        checked.penalty(f"--{name}", value)
    # validates classes and the number of columns of given labels
    Problem(classes=args.classes, multiplier=1.0, law=law)
    dim = args.classes if args.dim is None else args.dim
    starts = (1 if dim >= args.classes - 1 else 8) if args.starts is None else args.starts
    for name, value in (("dim", dim), ("starts", starts), ("draws", args.draws)):
        if value is not None:
            checked.integer(f"--{name}", value, 1, checked.MAX_STEPS)
    whole = {"save": args.save, "plot": args.plot, "rigorous": args.rigorous}
    for name, value in whole.items():
        if args.distributed and value:
            raise InputError(
                f"--{name} with --classifier free needs all features in one process: leave --distributed"
            )
    if args.draws is not None and (law.labels is not None or any((args.lam, args.samples, args.quadrature))):
        raise InputError(
            "--draws draws whole labels: it excludes --lam, --samples, --quadrature and given labels"
        )
    return FreeProblem(law, dim, read_bias(args.bias), starts, read_rho(args, law))


def read_bias(text: str | None) -> float | None:
    """λ_b: None without a bias, 0 for a free one."""
    if text in (None, "none"):
        return None
    if text == "free":
        return 0.0
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"--bias must be none, free or a positive penalty, got {text!r}")
    return value


def check_fixed(args, law: laws.LabelLaw) -> None:
    """Flags that only a free classifier knows; weights of given labels enter the derived multiplier."""
    for flag in ("bias", *(("weights",) if law.labels is None else ()), "rho", "starts", "draws"):
        if getattr(args, flag) is not None:
            raise InputError(f"--{flag} needs --classifier free")
    if args.pairs == "cyclic" and args.classifier == "etf" and args.multiplier is None:
        raise InputError("--pairs cyclic is not exchangeable: give --multiplier, or --classifier free")


def _load_classifier(args) -> np.ndarray:
    if not args.classifier.endswith(".npy"):
        raise InputError(f"--classifier must be etf, free or a PATH.npy, got {args.classifier!r}")
    return load_array("classifier", args.classifier)


def read_choice(args, law: laws.LabelLaw) -> dict:
    """The choice of λ, as keyword arguments of `ufm.model.cases.choose_cases`."""
    choice = {"lam": read_lam(args.lam), "samples": args.samples, "quadrature": args.quadrature}
    check_choice(law, **choice)
    return choice


def check_numbers(args) -> None:
    """Limits of the plain numbers."""
    if args.max_steps is not None:
        checked.integer("--max-steps", args.max_steps, 0, checked.MAX_STEPS)
    if args.tol is not None:
        checked.positive("--tol", args.tol)
    checked.integer("--seed", args.seed, 0, checked.MAX_SEED)


def check_group(args) -> None:
    """The flags of a distributed run: none but --distributed where a cluster tells, else all of them."""
    given = {name: getattr(args, name) for name in ("coordinator", "processes", "process")}
    some = [name for name, value in given.items() if value is not None]
    if some and not args.distributed:
        raise InputError(f"--{some[0]} needs --distributed")
    if not some:
        return
    if len(some) < 3:
        missing = ", ".join(f"--{name}" for name in given if name not in some)
        raise InputError(f"--{some[0]} needs {missing} as well")
    host, _, port = args.coordinator.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise InputError(f"--coordinator must be HOST:PORT, got {args.coordinator!r}")
    checked.integer("--processes", args.processes, 1)
    checked.integer("--process", args.process, 0, args.processes - 1)


def read_part(args, blocks: int) -> Group:
    """--part k/n: which share of that many blocks this run solves, alone."""
    if args.part is None:
        return ALONE
    number, _, count = args.part.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise InputError(f"--part must be k/n with 1 <= k <= n, like 2/8, got {args.part!r}")
    if int(count) > blocks:
        raise InputError(f"--part {args.part}: the grid has {blocks} blocks (its key `block` is their size)")
    if args.distributed:
        raise InputError("--part divides among runs that do not know each other: leave --distributed")
    return Group(int(number) - 1, int(count))


def check_symmetry(args, law: laws.LabelLaw) -> None:
    """Where one pair of classes stands for all: the built-in ETF with two-hot labels."""
    if not args.symmetry:
        return
    if args.classifier != "etf":
        raise InputError(
            f"--symmetry needs the built-in ETF (--classifier etf), got {args.classifier}: leave --symmetry"
        )
    if not law.two_hot:
        raise InputError(
            f"--symmetry needs two-hot labels (mixup, cutmix, onehot; no smoothing), got {args.labels}"
            f"{' with smoothing' if law.smoothing else ''}: leave --symmetry"
        )


def read_mixing(args) -> np.ndarray | None:
    """--lam of `verify`: weights in [0, 1]."""
    lam = read_lam(args.lam)
    return None if lam is None else checked.mixing("--lam", lam)


def read_checked(args, law: laws.LabelLaw) -> Problem:
    """The problem of `verify`, its multiplier still to be chosen (1 in its place); d at least K − 1 there."""
    if args.dim is not None:
        checked.integer("--dim", args.dim, 1)
    return Problem(
        classes=args.classes,
        multiplier=1.0 if args.multiplier is None else args.multiplier,
        lambda_h=args.lambda_h,
        lambda_w=args.lambda_w,
        dim=None if args.dim is None else max(args.dim, args.classes - 1),
        loss=args.loss if args.loss in checked.LOSS_NAMES else checked.LOSS_NAMES[0],  # of the fixed ETF
        law=law,
    )


def read_folder(args) -> Path | None:
    """The folder of --save FOLDER/, which the slash at its end tells from a file."""
    return Path(args.save) if args.save and args.save.endswith("/") else None


def read_sources(args) -> list[str]:
    """The files that are read: none of them may be written."""
    given = [getattr(args, name, None) or "" for name in ("labels", "classifier", "weights", "rho")]
    return [path for path in given if path.endswith(".npy")]


def read_outputs(args, **suffixes: tuple[str, ...]) -> dict[str, str]:
    """Paths to write, by flag: JSON, a picture, and the flags named with the endings they may have.

    '-' (JSON on standard output) is not among them.
    """
    names = ("json", *suffixes, "plot")
    paths = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    for name, allowed in suffixes.items():
        if paths.get(name) and Path(paths[name]).suffix not in allowed:
            raise InputError(f"--{name} must end in {' or '.join(allowed)}, got {paths[name]!r}")
    for flag in ("format", "size"):
        if getattr(args, flag) is not None and args.plot is None:
            raise InputError(f"--{flag} goes with --plot PATH: where to draw")
    if paths.get("plot"):
        paths["plot"] = str(picture_path("--plot", paths["plot"], args.format))
    if {"plot", "report"} & set(paths):
        check_pictures()
    return {name: path for name, path in paths.items() if path != "-"}
