"""Candidate counterexamples: cases in a few numbers, and the families of cases that a claim is searched on.

A `Case` is what the options of `python -m ufm.verify` say; a `Family` is a case with some of its numbers
free. Families differ in what JAX compiles for (K, the kind of law, bias, loss): within one, hundreds of
cases share the compiled programs.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, ClassVar

import numpy as np

from ufm.model.laws import LabelLaw
from ufm.model.problem import Problem
from ufm.model.variants.problem import COUNTS, VARIANTS, Variant
from ufm.refute.made import MADE, made_law, made_rho, made_targets
from ufm.rules.errors import InputError
from ufm.rules.numbers import LOSS_NAMES
from ufm.theory.theorems.theorem import FeatureClaim, Setting, Theorem, VariantClaim

CLASSES = (2, 3, 4, 5)  # few, as JAX compiles for each; the smallest first, to be found small
BINARY = "binary-cross-entropy"
EDGES = (0.0, 1e-12, 0.5, 1.0)  # mixing weights that are tried besides random ones


RANGES = {  # all on a logarithmic scale but lam, which is on the scale of logit lam
    "multiplier": (1e-2, 1e3),
    "lambda_w": (1e-6, 10.0),
    "lambda_h": (1e-6, 10.0),
    "alpha": (0.05, 20.0),
    "smoothing": (1e-3, 0.9),
    "light": (2e-3, 0.24),
    "bias": (1e-4, 10.0),
    "first": (0.1, 5.0),
    "second": (0.1, 5.0),
    "lam": (1e-6, 1 - 1e-6),
}
POSITIVE = (
    "first",
    "second",
    "alpha",
    "smoothing",
    "light",
    "bias",
    "multiplier",
    "lambda_h",
    "lambda_w",
    "lam",
)


@dataclass(frozen=True)
class Case:
    """One problem, by the names of the command's options.

    groups: None for equal class weights, "one" for one heavy class and K−1 of weight `light`, "two" for
    heavy classes, two of weight `light` and one of half that. bias: None, 0 (free) or its penalty.
    dim: feature dimension, None for K. variant: a problem of another shape, of the numbers first and second.
    """

    classes: int = 4
    loss: str = "cross-entropy"
    labels: str = "mixup"
    pairs: str = "all"
    alpha: float = 1.0
    smoothing: float = 0.0
    groups: str | None = None
    light: float = 0.1
    bias: float | None = None
    dim: int | None = None
    multiplier: float = 1.0
    lambda_w: float = 0.01
    lambda_h: float = 0.01
    lam: float = 0.3
    variant: str | None = None
    first: float = 1.0
    second: float = 1.0

    numbers: ClassVar[tuple[str, ...]] = POSITIVE  # what a search may move
    ranges: ClassVar[dict[str, tuple[float, float]]] = RANGES
    edges: ClassVar[tuple[float, ...]] = EDGES

    @property
    def admits(self) -> bool:
        """Whether the case is one that a claim is made for; hypotheses are asked apart."""
        return True

    @property
    def weights(self) -> tuple[float, ...] | None:
        """Class weights, which sum to one."""
        if self.groups is None:
            return None
        light = [self.light] * (self.classes - 1 if self.groups == "one" else 2)
        light += [] if self.groups == "one" else [self.light / 2]
        heavy = self.classes - len(light)
        if heavy < 1 or sum(light) >= 1:
            raise InputError(f"no such class weights for K = {self.classes}, light = {self.light:g}")
        return (*([(1 - sum(light)) / heavy] * heavy), *light)

    @property
    def law(self) -> LabelLaw:
        """The label law. Raises InputError where it does not exist."""
        if self.labels in MADE:
            return made_law(self)
        mixed = self.labels in ("mixup", "cutmix", "kway")
        return LabelLaw(
            self.labels,
            alpha=self.alpha if mixed else None,
            pairs=self.pairs if mixed else "same",
            smoothing=self.smoothing,
            ways=3 if self.labels == "kway" else 2,
            class_weights=self.weights,
        )

    def setting(self) -> Setting:
        """The case as the kernel wants it, with the discretisation of `ufm.verify`."""
        fixed = None if self.dim is None else max(self.dim, self.classes - 1)
        problem = Problem(
            classes=self.classes,
            multiplier=self.multiplier,
            lambda_h=self.lambda_h,
            lambda_w=self.lambda_w,
            dim=fixed,
            loss=self.loss if self.loss in LOSS_NAMES else LOSS_NAMES[0],  # of the fixed ETF
            law=self.law,
        )
        return Setting(
            problem,
            (self.lam,),
            self.bias,
            free_dim=self.dim,
            free_loss=self.loss,
            rho=made_rho(self),
            targets=made_targets(self),
            variant=self.as_variant,
        )

    @property
    def as_variant(self) -> Variant | None:
        """The variant with its numbers; counts are rounded, and at least two; thresholds have one distance."""
        if self.variant is None:
            return None
        if self.variant == "ordinal":
            return Variant(self.variant, tuple(self.first * (k - 0.5) for k in range(self.classes - 1)))
        numbers = (self.first, self.second)[: len(VARIANTS[self.variant])]
        if self.variant in COUNTS:
            numbers = (float(max(round(numbers[0]), COUNTS[self.variant][0])), *numbers[1:])
        return Variant(self.variant, numbers)


@dataclass(frozen=True)
class Family:
    """A case and the names of its free numbers."""

    case: Case
    free: tuple[str, ...]


def to_scale(case: Case, name: str, value: float) -> float:
    """log value, logit for λ (its ends at ±40), or the value itself where its range is not of positive numbers."""
    if name != "lam":
        return math.log(value) if case.ranges[name][0] > 0 else value
    return float(np.clip(math.log(max(value, 1e-300)) - math.log1p(-min(value, 1 - 1e-16)), -40, 40))


def from_scale(case: Case, name: str, place: float) -> float:
    """The inverse of `to_scale`, kept inside the range."""
    ends = case.ranges[name]
    low, high = (to_scale(case, name, end) for end in ends)
    place = min(max(place, low), high)
    if name == "lam":
        return 1 / (1 + math.exp(-place))
    return min(max(math.exp(place), ends[0]), ends[1]) if ends[0] > 0 else place


def changed(case: Case, values: dict[str, Any]) -> Case:
    """The case with other values of some of its parameters."""
    return replace(case, **values)


def draw(family: Family, rng: np.random.Generator) -> Case:
    """A case with its free numbers drawn uniformly on their scales; λ is a special value now and then."""
    drawn = {}
    for name in family.free:
        low, high = (to_scale(family.case, name, end) for end in family.case.ranges[name])
        drawn[name] = from_scale(family.case, name, rng.uniform(low, high))
        if name == "lam" and rng.random() < 0.25 and family.case.edges:
            drawn[name] = float(rng.choice(family.case.edges))
    return changed(family.case, drawn)


def families(theorem: Theorem) -> list[Family]:
    """Families in which the theorem applies somewhere, plain ones first."""
    claim = theorem.claim
    if isinstance(claim, VariantClaim):
        kinds = _variant_kinds(claim.kind)
    else:
        kinds = _fixed_kinds(theorem) if isinstance(claim, FeatureClaim) else _free_kinds()
    return [kind for kind in kinds if _applies(theorem, kind)]


def _applies(theorem: Theorem, family: Family) -> bool:
    """The hypotheses hold at an inner point, of a strong or a weak classifier; others are asked case by case."""
    for multiplier in (family.case.multiplier, 0.01):
        try:
            case = replace(family.case, light=0.9 / family.case.classes, multiplier=multiplier)
            setting = replace(case.setting(), nodes=3)  # no hypothesis depends on the rule for λ
        except InputError:
            continue
        if theorem.violated(setting) is None:
            return True
    return False


def _fixed_kinds(theorem: Theorem) -> Iterator[Family]:
    """Optimal features against the fixed ETF: K, loss, m, λ_H, and λ where the claim is about mixtures."""
    free = ("multiplier", "lambda_h", *(("lam",) if depends_on_lam(theorem) else ()))
    for room in (0, -1, 3):  # d = K first, then just enough, then more
        for K in CLASSES:
            for loss in ("cross-entropy", "squared-error"):
                yield Family(Case(classes=K, loss=loss, dim=K + room if room else None), free)


def depends_on_lam(theorem: Theorem) -> bool:
    """The labels of a claim on features differ between two values of λ."""
    if not isinstance(theorem.claim, FeatureClaim):
        return False
    one, other = (theorem.claim.labels(Case(lam=lam).setting()) for lam in (0.3, 0.4))
    return not np.array_equal(one, other)


def _free_kinds() -> Iterator[Family]:
    """The free classifier: laws, class weights, biases and dimensions; every kind at a K before the next K."""
    ridge = ("lambda_w", "lambda_h")
    mixed = (*ridge, "alpha")
    kinds: tuple[tuple[dict[str, Any], tuple[str, ...]], ...] = (
        ({}, mixed),
        ({"pairs": "cyclic"}, mixed),
        ({"groups": "one"}, (*mixed, "light")),
        ({"loss": "squared-error", "bias": 0.0}, mixed),
        ({"groups": "two"}, (*mixed, "light")),
        ({"smoothing": 0.1}, (*mixed, "smoothing")),
        ({"labels": "onehot"}, ridge),
        ({"bias": 0.0}, mixed),
        ({"pairs": "different"}, mixed),
        ({"loss": "squared-error"}, mixed),
        ({"labels": "onehot", "groups": "one"}, (*ridge, "light")),
        ({"groups": "one", "smoothing": 0.1}, (*mixed, "light", "smoothing")),
        ({"groups": "one", "bias": 0.0}, (*mixed, "light")),
        ({"labels": "onehot", "groups": "one", "bias": 0.1}, (*ridge, "light", "bias")),
        ({"dim": -1}, mixed),
        ({"dim": 2}, mixed),
        ({"dim": 2, "groups": "one", "lambda_w": 0.4, "lambda_h": 0.4}, (*mixed, "light")),
        ({"bias": 0.1}, (*mixed, "bias")),
        ({"labels": "smoothing", "smoothing": 0.1}, (*ridge, "smoothing")),
        ({"labels": "kway"}, mixed),
        ({"labels": "cutmix"}, mixed),
        ({"loss": "squared-error", "bias": 0.1}, (*mixed, "bias")),
        ({"labels": "onehot", "loss": "squared-error", "groups": "one"}, (*ridge, "light")),
        ({"labels": "onehot", "loss": "squared-error", "bias": 0.1}, (*ridge, "bias")),
        ({"labels": "onehot", "dim": 2}, ridge),
        ({"labels": "design"}, mixed),
        ({"labels": "balancing", "groups": "one"}, (*mixed, "light")),
        ({"labels": "ring", "smoothing": 0.2}, (*ridge, "smoothing")),
        ({"labels": "hierarchy", "smoothing": 0.1}, (*ridge, "smoothing", "light")),
        ({"labels": "temperatures", "groups": "one"}, (*mixed, "light")),
        ({"labels": "sets", "smoothing": 0.4}, (*ridge, "smoothing")),
        ({"labels": "targets", "loss": "squared-error"}, mixed),
        ({"labels": "targets", "loss": "squared-error", "bias": 0.0}, mixed),
        ({"labels": "sets", "smoothing": 0.4, "bias": 0.0}, (*ridge, "smoothing")),
        ({"labels": "onehot", "loss": BINARY, "bias": 0.0}, ridge),
        ({"labels": "smoothing", "loss": BINARY, "smoothing": 0.1}, (*ridge, "smoothing")),
    )
    for K, (changes, free) in product(CLASSES, kinds):
        dim = changes.get("dim")
        dim = K - 1 if dim == -1 else dim
        if changes.get("labels") == "cutmix" and K != 3:
            continue  # this law takes a second to discretise
        if dim is None or dim < K:
            yield Family(replace(Case(classes=K), **(changes | {"dim": dim})), free)


def _variant_kinds(kind: str) -> Iterator[Family]:
    """Problems of another shape: their numbers, both losses, equal and unequal weights, few and many dimensions."""
    numbers = ("first", "second")[: len(VARIANTS[kind])]
    free = (*numbers, "lambda_w", "lambda_h")
    for K, room in product(CLASSES, (0, -1, -2, 1)):
        for loss in ("cross-entropy", "squared-error"):
            case = Case(K, loss, "onehot", dim=max(K + room, 1), variant=kind)
            yield Family(case, free)
            yield Family(replace(case, groups="one"), (*free, "light"))


# --- words --------------------------------------------------------------------------------------


def parameters(theorem: Theorem, case: Case) -> list[tuple[str, str]]:
    """Options of `python -m ufm.verify` and their values: what the claim depends on and is no default."""
    K = case.classes
    shown = [("classes", str(K))]
    if case.loss != "cross-entropy":
        shown.append(("loss", case.loss))
    if case.as_variant is not None:
        shown.append(("variant", case.as_variant.words))
    if isinstance(theorem.claim, FeatureClaim):
        shown += [("multiplier", number(case.multiplier)), ("lambda-h", number(case.lambda_h))]
        shown += [("lam", number(case.lam))] if depends_on_lam(theorem) else []
    else:
        shown += _law_parameters(case)
        shown += [("lambda-w", number(case.lambda_w)), ("lambda-h", number(case.lambda_h))]
        if case.bias is not None:
            shown.append(("bias", number(case.bias) if case.bias else "free"))
    if case.dim not in (None, K):
        shown.append(("dim", str(case.dim)))
    return shown


def _law_parameters(case: Case) -> list[tuple[str, str]]:
    law, shown = case.law, []
    if law.labels is not None:
        shown += [("labels", "Y.npy"), ("weights", ",".join(map(number, law.probabilities)))]
        rho = made_rho(case)
        return shown if rho is None else [*shown, ("rho", ",".join(map(number, rho.tolist())))]
    if law.name != "mixup":
        shown.append(("labels", law.name))
    if law.name in ("mixup", "cutmix") and law.pairs != "all":
        shown.append(("pairs", law.pairs))
    if law.alpha is not None:
        shown.append(("alpha", number(law.alpha)))
    if law.smoothing:
        shown.append(("smoothing", number(law.smoothing)))
    if law.class_weights is not None:
        shown.append(("weights", ",".join(number(q) for q in law.class_weights)))
    return shown


def number(value: float) -> str:
    """The shortest text that gives the number back: 12 digits where that is exact enough, else all."""
    short = f"{value:.12g}"
    return short if math.isclose(float(short), value, rel_tol=1e-15) else repr(value)
