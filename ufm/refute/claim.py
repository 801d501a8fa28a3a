"""A claim of one's own: a Python file of about twenty lines, as a `Theorem` with parameters that are searched.

    '''Under mixup the optimal classifier is zero exactly from lambda_W lambda_H = 1/K on.'''
    parameters = {"classes": [2, 3, 4], "alpha": (0.1, 10.0), "lambda_w": (1e-3, 1.0), "lambda_h": (1e-3, 1.0)}
    labels = "mixup"

    def zero(p):
        return p.lambda_w * p.lambda_h >= 1 / p.classes

parameters: a list is tried value by value, a pair of numbers is a range (on a logarithmic scale where it is
positive, but for lam), a number or text is fixed. Names are those of `Case` (classes, dim, alpha, smoothing, bias,
lambda_w, lambda_h, loss, pairs, lam, …), and any of one's own. labels: a law's name, or a function of p that gives
labels Y (n, K) or (Y, weights). assumes(p): where the claim says nothing, False or a text that says why. One of:

    gram(p)            the K x K matrix W Wᵀ of the optimum
    zero(p)            True where the optimum is W = 0, else False
    logits(p, y)       W h + b of the label y, up to a constant under cross-entropy
    inequality(p, o)   a number that is never above zero; o: `ufm.refute.kinds.Shown`
"""

from dataclasses import dataclass, fields, make_dataclass, replace
from difflib import get_close_matches
from functools import partial
from itertools import product
from numbers import Real
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

import numpy as np

import ufm.rules.numbers as checked
from ufm.agree.theorem import check_joint_claim
from ufm.model.laws import LabelLaw
from ufm.model.problem import Problem
from ufm.refute.calls import call, limited, said, where
from ufm.refute.cases import CLASSES, EDGES, RANGES, Case, Family, changed
from ufm.refute.errors import ClaimError
from ufm.refute.kinds import KINDS, require_kind
from ufm.rules.errors import InputError
from ufm.rules.numbers import LOSS_NAMES
from ufm.theory.theorems.theorem import Assumption, Finding, JointClaim, Setting, Theorem

TAKEN = {*vars(Case), "choices", "limits", "fixed"} - {field.name for field in fields(Case)} | {
    "p",
    "labels",
    "variant",
}
PROBLEM = {field.name for field in fields(Case)}
KNOWN = {"parameters", "labels", "assumes", *KINDS}  # names that a file may define
UNREAD = {"rho", "ways"}  # of problems elsewhere
SHOWN = (
    "classes",
    "dim",
    "lambda_w",
    "lambda_h",
    "loss",
    "bias",
    "alpha",
    "smoothing",
    "pairs",
)  # of every p
NODES = 24  # of the rule for λ where the law is continuous
FINER = 4
SAME = 0.5  # an error that the rule for λ makes is a smaller share on the finer rule


@dataclass(frozen=True, eq=False)
class OwnClaim:
    """A claim as the search takes it. kind: what is claimed; ranges, choices: of its parameters by name."""

    theorem: Theorem
    kind: str
    families: list[Family]
    ranges: dict[str, tuple[float, float]]
    choices: dict[str, list]

    @property
    def names(self) -> list[str]:
        """The parameters that are not fixed."""
        return [*self.choices, *self.ranges]


@dataclass(frozen=True, eq=False)
class OwnSetting(Setting):
    """A setting that knows the parameters it was made of."""

    p: Any = None


def read_claim(path: Path) -> OwnClaim:
    """The claim in a file. InputError for a file that cannot be read, does not run, or claims nothing."""
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    names: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    try:
        with limited("the file itself"):
            exec(compile(source, str(path), "exec"), names)
    except ClaimError as error:
        raise InputError(f"{path}: {error}") from None
    except (Exception, SystemExit) as error:
        raise InputError(f"{path}: {where(error, path)}") from None
    return make_claim(names, path.stem)


def make_claim(names: dict[str, Any], name: str) -> OwnClaim:
    """The claim of a file's names (parameters, labels, assumes, and one kind of claim), as a notebook has them.

    InputError for names that claim nothing, or are not what they should be.
    """
    parameters = names.get("parameters", {})
    if not isinstance(parameters, dict):
        raise InputError("parameters must be a dictionary of names and values")
    _refuse_unread(names, parameters)
    kind = require_kind(names)
    for part in ("assumes", kind):
        if part in names and not callable(names[part]):
            raise InputError(f"{part} must be a function")
    ranges, choices, fixed = _sort(parameters)
    case = _case_type(names.get("labels", "mixup"), ranges, choices, fixed)
    words = (names.get("__doc__") or name).strip().split("\n\n")[0]
    theorem = Theorem(
        name=name,
        title=" ".join(words.split()),
        statement=f"{kind}(p) of {name}.py",
        assumptions=_assumptions(names.get("assumes")),
        claim=JointClaim(partial(_judge, kind, names[kind])),
        quantity=QUANTITIES[kind],
        source="your own claim",
    )
    return OwnClaim(theorem, kind, _families(case, ranges, choices), ranges, choices)


def _refuse_unread(names: dict[str, Any], parameters: dict) -> None:
    """InputError for what was meant to be read, and is not: the claim would be on another problem."""
    for name, value in names.items():
        if name in SHOWN and name not in parameters and not callable(value):
            raise InputError(f"{name} stands outside of parameters, where nothing reads it: put it there")
        open_ = KNOWN - names.keys() - (KINDS.keys() if KINDS.keys() & names.keys() else set())
        near = get_close_matches(name, open_, 1, 0.85) if callable(value) or isinstance(value, dict) else []
        if near and name not in KNOWN:
            raise InputError(f"{name} is nothing that a claim has: did you mean {near[0]}?")
    read = set().union(*(_names_in(value.__code__) for value in names.values() if hasattr(value, "__code__")))
    for name in parameters.keys() - PROBLEM - read:
        near = get_close_matches(str(name), SHOWN, 1, 0.8)
        if near and str(name).lower() not in PROBLEM:  # which has a word of its own
            raise InputError(f"parameters: nothing reads p.{name}: did you mean {near[0]}?")


def _names_in(code: CodeType) -> set[str]:
    """The names and texts of a function and of those inside it."""
    inner = [part for part in code.co_consts if isinstance(part, CodeType)]
    texts = {part for part in code.co_consts if isinstance(part, str)}
    return set(code.co_names).union(texts, *map(_names_in, inner))


QUANTITIES = {
    "gram": "the objective at the best features for this Gram matrix, with the certified minimum",
    "zero": "the largest eigenvalue of the residuals' moment at zero with lambda_W lambda_H",
    "logits": "predictions, by their mean divergence from certified ones",
    "inequality": "the number at a certified optimum with zero",
}


def _hashable(value) -> bool:
    try:
        hash(value)
    except TypeError:  # a tuple may hold a list
        return False
    return True


def _sort(parameters: dict) -> tuple[dict, dict, dict]:
    ranges, choices, fixed = {}, {}, {}
    for name, value in parameters.items():
        if not (isinstance(name, str) and name.isidentifier()) or name in TAKEN:
            raise InputError(f"parameters has the name {name!r}, which is none or taken")
        if name not in PROBLEM and name.lower() in PROBLEM:
            raise InputError(f"parameters has the name {name!r}: did you mean {name.lower()!r}?")
        if name in UNREAD:
            raise InputError(f"parameters: a claim cannot set {name}, which nothing would read")
        if not all(map(_hashable, value if isinstance(value, list) else [value])):
            given = " ".join(repr(value).split())
            raise InputError(f"parameters: {name} must be of numbers, texts or tuples, got {given:.60}")
        if isinstance(value, list):
            if not value:
                raise InputError(f"parameters: {name} is an empty list")
            choices[name] = value
        elif isinstance(value, tuple):
            ranges[name] = _range(name, value)
        else:
            fixed[name] = value
    if not {"classes"} & (choices.keys() | fixed.keys()):
        if "classes" in ranges:
            raise InputError("parameters: give classes as a list, like [2, 3, 5]")
        choices["classes"] = list(CLASSES)
    return ranges, choices, fixed


def _range(name: str, value: tuple) -> tuple[float, float]:
    plain = len(value) == 2 and all(isinstance(x, Real) and not isinstance(x, bool) for x in value)
    if not plain or not value[0] < value[1] or not np.isfinite(value).all():
        allowed = "a pair (low, high) of numbers, a list or one value"
        raise InputError(f"parameters: {name} must be {allowed}, got {value!r}")
    if name == "lam" and not 0 <= value[0] < value[1] <= 1:
        raise InputError("parameters: lam lies between 0 and 1")
    return float(value[0]), float(value[1])


def _case_type(labels, ranges: dict, choices: dict, fixed: dict) -> type[Case]:
    """A `Case` with the claim's own parameters, laws and limits."""
    middle = {name: _middle(*pair) for name, pair in ranges.items()}
    first = {name: values[0] for name, values in choices.items()}
    start = fixed | first | middle
    space: dict[str, Any] = {
        "ranges": RANGES | ranges,
        "numbers": tuple(ranges),
        "choices": choices,
        "limits": ranges,
    }
    low, high = ranges.get("lam", RANGES["lam"])
    space |= {"admits": property(_admits), "setting": _setting, "fixed": fixed}
    space["edges"] = tuple(lam for lam in EDGES if low <= lam <= high)
    if callable(labels):
        space["law"] = property(partial(_own_law, labels))
    else:
        start["labels"] = labels
    own = [(name, Any, value) for name, value in start.items()]
    return make_dataclass("OwnCase", own, bases=(Case,), frozen=True, namespace=space)


def _middle(low: float, high: float) -> float:
    return float(np.sqrt(low * high)) if low > 0 else (low + high) / 2


def _admits(case) -> bool:
    """All parameters lie where the claim was made: shrinking must not leave it."""
    inside = all(low <= getattr(case, name) <= high for name, (low, high) in case.limits.items())
    inside = inside and all(getattr(case, name) == value for name, value in case.fixed.items())
    return inside and all(getattr(case, name) in values for name, values in case.choices.items())


def _parameters(case) -> SimpleNamespace:
    """What the claim's functions are given: the problem, dim as it is, and what the file names."""
    found = {name: getattr(case, name) for name in (*SHOWN, *case.choices, *case.limits, *case.fixed)}
    return SimpleNamespace(**(found | {"dim": case.dim or case.classes}))


def _own_law(labels, case) -> LabelLaw:
    p = _parameters(case)
    found = call(labels, "labels", p)
    Y, weights = found if isinstance(found, tuple) and len(found) == 2 else (found, None)
    try:
        Y, shares = _numbers(Y), None if weights is None else _numbers(weights)
        if np.shape(Y)[1:] != (case.classes,):
            allowed = f"labels (n, {case.classes}), or (labels, n weights)"
            raise InputError(f"must return {allowed}, got shape {np.shape(Y)}")
        return LabelLaw("labels", labels=Y, label_weights=shares)
    except (InputError, TypeError, ValueError) as error:
        raise ClaimError(f"labels: {error}, at {said(p)}") from None


def _numbers(value) -> np.ndarray:
    """Any numbers as real ones; TypeError for others."""
    found = np.asarray(value)
    if found.dtype.kind not in "bifu":
        raise TypeError(f"must return real numbers, got {value!r:.60}")
    return found.astype(float)


def _setting(case) -> OwnSetting:
    problem = Problem(
        classes=case.classes,
        multiplier=1.0,
        lambda_h=case.lambda_h,
        lambda_w=case.lambda_w,
        dim=None if case.dim is None else max(case.dim, case.classes - 1),
        # of the fixed W, which no claim is about
        loss=case.loss if case.loss in LOSS_NAMES else LOSS_NAMES[0],
        law=case.law,
    )
    checked.choice("loss", case.loss, checked.JOINT_LOSS_NAMES)
    return OwnSetting(problem, (0.5,), case.bias, case.dim, NODES, free_loss=case.loss, p=_parameters(case))


def _assumptions(assumes) -> tuple[Assumption, ...]:
    if assumes is None:
        return ()

    def broken(setting: Setting) -> str | None:
        found = call(assumes, "assumes", getattr(setting, "p"))  # noqa: B009 (an `OwnSetting`, always)
        if isinstance(found, str):
            return found
        if not isinstance(found, (bool, np.bool_)):
            raise ClaimError(f"assumes must return True, False or a text, got {found!r}")
        return None if found else "assumes(p) is False"

    return (Assumption((assumes.__doc__ or "assumes(p)").strip(), broken),)


def _judge(kind: str, function, setting: OwnSetting, optimum) -> Finding:
    """Held against the optimum; what fails on a rule for λ must fail as clearly on one of FINER times the nodes,
    but for what a moment of the labels decides, which the rule has exactly."""

    def ask(*more):
        return call(function, kind, setting.p, *more)

    found = KINDS[kind](ask, setting, optimum)
    law, fails = setting.problem.law, not found.error <= found.bound + found.rounding
    exact = kind == "zero" or law.labels is not None or law.alpha is None
    if not fails or exact or setting.nodes > NODES:
        return found
    claim = JointClaim(partial(_judge, kind, function))
    finer, _ = check_joint_claim(claim, replace(setting, nodes=FINER * NODES), False)
    open_ = "the error falls with the nodes of the rule for lambda"
    if not np.isfinite(finer.error) or finer.error > SAME * found.error:
        if law.name != "kway":
            return finer
        open_ = "the rule for mixtures of many classes has too few nodes, at any price, to refute"
    return finer.left_open(open_)


def _families(case: Any, ranges: dict, choices: dict) -> list[Family]:
    """Every combination of the listed values; where dim is left open, d = K and then d = K − 1."""
    free = tuple(ranges)
    open_dim = not any("dim" in part for part in (choices, ranges, case.fixed))
    rooms = (0, -1) if open_dim else (0,)
    found = []
    for room, values in product(rooms, product(*choices.values())):
        start = changed(case(), dict(zip(choices, values)))
        if room:
            start = changed(start, {"dim": start.classes - 1})
        _require(start)
        found.append(Family(start, free))
    return found


def _require(case: Case) -> None:
    """InputError where the listed values make no problem, or none that is solved here: no search would meet it."""
    try:
        if reason := case.setting().too_large:
            raise InputError(reason)
    except InputError as error:
        raise InputError(f"parameters: {error}, at {said(_parameters(case))}") from None
