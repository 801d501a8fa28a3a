"""Finite label laws: the atoms (labels, weights) that the joint problem is solved on; that problem."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, permutations

import numpy as np
from jaxtyping import Float

import ufm.rules.numbers as checked
from ufm.model.cases import MAX_LAM, MAX_NODES, draw_labels, draw_lam, streams
from ufm.model.laws import LabelLaw, Patterns, mixing_rule, soft
from ufm.model.penalties import Penalties
from ufm.model.quadrature import beta_rule, edge_gauss, product_rule
from ufm.rules.brief import shown
from ufm.rules.errors import InputError
from ufm.rules.soft_labels import accept, normalise

DENSE = 1e8  # multiplications of a Newton step with matrices a label; beyond, conjugate gradients take over


@dataclass(frozen=True, eq=False)
class FiniteLaw:
    """n soft labels (n, K) with probabilities (n): as `ufm.rules.soft_labels` has them, else InputError.

    exchangeable: class permutations leave the law unchanged. law: what it was made of, by nodes or draws.
    rho: the feature of label n has the penalty (λ_H ρ_n/2)‖h‖², ρ_n > 0 (n); None: all alike. A temperature δ of
    the label, logits δ W h, is ρ = 1/δ² (no bias); a label of mass r, r ℓ(z, y/r), is ρ = 1/r (`multi_label`).
    Labels with penalties of their own are not taken to be exchangeable.
    real: labels are targets, any real numbers of n rows, for squared error alone.
    """

    labels: np.ndarray
    weights: np.ndarray
    exchangeable: bool = False
    law: LabelLaw | None = None
    rho: np.ndarray | None = None
    real: bool = False

    def __post_init__(self):
        checked.flag("real", self.real)
        labels = (
            checked.array("labels", self.labels, ("n", "K")) if self.real else accept(self.labels, "labels")
        )
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "weights", checked.weights("weights", self.weights, len(labels)))
        checked.flag("exchangeable", self.exchangeable)
        if self.law is not None:
            checked.instance("law", self.law, LabelLaw, "ufm.mixup")
        if self.real and (self.exchangeable or self.law is not None):
            raise InputError("real targets are of no label law, and not taken to be exchangeable")
        if self.rho is not None:
            object.__setattr__(self, "rho", checked.penalties("rho", self.rho, len(labels)))
            object.__setattr__(self, "law", None)  # which knows nothing of ρ
            if self.exchangeable:
                raise InputError("labels with penalties of their own are not taken to be exchangeable")

    __repr__ = shown

    @property
    def classes(self) -> int:
        """K."""
        return self.labels.shape[1]

    @property
    def patterns(self) -> Patterns:
        """The law symmetrised over class permutations, as patterns."""
        return Patterns(self.labels, np.ones_like(self.labels), self.weights)

    @property
    def pulls(self) -> Float[np.ndarray, " n"]:
        """π_n/ρ_n: what a residual of the label weighs in E r rᵀ/ρ."""
        return self.weights if self.rho is None else self.weights / self.rho

    @property
    def covariance(self) -> Float[np.ndarray, "K K"]:
        """E[(y − 1/K)(y − 1/K)ᵀ/ρ]."""
        centred = self.labels - 1 / self.classes
        return (centred * self.pulls[:, None]).T @ centred


@dataclass(frozen=True, eq=False)
class JointProblem:
    """W, features and bias are free, the label law is finite:

        E_π[ ℓ(W h + b, y) + (λ_H ρ/2)‖h‖² ] + (λ_W/2)‖W‖_F² (+ (λ_b/2)‖b‖²),    W (K, d), h (d);

    ρ = 1 unless the law says otherwise.

    dim: d, by default K. lambda_b: None no bias, 0 a free one, > 0 a penalised one. Raises InputError for penalties
    that are not positive and finite (the problem has no minimum else) and dim < 1.
    """

    atoms: FiniteLaw
    lambda_w: float
    lambda_h: float
    dim: int | None = None
    lambda_b: float | None = None
    loss: str = "cross-entropy"

    __repr__ = shown

    def __post_init__(self):
        checked.instance("atoms", self.atoms, FiniteLaw, "ufm.finite_law")
        dim = self.classes if self.dim is None else checked.integer("dim", self.dim, 1)
        object.__setattr__(self, "dim", dim)
        for name in ("lambda_w", "lambda_h"):
            object.__setattr__(self, name, checked.penalty(name, getattr(self, name)))
        object.__setattr__(self, "lambda_b", checked.bias_penalty("lambda_b", self.lambda_b))
        checked.choice("loss", self.loss, checked.JOINT_LOSS_NAMES)
        if self.atoms.real and self.loss != "squared-error":
            raise InputError(f"real targets are fitted by squared error, got loss {self.loss!r}")

    @property
    def classes(self) -> int:
        """K."""
        return self.atoms.classes

    @property
    def d(self) -> int:
        """Feature dimension: `dim`, which is None only in what the constructor is given."""
        assert self.dim is not None
        return self.dim

    @cached_property
    def law(self) -> LabelLaw:
        """What the finite law was made of, or the law of just these labels."""
        return self.atoms.law or soft(self.atoms.labels, self.atoms.weights)

    @property
    def penalties(self) -> Penalties:
        """λ_W, λ_H, λ_b."""
        return Penalties(self.lambda_w, self.lambda_h, self.lambda_b)

    @property
    def product(self) -> float:
        """c² = λ_W λ_H."""
        return self.lambda_w * self.lambda_h


def is_dense(labels: float | int, classes: int, dim: int, loss: str) -> bool:
    """Whether the joint problem is solved with K × K matrices a label, n K⁴ multiplications a step.

    With few classes, or where d is too small for every W Wᵀ, so that the problem is not convex in it.
    """
    return not is_convex(classes, dim, loss) or labels * float(classes) ** 4 <= DENSE


def is_convex(classes: int, dim: int, loss: str) -> bool:
    """Whether d allows every W Wᵀ: d ≥ K − 1 where constants added to the logits change nothing, else d ≥ K."""
    return dim >= classes - (loss == "cross-entropy")


@dataclass(frozen=True, eq=False)
class Point:
    """A point of the joint problem: W (K, d), the feature of each label H (n, d), b (K), None without a bias."""

    W: Float[np.ndarray, "K d"]
    H: Float[np.ndarray, "n d"]
    b: Float[np.ndarray, " K"] | None = None


def finite_law(law: LabelLaw, classes: int, nodes: int = 32) -> FiniteLaw:
    """The law with its mixing weights replaced by an N-point rule that resolves the edges λ = 0, 1.

    Exchangeability survives: every rule is applied to all class assignments alike.
    """
    _check(law, classes)
    checked.integer("nodes", nodes, 1, MAX_NODES)
    if law.labels is not None:
        labels, weights = law.labels, law.probabilities
    elif law.name == "kway":
        labels, weights = _kway_atoms(law, classes, nodes)
    else:
        labels, weights = _pair_atoms(law, classes, edge_gauss(mixing_rule(law), nodes))
    return _finish(law, classes, labels, weights)


def multi_label(
    members: Float[np.ndarray, "n K"],
    weights: Float[np.ndarray, " n"],
    lambda_w: float,
    lambda_h: float,
    dim: int | None = None,
    lambda_b: float | None = None,
) -> JointProblem:
    """Sets of classes, 0 and 1 in rows (n, K), of these probabilities, under the pick-all-label loss:

        E[ Σ_{k∈S} CE(z, k) + (λ_H/2)‖h‖² ] + (λ_W/2)‖W‖² (+ (λ_b/2)‖b‖²),     r = |S|,

    which is E r times the problem returned: labels 1_S/r of probabilities ∝ weight · r, ρ = 1/r, λ_W/E r, λ_b/E r.
    Raises InputError for entries that are neither 0 nor 1, and for an empty set.
    """
    found = checked.array("members", members, ("n", "K"))
    sizes = found.sum(1)
    if not np.isin(found, (0.0, 1.0)).all() or not (sizes > 0).all():
        raise InputError("members must be 0 or 1, with a class in every row")
    weights = checked.weights("weights", weights, len(found))
    mean = float(weights @ sizes)
    law = FiniteLaw(normalise(found / sizes[:, None]), weights * sizes / mean, rho=1 / sizes)
    return JointProblem(law, lambda_w / mean, lambda_h, dim, None if lambda_b is None else lambda_b / mean)


def with_penalties(atoms: FiniteLaw, law: LabelLaw, rho: Float[np.ndarray, " N"]) -> FiniteLaw:
    """The finite law of given labels with ρ of each of them (also of those of weight 0, which have no atom)."""
    return replace(atoms, rho=rho[law.probabilities > 0])


def given_lam(law: LabelLaw, classes: int, lam: np.ndarray) -> FiniteLaw:
    """The two-hot law with λ uniform over the given values."""
    _check(law, classes)
    lam = np.atleast_1d(checked.mixing("lam", lam))
    rule = lam, 1 - lam, np.full(len(lam), 1 / len(lam))
    return _finish(law, classes, *_pair_atoms(law, classes, rule))


def drawn_law(law: LabelLaw, classes: int, draws: int, seed: int) -> FiniteLaw:
    """N independent draws of whole labels, equally likely: what a network sees; never exchangeable."""
    _check(law, classes)
    checked.integer("draws", draws, 1, MAX_LAM)
    checked.integer("seed", seed, 0, checked.MAX_SEED)
    if law.labels is not None:
        raise InputError("given labels cannot be drawn from: they are a finite law already")
    drawn = draw_labels if law.name == "kway" else _drawn_pairs
    labels = drawn(law, classes, draws, seed)
    return FiniteLaw(labels, np.full(draws, 1 / draws), law=law)


def _check(law: LabelLaw, classes: int) -> None:
    checked.instance("law", law, LabelLaw, "ufm.mixup")
    checked.integer("classes", classes, 2)
    if law.class_weights is not None and len(law.class_weights) != classes:
        raise InputError(f"{len(law.class_weights)} class weights for {classes} classes")
    if law.labels is not None and law.labels.shape[1] != classes:
        raise InputError(f"soft labels have {law.labels.shape[1]} columns for {classes} classes")


def _finish(law, classes, labels, weights) -> FiniteLaw:
    labels = normalise((1 - law.smoothing) * np.minimum(labels, 1.0) + law.smoothing / classes)
    keep = weights > 0
    return FiniteLaw(labels[keep], weights[keep] / weights[keep].sum(), law.exchangeable, law)


def _pair_shares(law: LabelLaw, K: int) -> np.ndarray:
    """(K, K) probabilities of the ordered pairs (i, j)."""
    q = np.full(K, 1 / K) if law.class_weights is None else np.array(law.class_weights)
    share = np.outer(q, q)
    same = np.eye(K, dtype=bool)
    if law.pairs == "same":
        share = np.diag(q)
    elif law.pairs == "different":
        share = np.where(same, 0.0, share)
    elif law.pairs == "cyclic":
        share = np.roll(np.diag(q), 1, axis=1)
    return share / share.sum()


def _pair_atoms(law, K, rule):
    lam, colam, weight = rule
    share = _pair_shares(law, K)
    classes = np.eye(K)
    labels, weights = [classes], [np.diag(share)]
    for i, j in permutations(range(K), 2):
        if share[i, j] > 0:
            labels.append(lam[:, None] * classes[i] + colam[:, None] * classes[j])
            weights.append(share[i, j] * weight)
    return _merge_mirrored(np.concatenate(labels), np.concatenate(weights))


def _merge_mirrored(labels, weights):
    """Add up equal atoms: for a symmetric law (i, j, λ) is (j, i, 1−λ), to the last bit but one."""
    key = (labels + 1.0).round(15)  # on a grid of 4 units of machine epsilon, coarser than their difference
    _, first, group = np.unique(key, axis=0, return_index=True, return_inverse=True)
    return labels[first], np.bincount(group.ravel(), weights)


def _kway_atoms(law: LabelLaw, K: int, nodes: int):
    """All classes^ways assignments, grouped by which draws coincide; weights by products of Gauss rules."""
    few, alpha = kway_nodes(law.ways, nodes), law.concentration
    labels, weights = [], []
    for blocks in _set_partitions(list(range(law.ways))):
        r = len(blocks)
        if r > K:
            continue
        sizes = [len(block) for block in blocks]
        sticks = [_stick(alpha * sizes[l], alpha * sum(sizes[l + 1 :]), few) for l in range(r - 1)]
        values, weight = product_rule(sticks)
        for chosen in permutations(range(K), r):
            atoms = np.zeros((len(weight), K))
            atoms[:, list(chosen)] = values
            labels.append(atoms)
            weights.append(weight / K**law.ways)
    return _merge_mirrored(np.concatenate(labels), np.concatenate(weights))


def kway_nodes(ways: int, nodes: int) -> int:
    """Nodes of each of the ways − 1 rules."""
    least = 7 if ways == 3 else 3  # 7: second moments are exact; of more ways those are too many
    return max(least, round(nodes ** (1 / (ways - 1))))


def _stick(a, b, nodes):
    return edge_gauss(beta_rule(a, b), nodes)


def _set_partitions(items):
    """All ways to group a list into unordered blocks."""
    if not items:
        yield []
        return
    head, rest = items[0], items[1:]
    for size in range(len(rest) + 1):
        for others in combinations(rest, size):
            left = [x for x in rest if x not in others]
            for blocks in _set_partitions(left):
                yield [[head, *others], *blocks]


def _drawn_pairs(law, K, draws, seed):
    share = _pair_shares(law, K).ravel()
    rng = np.random.default_rng(streams(seed)[2])
    i, j = np.divmod(rng.choice(K * K, draws, p=share), K)
    lam = np.ones(draws) if law.alpha is None else draw_lam(law, draws, seed)
    labels = np.zeros((draws, K))
    np.add.at(labels, (np.arange(draws), i), lam)
    np.add.at(labels, (np.arange(draws), j), 1 - lam)
    return normalise((1 - law.smoothing) * np.minimum(labels, 1.0) + law.smoothing / K)
