"""A theorem is one value: statement, assumptions, formula, numerical problem, source.

`check` of a theorem says what its claim predicts of a numerical optimum that somebody else found; the
theorem never solves anything. Three kinds of numerical problem: the optimal features against a fixed
classifier (`FeatureClaim`), the joint optimum over classifier, features and bias (`JointClaim`), and a problem of
another shape (`VariantClaim`), which a setting names by its `variant`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

import ufm.rules.numbers as checked
from ufm.model.atoms import FiniteLaw, JointProblem, finite_law, is_dense, with_penalties
from ufm.model.laws import LabelLaw
from ufm.model.problem import Problem
from ufm.model.variants.problem import Variant, VariantProblem
from ufm.model.variants.reading import is_exchangeable, read_law
from ufm.rules.errors import InputError

MOST = 150  # unknowns of a problem of another shape, whose Hessian is dense
WORK = 5e9  # multiplications of a Newton step of the joint problem with matrices a label: some seconds
VECTORS = 1e8  # n K² of one with vectors a label, each of which is used some hundred times: as long
MIXING = (0.0, 1e-6, 0.1, 0.3, 0.5, 0.9, 1.0)


@dataclass(frozen=True, eq=False)
class Setting:
    """The parameters that a theorem is checked on: one problem, seen with W fixed and with W free.

    lam: mixing weights looked at; lambda_b: bias of the free classifier (None: none, 0: free);
    free_dim, free_loss: feature dimension and loss of the joint problem (default those of `problem`), the loss also
    one that no fixed classifier is solved for; nodes: of its rule for λ; rho: of given labels, the relative
    penalties ρ of their features in the joint problem (None: all alike); targets: real targets of that problem;
    variant: the shape of the problem, if it is another than these two.
    """

    problem: Problem
    lam: tuple[float, ...] = MIXING
    lambda_b: float | None = None
    free_dim: int | None = None
    nodes: int = 24
    free_loss: str | None = None
    rho: Float[np.ndarray, " n"] | None = None
    targets: FiniteLaw | None = None
    variant: Variant | None = None

    def __post_init__(self):
        checked.instance("problem", self.problem, Problem)
        checked.mixing("lam", checked.numbers("lam", self.lam, ("n",)))
        checked.bias_penalty("lambda_b", self.lambda_b)
        if self.free_dim is not None:
            checked.integer("free_dim", self.free_dim, 1)
        checked.integer("nodes", self.nodes, 1)
        if self.free_loss is not None:
            checked.choice("free_loss", self.free_loss, checked.JOINT_LOSS_NAMES)
        if self.targets is not None and (
            not self.targets.real or self.targets.classes != self.problem.classes
        ):
            raise InputError(f"targets must be a FiniteLaw of {self.problem.classes} real numbers a row")
        if self.rho is not None:
            if self.problem.law.labels is None:
                raise InputError("rho is of given labels: make the law by soft(Y, weights)")
            checked.penalties("rho", self.rho, len(self.problem.law.given))
        if self.variant is not None:
            checked.instance("variant", self.variant, Variant)
            if self.rho is not None:
                raise InputError("a problem of another shape has one penalty for all features: leave rho")

    @cached_property
    def law(self) -> LabelLaw:
        """The label law, by its name where given labels have one (`read_law`)."""
        return read_law(self.problem.law)

    @cached_property
    def exchangeable(self) -> bool:
        """Permutations of the classes leave the label law alone."""
        return is_exchangeable(self.problem.law)

    @property
    def loss(self) -> str:
        """Of the joint problem."""
        return self.problem.loss if self.free_loss is None else self.free_loss

    @property
    def dim(self) -> int:
        """Feature dimension of the joint problem."""
        return self.problem.d if self.free_dim is None else self.free_dim

    @property
    def too_large(self) -> str | None:
        """Why the joint problem is out of reach, if it is (`within_reach`)."""
        law, K = self.problem.law, self.problem.classes
        if self.variant is not None:
            count = self.variant.unknowns(K, self.dim, joint_labels(law, K, self.nodes))
            return (
                None if count <= MOST else f"{count:.3g} unknowns are too many for a problem of another shape"
            )
        labels = joint_labels(law, K, self.nodes)
        if within_reach(labels, K, self.dim, self.loss):
            return None
        return f"{labels:.3g} labels of {K} classes are too many for the joint problem"

    @cached_property
    def joint(self) -> JointProblem:
        """The problem with W free, on a finite law."""
        p = self.problem
        atoms = finite_law(p.law, p.classes, self.nodes) if self.targets is None else self.targets
        if self.rho is not None:
            atoms = with_penalties(atoms, p.law, self.rho)
        return JointProblem(atoms, p.lambda_w, p.lambda_h, self.dim, self.lambda_b, self.loss)

    @cached_property
    def shaped(self) -> VariantProblem:
        """The problem with W free, in the shape of `variant`."""
        assert self.variant is not None
        return VariantProblem(self.variant, self.joint)


def joint_labels(law: LabelLaw, classes: int, nodes: int) -> float:
    """Labels of the finite law, about."""
    if law.labels is not None:
        return float(len(law.labels))
    if law.two_hot and law.pairs == "same":
        return float(classes)
    return classes + nodes * classes * (classes - 1) / 2 if law.two_hot else float(classes) ** law.ways


def within_reach(labels: float | int, classes: int, dim: int, loss: str) -> bool:
    """Whether the joint problem takes some seconds a Newton step at most."""
    if is_dense(labels, classes, dim, loss):
        return labels * float(classes) ** 4 <= WORK
    return labels * float(classes) ** 2 <= VECTORS


class Assumption(NamedTuple):
    """A hypothesis in words, and its predicate: None where it holds, else what is wrong.

    about: an aspect of `scope.ASPECTS` and the values of it that the hypothesis admits, where it is about one.
    """

    text: str
    broken: Callable[[Setting], str | None]
    about: tuple[str, tuple[str, ...]] | None = None


class Claim(NamedTuple):
    """Predicted values (N, q), one row a label, and a bound on their own rounding, absolute, a row."""

    values: Float[np.ndarray, "N q"]
    rounding: Float[np.ndarray, "N"]


@dataclass(frozen=True)
class FeatureClaim:
    """What is claimed of the logits z = W h of optimal features, centred (Σ z_k = 0).

    labels(setting): soft labels (N, K) to solve. formula(setting, labels): the predictions.
    measure(setting, labels, z): the same quantities from numerical logits z (N, K).
    lipschitz(setting): ‖measure(z) − measure(z')‖ ≤ lipschitz · ‖z − z'‖, row by row.
    relation: "=" or "<=" (measured at most predicted, entry by entry; then only excess over the
    prediction has to be Lipschitz, with z' the optimum).
    """

    labels: Callable[[Setting], np.ndarray]
    formula: Callable[[Setting, np.ndarray], Claim]
    measure: Callable[[Setting, np.ndarray, np.ndarray], np.ndarray]
    lipschitz: Callable[[Setting], float] = field(default=lambda setting: 1.0)
    relation: str = "="


class JointOptimum(NamedTuple):
    """A certified numerical optimum on the atoms: W (K, d), H (n, d), b (K), logits Z and predictions P
    (n, K), M = E (y−p)(y−p)ᵀ/ρ, L, the certified gap ≥ L − min L, and `suboptimality(W, H)`, the
    objective of any other point with its certified gap. excess(group): λ_max/c² − 1 of the labels' moment on
    a group of classes and its rounding; ≤ 0 iff the optimum does not tell them apart. excess(): iff it is zero."""

    W: np.ndarray
    H: np.ndarray
    b: np.ndarray
    Z: np.ndarray
    P: np.ndarray
    M: np.ndarray
    objective: float
    gap: float
    suboptimality: Callable[[np.ndarray, np.ndarray], tuple[float, float]]
    excess: Callable[..., tuple[float, float]]


class Finding(NamedTuple):
    """A claim held against a joint optimum: error, and what the gap and rounding allow it to be, in one unit.

    predicted: None where the claim is that something differs. bound: infinite where nothing follows from the error
    (`left_open`). tol: largest bound that counts as solved. unit: what error and bounds are divided by, in the unit
    of the two numbers. open: why the gap cannot tell, if it cannot. exceeds: some label's own error exceeds its own
    bounds. evidence: what stands behind the claim where the bound is no certificate of an optimum.
    """

    predicted: float | None
    numeric: float
    error: float
    bound: float
    rounding: float
    tol: float
    open: str | None = None
    unit: float = 1.0
    exceeds: bool = False
    evidence: str | None = None

    def left_open(self, why: str) -> "Finding":
        """The same error, of which nothing follows, and why."""
        return self._replace(bound=float("inf"), exceeds=False, open=why)


@dataclass(frozen=True)
class JointClaim:
    """What is claimed of the joint optimum; judge(setting, optimum) holds it against a numerical one."""

    judge: Callable[[Setting, JointOptimum], Finding]


class VariantOptimum(NamedTuple):
    """The best point found of a problem of another shape: W (K, d), H (n, d), objective, a certified lower bound of
    the minimum (None: none is known), ‖gradient‖, violation of constraints, objectives of all starts,
    `evaluate(*parts)`: objective, ‖gradient‖ and violation of a point given by all its parts, and `excess(group)`
    as in a JointOptimum."""

    W: np.ndarray
    H: np.ndarray
    objective: float
    lower: float | None
    slope: float
    violation: float
    starts: tuple[float, ...]
    evaluate: Callable[..., tuple[float, float, float]]
    excess: Callable[..., tuple[float, float]]


@dataclass(frozen=True)
class VariantClaim:
    """What is claimed of problems of one kind of `VARIANTS`; judge(setting, optimum) as in a JointClaim."""

    kind: str
    judge: Callable[[Setting, VariantOptimum], Finding]


@dataclass(frozen=True)
class Theorem:
    """Statement in LaTeX, hypotheses, numerical claim, what that compares (in words), source."""

    name: str
    title: str
    statement: str
    assumptions: tuple[Assumption, ...]
    claim: FeatureClaim | JointClaim | VariantClaim
    quantity: str
    source: str

    def violated(self, setting: Setting) -> str | None:
        """The first assumption that the setting breaks, or None; first of all, the shape of its problem."""
        wanted = self.claim.kind if isinstance(self.claim, VariantClaim) else None
        given = None if setting.variant is None else setting.variant.kind
        if wanted != given:
            return (
                f"the problem is not of the shape {wanted}" if wanted else f"the problem is another: {given}"
            )
        if isinstance(self.claim, FeatureClaim) and setting.lambda_b is not None:
            return "a fixed classifier has no bias"
        found = (assumption.broken(setting) for assumption in self.assumptions)
        return next((text for text in found if text), None)
